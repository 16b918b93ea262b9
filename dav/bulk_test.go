package dav

import (
	"bytes"
	"testing"
)

func FuzzSplitObjects(f *testing.F) {
	f.Add([]byte("BEGIN:VCARD\r\nUID:1\r\nEND:VCARD\r\nBEGIN:VCARD\nEND:VCARD"))
	f.Add([]byte("begin:x\nbegin:y\nend:y\n"))
	f.Add([]byte("END:X\n\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		objects, err := splitObjects(b)
		if err != nil {
			return
		}
		rest := b
		for _, o := range objects {
			at := bytes.Index(rest, o)
			if at < 0 {
				t.Fatalf("%q is not in %q", o, rest)
			}
			rest = rest[at+len(o):]
			again, err := splitObjects(o)
			if err != nil || len(again) != 1 || !bytes.Equal(again[0], o) {
				t.Fatalf("%q splits into %q (%v)", o, again, err)
			}
			uidOf(o)
		}
	})
}

// FuzzMountName: a name is of one mount, and printed as it was read.
func FuzzMountName(f *testing.F) {
	f.Add("shared-7-12")
	f.Add("shared-07-1")
	f.Add("shared-18446744073709551615-4294967295")
	f.Fuzz(func(t *testing.T, s string) {
		if share, ok := parseMount(s); ok && mountName(share.Owner, share.Collection) != s {
			t.Fatal(s)
		}
		if name, err := slugOf(s); err != nil || bytes.ContainsAny([]byte(name), "/\x00\r\n") {
			t.Fatalf("slug %q: %q %v", s, name, err)
		}
	})
}
