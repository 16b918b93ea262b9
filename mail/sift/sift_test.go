package sift

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"atrium/mail"
	"atrium/mail/delivery"
	"atrium/storage"
	"atrium/storage/account"
	"atrium/storage/embedded"
)

type rig struct {
	mail *mail.Store
	dir  *account.Directory
	to   *delivery.Deliverer
	sift *Sifter
	rng  *rand.Rand
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var ctx = context.Background()

func newRig(t testing.TB) *rig {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	folder, err := embedded.Open(t.TempDir(), embedded.Small(), log)
	must(t, err)
	store, err := storage.Open(folder.Engine, folder.Blobs, []storage.Schema{mail.Schema}, storage.DefaultConfig(), log)
	must(t, err)
	r := &rig{rng: rand.New(rand.NewPCG(1, 2))}
	r.mail, err = mail.New(store, mail.DefaultConfig(), log)
	must(t, err)
	cfg := DefaultConfig()
	cfg.AtLeast = 10
	r.sift, err = New(cfg, r.mail, nil, log)
	must(t, err)
	t.Cleanup(func() {
		r.sift.Close()
		store.Close()
		folder.Close()
	})
	ac := account.DefaultConfig()
	ac.Domain, ac.Memory, ac.Passes = "example.org", 8, 1
	r.dir, err = account.Open(folder.Engine, ac, log)
	must(t, err)
	for _, name := range []string{"ann", "bob"} {
		a, err := r.dir.Add(ctx, account.New{Name: name + "@example.org", Password: "pass"})
		must(t, err)
		must(t, r.mail.Open(a.ID, a.ID).Ensure(ctx))
	}
	r.to, err = delivery.New(r.mail, r.dir, delivery.DefaultConfig(), log)
	must(t, err)
	r.to.SetJudge(r.sift)
	return r
}

// text makes a message of words of a sort.
func (r *rig) text(sort, from string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "From: %s\r\nSubject: %s%d\r\n\r\n", from, sort, r.rng.IntN(50))
	for range 40 {
		fmt.Fprintf(&b, "%s%d common%d ", sort, r.rng.IntN(60), r.rng.IntN(60))
	}
	return b.String() + "\r\n"
}

func (r *rig) deliver(t testing.TB, content string, v delivery.Verdict, to ...string) {
	t.Helper()
	e := &delivery.Envelope{From: "x@a.example", ID: "1", Helo: "x", Remote: netip.MustParseAddr("192.0.2.1"), Protocol: "SMTP", Time: time.Now(), Verdict: v, Whole: true}
	for _, a := range to {
		route, err := r.to.Route(ctx, a+"@example.org", 0)
		must(t, err)
		e.Routes = append(e.Routes, route)
	}
	m, err := r.to.Open(ctx, e)
	must(t, err)
	defer m.Close()
	io.WriteString(m, content)
	for _, res := range m.Deliver(ctx) {
		must(t, res.Err)
	}
}

func (r *rig) account(t testing.TB, user string) *mail.Account {
	t.Helper()
	a, err := r.dir.Find(ctx, user)
	must(t, err)
	return r.mail.Open(a.ID, a.ID)
}

// all returns the UIDs, texts and flags of a mailbox.
func (r *rig) all(t testing.TB, user, box string) (uids imap.UIDSet, texts, flags []string) {
	t.Helper()
	a := r.account(t, user)
	b, err := a.Mailbox(ctx, box)
	must(t, err)
	snap, err := a.Snapshot(ctx, b.ID)
	must(t, err)
	for _, m := range snap.Messages(0, snap.Len()) {
		uids.AddNum(m.UID)
		body, err := a.Body(ctx, b.ID, m)
		must(t, err)
		var s strings.Builder
		body.WriteTo(&s)
		body.Close()
		texts = append(texts, s.String())
		flags = append(flags, fmt.Sprint(b.Keywords.Names(nil, m.Flags)))
	}
	return uids, texts, flags
}

func (r *rig) move(t testing.TB, user, from, to string, uids imap.UIDSet, copy bool) {
	t.Helper()
	a := r.account(t, user)
	src, err := a.Mailbox(ctx, from)
	must(t, err)
	dst, err := a.Mailbox(ctx, to)
	must(t, err)
	do := a.Move
	if copy {
		do = a.Copy
	}
	_, err = do(ctx, src.ID, uids, a, dst.ID)
	must(t, err)
	must(t, r.sift.Learn(ctx, a.Owner()))
}

func (r *rig) stats(t testing.TB, user string) Stats {
	t.Helper()
	s, err := r.sift.Stats(ctx, r.account(t, user).Owner())
	must(t, err)
	return s
}

// teach delivers and moves n messages of each sort.
func (r *rig) teach(t testing.TB, user string, n int) {
	t.Helper()
	must(t, r.sift.Learn(ctx, r.account(t, user).Owner())) // what was there before is not looked at again
	a := r.account(t, user)
	for _, sort := range []string{"bad", "good"} {
		for range n {
			r.deliver(t, r.text(sort, sort+"@a.example"), delivery.Verdict{}, user)
		}
		uids, _, _ := r.all(t, user, "INBOX")
		if sort == "bad" {
			r.move(t, user, "INBOX", "Junk", uids, false)
			continue
		}
		box, err := a.Mailbox(ctx, "INBOX")
		must(t, err)
		_, err = a.SetFlags(ctx, box.ID, uids, mail.FlagChange{Op: mail.AddFlags, Flags: []imap.Flag{imap.FlagAnswered}})
		must(t, err)
		must(t, r.sift.Learn(ctx, a.Owner()))
	}
}

func TestLearning(t *testing.T) {
	r := newRig(t)
	r.deliver(t, r.text("bad", "x@a.example"), delivery.Verdict{}, "ann")
	if uids, texts, _ := r.all(t, "ann", "INBOX"); len(uids) != 1 || strings.Contains(texts[0], HeaderName) {
		t.Errorf("without anything learnt: %q", texts)
	}
	r.teach(t, "ann", 12)
	if s := r.stats(t, "ann"); s.Junk < 12 || s.Good != 12 || !s.Ready {
		t.Fatalf("%+v", s)
	}
	junkBefore, _, _ := r.all(t, "ann", "Junk")
	r.deliver(t, r.text("bad", "x@a.example"), delivery.Verdict{}, "ann")
	r.deliver(t, r.text("good", "x@a.example"), delivery.Verdict{}, "ann")
	_, texts, flags := r.all(t, "ann", "Junk")
	last := len(texts) - 1
	if n := count(junkBefore); last != n || !strings.HasPrefix(texts[last], "Return-Path: <x@a.example>\r\n"+HeaderName+": Yes, score=") || flags[last] != "[$Junk]" {
		t.Fatalf("%d, then %d: %q %q", n, last+1, texts[last], flags[last])
	}
	_, texts, _ = r.all(t, "ann", "INBOX")
	if last := texts[len(texts)-1]; !strings.Contains(last, "\r\n"+HeaderName+": No, score=0.") {
		t.Errorf("%q", last)
	}
	if s := r.stats(t, "ann"); s.Junk != 13 && s.Junk != 12 {
		t.Errorf("delivery taught something: %+v", s)
	}
}

func count(s imap.UIDSet) int { n, _ := s.Nums(); return len(n) }

// TestUndo moves a message there and back, copies it, and says so by keywords.
func TestUndo(t *testing.T) {
	r := newRig(t)
	a := r.account(t, "ann")
	must(t, r.sift.Learn(ctx, a.Owner()))
	r.deliver(t, r.text("odd", "x@a.example"), delivery.Verdict{}, "ann")
	step := func(name string, junk, good int) {
		t.Helper()
		if s := r.stats(t, "ann"); s.Junk != junk || s.Good != good {
			t.Errorf("%s: %+v", name, s)
		}
	}
	uids, _, _ := r.all(t, "ann", "INBOX")
	r.move(t, "ann", "INBOX", "Junk", uids, false)
	step("moved to Junk", 1, 0)
	must(t, r.sift.Learn(ctx, a.Owner()))
	step("once more", 1, 0)
	uids, _, _ = r.all(t, "ann", "Junk")
	r.move(t, "ann", "Junk", "INBOX", uids, false)
	step("moved back", 0, 1)
	uids, _, _ = r.all(t, "ann", "INBOX")
	r.move(t, "ann", "INBOX", "Junk", uids, true)
	step("copied to Junk", 1, 0)
	flag := func(flags ...imap.Flag) {
		t.Helper()
		box, err := a.Mailbox(ctx, "INBOX")
		must(t, err)
		_, err = a.SetFlags(ctx, box.ID, uids, mail.FlagChange{Op: mail.ReplaceFlags, Flags: flags})
		must(t, err)
		must(t, r.sift.Learn(ctx, a.Owner()))
	}
	flag(imap.FlagSeen)
	step("the copy in INBOX was read", 1, 0)
	flag("$NotJunk")
	step("$NotJunk", 0, 1)
	flag("$Junk")
	step("$Junk", 1, 0)
	must(t, r.sift.Reset(ctx, a.Owner()))
	step("reset", 0, 0)
}

// TestShared delivers junk to two who think differently of it.
func TestShared(t *testing.T) {
	r := newRig(t)
	r.teach(t, "ann", 12)
	content := r.text("bad", "x@a.example")
	r.deliver(t, content, delivery.Verdict{}, "ann", "bob")
	_, texts, _ := r.all(t, "ann", "Junk")
	if last := texts[len(texts)-1]; !strings.Contains(last, HeaderName+": Yes") || !strings.HasSuffix(last, content) {
		t.Errorf("%q", last)
	}
	if _, texts, _ = r.all(t, "bob", "INBOX"); len(texts) != 1 || strings.Contains(texts[0], HeaderName) || !strings.HasSuffix(texts[0], content) {
		t.Errorf("%q", texts)
	}
}

func TestQuarantineAndKnown(t *testing.T) {
	r := newRig(t)
	r.deliver(t, r.text("good", "x@a.example"), delivery.Verdict{Quarantine: "DMARC policy of a.example"}, "bob")
	if _, texts, _ := r.all(t, "bob", "Junk"); len(texts) != 1 || !strings.Contains(texts[0], HeaderName+": Yes, score=1.000\r\n\t(DMARC policy of a.example)\r\n") {
		t.Errorf("%q", texts)
	}
	r.teach(t, "ann", 12)
	a := r.account(t, "ann")
	sent, err := a.Mailbox(ctx, "Sent")
	must(t, err)
	spool, err := r.mail.Storage().Blobs().Spool(ctx, 0)
	must(t, err)
	io.WriteString(spool, "From: ann@example.org\r\nTo: Friend <Friend@f.example>\r\n\r\nhello\r\n")
	p, err := r.mail.Prepare(ctx, spool)
	must(t, err)
	defer p.Release()
	_, err = a.Append(ctx, sent.ID, mail.NewMessage{Prepared: p})
	must(t, err)
	must(t, r.sift.Learn(ctx, a.Owner()))
	if s := r.stats(t, "ann"); s.Known != 1 {
		t.Fatalf("%+v", s)
	}
	junk, _, _ := r.all(t, "ann", "Junk")
	r.deliver(t, r.text("bad", "friend@f.example"), delivery.Verdict{DMARC: "pass", Sender: "f.example"}, "ann")
	if now, _, _ := r.all(t, "ann", "Junk"); count(now) != count(junk) {
		t.Error("who is known came into Junk")
	}
	r.deliver(t, r.text("bad", "friend@f.example"), delivery.Verdict{DMARC: "none"}, "ann")
	if now, _, _ := r.all(t, "ann", "Junk"); count(now) != count(junk)+1 {
		t.Error("who only says to be known came into INBOX")
	}
	must(t, r.sift.Switch(ctx, a.Owner(), false))
	r.deliver(t, r.text("bad", "x@a.example"), delivery.Verdict{}, "ann")
	if now, _, _ := r.all(t, "ann", "Junk"); count(now) != count(junk)+1 {
		t.Error("judged although it was switched off")
	}
}

// TestAsync has the queue learn.
func TestAsync(t *testing.T) {
	r := newRig(t)
	a := r.account(t, "ann")
	must(t, r.sift.Learn(ctx, a.Owner()))
	r.deliver(t, r.text("bad", "x@a.example"), delivery.Verdict{}, "ann")
	uids, _, _ := r.all(t, "ann", "INBOX")
	src, err := a.Mailbox(ctx, "INBOX")
	must(t, err)
	dst, err := a.Mailbox(ctx, "Junk")
	must(t, err)
	_, err = a.Move(ctx, src.ID, uids, a, dst.ID)
	must(t, err)
	for end := time.Now().Add(30 * time.Second); r.stats(t, "ann").Junk != 1; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("nothing learnt")
		}
	}
}

func TestMark(t *testing.T) {
	for _, m := range []mark{{}, {filed: true, learnt: isGood, keyword: true, score: 0.5}, {learnt: isJunk, score: 1}} {
		if got := decodeMark(m.encode()); got != m {
			t.Errorf("%+v, want %+v", got, m)
		}
	}
	decodeMark([]byte{9})
}
