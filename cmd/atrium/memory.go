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
	lookEvery = time.Second
	quiet     = 1 << 20  // bytes allocated since the last look: nobody works
	worthIt   = 16 << 20 // bytes allocated since memory was given back last
)

// giveBack gives unused memory back to the system each time work ends, until ctx ends.
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

// lull finds the moment when work has ended.
type lull struct{ seen, freed uint64 }

// begins takes the bytes that were allocated up to now, and tells whether memory is to be given back.
func (l *lull) begins(allocated uint64) bool {
	still := allocated-l.seen < quiet
	l.seen = allocated
	if !still || allocated-l.freed < worthIt {
		return false
	}
	l.freed = allocated
	return true
}
