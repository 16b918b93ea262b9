package ics

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// parser reads content lines (RFC 5545 §3.1) and builds the tree.
type parser struct {
	src    string
	pos    int
	line   int // of src at pos, from 1
	limits Limits
	lines  int
	stack  []*Component
	root   *Component

	params []Param // arenas: slices of them are what the tree holds
	values []string
}

// Parse reads one iCalendar object. It does not keep raw. Its errors are *Error with
// ValidData, or MaxResourceSize when raw is over the limit.
func Parse(raw []byte, l Limits) (*Calendar, error) {
	if len(raw) > l.Size {
		return nil, &Error{Condition: MaxResourceSize, Text: fmt.Sprintf("%d bytes, at most %d are taken", len(raw), l.Size)}
	}
	if !utf8.Valid(raw) {
		return nil, &Error{Condition: ValidData, Text: "not UTF-8"}
	}
	p := &parser{src: string(raw), line: 1, limits: l}
	p.skipStart()
	for {
		start, line := p.pos, p.line
		text, ok := p.next()
		if !ok {
			break
		}
		if text == "" {
			continue
		}
		if err := p.take(text, start, line); err != nil {
			return nil, err
		}
	}
	switch {
	case p.root == nil:
		return nil, p.errorf(p.line, "no VCALENDAR")
	case len(p.stack) > 0:
		return nil, p.errorf(p.line, "%s does not end", p.stack[len(p.stack)-1].Name)
	}
	return &Calendar{Source: p.src, Component: p.root}, nil
}

func (p *parser) errorf(line int, format string, args ...any) error {
	return &Error{Condition: ValidData, Line: line, Text: fmt.Sprintf(format, args...)}
}

// skipStart skips a byte order mark and blanks before the first line.
func (p *parser) skipStart() {
	if strings.HasPrefix(p.src, "\ufeff") {
		p.pos = len("\ufeff")
	}
	for p.pos < len(p.src) {
		switch p.src[p.pos] {
		case '\n':
			p.line++
		case ' ', '\t', '\r':
		default:
			return
		}
		p.pos++
	}
}

// next returns the next content line, unfolded.
func (p *parser) next() (string, bool) {
	if p.pos >= len(p.src) {
		return "", false
	}
	text := p.physical()
	if !p.folded() {
		return text, true
	}
	var b strings.Builder
	b.WriteString(text)
	for p.folded() {
		p.pos++ // the blank
		b.WriteString(p.physical())
	}
	return b.String(), true
}

func (p *parser) folded() bool {
	return p.pos < len(p.src) && (p.src[p.pos] == ' ' || p.src[p.pos] == '\t')
}

// physical returns the line at pos without its end, and moves after it.
func (p *parser) physical() string {
	rest := p.src[p.pos:]
	i := strings.IndexByte(rest, '\n')
	p.line++
	if i < 0 {
		p.pos = len(p.src)
		return strings.TrimRight(rest, "\r")
	}
	p.pos += i + 1
	for i > 0 && rest[i-1] == '\r' {
		i--
	}
	return rest[:i]
}

// take adds one content line to the tree.
func (p *parser) take(text string, start, line int) error {
	if p.lines++; p.lines > p.limits.Lines {
		return p.errorf(line, "more than %d lines", p.limits.Lines)
	}
	if strings.IndexByte(text, 0) >= 0 {
		return p.errorf(line, "a NUL")
	}
	if p.root != nil && len(p.stack) == 0 {
		if strings.TrimSpace(text) == "" {
			return nil
		}
		return p.errorf(line, "%.20q after END:VCALENDAR", text)
	}
	colon := valueAt(text)
	if colon < 0 {
		return p.errorf(line, "%.40q has no colon", text)
	}
	head, value := text[:colon], text[colon+1:]
	name, rest, some := strings.Cut(head, ";")
	if !validName(name) {
		return p.errorf(line, "%.40q is no property name", name)
	}
	name = upper(name)
	switch name {
	case "BEGIN":
		return p.begin(upper(strings.TrimSpace(value)), start, line)
	case "END":
		return p.end(upper(strings.TrimSpace(value)), line)
	}
	if len(p.stack) == 0 {
		return p.errorf(line, "%.40q before BEGIN:VCALENDAR", name)
	}
	prop := Prop{Name: name, Value: value, Start: start, End: p.pos, Line: line}
	if some {
		prop.Params = p.parseParams(rest)
	}
	top := p.stack[len(p.stack)-1]
	if top.Props == nil {
		top.Props = make([]Prop, 0, 12)
	}
	top.Props = append(top.Props, prop)
	return nil
}

func (p *parser) begin(name string, start, line int) error {
	if len(p.stack) >= p.limits.Depth {
		return p.errorf(line, "components nest deeper than %d", p.limits.Depth)
	}
	if !validName(name) {
		return p.errorf(line, "%.40q is no component name", name)
	}
	c := &Component{Name: name, Start: start, Line: line}
	if len(p.stack) == 0 {
		if name != "VCALENDAR" {
			return p.errorf(line, "%.40s where VCALENDAR begins", name)
		}
		p.root = c
	} else {
		top := p.stack[len(p.stack)-1]
		top.Components = append(top.Components, c)
	}
	p.stack = append(p.stack, c)
	return nil
}

func (p *parser) end(name string, line int) error {
	if len(p.stack) == 0 {
		return p.errorf(line, "END:%.40s without its BEGIN", name)
	}
	top := p.stack[len(p.stack)-1]
	if top.Name != name {
		return p.errorf(line, "END:%.40s where %s ends", name, top.Name)
	}
	top.End = p.pos
	p.stack = p.stack[:len(p.stack)-1]
	return nil
}

// valueAt returns where the colon before the value is: the first outside of
// quotes, or, when quotes are not balanced, the first.
func valueAt(text string) int {
	quoted := false
	for i := range len(text) {
		switch text[i] {
		case '"':
			quoted = !quoted
		case ':':
			if !quoted {
				return i
			}
		}
	}
	return strings.IndexByte(text, ':')
}

// parseParams reads ";"-separated parameters. One without "=" has no values.
func (p *parser) parseParams(s string) []Param {
	first := len(p.params)
	for s != "" {
		var one string
		one, s = cutOutside(s, ';')
		name, list, ok := strings.Cut(one, "=")
		if name == "" {
			continue
		}
		from := len(p.values)
		for ok {
			var v string
			rest := list
			v, list = cutOutside(list, ',')
			p.values = append(p.values, paramValue(v))
			ok = list != "" || len(v) < len(rest)
		}
		p.params = append(p.params, Param{Name: upper(strings.TrimSpace(name)), Values: p.values[from:len(p.values):len(p.values)]})
	}
	return p.params[first:len(p.params):len(p.params)]
}

// cutOutside cuts s at the first sep outside of quotes.
func cutOutside(s string, sep byte) (before, after string) {
	quoted := false
	for i := range len(s) {
		switch {
		case s[i] == '"':
			quoted = !quoted
		case s[i] == sep && !quoted:
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}

// paramValue takes quotes off and undoes the escapes of RFC 6868.
func paramValue(s string) string {
	if strings.IndexByte(s, '"') >= 0 {
		if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
			s = s[1 : len(s)-1]
		}
		s = strings.ReplaceAll(s, `"`, "")
	}
	if strings.IndexByte(s, '^') >= 0 {
		s = caret.Replace(s)
	}
	return s
}

var caret = strings.NewReplacer("^n", "\n", "^'", `"`, "^^", "^")

// validName tells whether s can be a name: RFC 5545's iana-token and x-name,
// and the dots and underscores that clients put in.
func validName(s string) bool {
	if s == "" || len(s) > 255 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if c|0x20 < 'a' || c|0x20 > 'z' {
			if (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' && c != '/' {
				return false
			}
		}
	}
	return true
}

// upper is strings.ToUpper for ASCII, and returns s itself where it can.
func upper(s string) string {
	for i := range len(s) {
		if s[i] >= 'a' && s[i] <= 'z' {
			b := []byte(s)
			for j := range b {
				if b[j] >= 'a' && b[j] <= 'z' {
					b[j] -= 0x20
				}
			}
			return string(b)
		}
	}
	return s
}
