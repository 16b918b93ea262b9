package sieve

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// template is a string as a script has it, with what is to be put in at run time.
type template struct {
	pos   Pos
	fixed string // when parts is nil
	parts []part
}

// part is text, or a reference to a variable.
type part struct {
	text string
	ref  *reference
}

// reference names a variable (RFC 5229 §3).
type reference struct {
	name   string // in lower case
	match  int    // number of a match variable, -1: none
	global bool   // ${global.name}, RFC 6609 §3.4.2
}

// constant tells whether the string has no variables.
func (t *template) constant() bool { return t.parts == nil }

// eval returns the string.
func (t *template) eval(r *run) string {
	if t.parts == nil {
		return t.fixed
	}
	var b strings.Builder
	for i := range t.parts {
		p := &t.parts[i]
		s := p.text
		if p.ref != nil {
			s = r.variable(p.ref)
		}
		if b.Len()+len(s) > r.lim.String {
			s = cut(s, r.lim.String-b.Len())
		}
		b.WriteString(s)
	}
	return b.String()
}

// cut returns at most n bytes of s, whole characters.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// template makes a template of a string.
func (c *compiler) template(p Pos, s string) *template {
	if c.on["encoded-character"] {
		s = c.encoded(p, s)
	}
	t := &template{pos: p, fixed: s}
	if !c.on["variables"] || !strings.Contains(s, "${") {
		return t
	}
	var parts []part
	rest := s
	begin := 0 // of text not yet in parts
	for i := 0; i < len(rest); {
		ref, n := c.reference(p, rest[i:])
		if n == 0 {
			i++
			continue
		}
		if i > begin {
			parts = append(parts, part{text: rest[begin:i]})
		}
		parts = append(parts, part{ref: ref})
		i += n
		begin = i
	}
	if len(parts) == 0 {
		return t
	}
	if begin < len(rest) {
		parts = append(parts, part{text: rest[begin:]})
	}
	t.parts = parts
	return t
}

// reference reads ${name} at the beginning of s; n is its length, 0 when there is none.
func (c *compiler) reference(p Pos, s string) (ref *reference, n int) {
	if !strings.HasPrefix(s, "${") {
		return nil, 0
	}
	end := strings.IndexByte(s, '}')
	if end < 3 {
		return nil, 0
	}
	name := lower(s[2:end])
	if digit(name[0]) {
		k, err := strconv.Atoi(name)
		if err != nil {
			for _, b := range []byte(name) {
				if !digit(b) {
					return nil, 0
				}
			}
			k = 1 << 20
		}
		return &reference{match: k}, end + 1
	}
	ref = &reference{name: name, match: -1}
	if space, inner, ok := strings.Cut(name, "."); ok {
		if !validName(space) || !validName(inner) {
			return nil, 0
		}
		if space != "global" || !c.on["include"] {
			c.errf(p, "unknown namespace %q in ${%s}", clip(space), clip(name))
			return nil, 0
		}
		ref.name, ref.global = inner, true
		return ref, end + 1
	}
	if !validName(name) {
		return nil, 0
	}
	return ref, end + 1
}

// validName tells whether s may name a variable.
func validName(s string) bool {
	if s == "" || !letter(s[0]) {
		return false
	}
	for i := range len(s) {
		if !letter(s[i]) && !digit(s[i]) {
			return false
		}
	}
	return true
}

// encoded decodes ${hex: 40 41} and ${unicode: 20AC} (RFC 5228 §2.4.2.4).
func (c *compiler) encoded(p Pos, s string) string {
	if !strings.Contains(s, "${") {
		return s
	}
	var b strings.Builder
	for s != "" {
		i := strings.Index(s, "${")
		if i < 0 {
			break
		}
		b.WriteString(s[:i])
		s = s[i:]
		out, n, bad := decodeEncoded(s)
		if bad != "" {
			c.errf(p, "%s", bad)
		}
		if n == 0 {
			b.WriteString("$")
			s = s[1:]
			continue
		}
		b.WriteString(out)
		s = s[n:]
	}
	b.WriteString(s)
	return b.String()
}

// decodeEncoded decodes what s begins with; n is 0 when that is nothing encoded.
func decodeEncoded(s string) (out string, n int, bad string) {
	end := strings.IndexByte(s, '}')
	if end < 0 {
		return "", 0, ""
	}
	inner := s[2:end]
	kind, values, ok := strings.Cut(inner, ":")
	kind = lower(kind)
	if !ok || kind != "hex" && kind != "unicode" {
		return "", 0, ""
	}
	words := strings.FieldsFunc(values, func(r rune) bool { return r == ' ' || r == '\t' || r == '\r' || r == '\n' })
	if len(words) == 0 {
		return "", 0, ""
	}
	var b []byte
	for _, w := range words {
		v, err := strconv.ParseUint(w, 16, 32)
		switch {
		case kind == "hex" && (err != nil || len(w) > 2):
			return "", 0, ""
		case kind == "hex":
			b = append(b, byte(v))
		case strings.Trim(w, "0123456789abcdefABCDEF") != "":
			return "", 0, ""
		case err != nil || v > 0x10ffff || v >= 0xd800 && v < 0xe000:
			return "", 0, "U+" + strings.ToUpper(w) + " is no character"
		default:
			b = utf8.AppendRune(b, rune(v))
		}
	}
	return string(b), end + 1, ""
}

// texts makes templates of the strings of an argument.
func (c *compiler) texts(a *arg) []*template {
	var out []*template
	for _, s := range a.strings() {
		out = append(out, c.template(s.pos, s.s))
	}
	return out
}

// text makes a template of an argument that is one string; nil gives nil.
func (c *compiler) text(a *arg) *template {
	if a == nil {
		return nil
	}
	return c.template(a.pos, a.s)
}

// fixed returns a string that must have no variables.
func (c *compiler) fixed(a *arg) string {
	t := c.text(a)
	if !t.constant() {
		c.errf(a.pos, "no variable can stand here")
	}
	return t.fixed
}

func evalAll(r *run, list []*template) []string {
	out := make([]string, len(list))
	for i, t := range list {
		out[i] = t.eval(r)
	}
	return out
}
