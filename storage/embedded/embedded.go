package embedded

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"atrium/storage"
	"atrium/storage/blob"
	"atrium/storage/blob/localblob"
	"atrium/storage/kv"
	"atrium/storage/kv/badgerkv"
)

// Locked means that another process has the folder open.
const Locked kv.Kind = "in use by another process"

// Config has the settings of a store in a folder. Sizes are in MiB.
type Config struct {
	MemTable        int           // changes kept in memory before they become a table file, 8 to 512; there may be three
	Segment         int           // size of a journal segment, 1 to 1024
	CheckpointBytes int           // journal written between two checkpoints: what a start after a crash reads
	CheckpointTime  time.Duration // the longest time between two checkpoints while there are changes
	Reserve         int           // writes are refused when less is free on the disk; 0: never
	Spool           int           // memory for bodies that are arriving, of all connections
	Large           int           // bodies above get a file of their own, 0 to 8
	Grace           time.Duration // how long a body that nothing refers to stays at least
	RewriteRate     int           // bodies copied in a second when space is given back
	Settle          time.Duration // how long a start's first clients are served before bodies are counted
	MergeAtOnce     bool          // tables are merged as fast as can be; others wait for it, but its memory is free sooner
}

// DefaultConfig returns settings that are good from a machine with 512 MB on. The
// memtable is larger where there is more memory: what is in the tables is then
// rewritten less often.
func DefaultConfig() Config {
	return Config{
		MemTable:        min(max(memory()/128, 8), 32),
		Segment:         64,
		CheckpointBytes: 128,
		CheckpointTime:  time.Minute,
		Reserve:         128,
		Spool:           32,
		Large:           4,
		Grace:           15 * time.Minute,
		Settle:          2 * time.Second,
		RewriteRate:     16,
	}
}

// Small returns settings for tests: small segments, no reserve, and no grace, so
// that a Sweep takes at once what is not live, and no pauses between merges.
func Small() Config {
	c := DefaultConfig()
	c.MemTable = 8
	c.Segment, c.CheckpointBytes, c.Reserve, c.Spool = 4, 4, 0, 4
	c.Grace, c.Settle = 0, 0
	c.MergeAtOnce = true // tests measure memory
	return c
}

// Validate reports every setting that is out of its bounds.
func (c *Config) Validate() (err error) {
	for _, v := range []struct {
		name      string
		value     int
		low, high int
	}{
		{"memtable", c.MemTable, 8, 512},
		{"segment", c.Segment, 1, 1024},
		{"checkpoint bytes", c.CheckpointBytes, 1, 1 << 20},
		{"reserve", c.Reserve, 0, 1 << 20},
		{"spool", c.Spool, 1, 1 << 16},
		{"large", c.Large, 0, 8},
		{"rewrite rate", c.RewriteRate, 1, 1 << 16},
	} {
		if v.value < v.low || v.value > v.high {
			err = errors.Join(err, fmt.Errorf("%s: %d MiB, want %d to %d", v.name, v.value, v.low, v.high))
		}
	}
	if c.CheckpointTime < 100*time.Millisecond {
		err = errors.Join(err, fmt.Errorf("checkpoint time: %v, want at least 100ms", c.CheckpointTime))
	}
	if c.Settle < 0 {
		err = errors.Join(err, fmt.Errorf("settle: %v, want 0 or more", c.Settle))
	}
	if c.Grace < 0 {
		err = errors.Join(err, fmt.Errorf("grace: %v, want 0 or more", c.Grace))
	}
	return err
}

func (c *Config) engine() badgerkv.Config {
	e := badgerkv.DefaultConfig()
	e.MemTable = int64(c.MemTable) << 20
	e.MergeAtOnce = c.MergeAtOnce
	e.CheckpointBytes = int64(c.CheckpointBytes) << 20
	e.CheckpointTime = c.CheckpointTime
	e.Reserve = int64(c.Reserve) << 20
	e.Journal.SegmentSize = int64(c.Segment) << 20
	e.Lasting = storage.Lasting
	e.HeapFile = min(4*e.Journal.SegmentSize, 1<<30)
	return e
}

func (c *Config) blobs() localblob.Config {
	b := localblob.DefaultConfig()
	b.Memory = int64(c.Spool) << 20
	b.Large = int64(c.Large) << 20
	b.Grace, b.Settle = c.Grace, c.Settle
	b.RewriteRate = int64(c.RewriteRate) << 20
	return b
}

// Store is an open folder.
type Store struct {
	Engine kv.Engine
	Blobs  blob.Store

	lock *os.File
}

// Open opens the store in dir and makes it when there is none. After a crash it
// replays the journal. Locked is returned, with the holder's process number, when
// another process has dir open.
func Open(dir string, cfg Config, log *slog.Logger) (*Store, error) {
	return open(dir, cfg, log, func(*badgerkv.Config) {})
}

func open(dir string, cfg Config, log *slog.Logger, adjust func(*badgerkv.Config)) (*Store, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	lock, err := takeLock(dir)
	if err != nil {
		return nil, err
	}
	below := cfg.engine()
	adjust(&below)
	engine, err := badgerkv.Open(dir, below, log)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	blobs, err := localblob.New(dir, cfg.blobs(), engine.Journal(), engine.Side(), log)
	if err != nil {
		return nil, errors.Join(err, engine.Close(), lock.Close())
	}
	return &Store{Engine: engine, Blobs: blobs, lock: lock}, nil
}

// Close waits for what is under way and closes the store.
func (s *Store) Close() error {
	return errors.Join(s.Blobs.Close(), s.Engine.Close(), s.lock.Close())
}
