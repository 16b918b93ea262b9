package card

import (
	"iter"
	"strings"
)

// Limits bounds what Parse takes.
type Limits struct {
	Size  int // bytes
	Props int // properties
}

// DefaultLimits takes all that clients are known to send: photos are large.
func DefaultLimits() Limits { return Limits{Size: 10 << 20, Props: 20_000} }

// Card is one vCard. It is never changed after Parse and may be used by many
// goroutines.
type Card struct {
	Source  string // the octets as they were sent
	Version string // "3.0", "4.0", "2.1"
	Props   []Prop // BEGIN and END left out
}

// Prop is one property. Its octets are Source[Start:End], line end included.
type Prop struct {
	Group      string // as sent, "" when none
	Name       string // upper case
	Params     []Param
	Value      string // unfolded, still escaped
	Start, End int

	value int // where the value begins in Source
}

// Param is one parameter, without quotes and with the escapes of RFC 6868
// undone. A value without a name (vCard 2.1) has the name TYPE.
type Param struct {
	Name   string // upper case
	Values []string
}

// Prop returns the first property of that (upper-case) name, or nil.
func (c *Card) Prop(name string) *Prop {
	for i := range c.Props {
		if c.Props[i].Name == name {
			return &c.Props[i]
		}
	}
	return nil
}

func (c *Card) text(name string) string {
	if p := c.Prop(name); p != nil {
		return p.Text()
	}
	return ""
}

// UID returns the card's UID, "" when it has none.
func (c *Card) UID() string { return strings.TrimSpace(c.text("UID")) }

// FN returns the formatted name, unescaped.
func (c *Card) FN() string { return c.text("FN") }

// Kind returns KIND in lower case ("individual" when absent; Apple's
// X-ADDRESSBOOKSERVER-KIND counts).
func (c *Card) Kind() string {
	for _, name := range []string{"KIND", "X-ADDRESSBOOKSERVER-KIND"} {
		if k := strings.ToLower(strings.TrimSpace(c.text(name))); k != "" {
			return k
		}
	}
	return "individual"
}

// Param returns the first value of the parameter of that (upper-case) name.
func (p *Prop) Param(name string) (value string, ok bool) {
	for i := range p.Params {
		if p.Params[i].Name == name && len(p.Params[i].Values) > 0 {
			return p.Params[i].Values[0], true
		}
	}
	return "", false
}

// Text returns the value with the escapes of RFC 6350 §3.4 undone.
func (p *Prop) Text() string {
	if strings.IndexByte(p.Value, '\\') < 0 {
		return p.Value
	}
	var b strings.Builder
	b.Grow(len(p.Value))
	for i := 0; i < len(p.Value); i++ {
		c := p.Value[i]
		if c == '\\' && i+1 < len(p.Value) {
			i++
			switch c = p.Value[i]; c {
			case 'n', 'N':
				c = '\n'
			case '\\', ',', ';', ':':
			default:
				b.WriteByte('\\')
			}
		}
		b.WriteByte(c)
	}
	return b.String()
}

// Items yields the items of a value that is a list, with their escapes undone (RFC 6350 §3.3, §3.4).
func (p *Prop) Items() iter.Seq[string] {
	return func(yield func(string) bool) {
		start := 0
		for i := 0; ; i++ {
			if end := i >= len(p.Value); end || p.Value[i] == ',' {
				item := Prop{Value: p.Value[start:min(i, len(p.Value))]}
				if !yield(strings.TrimSpace(item.Text())) || end {
					return
				}
				start = i + 1
			} else if p.Value[i] == '\\' {
				i++
			}
		}
	}
}

// Select returns the octets of the card with only the named (upper-case)
// properties; BEGIN, VERSION and END always stay (RFC 6352 §10.4.2). A name with a group,
// "ITEM1.EMAIL", is of that group alone. novalue names those whose value is to be left empty.
func (c *Card) Select(names map[string]bool, novalue map[string]bool) []byte {
	out := make([]byte, 0, len(c.Source))
	out = append(out, "BEGIN:VCARD\r\n"...)
	for i := range c.Props {
		p := &c.Props[i]
		name := p.Name
		if p.Group != "" {
			if full := strings.ToUpper(p.Group) + "." + name; names[full] {
				name = full
			}
		}
		switch {
		case name == "VERSION", names[name] && !novalue[name]:
			out = append(out, c.Source[p.Start:p.End]...)
			if !strings.HasSuffix(c.Source[p.Start:p.End], "\n") {
				out = append(out, "\r\n"...)
			}
		case names[name]:
			out = append(append(out, c.Source[p.Start:p.value]...), "\r\n"...)
		}
	}
	return append(out, "END:VCARD\r\n"...)
}
