package authres

import (
	"strings"
	"unicode/utf8"
)

// FieldName is the name of the header field.
const FieldName = "Authentication-Results"

// Outcomes, RFC 8601 §2.7. Each method has some of them.
const (
	None      = "none"
	Pass      = "pass"
	Fail      = "fail"
	SoftFail  = "softfail"
	Policy    = "policy"
	Neutral   = "neutral"
	TempError = "temperror"
	PermError = "permerror"
)

// Result is the outcome of one method.
type Result struct {
	Method  string // spf, dkim, dmarc, arc, iprev, auth: IANA's "Email Authentication Methods"
	Outcome string
	Reason  string // in words, may be empty
	Props   []Prop
}

// Prop is something that a method looked at: smtp.mailfrom=example.org.
type Prop struct {
	Type  string // smtp, header, body, policy
	Name  string
	Value string
}

// AppendField appends the field with its CR LF. Without results it says that
// nothing was looked at (RFC 8601 §2.2).
func AppendField(dst []byte, id string, results []Result) []byte {
	dst = append(dst, FieldName+": "...)
	dst = appendValue(dst, id, isToken)
	if len(results) == 0 {
		return append(dst, "; none\r\n"...)
	}
	for _, r := range results {
		dst = append(dst, ";\r\n\t"...)
		dst = append(dst, r.Method...)
		dst = append(dst, '=')
		dst = append(dst, r.Outcome...)
		if r.Reason != "" {
			dst = append(dst, " reason="...)
			dst = appendValue(dst, r.Reason, isToken)
		}
		for _, p := range r.Props {
			dst = append(dst, "\r\n\t\t"...)
			dst = append(dst, p.Type...)
			dst = append(dst, '.')
			dst = append(dst, p.Name...)
			dst = append(dst, '=')
			dst = appendValue(dst, p.Value, isPvalue)
		}
	}
	return append(dst, "\r\n"...)
}

// maxValue bounds a value that is written, in bytes.
const maxValue = 500

// appendValue writes a token, or a quoted string when it is none. Control
// characters and what is no UTF-8 become question marks.
func appendValue(dst []byte, v string, plain func(string) bool) []byte {
	if len(v) > maxValue {
		v = strings.ToValidUTF8(v[:maxValue], "")
	}
	if plain(v) {
		return append(dst, v...)
	}
	dst = append(dst, '"')
	for _, r := range v {
		switch {
		case r == utf8.RuneError, r < ' ', r == 0x7f:
			dst = append(dst, '?')
		case r == '"', r == '\\':
			dst = append(dst, '\\', byte(r))
		default:
			dst = utf8.AppendRune(dst, r)
		}
	}
	return append(dst, '"')
}

// isPvalue tells whether a property's value may stand without quotes: a token,
// or an address of which both sides are (RFC 8601 §2.2).
func isPvalue(v string) bool {
	local, domain, ok := strings.Cut(v, "@")
	if !ok {
		return isToken(v)
	}
	return (local == "" || isToken(local)) && isToken(domain)
}

// isToken tells token of RFC 2045 §5.1; slashes may stand in property values of DKIM
// signatures, but quoted they are as good.
func isToken(v string) bool {
	for i := range len(v) {
		if !tokenByte(v[i]) {
			return false
		}
	}
	return v != ""
}

func tokenByte(c byte) bool {
	return c > ' ' && c < 0x7f && !strings.ContainsRune(`()<>@,;:\"/[]?=`, rune(c))
}
