package message

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"
)

// section reads a section as FETCH spells it: "2.1.MIME", "HEADER.FIELDS (A B)", "1".
func section(t testing.TB, spec string) *Section {
	t.Helper()
	s := &Section{}
	if i := strings.IndexByte(spec, '('); i >= 0 {
		s.Fields = strings.Fields(strings.Trim(spec[i:], "()"))
		spec = strings.TrimSpace(spec[:i])
	}
	words := strings.Split(spec, ".")
	for len(words) > 0 {
		n, err := strconv.ParseUint(words[0], 10, 32)
		if err != nil {
			break
		}
		s.Path = append(s.Path, uint32(n))
		words = words[1:]
	}
	what, ok := map[string]What{"": All, "HEADER": Header, "TEXT": Text, "MIME": MIME, "HEADER.FIELDS": HeaderFields, "HEADER.FIELDS.NOT": HeaderFieldsNot}[strings.Join(words, ".")]
	if !ok {
		t.Fatalf("section %q", spec)
	}
	s.What = what
	return s
}

// fetch returns what BODY[spec] gives, "NIL" when there is no such part.
func fetch(t testing.TB, x *Index, b []byte, spec string) string {
	t.Helper()
	c, ok, err := x.Content(bytes.NewReader(b), section(t, spec))
	if err != nil {
		t.Fatal(err)
	}
	if !ok {
		return "NIL"
	}
	var w bytes.Buffer
	if n, err := c.WriteTo(&w); err != nil || n != c.Size() {
		t.Fatal(n, c.Size(), err)
	}
	if again, err := c.Append(nil); err != nil || !bytes.Equal(again, w.Bytes()) {
		t.Fatalf("Append %q, WriteTo %q, %v", again, w.Bytes(), err)
	}
	return w.String()
}

// RFC 9051 §6.4.5 and §6.4.5.1.
func TestSections(t *testing.T) {
	plain := crlf("From: a@b\nSubject: x\n y\nX-Odd : q\n\nbody\n")
	nested := crlf(`From: a@b
Content-Type: multipart/mixed; boundary=x

pre
--x
Content-Type: message/rfc822

From: in@x
To: y@z

hello
line2
--x
Content-Type: message/rfc822

From: mul@x
Content-Type: multipart/mixed; boundary=y

--y

p1
--y
Content-Type: text/html

p2
--y--
--x
Content-Type: text/plain
--x--
epilogue
`)
	direct := crlf("From: a@b\nContent-Type: message/rfc822\n\nFrom: c@d\nSubject: in\n\nhi\n")
	for _, tc := range []struct {
		msg        []byte
		spec, want string
	}{
		{plain, "", string(plain)},
		{plain, "HEADER", "From: a@b\r\nSubject: x\r\n y\r\nX-Odd : q\r\n\r\n"},
		{plain, "TEXT", "body\r\n"},
		{plain, "1", "body\r\n"},
		{plain, "1.MIME", "From: a@b\r\nSubject: x\r\n y\r\nX-Odd : q\r\n\r\n"},
		{plain, "1.HEADER", "NIL"},
		{plain, "1.TEXT", "NIL"},
		{plain, "1.1", "NIL"},
		{plain, "2", "NIL"},
		{plain, "0", "NIL"},
		{plain, "HEADER.FIELDS (SUBJECT)", "Subject: x\r\n y\r\n\r\n"},
		{plain, "HEADER.FIELDS (subject From nothing)", "From: a@b\r\nSubject: x\r\n y\r\n\r\n"},
		{plain, "HEADER.FIELDS (x-odd)", "X-Odd : q\r\n\r\n"},
		{plain, "HEADER.FIELDS (Sub)", "\r\n"},
		{plain, "HEADER.FIELDS.NOT (SUBJECT)", "From: a@b\r\nX-Odd : q\r\n\r\n"},
		{crlf("From: a@b\n"), "HEADER.FIELDS (SUBJECT)", ""},
		{crlf("From: a@b\n"), "TEXT", ""},
		{nested, "1", "From: in@x\r\nTo: y@z\r\n\r\nhello\r\nline2"},
		{nested, "1.MIME", "Content-Type: message/rfc822\r\n\r\n"},
		{nested, "1.HEADER", "From: in@x\r\nTo: y@z\r\n\r\n"},
		{nested, "1.HEADER.FIELDS (to)", "To: y@z\r\n\r\n"},
		{nested, "1.HEADER.FIELDS.NOT (to)", "From: in@x\r\n\r\n"},
		{nested, "1.TEXT", "hello\r\nline2"},
		{nested, "1.1", "hello\r\nline2"},
		{nested, "1.1.MIME", "From: in@x\r\nTo: y@z\r\n\r\n"},
		{nested, "1.1.1", "NIL"},
		{nested, "1.2", "NIL"},
		{nested, "2.TEXT", "--y\r\n\r\np1\r\n--y\r\nContent-Type: text/html\r\n\r\np2\r\n--y--"},
		{nested, "2.1", "p1"},
		{nested, "2.1.MIME", "\r\n"},
		{nested, "2.2", "p2"},
		{nested, "2.2.MIME", "Content-Type: text/html\r\n\r\n"},
		{nested, "2.3", "NIL"},
		{nested, "2.1.TEXT", "NIL"},
		{nested, "3", ""},
		{nested, "3.MIME", "Content-Type: text/plain"},
		{nested, "4", "NIL"},
		{direct, "1", "From: c@d\r\nSubject: in\r\n\r\nhi\r\n"},
		{direct, "1.HEADER", "From: c@d\r\nSubject: in\r\n\r\n"},
		{direct, "1.1", "hi\r\n"},
		{direct, "1.MIME", "From: a@b\r\nContent-Type: message/rfc822\r\n\r\n"},
	} {
		_, x := parse(t, tc.msg)
		if got := fetch(t, &x, tc.msg, tc.spec); got != tc.want {
			t.Errorf("BODY[%s] is %q, want %q", tc.spec, got, tc.want)
		}
	}
}

func TestCut(t *testing.T) {
	msg := crlf("A: 1\nB: 2\nC: 3\n\nbody\n")
	_, x := parse(t, msg)
	for _, spec := range []string{"", "TEXT", "HEADER.FIELDS (A C)"} {
		all := fetch(t, &x, msg, spec)
		for off := range int64(len(all) + 3) {
			for n := range int64(len(all) + 3) {
				c, _, _ := x.Content(bytes.NewReader(msg), section(t, spec))
				c.Cut(off, n)
				want := all[min(off, int64(len(all))):]
				want = want[:min(n, int64(len(want)))]
				if got, err := c.Append(nil); string(got) != want || err != nil || c.Size() != int64(len(want)) {
					t.Fatalf("BODY[%s]<%d.%d> is %q %v, want %q", spec, off, n, got, err, want)
				}
			}
		}
	}
}

// A header that is too large for memory is picked by ranges.
func TestGiantHeader(t *testing.T) {
	var b bytes.Buffer
	for i := range 20_000 {
		fmt.Fprintf(&b, "X-%d: some value that is not short\r\nKeep: %d\r\n folded\r\n", i, i)
	}
	b.WriteString("Long: " + strings.Repeat("x", 100_000) + "\r\n\r\nbody")
	msg := b.Bytes()
	_, x := parse(t, msg)
	if x.HeaderSize() <= memoryMax {
		t.Fatal("too small")
	}
	for _, not := range []bool{false, true} {
		want := AppendFields(nil, msg[:x.HeaderSize()], []string{"keep", "long"}, not)
		spec := "HEADER.FIELDS (Keep Long)"
		if not {
			spec = "HEADER.FIELDS.NOT (Keep Long)"
		}
		if got := fetch(t, &x, msg, spec); got != string(want) {
			t.Errorf("%s: %d octets, want %d", spec, len(got), len(want))
		}
	}
}

func TestBinary(t *testing.T) {
	msg := crlf(`Content-Type: multipart/mixed; boundary=x

--x
Content-Transfer-Encoding: base64

aGVsbG8g
d29ybGQ=
--x
Content-Transfer-Encoding: quoted-printable

a=3Db =
c  
=20d=
--x
Content-Transfer-Encoding: x-unknown

?
--x
Content-Transfer-Encoding: x-uuencode

begin 644 f
#0V%T
end
--x

raw
--x--
`)
	_, x := parse(t, msg)
	for n, want := range []string{"hello world", "a=b c\r\n d", "?", "Cat", "raw"} {
		body, ok, err := x.Binary(bytes.NewReader(msg), []uint32{uint32(n + 1)})
		if n == 2 {
			if !ok || !errors.Is(err, UnknownEncoding) {
				t.Errorf("part %d: %v %v", n+1, ok, err)
			}
			continue
		}
		if !ok || err != nil {
			t.Fatal(n, ok, err)
		}
		got, err := io.ReadAll(body)
		if err != nil || string(got) != want {
			t.Errorf("BINARY[%d] is %q %v, want %q", n+1, got, err, want)
		}
		if size, ok, err := x.BinarySize(bytes.NewReader(msg), []uint32{uint32(n + 1)}); !ok || err != nil || size != int64(len(want)) {
			t.Errorf("BINARY.SIZE[%d] is %d %v %v", n+1, size, ok, err)
		}
	}
	if _, ok, _ := x.Binary(bytes.NewReader(msg), []uint32{9}); ok {
		t.Error("BINARY[9] is there")
	}
}
