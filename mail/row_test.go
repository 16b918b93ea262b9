package mail

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"atrium/storage"
)

func FuzzRow(f *testing.F) {
	f.Add(appendRow(nil, &Message{Flags: Seen | 1<<63 | 1<<8, Size: 1 << 40, Date: -5, Zone: -720, Saved: 1 << 33}))
	f.Add(appendRow(nil, &Message{Size: 1, Zone: -1440, UTF8: true}))
	f.Add([]byte{})
	f.Add([]byte{rowVersion << 5})
	f.Fuzz(func(t *testing.T, b []byte) {
		var m Message
		r := storage.Row{Num: 1, Data: b}
		flags := rowFlags(b)
		sum := tally(b)
		other, changed := withFlags(b, Deleted)
		if !decodeRow(&r, &m) {
			return
		}
		if m.Flags != flags || sum.Bytes != m.Size || sum.A == 1 != (m.Flags&Seen == 0) {
			t.Fatalf("%+v, flags %x, tally %+v", m, flags, sum)
		}
		var n Message
		r.Data = other
		if !changed || !decodeRow(&r, &n) || n.Flags != Deleted || n.Size != m.Size || n.Saved != m.Saved || n.UTF8 != m.UTF8 {
			t.Fatalf("%+v became %+v", m, n)
		}
		r.Data = appendRow(nil, &m)
		if !decodeRow(&r, &n) || n != m {
			t.Fatalf("%+v became %+v", m, n)
		}
	})
}

func FuzzCleanName(f *testing.F) {
	s := openStore(f, nil)
	for _, name := range []string{"inbox", "a/b/", "é", "\u0344\u0301", "\xff", "a\u2028"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		clean, err := s.CleanName(name)
		if err != nil {
			return
		}
		if again, err := s.CleanName(clean); err != nil || again != clean {
			t.Fatalf("%q -> %q -> %q, %v", name, clean, again, err)
		}
	})
}

func FuzzSettings(f *testing.F) {
	f.Add((&settings{uidValidity: 7, uses: 3, keywords: Keywords{"a", "", "$b"}}).encode())
	f.Add([]byte{1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := settingsOf(&storage.Collection{Data: b})
		if err != nil {
			return
		}
		again, err := settingsOf(&storage.Collection{Data: s.encode()})
		if err != nil || again.uidValidity != s.uidValidity || !slices.Equal(again.keywords, s.keywords) {
			t.Fatalf("%+v became %+v, %v", s, again, err)
		}
	})
}

func TestInternalDateKeepsItsZone(t *testing.T) {
	s := openStore(t, nil)
	a := account(t, s, 1)
	id := mailboxID(t, a, Inbox)
	want := time.Date(1960, 2, 29, 23, 59, 58, 0, time.FixedZone("", -(9*3600+30*60)))
	if _, err := a.Append(t.Context(), id, NewMessage{Prepared: fake(1, 1), Date: want}); err != nil {
		t.Fatal(err)
	}
	m := snapshot(t, a, id).At(0)
	if got := m.InternalDate(); got.Format(time.RFC3339) != want.Format(time.RFC3339) {
		t.Fatalf("%v became %v", want, got)
	}
	if m.Saved < time.Now().Unix()-100 {
		t.Fatalf("saved %d", m.Saved)
	}
}

// Ranges against plain sets of numbers.
func TestUIDSets(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		var s imap.UIDSet
		var have [40]bool
		for range r.IntN(5) {
			x := imap.UIDRange{Start: imap.UID(1 + r.IntN(30)), Stop: imap.UID(1 + r.IntN(30))}
			s = append(s, x)
			for uid := min(x.Start, x.Stop); uid <= max(x.Start, x.Stop); uid++ {
				have[uid] = true
			}
		}
		cut := imap.UID(1 + r.IntN(35))
		c := clean(s)
		var low, high []imap.UID
		for uid := imap.UID(1); uid < 40; uid++ {
			switch {
			case have[uid] && uid < cut:
				low = append(low, uid)
			case have[uid]:
				high = append(high, uid)
			}
		}
		if got := slices.Collect(uids(under(c, cut))); !slices.Equal(got, low) {
			t.Fatalf("%v under %d: %v, want %v", s, cut, got, low)
		}
		if got := slices.Collect(uids(from(c, cut))); !slices.Equal(got, high) {
			t.Fatalf("%v from %d: %v, want %v", s, cut, got, high)
		}
		if list, ok := few(c, len(low)+len(high)); !ok || len(list) != len(low)+len(high) {
			t.Fatalf("%v: %v", s, list)
		}
	}
}

// Many writers in one mailbox, and one who follows them by Sync alone.
func TestFollow(t *testing.T) {
	s := openStore(t, nil)
	a := account(t, s, 1)
	id := mailboxID(t, a, Inbox)
	w, err := a.Watch(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	old := snapshot(t, a, id)
	var writers sync.WaitGroup
	for n := range 4 {
		writers.Go(func() {
			r := rand.New(rand.NewPCG(uint64(n), 1))
			for i := range 50 {
				_, err := a.Append(t.Context(), id, NewMessage{Prepared: fake(n*100+i, 10)})
				if err == nil && i%3 == 0 {
					uid := imap.UID(1 + r.IntN(i*4+1))
					_, err = a.SetFlags(t.Context(), id, imap.UIDSet{{Start: uid, Stop: uid + 3}}, FlagChange{Op: FlagOp(r.IntN(2)), Flags: []imap.Flag{imap.FlagDeleted}})
				}
				if err == nil && i%10 == 9 {
					_, err = a.Expunge(t.Context(), id)
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { writers.Wait(); close(done) }()
	seen := map[imap.UID]Flags{}
	for running := true; running; {
		select {
		case <-w.C:
		case <-done:
			running = false
		}
		now, ch, err := a.Sync(t.Context(), old)
		if err != nil {
			t.Fatal(err)
		}
		for _, uid := range ch.Vanished {
			if _, ok := seen[uid]; !ok {
				t.Fatalf("%d went and was never there", uid)
			}
			delete(seen, uid)
		}
		for _, uid := range ch.Changed {
			pos, ok := now.Find(uid)
			if !ok {
				t.Fatalf("%d changed and is not there", uid)
			}
			seen[uid] = now.At(pos).Flags
		}
		old = now
		if len(seen) != now.Len() {
			t.Fatalf("%d messages known, %d there", len(seen), now.Len())
		}
	}
	for uid, f := range old.Flags(0, old.Len()) {
		if seen[uid] != f {
			t.Fatalf("%d has flags %x, known %x", uid, f, seen[uid])
		}
	}
	checkStore(t, s)
}
