package sieve

import (
	"context"
	"fmt"
	"strings"
)

// extlists asks lists that are kept elsewhere (RFC 6134).
var extlists = extension{name: "extlists", rfc: "6134",
	tests: []test{{name: "valid_ext_list", shape: shape{args: "l"}, compile: compileValidList}},
	tags: map[string][]tagDef{
		"*":        {{name: "list", group: "match"}},
		"redirect": {{name: "list"}},
	}}

// Lists are what scripts name by URI: ":addrbook:default" or, the same, "urn:ietf:params:sieve:addrbook:default".
type Lists interface {
	// Valid tells whether there is a list. The name is the short one.
	Valid(ctx context.Context, list string) (bool, error)
	// Has tells whether a value is in a list; one that is not there has none.
	Has(ctx context.Context, list, value string) (bool, error)
	// Members returns the addresses in a list; Exhausted when they are more than most.
	Members(ctx context.Context, list string, most int) ([]string, error)
}

const (
	listURN   = "urn:ietf:params:sieve:"
	listSteps = 4000 // what it costs to ask a list
	maxListed = 512  // bytes of a value that may be in a list
)

// listName is the short name of a list; "" when it cannot be one.
func listName(uri string) string {
	if len(uri) > len(listURN) && lower(uri[:len(listURN)]) == listURN {
		uri = ":" + uri[len(listURN):]
	}
	if !strings.HasPrefix(uri, ":") || len(uri) > maxListed {
		return ""
	}
	return uri
}

// listed tells whether a value is in a list.
func (r *run) listed(list, value string) (bool, error) {
	name := listName(list)
	if a := addressOf(value); a != "" { // a field of addresses, as header sees it, may have a name in it
		value = a
	}
	if r.env.Lists == nil || name == "" || value == "" || len(value) > maxListed {
		return false, nil
	}
	key := name + "\x00" + value
	if yes, ok := r.lists[key]; ok {
		return yes, r.step(1)
	}
	if err := r.step(listSteps); err != nil {
		return false, err
	}
	yes, err := r.env.Lists.Has(r.ctx, name, value)
	if err != nil {
		return false, err
	}
	if r.lists == nil {
		r.lists = map[string]bool{}
	}
	r.lists[key] = yes
	return yes, nil
}

func compileValidList(c *compiler, a *call) cond {
	list := c.texts(a.pos[0])
	return func(r *run) (bool, error) {
		for _, t := range list {
			name := listName(t.eval(r))
			if r.env.Lists == nil || name == "" {
				return false, nil
			}
			if err := r.step(listSteps); err != nil {
				return false, err
			}
			if yes, err := r.env.Lists.Valid(r.ctx, name); !yes || err != nil {
				return false, err
			}
		}
		return true, nil
	}
}

// redirectList is redirect :list: to each of a list, or, when that is too many, to none.
func redirectList(c *compiler, a *call) op {
	to, dsn := c.text(a.pos[0]), c.dsnTags(a)
	switch {
	case !to.constant() || listName(to.fixed) != "":
	case strings.Contains(to.fixed, ":"): // a URI of lists that are not kept here: valid_ext_list may ask for it first
		c.warnf(to.pos, "there is no list %q: a message that comes to this stays as it is", clip(to.fixed))
	default:
		c.errf(to.pos, "%q is no list", clip(to.fixed))
	}
	return func(r *run) error {
		if err := r.other(); err != nil {
			return err
		}
		list := to.eval(r)
		name := listName(list)
		ok := false
		if r.env.Lists != nil && name != "" {
			var err error
			if ok, err = r.env.Lists.Valid(r.ctx, name); err != nil {
				return err
			}
		}
		if !ok {
			return fmt.Errorf("there is no list %q: %w", clip(list), Wrong)
		}
		report, err := dsn(r)
		if err != nil {
			return fmt.Errorf("%w: %w", err, Wrong)
		}
		all, err := r.env.Lists.Members(r.ctx, name, r.lim.Redirects-r.counts.redirects)
		if err != nil {
			return err
		}
		r.keep = r.keep && a.tag("copy")
		for _, address := range all {
			if !validAddress(address) {
				continue
			}
			if err := r.send(address, report); err != nil {
				return err
			}
		}
		return nil
	}
}
