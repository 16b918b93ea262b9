package localblob

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"atrium/storage/blob"
	"atrium/storage/kv"
	"atrium/storage/kv/badgerkv"
)

var ctx = context.Background()

// fixture is a store with its engine.
type fixture struct {
	*Store
	engine *badgerkv.Engine
}

func open(t testing.TB, dir string, adjust func(*Config)) *fixture {
	t.Helper()
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	below := badgerkv.DefaultConfig()
	below.Reserve = 0
	below.Journal.SegmentSize = 256 << 10
	below.CheckpointBytes = 256 << 10
	below.CheckpointTime = 100 * time.Millisecond
	engine, err := badgerkv.Open(dir, below, log)
	if err != nil {
		t.Fatal(err)
	}
	cfg := DefaultConfig()
	cfg.Large, cfg.Grace, cfg.Settle, cfg.RewriteRate = 100<<10, 0, 0, 1<<30
	if adjust != nil {
		adjust(&cfg)
	}
	s, err := New(dir, cfg, engine.Journal(), engine.Side(), log)
	if err != nil {
		t.Fatal(err)
	}
	return &fixture{s, engine}
}

func (f *fixture) close(t testing.TB) {
	t.Helper()
	if err := errors.Join(f.Store.Close(), f.engine.Close()); err != nil {
		t.Error(err)
	}
	if n := f.inMemory.Load(); n != 0 {
		t.Errorf("%d bytes of spool memory are lost", n)
	}
	if n := len(f.pins) + len(f.busy) + len(f.pending); n != 0 {
		t.Errorf("pins, busy, pending: %d left", n)
	}
}

func (f *fixture) commit(t testing.TB, p []byte) blob.Ref {
	t.Helper()
	sp := f.spool(t, p)
	defer sp.Release()
	ref, err := sp.Commit(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

func (f *fixture) spool(t testing.TB, p []byte) blob.Spool {
	t.Helper()
	sp, err := f.Spool(ctx, 0)
	if err == nil {
		_, err = sp.Write(p)
	}
	if err != nil {
		t.Fatal(err)
	}
	return sp
}

// flush makes an Update, which takes along what is pending.
func (f *fixture) flush(t testing.TB) {
	t.Helper()
	err := f.engine.Update(ctx, func(tx kv.Txn) error { tx.Set([]byte("x"), nil); return nil })
	if err != nil {
		t.Fatal(err)
	}
}

func (f *fixture) read(t testing.TB, ref blob.Ref) []byte {
	t.Helper()
	b, err := f.Open(ctx, ref)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	var buf bytes.Buffer
	if n, err := b.WriteTo(&buf); err != nil || n != b.Size() || n != ref.Size {
		t.Fatalf("WriteTo: %d of %d bytes, %v", n, ref.Size, err)
	}
	return buf.Bytes()
}

func random(n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(rand.Uint32())
	}
	return p
}

// TestSpool writes and reads bodies of all sizes around the limits, in pieces.
func TestSpool(t *testing.T) {
	for name, adjust := range map[string]func(*Config){
		"memory":   nil,
		"small":    func(c *Config) { c.SpoolMemory = 2 * chunkSize },
		"noMemory": func(c *Config) { c.SpoolMemory, c.Memory = chunkSize, chunkSize },
	} {
		t.Run(name, func(t *testing.T) {
			f := open(t, t.TempDir(), adjust)
			defer f.close(t)
			if name == "noMemory" {
				hog := f.spool(t, []byte("takes the one chunk there is"))
				defer hog.Release()
			}
			for _, n := range []int{0, 1, chunkSize - 1, chunkSize, chunkSize + 1, 2 * chunkSize, 3*chunkSize + 7, 100 << 10, 100<<10 + 1, 300 << 10, 700000} {
				want := random(n)
				sp := f.spool(t, nil)
				for rest := want; len(rest) > 0; {
					step := min(len(rest), 1+rand.IntN(50000))
					if m, err := sp.Write(rest[:step]); m != step || err != nil {
						t.Fatalf("Write: %d, %v", m, err)
					}
					rest = rest[step:]
					at := rand.IntN(len(want) - len(rest))
					got := make([]byte, len(want)-len(rest)-at)
					if m, err := sp.ReadAt(got, int64(at)); m != len(got) || err != nil || !bytes.Equal(got, want[at:at+m]) {
						t.Fatalf("ReadAt %d of %d: %d, %v", at, n, m, err)
					}
				}
				if m, err := sp.ReadAt(make([]byte, 10), int64(n)); m != 0 || err != io.EOF {
					t.Errorf("ReadAt the end: %d, %v", m, err)
				}
				if sp.Size() != int64(n) || sp.Sum() != sha256.Sum256(want) {
					t.Errorf("size %d, want %d, or the hash differs", sp.Size(), n)
				}
				ref, err := sp.Commit(ctx)
				if err != nil || ref.Size != int64(n) || ref.Hash != sha256.Sum256(want) {
					t.Fatalf("Commit: %v, %v", ref, err)
				}
				if again, err := sp.Commit(ctx); again != ref || err != nil {
					t.Errorf("Commit again: %v, %v", again, err)
				}
				if _, err := sp.Write([]byte("x")); err == nil {
					t.Error("Write after Commit")
				}
				got := make([]byte, n)
				if _, err := io.ReadFull(io.NewSectionReader(sp, 0, int64(n)), got); err != nil || !bytes.Equal(got, want) {
					t.Errorf("a Spool of %d bytes reads differently after Commit: %v", n, err)
				}
				if !bytes.Equal(f.read(t, ref), want) { // pending
					t.Errorf("%d bytes differ while pending", n)
				}
				sp.Release()
				sp.Release()
				f.flush(t)
				if !bytes.Equal(f.read(t, ref), want) {
					t.Errorf("%d bytes differ", n)
				}
				if err := f.Verify(ctx, ref.Hash); err != nil {
					t.Error(err)
				}
			}
			if left, _ := filepath.Glob(filepath.Join(f.spoolDir(), "*")); len(left) != 0 {
				t.Errorf("spool files left: %q", left)
			}
		})
	}
}

func TestLimit(t *testing.T) {
	f := open(t, t.TempDir(), nil)
	defer f.close(t)
	sp, err := f.Spool(ctx, 10)
	if err != nil {
		t.Fatal(err)
	}
	defer sp.Release()
	if n, err := sp.Write(make([]byte, 10)); n != 10 || err != nil {
		t.Errorf("up to the limit: %d, %v", n, err)
	}
	if n, err := sp.Write([]byte("x")); n != 0 || !errors.Is(err, blob.TooLarge) {
		t.Errorf("over the limit: %d, %v", n, err)
	}
}

func TestReadAt(t *testing.T) {
	f := open(t, t.TempDir(), nil)
	defer f.close(t)
	for _, n := range []int{5000, 200 << 10} {
		want := random(n)
		b, err := f.Open(ctx, f.commit(t, want))
		if err != nil {
			t.Fatal(err)
		}
		for range 50 {
			from := rand.IntN(n)
			to := from + rand.IntN(n-from+1)
			p := make([]byte, to-from)
			if m, err := b.ReadAt(p, int64(from)); m != len(p) || err != nil || !bytes.Equal(p, want[from:to]) {
				t.Fatalf("%d to %d of %d: %d, %v", from, to, n, m, err)
			}
		}
		if m, err := b.ReadAt(make([]byte, 100), int64(n-10)); m != 10 || err != io.EOF {
			t.Errorf("over the end: %d, %v", m, err)
		}
		b.Close()
		b.Close()
	}
	if _, err := f.Open(ctx, blob.Ref{Hash: blob.Hash{1}, Size: 1}); !errors.Is(err, blob.NotFound) {
		t.Errorf("Open of nothing: %v", err)
	}
	if err := f.Verify(ctx, blob.Hash{1}); !errors.Is(err, blob.NotFound) {
		t.Errorf("Verify of nothing: %v", err)
	}
}

// TestSame: the same bytes are stored once, however many commit them at once.
func TestSame(t *testing.T) {
	f := open(t, t.TempDir(), nil)
	defer f.close(t)
	for _, n := range []int{50000, 200 << 10} {
		p := random(n)
		before := f.journal.Written()
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				for range 5 {
					f.commit(t, p)
					f.flush(t)
				}
			})
		}
		wg.Wait()
		after := f.journal.Written()
		if after.Segment != before.Segment || after.Offset-before.Offset > uint32(n+40000) {
			t.Errorf("%d bytes 100 times: the journal went from %v to %v", n, before, after)
		}
	}
	n := 0
	for _, err := range f.Walk(ctx) {
		if n++; err != nil {
			t.Error(err)
		}
	}
	if n != 2 {
		t.Errorf("Walk: %d bodies, want 2", n)
	}
}

func TestWalk(t *testing.T) {
	dir := t.TempDir()
	f := open(t, dir, nil)
	var want []blob.Ref
	for i := range 50 {
		want = append(want, f.commit(t, fmt.Appendf(nil, "body %d", i)))
	}
	want = append(want, f.commit(t, random(150<<10)))
	f.close(t) // writes what is pending
	f = open(t, dir, nil)
	defer f.close(t)
	slices.SortFunc(want, func(a, b blob.Ref) int { return bytes.Compare(a.Hash[:], b.Hash[:]) })
	var got []blob.Ref
	for ref, err := range f.Walk(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, ref)
	}
	if !slices.Equal(got, want) {
		t.Errorf("Walk: %d bodies, want %d in order", len(got), len(want))
	}
	for range f.Walk(ctx) {
		break
	}
}

func TestVerify(t *testing.T) {
	f := open(t, t.TempDir(), nil)
	defer f.close(t)
	large, small := random(200<<10), random(1000)
	ref, ref2 := f.commit(t, large), f.commit(t, small)
	f.flush(t)
	large[100] ^= 1
	if err := os.WriteFile(f.largePath(ref.Hash), large, 0o600); err != nil {
		t.Fatal(err)
	}
	loc, err := f.find(ctx, ref2.Hash)
	if err != nil {
		t.Fatal(err)
	}
	seg, _ := filepath.Glob(filepath.Join(f.dir, "journal", fmt.Sprintf("%010d.*", loc.at.Segment)))
	file, err := os.OpenFile(seg[0], os.O_RDWR, 0)
	if err == nil {
		_, err = file.WriteAt([]byte{^small[500]}, int64(loc.at.Offset)+500)
	}
	if err != nil {
		t.Fatal(err)
	}
	file.Close()
	for _, h := range []blob.Hash{ref.Hash, ref2.Hash} {
		if err := f.Verify(ctx, h); !errors.Is(err, blob.Corrupt) {
			t.Errorf("Verify of a damaged body: %v", err)
		}
	}
}

// sweep sweeps with the bodies of keep live.
func (f *fixture) sweep(t testing.TB, keep ...blob.Ref) int {
	t.Helper()
	live := map[blob.Hash]bool{}
	for _, r := range keep {
		live[r.Hash] = true
	}
	n, _, err := f.Sweep(ctx, func(h blob.Hash) (bool, error) { return live[h], nil })
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestSweep(t *testing.T) {
	f := open(t, t.TempDir(), nil)
	defer f.close(t)
	var refs []blob.Ref
	for i := range 1200 { // more than a batch
		refs = append(refs, f.commit(t, fmt.Appendf(nil, "body %d", i)))
	}
	refs = append(refs, f.commit(t, random(150<<10)))
	keepLarge := f.commit(t, random(150<<10))
	f.flush(t)
	pinned := f.spool(t, []byte("body 1"))
	if _, err := pinned.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	pending := f.commit(t, []byte("pending"))
	reader, err := f.Open(ctx, refs[0])
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()

	if n := f.sweep(t, append(refs[600:700:700], keepLarge)...); n != len(refs)-100-1 {
		t.Errorf("removed %d, want %d", n, len(refs)-100-1)
	}
	for i, ref := range refs {
		_, err := f.find(ctx, ref.Hash)
		if stays := i == 1 || i >= 600 && i < 700; stays != (err == nil) {
			t.Errorf("body %d: %v, stays: %v", i, err, stays)
		}
	}
	if string(f.read(t, pending)) != "pending" || f.read(t, keepLarge) == nil {
		t.Error("a body that stays differs")
	}
	p := make([]byte, 6)
	if _, err := reader.ReadAt(p, 0); err != nil || string(p) != "body 0" {
		t.Errorf("reading a removed body that was open: %q, %v", p, err)
	}
	pinned.Release()
	f.flush(t)
	if n := f.sweep(t); n != 1+100+1+1 {
		t.Errorf("the rest: removed %d, want 103", n)
	}
	if left, _ := filepath.Glob(filepath.Join(f.largeDir(), "*", "*")); len(left) != 0 {
		t.Errorf("large files left: %q", left)
	}
	// What was removed can come again.
	ref := f.commit(t, []byte("body 0"))
	f.flush(t)
	if string(f.read(t, ref)) != "body 0" {
		t.Error("a body that came again differs")
	}
}

// TestGrace: what was filed or committed again lately stays.
func TestGrace(t *testing.T) {
	const grace = 300 * time.Millisecond
	dir := t.TempDir()
	f := open(t, dir, nil)
	f.commit(t, []byte("from an earlier run"))
	f.commit(t, []byte("from an earlier run, again"))
	f.close(t)
	f = open(t, dir, func(c *Config) { c.Grace = grace })
	defer f.close(t)
	f.commit(t, []byte("new"))
	f.commit(t, []byte("from an earlier run, again"))
	f.commit(t, random(150<<10))
	f.flush(t)
	if n := f.sweep(t); n != 1 {
		t.Errorf("at once: removed %d, want the one from the earlier run", n)
	}
	time.Sleep(grace / 2)
	f.commit(t, []byte("newer"))
	f.flush(t)
	removed := 0
	for begun := time.Now(); removed < 4 && time.Since(begun) < 10*grace; time.Sleep(grace / 4) {
		removed += f.sweep(t)
	}
	if removed != 4 {
		t.Errorf("after the grace: removed %d, want 4", removed)
	}
}

// TestSweepAgainstCommit: bodies that come again while they are being removed.
func TestSweepAgainstCommit(t *testing.T) {
	f := open(t, t.TempDir(), nil)
	defer f.close(t)
	stop := make(chan struct{})
	var sweeper, committers sync.WaitGroup
	sweeper.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				f.sweep(t)
			}
		}
	})
	for w := range 4 {
		committers.Go(func() {
			for i := range 60 {
				p := fmt.Appendf(nil, "body %d of all", (i+w)%5)
				sp := f.spool(t, p)
				ref, err := sp.Commit(ctx)
				if err != nil {
					t.Error(err)
				}
				f.flush(t)
				if !bytes.Equal(f.read(t, ref), p) {
					t.Errorf("%q differs", p)
				}
				sp.Release()
			}
		})
	}
	committers.Wait()
	close(stop)
	sweeper.Wait()
}

// TestRewrite: segments with much garbage go, their live bodies stay readable.
func TestRewrite(t *testing.T) {
	dir := t.TempDir()
	f := open(t, dir, nil)
	type stored struct {
		ref  blob.Ref
		body []byte
	}
	var keep []stored
	var live []blob.Ref
	for i := range 300 {
		p := random(5000 + rand.IntN(5000))
		ref := f.commit(t, p)
		if i%5 == 0 {
			keep, live = append(keep, stored{ref, p}), append(live, ref)
		}
	}
	f.flush(t)
	reader, err := f.Open(ctx, keep[0].ref)
	if err != nil {
		t.Fatal(err)
	}
	size := func() (n int64) {
		files, _ := filepath.Glob(filepath.Join(dir, "journal", "*"))
		for _, path := range files {
			if info, err := os.Stat(path); err == nil {
				n += info.Size()
			}
		}
		return n
	}
	before := size()
	if n := f.sweep(t, live...); n != 240 {
		t.Errorf("removed %d, want 240", n)
	}
	deadline := time.Now().Add(10 * time.Second)
	for size() > before*2/5 && time.Now().Before(deadline) {
		time.Sleep(20 * time.Millisecond)
		f.flush(t)
		for _, k := range keep {
			if !bytes.Equal(f.read(t, k.ref), k.body) {
				t.Fatal("a body differs while its segment is rewritten")
			}
		}
	}
	if now := size(); now > before*2/5 {
		t.Errorf("the journal has %d bytes of %d", now, before)
	}
	p := make([]byte, len(keep[0].body))
	if _, err := reader.ReadAt(p, 0); err != nil || !bytes.Equal(p, keep[0].body) {
		t.Errorf("a body that was open while it was moved: %v", err)
	}
	reader.Close()
	f.close(t)
	f = open(t, dir, nil)
	defer f.close(t)
	for _, k := range keep {
		if !bytes.Equal(f.read(t, k.ref), k.body) {
			t.Fatal("a body differs after opening again")
		}
	}
	if n := f.sweep(t, live...); n != 0 {
		t.Errorf("another sweep removed %d", n)
	}
}

func FuzzLocation(f *testing.F) {
	f.Add(location{large: true, size: 1 << 40}.encode())
	f.Add(location{size: 77}.encode())
	f.Fuzz(func(t *testing.T, p []byte) {
		if loc, err := parseLocation(p); err == nil {
			if again, err := parseLocation(loc.encode()); err != nil || again != loc {
				t.Errorf("%x: %+v, again %+v, %v", p, loc, again, err)
			}
		}
	})
}
