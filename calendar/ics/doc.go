// Package ics reads iCalendar (RFC 5545, with RFC 6868 and RFC 7986) without
// losing an octet, and says whether an object may be stored as a calendar
// object resource (RFC 4791 §4.1).
//
// # Nouns
//
// A Calendar is one parsed VCALENDAR: a tree of Components, Props and Params
// that remembers where in the Source each of them stands. What the client sent
// is kept and served; the tree is only for looking things up. A Condition is
// the precondition that refused input breaks: it is an error, and its text is
// the name of the WebDAV element (RFC 4791 §5.3.2.1).
//
// # Rules
//
// Parse is liberal where clients are known to err and the meaning stays clear
// (a byte order mark, blanks before BEGIN, bare line feeds, empty lines, unknown
// properties, odd TZIDs), and strict where a later reader would fail: no
// UTF-8, lines without a colon, components that do not nest. Times and rules
// are read by package query, which refuses what it could not compute with.
// Nothing here is quadratic in its input, and Limits bound size, depth and
// count.
//
// Start reading at Parse, then Validate.
package ics
