package query

import (
	"errors"
	"testing"

	"atrium/contacts/card"
)

const src = "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:u1\r\nFN:Zoë Ångström\r\nitem1.EMAIL;TYPE=HOME:zoe@home.example\r\n" +
	"EMAIL;TYPE=WORK:z.angstrom@work.example\r\nNICKNAME:Zo\r\nCATEGORIES:Red\\, dark, Friends,Work\r\nEND:VCARD\r\n"

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
		{"equals an item", Filter{Props: []PropFilter{{Name: "CATEGORIES", Texts: text("friends", "equals", "", false)}}}, true},
		{"equals the last item", Filter{Props: []PropFilter{{Name: "CATEGORIES", Texts: text("WORK", "equals", "", false)}}}, true},
		{"an item with a comma", Filter{Props: []PropFilter{{Name: "CATEGORIES", Texts: text("Red, dark", "equals", "i;octet", false)}}}, true},
		{"an item or a parameter", Filter{Props: []PropFilter{{Name: "categories", Texts: text("work", "equals", "", false), Params: []ParamFilter{{Name: "FOO"}}}}}, true},
		{"no item", Filter{Props: []PropFilter{{Name: "CATEGORIES", Texts: text("Red", "equals", "", false)}}}, false},
		{"the whole list", Filter{Props: []PropFilter{{Name: "CATEGORIES", Texts: text("red, dark, friends,work", "equals", "", false)}}}, true},
		{"an item starts with", Filter{Props: []PropFilter{{Name: "CATEGORIES", Texts: text("fri", "starts-with", "", false)}}}, true},
		{"an item ends with", Filter{Props: []PropFilter{{Name: "CATEGORIES", Texts: text("nds", "ends-with", "", false)}}}, true},
		{"no item, negated", Filter{Props: []PropFilter{{Name: "CATEGORIES", Texts: text("friends", "equals", "", true)}}}, false},
		{"contains over items", Filter{Props: []PropFilter{{Name: "CATEGORIES", Texts: text("friends,work", "contains", "", false)}}}, true},
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
		if got, sure := tc.f.Matcher().Digest(Digest(c)); got != tc.want || !sure {
			t.Errorf("%s: the digest says %v, %v", tc.name, got, sure)
		}
	}
}

// TestTwins: what the versions of vCard call differently is found by both names.
func TestTwins(t *testing.T) {
	for _, prefix := range []string{"", "X-ADDRESSBOOKSERVER-"} {
		c, err := card.Parse([]byte("BEGIN:VCARD\r\nVERSION:3.0\r\n"+prefix+"KIND:group\r\n"+prefix+"MEMBER:urn:uuid:a\r\nEND:VCARD\r\n"), card.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		for _, asked := range []string{"", "x-addressbookserver-"} {
			for _, tc := range []struct {
				p    PropFilter
				want bool
			}{
				{PropFilter{Name: asked + "KIND", Texts: []TextMatch{{Text: "GROUP", Type: "equals"}}}, true},
				{PropFilter{Name: asked + "KIND", IsNotDefined: true}, false},
				{PropFilter{Name: asked + "MEMBER", Texts: []TextMatch{{Text: "urn:uuid:a", Collation: "i;octet"}}}, true},
				{PropFilter{Name: asked + "MEMBER", Texts: []TextMatch{{Text: "urn:uuid:b"}}}, false},
			} {
				f := Filter{Props: []PropFilter{tc.p}}
				if got := f.Match(c); got != tc.want {
					t.Errorf("%q asked by %+v: %v", prefix, tc.p, got)
				}
				same(t, &f, c)
			}
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

// same holds what a digest says against what the card says.
func same(t *testing.T, f *Filter, c *card.Card) {
	t.Helper()
	if got, sure := f.Matcher().Digest(Digest(c)); sure && got != f.Match(c) {
		t.Fatalf("%+v: the digest of %q says %v", f, c.Source, got)
	}
}

// TestDigestLeavesOut shows what a digest knows of a photo: that it is there.
func TestDigestLeavesOut(t *testing.T) {
	c, err := card.Parse([]byte("BEGIN:VCARD\r\nVERSION:3.0\r\nPHOTO;TYPE=JPEG:QUJD\r\nEND:VCARD\r\n"), card.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		p           PropFilter
		match, sure bool
	}{
		{PropFilter{Name: "photo"}, true, true},
		{PropFilter{Name: "photo", IsNotDefined: true}, false, true},
		{PropFilter{Name: "photo", Params: []ParamFilter{{Name: "type", Text: &TextMatch{Text: "jpeg"}}}}, true, true},
		{PropFilter{Name: "photo", Texts: []TextMatch{{Text: "QUJD"}}}, false, false},
	} {
		f := Filter{Props: []PropFilter{tc.p}}
		if match, sure := f.Matcher().Digest(Digest(c)); match != tc.match || sure != tc.sure {
			t.Errorf("%+v: %v %v", tc.p, match, sure)
		}
	}
}

// FuzzDigest feeds a Matcher what is no digest.
func FuzzDigest(f *testing.F) {
	c, err := card.Parse([]byte(src), card.Limits{})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(Digest(c))
	f.Add([]byte{1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		x := Filter{Props: []PropFilter{{Name: "EMAIL", Texts: []TextMatch{{Text: "x"}}}, {Name: "EMAIL", Params: []ParamFilter{{Name: "TYPE"}}}}}
		x.Matcher().Digest(b)
	})
}

func BenchmarkDigest(b *testing.B) {
	c, err := card.Parse([]byte(src), card.Limits{})
	if err != nil {
		b.Fatal(err)
	}
	d := Digest(c)
	m := (&Filter{Props: []PropFilter{{Name: "NICKNAME", Texts: []TextMatch{{Text: "nobody"}}}}}).Matcher()
	b.ReportAllocs()
	for b.Loop() {
		m.Digest(d)
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
		same(t, &x, c)
		same(t, &Filter{All: true, Props: []PropFilter{
			{Name: prop, IsNotDefined: true},
			{Name: prop, All: true, Texts: []TextMatch{{Text: text, Negate: true}}, Params: []ParamFilter{{Name: text}, {Name: "TYPE", Text: &TextMatch{Text: text}}}},
		}}, c)
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
