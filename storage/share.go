package storage

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"atrium/storage/kv"
)

// Membership says that an account is a member of a group, which is an account
// itself: Rights is what it may do with all that is the group's own. What was granted to
// the group, its members have too.
type Membership struct {
	Group  AccountID
	Rights Rights
}

// SetMemberships gives the Store the function that tells the groups of an
// account. It is called at each rights check of an account on another's collections and
// has to be cheap. Without one there are no groups.
func (s *Store) SetMemberships(of func(AccountID) []Membership) { s.groups.Store(&of) }

func (s *Store) memberships(a AccountID) []Membership {
	if of := s.groups.Load(); of != nil {
		return (*of)(a)
	}
	return nil
}

// Share says that Owner has given rights on a collection, or with Collection 0 on all.
type Share struct {
	Owner      AccountID
	Collection CollectionID
}

// Shared tells what others share with actor: what they granted to it, to its
// groups or to anyone, and all of its groups themselves; by owner, each once. It costs what is shared, not
// what there is. That something is shared does not say that any right is left: ask View.Rights.
func (s *Store) Shared(ctx context.Context, actor AccountID) ([]Share, error) {
	grantees := []AccountID{actor, Anyone}
	var list []Share
	for _, m := range s.memberships(actor) {
		grantees = append(grantees, m.Group)
		list = append(list, Share{m.Group, 0})
	}
	err := s.engine.View(ctx, func(r kv.Reader) error {
		for _, to := range grantees {
			for k := range r.Scan(sharesOf(to)) {
				_, share, err := decodeShareKey(k)
				if err != nil {
					return err
				}
				if share.Owner != actor {
					list = append(list, share)
				}
			}
		}
		return nil
	})
	slices.SortFunc(list, func(a, b Share) int {
		return cmp.Or(cmp.Compare(a.Owner, b.Owner), cmp.Compare(a.Collection, b.Collection))
	})
	return slices.Compact(list), err
}

// sharesOf are the keys that tell what is shared with one grantee.
func sharesOf(to AccountID) kv.Range {
	r := kv.Prefix(binary.BigEndian.AppendUint64([]byte{shareSpace}, uint64(to)))
	r.KeysOnly = true
	return r
}

func decodeShareKey(k []byte) (to AccountID, s Share, err error) {
	if len(k) != 21 || k[0] != shareSpace {
		return 0, s, fmt.Errorf("share %x: %w", k, Corrupt)
	}
	s.Owner = AccountID(binary.BigEndian.Uint64(k[9:]))
	s.Collection = CollectionID(binary.BigEndian.Uint32(k[17:]))
	return AccountID(binary.BigEndian.Uint64(k[1:])), s, nil
}

// dropShares takes back what was granted on a collection that goes.
func (t *Tx) dropShares(id CollectionID) error {
	grants, err := t.Grants(id)
	for _, g := range grants {
		t.w.Delete(shareKey(g.To, t.a, id))
	}
	return err
}

// dropGranted removes what others granted to an account that is dropped, some
// at once, and tells how many.
func dropGranted(w kv.Txn, a AccountID) (n int, err error) {
	r := sharesOf(a)
	r.Limit = kv.MaxKeys / 2
	for k := range w.Scan(r) {
		_, share, err := decodeShareKey(k)
		if err != nil {
			return n, err
		}
		w.Delete(slices.Clone(k))
		w.Delete(grantKey(share.Owner, share.Collection, a))
		n++
	}
	return n, nil
}

// checkShares proves that each entry of the shares has its grant; the checker of
// accounts proves the other way.
func (s *Store) checkShares(ctx context.Context, report func(Problem)) error {
	return s.engine.View(ctx, func(r kv.Reader) error {
		for k := range r.Scan(kv.Range{From: []byte{shareSpace}, To: []byte{shareSpace + 1}, KeysOnly: true}) {
			to, share, err := decodeShareKey(k)
			if err != nil {
				report(Problem{What: err.Error()})
				continue
			}
			if _, err := r.Get(grantKey(share.Owner, share.Collection, to)); err != nil {
				report(Problem{Account: share.Owner, Collection: share.Collection, What: fmt.Sprintf("is said to be shared with account %d, but there is no grant", to)})
			}
		}
		return ctx.Err()
	})
}
