package calendar

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"atrium/calendar/ics"
	"atrium/calendar/query"
	"atrium/storage"
	"atrium/storage/blob"
)

// Options bound what Prepare takes.
type Options struct {
	Limits    ics.Limits
	Attendees int // at most in one component; 0: no limit
}

// DefaultOptions returns options that take all that clients are known to send.
func DefaultOptions() Options { return Options{Limits: ics.DefaultLimits(), Attendees: 2000} }

// Object is iCalendar that may be stored.
type Object struct {
	Raw         []byte
	Calendar    *ics.Calendar
	UID         string
	Component   string
	ETag        string
	ScheduleTag string // to be set by who does scheduling, before Put

	series *query.Series
	key    timeKey
	value  []byte   // of the time index
	ids    []string // of managed attachments
	spool  blob.Spool
	ref    blob.Ref
}

// inline is how large a body may be to live in the store's own records.
const inline = 64 << 10

// bodyFacet is the facet with the octets of an object.
const bodyFacet = 1

// Prepare parses and validates a calendar object resource, files its body when that is too
// large to live inline, and computes what the index will hold. It keeps raw. Call
// Release when the Update is over. Errors are *ics.Error, or of the blob store.
func Prepare(ctx context.Context, blobs blob.Store, raw []byte, opts Options) (*Object, error) {
	c, err := ics.Parse(raw, opts.Limits)
	if err != nil {
		return nil, err
	}
	o := &Object{Raw: raw, Calendar: c}
	if o.Component, err = ics.Validate(c); err != nil {
		return nil, err
	}
	if o.series, err = query.NewSeries(c); err != nil {
		return nil, err
	}
	if err := o.check(opts); err != nil {
		return nil, err
	}
	o.ETag = etag(raw)
	o.key, o.value = timeEntry(o.series)
	o.ids = managedIDs(c)
	if len(raw) > inline {
		if err := o.file(ctx, blobs); err != nil {
			return nil, err
		}
	}
	return o, nil
}

func (o *Object) check(opts Options) error {
	o.UID = strings.TrimSpace(o.Calendar.UID())
	if len(o.UID) > maxUID {
		return &ics.Error{Condition: ics.ValidObject, Text: fmt.Sprintf("UID of %d bytes, at most %d are taken", len(o.UID), maxUID)}
	}
	if opts.Attendees == 0 {
		return nil
	}
	for _, k := range o.Calendar.Components {
		n := 0
		for i := range k.Props {
			if k.Props[i].Name == "ATTENDEE" {
				n++
			}
		}
		if n > opts.Attendees {
			return &ics.Error{Condition: ics.MaxAttendees, Line: k.Line, Text: fmt.Sprintf("%d attendees, at most %d are taken", n, opts.Attendees)}
		}
	}
	return nil
}

// file puts the body into the blob store.
func (o *Object) file(ctx context.Context, blobs blob.Store) error {
	s, err := blobs.Spool(ctx, int64(len(o.Raw)))
	if err != nil {
		return err
	}
	if _, err = s.Write(o.Raw); err == nil {
		o.ref, err = s.Commit(ctx)
	}
	if err != nil {
		s.Release()
		return fmt.Errorf("filing a calendar object: %w", err)
	}
	o.spool = s
	return nil
}

// Release lets go of what Prepare filed and Put did not use.
func (o *Object) Release() {
	if o.spool != nil {
		o.spool.Release()
		o.spool = nil
	}
}

// store makes the object in the transaction.
func (o *Object) store(tx *storage.Tx) (storage.ObjectID, error) {
	if !o.ref.IsZero() {
		return tx.NewObject(storage.Object{Blob: o.ref})
	}
	return tx.NewObject(storage.Object{Facets: map[byte][]byte{bodyFacet: o.Raw}})
}

// Data returns an object's octets.
func Data(ctx context.Context, v *storage.View, blobs blob.Store, o storage.ObjectID) ([]byte, error) {
	raw, err := Peek(ctx, v, blobs, o)
	return slices.Clone(raw), err
}

// Peek is Data without a copy: valid until the View ends, and not to be changed.
func Peek(ctx context.Context, v *storage.View, blobs blob.Store, o storage.ObjectID) ([]byte, error) {
	raw, err := v.PeekFacet(o, bodyFacet)
	if !errors.Is(err, storage.NotFound) {
		return raw, err
	}
	ref, err := v.Blob(o)
	if err != nil {
		return nil, err
	}
	if ref.IsZero() {
		return nil, fmt.Errorf("body of object %d: %w", o, storage.NotFound)
	}
	body, err := blobs.Open(ctx, ref)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	raw = make([]byte, ref.Size)
	if _, err := body.ReadAt(raw, 0); err != nil && ref.Size > 0 {
		return nil, fmt.Errorf("body of a calendar object: %w", err)
	}
	return raw, nil
}

// Bodies calls fn with the octets of each of objects, ascending, that live in the store's own
// records, by its index; they are valid during the call. It is for many objects that lie close together.
func Bodies(v *storage.View, objects []storage.ObjectID, fn func(i int, raw []byte) error) error {
	return v.Facets(bodyFacet, objects, fn)
}
