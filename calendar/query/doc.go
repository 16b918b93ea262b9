// Package query answers the questions of CalDAV about one calendar object: does
// it match a filter (RFC 4791 §9.7), what parts of it does a client want
// (§9.6), when is it busy (§7.10).
//
// # Nouns
//
// A Filter is the tree of a calendar-query; a Selection is the content of
// CALDAV:calendar-data; a Series is an object's components of one UID as
// package recur wants them. Busy is a piece of busy time.
//
// # Rules
//
// The package is pure, sees one object at a time and knows no storage. What cannot be computed (a rule
// over its budget) counts as matching: a client must never lose an event.
// Floating times and dates are read in the zone that the caller gives; nil is UTC.
//
// Start reading at Filter.Match, Selection.Render and FreeBusy.
package query
