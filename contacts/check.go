package contacts

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"atrium/contacts/card"
	"atrium/contacts/query"
	"atrium/storage"
	"atrium/storage/blob"
	"atrium/storage/kv"
)

// Check proves what storage's own check cannot know of an account's address
// books: rows read, each row's name, UID and digest are in the index, and the index has
// nothing else. With deep each card's octets are held against its ETag, size and digest.
func Check(ctx context.Context, v *storage.View, blobs blob.Store, deep bool, report func(storage.Problem)) error {
	colls, err := v.Collections(Schema.Code)
	if err != nil {
		return err
	}
	for _, c := range colls {
		say := func(format string, args ...any) {
			what := fmt.Sprintf("address book %q: ", c.Name) + fmt.Sprintf(format, args...)
			report(storage.Problem{Account: v.Account(), Collection: c.ID, What: what})
		}
		if err := checkBook(ctx, v, blobs, deep, c.ID, say); err != nil {
			return err
		}
	}
	return nil
}

func checkBook(ctx context.Context, v *storage.View, blobs blob.Store, deep bool, id storage.CollectionID, say func(string, ...any)) error {
	left := map[string][]byte{} // the index, without what was found to be right
	for k, value := range v.ScanIndex(id, kv.Range{}) {
		left[string(k)] = bytes.Clone(value)
	}
	leads := func(key []byte, e *Entry, what string) {
		if got := left[string(key)]; !bytes.Equal(got, numValue(e.Num)) {
			say("card %q: the index of its %s leads to %x, not to %d", e.Name, what, got, e.Num)
		}
		delete(left, string(key))
	}
	t, err := v.Table(id)
	if err != nil {
		return err
	}
	for _, row := range t.Rows(0, t.Len()) {
		if err := ctx.Err(); err != nil {
			return err
		}
		e, err := entryOf(&row)
		if err != nil {
			say("%v", err)
			continue
		}
		leads(nameKey(e.Name), &e, "name")
		if e.UID != "" {
			leads(uidKey(e.UID), &e, "UID")
		}
		digest, ok := left[string(digestKey(e.Num))]
		if !ok {
			say("card %q: it has no digest", e.Name)
		}
		delete(left, string(digestKey(e.Num)))
		if !deep {
			continue
		}
		if err := checkCard(ctx, v, blobs, &e, digest); errors.Is(err, context.Canceled) {
			return err
		} else if err != nil {
			say("card %q: %v", e.Name, err)
		}
	}
	for k, value := range left {
		n := uint32(0)
		if len(value) == 4 {
			n = binary.BigEndian.Uint32(value)
		}
		say("index entry %q leads to row %d, which does not have it", k, n)
	}
	return nil
}

// checkCard holds a card against its row and its digest.
func checkCard(ctx context.Context, v *storage.View, blobs blob.Store, e *Entry, digest []byte) error {
	raw, err := Data(ctx, v, blobs, e.Object)
	if err != nil {
		return err
	}
	if int64(len(raw)) != e.Size || etagOf(raw) != e.ETag {
		return fmt.Errorf("its %d octets are not those that its ETag names: %w", len(raw), storage.Corrupt)
	}
	l := card.DefaultLimits()
	l.Size = max(l.Size, len(raw))
	c, err := card.Parse(raw, l)
	if err == nil && c.UID() != e.UID {
		err = fmt.Errorf("its UID is %.60q, the index has %.60q: %w", c.UID(), e.UID, storage.Corrupt)
	}
	if err == nil && len(digest) > 0 && !bytes.Equal(digest, query.Digest(c)) {
		err = fmt.Errorf("its digest is not made of it: %w", storage.Corrupt)
	}
	return err
}
