package mail

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"

	"atrium/storage"
	"atrium/storage/kv"
)

// PopEntry is the metadata entry of an account (RFC 5464) in which its user sets what
// POP3 does, as JSON: see PopPolicy. Without it the server's settings count.
const PopEntry = "/private/vendor/atrium/pop3"

// PopPolicy is what POP3 shows of an account and does to it.
type PopPolicy struct {
	Mailbox string  `json:"mailbox" toml:"mailbox"` // the mailbox that is shown
	Keep    PopKeep `json:"keep" toml:"keep"`       // what becomes of what was fetched
	Then    string  `json:"then" toml:"then"`       // after that time: PopRemove, or PopTrash
	Seen    bool    `json:"seen" toml:"seen"`       // a message that was fetched counts as \Seen on other devices
}

// What becomes of messages after their time.
const (
	PopRemove = "remove"
	PopTrash  = "trash"
)

// PopKeep is what becomes of messages that were fetched: "delete", what the client deletes is removed;
// "all", it is hidden from POP3 only; or "30d", it is hidden, and removed so many
// days after it was first fetched, deleted or not.
type PopKeep string

const (
	PopDelete  PopKeep = "delete"
	PopKeepAll PopKeep = "all"

	maxPopDays = 36500
)

// Days is the number of days, 0 when there is no such time.
func (k PopKeep) Days() int {
	days, ok := strings.CutSuffix(string(k), "d")
	n, err := strconv.Atoi(days)
	if !ok || err != nil || n < 1 || n > maxPopDays || strconv.Itoa(n) != days {
		return 0
	}
	return n
}

// DefaultPopPolicy is the classic one.
func DefaultPopPolicy() PopPolicy {
	return PopPolicy{Mailbox: Inbox, Keep: PopDelete, Then: PopRemove}
}

// Validate tells what is wrong with a policy.
func (p *PopPolicy) Validate() (err error) {
	if p.Mailbox == "" || len(p.Mailbox) > 1000 {
		err = errors.Join(err, errors.New("mailbox: missing"))
	}
	if p.Keep != PopDelete && p.Keep != PopKeepAll && p.Keep.Days() == 0 {
		err = errors.Join(err, fmt.Errorf("keep: %q is neither %q nor %q nor a number of days such as \"30d\"", p.Keep, PopDelete, PopKeepAll))
	}
	if p.Then != PopRemove && p.Then != PopTrash {
		err = errors.Join(err, fmt.Errorf("then: %q is neither %q nor %q", p.Then, PopRemove, PopTrash))
	}
	return err
}

// ParsePopPolicy reads a policy in JSON; what it does not say is as in def. Invalid when it is none.
func ParsePopPolicy(b []byte, def PopPolicy) (PopPolicy, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	p := def
	err := d.Decode(&p)
	if err == nil && d.More() {
		err = errors.New("more follows")
	}
	if err == nil {
		err = p.Validate()
	}
	if err != nil {
		return def, fmt.Errorf("POP3 policy: %w: %w", storage.Invalid, err)
	}
	return p, nil
}

func (a *Account) popKey() storage.PropKey {
	return storage.PropKey{User: a.owner, Name: PopEntry}
}

// PopPolicy returns the owner's policy, def in what it does not say.
func (a *Account) PopPolicy(ctx context.Context, def PopPolicy) (p PopPolicy, err error) {
	err = a.view(ctx, func(v *storage.View) error {
		b, err := v.Prop(a.popKey())
		if errors.Is(err, storage.NotFound) {
			p = def
			return nil
		}
		if err == nil {
			p, err = ParsePopPolicy(b, def)
		}
		return err
	})
	return p, err
}

// SetPopPolicy sets the owner's policy as JSON; nil: the server's settings. The actor is the owner.
func (a *Account) SetPopPolicy(ctx context.Context, value []byte) error {
	return a.SetMetadata(ctx, 0, []Metadata{{Name: PopEntry, Value: value}})
}

// What POP3 keeps in the index of a mailbox: sets of UIDs, and the old server's UIDLs.
//
//	'p' 'f'         messages that were fetched
//	'p' 'h'         messages that are hidden from POP3
//	'p' 'd' time    messages first fetched then, in Unix seconds
//	'p' 'u' uid     UIDL
//
// The record "mail/pop3/ID" of the account has the time of the first entry 'd' of mailbox ID, so that
// what is due is found without a look at mailboxes.
var (
	popFetched = []byte("pf")
	popHidden  = []byte("ph")
)

const (
	popRecord = "mail/pop3/"
	popTagDue = "pd"
	popTagUID = "pu"
)

func popDueKey(at int64) []byte {
	return binary.BigEndian.AppendUint64([]byte(popTagDue), uint64(at))
}

func popUIDKey(uid imap.UID) []byte {
	return binary.BigEndian.AppendUint32([]byte(popTagUID), uint32(uid))
}

const setVersion = 1

func encodeUIDSet(s imap.UIDSet) []byte {
	b := append(make([]byte, 0, 1+4*len(s)), setVersion)
	at := uint64(0)
	for _, r := range s {
		b = binary.AppendUvarint(b, uint64(r.Start)-at)
		b = binary.AppendUvarint(b, uint64(r.Stop-r.Start))
		at = uint64(r.Stop)
	}
	return b
}

func decodeUIDSet(b []byte) (s imap.UIDSet, err error) {
	if len(b) == 0 || b[0] != setVersion {
		return nil, fmt.Errorf("set of UIDs: %w", storage.Corrupt)
	}
	u := uvarints{b[1:], true}
	at := uint64(0)
	for len(u.b) > 0 {
		gap, length := u.next(), u.next()
		if !u.ok || gap == 0 || gap >= 1<<32 || length >= 1<<32 || at+gap+length >= 1<<32 {
			return nil, fmt.Errorf("set of UIDs: %w", storage.Corrupt)
		}
		s = append(s, imap.UIDRange{Start: imap.UID(at + gap), Stop: imap.UID(at + gap + length)})
		at += gap + length
	}
	return s, nil
}

// popSet reads a set, an empty one when it is not there.
func popSet(v *storage.View, id ID, key []byte) (imap.UIDSet, error) {
	b, err := v.Index(id, key)
	if errors.Is(err, storage.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return decodeUIDSet(b)
}

// PopDrop returns a mailbox as POP3 shows it: as it is now, and which messages are hidden.
// The actor needs Read.
func (a *Account) PopDrop(ctx context.Context, id ID) (s *Snapshot, hidden imap.UIDSet, err error) {
	err = a.view(ctx, func(v *storage.View) error {
		if s, err = a.snapshot(v, id); err != nil {
			return err
		}
		hidden, err = popSet(v, id, popHidden)
		return err
	})
	return s, hidden, err
}

// PopNote keeps what a session of POP3 fetched and what it hid. Messages that were not fetched before are
// due from at on.
func (a *Account) PopNote(ctx context.Context, id ID, fetched, hidden imap.UIDSet, at time.Time) error {
	return a.update(ctx, func(tx *storage.Tx) error {
		if _, err := a.allow(&tx.View, id, storage.Read); err != nil {
			return err
		}
		t, err := tx.Table(id)
		if err != nil {
			return err
		}
		if len(hidden) > 0 {
			if _, err := addPopSet(tx, t, id, popHidden, hidden); err != nil {
				return err
			}
		}
		fresh, err := addPopSet(tx, t, id, popFetched, fetched)
		if err != nil || len(fresh) == 0 {
			return err
		}
		if at.Unix()%popTidy == 0 {
			if err := tidyDue(tx, t, id); err != nil {
				return err
			}
		}
		return a.popDue(tx, id, fresh, at.Unix())
	})
}

// popTidy: one of so many sessions that fetch something looks through what others left.
const popTidy = 16

// tidyDue removes the entries whose messages are all gone: where nothing is ever due there are
// not many more of them than messages.
func tidyDue(tx *storage.Tx, t *storage.Table, id ID) error {
	var old [][]byte
	for k, b := range tx.ScanIndex(id, kv.Prefix([]byte(popTagDue))) {
		set, err := decodeUIDSet(b)
		if err != nil {
			return err
		}
		gone := true
		for range rowsIn(t, set) {
			gone = false
			break
		}
		if gone {
			old = append(old, slices.Clone(k))
		}
	}
	for _, k := range old {
		if err := tx.SetIndex(id, k, nil); err != nil {
			return err
		}
	}
	return nil
}

// addPopSet adds UIDs to a set and returns those that were not in it.
func addPopSet(tx *storage.Tx, t *storage.Table, id ID, key []byte, more imap.UIDSet) (fresh imap.UIDSet, err error) {
	old, err := popSet(&tx.View, id, key)
	if err != nil {
		return nil, err
	}
	for _, r := range rowsIn(t, clean(more)) {
		if !inSet(old, imap.UID(r.Num)) {
			fresh = addUID(fresh, imap.UID(r.Num))
		}
	}
	if len(fresh) == 0 {
		return nil, nil
	}
	all := clean(append(slices.Clone(old), fresh...))
	out := all[:0]
	for _, r := range all {
		if k := len(out) - 1; k >= 0 {
			// UIDs that have no message never get one again: the set is shorter with them.
			if pos, _ := t.Find(storage.Num(out[k].Stop + 1)); pos == t.Len() || t.At(pos).Num >= storage.Num(r.Start) {
				out[k].Stop = r.Stop
				continue
			}
		}
		out = append(out, r)
	}
	return fresh, tx.SetIndex(id, key, encodeUIDSet(out))
}

// inSet tells whether a clean set has a UID.
func inSet(s imap.UIDSet, uid imap.UID) bool {
	i, ok := slices.BinarySearchFunc(s, uid, func(r imap.UIDRange, uid imap.UID) int {
		switch {
		case r.Stop < uid:
			return -1
		case r.Start > uid:
			return 1
		}
		return 0
	})
	return ok && i < len(s)
}

func (a *Account) popDue(tx *storage.Tx, id ID, fresh imap.UIDSet, at int64) error {
	same, err := popSet(&tx.View, id, popDueKey(at))
	if err != nil {
		return err
	}
	if err := tx.SetIndex(id, popDueKey(at), encodeUIDSet(clean(append(same, fresh...)))); err != nil {
		return err
	}
	name := popRecordName(id)
	b, err := tx.Record(name)
	if err == nil && len(b) == 8 && int64(binary.BigEndian.Uint64(b)) <= at {
		return nil
	}
	if err != nil && !errors.Is(err, storage.NotFound) {
		return err
	}
	return tx.SetRecord(name, binary.BigEndian.AppendUint64(nil, uint64(at)))
}

func popRecordName(id ID) string { return popRecord + strconv.FormatUint(uint64(id), 10) }

// PopExpire removes what POP3 fetched longer ago than the owner's policy keeps it, or
// moves it to Trash, and tells how many messages that were. It looks at the owner's records, and at
// nothing else unless something is due.
func (a *Account) PopExpire(ctx context.Context, def PopPolicy, now time.Time) (n int, err error) {
	oldest := map[ID]int64{}
	err = a.view(ctx, func(v *storage.View) error {
		clear(oldest)
		for name, b := range v.Records(popRecord) {
			id, err := strconv.ParseUint(strings.TrimPrefix(name, popRecord), 10, 32)
			if err != nil || len(b) != 8 {
				return fmt.Errorf("record %q: %w", name, storage.Corrupt)
			}
			oldest[ID(id)] = int64(binary.BigEndian.Uint64(b))
		}
		return nil
	})
	if err != nil || len(oldest) == 0 {
		return 0, err
	}
	p, err := a.PopPolicy(ctx, def)
	if err != nil || p.Keep.Days() == 0 {
		return 0, err
	}
	until := now.AddDate(0, 0, -p.Keep.Days()).Unix()
	for id, at := range oldest {
		for at <= until && err == nil {
			var k int
			at, k, err = a.popExpireOne(ctx, id, until, p.Then == PopTrash)
			n += k
		}
	}
	return n, err
}

// popExpireOne does the first entry of a mailbox, if it is not after until, and tells the time of
// the next one, in the far future when there is none.
func (a *Account) popExpireOne(ctx context.Context, id ID, until int64, trash bool) (next int64, n int, err error) {
	var key []byte
	var set imap.UIDSet
	err = a.view(ctx, func(v *storage.View) error {
		key = nil
		if _, err := a.allow(v, id, storage.Read); err != nil {
			return err
		}
		r := kv.Prefix([]byte(popTagDue))
		r.Limit = 1
		for k, b := range v.ScanIndex(id, r) {
			if int64(binary.BigEndian.Uint64(k[len(popTagDue):])) > until {
				continue
			}
			key = slices.Clone(k)
			var err error
			if set, err = decodeUIDSet(b); err != nil {
				return err
			}
		}
		return nil
	})
	gone := errors.Is(err, storage.NotFound) // the mailbox
	if err != nil && !gone {
		return 0, 0, err
	}
	if key != nil {
		if n, err = a.popTake(ctx, id, set, trash); err != nil {
			return 0, n, err
		}
	}
	const never = 1<<63 - 1
	err = a.update(ctx, func(tx *storage.Tx) error {
		next = never
		if !gone {
			if key != nil {
				if err := tx.SetIndex(id, key, nil); err != nil {
					return err
				}
			}
			r := kv.Prefix([]byte(popTagDue))
			r.Limit = 1
			for k := range tx.ScanIndex(id, r) {
				next = int64(binary.BigEndian.Uint64(k[len(popTagDue):]))
			}
		}
		if next == never {
			return tx.SetRecord(popRecordName(id), nil)
		}
		return tx.SetRecord(popRecordName(id), binary.BigEndian.AppendUint64(nil, uint64(next)))
	})
	return next, n, err
}

// popTake removes messages, or moves them to the mailbox with the use \Trash. Those that are there stay.
func (a *Account) popTake(ctx context.Context, id ID, set imap.UIDSet, trash bool) (int, error) {
	if trash {
		to, err := a.trash(ctx)
		if err != nil || to == id {
			return 0, err
		}
		out, err := a.Move(ctx, id, set, a, to)
		return countUIDs(out.From), err
	}
	out, err := a.Remove(ctx, id, set)
	return countUIDs(out), err
}

func countUIDs(s imap.UIDSet) (n int) {
	for _, r := range s {
		n += int(r.Stop-r.Start) + 1
	}
	return n
}

// trash returns the mailbox with the use \Trash, or makes one.
func (a *Account) trash(ctx context.Context) (ID, error) {
	all, err := a.Mailboxes(ctx)
	if err != nil {
		return 0, err
	}
	for i := range all {
		if slices.Contains(all[i].Uses, imap.MailboxAttrTrash) {
			return all[i].ID, nil
		}
	}
	m, err := a.Create(ctx, "Trash", imap.MailboxAttrTrash)
	if errors.Is(err, storage.Exists) {
		m, err = a.Mailbox(ctx, "Trash")
	}
	if err != nil {
		return 0, err
	}
	return m.ID, nil
}
