package imapd

import (
	"sort"

	"github.com/emersion/go-imap/v2"

	"atrium/mail/imapd/wire"
)

// span is the positions in the view's snapshot from one to before another.
type span struct{ from, to int }

// numSet is the set of messages that a command names.
type numSet struct {
	set   wire.Set
	uid   bool // of UIDs, not numbers
	saved bool // "$", what the last search saved (RFC 5182)
}

// readSet reads a set of numbers or, in a UID command, of UIDs.
func (c *session) readSet(r *wire.Reader) numSet {
	if r.Peek() == '$' && c.server.reg.has("SEARCHRES") {
		r.Take('$')
		return numSet{saved: true}
	}
	return numSet{set: r.Set(), uid: c.uid}
}

// begin is for commands that name messages: news are told as far as the command
// allows, so that numbers and UIDs mean what is there now. Before numbers are understood no EXPUNGE
// comes, in MOVE neither: they are those that the client knew when it wrote them.
func (c *session) begin() error {
	if err := c.newsBut(!c.uid); err != nil {
		return err
	}
	return c.view.need()
}

// countGone numbers those that went and were not told.
func (v *view) countGone() {
	if v.goneSeq != nil || len(v.gone) == 0 {
		return
	}
	v.goneSeq = make([]uint32, len(v.gone))
	for i, uid := range v.gone {
		rank, _ := v.cur.Find(uid)
		v.goneSeq[i] = uint32(rank + i + 1)
	}
}

// goneBefore counts those gone whose number is lower than seq.
func (v *view) goneBefore(seq uint32) int {
	return sort.Search(len(v.goneSeq), func(i int) bool { return v.goneSeq[i] >= seq })
}

// seq is the number of the message with that position and UID; its UID where
// the client knows no numbers (UIDONLY).
func (v *view) seq(pos int, uid imap.UID) uint32 {
	if v.c.has(uidOnlyOn) {
		return uint32(uid)
	}
	if len(v.gone) == 0 {
		return uint32(pos + 1)
	}
	before := sort.Search(len(v.gone), func(i int) bool { return v.gone[i] >= uid })
	return uint32(pos + before + 1)
}

// resolve finds the messages of a set, in order. missing tells that the set names numbers of
// messages that are gone. Numbers that never were are BAD (RFC 9051 §9, seq-number).
func (v *view) resolve(n numSet) (spans []span, missing bool, err error) {
	if n.saved {
		return v.resolveUIDs(v.saved), false, nil
	}
	if n.uid {
		return v.resolveUIDs(n.set), false, nil
	}
	set := n.set
	count := uint32(v.count())
	v.countGone()
	for _, x := range set {
		if x.From > count || x.To > count {
			if count == 0 && x.To == 0 {
				continue // 1:* of an empty mailbox
			}
			return nil, false, bad("There is no message with that number")
		}
	}
	for _, x := range set.Resolve(count) {
		before, upTo := v.goneBefore(x.From), v.goneBefore(x.To+1)
		missing = missing || upTo > before
		s := span{int(x.From) - 1 - before, int(x.To) - upTo}
		if s.from < s.to {
			spans = append(spans, s)
		}
	}
	return spans, missing, nil
}

// known leaves of a set of numbers those that are in use: as a key of SEARCH others match nothing.
func (v *view) known(n numSet) numSet {
	if n.uid || n.saved {
		return n
	}
	count := uint32(v.count())
	return numSet{set: subtract(n.set.Resolve(count), wire.Set{{From: count + 1, To: ^uint32(0)}})}
}

func (v *view) resolveUIDs(set wire.Set) (spans []span) {
	n := v.cur.Len()
	if n == 0 {
		return nil
	}
	last := v.cur.At(n - 1).UID
	for _, x := range set.Resolve(uint32(last)) {
		from, _ := v.cur.Find(imap.UID(x.From))
		to, exact := v.cur.Find(imap.UID(x.To))
		if exact {
			to++
		}
		if from < to {
			spans = append(spans, span{from, to})
		}
	}
	return spans
}

// uids returns the UIDs of spans: no other message lies between those of one.
func (v *view) uids(spans []span) imap.UIDSet {
	out := make(imap.UIDSet, 0, len(spans))
	for _, s := range spans {
		out = append(out, imap.UIDRange{Start: v.cur.At(s.from).UID, Stop: v.cur.At(s.to - 1).UID})
	}
	return out
}

// numbers turns UIDs into the numbers or UIDs that the client is told.
func (v *view) numbers(set imap.UIDSet, uid bool) wire.Set {
	if uid {
		return fromUIDSet(set)
	}
	var out wire.Set
	for pos, m := range v.cur.In(set) {
		out.Add(v.seq(pos, m.UID))
	}
	return out
}

// errIssued is the answer to numbers of messages that are gone (RFC 5530 §3).
func errIssued() error { return no("EXPUNGEISSUED", "Some of the messages no longer exist") }
