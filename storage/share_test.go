package storage_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"atrium/storage"
	"atrium/storage/kv/memkv"
	"atrium/storage/storetest"
)

func TestGroupsHaveWhatIsGranted(t *testing.T) {
	s := storetest.Open(t, memkv.New(), nil)
	id := fill(t, s, 1) // of account 1
	ctx := context.Background()
	s.SetMemberships(func(a storage.AccountID) []storage.Membership {
		switch a {
		case 2:
			return []storage.Membership{{Group: 7, Rights: storage.ReadWrite}}
		case 3:
			return []storage.Membership{{Group: 1, Rights: storage.AllRights &^ storage.Administer}}
		}
		return nil
	})
	rights := func(actor storage.AccountID) (r storage.Rights) {
		s.View(ctx, 1, func(v *storage.View) (err error) { r, err = v.Rights(actor, id); return err })
		return r
	}
	grant := func(g storage.Grant) {
		if err := s.Update(ctx, 1, func(tx *storage.Tx) error { return tx.SetGrant(g) }); err != nil {
			t.Fatal(err)
		}
	}
	shared := func(actor storage.AccountID, want ...storage.Share) {
		t.Helper()
		if got, err := s.Shared(ctx, actor); err != nil || !slices.Equal(got, want) {
			t.Errorf("shared with %d: %v, %v, want %v", actor, got, err, want)
		}
	}
	sound := func() {
		t.Helper()
		if err := s.Check(ctx, false, func(p storage.Problem) { t.Error(p) }, nil); err != nil {
			t.Error(err)
		}
	}
	if r := rights(2); r != 0 {
		t.Error("a member of another group:", r)
	}
	if r := rights(3); r != storage.AllRights&^storage.Administer {
		t.Error("a member:", r)
	}
	shared(2, storage.Share{Owner: 7})
	shared(3, storage.Share{Owner: 1})
	shared(4)

	grant(storage.Grant{Collection: id, To: 7, Rights: storage.ReadOnly})
	if r := rights(2); r != storage.ReadOnly {
		t.Error("granted to the group:", r)
	}
	shared(2, storage.Share{Owner: 1, Collection: id}, storage.Share{Owner: 7})
	grant(storage.Grant{To: storage.Anyone, Rights: storage.Lookup})
	shared(4, storage.Share{Owner: 1})
	shared(1)
	sound()
	grant(storage.Grant{To: storage.Anyone})
	shared(4)

	grant(storage.Grant{Collection: id, To: 5, Rights: storage.ReadOnly})
	if err := s.DropAccount(ctx, 5); err != nil {
		t.Fatal(err)
	}
	if r := rights(5); r != 0 {
		t.Error("the grant outlives the grantee:", r)
	}
	sound()
	if err := s.Update(ctx, 1, func(tx *storage.Tx) error { return tx.Drop(id) }); err != nil {
		t.Fatal(err)
	}
	shared(2, storage.Share{Owner: 7})
	sound()

	id = fill(t, s, 1)
	grant(storage.Grant{Collection: id, To: 7, Rights: storage.ReadOnly})
	if err := s.DropAccount(ctx, 1); err != nil {
		t.Fatal(err)
	}
	shared(2, storage.Share{Owner: 7})
	sound()
	if err := s.View(ctx, 1, func(v *storage.View) error { _, err := v.Allow(2, id, storage.Read); return err }); !errors.Is(err, storage.NotFound) {
		t.Error("after the account went:", err)
	}
}
