package main

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// The Go runtime gives memory back slowly, and not at all while nothing is allocated: an idle server would
// keep for minutes what its start or its last clients took.
const (
	lookEvery = 2 * time.Second
	quiet     = 1 << 20  // bytes allocated since the last look: nobody works
	rest      = 15       // so many quiet looks one after another: who works again soon would only pay for getting memory anew
	worthIt   = 16 << 20 // bytes allocated since memory was given back last
)

// giveBack gives unused memory back to the system some time after work has ended, until ctx ends.
func giveBack(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	var l lull
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		metrics.Read(sample)
		if l.begins(sample[0].Value.Uint64()) {
			debug.FreeOSMemory()
		}
	}
}

// lull finds the moment when work has ended for some time.
type lull struct {
	seen, freed uint64
	quiet       int // looks
}

// begins takes the bytes that were allocated up to now, and tells whether memory is to be given back.
func (l *lull) begins(allocated uint64) bool {
	if allocated-l.seen < quiet {
		l.quiet++
	} else {
		l.quiet = 0
	}
	l.seen = allocated
	if l.quiet < rest || allocated-l.freed < worthIt {
		return false
	}
	l.freed = allocated
	return true
}
