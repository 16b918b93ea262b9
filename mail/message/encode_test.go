package message

import (
	"bytes"
	"io"
	"strings"
	"testing"
)

func encode(t testing.TB, in []byte) (out []byte, changed bool) {
	record, _, err := Records(bytes.NewReader(in), int64(len(in)))
	if err != nil {
		t.Fatal(err)
	}
	x, err := OpenIndex(record)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	changed, err = Encode(&b, bytes.NewReader(in), &x)
	if err != nil {
		t.Fatal(err)
	}
	if !changed && b.Len() > 0 {
		t.Fatalf("%d octets of what did not change", b.Len())
	}
	return b.Bytes(), changed
}

func TestEncode(t *testing.T) {
	for _, tc := range []struct{ name, in, out string }{
		{"no NUL", "Content-Transfer-Encoding: binary\r\n\r\nabc", ""},
		{"not binary", "Content-Transfer-Encoding: 8bit\r\n\r\na\x00c", ""},
		{"the first field counts", "Content-Transfer-Encoding: 7bit\r\nContent-Transfer-Encoding: binary\r\n\r\na\x00c", ""},
		{"the message", "A: b\r\nContent-transfer-encoding : BINARY\r\n\t\r\nC: d\r\n\r\na\x00c", "A: b\r\nContent-Transfer-Encoding: base64\r\nC: d\r\n\r\nYQBj"},
		{"long lines", "Content-Transfer-Encoding: binary\n\n" + strings.Repeat("\x00", 58), "Content-Transfer-Encoding: base64\r\n\n" + strings.Repeat("A", 76) + "\r\nAA=="},
		{"in a message in a part", "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: binary\r\n\r\nContent-Transfer-Encoding: binary\r\n\r\n\x00", "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: binary\r\n\r\nContent-Transfer-Encoding: base64\r\n\r\nAA=="},
	} {
		t.Run(tc.name, func(t *testing.T) {
			out, changed := encode(t, []byte(tc.in))
			if string(out) != tc.out || changed != (tc.out != "") {
				t.Errorf("%q became %q, changed %v", tc.in, out, changed)
			}
		})
	}
}

// FuzzEncode holds that what is encoded decodes to what it was.
func FuzzEncode(f *testing.F) {
	f.Add([]byte("Content-Transfer-Encoding: binary\r\n\r\na\x00c"))
	f.Add([]byte("Content-Type: multipart/mixed; boundary=x\n\n--x\nContent-Transfer-Encoding:\n binary\n\na\x00\n--x\n\nb\n--x--\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		out, changed := encode(t, in)
		if !changed {
			return
		}
		if again, more := encode(t, out); more {
			t.Fatalf("%q became %q, and again %q", in, out, again)
		}
		before, after := leaves(t, in), leaves(t, out)
		if len(before) != len(after) {
			return // letters of base64 began or ended a part
		}
		for i := range before {
			if !bytes.Equal(before[i], after[i]) {
				t.Fatalf("part %d of %q: %q became %q", i, in, before[i], after[i])
			}
		}
	})
}

// leaves are the bodies of the parts without parts, decoded.
func leaves(t testing.TB, in []byte) (list [][]byte) {
	record, _, err := Records(bytes.NewReader(in), int64(len(in)))
	if err != nil {
		t.Fatal(err)
	}
	x, err := OpenIndex(record)
	if err != nil {
		t.Fatal(err)
	}
	for p := range x.Parts() {
		if p.Kind == Multipart || p.Kind == Embedded {
			continue
		}
		b, err := io.ReadAll(newDecoded(bytes.NewReader(in), p.Body, p.End, p.Encoding))
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, b)
	}
	return list
}
