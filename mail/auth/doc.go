// Package auth has the server side of the SASL mechanisms (RFC 4422) over
// account.Directory, for IMAP, POP3, SMTP and ManageSieve.
//
// Nouns: a mechanism is a value in the table; an Exchange is one under way; a
// Peer is what is known of the connection.
//
// Rules: a mechanism that shows the password is offered and taken under TLS
// only, or on this machine when Config.PlainLocal allows it. Passwords never
// reach a log. Sizes are bounded. The outcome is an *account.Account; the
// classes of failure are account's, and this package's.
//
// Start reading at Authenticator.Run.
package auth
