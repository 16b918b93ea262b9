package embedded

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"atrium/storage/blob"
	"atrium/storage/journal"
	"atrium/storage/kv"
	"atrium/storage/kv/badgerkv"
)

const (
	crashDir = "ATRIUM_TEST_CRASH_DIR" // tells the test binary to be the writer that is killed
	writers  = 12
	kept     = 20 // rows of a writer; older ones are deleted
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashDir); dir != "" {
		if err := writeUntilKilled(dir); err != nil {
			fmt.Fprintln(os.Stderr, "writer:", err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// crashConfig has segments and checkpoints so small that all happens in a moment.
func crashConfig() Config {
	c := Small()
	c.Segment, c.CheckpointBytes, c.CheckpointTime = 1, 1, 100*time.Millisecond
	c.Large = 1
	c.Grace = 500 * time.Millisecond
	c.RewriteRate = 64
	return c
}

// content is the body of a writer's n-th row, the same each time.
func content(w, n int) []byte {
	rnd := rand.New(rand.NewPCG(uint64(w), uint64(n)))
	size := rnd.IntN(20 << 10)
	switch rnd.IntN(60) {
	case 0:
		size = rnd.IntN(3 << 20)
	case 1:
		size = 0
	}
	if n%10 == 9 {
		return []byte(fmt.Sprint("the same for all writers ", n)) // one body, many rows
	}
	p := make([]byte, size+16)
	for i := 0; i+8 <= len(p); i += 8 {
		binary.LittleEndian.PutUint64(p[i:], rnd.Uint64())
	}
	return p
}

func rowKey(w, n int) []byte { return fmt.Appendf(nil, "w%02d/row/%08d", w, n) }

// facetKey is a key whose value is kept in the heap, facet that value.
func facetKey(w, n int) []byte {
	return fmt.Appendf(nil, "\x01acct-%03dF%08d", w, n)
}
func facet(w, n int) []byte {
	return bytes.Repeat(fmt.Appendf(nil, "facet %d of %d. ", n, w), 10+n%200)
}

func lastKey(w int) []byte    { return fmt.Appendf(nil, "w%02d/last", w) }
func mirrorKey(w int) []byte  { return fmt.Appendf(nil, "mirror/%02d", w) }
func number(v []byte) (n int) { n, _ = strconv.Atoi(string(v)); return n }

// writeUntilKilled is the writer process. It says on standard output what is
// durable, one line a write: "S segment offset" after each sync of the journal, then
// "A writer number" after each Update that returned.
func writeUntilKilled(dir string) error {
	say := func(format string, args ...any) { os.Stdout.Write(fmt.Appendf(nil, format+"\n", args...)) }
	store := filepath.Join(dir, "store")
	copies := 0
	s, err := open(store, crashConfig(), slog.Default(), func(c *badgerkv.Config) {
		c.HeapFile, c.Collect = 64<<10, 20*time.Millisecond
		c.Syncing = func() {
			if err := keepSizes(store, dir); err != nil {
				fmt.Fprintln(os.Stderr, "writer:", err)
				os.Exit(1)
			}
		}
		c.Journal.Hooks.Synced = func(p journal.Position) { say("S %d %d", p.Segment, p.Offset) }
		c.Checkpointing = func() {
			copies++
			if err := keepLogs(store, dir, copies); err != nil {
				fmt.Fprintln(os.Stderr, "writer:", err)
				os.Exit(1)
			}
		}
	})
	if err != nil {
		return err
	}
	failed := make(chan error, writers+1)
	for w := range writers {
		go func() { failed <- writeRows(s, w, say) }()
	}
	go func() { failed <- sweepOften(s) }()
	return <-failed
}

// heapSizes is the file with the sizes of the heap's files as they were when they were synced for a
// checkpoint, in a writer's folder; with .new while that is not noted.
const heapSizes = "heap.sizes"

// keepSizes notes the sizes of the heap's files.
func keepSizes(store, dir string) error {
	files, _ := filepath.Glob(filepath.Join(store, "heap", "*.heap"))
	var list []byte
	for _, path := range files {
		if info, err := os.Stat(path); err == nil {
			list = fmt.Appendf(list, "%s %d\n", filepath.Base(path), info.Size())
		}
	}
	return os.WriteFile(filepath.Join(dir, heapSizes+".new"), list, 0o600)
}

// keepLogs copies the logs of Badger's memtables as they were at a checkpoint.
func keepLogs(store, dir string, n int) error {
	tmp := filepath.Join(dir, "durable.tmp")
	if err := errors.Join(os.RemoveAll(tmp), os.Mkdir(tmp, 0o700)); err != nil {
		return err
	}
	logs, _ := filepath.Glob(filepath.Join(store, "badger", "*.mem"))
	for _, path := range logs {
		err := copyFile(path, filepath.Join(tmp, filepath.Base(path)))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	if err := os.Rename(filepath.Join(dir, heapSizes+".new"), filepath.Join(dir, heapSizes)); err != nil {
		return err
	}
	old, _ := filepath.Glob(filepath.Join(dir, "durable.[0-9]*"))
	if err := os.Rename(tmp, filepath.Join(dir, fmt.Sprintf("durable.%d-%d", os.Getpid(), n))); err != nil {
		return err
	}
	for _, path := range old {
		os.RemoveAll(path)
	}
	return nil
}

var errOnPurpose = errors.New("on purpose")

// writeRows adds rows, each with a body, and deletes old ones.
func writeRows(s *Store, w int, say func(string, ...any)) error {
	ctx := context.Background()
	n := 0
	err := s.Engine.View(ctx, func(r kv.Reader) error {
		v, err := r.Get(lastKey(w))
		if n = number(v); errors.Is(err, kv.NotFound) {
			return nil
		}
		return err
	})
	for err == nil {
		n++
		var ref blob.Ref
		sp, err := s.Blobs.Spool(ctx, 0)
		if err == nil {
			_, err = sp.Write(content(w, n))
		}
		if err == nil {
			ref, err = sp.Commit(ctx)
		}
		if err != nil {
			return err
		}
		if n%7 == 0 {
			err := s.Engine.Update(ctx, func(tx kv.Txn) error {
				tx.Set(fmt.Appendf(nil, "bad/%d", w), nil)
				tx.Set(lastKey(w), []byte("bad"))
				return errOnPurpose
			})
			if !errors.Is(err, errOnPurpose) {
				return fmt.Errorf("rolled back: %w", err)
			}
		}
		err = s.Engine.Update(ctx, func(tx kv.Txn) error {
			tx.Set(lastKey(w), fmt.Append(nil, n))
			tx.Set(rowKey(w, n), append(ref.Hash[:], fmt.Append(nil, ref.Size)...))
			tx.Delete(rowKey(w, n-kept))
			tx.Set(facetKey(w, n), facet(w, n))
			tx.Delete(facetKey(w, n-kept))
			tx.Set(mirrorKey(w), fmt.Append(nil, n))
			return nil
		})
		sp.Release()
		if err != nil {
			return err
		}
		say("A %d %d", w, n)
	}
	return err
}

// sweepOften sweeps with marks from one snapshot.
func sweepOften(s *Store) error {
	ctx := context.Background()
	for {
		time.Sleep(50 * time.Millisecond)
		live := map[blob.Hash]bool{}
		err := s.Engine.View(ctx, func(r kv.Reader) error {
			for k, v := range r.Scan(kv.Prefix([]byte("w"))) {
				if strings.Contains(string(k), "/row/") {
					live[blob.Hash(v[:32])] = true
				}
			}
			return nil
		})
		if err == nil {
			_, _, err = s.Blobs.Sweep(ctx, func(h blob.Hash) (bool, error) { return live[h], nil })
		}
		if err != nil {
			return err
		}
	}
}

// outcome is what a killed writer said.
type outcome struct {
	acked  [writers]int
	synced journal.Position
}

// runWriter runs the writer for a while and kills it.
func runWriter(t *testing.T, dir string, o *outcome, life time.Duration) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), crashDir+"="+dir)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	started := false
	for lines.Scan() {
		if !started { // it is open and writes
			started = true
			time.AfterFunc(life, func() { cmd.Process.Kill() })
		}
		var a, b int
		switch n, _ := fmt.Sscanf(lines.Text()[1:], "%d %d", &a, &b); {
		case n != 2:
			t.Fatalf("the writer says %q", lines.Text())
		case lines.Text()[0] == 'S':
			o.synced = journal.Position{Segment: uint32(a), Offset: uint32(b)}
		case o.acked[a] < b:
			o.acked[a] = b
		}
	}
	if err := cmd.Wait(); !started || cmd.ProcessState.Exited() {
		t.Fatalf("the writer ended by itself: %v\n%s", err, stderr.Bytes())
	}
}

// verify opens the store in dir and compares it with what was acknowledged.
func verify(t *testing.T, dir string, o *outcome) {
	t.Helper()
	s, err := Open(dir, crashConfig(), slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		t.Fatalf("open after a crash: %v", err)
	}
	ctx := context.Background()
	err = s.Engine.View(ctx, func(r kv.Reader) error {
		for range r.Scan(kv.Prefix([]byte("bad/"))) {
			t.Error("a rolled-back write is there")
		}
		for w := range writers {
			v, _ := r.Get(lastKey(w))
			m, _ := r.Get(mirrorKey(w))
			last := number(v)
			if !bytes.Equal(v, m) || last < o.acked[w] || len(v) > 0 && last == 0 {
				t.Errorf("writer %d: at %q and %q, %d was acknowledged", w, v, m, o.acked[w])
			}
			n := max(1, last-kept+1)
			for k, v := range r.Scan(kv.Prefix(fmt.Appendf(nil, "w%02d/row/", w))) {
				want := content(w, n)
				if string(k) != string(rowKey(w, n)) || blob.Hash(v[:32]) != sha256.Sum256(want) || number(v[32:]) != len(want) {
					t.Errorf("writer %d: row %q, want number %d", w, k, n)
					break
				}
				if err := s.Blobs.Verify(ctx, blob.Hash(v[:32])); err != nil {
					t.Errorf("writer %d, row %d of %d (acknowledged %d): %v", w, n, last, o.acked[w], err)
				}
				if f, err := r.Get(facetKey(w, n)); !bytes.Equal(f, facet(w, n)) {
					t.Errorf("writer %d, row %d of %d (acknowledged %d): facet of %d bytes: %v", w, n, last, o.acked[w], len(f), err)
				}
				n++
			}
			for k, v := range r.Scan(kv.Prefix(facetKey(w, 0)[:10])) {
				if n := number(k[10:]); n <= last-kept || n > last || !bytes.Equal(v, facet(w, n)) {
					t.Errorf("writer %d: %q, %d bytes; last is %d", w, k, len(v), last)
				}
			}
			if last > 0 && n != last+1 {
				t.Errorf("writer %d: rows up to %d, last is %d, %d was acknowledged", w, n-1, last, o.acked[w])
			}
		}
		return nil
	})
	if err := errors.Join(err, s.Close()); err != nil {
		t.Error(err)
	}
}

// TestKill kills a writer again and again and looks each time at what is there:
// as the process left it, and as the disk may have had it if the power had failed
// at that moment.
func TestKill(t *testing.T) {
	rounds, cuts := 5, 2
	if n, _ := strconv.Atoi(os.Getenv("ATRIUM_TEST_KILLS")); n > 0 {
		rounds = n
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	o := &outcome{}
	for round := range rounds {
		runWriter(t, dir, o, time.Duration(50+rnd.IntN(500))*time.Millisecond)
		for cut := range cuts {
			image := filepath.Join(t.TempDir(), "image")
			cutPower(t, rnd, dir, image, o.synced)
			verify(t, image, o)
			if t.Failed() {
				t.Fatalf("after round %d, power cut %d", round, cut)
			}
			os.RemoveAll(image)
		}
		verify(t, filepath.Join(dir, "store"), o)
		if t.Failed() {
			t.Fatalf("after round %d, process killed", round)
		}
		// verify closed the store: all is durable, as in the file system now.
		if err := errors.Join(keepSizes(filepath.Join(dir, "store"), dir), os.Rename(filepath.Join(dir, heapSizes+".new"), filepath.Join(dir, heapSizes))); err != nil {
			t.Fatal(err)
		}
		logs, _ := filepath.Glob(filepath.Join(dir, "durable.[0-9]*"))
		for _, path := range logs {
			os.RemoveAll(path)
		}
		o.synced = journal.Position{}
	}
	total := 0
	for _, n := range o.acked {
		total += n
	}
	t.Logf("%d acknowledged updates, %d crashes, %d power cuts", total, rounds, rounds*cuts)
}

// cutPower makes a copy of the store as the disk may have it when the power
// fails: of what was not synced, each page may or may not have been written.
func cutPower(t *testing.T, rnd *rand.Rand, dir, image string, synced journal.Position) {
	t.Helper()
	if err := os.CopyFS(image, os.DirFS(filepath.Join(dir, "store"))); err != nil {
		t.Fatal(err)
	}
	// All before the checkpoint is durable too: magic line, segment, offset, checksum.
	if p, err := os.ReadFile(filepath.Join(image, "CHECKPOINT")); err == nil {
		p = p[bytes.IndexByte(p, '\n')+1:]
		c := journal.Position{Segment: binary.LittleEndian.Uint32(p), Offset: binary.LittleEndian.Uint32(p[4:])}
		if synced.Before(c) {
			synced = c
		}
	}
	written := []float64{0, 0.5, 1}[rnd.IntN(3)] // share of the pages that were
	durable := ""
	if d, _ := filepath.Glob(filepath.Join(dir, "durable.[0-9]*")); len(d) > 0 {
		durable = d[len(d)-1]
	}
	logs, _ := filepath.Glob(filepath.Join(image, "badger", "*.mem"))
	for _, path := range logs {
		before, err := os.ReadFile(filepath.Join(durable, filepath.Base(path)))
		if errors.Is(err, os.ErrNotExist) && rnd.IntN(2) == 0 {
			if err := os.Truncate(path, 0); err != nil { // not even its size
				t.Fatal(err)
			}
			continue
		}
		tear(t, rnd, path, before, 0, written)
	}
	tearHeap(t, rnd, dir, image, written)
	segments, _ := filepath.Glob(filepath.Join(image, "journal", "*.journal"))
	for _, path := range segments {
		n, _ := strconv.Atoi(strings.TrimSuffix(filepath.Base(path), ".journal"))
		switch id := uint32(n); {
		case id < synced.Segment:
		case id == synced.Segment:
			tear(t, rnd, path, nil, int64(synced.Offset), written)
		case rnd.IntN(3) == 0:
			os.Remove(path)
		default:
			tear(t, rnd, path, nil, 0, written)
		}
	}
}

// tearHeap is cutPower for the heap.
func tearHeap(t *testing.T, rnd *rand.Rand, dir, image string, written float64) {
	t.Helper()
	sizes := map[string]int64{}
	list, _ := os.ReadFile(filepath.Join(dir, heapSizes))
	for line := range strings.Lines(string(list)) {
		name, size, _ := strings.Cut(strings.TrimSpace(line), " ")
		sizes[name] = int64(number([]byte(size)))
	}
	files, _ := filepath.Glob(filepath.Join(image, "heap", "*.heap"))
	for _, path := range files {
		switch durable, ok := sizes[filepath.Base(path)]; {
		case !ok && rnd.IntN(3) == 0:
			os.Remove(path)
		default:
			tear(t, rnd, path, nil, durable, written)
		}
	}
}

// tear replaces pages of a file after the first from bytes by what was there
// before, or zeros; now and then it cuts the file instead.
func tear(t *testing.T, rnd *rand.Rand, path string, before []byte, from int64, written float64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	const page = 4096
	if size := info.Size(); before == nil && size > from && rnd.IntN(2) == 0 {
		if err := f.Truncate(from + rnd.Int64N(size-from+1)); err != nil {
			t.Fatal(err)
		}
	}
	for at := from; at < info.Size(); at = (at/page + 1) * page {
		if rnd.Float64() < written {
			continue
		}
		old := make([]byte, min((at/page+1)*page, info.Size())-at)
		if at < int64(len(before)) {
			copy(old, before[at:])
		}
		if fi, _ := f.Stat(); at >= fi.Size() {
			break
		}
		if _, err := f.WriteAt(old, at); err != nil {
			t.Fatal(err)
		}
	}
}

func copyFile(from, to string) error {
	p, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, p, 0o600)
}
