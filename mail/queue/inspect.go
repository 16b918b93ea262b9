package queue

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"atrium/storage"
)

// List returns entries in the order in which they came: after an entry's number,
// at most limit, those that match (nil: all). next is the number to go on after, 0 at the end.
func (q *Queue) List(ctx context.Context, after storage.Num, limit int, match func(*Entry) bool) (list []*Entry, next storage.Num, err error) {
	err = q.store.View(ctx, storage.System, func(v *storage.View) error {
		list, next = nil, 0
		c, err := collection(v)
		if c == 0 || err != nil {
			return err
		}
		t, err := v.Table(c)
		if err != nil {
			return err
		}
		pos, _ := t.Find(after + 1)
		for _, row := range t.Rows(pos, t.Len()) {
			b, err := v.Facet(row.Object, facetEntry)
			if err != nil {
				return err
			}
			e, err := decodeEntry(row.Num, b)
			if err != nil {
				return err
			}
			if match != nil && !match(e) {
				continue
			}
			if len(list) == limit {
				next = list[len(list)-1].Num
				return nil
			}
			list = append(list, e)
		}
		return nil
	})
	return list, next, err
}

// Find returns an entry by its ID; storage.NotFound when there is none.
func (q *Queue) Find(ctx context.Context, id string) (e *Entry, err error) {
	err = q.store.View(ctx, storage.System, func(v *storage.View) error {
		n, err := byID(v, id)
		if err != nil {
			return err
		}
		e, _, err = read(v, n)
		return err
	})
	return e, err
}

// Retry makes an entry due now, held or not by its sender (RFC 4865); those that
// an administrator holds are Release's.
func (q *Queue) Retry(ctx context.Context, id string) error {
	defer q.forgetDown()
	return q.alter(ctx, id, func(e *Entry) (bool, error) {
		e.Due = time.Now().UTC()
		return false, nil
	})
}

// Hold keeps an entry from being sent until Release. An attempt that is under way goes on.
func (q *Queue) Hold(ctx context.Context, id string) error {
	return q.alter(ctx, id, func(e *Entry) (bool, error) {
		e.Held = true
		return false, nil
	})
}

// Release lets an entry go that Hold keeps.
func (q *Queue) Release(ctx context.Context, id string) error {
	return q.alter(ctx, id, func(e *Entry) (bool, error) {
		if e.Held {
			e.Held, e.Due = false, time.Now().UTC()
		}
		return false, nil
	})
}

// Drop removes an entry. With bounce the sender is told that it was not
// delivered, else nobody is.
func (q *Queue) Drop(ctx context.Context, id string, bounce bool) error {
	return q.alter(ctx, id, func(e *Entry) (bool, error) {
		if !bounce {
			return true, nil
		}
		now := time.Now()
		for i := range e.Recipients {
			if p := &e.Recipients[i]; p.State == Pending {
				p.settle(&Outcome{Status: "5.0.0", Text: "an administrator of this server removed it from the queue", Words: true}, now)
			}
		}
		e.Held, e.Due = false, now.UTC()
		return false, nil
	})
}

func (q *Queue) alter(ctx context.Context, id string, fn func(*Entry) (bool, error)) error {
	var due time.Time
	err := q.store.Update(ctx, storage.System, func(tx *storage.Tx) error {
		n, err := byID(&tx.View, id)
		if err != nil {
			return err
		}
		c, err := collection(&tx.View)
		if err != nil {
			return err
		}
		return change(tx, c, n, func(e *Entry) (bool, error) {
			gone, err := fn(e)
			due = e.Due
			return gone, err
		})
	})
	if err == nil {
		q.came(due)
		q.wake()
	}
	return err
}

// forgetDown has destinations that could not be reached tried again at once.
func (q *Queue) forgetDown() {
	r := q.running.Load()
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, d := range r.dests {
		d.down = nil
	}
}

// Stats are the queue's figures.
type Stats struct {
	Length   int           // entries that wait
	Bytes    int64         // of their content
	Oldest   time.Duration // age of the entry that has waited longest
	Active   int           // entries in memory
	Enqueued int64         // since the start, like all that follow
	Sent     int64         // recipients
	Deferred int64
	Failed   int64
	Reports  int64
}

// Stats returns the figures of now.
func (q *Queue) Stats(ctx context.Context) (s Stats, err error) {
	s.Enqueued, s.Sent, s.Deferred, s.Failed, s.Reports = q.enqueued.Load(), q.counts.sent.Load(), q.counts.deferred.Load(), q.counts.failed.Load(), q.counts.reports.Load()
	if r := q.running.Load(); r != nil {
		r.mu.Lock()
		s.Active = len(r.active)
		r.mu.Unlock()
	}
	err = q.store.View(ctx, storage.System, func(v *storage.View) error {
		c, err := collection(v)
		if c == 0 || err != nil {
			return err
		}
		x, err := v.Collection(c)
		if err != nil {
			return err
		}
		s.Length, s.Bytes = x.Count, x.Tally.Bytes
		if x.Count == 0 {
			return nil
		}
		t, err := v.Table(c)
		if err != nil || t.Len() == 0 {
			return err
		}
		e, _, err := read(v, t.At(0).Num)
		if errors.Is(err, storage.NotFound) {
			return nil
		}
		if err == nil {
			s.Oldest = time.Since(e.Created)
		}
		return err
	})
	return s, err
}

// Check finds what is broken in the queue: entries that cannot be read, content
// that is missing, index entries that lead nowhere.
func Check(v *storage.View, tell func(storage.Problem)) error {
	c, err := collection(v)
	if c == 0 || err != nil {
		return err
	}
	t, err := v.Table(c)
	if err != nil {
		return err
	}
	bad := func(format string, args ...any) {
		tell(storage.Problem{Account: storage.System, Collection: c, What: fmt.Sprintf(format, args...)})
	}
	for _, row := range t.Rows(0, t.Len()) {
		b, err := v.Facet(row.Object, facetEntry)
		if err == nil {
			var e *Entry
			if e, err = decodeEntry(row.Num, b); err == nil {
				if _, x := v.Index(c, dueKey(e.Due, row.Num)); errors.Is(x, storage.NotFound) != e.Held {
					bad("message %s waits and is in no index", e.ID)
				}
				continue
			}
		}
		bad("queue entry %d: %v", row.Num, err)
	}
	for k := range v.ScanIndex(c, dueRange(nil, time.Unix(1<<40, 0))) {
		_, n, ok := readDue(k)
		if _, there := t.Find(n); !ok || !there {
			bad("the index leads to entry %d, which is not there", n)
		}
	}
	return nil
}

// Summary is an entry in one line's words: state and the last answer.
func (e *Entry) Summary() string {
	var last *Outcome
	pending := 0
	for i := range e.Recipients {
		if p := &e.Recipients[i]; p.State == Pending {
			pending++
			if p.Last != nil {
				last = p.Last
			}
		}
	}
	var s string
	switch {
	case e.Held:
		s = "held"
	case pending == 0:
		s = "reporting"
	case e.Attempts == 0 && e.Due.After(time.Now()):
		s = "waits until " + e.Due.Format(time.RFC3339)
	default:
		s = "due " + e.Due.Format(time.RFC3339)
	}
	if last != nil {
		s += "; " + strings.TrimSpace(last.String())
	}
	return s
}
