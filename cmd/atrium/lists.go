package main

import (
	"context"
	"encoding/xml"
	"fmt"
	"strings"

	"atrium/contacts"
	"atrium/contacts/query"
	"atrium/dav"
	"atrium/mail/sieve"
	"atrium/storage"
)

// bookLists are an account's address books as the lists of its mail filters (RFC 6134 §2.7):
// ":addrbook:default", or personal, is what is in any of them, ":addrbook:NAME" one by its name.
type bookLists struct {
	h *house
	a storage.AccountID
}

func (h *house) listsOf(a storage.AccountID) sieve.Lists { return &bookLists{h, a} }

// books finds the address books of a list.
func (l *bookLists) books(v *storage.View, list string) (out []storage.CollectionID, err error) {
	name, ok := strings.CutPrefix(list, ":addrbook:")
	if !ok || name == "" {
		return nil, nil
	}
	all, err := v.Collections(contacts.Schema.Code)
	if err != nil {
		return nil, err
	}
	for _, b := range all {
		if name == "default" || name == "personal" || strings.EqualFold(b.Name, name) || strings.EqualFold(bookLabel(v, b.ID), name) {
			out = append(out, b.ID)
		}
	}
	return out, nil
}

// bookLabel is what people call an address book; "" when it has no name of that kind.
func bookLabel(v *storage.View, id storage.CollectionID) string {
	prop, _ := dav.Label("")
	raw, err := v.Prop(storage.PropKey{Collection: id, Name: prop})
	if err != nil {
		return ""
	}
	var text struct {
		Name string `xml:",chardata"`
	}
	if xml.Unmarshal(raw, &text) != nil {
		return ""
	}
	return strings.TrimSpace(text.Name)
}

// Valid tells whether there is a list.
func (l *bookLists) Valid(ctx context.Context, list string) (ok bool, err error) {
	err = l.h.store.View(ctx, l.a, func(v *storage.View) error {
		books, err := l.books(v, list)
		ok = len(books) > 0
		return err
	})
	return ok, err
}

// Has tells whether a card of a list has an address.
func (l *bookLists) Has(ctx context.Context, list, value string) (found bool, err error) {
	f := &query.Filter{Props: []query.PropFilter{{Name: "EMAIL", Texts: []query.TextMatch{{Text: value, Type: "equals"}}}}}
	err = l.h.store.View(ctx, l.a, func(v *storage.View) error {
		books, err := l.books(v, list)
		if err != nil {
			return err
		}
		found = false
		for _, b := range books {
			for _, err := range contacts.Query(ctx, v, l.h.store.Blobs(), b, f) {
				found = err == nil
				return err
			}
		}
		return nil
	})
	return found, err
}

// Members returns the addresses of a list.
func (l *bookLists) Members(ctx context.Context, list string, most int) (out []string, err error) {
	f := &query.Filter{Props: []query.PropFilter{{Name: "EMAIL"}}}
	err = l.h.store.View(ctx, l.a, func(v *storage.View) error {
		out = nil
		books, err := l.books(v, list)
		if err != nil {
			return err
		}
		for _, b := range books {
			for m, err := range contacts.Query(ctx, v, l.h.store.Blobs(), b, f) {
				if err != nil {
					return err
				}
				c, err := m.Card()
				if err != nil {
					return err
				}
				for i := range c.Props {
					if p := &c.Props[i]; strings.EqualFold(p.Name, "EMAIL") {
						if out = append(out, strings.TrimPrefix(p.Value, "mailto:")); len(out) > most {
							return fmt.Errorf("the list %q has more than %d addresses: %w", list, most, sieve.Exhausted)
						}
						break // each person once
					}
				}
			}
		}
		return nil
	})
	return out, err
}
