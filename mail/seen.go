package mail

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sort"

	"github.com/emersion/go-imap/v2"

	"atrium/storage"
	"atrium/storage/kv"
)

// Where a mailbox keeps \Seen for each user apart, the rows' \Seen is what a message
// began with, for all alike; what an actor made of it since is laid over the
// rows when that actor looks: for each message that it marked, a state and the
// modseq of the mark. Marks lie in pages of seenPageUIDs UIDs, each a list of runs, in the
// index of the mailbox's collection:
//
//	's' actor       head: the numbers and modseqs of the actor's pages
//	's' actor page  page
//
// Marks of messages that went stay: their UIDs are never used again. Each
// change of marks advances the mailbox's modseq, so that MODSEQ of a message, the higher
// one of its row's and its mark's, is never above HIGHESTMODSEQ.
const (
	seenTag      = 's'
	seenVersion  = 1
	seenPageUIDs = 512
)

// seenRun says that the messages from first to last were marked at modseq.
type seenRun struct {
	first, last imap.UID
	seen        bool
	modseq      uint64
}

// seenPage has the marks of the UIDs whose number by seenPageUIDs is no. It never changes.
type seenPage struct {
	no     uint32
	modseq uint64 // of its last change
	runs   []seenRun
}

// overlay is all that one actor marked in one mailbox. It never changes.
type overlay struct {
	pages []*seenPage // by number
}

// mark is a mark to be set.
type mark struct {
	uid  imap.UID
	seen bool
}

func pageOf(uid imap.UID) uint32 { return uint32(uid) / seenPageUIDs }

func seenKey(actor storage.AccountID) []byte {
	return binary.BigEndian.AppendUint64(append(make([]byte, 0, 13), seenTag), uint64(actor))
}

func seenPageKey(actor storage.AccountID, no uint32) []byte {
	return binary.BigEndian.AppendUint32(seenKey(actor), no)
}

// find returns an actor's mark of a message.
func (o *overlay) find(uid imap.UID) (r *seenRun, ok bool) {
	no := pageOf(uid)
	i := sort.Search(len(o.pages), func(i int) bool { return o.pages[i].no >= no })
	if i == len(o.pages) || o.pages[i].no != no {
		return nil, false
	}
	runs := o.pages[i].runs
	j := sort.Search(len(runs), func(j int) bool { return runs[j].last >= uid })
	if j == len(runs) || runs[j].first > uid {
		return nil, false
	}
	return &runs[j], true
}

// lay returns the flags and the modseq that the actor sees of a row's.
func (o *overlay) lay(uid imap.UID, f Flags, modseq uint64) (Flags, uint64) {
	if o == nil {
		return f, modseq
	}
	if r, ok := o.find(uid); ok {
		return r.lay(f), max(modseq, r.modseq)
	}
	return f, modseq
}

func (r *seenRun) lay(f Flags) Flags {
	if r.seen {
		return f | Seen
	}
	return f &^ Seen
}

// cursor lays an overlay over messages in the order of their UIDs.
type cursor struct {
	o    *overlay
	page int
	run  int
}

func (c *cursor) lay(uid imap.UID, f Flags, modseq uint64) (Flags, uint64) {
	for c.page < len(c.o.pages) {
		runs := c.o.pages[c.page].runs
		for c.run < len(runs) && runs[c.run].last < uid {
			c.run++
		}
		if c.run == len(runs) {
			c.page, c.run = c.page+1, 0
			continue
		}
		if r := &runs[c.run]; r.first <= uid {
			return r.lay(f), max(modseq, r.modseq)
		}
		break
	}
	return f, modseq
}

// since returns the UIDs that were marked after one modseq and not after another, ascending.
func (o *overlay) since(after, until uint64) (list []imap.UID) {
	for _, p := range o.pages {
		if p.modseq <= after {
			continue
		}
		for _, r := range p.runs {
			if r.modseq <= after || r.modseq > until {
				continue
			}
			for uid := r.first; uid <= r.last; uid++ {
				list = append(list, uid)
			}
		}
	}
	return list
}

// readSeen returns what an actor marked, nil for nothing. Pages that known has in the same version are
// taken from there.
func readSeen(v *storage.View, id ID, actor storage.AccountID, known *overlay) (*overlay, error) {
	b, err := v.Index(id, seenKey(actor))
	if errors.Is(err, storage.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	o, err := decodeSeenHead(b)
	if err != nil {
		return nil, fmt.Errorf("\\Seen of account %d in mailbox %d: %w", actor, id, err)
	}
	j := 0
	for i, p := range o.pages {
		if known != nil {
			for j < len(known.pages) && known.pages[j].no < p.no {
				j++
			}
			if j < len(known.pages) && known.pages[j].no == p.no && known.pages[j].modseq == p.modseq {
				o.pages[i] = known.pages[j]
				continue
			}
		}
		b, err := v.Index(id, seenPageKey(actor, p.no))
		if err == nil {
			p.runs, err = decodeSeenPage(p.no, b)
		}
		if err != nil {
			return nil, fmt.Errorf("\\Seen of account %d in mailbox %d, page %d: %w", actor, id, p.no, err)
		}
	}
	return o, nil
}

func (o *overlay) encodeHead() []byte {
	b := append(make([]byte, 0, 8+6*len(o.pages)), seenVersion)
	b = binary.AppendUvarint(b, uint64(len(o.pages)))
	prev := uint32(0)
	for _, p := range o.pages {
		b = binary.AppendUvarint(b, uint64(p.no-prev))
		b = binary.AppendUvarint(b, p.modseq)
		prev = p.no
	}
	return b
}

// uvarints reads numbers; ok is false after the first that is not there.
type uvarints struct {
	b  []byte
	ok bool
}

func (u *uvarints) next() uint64 {
	v, n := binary.Uvarint(u.b)
	if n <= 0 {
		u.b, u.ok = nil, false
		return 0
	}
	u.b = u.b[n:]
	return v
}

func decodeSeenHead(b []byte) (*overlay, error) {
	if len(b) == 0 || b[0] != seenVersion {
		return nil, storage.Corrupt
	}
	u := uvarints{b[1:], true}
	n := u.next()
	if n > uint64(len(u.b))/2 {
		return nil, storage.Corrupt
	}
	o := &overlay{pages: make([]*seenPage, n)}
	no := uint64(0)
	for i := range o.pages {
		step := u.next()
		if no += step; no > 1<<32/seenPageUIDs || i > 0 && step == 0 {
			return nil, storage.Corrupt
		}
		o.pages[i] = &seenPage{no: uint32(no), modseq: u.next()}
	}
	if !u.ok || len(u.b) > 0 {
		return nil, storage.Corrupt
	}
	return o, nil
}

// A page: version, then for each run its distance from the end of the one before it, its
// length less one, its modseq, and the state in the lowest bit of that.
func (p *seenPage) encode() []byte {
	b := append(make([]byte, 0, 2+8*len(p.runs)), seenVersion)
	at := uint64(p.no) * seenPageUIDs
	for _, r := range p.runs {
		b = binary.AppendUvarint(b, uint64(r.first)-at)
		b = binary.AppendUvarint(b, uint64(r.last-r.first))
		m := r.modseq << 1
		if r.seen {
			m |= 1
		}
		b = binary.AppendUvarint(b, m)
		at = uint64(r.last) + 1
	}
	return b
}

func decodeSeenPage(no uint32, b []byte) ([]seenRun, error) {
	if len(b) == 0 || b[0] != seenVersion {
		return nil, storage.Corrupt
	}
	u := uvarints{b[1:], true}
	at := uint64(no) * seenPageUIDs
	end := at + seenPageUIDs
	var runs []seenRun
	for len(u.b) > 0 {
		gap, length, m := u.next(), u.next(), u.next()
		if !u.ok || gap >= seenPageUIDs || length >= seenPageUIDs || at+gap+length >= end {
			return nil, storage.Corrupt
		}
		first := at + gap
		runs = append(runs, seenRun{imap.UID(first), imap.UID(first + length), m&1 != 0, m >> 1})
		at = first + length + 1
	}
	return runs, nil
}

// with returns the page with marks, which are ascending and of its UIDs.
func (p *seenPage) with(marks []mark, modseq uint64) *seenPage {
	first := imap.UID(p.no) * seenPageUIDs
	var all [seenPageUIDs]seenRun // by UID; modseq 0: no mark
	for _, r := range p.runs {
		for uid := r.first; uid <= r.last; uid++ {
			all[uid-first] = r
		}
	}
	for _, m := range marks {
		all[m.uid-first] = seenRun{seen: m.seen, modseq: modseq}
	}
	out := &seenPage{no: p.no, modseq: modseq}
	for i, r := range all {
		if r.modseq == 0 {
			continue
		}
		uid := first + imap.UID(i)
		if k := len(out.runs) - 1; k >= 0 {
			if l := &out.runs[k]; l.last+1 == uid && l.seen == r.seen && l.modseq == r.modseq {
				l.last = uid
				continue
			}
		}
		out.runs = append(out.runs, seenRun{uid, uid, r.seen, r.modseq})
	}
	return out
}

// writeSeen sets an actor's marks in a mailbox. They are ascending.
func writeSeen(tx *storage.Tx, id ID, actor storage.AccountID, marks []mark, known *overlay) error {
	if len(marks) == 0 {
		return nil
	}
	modseq, err := tx.Next()
	if err != nil {
		return err
	}
	o, err := readSeen(&tx.View, id, actor, known)
	if err != nil {
		return err
	}
	if o == nil {
		o = &overlay{}
	}
	for len(marks) > 0 {
		no := pageOf(marks[0].uid)
		n := sort.Search(len(marks), func(i int) bool { return pageOf(marks[i].uid) > no })
		i := sort.Search(len(o.pages), func(i int) bool { return o.pages[i].no >= no })
		if i == len(o.pages) || o.pages[i].no != no {
			o.pages = slices.Insert(o.pages, i, &seenPage{no: no})
		}
		o.pages[i] = o.pages[i].with(marks[:n], modseq)
		if err := tx.SetIndex(id, seenPageKey(actor, no), o.pages[i].encode()); err != nil {
			return err
		}
		marks = marks[n:]
	}
	if err := tx.SetIndex(id, seenKey(actor), o.encodeHead()); err != nil {
		return err
	}
	return tx.Advance(id)
}

// seenActors returns those who marked something in a mailbox.
func seenActors(v *storage.View, id ID) (list []storage.AccountID, err error) {
	from := []byte{seenTag}
	for {
		var found []byte
		for k := range v.ScanIndex(id, kv.Range{From: from, To: []byte{seenTag + 1}, KeysOnly: true, Limit: 1}) {
			found = slices.Clone(k)
		}
		if found == nil {
			return list, nil
		}
		if len(found) < 9 {
			return list, fmt.Errorf("\\Seen in mailbox %d, key %x: %w", id, found, storage.Corrupt)
		}
		list = append(list, storage.AccountID(binary.BigEndian.Uint64(found[1:])))
		if from = kv.After(found[:9]); from == nil {
			return list, nil
		}
	}
}

// witness tells what one user marked, message by message in the order of their UIDs,
// and reads only the pages that this needs.
type witness struct {
	actor storage.AccountID
	head  *overlay
	page  int // of head, read into it
	marks []mark
}

// witnesses returns all who marked something in a mailbox.
func witnesses(v *storage.View, id ID) (list []*witness, err error) {
	actors, err := seenActors(v, id)
	if err != nil {
		return nil, err
	}
	for _, actor := range actors {
		b, err := v.Index(id, seenKey(actor))
		if err != nil {
			return nil, err
		}
		head, err := decodeSeenHead(b)
		if err != nil {
			return nil, fmt.Errorf("\\Seen of account %d in mailbox %d: %w", actor, id, err)
		}
		list = append(list, &witness{actor: actor, head: head, page: -1})
	}
	return list, nil
}

// carry notes for message to what the user marked of message from.
func (w *witness) carry(v *storage.View, id ID, from, to imap.UID) error {
	no := pageOf(from)
	i := sort.Search(len(w.head.pages), func(i int) bool { return w.head.pages[i].no >= no })
	if i == len(w.head.pages) || w.head.pages[i].no != no {
		return nil
	}
	p := w.head.pages[i]
	if w.page != i {
		b, err := v.Index(id, seenPageKey(w.actor, no))
		if err == nil {
			p.runs, err = decodeSeenPage(no, b)
		}
		if err != nil {
			return fmt.Errorf("\\Seen of account %d in mailbox %d, page %d: %w", w.actor, id, no, err)
		}
		w.page = i
	}
	one := overlay{pages: w.head.pages[i : i+1]}
	if r, ok := one.find(from); ok {
		w.marks = append(w.marks, mark{to, r.seen})
	}
	return nil
}
