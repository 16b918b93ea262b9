package push

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"atrium/dav"
	"atrium/dav/elem"
	"atrium/internal/outbound"
	"atrium/storage"

	webpush "github.com/SherClockHolmes/webpush-go"
)

// watcher tells of the changes in one account.
type watcher struct {
	hub     *Hub
	account storage.AccountID

	mu    sync.Mutex
	seen  map[string]*seen // by registration
	quiet []hushed
}

// seen is what a registration's client was told of.
type seen struct {
	told
	fails int
	since time.Time // of the first failure in a row
	next  time.Time // not before
}

// hushed is a change of which some need not be told.
type hushed struct {
	modseq uint64
	whom   string
}

// maxQuiet bounds what a watcher remembers of Push-Dont-Notify.
const maxQuiet = 1000

func (w *watcher) hush(modseq uint64, whom string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.quiet = slices.DeleteFunc(w.quiet, func(q hushed) bool { return q.modseq == modseq })
	if whom == "" {
		return
	}
	if len(w.quiet) >= maxQuiet {
		w.quiet = slices.Delete(w.quiet, 0, maxQuiet/2)
	}
	w.quiet = append(w.quiet, hushed{modseq, whom[:min(len(whom), 4096)]})
}

// hushed tells whether all changes of the account in since < modseq <= now are such that a registration need not
// be told of them.
func (w *watcher) hushed(id string, since, now uint64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	told := map[uint64]bool{}
	for _, q := range w.quiet {
		if q.modseq > since && q.modseq <= now && (strings.TrimSpace(q.whom) == "*" || strings.Contains(q.whom, "."+id)) {
			told[q.modseq] = true
		}
	}
	return uint64(len(told)) == now-since
}

// begin has a registration told of what comes after now, unless it is there already: then of what comes after what it
// was told last. It does nothing on a nil watcher.
func (w *watcher) begin(ctx context.Context, reg *registration) {
	if w == nil {
		return
	}
	w.hub.store.View(ctx, w.account, func(v *storage.View) error {
		if now, err := stateOf(v, reg); err == nil {
			w.mu.Lock()
			s := w.seen[reg.ID]
			if s == nil {
				s = &seen{told: now.told()}
				w.seen[reg.ID] = s
			}
			reg.Told = &told{}
			*reg.Told = s.told
			w.mu.Unlock()
		}
		return nil
	})
}

// run tells of changes until ctx ends, or nobody wants to know any more.
func (w *watcher) run(ctx context.Context) {
	watch := w.hub.store.Watch(w.account, 0)
	defer watch.Close()
	for {
		wait := w.check(ctx)
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-watch.C:
			select { // what follows soon is told along
			case <-ctx.Done():
			case <-time.After(w.hub.cfg.Delay):
			}
		case <-timer.C:
		}
		timer.Stop()
		if ctx.Err() != nil {
			w.save(ctx)
			return
		}
	}
}

// lastWords is how long the server's end may take to note what clients were told.
const lastWords = 10 * time.Second

// save notes what clients were told, for them to be told of the rest when the server runs again. After a crash they are
// told once more what they know.
func (w *watcher) save(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
	defer cancel()
	changed := func(v *storage.View) (list []registration) {
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, reg := range registrations(v) {
			if s := w.seen[reg.ID]; s != nil && (reg.Told == nil || *reg.Told != s.told) {
				t := s.told
				reg.Told = &t
				list = append(list, reg)
			}
		}
		return list
	}
	some := false
	err := w.hub.store.View(ctx, w.account, func(v *storage.View) error {
		some = len(changed(v)) > 0
		return nil
	})
	if err == nil && some {
		err = w.hub.store.Update(ctx, w.account, func(tx *storage.Tx) error {
			for _, reg := range changed(&tx.View) {
				b, err := json.Marshal(&reg)
				if err == nil {
					err = tx.SetRecord(recordPrefix+reg.ID, b)
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err != nil {
		w.hub.log.Warn("push: what clients were told is not noted", "account", w.account, "err", err)
	}
}

// state is how far what a registration is about has come.
type state struct {
	content, props uint64
	token          string
	all            uint64 // the account's own modseq
}

func (st *state) told() told { return told{Content: st.content, Props: st.props, All: st.all} }

func stateOf(v *storage.View, reg *registration) (st state, err error) {
	if reg.Collection != 0 {
		c, err := v.Collection(reg.Collection)
		if err != nil {
			return st, err
		}
		st = state{content: c.Modseq, props: c.Meta, token: dav.TokenOf(c)}
		st.all, err = v.Modseq()
		return st, err
	}
	if st.all, err = v.Modseq(); err != nil {
		return st, err
	}
	all, err := v.Collections(reg.Schema)
	if err != nil {
		return st, err
	}
	gone, _, err := v.Dropped(reg.Schema)
	for _, c := range all {
		st.content = max(st.content, c.Modseq, c.Meta)
	}
	for _, d := range gone {
		st.content = max(st.content, d.Modseq)
	}
	return st, err
}

// news is a message that is due.
type news struct {
	registration
	state
	contents, properties bool
}

// check compares what clients were told with what is there, and tells them. It returns when the next registration
// expires or a message is to be tried again.
func (w *watcher) check(ctx context.Context) (wait time.Duration) {
	var due []news
	var ended []string
	now := time.Now()
	next := now.Add(24 * time.Hour)
	err := w.hub.store.View(ctx, w.account, func(v *storage.View) error {
		for _, reg := range registrations(v) {
			st, err := stateOf(v, &reg)
			if errors.Is(err, storage.NotFound) || now.After(reg.Expires) {
				ended = append(ended, reg.ID)
				continue
			}
			if err != nil {
				return err
			}
			rights := storage.ReadOnly // a home's message tells nothing of what is in it
			if reg.Collection != 0 {
				if rights, err = v.Rights(reg.Actor, reg.Collection); err != nil {
					return err
				}
			}
			if !rights.Has(storage.Read) {
				ended = append(ended, reg.ID)
				continue
			}
			if n, at, ok := w.news(reg, st, now); ok {
				due = append(due, n)
			} else if !at.IsZero() && at.Before(next) {
				next = at
			}
			if reg.Expires.Before(next) {
				next = reg.Expires
			}
		}
		return nil
	})
	if err != nil && ctx.Err() == nil {
		w.hub.log.Error("push", "account", w.account, "err", err)
	}
	for _, id := range ended {
		w.end(ctx, id)
	}
	var wg sync.WaitGroup
	for _, n := range due {
		select {
		case w.hub.slots <- struct{}{}:
		case <-ctx.Done():
			return 0
		}
		wg.Go(func() {
			defer func() { <-w.hub.slots }()
			w.tell(ctx, &n)
		})
	}
	wg.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, n := range due {
		if s := w.seen[n.ID]; s != nil && s.fails > 0 && s.next.Before(next) {
			next = s.next
		}
	}
	return max(time.Until(next), time.Millisecond)
}

// news finds out whether a registration's client is to be told something now; at is when it is, if not.
func (w *watcher) news(reg registration, st state, now time.Time) (n news, at time.Time, ok bool) {
	w.mu.Lock()
	s := w.seen[reg.ID]
	if s == nil { // from before this process
		s = &seen{told: st.told()}
		if reg.Told != nil {
			s.told = *reg.Told
		}
		w.seen[reg.ID] = s
	}
	before := *s
	w.mu.Unlock()
	n = news{registration: reg, state: st, contents: reg.Content && st.content > before.Content, properties: reg.Props && st.props > before.Props}
	if n.contents && w.hushed(reg.ID, max(before.Content, before.All), st.content) {
		n.contents = false
	}
	if n.properties && w.hushed(reg.ID, max(before.Props, before.All), st.props) {
		n.properties = false
	}
	if !n.contents && !n.properties {
		w.mu.Lock()
		s.told = st.told()
		w.mu.Unlock()
		return n, at, false
	}
	return n, before.next, !now.Before(before.next)
}

func (w *watcher) end(ctx context.Context, id string) {
	w.mu.Lock()
	delete(w.seen, id)
	w.mu.Unlock()
	if err := w.hub.drop(ctx, w.account, id); err != nil && !errors.Is(err, storage.NotFound) && ctx.Err() == nil {
		w.hub.log.Error("push registration", "account", w.account, "err", err)
	}
}

// Bounds of trying again.
const (
	firstRetry = 30 * time.Second
	lastRetry  = 2 * time.Hour
	giveUp     = 3 * 24 * time.Hour
)

// tell sends a message and notes how that went.
func (w *watcher) tell(ctx context.Context, n *news) {
	status, later, err := w.hub.send(ctx, w.account, n)
	if ctx.Err() != nil {
		return
	}
	w.mu.Lock()
	s := w.seen[n.ID]
	over := false
	switch {
	case s == nil:
	case err == nil && status < 300:
		*s = seen{told: n.told()}
	case status == http.StatusNotFound || status == http.StatusGone:
		over = true // RFC 8030 §7.3
	default:
		if s.fails == 0 {
			s.since = time.Now()
		}
		s.fails = min(s.fails+1, 20)
		s.next = time.Now().Add(max(min(firstRetry<<min(s.fails-1, 10), lastRetry), min(later, giveUp))) // RFC 8030 §8.4
		over = time.Since(s.since) > giveUp
	}
	w.mu.Unlock()
	if err != nil || status >= 300 {
		w.hub.log.Debug("push message", "account", w.account, "status", status, "err", err)
	}
	if over {
		w.end(ctx, n.ID)
	}
}

// send delivers one message to the push service; later is how long that wants to be left alone.
func (h *Hub) send(ctx context.Context, a storage.AccountID, n *news) (status int, later time.Duration, err error) {
	defer func() {
		if p := recover(); p != nil { // a key that no curve takes
			err = fmt.Errorf("push message: %v", p)
		}
	}()
	topic := h.topic(a, n.Collection, n.Schema)
	var x elem.Writer
	x.Str(`<?xml version="1.0" encoding="utf-8"?>` + "\n" + `<P:push-message xmlns:P="https://bitfire.at/webdav-push" xmlns:D="DAV:">`)
	x.Elem("P:topic", topic)
	if n.contents {
		x.Str("<P:content-update>")
		if n.token != "" {
			x.Elem("D:sync-token", n.token)
		}
		x.Str("</P:content-update>")
	}
	if n.properties {
		x.Str("<P:property-update/>")
	}
	x.Str("</P:push-message>")
	kind := "c"
	if n.properties {
		kind = "p" // it must not be replaced by one that tells less
	}
	resp, err := webpush.SendNotificationWithContext(ctx, x.Bytes(), &webpush.Subscription{
		Endpoint: n.Resource, Keys: webpush.Keys{Auth: n.Secret, P256dh: n.Key},
	}, &webpush.Options{
		HTTPClient: xmlClient{h.client}, Subscriber: h.cfg.Contact, TTL: 24 * 3600, Urgency: webpush.UrgencyNormal,
		Topic: h.mac("header", topic+kind), VAPIDPublicKey: h.keys.Public, VAPIDPrivateKey: h.keys.Private,
	})
	if err != nil {
		return 0, 0, err
	}
	defer resp.Body.Close()
	io.CopyN(io.Discard, resp.Body, 4096)
	return resp.StatusCode, outbound.Later(resp.Header, time.Now()), nil
}

// xmlClient says what is inside of messages.
type xmlClient struct{ *http.Client }

func (c xmlClient) Do(r *http.Request) (*http.Response, error) {
	r.Header.Set("Content-Type", `application/xml; charset="utf-8"`)
	return c.Client.Do(r)
}
