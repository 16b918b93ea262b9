package mail

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"

	"atrium/storage"
)

// modelMessage is what the model knows of a message.
type modelMessage struct {
	body   int
	flags  string // sorted names
	modseq uint64
}

// modelBox is a mailbox of the model.
type modelBox struct {
	account *Account
	id      ID
	next    imap.UID
	m       map[imap.UID]modelMessage
	past    []moment
}

// moment is what a mailbox was at a modseq.
type moment struct {
	modseq uint64
	uids   []imap.UID
}

func (b *modelBox) uids() []imap.UID { return slices.Sorted(maps.Keys(b.m)) }

func flagString(names []imap.Flag) string {
	list := make([]string, 0, len(names))
	for _, n := range names {
		list = append(list, string(n))
	}
	sort.Strings(list)
	return strings.Join(slices.Compact(list), " ")
}

func flagList(s string) (list []imap.Flag) {
	for _, f := range strings.Fields(s) {
		list = append(list, imap.Flag(f))
	}
	return list
}

var modelFlags = []imap.Flag{imap.FlagSeen, imap.FlagAnswered, imap.FlagFlagged, imap.FlagDeleted, imap.FlagDraft,
	"$Forwarded", "$Junk", "work", "home"}

// model runs random operations on mailboxes and on maps.
type model struct {
	*testing.T
	r     *rand.Rand
	boxes []*modelBox
	names map[int]int64 // body -> size
	ops   []string
}

func (m *model) log(format string, args ...any) {
	m.ops = append(m.ops, fmt.Sprintf(format, args...))
}

func (m *model) fail(format string, args ...any) {
	m.Helper()
	m.Fatalf("%s\nafter:\n%s", fmt.Sprintf(format, args...), strings.Join(m.ops[max(0, len(m.ops)-12):], "\n"))
}

func (m *model) flags() (list []imap.Flag) {
	for _, f := range modelFlags {
		if m.r.IntN(4) == 0 {
			list = append(list, f)
		}
	}
	return list
}

// set is a random set of UIDs, many of them there.
func (m *model) set(b *modelBox) (s imap.UIDSet) {
	if m.r.IntN(6) == 0 {
		return imap.UIDSet{{Start: 1, Stop: 0}}
	}
	for range 1 + m.r.IntN(4) {
		lo := imap.UID(1 + m.r.IntN(int(b.next)+2))
		s.AddRange(lo, lo+imap.UID(m.r.IntN(6)))
	}
	return s
}

func (m *model) in(b *modelBox, s imap.UIDSet) (list []imap.UID) {
	for _, uid := range b.uids() {
		if s.Contains(uid) {
			list = append(list, uid)
		}
	}
	return list
}

func (m *model) check(err error) {
	m.Helper()
	if err != nil {
		m.fail("%v", err)
	}
}

func (m *model) step() {
	b := m.boxes[m.r.IntN(len(m.boxes))]
	switch m.r.IntN(12) {
	case 0, 1, 2, 3:
		m.append(b)
	case 4, 5, 6:
		m.setFlags(b)
	case 7:
		m.transfer(b, false)
	case 8:
		m.transfer(b, true)
	case 9:
		m.expunge(b)
	case 10:
		if m.r.IntN(4) == 0 {
			m.remove(b)
		}
	case 11:
		b.past = append(b.past, moment{m.modseq(b), b.uids()})
	}
	m.compare()
}

func (m *model) modseq(b *modelBox) uint64 { return snapshot(m, b.account, b.id).Modseq }

func (m *model) append(b *modelBox) {
	var msgs []NewMessage
	var bodies []int
	for range 1 + m.r.IntN(3) {
		n := len(m.names)
		m.names[n] = int64(m.r.IntN(100000))
		bodies = append(bodies, n)
		msgs = append(msgs, NewMessage{Prepared: fake(n, int(m.names[n])), Flags: m.flags()})
	}
	m.log("append %d to %d", len(msgs), b.id)
	out, err := b.account.Append(m.Context(), b.id, msgs...)
	m.check(err)
	for i, n := range bodies {
		if !out.UIDs.Contains(b.next) {
			m.fail("append: UIDs %v lack %d", out.UIDs, b.next)
		}
		b.m[b.next] = modelMessage{n, flagString(msgs[i].Flags), out.Modseq}
		b.next++
	}
}

func (m *model) setFlags(b *modelBox) {
	change := FlagChange{Op: FlagOp(m.r.IntN(3)), Flags: m.flags()}
	if m.r.IntN(3) == 0 && len(b.m) > 0 {
		uids := b.uids()
		change.Conditional, change.UnchangedSince = true, b.m[uids[m.r.IntN(len(uids))]].modseq
	}
	set := m.set(b)
	m.log("set flags of %v in %d: %+v", set, b.id, change)
	before := m.modseq(b)
	out, err := b.account.SetFlags(m.Context(), b.id, set, change)
	m.check(err)
	s := snapshot(m, b.account, b.id)
	for _, uid := range m.in(b, set) {
		old := b.m[uid]
		if change.Conditional && old.modseq > change.UnchangedSince {
			if !out.Modified.Contains(uid) {
				m.fail("UID %d of modseq %d is not in MODIFIED %v", uid, old.modseq, out.Modified)
			}
			continue
		}
		if out.Modified.Contains(uid) {
			m.fail("UID %d of modseq %d is in MODIFIED %v", uid, old.modseq, out.Modified)
		}
		want := old
		switch have := flagList(old.flags); change.Op {
		case AddFlags:
			want.flags = flagString(append(have, change.Flags...))
		case RemoveFlags:
			want.flags = flagString(slices.DeleteFunc(have, func(f imap.Flag) bool { return slices.Contains(change.Flags, f) }))
		case ReplaceFlags:
			want.flags = flagString(change.Flags)
		}
		if changed := want.flags != old.flags; changed != out.Changed.Contains(uid) {
			m.fail("UID %d from %q to %q: changed %v", uid, old.flags, want.flags, out.Changed)
		} else if changed {
			pos, _ := s.Find(uid)
			want.modseq = s.At(pos).Modseq
			if want.modseq <= before {
				m.fail("UID %d has modseq %d, the mailbox had %d", uid, want.modseq, before)
			}
		}
		b.m[uid] = want
	}
	if len(out.Changed) > 0 != (out.Modseq != 0) || out.Modseq != 0 && out.Modseq != s.Modseq {
		m.fail("modseq %d, changed %v, mailbox has %d", out.Modseq, out.Changed, s.Modseq)
	}
}

func (m *model) transfer(b *modelBox, move bool) {
	d := m.boxes[m.r.IntN(len(m.boxes))]
	set := m.set(b)
	m.log("transfer %v from %d to %d, move %v", set, b.id, d.id, move)
	uids := m.in(b, set)
	if len(b.m) > 60 && !move {
		return
	}
	f := b.account.Copy
	if move {
		f = b.account.Move
	}
	out, err := f(m.Context(), b.id, set, d.account, d.id)
	m.check(err)
	from, _ := out.From.Nums()
	to, _ := out.To.Nums()
	if !slices.Equal(from, uids) || len(to) != len(from) {
		m.fail("transferred %v to %v, want %v", from, to, uids)
	}
	s := snapshot(m, d.account, d.id)
	if out.UIDValidity != s.UIDValidity {
		m.fail("UIDVALIDITY %d, want %d", out.UIDValidity, s.UIDValidity)
	}
	for i, uid := range from {
		if to[i] != d.next {
			m.fail("copied to UID %d, want %d", to[i], d.next)
		}
		c := b.m[uid]
		pos, _ := s.Find(to[i])
		c.modseq = s.At(pos).Modseq
		d.m[d.next] = c
		d.next++
		if move {
			delete(b.m, uid)
		}
	}
}

func (m *model) expunge(b *modelBox) {
	set := imap.UIDSet(nil)
	var out imap.UIDSet
	var err error
	if m.r.IntN(2) == 0 {
		m.log("expunge %d", b.id)
		out, err = b.account.Expunge(m.Context(), b.id)
		set = everything()
	} else {
		set = m.set(b)
		m.log("expunge %v from %d", set, b.id)
		out, err = b.account.ExpungeUIDs(m.Context(), b.id, set)
	}
	m.check(err)
	var want imap.UIDSet
	for _, uid := range m.in(b, set) {
		if slices.Contains(flagList(b.m[uid].flags), imap.FlagDeleted) {
			want.AddNum(uid)
			delete(b.m, uid)
		}
	}
	if out.String() != want.String() {
		m.fail("expunged %v, want %v", out, want)
	}
}

func (m *model) remove(b *modelBox) {
	set := m.set(b)
	m.log("remove %v from %d", set, b.id)
	out, err := b.account.Remove(m.Context(), b.id, set)
	m.check(err)
	want := imap.UIDSetNum(m.in(b, set)...)
	if out.String() != want.String() {
		m.fail("removed %v, want %v", out, want)
	}
	for _, uid := range m.in(b, set) {
		delete(b.m, uid)
	}
}

// compare checks that the store tells what the model has.
func (m *model) compare() {
	for _, b := range m.boxes {
		s := snapshot(m, b.account, b.id)
		unseen, deleted, size, first := 0, 0, int64(0), -1
		if s.Len() != len(b.m) || s.Exists != len(b.m) || s.UIDNext != b.next {
			m.fail("mailbox %d has %d messages and UIDNEXT %d, want %d and %d", b.id, s.Len(), s.UIDNext, len(b.m), b.next)
		}
		uids := b.uids()
		for pos, x := range s.Messages(0, s.Len()) {
			want, ok := b.m[x.UID]
			if !ok || x.UID != uids[pos] {
				m.fail("mailbox %d has UID %d at %d", b.id, x.UID, pos)
			}
			got := flagString(s.Keywords.Names(nil, x.Flags))
			if got != want.flags || x.Modseq != want.modseq || x.Size != m.names[want.body] {
				m.fail("UID %d of mailbox %d: %q %d %d, want %+v", x.UID, b.id, got, x.Modseq, x.Size, want)
			}
			if x.Flags&Seen == 0 {
				if first < 0 {
					first = pos
				}
				unseen++
			}
			if x.Flags&Deleted != 0 {
				deleted++
			}
			size += x.Size
		}
		if pos, modseq, err := b.account.FirstUnseen(context.Background(), b.id); pos != first || modseq != s.Modseq || err != nil {
			m.fail("mailbox %d: first unseen at %d (%d, %v), want %d (%d)", b.id, pos, modseq, err, first, s.Modseq)
		}
		if s.Unseen != unseen || s.Deleted != deleted || s.Size != size || s.FirstUnseen() != first {
			m.fail("mailbox %d counts %d %d %d %d, want %d %d %d %d", b.id, s.Unseen, s.Deleted, s.Size, s.FirstUnseen(), unseen, deleted, size, first)
		}
		for _, past := range b.past {
			m.changes(b, past)
		}
		if len(b.past) > 6 {
			b.past = b.past[1:]
		}
	}
}

func (m *model) changes(b *modelBox, past moment) {
	ch, err := b.account.Changes(m.Context(), b.id, past.modseq, 0)
	m.check(err)
	var changed, gone []imap.UID
	for _, uid := range b.uids() {
		if b.m[uid].modseq > past.modseq {
			changed = append(changed, uid)
		}
	}
	for _, uid := range past.uids {
		if _, ok := b.m[uid]; !ok {
			gone = append(gone, uid)
		}
	}
	if !slices.Equal(ch.Changed, changed) || !slices.Equal(ch.Vanished, gone) {
		m.fail("mailbox %d since %d: changed %v, gone %v; want %v, %v", b.id, past.modseq, ch.Changed, ch.Vanished, changed, gone)
	}
}

func TestModel(t *testing.T) {
	for _, batch := range []int{1, 3, 2000} {
		t.Run(fmt.Sprintf("batches of %d", batch), func(t *testing.T) {
			s := openStore(t, func(c *Config) { c.Batch = batch })
			one, two := account(t, s, 1), account(t, s, 2)
			// Transfers between accounts need rights.
			grant(t, s, storage.Grant{To: 2, Rights: storage.AllRights}, 1)
			grant(t, s, storage.Grant{To: 1, Rights: storage.AllRights}, 2)
			m := &model{T: t, r: rand.New(rand.NewPCG(7, uint64(batch))), names: map[int]int64{}}
			for _, a := range []*Account{one, two} {
				for _, name := range []string{Inbox, "Archive"} {
					m.boxes = append(m.boxes, &modelBox{account: a, id: mailboxID(t, a, name), next: 1, m: map[imap.UID]modelMessage{}})
				}
			}
			for _, b := range m.boxes {
				b.account = s.Open(1, b.account.owner)
			}
			for range 400 {
				m.step()
			}
			checkStore(t, s)
		})
	}
}
