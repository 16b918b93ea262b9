package query

import (
	"atrium/calendar/ics"
	"atrium/calendar/recur"
)

// Selection is the content of CALDAV:calendar-data in a request: which parts
// of an object are wanted, RFC 4791 §9.6. The zero Selection is all.
type Selection struct {
	Comp            *CompSelect // nil: all
	Expand          *Range      // §9.6.5
	LimitRecurrence *Range      // §9.6.6
	LimitFreeBusy   *Range      // §9.6.7
}

// CompSelect is CALDAV:comp, RFC 4791 §9.6.1.
type CompSelect struct {
	Name     string
	AllProps bool
	Props    []PropSelect
	AllComps bool
	Comps    []CompSelect
}

// PropSelect is CALDAV:prop, RFC 4791 §9.6.4.
type PropSelect struct {
	Name    string
	NoValue bool
}

// All tells whether the selection is the object as it was stored.
func (s *Selection) All() bool {
	return s == nil || s.Comp == nil && s.Expand == nil && s.LimitRecurrence == nil && s.LimitFreeBusy == nil
}

// Render returns the wanted parts; octets of properties are as they were
// sent, but for what expansion has to change. The error is *ics.Error with
// MaxInstances when the expansion is too large to be answered.
func (s *Selection) Render(c *ics.Calendar, zone *recur.Zone) ([]byte, error) { panic("being written") }
