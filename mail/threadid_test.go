package mail

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"

	"atrium/storage"
)

// conversation returns a message with an id and ancestors, oldest first.
func conversation(t testing.TB, s *Store, id string, refs ...string) NewMessage {
	raw := "Subject: x\r\n"
	if id != "" {
		raw += "Message-ID: <" + id + "@x>\r\n"
	}
	if len(refs) > 0 {
		raw += "References: <" + strings.Join(refs, "@x>\r\n <") + "@x>\r\n"
	}
	return NewMessage{Prepared: prepare(t, s, raw+"\r\n")}
}

// threadsIn returns the threads of a mailbox's messages, numbered in the order of their first messages.
func threadsIn(t testing.TB, a *Account, id ID) (list []int) {
	known := map[storage.ObjectID]int{}
	for _, m := range snapshot(t, a, id).Messages(0, snapshot(t, a, id).Len()) {
		if m.Thread == 0 {
			t.Fatalf("message %d is in no thread", m.UID)
		}
		if _, ok := known[m.Thread]; !ok {
			known[m.Thread] = len(known)
		}
		list = append(list, known[m.Thread])
	}
	return list
}

// RFC 8474 §5.2.
func TestThreadIDs(t *testing.T) {
	many := make([]string, 100)
	for i := range many {
		many[i] = fmt.Sprint("m", i)
	}
	for _, tc := range []struct {
		name     string
		messages []string // id refs…
		want     []int
	}{
		{"a conversation and another message", []string{"a", "b a", "z", "c a b"}, []int{0, 0, 1, 0}},
		{"the answers came first", []string{"c a b", "b a", "a"}, []int{0, 0, 0}},
		{"two answers to what never came", []string{"b a", "c a"}, []int{0, 0}},
		{"it comes back from a list", []string{"a", "a"}, []int{0, 0}},
		{"no ids", []string{"", ""}, []int{0, 1}},
		{"no id of its own", []string{"a", "- a", "-"}, []int{0, 0, 1}},
		{"its own ancestor", []string{"a a", "b"}, []int{0, 1}},
		{"two threads stay two", []string{"a", "b", "c a b", "d a"}, []int{0, 1, 1, 0}},
		{"the first of many and the last", []string{"m0", "x " + strings.Join(many, " "), "m99", "m50"}, []int{0, 0, 0, 1}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := openStore(t, nil)
			a := account(t, s, 1)
			id := mailboxID(t, a, Inbox)
			for _, spec := range tc.messages {
				var own string
				ids := strings.Fields(spec)
				if len(ids) > 0 && ids[0] != "-" {
					own = ids[0]
				}
				msg := conversation(t, s, own, ids[min(1, len(ids)):]...)
				if _, err := a.Append(t.Context(), id, msg); err != nil {
					t.Fatal(err)
				}
			}
			if got := threadsIn(t, a, id); fmt.Sprint(got) != fmt.Sprint(tc.want) {
				t.Fatalf("threads %v, want %v", got, tc.want)
			}
		})
	}
}

// Copies have the thread of what they are copies of; in another account they find it anew. What is expunged is
// still known, and so are the messages of one large APPEND to each other.
func TestThreadIDsLast(t *testing.T) {
	s := openStore(t, nil)
	a, b := account(t, s, 1), account(t, s, 2)
	id, sent := mailboxID(t, a, Inbox), mailboxID(t, a, "Sent")
	msgs := make([]NewMessage, 1200)
	for i := range msgs {
		msgs[i] = conversation(t, s, fmt.Sprint("m", i), fmt.Sprint("m", i%3))
	}
	if _, err := a.Append(t.Context(), id, msgs...); err != nil {
		t.Fatal(err)
	}
	for i, n := range threadsIn(t, a, id) {
		if n != i%3 {
			t.Fatalf("message %d is in thread %d", i, n)
		}
	}
	thread := snapshot(t, a, id).At(0).Thread
	if _, err := a.Move(t.Context(), id, imap.UIDSet{{Start: 1, Stop: 1}}, a, sent); err != nil {
		t.Fatal(err)
	}
	if got := snapshot(t, a, sent).At(0).Thread; got != thread {
		t.Fatalf("thread %d became %d", thread, got)
	}
	if _, err := a.SetFlags(t.Context(), id, everything(), FlagChange{Op: ReplaceFlags, Flags: []imap.Flag{imap.FlagDeleted}}); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Expunge(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	up, err := a.Append(t.Context(), id, conversation(t, s, "late", "m900"))
	if err != nil {
		t.Fatal(err)
	}
	if got := snapshot(t, a, id).At(0); got.UID != up.UIDs[0].Start || got.Thread != thread {
		t.Fatalf("%+v, thread %d", got, thread)
	}
	grant(t, s, storage.Grant{To: 1, Rights: storage.AllRights}, 2)
	other := s.Open(1, 2)
	if _, err := a.Copy(t.Context(), id, everything(), other, mailboxID(t, b, Inbox)); err != nil {
		t.Fatal(err)
	}
	if m := snapshot(t, b, mailboxID(t, b, Inbox)).At(0); m.Thread != m.Object {
		t.Fatalf("%+v", m)
	}
	checkStore(t, s)
}

// However a conversation arrives it is one thread, when each message refers to the one that began it.
func TestThreadIDsInAnyOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 20 {
		s := openStore(t, nil)
		a := account(t, s, 1)
		id := mailboxID(t, a, Inbox)
		refs := [][]string{nil}
		for i := 1; i < 12; i++ {
			parent := r.IntN(i)
			refs = append(refs, append(append([]string(nil), refs[parent]...), fmt.Sprint(parent)))
		}
		for _, i := range r.Perm(len(refs)) {
			if _, err := a.Append(t.Context(), id, conversation(t, s, fmt.Sprint(i), refs[i]...)); err != nil {
				t.Fatal(err)
			}
		}
		if got := threadsIn(t, a, id); strings.Trim(fmt.Sprint(got), "[] 0") != "" {
			t.Fatalf("threads %v", got)
		}
	}
}
