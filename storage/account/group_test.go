package account

import (
	"errors"
	"fmt"
	"testing"

	"atrium/storage"
	"atrium/storage/kv/memkv"
)

func TestGroups(t *testing.T) {
	ctx := t.Context()
	engine := memkv.New()
	d := open(t, engine, quick())
	ann, bob := add(t, d, "ann", ""), add(t, d, "bob", "")
	sales, err := d.Add(ctx, New{Name: "sales", Sort: Group})
	must(t, err)

	must(t, d.SetMember(ctx, sales.ID, ann.ID, true))
	must(t, d.SetMember(ctx, sales.ID, bob.ID, true))
	must(t, d.SetMember(ctx, sales.ID, bob.ID, false))
	for _, tc := range []struct {
		group, member storage.AccountID
		want          error
	}{{sales.ID, 77, storage.NotFound}, {77, ann.ID, storage.NotFound}, {ann.ID, bob.ID, storage.Invalid}, {sales.ID, sales.ID, storage.Invalid}} {
		if err := d.SetMember(ctx, tc.group, tc.member, false); !errors.Is(err, tc.want) {
			t.Errorf("%d in %d: %v, want %v", tc.member, tc.group, err, tc.want)
		}
	}
	told := func(d *Directory) string {
		list, err := d.Members(ctx, sales.ID)
		must(t, err)
		return fmt.Sprint(list, d.Memberships(ann.ID), d.Memberships(bob.ID))
	}
	want := fmt.Sprint([]Member{{ann.ID, ann.Name, true}, {bob.ID, bob.Name, false}},
		[]storage.Membership{{Group: sales.ID, Rights: storage.AllRights}},
		[]storage.Membership{{Group: sales.ID, Rights: storage.AllRights &^ storage.Administer}})
	if got := told(d); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := told(open(t, engine, quick())); got != want {
		t.Errorf("opened again: %v, want %v", got, want)
	}

	must(t, d.RemoveMember(ctx, sales.ID, ann.ID))
	if err := d.RemoveMember(ctx, sales.ID, ann.ID); !errors.Is(err, storage.NotFound) {
		t.Error("removed twice:", err)
	}
	must(t, d.SetMember(ctx, sales.ID, ann.ID, false))
	must(t, d.Delete(ctx, ann.ID))
	if list, _ := d.Members(ctx, sales.ID); len(list) != 1 || list[0].ID != bob.ID {
		t.Error("after a member went:", list)
	}
	must(t, d.Delete(ctx, sales.ID))
	if list := d.Memberships(bob.ID); len(list) != 0 {
		t.Error("after the group went:", list)
	}
	d = open(t, engine, quick())
	if len(d.groups)+len(d.members) != 0 {
		t.Error("records are left:", d.groups, d.members)
	}
}
