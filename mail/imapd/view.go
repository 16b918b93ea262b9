package imapd

import (
	"errors"
	"slices"
	"sort"

	"github.com/emersion/go-imap/v2"

	"atrium/mail"
	"atrium/mail/imapd/wire"
	"atrium/storage"
)

// view is a session's picture of the selected mailbox: what the client was
// told. Message numbers count the messages in cur and, among them in the
// order of UIDs, those in gone. It is the only writer of EXISTS, EXPUNGE, VANISHED and of
// flags that were not asked for.
//
// While it rests it knows the mailbox's head only: numbers are not needed to wait.
type view struct {
	c        *session
	account  *mail.Account
	box      mail.Mailbox                // at the last sync
	cur      *mail.Snapshot              // the same, with its messages; nil while the view rests
	gone     []imap.UID                  // ascending: went, and the client was not told
	goneSeq  []uint32                    // the numbers of gone; nil: not counted yet
	changed  []imap.UID                  // ascending: flags changed, and the client was not told
	recent   wire.Set                    // UIDs that are \Recent in this session
	saved    wire.Set                    // UIDs that the last search saved (RFC 5182)
	batches  map[batchRequest]batchAsked // what UIDBATCHES asked for
	contexts []*searchContext            // searches that are kept up to date (RFC 5267)
	dirty    []imap.UID                  // ascending: came or changed, and the contexts were not asked
	mine     imap.UIDSet                 // new, and by this session (RFC 5465 §5.2)
	readOnly bool
}

// open makes the view of a mailbox. It reads the mailbox's head only.
func (c *session) open(a *mail.Account, m *mail.Mailbox, readOnly bool) *view {
	v := &view{c: c, account: a, box: *m, readOnly: readOnly}
	v.claimRecent(m.UIDNext)
	return v
}

// claimRecent makes those of the messages before next \Recent here that are in no session yet.
func (v *view) claimRecent(next imap.UID) {
	if v.c.has(rev2On) {
		return
	}
	from := v.c.server.claimRecent(v.c.Context(), v.box.Owner, v.box.ID, next, v.readOnly)
	if from < next {
		v.recent = append(v.recent, wire.Range{From: uint32(from), To: uint32(next) - 1}).Sorted()
	}
}

// countRecent counts the messages that are \Recent and still there.
func (v *view) countRecent() (n int, err error) {
	if len(v.recent) == 0 {
		return 0, nil
	}
	if err := v.need(); err != nil {
		return 0, err
	}
	for _, x := range v.recent {
		from, _ := v.cur.Find(imap.UID(x.From))
		to, exact := v.cur.Find(imap.UID(x.To))
		n += to - from
		if exact {
			n++
		}
	}
	return n, nil
}

// count is the number of messages that the client knows of.
func (v *view) count() int { return v.box.Exists + len(v.gone) }

// rest lets go of the snapshot, so that a waiting session does not keep memory.
func (v *view) rest() {
	if len(v.gone) == 0 && len(v.changed) == 0 && len(v.dirty) == 0 && v.c.selectedEvents() != 0 {
		v.cur, v.goneSeq, v.changed, v.gone = nil, nil, nil, nil
	}
}

// need makes sure that cur is there.
func (v *view) need() error {
	for range 10 {
		if v.cur != nil {
			return nil
		}
		s, err := v.account.Snapshot(v.c.Context(), v.box.ID)
		if err != nil {
			return v.lost(err)
		}
		if s.Modseq == v.box.Modseq {
			v.cur, v.box = s, s.Mailbox
			return nil
		}
		if err := v.sync(false); err != nil { // numbers are told from what the client knows
			return err
		}
	}
	return errGone
}

// lost turns the failure of a mailbox that is not there any more, or that the
// user may not read any more, into errGone. Who may read it lacks a right
// for more than that.
func (v *view) lost(err error) error {
	if !errors.Is(err, storage.NotFound) && !errors.Is(err, storage.Forbidden) {
		return err
	}
	if _, _, gone := v.account.Sync(v.c.Context(), &mail.Snapshot{Mailbox: v.box}); gone == nil {
		return storage.Forbidden
	}
	return errGone
}

// sync takes up what happened in the mailbox. New messages are told at once, so
// that all in cur have numbers; what went is told if expunge allows, else noted in gone, what changed
// is noted in changed.
func (v *view) sync(expunge bool) error {
	old := v.cur
	if old == nil {
		old = &mail.Snapshot{Mailbox: v.box}
	}
	now, ch, err := v.account.Sync(v.c.Context(), old)
	if err != nil {
		return v.lost(err)
	}
	if now == old {
		return nil
	}
	if ch == nil {
		if v.cur == nil {
			return errGone // the log does not reach back: nothing tells what the client knows
		}
		ch = compare(old, now)
	}
	next := v.box.UIDNext
	gone := below(ch.Vanished, next)
	if len(gone) > 0 {
		v.gone = merge(v.gone, gone)
		v.changed = without(v.changed, gone)
	}
	v.changed = merge(v.changed, below(ch.Changed, next))
	v.goneSeq = nil
	keywords, rights := v.box.Keywords, v.box.Rights
	v.cur, v.box = now, now.Mailbox
	if !slices.Equal(keywords, v.box.Keywords) || rights != v.box.Rights {
		v.writeFlagLists()
	}
	if err := v.note(gone, below(ch.Changed, next), next); err != nil {
		return err
	}
	if expunge && len(v.gone) > 0 {
		v.writeGone()
	}
	if v.box.UIDNext > next {
		return v.writeExists(next)
	}
	return nil
}

// compare finds by comparison what the log does not tell any more.
func compare(old, now *mail.Snapshot) *mail.Changes {
	ch := &mail.Changes{Modseq: now.Modseq}
	for _, m := range old.Messages(0, old.Len()) {
		if _, ok := now.Find(m.UID); !ok {
			ch.Vanished = append(ch.Vanished, m.UID)
		}
	}
	for _, m := range now.Messages(0, now.Len()) {
		if m.Modseq > old.Modseq {
			ch.Changed = append(ch.Changed, m.UID)
		}
	}
	return ch
}

// update brings the client up to date: what went (only with expunge), what is new, what changed.
func (v *view) update(expunge bool) error {
	if err := v.sync(expunge); err != nil {
		return err
	}
	if expunge && len(v.gone) > 0 {
		v.writeGone()
	}
	if len(v.changed) > 0 {
		if err := v.writeChanged(); err != nil {
			return err
		}
	}
	return v.tellContexts()
}

// writeExists tells that there are messages from UID next on.
func (v *view) writeExists(next imap.UID) error {
	if err := v.need(); err != nil {
		return err
	}
	v.claimRecent(v.box.UIDNext)
	if pos, _ := v.cur.Find(next); pos == v.cur.Len() {
		return nil // they came and went
	}
	v.c.untagged("%d EXISTS", v.count())
	if !v.c.has(rev2On) {
		n, err := v.countRecent()
		if err != nil {
			return err
		}
		v.c.untagged("%d RECENT", n)
	}
	pos, _ := v.cur.Find(next)
	return v.c.newMessages(pos)
}

// writeGone tells what went (RFC 9051 §7.5.1; RFC 7162 §3.2.10).
func (v *view) writeGone() {
	buf := v.c.server.buffer()
	defer v.c.server.release(buf)
	b := (*buf)[:0]
	if v.c.has(qresyncOn | uidOnlyOn) {
		b = append(b, "* VANISHED "...)
		b = wire.AppendSet(b, runs(v.gone))
		b = append(b, '\r', '\n')
	} else {
		for _, uid := range v.gone {
			// Those before it are told already: its number is its place among what is left.
			rank := 0
			if v.cur != nil {
				rank, _ = v.cur.Find(uid)
			}
			b = append(b, '*', ' ')
			b = wire.AppendUint(b, uint64(rank+1))
			b = append(b, " EXPUNGE\r\n"...)
			if len(b) > bufSize-64 {
				v.c.Write(b)
				b = b[:0]
			}
		}
	}
	v.c.Write(b)
	v.gone, v.goneSeq = nil, nil
}

// writeChanged tells the flags that changed.
func (v *view) writeChanged() error {
	if err := v.need(); err != nil {
		return err
	}
	f := v.c.newFetch(&fetchArgs{})
	defer f.end()
	for _, uid := range v.changed {
		if pos, ok := v.cur.Find(uid); ok {
			f.flagsChanged(pos, v.cur.At(pos), true)
		}
	}
	v.changed = nil
	return nil
}

// writeFlagLists writes FLAGS and PERMANENTFLAGS.
func (v *view) writeFlagLists() {
	b := append(v.c.AvailableBuffer(1024), "* FLAGS "...)
	names := v.box.Keywords.Names(nil, ^mail.Flags(0))
	b = wire.AppendFlags(b, names)
	b = append(b, "\r\n* OK [PERMANENTFLAGS "...)
	b = wire.AppendFlags(b, v.permanent(names))
	b = append(b, "] Limited\r\n"...)
	v.c.Write(b)
}

// permanent is those of the flags that the client may change; \* says that it may make keywords.
func (v *view) permanent(names []imap.Flag) []imap.Flag {
	if v.readOnly {
		return nil
	}
	system, keywords, more := v.box.PermanentFlags()
	var out []imap.Flag
	for _, name := range names {
		if f := v.box.Keywords.Find(name); f&mail.System != 0 && system&f == 0 || f&mail.System == 0 && !keywords {
			continue
		}
		out = append(out, name)
	}
	if more {
		out = append(out, imap.FlagWildcard)
	}
	return out
}

// below returns those of ascending UIDs that are lower than next.
func below(uids []imap.UID, next imap.UID) []imap.UID {
	return uids[:sort.Search(len(uids), func(i int) bool { return uids[i] >= next })]
}

// merge joins two ascending lists.
func merge(a, b []imap.UID) []imap.UID {
	if len(a) == 0 {
		return b
	}
	if len(b) == 0 {
		return a
	}
	out := make([]imap.UID, 0, len(a)+len(b))
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case j == len(b) || i < len(a) && a[i] < b[j]:
			out = append(out, a[i])
			i++
		case i == len(a) || b[j] < a[i]:
			out = append(out, b[j])
			j++
		default:
			out = append(out, a[i])
			i, j = i+1, j+1
		}
	}
	return out
}

// without returns a without what is in b, both ascending.
func without(a, b []imap.UID) []imap.UID {
	if len(a) == 0 || len(b) == 0 {
		return a
	}
	out := a[:0:0]
	j := 0
	for _, x := range a {
		for j < len(b) && b[j] < x {
			j++
		}
		if j < len(b) && b[j] == x {
			continue
		}
		out = append(out, x)
	}
	return out
}

// runs turns ascending UIDs into a set.
func runs(uids []imap.UID) wire.Set {
	var s wire.Set
	for _, uid := range uids {
		s.Add(uint32(uid))
	}
	return s
}
