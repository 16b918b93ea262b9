package query

import (
	"time"

	"atrium/calendar/ics"
	"atrium/calendar/recur"
)

// Filter is the content of CALDAV:filter: the comp-filter of VCALENDAR.
type Filter struct{ Comp CompFilter }

// CompFilter is CALDAV:comp-filter, RFC 4791 §9.7.1.
type CompFilter struct {
	Name         string
	IsNotDefined bool
	Range        *Range
	Props        []PropFilter
	Comps        []CompFilter
	Any          bool // test="anyof": one of Props and Comps is enough; an extension, off in RFC 4791
}

// PropFilter is CALDAV:prop-filter, RFC 4791 §9.7.2.
type PropFilter struct {
	Name         string
	IsNotDefined bool
	Range        *Range
	Text         *TextMatch
	Params       []ParamFilter
	Any          bool
}

// ParamFilter is CALDAV:param-filter, RFC 4791 §9.7.3.
type ParamFilter struct {
	Name         string
	IsNotDefined bool
	Text         *TextMatch
}

// TextMatch is CALDAV:text-match, RFC 4791 §9.7.5: a substring by a collation.
type TextMatch struct {
	Text      string
	Collation string // "" is i;ascii-casemap; see Collations
	Negate    bool
}

// Collations are the names that TextMatch takes (CALDAV:supported-collation-set).
var Collations = []string{"i;ascii-casemap", "i;octet", "i;unicode-casemap"}

// Range is CALDAV:time-range, in UTC; a zero Start or End is open. RFC 4791 §9.9.
type Range struct{ Start, End time.Time }

// ParseRange reads the attributes of CALDAV:time-range, expand, limit-recurrence-set and so on: dates with UTC time
// only, Start before End, at least one given when open is allowed, else both.
// Errors are *ics.Error with ValidFilter.
func ParseRange(start, end string, open bool) (*Range, error) { panic("being written") }

// Validate says whether the filter makes sense: it starts at VCALENDAR, its
// collations are known, its time ranges are where they may be. Errors are
// *ics.Error with ValidFilter, SupportedFilter or SupportedCollation.
func (f *Filter) Validate() error { panic("being written") }

// Match tells whether an object matches. Floating times are read in zone.
func (f *Filter) Match(c *ics.Calendar, zone *recur.Zone) bool { panic("being written") }

// ZoneOf reads the VTIMEZONE in an iCalendar object, as in
// CALDAV:calendar-timezone and CALDAV:timezone. Errors are *ics.Error with ValidData.
func ZoneOf(calendar []byte) (*recur.Zone, error) { panic("being written") }
