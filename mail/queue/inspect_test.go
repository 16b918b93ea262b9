package queue

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"atrium/storage"
)

func TestInspect(t *testing.T) {
	ctx := context.Background()
	r, s := newRig(t, func(c *Config) { c.Daily = 4 }), newSink(t)
	r.domain("there.example", s)
	m := Message{Account: 7, From: "ann@here.example", To: to("bob@there.example")}
	m.Hold = time.Now().Add(time.Hour)
	later := r.send(m, letter)
	m.Hold = time.Time{}
	held := r.send(m, letter)
	gone := r.send(m, letter)
	bounced := r.send(m, letter)
	if _, err := r.Submit(ctx, m, strings.NewReader(letter)); !errors.Is(err, TooMany) {
		t.Errorf("a fifth recipient in a day: %v", err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	must(r.Hold(ctx, held))
	must(r.Drop(ctx, gone, false))
	must(r.Drop(ctx, bounced, true))
	if err := r.Hold(ctx, gone); !errors.Is(err, storage.NotFound) {
		t.Errorf("what is gone: %v", err)
	}
	list, next, err := r.List(ctx, 0, 2, nil)
	must(err)
	if len(list) != 2 || list[0].ID != later || next == 0 {
		t.Errorf("%+v, %d", list, next)
	}
	r.run()
	wait(t, "the one is reported", func() bool { return len(r.house.have()) == 1 })
	if got := r.house.have()[0].body; !strings.Contains(got, "administrator") {
		t.Error(got)
	}
	wait(t, "two stay", func() bool { st, err := r.Stats(ctx); return err == nil && st.Length == 2 })
	if e, err := r.Find(ctx, held); err != nil || !e.Held || !strings.HasPrefix(e.Summary(), "held") {
		t.Errorf("%+v, %v", e, err)
	}
	if len(s.have()) != 0 {
		t.Error("something was sent")
	}
	must(r.store.View(ctx, storage.System, func(v *storage.View) error {
		return Check(v, func(p storage.Problem) { t.Error(p) })
	}))
	must(r.Release(ctx, held))
	must(r.Retry(ctx, later))
	wait(t, "all is sent", r.empty)
	if len(s.have()) != 2 {
		t.Errorf("%d sent", len(s.have()))
	}
}

// TestMany has far more messages than the window holds, to a slow and a quick
// destination: memory holds the window only, and the slow one does not stop the other.
func TestMany(t *testing.T) {
	n := 600
	if testing.Short() {
		n = 200
	}
	r, s := newRig(t, func(c *Config) { c.Window = 40 }), newSink(t, "PIPELINING")
	s.keep = false
	r.domain("there.example", s)
	stop := make(chan struct{})
	s.reply = func(_ int, line string) string {
		if strings.HasPrefix(line, "RCPT TO:<x@slow") {
			<-stop
		}
		return ""
	}
	r.zone.Add("slow.example. MX 10 mx.there.example.")
	for range 60 {
		r.send(Message{To: to("x@slow.example")}, letter)
	}
	for range n {
		r.send(Message{To: to("bob@there.example")}, letter)
	}
	r.run()
	wait(t, "the quick ones are sent", func() bool { mails, _ := s.total(); return mails == n })
	if st, err := r.Stats(context.Background()); err != nil || st.Active > 40 {
		t.Errorf("%+v, %v", st, err)
	}
	close(stop)
	wait(t, "all is sent", r.empty)
}

func TestSmarthost(t *testing.T) {
	s := newSink(t, "AUTH PLAIN LOGIN", "STARTTLS")
	a := newAuthority(t)
	s.tls, _ = a.config(t, "127.0.0.1")
	r := newRig(t, func(c *Config) {
		c.Smarthost = Route{Host: "127.0.0.1", Port: s.port(), Login: "me", Password: "secret", TLS: "may"}
		c.Routes = []Route{{Domain: ".direct.example", Host: "-"}}
	})
	s.reply = func(_ int, line string) string {
		if strings.HasPrefix(line, "AUTH") {
			if line == "AUTH PLAIN AG1lAHNlY3JldA==" {
				return "235 2.7.0 welcome"
			}
			return "535 5.7.8 no"
		}
		return ""
	}
	r.send(Message{To: to("a@one.example", "b@two.example")}, letter)
	r.run()
	wait(t, "it is sent", r.empty)
	if got := s.have(); len(got) != 1 || len(got[0].to) != 2 || !got[0].tls {
		t.Errorf("%+v", got)
	}
	if r.routeFor("x.direct.example") != nil || r.routeFor("direct.example") == nil {
		t.Error("routes")
	}
}

// TestRestart ends the queue in the midst of its work and begins anew: everything
// arrives, and nothing twice where the end was an orderly one.
func TestRestart(t *testing.T) {
	r, s := newRig(t, func(c *Config) { c.PerHost = 2 }), newSink(t)
	r.domain("there.example", s)
	const n = 60
	for range n {
		r.send(Message{To: to("bob@there.example")}, letter)
	}
	for i := range 3 {
		r.run()
		wait(t, "some are sent", func() bool { mails, _ := s.total(); return mails > i*10 })
		r.stop()
	}
	r.run()
	wait(t, "all is sent", r.empty)
	if mails, _ := s.total(); mails != n {
		t.Errorf("%d of %d", mails, n)
	}
}
