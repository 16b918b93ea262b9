package verify

import (
	"context"
	"crypto/sha256"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"atrium/mail/authres"
)

// The fields of ARC, RFC 8617 §4.1.
const (
	aarField = "arc-authentication-results"
	amsField = "arc-message-signature"
	asField  = "arc-seal"

	maxInstances = 50 // RFC 8617 §4.2.1
)

// arcSet is what one host on the way added.
type arcSet struct {
	results, message, seal *field
	tags                   map[string]string // of seal
	domain                 string            // that sealed it
	key                    *key
	err                    error
}

// chain is a message's ARC chain.
type chain struct {
	sets    []*arcSet
	message *signature // the last ARC-Message-Signature
	result  authres.Result
	err     error
}

// readChain collects the sets; nil when there are none. What is wrong with
// their structure is chain.err (RFC 8617 §5.2 steps 2 and 3).
func readChain(h *header, now time.Time) *chain {
	if len(h.named[aarField])+len(h.named[amsField])+len(h.named[asField]) == 0 {
		return nil
	}
	c := &chain{}
	sets := map[int]*arcSet{}
	for _, name := range []string{aarField, amsField, asField} {
		for _, f := range h.all(name) {
			n := instance(&f)
			if n < 1 || n > maxInstances {
				c.err = &outcome{authres.Fail, "instance out of range"}
				return c
			}
			if sets[n] == nil {
				sets[n] = &arcSet{}
			}
			slot := map[string]**field{aarField: &sets[n].results, amsField: &sets[n].message, asField: &sets[n].seal}[name]
			if *slot != nil {
				c.err = &outcome{authres.Fail, "instance " + strconv.Itoa(n) + " comes twice"}
				return c
			}
			*slot = &f
		}
	}
	for n := 1; n <= len(sets); n++ {
		s := sets[n]
		if s == nil || s.results == nil || s.message == nil || s.seal == nil {
			c.err = &outcome{authres.Fail, "instance " + strconv.Itoa(n) + " is not whole"}
			return c
		}
		if c.err = s.readSeal(n); c.err != nil {
			return c
		}
		c.sets = append(c.sets, s)
	}
	c.message = parseSignature(*c.sets[len(c.sets)-1].message, true, now)
	return c
}

// instance reads i= of a field of ARC, 0 when it has none.
func instance(f *field) int {
	for part := range strings.SplitSeq(string(f.value), ";") {
		name, value, ok := strings.Cut(part, "=")
		if ok && strings.Trim(name, wsp) == "i" {
			n, err := strconv.Atoi(strings.Trim(value, wsp))
			if err != nil {
				return 0
			}
			return n
		}
		if f.name == aarField {
			return 0 // RFC 8617 §4.1.1: it comes first
		}
	}
	return 0
}

// readSeal reads the tags of an ARC-Seal, RFC 8617 §4.1.3.
func (s *arcSet) readSeal(n int) error {
	var err error
	if s.tags, err = parseTags(string(s.seal.value)); err != nil {
		return &outcome{authres.Fail, "seal cannot be read"}
	}
	s.domain = strings.ToLower(squeeze(s.tags["d"]))
	if _, has := s.tags["h"]; has || s.domain == "" || s.tags["s"] == "" || s.tags["b"] == "" {
		return &outcome{authres.Fail, "seal " + strconv.Itoa(n) + " is not lawful"}
	}
	if want, cv := map[bool]string{true: "none", false: "pass"}[n == 1], strings.ToLower(s.tags["cv"]); cv != want {
		return &outcome{authres.Fail, "seal " + strconv.Itoa(n) + " says cv=" + cv}
	}
	if algorithm(strings.ToLower(squeeze(s.tags["a"]))) != nil {
		return &outcome{authres.Fail, "seal " + strconv.Itoa(n) + " has no algorithm"}
	}
	return nil
}

// fetch looks all keys up.
func (c *chain) fetch(ctx context.Context, v *Verifier) {
	if c.err != nil {
		return
	}
	var wg sync.WaitGroup
	gate := make(chan struct{}, 8)
	for _, s := range c.sets {
		gate <- struct{}{}
		wg.Go(func() {
			defer func() { <-gate }()
			if s.key, s.err = v.lookupKey(ctx, squeeze(s.tags["s"]), s.domain); s.err == nil {
				s.err = s.key.use(strings.ToLower(squeeze(s.tags["a"])))
			}
		})
	}
	c.message.fetch(ctx, v)
	wg.Wait()
}

// check validates the chain, RFC 8617 §5.2 steps 4 to 6.
func (c *chain) check(h *header, b *bodyHash) {
	if c.err == nil {
		c.err = c.validate(h, b)
	}
	c.result = authres.Result{Method: "arc"}
	c.result.Outcome, c.result.Reason = word(c.err)
	if c.result.Outcome != authres.Pass && c.result.Outcome != authres.TempError {
		c.result.Outcome = authres.Fail
	}
	if n := len(c.sets); n > 0 {
		c.result.Props = []authres.Prop{{Type: "header", Name: "d", Value: c.sets[n-1].domain}}
	}
}

func (c *chain) validate(h *header, b *bodyHash) error {
	c.message.check(h, b)
	if c.message.err != nil {
		return c.message.err
	}
	for n := len(c.sets); n > 0; n-- {
		s := c.sets[n-1]
		if s.err != nil {
			return s.err
		}
		sig, err := decode64(s.tags["b"])
		if err != nil || !s.key.verify(c.sealed(n), sig) {
			return &outcome{authres.Fail, "seal " + strconv.Itoa(n) + " is not right"}
		}
	}
	return nil
}

// sealed is the hash that seal n signs, RFC 8617 §5.1.1.
func (c *chain) sealed(n int) []byte {
	hash := sha256.New()
	var buf []byte
	for i, s := range c.sets[:n] {
		for _, f := range []*field{s.results, s.message} {
			buf = append(relaxed(buf[:0], f, f.value), '\r', '\n')
			hash.Write(buf)
		}
		if i < n-1 {
			buf = append(relaxed(buf[:0], s.seal, s.seal.value), '\r', '\n')
		} else {
			buf = relaxed(buf[:0], s.seal, withoutB(s.seal.value))
		}
		hash.Write(buf)
	}
	return hash.Sum(nil)
}

// vouched tells whether a trusted host of a chain that passed found that
// DMARC passed where the message came to it: the last seals up to that one are of
// trusted hosts too.
func (c *chain) vouched(trusted []string) (by string, ok bool) {
	if c == nil || c.result.Outcome != authres.Pass {
		return "", false
	}
	for n := len(c.sets) - 1; n >= 0; n-- {
		s := c.sets[n]
		if !slices.ContainsFunc(trusted, func(d string) bool {
			return strings.EqualFold(d, s.domain) || strings.HasSuffix(s.domain, "."+strings.ToLower(d))
		}) {
			return "", false
		}
		_, rest, _ := strings.Cut(string(s.results.value), ";")
		if authres.Says(rest, "dmarc", authres.Pass) {
			return s.domain, true
		}
	}
	return "", false
}
