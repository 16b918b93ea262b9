package davtest

import (
	"context"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"atrium/calendar"
	"atrium/contacts"
	"atrium/contacts/directory"
	"atrium/dav"
	"atrium/dav/caldav"
	"atrium/dav/carddav"
	"atrium/dav/files"
	"atrium/dav/push"
	"atrium/storage"
	"atrium/storage/account"
	"atrium/storage/embedded"
)

// Server is the DAV face over a small store.
type Server struct {
	*httptest.Server
	DAV    *dav.Server
	Store  *storage.Store
	People *account.Directory

	StopPush func() // ends what tells clients of changes
}

// New starts a server that is closed with the test. change may adjust its configuration.
func New(t testing.TB, change ...func(*dav.Config)) *Server {
	t.Helper()
	cfg := push.DefaultConfig()
	cfg.Private, cfg.Delay = true, 50*time.Millisecond
	return NewWithPush(t, cfg, change...)
}

// NewWithPush is New with settings of push.
func NewWithPush(t testing.TB, pushing push.Config, change ...func(*dav.Config)) *Server {
	t.Helper()
	log := slog.New(slog.NewTextHandler(testLog{t}, &slog.HandlerOptions{Level: slog.LevelWarn}))
	below, err := embedded.Open(t.TempDir(), embedded.Small(), log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { below.Close() })
	cfg := account.DefaultConfig()
	cfg.Domain, cfg.Memory, cfg.Passes, cfg.Delay = "example.org", 8, 1, 0
	people, err := account.Open(below.Engine, cfg, log)
	if err != nil {
		t.Fatal(err)
	}
	for i := 1; i <= 3; i++ {
		_, err := people.Add(context.Background(), account.New{Name: fmt.Sprintf("user%d", i), Password: "pass", DisplayName: fmt.Sprintf("User %d", i)})
		if err != nil {
			t.Fatal(err)
		}
	}
	store, err := storage.Open(below.Engine, below.Blobs, []storage.Schema{calendar.Schema, calendar.Attachments, contacts.Schema, files.Schema, dav.Notifications}, storage.DefaultConfig(), log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	store.SetMemberships(people.Memberships)
	c := dav.DefaultConfig()
	for _, f := range change {
		f(&c)
	}
	find := func(ctx context.Context, a *account.Account) (storage.AccountID, storage.CollectionID, error) {
		return directory.Find(ctx, store, people, a)
	}
	modules := append(caldav.Modules(store, caldav.DefaultConfig(), nil), carddav.Module(store, carddav.DefaultConfig(), find), files.Module(store, c.MaxFile))
	keys, err := push.LoadKeys(filepath.Join(t.TempDir(), "push"))
	if err != nil {
		t.Fatal(err)
	}
	hub := push.New(store, pushing, keys, log)
	modules = append(modules, hub.Module())
	s := &Server{DAV: dav.New(c, store, people, log, modules...), Store: store, People: people}
	s.DAV.OnQuiet(hub.Quiet)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		hub.Run(ctx)
	}()
	s.StopPush = func() {
		cancel()
		<-done
	}
	t.Cleanup(s.StopPush)
	s.Server = httptest.NewServer(s.DAV)
	t.Cleanup(s.Close)
	return s
}

// testLog writes log lines into the test's log.
type testLog struct{ t testing.TB }

func (l testLog) Write(b []byte) (int, error) {
	l.t.Logf("%s", b)
	return len(b), nil
}
