// Package smtpd takes mail in: one state machine in three dialects, SMTP
// (RFC 5321) for other servers, submission (RFC 6409) for people's programs,
// LMTP (RFC 2033) for a mail transfer agent in front.
//
// # Nouns
//
// A Server speaks one Dialect. A session is one connection; a transaction goes from
// MAIL to the end of the content. An extension is a value: the EHLO keyword, the
// commands and the parameters of MAIL and RCPT that one RFC adds. The list
// in extension.go is the table of contents; what EHLO says is computed from it.
//
// # Rules
//
// The positive answer after the content leaves when the message is durable in
// the mailboxes, not before. No one relays through here: every recipient is an
// account of this server. Commands and content end with CR LF and with nothing
// else; content with a CR or LF alone is refused, since two servers that read it
// differently see different messages. Memory for a message is bounded,
// whatever its size. Commands are cut at CR LF before they are looked at, so
// what a client sends together is answered together.
//
// Start reading at session.serve (session.go), the extensions (extension.go),
// MAIL and RCPT (mail.go) and DATA (data.go, content.go).
package smtpd
