package contacts

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"atrium/contacts/card"
	"atrium/contacts/query"
	"atrium/storage"
	"atrium/storage/blob"
)

// rawFacet is the facet with a card's octets, when they are not in the blob store.
const rawFacet byte = 1

// inline is the size up to which a card's octets are a facet.
const inline = 64 << 10

// defaultsRecord tells that an account had its default address book once.
const defaultsRecord = "contacts/defaults"

// Create makes an address book; storage.Exists when the name is taken. props
// are properties of the collection that all users see, as package dav packs them.
func Create(tx *storage.Tx, name string, props map[string][]byte) (*storage.Collection, error) {
	c, err := tx.Create(Schema.Code, name, nil)
	if err != nil {
		return nil, err
	}
	for k, v := range props {
		if err := tx.SetProp(storage.PropKey{Collection: c.ID, Name: k}, v); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// EnsureDefaults makes the address book "contacts" that a new account has. It
// does nothing when the account has any address book or had one once. label
// packs a display name as the property that package dav reads.
func EnsureDefaults(tx *storage.Tx, label func(displayname string) (prop string, value []byte)) error {
	if _, err := tx.Record(defaultsRecord); !errors.Is(err, storage.NotFound) {
		return err
	}
	list, err := tx.Collections(Schema.Code)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		prop, value := label("Contacts")
		if _, err := Create(tx, "contacts", map[string][]byte{prop: value}); err != nil {
			return err
		}
	}
	return tx.SetRecord(defaultsRecord, []byte{1})
}

// Entry is what listings and sync show of a card; it comes from the row alone.
type Entry struct {
	Num      storage.Num
	Object   storage.ObjectID
	Name     string // last segment of its path, unescaped
	UID      string
	ETag     string    // without quotes
	Size     int64     // bytes
	Modified time.Time // UTC, in seconds
	Modseq   uint64
}

// Options bound what Prepare takes.
type Options struct{ Limits card.Limits }

// DefaultOptions returns options that take all that clients are known to send.
func DefaultOptions() Options { return Options{Limits: card.DefaultLimits()} }

// Object is a card that may be stored.
type Object struct {
	Raw  []byte
	Card *card.Card
	UID  string
	ETag string

	digest []byte // for filters
	ref    blob.Ref
	spool  blob.Spool
	facets map[byte][]byte
}

// maxDigest bounds what of a card is kept for filters, in bytes; of a larger one the card is read.
const maxDigest = 16 << 10

// Prepare parses and validates a card, files its body when that is too large
// to live inline, and computes what the row will hold. It keeps raw. Call
// Release when the Update is over. Errors are *card.Error, or of the blob store.
func Prepare(ctx context.Context, blobs blob.Store, raw []byte, opts Options) (*Object, error) {
	c, err := card.Parse(raw, opts.Limits)
	if err != nil {
		return nil, err
	}
	o := &Object{Raw: raw, Card: c, UID: c.UID(), ETag: etagOf(raw), facets: map[byte][]byte{}}
	if len(o.UID) > 2000 {
		return nil, &card.Error{Condition: card.ValidData, Detail: fmt.Sprintf("UID of %d bytes", len(o.UID))}
	}
	if o.digest = query.Digest(c); len(o.digest) > maxDigest {
		o.digest = []byte{}
	}
	if len(raw) <= inline {
		o.facets[rawFacet] = raw
		return o, nil
	}
	if o.spool, err = blobs.Spool(ctx, int64(len(raw))); err != nil {
		return nil, err
	}
	if _, err = o.spool.Write(raw); err == nil {
		o.ref, err = o.spool.Commit(ctx)
	}
	if err != nil {
		o.Release()
		return nil, err
	}
	return o, nil
}

// Release lets go of what Prepare filed and Put did not use.
func (o *Object) Release() {
	if o.spool != nil {
		o.spool.Release()
	}
}

// Condition is what must hold for a write to happen, checked in its
// transaction. The zero Condition always holds.
type Condition struct {
	Match     []string // If-Match: one of these ETags, without quotes; "*": any object
	NoneMatch []string // If-None-Match: none of these; "*": no object
}

// check holds the condition against the object that has the name, nil when there is none.
func (c *Condition) check(e *Entry) error {
	has := func(list []string) bool {
		return e != nil && (slices.Contains(list, "*") || slices.Contains(list, e.ETag))
	}
	if len(c.Match) > 0 && !has(c.Match) || has(c.NoneMatch) {
		return fmt.Errorf("card: %w", storage.Conflict)
	}
	return nil
}

// find is ByName that returns nil when there is none.
func find(v *storage.View, id storage.CollectionID, key []byte) (*Entry, error) {
	b, err := v.Index(id, key)
	if errors.Is(err, storage.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if len(b) != 4 {
		return nil, fmt.Errorf("index of address book %d: %w", id, storage.Corrupt)
	}
	r, err := v.Row(id, storage.Num(binary.BigEndian.Uint32(b)))
	if err != nil {
		return nil, err
	}
	e, err := entryOf(&r)
	return &e, err
}

// Put stores a card under a name. A Condition that does not hold is
// storage.Conflict. Other errors are *card.Error with NoUIDConflict when
// another name has the UID (Other) or the name's card has another UID (RFC 6352 §6.3.2.1), or the store's.
func Put(tx *storage.Tx, id storage.CollectionID, name string, o *Object, cond Condition) (e Entry, created bool, err error) {
	old, err := find(&tx.View, id, nameKey(name))
	if err != nil {
		return e, false, err
	}
	if err := cond.check(old); err != nil {
		return e, false, err
	}
	if old != nil && old.ETag == o.ETag {
		return *old, false, nil // the same octets: nothing changes, no modseq
	}
	obj, err := tx.NewObject(storage.Object{Blob: o.ref, Facets: o.facets})
	if err != nil {
		return e, false, err
	}
	e = Entry{Object: obj, Name: name, UID: o.UID, ETag: o.ETag, Size: int64(len(o.Raw)), Modified: time.Now().UTC().Truncate(time.Second)}
	e, err = place(tx, id, e, old, o.digest)
	return e, old == nil, err
}

// place gives an entry's name in an address book to it, in place of old if any.
func place(tx *storage.Tx, id storage.CollectionID, e Entry, old *Entry, digest []byte) (Entry, error) {
	if e.Name == "" || len(e.Name) > longest {
		return e, fmt.Errorf("name of %d bytes: %w", len(e.Name), storage.Invalid)
	}
	if e.UID != "" && old != nil && old.UID != "" && old.UID != e.UID {
		return e, &card.Error{Condition: card.NoUIDConflict, Detail: "the card of that name has another UID", Other: e.Name}
	}
	if e.UID != "" {
		other, err := find(&tx.View, id, uidKey(e.UID))
		if err != nil {
			return e, err
		}
		if other != nil && other.Name != e.Name {
			return e, &card.Error{Condition: card.NoUIDConflict, Detail: "another card has this UID", Other: other.Name}
		}
	}
	data, err := encodeRow(&e)
	if err != nil {
		return e, err
	}
	if e.Modseq, err = tx.Next(); err != nil {
		return e, err
	}
	if old != nil {
		e.Num = old.Num
		if err := tx.Set(id, e.Num, e.Object, data); err != nil {
			return e, err
		}
		if old.UID != "" && old.UID != e.UID {
			if err := tx.SetIndex(id, uidKey(old.UID), nil); err != nil {
				return e, err
			}
		}
	} else {
		if e.Num, err = tx.Insert(id, e.Object, data); err != nil {
			return e, err
		}
		if err := tx.SetIndex(id, nameKey(e.Name), numValue(e.Num)); err != nil {
			return e, err
		}
	}
	if err := tx.SetIndex(id, digestKey(e.Num), digest); err != nil {
		return e, err
	}
	if e.UID == "" {
		return e, nil
	}
	return e, tx.SetIndex(id, uidKey(e.UID), numValue(e.Num))
}

// Delete removes a card; storage.NotFound, storage.Conflict.
func Delete(tx *storage.Tx, id storage.CollectionID, name string, cond Condition) (Entry, error) {
	e, err := find(&tx.View, id, nameKey(name))
	if err != nil {
		return Entry{}, err
	}
	if err := cond.check(e); err != nil {
		return Entry{}, err
	}
	if e == nil {
		return Entry{}, fmt.Errorf("card %q: %w", name, storage.NotFound)
	}
	return *e, remove(tx, id, e)
}

func remove(tx *storage.Tx, id storage.CollectionID, e *Entry) error {
	if err := tx.ClearProps(id, e.Num); err != nil {
		return err
	}
	if err := tx.SetIndex(id, nameKey(e.Name), nil); err != nil {
		return err
	}
	if e.UID != "" {
		if err := tx.SetIndex(id, uidKey(e.UID), nil); err != nil {
			return err
		}
	}
	if err := tx.SetIndex(id, digestKey(e.Num), nil); err != nil {
		return err
	}
	return tx.Remove(id, e.Num, []byte(e.Name))
}

// Copy copies a card to a name in the same account, Move moves it with its
// properties. With overwrite a card that has the name is replaced (replaced
// tells), without it is storage.Exists. Other errors are those of Put.
func Copy(tx *storage.Tx, from storage.CollectionID, name string, to storage.CollectionID, as string, overwrite bool) (e Entry, replaced bool, err error) {
	return transfer(tx, from, name, to, as, overwrite, false)
}

// Move is like Copy, and removes the original.
func Move(tx *storage.Tx, from storage.CollectionID, name string, to storage.CollectionID, as string, overwrite bool) (e Entry, replaced bool, err error) {
	return transfer(tx, from, name, to, as, overwrite, true)
}

func transfer(tx *storage.Tx, from storage.CollectionID, name string, to storage.CollectionID, as string, overwrite, move bool) (e Entry, replaced bool, err error) {
	src, err := find(&tx.View, from, nameKey(name))
	if err != nil {
		return e, false, err
	}
	if src == nil {
		return e, false, fmt.Errorf("card %q: %w", name, storage.NotFound)
	}
	if from == to && name == as {
		return *src, false, fmt.Errorf("card onto itself: %w", storage.Forbidden)
	}
	dst, err := find(&tx.View, to, nameKey(as))
	if err != nil {
		return e, false, err
	}
	if dst != nil && !overwrite {
		return e, false, fmt.Errorf("card %q: %w", as, storage.Exists)
	}
	props, err := tx.Props(storage.PropKey{Collection: from, Num: src.Num})
	if move { // each user's own too
		props, err = tx.AllProps(from, src.Num)
	}
	if err != nil {
		return e, false, err
	}
	digest, err := tx.Index(from, digestKey(src.Num))
	if err != nil && !errors.Is(err, storage.NotFound) {
		return e, false, err
	}
	if move { // first, so that the UID is free in the same address book
		if err := remove(tx, from, src); err != nil {
			return e, false, err
		}
	}
	e = *src
	e.Name, e.Num = as, 0
	if e, err = place(tx, to, e, dst, digest); err != nil {
		return e, false, err
	}
	for _, p := range props {
		p.Collection, p.Num = to, e.Num
		if err := tx.SetProp(p.PropKey, p.Value); err != nil {
			return e, false, err
		}
	}
	return e, dst != nil, nil
}

// ByName returns the entry of a name; storage.NotFound.
func ByName(v *storage.View, id storage.CollectionID, name string) (Entry, error) {
	return need(v, id, nameKey(name))
}

// ByUID returns the entry of a UID; storage.NotFound.
func ByUID(v *storage.View, id storage.CollectionID, uid string) (Entry, error) {
	return need(v, id, uidKey(uid))
}

func need(v *storage.View, id storage.CollectionID, key []byte) (Entry, error) {
	e, err := find(v, id, key)
	if err != nil {
		return Entry{}, err
	}
	if e == nil {
		return Entry{}, fmt.Errorf("card %.60q: %w", key[1:], storage.NotFound)
	}
	return *e, nil
}

// Entries yields all entries of an address book in the order of their Num.
func Entries(t *storage.Table) iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		for _, r := range t.Rows(0, t.Len()) {
			e, err := entryOf(&r)
			if err != nil {
				continue // atrium check names it; the others are to be had
			}
			if !yield(e) {
				return
			}
		}
	}
}
