// Package query tells whether a card matches the filter of an
// addressbook-query (RFC 6352 §10.5).
//
// # Nouns
//
// A Filter has PropFilters, these have TextMatches and ParamFilters; a
// collation (RFC 4790) says what equal is. A digest is what of a card is kept at
// hand for filters, and a Matcher a Filter made ready for many of them.
//
// # Rules
//
// The package is pure, sees one card at a time and knows no storage.
//
// A Matcher says of a digest what the Filter says of the card, or that it does not know.
//
// Start reading at Filter.Match.
package query
