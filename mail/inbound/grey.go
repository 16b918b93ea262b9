package inbound

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"atrium/storage"
)

// Grey has the settings of greylisting: mail from a network, a sender and to a
// recipient that have not met is put off once (RFC 6647).
type Grey struct {
	On     bool          `toml:"on"`
	Delay  time.Duration `toml:"delay"`  // the second attempt must not come earlier
	Window time.Duration `toml:"window"` // nor later
	Keep   time.Duration `toml:"keep"`   // how long those who met are remembered after the last message
	Trust  int           `toml:"trust"`  // messages after which a network and a sender's domain are not put off at all
	Max    int           `toml:"max"`    // entries
}

func defaultGrey() Grey {
	return Grey{Delay: 2 * time.Minute, Window: 24 * time.Hour, Keep: 36 * 24 * time.Hour, Trust: 5, Max: 100_000}
}

func (g *Grey) validate() (err error) {
	if g.Delay < time.Second || g.Window <= g.Delay || g.Keep < g.Window {
		err = fmt.Errorf("grey: delay %v, window %v and keep %v must be above 1s and ascend", g.Delay, g.Window, g.Keep)
	}
	if g.Trust < 1 || g.Max < 100 || g.Max > 10_000_000 {
		err = errors.Join(err, fmt.Errorf("grey: trust %d and max %d, must be at least 1 and 100 to 10000000", g.Trust, g.Max))
	}
	return err
}

// greyKey names a triple, or a network and a domain, by a hash.
type greyKey [16]byte

// greyEntry is what is known of it, times in Unix seconds.
type greyEntry struct {
	first, last uint32
	count       uint32 // messages that were let in
}

// greylist is the table: in memory, and written behind to the records of the
// system's account. After a crash what was new in the last seconds is put off once more.
type greylist struct {
	cfg   Grey
	store *storage.Store
	mu    sync.Mutex
	have  map[greyKey]greyEntry
	dirty map[greyKey]bool
}

const greyPrefix = "grey/"

// openGrey reads the table.
func openGrey(ctx context.Context, cfg Grey, store *storage.Store) (*greylist, error) {
	g := &greylist{cfg: cfg, store: store, have: map[greyKey]greyEntry{}, dirty: map[greyKey]bool{}}
	err := store.View(ctx, storage.System, func(v *storage.View) error {
		for name, b := range v.Records(greyPrefix) {
			var k greyKey
			if n, err := hex.Decode(k[:], []byte(strings.TrimPrefix(name, greyPrefix))); err != nil || n != len(k) || len(b) != 13 || b[0] != 1 {
				continue
			}
			if len(g.have) == cfg.Max {
				return nil
			}
			g.have[k] = greyEntry{binary.BigEndian.Uint32(b[1:]), binary.BigEndian.Uint32(b[5:]), binary.BigEndian.Uint32(b[9:])}
		}
		return nil
	})
	return g, err
}

// network is what of an address counts: /24, or /64.
func network(ip netip.Addr) netip.Prefix {
	ip = ip.Unmap().WithZone("")
	bits := 24
	if ip.Is6() {
		bits = 64
	}
	p, _ := ip.Prefix(bits)
	return p
}

func keyOf(parts ...string) greyKey {
	sum := sha256.Sum256([]byte(strings.ToLower(strings.Join(parts, "\x00"))))
	return greyKey(sum[:16])
}

// admit tells whether a message may come, and else how long it has to wait.
func (g *greylist) admit(ip netip.Addr, from, to string, now time.Time) (wait time.Duration) {
	net := network(ip).String()
	_, domain, _ := strings.Cut(from, "@")
	pair, triple := keyOf("pair", net, domain), keyOf("triple", net, from, to)
	g.mu.Lock()
	defer g.mu.Unlock()
	if p := g.have[pair]; p.count >= uint32(g.cfg.Trust) && !g.old(p, now) {
		g.note(pair, p, now)
		return 0
	}
	e, known := g.have[triple]
	if known && g.old(e, now) {
		known = false
	}
	at := uint32(now.Unix())
	switch age := now.Sub(time.Unix(int64(e.first), 0)); {
	case !known:
		g.put(triple, greyEntry{first: at, last: at}, now)
		return g.cfg.Delay
	case e.count == 0 && age < g.cfg.Delay:
		return g.cfg.Delay - age
	}
	g.note(triple, e, now)
	g.note(pair, g.have[pair], now)
	return 0
}

// old tells whether an entry does not count any more.
func (g *greylist) old(e greyEntry, now time.Time) bool {
	if e.count == 0 {
		return now.Sub(time.Unix(int64(e.first), 0)) > g.cfg.Window
	}
	return now.Sub(time.Unix(int64(e.last), 0)) > g.cfg.Keep
}

// note counts a message that was let in.
func (g *greylist) note(k greyKey, e greyEntry, now time.Time) {
	if e.first == 0 || g.old(e, now) {
		e = greyEntry{first: uint32(now.Unix())}
	}
	e.last = uint32(now.Unix())
	e.count++
	g.put(k, e, now)
}

func (g *greylist) put(k greyKey, e greyEntry, now time.Time) {
	if _, ok := g.have[k]; !ok && len(g.have) >= g.cfg.Max {
		g.trim(now)
	}
	g.have[k] = e
	g.dirty[k] = true
}

// trim drops what is old, and if need be some of those who were put off once and never came back.
func (g *greylist) trim(now time.Time) {
	drop := func(k greyKey) { delete(g.have, k); g.dirty[k] = true }
	for k, e := range g.have {
		if g.old(e, now) {
			drop(k)
		}
	}
	for pass := range 2 {
		for k, e := range g.have {
			if len(g.have) < g.cfg.Max-g.cfg.Max/16 {
				return
			}
			if e.count == 0 || pass == 1 {
				drop(k)
			}
		}
	}
}

// flush writes what changed.
func (g *greylist) flush(ctx context.Context) error {
	for {
		type change struct {
			k greyKey
			e greyEntry
		}
		var batch []change
		g.mu.Lock()
		for k := range g.dirty {
			if batch = append(batch, change{k, g.have[k]}); len(batch) == 1000 {
				break
			}
		}
		for _, c := range batch {
			delete(g.dirty, c.k)
		}
		g.mu.Unlock()
		if len(batch) == 0 {
			return nil
		}
		err := g.store.Update(ctx, storage.System, func(tx *storage.Tx) error {
			for _, c := range batch {
				var b []byte
				if c.e != (greyEntry{}) {
					b = []byte{1}
					for _, n := range []uint32{c.e.first, c.e.last, c.e.count} {
						b = binary.BigEndian.AppendUint32(b, n)
					}
				}
				if err := tx.SetRecord(greyPrefix+hex.EncodeToString(c.k[:]), b); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			g.mu.Lock()
			for _, c := range batch {
				g.dirty[c.k] = true
			}
			g.mu.Unlock()
			return fmt.Errorf("greylist: %w", err)
		}
	}
}
