package dav

import (
	"bytes"
	"testing"
	"unicode/utf8"
)

func TestReadText(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{"FN:Jürgen\r\n", "FN:Jürgen\r\n"},
		{"FN:J\xc3\r\n \xbcrgen\r\n", "FN:Jü\r\n rgen\r\n"},
		{"FN:J\xc3\n\t\xbcrgen\n", "FN:Jü\r\n rgen\n"},
		{"N:\xf0\x9f\r\n \x98\r\n \x80!", "N:😀\r\n !"},
		{"NOTE:a\x0bb\bc\x00", "NOTE:abc"},
		{"NOTE:tab\there\x7f\u0085", "NOTE:tab\there\x7f\u0085"},
		{"FN:J\xfcrgen\x01", "FN:J\xfcrgen"}, // Latin-1 stays what it is, and is refused
		{"FN:J\xc3\r\n\xbcrgen", "FN:J\xc3\r\n\xbcrgen"},
		{"\xe2\x82", "\xe2\x82"},
		{"\xe2\x82\r\n ", "\xe2\x82\r\n "},
		{"", ""},
	} {
		got, altered, err := ReadText(bytes.NewReader([]byte(tc.in)), -1)
		if err != nil || string(got) != tc.want || altered != (tc.in != tc.want) && utf8.ValidString(tc.in) {
			t.Errorf("%q became %q (%v, %v), want %q", tc.in, got, altered, err, tc.want)
		}
	}
}

func FuzzReadText(f *testing.F) {
	f.Add([]byte("N:\xf0\x9f\r\n \x98\r\n \x80\x01"))
	f.Add([]byte("\xe2\xe2\n \x82"))
	unfold := func(b []byte) []byte {
		for _, fold := range []string{"\r\n ", "\r\n\t", "\n ", "\n\t"} {
			b = bytes.ReplaceAll(b, []byte(fold), nil)
		}
		return b
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		in = bytes.ReplaceAll(in, []byte("\r"), nil)
		got, altered, err := ReadText(bytes.NewReader(in), int64(len(in)))
		if err != nil {
			t.Fatal(err)
		}
		if utf8.Valid(got) && !clean(got) || !altered && !bytes.Equal(in, got) {
			t.Fatalf("%q became %q", in, got)
		}
		if !bytes.ContainsFunc(in, func(r rune) bool { return r < ' ' && stray(byte(r)) }) && !bytes.Equal(unfold(got), unfold(in)) {
			t.Fatalf("%q says %q", in, got)
		}
	})
}
