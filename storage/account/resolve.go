package account

import (
	"context"
	"errors"
	"fmt"

	"atrium/storage"
)

// Bounds of one resolution.
const (
	maxDepth      = 16   // aliases that lead to aliases
	maxRecipients = 1000 // in all
)

// Resolve tells to whom an address leads, each recipient once. NotLocal when
// its domain is not ours, storage.NotFound when no one has it there,
// storage.Invalid when it is no address. A bare local part, postmaster above
// all (RFC 5321 §4.1.1.3), is one of the default domain.
func (d *Directory) Resolve(ctx context.Context, address string) ([]Recipient, error) {
	a, err := parseAddress(address, d.domain)
	if err != nil {
		return nil, err
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.domains[a.domain] == nil {
		return nil, fmt.Errorf("address %q: %w", address, NotLocal)
	}
	if e := d.byName[a.key]; e != nil && e.Sort != Service { // nearly always
		return []Recipient{{Account: &e.Account, Address: e.Name}}, nil
	}
	r := resolution{d: d}
	r.follow(a, "", 0)
	if len(r.found) == 0 {
		return nil, fmt.Errorf("address %q: %w", address, errors.Join(storage.NotFound, r.err))
	}
	return r.found, nil
}

// resolution follows one address to all its ends.
type resolution struct {
	d     *Directory
	found []Recipient
	seen  map[string]bool // addresses followed: loops end here
	err   error           // why there is less than might be
}

// follow adds those to whom a leads. detail is what an address on the way
// here had.
func (r *resolution) follow(a address, detail string, depth int) {
	if depth > maxDepth {
		r.err = fmt.Errorf("more than %d aliases deep: %w", maxDepth, storage.TooLarge)
		return
	}
	if r.d.domains[a.domain] == nil {
		r.add(Recipient{Address: a.String()})
		return
	}
	if r.enter(a, detail, depth) {
		return
	}
	if b, own, ok := a.bare(r.d.cfg.Separators); ok {
		if own == "" {
			own = detail
		}
		if r.enter(b, own, depth) {
			return
		}
	}
	if r.postmaster(a, depth) {
		return
	}
	if to := r.d.domains[a.domain].CatchAll; to != "" {
		if b, err := parseAddress(to, r.d.domain); err == nil && !r.seen["*"+a.domain] {
			r.mark("*" + a.domain)
			r.follow(b, "", depth+1)
		}
	}
	if len(r.found) == 0 && a.key == postmasterAt+r.d.domain {
		r.oldest()
	}
}

// oldest adds the oldest account that may log in, a person's before others: mail to
// postmaster must reach someone, whatever is configured (RFC 5321 §4.5.1).
func (r *resolution) oldest() {
	var best *entry
	rank := func(e *entry) uint64 {
		n := uint64(e.ID)
		if e.Sort != Person || e.Disabled {
			n |= 1 << 63
		}
		return n
	}
	for _, e := range r.d.byName {
		if e.Sort == Service {
			continue
		}
		if best == nil || rank(e) < rank(best) {
			best = e
		}
	}
	if best != nil {
		r.add(Recipient{Account: &best.Account, Address: best.Name})
	}
}

const postmasterAt = "postmaster@"

// enter follows a to its account or the targets of its alias, when it has one.
func (r *resolution) enter(a address, detail string, depth int) bool {
	if e := r.d.byName[a.key]; e != nil && e.Sort == Service {
		return false
	} else if e != nil {
		r.add(Recipient{Account: &e.Account, Address: e.Name, Detail: detail})
		return true
	}
	rec := r.d.aliases[a.key]
	if rec == nil {
		return false
	}
	if r.seen[a.key] {
		return true
	}
	r.mark(a.key)
	for _, target := range rec.Targets {
		if b, err := parseAddress(target, r.d.domain); err == nil {
			r.follow(b, detail, depth+1)
		}
	}
	return true
}

// postmaster leads postmaster of any local domain to the default domain's, and
// that to whom the configuration names (RFC 5321 §4.5.1: it must be there).
func (r *resolution) postmaster(a address, depth int) bool {
	const name = postmasterAt
	if len(a.key) < len(name) || a.key[:len(name)] != name {
		return false
	}
	to := name + r.d.domain
	if a.key == to {
		to = r.d.cfg.Postmaster
	}
	b, err := parseAddress(to, r.d.domain)
	if to == "" || err != nil || r.seen[a.key] {
		return false
	}
	r.mark(a.key)
	before := len(r.found)
	r.follow(b, "", depth+1)
	return len(r.found) > before
}

func (r *resolution) mark(key string) {
	if r.seen == nil {
		r.seen = map[string]bool{}
	}
	r.seen[key] = true
}

// add adds a recipient, once.
func (r *resolution) add(to Recipient) {
	key := to.Address + "\x00" + to.Detail
	if len(r.found) >= maxRecipients {
		r.err = fmt.Errorf("more than %d recipients: %w", maxRecipients, storage.TooLarge)
		return
	}
	if !r.seen[key] {
		r.mark(key)
		r.found = append(r.found, to)
	}
}
