package main

import (
	"context"

	"atrium/contacts/directory"
	"atrium/dav"
	"atrium/storage"
	"atrium/storage/account"
)

// directories keeps the address books of all domains up to date.
func (h *house) directories() *directory.Book {
	return directory.New(h.store, h.dir, h.cfg.Directory, dav.Label, h.log)
}

// findDirectory tells where the directory is that an account sees.
func (h *house) findDirectory(ctx context.Context, a *account.Account) (storage.AccountID, storage.CollectionID, error) {
	return directory.Find(ctx, h.store, h.dir, a)
}
