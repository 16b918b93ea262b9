package mail

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/emersion/go-imap/v2"

	"atrium/storage"
	"atrium/storage/kv"
)

// UIDLs returns the unique ids that another server gave to messages of a mailbox (see SetUIDLs),
// nil when it has none.
func (a *Account) UIDLs(ctx context.Context, id ID) (m map[imap.UID]string, err error) {
	err = a.view(ctx, func(v *storage.View) error {
		m = nil
		if _, err := a.allow(v, id, storage.Read); err != nil {
			return err
		}
		for k, b := range v.ScanIndex(id, kv.Prefix([]byte(popTagUID))) {
			if len(k) != len(popTagUID)+4 {
				return fmt.Errorf("UIDL %x: %w", k, storage.Corrupt)
			}
			if m == nil {
				m = map[imap.UID]string{}
			}
			m[imap.UID(binary.BigEndian.Uint32(k[len(popTagUID):]))] = string(b)
		}
		return nil
	})
	return m, err
}

// SetUIDLs gives messages the unique ids for POP3 (RFC 1939 §7) that they had on another
// server, so that clients do not fetch them again; "" takes one away. Invalid for what
// cannot be one and for one that two messages would have, NotFound for a message that is not there. It
// goes in batches.
func (a *Account) SetUIDLs(ctx context.Context, id ID, ids map[imap.UID]string) error {
	have, err := a.UIDLs(ctx, id)
	if err != nil {
		return err
	}
	owner := make(map[string]imap.UID, len(have)+len(ids))
	for uid, s := range have {
		if _, new := ids[uid]; !new {
			owner[s] = uid
		}
	}
	list := make([]imap.UID, 0, len(ids))
	for uid, s := range ids {
		if !validUIDL(s) {
			return fmt.Errorf("UIDL %.80q: %w", s, storage.Invalid)
		}
		if other, taken := owner[s]; taken && s != "" {
			return fmt.Errorf("UIDL %q of messages %d and %d: %w", s, min(uid, other), max(uid, other), storage.Invalid)
		}
		owner[s] = uid
		list = append(list, uid)
	}
	slices.Sort(list)
	for part := range slices.Chunk(list, a.store.batchRows()) {
		err := a.update(ctx, func(tx *storage.Tx) error {
			if _, err := a.allow(&tx.View, id, storage.Read|storage.Insert); err != nil {
				return err
			}
			for _, uid := range part {
				if _, err := tx.Row(id, storage.Num(uid)); err != nil {
					return err
				}
				var value []byte
				if s := ids[uid]; s != "" {
					value = []byte(s)
				}
				if err := tx.SetIndex(id, popUIDKey(uid), value); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// validUIDL: 1 to 70 characters from 0x21 to 0x7E (RFC 1939 §7).
func validUIDL(s string) bool {
	for i := range len(s) {
		if s[i] < 0x21 || s[i] > 0x7e {
			return false
		}
	}
	return len(s) <= 70
}
