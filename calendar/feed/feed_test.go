package feed

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"atrium/calendar"
	"atrium/calendar/ics"
	"atrium/storage"
	"atrium/storage/embedded"
)

const account = 7

func open(t *testing.T, source string, private bool) (*Runner, *storage.Store, storage.CollectionID) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	below, err := embedded.Open(t.TempDir(), embedded.Small(), log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { below.Close() })
	store, err := storage.Open(below.Engine, below.Blobs, []storage.Schema{calendar.Schema}, storage.DefaultConfig(), log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	var id storage.CollectionID
	err = store.Update(context.Background(), account, func(tx *storage.Tx) error {
		c, err := calendar.Create(tx, "sub", nil, nil)
		if err != nil {
			return err
		}
		id = c.ID
		return calendar.Configure(tx, id, func(s *calendar.Settings) error {
			s.Made, s.Source = calendar.Subscribed, source
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	cfg := DefaultConfig()
	cfg.Private = private
	return New(store, cfg, log), store, id
}

func event(uid, stamp, summary string) string {
	return "BEGIN:VEVENT\r\nUID:" + uid + "\r\nDTSTAMP:" + stamp + "\r\nDTSTART;TZID=Europe/Berlin:20260310T090000\r\nSUMMARY:" + summary + "\r\nEND:VEVENT\r\n"
}

func names(t *testing.T, s *storage.Store, id storage.CollectionID) (out []string, modseq uint64) {
	t.Helper()
	err := s.View(context.Background(), account, func(v *storage.View) error {
		table, err := v.Table(id)
		if err != nil {
			return err
		}
		modseq = table.Modseq()
		for e := range calendar.Entries(table) {
			out = append(out, e.UID)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out, modseq
}

func TestRefresh(t *testing.T) {
	ctx := context.Background()
	var body atomic.Value
	var asked, unchanged atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		tag := fmt.Sprintf(`"%d"`, len(body.Load().(string)))
		w.Header().Set("Etag", tag)
		if r.Header.Get("If-None-Match") == tag {
			unchanged.Add(1)
			w.WriteHeader(http.StatusNotModified)
			return
		}
		fmt.Fprint(w, "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//f//EN\r\nMETHOD:PUBLISH\r\nX-WR-CALNAME:Feed\r\n", body.Load(), "END:VCALENDAR\r\n")
	}))
	defer s.Close()
	r, store, id := open(t, s.URL, true)
	body.Store(event("a", "20260101T000000Z", "one") + event("b", "20260101T000000Z", "two") + "BEGIN:VEVENT\r\nUID:bad\r\nEND:VEVENT\r\n")
	if again, err := r.Refresh(ctx, account, id); err != nil || again != r.cfg.Interval {
		t.Fatalf("%v %v", again, err)
	}
	got, first := names(t, store, id)
	if strings.Join(got, " ") != "a b" && strings.Join(got, " ") != "b a" {
		t.Fatalf("the calendar has %v", got)
	}
	err := store.View(ctx, account, func(v *storage.View) error {
		e, err := calendar.ByUID(v, id, "a")
		if err != nil {
			return err
		}
		raw, err := calendar.Data(ctx, v, store.Blobs(), e.Object)
		if !strings.Contains(string(raw), "BEGIN:VTIMEZONE") {
			t.Errorf("no time zone in\n%s", raw)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Refresh(ctx, account, id); err != nil || unchanged.Load() != 1 {
		t.Fatalf("by its ETag: %v, %d unchanged", err, unchanged.Load())
	}
	body.Store(event("a", "20260202T000000Z", "one") + event("b", "20260202T000000Z", "two") + "X-NEW:1\r\n")
	if _, err := r.Refresh(ctx, account, id); err != nil {
		t.Fatal(err)
	}
	if _, now := names(t, store, id); now != first {
		t.Errorf("stamps alone changed the calendar: %d, was %d", now, first)
	}
	body.Store(event("b", "20260202T000000Z", "second"))
	if _, err := r.Refresh(ctx, account, id); err != nil {
		t.Fatal(err)
	}
	if got, _ := names(t, store, id); strings.Join(got, " ") != "b" {
		t.Errorf("the calendar has %v", got)
	}
	body.Store("BEGIN:VEVENT\r\n")
	if again, err := r.Refresh(ctx, account, id); err == nil || again < r.cfg.Interval {
		t.Errorf("a broken source: %v, %v", again, err)
	}
	if got, _ := names(t, store, id); strings.Join(got, " ") != "b" {
		t.Errorf("a broken source left %v", got)
	}
}

// TestStrip: what is not wanted of a source is left out, the rest stays as it is.
func TestStrip(t *testing.T) {
	const from = "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:a\r\nDTSTART:20260101T000000Z\r\nATTACH:https://example.org/x\r\nSUMMARY:one\r\n" +
		"BEGIN:VALARM\r\nACTION:AUDIO\r\nATTACH:https://example.org/bell\r\nTRIGGER:-PT5M\r\nEND:VALARM\r\nEND:VEVENT\r\nBEGIN:VTODO\r\nUID:b\r\nEND:VTODO\r\nEND:VCALENDAR\r\n"
	for strip, want := range map[calendar.Strip][]bool{ // an attachment, an alarm, a task
		0: {true, true, true}, calendar.StripAlarms: {true, false, true}, calendar.StripAttachments: {false, true, true}, calendar.StripTodos: {true, true, false},
	} {
		objects, err := split([]byte(from), ics.DefaultLimits(), 10, strip)
		if err != nil {
			t.Fatal(err)
		}
		a := string(objects[nameOf("a")])
		got := []bool{strings.Contains(a, "org/x\r\n"), strings.Contains(a, "BEGIN:VALARM"), objects[nameOf("b")] != nil}
		if !slices.Equal(got, want) || !strings.Contains(a, "UID:a\r\nDTSTART:20260101T000000Z\r\n") || !strings.Contains(a, "SUMMARY:one\r\n") {
			t.Errorf("%d: %v, want %v\n%s", strip, got, want, a)
		}
	}
}

// TestPrivate: a source on this machine is not read unless the configuration says so.
func TestPrivate(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it was asked") }))
	defer s.Close()
	r, _, id := open(t, s.URL, false)
	if _, err := r.Refresh(context.Background(), account, id); err == nil {
		t.Error("no error")
	}
}

// TestRetryAfter: a source that says when to come again is not asked before.
func TestRetryAfter(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "172800")
		http.Error(w, "busy", http.StatusServiceUnavailable)
	}))
	defer s.Close()
	r, _, id := open(t, s.URL, true)
	again, err := r.Refresh(context.Background(), account, id)
	if err == nil || !strings.Contains(err.Error(), "503") || again != 48*time.Hour {
		t.Errorf("again in %v, %v", again, err)
	}
}

func FuzzSplit(f *testing.F) {
	f.Add([]byte("BEGIN:VCALENDAR\r\n" + event("a", "20260101T000000Z", "one") + event("", "20260101T000000Z", "none") + "END:VCALENDAR\r\n"))
	f.Add([]byte("BEGIN:VCALENDAR\nBEGIN:VTIMEZONE\nTZID:x\nEND:VTIMEZONE\nBEGIN:VTODO\nDUE;TZID=x:1\nEND:VTODO\nEND:VCALENDAR"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		objects, err := split(raw, ics.DefaultLimits(), 10, calendar.Strip(len(raw)&7))
		if err != nil {
			return
		}
		for name, o := range objects {
			if _, err := ics.Parse(o, ics.DefaultLimits()); err != nil && len(o) < ics.DefaultLimits().Size {
				t.Errorf("%s is broken: %v\n%q", name, err, o)
			}
		}
	})
}
