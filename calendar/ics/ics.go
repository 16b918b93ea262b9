package ics

import "strings"

// Limits bounds what Parse takes.
type Limits struct {
	Size  int // bytes
	Depth int // components in components
	Lines int // properties and BEGIN and END lines together
}

// DefaultLimits takes all that clients are known to send.
func DefaultLimits() Limits { return Limits{Size: 4 << 20, Depth: 12, Lines: 200_000} }

// Calendar is one iCalendar object. It is never changed after Parse and may be
// used by many goroutines.
type Calendar struct {
	Source     string // the octets as they were sent
	*Component        // the VCALENDAR
}

// Component is one BEGIN … END. Its octets are Source[Start:End], line ends
// included.
type Component struct {
	Name       string // upper case
	Props      []Prop
	Components []*Component
	Start, End int
	Line       int // line of the input, from 1
}

// Prop is one property. Its octets are Source[Start:End], line end included.
type Prop struct {
	Name       string // upper case
	Params     []Param
	Value      string // unfolded, still escaped
	Start, End int
	Line       int // line of the input, from 1
}

// Param is one parameter of a property, without quotes and with the escapes
// of RFC 6868 undone.
type Param struct {
	Name   string // upper case
	Values []string
}

// Prop returns the first property of that (upper-case) name, or nil.
func (c *Component) Prop(name string) *Prop {
	for i := range c.Props {
		if c.Props[i].Name == name {
			return &c.Props[i]
		}
	}
	return nil
}

// Value returns the value of the first property of that name, "" without one.
func (c *Component) Value(name string) string {
	if p := c.Prop(name); p != nil {
		return p.Value
	}
	return ""
}

// Param returns the first value of the parameter of that (upper-case) name.
func (p *Prop) Param(name string) (value string, ok bool) {
	for i := range p.Params {
		if p.Params[i].Name == name {
			if v := p.Params[i].Values; len(v) > 0 {
				value = v[0]
			}
			return value, true
		}
	}
	return "", false
}

// Text returns the value with the escapes of RFC 5545 §3.3.11 undone.
func (p *Prop) Text() string { return Unescape(p.Value) }

// Unescape undoes the escapes of TEXT, RFC 5545 §3.3.11.
func Unescape(s string) string {
	i := strings.IndexByte(s, '\\')
	if i < 0 {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	for i >= 0 && i+1 < len(s) {
		b.WriteString(s[:i])
		switch c := s[i+1]; c {
		case 'n', 'N':
			b.WriteByte('\n')
		case '\\', ',', ';', ':', '"':
			b.WriteByte(c)
		default: // no escape: keep it
			b.WriteString(s[i : i+2])
		}
		s = s[i+2:]
		i = strings.IndexByte(s, '\\')
	}
	b.WriteString(s)
	return b.String()
}

// Escape makes TEXT of s, RFC 5545 §3.3.11.
func Escape(s string) string {
	if !strings.ContainsAny(s, "\\;,\n\r") {
		return s
	}
	return escaper.Replace(s)
}

var escaper = strings.NewReplacer(`\`, `\\`, ";", `\;`, ",", `\,`, "\r\n", `\n`, "\n", `\n`, "\r", `\n`)

// AppendLine appends a content line to dst, folded after at most 75 octets
// and never inside a character (RFC 5545 §3.1).
func AppendLine(dst []byte, line string) []byte {
	for limit := 75; len(line) > limit; limit = 74 {
		n := limit
		for n > limit-4 && line[n]&0xc0 == 0x80 {
			n--
		}
		dst = append(append(dst, line[:n]...), "\r\n "...)
		line = line[n:]
	}
	return append(append(dst, line...), '\r', '\n')
}

// Main returns the components that are not VTIMEZONE and not somebody's own
// ("X-…"), in the order they were sent.
func (c *Calendar) Main() []*Component {
	out := make([]*Component, 0, 2)
	for _, k := range c.Components {
		if isMain(k) {
			out = append(out, k)
		}
	}
	return out
}

func isMain(k *Component) bool { return k.Name != "VTIMEZONE" && !strings.HasPrefix(k.Name, "X-") }

// UID returns the object's UID, "" when it has none.
func (c *Calendar) UID() string {
	for _, k := range c.Components {
		if isMain(k) {
			if p := k.Prop("UID"); p != nil {
				return p.Text()
			}
		}
	}
	return ""
}
