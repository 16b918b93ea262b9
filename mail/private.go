package mail

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/emersion/go-imap/v2"

	"atrium/storage"
)

// SeenEntry is the metadata entry that says whose \Seen a mailbox keeps: its
// value is SeenShared, one for all, or SeenPrivate, one for each who reads it
// (RFC 4314 §4 leaves that to the server). A new mailbox takes it from the one
// above it, or from its account. Administer is needed to change it. From shared to
// private nothing changes for anyone at first; from private to shared a message
// is seen when any one of them has seen it.
const (
	SeenEntry   = "/shared/vendor/atrium/seen"
	SeenPrivate = "private"
	SeenShared  = "shared"
)

// privateSeen is the option of a mailbox that keeps \Seen for each user apart.
const privateSeen = 1 << 0

// seenRecord, when it is there, says that new mailboxes of the account keep \Seen private.
const seenRecord = "mail/private-seen"

// seenState is what an actor has not seen of a mailbox at one modseq. It never changes.
type seenState struct {
	modseq uint64 // the mailbox's
	over   *overlay
	unseen imap.UIDSet // messages that are there, ascending runs that do not touch
	n      int         // of them
}

type seenStateKey struct {
	mailboxKey
	actor storage.AccountID
}

// seenStates remembers some of them.
type seenStates struct {
	mu sync.Mutex
	m  map[seenStateKey]*seenState
}

const maxSeenStates = 256

func (s *seenStates) get(k seenStateKey) *seenState {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.m[k]
}

func (s *seenStates) put(k seenStateKey, st *seenState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.m[k]; old != nil && old.modseq > st.modseq {
		return
	}
	if s.m == nil {
		s.m = map[seenStateKey]*seenState{}
	}
	if len(s.m) >= maxSeenStates && s.m[k] == nil {
		for other := range s.m {
			delete(s.m, other)
			break
		}
	}
	s.m[k] = st
}

// knownSeen is the overlay of the actor that is in memory, of whatever age.
func (a *Account) knownSeen(id ID) *overlay {
	if st := a.store.seen.get(seenStateKey{mailboxKey{a.owner, id}, a.actor}); st != nil {
		return st.over
	}
	return nil
}

// seenState returns what the actor has not seen of a mailbox with \Seen apart, as
// v shows it. It costs what changed since the last time. v is no transaction's.
func (a *Account) seenState(v *storage.View, m *Mailbox) (*seenState, error) {
	k := seenStateKey{mailboxKey{a.owner, m.ID}, a.actor}
	old := a.store.seen.get(k)
	if old != nil && old.modseq == m.Modseq {
		return old, nil
	}
	st := &seenState{modseq: m.Modseq}
	var known *overlay
	if old != nil {
		known = old.over
	}
	var err error
	if st.over, err = readSeen(v, m.ID, a.actor, known); err != nil {
		return nil, err
	}
	t, err := v.Table(m.ID)
	if err != nil {
		return nil, err
	}
	if old == nil || old.modseq > m.Modseq || !st.follow(v, t, m.ID, old) {
		st.recount(t)
	}
	a.store.seen.put(k, st)
	return st, nil
}

// recount looks at all messages.
func (st *seenState) recount(t *storage.Table) {
	s := Snapshot{table: t, over: st.over}
	st.unseen, st.n = nil, 0
	for uid, f := range s.Flags(0, s.Len()) {
		if f&Seen == 0 {
			st.unseen = addUID(st.unseen, uid)
			st.n++
		}
	}
}

// maxFollow is how many changes are followed one by one.
const maxFollow = 512

// follow makes the state of an older one and what changed since; false when that is too much.
func (st *seenState) follow(v *storage.View, t *storage.Table, id ID, old *seenState) bool {
	ch, err := v.Changes(id, old.modseq, maxFollow)
	if err != nil || ch.More || len(ch.Changed)+len(ch.Gone) > maxFollow {
		return false
	}
	touched := make([]imap.UID, 0, len(ch.Changed)+len(ch.Gone))
	for _, n := range ch.Changed {
		touched = append(touched, imap.UID(n))
	}
	for i := range ch.Gone {
		touched = append(touched, imap.UID(ch.Gone[i].Num))
	}
	if st.over != nil {
		touched = append(touched, st.over.since(old.modseq, st.modseq)...)
	}
	if len(touched) > 2*maxFollow {
		return false
	}
	slices.Sort(touched)
	touched = slices.Compact(touched)
	out := make(imap.UIDSet, 0, len(old.unseen)+8)
	runs := old.unseen
	var rest imap.UIDRange         // of the run at work, what is not copied yet
	take := func(until imap.UID) { // copies what is below until
		for {
			if rest.Start == 0 {
				if len(runs) == 0 {
					return
				}
				rest, runs = runs[0], runs[1:]
			}
			if rest.Start >= until {
				return
			}
			if rest.Stop >= until {
				out = addRange(out, imap.UIDRange{Start: rest.Start, Stop: until - 1})
				rest.Start = until
				return
			}
			out = addRange(out, rest)
			rest = imap.UIDRange{}
		}
	}
	st.n = old.n
	for _, uid := range touched {
		take(uid)
		if rest.Start == uid { // it was unseen
			st.n--
			if rest.Start++; rest.Start > rest.Stop {
				rest = imap.UIDRange{}
			}
		}
		if pos, ok := t.Find(storage.Num(uid)); ok {
			if f, _ := st.over.lay(uid, rowFlags(t.At(pos).Data), 0); f&Seen == 0 {
				out = addRange(out, imap.UIDRange{Start: uid, Stop: uid})
				st.n++
			}
		}
	}
	if rest.Start != 0 {
		out = addRange(out, rest)
	}
	for _, r := range runs {
		out = addRange(out, r)
	}
	st.unseen = out
	return true
}

// personal makes of a mailbox what the actor sees of it.
func (a *Account) personal(v *storage.View, m *Mailbox) error {
	if !m.PrivateSeen || !m.Rights.Has(storage.Read) {
		return nil
	}
	st, err := a.seenState(v, m)
	if err == nil {
		m.Unseen = st.n
	}
	return err
}

// personalChanges adds to changes of rows what the actor marked.
func (a *Account) personalChanges(v *storage.View, id ID, since uint64, ch *Changes) error {
	over, err := readSeen(v, id, a.actor, a.knownSeen(id))
	if err != nil || over == nil {
		return err
	}
	marked := over.since(since, ch.Modseq)
	if len(marked) == 0 {
		return nil
	}
	t, err := v.Table(id)
	if err != nil {
		return err
	}
	marked = slices.DeleteFunc(marked, func(uid imap.UID) bool {
		_, ok := t.Find(storage.Num(uid))
		return !ok
	})
	all := append(marked, ch.Changed...)
	slices.Sort(all)
	ch.Changed = slices.Compact(all)
	return nil
}

// ownSeen returns what the actor marked in a mailbox, nil where \Seen is shared.
func (a *Account) ownSeen(v *storage.View, m *Mailbox) (*overlay, error) {
	if !m.PrivateSeen {
		return nil, nil
	}
	over, err := readSeen(v, m.ID, a.actor, a.knownSeen(m.ID))
	if err == nil && over == nil {
		over = &overlay{}
	}
	return over, err
}

// SetPrivateSeen says whose \Seen a mailbox keeps: each user's own, or one for
// all (see SeenEntry). With 0 it is the account's setting: of all its mailboxes, and of those to come.
// The actor needs Administer.
func (a *Account) SetPrivateSeen(ctx context.Context, id ID, private bool) error {
	if id != 0 {
		return a.setPrivateSeen(ctx, id, private)
	}
	var all []Mailbox
	err := a.update(ctx, func(tx *storage.Tx) (err error) {
		if a.actor != a.owner {
			return fmt.Errorf("setting of the account: %w", storage.Forbidden)
		}
		if all, err = a.mailboxes(&tx.View); err != nil {
			return err
		}
		var value []byte
		if private {
			value = []byte{1}
		}
		return tx.SetRecord(seenRecord, value)
	})
	for i := range all {
		if err == nil {
			err = a.setPrivateSeen(ctx, all[i].ID, private)
		}
	}
	return err
}

func (a *Account) setPrivateSeen(ctx context.Context, id ID, private bool) error {
	fold := false
	err := a.update(ctx, func(tx *storage.Tx) (err error) {
		fold, err = a.setPrivateSeenTx(tx, id, private)
		return err
	})
	if err == nil && fold {
		err = a.foldSeen(ctx, id)
	}
	return err
}

// setPrivateSeenTx is SetPrivateSeen in a transaction; with fold, foldSeen is to follow.
func (a *Account) setPrivateSeenTx(tx *storage.Tx, id ID, private bool) (fold bool, err error) {
	c, err := a.allow(&tx.View, id, storage.Administer)
	if err != nil {
		return false, err
	}
	s, err := settingsOf(c)
	if err != nil {
		return false, err
	}
	actors, err := seenActors(&tx.View, id)
	if err != nil {
		return false, err
	}
	is := s.options&privateSeen != 0
	if private && !is && len(actors) > 0 {
		return false, fmt.Errorf("mailbox %q: \\Seen is being made shared still: %w", c.Name, storage.Unavailable)
	}
	if is != private {
		s.options ^= privateSeen
		if err := tx.SetData(id, s.encode()); err != nil {
			return false, err
		}
		if err := tx.Advance(id); err != nil {
			return false, err
		}
	}
	return !private && len(actors) > 0, nil
}

// foldPages bounds a batch of foldSeen.
const foldPages = 16

// foldSeen makes what users marked apart the rows' \Seen: a message is seen
// when any one saw it. Each message that was marked gets a new modseq, so that all learn of
// it. Each batch is correct alone, and what a failure left is done by the next call.
func (a *Account) foldSeen(ctx context.Context, id ID) error {
	for more := true; more; {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := a.update(ctx, func(tx *storage.Tx) (err error) {
			more, err = a.foldSome(tx, id)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (a *Account) foldSome(tx *storage.Tx, id ID) (more bool, err error) {
	c, err := a.allow(&tx.View, id, 0)
	if err != nil {
		return false, err
	}
	if s, err := settingsOf(c); err != nil || s.options&privateSeen != 0 {
		return false, err
	}
	actors, err := seenActors(&tx.View, id)
	if err != nil {
		return false, err
	}
	overs := make([]*overlay, len(actors))
	var nos []uint32
	for i, actor := range actors {
		if overs[i], err = readSeen(&tx.View, id, actor, nil); err != nil || overs[i] == nil {
			return false, errors.Join(err, storage.Corrupt)
		}
		for _, p := range overs[i].pages {
			nos = append(nos, p.no)
		}
	}
	slices.Sort(nos)
	nos = slices.Compact(nos)
	if more = len(nos) > foldPages; more {
		nos = nos[:foldPages]
	}
	last := uint32(1<<32 - 1)
	if more {
		last = nos[len(nos)-1]
	}
	union := map[imap.UID]bool{}
	for i, over := range overs {
		n := 0
		for ; n < len(over.pages) && over.pages[n].no <= last; n++ {
			for _, r := range over.pages[n].runs {
				for uid := r.first; uid <= r.last; uid++ {
					union[uid] = union[uid] || r.seen
				}
			}
			if err := tx.SetIndex(id, seenPageKey(actors[i], over.pages[n].no), nil); err != nil {
				return false, err
			}
		}
		var head []byte
		if rest := (&overlay{pages: over.pages[n:]}); len(rest.pages) > 0 {
			head = rest.encodeHead()
		}
		if err := tx.SetIndex(id, seenKey(actors[i]), head); err != nil {
			return false, err
		}
	}
	return more, foldRows(tx, id, union)
}

func foldRows(tx *storage.Tx, id ID, union map[imap.UID]bool) error {
	uids := make([]imap.UID, 0, len(union))
	for uid := range union {
		uids = append(uids, uid)
	}
	slices.Sort(uids)
	for _, uid := range uids {
		row, err := tx.Row(id, storage.Num(uid))
		if errors.Is(err, storage.NotFound) {
			continue
		}
		if err != nil {
			return err
		}
		f := rowFlags(row.Data)
		if union[uid] {
			f |= Seen
		}
		data, ok := withFlags(row.Data, f)
		if !ok {
			return fmt.Errorf("message %d of mailbox %d: %w", uid, id, storage.Corrupt)
		}
		if err := tx.Set(id, row.Num, 0, data); err != nil {
			return err
		}
	}
	return nil
}

// inheritOptions returns the options of a mailbox to be made below parent, 0 for none.
func inheritOptions(tx *storage.Tx, parent ID) (uint64, error) {
	if parent != 0 {
		c, err := tx.Collection(parent)
		if err != nil {
			return 0, err
		}
		s, err := settingsOf(c)
		return s.options & privateSeen, err
	}
	_, err := tx.Record(seenRecord)
	switch {
	case err == nil:
		return privateSeen, nil
	case errors.Is(err, storage.NotFound):
		return 0, nil
	}
	return 0, err
}

// checkSeen proves what users marked apart in a mailbox.
func checkSeen(v *storage.View, c *storage.Collection, set *settings, say func(ID, string, ...any)) error {
	actors, err := seenActors(v, c.ID)
	if err != nil {
		say(c.ID, "%v", err)
		return nil
	}
	for _, actor := range actors {
		if set.options&privateSeen == 0 {
			say(c.ID, "\\Seen of account %d is kept apart, though \\Seen is shared: set it to shared once more", actor)
		}
		over, err := readSeen(v, c.ID, actor, nil)
		if err != nil {
			say(c.ID, "%v", err)
			continue
		}
		if over == nil {
			say(c.ID, "\\Seen of account %d: pages without a head", actor)
			continue
		}
		for _, p := range over.pages {
			top := uint64(0)
			for _, r := range p.runs {
				top = max(top, r.modseq)
				if r.last >= imap.UID(c.Next) {
					say(c.ID, "\\Seen of account %d: message %d is to come", actor, r.last)
				}
			}
			if top != p.modseq || top > c.Modseq {
				say(c.ID, "\\Seen of account %d, page %d: modseq %d of its runs, %d of the page, %d of the mailbox", actor, p.no, top, p.modseq, c.Modseq)
			}
		}
	}
	return nil
}
