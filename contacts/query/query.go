package query

import (
	"fmt"
	"slices"
	"strings"

	"atrium/contacts/card"
)

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

// most bounds the tests in one filter.
const most = 500

// Validate says whether the filter can be answered. Errors are *card.Error with
// SupportedFilter or SupportedCollation.
func (f *Filter) Validate() error {
	n := 0
	check := func(t *TextMatch) error {
		n++
		if t.Collation != "" && t.Collation != "default" && !slices.Contains(Collations, t.Collation) {
			return &card.Error{Condition: card.SupportedCollation, Detail: fmt.Sprintf("collation %.60q", t.Collation)}
		}
		switch t.Type {
		case "", "contains", "equals", "starts-with", "ends-with":
			return nil
		}
		return &card.Error{Condition: card.SupportedFilter, Detail: fmt.Sprintf("match-type %.60q", t.Type)}
	}
	for i := range f.Props {
		p := &f.Props[i]
		n++
		if p.Name == "" {
			return &card.Error{Condition: card.SupportedFilter, Detail: "prop-filter without a name"}
		}
		for k := range p.Texts {
			if err := check(&p.Texts[k]); err != nil {
				return err
			}
		}
		for k := range p.Params {
			n++
			if p.Params[k].Name == "" {
				return &card.Error{Condition: card.SupportedFilter, Detail: "param-filter without a name"}
			}
			if t := p.Params[k].Text; t != nil {
				if err := check(t); err != nil {
					return err
				}
			}
		}
	}
	if n > most {
		return &card.Error{Condition: card.SupportedFilter, Detail: fmt.Sprintf("%d tests, at most %d", n, most)}
	}
	return nil
}

// Match tells whether a card matches.
func (f *Filter) Match(c *card.Card) bool {
	if len(f.Props) == 0 {
		return true
	}
	for i := range f.Props {
		if f.Props[i].match(c) != f.All {
			return !f.All
		}
	}
	return f.All
}

// twins are the names that one property with one meaning has in vCard 4.0 and, by Apple, in 3.0. A filter for either
// finds both: a client asks by the name that the version has in which it is shown the card.
var twins = map[string]string{
	"KIND": "X-ADDRESSBOOKSERVER-KIND", "X-ADDRESSBOOKSERVER-KIND": "KIND",
	"MEMBER": "X-ADDRESSBOOKSERVER-MEMBER", "X-ADDRESSBOOKSERVER-MEMBER": "MEMBER",
}

// split takes the group off the name, which then counts too.
func (p *PropFilter) split() (group, name string) {
	if i := strings.LastIndexByte(p.Name, '.'); i >= 0 {
		return p.Name[:i], p.Name[i+1:]
	}
	return "", p.Name
}

// match tells whether one property of the name passes all tests, or any of them; without
// tests, whether there is one (RFC 6352 §10.5.1).
func (p *PropFilter) match(c *card.Card) bool {
	group, name := p.split()
	name = strings.ToUpper(name)
	found := false
	for i := range c.Props {
		x := &c.Props[i]
		if x.Name != name && x.Name != twins[name] || group != "" && !strings.EqualFold(x.Group, group) {
			continue
		}
		if p.IsNotDefined {
			return false
		}
		if p.passes(x) {
			found = true
			break
		}
	}
	return found || p.IsNotDefined
}

func (p *PropFilter) passes(x *card.Prop) bool {
	if len(p.Texts)+len(p.Params) == 0 {
		return true
	}
	for i := range p.Texts {
		if p.Texts[i].property(x) != p.All {
			return !p.All
		}
	}
	for i := range p.Params {
		if p.Params[i].match(x) != p.All {
			return !p.All
		}
	}
	return p.All
}

func (f *ParamFilter) match(x *card.Prop) bool {
	for i := range x.Params {
		if !strings.EqualFold(x.Params[i].Name, f.Name) {
			continue
		}
		switch {
		case f.IsNotDefined:
			return false
		case f.Text == nil:
			return true
		}
		for _, v := range x.Params[i].Values {
			if f.Text.has(v) != f.Text.Negate {
				return true
			}
		}
	}
	return f.IsNotDefined
}

// collation is the one that counts, RFC 6352 §10.5.4.
func (t *TextMatch) collation() string {
	if t.Collation == "" || t.Collation == "default" {
		return "i;unicode-casemap"
	}
	return t.Collation
}

// lists are the properties whose value is a list (RFC 6350 §6.2.3, §6.7.1).
var lists = []string{"NICKNAME", "CATEGORIES"}

// byItem tells that each item of the property's value is compared too: "Eric" equals one of "Red,Eric".
func (t *TextMatch) byItem(name string) bool {
	return t.Type != "" && t.Type != "contains" && slices.Contains(lists, name)
}

// property compares a property's value, and each of its items.
func (t *TextMatch) property(x *card.Prop) bool {
	ok := t.has(x.Text())
	if !ok && t.byItem(x.Name) {
		for item := range x.Items() {
			if ok = t.has(item); ok {
				break
			}
		}
	}
	return ok != t.Negate
}

// has compares without regard to Negate.
func (t *TextMatch) has(value string) bool {
	c := t.collation()
	value, text := fold(c, value), fold(c, t.Text)
	switch t.Type {
	case "equals":
		return value == text
	case "starts-with":
		return strings.HasPrefix(value, text)
	case "ends-with":
		return strings.HasSuffix(value, text)
	}
	return strings.Contains(value, text)
}
