package mail

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"atrium/storage"
	"atrium/storage/kv"
)

func TestPopPolicy(t *testing.T) {
	s := openStore(t, nil)
	a := account(t, s, 1)
	def := DefaultPopPolicy()
	if p, err := a.PopPolicy(t.Context(), def); err != nil || p != def {
		t.Fatal(p, err)
	}
	for _, bad := range []string{"", "{", "[]", `{"keep":"0d"}`, `{"keep":"1"}`, `{"keep":"01d"}`, `{"keep":"-1d"}`, `{"then":"burn"}`, `{"mailbox":""}`, `{"what":1}`, `{} {}`} {
		if err := a.SetPopPolicy(t.Context(), []byte(bad)); !errors.Is(err, storage.Invalid) {
			t.Errorf("%s: %v", bad, err)
		}
	}
	if err := a.SetPopPolicy(t.Context(), []byte(`{"keep":"30d","then":"trash"}`)); err != nil {
		t.Fatal(err)
	}
	want := PopPolicy{Inbox, "30d", PopTrash, false}
	if p, err := a.PopPolicy(t.Context(), def); err != nil || p != want {
		t.Fatal(p, err)
	}
	if err := a.SetPopPolicy(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if p, err := a.PopPolicy(t.Context(), def); err != nil || p != def {
		t.Fatal(p, err)
	}
}

// What was fetched goes so many days after the first time, wherever it is meant to go.
func TestPopExpire(t *testing.T) {
	for _, then := range []string{PopRemove, PopTrash} {
		t.Run(then, func(t *testing.T) {
			s := openStore(t, nil)
			a := account(t, s, 1)
			id, trash := mailboxID(t, a, Inbox), mailboxID(t, a, "Trash")
			fakes(t, a, id, 20)
			must := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			day := func(n int) time.Time { return time.Unix(1_700_000_000, 0).AddDate(0, 0, n) }
			set := func(from, to imap.UID) imap.UIDSet { return imap.UIDSet{{Start: from, Stop: to}} }
			must(a.PopNote(t.Context(), id, set(1, 5), set(2, 3), day(0)))
			must(a.PopNote(t.Context(), id, set(4, 9), nil, day(3)))
			must(a.PopNote(t.Context(), id, set(1, 9), nil, day(5))) // nothing is new
			must(a.PopNote(t.Context(), id, nil, set(30, 40), day(5)))
			expire := func(p PopPolicy, at time.Time, n, left int) {
				t.Helper()
				k, err := a.PopExpire(t.Context(), p, at)
				must(err)
				if now := snapshot(t, a, id).Len(); k != n || now != left {
					t.Fatalf("%d expired, %d are left, want %d and %d", k, now, n, left)
				}
			}
			p := PopPolicy{Inbox, "10d", then, false}
			classic := DefaultPopPolicy()
			expire(classic, day(100), 0, 20)
			expire(p, day(9), 0, 20)
			expire(p, day(10), 5, 15)
			expire(p, day(12), 0, 15)
			_, hidden, err := a.PopDrop(t.Context(), id)
			must(err)
			if hidden.String() != "2:3" {
				t.Fatalf("hidden %v", hidden)
			}
			expire(p, day(13), 4, 11)
			expire(p, day(1000), 0, 11)
			if n := snapshot(t, a, trash).Len(); n != map[string]int{PopRemove: 0, PopTrash: 9}[then] {
				t.Fatalf("%d in Trash", n)
			}
			for range s.records(t, 1, popRecord) {
				t.Fatal("a record is left")
			}
			// A mailbox that goes takes what was due with it.
			other, err := a.Create(t.Context(), "Other")
			must(err)
			fakes(t, a, other.ID, 3)
			must(a.PopNote(t.Context(), other.ID, set(1, 3), nil, day(0)))
			must(a.Delete(t.Context(), "Other"))
			expire(p, day(1000), 0, 11)
			checkStore(t, s)
		})
	}
}

func fakes(t *testing.T, a *Account, id ID, n int) {
	for i := range n {
		if _, err := a.Append(t.Context(), id, NewMessage{Prepared: fake(i, 10)}); err != nil {
			t.Fatal(err)
		}
	}
}

func (s *Store) records(t *testing.T, a storage.AccountID, prefix string) (names []string) {
	err := s.storage.View(t.Context(), a, func(v *storage.View) error {
		for name := range v.Records(prefix) {
			names = append(names, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestUIDLs(t *testing.T) {
	s := openStore(t, nil)
	a := account(t, s, 1)
	id := mailboxID(t, a, Inbox)
	fill(t, a, id, 5)
	if m, err := a.UIDLs(t.Context(), id); err != nil || m != nil {
		t.Fatal(m, err)
	}
	if err := a.SetUIDLs(t.Context(), id, map[imap.UID]string{1: "old.1", 3: "old/3"}); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []map[imap.UID]string{{1: "a b"}, {2: "old/3"}, {1: "x", 2: "x"}, {1: string(bytes.Repeat([]byte("x"), 71))}, {2: "\x80"}} {
		if err := a.SetUIDLs(t.Context(), id, bad); !errors.Is(err, storage.Invalid) {
			t.Errorf("%v: %v", bad, err)
		}
	}
	if err := a.SetUIDLs(t.Context(), id, map[imap.UID]string{9: "nine"}); !errors.Is(err, storage.NotFound) {
		t.Error(err)
	}
	if err := a.SetUIDLs(t.Context(), id, map[imap.UID]string{1: "", 2: "old.1"}); err != nil {
		t.Fatal(err)
	}
	m, err := a.UIDLs(t.Context(), id)
	if err != nil || len(m) != 2 || m[2] != "old.1" || m[3] != "old/3" {
		t.Fatal(m, err)
	}
	// A message that goes takes its own with it.
	if _, err := a.Remove(t.Context(), id, imap.UIDSet{{Start: 3, Stop: 3}}); err != nil {
		t.Fatal(err)
	}
	if m, err := a.UIDLs(t.Context(), id); err != nil || len(m) != 1 {
		t.Fatal(m, err)
	}
	if n := s.indexEntries(t, 1, id, popTagUID); n != 1 {
		t.Fatalf("%d entries", n)
	}
}

// indexEntries counts entries of a mailbox's index.
func (s *Store) indexEntries(t *testing.T, a storage.AccountID, id ID, prefix string) (n int) {
	err := s.storage.View(t.Context(), a, func(v *storage.View) error {
		n = 0
		for range v.ScanIndex(id, kv.Prefix([]byte(prefix))) {
			n++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Where nothing is ever due, what was fetched and is gone does not pile up.
func TestPopTidy(t *testing.T) {
	s := openStore(t, nil)
	a := account(t, s, 1)
	id := mailboxID(t, a, Inbox)
	for i := range 4 * popTidy {
		fakes(t, a, id, 1)
		uid := imap.UID(i + 1)
		if err := a.PopNote(t.Context(), id, imap.UIDSet{{Start: uid, Stop: uid}}, nil, time.Unix(int64(i), 0)); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			continue // the first stays
		}
		if _, err := a.Remove(t.Context(), id, imap.UIDSet{{Start: uid, Stop: uid}}); err != nil {
			t.Fatal(err)
		}
	}
	if n := s.indexEntries(t, 1, id, popTagDue); n > popTidy+1 {
		t.Fatalf("%d entries", n)
	}
}

func FuzzPop(f *testing.F) {
	f.Add(encodeUIDSet(imap.UIDSet{{Start: 1, Stop: 4}, {Start: 9, Stop: 9}, {Start: 1<<32 - 2, Stop: 1<<32 - 1}}), []byte(`{"keep":"30d"}`))
	f.Fuzz(func(t *testing.T, set, policy []byte) {
		if s, err := decodeUIDSet(set); err == nil {
			again, err := decodeUIDSet(encodeUIDSet(s))
			if err != nil || again.String() != s.String() {
				t.Fatal(s, again, err)
			}
		}
		if p, err := ParsePopPolicy(policy, DefaultPopPolicy()); err == nil && p.Validate() != nil {
			t.Fatal(p)
		}
	})
}
