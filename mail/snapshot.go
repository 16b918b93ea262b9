package mail

import (
	"context"
	"errors"
	"iter"
	"sync"

	"github.com/emersion/go-imap/v2"

	"atrium/storage"
)

// Snapshot is a mailbox and all its messages at one moment. It never changes,
// may be used by many goroutines, and shares its memory with all others of the
// mailbox. Positions count from 0 in the order of UIDs: a message's sequence
// number, were it not for what a connection has not been told yet, is its position
// plus 1.
type Snapshot struct {
	Mailbox
	table *storage.Table
	over  *overlay // of the actor, where \Seen is private and it marked something
	first imap.UID // of the unseen messages, where \Seen is private
	hint  *unseen
}

// Snapshot returns the mailbox as it is now. The actor needs Read.
func (a *Account) Snapshot(ctx context.Context, id ID) (s *Snapshot, err error) {
	err = a.view(ctx, func(v *storage.View) error {
		s, err = a.snapshot(v, id)
		return err
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (a *Account) snapshot(v *storage.View, id ID) (*Snapshot, error) {
	m, err := a.mailbox(v, id, storage.Read)
	if err != nil {
		return nil, err
	}
	t, err := v.Table(id)
	if err != nil {
		return nil, err
	}
	s := &Snapshot{Mailbox: m, table: t, hint: &a.store.unseen}
	if !m.PrivateSeen {
		return s, nil
	}
	st, err := a.seenState(v, &m)
	if err != nil {
		return nil, err
	}
	s.Unseen, s.over = st.n, st.over
	if st.n > 0 {
		s.first = st.unseen[0].Start
	}
	return s, nil
}

// Len is the number of messages.
func (s *Snapshot) Len() int { return s.table.Len() }

// At returns the message at a position, 0 <= pos < Len.
func (s *Snapshot) At(pos int) (m Message) {
	r := s.table.At(pos)
	decodeRow(&r, &m)
	m.Flags, m.Modseq = s.over.lay(m.UID, m.Flags, m.Modseq)
	return m
}

// Find returns the position of the first message whose UID is uid or higher,
// and whether it is uid. The position is Len when there is none.
func (s *Snapshot) Find(uid imap.UID) (pos int, exact bool) { return s.table.Find(storage.Num(uid)) }

// Messages yields the messages from position from to before position to.
func (s *Snapshot) Messages(from, to int) iter.Seq2[int, Message] {
	return func(yield func(int, Message) bool) {
		var m Message
		over := cursor{o: s.over}
		for pos, r := range s.table.Rows(from, to) {
			decodeRow(&r, &m)
			if over.o != nil {
				m.Flags, m.Modseq = over.lay(m.UID, m.Flags, m.Modseq)
			}
			if !yield(pos, m) {
				return
			}
		}
	}
}

// Flags yields UIDs and flags and nothing else, faster than Messages.
func (s *Snapshot) Flags(from, to int) iter.Seq2[imap.UID, Flags] {
	return func(yield func(imap.UID, Flags) bool) {
		over := cursor{o: s.over}
		for _, r := range s.table.Rows(from, to) {
			f := rowFlags(r.Data)
			if over.o != nil {
				f, _ = over.lay(imap.UID(r.Num), f, 0)
			}
			if !yield(imap.UID(r.Num), f) {
				return
			}
		}
	}
}

// In yields those of the messages whose UIDs are in the set, ascending.
func (s *Snapshot) In(uids imap.UIDSet) iter.Seq2[int, Message] {
	return func(yield func(int, Message) bool) {
		var m Message
		over := cursor{o: s.over}
		for pos, r := range rowsIn(s.table, clean(uids)) {
			decodeRow(&r, &m)
			if over.o != nil {
				m.Flags, m.Modseq = over.lay(m.UID, m.Flags, m.Modseq)
			}
			if !yield(pos, m) {
				return
			}
		}
	}
}

// rowsIn yields the rows whose numbers are in a clean set.
func rowsIn(t *storage.Table, uids imap.UIDSet) iter.Seq2[int, storage.Row] {
	return func(yield func(int, storage.Row) bool) {
		for _, run := range uids {
			pos, exact := t.Find(storage.Num(run.Start))
			if run.Start == run.Stop {
				if exact && !yield(pos, t.At(pos)) {
					return
				}
				continue
			}
			for pos, r := range t.Rows(pos, t.Len()) {
				if r.Num > storage.Num(run.Stop) {
					break
				}
				if !yield(pos, r) {
					return
				}
			}
		}
	}
}

// UsedFlags is the set of flags that the messages have. It looks at all of them.
func (s *Snapshot) UsedFlags() (f Flags) {
	for _, g := range s.Flags(0, s.Len()) {
		f |= g
	}
	return f
}

// FirstUnseen returns the position of the first message without \Seen, -1 when
// there is none. It is found once for all who look at the mailbox in this state.
func (s *Snapshot) FirstUnseen() int {
	if s.Unseen == 0 {
		return -1
	}
	if s.PrivateSeen {
		pos, _ := s.Find(s.first)
		return pos
	}
	k := mailboxKey{s.Owner, s.ID}
	if pos, ok := s.hint.get(k, s.Modseq); ok {
		return pos
	}
	for pos, r := range s.table.Rows(0, s.table.Len()) {
		if rowFlags(r.Data)&Seen == 0 {
			s.hint.put(k, s.Modseq, pos)
			return pos
		}
	}
	return -1
}

// FirstUnseen returns the position of the first message without \Seen, -1 when there is
// none, and the modseq that the mailbox had then. It reads few pages, however
// large the mailbox is. The actor needs Read.
func (a *Account) FirstUnseen(ctx context.Context, id ID) (pos int, modseq uint64, err error) {
	err = a.view(ctx, func(v *storage.View) error {
		c, err := a.allow(v, id, storage.Read)
		if err != nil {
			return err
		}
		k := mailboxKey{a.owner, id}
		modseq = c.Modseq
		m, err := newMailbox(c, storage.Read)
		if err != nil {
			return err
		}
		if m.PrivateSeen {
			pos, err = a.firstUnseen(v, &m)
			return err
		}
		var known bool
		if pos, known = a.store.unseen.get(k, modseq); known {
			return nil
		}
		if pos, err = v.FirstWith(id, func(t storage.Tally) bool { return t.A > 0 }); err == nil {
			a.store.unseen.put(k, modseq, pos)
		}
		return err
	})
	return pos, modseq, err
}

// firstUnseen is FirstUnseen where \Seen is private.
func (a *Account) firstUnseen(v *storage.View, m *Mailbox) (pos int, err error) {
	st, err := a.seenState(v, m)
	if err != nil || st.n == 0 {
		return -1, err
	}
	t, err := v.Table(m.ID)
	if err != nil {
		return 0, err
	}
	pos, _ = t.Find(storage.Num(st.unseen[0].Start))
	return pos, nil
}

type mailboxKey struct {
	owner storage.AccountID
	id    ID
}

// unseen remembers where the first unseen message of some mailboxes is.
type unseen struct {
	mu sync.Mutex
	m  map[mailboxKey]firstUnseen
}

type firstUnseen struct {
	modseq uint64
	pos    int
}

const maxUnseen = 4096 // mailboxes remembered

func (u *unseen) get(k mailboxKey, modseq uint64) (int, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	f, ok := u.m[k]
	return f.pos, ok && f.modseq == modseq
}

func (u *unseen) put(k mailboxKey, modseq uint64, pos int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.m == nil || len(u.m) >= maxUnseen {
		u.m = map[mailboxKey]firstUnseen{}
	}
	u.m[k] = firstUnseen{modseq, pos}
}

// Changes are the differences of a mailbox between two modseqs.
type Changes struct {
	Changed  []imap.UID // came or changed their flags since, ascending
	Vanished []imap.UID // went since, and existed then, ascending
	Passed   []imap.UID // came since and are gone again, ascending: who looked in between may know them
	Modseq   uint64     // what the next call passes as since
	More     bool       // the limit cut it: ask again with Modseq
}

// Changes tells what happened to a mailbox since a modseq; limit bounds the
// number of messages, by whole transactions (0: none). It costs what changed, not what the
// mailbox holds. The actor needs Read. Expired when the log does not reach back.
func (a *Account) Changes(ctx context.Context, id ID, since uint64, limit int) (ch *Changes, err error) {
	err = a.view(ctx, func(v *storage.View) error {
		coll, err := a.allow(v, id, storage.Read)
		if err != nil {
			return err
		}
		ch, err = a.changes(v, coll, since, limit)
		return err
	})
	return ch, err
}

func (a *Account) changes(v *storage.View, coll *storage.Collection, since uint64, limit int) (*Changes, error) {
	set, err := settingsOf(coll)
	if err != nil {
		return nil, err
	}
	c, err := v.Changes(coll.ID, since, limit)
	if err != nil {
		return nil, err
	}
	out := &Changes{Modseq: c.Modseq, More: c.More}
	if len(c.Changed) > 0 {
		out.Changed = make([]imap.UID, len(c.Changed))
		for i, n := range c.Changed {
			out.Changed[i] = imap.UID(n)
		}
	}
	if len(c.Gone) > 0 {
		out.Vanished = make([]imap.UID, len(c.Gone))
		for i := range c.Gone {
			out.Vanished[i] = imap.UID(c.Gone[i].Num)
		}
	}
	for i := range c.Passed {
		out.Passed = append(out.Passed, imap.UID(c.Passed[i].Num))
	}
	if set.options&privateSeen != 0 {
		err = a.personalChanges(v, coll.ID, since, out)
	}
	return out, err
}

// Sync returns the mailbox as it is now and what changed since old, from one
// view of the store. When nothing changed, neither messages nor name, settings or keywords, it
// returns old itself; when the log does not reach back to old, changes is nil, and the
// two snapshots are to be compared.
func (a *Account) Sync(ctx context.Context, old *Snapshot) (now *Snapshot, ch *Changes, err error) {
	err = a.view(ctx, func(v *storage.View) error {
		c, err := a.allow(v, old.ID, storage.Read)
		if err != nil {
			return err
		}
		if c.Modseq == old.Modseq && c.Meta == old.Meta {
			now, ch = old, &Changes{Modseq: old.Modseq}
			return nil
		}
		if now, err = a.snapshot(v, old.ID); err != nil {
			return err
		}
		ch, err = a.changes(v, c, old.Modseq, 0)
		if errors.Is(err, storage.Expired) {
			ch, err = nil, nil
		}
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	return now, ch, nil
}

// SyncTo returns the mailbox as it is now when that is as it was at modseq and nothing but messages' flags
// changed since old; nil otherwise. It is Sync for a caller who made the changes and needs not be told.
func (a *Account) SyncTo(ctx context.Context, old *Snapshot, modseq uint64) (now *Snapshot, err error) {
	err = a.view(ctx, func(v *storage.View) error {
		c, err := a.allow(v, old.ID, storage.Read)
		if err != nil || c.Modseq != modseq || c.Meta != old.Meta || c.Next != storage.Num(old.UIDNext) {
			return err
		}
		now, err = a.snapshot(v, old.ID)
		return err
	})
	if err != nil || now == nil || now.Rights != old.Rights || now.Len() != old.Len() {
		return nil, err
	}
	return now, nil
}
