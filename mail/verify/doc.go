// Package verify finds out who sent a message: iprev, SPF (RFC 7208), DKIM
// (RFC 6376, 8301, 8463), ARC (RFC 8617) and DMARC (RFC 7489).
//
// # Nouns
//
// A Verifier has the settings and the DNS. An Input is a message with the
// address and names of the client that brought it. A Report has the outcome of
// each method, in the words of RFC 8601; Report.Results is what Authentication-Results
// says, Report.DMARC what the domain in From wants to be done.
//
// # Rules
//
// The body is read once, whatever the number of signatures, and never held; the
// header is held and bounded. Everything that a message asks for is counted:
// signatures, fields they sign, DNS questions; one time limit holds for all DNS of a
// message. What cannot be parsed is an outcome (permerror), never an error:
// Check fails only when reading the message does. DNS that does not
// answer is temperror, never a verdict.
//
// Signatures are verified by our own code: the library for it holds
// what a body's trailing empty lines are in memory and looks fields up in
// quadratic time, and has nothing of ARC. It signs in the tests.
//
// Start reading at Verifier.Check.
package verify
