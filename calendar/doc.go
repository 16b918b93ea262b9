// Package calendar keeps calendars: collections of events, tasks and notes, and the calendar
// objects in them (RFC 4791), over package storage.
//
// # Nouns
//
// A calendar is a collection of Schema; its Settings say which components it takes and its time
// zone. An Entry is what a listing shows of an object, an Object is parsed and validated
// iCalendar on its way in, a Condition is what a client expects to find before
// it writes, a Match is an answer to Query.
//
// # Rules
//
// The octets that came are the octets that go out, and ETag is a hash of them.
// Prepare does all the work that needs no transaction; Put writes row, object, and index
// entries in one. A name and a UID are unique in a collection (RFC 4791
// §5.3.2.1). The index of a collection has a key for each name, each UID and the
// time that each object covers; index.go tells how. It may say too much, never
// too little: no query misses an event that has an instance in its range.
//
// Start reading at Prepare, Put and Query.
package calendar
