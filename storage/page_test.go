package storage

import "testing"

// rowSize finds what readRow finds, in damaged rows too.
func FuzzRowSize(f *testing.F) {
	row := appendRow(nil, 3, 7, 100, &Row{Num: 700, Object: 2, Modseq: 5000, Created: 140, Data: make([]byte, 200)})
	f.Add(row)
	f.Add(row[:len(row)-1])
	f.Add(append([]byte{1, 2, 3, 4, 3}, "abcd"...))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0, 0})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0})
	f.Add([]byte{0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		var r Row
		if got, want := rowSize(b), readRow(b, 1, 1, 1, &r); got != want {
			t.Fatalf("rowSize(%x) = %d, readRow says %d", b, got, want)
		}
	})
}
