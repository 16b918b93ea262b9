package sieve

import (
	"fmt"
	"slices"
	"strings"

	"atrium/mail/message"
)

// base is the language without extensions (RFC 5228); if, elsif, else and require are in
// compile.go.
var base = extension{rfc: "5228",
	commands: []command{
		{name: "stop", compile: func(*compiler, *call) op { return func(*run) error { return errStop } }},
		{name: "keep", compile: compileKeep},
		{name: "discard", compile: func(*compiler, *call) op {
			return func(r *run) error { r.keep = false; return nil }
		}},
		{name: "redirect", shape: shape{args: "s"}, compile: compileRedirect},
	},
	tests: []test{
		{name: "true", compile: constant(true)},
		{name: "false", compile: constant(false)},
		{name: "not", shape: shape{tests: 1}, compile: func(_ *compiler, a *call) cond {
			return func(r *run) (bool, error) {
				yes, err := a.tests[0](r)
				return !yes, err
			}
		}},
		{name: "allof", shape: shape{tests: -1}, compile: combine(false)},
		{name: "anyof", shape: shape{tests: -1}, compile: combine(true)},
		{name: "address", shape: shape{tags: with(matchTags, partTags), args: "ll"}, compile: compileAddress},
		{name: "header", shape: shape{tags: matchTags, args: "ll"}, compile: compileHeader},
		{name: "exists", shape: shape{args: "l"}, compile: compileExists},
		{name: "size", shape: shape{tags: []tagDef{{name: "over", value: "n", group: "limit"}, {name: "under", value: "n", group: "limit"}}}, compile: compileSize},
	},
}

// partTags say what of an address counts (RFC 5228 §2.7.4).
var partTags = []tagDef{{name: "localpart", group: "part"}, {name: "domain", group: "part"}, {name: "all", group: "part"}}

var subaddress = extension{name: "subaddress", rfc: "5233", tags: map[string][]tagDef{
	"@": {{name: "user", group: "part"}, {name: "detail", group: "part"}}}}

var (
	fileinto = extension{name: "fileinto", rfc: "5228", commands: []command{{name: "fileinto", shape: shape{args: "s"}, compile: compileFileinto}}}
	reject   = extension{name: "reject", rfc: "5429", commands: []command{{name: "reject", shape: shape{args: "s"}, compile: compileReject}}}
	ereject  = extension{name: "ereject", rfc: "5429", commands: []command{{name: "ereject", shape: shape{args: "s"}, compile: compileReject}}}
	copying  = extension{name: "copy", rfc: "3894", tags: map[string][]tagDef{"fileinto": {{name: "copy"}}, "redirect": {{name: "copy"}}}}
	envelope = extension{name: "envelope", rfc: "5228", tests: []test{
		{name: "envelope", shape: shape{tags: with(matchTags, partTags), args: "ll"}, compile: compileEnvelope}}}
	encodedCharacter = extension{name: "encoded-character", rfc: "5228"}
)

func constant(yes bool) func(*compiler, *call) cond {
	return func(*compiler, *call) cond { return func(*run) (bool, error) { return yes, nil } }
}

// combine is allof and anyof: the tests from left to right, until one tells.
func combine(until bool) func(*compiler, *call) cond {
	return func(_ *compiler, a *call) cond {
		return func(r *run) (bool, error) {
			for _, t := range a.tests {
				if yes, err := t(r); err != nil || yes == until {
					return yes, err
				}
			}
			return !until, nil
		}
	}
}

func compileKeep(c *compiler, a *call) op {
	flags := c.flagsTag(a)
	return func(r *run) error {
		if err := r.other(); err != nil {
			return err
		}
		r.keep = false
		return r.act(Into{Flags: flags(r), Header: r.msg.Edited()})
	}
}

func compileFileinto(c *compiler, a *call) op {
	target, flags := c.target(a, a.pos[0]), c.flagsTag(a)
	return func(r *run) error {
		if err := r.other(); err != nil {
			return err
		}
		into, err := target(r)
		if err != nil {
			return err
		}
		into.Flags, into.Header = flags(r), r.msg.Edited()
		r.keep = r.keep && a.tag("copy")
		return r.act(into)
	}
}

func compileRedirect(c *compiler, a *call) op {
	if a.tag("list") {
		return redirectList(c, a)
	}
	to, dsn := c.text(a.pos[0]), c.dsnTags(a)
	if to.constant() && !validAddress(to.fixed) {
		c.errf(to.pos, "%q is no address", clip(to.fixed))
	}
	return func(r *run) error {
		if err := r.other(); err != nil {
			return err
		}
		address := strings.TrimSpace(to.eval(r))
		if !validAddress(address) {
			return fmt.Errorf("%q is no address: %w", clip(address), Wrong)
		}
		r.keep = r.keep && a.tag("copy")
		report, err := dsn(r)
		if err != nil {
			return fmt.Errorf("%w: %w", err, Wrong)
		}
		return r.send(address, report)
	}
}

// send adds a redirect.
func (r *run) send(address string, report Report) error {
	before := len(r.res.Actions)
	if err := r.act(Redirect{To: addressOf(address), Header: r.msg.Edited(), Report: report}); err != nil {
		return err
	}
	if r.counts.redirects += len(r.res.Actions) - before; r.counts.redirects > r.lim.Redirects {
		return fmt.Errorf("more than %d redirects: %w", r.lim.Redirects, Exhausted)
	}
	return nil
}

// compileReject is reject and ereject, which exclude all other actions (RFC 5429 §2).
func compileReject(c *compiler, a *call) op {
	reason := c.text(a.pos[0])
	return func(r *run) error {
		if r.done.reject || r.done.vacation || r.done.other {
			return fmt.Errorf("a refusal and other actions: %w", Conflict)
		}
		r.done.reject, r.keep = true, false
		return r.act(Reject{Reason: strings.TrimRight(reason.eval(r), "\r\n"), Mail: a.n.name == "reject"})
	}
}

// validAddress tells whether s is one address with a domain.
func validAddress(s string) bool { return addressOf(s) != "" }

// addressOf is local@domain of one address, "" when it is none.
func addressOf(s string) string {
	if len(s) > 512 || strings.ContainsAny(s, "\r\n\x00") {
		return ""
	}
	list := message.ParseAddresses([]byte(s))
	if len(list) != 1 || list[0].Group || list[0].Mailbox == "" || list[0].Host == "" {
		return ""
	}
	a := list[0]
	if bare := strings.TrimSpace(s); strings.Count(s, "<") != strings.Count(s, ">") ||
		!strings.ContainsAny(bare, "<\"(") && strings.ContainsAny(strings.TrimSpace(bare[:strings.LastIndexByte(bare, '@')]), " \t") {
		return "" // a name without brackets around what follows it
	}
	if strings.ContainsAny(a.Host, " \t()<>,;:@\"") || strings.ContainsAny(a.Mailbox, "<>,;") || strings.HasPrefix(a.Host, ".") || strings.HasSuffix(a.Host, ".") {
		return ""
	}
	return a.Addr()
}

// names makes header names of an argument of a test. What cannot be one is no mistake: it matches nothing
// (RFC 5228 §2.4.2.2).
func (c *compiler) names(a *arg) []*template {
	list := c.texts(a)
	for _, t := range list {
		if t.constant() && !validField(t.fixed) {
			c.warnf(t.pos, "%q is no name of a header field: no field matches it", clip(t.fixed))
		}
	}
	return list
}

// validField tells whether s may be a field's name (RFC 5322 §3.6.8).
func validField(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' || s[i] == ':' {
			return false
		}
	}
	return s != ""
}

func compileHeader(c *compiler, a *call) cond {
	names, m := c.names(a.pos[0]), c.matcher(a, a.pos[1])
	pick, look := c.indexTags(a), c.mimeTags(a)
	return func(r *run) (bool, error) {
		var values []string
		for _, n := range names {
			for _, list := range look.fields(r, n.eval(r)) {
				for _, f := range pick(list) {
					values = append(values, look.value(r, &f)...)
				}
			}
			if err := r.step(1); err != nil {
				return false, err
			}
		}
		return m.match(r, values)
	}
}

func compileExists(c *compiler, a *call) cond {
	names, look := c.names(a.pos[0]), c.mimeTags(a)
	return func(r *run) (bool, error) {
		for _, n := range names {
			found := false
			for _, list := range look.fields(r, n.eval(r)) {
				found = found || len(list) > 0
			}
			if !found {
				return false, r.step(1)
			}
		}
		return true, nil
	}
}

func compileSize(c *compiler, a *call) cond {
	over, under := a.tags["over"], a.tags["under"]
	if over == nil && under == nil {
		c.errf(a.n.pos, "\"size\" needs :over or :under")
		return nil
	}
	return func(r *run) (bool, error) {
		size := r.msg.sizeNow()
		if over != nil {
			return size > over.n, nil
		}
		return size < under.n, nil
	}
}

// addressFields are the fields that address looks at (RFC 5228 §5.1).
var addressFields = []string{"from", "to", "cc", "bcc", "sender", "reply-to", "resent-from", "resent-to", "resent-cc", "resent-bcc",
	"resent-sender", "resent-reply-to", "delivered-to", "x-original-to", "envelope-to", "x-envelope-to", "return-path", "mail-followup-to",
	"mail-reply-to", "disposition-notification-to", "return-receipt-to", "errors-to", "apparently-to", "x-beenthere", "message-id", "x-complaints-to", "x-admin", "x-forwarded-to", "x-sieve-redirected-from"}

func compileAddress(c *compiler, a *call) cond {
	names, m, what := c.names(a.pos[0]), c.matcher(a, a.pos[1]), c.partTag(a)
	pick, look := c.indexTags(a), c.mimeTags(a)
	for _, n := range names {
		if n.constant() && validField(n.fixed) && !slices.Contains(addressFields, lower(n.fixed)) {
			c.errf(n.pos, "the field %q has no addresses", clip(n.fixed))
		}
	}
	return func(r *run) (bool, error) {
		var values []string
		for _, n := range names {
			name := n.eval(r)
			if !slices.Contains(addressFields, lower(name)) {
				continue
			}
			for _, list := range look.fields(r, name) {
				for _, f := range pick(list) {
					if what == "all" && f.text() == "" { // what is no address counts as it stands (RFC 5228 §2.7.4)
						values = append(values, "")
					}
					for _, x := range message.ParseAddresses(f.value) {
						if v, ok := what.of(r, x); ok {
							values = append(values, v)
						}
					}
				}
			}
		}
		return m.match(r, values)
	}
}

// addressPart is what of an address counts: all, localpart, domain, user, detail.
type addressPart string

func (c *compiler) partTag(a *call) addressPart {
	for _, p := range []string{"localpart", "domain", "user", "detail"} {
		if a.tag(p) {
			return addressPart(p)
		}
	}
	return "all"
}

// of returns that part; false when the address has none.
func (p addressPart) of(r *run, a message.Address) (string, bool) {
	if a.Group && a.Host == "" || a.Mailbox == "" && a.Host == "" {
		return "", false // the begin and the end of a group
	}
	if p == "all" {
		return a.Addr(), true
	}
	if a.Mailbox == "" || a.Host == "" {
		return "", false
	}
	return p.split(r, a.Mailbox, a.Host)
}

// split returns a part of an address, RFC 5233 §4 for user and detail.
func (p addressPart) split(r *run, local, domain string) (string, bool) {
	switch p {
	case "localpart":
		return local, true
	case "domain":
		return domain, true
	}
	i := -1
	if r.env.Separate != "" {
		i = strings.IndexAny(local, r.env.Separate)
	}
	switch {
	case p == "user" && i < 0:
		return local, true
	case p == "user":
		return local[:i], true
	case i < 0:
		return "", false
	}
	return local[i+1:], true
}

// compileEnvelope is RFC 5228 §5.4. The null sender is the empty string whatever part is asked for.
func compileEnvelope(c *compiler, a *call) cond {
	parts, m, what := c.texts(a.pos[0]), c.matcher(a, a.pos[1]), c.partTag(a)
	dsn := c.on[envelopeDSN.name]
	for _, p := range parts {
		switch name := lower(p.fixed); {
		case !p.constant() || slices.Contains([]string{"from", "to", "auth"}, name):
		case dsnParts[name] == nil:
			c.errf(p.pos, "unknown part of the envelope %q: from, to and auth are", clip(p.fixed))
		case !dsn:
			c.errf(p.pos, "the part %q of the envelope needs require \"envelope-dsn\"", name)
		case what != "all":
			c.warnf(p.pos, "%q is no address: it has no \":%s\"", name, what)
		}
	}
	return func(r *run) (bool, error) {
		var values []string
		for _, p := range parts {
			switch name := lower(p.eval(r)); name {
			case "from":
				values = what.envelope(r, values, r.env.From)
			case "to":
				values = what.envelope(r, values, r.env.To)
			case "auth":
				if r.env.Auth != "" {
					values = what.envelope(r, values, r.env.Auth)
				}
			default:
				if get := dsnParts[name]; get != nil && dsn && what == "all" {
					values = append(values, get(&r.env.Asked)...)
				}
			}
		}
		return m.match(r, values)
	}
}

func (p addressPart) envelope(r *run, values []string, address string) []string {
	if address == "" || p == "all" {
		return append(values, address)
	}
	local, domain := address, ""
	if i := strings.LastIndexByte(address, '@'); i >= 0 {
		if local, domain = address[:i], address[i+1:]; local == "" || domain == "" {
			return values // no address has no parts (RFC 5228 §2.7.4)
		}
	} else if p == "domain" {
		return values
	}
	v, ok := p.split(r, local, domain)
	if ok {
		values = append(values, v)
	}
	return values
}
