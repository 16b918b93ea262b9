package card

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
}

// Param is one parameter, without quotes and with the escapes of RFC 6868
// undone. A value without a name (vCard 2.1) has the name TYPE.
type Param struct {
	Name   string // upper case
	Values []string
}

// Parse reads one vCard. It does not keep raw. Its errors are *Error.
func Parse(raw []byte, l Limits) (*Card, error) { panic("being written") }

// Prop returns the first property of that (upper-case) name, or nil.
func (c *Card) Prop(name string) *Prop { panic("being written") }

// UID returns the card's UID, "" when it has none.
func (c *Card) UID() string { panic("being written") }

// FN returns the formatted name, unescaped.
func (c *Card) FN() string { panic("being written") }

// Kind returns KIND in lower case ("individual" when absent; Apple's X-ADDRESSBOOKSERVER-KIND counts).
func (c *Card) Kind() string { panic("being written") }

// Param returns the first value of the parameter of that (upper-case) name.
func (p *Prop) Param(name string) (value string, ok bool) { panic("being written") }

// Text returns the value with the escapes of RFC 6350 §3.4 undone.
func (p *Prop) Text() string { panic("being written") }

// Select returns the octets of the card with only the named (upper-case) properties; BEGIN,
// VERSION and END always stay (RFC 6352 §10.4.2). novalue names those whose
// value is to be left empty.
func (c *Card) Select(names map[string]bool, novalue map[string]bool) []byte { panic("being written") }
