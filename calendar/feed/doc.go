// Package feed keeps subscribed calendars: those whose objects the server itself reads from a public
// iCalendar somewhere.
//
// # Nouns
//
// A subscription is a calendar whose Settings say calendar.Subscribed and name a Source. A Runner reads
// each again at its time.
//
// # Rules
//
// What comes from outside is bounded in size and number, and validated as what a client puts would be: an object that may not be
// stored is left out, the others stay. An object changes in the store only when more than its DTSTAMP changed, so
// that clients do not sync what is the same. A source that cannot be read leaves the calendar
// as it is, and is asked less and less often. The address of a source is looked at by package outbound.
//
// Start reading at Runner.Run and split.
package feed
