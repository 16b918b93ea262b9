// Package pop3d serves POP3 (RFC 1939) over the mailboxes of package mail.
//
// # Nouns
//
// A Server holds a session on each connection. A session is in a state:
// authorization, then transaction. A drop is the mailbox as it was at login, with the
// lock on it: message numbers are positions in it. An extension is a
// value that brings capabilities and commands; the list of extensions is the
// table of contents.
//
// # Rules
//
// A drop has one session at a time; the lock ends with the connection, IMAP and deliveries
// go on beside it. Nothing is removed before QUIT, and nothing at all when
// the connection ends without one. What QUIT does with deleted messages, and what
// becomes of fetched ones, is the account's mail.PopPolicy: DELE removes, or only hides from POP3, and
// Server.Sweep removes later what was fetched long enough ago. Bodies are streamed: lines end in CRLF and
// dots are stuffed whatever was stored; while a small message is on its way the next is made
// ready, for a second. A client that did not say UTF8 gets surrogates of messages with UTF-8 in headers. STAT, LIST and UIDL look at rows alone. A
// UIDL is made of the UID and the mailbox's UIDVALIDITY, which never come back, or
// is what another server gave the message before it moved here. A message that is moved to
// another mailbox and back has another UID, and so another UIDL: clients fetch it again rather than take it
// for one that they know. Each answer is in the
// tables of all languages (lang.go).
//
// Start reading at session.serve and extensions.
package pop3d
