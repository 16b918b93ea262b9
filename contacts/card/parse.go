package card

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Parse reads one vCard. It does not keep raw. Its errors are *Error.
func Parse(raw []byte, l Limits) (*Card, error) {
	if l.Size > 0 && len(raw) > l.Size {
		return nil, &Error{Condition: MaxResourceSize, Detail: fmt.Sprintf("%d bytes, at most %d", len(raw), l.Size)}
	}
	if !utf8.Valid(raw) {
		return nil, &Error{Condition: ValidData, Detail: "not UTF-8"}
	}
	p := parser{src: string(raw), max: l.Props}
	if err := p.card(); err != nil {
		return nil, err
	}
	return &p.out, nil
}

// parser walks over the lines.
type parser struct {
	src  string
	at   int // of the next line
	line int // number of the line last read
	max  int
	out  Card
}

func (p *parser) bad(format string, args ...any) *Error {
	return &Error{Condition: ValidData, Line: p.line, Detail: fmt.Sprintf(format, args...)}
}

// physical returns the next line without its end.
func (p *parser) physical() (string, bool) {
	if p.at >= len(p.src) {
		return "", false
	}
	p.line++
	rest := p.src[p.at:]
	if i := strings.IndexByte(rest, '\n'); i >= 0 {
		p.at += i + 1
		return strings.TrimSuffix(rest[:i], "\r"), true
	}
	p.at = len(p.src)
	return strings.TrimSuffix(rest, "\r"), true
}

func (p *parser) card() error {
	p.at = len(p.src) - len(strings.TrimPrefix(p.src, "\ufeff"))
	line, ok := p.physical()
	for ok && strings.TrimSpace(line) == "" {
		line, ok = p.physical()
	}
	if !ok || !strings.EqualFold(strings.TrimSpace(line), "BEGIN:VCARD") {
		return p.bad("no BEGIN:VCARD")
	}
	for {
		prop, err := p.property()
		if err != nil {
			return err
		}
		if prop == nil {
			return p.bad("no END:VCARD")
		}
		value := strings.TrimSpace(prop.Value)
		if prop.Name == "END" {
			if !strings.EqualFold(value, "VCARD") {
				return p.bad("END:%.40s inside a card", value)
			}
			break
		}
		if prop.Name == "BEGIN" {
			return p.bad("BEGIN:%.40s inside a card", value)
		}
		if prop.Name == "VERSION" && p.out.Version == "" {
			p.out.Version = value
		}
		if p.max > 0 && len(p.out.Props) >= p.max {
			return &Error{Condition: MaxResourceSize, Line: p.line, Detail: fmt.Sprintf("more than %d properties", p.max)}
		}
		p.out.Props = append(p.out.Props, *prop)
	}
	if rest := strings.TrimSpace(p.src[p.at:]); rest != "" {
		return p.bad("something follows END:VCARD; one resource holds one card")
	}
	p.out.Source = p.src
	switch p.out.Version {
	case "3.0", "4.0", "2.1":
		return nil
	case "":
		return p.bad("no VERSION")
	}
	return &Error{Condition: SupportedData, Detail: fmt.Sprintf("version %.20q; 3.0 and 4.0 are taken", p.out.Version)}
}

// property reads the next property with its continuation lines, nil at the end.
func (p *parser) property() (*Prop, error) {
	var line string
	var start int
	for {
		start = p.at
		s, ok := p.physical()
		if !ok {
			return nil, nil
		}
		if strings.TrimSpace(s) != "" {
			line = s
			break
		}
	}
	first := p.line
	colon, quoted := colonAt(line)
	// A name with its parameters may be folded too.
	head := line
	var folded []string
	for p.at < len(p.src) && (p.src[p.at] == ' ' || p.src[p.at] == '\t') {
		s, _ := p.physical()
		folded = append(folded, s[1:])
		if colon < 0 {
			head += s[1:]
			colon, quoted = colonAt(head)
			folded = folded[:0]
		}
	}
	if colon < 0 {
		p.line = first
		if quoted {
			return nil, p.bad("a quoted parameter does not end")
		}
		return nil, p.bad("no colon in %.40q", line)
	}
	prop := &Prop{Start: start, value: start + min(colon+1, len(line))}
	if err := p.head(prop, head[:colon]); err != nil {
		return nil, err
	}
	prop.Value = head[colon+1:]
	if len(folded) > 0 {
		if prop.quotedPrintable() { // a soft line break and a fold in one
			for i, s := range append([]string{prop.Value}, folded[:len(folded)-1]...) {
				if s = strings.TrimSuffix(s, "="); i == 0 {
					prop.Value = s
				} else {
					folded[i-1] = s
				}
			}
		}
		prop.Value += strings.Join(folded, "")
	}
	p.softBreaks(prop)
	prop.End = p.at
	return prop, nil
}

// colonAt finds the colon that ends name and parameters, -1 when there is
// none; open tells that a quote was not closed.
func colonAt(s string) (at int, open bool) {
	if i := strings.IndexAny(s, ":\""); i < 0 {
		return -1, false
	} else if s[i] == ':' {
		return i, false
	}
	for i := range len(s) {
		switch s[i] {
		case '"':
			open = !open
		case ':':
			if !open {
				return i, false
			}
		}
	}
	return -1, open
}

// quotedPrintable tells whether the value is encoded so, as vCard 2.1 has it.
func (p *Prop) quotedPrintable() bool {
	for i := range p.Params {
		for _, v := range p.Params[i].Values {
			if strings.EqualFold(v, "QUOTED-PRINTABLE") {
				return true
			}
		}
	}
	return false
}

// softBreaks joins the soft line breaks of vCard 2.1, whose next lines
// begin without a blank.
func (p *parser) softBreaks(prop *Prop) {
	if !strings.HasSuffix(prop.Value, "=") || !prop.quotedPrintable() {
		return
	}
	var b strings.Builder
	b.WriteString(prop.Value)
	for last := prop.Value; strings.HasSuffix(last, "="); {
		s, ok := p.physical()
		if !ok {
			break
		}
		b.WriteString("\n" + s)
		last = s
	}
	prop.Value = b.String()
}

// head reads group, name and parameters.
func (p *parser) head(prop *Prop, s string) error {
	name, params := s, ""
	if i := strings.IndexByte(s, ';'); i >= 0 {
		name, params = s[:i], s[i+1:]
	}
	if i := strings.LastIndexByte(name, '.'); i >= 0 {
		prop.Group, name = name[:i], name[i+1:]
	}
	name = strings.TrimSpace(name)
	if name == "" || strings.ContainsFunc(name, notToken) {
		return p.bad("%.40q is no property name", name)
	}
	prop.Name = strings.ToUpper(name)
	for params != "" {
		var one string
		one, params = cut(params, ';')
		if strings.TrimSpace(one) == "" {
			continue
		}
		if len(prop.Params) >= 200 {
			return p.bad("more than 200 parameters")
		}
		prop.Params = append(prop.Params, param(one))
	}
	return nil
}

func notToken(r rune) bool {
	return !(r == '-' || r == '_' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z')
}

// cut splits at the first sep outside quotes.
func cut(s string, sep byte) (before, after string) {
	open := false
	for i := range len(s) {
		switch {
		case s[i] == '"':
			open = !open
		case s[i] == sep && !open:
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}

func param(s string) Param {
	name, list, ok := strings.Cut(s, "=")
	if !ok || strings.Contains(name, `"`) {
		name, list = "TYPE", s // vCard 2.1
	}
	out := Param{Name: strings.ToUpper(strings.TrimSpace(name))}
	for more := true; more; {
		var v string
		n := len(list)
		v, list = cut(list, ',')
		more = len(v) < n
		if len(v) >= 2 && v[0] == '"' && v[len(v)-1] == '"' {
			v = v[1 : len(v)-1]
		}
		out.Values = append(out.Values, caret.Replace(v))
	}
	return out
}

// caret undoes the escapes of RFC 6868.
var caret = strings.NewReplacer("^^", "^", "^n", "\n", "^'", "\"")
