// Package authres writes and reads Authentication-Results (RFC 8601): what a
// server found out about where a message comes from, in words that the programs
// behind it believe.
//
// # Nouns
//
// A Result is the outcome of one method (SPF, DKIM, DMARC, ARC, iprev, auth)
// with the properties that it looked at. The server's identity (authserv-id)
// says who found it; for us that is the name of this host.
//
// # Rules
//
// A field that bears our identity was written by us: those that come from
// outside are taken off (RFC 8601 §5), those whose identity cannot be read
// too. What is written from a message's own words is quoted where the grammar
// asks for it, so that nothing in it can pass for a result.
//
// Start reading at AppendField and Strip.
package authres
