package verify

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"slices"
	"strconv"
	"strings"
	"time"

	"atrium/mail/authres"
)

// signature is a DKIM-Signature or ARC-Message-Signature while it is looked at.
type signature struct {
	field     field
	domain    string // d=, lower case
	selector  string
	identity  string // i=
	algorithm string
	relaxed   bool // header canonicalization
	body      bodyKind
	names     []string // h=, lower case
	bodySum   []byte
	sig       []byte
	key       *key
	err       error
}

// parseSignature reads a signature's tags, RFC 6376 §3.5; arc: those of
// an ARC-Message-Signature, RFC 8617 §4.1.2.
func parseSignature(f field, arc bool, now time.Time) *signature {
	s := &signature{field: f}
	tags, err := parseTags(string(f.value))
	if err != nil {
		s.err = permError("signature: %v", err)
		return s
	}
	s.domain = strings.ToLower(squeeze(tags["d"]))
	s.selector = squeeze(tags["s"])
	s.err = s.fill(tags, arc, now)
	return s
}

func (s *signature) fill(tags map[string]string, arc bool, now time.Time) (err error) {
	if !arc && tags["v"] != "1" {
		return permError("signature version %.20q", tags["v"])
	}
	for _, tag := range []string{"a", "b", "bh", "d", "h", "s"} {
		if tags[tag] == "" {
			return permError("signature without %s=", tag)
		}
	}
	s.algorithm = strings.ToLower(squeeze(tags["a"]))
	if err := algorithm(s.algorithm); err != nil {
		return err
	}
	if s.identity = squeeze(tags["i"]); !arc && s.identity != "" {
		_, host, ok := strings.Cut(s.identity, "@")
		if host = strings.ToLower(host); !ok || host != s.domain && !strings.HasSuffix(host, "."+s.domain) {
			return permError("i= is not of d=")
		}
	}
	if s.names = list(strings.ToLower(tags["h"])); len(s.names) > maxNames {
		return permError("more than %d fields signed", maxNames)
	}
	if !slices.Contains(s.names, "from") {
		return permError("From is not signed") // RFC 6376 §5.4
	}
	if arc && slices.ContainsFunc(s.names, func(n string) bool { return n == "arc-seal" || n == "authentication-results" }) {
		return permError("h= has what may not be signed") // RFC 8617 §4.1.2
	}
	if q, ok := tags["q"]; ok && !arc && !slices.Contains(list(q), "dns/txt") {
		return permError("q=%.20q", q)
	}
	if s.bodySum, err = decode64(tags["bh"]); err != nil {
		return permError("bh= is no base64")
	}
	if s.sig, err = decode64(tags["b"]); err != nil {
		return permError("b= is no base64")
	}
	if err := s.canonicalization(tags); err != nil {
		return err
	}
	return checkTimes(tags, now)
}

func (s *signature) canonicalization(tags map[string]string) error {
	head, body, _ := strings.Cut(strings.ToLower(squeeze(tags["c"])), "/")
	for _, c := range []string{head, body} {
		if c != "" && c != "simple" && c != "relaxed" {
			return permError("canonicalization %.20q", c)
		}
	}
	s.relaxed = head == "relaxed"
	s.body = bodyKind{relaxed: body == "relaxed", limit: -1}
	if l, ok := tags["l"]; ok {
		n, err := strconv.ParseUint(squeeze(l), 10, 62)
		if err != nil {
			return permError("l=%.20q", l)
		}
		s.body.limit = int64(n)
	}
	return nil
}

// slack is how far clocks may be apart.
const slack = 5 * time.Minute

func checkTimes(tags map[string]string, now time.Time) error {
	var made, ends uint64
	for tag, to := range map[string]*uint64{"t": &made, "x": &ends} {
		v, ok := tags[tag]
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(squeeze(v), 10, 40)
		if err != nil {
			return permError("%s=%.20q", tag, v)
		}
		*to = n
	}
	switch {
	case ends != 0 && ends < made:
		return permError("x= is before t=")
	case ends != 0 && now.Add(-slack).Unix() > int64(ends):
		return &outcome{authres.Fail, "signature has expired"}
	case made != 0 && now.Add(slack).Unix() < int64(made):
		return &outcome{authres.Fail, "signature is from the future"}
	}
	return nil
}

// fetch looks the key up.
func (s *signature) fetch(ctx context.Context, v *Verifier) {
	if s.err != nil {
		return
	}
	if s.key, s.err = v.lookupKey(ctx, s.selector, s.domain); s.err != nil {
		return
	}
	if s.err = s.key.use(s.algorithm); s.err != nil {
		return
	}
	if _, host, ok := strings.Cut(s.identity, "@"); ok && s.key.strict && !strings.EqualFold(host, s.domain) {
		s.err = permError("i= is not d=, and the key is strict")
	}
}

// check verifies the signature, its key being there and the body hashed.
func (s *signature) check(h *header, b *bodyHash) {
	if s.err != nil {
		return
	}
	sum, whole := b.sumOnce()
	switch {
	case subtle.ConstantTimeCompare(sum, s.bodySum) != 1:
		s.err = &outcome{authres.Fail, "body was changed"}
		return
	case !whole:
		s.err = &outcome{authres.Policy, "part of the body is not signed"}
		return
	}
	hash := sha256.New()
	var buf []byte
	write := func(f *field, value []byte, last bool) {
		if s.relaxed {
			buf = relaxed(buf[:0], f, value)
		} else {
			buf = append(append(buf[:0], f.raw[:len(f.raw)-len(f.value)]...), value...)
			if last {
				buf = trimEnd(buf)
			}
		}
		if s.relaxed && !last {
			buf = append(buf, '\r', '\n')
		}
		hash.Write(buf)
	}
	taken := map[string]int{}
	for _, name := range s.names {
		at := h.named[name]
		n := len(at) - 1 - taken[name]
		if n < 0 {
			continue // signed as not there
		}
		taken[name]++
		f := &h.fields[at[n]]
		write(f, f.value, false)
	}
	write(&s.field, withoutB(s.field.value), true)
	if !s.key.verify(hash.Sum(nil), s.sig) {
		s.err = &outcome{authres.Fail, "signature is not right"}
	}
}

func trimEnd(b []byte) []byte {
	for len(b) > 0 && (b[len(b)-1] == '\r' || b[len(b)-1] == '\n') {
		b = b[:len(b)-1]
	}
	return b
}

// result is the outcome in the words of RFC 8601 §2.7.1.
func (s *signature) result(method string) authres.Result {
	r := authres.Result{Method: method, Outcome: authres.Pass}
	r.Outcome, r.Reason = word(s.err)
	if s.domain != "" {
		r.Props = append(r.Props, authres.Prop{Type: "header", Name: "d", Value: s.domain})
	}
	if s.selector != "" {
		r.Props = append(r.Props, authres.Prop{Type: "header", Name: "s", Value: s.selector})
	}
	if tags, err := parseTags(string(s.field.value)); err == nil && len(squeeze(tags["b"])) >= 8 {
		r.Props = append(r.Props, authres.Prop{Type: "header", Name: "b", Value: squeeze(tags["b"])[:8]}) // RFC 6008
	}
	return r
}

// word tells an error's word and reason, pass for none.
func word(err error) (outcomeWord, reason string) {
	switch o := err.(type) {
	case nil:
		return authres.Pass, ""
	case *outcome:
		return o.word, o.reason
	}
	return authres.TempError, err.Error()
}
