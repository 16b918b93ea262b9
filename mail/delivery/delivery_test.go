package delivery

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"atrium/mail"
	"atrium/storage"
	"atrium/storage/account"
	"atrium/storage/blob"
	"atrium/storage/embedded"
)

// rig is a store with accounts user1 to userN@example.org.
type rig struct {
	*Deliverer
	t     testing.TB
	store *storage.Store
	ids   map[string]storage.AccountID
}

func newRig(t testing.TB, users int, filters ...Filter) *rig {
	t.Helper()
	ctx, log := context.Background(), slog.New(slog.DiscardHandler)
	r := &rig{t: t, ids: map[string]storage.AccountID{}}
	folder, err := embedded.Open(t.TempDir(), embedded.Small(), log)
	r.must(err)
	r.store, err = storage.Open(folder.Engine, folder.Blobs, []storage.Schema{mail.Schema}, storage.DefaultConfig(), log)
	r.must(err)
	t.Cleanup(func() {
		r.store.Close()
		folder.Close()
	})
	m, err := mail.New(r.store, mail.DefaultConfig(), log)
	r.must(err)
	ac := account.DefaultConfig()
	ac.Domain = "example.org"
	dir, err := account.Open(folder.Engine, ac, log)
	r.must(err)
	for i := range users {
		name := fmt.Sprintf("user%d@example.org", i+1)
		a, err := dir.Add(ctx, account.New{Name: name})
		r.must(err)
		r.ids[name[:strings.IndexByte(name, '@')]] = a.ID
	}
	cfg := DefaultConfig()
	cfg.MaxMessage = 1 << 20
	r.Deliverer, err = New(m, dir, cfg, log, filters...)
	r.must(err)
	return r
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// deliver sends one message; what is wrong with each recipient comes back.
func (r *rig) deliver(content string, to ...string) []error {
	r.t.Helper()
	ctx := context.Background()
	e := &Envelope{From: "a@b.example", ID: "TEST", Helo: "c.example", Protocol: "LMTP", Time: time.Now()}
	for _, address := range to {
		route, err := r.Route(ctx, address+"@example.org", 0)
		r.must(err)
		e.Routes = append(e.Routes, route)
	}
	m, err := r.Open(ctx, e)
	r.must(err)
	defer m.Close()
	if _, err := io.WriteString(m, content); err != nil {
		return []error{err}
	}
	var out []error
	for i, res := range m.Deliver(ctx) {
		if res.Route != e.Routes[i] {
			r.t.Fatal("results out of order")
		}
		out = append(out, res.Err)
	}
	return out
}

// box returns what a mailbox holds: content without trace lines, and flags.
func (r *rig) box(user, name string) (out []string) {
	r.t.Helper()
	ctx := context.Background()
	a := r.mail.Open(r.ids[user], r.ids[user])
	box, err := a.Mailbox(ctx, name)
	if errors.Is(err, storage.NotFound) {
		return nil
	}
	r.must(err)
	snap, err := a.Snapshot(ctx, box.ID)
	r.must(err)
	for _, m := range snap.Messages(0, snap.Len()) {
		b, err := a.Body(ctx, box.ID, m)
		r.must(err)
		var buf bytes.Buffer
		b.WriteTo(&buf)
		b.Close()
		s := buf.String()
		out = append(out, s[strings.Index(s, "+0000\r\n")+7:])
	}
	return out
}

func (r *rig) create(user string, names ...string) {
	r.t.Helper()
	a := r.mail.Open(r.ids[user], r.ids[user])
	r.must(a.Ensure(context.Background()))
	for _, n := range names {
		_, err := a.Create(context.Background(), n)
		r.must(err)
	}
}

func TestFolders(t *testing.T) {
	r := newRig(t, 1)
	r.create("user1", "Lists", "Lists/Go Nuts", "with.dot", "Lists/dev")
	for _, tc := range []struct{ to, box string }{
		{"user1+lists", "Lists"}, {"user1+LISTS/DEV", "Lists/dev"}, {"user1+lists.dev", "Lists/dev"}, {"user1+with.dot", "with.dot"},
		{`user1+nowhere`, "INBOX"}, {"user1+inbox", "INBOX"}, {"user1+", "INBOX"}, {"user1", "INBOX"}, {"user1+lists/nowhere", "INBOX"},
		{`"user1+lists/go nuts"`, "Lists/Go Nuts"}, {"user1+lists+dev", "INBOX"}, {"user1+../user2", "INBOX"},
	} {
		before := len(r.box("user1", tc.box))
		if err := r.deliver("a: "+tc.to+"\r\n\r\n", tc.to); err[0] != nil {
			t.Errorf("%s: %v", tc.to, err)
			continue
		}
		got := r.box("user1", tc.box)
		if len(got) != before+1 || !strings.Contains(got[before], tc.to) {
			t.Errorf("%s is not in %s", tc.to, tc.box)
		}
	}
}

// TestOneCopy checks that an account gets a message once in each folder, and
// that all accounts share one body.
func TestOneCopy(t *testing.T) {
	r := newRig(t, 3)
	r.create("user1", "x")
	r.must(r.dir.SetAlias(context.Background(), "all@example.org", []string{"user1@example.org", "user2@example.org", "user3@example.org"}))
	for _, err := range r.deliver("a: b\r\n\r\n", "user1", "USER1", "all", "user1+x", "user2", "user1+X") {
		r.must(err)
	}
	for box, want := range map[string]int{"user1 INBOX": 1, "user1 x": 1, "user2 INBOX": 1, "user3 INBOX": 1} {
		user, name, _ := strings.Cut(box, " ")
		if n := len(r.box(user, name)); n != want {
			t.Errorf("%s: %d messages", box, n)
		}
	}
	bodies := 0
	for _, err := range r.store.Blobs().Walk(context.Background()) {
		r.must(err)
		bodies++
	}
	if bodies != 1 {
		t.Errorf("%d bodies", bodies)
	}
}

// TestOthersUnharmed checks that what fails for one account does so for it alone.
func TestOthersUnharmed(t *testing.T) {
	r := newRig(t, 20)
	r.must(r.store.SetLimits(context.Background(), r.ids["user7"], 100, 0))
	r.must(r.dir.SetQuota(context.Background(), r.ids["user7"], 100, 0))
	var to []string
	for i := range 20 {
		to = append(to, fmt.Sprintf("user%d", i+1))
	}
	for i, err := range r.deliver("a: b\r\n\r\n", to...) {
		if errors.Is(err, storage.OverQuota) != (i == 6) || err != nil && i != 6 {
			t.Errorf("user%d: %v", i+1, err)
		}
		if n := len(r.box(to[i], "INBOX")); n != 1 && i != 6 {
			t.Errorf("user%d: %d messages", i+1, n)
		}
	}
	if _, err := r.Route(context.Background(), "user7@example.org", 1000); !errors.Is(err, storage.OverQuota) {
		t.Errorf("no room at RCPT: %v", err)
	}
}

func TestRefused(t *testing.T) {
	r := newRig(t, 1)
	if err := r.deliver(strings.Repeat("Received: x\r\n", 99)+"\r\n", "user1")[0]; err != nil {
		t.Error(err)
	}
	if err := r.deliver(strings.Repeat("Received: x\r\n", 100)+"\r\n", "user1")[0]; !errors.Is(err, Loop) || Temporary(err) {
		t.Error(err)
	}
	if err := r.deliver(strings.Repeat("x", 1<<20+1), "user1")[0]; !errors.Is(err, blob.TooLarge) || Temporary(err) {
		t.Error(err)
	}
	if n := len(r.box("user1", "INBOX")); n != 1 {
		t.Errorf("%d messages", n)
	}
}

type filterFunc func(m *Message, to account.Recipient, p *Plan) error

func (f filterFunc) Filter(_ context.Context, m *Message, to account.Recipient, p *Plan) error {
	return f(m, to, p)
}

func TestFilters(t *testing.T) {
	rules := filterFunc(func(m *Message, to account.Recipient, p *Plan) error {
		text := make([]byte, m.Size())
		if _, err := m.ReadAt(text, 0); err != nil && err != io.EOF {
			return err
		}
		switch s := string(text); {
		case strings.Contains(s, "Subject: two"):
			p.Into = []Into{{Mailbox: "New/Box", Create: true, Flags: []imap.Flag{imap.FlagFlagged}}, {}}
		case strings.Contains(s, "Subject: gone"):
			p.Into = nil
		case strings.Contains(s, "Subject: no"):
			p.Reject = "not to " + to.Account.Name
		case strings.Contains(s, "Subject: lost"):
			p.Into = []Into{{Mailbox: "Not There"}}
		case strings.Contains(s, "Subject: broken"):
			p.Into = nil
			return errors.New("broken")
		}
		return nil
	})
	r := newRig(t, 2, rules)
	for _, s := range []string{"two", "gone", "lost", "broken"} {
		r.must(r.deliver("Subject: "+s+"\r\n\r\n", "user1")[0])
	}
	if got := r.box("user1", "INBOX"); len(got) != 3 {
		t.Errorf("INBOX: %q", got)
	}
	if got := r.box("user1", "New/Box"); len(got) != 1 {
		t.Errorf("New/Box: %q", got)
	}
	var refusal *Refusal
	if err := r.deliver("Subject: no\r\n\r\n", "user2")[0]; !errors.As(err, &refusal) || refusal.Reason != "not to user2@example.org" || Temporary(err) {
		t.Error(err)
	}
}

// TestParallel delivers from many goroutines to few accounts.
func TestParallel(t *testing.T) {
	r := newRig(t, 3)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 10 {
				for _, err := range r.deliver(fmt.Sprintf("a: %d %d\r\n\r\n", g, i), "user1", "user2", "user3") {
					if err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	for u := range r.ids {
		seen := map[string]bool{}
		for _, m := range r.box(u, "INBOX") {
			seen[m] = true
		}
		if len(seen) != 80 {
			t.Errorf("%s has %d messages", u, len(seen))
		}
	}
}

func BenchmarkDeliver(b *testing.B) {
	for _, size := range []int{2 << 10, 30 << 10} {
		for _, writers := range []int{1, 16, 64} {
			b.Run(fmt.Sprintf("%dK/%d", size>>10, writers), func(b *testing.B) {
				r := newRig(b, writers)
				body := "From: a@b.example\r\nSubject: hello\r\nMessage-ID: <%d.%d@b>\r\n\r\n" + strings.Repeat(strings.Repeat("x", 70)+"\r\n", size/72)
				b.ReportAllocs()
				var wg sync.WaitGroup
				n := max(b.N/writers, 1)
				b.ResetTimer()
				for w := range writers {
					wg.Go(func() {
						for i := range n {
							if err := r.deliver(fmt.Sprintf(body, w, i), fmt.Sprintf("user%d", w+1))[0]; err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				wg.Wait()
			})
		}
	}
}
