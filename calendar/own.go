package calendar

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"

	"atrium/calendar/ics"
	"atrium/calendar/query"
	"atrium/storage"
	"atrium/storage/blob"
)

// ownName is the property, each user's own, with what he has of an object for himself; on a calendar it tells that he has of some.
const ownName = "own"

// maxOwn bounds what a user has of one object for himself, in bytes.
const maxOwn = 64 << 10

// Viewer is one who looks at a calendar that is another's: of its objects he sees his own alarms, not the owner's, and his own
// TRANSP, X-MOZ-LASTACK and X-MOZ-SNOOZE-TIME. A nil Viewer is the owner, who sees what is stored.
type Viewer struct {
	v    *storage.View
	id   storage.CollectionID
	user storage.AccountID
	some bool // he has own parts here
}

// ViewAs returns who looks at a calendar; nil for the owner.
func ViewAs(v *storage.View, id storage.CollectionID, user storage.AccountID) (*Viewer, error) {
	if user == v.Account() {
		return nil, nil
	}
	_, err := v.Prop(storage.PropKey{Collection: id, User: user, Name: ownName})
	if err != nil && !errors.Is(err, storage.NotFound) {
		return nil, err
	}
	return &Viewer{v: v, id: id, user: user, some: err == nil}, nil
}

// own is what he has of an object for himself, nil when that is nothing.
func (w *Viewer) own(n storage.Num) ([]byte, error) {
	if w == nil || !w.some {
		return nil, nil
	}
	b, err := w.v.Prop(storage.PropKey{Collection: w.id, Num: n, User: w.user, Name: ownName})
	if errors.Is(err, storage.NotFound) {
		return nil, nil
	}
	return b, err
}

// ETag is the one that he sees of an object with that of the stored octets.
func (w *Viewer) ETag(n storage.Num, stored string) (string, error) {
	own, err := w.own(n) // nil of a nil Viewer
	if own == nil || err != nil {
		return stored, err
	}
	h := sha256.New()
	h.Write([]byte(stored))
	h.Write(own)
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:etagBytes]), nil
}

// Data is what he sees of an object with those octets, which it returns when it is the same.
func (w *Viewer) Data(n storage.Num, raw []byte) ([]byte, error) {
	if w == nil {
		return raw, nil
	}
	own, err := w.own(n)
	if err != nil || own == nil && !query.MayHaveOwn(raw) {
		return raw, err
	}
	c, err := parse(raw)
	if err != nil {
		return nil, err
	}
	return withOwn(c, own)
}

func withOwn(c *ics.Calendar, own []byte) ([]byte, error) {
	if own == nil {
		return query.WithOwn(c, nil), nil
	}
	o, err := parse(own)
	if err != nil {
		return nil, fmt.Errorf("own parts of a calendar object: %w", err)
	}
	return query.WithOwn(c, o), nil
}

// Sharing is a Put by one who shares the calendar of another.
type Sharing struct {
	User    storage.AccountID
	Write   bool // he may change what is there for all
	Blobs   blob.Store
	Options Options
}

// Put stores what the user sent: his own parts for himself, the rest for all, where the owner's alarms stay. When nothing but the
// own parts is new the object stays what it is. e is as the user sees it; altered tells that this is not what he sent.
// Errors are those of Put, and storage.Forbidden when he may not write and means to.
func (s *Sharing) Put(ctx context.Context, tx *storage.Tx, id storage.CollectionID, name string, o *Object) (e Entry, created, altered bool, err error) {
	old, err := lookup(&tx.View, id, wordKey(nameTag, name))
	if err != nil {
		return e, false, false, err
	}
	var base *ics.Calendar
	if old != nil {
		raw, err := Peek(ctx, &tx.View, s.Blobs, old.Object)
		if err == nil {
			base, err = parse(raw)
		}
		if err != nil {
			return e, false, false, err
		}
	}
	own := query.Own(o.Calendar, base)
	if len(own) > maxOwn {
		return e, false, false, &ics.Error{Condition: ics.MaxResourceSize, Text: fmt.Sprintf("alarms of %d bytes, at most %d are kept", len(own), maxOwn)}
	}
	shared := base
	if old != nil && query.SameShared(o.Calendar, base) {
		e = *old
	} else {
		if old != nil && !s.Write {
			return e, false, false, fmt.Errorf("calendar object %q: %w", name, storage.Forbidden)
		}
		if e, created, shared, err = s.putShared(ctx, tx, id, name, o, base); err != nil {
			return e, false, false, err
		}
	}
	changed, err := s.setOwn(tx, id, old, &e, own)
	if err != nil {
		return e, false, false, err
	}
	if old != nil && !s.Write && !changed && own == nil { // he has no alarms and sends none
		return e, false, false, fmt.Errorf("calendar object %q: %w", name, storage.Forbidden)
	}
	w, err := ViewAs(&tx.View, id, s.User)
	if err != nil {
		return e, false, false, err
	}
	if e.ETag, err = w.ETag(e.Num, e.ETag); err != nil {
		return e, false, false, err
	}
	seen, err := withOwn(shared, own)
	return e, created, !bytes.Equal(seen, o.Raw), err
}

// putShared stores what all are to see.
func (s *Sharing) putShared(ctx context.Context, tx *storage.Tx, id storage.CollectionID, name string, o *Object, base *ics.Calendar) (Entry, bool, *ics.Calendar, error) {
	raw := query.Shared(o.Calendar, base)
	if bytes.Equal(raw, o.Raw) {
		e, created, err := Put(tx, id, name, o, Condition{})
		return e, created, o.Calendar, err
	}
	p, err := Prepare(ctx, s.Blobs, raw, s.Options)
	if err != nil {
		return Entry{}, false, nil, err
	}
	defer p.Release()
	p.ScheduleTag = o.ScheduleTag
	e, created, err := Put(tx, id, name, p, Condition{})
	return e, created, p.Calendar, err
}

// setOwn keeps a user's own parts. Where the object itself did not change its row takes a new modseq: who follows
// the changes of the calendar is told, and all but the user find the ETag that they have.
func (s *Sharing) setOwn(tx *storage.Tx, id storage.CollectionID, old, e *Entry, own []byte) (changed bool, err error) {
	key := storage.PropKey{Collection: id, Num: e.Num, User: s.User, Name: ownName}
	was, err := tx.Prop(key)
	if err != nil && !errors.Is(err, storage.NotFound) {
		return false, err
	}
	if bytes.Equal(was, own) {
		return false, nil
	}
	if err := tx.SetProp(key, own); err != nil {
		return false, err
	}
	if own != nil {
		if err := markOwn(tx, id, s.User); err != nil {
			return false, err
		}
	}
	if old == nil || e.Modseq != old.Modseq {
		return true, nil
	}
	data, err := e.encode()
	if err != nil {
		return false, err
	}
	if e.Modseq, err = tx.Next(); err != nil {
		return false, err
	}
	return true, tx.Set(id, e.Num, e.Object, data)
}

// markOwn notes that a user has own parts in a calendar.
func markOwn(tx *storage.Tx, id storage.CollectionID, user storage.AccountID) error {
	mark := storage.PropKey{Collection: id, User: user, Name: ownName}
	_, err := tx.Prop(mark)
	if errors.Is(err, storage.NotFound) {
		return tx.SetProp(mark, []byte{1})
	}
	return err
}
