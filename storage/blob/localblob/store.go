package localblob

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"atrium/storage/blob"
	"atrium/storage/journal"
	"atrium/storage/kv"
)

// Config has a Store's settings.
type Config struct {
	SpoolMemory int64         // bytes of one body kept in memory before it goes to a file
	Memory      int64         // bytes of all bodies kept in memory
	Large       int64         // bodies of more bytes get a file of their own
	Grace       time.Duration // how long an unreferenced body stays at least
	Settle      time.Duration // how long after opening bodies of earlier runs begin to be counted; no room is given back before
	RewriteRate int64         // bytes of live bodies copied in a second when segments are rewritten
}

// DefaultConfig returns settings for a server, a small one too.
func DefaultConfig() Config {
	return Config{
		SpoolMemory: 1 << 20,
		Memory:      32 << 20,
		Large:       4 << 20,
		Grace:       15 * time.Minute,
		Settle:      2 * time.Second,
		RewriteRate: 16 << 20,
	}
}

// Validate reports every setting that is out of its bounds.
func (c *Config) Validate() (err error) {
	if c.SpoolMemory < chunkSize || c.SpoolMemory > 16<<20 {
		err = errors.Join(err, fmt.Errorf("spool memory: %d bytes, want 32 KiB to 16 MiB", c.SpoolMemory))
	}
	if c.Memory < c.SpoolMemory {
		err = errors.Join(err, fmt.Errorf("memory: %d bytes, want at least the spool memory", c.Memory))
	}
	if most := int64(journal.MaxRecord / 2); c.Large < 0 || c.Large > most {
		err = errors.Join(err, fmt.Errorf("large: %d bytes, want 0 to %d", c.Large, most))
	}
	if c.Settle < 0 {
		err = errors.Join(err, fmt.Errorf("settle: %v, want 0 or more", c.Settle))
	}
	if c.Grace < 0 {
		err = errors.Join(err, fmt.Errorf("grace: %v, want 0 or more", c.Grace))
	}
	if c.RewriteRate < 64<<10 {
		err = errors.Join(err, fmt.Errorf("rewrite rate: %d bytes a second, want at least 64 KiB", c.RewriteRate))
	}
	return err
}

// Index is where the store keeps its locations: badgerkv.Side.
type Index interface {
	View(ctx context.Context, fn func(kv.Reader) error) error
	Update(ctx context.Context, fn func(kv.Txn) error) error
	// Attach writes a key along with the next Update that anyone makes.
	Attach(key, value []byte, applied func())
}

// Store is a blob.Store.
type Store struct {
	dir     string
	cfg     Config
	log     *slog.Logger
	journal *journal.Log
	index   Index

	mu      sync.Mutex
	pending map[blob.Hash]location
	pins    map[blob.Hash]int
	busy    map[blob.Hash]chan struct{} // closed when it is not any more
	again   [2]map[blob.Hash]struct{}   // committed although they were there: in this Grace, in the one before
	turned  time.Time                   // when this Grace began
	known   known
	marks   []mark

	inMemory atomic.Int64 // bytes of chunks that Spools hold
	chunks   sync.Pool    // of *[chunkSize]byte
	buffers  sync.Pool    // of *[copySize]byte

	sweeping   sync.Mutex
	ctx        context.Context // ends with Close
	stop       context.CancelFunc
	rewrite    chan struct{}
	background sync.WaitGroup
}

// mark says how far the journal was at some time.
type mark struct {
	at  time.Time
	pos journal.Position
}

const copySize = 64 << 10

// New returns a store that keeps large bodies and spool files below dir, other
// bodies in the journal. dir is made when it is missing; what an earlier process
// left in it half done is removed.
func New(dir string, cfg Config, log *journal.Log, index Index, logger *slog.Logger) (*Store, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := &Store{
		dir: dir, cfg: cfg, log: logger, journal: log, index: index,
		pending: map[blob.Hash]location{},
		pins:    map[blob.Hash]int{},
		busy:    map[blob.Hash]chan struct{}{},
		again:   [2]map[blob.Hash]struct{}{{}, {}},
		turned:  time.Now(),
		rewrite: make(chan struct{}, 1),
		marks:   []mark{{pos: log.Written()}},
	}
	s.chunks.New = func() any { return new([chunkSize]byte) }
	s.buffers.New = func() any { return new([copySize]byte) }
	s.ctx, s.stop = context.WithCancel(context.Background())
	if err := os.RemoveAll(s.spoolDir()); err != nil {
		return nil, fmt.Errorf("blobs: %w", err)
	}
	for _, d := range []string{s.spoolDir(), s.largeDir()} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, fmt.Errorf("blobs: %w", err)
		}
	}
	s.startCount()
	s.background.Go(s.rewriteSegments)
	return s, nil
}

func (s *Store) spoolDir() string { return filepath.Join(s.dir, "spool") }
func (s *Store) largeDir() string { return filepath.Join(s.dir, "large") }

func (s *Store) largePath(h blob.Hash) string {
	name := h.String()
	return filepath.Join(s.largeDir(), name[:2], name)
}

// countStep is how many bodies of earlier runs are counted at a time, before a pause of four times as long.
const countStep = 1000

// startCount begins to tell the journal which bodies of earlier runs it holds. The
// snapshot is taken before New returns: all that comes later counts itself.
func (s *Store) startCount() {
	begun := make(chan struct{})
	s.background.Go(func() {
		err := s.index.View(s.ctx, func(r kv.Reader) error {
			close(begun)
			// Whoever comes first when a server has started does not wait for this.
			if err := s.rest(s.cfg.Settle); err != nil {
				return err
			}
			n, began := 0, time.Now()
			for key, value := range r.Scan(kv.Prefix([]byte{keyBody})) {
				if n++; n%countStep == 0 {
					if err := s.rest(min(4*time.Since(began), time.Second)); err != nil {
						return err
					}
					began = time.Now()
				}
				h, loc, err := parseEntry(key, value)
				if err != nil {
					return err
				}
				s.mu.Lock()
				s.known.add(h)
				s.mu.Unlock()
				if !loc.large {
					s.journal.Hold(loc.at.Segment, journal.BodySize(loc.size))
				}
			}
			return nil
		})
		switch {
		case err == nil:
			s.journal.Counted()
			s.mu.Lock()
			s.known.whole = true
			s.mu.Unlock()
		case s.ctx.Err() == nil:
			s.log.Error("blobs: cannot count the bodies, no segment will be removed", "err", err)
			select {
			case <-begun:
			default:
				close(begun)
			}
		}
	})
	<-begun
}

// rest waits, or fails when the store is closed.
func (s *Store) rest(d time.Duration) error {
	select {
	case <-s.ctx.Done():
		return s.ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// Close ends the background work. The journal and the engine are the caller's
// to close, afterwards.
func (s *Store) Close() error {
	s.stop()
	s.background.Wait()
	return nil
}

// find returns where a body is; NotFound when there is none.
func (s *Store) find(ctx context.Context, h blob.Hash) (loc location, err error) {
	s.mu.Lock()
	loc, ok := s.pending[h]
	s.mu.Unlock()
	if ok {
		return loc, nil
	}
	err = s.index.View(ctx, func(r kv.Reader) error {
		value, err := r.Get(bodyKey(h))
		if errors.Is(err, kv.NotFound) {
			return fmt.Errorf("body %v: %w", h, blob.NotFound)
		}
		if err == nil {
			loc, err = parseLocation(value)
		}
		return err
	})
	return loc, err
}

// Open implements blob.Store.
func (s *Store) Open(ctx context.Context, ref blob.Ref) (blob.Body, error) {
	return s.open(ctx, ref.Hash)
}

func (s *Store) open(ctx context.Context, h blob.Hash) (*body, error) {
	for try := 0; ; try++ {
		loc, err := s.find(ctx, h)
		if err != nil {
			return nil, err
		}
		b := &body{store: s, size: loc.size, off: int64(loc.at.Offset)}
		if loc.large {
			var f *os.File
			if f, err = os.Open(s.largePath(h)); err == nil {
				b.in, b.close = f, func() { f.Close() }
				return b, nil
			}
		} else {
			var seg *journal.Segment
			if seg, err = s.journal.Acquire(loc.at.Segment); err == nil {
				b.in, b.close = seg, seg.Release
				return b, nil
			}
		}
		// It was moved or removed between the two steps: look again.
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("body %v: %w", h, err)
		}
		if try == 3 {
			return nil, fmt.Errorf("body %v is not where the index says: %w", h, blob.Corrupt)
		}
	}
}

// body is an open body.
type body struct {
	store *Store
	in    io.ReaderAt
	off   int64
	size  int64
	close func() // nil when closed
}

// Size implements blob.Body.
func (b *body) Size() int64 { return b.size }

// ReadAt implements blob.Body.
func (b *body) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, fmt.Errorf("offset %d: %w", off, fs.ErrInvalid)
	}
	if off >= b.size {
		return 0, io.EOF
	}
	short := int64(len(p)) > b.size-off
	if short {
		p = p[:b.size-off]
	}
	n, err = b.in.ReadAt(p, b.off+off)
	if n == len(p) {
		err = nil
		if short {
			err = io.EOF
		}
	} else if errors.Is(err, io.EOF) {
		err = fmt.Errorf("body cut short: %w", blob.Corrupt)
	}
	return n, err
}

// WriteTo implements blob.Body.
func (b *body) WriteTo(w io.Writer) (done int64, err error) {
	buf := b.store.buffers.Get().(*[copySize]byte)
	defer b.store.buffers.Put(buf)
	for done < b.size {
		p := buf[:min(copySize, b.size-done)]
		if _, err := b.ReadAt(p, done); err != nil {
			return done, err
		}
		n, err := w.Write(p)
		done += int64(n)
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// Close implements blob.Body.
func (b *body) Close() error {
	if b.close != nil {
		b.close()
		b.close = nil
	}
	return nil
}

// Walk implements blob.Store. Bodies that no Update followed are not yielded.
func (s *Store) Walk(ctx context.Context) iter.Seq2[blob.Ref, error] {
	return func(yield func(blob.Ref, error) bool) {
		stopped := false
		err := s.index.View(ctx, func(r kv.Reader) error {
			for key, value := range r.Scan(kv.Prefix([]byte{keyBody})) {
				h, loc, err := parseEntry(key, value)
				if err != nil {
					return err
				}
				if stopped = !yield(blob.Ref{Hash: h, Size: loc.size}, nil); stopped {
					break
				}
			}
			return nil
		})
		if err != nil && !stopped {
			yield(blob.Ref{}, err)
		}
	}
}

// Verify implements blob.Store.
func (s *Store) Verify(ctx context.Context, h blob.Hash) error {
	b, err := s.open(ctx, h)
	if err != nil {
		return err
	}
	defer b.Close()
	sum := sha256.New()
	if _, err := b.WriteTo(writerWithin{ctx, sum}); err != nil {
		return fmt.Errorf("body %v: %w", h, err)
	}
	if blob.Hash(sum.Sum(nil)) != h {
		return fmt.Errorf("body %v: %w", h, blob.Corrupt)
	}
	return nil
}

// writerWithin stops a copy when its context ends.
type writerWithin struct {
	ctx context.Context
	io.Writer
}

func (w writerWithin) Write(p []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	return w.Writer.Write(p)
}
