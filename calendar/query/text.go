package query

import (
	"slices"
	"strings"
	"unicode/utf8"

	"atrium/calendar/ics"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// TextMatch is CALDAV:text-match, RFC 4791 §9.7.5: a substring by a collation.
type TextMatch struct {
	Text      string
	Collation string // "" is i;ascii-casemap; see Collations
	Negate    bool
}

// Collations are the names that TextMatch takes (CALDAV:supported-collation-set).
var Collations = []string{"i;ascii-casemap", "i;octet", "i;unicode-casemap"}

func (m *TextMatch) validate() error {
	if m == nil || m.Collation == "" || m.Collation == "default" || slices.Contains(Collations, m.Collation) {
		return nil
	}
	return &ics.Error{Condition: ics.SupportedCollation, Text: "collation " + m.Collation}
}

// Match tells whether the condition holds for s, Negate included.
func (m *TextMatch) Match(s string) bool { return m.in(s) != m.Negate }

// in tells whether m's text is in s.
func (m *TextMatch) in(s string) bool {
	switch m.Collation {
	case "i;octet":
		return strings.Contains(s, m.Text)
	case "i;unicode-casemap":
		return strings.Contains(unicodeFold(s), unicodeFold(m.Text))
	}
	return containsFold(s, m.Text)
}

// containsFold is strings.Contains that takes ASCII letters of both cases for one
// (RFC 4790 §9.2).
func containsFold(s, sub string) bool {
	if sub == "" {
		return true
	}
	first := lower(sub[0])
	for i := 0; i+len(sub) <= len(s); i++ {
		if lower(s[i]) != first {
			continue
		}
		j := 1
		for j < len(sub) && lower(s[i+j]) == lower(sub[j]) {
			j++
		}
		if j == len(sub) {
			return true
		}
	}
	return false
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 0x20
	}
	return c
}

// unicodeFold prepares for i;unicode-casemap, RFC 5051.
func unicodeFold(s string) string {
	ascii := true
	for i := range len(s) {
		ascii = ascii && s[i] < utf8.RuneSelf
	}
	if ascii {
		return strings.ToLower(s)
	}
	return norm.NFKD.String(cases.Fold().String(norm.NFKD.String(s)))
}
