package feed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"atrium/calendar"
	"atrium/calendar/ics"
	"atrium/internal/outbound"
	"atrium/storage"
)

// Config has the settings of subscribed calendars.
type Config struct {
	Interval time.Duration `toml:"interval"`    // how often a source is read that does not say
	Shortest time.Duration `toml:"shortest"`    // whatever source or client say
	MaxSize  int64         `toml:"max_size"`    // bytes of a source
	Most     int           `toml:"max_objects"` // of one source
	Timeout  time.Duration `toml:"timeout"`     // for one source
	Private  bool          `toml:"private"`     // sources on this machine and in private networks are read too
}

// DefaultConfig returns settings that are kind to sources.
func DefaultConfig() Config {
	return Config{Interval: 6 * time.Hour, Shortest: 15 * time.Minute, MaxSize: 20 << 20, Most: 20_000, Timeout: time.Minute}
}

// Validate reports all settings that cannot be used.
func (c *Config) Validate() (err error) {
	bad := func(format string, args ...any) { err = errors.Join(err, fmt.Errorf(format, args...)) }
	if c.Shortest < time.Minute || c.Interval < c.Shortest {
		bad("feed.interval: %v and feed.shortest: %v, at least 1m and not more than the interval are needed", c.Interval, c.Shortest)
	}
	if c.MaxSize < 64<<10 || c.MaxSize > 256<<20 {
		bad("feed.max_size: %d, must be 65536 to 268435456", c.MaxSize)
	}
	if c.Most < 1 || c.Timeout < time.Second {
		bad("feed.max_objects: %d and feed.timeout: %v, at least 1 and 1s are needed", c.Most, c.Timeout)
	}
	return err
}

// key names a subscription.
type key struct {
	account  storage.AccountID
	calendar storage.CollectionID
}

// Runner reads the sources of all accounts at their times.
type Runner struct {
	cfg    Config
	store  *storage.Store
	log    *slog.Logger
	client *http.Client

	mu      sync.Mutex
	due     map[key]time.Time
	sources map[key]string // as they were last seen
	wake    chan struct{}
}

// New returns a Runner; Run starts it.
func New(store *storage.Store, cfg Config, log *slog.Logger) *Runner {
	return &Runner{cfg: cfg, store: store, log: log, client: outbound.Client(cfg.Timeout, cfg.Private),
		due: map[key]time.Time{}, sources: map[key]string{}, wake: make(chan struct{}, 1)}
}

// Changed has a calendar's source read now when it is another one than was read before, or other parts of it are wanted.
func (r *Runner) Changed(a storage.AccountID, id storage.CollectionID, s *calendar.Settings) {
	k, source := key{a, id}, wanted(s)
	r.mu.Lock()
	same := r.sources[k] == source
	r.sources[k] = source
	r.mu.Unlock()
	if !same {
		r.at(k, time.Time{})
	}
}

// wanted names a source and what is wanted of it.
func wanted(s *calendar.Settings) string { return fmt.Sprintf("%d %s", s.Strip, s.Source) }

func (r *Runner) at(k key, t time.Time) {
	r.mu.Lock()
	r.due[k] = t
	r.mu.Unlock()
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Run reads sources until ctx ends.
func (r *Runner) Run(ctx context.Context) {
	if err := r.collect(ctx); err != nil && ctx.Err() == nil {
		r.log.Error("subscribed calendars", "err", err)
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	slots := make(chan struct{}, 4)
	for {
		k, wait := r.next()
		if wait > 0 {
			t := time.NewTimer(wait)
			select {
			case <-ctx.Done():
				t.Stop()
				return
			case <-r.wake:
				t.Stop()
				continue
			case <-t.C:
				continue
			}
		}
		select {
		case <-ctx.Done():
			return
		case slots <- struct{}{}:
		}
		wg.Go(func() {
			defer func() { <-slots }()
			again, err := r.Refresh(ctx, k.account, k.calendar)
			if err != nil && ctx.Err() == nil {
				r.log.Info("subscribed calendar", "account", k.account, "calendar", k.calendar, "err", err)
			}
			if again > 0 {
				r.at(k, time.Now().Add(again))
			}
		})
	}
}

// next takes the subscription whose time has come, or tells how long there is none.
func (r *Runner) next() (k key, wait time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	wait = time.Hour
	now := time.Now()
	for x, t := range r.due {
		if d := t.Sub(now); d < wait {
			k, wait = x, d
		}
	}
	if wait <= 0 {
		delete(r.due, k)
	}
	return k, wait
}

// collect finds the subscriptions that there are.
func (r *Runner) collect(ctx context.Context) error {
	return r.store.EachAccount(ctx, func(a storage.AccountID) error {
		return r.store.View(ctx, a, func(v *storage.View) error {
			all, err := v.Collections(calendar.Schema.Code)
			for _, c := range all {
				if s, err := calendar.SettingsOf(c); err == nil && s.Made == calendar.Subscribed {
					st := stateOf(v, c.ID)
					r.mu.Lock()
					r.due[key{a, c.ID}] = st.Next
					r.sources[key{a, c.ID}] = wanted(&s)
					r.mu.Unlock()
				}
			}
			return err
		})
	})
}

// state is what is remembered of a source between two readings.
type state struct {
	Source   string
	Strip    calendar.Strip `json:",omitempty"`
	ETag     string
	Modified string
	Next     time.Time
	Fails    int
	Error    string `json:",omitempty"`
}

func recordName(id storage.CollectionID) string { return "feed/" + strconv.FormatUint(uint64(id), 10) }

func stateOf(v *storage.View, id storage.CollectionID) (st state) {
	if b, err := v.Record(recordName(id)); err == nil {
		json.Unmarshal(b, &st) // what cannot be read is read anew
	}
	return st
}

// Refresh reads a calendar's source now. again says after how long it is due again, 0 when it is
// subscribed no more.
func (r *Runner) Refresh(ctx context.Context, a storage.AccountID, id storage.CollectionID) (again time.Duration, err error) {
	var s calendar.Settings
	var st state
	err = r.store.View(ctx, a, func(v *storage.View) error {
		c, err := v.Collection(id)
		if err != nil {
			return err
		}
		if s, err = calendar.SettingsOf(c); err == nil {
			st = stateOf(v, id)
		}
		return err
	})
	if errors.Is(err, storage.NotFound) || err == nil && s.Made != calendar.Subscribed {
		return 0, r.store.Update(ctx, a, func(tx *storage.Tx) error { return tx.SetRecord(recordName(id), nil) })
	}
	if err != nil {
		return r.cfg.Interval, err
	}
	if st.Source != s.Source || st.Strip != s.Strip {
		st = state{Source: s.Source, Strip: s.Strip}
	}
	again = r.cfg.Interval
	if s.Refresh > 0 {
		again = s.Refresh
	}
	again = max(again, r.cfg.Shortest)
	failed := r.read(ctx, a, id, &st)
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	st.Error = ""
	if failed != nil {
		st.Fails = min(st.Fails+1, 10)
		again = min(max(again, r.cfg.Shortest<<st.Fails), 24*time.Hour)
		if busy := (*refusal)(nil); errors.As(failed, &busy) {
			again = max(again, busy.later)
		}
		st.Error = failed.Error()
	} else {
		st.Fails = 0
	}
	st.Next = time.Now().Add(again).UTC()
	b, err := json.Marshal(st)
	if err == nil {
		err = r.store.Update(ctx, a, func(tx *storage.Tx) error { return tx.SetRecord(recordName(id), b) })
	}
	return again, errors.Join(failed, err)
}

// URL reads what a client names as a source; webcal is http that asks a program to subscribe.
func URL(source string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimSpace(source))
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("source %.100q: %w", source, storage.Invalid)
	}
	switch strings.ToLower(u.Scheme) {
	case "http", "https":
	case "webcal":
		u.Scheme = "http"
	case "webcals":
		u.Scheme = "https"
	default:
		return nil, fmt.Errorf("source %.100q: %w", source, storage.Invalid)
	}
	return u, nil
}

// refusal is an answer without a calendar.
type refusal struct {
	status int
	later  time.Duration // that the source asks not to be asked; 0: it does not say
}

func (e *refusal) Error() string { return fmt.Sprintf("source answers %d", e.status) }

// read fetches a source and stores what came.
func (r *Runner) read(ctx context.Context, a storage.AccountID, id storage.CollectionID, st *state) error {
	u, err := URL(st.Source)
	if err != nil {
		return err
	}
	rq, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return err
	}
	rq.Header.Set("Accept", "text/calendar, */*;q=0.5")
	rq.Header.Set("User-Agent", "Atrium")
	if st.ETag != "" {
		rq.Header.Set("If-None-Match", st.ETag)
	}
	if st.Modified != "" {
		rq.Header.Set("If-Modified-Since", st.Modified)
	}
	resp, err := r.client.Do(rq)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusNotModified:
		return nil
	case http.StatusOK:
	default:
		return &refusal{resp.StatusCode, outbound.Later(resp.Header, time.Now())}
	}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, r.cfg.MaxSize+1))
	if err != nil {
		return err
	}
	if int64(len(raw)) > r.cfg.MaxSize {
		return fmt.Errorf("source of more than %d bytes: %w", r.cfg.MaxSize, storage.TooLarge)
	}
	limits := ics.DefaultLimits()
	limits.Size, limits.Lines = int(r.cfg.MaxSize), max(limits.Lines, int(r.cfg.MaxSize/16))
	objects, err := split(raw, limits, r.cfg.Most, st.Strip)
	if err != nil {
		return err
	}
	if err := r.keep(ctx, a, id, objects); err != nil {
		return err
	}
	st.ETag, st.Modified = resp.Header.Get("Etag"), resp.Header.Get("Last-Modified")
	return nil
}

// storeAtOnce is how many objects one transaction writes.
const storeAtOnce = 100

// keep makes a calendar hold these objects and no others.
func (r *Runner) keep(ctx context.Context, a storage.AccountID, id storage.CollectionID, objects map[string][]byte) error {
	var gone []string
	blobs := r.store.Blobs()
	err := r.store.View(ctx, a, func(v *storage.View) error {
		t, err := v.Table(id)
		if err != nil {
			return err
		}
		for e := range calendar.Entries(t) {
			raw, ok := objects[e.Name]
			if !ok {
				gone = append(gone, e.Name)
				continue
			}
			if old, err := calendar.Peek(ctx, v, blobs, e.Object); err == nil && same(old, raw) {
				delete(objects, e.Name)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for names := range slices.Chunk(gone, storeAtOnce) {
		err := r.update(ctx, a, id, func(tx *storage.Tx) error {
			for _, name := range names {
				if _, err := calendar.Delete(tx, id, name, calendar.Condition{}); err != nil && !errors.Is(err, storage.NotFound) {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	for names := range slices.Chunk(slices.Sorted(maps.Keys(objects)), storeAtOnce) {
		if err := r.put(ctx, a, id, names, objects); err != nil {
			return err
		}
	}
	return nil
}

// update runs fn when the calendar is still a subscribed one.
func (r *Runner) update(ctx context.Context, a storage.AccountID, id storage.CollectionID, fn func(*storage.Tx) error) error {
	return r.store.Update(ctx, a, func(tx *storage.Tx) error {
		c, err := tx.Collection(id)
		if err != nil {
			return err
		}
		if s, err := calendar.SettingsOf(c); err != nil || s.Made != calendar.Subscribed {
			return errors.Join(err, fmt.Errorf("calendar %q is subscribed no more: %w", c.Name, storage.Conflict))
		}
		return fn(tx)
	})
}

func (r *Runner) put(ctx context.Context, a storage.AccountID, id storage.CollectionID, names []string, objects map[string][]byte) error {
	type prepared struct {
		name string
		*calendar.Object
	}
	var batch []prepared
	defer func() {
		for _, p := range batch {
			p.Release()
		}
	}()
	for _, name := range names {
		o, err := calendar.Prepare(ctx, r.store.Blobs(), objects[name], calendar.DefaultOptions())
		var refused *ics.Error
		if errors.As(err, &refused) {
			continue
		}
		if err != nil {
			return err
		}
		batch = append(batch, prepared{name, o})
	}
	return r.update(ctx, a, id, func(tx *storage.Tx) error {
		for _, p := range batch {
			_, _, err := calendar.Put(tx, id, p.name, p.Object, calendar.Condition{})
			var refused *ics.Error
			if errors.As(err, &refused) {
				continue
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}
