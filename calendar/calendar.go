package calendar

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"

	"atrium/calendar/ics"
	"atrium/calendar/query"
	"atrium/calendar/recur"
	"atrium/storage"
)

// Schema is the sort of collection that calendars are. Its Tally counts the bytes of objects.
var Schema = storage.Schema{Code: 2, Name: "calendar", Tally: tally, Dropping: detach}

// Components are all that a calendar may take, also the default of Create.
// The order is stored and only grows.
var Components = []string{"VEVENT", "VTODO", "VJOURNAL", "VFREEBUSY", "VAVAILABILITY"}

// Settings is what a calendar is set to.
type Settings struct {
	Components  []string // CALDAV:supported-calendar-component-set
	Timezone    string   // CALDAV:calendar-timezone as the client sent it (iCalendar), or ""
	TimezoneID  string   // CALDAV:calendar-timezone-id, RFC 7809, or ""
	Transparent bool     // CALDAV:schedule-calendar-transp, RFC 6638 §9.1

	Made    Made          // who writes its objects
	Source  string        // of Subscribed: the URL that the server reads
	Refresh time.Duration // of Subscribed: how often, in seconds; 0: the server's own choice
	Strip   Strip         // of Subscribed: what of the source is left out
	Secret  string        // octets that a published calendar's link must know, "" when it is not published
}

// Made tells who writes a calendar's objects.
type Made byte

const (
	ByUsers    Made = iota
	Subscribed      // the server, from the iCalendar at Source
	Birthdays       // the server, from the contacts
)

// Strip is what a subscribed calendar leaves out of its source.
type Strip byte

const (
	StripAlarms Strip = 1 << iota
	StripAttachments
	StripTodos
)

// ReadOnly tells whether no user may write objects.
func (s *Settings) ReadOnly() bool { return s.Made != ByUsers }

const settingsVersion = 1

// maxTimezone bounds a calendar's time zone, in bytes.
const maxTimezone = 64 << 10

// Bounds of what a subscription says.
const (
	maxSource  = 4 << 10
	maxRefresh = 366 * 24 * time.Hour
)

func (s *Settings) encode() []byte {
	var mask byte
	for i, c := range Components {
		if slices.Contains(s.Components, c) {
			mask |= 1 << i
		}
	}
	b := []byte{settingsVersion, mask, 0}
	if s.Transparent {
		b[2] = 1
	}
	b[2] |= byte(s.Made)<<1 | byte(s.Strip)<<4
	b = appendString(b, s.Timezone)
	b = appendString(b, s.TimezoneID)
	if s.Source == "" && s.Refresh == 0 && s.Secret == "" {
		return b
	}
	b = appendString(b, s.Source)
	b = binary.AppendUvarint(b, uint64(s.Refresh/time.Second))
	return appendString(b, s.Secret)
}

// SettingsOf returns a calendar's settings.
func SettingsOf(c *storage.Collection) (Settings, error) {
	s := Settings{Components: Components}
	if len(c.Data) == 0 {
		return s, nil
	}
	if len(c.Data) < 3 || c.Data[0] != settingsVersion {
		return s, fmt.Errorf("settings of calendar %q: %w", c.Name, storage.Corrupt)
	}
	s.Components = nil
	for i, name := range Components {
		if c.Data[1]&(1<<i) != 0 {
			s.Components = append(s.Components, name)
		}
	}
	s.Transparent = c.Data[2]&1 != 0
	s.Made, s.Strip = Made(c.Data[2]>>1&7), Strip(c.Data[2]>>4&7)
	d := decoder{b: c.Data[3:]}
	s.Timezone, s.TimezoneID = d.string(), d.string()
	if len(d.b) > 0 {
		s.Source = d.string()
		s.Refresh = time.Duration(min(d.uint(), uint64(maxRefresh/time.Second))) * time.Second
		s.Secret = d.string()
	}
	if d.bad {
		return s, fmt.Errorf("settings of calendar %q: %w", c.Name, storage.Corrupt)
	}
	return s, nil
}

// Zone returns the zone in which floating times and dates of the calendar are read; nil is UTC.
func (s *Settings) Zone() *recur.Zone {
	if s.TimezoneID != "" { // known, and so not computed again
		if z, ok := recur.LoadZone(s.TimezoneID); ok {
			return z
		}
	}
	if s.Timezone != "" {
		if z, err := query.ZoneOf([]byte(s.Timezone)); err == nil {
			return z
		}
	}
	return nil
}

// Configure changes a calendar's settings; change may refuse by an error.
func Configure(tx *storage.Tx, id storage.CollectionID, change func(*Settings) error) error {
	c, err := tx.Collection(id)
	if err != nil {
		return err
	}
	s, err := SettingsOf(c)
	if err != nil {
		return err
	}
	if err := change(&s); err != nil {
		return err
	}
	if err := s.check(); err != nil {
		return err
	}
	b := s.encode()
	if slices.Equal(b, c.Data) {
		return nil
	}
	return tx.SetData(id, b)
}

// Copied is the data of a copy of a calendar: it is its user's own, whoever made the one, and
// has no public link until it is given one.
func Copied(c *storage.Collection) ([]byte, error) {
	s, err := SettingsOf(c)
	if err != nil {
		return nil, err
	}
	s.Made, s.Strip, s.Source, s.Refresh, s.Secret = ByUsers, 0, "", 0, ""
	return s.encode(), nil
}

func (s *Settings) check() error {
	if len(s.Timezone) > maxTimezone || len(s.TimezoneID) > 1024 {
		return &ics.Error{Condition: ics.ValidData, Text: "the time zone is too large"}
	}
	if len(s.Source) > maxSource || s.Refresh < 0 || s.Refresh > maxRefresh || len(s.Secret) > 64 {
		return fmt.Errorf("source of a calendar: %w", storage.Invalid)
	}
	if len(s.Components) == 0 {
		return &ics.Error{Condition: ics.SupportedComponent, Text: "a calendar takes some component"}
	}
	for _, c := range s.Components {
		if !slices.Contains(Components, c) {
			return &ics.Error{Condition: ics.SupportedComponent, Text: fmt.Sprintf("no calendar takes %.40q", c)}
		}
	}
	return nil
}

// Create makes a calendar; storage.Exists when the name is taken. Without
// components it takes all of Components; an unknown one is SupportedComponent.
// props are properties of the collection that all users see, as package dav packs them.
func Create(tx *storage.Tx, name string, components []string, props map[string][]byte) (*storage.Collection, error) {
	s := Settings{Components: Components}
	if len(components) > 0 {
		s.Components = nil
		for _, c := range components {
			s.Components = append(s.Components, strings.ToUpper(c))
		}
	}
	if err := s.check(); err != nil {
		return nil, err
	}
	c, err := tx.Create(Schema.Code, name, s.encode())
	if err != nil {
		return nil, err
	}
	for p, v := range props {
		if err := tx.SetProp(storage.PropKey{Collection: c.ID, Name: p}, v); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// madeDefaults is the record that says that an account had its default calendars.
const madeDefaults = "calendar/defaults"

// EnsureDefaults makes the calendars that a new account has, "calendar", "tasks" and
// "notes", each for one kind of component as Apple's clients want it. It does
// nothing when the account has any calendar or had them once. look packs a display name and a
// colour as the properties that package dav reads.
func EnsureDefaults(tx *storage.Tx, look func(displayname, color string) map[string][]byte) error {
	if _, err := tx.Record(madeDefaults); err == nil {
		return nil
	}
	have, err := tx.Collections(Schema.Code)
	if err != nil || len(have) > 0 {
		return err
	}
	for _, d := range []struct{ name, component, label, color string }{
		{"calendar", "VEVENT", "Calendar", "#2F6FDEFF"},
		{"tasks", "VTODO", "Tasks", "#3A9A5CFF"},
		{"notes", "VJOURNAL", "Notes", "#B8860BFF"},
	} {
		if _, err := Create(tx, d.name, []string{d.component}, look(d.label, d.color)); err != nil {
			return err
		}
	}
	return tx.SetRecord(madeDefaults, []byte{1})
}

// detach gives back the managed attachments of a calendar that goes: those that nothing else refers to go too.
func detach(tx *storage.Tx, id storage.CollectionID) error {
	t, err := tx.Table(id)
	if err != nil {
		return err
	}
	var attached []string
	for _, row := range t.Rows(0, t.Len()) {
		if e, err := decodeRow(row); err == nil {
			attached = append(attached, e.attached...)
		}
	}
	return refer(tx, attached, true)
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// decoder reads what append… wrote. After a failure it is bad and returns zeros.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) uint() uint64 {
	n, k := binary.Uvarint(d.b)
	if k <= 0 {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[k:]
	return n
}

func (d *decoder) int() int64 {
	n, k := binary.Varint(d.b)
	if k <= 0 {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[k:]
	return n
}

func (d *decoder) byte() byte { return first(d.bytes(1)) }

func first(b []byte) byte {
	if len(b) == 0 {
		return 0
	}
	return b[0]
}

func (d *decoder) bytes(n uint64) []byte {
	if n > uint64(len(d.b)) {
		d.bad, d.b = true, nil
		return nil
	}
	b := d.b[:n]
	d.b = d.b[n:]
	return b
}

func (d *decoder) string() string { return string(d.bytes(d.uint())) }
