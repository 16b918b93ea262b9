package smtpclient

import (
	"context"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// mechanisms are those that Auth knows, the best first.
var mechanisms = []string{"SCRAM-SHA-256", "PLAIN", "LOGIN"}

// errAuth means that a server broke the rules of a mechanism, or is not the one it claims to be.
var errAuth = errors.New("log-in failed")

// Auth logs in (RFC 4954) with a mechanism, or with "" by the best that the
// server offers. The password goes out in plain text only under TLS, or with plain.
func (c *Client) Auth(ctx context.Context, mechanism, login, password string, plain bool) (Reply, error) {
	offer, _ := c.Has("AUTH")
	offered := strings.Fields(strings.ToUpper(offer))
	if mechanism == "" {
		for _, m := range mechanisms {
			if slices.Contains(offered, m) && (m == "SCRAM-SHA-256" || c.TLS != nil || plain) {
				mechanism = m
				break
			}
		}
		if mechanism == "" {
			return Reply{Code: 504, Status: "5.5.4", Text: "the server offers no log-in that can be used here: " + offer}, nil
		}
	}
	mechanism = strings.ToUpper(mechanism)
	if mechanism != "SCRAM-SHA-256" && c.TLS == nil && !plain {
		return Reply{Code: 538, Status: "5.7.11", Text: "no password is sent without TLS"}, nil
	}
	switch mechanism {
	case "PLAIN":
		return c.Command(ctx, "AUTH PLAIN "+encode("\x00"+login+"\x00"+password))
	case "LOGIN":
		return c.dialog(ctx, "AUTH LOGIN", func(n int, _ string) (string, error) {
			return []string{login, password}[min(n, 1)], nil
		}, 2)
	case "SCRAM-SHA-256":
		s := scram{login: login, password: password, nonce: rand.Text()}
		r, err := c.dialog(ctx, "AUTH SCRAM-SHA-256 "+encode(s.first()), s.answer, 3)
		if err == nil && r.Ok() && !s.proven {
			// RFC 4954 §4: the server's last word may also come with the 235.
			err = s.verify(r)
		}
		return r, err
	}
	return Reply{Code: 504, Status: "5.5.4", Text: "unknown mechanism " + mechanism}, nil
}

func encode(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// dialog runs an exchange of challenges.
func (c *Client) dialog(ctx context.Context, line string, answer func(n int, challenge string) (string, error), rounds int) (Reply, error) {
	for n := 0; ; n++ {
		r, err := c.Command(ctx, line)
		if err != nil || r.Code != 334 {
			return r, err
		}
		if n == rounds {
			return r, c.fail(fmt.Errorf("%w: endless exchange", errAuth))
		}
		challenge, err := base64.StdEncoding.DecodeString(r.Text)
		if err != nil {
			return r, c.fail(fmt.Errorf("%w: %w", errAuth, err))
		}
		a, err := answer(n, string(challenge))
		if err != nil {
			return r, c.fail(err)
		}
		line = encode(a)
	}
}

// scram is the client's side of SCRAM-SHA-256 (RFC 5802, RFC 7677).
type scram struct {
	login, password, nonce string
	signature              []byte
	proven                 bool
}

func (s *scram) bare() string {
	return "n=" + strings.NewReplacer("=", "=3D", ",", "=2C").Replace(s.login) + ",r=" + s.nonce
}

func (s *scram) first() string { return "n,," + s.bare() }

// maxIterations bounds what a server may have us compute.
const maxIterations = 5_000_000

func (s *scram) answer(n int, challenge string) (string, error) {
	switch n {
	case 0:
		return s.proof(challenge)
	case 1:
		return "", s.check(challenge)
	}
	return "", fmt.Errorf("%w: one challenge too many", errAuth)
}

// proof answers the server's first message (RFC 5802 §3).
func (s *scram) proof(challenge string) (string, error) {
	var nonce, salt64, count string
	for _, p := range strings.Split(challenge, ",") {
		switch k, v, _ := strings.Cut(p, "="); k {
		case "r":
			nonce = v
		case "s":
			salt64 = v
		case "i":
			count = v
		case "m":
			return "", fmt.Errorf("%w: unknown extension", errAuth)
		}
	}
	salt, err := base64.StdEncoding.DecodeString(salt64)
	i, err2 := strconv.Atoi(count)
	if err != nil || err2 != nil || len(salt) == 0 || i < 1 || i > maxIterations || !strings.HasPrefix(nonce, s.nonce) || len(nonce) == len(s.nonce) {
		return "", fmt.Errorf("%w: bad challenge", errAuth)
	}
	salted, err := pbkdf2.Key(sha256.New, s.password, salt, i, sha256.Size)
	if err != nil {
		return "", fmt.Errorf("%w: %w", errAuth, err)
	}
	final := "c=biws,r=" + nonce
	message := s.bare() + "," + challenge + "," + final
	clientKey := mac(salted, "Client Key")
	stored := sha256.Sum256(clientKey)
	proof := mac(stored[:], message)
	for k := range proof {
		proof[k] ^= clientKey[k]
	}
	s.signature = mac(mac(salted, "Server Key"), message)
	return final + ",p=" + base64.StdEncoding.EncodeToString(proof), nil
}

// check holds the server to its own proof.
func (s *scram) check(last string) error {
	v, ok := strings.CutPrefix(last, "v=")
	v, _, _ = strings.Cut(v, ",")
	got, err := base64.StdEncoding.DecodeString(v)
	if !ok || err != nil || s.signature == nil || !hmac.Equal(got, s.signature) {
		return fmt.Errorf("%w: the server does not know the password", errAuth)
	}
	s.proven = true
	return nil
}

// verify looks for the server's proof in a 235.
func (s *scram) verify(r Reply) error {
	b, err := base64.StdEncoding.DecodeString(r.Text)
	if err != nil {
		return fmt.Errorf("%w: the server proves nothing", errAuth)
	}
	return s.check(string(b))
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}
