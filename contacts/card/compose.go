package card

// Field is a property of a card that is being written. Value is text: Compose
// escapes it, all but the semicolons of a structured one, whose Parts it escapes and joins.
type Field struct {
	Name   string // upper case
	Params []Param
	Value  string
	Parts  []string
}

// Compose writes a card of a version ("3.0", "4.0").
func Compose(version string, fields ...Field) []byte {
	out := append([]byte("BEGIN:VCARD\r\nVERSION:"), version...)
	out = append(out, "\r\n"...)
	for _, f := range fields {
		l := line{name: f.Name, params: f.Params, value: escape(f.Value)}
		for i, p := range f.Parts {
			if i > 0 {
				l.value += ";"
			}
			l.value += escape(p)
		}
		out = l.append(out)
	}
	return append(out, "END:VCARD\r\n"...)
}
