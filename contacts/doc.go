// Package contacts keeps address books, collections of cards (RFC 6352), over package
// storage.
//
// # Nouns
//
// An address book is a collection of Schema. An Entry is what a listing shows of a card, an
// Object is parsed and validated vCard on its way in, a Condition is what a client
// expects to find before it writes, a Match is an answer to Query.
//
// # Rules
//
// The octets that came are the octets that go out, and ETag is a hash of them.
// Prepare does all the work that needs no transaction; Put writes row, object and index
// entries in one. A name and a UID are unique in an address book (RFC 6352 §5.1). Listing
// reads rows only, never a card. Query reads the digests that the index has of all cards in one
// scan, and a card itself only when its digest cannot tell or is not there.
//
// Start reading at Prepare, Put and Query.
package contacts
