package message

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// The accessors of an index cost no memory.
func TestIndexAllocs(t *testing.T) {
	m, _ := parse(t, typical(0))
	rec := m.Index()
	buf := make([]byte, 0, 8<<10)
	path := []uint32{1, 2}
	n := testing.AllocsPerRun(100, func() {
		x, err := OpenIndex(rec)
		if err != nil {
			t.Fatal(err)
		}
		buf = append(buf[:0], x.Envelope()...)
		buf = append(buf, x.BodyStructure()...)
		buf = x.AppendBody(buf)
		buf = append(buf, x.Preview()...)
		for id := range x.References() {
			buf = append(buf, id...)
		}
		for p := range x.Parts() {
			buf = append(buf, byte(p.Kind))
		}
		if _, ok := x.Part(path); !ok {
			t.Fatal("no part 1.2")
		}
		buf = append(buf, x.BaseSubject()...)
		x.Sent()
	})
	if n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestIndexKeys(t *testing.T) {
	_, x := parse(t, typical(0))
	var ids []string
	for id := range x.References() {
		ids = append(ids, string(id))
	}
	for _, tc := range []struct{ got, want string }{
		{string(x.MessageID()), "m00000001.1@bench.example"},
		{ids[0] + " " + ids[1], "m0@bench.example m1@bench.example"},
		{string(x.BaseSubject()), string(AppendFolded(nil, []byte("Größe für the meeting")))},
		{string(x.SortFrom()), "JANE.DOE"}, {string(x.SortTo()), "HASSAN"}, {string(x.SortCc()), "INES"},
		{string(x.DisplayFrom()), "DOE, JANE"}, {string(x.DisplayTo()), "HASSAN TANAKA"},
	} {
		if tc.got != tc.want {
			t.Errorf("%q, want %q", tc.got, tc.want)
		}
	}
	if sent, zone, ok := x.Sent(); sent != 1748848364 || zone != 7200 || !ok {
		t.Error(sent, zone, ok)
	}
	if !x.IsReply() {
		t.Error("no reply")
	}
}

// A damaged record is an error or at least does no harm.
func TestDamagedIndex(t *testing.T) {
	for _, rec := range [][]byte{nil, {}, {indexVersion}, {indexVersion + 1, 0}, {indexVersion, flagDeflate, 1, 2, 3}, {indexVersion, 0}} {
		if _, err := OpenIndex(rec); !errors.Is(err, BadIndex) {
			t.Errorf("%v: %v", rec, err)
		}
	}
	m, _ := parse(t, typical(0))
	for i := range m.Index() {
		for _, bit := range []byte{1, 0x80, 0xff} {
			rec := bytes.Clone(m.Index())
			rec[i] ^= bit
			touch(t, rec)
		}
		touch(t, m.Index()[:i])
	}
}

// touch uses everything that an index record has.
func touch(t testing.TB, rec []byte) {
	x, err := OpenIndex(rec)
	if err != nil {
		return
	}
	x.AppendBody(nil)
	for range x.References() {
	}
	for p := range x.Parts() {
		if p.Header < 0 || p.Header > p.Body || p.Body > p.End || p.End > x.Size() {
			t.Fatalf("part %v outside of %d", p, x.Size())
		}
	}
	x.Matches("To", NewMatcher("x"))
	x.Matches("Subject", NewMatcher("x"))
	x.Part([]uint32{1, 1, 1})
	x.appendKept(nil, 1<<emptyLine|2)
}

func FuzzOpenIndex(f *testing.F) {
	for _, b := range [][]byte{typical(0), []byte("a: b\r\n\r\nc"), nil} {
		m, _ := parse(f, b)
		f.Add(m.Index())
	}
	m, _ := parse(f, typical(0))
	f.Add(version1(f, m.Index()))
	f.Fuzz(func(t *testing.T, rec []byte) { touch(t, rec) })
}

// FuzzParse holds Parse, Index and sections to what doc.go promises.
func FuzzParse(f *testing.F) {
	files, _ := filepath.Glob("testdata/mail/*.eml")
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, "word")
	}
	f.Add(typical(0), "meeting")
	f.Fuzz(checkMessage)
}

// TestRandomStructures holds random sequences of what matters to the structure of a message to the same.
func TestRandomStructures(t *testing.T) {
	pieces := []string{
		"Content-Type: multipart/mixed; boundary=x", "Content-Type: multipart/digest; boundary=y", "Content-Type: multipart/alternative",
		"Content-Type: message/rfc822", "Content-Type: text/html", "Content-Type: application/pdf", "Content-Transfer-Encoding: base64",
		"Content-Transfer-Encoding: quoted-printable", "Subject: s", " folded", "", "", "", "--x", "--x", "--x--", "--y", "--y", "--y--", "--xy", "text", "dGV4dA==",
	}
	ends := []string{"\r\n", "\r\n", "\r\n", "\n", "\r", ""}
	r := rand.New(rand.NewPCG(7, 8))
	for range 20_000 {
		var b []byte
		for range r.IntN(16) {
			b = append(b, pieces[r.IntN(len(pieces))]...)
			b = append(b, ends[r.IntN(len(ends))]...)
		}
		func() {
			defer func() {
				if p := recover(); p != nil || t.Failed() {
					t.Fatalf("%v: %q", p, b)
				}
			}()
			checkMessage(t, b, "text")
		}()
	}
}

func checkMessage(t *testing.T, b []byte, needle string) {
	m, x := parse(t, b)
	checkTree(t, m.Root, 0, int64(len(b)))
	touch(t, m.Index())
	if x.Size() != int64(len(b)) || m.Root.End != x.Size() || m.Root.Body != x.HeaderSize() {
		t.Fatalf("sizes %d %d %d", x.Size(), m.Root.End, x.HeaderSize())
	}
	checkText(t, x.Envelope())
	checkText(t, x.BodyStructure())
	checkText(t, x.AppendBody(nil))
	checkParts(t, &x, b, m.Root, nil, true)
	if header, text := fetch(t, &x, b, "HEADER"), fetch(t, &x, b, "TEXT"); header+text != string(b) {
		t.Fatal("HEADER and TEXT are not the message")
	}
	n := NewMatcher(needle)
	for _, in := range []Scope{InHeader, InBody} {
		found, err := x.Search(bytes.NewReader(b), in, n)
		if err != nil {
			t.Fatal(err)
		}
		if found && !n.MayMatch(m.Signature(), in) {
			t.Fatalf("%q is there, the signature says no", needle)
		}
	}
	checkKept(t, b, &x, askedFor[0])
	for f := range Fields(b[:m.Root.Body]) {
		ParseAddresses(f.Value)
		ParseDate(f.Value)
		Decode(f.Value)
	}
}

func checkTree(t *testing.T, p *Part, from, to int64) {
	if p.Header < from || p.Body < p.Header || p.End < p.Body || p.End > to {
		t.Fatalf("part %d %d %d in %d %d", p.Header, p.Body, p.End, from, to)
	}
	if k := p.Kind(); (k == Multipart || k == Embedded) == (len(p.Children) == 0) || k == Embedded && len(p.Children) != 1 {
		t.Fatalf("%s/%s has %d children", p.Type, p.Subtype, len(p.Children))
	}
	at := p.Body
	for _, child := range p.Children {
		checkTree(t, child, at, p.End)
		at = child.End
	}
}

// checkParts compares the index with the tree.
func checkParts(t *testing.T, x *Index, b []byte, p *Part, path []uint32, message bool) {
	if message && p.Kind() != Multipart && len(path) < 20 {
		path = append(path[:len(path):len(path)], 1)
	}
	if len(path) > 0 && !(message && p.Kind() == Multipart) {
		q, ok := x.Part(path)
		if !ok || q.Header != p.Header || q.Body != p.Body || q.End != p.End || q.Kind != p.Kind() {
			t.Fatalf("part %v is %v %v, want %d %d %d", path, q, ok, p.Header, p.Body, p.End)
		}
		c, ok, err := x.Content(bytes.NewReader(b), &Section{Path: path})
		if got, err2 := c.Append(nil); !ok || err != nil || err2 != nil || !bytes.Equal(got, b[p.Body:p.End]) {
			t.Fatalf("BODY%v %v %v %v", path, ok, err, err2)
		}
	}
	if len(path) > 20 {
		return
	}
	for i, child := range p.Children {
		if p.Kind() == Embedded {
			checkParts(t, x, b, child, path, true)
		} else {
			checkParts(t, x, b, child, append(path[:len(path):len(path)], uint32(i+1)), false)
		}
	}
}

// checkText reads IMAP text: parentheses, strings and atoms in order, no NUL, no bare CR or LF.
func checkText(t *testing.T, s []byte) {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '(':
			depth++
		case c == ')':
			if depth--; depth < 0 || depth == 0 && i != len(s)-1 {
				t.Fatalf("parentheses in %q", s)
			}
		case c == '"':
			for i++; i < len(s) && s[i] != '"'; i++ {
				if s[i] == '\\' {
					i++
				}
				if i >= len(s) || s[i] >= 0x80 || s[i] == '\r' || s[i] == '\n' || s[i] == 0 {
					t.Fatalf("quoted string in %q", s)
				}
			}
		case c == '{':
			r := textScanner{s: s[i:]}
			v, _ := r.value(nil)
			if bytes.IndexByte(v, 0) >= 0 {
				t.Fatalf("NUL in %q", s)
			}
			i = len(s) - len(r.s) - 1
		case c == ' ' || '0' <= c && c <= '9' || c == 'N' || c == 'I' || c == 'L':
		default:
			t.Fatalf("%q in %q", c, s)
		}
	}
	if depth != 0 {
		t.Fatalf("parentheses in %q", s)
	}
}
