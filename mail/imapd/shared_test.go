package imapd

import (
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"atrium/mail"
	"atrium/mail/delivery"
	"atrium/mail/mailtest"
	"atrium/storage"
	"atrium/storage/account"
)

// newGroup is a rig with a group sales@example.org, of whose members user1 is an administrator and user2 is
// not; user3 is none.
func newGroup(t *testing.T) (*rig, *account.Account) {
	t.Helper()
	r := newRig(t, nil)
	g, err := r.dir.Add(t.Context(), account.New{Name: "sales", Sort: account.Group})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.store.Open(g.ID, g.ID).Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i, admin := range []bool{true, false} {
		if err := r.dir.SetMember(t.Context(), g.ID, r.users[i].ID, admin); err != nil {
			t.Fatal(err)
		}
	}
	return r, g
}

// login begins the connections of a script: connection 1 is user1's and so on.
func login(users ...int) (s string) {
	for i, u := range users {
		s += fmt.Sprintf("%dS: * OK $...\n%dC: l LOGIN user%d pass\n%dS: l OK $...\n", i+1, i+1, u, i+1)
	}
	return s
}

func TestGroupMailboxes(t *testing.T) {
	t.Parallel()
	r, _ := newGroup(t)
	mailtest.Play(t, r.bare(), login(1, 2, 3)+`
		C: a LIST "" Shared/*
		S: * LIST (\Noselect \NonExistent \HasChildren) "/" Shared/sales
		S: * LIST (\HasNoChildren) "/" Shared/sales/INBOX
		S: * LIST (\HasNoChildren) "/" Shared/sales/Archive
		S: * LIST (\HasNoChildren) "/" Shared/sales/Drafts
		S: * LIST (\HasNoChildren) "/" Shared/sales/Junk
		S: * LIST (\HasNoChildren) "/" Shared/sales/Sent
		S: * LIST (\HasNoChildren) "/" Shared/sales/Trash
		S: a OK $...
		C: b LIST "" %
		S: ...
		S: * LIST (\Noselect \NonExistent \HasChildren) "/" Shared
		S: b OK $...
		C: c LIST Shared/ %
		S: * LIST (\Noselect \NonExistent \HasChildren) "/" Shared/sales
		S: c OK $...
		3C: a LIST "" Shared*
		3S: a OK $...
		3C: b SELECT Shared/sales/INBOX
		3S: b NO [NONEXISTENT] No such mailbox

		# Members make, fill and remove mailboxes of the group, one that is no administrator cannot share them.
		2C: a CREATE Shared/sales/Offers
		2S: a OK $...
		2C: b APPEND Shared/sales/Offers (\Seen) {}
		2L: Subject: offer
		2C:
		2S: b OK [APPENDUID $v 1] $...
		C: d STATUS Shared/sales/Offers (MESSAGES UNSEEN)
		S: * STATUS Shared/sales/Offers (MESSAGES 1 UNSEEN 0)
		S: d OK $...
		2C: c SETACL Shared/sales/Offers user3 lr
		2S: c NO [NOPERM] $...
		2C: d MYRIGHTS Shared/sales/Offers
		2S: * MYRIGHTS Shared/sales/Offers lrswipkxtecd
		2S: d OK $...
		C: e SETACL Shared/sales/Offers user3 lr
		S: e OK $...
		C: f GETACL Shared/sales/Offers
		S: * ACL Shared/sales/Offers sales@example.org lrswipkxteacd user3@example.org lr
		S: f OK $...
		3C: c LIST "" *Offers
		3S: * LIST (\HasNoChildren) "/" Shared/sales/Offers
		3S: c OK $...
		3C: d SELECT Shared/sales/Offers
		3S: * FLAGS $...
		3S: * OK [PERMANENTFLAGS ()] $...
		3S: ...
		3S: d OK [READ-ONLY] $...
		3C: e FETCH 1 (FLAGS BODY[HEADER.FIELDS (SUBJECT)])
		3S: * 1 FETCH $...
		3S: ...
		3S: e OK $...
		3C: f STORE 1 +FLAGS (\Flagged)
		3S: f NO $...
		3C: g MOVE 1 INBOX
		3S: g NO $...
		3C: h COPY 1 INBOX
		3S: h OK [COPYUID $w 1 1] $...
		3C: i CLOSE
		3S: i OK $...
		2C: e RENAME Shared/sales/Offers Shared/sales/Old/Offers
		2S: e OK $...
		2C: f RENAME Shared/sales/Old/Offers Offers
		2S: f NO [CANNOT] $...
		3C: j STATUS Shared/sales/Offers (MESSAGES)
		3S: j NO [NONEXISTENT] $...
		3C: k STATUS Shared/sales/Old/Offers (MESSAGES)
		3S: * STATUS Shared/sales/Old/Offers (MESSAGES 1)
		3S: k OK $...
		2C: g DELETE Shared/sales/INBOX
		2S: g NO [CANNOT] $...
		2C: h DELETE Shared/sales/Old/Offers
		2S: h OK $...
		3C: l LIST "" Shared*
		3S: l OK $...

		# The namespace itself.
		C: g CREATE Shared/x
		S: g NO [CANNOT] $...
		C: h CREATE Shared/nobody/x
		S: h NO [NOPERM] $...
		C: i CREATE Shared
		S: i NO [CANNOT] $...
		C: j RENAME Sent Shared/x
		S: j NO $...
		C: k SELECT Shared/user1/INBOX
		S: k NO [NONEXISTENT] $...`)
}

func TestGroupSubscriptions(t *testing.T) {
	t.Parallel()
	r, _ := newGroup(t)
	mailtest.Play(t, r.bare(), login(1, 2)+`
		C: a SUBSCRIBE Shared/sales/inbox
		S: a OK $...
		C: b LSUB "" Shared/*
		S: * LSUB () "/" Shared/sales/INBOX
		S: b OK $...
		C: c LIST (SUBSCRIBED) "" Shared/*
		S: * LIST (\HasNoChildren \Subscribed) "/" Shared/sales/INBOX
		S: c OK $...
		2C: a LSUB "" Shared/*
		2S: a OK $...
		2C: b LIST "" Shared/sales/INBOX RETURN (SUBSCRIBED)
		2S: * LIST (\HasNoChildren) "/" Shared/sales/INBOX
		2S: b OK $...
		C: d UNSUBSCRIBE Shared/sales/INBOX
		S: d OK $...
		C: e LSUB "" Shared/*
		S: e OK $...`)
}

// What is delivered to a group's address is told to all members at once.
func TestGroupDelivery(t *testing.T) {
	t.Parallel()
	r, _ := newGroup(t)
	d, err := delivery.New(r.store, r.dir, delivery.DefaultConfig(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	var log []string
	members := []*believer{newBelieverAs(t, r, "a", "user1", &log), newBelieverAs(t, r, "b", "user2", &log)}
	for _, b := range members {
		b.do("SELECT Shared/sales/INBOX")
		b.send("i IDLE")
		b.until("+")
	}
	e := &delivery.Envelope{From: "a@b.example", ID: "TEST", Helo: "c.example", Protocol: "LMTP", Time: time.Now()}
	route, err := d.Route(t.Context(), "sales@example.org", 0)
	if err != nil {
		t.Fatal(err)
	}
	e.Routes = append(e.Routes, route)
	m, err := d.Open(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	io.WriteString(m, strings.ReplaceAll(sample, "\n", "\r\n"))
	for _, res := range m.Deliver(t.Context()) {
		if res.Err != nil {
			t.Fatal(res.Err)
		}
	}
	for _, b := range members {
		b.until("* 1 EXISTS")
		b.send("DONE")
		b.until("i OK")
		b.nc.Close()
	}
}

func TestGroupIdle(t *testing.T) {
	t.Parallel()
	r, g := newGroup(t)
	mailtest.Play(t, r.bare(), login(1, 2, 2)+`
		C: a SELECT Shared/sales/INBOX
		S: ...
		S: a OK [READ-WRITE] $...
		C: b IDLE
		S: + idling
		2C: a SELECT Shared/sales/INBOX
		2S: ...
		2S: a OK $...
		2C: b IDLE
		2S: + idling
		3C: a APPEND Shared/sales/INBOX {}
		3L: Subject: news
		3C:
		3S: a OK $...
		S: * 1 EXISTS
		S: * $... RECENT
		2S: * 1 EXISTS
		2S: * $... RECENT
		3C: b SELECT Shared/sales/INBOX
		3S: ...
		3S: b OK $...
		3C: c STORE 1 +FLAGS.SILENT (\Answered \Deleted)
		3S: c OK $...
		S: * 1 FETCH (FLAGS ($...\Answered $...\Deleted$...))
		2S: * 1 FETCH (FLAGS ($...\Answered $...\Deleted$...))
		3C: d EXPUNGE
		3S: * 1 EXPUNGE
		3S: d OK $...
		S: * 1 EXPUNGE
		2S: * 1 EXPUNGE
		C: DONE
		S: b OK $...
		2C: DONE
		2S: b OK $...
		C: c LOGOUT
		S: ...
		S: c OK $...`)
	if err := r.dir.RemoveMember(t.Context(), g.ID, r.users[0].ID); err != nil {
		t.Fatal(err)
	}
	mailtest.Play(t, r.bare(), login(1, 2)+`
		C: a SELECT Shared/sales/INBOX
		S: a NO [NONEXISTENT] $...
		C: b LIST "" Shared*
		S: b OK $...
		2C: a SELECT Shared/sales/INBOX
		2S: ...
		2S: a OK $...`)
}

// A grant that is taken back ends what it allowed, also in a session that has the mailbox selected.
func TestRightsGo(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	mailtest.Play(t, r.bare(), login(1, 2)+`
		C: a CREATE team
		S: a OK $...
		C: b APPEND team {}
		L: Subject: one
		C:
		S: b OK $...
		C: c SETACL team user2 lrswte
		S: c OK $...
		2C: a SELECT Shared/user1/team
		2S: ...
		2S: * OK [PERMANENTFLAGS (\Seen \Answered \Flagged \Deleted \Draft \*)] $...
		2S: ...
		2S: a OK [READ-WRITE] $...
		C: d SETACL team user2 lrs
		S: d OK $...
		2C: b NOOP
		2S: * FLAGS $...
		2S: * OK [PERMANENTFLAGS (\Seen)] $...
		2S: b OK $...
		2C: c STORE 1 +FLAGS (\Flagged)
		2S: c NO [NOPERM] $...
		2C: d STORE 1 +FLAGS (\Seen)
		2S: * 1 FETCH (FLAGS (\Seen $...))
		2S: d OK $...
		2C: e EXPUNGE
		2S: e NO [NOPERM] $...
		2C: f UID EXPUNGE 1
		2S: f NO [NOPERM] $...
		2C: g APPEND Shared/user1/team {14}
		2S: g NO [NOPERM] $...
		C: e SETACL team user2 r
		S: e OK $...
		2C: h EXPUNGE
		2S: ...
		2S: h NO [NOPERM] $...
		C: f DELETEACL team user2
		S: f OK $...
		2C: i NOOP
		2S: * BYE $...
		2EOF:`)
}

func TestSharedQuota(t *testing.T) {
	t.Parallel()
	r, g := newGroup(t)
	if err := r.store.Storage().SetLimits(t.Context(), g.ID, 4<<20, 0); err != nil {
		t.Fatal(err)
	}
	mailtest.Play(t, r.bare(), login(1, 3)+`
		C: a GETQUOTAROOT Shared/sales/INBOX
		S: * QUOTAROOT Shared/sales/INBOX Shared/sales
		S: * QUOTA Shared/sales (STORAGE 0 4096 MAILBOX $_ 10000)
		S: a OK $...
		C: b GETQUOTA Shared/sales
		S: * QUOTA Shared/sales (STORAGE 0 4096 MAILBOX $_ 10000)
		S: b OK $...
		C: c GETQUOTA Shared/nobody
		S: c NO $...
		2C: a GETQUOTA Shared/sales
		2S: a NO [NONEXISTENT] $...
		2C: b GETQUOTAROOT Shared/sales/INBOX
		2S: b NO [NONEXISTENT] $...`)
}

// Names of accounts that cannot be part of a mailbox's are told by number.
func TestLabels(t *testing.T) {
	r := newRig(t, nil)
	for name, want := range map[string]string{"ann": "ann", "Ben": "Ben", "a/b": "#", "x%": "#", "#5": "#", "ü": "ü"} {
		a, err := r.dir.Add(t.Context(), account.New{Name: name})
		if err != nil {
			t.Fatal(err)
		}
		label := r.label(a)
		if want == "#" {
			want = fmt.Sprint("#", a.ID)
		}
		if label != want {
			t.Errorf("%s: %q, want %q", name, label, want)
		}
		if b, err := r.labelled(t.Context(), label); err != nil || b.ID != a.ID {
			t.Errorf("%s: %v, %v", label, b, err)
		}
	}
	if a, err := r.labelled(t.Context(), fmt.Sprint("#", r.users[0].ID)); err == nil {
		t.Errorf("two labels of one account: %v", a)
	}
}

// TestUnseenIsNotThere says every command for a mailbox that user2 may not know of and for names that are
// nowhere: nothing tells them apart.
func TestUnseenIsNotThere(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	a, id := r.box(t, 1, "secret")
	r.box(t, 1, "secret/below")
	_, open := r.box(t, 1, "open")
	if err := a.Grant(t.Context(), open, r.users[1].ID, func(storage.Rights) storage.Rights { return storage.ReadOnly }); err != nil {
		t.Fatal(err)
	}
	r.fill(t, 1, "secret", 1, nil)
	r.fill(t, 2, "INBOX", 1, nil)
	var log []string
	b := newBelieverAs(t, r, "b", "user2", &log)
	b.do("SELECT INBOX")
	ask := func(cmd string, name string) string {
		b.do("SELECT INBOX")
		from := len(log)
		b.do(fmt.Sprintf(cmd, name))
		out := ""
		for _, line := range log[from+1:] {
			out += line + "\n"
		}
		tag := fmt.Sprintf("b%d ", b.n)
		return strings.NewReplacer(tag, "TAG ", name, "NAME").Replace(out)
	}
	for _, cmd := range []string{
		"STATUS %s (MESSAGES UIDNEXT)", "DELETE %s", "RENAME %s Shared/user1/other", "RENAME Sent %s", "RENAME %s mine", "CREATE %s",
		"CREATE %[1]s/x", "APPEND %s {3+}\r\nabc", "COPY 1 %s", "MOVE 1 %s", "REPLACE 1 %s {3+}\r\nabc", "GETACL %s", "MYRIGHTS %s",
		"SETACL %s user3 lr", "DELETEACL %s user3", "LISTRIGHTS %s user3", "GETQUOTAROOT %s", `LIST "" %s`, `LIST "" %s/*`,
		`LIST "" %s RETURN (MYRIGHTS STATUS (MESSAGES))`, "SUBSCRIBE %s", "UNSUBSCRIBE %s", "SELECT %s", "EXAMINE %s",
	} {
		unseen, nowhere := ask(cmd, "Shared/user1/secret"), ask(cmd, "Shared/user1/nowhere")
		if unseen != nowhere {
			t.Errorf("%s\nunseen:\n%snowhere:\n%s", cmd, unseen, nowhere)
		}
		// An account that shares nothing is one that is not there.
		if unseen, nowhere = ask(cmd, "Shared/user3/INBOX"), ask(cmd, "Shared/nobody/INBOX"); unseen != nowhere {
			t.Errorf("%s\nshares nothing:\n%snobody:\n%s", cmd, unseen, nowhere)
		}
	}
	m, err := a.MailboxByID(t.Context(), id)
	if err != nil || m.Name != "secret" || m.Exists != 1 {
		t.Errorf("%v, %v", m, err)
	}
	b.nc.Close()
}

// needs has for each command the rights that it needs on the mailbox box (RFC 4314 §4).
var needs = []struct{ cmd, rights string }{
	{"SELECT Shared/user1/box", "r"},
	{"EXAMINE Shared/user1/box", "r"},
	{"STATUS Shared/user1/box (MESSAGES)", "r"},
	{"APPEND Shared/user1/box {3+}\r\nabc", "i"},
	{"COPY 1 Shared/user1/box", "i"},
	{"CREATE Shared/user1/box/sub", "k"},
	{"DELETE Shared/user1/box", "x"},
	{"RENAME Shared/user1/box Shared/user1/open/box", "x"},
	{"GETACL Shared/user1/box", "a"},
	{"SETACL Shared/user1/box user3 lr", "a"},
	{"DELETEACL Shared/user1/box user3", "a"},
	{"LISTRIGHTS Shared/user1/box user3", "a"},
	{"GETQUOTAROOT Shared/user1/box", "r"},
}

// selectedNeeds is needs for commands in the selected mailbox, whose message has \Deleted.
var selectedNeeds = []struct{ cmd, rights string }{
	{`STORE 1 +FLAGS (\Seen)`, "s"}, {`STORE 1 -FLAGS (\Deleted)`, "t"}, {`STORE 1 +FLAGS ($x)`, "w"},
	{"EXPUNGE", "e"}, {"UID EXPUNGE 1", "e"}, {"MOVE 1 INBOX", "te"}, {"REPLACE 1 Shared/user1/box {3+}\r\nabc", "ite"},
	{"REPLACE 1 INBOX {3+}\r\nabc", "te"}, {"UID REPLACE 1 Shared/user1/open {3+}\r\nabc", "te"},
}

func deleted(int) []imap.Flag { return []imap.Flag{imap.FlagDeleted} }

// TestEachRight says each command with exactly the rights that it needs, and with all but one of them.
func TestEachRight(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	var log []string
	b := newBelieverAs(t, r, "b", "user2", &log)
	a, _ := r.box(t, 1, "open")
	r.fill(t, 2, "INBOX", 1, nil)
	grant := func(name string, rights storage.Rights) {
		_, id := r.box(t, 1, name)
		if err := a.Grant(t.Context(), id, r.users[1].ID, func(storage.Rights) storage.Rights { return rights }); err != nil {
			t.Fatal(err)
		}
	}
	grant("open", storage.Lookup|storage.Create|storage.Insert)
	fresh := func(rights storage.Rights) {
		for _, name := range []string{"box/sub", "box", "open/box"} {
			a.Delete(t.Context(), name)
		}
		r.fill(t, 1, "box", 1, deleted)
		grant("box", rights)
	}
	try := func(cmd, rights string, selected bool) {
		need, err := mail.ParseRights(rights)
		if err != nil {
			t.Fatal(err)
		}
		enough := need | storage.Lookup
		var rest []storage.Rights
		for bit := storage.Rights(1); bit != 0 && bit <= mail.AllLetters; bit <<= 1 {
			if need&bit != 0 {
				rest = append(rest, mail.AllLetters&^bit)
			}
		}
		if selected {
			enough |= storage.Read
		}
		for i, have := range append(rest, enough) {
			fresh(have)
			b.do("UNSELECT")
			if selected {
				b.do("SELECT Shared/user1/box")
			} else {
				b.do("SELECT INBOX")
			}
			got := b.do(cmd)
			want := fmt.Sprintf("b%d NO ", b.n)
			if i == len(rest) {
				want = fmt.Sprintf("b%d OK ", b.n)
			}
			if len(got) < len(want) || got[:len(want)] != want {
				t.Errorf("%s with %s: %s", cmd, mail.FormatRights(have, false), got)
			}
		}
	}
	for _, tc := range needs {
		try(tc.cmd, tc.rights, false)
	}
	for _, tc := range selectedNeeds {
		try(tc.cmd, tc.rights, true)
	}
	b.nc.Close()
}

// TestModelShared is TestModel with the owner of a mailbox and two users whom it is shared with, while the owner
// gives and takes rights at random.
func TestModelShared(t *testing.T) {
	seeds := []uint64{1, 2, 3}
	if testing.Short() {
		seeds = seeds[:1]
	}
	for _, seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			rnd := rand.New(rand.NewPCG(seed, 11))
			r := newRig(t, nil)
			r.box(t, 1, "box")
			r.box(t, 1, "other")
			var log []string
			owner := newBeliever(t, r, "o", &log)
			owner.do("SETACL box user2 " + mail.FormatRights(mail.AllLetters, false))
			owner.do("SETACL box user3 lr")
			owner.do("SETACL other anyone li")
			clients := []*believer{owner}
			for i, user := range []string{"user1", "user2", "user2", "user3"} {
				b := newBelieverAs(t, r, string(rune('a'+i)), user, &log)
				if user != "user1" {
					b.at = "Shared/user1/"
				}
				if i%2 == 1 {
					b.do("ENABLE QRESYNC")
				}
				clients = append(clients, b)
			}
			for _, b := range clients {
				b.selected = true
				b.do("SELECT " + b.at + "box")
			}
			for i := range 300 {
				b := clients[rnd.IntN(len(clients))]
				b.learn()
				b.step(rnd)
				if rnd.IntN(10) == 0 {
					some := mail.FormatRights(storage.Rights(rnd.Uint32())&mail.AllLetters|storage.Lookup|storage.Read, false)
					owner.do(fmt.Sprintf("SETACL box user%d %s", 2+rnd.IntN(2), some))
				}
				if i%40 == 39 {
					for _, b := range clients {
						b.check()
					}
				}
			}
			want := fmt.Sprint(owner.list)
			for _, b := range clients {
				b.do("NOOP")
				b.check()
				if got := fmt.Sprint(b.list); b != owner && got != want {
					b.fail("%s sees %v, the owner %v", b.name, got, want)
				}
				want = fmt.Sprint(owner.list)
				b.do("LOGOUT")
				b.nc.Close()
			}
		})
	}
}

// BenchmarkListShared lists one mailbox of an account that has a thousand, and one of each of a hundred others.
func BenchmarkListShared(b *testing.B) {
	r := newRig(b, nil)
	give := func(a *mail.Account, name string) {
		m, err := a.Create(b.Context(), name)
		if err == nil {
			err = a.Grant(b.Context(), m.ID, r.users[0].ID, func(storage.Rights) storage.Rights { return storage.ReadOnly })
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	rich := r.store.Open(r.users[1].ID, r.users[1].ID)
	for i := range 1000 {
		if _, err := rich.Create(b.Context(), fmt.Sprint("box/", i)); err != nil {
			b.Fatal(err)
		}
	}
	give(rich, "team")
	for i := range 100 {
		u, err := r.dir.Add(b.Context(), account.New{Name: fmt.Sprint("other", i)})
		if err != nil {
			b.Fatal(err)
		}
		give(r.store.Open(u.ID, u.ID), "team")
	}
	c := r.client(b, r.listen(b))
	b.ReportAllocs()
	for b.Loop() {
		c.do(`LIST "" Shared/*`)
	}
}

// A mailbox that may be listed but not read is told as such when it is asked for (RFC 5465 §3.1), and one whose
// lookup is granted or taken back comes and goes (§5.4).
func TestNotifyWithoutAccess(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	mailtest.Play(t, r.bare(), login(1, 2)+`
		C: a CREATE team
		S: a OK $...
		C: b SETACL team user2 l
		S: b OK $...
		2C: a NOTIFY SET STATUS (subtree Shared (MessageNew MessageExpunge MailboxName))
		2S: * LIST (\NoAccess \HasNoChildren) "/" Shared/user1/team
		2S: a OK $...
		C: c APPEND team {+}
		L: Subject: one
		C:
		S: c OK $...
		C: d CREATE open
		S: d OK $...
		C: e SETACL open user2 lr
		S: e OK $...
		2S: * LIST (\Noselect \NonExistent \HasChildren) "/" Shared/user1
		2S: * LIST (\HasNoChildren) "/" Shared/user1/open
		C: f DELETEACL open user2
		S: f OK $...
		2S: * LIST (\Noselect \NonExistent \HasChildren) "/" Shared/user1
		2S: * LIST (\NonExistent) "/" Shared/user1/open`)
}
