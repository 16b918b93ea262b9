package imapd

import (
	"bytes"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"

	"atrium/mail"
	"atrium/mail/imapd/wire"
	"atrium/storage"
)

// metadata has annotations of mailboxes and of the account, which the RFC calls the
// server's. The server's shared ones cannot be set by IMAP.
var metadata = extension{
	name: "METADATA", rfc: "RFC 5464", what: "Annotations of mailboxes and of the account",
	commands: []command{
		{"GETMETADATA", loggedIn, breaks, (*session).getMetadata},
		{"SETMETADATA", loggedIn, breaks, (*session).setMetadata},
	},
	opened: func(c *session, _ *selectArgs) error {
		c.noteMetadata(true)
		return nil
	},
	enable: map[imap.Cap]func(*session){
		"METADATA":        (*session).enableMetadata,
		"METADATA-SERVER": (*session).enableMetadata,
	},
}

// listMetadata is RFC 9590.
var listMetadata = extension{
	name: "LIST-METADATA", rfc: "RFC 9590", what: "LIST with annotations of each mailbox",
	caps: func(c *session) []imap.Cap {
		if !c.server.reg.has("METADATA") {
			return nil
		}
		return []imap.Cap{"LIST-METADATA"}
	},
	listReturns: map[string]func(*listArgs, *wire.Reader){"METADATA": func(a *listArgs, r *wire.Reader) {
		r.SP()
		g := getMetadata{entries: readEntries(r)}
		a.after = append(a.after, func(name string, _ *mail.Mailbox) {
			account, m, err := a.c.mailbox(name, storage.Lookup)
			if err == nil {
				_, err = g.write(a.c, name, account, m.ID)
			}
			if err != nil && !errors.Is(err, storage.Forbidden) && !errors.Is(err, storage.NotFound) {
				a.c.Log().Error("metadata cannot be read", "error", err)
			}
		})
	}},
}

// getMetadata is what a GETMETADATA asks for.
type getMetadata struct {
	entries []string // as the client wrote them
	limited bool
	maxSize uint32
	depth   int // levels below the entries; -1: all
}

// getMetadata handles GETMETADATA (RFC 5464 §4.2). Options belong before the mailbox; the RFC's
// first examples had them after it, and so have some clients.
func (c *session) getMetadata(r *wire.Reader) error {
	var g getMetadata
	r.SP()
	if r.Peek() == '(' {
		g.readOptions(r)
		r.SP()
	}
	name := r.Mailbox()
	r.SP()
	if r.Peek() == '(' && r.Ahead("(MAXSIZE ", "(DEPTH ") {
		g.readOptions(r)
		r.SP()
	}
	g.entries = readEntries(r)
	if err := r.End(); err != nil {
		return err
	}
	a, id, err := c.annotated(name)
	if err != nil {
		return err
	}
	longest, err := g.write(c, name, a, id)
	if err != nil {
		return err
	}
	if longest > 0 {
		return c.done(fmt.Sprintf("METADATA LONGENTRIES %d", longest))
	}
	return c.done("")
}

func (g *getMetadata) readOptions(r *wire.Reader) {
	r.List(func() {
		switch option := r.Keyword(); option {
		case "MAXSIZE":
			r.SP()
			g.limited, g.maxSize = true, r.Number()
		case "DEPTH":
			r.SP()
			switch depth := r.Keyword(); depth {
			case "0":
				g.depth = 0
			case "1":
				g.depth = 1
			case "INFINITY":
				g.depth = -1
			default:
				r.Fail("DEPTH is 0, 1 or infinity")
			}
		default:
			r.Fail("Unknown option %s", option)
		}
	})
}

// readEntries reads one entry or a list of them.
func readEntries(r *wire.Reader) (list []string) {
	one := func() {
		name := r.AString()
		if r.Err() != nil {
			return
		}
		if len(list) >= 1000 {
			r.Limit("Too many entries")
		}
		// /private and /shared stand for all below them (RFC 5464 §4.2.2).
		if !strings.EqualFold(name, "/private") && !strings.EqualFold(name, "/shared") {
			if _, err := mail.EntryName(name); err != nil {
				r.Fail("%q is not the name of an entry", name)
			}
		}
		list = append(list, name)
	}
	if r.Peek() != '(' {
		one()
		return list
	}
	r.List(one)
	if len(list) == 0 {
		r.Fail("No entries")
	}
	return list
}

// annotated returns the mailbox of a name, 0 for the server (the empty name).
func (c *session) annotated(name string) (*mail.Account, mail.ID, error) {
	if name == "" {
		return c.own, 0, nil
	}
	a, m, err := c.mailbox(name, storage.Lookup)
	if err != nil {
		return nil, 0, err
	}
	return a, m.ID, nil
}

// write answers with the values. longest is the size of the longest that is left out.
func (g *getMetadata) write(c *session, name string, a *mail.Account, id mail.ID) (longest int, err error) {
	all, err := a.Metadata(c.Context(), id)
	if err != nil {
		return 0, err
	}
	b := append(make([]byte, 0, 512), "* METADATA "...)
	b = append(wire.AppendMailbox(b, name, c.utf8Names()), ' ', '(')
	none := len(b)
	told := map[string]bool{}
	tell := func(name string, value []byte) {
		low := strings.ToLower(name)
		switch {
		case told[low]:
		case g.limited && len(value) > int(g.maxSize):
			longest = max(longest, len(value))
		default:
			if len(b) > none {
				b = append(b, ' ')
			}
			b = append(wire.AppendAString(b, name, false), ' ')
			b = appendValue(b, value)
		}
		told[low] = true
	}
	for _, name := range g.entries {
		low := strings.ToLower(name)
		i, found := slices.BinarySearchFunc(all, low, func(m mail.Metadata, s string) int { return strings.Compare(m.Name, s) })
		if found {
			tell(name, all[i].Value)
		}
		for _, m := range all {
			rest, ok := strings.CutPrefix(m.Name, low+"/")
			if ok && (g.depth < 0 || g.depth > 0 && !strings.Contains(rest, "/")) {
				tell(m.Name, m.Value)
				found = true
			}
		}
		if !found && strings.Count(low, "/") > 1 { // with DEPTH only what exists is told (§4.2.2), but there is an answer
			tell(name, nil)
		}
	}
	if len(b) > none {
		c.Write(append(b, ")\r\n"...))
	}
	return longest, nil
}

// appendValue appends NIL, a string, or literal8 where there is a NUL.
func appendValue(b, value []byte) []byte {
	switch {
	case value == nil:
		return append(b, "NIL"...)
	case bytes.IndexByte(value, 0) >= 0:
		return append(wire.AppendLiteralHead(append(b, '~'), int64(len(value))), value...)
	}
	return wire.AppendString(b, string(value), false)
}

// setMetadata handles SETMETADATA (RFC 5464 §4.3): all entries are set, or none.
func (c *session) setMetadata(r *wire.Reader) error {
	r.SP()
	name := r.Mailbox()
	r.SP()
	var changes []mail.Metadata
	size := 0
	r.List(func() {
		entry := r.AString()
		if r.Err() != nil {
			return
		}
		clean, err := mail.EntryName(entry)
		if err != nil {
			r.Fail("%q is not the name of an entry", entry)
		}
		r.SP()
		value := readValue(r)
		if size += len(value); size > 512<<10 {
			r.SetErr(mail.TooManyEntries)
		}
		changes = append(changes, mail.Metadata{Name: clean, Value: value})
	})
	if len(changes) == 0 {
		r.Fail("No entries")
	}
	if err := r.End(); err != nil {
		return err
	}
	a, id, err := c.annotated(name)
	if err != nil {
		return err
	}
	if err := a.SetMetadata(c.Context(), id, changes); err != nil {
		return err
	}
	c.ownMetadata(a, id, changes)
	c.notify.ownEntries(a.Owner(), id, changes)
	return c.done("")
}

// readValue reads a value: NIL is nil.
func readValue(r *wire.Reader) []byte {
	var b bytes.Buffer
	if r.IsLiteral() {
		lit := r.Literal(mail.MaxMetadata)
		var limit *wire.LimitError
		if errors.As(r.Err(), &limit) {
			r.Instead(mail.LargeEntry)
		}
		r.Body(lit, &b)
	} else {
		s, ok := r.NString()
		if !ok {
			return nil
		}
		b.WriteString(s)
	}
	if b.Len() == 0 {
		return []byte{}
	}
	return b.Bytes()
}

// metaState is what an enabled session knows of entries: of the server and of the
// selected mailbox.
type metaState struct {
	server, box     map[string]uint64 // entry -> hash of its value
	serverAt, boxAt uint64            // modseqs at which they were read
	owner           storage.AccountID
	id              mail.ID
}

// enableMetadata begins to tell of others' changes (RFC 5464 §4.1).
func (c *session) enableMetadata() {
	c.enabled |= metadataOn
	c.noteMetadata(false)
}

// noteMetadata takes up which entries changed, and with tell tells them:
// names alone (RFC 5464 §4.4.2).
func (c *session) noteMetadata(tell bool) {
	if !c.has(metadataOn) {
		return
	}
	if c.meta == nil {
		c.meta = &metaState{}
	}
	s := c.meta
	if at, err := c.own.Meta(c.Context()); err == nil && (at != s.serverAt || !tell) {
		s.server = c.changedEntries(c.own, 0, "", s.server, tell && s.serverAt != 0)
		s.serverAt = at
	}
	v := c.view
	if v == nil {
		s.id = 0
		return
	}
	if same := s.owner == v.box.Owner && s.id == v.box.ID; !same {
		s.owner, s.id, s.box, tell = v.box.Owner, v.box.ID, nil, false
	} else if tell && s.boxAt == v.box.Meta {
		return
	}
	s.boxAt = v.box.Meta
	s.box = c.changedEntries(v.account, v.box.ID, c.nameOf(v.account, v.box.Name), s.box, tell)
}

// ownMetadata takes up the session's own changes, which are no news.
func (c *session) ownMetadata(a *mail.Account, id mail.ID, changes []mail.Metadata) {
	s := c.meta
	if s == nil {
		return
	}
	known := s.server
	if id != 0 {
		if known = s.box; a.Owner() != s.owner || id != s.id {
			return
		}
	}
	noteEntries(known, changes)
}

// noteEntries takes up changes of entries where these are known.
func noteEntries(known map[string]uint64, changes []mail.Metadata) {
	if known == nil {
		return
	}
	for _, m := range changes {
		if known[m.Name] = hash(m.Value); m.Value == nil {
			delete(known, m.Name)
		}
	}
}

func hash(b []byte) uint64 {
	h := fnv.New64a()
	h.Write(b)
	return h.Sum64()
}

// changedEntries reads entries and tells those that are not as they were.
func (c *session) changedEntries(a *mail.Account, id mail.ID, name string, old map[string]uint64, tell bool) map[string]uint64 {
	all, err := a.Metadata(c.Context(), id)
	if err != nil && old == nil {
		old = map[string]uint64{}
	}
	if err != nil {
		return old
	}
	now := make(map[string]uint64, len(all))
	var changed []string
	for _, m := range all {
		h := hash(m.Value)
		now[m.Name] = h
		if was, ok := old[m.Name]; !ok || was != h {
			changed = append(changed, m.Name)
		}
	}
	for entry := range old {
		if _, ok := now[entry]; !ok {
			changed = append(changed, entry)
		}
	}
	if tell && len(changed) > 0 {
		slices.Sort(changed)
		c.writeMetadataNews(name, changed)
	}
	return now
}

func (c *session) writeMetadataNews(name string, entries []string) {
	b := append(c.AvailableBuffer(512), "* METADATA "...)
	b = wire.AppendMailbox(b, name, c.utf8Names())
	for _, entry := range entries {
		b = wire.AppendAString(append(b, ' '), entry, false)
	}
	c.Write(append(b, '\r', '\n'))
}

// nameOf is the name that a mailbox has for the user.
func (c *session) nameOf(a *mail.Account, local string) string {
	root, err := c.quotaRoot(a)
	if err != nil || root == "" {
		return local
	}
	return root + "/" + local
}
