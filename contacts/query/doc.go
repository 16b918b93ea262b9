// Package query tells whether a card matches the filter of an
// addressbook-query (RFC 6352 §10.5).
//
// # Nouns
//
// A Filter has PropFilters, these have TextMatches and ParamFilters; a
// collation (RFC 4790) says what equal is.
//
// # Rules
//
// The package is pure, sees one card at a time and knows no storage.
//
// Start reading at Filter.Match.
package query
