package dav

import (
	"encoding/json"
	"errors"
	"fmt"

	"atrium/storage"
)

// invite is what is kept of one account's share of a collection beside the grant, which alone gives rights: with
// the collection, in its owner's account.
type invite struct {
	State   inviteState `json:",omitempty"`
	UID     string      `json:",omitempty"` // of the notification, when one was sent
	Summary string      `json:",omitempty"` // what the owner wrote
	Name    string      `json:",omitempty"` // what the owner calls the other
}

// inviteState is what the other said; a share that is not accepted is not mounted.
type inviteState string

const (
	accepted inviteState = "" // or was not asked
	invited  inviteState = "invited"
	declined inviteState = "declined"
)

// maxShared bounds the grants on one collection that this face sets.
const maxShared = 500

// invitesName is the property of the collection that has them all; it is no name of WebDAV's.
const invitesName = "dav/invites"

func readInvites(v *storage.View, c storage.CollectionID) (all map[storage.AccountID]*invite, err error) {
	b, err := v.Prop(storage.PropKey{Collection: c, Name: invitesName})
	if errors.Is(err, storage.NotFound) {
		return nil, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &all)
	}
	if err != nil {
		return nil, fmt.Errorf("invites: %w", err)
	}
	return all, nil
}

// writeInvite keeps, or with nil forgets, what is known of one account's share.
func writeInvite(tx *storage.Tx, c storage.CollectionID, who storage.AccountID, i *invite) error {
	all, err := readInvites(&tx.View, c)
	if err != nil {
		return err
	}
	if i == nil && all[who] == nil {
		return nil
	}
	if all == nil {
		all = map[storage.AccountID]*invite{}
	}
	if all[who] = i; i == nil {
		delete(all, who)
	}
	if len(all) > maxShared {
		return fmt.Errorf("more than %d invites: %w", maxShared, storage.TooLarge)
	}
	key := storage.PropKey{Collection: c, Name: invitesName}
	if len(all) == 0 {
		return tx.SetProp(key, nil)
	}
	b, err := json.Marshal(all)
	if err != nil {
		return err
	}
	return tx.SetProp(key, b)
}

// Grant gives an account rights on a collection, or takes them with 0. Who was asked before, and declined, has
// what is given now. Who may grant is the caller's to check.
func Grant(tx *storage.Tx, c storage.CollectionID, to storage.AccountID, rights storage.Rights) error {
	if err := tx.SetGrant(storage.Grant{Collection: c, To: to, Rights: rights}); err != nil {
		return err
	}
	return writeInvite(tx, c, to, nil)
}
