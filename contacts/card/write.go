package card

import (
	"strings"
	"unicode/utf8"
)

// line is a property on its way out. Its value is escaped as it will stand.
type line struct {
	group  string
	name   string // upper case
	sent   string // the name as it was sent
	params []Param
	value  string
}

func (l *line) param(name string) (string, bool) {
	p := Prop{Params: l.params}
	return p.Param(name)
}

// drop removes parameters by their names.
func (l *line) drop(names ...string) {
	kept := l.params[:0:0]
next:
	for _, p := range l.params {
		for _, n := range names {
			if p.Name == n {
				continue next
			}
		}
		kept = append(kept, p)
	}
	l.params = kept
}

func (l *line) set(name string, values ...string) {
	l.drop(name)
	l.params = append(l.params, Param{Name: name, Values: values})
}

// types are the values of TYPE, also those that stand in one pair of quotes.
func (l *line) types() (all []string) {
	for _, p := range l.params {
		if p.Name != "TYPE" {
			continue
		}
		for _, v := range p.Values {
			for t := range strings.SplitSeq(v, ",") {
				if t = strings.TrimSpace(t); t != "" {
					all = append(all, t)
				}
			}
		}
	}
	return all
}

func (l *line) hasType(t string) bool {
	for _, v := range l.types() {
		if strings.EqualFold(v, t) {
			return true
		}
	}
	return false
}

// setTypes puts TYPE as one parameter behind the others, or takes it away.
func (l *line) setTypes(all []string) {
	l.drop("TYPE")
	if len(all) > 0 {
		l.params = append(l.params, Param{Name: "TYPE", Values: all})
	}
}

// without is types without one, whatever its case.
func without(types []string, t string) (out []string) {
	for _, v := range types {
		if !strings.EqualFold(v, t) {
			out = append(out, v)
		}
	}
	return out
}

// fold is the length of a line in octets, RFC 6350 §3.2.
const fold = 75

// breaks writes line breaks as a text has them: a value that was put together of parameters, which can hold them (RFC 6868),
// ends no line.
var breaks = strings.NewReplacer("\r\n", `\n`, "\n", `\n`, "\r", "")

// append writes the property, folded between characters.
func (l *line) append(dst []byte) []byte {
	start := len(dst)
	if l.group != "" {
		dst = append(append(dst, l.group...), '.')
	}
	if strings.EqualFold(l.sent, l.name) {
		dst = append(dst, l.sent...)
	} else {
		dst = append(dst, l.name...)
	}
	for _, p := range l.params {
		dst = append(append(append(dst, ';'), p.Name...), '=')
		for i, v := range p.Values {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendParam(dst, v)
		}
	}
	dst = append(dst, ':')
	head := string(dst[start:])
	value := l.value
	if strings.ContainsAny(value, "\r\n") {
		value = breaks.Replace(value)
	}
	return appendFolded(dst[:start], head, value)
}

// appendParam quotes a parameter's value where it must be, with the escapes of RFC 6868.
func appendParam(dst []byte, v string) []byte {
	quote := strings.ContainsAny(v, ",;:")
	if quote {
		dst = append(dst, '"')
	}
	for i := range len(v) {
		switch c := v[i]; c {
		case '"':
			dst = append(dst, "^'"...)
		case '^':
			dst = append(dst, "^^"...)
		case '\n':
			dst = append(dst, "^n"...)
		case '\r':
		default:
			dst = append(dst, c)
		}
	}
	if quote {
		dst = append(dst, '"')
	}
	return dst
}

func appendFolded(dst []byte, head, value string) []byte {
	room := fold
	for _, s := range [...]string{head, value} {
		for s != "" {
			if room <= 0 {
				dst = append(dst, "\r\n "...)
				room = fold - 1
			}
			if len(s) <= room {
				dst = append(dst, s...)
				room -= len(s)
				break
			}
			n := room
			for n > 0 && !utf8.RuneStart(s[n]) {
				n--
			}
			dst = append(dst, s[:n]...)
			s, room = s[n:], 0
		}
	}
	return append(dst, "\r\n"...)
}

// escape is the value of a text, RFC 6350 §3.4. Semicolons are escaped too,
// which both versions take.
var escape = strings.NewReplacer("\\", "\\\\", "\n", "\\n", "\r", "", ",", "\\,", ";", "\\;").Replace
