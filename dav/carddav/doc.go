// Package carddav serves address books: CardDAV (RFC 6352) as a module of package dav over package
// contacts.
//
// # Nouns
//
// A selection is what a request wants of address-data; a filter is read from
// XML into package query's words here and nowhere else.
//
// # Rules
//
// What a card is, when it matches, and what its parts are, packages contacts and query know; this package
// turns XML and HTTP into their words and their conditions into DAV's errors. A card that is wanted whole
// is copied from the store to the answer without being parsed.
//
// Start reading at Module.
package carddav
