package journal

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

func small() Config { return Config{SegmentSize: 64 << 10, OpenSegments: 2} }

// reopen opens the journal in dir and returns the batches that it replays.
func reopen(t testing.TB, dir string, from Position) (*Log, []string, error) {
	t.Helper()
	var batches []string
	l, err := Open(dir, small(), from, func(p []byte, _ Position) error {
		batches = append(batches, string(p))
		return nil
	}, slog.New(slog.NewTextHandler(t.Output(), nil)))
	return l, batches, err
}

func mustOpen(t testing.TB, dir string) (*Log, []string) {
	t.Helper()
	l, batches, err := reopen(t, dir, Position{})
	if err != nil {
		t.Fatal(err)
	}
	return l, batches
}

func appendBatch(t testing.TB, l *Log, payload string) Position {
	t.Helper()
	end, err := l.AppendBatch(append(make([]byte, HeaderSize), payload...))
	if err != nil {
		t.Fatal(err)
	}
	return end
}

func appendBody(t testing.TB, l *Log, body []byte) Position {
	t.Helper()
	at, err := l.AppendBody(sha256.Sum256(body), int64(len(body)), Sum(0, body), bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func readBody(t testing.TB, l *Log, at Position, n int) []byte {
	t.Helper()
	s, err := l.Acquire(at.Segment)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Release()
	p := make([]byte, n)
	if _, err := s.ReadAt(p, int64(at.Offset)); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAppendAndReplay(t *testing.T) {
	dir := t.TempDir()
	l, batches := mustOpen(t, dir)
	if len(batches) != 0 {
		t.Errorf("a new journal replays %q", batches)
	}
	type stored struct {
		at   Position
		body []byte
	}
	var want []string
	var bodies []stored
	var middle Position
	after := 0
	for i := range 300 {
		p := fmt.Sprintf("batch %d %s", i, bytes.Repeat([]byte("x"), i*7%3000))
		want = append(want, p)
		end := appendBatch(t, l, p)
		if i == 200 {
			middle, after = end, len(want)
		}
		if i%3 == 0 {
			body := bytes.Repeat([]byte{byte(i)}, []int{0, 1, 100, 20000, bufSize, bufSize + 5, 3*bufSize - 32}[i/3%7])
			bodies = append(bodies, stored{appendBody(t, l, body), body})
		}
	}
	check := func(l *Log) {
		t.Helper()
		for _, b := range bodies {
			if !bytes.Equal(readBody(t, l, b.at, len(b.body)), b.body) {
				t.Errorf("body at %v differs", b.at)
			}
			if sum, err := l.ReadBody(b.at, make([]byte, len(b.body))); err != nil || sum != Sum(0, b.body) {
				t.Errorf("ReadBody at %v: %v", b.at, err)
			}
		}
	}
	check(l)
	end := l.Written()
	if err := l.Sync(end); err != nil || l.Synced() != end {
		t.Fatalf("Sync: %v, synced %v of %v", err, l.Synced(), end)
	}
	if err := errors.Join(l.Close(), l.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := l.AppendBatch(make([]byte, 40)); !errors.Is(err, Closed) {
		t.Errorf("append after Close: %v", err)
	}

	l, batches = mustOpen(t, dir)
	if !slices.Equal(batches, want) || l.Written() != end {
		t.Errorf("replayed %d batches to %v, want %d to %v", len(batches), l.Written(), len(want), end)
	}
	check(l)
	want = append(want, "one more")
	appendBatch(t, l, "one more")
	l.Close()
	l, batches, err := reopen(t, dir, middle)
	if err != nil || !slices.Equal(batches, want[after:]) {
		t.Errorf("from the middle: %d batches, want %d (%v)", len(batches), len(want)-after, err)
	}
	l.Close()
	if _, _, err := reopen(t, dir, Position{99, 0}); !errors.Is(err, Corrupt) {
		t.Errorf("a checkpoint in a missing segment: %v", err)
	}
}

// TestTorn cuts and damages the end that was never synced, at every kind of place.
func TestTorn(t *testing.T) {
	base := t.TempDir()
	l, _ := mustOpen(t, base)
	var ends []Position
	for i := range 20 {
		ends = append(ends, appendBatch(t, l, fmt.Sprintf("batch %02d %s", i, bytes.Repeat([]byte("y"), i*11))))
	}
	image, err := os.ReadFile(segmentPath(base, 1))
	if err != nil {
		t.Fatal(err)
	}
	l.failed = Closed // as if the process had died here
	l.closeFiles()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	for range 200 {
		torn := slices.Clone(image)
		at := rnd.IntN(len(torn))
		switch rnd.IntN(3) {
		case 0:
			torn = torn[:at]
		case 1:
			torn[at] ^= 0x40
		case 2:
			clear(torn[at:min(at+512, len(torn))])
		}
		dir := t.TempDir()
		if err := os.WriteFile(segmentPath(dir, 1), torn, 0o600); err != nil {
			t.Fatal(err)
		}
		l, batches := mustOpen(t, dir)
		whole, _ := slices.BinarySearchFunc(ends, at, func(p Position, at int) int { return int(p.Offset) - at - 1 })
		// What is damaged may be zeros of padding.
		if len(batches) < whole || len(batches) > 20 {
			t.Errorf("cut at %d: %d batches, want at least %d", at, len(batches), whole)
		}
		appendBatch(t, l, "after the cut")
		l.Close()
		l, again := mustOpen(t, dir)
		if !slices.Equal(again, append(batches, "after the cut")) {
			t.Errorf("cut at %d: reopened with %d batches, want %d", at, len(again), len(batches)+1)
		}
		l.Close()
	}
}

// TestDamage: what was synced, as a later record says, is not cut off silently.
func TestDamage(t *testing.T) {
	dir := t.TempDir()
	l, _ := mustOpen(t, dir)
	for i := range 10 {
		if err := l.Sync(appendBatch(t, l, fmt.Sprint("batch ", i))); err != nil {
			t.Fatal(err)
		}
	}
	l.Close()
	path := segmentPath(dir, 1)
	image, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	image[100] ^= 1
	if err := os.WriteFile(path, image, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := reopen(t, dir, Position{}); !errors.Is(err, Corrupt) {
		t.Errorf("open: %v, want %v", err, Corrupt)
	}
	if now, _ := os.ReadFile(path); !bytes.Equal(now, image) {
		t.Error("a damaged journal was changed")
	}
}

// TestAhead: the zeros ahead of the records are no part of the log.
func TestAhead(t *testing.T) {
	dir := t.TempDir()
	var want []string
	for round := range 3 {
		cfg := small()
		cfg.SegmentSize = 2 << 20
		var got []string
		l, err := Open(dir, cfg, Position{}, func(p []byte, _ Position) error {
			got = append(got, string(p[:20]))
			return nil
		}, slog.Default())
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, want) {
			t.Errorf("round %d: replayed %d batches, want %d", round, len(got), len(want))
		}
		for i := range 300 {
			p := fmt.Sprintf("%20d%s", 1000*round+i, bytes.Repeat([]byte("z"), 10000))
			want = append(want, p[:20])
			if err := l.Sync(appendBatch(t, l, p)); err != nil {
				t.Fatal(err)
			}
		}
		l.mu.Lock()
		if l.filled <= int64(l.written.Offset) && l.filled+aheadPiece < cfg.SegmentSize {
			t.Errorf("no zeros ahead of %v", l.written)
		}
		l.mu.Unlock()
		l.Close()
	}
	files, err := listSegments(dir)
	if err != nil || len(files) != 5 {
		t.Errorf("segments %v, %v", files, err)
	}
}

func TestSharedSync(t *testing.T) {
	l, _ := mustOpen(t, t.TempDir())
	defer l.Close()
	var syncs atomic.Int64
	l.cfg.Hooks.Synced = func(Position) { syncs.Add(1) }
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			for range 10 {
				end := appendBatch(t, l, "something")
				if err := l.Sync(end); err != nil || l.Synced().Before(end) {
					t.Errorf("Sync: %v", err)
				}
			}
		})
	}
	wg.Wait()
	if n := syncs.Load(); n > 400 {
		t.Errorf("%d syncs for 500 waiters", n)
	}
}

func TestTrim(t *testing.T) {
	dir := t.TempDir()
	l, _ := mustOpen(t, dir)
	body := make([]byte, 20<<10)
	var bodies []Position
	for range 12 {
		bodies = append(bodies, appendBody(t, l, body))
		appendBatch(t, l, "b")
	}
	end := l.Written()
	if removed, err := l.Trim(end); err != nil || len(removed) != 0 {
		t.Errorf("Trim before Sync and Counted: %v, %v", removed, err)
	}
	if err := l.Sync(end); err != nil {
		t.Fatal(err)
	}
	l.Counted()
	if removed, _ := l.Trim(end); len(removed) != 0 {
		t.Errorf("Trim removed %v, which hold bodies", removed)
	}
	reader, err := l.Acquire(2)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	l.Bodies(2, func(_ [HashSize]byte, at Position, n int64) error { found++; return nil })
	for _, at := range bodies {
		if at.Segment == 2 {
			found--
			l.Unhold(2, BodySize(int64(len(body))))
		}
	}
	if found != 0 {
		t.Errorf("Bodies found %d more than there are", found)
	}
	removed, err := l.Trim(end)
	if err != nil || !slices.Equal(removed, []uint32{2}) {
		t.Errorf("Trim removed %v, %v; want segment 2", removed, err)
	}
	if _, err := reader.ReadAt(make([]byte, 100), 0); err != nil {
		t.Errorf("an acquired segment after Trim: %v", err)
	}
	reader.Release()
	if _, err := l.Acquire(2); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Acquire after Trim: %v", err)
	}
	l.Close()
	// Not from the beginning any more, but from after the gap.
	l, _, err = reopen(t, dir, Position{3, 0})
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
}

func TestTooBig(t *testing.T) {
	l, _ := mustOpen(t, t.TempDir())
	defer l.Close()
	if _, err := l.AppendBatch(make([]byte, HeaderSize+MaxRecord+1)); !errors.Is(err, TooBig) {
		t.Errorf("batch: %v", err)
	}
	if _, err := l.AppendBody([32]byte{}, MaxRecord, 0, nil); !errors.Is(err, TooBig) {
		t.Errorf("body: %v", err)
	}
	if _, err := l.AppendBody([32]byte{}, 100, 0, bytes.NewReader(make([]byte, 50))); err == nil {
		t.Error("a body that is shorter than it says was taken")
	}
	if at := l.Written(); at.Offset != 0 {
		t.Errorf("a failed append left the log at %v", at)
	}
}

// TestFailedWrite: a write that fails leaves the log as it was.
func TestFailedWrite(t *testing.T) {
	dir := t.TempDir()
	l, _ := mustOpen(t, dir)
	appendBatch(t, l, "first")
	before := l.Written()
	for fail := range 4 {
		n := 0
		l.cfg.Hooks.Write = func() error {
			if n++; n > fail {
				return syscall.ENOSPC
			}
			return nil
		}
		body := make([]byte, 5*bufSize)
		if _, err := l.AppendBody([32]byte{}, int64(len(body)), Sum(0, body), bytes.NewReader(body)); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("body: %v", err)
		}
		n = fail
		if _, err := l.AppendBatch(make([]byte, 100)); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("batch: %v", err)
		}
	}
	l.cfg.Hooks.Write = nil
	if l.Written() != before && l.Written() != (Position{before.Segment + 1, 0}) {
		t.Errorf("the log is at %v, was at %v", l.Written(), before)
	}
	appendBatch(t, l, "second")
	l.Close()
	l, batches := mustOpen(t, dir)
	l.Close()
	if !slices.Equal(batches, []string{"first", "second"}) {
		t.Errorf("replayed %q", batches)
	}
}

// TestWaiting: bodies are written with the next batch, when someone reads them, when a
// Sync wants them, or when they are many; a failure to write loses none.
func TestWaiting(t *testing.T) {
	dir := t.TempDir()
	cfg := small()
	cfg.SegmentSize = 4 << 20
	writes, full := 0, false
	cfg.Hooks.Write = func() error {
		if full {
			return syscall.ENOSPC
		}
		writes++
		return nil
	}
	l, err := Open(dir, cfg, Position{}, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	body := func(i int) []byte { return bytes.Repeat([]byte{byte(i)}, 20000) }
	var at []Position
	add := func(n int) {
		for range n {
			at = append(at, appendBody(t, l, body(len(at))))
		}
	}
	wrote := func(want int, when string) {
		t.Helper()
		if writes != want {
			t.Errorf("%s: %d writes, want %d", when, writes, want)
		}
		writes = 0
	}
	add(20)
	wrote(0, "bodies")
	appendBatch(t, l, "refers to them")
	wrote(1, "a batch")
	add(2)
	readBody(t, l, at[3], 20000)
	wrote(0, "reading what is in the file")
	readBody(t, l, at[21], 20000)
	wrote(1, "reading what waits")
	add(1)
	if err := l.Sync(at[3]); err != nil {
		t.Fatal(err)
	}
	wrote(0, "a Sync for others")
	if err := l.Sync(l.Written()); err != nil {
		t.Fatal(err)
	}
	wrote(1, "a Sync")
	add(bufSize/20000 + 1)
	wrote(1, "many")
	full = true
	add(3)
	before := l.Written()
	if _, err := l.AppendBatch(make([]byte, 100)); !errors.Is(err, syscall.ENOSPC) || l.Written() != before {
		t.Errorf("no room for a batch: %v, at %v, was at %v", err, l.Written(), before)
	}
	if err := l.Sync(before); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("no room for bodies: %v", err)
	}
	full = false
	end := appendBatch(t, l, "there is room again")
	for i, p := range at {
		if !bytes.Equal(readBody(t, l, p, 20000), body(i)) {
			t.Errorf("body %d differs", i)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l, batches := mustOpen(t, dir)
	defer l.Close()
	if !slices.Equal(batches, []string{"refers to them", "there is room again"}) || l.Written() != end {
		t.Errorf("replayed %q to %v", batches, l.Written())
	}
}

// TestFailedSync: after a sync failed, nothing is taken before the log is opened again.
func TestFailedSync(t *testing.T) {
	dir := t.TempDir()
	l, _ := mustOpen(t, dir)
	end := appendBatch(t, l, "first")
	l.cfg.Hooks.Sync = func() error { return syscall.EIO }
	for range 2 {
		if err := l.Sync(end); !errors.Is(err, Broken) || !errors.Is(err, syscall.EIO) {
			t.Errorf("Sync: %v", err)
		}
		l.cfg.Hooks.Sync = nil
	}
	if _, err := l.AppendBatch(make([]byte, 100)); !errors.Is(err, Broken) {
		t.Errorf("append: %v", err)
	}
	if err := l.Close(); !errors.Is(err, Broken) {
		t.Errorf("Close: %v", err)
	}
}

func FuzzReadRecords(f *testing.F) {
	dir := f.TempDir()
	l, _ := mustOpen(f, dir)
	appendBatch(f, l, "a batch")
	appendBody(f, l, []byte("a body"))
	appendBatch(f, l, "")
	l.Close()
	seed, err := os.ReadFile(segmentPath(dir, 1))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add(seed[:50])
	f.Add([]byte("AJ1t\xff\xff\xff\x7f"))
	f.Fuzz(func(t *testing.T, p []byte) {
		at := Position{Segment: 1}
		n := 0
		end, err := readRecords(bytes.NewReader(p), at, func(h header, payload []byte) error {
			n += int(size(int64(h.length)))
			return nil
		})
		if err != nil || int(end.Offset) != n || n > len(p) {
			t.Errorf("%d bytes: records of %d end at %v, %v", len(p), n, end, err)
		}
		if _, _, err := provesSynced(bytes.NewReader(p[end.Offset:]), end, end); err != nil {
			t.Error(err)
		}
	})
}
