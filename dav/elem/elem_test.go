package elem

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

// first reads the first child of the root as Raw.
func first(t *testing.T, doc string) Raw {
	t.Helper()
	r := ParseBytes([]byte(doc), Limits{})
	if _, ok := r.Root(); !ok {
		t.Fatal(r.Err())
	}
	var raw Raw
	for range r.Children() {
		raw = r.Raw()
		break
	}
	if err := r.End(); err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestRawStandsByItself(t *testing.T) {
	for _, tc := range []struct{ name, doc, want string }{
		{"a prefix from outside", `<D:p xmlns:D="DAV:" xmlns:x="urn:x"><x:a><x:b/></x:a></D:p>`, `<x:a xmlns:x="urn:x"><x:b/></x:a>`},
		{"the default namespace", `<p xmlns="DAV:"><a>t</a></p>`, `<a xmlns="DAV:">t</a>`},
		{"no namespace", `<D:p xmlns:D="DAV:"><a>t</a></D:p>`, `<a>t</a>`},
		{"no namespace within one", `<p xmlns="DAV:"><a xmlns=""/></p>`, `<a xmlns=""/>`},
		{"a prefix in a value", `<D:p xmlns:D="DAV:" xmlns:xs="urn:xs"><D:a type="xs:string"/></D:p>`, `<D:a xmlns:D="DAV:" xmlns:xs="urn:xs" type="xs:string"/>`},
		{"a prefix declared anew", `<p xmlns:x="urn:1"><x:a xmlns:x="urn:2"/></p>`, `<x:a xmlns:x="urn:2"/>`},
		{"xml:lang from outside", `<p xmlns="DAV:" xml:lang="cs"><a>t</a></p>`, `<a xmlns="DAV:" xml:lang="cs">t</a>`},
		{"xml:lang of its own", `<p xml:lang="cs"><a xml:lang="en">t</a></p>`, `<a xml:lang="en">t</a>`},
		{"octets as they came", "<p><a  b = 'x'\n><!-- c --><![CDATA[<]]>&#x1F600;&amp;\r\n</a ></p>", "<a  b = 'x'\n><!-- c --><![CDATA[<]]>&#x1F600;&amp;\r\n</a >"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := string(first(t, tc.doc).XML); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}

func TestRefused(t *testing.T) {
	for _, tc := range []struct {
		name, doc string
		kind      Kind
	}{
		{"empty", "", Empty},
		{"blank", " \n", Empty},
		{"text", "hello", Malformed},
		{"cut", "<a><b>", Malformed},
		{"wrong end", "<a></b>", Malformed},
		{"two roots", "<a/><b/>", Malformed},
		{"a prefix that is not bound", "<x:a/>", Malformed},
		{"a prefix bound to nothing", `<a xmlns:x=""/>`, Malformed},
		{"an attribute twice", `<a b="1" b="2"/>`, Malformed},
		{"an attribute twice by namespace", `<a xmlns:x="u" xmlns:y="u" x:b="1" y:b="2"/>`, Malformed},
		{"a DOCTYPE", `<!DOCTYPE a [<!ENTITY e "x">]><a>&e;</a>`, Malformed},
		{"an external entity", `<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>`, Malformed},
		{"an unknown entity", `<a>&nbsp;</a>`, Malformed},
		{"not UTF-8", "<a>\xff</a>", Malformed},
		{"an unknown encoding", `<?xml version="1.0" encoding="x-mac"?><a/>`, Malformed},
		{"too deep", strings.Repeat("<a>", 100) + strings.Repeat("</a>", 100), TooLarge},
		{"too many", "<a>" + strings.Repeat("<b/>", 200_000) + "</a>", TooLarge},
		{"too long", "<a>" + strings.Repeat(" ", 9<<20) + "</a>", TooLarge},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := NewReader(strings.NewReader(tc.doc), Limits{})
			r.Root()
			if err := r.End(); !errors.Is(err, tc.kind) {
				t.Errorf("got %v, want %v", err, tc.kind)
			}
		})
	}
}

func TestEncodings(t *testing.T) {
	for name, doc := range map[string]string{
		"UTF-8 with a mark":       "\xef\xbb\xbf<a>\u010d</a>",
		"UTF-16 big endian":       "\xfe\xff\x00<\x00a\x00>\x01\x0d\x00<\x00/\x00a\x00>",
		"UTF-16 little endian":    "\xff\xfe<\x00a\x00>\x00\x0d\x01<\x00/\x00a\x00>\x00",
		"declared as in its head": `<?xml version="1.0" encoding="utf-8" ?><a>` + "\u010d</a>",
	} {
		r := ParseBytes([]byte(doc), Limits{})
		if _, ok := r.Root(); !ok || r.Text() != "\u010d" {
			t.Errorf("%s: %v", name, r.Err())
		}
	}
}

func TestWalk(t *testing.T) {
	r := ParseBytes([]byte(`<a xmlns="u"><b><c/>x</b>  <d e="1">t<f/>u</d><g/></a>`), Limits{})
	r.Root()
	var seen []string
	for s := range r.Children() {
		seen = append(seen, s.Name.Local)
		if s.Name.Local == "d" {
			seen = append(seen, s.Attr("e"), r.Text())
		}
	}
	if err := r.End(); err != nil || strings.Join(seen, " ") != "b d 1 tu g" {
		t.Errorf("%v %v", seen, err)
	}
}

// TestTextComesBack holds that a parser reads the octets that were written.
func TestTextComesBack(t *testing.T) {
	for _, s := range []string{"", "a\r\nb\n\tc\r", "<&>\"'", "\u010d\U0001F600", "]]>", strings.Repeat("x", 1000) + "\r\n"} {
		var w Writer
		w.Str("<a b=\"")
		w.Attr(s)
		w.Str("\">")
		w.Text(s)
		w.Str("</a>")
		r := ParseBytes(w.Bytes(), Limits{})
		root, _ := r.Root()
		if got := root.Attr("b"); got != s {
			t.Errorf("attribute %q came back as %q", s, got)
		}
		if got := r.Text(); got != s {
			t.Errorf("text %q came back as %q: %s", s, got, w.Bytes())
		}
	}
	var w Writer
	w.Text("a\x00b\x1f\xffc")
	if got := string(w.Bytes()); got != "a\uFFFDb\uFFFD\uFFFDc" {
		t.Errorf("what XML cannot hold: %q", got)
	}
}

func TestNames(t *testing.T) {
	n := N("C:calendar-data")
	if k, ok := ParseKey(Key(n)); !ok || k != n {
		t.Errorf("%v", k)
	}
	for _, n := range []xml.Name{{Local: "a"}, {Space: "urn:\"x&", Local: "a"}, n} {
		var w Writer
		w.Str("<r")
		w.Declare()
		w.Str(">")
		w.Empty(n)
		w.Str("</r>")
		r := ParseBytes(w.Bytes(), Limits{})
		r.Root()
		for s := range r.Children() {
			if s.Name != n {
				t.Errorf("%v became %v", n, s.Name)
			}
		}
		if r.Err() != nil && r.Err() != io.EOF {
			t.Error(r.Err())
		}
	}
}

func FuzzReader(f *testing.F) {
	f.Add([]byte(`<D:p xmlns:D="DAV:" xml:lang="x"><D:a b="c">t<e/></D:a></D:p>`))
	f.Add([]byte("<a xmlns='u'><b xmlns=''>&#13;<![CDATA[x]]></b></a>"))
	f.Add([]byte("\xff\xfe<\x00a\x00/\x00>\x00"))
	f.Fuzz(func(t *testing.T, doc []byte) {
		r := ParseBytes(doc, Limits{Bytes: 1 << 16})
		r.Root()
		for s := range r.Children() {
			raw := r.Raw()
			if r.Err() != nil {
				return
			}
			again := raw.Reader()
			root, ok := again.Root()
			if !ok || root.Name != s.Name {
				t.Fatalf("%q does not stand by itself: %v", raw.XML, again.Err())
			}
			if err := again.End(); err != nil {
				t.Fatalf("%q: %v", raw.XML, err)
			}
		}
		r.End()
	})
}

func FuzzText(f *testing.F) {
	f.Add("a\r\n<&>\u010d")
	f.Fuzz(func(t *testing.T, s string) {
		var w Writer
		w.Str("<a>")
		w.Text(s)
		w.Str("</a>")
		r := ParseBytes(w.Bytes(), Limits{})
		r.Root()
		r.Text()
		if err := r.End(); err != nil {
			t.Fatalf("%q: %v", w.Bytes(), err)
		}
	})
}

func BenchmarkMultistatus(b *testing.B) {
	data := bytes.Repeat([]byte("SUMMARY:a summary with some text in it\r\n"), 20)
	b.ReportAllocs()
	for b.Loop() {
		m := NewMultistatus(io.Discard)
		for range 1000 {
			m.Response("/calendars/user1@example.org/calendar/event.ics")
			m.Propstat()
			m.Str("<D:getetag>")
			m.Text(`"0123456789abcdef"`)
			m.Str("</D:getetag><C:calendar-data>")
			m.TextBytes(data)
			m.Str("</C:calendar-data>")
			m.EndPropstat(200)
			m.EndResponse()
			if m.Full() {
				m.Flush()
			}
		}
		m.End()
		m.Flush()
		m.Close()
	}
}

func BenchmarkPropfindBody(b *testing.B) {
	doc := []byte(`<?xml version="1.0" encoding="utf-8"?><D:propfind xmlns:D="DAV:"><D:prop><D:getetag/><D:getcontenttype/><D:resourcetype/></D:prop></D:propfind>`)
	b.ReportAllocs()
	for b.Loop() {
		r := ParseBytes(doc, Limits{})
		r.Root()
		for range r.Children() {
			for range r.Children() {
			}
		}
		if err := r.End(); err != nil {
			b.Fatal(err)
		}
	}
}

// TextBytes, which looks at eight bytes at once, writes what Text does.
func TestTextBytes(t *testing.T) {
	letters := []string{"a", "b", "<", ">", "&", "\r", "\n", "\t", "\x00", "\x7f", "\x1f", "ä", "é", "€", "😀", "=", "%", "\uFFFE", "\xff", "\xe2\x82"}
	r := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		var s string
		for range r.IntN(40) {
			if r.IntN(5) == 0 {
				s += letters[r.IntN(len(letters))]
			} else {
				s += "x"
			}
		}
		var x, y Writer
		x.TextBytes([]byte(s))
		y.Text(s)
		if !bytes.Equal(x.Bytes(), y.Bytes()) {
			t.Fatalf("%q: %q, as text %q", s, x.Bytes(), y.Bytes())
		}
	}
}
