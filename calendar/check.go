package calendar

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"atrium/calendar/query"
	"atrium/storage"
	"atrium/storage/blob"
	"atrium/storage/kv"
)

// Check proves what storage's own check cannot know of an account's calendars:
// settings and rows read, each row's name, UID and time are in the index, and
// the index has nothing else. With deep each object's octets are held against its ETag and size,
// and its times are computed again.
func Check(ctx context.Context, v *storage.View, blobs blob.Store, deep bool, report func(storage.Problem)) error {
	colls, err := v.Collections(Schema.Code)
	if err != nil {
		return err
	}
	for _, c := range colls {
		x := checker{v: v, blobs: blobs, deep: deep, c: c, report: report, left: map[string][]byte{}}
		if _, err := SettingsOf(c); err != nil {
			x.say("%v", err)
		}
		if err := x.run(ctx); err != nil {
			return err
		}
	}
	return nil
}

// checker checks one calendar.
type checker struct {
	v      *storage.View
	blobs  blob.Store
	deep   bool
	c      *storage.Collection
	report func(storage.Problem)
	left   map[string][]byte // the index, without what was found to be right
}

func (x *checker) say(format string, args ...any) {
	x.report(storage.Problem{Account: x.v.Account(), Collection: x.c.ID, What: fmt.Sprintf("calendar %q: ", x.c.Name) + fmt.Sprintf(format, args...)})
}

func (x *checker) run(ctx context.Context) error {
	for k, value := range x.v.ScanIndex(x.c.ID, kv.Range{}) {
		x.left[string(k)] = bytes.Clone(value)
	}
	t, err := x.v.Table(x.c.ID)
	if err != nil {
		return err
	}
	for _, row := range t.Rows(0, t.Len()) {
		if err := ctx.Err(); err != nil {
			return err
		}
		e, err := decodeRow(row)
		if err != nil {
			x.say("%v", err)
			continue
		}
		x.leads(wordKey(nameTag, e.Name), &e, "name")
		x.leads(wordKey(uidTag, e.UID), &e, "UID")
		k := string(e.key.bytes(e.Num))
		value, ok := x.left[k]
		delete(x.left, k)
		if !ok {
			x.say("object %q: the time index lacks it: queries miss it", e.Name)
		}
		if x.deep {
			x.object(ctx, &e, value)
		}
	}
	for k := range x.left {
		x.say("index entry %q belongs to no object", k)
	}
	return nil
}

// leads checks an index entry that must lead to e.
func (x *checker) leads(key []byte, e *Entry, what string) {
	if num, ok := x.left[string(key)]; !ok || numOf(num) != e.Num {
		x.say("object %q: the index of its %s leads to %d, not to %d", e.Name, what, numOf(num), e.Num)
	}
	delete(x.left, string(key))
}

// object checks the object itself against its row and its entry in the time index.
func (x *checker) object(ctx context.Context, e *Entry, value []byte) {
	raw, err := Peek(ctx, x.v, x.blobs, e.Object)
	switch {
	case errors.Is(err, context.Canceled):
		return
	case err != nil:
		x.say("object %q: %v", e.Name, err)
		return
	case int64(len(raw)) != e.Size || etag(raw) != e.ETag:
		x.say("object %q: its %d octets are not those that its ETag names", e.Name, len(raw))
		return
	}
	cal, err := parse(raw)
	if err != nil {
		x.say("object %q: %v", e.Name, err)
		return
	}
	s, err := query.NewSeries(cal)
	if err != nil {
		x.say("object %q: %v", e.Name, err)
		return
	}
	if k, now := timeEntry(s); k != e.key || !bytes.Equal(now, value) {
		x.say("object %q: the time index has other times than the object", e.Name)
	}
}
