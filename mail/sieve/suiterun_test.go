package sieve_test

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"atrium/mail"
	"atrium/mail/delivery"
	"atrium/mail/queue"
	"atrium/mail/rules"
	"atrium/mail/sieve"
	"atrium/storage"
	"atrium/storage/account"
	"atrium/storage/embedded"
)

// TestSuite runs a foreign suite of tests, the .svtest files below the folder that
// SIEVE_SUITE names, with SIEVE_SUITE_VERBOSE each failure. Actions are carried out by package rules.
func TestSuite(t *testing.T) {
	root := os.Getenv("SIEVE_SUITE")
	if root == "" {
		t.Skip("SIEVE_SUITE names no folder with .svtest files")
	}
	type sum struct{ run, passed, foreign int }
	sums := map[string]*sum{}
	var all []string
	filepath.WalkDir(root, func(path string, _ fs.DirEntry, _ error) error {
		if strings.HasSuffix(path, ".svtest") && !strings.Contains(path, "vnd.dovecot") && !strings.Contains(path, "plugins") {
			all = append(all, path)
		}
		return nil
	})
	if len(all) == 0 {
		t.Fatal("no files in", root)
	}
	for _, path := range all {
		name, _ := filepath.Rel(root, path)
		group := strings.TrimSuffix(strings.TrimPrefix(name, "extensions/"), ".svtest")
		if dir, _, ok := strings.Cut(group, "/"); ok {
			group = dir
		} else if group == name[:len(name)-len(".svtest")] {
			group = "base"
		}
		k := sums[group]
		if k == nil {
			k = &sum{}
			sums[group] = k
		}
		t.Run(name, func(t *testing.T) {
			s := sieve.NewSuite(newStage(t))
			if err := s.Run(path); err != nil {
				k.run++
				t.Error(err)
			}
			for _, c := range s.Cases {
				switch k.run++; {
				case c.Why == "":
					k.passed++
				case c.Foreign != "":
					k.foreign++
					t.Logf("%s: %s (under the foreign setting %s)", c.Name, c.Why, c.Foreign)
				default:
					t.Errorf("%s: %s", c.Name, c.Why)
				}
			}
		})
	}
	total := sum{}
	for _, group := range slices.Sorted(maps.Keys(sums)) {
		k := sums[group]
		t.Logf("%-20s %4d run %4d passed %3d under foreign settings", group, k.run, k.passed, k.foreign)
		total.run, total.passed, total.foreign = total.run+k.run, total.passed+k.passed, total.foreign+k.foreign
	}
	t.Logf("%-20s %4d run %4d passed %3d under foreign settings", "all", total.run, total.passed, total.foreign)
}

// stage is a store whose mail goes through package rules.
type stage struct {
	t      *testing.T
	mail   *mail.Store
	filter *rules.Filter
	out    *delivery.Deliverer
	id     storage.AccountID
	trace  int64

	mu   sync.Mutex
	sent []sentMail
	now  *act
}

type sentMail struct{ from, to, content string }

// act is what is being carried out.
type act struct {
	env   *sieve.Env
	res   *sieve.Result
	owner string
}

func newStage(t *testing.T) *stage {
	ctx, log := context.Background(), slog.New(slog.DiscardHandler)
	s := &stage{t: t}
	folder, err := embedded.Open(t.TempDir(), embedded.Small(), log)
	s.must(err)
	store, err := storage.Open(folder.Engine, folder.Blobs, []storage.Schema{mail.Schema}, storage.DefaultConfig(), log)
	s.must(err)
	t.Cleanup(func() {
		store.Close()
		folder.Close()
	})
	s.mail, err = mail.New(store, mail.DefaultConfig(), log)
	s.must(err)
	ac := account.DefaultConfig()
	ac.Domain = "example.org"
	dir, err := account.Open(folder.Engine, ac, log)
	s.must(err)
	for _, name := range []string{"user", "other"} {
		a, err := dir.Add(ctx, account.New{Name: name + "@example.org"})
		s.must(err)
		s.must(s.mail.Open(a.ID, a.ID).Ensure(ctx))
		if name == "user" {
			s.id = a.ID
		}
	}
	scripts, err := rules.NewScripts(store, rules.DefaultConfig(), log)
	s.must(err)
	s.filter = rules.NewFilter(scripts, s.mail, dir, "mail.example.org", "+", log)
	s.filter.SetMailer(s)
	s.out, err = delivery.New(s.mail, dir, delivery.DefaultConfig(), log, s)
	s.must(err)
	return s
}

func (s *stage) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// Submit keeps what is to go out.
func (s *stage) Submit(_ context.Context, m queue.Message, content io.Reader) (string, error) {
	b, err := io.ReadAll(content)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range m.To {
		s.sent = append(s.sent, sentMail{m.From, r.Address, string(b)})
	}
	return "x", err
}

// Filter does what a script wanted that ran elsewhere.
func (s *stage) Filter(ctx context.Context, m *delivery.Message, to account.Recipient, plan *delivery.Plan) error {
	if to.Account.ID != s.id {
		return nil
	}
	// What delivery wrote above the message was not there when the script ran.
	trace := make([]byte, m.Start())
	if _, err := m.ReadAt(trace, 0); err != nil {
		return err
	}
	s.trace = m.Start()
	res := *s.now.res
	res.Actions = slices.Clone(res.Actions)
	above := func(h []byte) []byte {
		if h == nil {
			return nil
		}
		return append(slices.Clone(trace), h...)
	}
	for i, a := range res.Actions {
		switch a := a.(type) {
		case sieve.Into:
			a.Header = above(a.Header)
			res.Actions[i] = a
		case sieve.Redirect:
			a.Header = above(a.Header)
			res.Actions[i] = a
		}
	}
	who := *to.Account
	who.Name = s.now.owner
	who.Addresses = []string{s.now.owner, s.now.env.To}
	to.Account = &who
	return s.filter.Apply(ctx, m, to, s.now.env, &res, plan)
}

func (s *stage) Do(env *sieve.Env, owner string, res *sieve.Result) error {
	ctx := context.Background()
	if owner == "" {
		owner = env.To
	}
	s.now = &act{env, res, owner}
	e := &delivery.Envelope{From: env.From, ID: "TEST", Helo: "c.example", Protocol: "LMTP", Time: time.Now(), Whole: true}
	for _, address := range []string{"user@example.org", "other@example.org"} { // two, so that a refusal needs a message
		route, err := s.out.Route(ctx, address, 0)
		s.must(err)
		e.Routes = append(e.Routes, route)
	}
	m, err := s.out.Open(ctx, e)
	s.must(err)
	defer m.Close()
	_, err = io.Copy(m, io.NewSectionReader(env.Message.Content()))
	s.must(err)
	return m.Deliver(ctx)[0].Err
}

func (s *stage) Sent(n int) (from, to, content string, ok bool) {
	if n >= len(s.sent) {
		return "", "", "", false
	}
	return s.sent[n].from, s.sent[n].to, s.sent[n].content, true
}

func (s *stage) Filed(name string, n int) (string, []string, bool) {
	ctx := context.Background()
	a := s.mail.Open(s.id, s.id)
	box, err := a.Mailbox(ctx, name)
	if err != nil {
		return "", nil, false
	}
	snap, err := a.Snapshot(ctx, box.ID)
	s.must(err)
	if n >= snap.Len() {
		return "", nil, false
	}
	m := snap.At(n)
	b, err := a.Body(ctx, box.ID, m)
	s.must(err)
	defer b.Close()
	var buf bytes.Buffer
	b.WriteTo(&buf)
	flags := []string{"$HasNoAttachment"} // the other server sets it
	for _, f := range box.Keywords.Names(nil, m.Flags) {
		flags = append(flags, string(f))
	}
	return buf.String()[s.trace:], flags, true
}

func (s *stage) Create(name string) error {
	if strings.EqualFold(name, "INBOX") {
		return nil
	}
	_, err := s.mail.Open(s.id, s.id).Create(context.Background(), name)
	return err
}

func (s *stage) Annotate(mailbox, entry, value string) error {
	ctx, id := context.Background(), mail.ID(0)
	a := s.mail.Open(s.id, s.id)
	if mailbox != "" {
		box, err := a.Mailbox(ctx, mailbox)
		if err != nil {
			return err
		}
		id = box.ID
	}
	return a.SetMetadata(ctx, id, []mail.Metadata{{Name: entry, Value: []byte(value)}})
}

func (s *stage) Host() sieve.Host { return s.filter.Host(s.id) }

// Reset forgets what was sent, and whom was answered.
func (s *stage) Reset() {
	s.sent = nil
	s.must(s.mail.Storage().Update(context.Background(), s.id, func(tx *storage.Tx) error {
		for name := range tx.Records("sieve/seen/") {
			if err := tx.SetRecord(name, nil); err != nil {
				return err
			}
		}
		return nil
	}))
}
