// Package conn is the one listener and the one connection of all line
// protocols: IMAP, POP3, SMTP, LMTP, ManageSieve.
//
// # Nouns
//
// A Server accepts connections on listeners and hands each, as a Conn, to its
// Protocol on a goroutine of its own. A Conn reads lines and bytes, writes
// through a buffer, upgrades to TLS, counts bytes and knows its peer. Wait is
// the point between two commands.
//
// # Rules
//
// A connection that waits for input holds no buffer: buffers come from a pool
// when bytes are there and go back when they are used up. Everything that is
// read is bounded in size and time. Output is sent when the connection
// must wait for input, so that answers to pipelined commands leave together;
// Flush sends it at once. StartTLS throws away what the client sent in plain
// text after the command (RFC 9051 §11.1, RFC 3207 §4.2). Shutdown never cuts a
// command that goes on: the protocol learns of it from Wait, or from a read or write inside a command for which the
// peer does nothing, says its farewell and returns;
// who has not returned when Shutdown's context ends is closed by force. A panic
// ends one connection and is logged.
//
// One goroutine, the one that Serve runs on, uses a Conn; Close alone may be
// called from others.
//
// Start reading at Server.Serve, Conn.Wait and Conn.ReadLine.
package conn
