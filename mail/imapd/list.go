package imapd

import (
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"

	"atrium/mail"
	"atrium/mail/imapd/wire"
	"atrium/storage"
)

// listArgs is what a LIST asks for.
type listArgs struct {
	c        *session
	ref      string
	patterns []string
	extended bool // options or several patterns were given (RFC 5258 §3)

	subscribed bool // select: subscribed names
	recursive  bool // select: RECURSIVEMATCH
	special    bool // select: mailboxes with a special use
	remote     bool

	showSubscribed bool // return
	showSpecial    bool
	status         []string
	after          []func(name string, m *mail.Mailbox) // further answers for each mailbox

	below map[string]bool // names above chosen ones; true: above one that the patterns do not match (RECURSIVEMATCH)
}

// list handles LIST (RFC 9051 §6.3.9; RFC 5258).
func (c *session) list(r *wire.Reader) error {
	a := &listArgs{c: c}
	r.SP()
	extended := r.Peek() == '('
	if extended {
		c.readListSelects(a, r)
		r.SP()
	}
	a.ref = r.Reference()
	r.SP()
	if r.Peek() == '(' && c.server.reg.has("LIST-EXTENDED") {
		extended = true
		r.List(func() { a.patterns = append(a.patterns, r.ListMailbox()) })
	} else {
		a.patterns = append(a.patterns, r.ListMailbox())
	}
	if r.Err() == nil && r.Try(' ') && !r.AtEnd() {
		extended = true
		c.readListReturns(a, r)
	}
	if err := r.End(); err != nil {
		return err
	}
	a.extended = extended
	if !extended && len(a.patterns) == 1 && a.patterns[0] == "" {
		c.WriteString("* LIST (\\Noselect) \"/\" \"\"\r\n")
		return c.done("")
	}
	if err := c.writeList(a); err != nil {
		return err
	}
	return c.done("")
}

func (c *session) readListSelects(a *listArgs, r *wire.Reader) {
	base := false
	r.List(func() {
		name := r.Keyword()
		option := c.server.reg.listSelects[name]
		if option == nil {
			r.Fail("Unknown selection option %s", name)
			return
		}
		option(a)
		base = base || name != "RECURSIVEMATCH" && name != "REMOTE"
	})
	if a.recursive && !base {
		r.Fail("RECURSIVEMATCH needs another option") // RFC 5258 §3.1
	}
}

func (c *session) readListReturns(a *listArgs, r *wire.Reader) {
	if !r.TryWord("RETURN") {
		r.Fail("Expected RETURN")
	}
	r.SP()
	given := map[string]bool{}
	r.List(func() {
		name := r.Keyword()
		option := c.server.reg.listReturns[name]
		if option == nil {
			r.Fail("Unknown return option %s", name)
			return
		}
		into := a
		if given[name] {
			into = &listArgs{c: c} // more than once is once (RFC 5258 §3)
		}
		given[name] = true
		option(into, r)
	})
}

// listed is one name in a LIST.
type listed struct {
	*mail.Mailbox // nil: a name that is only subscribed to
	name          string
	subscribed    bool
	chosen        bool // it meets what the selection options ask for
}

// writeList answers a LIST.
func (c *session) writeList(a *listArgs) error {
	boxes, err := c.mailboxes(a)
	if err != nil {
		return err
	}
	var subs []string
	if a.subscribed || a.showSubscribed {
		if subs, err = c.own.Subscriptions(c.Context()); err != nil {
			return err
		}
	}
	for _, l := range a.gather(boxes, subs) {
		c.writeListed(a, &l)
		if l.Mailbox == nil || !l.Has() || !l.chosen { // RFC 5819 §2
			continue
		}
		if len(a.status) > 0 && l.Rights.Has(storage.Read) {
			c.writeStatus(l.name, l.Mailbox, a.status)
		}
		for _, f := range a.after {
			f(l.name, l.Mailbox)
		}
	}
	return nil
}

// gather finds the names that LIST is to show.
func (a *listArgs) gather(boxes []mail.Mailbox, subs []string) []listed {
	all := make([]listed, 0, len(boxes))
	subscribed := map[string]bool{}
	for _, s := range subs {
		subscribed[s] = true
	}
	seen := map[string]bool{}
	add := func(l listed) {
		seen[l.name] = true
		l.subscribed = subscribed[l.name]
		l.chosen = (!a.subscribed || l.subscribed) && (!a.special || l.Mailbox != nil && len(l.Uses) > 0)
		all = append(all, l)
	}
	for i := range boxes {
		add(listed{Mailbox: &boxes[i], name: boxes[i].Name})
	}
	if a.subscribed {
		for _, s := range subs { // the names above a subscribed one, then itself
			for at := range s {
				if s[at] == '/' && !seen[s[:at]] {
					add(listed{name: s[:at]})
				}
			}
			if !seen[s] {
				add(listed{name: s})
			}
		}
	}
	if a.recursive {
		a.findBelow(all)
	}
	return slices.DeleteFunc(all, func(l listed) bool { return !a.shows(&l) })
}

// findBelow notes the names above those that are chosen.
func (a *listArgs) findBelow(all []listed) {
	a.below = map[string]bool{}
	for _, l := range all {
		if !l.chosen {
			continue
		}
		hidden := !a.matches(l.name)
		for at := range l.name {
			if above := l.name[:at]; l.name[at] == '/' {
				a.below[above] = a.below[above] || hidden
			}
		}
	}
}

// shows tells whether a name belongs to the answer: it is chosen, or it is above a chosen one that
// the patterns do not show themselves (RFC 5258 §3.5).
func (a *listArgs) shows(l *listed) bool {
	switch {
	case !a.matches(l.name):
		return false
	case !l.chosen:
		return a.below[l.name]
	case a.subscribed || a.special:
		return true
	}
	// Levels of the hierarchy are shown where a pattern looks for them (RFC 3501 §6.3.8). An old LIST may ask for one
	// by its name, to see what became of a mailbox that was deleted.
	return l.Mailbox != nil && (l.Has() || !a.extended || a.finds(l.name))
}

func (a *listArgs) matches(name string) bool {
	for _, p := range a.patterns {
		if p != "" && matchList(a.ref+p, name) { // an empty one is none (RFC 5258 §3)
			return true
		}
	}
	return false
}

// finds tells whether a pattern that ends in a wildcard matches a name.
func (a *listArgs) finds(name string) bool {
	for _, p := range a.patterns {
		if (strings.HasSuffix(p, "*") || strings.HasSuffix(p, "%")) && matchList(a.ref+p, name) {
			return true
		}
	}
	return false
}

// writeListed writes one LIST line.
func (c *session) writeListed(a *listArgs, l *listed) {
	b := append(c.AvailableBuffer(2048), "* LIST ("...)
	b = c.appendAttrs(b, a, l)
	b = append(b, ") \"/\" "...)
	b = wire.AppendMailbox(b, l.name, c.utf8Names())
	if _, above := a.below[l.name]; above {
		b = append(b, ` (CHILDINFO (`...)
		b = append(append(b, a.criteria()...), "))"...)
	}
	c.Write(append(b, '\r', '\n'))
}

// criteria are the selection options that CHILDINFO speaks of.
func (a *listArgs) criteria() string {
	switch {
	case a.subscribed && a.special:
		return `"SUBSCRIBED" "SPECIAL-USE"`
	case a.special:
		return `"SPECIAL-USE"`
	}
	return `"SUBSCRIBED"`
}

// appendAttrs appends a mailbox's attributes (RFC 9051 §7.3.1).
func (c *session) appendAttrs(b []byte, a *listArgs, l *listed) []byte {
	var attrs []imap.MailboxAttr
	extended := c.server.reg.has("LIST-EXTENDED")
	if l.Mailbox == nil || !l.Has() {
		// \NonExistent implies \Noselect (RFC 5258 §3), but mbsync and others
		// look for the latter alone. Who asks for subscribed names knows.
		if l.Mailbox != nil || !extended || !a.subscribed {
			attrs = append(attrs, imap.MailboxAttrNoSelect)
		}
		if extended {
			attrs = append(attrs, imap.MailboxAttrNonExistent)
		}
	} else if len(a.status) > 0 && !l.Rights.Has(storage.Read) {
		attrs = append(attrs, imap.MailboxAttrNoSelect) // which is why it has no STATUS (RFC 5819 §2)
	}
	switch {
	case !c.server.reg.has("CHILDREN"):
	case l.Mailbox != nil && l.Children:
		attrs = append(attrs, imap.MailboxAttrHasChildren)
	case l.Mailbox != nil || a.extended: // NOTIFY tells of what went without it
		attrs = append(attrs, imap.MailboxAttrHasNoChildren)
	}
	if l.subscribed && (a.subscribed || a.showSubscribed) {
		attrs = append(attrs, imap.MailboxAttrSubscribed)
	}
	if l.Mailbox != nil && c.server.reg.has("SPECIAL-USE") {
		attrs = append(attrs, l.Uses...)
	}
	for i, attr := range attrs {
		if i > 0 {
			b = append(b, ' ')
		}
		b = append(b, attr...)
	}
	return b
}

// matchList tells whether a name matches a pattern: * is any text, % any without the
// separator. The letters of INBOX, where a name begins with it, are the same in any case. It takes len(pattern) * len(name) steps at most.
func matchList(pattern, name string) bool {
	pattern = wire.CanonicalName(pattern)
	// at[i] tells whether pattern so far matches name[:i].
	at := make([]bool, len(name)+1)
	at[0] = true
	inbox := 0
	if name == "INBOX" || strings.HasPrefix(name, "INBOX/") {
		inbox = len("INBOX")
	}
	for p := 0; p < len(pattern); p++ {
		switch c := pattern[p]; c {
		case '*', '%':
			for i := 0; i < len(name); i++ {
				if at[i] && (c == '*' || name[i] != '/') {
					at[i+1] = true
				}
			}
		default:
			for i := len(name); i > 0; i-- {
				at[i] = at[i-1] && (name[i-1] == c || i <= inbox && name[i-1] == c-'a'+'A')
			}
			at[0] = false
		}
	}
	return at[len(name)]
}

// lsub handles LSUB (RFC 3501 §6.3.9): a name above a subscribed one is shown as \Noselect
// when the pattern ends in % and matches it.
func (c *session) lsub(r *wire.Reader) error {
	r.SP()
	a := &listArgs{c: c, ref: r.Reference()}
	r.SP()
	a.patterns = []string{r.ListMailbox()}
	if err := r.End(); err != nil {
		return err
	}
	if a.patterns[0] == "" {
		c.WriteString("* LSUB (\\Noselect) \"/\" \"\"\r\n")
		return c.done("")
	}
	subs, err := c.own.Subscriptions(c.Context())
	if err != nil {
		return err
	}
	a.subscribed, a.recursive = true, strings.HasSuffix(a.patterns[0], "%")
	for _, l := range a.gather(nil, subs) {
		b := append(c.AvailableBuffer(1024), "* LSUB ("...)
		if !l.subscribed {
			b = append(b, `\Noselect`...)
		}
		b = append(b, ") \"/\" "...)
		b = wire.AppendMailbox(b, l.name, c.utf8Names())
		c.Write(append(b, '\r', '\n'))
	}
	return c.done("")
}
