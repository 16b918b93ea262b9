package mail

import (
	"context"
	"errors"
	"slices"

	"github.com/emersion/go-imap/v2"

	"atrium/storage"
	"atrium/storage/kv"
)

// Bulk work goes in batches, each one transaction and correct alone. A
// transaction rewrites each page of rows that it touches, so that a batch is bounded by
// rows and, for rows that lie far apart, by pages; the store knows best, and a
// batch that it finds too big is halved.
const (
	batchPages = 160 // guessed pages that one batch touches
	pageRows   = 128 // rows that a page holds, about
	fewUIDs    = 64  // so many are handed on without looking at the mailbox first
)

// picker tells whether a message is meant. With few UIDs the Snapshot is nil.
type picker func(*Snapshot, *storage.Row) bool

// bulk hands the messages of a mailbox whose UIDs are in set and for which pick
// is true to apply, batch by batch. apply does one transaction and looks again at each
// message, since any of them may have changed or gone meanwhile. With few UIDs pick is not
// asked. The actor needs need. limit bounds a batch.
func (a *Account) bulk(ctx context.Context, id ID, need storage.Rights, set imap.UIDSet, limit int,
	pick picker, apply func([]imap.UID) error) error {
	set = clean(set)
	if list, ok := few(set, min(fewUIDs, limit)); ok {
		if len(list) == 0 {
			return nil
		}
		return halves(ctx, list, apply)
	}
	for len(set) > 0 {
		list, next, err := a.batch(ctx, id, need, set, limit, pick)
		if err != nil {
			return err
		}
		if len(list) > 0 {
			if err := halves(ctx, list, apply); err != nil {
				return err
			}
		}
		if next == 0 {
			return nil
		}
		set = from(set, next)
	}
	return nil
}

// peek returns what bulk work needs of a mailbox: its rows as they are now and the actor's own \Seen.
func (a *Account) peek(ctx context.Context, id ID, need storage.Rights) (s *Snapshot, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	err = a.view(ctx, func(v *storage.View) error {
		m, err := a.mailbox(v, id, need)
		if err != nil {
			return err
		}
		t, err := v.Table(id)
		if err != nil {
			return err
		}
		s = &Snapshot{Mailbox: m, table: t}
		s.over, err = a.ownSeen(v, &m)
		return err
	})
	return s, err
}

// batch picks the messages of the next batch. next is where the one after it
// begins, 0 when there is none.
func (a *Account) batch(ctx context.Context, id ID, need storage.Rights, set imap.UIDSet, limit int,
	pick picker) (list []imap.UID, next imap.UID, err error) {
	s, err := a.peek(ctx, id, need)
	if err != nil {
		return nil, 0, err
	}
	pages, page := 0, -1
	for pos, r := range rowsIn(s.table, set) {
		if !pick(s, &r) {
			continue
		}
		if p := pos / pageRows; p != page {
			page = p
			pages++
		}
		if len(list) >= limit || pages > batchPages {
			return list, imap.UID(r.Num), nil
		}
		list = append(list, imap.UID(r.Num))
	}
	return list, 0, nil
}

// ranges hands a set of UIDs to apply, batch by batch, each of as many messages as one transaction takes;
// it passes over messages before the first that pick picks, and leaves the others to apply. With few
// UIDs pick is not asked. The actor needs need.
func (a *Account) ranges(ctx context.Context, id ID, need storage.Rights, set imap.UIDSet, limit int,
	pick picker, apply func(imap.UIDSet) error) error {
	set = clean(set)
	if n := numbers(set); n == 0 {
		return nil
	} else if n <= uint64(min(fewUIDs, limit)) {
		return halvesOf(ctx, set, apply)
	}
	for len(set) > 0 {
		s, err := a.peek(ctx, id, need)
		if err != nil {
			return err
		}
		part, rest := s.part(set, limit, pick)
		if len(part) > 0 {
			if err := halvesOf(ctx, part, apply); err != nil {
				return err
			}
		}
		set = rest
	}
	return nil
}

// part returns the first part of set that has at most limit messages on at most batchPages pages, from the
// first message on that pick picks, and the rest of set.
func (s *Snapshot) part(set imap.UIDSet, limit int, pick picker) (part, rest imap.UIDSet) {
	first := imap.UID(0)
	for _, r := range rowsIn(s.table, set) {
		if pick(s, &r) {
			first = imap.UID(r.Num)
			break
		}
	}
	if first == 0 {
		return nil, nil
	}
	set = under(from(set, first), imap.UID(s.table.At(s.table.Len()-1).Num)+1)
	rows, pages, last := 0, 0, -1
	for i, run := range set {
		pos, _ := s.table.Find(storage.Num(run.Start))
		end, exact := s.table.Find(storage.Num(run.Stop))
		if exact {
			end++
		}
		if pos == end {
			continue
		}
		room := min(limit-rows, (batchPages-pages)*pageRows)
		if room <= 0 {
			return set[:i:i], set[i:]
		}
		if end-pos > room {
			cut := imap.UID(s.table.At(pos + room).Num)
			part = append(slices.Clone(set[:i]), imap.UIDRange{Start: run.Start, Stop: cut - 1})
			return part, from(set[i:], cut)
		}
		rows += end - pos
		if pages += end/pageRows - pos/pageRows; pos/pageRows != last {
			pages++
		}
		last = (end - 1) / pageRows
	}
	return set, nil
}

// halvesOf calls apply with set, or with parts of it when it is too big for a transaction.
func halvesOf(ctx context.Context, set imap.UIDSet, apply func(imap.UIDSet) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	err := apply(set)
	if !errors.Is(err, kv.TooBig) {
		return err
	}
	n := numbers(set) / 2
	if n == 0 {
		return err
	}
	for i, r := range set {
		if size := uint64(r.Stop-r.Start) + 1; size < n {
			n -= size
			continue
		}
		low := append(slices.Clone(set[:i]), imap.UIDRange{Start: r.Start, Stop: r.Start + imap.UID(n-1)})
		if err = halvesOf(ctx, low, apply); err == nil {
			err = halvesOf(ctx, from(set[i:], r.Start+imap.UID(n)), apply)
		}
		break
	}
	return err
}

// halves calls apply with list, or with parts of it when it is too big for a transaction.
func halves(ctx context.Context, list []imap.UID, apply func([]imap.UID) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	err := apply(list)
	if n := len(list) / 2; n > 0 && errors.Is(err, kv.TooBig) {
		if err = halves(ctx, list[:n], apply); err == nil {
			err = halves(ctx, list[n:], apply)
		}
	}
	return err
}

// batchRows bounds a batch that writes a record for each message, batchPaged one that writes
// pages only.
func (s *Store) batchRows() int  { return s.cfg.Batch }
func (s *Store) batchPaged() int { return 8 * s.cfg.Batch }

// every is a pick that picks all.
func every(*Snapshot, *storage.Row) bool { return true }
