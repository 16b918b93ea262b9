package wire

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/emersion/go-imap/v2"
	"golang.org/x/text/unicode/norm"
)

// MaxName is the longest mailbox name that is taken, in bytes of UTF-8.
const MaxName = 1000

// Mailbox reads a mailbox name and returns it in UTF-8 and NFC (RFC 9051 §5.1); INBOX, in whatever case, and
// its children's first part are "INBOX".
func (r *Reader) Mailbox() string { return CanonicalName(r.name(r.AString())) }

// Reference reads the reference of LIST: what names begin with. It is no name itself, so that "inbox" stays what
// it is: "inboxes" begins with it too.
func (r *Reader) Reference() string { return r.name(r.AString()) }

// ListMailbox reads the pattern of LIST: the rest of a mailbox name, with % and *.
func (r *Reader) ListMailbox() string {
	if c := r.Peek(); c == '"' || c == '{' {
		return r.name(r.String())
	}
	return r.name(string(r.word("a mailbox pattern", func(c byte) bool {
		return isAString(c) || c == '%' || c == '*'
	})))
}

func (r *Reader) name(s string) string {
	if r.err != nil {
		return ""
	}
	if !r.UTF8 {
		// A name that is no modified UTF-7 is one that a client wrote as it is.
		if u, ok := DecodeUTF7(s); ok {
			s = u
		}
	}
	r.given = s
	if !utf8.ValidString(s) {
		r.Fail("A mailbox name is neither modified UTF-7 nor UTF-8")
		return ""
	}
	if len(s) > MaxName {
		r.Limit("A mailbox name is too long")
		return ""
	}
	return norm.NFC.String(s)
}

// Given is the last mailbox name that was read, as the client wrote it, in UTF-8.
func (r *Reader) Given() string { return r.given }

// CanonicalName writes INBOX, alone or as the first part of a name, in capitals.
func CanonicalName(s string) string {
	if len(s) >= 5 && strings.EqualFold(s[:5], "INBOX") && (len(s) == 5 || s[5] == '/') {
		return "INBOX" + s[5:]
	}
	return s
}

// Flag reads a flag: a keyword, or a system flag in its usual case.
func (r *Reader) Flag() imap.Flag {
	if !r.Try('\\') {
		s := r.Atom()
		if len(s) > 256 {
			r.Limit("A keyword is too long")
		}
		return imap.Flag(s)
	}
	if r.Try('*') {
		return imap.FlagWildcard
	}
	s := r.Atom()
	for _, f := range []imap.Flag{imap.FlagSeen, imap.FlagAnswered, imap.FlagFlagged, imap.FlagDeleted, imap.FlagDraft, `\Recent`} {
		if strings.EqualFold(s, string(f[1:])) {
			return f
		}
	}
	if r.err == nil {
		r.Fail("%q is not a system flag", `\`+s)
	}
	return ""
}

// Flags reads a list of flags, in parentheses or (STORE allows it) without.
func (r *Reader) Flags() []imap.Flag {
	var flags []imap.Flag
	one := func() {
		if len(flags) > 1000 {
			r.Limit("Too many flags")
		}
		flags = append(flags, r.Flag())
	}
	if r.Peek() == '(' {
		r.List(one)
		return flags
	}
	one()
	for r.err == nil && r.Try(' ') && !r.AtEnd() {
		one()
	}
	return flags
}

// Date reads a date of SEARCH, with or without quotes: 1-Feb-1994, at midnight UTC.
func (r *Reader) Date() time.Time {
	var s string
	if r.Peek() == '"' {
		s = r.String()
	} else {
		s = r.Atom()
	}
	if r.err != nil {
		return time.Time{}
	}
	t, err := time.Parse("2-Jan-2006", s)
	if err != nil {
		r.Fail("%q is not a date", s)
	}
	return t
}

// DateTime reads the date and time of APPEND: "17-Jul-1996 02:44:25 -0700".
func (r *Reader) DateTime() time.Time {
	if r.Peek() != '"' {
		r.missing("a date and time")
		return time.Time{}
	}
	s := strings.TrimSpace(r.String())
	if r.err != nil {
		return time.Time{}
	}
	t, err := time.Parse("2-Jan-2006 15:04:05 -0700", s)
	if err != nil || t.Year() < 1 {
		r.Fail("%q is not a date and time", s)
	}
	return t
}

// Set reads a set of UIDs or message numbers; "*" is 0.
func (r *Reader) Set() Set {
	var set Set
	for {
		if len(set) >= r.Limits.Set {
			r.Limit("A set has more than %d ranges", r.Limits.Set)
		}
		from := r.setNumber()
		to := from
		if r.Try(':') {
			to = r.setNumber()
		}
		if r.err != nil {
			return nil
		}
		if from == 0 || (to != 0 && to < from) {
			from, to = to, from
		}
		if from == 0 {
			to = 0
		}
		set = append(set, Range{from, to})
		if !r.Try(',') {
			return set
		}
	}
}

func (r *Reader) setNumber() uint32 {
	if r.Try('*') {
		return 0
	}
	return r.NZNumber()
}

// KnownSet reads a set without "*" (RFC 7162: known-uids, known-sequence-set).
func (r *Reader) KnownSet() Set {
	set := r.Set()
	for _, x := range set {
		if x.To == 0 {
			r.Fail("* is not allowed here")
			return nil
		}
	}
	return set
}
