// Package imapd is the IMAP face of the mail: RFC 3501 and RFC 9051 with
// their extensions.
//
// # Nouns
//
// A Server has listeners and what the extensions bring. An extension is a value
// in the list in extensions.go, one file each: commands, parameters of SELECT,
// items of FETCH, keys of SEARCH and so on; base (RFC 3501) is one of them. A session is one connection. A
// view is a session's picture of the selected mailbox.
//
// A name below Shared is another account's mailbox, Shared/OWNER/NAME (shared.go): what its
// owner granted, or a group's whose member the user is. \Seen is one for all who use a mailbox.
//
// # Rules
//
// The list of extensions is the table of contents: CAPABILITY, the README's
// table and the tests' matrix come from it. Two claims on one name panic in New.
//
// The view alone writes untagged EXISTS, EXPUNGE, VANISHED and news of flags; they come from
// comparing what the client was told with the mailbox, never from the
// command itself. A handler parses all, then acts, then answers; its answer (ok) first lets
// the view tell its news, as far as the command allows (RFC 9051 §7.5.1: no
// EXPUNGE while numbers are in use).
//
// A session that waits holds no buffer and no list of UIDs. Bodies are streamed
// both ways. A client is never told anything that its ENABLE did not ask for.
//
// Start reading at session.serve (session.go), extension (extension.go) and view (view.go).
package imapd
