package card

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
)

const sample = "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:u1\r\nFN:Zoë Ångström\r\nN:Ångström;Zoë;;;\r\n" +
	"item1.EMAIL;TYPE=INTERNET,\"HOME;X\";PREF=1:zoe@\r\n example.org\r\nitem1.X-ABLabel:_$!<Other>!$_\r\n" +
	"NOTE:one\\, two\\nthree\r\nX-CARET;LABEL=a^nb^'c^^:v\r\nEND:VCARD\r\n"

func TestParse(t *testing.T) {
	c, err := Parse([]byte(sample), DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	if c.Version != "3.0" || c.UID() != "u1" || c.FN() != "Zoë Ångström" || c.Kind() != "individual" {
		t.Errorf("got %+v", c)
	}
	e := c.Prop("EMAIL")
	if e.Group != "item1" || e.Value != "zoe@example.org" || !reflect.DeepEqual(e.Params, []Param{{"TYPE", []string{"INTERNET", "HOME;X"}}, {"PREF", []string{"1"}}}) {
		t.Errorf("got %+v", e)
	}
	if got := c.Source[e.Start:e.End]; got != "item1.EMAIL;TYPE=INTERNET,\"HOME;X\";PREF=1:zoe@\r\n example.org\r\n" {
		t.Errorf("octets %q", got)
	}
	if got := c.Prop("NOTE").Text(); got != "one, two\nthree" {
		t.Errorf("text %q", got)
	}
	if v, _ := c.Prop("X-CARET").Param("LABEL"); v != "a\nb\"c^" {
		t.Errorf("RFC 6868: %q", v)
	}
}

func TestSelectCutsOctets(t *testing.T) {
	c, err := Parse([]byte(sample), DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	got := string(c.Select(map[string]bool{"EMAIL": true, "FN": true}, map[string]bool{"FN": true}))
	want := "BEGIN:VCARD\r\nVERSION:3.0\r\nFN:\r\nitem1.EMAIL;TYPE=INTERNET,\"HOME;X\";PREF=1:zoe@\r\n example.org\r\nEND:VCARD\r\n"
	if got != want {
		t.Errorf("got %q", got)
	}
}

func TestSelectByGroup(t *testing.T) {
	c, err := Parse([]byte("BEGIN:VCARD\r\nVERSION:3.0\r\nitem1.EMAIL:a@x\r\nitem1.X-ABLabel:Home\r\nEMAIL:b@x\r\nitem2.X-ABLabel:Other\r\nEND:VCARD\r\n"), DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		names map[string]bool
		want  string
	}{
		{map[string]bool{"EMAIL": true, "X-ABLABEL": true}, "item1.EMAIL:a@x\r\nitem1.X-ABLabel:Home\r\nEMAIL:b@x\r\nitem2.X-ABLabel:Other\r\n"},
		{map[string]bool{"ITEM1.EMAIL": true, "ITEM1.X-ABLABEL": true}, "item1.EMAIL:a@x\r\nitem1.X-ABLabel:Home\r\n"},
		{map[string]bool{"ITEM2.EMAIL": true}, ""},
	} {
		if got := string(c.Select(tc.names, nil)); got != "BEGIN:VCARD\r\nVERSION:3.0\r\n"+tc.want+"END:VCARD\r\n" {
			t.Errorf("%v: %q", tc.names, got)
		}
	}
}

func TestParseTakesWhatPhonesWrite(t *testing.T) {
	for name, s := range map[string]string{
		"LF":                 strings.ReplaceAll(sample, "\r\n", "\n"),
		"BOM and blank line": "\ufeff\r\n" + sample,
		"2.1":                "BEGIN:VCARD\nVERSION:2.1\nN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:M=C3=BCller;=\nHans\nTEL;CELL;PREF:1\nPHOTO;JPEG;BASE64:\n AAAA\n BBBB\n\nEND:VCARD\n",
		"folded name":        "BEGIN:VCARD\r\nVERSION:4.0\r\nX-LONG;A=1\r\n ;B=2:v\r\nEND:VCARD",
		"colon in a quote":   "BEGIN:VCARD\r\nVERSION:4.0\r\nTEL;X=\"a:b\":tel:+1\r\nEND:VCARD\r\n",
	} {
		if _, err := Parse([]byte(s), DefaultLimits()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, tc := range []struct {
		name, in string
		want     Condition
	}{
		{"empty", "", ValidData},
		{"no begin", "VERSION:3.0\r\n", ValidData},
		{"no end", "BEGIN:VCARD\r\nVERSION:3.0\r\nFN:x\r\n", ValidData},
		{"no version", "BEGIN:VCARD\r\nFN:x\r\nEND:VCARD\r\n", ValidData},
		{"version 9", "BEGIN:VCARD\r\nVERSION:9.0\r\nFN:x\r\nEND:VCARD\r\n", SupportedData},
		{"no colon", "BEGIN:VCARD\r\nVERSION:3.0\r\nFN\r\nEND:VCARD\r\n", ValidData},
		{"two cards", sample + sample, ValidData},
		{"a card in a card", "BEGIN:VCARD\r\nVERSION:3.0\r\nBEGIN:VCARD\r\nEND:VCARD\r\nEND:VCARD\r\n", ValidData},
		{"latin1", "BEGIN:VCARD\r\nVERSION:3.0\r\nFN:\xfc\r\nEND:VCARD\r\n", ValidData},
		{"iCalendar", "BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n", ValidData},
	} {
		var e *Error
		if _, err := Parse([]byte(tc.in), DefaultLimits()); !errors.As(err, &e) || e.Condition != tc.want {
			t.Errorf("%s: %v, want %v", tc.name, err, tc.want)
		}
	}
	var e *Error
	if _, err := Parse([]byte(sample), Limits{Size: 10}); !errors.As(err, &e) || e.Condition != MaxResourceSize {
		t.Errorf("too large: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(sample))
	f.Add([]byte("BEGIN:VCARD\nVERSION:2.1\nN;QUOTED-PRINTABLE:=\n=\nEND:VCARD"))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := Parse(b, Limits{Size: 1 << 16, Props: 1000})
		if err != nil {
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("error without a precondition: %v", err)
			}
			return
		}
		at := 0
		keep := map[string]bool{}
		for i := range c.Props {
			p := &c.Props[i]
			if p.Start < at || p.End < p.Start || p.End > len(c.Source) {
				t.Fatalf("property %d stands at %d:%d after %d", i, p.Start, p.End, at)
			}
			at = p.End
			keep[p.Name] = true
			p.Text()
		}
		again, err := Parse(c.Select(keep, nil), Limits{})
		if err != nil || len(again.Props) != len(c.Props) {
			t.Fatalf("all octets cut out: %v", err)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	raw := []byte(sample)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(raw, Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}

func TestItems(t *testing.T) {
	for _, tc := range []struct {
		value string
		want  []string
	}{
		{"", []string{""}}, {"a", []string{"a"}}, {"a,b\\,c , d", []string{"a", "b,c", "d"}}, {"a,", []string{"a", ""}}, {`a,b\`, []string{"a", `b\`}},
	} {
		if got := slices.Collect((&Prop{Value: tc.value}).Items()); !slices.Equal(got, tc.want) {
			t.Errorf("%q: %q, want %q", tc.value, got, tc.want)
		}
	}
}
