// Package mailtest plays transcripts of line protocols (IMAP, POP3, SMTP, LMTP,
// ManageSieve) against a server: each line of a script is something a client
// says or something a server must answer.
//
// # Scripts
//
// A line is a mark, a colon and a text; white space before the mark, empty
// lines and lines that begin with # mean nothing. A number before the mark is
// the connection (1 when absent), which is opened where it is first named; an
// opened connection first plays Server.Prelude.
//
//	C: a NOOP            the client sends the line and CRLF
//	2C: b IDLE           the same on connection 2
//	S: a OK done         the server's next line is this one
//	~S: * 1 EXISTS       lines in a row marked so may come in any order
//	!S: * 1 EXPUNGE      no line that comes before the next expected one matches;
//	                     at the end of a block: nothing such comes within Quiet
//	S: ...               any number of lines, until the next expected one
//	C: a APPEND x {}     a literal follows: the player fills in its size and, unless the mark
//	L: Subject: one      is {+}, waits for the server's "+"; the L lines are the literal, each
//	L:                   with a CRLF
//	C:                   what comes after the literal
//	R: raw\x00text       the client sends these bytes, with the escapes of a Go string, no CRLF
//	TLS:                 the client starts TLS, trusting whatever certificate comes
//	EOF:                 the server closes the connection (earlier lines are skipped)
//	BYE:                 the client closes the connection
//	WAIT: 20ms           nothing happens for so long
//
// # Captures
//
// In a server's line $name (a lower-case letter, then letters and digits) stands for one or more
// characters other than space, brackets and quotes; the first one to match
// gives it its value for the rest of the script, client's lines included. ${name}
// is the same where a letter or digit follows; $_ matches the same and keeps nothing; "$..." matches anything up to
// what follows; $$ is a dollar sign; a dollar sign before anything else is itself, so that $Forwarded
// can be written as it is.
//
// # Files
//
// PlayFile plays a script from a file, and with the test flag -update rewrites
// the server's lines that did not match.
package mailtest
