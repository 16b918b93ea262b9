package imapd

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/text/unicode/norm"

	"atrium/mail"
	"atrium/storage"
	"atrium/storage/account"
)

// Others' mailboxes are below Shared (RFC 2342): Shared/OWNER/NAME, where OWNER
// is the account's name, without the default domain, and NAME is the mailbox as its owner sees it:
// Shared/sales/INBOX. A name that cannot stand in a mailbox's is told by number, #12. Who
// shares nothing with the user has no names here: what one may not know of
// answers as what is not there.

// nobody owns nothing: all names of its are not there, for anyone.
const nobody storage.AccountID = 0

// cutShared splits a name below Shared. For Shared itself both parts are empty.
func cutShared(name string) (owner, local string, ok bool) {
	rest, ok := strings.CutPrefix(name, mail.Shared)
	if !ok || rest != "" && rest[0] != '/' {
		return "", "", false
	}
	owner, local, _ = strings.Cut(strings.TrimPrefix(rest, "/"), "/")
	return owner, local, true
}

// canonical returns a name as LIST would show it, as far as it is valid.
func (c *session) canonical(name string) string {
	name = strings.TrimSuffix(name, "/")
	owner, local, ok := cutShared(name)
	if !ok || local == "" {
		return name
	}
	if clean, err := c.server.store.CleanName(local); err == nil {
		local = clean
	}
	return mail.Shared + "/" + norm.NFC.String(owner) + "/" + local
}

// label is an account's name below Shared.
func (s *Server) label(a *account.Account) string {
	dir := s.auth.Directory()
	name := strings.TrimSuffix(a.Name, "@"+dir.DefaultDomain())
	if clean, err := s.store.CleanName(name); err != nil || clean != name || strings.ContainsAny(name, `/"`) || name[0] == '#' {
		return "#" + strconv.FormatUint(uint64(a.ID), 10)
	}
	return name
}

// labelled returns the account with a label.
func (s *Server) labelled(ctx context.Context, label string) (a *account.Account, err error) {
	dir := s.auth.Directory()
	label = norm.NFC.String(label)
	if n, ok := strings.CutPrefix(label, "#"); ok {
		id, bad := strconv.ParseUint(n, 10, 64)
		if bad != nil {
			return nil, storage.NotFound
		}
		a, err = dir.Get(ctx, storage.AccountID(id))
	} else {
		a, err = dir.Find(ctx, label)
	}
	if err == nil && s.label(a) != label {
		err = storage.NotFound
	}
	return a, err
}

// sharer is an account that shares something with the user: all it has, or some
// collections, mailboxes or not.
type sharer struct {
	id  storage.AccountID
	all bool
	of  []mail.ID
}

// sharers are the accounts that share something with the user, by number.
func (c *session) sharers() ([]storage.AccountID, error) {
	shares, err := c.shares()
	var list []storage.AccountID
	for _, s := range shares {
		list = append(list, s.id)
	}
	return list, err
}

// shares is sharers with what they share.
func (c *session) shares() ([]sharer, error) {
	shares, err := c.server.store.Storage().Shared(c.Context(), c.user.ID)
	var list []sharer
	for _, s := range shares {
		if len(list) == 0 || list[len(list)-1].id != s.Owner {
			list = append(list, sharer{id: s.Owner})
		}
		last := &list[len(list)-1]
		last.all = last.all || s.Collection == 0
		last.of = append(last.of, s.Collection)
	}
	return list, err
}

// mailboxes returns those of a sharer's mailboxes that the user may look up.
func (s *sharer) mailboxes(c *session) ([]mail.Mailbox, error) {
	a := c.server.store.Open(c.user.ID, s.id)
	if s.all {
		return a.Mailboxes(c.Context())
	}
	return a.MailboxesAmong(c.Context(), s.of)
}

// sharer returns the account with a label, nobody unless it shares something with the user.
func (c *session) sharer(label string) storage.AccountID {
	a, err := c.server.labelled(c.Context(), label)
	if err != nil {
		return nobody
	}
	list, err := c.sharers()
	if err != nil && c.Context().Err() == nil {
		c.Log().Error("shares cannot be read", "error", err)
	}
	if _, ok := slices.BinarySearch(list, a.ID); !ok {
		return nobody
	}
	return a.ID
}

// mailboxes returns the user's own mailboxes and, where a pattern may mean them, those that others share.
func (c *session) mailboxes(a *listArgs) ([]mail.Mailbox, error) {
	boxes, err := c.own.Mailboxes(c.Context())
	if err != nil || !slices.ContainsFunc(a.patterns, func(p string) bool { return meansShared(a.ref + p) }) {
		return boxes, err
	}
	shared, err := c.shared()
	return append(boxes, shared...), err
}

// meansShared tells whether a pattern may match names below Shared.
func meansShared(pattern string) bool {
	i := strings.IndexAny(pattern, "*%")
	if i < 0 {
		return strings.HasPrefix(pattern, mail.Shared)
	}
	return strings.HasPrefix(pattern[:i], mail.Shared) || strings.HasPrefix(mail.Shared, pattern[:i])
}

// shared returns the mailboxes that others share, with their names here and the
// names above them. Special uses are the owners': a client is not to take another's Sent for the user's.
func (c *session) shared() ([]mail.Mailbox, error) {
	owners, err := c.shares()
	if err != nil {
		return nil, err
	}
	type house struct {
		label string
		boxes []mail.Mailbox
	}
	var houses []house
	for _, s := range owners {
		a, err := c.server.auth.Directory().Get(c.Context(), s.id)
		if errors.Is(err, storage.NotFound) {
			continue // its account went, its data go
		}
		if err != nil {
			return nil, err
		}
		boxes, err := s.mailboxes(c)
		if err != nil {
			return nil, err
		}
		if len(boxes) > 0 {
			houses = append(houses, house{c.server.label(a), boxes})
		}
	}
	if len(houses) == 0 {
		return nil, nil
	}
	slices.SortFunc(houses, func(a, b house) int { return strings.Compare(a.label, b.label) })
	out := []mail.Mailbox{{Name: mail.Shared, Children: true}}
	for _, h := range houses {
		top := mail.Shared + "/" + h.label
		out = append(out, mail.Mailbox{Name: top, Children: true})
		for _, m := range h.boxes {
			m.Name, m.Uses = top+"/"+m.Name, nil
			out = append(out, m)
		}
	}
	return out, nil
}

// quotaRoot is the name of the root that an account's quota has for the user.
func (c *session) quotaRoot(a *mail.Account) (string, error) {
	if a.Owner() == c.user.ID {
		return "", nil
	}
	owner, err := c.server.auth.Directory().Get(c.Context(), a.Owner())
	if err != nil {
		return "", err
	}
	return mail.Shared + "/" + c.server.label(owner), nil
}
