// Package smtpclient is the client's side of SMTP (RFC 5321) and LMTP (RFC 2033).
//
// # Nouns
//
// A Client is one connection to one server. A Reply is what the server says to a
// command; a Transaction what one message asks for.
//
// # Rules
//
// What a server says is bounded in length and time and is never trusted: it is
// cleaned of control characters before anyone sees it. Replies that came before
// TLS do not count after it (RFC 3207 §4.2), and bytes that a server sent ahead of
// the handshake end the connection. Content leaves with CR LF at the ends of its
// lines and nowhere else, whatever it had. A failure of the connection is an error,
// an answer never is.
//
// Start reading at New and Client.Send.
package smtpclient
