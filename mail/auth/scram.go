package auth

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"atrium/storage/account"
)

// hasScram tells whether the directory keeps keys for SCRAM.
func (a *Authenticator) hasScram(Peer) bool { return a.dir.HasScram() }

// hasBinding tells whether SCRAM can also be bound to the TLS connection.
func (a *Authenticator) hasBinding(p Peer) bool {
	if !a.dir.HasScram() || p.TLS == nil {
		return false
	}
	for _, kind := range []string{"tls-exporter", "tls-server-end-point"} {
		if _, ok := binding(p, kind); ok {
			return true
		}
	}
	return false
}

// binding returns the channel binding data of a type. A TLS 1.2 session
// without extended master secret has only that of the certificate.
func binding(p Peer, kind string) ([]byte, bool) {
	state := p.TLS
	if state == nil || !state.HandshakeComplete {
		return nil, false
	}
	switch kind {
	case "tls-exporter": // RFC 9266
		b, err := state.ExportKeyingMaterial("EXPORTER-Channel-Binding", nil, 32)
		return b, err == nil
	case "tls-unique": // RFC 5929 §3, up to TLS 1.2
		return state.TLSUnique, state.Version <= tls.VersionTLS12 && len(state.TLSUnique) > 0
	case "tls-server-end-point": // RFC 5929 §4
		if p.Shown == nil {
			return nil, false
		}
		return endPoint(p.Shown())
	}
	return nil, false
}

// endPoint is the hash of a certificate: by the hash of its signature, but by SHA-256 for MD5 and SHA-1. For a signature
// without one hash there is none.
func endPoint(der []byte) ([]byte, bool) {
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, false
	}
	switch cert.SignatureAlgorithm {
	case x509.SHA384WithRSA, x509.SHA384WithRSAPSS, x509.ECDSAWithSHA384:
		sum := sha512.Sum384(der)
		return sum[:], true
	case x509.SHA512WithRSA, x509.SHA512WithRSAPSS, x509.ECDSAWithSHA512:
		sum := sha512.Sum512(der)
		return sum[:], true
	case x509.PureEd25519, x509.UnknownSignatureAlgorithm:
		return nil, false
	}
	sum := sha256.Sum256(der)
	return sum[:], true
}

func scram(x *exchange) (*account.Account, error)     { return runScram(x, false) }
func scramPlus(x *exchange) (*account.Account, error) { return runScram(x, true) }

// clientFirst is the client's first message (RFC 5802 §7).
type clientFirst struct {
	header  string // gs2-header, with its last comma
	binding []byte // channel binding data that the header stands for
	authzid string
	bare    string
	login   string
	nonce   string
}

// runScram is SCRAM-SHA-256 (RFC 5802, RFC 7677), with plus bound to the TLS
// connection.
func runScram(x *exchange, plus bool) (*account.Account, error) {
	b, err := x.first()
	if err != nil {
		return nil, err
	}
	first, err := x.parseFirst(string(b), plus)
	if err != nil {
		return nil, fmt.Errorf("SCRAM: %w", err)
	}
	x.login = first.login
	keys, err := x.auth.dir.Scram(x.ctx, first.login, x.peer.Remote)
	if err != nil {
		return nil, err
	}
	b64 := base64.StdEncoding
	nonce := first.nonce + rand.Text()
	serverFirst := "r=" + nonce + ",s=" + b64.EncodeToString(keys.Salt) + ",i=" + strconv.Itoa(keys.Iterations)
	if b, err = x.ask([]byte(serverFirst)); err != nil {
		return nil, err
	}
	final := string(b)
	i := strings.LastIndex(final, ",p=")
	if i < 0 {
		return nil, fmt.Errorf("SCRAM: %w", Malformed)
	}
	proof, err := b64.Strict().DecodeString(final[i+3:])
	if err != nil {
		return nil, fmt.Errorf("SCRAM: %w", Malformed)
	}
	bound := b64.EncodeToString(append([]byte(first.header), first.binding...))
	matched := final[:i] == "c="+bound+",r="+nonce || strings.HasPrefix(final[:i], "c="+bound+",r="+nonce+",")

	message := first.bare + "," + serverFirst + "," + final[:i]
	proven := proves(proof, keys.StoredKey, message)
	acc, err := x.auth.dir.Attempt(x.ctx, first.login, x.peer.Remote, proven && matched && keys.Known)
	if err != nil {
		return nil, err
	}
	if acc, err = x.as(acc, first.authzid); err != nil {
		return nil, err
	}
	last, err := x.ask([]byte("v=" + b64.EncodeToString(sign(keys.ServerKey, message))))
	if err != nil {
		return nil, err
	}
	if len(last) > 0 {
		return nil, fmt.Errorf("SCRAM: %w", Malformed)
	}
	return acc, nil
}

// proves tells whether a client's proof shows that it knows the client key.
func proves(proof, storedKey []byte, message string) bool {
	signature := sign(storedKey, message)
	if len(proof) != len(signature) {
		return false
	}
	key := make([]byte, len(proof))
	subtle.XORBytes(key, proof, signature)
	stored := sha256.Sum256(key)
	return subtle.ConstantTimeCompare(stored[:], storedKey) == 1
}

func sign(key []byte, message string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(message))
	return h.Sum(nil)
}

// parseFirst reads gs2-header and client-first-message-bare.
func (x *exchange) parseFirst(s string, plus bool) (f clientFirst, err error) {
	parts := strings.SplitN(s, ",", 3)
	if len(parts) != 3 {
		return f, Malformed
	}
	f.header, f.bare = parts[0]+","+parts[1]+",", parts[2]
	kind, bound := strings.CutPrefix(parts[0], "p=")
	switch {
	case plus && bound:
		var ok bool
		if f.binding, ok = binding(x.peer, kind); !ok {
			return f, fmt.Errorf("channel binding %.40q: %w", kind, Unknown)
		}
	case plus, bound:
		return f, Malformed
	case parts[0] == "y":
		// The client could bind and believes that we cannot: someone took
		// -PLUS out of our list (RFC 5802 §6).
		if x.auth.allows(find("SCRAM-SHA-256-PLUS"), x.peer) == nil {
			return f, fmt.Errorf("channel binding was hidden from the client: %w", account.Denied)
		}
	case parts[0] != "n":
		return f, Malformed
	}
	if parts[1] != "" {
		name, ok := strings.CutPrefix(parts[1], "a=")
		if f.authzid, err = unescape(name); !ok || err != nil {
			return f, Malformed
		}
	}
	fields := strings.Split(f.bare, ",")
	if len(fields) < 2 || !strings.HasPrefix(fields[0], "n=") || !strings.HasPrefix(fields[1], "r=") {
		return f, Malformed // an extension in front ("m=") is mandatory, and we know none
	}
	f.login, err = unescape(fields[0][2:])
	f.nonce = fields[1][2:]
	if err != nil || f.login == "" || f.nonce == "" || len(f.nonce) > maxField || bytes.ContainsFunc([]byte(f.nonce), func(r rune) bool { return r < '!' || r > '~' }) {
		return f, Malformed
	}
	return f, nil
}

// unescape reads a saslname: =2C is a comma, =3D an equals sign (RFC 5802 §5.1).
func unescape(s string) (string, error) {
	if len(s) > maxField || strings.Count(s, "=") != strings.Count(s, "=2C")+strings.Count(s, "=3D") {
		return "", Malformed
	}
	return strings.NewReplacer("=2C", ",", "=3D", "=").Replace(s), nil
}
