package mail

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/emersion/go-imap/v2"

	"atrium/storage"
)

// letterOf is what the model of private \Seen knows of a message.
type letterOf struct {
	flagged bool
	base    bool // \Seen of those who made nothing of it
	by      map[storage.AccountID]bool
}

func (l *letterOf) seen(actor storage.AccountID) bool {
	if v, ok := l.by[actor]; ok {
		return v
	}
	return l.base
}

// sharedBox is a mailbox of the model and what each client knows of it.
type sharedBox struct {
	id      ID
	private bool
	next    imap.UID
	m       map[imap.UID]*letterOf
	clients map[storage.AccountID]*picture
}

// picture is a mailbox as a client knows it that follows Changes.
type picture struct {
	modseq uint64
	flags  map[imap.UID]Flags
}

type privateModel struct {
	*testing.T
	r      *rand.Rand
	s      *Store
	boxes  []*sharedBox
	actors []storage.AccountID
	ops    []string
}

func (m *privateModel) must(err error) {
	m.Helper()
	if err != nil {
		m.Fatalf("%v\nafter %q", err, m.ops[max(0, len(m.ops)-12):])
	}
}

func (m *privateModel) log(format string, args ...any) {
	m.ops = append(m.ops, fmt.Sprintf(format, args...))
}

func (m *privateModel) uids(b *sharedBox) imap.UIDSet {
	if m.r.IntN(5) == 0 {
		return everything()
	}
	lo := imap.UID(1 + m.r.IntN(int(b.next)))
	s := imap.UIDSet{{Start: lo, Stop: lo + imap.UID(m.r.IntN(8))}}
	if m.r.IntN(3) == 0 {
		s.AddNum(imap.UID(1 + m.r.IntN(int(b.next))))
	}
	return s
}

func (b *sharedBox) in(s imap.UIDSet) (list []imap.UID) {
	for uid := imap.UID(1); uid < b.next; uid++ {
		if b.m[uid] != nil && s.Contains(uid) {
			list = append(list, uid)
		}
	}
	return list
}

func (m *privateModel) step() {
	ctx := m.Context()
	b := m.boxes[m.r.IntN(len(m.boxes))]
	actor := m.actors[m.r.IntN(len(m.actors))]
	a := m.s.Open(actor, 1)
	switch m.r.IntN(12) {
	case 0, 1, 2:
		n, seen := 1+m.r.IntN(4), m.r.IntN(3) == 0
		if m.r.IntN(20) == 0 {
			n = 600
		}
		m.log("%d appends %d to %d, seen %v", actor, n, b.id, seen)
		var msgs []NewMessage
		for i := range n {
			x := NewMessage{Prepared: fake(i, 100)}
			if seen {
				x.Flags = []imap.Flag{imap.FlagSeen}
			}
			l := &letterOf{by: map[storage.AccountID]bool{}}
			if seen && b.private {
				l.by[actor] = true
			} else {
				l.base = seen
			}
			b.m[b.next] = l
			b.next++
			msgs = append(msgs, x)
		}
		_, err := a.Append(ctx, b.id, msgs...)
		m.must(err)
	case 3, 4, 5, 6:
		m.setFlags(a, b)
	case 7, 8:
		d := m.boxes[m.r.IntN(len(m.boxes))]
		m.transfer(a, b, d, m.r.IntN(2) == 0)
	case 9:
		set := m.uids(b)
		if set[0].Stop > 1<<31 {
			return
		}
		m.log("remove %v from %d", set, b.id)
		_, err := a.Remove(ctx, b.id, set)
		m.must(err)
		for _, uid := range b.in(set) {
			delete(b.m, uid)
		}
	case 10:
		if m.r.IntN(6) != 0 {
			return
		}
		b.private = !b.private
		m.log("%d private %v", b.id, b.private)
		m.must(m.s.Open(1, 1).SetPrivateSeen(ctx, b.id, b.private))
		for _, l := range b.m {
			for _, v := range l.by {
				l.base = l.base || v
			}
			clear(l.by)
		}
	case 11:
		m.follow(a, b)
	}
}

func (m *privateModel) setFlags(a *Account, b *sharedBox) {
	set := m.uids(b)
	change := FlagChange{Op: FlagOp(m.r.IntN(3)), Flags: []imap.Flag{imap.FlagSeen}}
	flagged := m.r.IntN(3) == 0
	if flagged {
		change.Flags = append(change.Flags, imap.FlagFlagged)
	}
	s := snapshot(m, a, b.id)
	var spared map[imap.UID]bool
	if m.r.IntN(3) == 0 && s.Len() > 0 {
		change.Conditional, change.UnchangedSince = true, s.At(m.r.IntN(s.Len())).Modseq
		spared = map[imap.UID]bool{}
		for _, x := range s.Messages(0, s.Len()) {
			spared[x.UID] = x.Modseq > change.UnchangedSince
		}
	}
	m.log("%d sets flags of %v in %d: %+v", a.actor, set, b.id, change)
	out, err := a.SetFlags(m.Context(), b.id, set, change)
	m.must(err)
	for _, uid := range b.in(set) {
		if spared[uid] {
			if !out.Modified.Contains(uid) {
				m.Fatalf("UID %d was changed though it is newer than %d", uid, change.UnchangedSince)
			}
			continue
		}
		l := b.m[uid]
		seen, flag := l.seen(a.actor), l.flagged
		switch change.Op {
		case AddFlags:
			seen, flag = true, flag || flagged
		case RemoveFlags:
			seen, flag = false, flag && !flagged
		case ReplaceFlags:
			seen, flag = true, flagged
		}
		if changed := seen != l.seen(a.actor) || flag != l.flagged; changed != out.Changed.Contains(uid) {
			m.Fatalf("UID %d: changed %v, result %v\nafter %q", uid, changed, out.Changed, m.ops[max(0, len(m.ops)-8):])
		}
		l.flagged = flag
		switch {
		case !b.private:
			l.base = seen
		case seen != l.seen(a.actor):
			l.by[a.actor] = seen
		}
	}
}

func (m *privateModel) transfer(a *Account, b, d *sharedBox, move bool) {
	set := m.uids(b)
	if len(b.m)+len(d.m) > 2000 && !move {
		return
	}
	m.log("%d transfers %v from %d to %d, move %v", a.actor, set, b.id, d.id, move)
	f := a.Copy
	if move {
		f = a.Move
	}
	out, err := f(m.Context(), b.id, set, a, d.id)
	m.must(err)
	from, _ := out.From.Nums()
	for _, uid := range from {
		l := b.m[uid]
		c := &letterOf{flagged: l.flagged, by: map[storage.AccountID]bool{}}
		switch {
		case b.private && d.private:
			c.base = l.base
			for k, v := range l.by {
				c.by[k] = v
			}
		default:
			c.base = l.seen(a.actor)
		}
		d.m[d.next] = c
		d.next++
		if move {
			delete(b.m, uid)
		}
	}
}

// follow brings a client up to date by Changes alone.
func (m *privateModel) follow(a *Account, b *sharedBox) {
	p := b.clients[a.actor]
	ch, err := a.Changes(m.Context(), b.id, p.modseq, 0)
	m.must(err)
	s := snapshot(m, a, b.id)
	for _, uid := range ch.Vanished {
		delete(p.flags, uid)
	}
	for _, uid := range ch.Changed {
		pos, ok := s.Find(uid)
		if !ok {
			m.Fatalf("changed UID %d is not there", uid)
		}
		x := s.At(pos)
		if x.Modseq <= p.modseq || x.Modseq > s.Modseq {
			m.Fatalf("UID %d has modseq %d, client was at %d, mailbox is at %d", uid, x.Modseq, p.modseq, s.Modseq)
		}
		p.flags[uid] = x.Flags
	}
	p.modseq = s.Modseq
	if len(p.flags) != s.Len() {
		m.Fatalf("client has %d messages, there are %d", len(p.flags), s.Len())
	}
	for _, x := range s.Messages(0, s.Len()) {
		if f, ok := p.flags[x.UID]; !ok || f != x.Flags {
			m.Fatalf("client of %d believes %x of UID %d in %d, it is %x\nafter %q", a.actor, f, x.UID, b.id, x.Flags, m.ops[max(0, len(m.ops)-12):])
		}
	}
}

func (m *privateModel) compare() {
	for _, b := range m.boxes {
		for _, actor := range m.actors {
			a := m.s.Open(actor, 1)
			s := snapshot(m, a, b.id)
			unseen, first := 0, -1
			for pos, x := range s.Messages(0, s.Len()) {
				l := b.m[x.UID]
				if l == nil || l.seen(actor) != (x.Flags&Seen != 0) || l.flagged != (x.Flags&Flagged != 0) || s.At(pos) != x {
					m.Fatalf("UID %d of %d for %d has %x, want %+v\nafter %q", x.UID, b.id, actor, x.Flags, l, m.ops[max(0, len(m.ops)-12):])
				}
				if x.Flags&Seen == 0 {
					if unseen++; first < 0 {
						first = pos
					}
				}
			}
			box, err := a.MailboxByID(m.Context(), b.id)
			m.must(err)
			pos, modseq, err := a.FirstUnseen(m.Context(), b.id)
			m.must(err)
			if s.Len() != len(b.m) || s.Unseen != unseen || box.Unseen != unseen || s.FirstUnseen() != first || pos != first || modseq != s.Modseq || box.PrivateSeen != b.private {
				m.Fatalf("mailbox %d for %d: %d messages, unseen %d, %d, first %d, %d; want %d, %d, %d\nafter %q",
					b.id, actor, s.Len(), s.Unseen, box.Unseen, s.FirstUnseen(), pos, len(b.m), unseen, first, m.ops[max(0, len(m.ops)-12):])
			}
		}
	}
}

// TestPrivateSeenModel lets three users of three mailboxes, in each of which \Seen is private at times, do
// what they like, and checks what each of them sees, counts and learns.
func TestPrivateSeenModel(t *testing.T) {
	for _, batch := range []int{2, 2000} {
		t.Run(fmt.Sprintf("batches of %d", batch), func(t *testing.T) {
			s := openStore(t, func(c *Config) { c.Batch = batch })
			own := account(t, s, 1)
			grant(t, s, storage.Grant{To: 2, Rights: storage.AllRights}, 1)
			grant(t, s, storage.Grant{To: 3, Rights: storage.AllRights}, 1)
			m := &privateModel{T: t, r: rand.New(rand.NewPCG(11, uint64(batch))), s: s, actors: []storage.AccountID{1, 2, 3}}
			for _, name := range []string{Inbox, "Archive", "Trash"} {
				b := &sharedBox{id: mailboxID(t, own, name), next: 1, m: map[imap.UID]*letterOf{}, clients: map[storage.AccountID]*picture{}}
				for _, actor := range m.actors {
					b.clients[actor] = &picture{snapshot(t, own, b.id).Modseq, map[imap.UID]Flags{}}
				}
				m.boxes = append(m.boxes, b)
			}
			for _, b := range m.boxes[:2] {
				m.must(own.SetPrivateSeen(t.Context(), b.id, true))
				b.private = true
			}
			for i := range 500 {
				m.step()
				if i%5 == 0 {
					m.compare()
				}
			}
			for _, b := range m.boxes {
				for _, actor := range m.actors {
					m.follow(s.Open(actor, 1), b)
				}
			}
			checkStore(t, s)
		})
	}
}

// A shared setting that was not carried to its end is told by Check and ended by the next call.
func TestFoldSeenGoesOn(t *testing.T) {
	s := openStore(t, nil)
	own, other := account(t, s, 1), s.Open(2, 1)
	grant(t, s, storage.Grant{To: 2, Rights: storage.AllRights}, 1)
	id := mailboxID(t, own, Inbox)
	ctx := context.Background()
	if err := own.SetPrivateSeen(ctx, 0, true); err != nil {
		t.Fatal(err)
	}
	var msgs []NewMessage
	for i := range 20_000 {
		msgs = append(msgs, NewMessage{Prepared: fake(i, 10)})
	}
	for part := range slices.Chunk(msgs, 1000) {
		if _, err := own.Append(ctx, id, part...); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := other.SetFlags(ctx, id, everything(), FlagChange{Flags: []imap.Flag{imap.FlagSeen}}); err != nil {
		t.Fatal(err)
	}
	if a, b := snapshot(t, own, id).Unseen, snapshot(t, other, id).Unseen; a != 20_000 || b != 0 {
		t.Fatalf("unseen %d and %d", a, b)
	}
	err := s.storage.Update(ctx, 1, func(tx *storage.Tx) error {
		_, err := own.setPrivateSeenTx(tx, id, false)
		if err == nil {
			_, err = own.foldSome(tx, id)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := own.SetPrivateSeen(ctx, id, true); err == nil {
		t.Fatal("made private while it is being made shared")
	}
	if err := own.SetPrivateSeen(ctx, 0, false); err != nil {
		t.Fatal(err)
	}
	if a, b := snapshot(t, own, id).Unseen, snapshot(t, other, id).Unseen; a != 0 || b != 0 {
		t.Fatalf("unseen %d and %d", a, b)
	}
	create(t, own, "New")
	if m, err := own.Mailbox(ctx, "New"); err != nil || m.PrivateSeen {
		t.Fatal(m, err)
	}
	checkStore(t, s)
}

func FuzzSeen(f *testing.F) {
	p := (&seenPage{no: 2}).with([]mark{{1024, true}, {1025, true}, {1030, false}, {1535, true}}, 77)
	f.Add(uint32(2), p.encode(), (&overlay{pages: []*seenPage{p}}).encodeHead())
	f.Fuzz(func(t *testing.T, no uint32, page, head []byte) {
		no %= 1 << 23
		if runs, err := decodeSeenPage(no, page); err == nil {
			q := &seenPage{no: no, runs: runs}
			again, err := decodeSeenPage(no, q.encode())
			if err != nil || !slices.Equal(again, runs) {
				t.Fatal(again, runs, err)
			}
		}
		if o, err := decodeSeenHead(head); err == nil {
			again, err := decodeSeenHead(o.encodeHead())
			if err != nil || len(again.pages) != len(o.pages) {
				t.Fatal(again, err)
			}
		}
	})
}
