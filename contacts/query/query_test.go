package query

import (
	"errors"
	"testing"

	"atrium/contacts/card"
)

const src = "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:u1\r\nFN:Zoë Ångström\r\nitem1.EMAIL;TYPE=HOME:zoe@home.example\r\n" +
	"EMAIL;TYPE=WORK:z.angstrom@work.example\r\nNICKNAME:Zo\r\nEND:VCARD\r\n"

func TestMatch(t *testing.T) {
	c, err := card.Parse([]byte(src), card.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	text := func(s, typ, coll string, neg bool) []TextMatch {
		return []TextMatch{{Text: s, Type: typ, Collation: coll, Negate: neg}}
	}
	email := func(p ...ParamFilter) PropFilter { return PropFilter{Name: "EMAIL", Params: p} }
	for _, tc := range []struct {
		name string
		f    Filter
		want bool
	}{
		{"no filter", Filter{}, true},
		{"defined", Filter{Props: []PropFilter{{Name: "nickname"}}}, true},
		{"not there", Filter{Props: []PropFilter{{Name: "TEL"}}}, false},
		{"is-not-defined", Filter{Props: []PropFilter{{Name: "TEL", IsNotDefined: true}}}, true},
		{"is-not-defined, but is", Filter{Props: []PropFilter{{Name: "FN", IsNotDefined: true}}}, false},
		{"contains, unicode case", Filter{Props: []PropFilter{{Name: "FN", Texts: text("ZOË å", "", "", false)}}}, true},
		{"ascii-casemap leaves ë alone", Filter{Props: []PropFilter{{Name: "FN", Texts: text("ZOË", "", "i;ascii-casemap", false)}}}, false},
		{"octet", Filter{Props: []PropFilter{{Name: "FN", Texts: text("zoë", "", "i;octet", false)}}}, false},
		{"equals", Filter{Props: []PropFilter{{Name: "NICKNAME", Texts: text("zo", "equals", "", false)}}}, true},
		{"starts-with", Filter{Props: []PropFilter{{Name: "FN", Texts: text("zoë", "starts-with", "", false)}}}, true},
		{"ends-with", Filter{Props: []PropFilter{{Name: "FN", Texts: text("zoë", "ends-with", "", false)}}}, false},
		{"negate", Filter{Props: []PropFilter{{Name: "FN", Texts: text("bob", "", "", true)}}}, true},
		{"group", Filter{Props: []PropFilter{{Name: "item1.EMAIL", Texts: text("work", "", "", false)}}}, false},
		{"param", Filter{Props: []PropFilter{email(ParamFilter{Name: "type", Text: &TextMatch{Text: "work"}})}}, true},
		{"param is-not-defined", Filter{Props: []PropFilter{email(ParamFilter{Name: "TYPE", IsNotDefined: true})}}, false},
		{"both on one property", Filter{Props: []PropFilter{{Name: "EMAIL", All: true, Texts: text("home", "", "", false),
			Params: []ParamFilter{{Name: "TYPE", Text: &TextMatch{Text: "WORK"}}}}}}, false},
		{"anyof", Filter{Props: []PropFilter{{Name: "TEL"}, {Name: "FN"}}}, true},
		{"allof", Filter{All: true, Props: []PropFilter{{Name: "TEL"}, {Name: "FN"}}}, false},
	} {
		if err := tc.f.Validate(); err != nil {
			t.Errorf("%s: %v", tc.name, err)
		}
		if got := tc.f.Match(c); got != tc.want {
			t.Errorf("%s: %v", tc.name, got)
		}
	}
}

func TestValidate(t *testing.T) {
	for name, tc := range map[string]struct {
		f    Filter
		want card.Condition
	}{
		"collation": {Filter{Props: []PropFilter{{Name: "FN", Texts: []TextMatch{{Collation: "i;klingon"}}}}}, card.SupportedCollation},
		"type":      {Filter{Props: []PropFilter{{Name: "FN", Texts: []TextMatch{{Type: "sounds-like"}}}}}, card.SupportedFilter},
		"name":      {Filter{Props: []PropFilter{{}}}, card.SupportedFilter},
		"size":      {Filter{Props: make([]PropFilter, 501)}, card.SupportedFilter},
	} {
		var e *card.Error
		if err := tc.f.Validate(); !errors.As(err, &e) || e.Condition != tc.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzMatch(f *testing.F) {
	f.Add("FN", "zoë", "contains", "", "FN:Zoë")
	f.Fuzz(func(t *testing.T, prop, text, typ, coll, line string) {
		c, err := card.Parse([]byte("BEGIN:VCARD\r\nVERSION:3.0\r\n"+line+"\r\nEND:VCARD\r\n"), card.Limits{Size: 1 << 16})
		if err != nil {
			return
		}
		x := Filter{Props: []PropFilter{{Name: prop, Texts: []TextMatch{{Text: text, Type: typ, Collation: coll}}}}}
		if x.Validate() != nil {
			return
		}
		if c.Prop(prop) == nil && x.Match(c) && prop == "UID" {
			t.Fatal("a property that is not there matches")
		}
		n := 0
		for i := range c.Props {
			if c.Props[i].Name == "FN" {
				n++
			}
		}
		x = Filter{Props: []PropFilter{{Name: "FN", Texts: []TextMatch{{Text: text, Collation: coll}}}}}
		y := Filter{Props: []PropFilter{{Name: "FN", Texts: []TextMatch{{Text: text, Collation: coll, Negate: true}}}}}
		if n == 1 && x.Match(c) == y.Match(c) {
			t.Fatal("a text matches and does not")
		}
	})
}
