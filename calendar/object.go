package calendar

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"atrium/calendar/ics"
	"atrium/calendar/query"
	"atrium/calendar/recur"
	"atrium/storage"
	"atrium/storage/blob"
)

// Options bound what Prepare takes.
type Options struct {
	Limits    ics.Limits
	Attendees int  // at most in one component; 0: no limit
	Strict    bool // TZIDs must be known, times in the range that DateRange tells of
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
	if opts.Strict {
		if err := o.checkTimes(); err != nil {
			return err
		}
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

// MinDate and MaxDate are what Strict takes: CALDAV:min-date-time and max-date-time (RFC 4791 §5.2.6, §5.2.7). A day
// of any zone fits between them and the ends of what iCalendar can say.
var (
	MinDate = time.Date(1, 1, 3, 0, 0, 0, 0, time.UTC)
	MaxDate = time.Date(9999, 12, 29, 0, 0, 0, 0, time.UTC)
)

// maxTimes bounds how many properties checkTimes looks at by themselves.
const maxTimes = 10_000

// checkTimes checks the properties with times for zones that nobody knows, and for years that are too far.
func (o *Object) checkTimes() error {
	n := 0
	for _, k := range o.Calendar.Components {
		if !strings.EqualFold(k.Name, "VTIMEZONE") {
			if err := o.checkComponent(k, &n); err != nil {
				return err
			}
		}
	}
	return nil
}

func (o *Object) checkComponent(k *ics.Component, n *int) error {
	for i := range k.Props {
		p := &k.Props[i]
		if id, ok := p.Param("TZID"); ok && !o.series.Zones.Knows(id) {
			return &ics.Error{Condition: ics.ValidTimezone, Line: p.Line, Text: fmt.Sprintf("time zone %.40q is not known and not defined", id)}
		}
		switch p.Name {
		case "DTSTART", "DTEND", "DUE", "RECURRENCE-ID", "RDATE":
		default:
			continue
		}
		for v := range strings.SplitSeq(p.Value, ",") {
			if *n++; *n > maxTimes {
				return nil
			}
			t, err := recur.ParseTime(strings.TrimSpace(v))
			switch {
			case err != nil: // a period, or what the series has taken
			case int64(t.Wall) < MinDate.Unix():
				return &ics.Error{Condition: ics.MinDateTime, Line: p.Line, Text: p.Name + " is too early"}
			case int64(t.Wall) > MaxDate.Unix():
				return &ics.Error{Condition: ics.MaxDateTime, Line: p.Line, Text: p.Name + " is too late"}
			}
		}
	}
	for _, c := range k.Components {
		if err := o.checkComponent(c, n); err != nil {
			return err
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
