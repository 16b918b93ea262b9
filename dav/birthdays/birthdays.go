package birthdays

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"atrium/calendar"
	"atrium/calendar/ics"
	"atrium/contacts"
	"atrium/contacts/card"
	"atrium/dav"
	"atrium/storage"
)

// Name is the calendar's name in the home.
const Name = "birthdays"

// record holds which state of the address books the calendar shows.
const record = "calendar/birthdays"

// most bounds the calendar, in events.
const most = 20_000

// Refresh brings an account's calendar up to date. It costs next to nothing when no address book
// changed.
func Refresh(ctx context.Context, store *storage.Store, a storage.AccountID) error {
	var events map[string][]byte
	var seen string
	err := store.View(ctx, a, func(v *storage.View) (err error) {
		books, stamp, err := stateOf(v)
		if err != nil {
			return err
		}
		if old, err := v.Record(record); err == nil && string(old) == stamp || err != nil && len(books) == 0 {
			return nil
		}
		seen = stamp
		if _, err := v.CollectionByName(calendar.Schema.Code, Name); err != nil && hadOne(v) {
			events = map[string][]byte{}
			return nil // its owner does not want it
		}
		events, err = collect(ctx, v, store, books)
		return err
	})
	if err != nil || seen == "" {
		return err
	}
	if err := write(ctx, store, a, events); err != nil {
		return err
	}
	return store.Update(ctx, a, func(tx *storage.Tx) error { return tx.SetRecord(record, []byte(seen)) })
}

func hadOne(v *storage.View) bool {
	_, err := v.Record(record + "/made")
	return err == nil
}

// stateOf are the address books, and a text that changes with them.
func stateOf(v *storage.View) ([]*storage.Collection, string, error) {
	books, err := v.Collections(contacts.Schema.Code)
	stamp := "1"
	for _, b := range books {
		stamp += " " + strconv.FormatUint(uint64(b.ID), 10) + ":" + strconv.FormatUint(b.Modseq, 10)
	}
	return books, stamp, err
}

// collect makes the events, by name.
func collect(ctx context.Context, v *storage.View, store *storage.Store, books []*storage.Collection) (map[string][]byte, error) {
	events := map[string][]byte{}
	for _, b := range books {
		t, err := v.Table(b.ID)
		if err != nil {
			return nil, err
		}
		for e := range contacts.Entries(t) {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			if e.Size > int64(card.DefaultLimits().Size) {
				continue
			}
			raw, err := contacts.Peek(ctx, v, store.Blobs(), e.Object)
			if err != nil {
				return nil, err
			}
			upper := bytes.ToUpper(raw[:min(len(raw), 64<<10)])
			if !bytes.Contains(upper, []byte("BDAY")) && !bytes.Contains(upper, []byte("ANNIVERSARY")) {
				continue
			}
			for name, event := range eventsOf(raw, e.Modified) {
				if len(events) < most {
					events[name] = event
				}
			}
		}
	}
	return events, nil
}

// kinds are the dates of a card, and what the event is called.
var kinds = []struct{ prop, suffix, category string }{
	{"BDAY", "'s birthday", "Birthday"},
	{"ANNIVERSARY", "'s anniversary", "Anniversary"},
}

// eventsOf makes the events of one card.
func eventsOf(raw []byte, modified time.Time) map[string][]byte {
	c, err := card.Parse(raw, card.DefaultLimits())
	if err != nil {
		return nil
	}
	if c.Version != "4.0" { // dates in one form, and Apple's among them
		if c, err = card.Parse(c.Convert("4.0"), card.Limits{}); err != nil {
			return nil
		}
	}
	who := strings.TrimSpace(c.FN())
	if who == "" {
		return nil
	}
	out := map[string][]byte{}
	for _, k := range kinds {
		p := c.Prop(k.prop)
		if p == nil {
			continue
		}
		year, month, day, ok := date(p.Value)
		if !ok {
			continue
		}
		h := sha256.Sum256([]byte(k.prop + "\x00" + c.UID() + "\x00" + who))
		id := base64.RawURLEncoding.EncodeToString(h[:15])
		out[id+".ics"] = event(id, who+k.suffix, k.category, year, month, day, modified)
	}
	return out
}

// date reads a date of vCard 4 (RFC 6350 §4.3.1): "19960415", "--0415", "1996-04-15", with a
// time or without. The year is 0 when it is not told.
func date(s string) (year, month, day int, ok bool) {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "T")
	s = strings.TrimSuffix(s, "Z")
	if rest, none := strings.CutPrefix(s, "--"); none {
		s = "0000" + strings.ReplaceAll(rest, "-", "")
	} else {
		s = strings.ReplaceAll(s, "-", "")
	}
	if len(s) != 8 {
		return 0, 0, 0, false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, 0, 0, false
		}
	}
	year, _ = strconv.Atoi(s[:4])
	month, _ = strconv.Atoi(s[4:6])
	day, _ = strconv.Atoi(s[6:])
	if year == 1604 { // Apple's year for none
		year = 0
	}
	base := year
	if base == 0 {
		base = 1972
	}
	t := time.Date(base, time.Month(month), day, 0, 0, 0, 0, time.UTC)
	return year, month, day, t.Day() == day && int(t.Month()) == month
}

func event(id, summary, category string, year, month, day int, modified time.Time) []byte {
	var out []byte
	line := func(s string) { out = ics.AppendLine(out, s) }
	rule := "RRULE:FREQ=YEARLY"
	if month == 2 && day == 29 {
		rule += ";BYMONTH=2;BYMONTHDAY=-1"
	}
	if year == 0 {
		year = 1972
	} else {
		summary += fmt.Sprintf(" (%d)", year)
	}
	stamp := modified.UTC().Format("20060102T150405Z")
	line("BEGIN:VCALENDAR")
	line("VERSION:2.0")
	line("PRODID:-//Atrium//EN")
	line("BEGIN:VEVENT")
	line("UID:" + id)
	line("DTSTAMP:" + stamp)
	line(fmt.Sprintf("DTSTART;VALUE=DATE:%04d%02d%02d", year, month, day))
	line("DURATION:P1D")
	line(rule)
	line("SUMMARY:" + ics.Escape(summary))
	line("CATEGORIES:" + category)
	line("TRANSP:TRANSPARENT")
	line("END:VEVENT")
	line("END:VCALENDAR")
	return out
}

// atOnce is how many events one transaction writes.
const atOnce = 100

// write makes the calendar hold these events and no others.
func write(ctx context.Context, store *storage.Store, a storage.AccountID, events map[string][]byte) error {
	var id storage.CollectionID
	err := store.Update(ctx, a, func(tx *storage.Tx) (err error) {
		id, err = ensure(tx, len(events) > 0)
		return err
	})
	if err != nil || id == 0 {
		return err
	}
	var gone []string
	err = store.View(ctx, a, func(v *storage.View) error {
		t, err := v.Table(id)
		if err != nil {
			return err
		}
		for e := range calendar.Entries(t) {
			if events[e.Name] == nil {
				gone = append(gone, e.Name)
			} else if raw, err := calendar.Peek(ctx, v, store.Blobs(), e.Object); err == nil && bytes.Equal(raw, events[e.Name]) {
				delete(events, e.Name)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for names := range slices.Chunk(append(gone, slices.Sorted(maps.Keys(events))...), atOnce) {
		err := store.Update(ctx, a, func(tx *storage.Tx) error {
			for _, name := range names {
				if err := put(ctx, tx, store, id, name, events[name]); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// ensure returns the calendar, which it makes when there is something to show; 0 when there is
// none to be written.
func ensure(tx *storage.Tx, some bool) (storage.CollectionID, error) {
	c, err := tx.CollectionByName(calendar.Schema.Code, Name)
	if err == nil {
		s, err := calendar.SettingsOf(c)
		if err != nil || s.Made != calendar.Birthdays {
			return 0, err // a calendar of the user's that has that name
		}
		return c.ID, nil
	}
	if !errors.Is(err, storage.NotFound) || !some {
		return 0, ignore(err, storage.NotFound)
	}
	prop, label := dav.Label("Birthdays")
	if c, err = calendar.Create(tx, Name, []string{"VEVENT"}, map[string][]byte{prop: label}); err != nil {
		return 0, err
	}
	err = calendar.Configure(tx, c.ID, func(s *calendar.Settings) error {
		s.Made, s.Transparent = calendar.Birthdays, true
		return nil
	})
	return c.ID, errors.Join(err, tx.SetRecord(record+"/made", []byte{1}))
}

func ignore(err, kind error) error {
	if errors.Is(err, kind) {
		return nil
	}
	return err
}

// put writes an event, or removes the one of that name.
func put(ctx context.Context, tx *storage.Tx, store *storage.Store, id storage.CollectionID, name string, event []byte) error {
	if event == nil {
		_, err := calendar.Delete(tx, id, name, calendar.Condition{})
		return ignore(err, storage.NotFound)
	}
	o, err := calendar.Prepare(ctx, store.Blobs(), ics.WithoutControls(event), calendar.DefaultOptions())
	if err != nil {
		return nil // a name that no calendar takes
	}
	_, _, err = calendar.Put(tx, id, name, o, calendar.Condition{})
	return err
}
