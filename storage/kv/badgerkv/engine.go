package badgerkv

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"github.com/dgraph-io/badger/v4"

	"atrium/storage/journal"
	"atrium/storage/kv"
)

// Engine is a kv.Engine over a folder. It also owns the journal that the blob
// store writes bodies to; see Journal, Side and Attach.
type Engine struct {
	dir string
	cfg Config
	log *slog.Logger

	db        *badger.DB
	heap      *heap
	journal   *journal.Log
	snapshots *snapshots

	users sync.WaitGroup // Views and Updates under way

	mu       sync.Mutex
	work     sync.Cond // on mu: the executor may have something to do
	handOff  sync.Cond // on mu: committing or idle was set
	apply    sync.Cond // on mu: there is something to merge or to write to Badger
	inBadger sync.Cond // on mu: applied or stuck was set
	queue    []*request
	attached []attachment
	groups   []*group // not applied yet, oldest first
	handed   *group   // the one that is being committed
	working  bool     // a goroutine works alone and is not done with the executor's part
	durable  []*group // not in Badger yet, oldest first
	lag      int      // bytes of these
	due      bool     // they go to Badger now
	timed    bool     // due will be set after applyTime
	stuck    bool     // Badger has failed, nothing goes there any more
	version  uint64   // of the newest group
	applied  journal.Position
	closing  bool // no new Views and Updates
	ending   bool // the executor ends when it has nothing to do
	resting  bool // the executor has nothing to do, and nobody does its work
	idle     bool // the executor has ended
	done     bool // the committer has ended
	broken   error

	// The executor's own, or of the goroutine that works alone.
	current *group
	batch   []*request // taken from the queue, not run yet
	txn     txn
	own     *overlay
	disk    diskGuard
	flushed bool // what was attached last has been tried to write

	committing *group // guarded by mu: handed, when it is for the committer
	record     []byte // of whoever commits: a group as it goes to the journal
	background sync.WaitGroup
	checkpoint checkpointer
	pace       pacer
	stop       chan struct{} // closed when no checkpoint is to begin any more
	closed     chan struct{} // closed when Close has done its work
	closeErr   error
}

// Open opens the engine in dir and makes it when dir is empty. The caller
// makes sure that nobody else has dir open.
func Open(dir string, cfg Config, log *slog.Logger) (*Engine, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	e := &Engine{
		dir: dir, cfg: cfg, log: log,
		own:    newOverlay(),
		stop:   make(chan struct{}),
		closed: make(chan struct{}),
	}
	e.work.L, e.handOff.L, e.apply.L, e.inBadger.L = &e.mu, &e.mu, &e.mu, &e.mu
	e.pace.stop, e.pace.much = e.stop, e.muchWaits
	e.checkpoint.due = make(chan struct{}, 1)
	e.disk = diskGuard{dir: dir, reserve: cfg.Reserve}
	if err := e.open(); err != nil {
		return nil, fmt.Errorf("engine %s: %w", dir, err)
	}
	e.start()
	return e, nil
}

func (e *Engine) open() error {
	for _, dir := range []string{e.badgerDir(), e.journalDir()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	from, err := readCheckpoint(e.dir)
	if err != nil {
		return err
	}
	if err := removeUnborn(e.badgerDir()); err != nil {
		return err
	}
	if e.heap, err = openHeap(filepath.Join(e.dir, "heap"), e.cfg.HeapFile); err != nil {
		return err
	}
	if e.db, err = badger.OpenManaged(badgerOptions(e.badgerDir(), e.cfg, &e.pace, e.log)); err != nil {
		return errors.Join(err, e.heap.close())
	}
	e.version = e.db.MaxVersion()
	e.journal, err = journal.Open(e.journalDir(), e.cfg.Journal, from, e.redo, e.log)
	if err != nil {
		return errors.Join(err, e.db.Close(), e.heap.close())
	}
	e.applied = e.journal.Written()
	e.checkpoint.last = from
	e.snapshots = newSnapshots(e.db, e.version, e.cfg.ReadCache)
	e.txn.cache, e.txn.heap = e.snapshots.cache, e.heap
	if !e.cfg.MergeAtOnce {
		e.pace.db.Store(e.db)
	}
	return nil
}

func (e *Engine) badgerDir() string  { return filepath.Join(e.dir, "badger") }
func (e *Engine) journalDir() string { return filepath.Join(e.dir, "journal") }

func (e *Engine) start() {
	e.background.Go(e.runCheckpoints)
	e.background.Add(1)
	go e.execute()
	e.background.Go(e.commit)
	e.background.Go(e.applyGroups)
	e.background.Go(e.runCollector)
}

// Journal returns the journal, for the bodies' owner.
func (e *Engine) Journal() *journal.Log { return e.journal }

// begin enters a View or Update.
func (e *Engine) begin(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closing {
		return kv.Closed
	}
	e.users.Add(1)
	return nil
}

// View implements kv.Engine.
func (e *Engine) View(ctx context.Context, fn func(kv.Reader) error) error {
	return e.view(ctx, userSpace, fn)
}

func (e *Engine) view(ctx context.Context, space byte, fn func(kv.Reader) error) error {
	if err := e.begin(ctx); err != nil {
		return err
	}
	defer e.users.Done()
	held, layers := e.snapshots.acquire()
	defer e.snapshots.release(held)
	stored := e.db.NewTransactionAt(held.version, false)
	defer stored.Discard()
	t := &txn{ctx: ctx, space: space, below: layers, stored: stored, cache: e.snapshots.cache, heap: e.heap}
	if err := fn(t); t.failed == nil {
		return err
	}
	return t.failed
}

// Update implements kv.Engine.
func (e *Engine) Update(ctx context.Context, fn func(kv.Txn) error) error {
	return e.update(ctx, userSpace, fn)
}

func (e *Engine) update(ctx context.Context, space byte, fn func(kv.Txn) error) error {
	if err := e.begin(ctx); err != nil {
		return err
	}
	defer e.users.Done()
	r := &request{ctx: ctx, space: space, fn: fn}
	e.mu.Lock()
	if e.resting && e.handed == nil && len(e.queue) == 0 && e.mayHandOver() {
		e.alone(r)
	} else {
		r.done = make(chan struct{})
		e.queue = append(e.queue, r)
		e.work.Signal()
		e.mu.Unlock()
		<-r.done
	}
	switch {
	case r.panicked != nil:
		panic(r.panicked)
	case r.exited:
		runtime.Goexit()
	}
	return r.err
}

// Backup implements kv.Engine.
func (e *Engine) Backup(ctx context.Context, w io.Writer) error {
	return e.View(ctx, func(r kv.Reader) error { return kv.WriteBackup(ctx, r, w) })
}

// Restore implements kv.Engine.
func (e *Engine) Restore(ctx context.Context, r io.Reader) error {
	return kv.RestoreBackup(ctx, e, r)
}

// Verify implements kv.Verifier: it reads all tables of Badger and all values of the heap. What is in the journal only
// was verified when that was opened.
//
// Reading does not verify: Badger would take a block that does not match for one
// that holds nothing, and a compaction would drop it.
func (e *Engine) Verify(ctx context.Context) (err error) {
	if err := e.begin(ctx); err != nil {
		return err
	}
	defer e.users.Done()
	defer func() { // Badger trusts the lengths in a block
		if v := recover(); v != nil {
			err = fmt.Errorf("tables in %s: %v: %w", e.badgerDir(), v, kv.Damaged)
		}
	}()
	if err := e.db.VerifyChecksum(); err != nil {
		return fmt.Errorf("%w: %w", kv.Damaged, err)
	}
	return e.verifyHeap(ctx)
}

// Close implements kv.Engine. The journal is closed too.
func (e *Engine) Close() error {
	e.mu.Lock()
	first := !e.closing
	e.closing = true
	e.mu.Unlock()
	if !first {
		<-e.closed
		return e.closeErr
	}
	e.users.Wait()
	e.mu.Lock()
	e.ending = true
	e.work.Signal()
	e.mu.Unlock()
	close(e.stop)
	e.background.Wait()
	e.closeErr = e.finish()
	close(e.closed)
	return e.closeErr
}

// finish closes Badger and the heap, which makes all durable, and notes that nothing is to be replayed.
func (e *Engine) finish() error {
	synced := e.heap.sync()
	if err := errors.Join(synced, e.db.Close(), e.heap.close()); err != nil {
		return errors.Join(fmt.Errorf("close: %w", err), e.journal.Close())
	}
	if e.broken != nil {
		e.journal.Close()
		return e.broken
	}
	end := e.journal.Written()
	if err := e.journal.Sync(end); err != nil {
		return errors.Join(err, e.journal.Close())
	}
	err := writeCheckpoint(e.dir, end)
	if err == nil {
		_, err = e.journal.Trim(end)
	}
	return errors.Join(err, e.journal.Close())
}

// Side is the engine's second key space, which no user of kv.Engine sees: the
// blob store's index. Backup and Restore do not touch it.
func (e *Engine) Side() Side { return Side{e} }

// Side reads and writes the second key space.
type Side struct{ e *Engine }

// View is Engine.View on this space.
func (s Side) View(ctx context.Context, fn func(kv.Reader) error) error {
	return s.e.view(ctx, sideSpace, fn)
}

// Update is Engine.Update on this space.
func (s Side) Update(ctx context.Context, fn func(kv.Txn) error) error {
	return s.e.update(ctx, sideSpace, fn)
}

// attachment is a write to the Side that goes along with the next group.
type attachment struct {
	write   *write
	applied func()
}

// manyAttached make a group of their own when no Update comes.
const manyAttached = 10000

// Attach writes a key along with the next group, after all that the group's
// transactions wrote: it is durable at the latest when the next Update that
// begins after Attach has returned. Alone it makes no group. applied, which is to
// be quick, is called once when Views see it. The caller must not change key and
// value.
func (s Side) Attach(key, value []byte, applied func()) {
	a := attachment{newWrite(sideSpace, key, value, false), applied}
	s.e.mu.Lock()
	defer s.e.mu.Unlock()
	s.e.attached = append(s.e.attached, a)
	if len(s.e.attached) == manyAttached {
		s.e.work.Signal()
	}
}
