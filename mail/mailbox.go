package mail

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"

	"atrium/storage"
)

// Mailbox is what is known of a mailbox without looking at its messages. Its
// slices are not to be changed.
type Mailbox struct {
	Owner  storage.AccountID
	ID     ID // 0: a name that is only implied by those below it (\NonExistent)
	Name   string
	Rights storage.Rights // the actor's

	Uses        []imap.MailboxAttr // special uses (RFC 6154)
	Children    bool               // there are names below it; only Mailboxes fills it in
	UIDValidity uint32
	UIDNext     imap.UID
	Exists      int
	Unseen      int // messages without \Seen; 0 when it is private and the actor may not read it
	Deleted     int // messages with \Deleted
	Size        int64
	Modseq      uint64 // HIGHESTMODSEQ
	Meta        uint64 // modseq of the last change to name, settings, keywords, properties or grants
	Floor       uint64 // Changes reaches back to here
	Keywords    Keywords
	PrivateSeen bool // \Seen, Unseen and the modseqs of \Seen are the actor's own

	scripted bool // it has a ScriptEntry
}

// Has tells whether the mailbox itself exists, not only names below it.
func (m *Mailbox) Has() bool { return m.ID != 0 }

// PermanentFlags is what the actor may change in the mailbox: bits of system flags, and whether
// keywords may be set and new ones made (RFC 9051 §7.1).
func (m *Mailbox) PermanentFlags() (system Flags, keywords, more bool) {
	f := settable(m.Rights)
	keywords = f>>firstKeyword != 0
	return f & System, keywords, keywords && !m.Keywords.Full()
}

// settable is the set of flags that rights allow to change (RFC 4314 §4).
func settable(r storage.Rights) (f Flags) {
	if r.Has(storage.Write) {
		f = ^(Seen | Deleted)
	}
	if r.Has(storage.Seen) {
		f |= Seen
	}
	if r.Has(storage.Delete) {
		f |= Deleted
	}
	return f
}

func newMailbox(c *storage.Collection, rights storage.Rights) (m Mailbox, err error) {
	s, err := settingsOf(c)
	if err != nil {
		return m, err
	}
	return Mailbox{
		Owner: c.Account, ID: c.ID, Name: c.Name, Rights: rights,
		Uses: useAttrs(s.uses), UIDValidity: s.uidValidity, UIDNext: imap.UID(c.Next), Keywords: s.keywords,
		Exists: c.Count, Unseen: int(c.Tally.A), Deleted: int(c.Tally.B), Size: c.Tally.Bytes,
		Modseq: c.Modseq, Meta: c.Meta, Floor: c.Floor, PrivateSeen: s.options&privateSeen != 0,
		scripted: s.options&hasScript != 0,
	}, nil
}

// mailbox returns a mailbox when the actor has all of need.
func (a *Account) mailbox(v *storage.View, id ID, need storage.Rights) (m Mailbox, err error) {
	c, err := a.allow(v, id, need)
	if err != nil {
		return m, err
	}
	rights, err := v.Rights(a.actor, id)
	if err != nil {
		return m, err
	}
	return newMailbox(c, rights)
}

// named is mailbox by name.
func (a *Account) named(v *storage.View, name string, need storage.Rights) (m Mailbox, err error) {
	name, err = a.store.CleanName(name)
	if err != nil {
		// A name that cannot be made cannot be there.
		return m, fmt.Errorf("%w: %w", storage.NotFound, err)
	}
	c, err := v.CollectionByName(Schema.Code, name)
	if err != nil {
		return m, fmt.Errorf("mailbox: %w", err)
	}
	return a.mailbox(v, c.ID, need)
}

// Mailbox returns the mailbox of that name; NotFound when there is none that
// the actor may look up.
func (a *Account) Mailbox(ctx context.Context, name string) (m *Mailbox, err error) {
	err = a.view(ctx, func(v *storage.View) error {
		box, err := a.named(v, name, storage.Lookup)
		m = &box
		return errors.Join(err, a.personal(v, m))
	})
	if err != nil {
		return nil, err
	}
	return m, nil
}

// MailboxFor returns the mailbox of that name when the actor has all of need
// there: Forbidden when it may only look it up, NotFound when it may not even that.
func (a *Account) MailboxFor(ctx context.Context, name string, need storage.Rights) (m *Mailbox, err error) {
	err = a.view(ctx, func(v *storage.View) error {
		box, err := a.named(v, name, need)
		m = &box
		return errors.Join(err, a.personal(v, m))
	})
	if err != nil {
		return nil, err
	}
	return m, nil
}

// MailboxByID returns a mailbox as it is now.
func (a *Account) MailboxByID(ctx context.Context, id ID) (m *Mailbox, err error) {
	err = a.view(ctx, func(v *storage.View) error {
		box, err := a.mailbox(v, id, storage.Lookup)
		m = &box
		return errors.Join(err, a.personal(v, m))
	})
	if err != nil {
		return nil, err
	}
	return m, nil
}

// Mailboxes returns all mailboxes that the actor may look up, and the names
// that they imply, in the order of their levels' names, INBOX first.
func (a *Account) Mailboxes(ctx context.Context) (list []Mailbox, err error) {
	err = a.view(ctx, func(v *storage.View) error {
		list, err = a.mailboxes(v)
		for i := range list {
			err = errors.Join(err, a.personal(v, &list[i]))
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return withParents(list), nil
}

func (a *Account) mailboxes(v *storage.View) ([]Mailbox, error) {
	colls, err := v.Collections(Schema.Code)
	if err != nil {
		return nil, err
	}
	list := make([]Mailbox, 0, len(colls))
	for _, c := range colls {
		rights, err := v.Rights(a.actor, c.ID)
		if err != nil {
			return nil, err
		}
		if !rights.Has(storage.Lookup) {
			continue
		}
		m, err := newMailbox(c, rights)
		if err != nil {
			return nil, err
		}
		list = append(list, m)
	}
	return list, nil
}

// withParents adds the names that are implied, marks those that have names below them, and sorts.
func withParents(list []Mailbox) []Mailbox {
	children := make(map[string]bool, len(list)) // of names that are there, or are implied
	for i := range list {
		for p := range parents(list[i].Name) {
			if children[p] {
				break
			}
			children[p] = true
		}
	}
	for i := range list {
		list[i].Children = children[list[i].Name]
		delete(children, list[i].Name)
	}
	for p := range children {
		list = append(list, Mailbox{Name: p, Children: true})
	}
	slices.SortFunc(list, func(a, b Mailbox) int { return compareNames(a.Name, b.Name) })
	return list
}

// Create makes a mailbox with special uses (RFC 6154 §3). Exists, Reserved,
// Invalid, TooLarge, BadUse and Forbidden tell why not.
func (a *Account) Create(ctx context.Context, name string, uses ...imap.MailboxAttr) (m *Mailbox, err error) {
	err = a.update(ctx, func(tx *storage.Tx) error {
		m, err = a.CreateTx(tx, name, uses...)
		return err
	})
	if err != nil {
		return nil, err
	}
	return m, nil
}

// CreateTx is Create within a transaction on the owner's account.
func (a *Account) CreateTx(tx *storage.Tx, name string, uses ...imap.MailboxAttr) (*Mailbox, error) {
	name, err := a.store.CleanName(name)
	if err != nil {
		return nil, err
	}
	u, err := useBits(uses)
	if err != nil {
		return nil, err
	}
	parent, err := a.mayCreate(tx, name)
	if err != nil {
		return nil, err
	}
	if err := freeUses(tx, u, 0); err != nil {
		return nil, err
	}
	options, err := inheritOptions(tx, parent)
	if err != nil {
		return nil, err
	}
	c, err := a.store.create(tx, name, settings{uses: u, options: options})
	if err != nil {
		return nil, err
	}
	if parent != 0 {
		if err := inherit(tx, parent, c.ID); err != nil {
			return nil, err
		}
	}
	m, err := a.mailbox(&tx.View, c.ID, 0)
	return &m, err
}

// mayCreate tells whether the actor may make a mailbox of that name: it needs
// Create on the nearest one above it (RFC 4314 §4), which is returned, or on the whole account
// when there is none. One that the actor may not know of answers as one that is not there.
func (a *Account) mayCreate(tx *storage.Tx, name string) (ID, error) {
	forbidden := fmt.Errorf("mailbox %q: %w", name, storage.Forbidden)
	if first, _, _ := strings.Cut(name, Separator); first == Shared {
		return 0, fmt.Errorf("mailbox %q: %w", name, Reserved)
	}
	for p := range parents(name) {
		c, err := tx.CollectionByName(Schema.Code, p)
		if errors.Is(err, storage.NotFound) {
			continue
		}
		if err != nil {
			return 0, err
		}
		if _, err = a.allow(&tx.View, c.ID, storage.Create); errors.Is(err, storage.NotFound) {
			err = forbidden
		}
		return c.ID, err
	}
	have, err := tx.Rights(a.actor, 0)
	if err == nil && !have.Has(storage.Create) {
		err = forbidden
	}
	return 0, err
}

// create makes a mailbox with a UIDVALIDITY of its own.
func (s *Store) create(tx *storage.Tx, name string, set settings) (*storage.Collection, error) {
	h, err := readHead(&tx.View)
	if err != nil {
		return nil, err
	}
	if int(h.mailboxes) >= h.most(&s.cfg) {
		return nil, fmt.Errorf("%d mailboxes: %w", h.mailboxes, storage.OverQuota)
	}
	set.uidValidity = h.take(s.now())
	c, err := tx.Create(Schema.Code, name, set.encode())
	if err != nil {
		return nil, fmt.Errorf("mailbox: %w", err)
	}
	h.mailboxes++
	return c, h.write(tx)
}

// freeUses returns BadUse when a mailbox other than but has one of the uses.
func freeUses(tx *storage.Tx, u uint64, but ID) error {
	if u == 0 {
		return nil
	}
	colls, err := tx.Collections(Schema.Code)
	if err != nil {
		return err
	}
	for _, c := range colls {
		s, err := settingsOf(c)
		if err != nil {
			return err
		}
		if s.uses&u != 0 && c.ID != but {
			return fmt.Errorf("mailbox %q has it already: %w", c.Name, BadUse)
		}
	}
	return nil
}

// inherit gives a new mailbox the grants of the one above it.
func inherit(tx *storage.Tx, parent, id ID) error {
	grants, err := tx.Grants(parent)
	if err != nil {
		return err
	}
	for _, g := range grants {
		g.Collection = id
		if err := tx.SetGrant(g); err != nil {
			return err
		}
	}
	return nil
}

// SetUses replaces a mailbox's special uses. BadUse when another mailbox has one.
func (a *Account) SetUses(ctx context.Context, id ID, uses ...imap.MailboxAttr) error {
	return a.update(ctx, func(tx *storage.Tx) error { return a.setUses(tx, id, uses) })
}

func (a *Account) setUses(tx *storage.Tx, id ID, uses []imap.MailboxAttr) error {
	u, err := useBits(uses)
	if err != nil {
		return err
	}
	c, err := a.allow(&tx.View, id, storage.Remove)
	if err != nil {
		return err
	}
	s, err := settingsOf(c)
	if err != nil || s.uses == u {
		return err
	}
	if err := freeUses(tx, u, id); err != nil {
		return err
	}
	s.uses = u
	return tx.SetData(id, s.encode())
}

// Delete deletes a mailbox with its messages, but not those below it. INBOX is
// Reserved; for a name that is no mailbox and has some below it the error is HasChildren.
func (a *Account) Delete(ctx context.Context, name string) error {
	name, err := a.store.CleanName(name)
	if err != nil {
		return fmt.Errorf("%w: %w", storage.NotFound, err)
	}
	if name == Inbox {
		return fmt.Errorf("mailbox %q: %w", name, Reserved)
	}
	return a.update(ctx, func(tx *storage.Tx) error {
		m, err := a.named(&tx.View, name, storage.Remove)
		if errors.Is(err, storage.NotFound) {
			if some, err := a.subtree(&tx.View, name); err != nil || len(some) > 0 {
				return errors.Join(err, fmt.Errorf("mailbox %q: %w", name, HasChildren))
			}
		}
		if err != nil {
			return err
		}
		h, err := readHead(&tx.View)
		if err != nil {
			return err
		}
		h.mailboxes--
		if err := h.write(tx); err != nil {
			return err
		}
		return tx.Drop(m.ID)
	})
}

// subtree returns the mailboxes below a name that the actor may look up, by name.
func (a *Account) subtree(v *storage.View, name string) ([]Mailbox, error) {
	list, err := a.mailboxes(v)
	list = slices.DeleteFunc(list, func(m Mailbox) bool { return !below(m.Name, name) })
	slices.SortFunc(list, func(a, b Mailbox) int { return strings.Compare(a.Name, b.Name) })
	return list, err
}
