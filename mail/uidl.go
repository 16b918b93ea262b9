package mail

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/emersion/go-imap/v2"

	"atrium/storage"
	"atrium/storage/kv"
)

// UIDLs returns the unique ids that another server gave to messages of a mailbox (see SetUIDLs),
// nil when it has none. Those of messages that are gone it forgets.
func (a *Account) UIDLs(ctx context.Context, id ID) (m map[imap.UID]string, err error) {
	var gone [][]byte
	err = a.view(ctx, func(v *storage.View) error {
		m, gone = nil, nil
		if _, err := a.allow(v, id, storage.Read); err != nil {
			return err
		}
		t, err := v.Table(id)
		if err != nil {
			return err
		}
		for k, b := range v.ScanIndex(id, kv.Prefix([]byte(popTagUID))) {
			if len(k) != len(popTagUID)+4 {
				return fmt.Errorf("UIDL %x: %w", k, storage.Corrupt)
			}
			uid := binary.BigEndian.Uint32(k[len(popTagUID):])
			if _, here := t.Find(storage.Num(uid)); !here {
				gone = append(gone, slices.Clone(k))
				continue
			}
			if m == nil {
				m = map[imap.UID]string{}
			}
			m[imap.UID(uid)] = string(b)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return m, a.forgetUIDLs(ctx, id, gone)
}

// forgetUIDLs removes the entries of messages that are gone, whose UIDs never come back.
func (a *Account) forgetUIDLs(ctx context.Context, id ID, keys [][]byte) error {
	for part := range slices.Chunk(keys, a.store.batchRows()) {
		err := a.update(ctx, func(tx *storage.Tx) error {
			if _, err := a.allow(&tx.View, id, storage.Read); err != nil {
				return err
			}
			for _, k := range part {
				if err := tx.SetIndex(id, k, nil); err != nil {
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

// OldUIDL names a message, by its UID here or its Message-ID in <>, and the unique id that it
// had on another server; "-" for none.
type OldUIDL struct{ Message, ID string }

// ImportUIDLs is SetUIDLs for messages that are named so: all that are here get their ids, or none does.
// missing counts those that are not here.
func (a *Account) ImportUIDLs(ctx context.Context, id ID, lines []OldUIDL) (set, missing int, err error) {
	snap, err := a.Snapshot(ctx, id)
	if err != nil {
		return 0, 0, err
	}
	named := map[string]imap.UID{}
	if slices.ContainsFunc(lines, func(l OldUIDL) bool { return strings.HasPrefix(l.Message, "<") }) {
		for x, err := range a.Indexes(ctx, id, snap.Messages(0, snap.Len())) {
			if err != nil {
				return 0, 0, err
			}
			named[strings.Trim(string(x.Index.MessageID()), "<>")] = x.UID
		}
	}
	ids := make(map[imap.UID]string, len(lines))
	for _, l := range lines {
		uid, ok := named[strings.Trim(l.Message, "<>")]
		if !strings.HasPrefix(l.Message, "<") {
			n, err := strconv.ParseUint(l.Message, 10, 32)
			if err != nil {
				return 0, 0, fmt.Errorf("%.80q is neither a UID nor a Message-ID in <>: %w", l.Message, storage.Invalid)
			}
			uid = imap.UID(n)
			_, ok = snap.Find(uid)
		}
		switch {
		case !ok:
			missing++
		case l.ID == "-":
			ids[uid] = ""
		default:
			ids[uid] = l.ID
		}
	}
	return len(ids), missing, a.SetUIDLs(ctx, id, ids)
}
