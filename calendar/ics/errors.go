package ics

import (
	"fmt"

	"atrium/storage"
)

// Condition is a precondition that a request broke. Its text is the local name
// of an element in the namespace urn:ietf:params:xml:ns:caldav.
type Condition string

func (c Condition) Error() string { return string(c) }

// Unwrap returns the class of failure.
func (c Condition) Unwrap() error {
	switch c {
	case MaxResourceSize, MaxInstances, MaxAttendees:
		return storage.TooLarge
	case NoUIDConflict:
		return storage.Exists
	}
	return storage.Invalid
}

// The preconditions of RFC 4791 §5.3.2.1 and §7.8, and RFC 7529 §8.
const (
	SupportedData      Condition = "supported-calendar-data"        // not iCalendar at all, by its media type
	ValidData          Condition = "valid-calendar-data"            // does not parse
	ValidObject        Condition = "valid-calendar-object-resource" // parses, but is none of RFC 4791 §4.1
	SupportedComponent Condition = "supported-calendar-component"   // this collection does not take that component
	NoUIDConflict      Condition = "no-uid-conflict"                // another object has that UID, see *Error's Other
	MaxResourceSize    Condition = "max-resource-size"
	MinDateTime        Condition = "min-date-time"
	MaxDateTime        Condition = "max-date-time"
	MaxInstances       Condition = "max-instances"
	MaxAttendees       Condition = "max-attendees-per-instance"
	SupportedRScale    Condition = "supported-rscale"
	ValidTimezone      Condition = "valid-timezone" // a TZID that the object does not define and nobody knows (RFC 7809 §3.1.4)

	ValidFilter        Condition = "valid-filter"
	SupportedFilter    Condition = "supported-filter"
	SupportedCollation Condition = "supported-collation"
)

// Error is a broken precondition with what broke it.
type Error struct {
	Condition Condition
	Line      int    // line of the input, from 1; 0 when the whole is meant
	Text      string // for the log and a curious client
	Other     string // NoUIDConflict: the name of the object that has the UID
}

func (e *Error) Error() string {
	if e.Line > 0 {
		return fmt.Sprintf("%s: line %d: %s", e.Condition, e.Line, e.Text)
	}
	return fmt.Sprintf("%s: %s", e.Condition, e.Text)
}

// Unwrap returns the Condition.
func (e *Error) Unwrap() error { return e.Condition }
