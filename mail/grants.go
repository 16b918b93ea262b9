package mail

import (
	"context"
	"errors"
	"fmt"

	"atrium/storage"
)

// letters are the rights of RFC 4314 §2.1 in the order in which they are told.
var letters = [...]struct {
	letter byte
	right  storage.Rights
}{
	{'l', storage.Lookup}, {'r', storage.Read}, {'s', storage.Seen}, {'w', storage.Write}, {'i', storage.Insert},
	{'p', storage.Post}, {'k', storage.Create}, {'x', storage.Remove}, {'t', storage.Delete}, {'e', storage.Expunge},
	{'a', storage.Administer},
}

// What the letters of RFC 2086 stand for (RFC 4314 §2.1.1).
const (
	oldCreate = storage.Create | storage.Remove  // c
	oldDelete = storage.Delete | storage.Expunge // d
)

// AllLetters are the rights that a mailbox knows, those that have letters.
const AllLetters = storage.Lookup | storage.Read | storage.Seen | storage.Write | storage.Insert | storage.Post |
	storage.Create | storage.Remove | storage.Delete | storage.Expunge | storage.Administer

// FormatRights returns the letters of rights (RFC 4314 §2.1). Where old is set, the letters of
// RFC 2086 that any of them belongs to come after (RFC 4314 §2.1.1).
func FormatRights(r storage.Rights, old bool) string {
	b := make([]byte, 0, len(letters)+2)
	for _, l := range letters {
		if r.Has(l.right) {
			b = append(b, l.letter)
		}
	}
	if old && r&oldCreate != 0 {
		b = append(b, 'c')
	}
	if old && r&oldDelete != 0 {
		b = append(b, 'd')
	}
	return string(b)
}

// ParseRights reads letters; Invalid when one is not known.
func ParseRights(s string) (r storage.Rights, err error) {
next:
	for i := range len(s) {
		switch s[i] {
		case 'c':
			r |= oldCreate
			continue
		case 'd':
			r |= oldDelete
			continue
		}
		for _, l := range letters {
			if l.letter == s[i] {
				r |= l.right
				continue next
			}
		}
		return 0, fmt.Errorf("right %q: %w", s[i], storage.Invalid)
	}
	return r, nil
}

// MailboxesAmong is Mailboxes with a look at few: those of the collections that are
// mailboxes which the actor may look up.
func (a *Account) MailboxesAmong(ctx context.Context, ids []ID) (list []Mailbox, err error) {
	err = a.view(ctx, func(v *storage.View) error {
		list = nil
		for _, id := range ids {
			m, err := a.mailbox(v, id, storage.Lookup)
			switch {
			case errors.Is(err, storage.NotFound), errors.Is(err, storage.Forbidden):
			case err != nil:
				return err
			default:
				if err := a.personal(v, &m); err != nil {
					return err
				}
				list = append(list, m)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return withParents(list), nil
}

// Grants returns who has which rights on a mailbox beside its owner: what was
// granted on it and on the whole account together, each grantee once, by number. The
// members of an owner that is a group are not among them. The actor needs Administer.
func (a *Account) Grants(ctx context.Context, id ID) (list []storage.Grant, err error) {
	err = a.view(ctx, func(v *storage.View) error {
		if _, err := a.allow(v, id, storage.Administer); err != nil {
			return err
		}
		wide, err := v.Grants(0)
		if err != nil {
			return err
		}
		if list, err = v.Grants(id); err != nil {
			return err
		}
		for _, w := range wide {
			list = addGrant(list, storage.Grant{Collection: id, To: w.To, Rights: w.Rights})
		}
		return nil
	})
	return list, err
}

// addGrant adds a grant to a list by number of the grantee.
func addGrant(list []storage.Grant, g storage.Grant) []storage.Grant {
	for i := range list {
		if list[i].To == g.To {
			list[i].Rights |= g.Rights
			return list
		}
		if list[i].To > g.To {
			return append(list[:i], append([]storage.Grant{g}, list[i:]...)...)
		}
	}
	return append(list, g)
}

// Grant changes what another account may do in a mailbox: change gets the rights
// that it was granted there and returns those that it is to have, as far as they
// have letters. The actor needs Administer. Invalid for the owner, whose rights no one can
// change, and for rights below what is granted on the whole account.
func (a *Account) Grant(ctx context.Context, id ID, to storage.AccountID, change func(storage.Rights) storage.Rights) error {
	return a.update(ctx, func(tx *storage.Tx) error {
		if _, err := a.allow(&tx.View, id, storage.Administer); err != nil {
			return err
		}
		if to == a.owner {
			return fmt.Errorf("rights of the owner: %w", storage.Invalid)
		}
		here, err := granted(&tx.View, id, to)
		if err != nil {
			return err
		}
		wide, err := granted(&tx.View, 0, to)
		if err != nil {
			return err
		}
		want := change((here|wide)&AllLetters) & AllLetters
		if wide &= AllLetters; want&wide != wide {
			return fmt.Errorf("rights on the whole account: %w", storage.Invalid)
		}
		if want &^= wide; want == here {
			return nil
		}
		return tx.SetGrant(storage.Grant{Collection: id, To: to, Rights: want})
	})
}

// Granted returns the rights with letters that an account was granted on the whole account of the owner, so that
// it has them in mailbox id always. The actor needs Administer there.
func (a *Account) Granted(ctx context.Context, id ID, to storage.AccountID) (r storage.Rights, err error) {
	err = a.view(ctx, func(v *storage.View) error {
		if _, err := a.allow(v, id, storage.Administer); err != nil {
			return err
		}
		r, err = granted(v, 0, to)
		return err
	})
	return r & AllLetters, err
}

// granted is what was granted to one account.
func granted(v *storage.View, id ID, to storage.AccountID) (storage.Rights, error) {
	list, err := v.Grants(id)
	for _, g := range list {
		if g.To == to {
			return g.Rights, err
		}
	}
	return 0, err
}
