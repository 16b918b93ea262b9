package mail

import (
	"time"

	"github.com/emersion/go-imap/v2"

	"atrium/mail/message"
	"atrium/storage"
)

// Criteria is a node of what SEARCH looks for (RFC 9051 §6.4.4): one of the types below.
type Criteria interface{ criteria() }

// And is true when all of its nodes are; an empty one is ALL. Or is true when one is. Not turns its node around.
type (
	And []Criteria
	Or  []Criteria
	Not struct{ Criteria }
)

// HasFlag is true of messages with that flag or keyword.
type HasFlag struct{ Flag imap.Flag }

// InUIDs is true of messages whose UID is in the set; sequence numbers are turned into UIDs by whoever
// counts them.
type InUIDs struct{ UIDs imap.UIDSet }

// Larger and Smaller compare RFC822.SIZE in bytes.
type (
	Larger  struct{ Size int64 }
	Smaller struct{ Size int64 }
)

// DateField says which date Dates looks at.
type DateField byte

const (
	InternalDate DateField = iota // BEFORE, ON, SINCE
	SentDate                      // SENTBEFORE, SENTON, SENTSINCE
	SaveDate                      // SAVEDBEFORE, SAVEDON, SAVEDSINCE (RFC 8514)
)

// Dates is true of messages whose date, without time and zone, is From or later and before To. A zero Day has no bound. A
// message without a Date field has its internal date for it (RFC 5256 §2.2).
type Dates struct {
	Field    DateField
	From, To Day
}

// Day counts days from 1 January of the year 1, which is 1.
type Day int32

// MakeDay returns the Day of a date.
func MakeDay(year int, month time.Month, day int) Day {
	return dayOf(time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Unix())
}

// dayOf is the Day of a moment whose zone was added to it.
func dayOf(unix int64) Day {
	const epoch = 719163 // the Day of 1 January 1970
	d := unix / 86400
	if unix%86400 < 0 {
		d--
	}
	return Day(d + epoch)
}

// Younger and Older compare the internal date with a moment (RFC 5032): at or after it, before or at it.
type (
	Younger struct{ Than time.Time }
	Older   struct{ Than time.Time }
)

// ModSeq is true of messages whose modseq is Min or higher (RFC 7162 §3.1.5).
type ModSeq struct{ Min uint64 }

// SameEmail is true of messages of an owner's that show that object (EMAILID, RFC 8474 §6), SameThread of those in
// that thread (THREADID).
type (
	SameEmail struct {
		Owner  storage.AccountID
		Object storage.ObjectID
	}
	SameThread struct {
		Owner  storage.AccountID
		Thread storage.ObjectID
	}
)

// Header is true of messages with a field of that name whose decoded text contains Text; with an empty
// Text, of those with such a field. SUBJECT, FROM, TO, CC and BCC are this too.
type Header struct{ Name, Text string }

// Text is true of messages whose decoded text contains it: TEXT is message.Anywhere, BODY message.InBody.
type Text struct {
	In   message.Scope
	Text string
}

func (And) criteria()        {}
func (Or) criteria()         {}
func (Not) criteria()        {}
func (HasFlag) criteria()    {}
func (InUIDs) criteria()     {}
func (Larger) criteria()     {}
func (Smaller) criteria()    {}
func (Dates) criteria()      {}
func (Younger) criteria()    {}
func (Older) criteria()      {}
func (ModSeq) criteria()     {}
func (SameEmail) criteria()  {}
func (SameThread) criteria() {}
func (Header) criteria()     {}
func (Text) criteria()       {}
