package main

import "testing"

// Memory is given back once after each stretch of work, neither during it nor after next to nothing.
func TestLull(t *testing.T) {
	var l lull
	look := func(i int, allocated uint64, want bool) { // MiB since the last look
		t.Helper()
		if got := l.begins(l.seen + allocated<<20); got != want {
			t.Errorf("step %d: %v, want %v", i, got, want)
		}
	}
	for i, step := range []struct {
		allocated []uint64 // at one look after another, then it is quiet
		want      bool     // after the rest
	}{
		{[]uint64{40}, true}, // the start
		{nil, false},
		{[]uint64{3}, false}, // a little work
		{[]uint64{500, 500, 0, 0, 2}, true},
		{nil, false},
		{[]uint64{9, 0, 9}, true}, // little by little
	} {
		for _, n := range step.allocated {
			look(i, n, false)
		}
		for range rest - 1 {
			look(i, 0, false)
		}
		look(i, 0, step.want)
		look(i, 0, false)
	}
}
