package mail

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"atrium/storage/embedded"
)

// TestScale does what clients do with a whole mailbox, and holds the memory it takes against
// a bound: what the mailbox's table takes, which is kept in memory, and a constant. ATRIUM_SCALE is
// the number of messages, 1000000 say.
func TestScale(t *testing.T) {
	n := 5000
	if s := os.Getenv("ATRIUM_SCALE"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	ctx := context.Background()
	dir := filepath.Join(t.TempDir(), "s")
	var (
		folder *embedded.Store
		a      *Account
		id, to ID
	)
	open := func() {
		var err error
		cfg := embedded.Small()
		cfg.Segment, cfg.CheckpointBytes = 64, 64
		if folder, err = embedded.Open(dir, cfg, slog.New(slog.DiscardHandler)); err != nil {
			t.Fatal(err)
		}
		s := openOver(t, folder.Engine, folder.Blobs, nil)
		a = account(t, s, 1)
		id = mailboxID(t, a, "INBOX")
		if m, err := a.Create(ctx, "copy"); err == nil {
			to = m.ID
		} else {
			to = mailboxID(t, a, "copy")
		}
	}
	open()
	begun := time.Now()
	fill(t, a, id, n)
	t.Logf("%d messages in %v", n, time.Since(begun))
	a.store.storage.Close()
	if err := folder.Close(); err != nil {
		t.Fatal(err)
	}
	open()
	defer folder.Close()

	all := imap.UIDSet{{Start: 1, Stop: 0}}
	// A row takes some 35 bytes in memory, in the old state and the new, and again in the copy; what was
	// written lately and the engine's tables take the rest, and as much again is garbage.
	most := uint64(256<<20 + 4*75*n)
	step := func(name string, want int, do func() (int, error)) {
		t.Helper()
		runtime.GC()
		debug.FreeOSMemory()
		peak := watchHeap()
		begun := time.Now()
		got, err := do()
		took, high := time.Since(begun), peak()
		t.Logf("%-24s %8d messages in %10v, %9.0f/s, heap %d MiB at most", name, got, took.Round(time.Microsecond), float64(got)/took.Seconds(), high>>20)
		if err != nil || got != want {
			t.Errorf("%s: %d messages, %v; want %d", name, got, err, want)
		}
		if high > most {
			t.Errorf("%s: %d MiB of heap, want at most %d", name, high>>20, most>>20)
		}
	}
	step("SELECT", n, func() (int, error) {
		m, err := a.Mailbox(ctx, "INBOX")
		return int(m.Exists), err
	})
	for _, name := range []string{"FETCH FLAGS, cold", "FETCH FLAGS, again"} {
		step(name, n, func() (k int, err error) {
			s, err := a.Snapshot(ctx, id)
			if err != nil {
				return 0, err
			}
			for range s.Flags(0, s.Len()) {
				k++
			}
			return k, nil
		})
	}
	step("STORE +FLAGS", n, func() (int, error) {
		r, err := a.SetFlags(ctx, id, all, FlagChange{Op: AddFlags, Flags: []imap.Flag{imap.FlagSeen, imap.FlagDeleted}})
		return count(r.Changed), err
	})
	step("STORE, nothing to do", 0, func() (int, error) {
		r, err := a.SetFlags(ctx, id, all, FlagChange{Op: AddFlags, Flags: []imap.Flag{imap.FlagSeen}})
		return count(r.Changed), err
	})
	step("COPY", n, func() (int, error) {
		r, err := a.Copy(ctx, id, all, a, to)
		return count(r.To), err
	})
	step("MOVE", n, func() (int, error) {
		m, err := a.Create(ctx, "moved")
		if err != nil {
			return 0, err
		}
		r, err := a.Move(ctx, to, all, a, m.ID)
		to = m.ID
		return count(r.To), err
	})
	step("EXPUNGE", n, func() (int, error) {
		gone, err := a.Expunge(ctx, id)
		return count(gone), err
	})
	m, err := a.Mailbox(ctx, "moved")
	if err != nil || int(m.Exists) != n {
		t.Errorf("the copy has %d messages, %v", m.Exists, err)
	}
	if n <= 5000 {
		checkStore(t, a.store)
	}
}

func count(set imap.UIDSet) (n int) {
	for _, r := range set {
		n += int(r.Stop-r.Start) + 1
	}
	return n
}

// watchHeap looks at the heap until the function it returns is called, which tells its highest size
// above that at the beginning.
func watchHeap() func() uint64 {
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	stop, out := make(chan bool), make(chan uint64)
	go func() {
		high := before
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				out <- max(high, heap()) - before
				return
			case <-tick.C:
				high = max(high, heap())
			}
		}
	}()
	return func() uint64 { close(stop); return <-out }
}
