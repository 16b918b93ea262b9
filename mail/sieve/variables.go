package sieve

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// variables has set and string (RFC 5229); templates are in template.go.
var variables = extension{name: "variables", rfc: "5229",
	commands: []command{{name: "set", shape: shape{args: "ss", tags: []tagDef{
		{name: "lower", group: "40"}, {name: "upper", group: "40"}, {name: "lowerfirst", group: "30"}, {name: "upperfirst", group: "30"},
		{name: "quotewildcard", group: "20"}, {name: "length", group: "10"}}}, compile: compileSet}},
	tests: []test{{name: "string", shape: shape{tags: matchTags, args: "ll"}, compile: compileString}},
}

// modifiers are what set does with a value, the highest precedence first (RFC
// 5229 §4.1).
var modifiers = []struct {
	name string
	do   func(string) string
}{
	{"lower", strings.ToLower},
	{"upper", strings.ToUpper},
	{"lowerfirst", func(s string) string { return first(s, unicode.ToLower) }},
	{"upperfirst", func(s string) string { return first(s, unicode.ToUpper) }},
	{"quotewildcard", func(s string) string { return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`).Replace(s) }},
	{"quoteregex", regexp.QuoteMeta},
	{"encodeurl", encodeURL},
	{"length", func(s string) string { return strconv.Itoa(utf8.RuneCountInString(s)) }},
}

// cutWritten is cut for what a modifier wrote: no escape is left without its end.
func cutWritten(how, s string, n int) string {
	if len(s) <= n {
		return s
	}
	switch s = cut(s, n); how {
	case "quotewildcard", "quoteregex":
		i := len(s)
		for i > 0 && s[i-1] == '\\' {
			i--
		}
		s = s[:len(s)-(len(s)-i)%2]
	case "encodeurl": // neither within %XX nor within a character
		if i := strings.LastIndexByte(s, '%'); i >= 0 && len(s)-i < 3 {
			s = s[:i]
		}
		for len(s) >= 3 && s[len(s)-3] == '%' {
			end := s
			var b []byte // of the last character, as far as it is there
			for len(end) >= 3 && end[len(end)-3] == '%' && len(b) < utf8.UTFMax {
				v, _ := strconv.ParseUint(end[len(end)-2:], 16, 8)
				b = append([]byte{byte(v)}, b...)
				end = end[:len(end)-3]
				if utf8.RuneStart(byte(v)) {
					break
				}
			}
			if utf8.FullRune(b) {
				break
			}
			s = end
		}
	}
	return s
}

func first(s string, change func(rune) rune) string {
	r, n := utf8.DecodeRuneInString(s)
	if n == 0 || r == utf8.RuneError {
		return s
	}
	return string(change(r)) + s[n:]
}

// encodeURL writes all but unreserved characters as %XX (RFC 5435 §6).
func encodeURL(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; letter(c) || digit(c) || c == '-' || c == '.' || c == '~' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// variableName reads the name of a variable to be set; nil and a mistake when it is none.
func (c *compiler) variableName(a *arg) *reference {
	name := lower(a.s)
	ref := &reference{name: name, match: -1}
	if space, inner, ok := strings.Cut(name, "."); ok && space == "global" && c.on["include"] {
		ref.name, ref.global = inner, true
	}
	if !validName(ref.name) {
		c.errf(a.pos, "%q cannot be the name of a variable", clip(a.s))
		return nil
	}
	return ref
}

// modify returns what the modifiers of a command do with a value, of at most n bytes.
func modify(a *call) func(s string, n int) string {
	return func(s string, n int) string {
		for _, m := range modifiers {
			if a.tag(m.name) {
				s = cutWritten(m.name, m.do(s), n)
			}
		}
		return s
	}
}

func compileSet(c *compiler, a *call) op {
	ref, value := c.variableName(a.pos[0]), c.text(a.pos[1])
	change := modify(a)
	return func(r *run) error { return r.set(ref, change(value.eval(r), r.lim.String)) }
}

func compileString(c *compiler, a *call) cond {
	sources, m := c.texts(a.pos[0]), c.matcher(a, a.pos[1])
	return func(r *run) (bool, error) {
		values := evalAll(r, sources)
		if m.how == "count" { // RFC 5229 §5: empty strings do not count
			values = slices.DeleteFunc(values, func(s string) bool { return s == "" })
		}
		return m.match(r, values)
	}
}
