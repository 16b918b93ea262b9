package query

import (
	"time"

	"atrium/calendar/ics"
	"atrium/calendar/recur"
)

// BusyType is FBTYPE, RFC 5545 §3.2.9.
type BusyType uint8

const (
	Free BusyType = iota
	Tentative
	Unavailable
	BusyTime
)

func (t BusyType) String() string {
	return [...]string{"FREE", "BUSY-TENTATIVE", "BUSY-UNAVAILABLE", "BUSY"}[t&3]
}

// Busy is a piece of time that is taken.
type Busy struct {
	Start, End time.Time // UTC
	Type       BusyType
}

// FreeBusy appends when the events of c are busy in r, unsorted: opaque ones, not
// cancelled, and what VFREEBUSY components say. RFC 4791 §7.10.
func FreeBusy(dst []Busy, c *ics.Calendar, r Range, zone *recur.Zone) []Busy {
	panic("being written")
}

// Merge sorts busy time and joins what touches, type by type; the stronger type wins where they overlap.
func Merge(b []Busy) []Busy { panic("being written") }

// WriteFreeBusy returns a VCALENDAR with one VFREEBUSY that covers r. lines are
// more properties of it, unfolded ("ORGANIZER:mailto:…", "UID:…"); method is
// empty or the METHOD of an iTIP answer.
func WriteFreeBusy(b []Busy, r Range, now time.Time, method string, lines ...string) []byte {
	panic("being written")
}
