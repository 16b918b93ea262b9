package calendar

import (
	"context"
	"iter"
	"time"

	"atrium/calendar/ics"
	"atrium/calendar/query"
	"atrium/calendar/recur"
	"atrium/storage"
	"atrium/storage/blob"
)

// Schema is the sort of collection that calendars are. Its Tally counts the bytes of objects.
var Schema = storage.Schema{Code: 2, Name: "calendar"}

// Components are all that a calendar may take, also the default of Create.
var Components = []string{"VEVENT", "VTODO", "VJOURNAL", "VFREEBUSY", "VAVAILABILITY"}

// Settings is what a calendar is set to.
type Settings struct {
	Components  []string // CALDAV:supported-calendar-component-set
	Timezone    string   // CALDAV:calendar-timezone as the client sent it (iCalendar), or ""
	TimezoneID  string   // CALDAV:calendar-timezone-id, RFC 7809, or ""
	Transparent bool     // CALDAV:schedule-calendar-transp, RFC 6638 §9.1
}

// SettingsOf returns a calendar's settings.
func SettingsOf(c *storage.Collection) (Settings, error) { panic("being written") }

// Zone returns the zone in which floating times and dates of the calendar are read; nil is UTC.
func (s *Settings) Zone() *recur.Zone { panic("being written") }

// Configure changes a calendar's settings; change may refuse by an error.
func Configure(tx *storage.Tx, id storage.CollectionID, change func(*Settings) error) error {
	panic("being written")
}

// Create makes a calendar; storage.Exists when the name is taken. Without
// components it takes all of Components; an unknown one is SupportedComponent.
// props are properties of the collection that all users see, as package dav packs them.
func Create(tx *storage.Tx, name string, components []string, props map[string][]byte) (*storage.Collection, error) {
	panic("being written")
}

// EnsureDefaults makes the calendars that a new account has, "calendar", "tasks" and
// "notes", each for one kind of component as Apple's clients want it. It does
// nothing when the account has any calendar or had them once. label packs a display name as
// the property that package dav reads.
func EnsureDefaults(tx *storage.Tx, label func(displayname string) (prop string, value []byte)) error {
	panic("being written")
}

// Entry is what listings and sync show of an object; it comes from the row alone.
type Entry struct {
	Num         storage.Num
	Object      storage.ObjectID
	Name        string // last segment of its path, unescaped
	UID         string
	ETag        string    // without quotes
	ScheduleTag string    // without quotes; "" when it is no scheduling object (RFC 6638 §3.2.10)
	Component   string    // "VEVENT"
	Size        int64     // bytes
	Modified    time.Time // UTC, in seconds
	Modseq      uint64
}

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
}

// Prepare parses and validates a calendar object resource, files its body when that is too
// large to live inline, and computes what the index will hold. It keeps raw. Call
// Release when the Update is over. Errors are *ics.Error, or of the blob store.
func Prepare(ctx context.Context, blobs blob.Store, raw []byte, opts Options) (*Object, error) {
	panic("being written")
}

// Release lets go of what Prepare filed and Put did not use.
func (o *Object) Release() {}

// Condition is what must hold for a write to happen, checked in its
// transaction. The zero Condition always holds.
type Condition struct {
	Match       []string // If-Match: one of these ETags, without quotes; "*": any object
	NoneMatch   []string // If-None-Match: none of these; "*": no object
	ScheduleTag string   // If-Schedule-Tag-Match (RFC 6638 §3.3)
}

// Put stores an object under a name. A Condition that does not hold is
// storage.Conflict. Otherwise errors are *ics.Error: SupportedComponent, or
// NoUIDConflict when another name has the UID (Other) or the name has another UID.
func Put(tx *storage.Tx, id storage.CollectionID, name string, o *Object, cond Condition) (e Entry, created bool, err error) {
	panic("being written")
}

// Delete removes an object; storage.NotFound, storage.Conflict.
func Delete(tx *storage.Tx, id storage.CollectionID, name string, cond Condition) (Entry, error) {
	panic("being written")
}

// Copy copies an object to a name in the same account, Move moves it with its properties. With
// overwrite an object that has the name is replaced (replaced tells), without
// it is storage.Exists. Other errors are those of Put.
func Copy(tx *storage.Tx, from storage.CollectionID, name string, to storage.CollectionID, as string, overwrite bool) (e Entry, replaced bool, err error) {
	panic("being written")
}

// Move is like Copy, and removes the original.
func Move(tx *storage.Tx, from storage.CollectionID, name string, to storage.CollectionID, as string, overwrite bool) (e Entry, replaced bool, err error) {
	panic("being written")
}

// ByName returns the entry of a name; storage.NotFound.
func ByName(v *storage.View, id storage.CollectionID, name string) (Entry, error) {
	panic("being written")
}

// ByUID returns the entry of a UID; storage.NotFound.
func ByUID(v *storage.View, id storage.CollectionID, uid string) (Entry, error) {
	panic("being written")
}

// Entries yields all entries of a calendar in the order of their Num.
func Entries(t *storage.Table) iter.Seq[Entry] { panic("being written") }

// Data returns an object's octets.
func Data(ctx context.Context, v *storage.View, blobs blob.Store, o storage.ObjectID) ([]byte, error) {
	panic("being written")
}

// Delta is what changed in a calendar between two modseqs.
type Delta struct {
	Changed []Entry
	Gone    []string // names that exist no more
	Modseq  uint64
	More    bool
}

// Changes returns what changed since a modseq; see storage.View.Changes.
func Changes(v *storage.View, id storage.CollectionID, since uint64, limit int) (Delta, error) {
	panic("being written")
}

// Match is an entry that Query found.
type Match struct {
	Entry
	load func() ([]byte, *ics.Calendar, error)
}

// Data returns the object's octets, Calendar the parsed object, both only within the loop over Query.
func (m *Match) Data() ([]byte, error) { panic("being written") }

// Calendar returns the parsed object.
func (m *Match) Calendar() (*ics.Calendar, error) { panic("being written") }

// Query yields the objects that match a filter, by Num ascending. Floating times are read in zone.
// A failure is yielded once, as the last.
func Query(ctx context.Context, v *storage.View, blobs blob.Store, id storage.CollectionID, f *query.Filter, zone *recur.Zone) iter.Seq2[*Match, error] {
	panic("being written")
}

// FreeBusy returns the merged busy time of a calendar in a range.
func FreeBusy(ctx context.Context, v *storage.View, blobs blob.Store, id storage.CollectionID, r query.Range, zone *recur.Zone) ([]query.Busy, error) {
	panic("being written")
}
