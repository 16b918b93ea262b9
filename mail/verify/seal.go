package verify

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"atrium/mail/authres"
)

// Sealer is who seals messages that go on from here, RFC 8617 §5.1.
type Sealer struct {
	Host     string // authserv-id of the Authentication-Results that are vouched for
	Domain   string
	Selector string
	Key      crypto.Signer // RSA or Ed25519
}

// sealedFields are those that an ARC-Message-Signature covers where they are there.
var sealedFields = []string{
	"from", "sender", "reply-to", "subject", "date", "message-id", "to", "cc", "mime-version", "content-type",
	"content-transfer-encoding", "in-reply-to", "references", "list-id", "list-unsubscribe", "list-post", "dkim-signature",
}

// Seal returns the three fields of an ARC set with their CR LF for the message in r
// from start on, to be put on top of it; nothing where no set would be of use: when the message
// has a chain that the Authentication-Results of Host do not say is good.
func (s *Sealer) Seal(r io.ReaderAt, start, size int64) ([]byte, error) {
	h, err := readHeader(r, start, size)
	if err != nil {
		return nil, err
	}
	results := " none"
	for _, f := range h.all("authentication-results") {
		if id, ok := authres.Identity(f.value); ok && strings.EqualFold(id, s.Host) {
			if _, rest, ok := strings.Cut(string(f.value), ";"); ok {
				results = strings.TrimRight(rest, " \t\r\n")
			}
			break
		}
	}
	now := time.Now()
	c := readChain(h, now)
	if c != nil && (c.err != nil || !authres.Says(results, "arc", authres.Pass)) {
		return nil, nil
	}
	n, cv := 1, "none"
	if c != nil {
		n, cv = len(c.sets)+1, "pass"
	} else {
		c = &chain{}
	}
	if n > maxInstances {
		return nil, nil
	}
	set := &arcSet{results: arcField("ARC-Authentication-Results", fmt.Sprintf(" i=%d; %s;%s", n, s.Host, results))}
	if set.message, err = s.message(r, h, start, size, n, now); err != nil {
		return nil, err
	}
	set.seal = arcField("ARC-Seal", fmt.Sprintf(" i=%d; a=%s; t=%d; cv=%s;\r\n\td=%s; s=%s;\r\n\tb=", n, s.algorithm(), now.Unix(), cv, s.Domain, s.Selector))
	c.sets = append(c.sets, set)
	if set.seal, err = s.signed(set.seal, c.sealed(n)); err != nil {
		return nil, err
	}
	return slices.Concat(set.seal.raw, set.message.raw, set.results.raw), nil
}

// message makes the ARC-Message-Signature, RFC 8617 §4.1.2.
func (s *Sealer) message(r io.ReaderAt, h *header, start, size int64, n int, now time.Time) (*field, error) {
	kind := bodyKind{relaxed: true, limit: -1}
	body := newBodyHash(kind)
	if err := hashBody(r, start+h.length, size, map[bodyKind]*bodyHash{kind: body}); err != nil {
		return nil, err
	}
	sum, _ := body.sumOnce()
	hash := sha256.New()
	var buf []byte
	var names []string
	for _, name := range sealedFields {
		at := h.named[name]
		for k := len(at) - 1; k >= 0 && len(names) < maxNames-1; k-- {
			f := &h.fields[at[k]]
			buf = append(relaxed(buf[:0], f, f.value), '\r', '\n')
			hash.Write(buf)
			names = append(names, name)
		}
	}
	f := arcField("ARC-Message-Signature", fmt.Sprintf(" i=%d; a=%s; c=relaxed/relaxed; t=%d;\r\n\td=%s; s=%s;\r\n\th=%s;\r\n\tbh=%s;\r\n\tb=",
		n, s.algorithm(), now.Unix(), s.Domain, s.Selector, strings.Join(names, ":\r\n\t "), base64.StdEncoding.EncodeToString(sum)))
	hash.Write(relaxed(buf[:0], f, f.value))
	return s.signed(f, hash.Sum(nil))
}

func (s *Sealer) algorithm() string {
	if _, ok := s.Key.Public().(ed25519.PublicKey); ok {
		return "ed25519-sha256"
	}
	return "rsa-sha256"
}

// signed is a field that ends with b= with its signature.
func (s *Sealer) signed(f *field, hash []byte) (*field, error) {
	how := crypto.Hash(0) // RFC 8463 §3: what is signed is the hash itself
	if s.algorithm() == "rsa-sha256" {
		how = crypto.SHA256
	}
	sig, err := s.Key.Sign(rand.Reader, hash, how)
	if err != nil {
		return nil, fmt.Errorf("seal of %s: %w", s.Domain, err)
	}
	text := base64.StdEncoding.EncodeToString(sig)
	var b strings.Builder
	for len(text) > 72 {
		b.WriteString(text[:72] + "\r\n\t")
		text = text[72:]
	}
	name, _, _ := strings.Cut(string(f.raw), ":")
	return arcField(name, strings.TrimSuffix(string(f.value), "\r\n")+b.String()+text), nil
}

func arcField(name, value string) *field {
	raw := []byte(name + ":" + value + "\r\n")
	return &field{name: strings.ToLower(name), raw: raw, value: raw[len(name)+1:]}
}
