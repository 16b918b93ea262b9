package badgerkv

import (
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dgraph-io/badger/v4"
)

// Badger merges tables in up to ten goroutines at once, as fast as it can. Go has
// no priorities: on a small machine each step of a session would wait behind
// them for several slices of 10 ms, for as long as the merge of some hundred MiB takes.
// So merging is paced, unless writers wait for it.
const (
	paceFactor  = 6                      // the pause after a table, in times of what it took to merge
	mostPause   = 500 * time.Millisecond // the longest pause
	paceLook    = 20 * time.Millisecond  // so often a pause looks whether it is to end
	hurryTables = 12                     // tables in level 0 from which there is no pause while much is written
	mostTables  = 20                     // from which there is none at all: writes stall at stallTables
)

// mergedTable begins what Badger logs, in the goroutine that does it, when the content
// of one new table is merged and before it is written.
const mergedTable = "[%d] LOG Compact. Added"

// pacer makes the mergers take turns, with pauses.
type pacer struct {
	db    atomic.Pointer[badger.DB] // nil: no pause
	much  func() bool               // tells whether much is being written
	stop  <-chan struct{}           // closed: no pause any more
	turn  sync.Mutex
	parts atomic.Int64 // tables seen
}

// look is called with all that Badger logs.
func (p *pacer) look(format string, args []any) {
	if !strings.HasPrefix(format, mergedTable) || len(args) == 0 {
		return
	}
	p.parts.Add(1)
	if took, ok := args[len(args)-1].(time.Duration); ok {
		p.pause(took, p.hurry)
	}
}

// pause waits for its turn and then for a time that follows from what a table took, until hurry tells
// that somebody waits or the engine closes.
func (p *pacer) pause(took time.Duration, hurry func() bool) {
	if hurry() {
		return
	}
	p.turn.Lock()
	defer p.turn.Unlock()
	tick := time.NewTicker(paceLook)
	defer tick.Stop()
	for left := min(paceFactor*took, mostPause); left > 0 && !hurry(); left -= paceLook {
		select {
		case <-tick.C:
		case <-p.stop:
			return
		}
	}
}

// hurry tells whether merging is to go on at once.
func (p *pacer) hurry() bool {
	select {
	case <-p.stop:
		return true
	default:
	}
	db := p.db.Load()
	if db == nil {
		return true
	}
	n := db.Levels()[0].NumTables
	return n >= mostTables || n >= hurryTables && p.much()
}
