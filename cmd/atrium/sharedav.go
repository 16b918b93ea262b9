package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"atrium/calendar"
	"atrium/contacts"
	"atrium/dav"
	"atrium/mail"
	"atrium/storage"
	"atrium/storage/account"
)

// shareSchemas are the sorts of collections beside mailboxes that `atrium share` names, by what stands before the
// colon: calendar:tasks.
var shareSchemas = []struct {
	word   string
	schema byte
}{{"calendar", calendar.Schema.Code}, {"addressbook", contacts.Schema.Code}}

// davWords are names for the usual sets of rights on calendars and address books, the fewest first.
var davWords = []struct {
	word   string
	rights storage.Rights
}{{"busy", storage.FreeBusy}, {"read", storage.ReadOnly | storage.Seen}, {"write", storage.ReadWrite}, {"all", storage.AllRights}}

// davShare tells whether a name is that of a calendar or an address book.
func davShare(name string) (schema byte, rest string, ok bool) {
	word, rest, _ := strings.Cut(name, ":")
	for _, s := range shareSchemas {
		if s.word == word && rest != "" {
			return s.schema, rest, true
		}
	}
	return 0, "", false
}

// davRights reads rights on a calendar or an address book: a word or IMAP's letters.
func davRights(s string) (storage.Rights, error) {
	for _, w := range davWords {
		if w.word == s {
			return w.rights, nil
		}
	}
	r, err := mail.ParseRights(s)
	if r.Has(storage.Read) {
		r |= storage.FreeBusy
	}
	if r.Has(storage.Write) {
		r |= storage.Properties
	}
	return r, err
}

// davRightsName is the word for rights, or their letters.
func davRightsName(r storage.Rights) string {
	if r == storage.ReadOnly {
		return "read"
	}
	for _, w := range davWords {
		if w.rights == r {
			return w.word
		}
	}
	return mail.FormatRights(r, false)
}

// grantDAV gives rights on a calendar or an address book, or takes them with 0.
func (h *house) grantDAV(ctx context.Context, owner *account.Account, schema byte, name string, to storage.AccountID, rights storage.Rights) error {
	if err := h.ensureDefaults(ctx, owner.ID); err != nil {
		return err
	}
	return h.store.Update(ctx, owner.ID, func(tx *storage.Tx) error {
		c, err := tx.CollectionByName(schema, name)
		if errors.Is(err, storage.NotFound) {
			return fmt.Errorf("%s has no %q of that sort", owner.Name, name)
		}
		if err != nil {
			return err
		}
		return dav.Grant(tx, c.ID, to, rights)
	})
}

// davShares lists the grants on an account's calendars and address books.
func (h *house) davShares(ctx context.Context, owner storage.AccountID) (rows []shareRow, err error) {
	err = h.store.View(ctx, owner, func(v *storage.View) error {
		rows = nil
		for _, s := range shareSchemas {
			cs, err := v.Collections(s.schema)
			if err != nil {
				return err
			}
			for _, c := range cs {
				grants, err := v.Grants(c.ID)
				if err != nil {
					return err
				}
				for _, g := range grants {
					rows = append(rows, shareRow{s.word + ":" + c.Name, h.grantee(ctx, g.To), davRightsName(g.Rights)})
				}
			}
		}
		return nil
	})
	return rows, err
}
