// Package wire reads and writes the syntax of IMAP (RFC 3501 §9, RFC 9051 §9).
//
// # Nouns
//
// A Reader reads one command: a line, and where the line ends in a literal, the
// literal and the line that follows it. A Set is a set of message numbers or UIDs. The Append
// functions write: each appends one element of the grammar to a buffer, as
// the standard library's strconv does.
//
// # Rules
//
// A Reader is sticky: after the first failure every method does nothing and
// returns a zero value; End tells. What it reads is bounded by its Limits. A literal that is
// to be refused is refused before the client is told to send it; one that
// comes unasked (RFC 7888) is read and thrown away by Drain, so that the dialog stays in step.
// Strings that are returned are copies and stay valid.
//
// Start reading at Reader.
package wire
