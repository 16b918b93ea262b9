package badgerkv

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"

	"atrium/storage/journal"
)

// Config has an Engine's settings.
type Config struct {
	MemTable        int64         // bytes of changes kept in memory before they become a table file
	ReadCache       int64         // bytes of small values kept in memory after they were read; 0 is none
	CheckpointBytes int64         // bytes of journal after which a checkpoint is made
	CheckpointTime  time.Duration // time after which one is made when there was a change
	Reserve         int64         // bytes that must be free on the disk, or Update fails with kv.Full
	MergeAtOnce     bool          // tables are merged without pauses: the memory of a merge is free soon
	Journal         journal.Config

	// Lasting tells whether the value of a key is written once and stays until it is deleted: such
	// values are kept apart from Badger, in the heap, so that merging tables does not write them again. Nil: none is.
	Lasting  func(key []byte) bool
	HeapFile int64         // bytes of a file of the heap
	Collect  time.Duration // so often it is looked whether much of the heap is not needed any more

	// Syncing and Checkpointing, for tests, are called when all of a checkpoint is written, and when
	// it is durable and not noted yet.
	Syncing, Checkpointing func()
}

// DefaultConfig returns settings for a server, a small one too.
func DefaultConfig() Config {
	return Config{
		MemTable:        8 << 20,
		ReadCache:       4 << 20,
		CheckpointBytes: 64 << 20,
		CheckpointTime:  time.Minute,
		Reserve:         128 << 20,
		Journal:         journal.DefaultConfig(),
		HeapFile:        256 << 20,
		Collect:         10 * time.Minute,
	}
}

// minMemTable is what a transaction of kv.MaxBytes needs: Badger takes 15 % of
// a memtable at once.
const minMemTable = 8 << 20

// Validate reports every setting that is out of its bounds.
func (c *Config) Validate() (err error) {
	if c.MemTable < minMemTable || c.MemTable > 512<<20 {
		err = errors.Join(err, fmt.Errorf("memtable: %d bytes, want 8 MiB to 512 MiB", c.MemTable))
	}
	if c.ReadCache < 0 || c.ReadCache > 0 && c.ReadCache < 64<<10 {
		err = errors.Join(err, fmt.Errorf("read cache: %d bytes, want 0 or at least 64 KiB", c.ReadCache))
	}
	if c.CheckpointBytes < 64<<10 {
		err = errors.Join(err, fmt.Errorf("checkpoint bytes: %d, want at least 64 KiB", c.CheckpointBytes))
	}
	if c.CheckpointTime < 100*time.Millisecond {
		err = errors.Join(err, fmt.Errorf("checkpoint time: %v, want at least 100ms", c.CheckpointTime))
	}
	if c.HeapFile < 64<<10 || c.HeapFile > 1<<30 {
		err = errors.Join(err, fmt.Errorf("heap file: %d bytes, want 64 KiB to 1 GiB", c.HeapFile))
	}
	if c.Reserve < 0 {
		err = errors.Join(err, fmt.Errorf("reserve: %d bytes, want 0 or more", c.Reserve))
	}
	return errors.Join(err, c.Journal.Validate())
}

// badgerOptions are chosen so: values stay in the tables (none reaches 1 MiB),
// so that there is no value log to collect; tables are not compressed, so that
// reads go to the page cache without a cache of our own that a small machine
// cannot afford; memtables are small, so that opening is quick and old versions go
// soon; more tables than Badger's default come together before they are merged, the first level
// below them is larger and the tables too, so that less is written over and over in compactions; nothing is synced, as the journal is.
func badgerOptions(dir string, cfg Config, pace *pacer, log *slog.Logger) badger.Options {
	return badger.DefaultOptions(dir).
		WithSyncWrites(false).
		WithDetectConflicts(false).
		WithNumVersionsToKeep(1).
		WithMetricsEnabled(false).
		WithValueThreshold(1 << 20).
		WithValueLogFileSize(1 << 20).
		WithMemTableSize(cfg.MemTable).
		WithNumMemtables(2).
		WithNumCompactors(2).
		WithNumLevelZeroTables(8).
		WithNumLevelZeroTablesStall(stallTables).
		WithBaseTableSize(4 << 20).
		WithBaseLevelSize(64 << 20).
		WithCompression(options.None).
		WithBlockCacheSize(0).
		WithIndexCacheSize(0).
		WithLogger(logger{log.With("part", "badger"), pace})
}

// stallTables are so many in level 0 that writes wait.
const stallTables = 24

// logger writes Badger's log, and tells the pacer where it is.
type logger struct {
	log  *slog.Logger
	pace *pacer
}

func (l logger) Errorf(f string, a ...any)   { l.log.Error(message(f, a)) }
func (l logger) Warningf(f string, a ...any) { l.log.Warn(message(f, a)) }
func (l logger) Infof(string, ...any)        {}
func (l logger) Debugf(f string, a ...any)   { l.pace.look(f, a) }

func message(format string, args []any) string {
	return strings.TrimSpace(fmt.Sprintf(format, args...))
}
