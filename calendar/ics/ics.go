package ics

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
}

// Prop is one property. Its octets are Source[Start:End], line end included.
type Prop struct {
	Name       string // upper case
	Params     []Param
	Value      string // unfolded, still escaped
	Start, End int
}

// Param is one parameter of a property, without quotes and with the escapes
// of RFC 6868 undone.
type Param struct {
	Name   string // upper case
	Values []string
}

// Parse reads one iCalendar object. It does not keep raw. Its errors are *Error with
// ValidData, or MaxResourceSize when raw is over the limit.
func Parse(raw []byte, l Limits) (*Calendar, error) { panic("being written") }

// Prop returns the first property of that (upper-case) name, or nil.
func (c *Component) Prop(name string) *Prop {
	for i := range c.Props {
		if c.Props[i].Name == name {
			return &c.Props[i]
		}
	}
	return nil
}

// Param returns the first value of the parameter of that (upper-case) name.
func (p *Prop) Param(name string) (value string, ok bool) {
	for _, q := range p.Params {
		if q.Name == name {
			if len(q.Values) > 0 {
				value = q.Values[0]
			}
			return value, true
		}
	}
	return "", false
}

// Text returns the value with the escapes of RFC 5545 §3.3.11 undone.
func (p *Prop) Text() string { panic("being written") }

// Main returns the components that are not VTIMEZONE, in the order they were sent.
func (c *Calendar) Main() []*Component { panic("being written") }

// UID returns the object's UID.
func (c *Calendar) UID() string { panic("being written") }

// Validate says whether c may be stored as a calendar object resource: RFC
// 4791 §4.1 and §5.3.2.1. It returns the kind of component that c holds. Its
// errors are *Error.
func Validate(c *Calendar) (component string, err error) { panic("being written") }
