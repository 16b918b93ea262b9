package dkim

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"strings"

	msgauth "github.com/emersion/go-msgauth/dkim"

	"atrium/mail/message"
)

// signed are the fields that a signature covers (RFC 6376 §5.4.1). From is there
// twice, so that none can be added.
var signed = []string{
	"From", "From", "Sender", "Reply-To", "Subject", "Date", "Message-ID", "To", "Cc", "MIME-Version", "Content-Type",
	"Content-Transfer-Encoding", "Content-Disposition", "In-Reply-To", "References", "List-Id", "List-Help", "List-Unsubscribe",
	"List-Unsubscribe-Post", "List-Subscribe", "List-Post", "List-Owner", "List-Archive", "Auto-Submitted",
}

// maxHeader bounds what Author looks at, in bytes.
const maxHeader = 1 << 20

// Author is the domain of the first address in a message's From, in lower case;
// "" when there is none.
func Author(r io.ReaderAt, size int64) (string, error) {
	head := make([]byte, min(size, maxHeader))
	if _, err := r.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	value, _ := message.HeaderField(head, "From")
	for _, a := range message.ParseAddresses(value) {
		if a.Host != "" {
			return canonical(a.Host), nil
		}
	}
	return "", nil
}

// Sign returns DKIM-Signature fields with their CR LF for the message in r, one
// for each of the domain's keys; nothing when it has none. Memory does not depend on
// the message's size.
func (k *Keys) Sign(ctx context.Context, domain string, r io.Reader) ([]byte, error) {
	domain = canonical(domain)
	keys, err := k.active(ctx, domain)
	if err != nil || len(keys) == 0 {
		return nil, err
	}
	var signers []*msgauth.Signer
	var to []io.Writer
	for _, key := range keys {
		s, err := msgauth.NewSigner(&msgauth.SignOptions{
			Domain: domain, Selector: key.selector, Signer: key.key, HeaderKeys: signed,
			HeaderCanonicalization: msgauth.CanonicalizationRelaxed, BodyCanonicalization: msgauth.CanonicalizationRelaxed,
		})
		if err != nil {
			for _, s := range signers {
				s.Close()
			}
			return nil, fmt.Errorf("signature of %s: %w", domain, err)
		}
		signers, to = append(signers, s), append(to, s)
	}
	_, err = io.CopyBuffer(struct{ io.Writer }{io.MultiWriter(to...)}, struct{ io.Reader }{r}, make([]byte, 32<<10))
	for _, s := range signers {
		err = errors.Join(err, s.Close())
	}
	if err != nil {
		return nil, fmt.Errorf("signature of %s: %w", domain, err)
	}
	var out bytes.Buffer
	for _, s := range signers {
		text := s.Signature()
		out.WriteString(text)
		if !strings.HasSuffix(text, "\r\n") {
			out.WriteString("\r\n")
		}
	}
	return out.Bytes(), nil
}

// Sealing is a key of a domain that signs for a chain (RFC 8617): RSA where there is one, which
// everyone can check. ok is false when the domain has no keys.
func (k *Keys) Sealing(ctx context.Context, domain string) (selector string, key crypto.Signer, ok bool, err error) {
	keys, err := k.active(ctx, canonical(domain))
	if err != nil || len(keys) == 0 {
		return "", nil, false, err
	}
	for _, s := range keys {
		if _, rsa := s.key.Public().(*rsa.PublicKey); rsa {
			return s.selector, s.key, true, nil
		}
	}
	return keys[0].selector, keys[0].key, true, nil
}
