package sieve

import "fmt"

// fcc keeps a copy of what a script writes (RFC 8580).
var fcc = extension{name: "fcc", rfc: "8580", tags: map[string][]tagDef{"vacation": fccTag, "notify": fccTag}}

var (
	fccTag = []tagDef{{name: "fcc", value: "s"}}
	// fccOptions are the tags of fileinto that a copy may have too, each with the extension that brings it (§3.2).
	fccOptions = []string{"create", "flags", "specialuse", "mailboxid"}
)

// copies adds to the tags of an extension for fileinto the same ones for what may be copied.
func copies(tags map[string][]tagDef) map[string][]tagDef {
	tags["vacation"], tags["notify"] = tags["fileinto"], tags["fileinto"]
	return tags
}

// copyTags returns what tells where a copy of what an action writes is to go; nil where none is wanted. The
// internal variable of imap4flags is the message's and not the copy's.
func (c *compiler) copyTags(a *call) func(*run) (*Into, error) {
	if !a.tag("fcc") {
		for _, name := range fccOptions {
			if a.tag(name) {
				c.errf(a.tags[name].pos, "\":%s\" needs \":fcc\"", name)
			}
		}
		return func(*run) (*Into, error) { return nil, nil }
	}
	target := c.target(a, a.tags["fcc"])
	flags := func(*run) []string { return nil }
	if a.tag("flags") {
		flags = c.flagsTag(a)
	}
	return func(r *run) (*Into, error) {
		into, err := target(r)
		into.Flags = flags(r)
		return &into, err
	}
}

// target returns what tells the mailbox of fileinto, or of a copy: by its name, its use or its MAILBOXID.
func (c *compiler) target(a *call, box *arg) func(*run) (Into, error) {
	name, use, id := c.text(box), c.text(a.tags["specialuse"]), c.text(a.tags["mailboxid"])
	if name.constant() && name.fixed == "" {
		c.errf(name.pos, "the mailbox has no name")
	}
	return func(r *run) (Into, error) {
		into := Into{Mailbox: name.eval(r), Create: a.tag("create")}
		if into.Mailbox == "" {
			return into, fmt.Errorf("the mailbox has no name: %w", Wrong)
		}
		if use != nil {
			into.Use = use.eval(r)
		}
		if id == nil {
			return into, nil
		}
		byID, err := r.host().ByID(r.ctx, id.eval(r))
		if byID != "" { // else it is the one by the name (RFC 9042 §4)
			into.Mailbox, into.Create = byID, false
		}
		return into, err
	}
}
