package badgerkv

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"atrium/storage/journal"
	"atrium/storage/kv"
)

// checkpointer knows when a checkpoint is due.
type checkpointer struct {
	last journal.Position // of the last one; guarded by Engine.mu
	due  chan struct{}    // gets a value when the journal has grown enough
}

// noteDurable makes a checkpoint due when the journal, which is durable up to p,
// has grown enough. mu is held.
func (e *Engine) noteDurable(p journal.Position) {
	last := e.checkpoint.last
	grown := int64(p.Segment-last.Segment)*e.cfg.Journal.SegmentSize + int64(p.Offset) - int64(last.Offset)
	if grown >= e.cfg.CheckpointBytes {
		select {
		case e.checkpoint.due <- struct{}{}:
		default:
		}
	}
}

// runCheckpoints makes checkpoints until the engine ends.
func (e *Engine) runCheckpoints() {
	tick := time.NewTicker(e.cfg.CheckpointTime)
	defer tick.Stop()
	for {
		select {
		case <-e.stop:
			return
		case <-tick.C:
		case <-e.checkpoint.due:
		}
		if err := e.makeCheckpoint(); err != nil {
			// After a failed sync nobody knows what the disk has of Badger's files.
			// The journal from the last checkpoint on has it all.
			e.log.Error("no checkpoint, no more writes until the store is opened again", "err", err)
			e.mu.Lock()
			if e.broken == nil {
				e.broken = fmt.Errorf("%w: %w", kv.Broken, err)
			}
			e.mu.Unlock()
			return
		}
	}
}

// makeCheckpoint makes all that is durable durable in Badger too and notes the
// position, from where on a crash will be replayed. Commits go on meanwhile.
//
// Badger syncs its tables and its manifest itself, but not the logs of its
// memtables when it turns to the next one. Syncing the files through
// descriptors of our own covers all of them and takes no lock of Badger's.
// A log that is gone meanwhile has become a table.
func (e *Engine) makeCheckpoint() error {
	p, err := e.drain()
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	e.mu.Lock()
	last := e.checkpoint.last
	e.mu.Unlock()
	if p == last {
		return nil
	}
	if hook := e.cfg.Syncing; hook != nil {
		hook()
	}
	if err := errors.Join(e.heap.sync(), syncFiles(e.badgerDir())); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	if hook := e.cfg.Checkpointing; hook != nil {
		hook()
	}
	if err := writeCheckpoint(e.dir, p); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	e.mu.Lock()
	e.checkpoint.last = p
	e.mu.Unlock()
	_, err = e.journal.Trim(p)
	return err
}

// syncFiles syncs Badger's logs, its manifest and its folder.
func syncFiles(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		switch name := entry.Name(); {
		case strings.HasSuffix(name, ".mem"), strings.HasSuffix(name, ".vlog"), name == "MANIFEST", name == "DISCARD":
			if err := syncFile(filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return syncFile(dir)
}

func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// removeUnborn removes logs of memtables whose content did not reach the disk
// before a crash, which Badger cannot open. What was in them is after the checkpoint.
func removeUnborn(dir string) error {
	logs, err := filepath.Glob(filepath.Join(dir, "*.mem"))
	if err != nil {
		return err
	}
	for _, path := range logs {
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		if info.Size() < 20 {
			if err := os.Remove(path); err != nil {
				return err
			}
		}
	}
	return nil
}

const (
	checkpointName  = "CHECKPOINT"
	checkpointMagic = "atrium-checkpoint 2\n" // 1: before there was a heap; a release that knows only that refuses a store with one
	checkpointFirst = "atrium-checkpoint 1\n"
)

// writeCheckpoint notes a position, durably: the magic line, segment and offset
// (4 bytes each, little-endian) and the CRC-32C of these.
func writeCheckpoint(dir string, p journal.Position) error {
	return writeMark(dir, checkpointMagic, p)
}

func writeMark(dir, magic string, p journal.Position) error {
	buf := []byte(magic)
	buf = binary.LittleEndian.AppendUint32(buf, p.Segment)
	buf = binary.LittleEndian.AppendUint32(buf, p.Offset)
	buf = binary.LittleEndian.AppendUint32(buf, crc32.Checksum(buf, crc32.MakeTable(crc32.Castagnoli)))
	path := filepath.Join(dir, checkpointName)
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(buf)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	return syncFile(dir)
}

// readCheckpoint returns the zero Position when there is no checkpoint yet.
func readCheckpoint(dir string) (p journal.Position, err error) {
	buf, err := os.ReadFile(filepath.Join(dir, checkpointName))
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil
	}
	if err != nil {
		return p, err
	}
	if m, _, _ := bytes.Cut(buf, []byte{'\n'}); bytes.HasPrefix(m, []byte("atrium-checkpoint ")) && len(buf) >= len(m)+1 &&
		string(m)+"\n" != checkpointMagic && string(m)+"\n" != checkpointFirst {
		return p, fmt.Errorf("%s says %q: this store was written by a newer release; start that one", checkpointName, m)
	}
	body, n := buf, len(checkpointMagic)
	if len(buf) != n+12 || string(buf[:n]) != checkpointMagic && string(buf[:n]) != checkpointFirst ||
		crc32.Checksum(body[:n+8], crc32.MakeTable(crc32.Castagnoli)) != binary.LittleEndian.Uint32(buf[n+8:]) {
		return p, fmt.Errorf("%s: %w", checkpointName, journal.Corrupt)
	}
	return journal.Position{
		Segment: binary.LittleEndian.Uint32(buf[n:]),
		Offset:  binary.LittleEndian.Uint32(buf[n+4:]),
	}, nil
}

// diskGuard refuses writes when the disk is nearly full: Badger writes through
// memory maps, and a page that finds no room on the disk kills the process.
type diskGuard struct {
	dir     string
	reserve int64
	checked time.Time
	last    error
}

// check looks at the disk at most four times a second.
func (d *diskGuard) check() error {
	if d.reserve == 0 || time.Since(d.checked) < 250*time.Millisecond {
		return d.last
	}
	d.checked, d.last = time.Now(), nil
	if free, ok := freeBytes(d.dir); ok && free < d.reserve {
		d.last = fmt.Errorf("%d MiB free on the disk of %s, %d MiB are kept in reserve: %w",
			free>>20, d.dir, d.reserve>>20, kv.Full)
	}
	return d.last
}
