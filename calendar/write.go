package calendar

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"atrium/calendar/ics"
	"atrium/storage"
)

// Condition is what must hold for a write to happen, checked in its
// transaction. The zero Condition always holds.
type Condition struct {
	Match       []string // If-Match: one of these ETags, without quotes; "*": any object
	NoneMatch   []string // If-None-Match: none of these; "*": no object
	ScheduleTag string   // If-Schedule-Tag-Match (RFC 6638 §3.3)
}

// check compares a condition with what is there; e is nil when nothing is.
func (c *Condition) check(e *Entry) error {
	has := func(tags []string) bool {
		return e != nil && (slices.Contains(tags, "*") || slices.Contains(tags, e.ETag))
	}
	switch {
	case len(c.Match) > 0 && !has(c.Match):
		return fmt.Errorf("If-Match: %w", storage.Conflict)
	case len(c.NoneMatch) > 0 && has(c.NoneMatch):
		return fmt.Errorf("If-None-Match: %w", storage.Conflict)
	case c.ScheduleTag != "" && (e == nil || e.ScheduleTag != c.ScheduleTag):
		return fmt.Errorf("If-Schedule-Tag-Match: %w", storage.Conflict)
	}
	return nil
}

// The index of a calendar: names and UIDs lead to a Num, times are in index.go.
const (
	nameTag = 'n'
	uidTag  = 'u'
	timeTag = 't'
)

// wordKey is the index key of a name or UID. Long ones are hashed.
func wordKey(tag byte, s string) []byte {
	if len(s) <= 255 {
		return append([]byte{tag, 0}, s...)
	}
	h := sha256.Sum256([]byte(s))
	return append([]byte{tag, 1}, h[:]...)
}

func putNum(n storage.Num) []byte { return []byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)} }

func numOf(b []byte) storage.Num {
	if len(b) != 4 {
		return 0
	}
	return storage.Num(b[0])<<24 | storage.Num(b[1])<<16 | storage.Num(b[2])<<8 | storage.Num(b[3])
}

// lookup returns the entry that a name or UID leads to, nil when there is none.
func lookup(v *storage.View, id storage.CollectionID, key []byte) (*Entry, error) {
	b, err := v.Index(id, key)
	if err != nil {
		if errors.Is(err, storage.NotFound) {
			return nil, nil
		}
		return nil, err
	}
	row, err := v.Row(id, numOf(b))
	if err != nil {
		return nil, fmt.Errorf("calendar index: %w", err)
	}
	e, err := decodeRow(row)
	return &e, err
}

// ByName returns the entry of a name; storage.NotFound.
func ByName(v *storage.View, id storage.CollectionID, name string) (Entry, error) {
	return found(v, id, wordKey(nameTag, name), name)
}

// ByUID returns the entry of a UID; storage.NotFound.
func ByUID(v *storage.View, id storage.CollectionID, uid string) (Entry, error) {
	return found(v, id, wordKey(uidTag, uid), uid)
}

func found(v *storage.View, id storage.CollectionID, key []byte, what string) (Entry, error) {
	e, err := lookup(v, id, key)
	if err != nil {
		return Entry{}, err
	}
	if e == nil {
		return Entry{}, fmt.Errorf("calendar object %.100q: %w", what, storage.NotFound)
	}
	return *e, nil
}

// accepts tells whether a calendar takes a component.
func accepts(tx *storage.Tx, id storage.CollectionID, component string) error {
	c, err := tx.Collection(id)
	if err != nil {
		return err
	}
	s, err := SettingsOf(c)
	if err != nil {
		return err
	}
	if !slices.Contains(s.Components, component) {
		return &ics.Error{Condition: ics.SupportedComponent, Text: fmt.Sprintf("calendar %q takes no %.40s", c.Name, component)}
	}
	return nil
}

func checkName(name string) error {
	if name == "" || name == "." || name == ".." || len(name) > maxName || !utf8.ValidString(name) {
		return fmt.Errorf("name %.40q: %w", name, storage.Invalid)
	}
	return nil
}

// Put stores an object under a name. A Condition that does not hold is
// storage.Conflict. Otherwise errors are *ics.Error: SupportedComponent, or
// NoUIDConflict when another name has the UID (Other) or the name has another UID.
func Put(tx *storage.Tx, id storage.CollectionID, name string, o *Object, cond Condition) (e Entry, created bool, err error) {
	old, err := lookup(&tx.View, id, wordKey(nameTag, name))
	if err != nil {
		return e, false, err
	}
	if err := cond.check(old); err != nil {
		return e, false, err
	}
	if err := accepts(tx, id, o.Component); err != nil {
		return e, false, err
	}
	if err := checkName(name); err != nil {
		return e, false, err
	}
	if old != nil && old.UID != o.UID {
		return e, false, &ics.Error{Condition: ics.NoUIDConflict, Text: "the object of that name has another UID", Other: name}
	}
	if old != nil && old.ETag == o.ETag && old.ScheduleTag == o.ScheduleTag {
		return *old, false, nil // the same octets: nothing changes, no modseq
	}
	if old == nil {
		if err := uidFree(tx, id, o.UID); err != nil {
			return e, false, err
		}
	}
	e = Entry{Name: name, UID: o.UID, ETag: o.ETag, ScheduleTag: o.ScheduleTag, Component: o.Component,
		Size: int64(len(o.Raw)), Modified: now(), key: o.key, attached: o.ids}
	if e.Object, err = o.store(tx); err != nil {
		return e, false, err
	}
	if old != nil {
		return e, false, replace(tx, id, old, &e, o.value)
	}
	return e, true, insert(tx, id, &e, o.value)
}

func now() time.Time { return time.Unix(time.Now().Unix(), 0).UTC() }

// uidFree is NoUIDConflict when an object has the UID.
func uidFree(tx *storage.Tx, id storage.CollectionID, uid string) error {
	e, err := lookup(&tx.View, id, wordKey(uidTag, uid))
	if err != nil || e == nil {
		return err
	}
	return &ics.Error{Condition: ics.NoUIDConflict, Text: "another object has that UID", Other: e.Name}
}

// insert adds a row with its index entries, and sets Num and Modseq of e.
func insert(tx *storage.Tx, id storage.CollectionID, e *Entry, value []byte) error {
	data, err := e.encode()
	if err != nil {
		return err
	}
	if e.Num, err = tx.Insert(id, e.Object, data); err != nil {
		return err
	}
	if e.Modseq, err = tx.Next(); err != nil {
		return err
	}
	if err := refer(tx, e.attached, false); err != nil {
		return err
	}
	num := putNum(e.Num)
	return errors.Join(
		tx.SetIndex(id, wordKey(nameTag, e.Name), num),
		tx.SetIndex(id, wordKey(uidTag, e.UID), num),
		tx.SetIndex(id, e.key.bytes(e.Num), value))
}

// replace puts e where old is: same name, same UID.
func replace(tx *storage.Tx, id storage.CollectionID, old, e *Entry, value []byte) error {
	data, err := e.encode()
	if err != nil {
		return err
	}
	e.Num = old.Num
	if e.Modseq, err = tx.Next(); err != nil {
		return err
	}
	if err := tx.Set(id, e.Num, e.Object, data); err != nil {
		return err
	}
	if err := errors.Join(refer(tx, e.attached, false), refer(tx, old.attached, true)); err != nil {
		return err
	}
	if old.key != e.key {
		if err := tx.SetIndex(id, old.key.bytes(old.Num), nil); err != nil {
			return err
		}
	}
	return tx.SetIndex(id, e.key.bytes(e.Num), value)
}

// Delete removes an object; storage.NotFound, storage.Conflict.
func Delete(tx *storage.Tx, id storage.CollectionID, name string, cond Condition) (Entry, error) {
	e, err := ByName(&tx.View, id, name)
	if err != nil {
		if errors.Is(err, storage.NotFound) {
			if err := cond.check(nil); err != nil {
				return e, err
			}
		}
		return e, err
	}
	if err := cond.check(&e); err != nil {
		return e, err
	}
	return e, remove(tx, id, &e)
}

// remove removes a row, its index entries and its properties.
func remove(tx *storage.Tx, id storage.CollectionID, e *Entry) error {
	if err := tx.Remove(id, e.Num, []byte(e.Name)); err != nil {
		return err
	}
	if err := tx.ClearProps(id, e.Num); err != nil {
		return err
	}
	return errors.Join(
		refer(tx, e.attached, true),
		tx.SetIndex(id, wordKey(nameTag, e.Name), nil),
		tx.SetIndex(id, wordKey(uidTag, e.UID), nil),
		tx.SetIndex(id, e.key.bytes(e.Num), nil))
}

// propsOf are the properties of a row that go with it: with a copy those that all see and the owner's, with what
// moves each user's own too.
func propsOf(tx *storage.Tx, id storage.CollectionID, n storage.Num, move bool) ([]storage.Prop, error) {
	if move {
		return tx.AllProps(id, n)
	}
	var all []storage.Prop
	for _, user := range []storage.AccountID{0, tx.Account()} {
		props, err := tx.Props(storage.PropKey{Collection: id, Num: n, User: user})
		if err != nil {
			return nil, err
		}
		all = append(all, props...)
	}
	return all, nil
}

// Copy copies an object to a name in the same account. With
// overwrite an object that has the name is replaced (replaced tells), without
// it is storage.Exists. Other errors are those of Put.
func Copy(tx *storage.Tx, from storage.CollectionID, name string, to storage.CollectionID, as string, overwrite bool) (e Entry, replaced bool, err error) {
	return transfer(tx, from, name, to, as, overwrite, false)
}

// Move is like Copy, and removes the original. Its properties go along.
func Move(tx *storage.Tx, from storage.CollectionID, name string, to storage.CollectionID, as string, overwrite bool) (e Entry, replaced bool, err error) {
	return transfer(tx, from, name, to, as, overwrite, true)
}

func transfer(tx *storage.Tx, from storage.CollectionID, name string, to storage.CollectionID, as string, overwrite, move bool) (e Entry, replaced bool, err error) {
	src, err := ByName(&tx.View, from, name)
	if err != nil {
		return e, false, err
	}
	if err := checkName(as); err != nil {
		return e, false, err
	}
	if err := accepts(tx, to, src.Component); err != nil {
		return e, false, err
	}
	if from == to && name == as {
		return e, false, fmt.Errorf("copy of %q onto itself: %w", name, storage.Forbidden)
	}
	value, err := tx.Index(from, src.key.bytes(src.Num))
	if err != nil {
		return e, false, err
	}
	old, err := lookup(&tx.View, to, wordKey(nameTag, as))
	if err != nil {
		return e, false, err
	}
	if old != nil && !overwrite {
		return e, false, fmt.Errorf("calendar object %q: %w", as, storage.Exists)
	}
	if old != nil && old.UID != src.UID { // RFC 4791 §5.3.2.1
		return e, false, &ics.Error{Condition: ics.NoUIDConflict, Text: "the object of that name has another UID", Other: as}
	}
	props, err := propsOf(tx, from, src.Num, move)
	if err != nil {
		return e, false, err
	}
	if old != nil {
		if err := remove(tx, to, old); err != nil {
			return e, false, err
		}
	}
	if move {
		if err := refer(tx, src.attached, false); err != nil { // they stay while it is nowhere
			return e, false, err
		}
		if err := remove(tx, from, &src); err != nil {
			return e, false, err
		}
	}
	if err := uidFree(tx, to, src.UID); err != nil {
		return e, false, err
	}
	e = src
	e.Name, e.Modified = as, now()
	if err := insert(tx, to, &e, value); err != nil {
		return e, false, err
	}
	if move {
		if err := refer(tx, src.attached, true); err != nil {
			return e, false, err
		}
	}
	for _, p := range props {
		p.Collection, p.Num = to, e.Num
		if err := tx.SetProp(p.PropKey, p.Value); err != nil {
			return e, false, err
		}
		if p.Name == ownName {
			if err := markOwn(tx, to, p.User); err != nil {
				return e, false, err
			}
		}
	}
	return e, old != nil, nil
}
