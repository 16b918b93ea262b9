package account

import (
	"context"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/secure/precis"
	"golang.org/x/text/unicode/norm"

	"atrium/storage"
)

// Bounds on what a password, and a stored hash's parameters, may be.
const (
	maxPassword = 1024    // bytes
	maxMemory   = 4 << 20 // KiB
	maxPasses   = 100
	maxThreads  = 16
)

// prepare brings a password into the form that is hashed: OpaqueString of
// PRECIS (RFC 8265 §4.2). What PRECIS forbids is Invalid.
func prepare(password string) (string, error) {
	if password == "" || len(password) > maxPassword {
		return "", fmt.Errorf("password of %d bytes: %w", len(password), storage.Invalid)
	}
	if isPlain(password) {
		return password, nil
	}
	s, err := precis.OpaqueString.String(password)
	if err != nil {
		return "", fmt.Errorf("password with characters that none may have: %w", storage.Invalid)
	}
	return s, nil
}

// saslprep brings a password into the form that SCRAM clients hash (RFC 5802
// §2.2, RFC 4013 §2): mapped, NFKC, nothing forbidden.
func saslprep(password string) (string, bool) {
	if isPlain(password) {
		return password, true
	}
	s := norm.NFKC.String(strings.Map(func(r rune) rune {
		switch {
		case r == 0xad, r == 0x34f, r == 0x1806, 0x180b <= r && r <= 0x180d, 0x200b <= r && r <= 0x200d,
			r == 0x2060, 0xfe00 <= r && r <= 0xfe0f, r == 0xfeff: // RFC 3454 table B.1
			return -1
		case r > 0x7f && unicode.Is(unicode.Zs, r): // table C.1.2
			return ' '
		}
		return r
	}, password))
	bad := strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) || r == utf8.RuneError || unicode.In(r, unicode.Co, unicode.Cs, unicode.Noncharacter_Code_Point)
	})
	return s, !bad && s != ""
}

// phc is an argon2id hash in the string format of the password hashing competition.
type phc struct {
	memory  uint32 // KiB
	passes  uint32
	threads uint8
	salt    []byte
	sum     []byte
}

func (p phc) String() string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, p.memory, p.passes, p.threads,
		b64.EncodeToString(p.salt), b64.EncodeToString(p.sum))
}

// parsePHC reads a hash; Corrupt when it is none, or none that is safe to compute.
func parsePHC(s string) (p phc, err error) {
	fail := fmt.Errorf("password hash: %w", storage.Corrupt)
	parts := strings.Split(s, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return p, fail
	}
	if n, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &p.memory, &p.passes, &p.threads); n != 3 || err != nil {
		return p, fail
	}
	if p.memory < 8 || p.memory > maxMemory || p.passes < 1 || p.passes > maxPasses || p.threads < 1 || p.threads > maxThreads {
		return p, fail
	}
	var e1, e2 error
	p.salt, e1 = base64.RawStdEncoding.DecodeString(parts[4])
	p.sum, e2 = base64.RawStdEncoding.DecodeString(parts[5])
	if e1 != nil || e2 != nil || len(p.salt) < 8 || len(p.salt) > 64 || len(p.sum) < 16 || len(p.sum) > 64 || p.String() != s {
		return p, fail
	}
	return p, nil
}

// matches computes the hash of a prepared password and compares.
func (p phc) matches(password string) bool {
	sum := argon2.IDKey([]byte(password), p.salt, p.passes, p.memory, p.threads, uint32(len(p.sum)))
	return subtle.ConstantTimeCompare(sum, p.sum) == 1
}

// weaker tells whether the settings now ask for more than this hash has.
func (p phc) weaker(cfg *Config) bool {
	return p.memory < uint32(cfg.Memory) || p.passes < uint32(cfg.Passes)
}

// newPHC hashes a prepared password by the settings.
func newPHC(password string, cfg *Config) phc {
	p := phc{memory: uint32(cfg.Memory), passes: uint32(cfg.Passes), threads: uint8(cfg.Lanes), salt: make([]byte, 16)}
	rand.Read(p.salt)
	p.sum = argon2.IDKey([]byte(password), p.salt, p.passes, p.memory, p.threads, 32)
	return p
}

// newScram derives SCRAM-SHA-256's keys (RFC 5802 §3); nil when the password
// cannot be used with it.
func newScram(password string, iterations int) *scramKeys {
	s, ok := saslprep(password)
	if !ok || iterations == 0 {
		return nil
	}
	k := &scramKeys{Salt: make([]byte, 16), Iterations: iterations}
	rand.Read(k.Salt)
	if k.StoredKey, k.ServerKey, ok = k.derive(s); !ok {
		return nil // FIPS mode refuses short passwords: then there is no SCRAM for them
	}
	return k
}

// derive computes both keys of a normalized password.
func (k *scramKeys) derive(normal string) (stored, server []byte, ok bool) {
	salted, err := pbkdf2.Key(sha256.New, normal, k.Salt, k.Iterations, sha256.Size)
	if err != nil {
		return nil, nil, false
	}
	sum := sha256.Sum256(mac(salted, "Client Key"))
	return sum[:], mac(salted, "Server Key"), true
}

// matches computes the keys of a normalized password and compares.
func (k *scramKeys) matches(normal string) bool {
	stored, _, ok := k.derive(normal)
	return ok && subtle.ConstantTimeCompare(stored, k.StoredKey) == 1
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// newCredential hashes a password, when its turn comes.
func (d *Directory) newCredential(ctx context.Context, password string) (*credential, error) {
	prepared, err := prepare(password)
	if err != nil {
		return nil, err
	}
	if err := d.gate.enter(ctx); err != nil {
		return nil, err
	}
	defer d.gate.leave()
	return &credential{Hash: newPHC(prepared, &d.cfg).String(), Scram: newScram(password, d.cfg.ScramIterations)}, nil
}

// gate lets a bounded number of hashes be computed at once: each takes
// Config.Memory, and logins must not take all there is.
type gate struct {
	slots chan struct{}
	wait  time.Duration
}

func newGate(n int, wait time.Duration) gate { return gate{make(chan struct{}, n), wait} }

// enter waits for a turn; Busy when it does not come.
func (g gate) enter(ctx context.Context) error {
	select {
	case g.slots <- struct{}{}:
		return nil
	default:
	}
	timer := time.NewTimer(g.wait)
	defer timer.Stop()
	select {
	case g.slots <- struct{}{}:
		return nil
	case <-timer.C:
		return Busy
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (g gate) leave() { <-g.slots }
