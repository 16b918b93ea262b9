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

func compileSet(c *compiler, a *call) op {
	ref, value := c.variableName(a.pos[0]), c.text(a.pos[1])
	var do []func(string) string
	for _, m := range modifiers {
		if a.tag(m.name) {
			do = append(do, m.do)
		}
	}
	return func(r *run) error {
		v := value.eval(r)
		for _, f := range do {
			v = f(v)
		}
		return r.set(ref, v)
	}
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
