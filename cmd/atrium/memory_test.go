package main

import "testing"

// Memory is given back once after each stretch of work, neither during it nor after next to nothing.
func TestLull(t *testing.T) {
	var l lull
	for i, step := range []struct {
		allocated uint64 // MiB since the last look
		want      bool
	}{
		{40, false}, // the start
		{0, true},
		{0, false},
		{0, false},
		{3, false}, // a little work
		{0, false},
		{500, false},
		{500, false},
		{2, false},
		{0, true},
		{0, false},
		{9, false}, // little by little
		{0, false},
		{9, false},
		{0, true},
	} {
		if got := l.begins(l.seen + step.allocated<<20); got != step.want {
			t.Errorf("look %d: %v, want %v", i, got, step.want)
		}
	}
}
