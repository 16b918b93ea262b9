package message

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"
)

// RFC 5051 and what it is good for.
func TestFold(t *testing.T) {
	for _, same := range [][]string{
		{"hello", "HELLO", "Hello"},
		{"straße", "STRAßE"},
		{"é", "É", "e\u0301", "E\u0301"},
		{"ﬁsh", "fish"},
		{"Ⅳ", "iv"},
		{"ς", "σ", "Σ"},
		{"한", "\u1112\u1161\u11ab"},
		{"ǆ", "ǅ", "Ǆ"},
		{"日本", "日本"},
		{"привет", "ПРИВЕТ"},
		{"ａｂ", "AB"},
	} {
		for _, s := range same[1:] {
			if a, b := AppendFolded(nil, []byte(same[0])), AppendFolded(nil, []byte(s)); !bytes.Equal(a, b) {
				t.Errorf("%q folds to %q, %q to %q", same[0], a, s, b)
			}
		}
	}
	if bytes.Equal(AppendFolded(nil, []byte("ä")), AppendFolded(nil, []byte("a"))) {
		t.Error("ä equals a")
	}
}

// A Matcher finds in pieces what bytes.Contains finds in the whole, and the signature never says no to it.
func TestMatcherModel(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	letters := []rune("aAbBé É\nß漢한x")
	text := func(n int) string {
		var b strings.Builder
		for range n {
			b.WriteRune(letters[r.IntN(len(letters))])
		}
		return b.String()
	}
	for range 3000 {
		body := text(r.IntN(60))
		msg := []byte("Subject: " + strings.ReplaceAll(text(r.IntN(20)), "\n", "") + "\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" + body)
		m, x := parse(t, msg)
		needle := text(r.IntN(6))
		match := NewMatcher(needle)
		want := bytes.Contains(AppendFolded(nil, []byte(body)), AppendFolded(nil, []byte(needle)))
		if got, err := x.Search(bytes.NewReader(msg), InBody, match); err != nil || got != want {
			t.Fatalf("%q in %q: %v %v", needle, body, got, err)
		}
		if want && !match.MayMatch(m.Signature(), InBody) {
			t.Fatalf("%q is in %q, the signature says no", needle, body)
		}
		match.Reset()
		found := needle == ""
		for rest := []byte(body); len(rest) > 0; {
			n := 1 + r.IntN(len(rest))
			for n < len(rest) && rest[n]&0xc0 == 0x80 {
				n++
			}
			found = match.Write(rest[:n])
			rest = rest[n:]
		}
		if found != want {
			t.Fatalf("%q in pieces of %q: %v", needle, body, found)
		}
	}
}

func TestSearch(t *testing.T) {
	msg := []byte("From: =?utf-8?q?J=C3=B6rg?= <joerg@x.example>\r\nTo: \"Doe, Jane\" <jane@y.example>, root\r\nSubject: Re:\r\n =?iso-8859-1?q?Gr=F6=DFe?=\r\n\tder Dinge\r\nX-Long: a\r\n b\r\n" +
		"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: text/plain; charset=koi8-r\r\nContent-Transfer-Encoding: base64\r\n\r\n8NLJ18XU\r\n" +
		"--x\r\nContent-Type: text/html\r\n\r\n<p>Hel<b>lo</b> &auml;ther</p>\r\n" +
		"--x\r\nContent-Type: application/pdf; name*=utf-8''gr%C3%B6%C3%9Fe.pdf\r\n\r\nbinary stuff\r\n" +
		"--x\r\nContent-Type: message/rfc822\r\n\r\nSubject: nested =?utf-8?q?caf=C3=A9?=\r\n\r\ninner text\r\n--x--\r\n")
	m, x := parse(t, msg)
	r := bytes.NewReader(msg)
	for _, tc := range []struct {
		needle       string
		header, body bool
		parts        bool // in the header of a part
	}{
		{"jörg", true, false, false}, {"JO\u0308RG", true, false, false}, {"subject: re: größe der", true, false, false}, {"a b", true, false, false},
		{"ПРИВЕТ", false, true, false}, {"hello äther", false, true, false}, {"größe.pdf", false, false, true}, {"binary stuff", false, false, false},
		{"nested café", false, false, true}, {"inner", false, true, false}, {"<b>", false, false, false}, {"nothing", false, false, false}, {"", true, true, false}, {"=?utf", false, false, false},
	} {
		for in, want := range map[Scope]bool{InHeader: tc.header, InBody: tc.body, Anywhere: tc.header || tc.body || tc.parts} {
			n := NewMatcher(tc.needle)
			if got, err := x.Search(r, in, n); got != want || err != nil {
				t.Errorf("%q in %d: %v %v", tc.needle, in, got, err)
			}
			if want && !n.MayMatch(m.Signature(), in) {
				t.Errorf("%q in %d: the signature says no", tc.needle, in)
			}
			if want && !m.Signature().MayContain(in, tc.needle) {
				t.Errorf("%q in %d: MayContain says no", tc.needle, in)
			}
		}
	}
	for _, tc := range []struct {
		name, needle string
		match, known bool
	}{
		{"Subject", "größe der", true, true}, {"SUBJECT", "kleine", false, true}, {"from", "jörg <joerg@x", true, true},
		{"To", "doe, jane", true, true}, {"To", "root", true, true}, {"To", "missing", false, true}, {"Cc", "x", false, true}, {"Cc", "", false, true},
		{"Bcc", "x", false, true}, {"Reply-To", "x", false, false}, {"Subject", "", true, true},
	} {
		if match, known := x.Matches(tc.name, NewMatcher(tc.needle)); match != tc.match || known != tc.known {
			t.Errorf("%s %q: %v %v", tc.name, tc.needle, match, known)
		}
	}
	for _, tc := range []struct {
		name, needle string
		want         bool
	}{{"x-long", "a b", true}, {"X-Long", "", true}, {"X-None", "", false}, {"Subject", "nested", false}} {
		if got, err := x.SearchHeader(r, tc.name, NewMatcher(tc.needle)); got != tc.want || err != nil {
			t.Errorf("HEADER %s %q: %v %v", tc.name, tc.needle, got, err)
		}
	}
}

// How well a signature keeps a search away from messages that have not got the text.
func TestSignatureRate(t *testing.T) {
	msg := typical(0)
	m, _ := parse(t, msg)
	r := rand.New(rand.NewPCG(5, 6))
	wrong := 0
	const tries = 2000
	for range tries {
		b := make([]byte, 7)
		for i := range b {
			b[i] = byte('a' + r.IntN(26))
		}
		if m.Signature().MayContain(Anywhere, string(b)) {
			wrong++
		}
	}
	if wrong > tries/25 {
		t.Errorf("%d of %d words that are not there pass, %d octets", wrong, tries, len(m.Signature()))
	}
	if n := len(m.Signature()); n > 2<<10 {
		t.Errorf("%d octets", n)
	}
	for _, s := range []Signature{nil, {}, {9}, {1}, {1, 5, 0}, {1, setFull}, {1, setEmpty, 6, 0}} {
		if !s.MayContain(Anywhere, "abc") {
			t.Errorf("%v says no", s)
		}
	}
}
