package push

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"

	"atrium/internal/outbound"
	"atrium/storage"

	webpush "github.com/SherClockHolmes/webpush-go"
)

// Config has the settings of push.
type Config struct {
	Delay   time.Duration `toml:"delay"`   // changes within it are told by one message
	Expires time.Duration `toml:"expires"` // how long a registration holds at most; at least 72h
	Most    int           `toml:"most"`    // registrations of one account's collections
	Timeout time.Duration `toml:"timeout"` // for one message
	Contact string        `toml:"contact"` // address or URL by which push services can reach the administrator
	Private bool          `toml:"private"` // push services on this machine and in private networks, and without TLS
}

// DefaultConfig returns settings that spare batteries and push services.
func DefaultConfig() Config {
	return Config{Delay: 2 * time.Second, Expires: 7 * 24 * time.Hour, Most: 500, Timeout: 30 * time.Second}
}

// Validate reports all settings that cannot be used.
func (c *Config) Validate() (err error) {
	bad := func(format string, args ...any) { err = errors.Join(err, fmt.Errorf(format, args...)) }
	if c.Delay < 0 || c.Delay > time.Hour {
		bad("push.delay: %v, must be 0 to 1h", c.Delay)
	}
	if c.Expires < 72*time.Hour {
		bad("push.expires: %v, at least 72h are needed", c.Expires)
	}
	if c.Most < 1 || c.Timeout < time.Second {
		bad("push.most: %d and push.timeout: %v, at least 1 and 1s are needed", c.Most, c.Timeout)
	}
	return err
}

// Keys are the server's own: the pair that push services know it by. Who has them can speak as this server.
type Keys struct {
	Private, Public string // base64url
}

// LoadKeys reads the keys from a file, which it makes when it is missing.
func LoadKeys(file string) (k Keys, err error) {
	b, err := os.ReadFile(file)
	if err == nil {
		if err = json.Unmarshal(b, &k); err == nil && (k.Private == "" || k.Public == "") {
			err = errors.New("no keys in it")
		}
		if err != nil {
			err = fmt.Errorf("push keys %s: %w", file, err)
		}
		return k, err
	}
	if !errors.Is(err, os.ErrNotExist) {
		return k, fmt.Errorf("push keys: %w", err)
	}
	if k.Private, k.Public, err = webpush.GenerateVAPIDKeys(); err != nil {
		return k, err
	}
	if b, err = json.Marshal(k); err != nil {
		return k, err
	}
	return k, os.WriteFile(file, b, 0o600)
}

// Hub keeps registrations and tells their clients of changes.
type Hub struct {
	cfg    Config
	keys   Keys
	store  *storage.Store
	log    *slog.Logger
	client *http.Client
	slots  chan struct{} // messages under way

	mu       sync.Mutex
	ctx      context.Context // of Run; nil before
	watching map[storage.AccountID]*watcher
	wg       sync.WaitGroup
}

// New returns a Hub; Run starts it.
func New(store *storage.Store, cfg Config, keys Keys, log *slog.Logger) *Hub {
	return &Hub{cfg: cfg, keys: keys, store: store, log: log, client: outbound.Client(cfg.Timeout, cfg.Private),
		slots: make(chan struct{}, 16), watching: map[storage.AccountID]*watcher{}}
}

// Run watches the accounts that have registrations until ctx ends.
func (h *Hub) Run(ctx context.Context) {
	h.mu.Lock()
	h.ctx = ctx
	h.mu.Unlock()
	var failed error // of one account: the others are watched all the same
	err := h.store.EachAccount(ctx, func(a storage.AccountID) error {
		var some bool
		verr := h.store.View(ctx, a, func(v *storage.View) error {
			some = len(registrations(v)) > 0
			return nil
		})
		if some {
			h.watch(a)
		}
		failed = cmp.Or(failed, verr)
		return ctx.Err()
	})
	err = cmp.Or(err, failed)
	if err != nil && ctx.Err() == nil {
		h.log.Error("push registrations", "err", err)
	}
	<-ctx.Done()
	h.settle()
	h.wg.Wait()
}

// settle returns when no watcher begins any more.
func (h *Hub) settle() {
	h.mu.Lock()
	defer h.mu.Unlock()
}

// watch begins to watch an account, unless someone does.
func (h *Hub) watch(a storage.AccountID) *watcher {
	h.mu.Lock()
	defer h.mu.Unlock()
	if w := h.watching[a]; w != nil {
		return w
	}
	if h.ctx == nil || h.ctx.Err() != nil {
		return nil
	}
	w := &watcher{hub: h, account: a, seen: map[string]*seen{}}
	h.watching[a] = w
	h.wg.Go(func() { w.run(h.ctx) })
	return w
}

// Quiet notes that whom (Push-Dont-Notify) need not be told of the change that takes a modseq; "" takes it back.
func (h *Hub) Quiet(a storage.AccountID, modseq uint64, whom string) {
	h.mu.Lock()
	w := h.watching[a]
	h.mu.Unlock()
	if w != nil {
		w.hush(modseq, whom)
	}
}

// registration is a client's wish to be told. It is a record of the account that the collection is in.
type registration struct {
	ID         string               `json:"-"`
	Collection storage.CollectionID `json:",omitempty"` // 0: the home of Schema
	Schema     byte
	Actor      storage.AccountID
	Resource   string // the push resource, a URL
	Key        string // of the client, base64url
	Secret     string
	Content    bool // triggers
	Props      bool
	Expires    time.Time
	Told       *told `json:",omitempty"` // when the server stopped last; nil: all there was
}

// told is how far a registration's client knows of what it asked for, in modseqs.
type told struct {
	Content, Props uint64
	All            uint64 // the account's own at that time: hushed changes are counted from there
}

const recordPrefix = "push/"

// registrations are those of an account.
func registrations(v *storage.View) (list []registration) {
	for name, value := range v.Records(recordPrefix) {
		var r registration
		if json.Unmarshal(value, &r) == nil {
			r.ID = name[len(recordPrefix):]
			list = append(list, r)
		}
	}
	return list
}

// mac is a name that only this server can make.
func (h *Hub) mac(kind, text string) string {
	m := hmac.New(sha256.New, []byte(h.keys.Private))
	m.Write([]byte(kind + "\x00" + text))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil)[:18])
}

// topic names a collection, or the home of a schema, to clients.
func (h *Hub) topic(a storage.AccountID, c storage.CollectionID, schema byte) string {
	return h.mac("topic", fmt.Sprintf("%d %d %d", a, c, schema))
}

// idOf is the same for the same client and collection: a registration comes again to be renewed.
func (h *Hub) idOf(a storage.AccountID, r *registration) string {
	return h.mac("registration", fmt.Sprintf("%d %d %d %d %s", a, r.Collection, r.Schema, r.Actor, r.Resource))
}

// link is the last segment of a registration's URL: who knows it may end the registration.
func link(a storage.AccountID, id string) string { return strconv.FormatUint(uint64(a), 36) + "." + id }

// drop ends a registration. It is storage.NotFound when there is none.
func (h *Hub) drop(ctx context.Context, a storage.AccountID, id string) error {
	return h.store.Update(ctx, a, func(tx *storage.Tx) error {
		if _, err := tx.Record(recordPrefix + id); err != nil {
			return err
		}
		return tx.SetRecord(recordPrefix+id, nil)
	})
}
