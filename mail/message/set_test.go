package message

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// TestSetAgainstRule holds the fast ways through a text against the rule.
func TestSetAgainstRule(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	alphabet := []string{"a", "B", "z", "Z", "{", "`", " ", "~", "\x7f", "\n", "\r\n", "\t", "\x00", "\x1f", "ß", "é", "漢", "the quick brown fox jumps"}
	for range 3000 {
		var got, want set
		got.reset()
		want.reset()
		for range 1 + r.IntN(4) {
			got.start()
			want.start()
			for range 1 + r.IntN(3) {
				var text []byte
				for range r.IntN(40) {
					text = append(text, alphabet[r.IntN(len(alphabet))]...)
				}
				got.add(text)
				want.addFolded(AppendFolded(nil, text))
			}
		}
		if got.bits != want.bits || got.run == 0 != (want.run == 0) || got.run >= 3 != (want.run >= 3) {
			t.Fatal("set is not as the rule says")
		}
	}
}

// TestDashes holds dashes against a search line by line.
func TestDashes(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 5000 {
		var w []byte
		for range r.IntN(60) {
			w = append(w, "\n-- xx"[r.IntN(6)])
		}
		want := -1
		for i := range w {
			if (i == 0 || w[i-1] == '\n') && i+1 < len(w) && w[i] == '-' && w[i+1] == '-' {
				want = i
				break
			}
		}
		if got := dashes(w); got != want {
			t.Fatalf("dashes(%q) = %d, want %d", w, got, want)
		}
	}
}

// TestRecordsAsParse: what Records uses again and again leaves no trace.
func TestRecordsAsParse(t *testing.T) {
	many := []byte("Content-Type: multipart/mixed; boundary=b\r\n\r\n" +
		string(bytes.Repeat([]byte("--b\r\nContent-Type: multipart/alternative; boundary=c\r\n\r\n--c\r\n\r\none\r\n--c\r\n\r\ntwo\r\n--c--\r\n"), 300)) + "--b--\r\n")
	list := [][]byte{many, typical(0), nil, []byte("From: a: <b@c>, d@e;\r\nTo: \"x y\" <@r:z@h>\r\n\r\nbody\r\n"), many, typical(5000)}
	for i, msg := range list {
		m, err := Parse(bytes.NewReader(msg), int64(len(msg)))
		if err != nil {
			t.Fatal(err)
		}
		index, signature, err := Records(bytes.NewReader(msg), int64(len(msg)))
		if err != nil || !bytes.Equal(index, m.Index()) || !bytes.Equal(signature, m.Signature()) {
			t.Errorf("message %d: Records differs from Parse (%v)", i, err)
		}
		if n := m.Root.End; n != int64(len(msg)) {
			t.Errorf("message %d: the tree of Parse is gone", i)
		}
	}
}
