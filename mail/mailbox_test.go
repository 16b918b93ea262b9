package mail

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"

	"atrium/storage"
)

func names(t testing.TB, a *Account) (list []string) {
	boxes, err := a.Mailboxes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range boxes {
		name := m.Name
		if !m.Has() {
			name = "(" + name + ")"
		}
		if m.Children {
			name += "+"
		}
		list = append(list, name)
	}
	return list
}

func create(t testing.TB, a *Account, list ...string) {
	for _, name := range list {
		if _, err := a.Create(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCleanName(t *testing.T) {
	s := openStore(t, nil)
	for _, tc := range []struct {
		in, want string
		err      error
	}{
		{"a/b", "a/b", nil},
		{"a/b/", "a/b", nil},
		{"inbox", "INBOX", nil},
		{"iNbOx/a", "INBOX/a", nil},
		{"inboxes", "inboxes", nil},
		{"a/inbox", "a/inbox", nil},
		{"cafe\u0301", "caf\u00e9", nil},
		{"Entwürfe & Co.", "Entwürfe & Co.", nil},
		{"", "", storage.Invalid},
		{"/", "", storage.Invalid},
		{"/a", "", storage.Invalid},
		{"a//b", "", storage.Invalid},
		{"a\x00", "", storage.Invalid},
		{"a\n", "", storage.Invalid},
		{"a\u2028", "", storage.Invalid},
		{"a*", "", storage.Invalid},
		{"50%", "", storage.Invalid},
		{"\xff", "", storage.Invalid},
		{strings.Repeat("a", 501), "", storage.TooLarge},
		{strings.Repeat("a/", 32) + "a", "", storage.TooLarge},
	} {
		got, err := s.CleanName(tc.in)
		if got != tc.want || !errors.Is(err, tc.err) {
			t.Errorf("%q: %q, %v; want %q, %v", tc.in, got, err, tc.want, tc.err)
		}
	}
}

func TestMailboxes(t *testing.T) {
	s := openStore(t, nil)
	a := account(t, s, 1)
	want := []string{"INBOX", "Archive", "Drafts", "Junk", "Sent", "Trash"}
	if got := names(t, a); !slices.Equal(got, want) {
		t.Fatalf("a new account has %q", got)
	}
	subs, err := a.Subscriptions(t.Context())
	if err != nil || len(subs) != 6 {
		t.Fatal(subs, err)
	}
	sent, err := a.Mailbox(t.Context(), "Sent")
	if err != nil || !slices.Equal(sent.Uses, []imap.MailboxAttr{imap.MailboxAttrSent}) {
		t.Fatal(sent, err)
	}
	create(t, a, "a/b/c", "inbox/x", "a-b", "a/b/d")
	want = []string{"INBOX+", "INBOX/x", "Archive", "Drafts", "Junk", "Sent", "Trash", "(a)+", "(a/b)+", "a/b/c", "a/b/d", "a-b"}
	if got := names(t, a); !slices.Equal(got, want) {
		t.Fatalf("got %q", got)
	}
	for _, tc := range []struct {
		name string
		err  error
	}{{"a/b/c", storage.Exists}, {"inbox", storage.Exists}, {"", storage.Invalid}} {
		if _, err := a.Create(t.Context(), tc.name); !errors.Is(err, tc.err) {
			t.Errorf("create %q: %v", tc.name, err)
		}
	}
	for _, tc := range []struct {
		name string
		err  error
	}{{"Inbox", Reserved}, {"a/b", HasChildren}, {"none", storage.NotFound}, {"no*ne", storage.NotFound}, {"a/b/c", nil}, {"a/b/d", nil}, {"a", storage.NotFound}} {
		if err := a.Delete(t.Context(), tc.name); !errors.Is(err, tc.err) {
			t.Errorf("delete %q: %v", tc.name, err)
		}
	}
	checkStore(t, s)
}

func TestUIDValidityAscends(t *testing.T) {
	s := openStore(t, nil)
	a := account(t, s, 1)
	last := uint32(0)
	for range 5 {
		m, err := a.Create(t.Context(), "x")
		if err != nil || m.UIDValidity <= last {
			t.Fatal(m, err, last)
		}
		last = m.UIDValidity
		if err := a.Delete(t.Context(), "x"); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRename(t *testing.T) {
	s := openStore(t, nil)
	a := account(t, s, 1)
	create(t, a, "a", "a/b", "a/b/c", "z/y", "ab")
	before, _ := a.Mailbox(t.Context(), "a/b")
	for _, tc := range []struct {
		from, to string
		err      error
	}{
		{"a", "a/q", storage.Invalid},
		{"a", "ab", storage.Exists},
		{"a", "inbox", storage.Exists},
		{"none", "some", storage.NotFound},
		{"a", "b*", storage.Invalid},
		{"a", "new/a", nil},
		{"z", "w", nil}, // it is only implied
		{"new/a/b", "new/b", nil},
	} {
		if err := a.Rename(t.Context(), tc.from, tc.to); !errors.Is(err, tc.err) {
			t.Errorf("rename %q to %q: %v", tc.from, tc.to, err)
		}
	}
	got := names(t, a)
	want := []string{"INBOX", "Archive", "Drafts", "Junk", "Sent", "Trash", "ab", "(new)+", "new/a", "new/b+", "new/b/c", "(w)+", "w/y"}
	if !slices.Equal(got, want) {
		t.Fatalf("got %q", got)
	}
	after, err := a.Mailbox(t.Context(), "new/b")
	if err != nil || after.ID != before.ID || after.UIDValidity != before.UIDValidity {
		t.Fatal(before, after, err)
	}
}

func TestRenameInbox(t *testing.T) {
	s := openStore(t, func(c *Config) { c.Batch = 10 })
	a := account(t, s, 1)
	create(t, a, "INBOX/below")
	in := mailboxID(t, a, Inbox)
	fill(t, a, in, 95, "$Label1", imap.FlagSeen)
	if err := a.Rename(t.Context(), "inbox", "old/mail"); err != nil {
		t.Fatal(err)
	}
	if n := snapshot(t, a, in).Len(); n != 0 || mailboxID(t, a, Inbox) != in {
		t.Fatalf("INBOX holds %d", n)
	}
	sn := snapshot(t, a, mailboxID(t, a, "old/mail"))
	if sn.Len() != 95 {
		t.Fatalf("the new mailbox holds %d", sn.Len())
	}
	if got := sn.Keywords.Names(nil, sn.At(94).Flags); !slices.Equal(got, []imap.Flag{imap.FlagSeen, "$Label1"}) {
		t.Fatal(got)
	}
	if !slices.Contains(names(t, a), "INBOX/below") {
		t.Fatal(names(t, a))
	}
	checkStore(t, s)
}

func TestSpecialUse(t *testing.T) {
	s := openStore(t, nil)
	a := account(t, s, 1)
	if _, err := a.Create(t.Context(), "x", imap.MailboxAttrSent); !errors.Is(err, BadUse) {
		t.Fatal(err)
	}
	if _, err := a.Create(t.Context(), "x", imap.MailboxAttrAll); !errors.Is(err, BadUse) {
		t.Fatal(err)
	}
	if err := a.SetUses(t.Context(), mailboxID(t, a, "Sent")); err != nil {
		t.Fatal(err)
	}
	m, err := a.Create(t.Context(), "x", `\sent`, imap.MailboxAttrImportant)
	if err != nil || !slices.Equal(m.Uses, []imap.MailboxAttr{imap.MailboxAttrSent, imap.MailboxAttrImportant}) {
		t.Fatal(m, err)
	}
}

func TestMailboxLimit(t *testing.T) {
	s := openStore(t, func(c *Config) { c.MaxMailboxes = 10 })
	a := account(t, s, 1)
	create(t, a, "1", "2", "3", "4")
	if _, err := a.Create(t.Context(), "5"); !errors.Is(err, storage.OverQuota) {
		t.Fatal(err)
	}
	if have, most, err := a.Room(t.Context()); have != 10 || most != 10 || err != nil {
		t.Fatal(have, most, err)
	}
}

func TestSubscriptionsLiveApart(t *testing.T) {
	s := openStore(t, nil)
	a := account(t, s, 1)
	if err := a.Subscribe(t.Context(), "not/there"); err != nil {
		t.Fatal(err)
	}
	if err := a.Delete(t.Context(), "Sent"); err != nil {
		t.Fatal(err)
	}
	if err := a.Unsubscribe(t.Context(), "Trash"); err != nil {
		t.Fatal(err)
	}
	if err := a.Unsubscribe(t.Context(), "Trash"); !errors.Is(err, storage.NotFound) {
		t.Fatal(err)
	}
	got, err := a.Subscriptions(t.Context())
	if want := []string{"Archive", "Drafts", "INBOX", "Junk", "Sent", "not/there"}; err != nil || !slices.Equal(got, want) {
		t.Fatal(got, err)
	}
}

// Rights of one who acts on another's mailboxes (RFC 4314 §4).
func TestRights(t *testing.T) {
	s := openStore(t, nil)
	own := account(t, s, 1)
	account(t, s, 2)
	create(t, own, "team")
	id := mailboxID(t, own, "team")
	fill(t, own, id, 3, imap.FlagDeleted)
	guest := s.Open(2, 1)
	ctx := t.Context()
	set := func(r storage.Rights) { grant(t, s, storage.Grant{Collection: id, To: 2, Rights: r}, 1) }
	is := func(err, want error) {
		t.Helper()
		if !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
	}

	_, err := guest.Mailbox(ctx, "team")
	is(err, storage.NotFound)
	_, err = guest.Snapshot(ctx, id)
	is(err, storage.NotFound)
	if got := names(t, guest); len(got) != 0 {
		t.Errorf("a stranger sees %q", got)
	}

	set(storage.Lookup)
	_, err = guest.Snapshot(ctx, id)
	is(err, storage.Forbidden)
	set(storage.Lookup | storage.Read)
	sn, err := guest.Snapshot(ctx, id)
	is(err, nil)
	if system, keywords, more := sn.PermanentFlags(); system != 0 || keywords || more {
		t.Errorf("permanent flags %v %v %v", system, keywords, more)
	}
	_, err = guest.SetFlags(ctx, id, everything(), FlagChange{Flags: []imap.Flag{imap.FlagSeen}})
	is(err, storage.Forbidden)
	_, err = guest.Append(ctx, id, NewMessage{Prepared: fake(1, 1)})
	is(err, storage.Forbidden)
	_, err = guest.Expunge(ctx, id)
	is(err, storage.Forbidden)
	is(guest.Delete(ctx, "team"), storage.Forbidden)
	is(guest.Rename(ctx, "team", "mine"), storage.Forbidden)
	_, err = guest.Create(ctx, "team/x")
	is(err, storage.Forbidden)
	_, err = guest.Create(ctx, "other")
	is(err, storage.Forbidden)

	set(storage.ReadOnly | storage.Seen | storage.Insert | storage.Create)
	out, err := guest.SetFlags(ctx, id, everything(), FlagChange{Op: ReplaceFlags, Flags: []imap.Flag{imap.FlagSeen, imap.FlagFlagged, "$x"}})
	is(err, nil)
	m := snapshot(t, own, id).At(0)
	if m.Flags != Seen|Deleted || len(out.Changed) != 1 {
		t.Errorf("flags %x, changed %v", m.Flags, out.Changed)
	}
	_, err = guest.Append(ctx, id, NewMessage{Prepared: fake(1, 1), Flags: []imap.Flag{imap.FlagSeen, imap.FlagDraft, "$y"}})
	is(err, nil)
	if m := snapshot(t, own, id).At(3); m.Flags != Seen {
		t.Errorf("flags %x", m.Flags)
	}
	if sub, err := guest.Create(ctx, "team/x"); err != nil || !sub.Rights.Has(storage.Insert) {
		t.Errorf("%v, %v", sub, err)
	}

	mine := s.Open(2, 2)
	_, err = guest.Move(ctx, id, everything(), mine, mailboxID(t, mine, Inbox))
	is(err, storage.Forbidden)
	_, err = guest.Copy(ctx, id, everything(), mine, mailboxID(t, mine, Inbox))
	is(err, nil)
	set(storage.AllRights)
	_, err = guest.Move(ctx, id, everything(), mine, mailboxID(t, mine, Inbox))
	is(err, nil)
	if n, k := snapshot(t, own, id).Len(), snapshot(t, mine, mailboxID(t, mine, Inbox)).Len(); n != 0 || k != 8 {
		t.Errorf("%d left, %d arrived", n, k)
	}
	checkStore(t, s)
}

func TestKeywordsOverflow(t *testing.T) {
	s := openStore(t, nil)
	a := account(t, s, 1)
	id := mailboxID(t, a, Inbox)
	ctx := t.Context()
	one := imap.UIDSet{{Start: 1, Stop: 1}}
	fill(t, a, id, 2)
	for i := range MaxKeywords {
		if _, err := a.SetFlags(ctx, id, one, FlagChange{Flags: []imap.Flag{imap.Flag(fmt.Sprint("k", i))}}); err != nil {
			t.Fatal(err)
		}
	}
	sn := snapshot(t, a, id)
	if _, _, more := sn.PermanentFlags(); more || !sn.Keywords.Full() {
		t.Error("a full table is not told")
	}
	_, err := a.SetFlags(ctx, id, one, FlagChange{Flags: []imap.Flag{"one-too-many"}})
	if !errors.Is(err, TooManyKeywords) {
		t.Fatal(err)
	}
	_, err = a.SetFlags(ctx, id, one, FlagChange{Op: RemoveFlags, Flags: []imap.Flag{"K7"}})
	if err != nil {
		t.Fatal(err)
	}
	out, err := a.SetFlags(ctx, id, imap.UIDSet{{Start: 2, Stop: 2}}, FlagChange{Flags: []imap.Flag{"in-its-place", "k8"}})
	if err != nil || len(out.Changed) != 1 {
		t.Fatal(out, err)
	}
	sn = snapshot(t, a, id)
	if got := sn.Keywords.Names(nil, sn.At(1).Flags); !slices.Equal(got, []imap.Flag{"in-its-place", "k8"}) {
		t.Fatal(got)
	}
	if n := len(sn.Keywords.Names(nil, sn.At(0).Flags)); n != MaxKeywords-1 {
		t.Fatal(n)
	}
	// A copy into a full mailbox loses the keyword, not the message.
	src := mailboxID(t, a, "Archive")
	fill(t, a, src, 1, "strange", "k9")
	if _, err := a.Copy(ctx, src, everything(), a, id); err != nil {
		t.Fatal(err)
	}
	sn = snapshot(t, a, id)
	if got := sn.Keywords.Names(nil, sn.At(2).Flags); !slices.Equal(got, []imap.Flag{"k9"}) {
		t.Fatal(got)
	}
	checkStore(t, s)
}

func TestQuotaUndoesCopy(t *testing.T) {
	s := openStore(t, func(c *Config) { c.Batch = 5 })
	a := account(t, s, 1)
	id, dst := mailboxID(t, a, Inbox), mailboxID(t, a, "Archive")
	fill(t, a, id, 20)
	if err := s.storage.SetLimits(t.Context(), 1, 2000*32, 0); err != nil {
		t.Fatal(err)
	}
	out, err := a.Copy(t.Context(), id, everything(), a, dst)
	if !errors.Is(err, storage.OverQuota) || len(out.To) != 0 {
		t.Fatal(out, err)
	}
	if n := snapshot(t, a, dst).Len(); n != 0 {
		t.Fatalf("%d copies stayed", n)
	}
	checkStore(t, s)
}

func TestReplace(t *testing.T) {
	s := openStore(t, nil)
	a := account(t, s, 1)
	id := mailboxID(t, a, "Drafts")
	fill(t, a, id, 2)
	out, err := a.Replace(t.Context(), id, 1, a, id, NewMessage{Prepared: fake(9, 10), Flags: []imap.Flag{imap.FlagDraft}})
	if err != nil || out.UIDs.String() != "3" {
		t.Fatal(out, err)
	}
	if _, err := a.Replace(t.Context(), id, 1, a, id, NewMessage{Prepared: fake(9, 10)}); !errors.Is(err, storage.NotFound) {
		t.Fatal(err)
	}
	if n := snapshot(t, a, id).Len(); n != 2 {
		t.Fatal(n)
	}
}

func TestFlagNames(t *testing.T) {
	s := openStore(t, nil)
	for name, want := range map[imap.Flag]error{
		`\seen`: nil, "$Forwarded": nil, "NonJunk": nil, "ключ": storage.Invalid, `\Recent`: storage.Invalid, `\*`: storage.Invalid,
		"": storage.Invalid, "a b": storage.Invalid, "a]": storage.Invalid, imap.Flag(strings.Repeat("x", 101)): storage.TooLarge,
	} {
		if err := s.CheckFlag(name); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", name, err, want)
		}
	}
}
