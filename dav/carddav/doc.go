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
// A photo may be as large as a card may: max-image-size says what max-resource-size says.
//
// A group is a card of its own: in vCard 4.0 KIND:group with MEMBER, in 3.0 Apple's X-ADDRESSBOOKSERVER-KIND
// and -MEMBER; each client is shown the one of its version, and finds it by a filter for either. Groups by CATEGORIES are
// names in the members' cards. They stay as they are and never become cards of groups, nor these
// categories: the two would answer for each other, and what one client deletes the other would bring back.
//
// Start reading at Module.
package carddav
