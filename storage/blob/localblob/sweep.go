package localblob

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"atrium/storage/blob"
	"atrium/storage/journal"
	"atrium/storage/kv"
)

// mark notes how far the journal is, now and then. mu is held.
func (s *Store) mark() {
	now := time.Now()
	if now.Sub(s.marks[len(s.marks)-1].at) < s.cfg.Grace/8 {
		return
	}
	s.marks = append(s.marks, mark{now, s.journal.Written()})
	for len(s.marks) > 1 && now.Sub(s.marks[1].at) >= s.cfg.Grace {
		s.marks = s.marks[1:]
	}
}

// oldBefore is a position before which all bodies were filed longer than Grace
// ago, or by an earlier process.
func (s *Store) oldBefore() journal.Position {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if s.cfg.Grace == 0 {
		return s.journal.Written()
	}
	s.mark()
	pos := s.marks[0].pos
	for _, m := range s.marks[1:] {
		if now.Sub(m.at) >= s.cfg.Grace {
			pos = m.pos
		}
	}
	return pos
}

// young notes that a body that was there was committed again.
func (s *Store) young(h blob.Hash) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turn()
	s.again[0][h] = struct{}{}
}

// turn forgets what was noted longer than Grace ago. mu is held.
func (s *Store) turn() {
	if now := time.Now(); now.Sub(s.turned) >= s.cfg.Grace {
		last := s.again[0]
		if now.Sub(s.turned) >= 2*s.cfg.Grace {
			last = map[blob.Hash]struct{}{}
		}
		s.again = [2]map[blob.Hash]struct{}{{}, last}
		s.turned = now
	}
}

// kept tells whether a body stays whoever refers to it. mu is held.
func (s *Store) kept(h blob.Hash) bool {
	if s.pins[h] > 0 || s.busy[h] != nil {
		return true
	}
	if _, ok := s.pending[h]; ok {
		return true
	}
	s.turn()
	_, now := s.again[0][h]
	_, before := s.again[1][h]
	return now || before && s.cfg.Grace > 0
}

// entry is a body's hash and location.
type entry struct {
	hash blob.Hash
	loc  location
}

const sweepBatch = 500

// Sweep implements blob.Store. live may have been found out before Sweep began,
// up to Config.Grace before: what was filed or committed again since stays.
func (s *Store) Sweep(ctx context.Context, live func(blob.Hash) (bool, error)) (removed int, size int64, err error) {
	s.sweeping.Lock()
	defer s.sweeping.Unlock()
	old := s.oldBefore()
	var dead []entry
	flush := func() error {
		n, bytes, err := s.remove(ctx, dead)
		removed, size, dead = removed+n, size+bytes, dead[:0]
		return err
	}
	err = s.index.View(ctx, func(r kv.Reader) error {
		for key, value := range r.Scan(kv.Prefix([]byte{keyBody})) {
			h, loc, err := parseEntry(key, value)
			if err != nil {
				return err
			}
			if !loc.large && !loc.at.Before(old) {
				continue
			}
			alive, err := live(h)
			if err != nil {
				return err
			}
			if alive {
				continue
			}
			if dead = append(dead, entry{h, loc}); len(dead) == sweepBatch {
				if err := flush(); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err == nil {
		err = flush()
	}
	if err == nil {
		err = s.sweepFiles(ctx)
	}
	select {
	case s.rewrite <- struct{}{}:
	default:
	}
	if err != nil {
		err = fmt.Errorf("sweep: %w", err)
	}
	return removed, size, err
}

// remove removes bodies that are not live, but for those that are kept.
func (s *Store) remove(ctx context.Context, dead []entry) (removed int, size int64, err error) {
	var mine []entry
	var hashes []blob.Hash
	s.mu.Lock()
	for _, d := range dead {
		if !s.kept(d.hash) {
			s.busy[d.hash] = make(chan struct{})
			mine, hashes = append(mine, d), append(hashes, d.hash)
		}
	}
	s.mu.Unlock()
	defer s.disclaim(hashes...)
	gone, err := s.change(ctx, mine, func(t kv.Txn, e entry) { t.Delete(bodyKey(e.hash)) })
	if err != nil {
		return 0, 0, err
	}
	for _, e := range gone {
		removed++
		size += e.loc.size
		if !e.loc.large {
			s.journal.Unhold(e.loc.at.Segment, journal.BodySize(e.loc.size))
		} else if err := os.Remove(s.largePath(e.hash)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.log.Warn("blobs: cannot remove a large body", "err", err)
		}
	}
	return removed, size, nil
}

// change runs fn for those entries that the index still has as they are, in one
// Update, and returns them.
func (s *Store) change(ctx context.Context, entries []entry, fn func(kv.Txn, entry)) (changed []entry, err error) {
	if len(entries) == 0 {
		return nil, nil
	}
	err = s.index.Update(ctx, func(t kv.Txn) error {
		changed = changed[:0]
		for _, e := range entries {
			value, err := t.Get(bodyKey(e.hash))
			if err != nil && !errors.Is(err, kv.NotFound) {
				return err
			}
			if err == nil && bytes.Equal(value, e.loc.encode()) {
				changed = append(changed, e)
				fn(t, e)
			}
		}
		return nil
	})
	return changed, err
}

// sweepFiles removes files of large bodies that the index does not have: a crash
// left them between their Commit and the next Update.
func (s *Store) sweepFiles(ctx context.Context) error {
	return filepath.WalkDir(s.largeDir(), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
		var h blob.Hash
		if n, err := hex.Decode(h[:], []byte(d.Name())); err != nil || n != len(h) {
			return nil
		}
		info, err := d.Info()
		if err != nil || time.Since(info.ModTime()) < s.cfg.Grace {
			return nil
		}
		s.mu.Lock()
		kept := s.kept(h)
		if !kept {
			s.busy[h] = make(chan struct{})
		}
		s.mu.Unlock()
		if kept {
			return nil
		}
		defer s.disclaim(h)
		if _, err := s.find(ctx, h); errors.Is(err, blob.NotFound) {
			return os.Remove(path)
		}
		return nil
	})
}
