package query

import "atrium/contacts/card"

// Filter is the content of CARDDAV:filter, RFC 6352 §10.5. Without Props it
// matches every card.
type Filter struct {
	Props []PropFilter
	All   bool // test="allof"; the default is anyof
}

// PropFilter is CARDDAV:prop-filter, RFC 6352 §10.5.1.
type PropFilter struct {
	Name         string // case-blind, with "group." only those of that group
	IsNotDefined bool
	Texts        []TextMatch
	Params       []ParamFilter
	All          bool // test="allof"; the default is anyof
}

// ParamFilter is CARDDAV:param-filter, RFC 6352 §10.5.2.
type ParamFilter struct {
	Name         string
	IsNotDefined bool
	Text         *TextMatch
}

// TextMatch is CARDDAV:text-match, RFC 6352 §10.5.4.
type TextMatch struct {
	Text      string
	Collation string // "" is i;unicode-casemap; see Collations
	Type      string // "" or "contains", "equals", "starts-with", "ends-with"
	Negate    bool
}

// Collations are the names that TextMatch takes (CARDDAV:supported-collation-set).
var Collations = []string{"i;ascii-casemap", "i;octet", "i;unicode-casemap"}

// Validate says whether the filter can be answered. Errors are *card.Error with
// SupportedFilter or SupportedCollation.
func (f *Filter) Validate() error { panic("being written") }

// Match tells whether a card matches.
func (f *Filter) Match(c *card.Card) bool { panic("being written") }
