package account

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"atrium/storage"
	"atrium/storage/kv"
)

// maxMembers bounds the members of a group, and the groups of an account.
const maxMembers = 10000

// Member is a member of a group.
type Member struct {
	ID    storage.AccountID
	Name  string // of the account
	Admin bool   // may give others rights on what is the group's own
}

// memberRecord says that one account is a member of another, a group.
type memberRecord struct {
	Admin bool `json:",omitempty"`
}

// rights are what a membership gives.
func (m memberRecord) rights() storage.Rights {
	if m.Admin {
		return storage.AllRights
	}
	return storage.AllRights &^ storage.Administer
}

func memberKey(group, member storage.AccountID) []byte {
	k := binary.BigEndian.AppendUint64([]byte{space, 'm'}, uint64(group))
	return binary.BigEndian.AppendUint64(k, uint64(member))
}

// setMember changes the tables: m nil removes the member. The lists of
// memberships are not changed but replaced, others hold them.
func (d *Directory) setMember(group, member storage.AccountID, m *memberRecord) {
	list := slices.DeleteFunc(slices.Clone(d.groups[member]), func(x storage.Membership) bool { return x.Group == group })
	members := d.members[group]
	delete(members, member)
	if m != nil {
		if members == nil {
			members = map[storage.AccountID]memberRecord{}
			d.members[group] = members
		}
		members[member] = *m
		list = append(list, storage.Membership{Group: group, Rights: m.rights()})
	}
	if len(members) == 0 {
		delete(d.members, group)
	}
	if d.groups[member] = list; len(list) == 0 {
		delete(d.groups, member)
	}
}

// SetMember makes an account a member of a group, or says anew whether it may
// give others rights. NotFound when one of the two is not there, Invalid when group is no group, or
// member is one: groups do not nest.
func (d *Directory) SetMember(ctx context.Context, group, member storage.AccountID, admin bool) error {
	rec := &memberRecord{Admin: admin}
	return d.changeMember(ctx, group, member, rec, func(t kv.Txn) error {
		for _, id := range []storage.AccountID{group, member} {
			var a accountRecord
			if err := read(t, accountKey(id), &a); err != nil {
				return fmt.Errorf("account %d: %w", id, err)
			}
			if (a.Sort == Group) != (id == group) || group == member {
				return fmt.Errorf("%q, a member of a group is a person: %w", a.Name, storage.Invalid)
			}
		}
		if len(d.members[group]) >= maxMembers || len(d.groups[member]) >= maxMembers {
			return fmt.Errorf("more than %d members: %w", maxMembers, storage.TooLarge)
		}
		t.Set(memberKey(group, member), encode(rec))
		return nil
	})
}

// RemoveMember takes a member out of a group; NotFound when it is none.
func (d *Directory) RemoveMember(ctx context.Context, group, member storage.AccountID) error {
	return d.changeMember(ctx, group, member, nil, func(t kv.Txn) error {
		k := memberKey(group, member)
		there, err := has(t, k)
		if err == nil && !there {
			err = fmt.Errorf("member %d of group %d: %w", member, group, storage.NotFound)
		}
		t.Delete(k)
		return err
	})
}

func (d *Directory) changeMember(ctx context.Context, group, member storage.AccountID, rec *memberRecord, write func(kv.Txn) error) error {
	d.write.Lock()
	defer d.write.Unlock()
	if err := d.engine.Update(ctx, write); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.setMember(group, member, rec)
	return nil
}

// Memberships tells the groups of an account and what it may do there; see
// storage.SetMemberships. What the Service account of its domain has, each reads. It costs a look-up. The list is not to be changed.
func (d *Directory) Memberships(member storage.AccountID) []storage.Membership {
	d.mu.RLock()
	defer d.mu.RUnlock()
	list := d.groups[member]
	if e := d.byID[member]; e != nil && len(d.service) > 0 {
		id, ok := d.service[e.key[strings.LastIndexByte(e.key, '@')+1:]]
		if ok && id != member {
			list = append(slices.Clip(list), storage.Membership{Group: id, Rights: storage.ReadOnly})
		}
	}
	return list
}

// Members returns the members of a group by name.
func (d *Directory) Members(ctx context.Context, group storage.AccountID) ([]Member, error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	list := make([]Member, 0, len(d.members[group]))
	for id, m := range d.members[group] {
		if e := d.byID[id]; e != nil {
			list = append(list, Member{id, e.Name, m.Admin})
		}
	}
	slices.SortFunc(list, func(a, b Member) int { return strings.Compare(a.Name, b.Name) })
	return list, ctx.Err()
}

// memberships are all pairs of group and member that an account is in.
func (t *tables) memberships(id storage.AccountID) (pairs [][2]storage.AccountID) {
	for _, m := range t.groups[id] {
		pairs = append(pairs, [2]storage.AccountID{m.Group, id})
	}
	for member := range t.members[id] {
		pairs = append(pairs, [2]storage.AccountID{id, member})
	}
	return pairs
}

// loadMember puts a record of a membership into the tables.
func (d *Directory) loadMember(key, value []byte) error {
	var rec memberRecord
	if err := decode(key, value, &rec); err != nil {
		return err
	}
	if len(key) != 18 {
		return fmt.Errorf("directory record %q: %w", key, storage.Corrupt)
	}
	d.setMember(storage.AccountID(binary.BigEndian.Uint64(key[2:])), storage.AccountID(binary.BigEndian.Uint64(key[10:])), &rec)
	return nil
}
