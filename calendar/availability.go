package calendar

import (
	"errors"
	"fmt"

	"atrium/calendar/ics"
	"atrium/calendar/query"
	"atrium/calendar/recur"
	"atrium/storage"
)

// availability is the record with an account's CALDAV:calendar-availability.
const availability = "calendar/availability"

// maxAvailability bounds it, in bytes.
const maxAvailability = 128 << 10

// Availability returns the iCalendar that says when an account's owner can be had at all (RFC 7953
// §7.2.4), "" when they did not say.
func Availability(v *storage.View) (string, error) {
	b, err := v.Record(availability)
	if errors.Is(err, storage.NotFound) {
		return "", nil
	}
	return string(b), err
}

// SetAvailability sets it; "" removes it. Errors are *ics.Error with ValidData or MaxResourceSize.
func SetAvailability(tx *storage.Tx, text string) error {
	if text == "" {
		return tx.SetRecord(availability, nil)
	}
	limits := ics.DefaultLimits()
	limits.Size = maxAvailability
	c, err := ics.Parse([]byte(text), limits)
	if err != nil {
		return err
	}
	n := 0
	for _, k := range c.Components {
		switch k.Name {
		case "VAVAILABILITY":
			n++
		case "VTIMEZONE":
		default:
			return &ics.Error{Condition: ics.ValidData, Line: k.Line, Text: k.Name + " beside VAVAILABILITY"}
		}
	}
	if n == 0 {
		return &ics.Error{Condition: ics.ValidData, Text: "no VAVAILABILITY"}
	}
	return tx.SetRecord(availability, []byte(text))
}

// Unavailable returns when an account's Availability makes its owner busy in r.
func Unavailable(v *storage.View, r query.Range, zone *recur.Zone) ([]query.Busy, error) {
	text, err := Availability(v)
	if err != nil || text == "" {
		return nil, err
	}
	c, err := parse([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("calendar-availability: %w", err)
	}
	return query.Availability(c, r, zone), nil
}
