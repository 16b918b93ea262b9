package localblob

import (
	"bytes"
	"fmt"
	"time"

	"atrium/storage/blob"
	"atrium/storage/journal"
	"atrium/storage/kv"
)

// rewriteSegments rewrites segments with much garbage, after each Sweep, until
// the store is closed.
func (s *Store) rewriteSegments() {
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-s.rewrite:
		}
		list, err := s.journal.Usage()
		if err != nil {
			s.log.Error("blobs: rewriting", "err", err)
			continue
		}
		for _, u := range list {
			// One that holds nothing goes at the next checkpoint.
			if s.ctx.Err() != nil || u.Held <= 0 || u.Held > u.Size/2 {
				continue
			}
			if err := s.rewriteSegment(u.Segment); err != nil && s.ctx.Err() == nil {
				s.log.Error("blobs: rewriting a segment", "segment", u.Segment, "err", err)
			}
		}
	}
}

// Bodies are moved in batches of so many bytes and bodies.
const (
	moveBytes  = 4 << 20
	moveBodies = 500
)

// rewriteSegment moves the live bodies of a segment to the journal's head.
func (s *Store) rewriteSegment(segment uint32) error {
	var (
		batch []entry
		size  int64
	)
	flush := func() error {
		begun := time.Now()
		err := s.move(batch)
		pause := time.Duration(size)*time.Second/time.Duration(s.cfg.RewriteRate) - time.Since(begun)
		batch, size = batch[:0], 0
		if err == nil && pause > 0 {
			select {
			case <-s.ctx.Done():
			case <-time.After(pause):
			}
		}
		return err
	}
	err := s.journal.Bodies(segment, func(hash [journal.HashSize]byte, at journal.Position, n int64) error {
		if err := s.ctx.Err(); err != nil {
			return err
		}
		h, here := blob.Hash(hash), location{at: at, size: n}
		var live bool
		err := s.index.View(s.ctx, func(r kv.Reader) error {
			value, err := r.Get(bodyKey(h))
			live = err == nil && bytes.Equal(value, here.encode())
			return nil
		})
		if err != nil || !live {
			return err
		}
		batch, size = append(batch, entry{h, here}), size+n
		if size >= moveBytes || len(batch) == moveBodies {
			return flush()
		}
		return nil
	})
	if err != nil {
		return err
	}
	return flush()
}

// move copies bodies to the head and then changes the index. Those that were
// removed meanwhile leave garbage.
func (s *Store) move(batch []entry) error {
	if len(batch) == 0 {
		return nil
	}
	to := make(map[blob.Hash]location, len(batch))
	moved := map[blob.Hash]bool{}
	defer func() {
		for h, loc := range to {
			if !moved[h] {
				s.journal.Unhold(loc.at.Segment, journal.BodySize(loc.size))
			}
		}
	}()
	var buf []byte
	for _, e := range batch {
		if int64(cap(buf)) < e.loc.size {
			buf = make([]byte, e.loc.size)
		}
		buf = buf[:e.loc.size]
		sum, err := s.journal.ReadBody(e.loc.at, buf)
		if err != nil {
			return err
		}
		at, err := s.journal.AppendBody(e.hash, e.loc.size, sum, bytes.NewReader(buf))
		if err != nil {
			return fmt.Errorf("move a body: %w", err)
		}
		to[e.hash] = location{at: at, size: e.loc.size}
	}
	changed, err := s.change(s.ctx, batch, func(t kv.Txn, e entry) {
		t.Set(bodyKey(e.hash), to[e.hash].encode())
	})
	if err != nil {
		return err
	}
	for _, e := range changed {
		moved[e.hash] = true
		s.journal.Unhold(e.loc.at.Segment, journal.BodySize(e.loc.size))
	}
	return nil
}
