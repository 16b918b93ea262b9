// Package caldav serves calendars: CalDAV (RFC 4791) as modules of package dav over package calendar.
//
// # Nouns
//
// A selection is what a request wants of calendar-data; a filter is read from
// XML into package query's words here and nowhere else.
//
// # Rules
//
// What an object is, when it matches, and what its parts are, packages calendar and
// query know; this package turns XML and HTTP into their words and their conditions into
// DAV's errors. An object that is wanted whole is copied from the store to the answer without being
// parsed.
//
// Start reading at Modules.
package caldav
