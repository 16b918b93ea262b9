// Package queue carries mail to other servers: it keeps what is to go out in
// the store, tries again until it went or time is over, and tells the sender what
// became of it.
//
// # Nouns
//
// A Message is what Enqueue takes: an envelope, and content that is filed in the
// blob store. An Entry is a message, or a part of its recipients, as it waits in
// the queue. A job is what one entry has for one destination; a destination is a
// domain, or the server that a route names. An attempt is one try at an entry.
//
// # Rules
//
// What Enqueue took is on disk. Each entry is one record with the state of each
// recipient. Outcomes are written together with those of other connections while the next message
// goes out; the one before it is on disk by the end of that. So after a crash two messages of a connection at most
// go once more, and none is lost. When an attempt begins is kept in an index by time, which is read on from where
// the last look ended; memory holds only a window of what is due, whatever waits. The sender hears of a
// failure, and of success where that was asked for (RFC 3461), from the null
// sender; who is not there to hear it, the null sender, is told nothing. Of a delay it hears once.
//
// Content is sent as it was filed, but where the next server cannot take it: parts above 127 are rewritten for 7 bits
// (RFC 6152 §3) and what is ours is signed again; signed parts are not, the message goes back. A header or an address in
// UTF-8 that the message needs goes back as 5.6.7 from a server without SMTPUTF8; that the sender said SMTPUTF8 alone
// is no need. Lines of more than 998 octets in what is ours are encoded: many servers refuse or fold them. What is too large goes back at once, what asks for TLS only (RFC 8689) goes to a server that is proven
// and promises the same, or back; what says that it needs none ("TLS-Required: No") goes to servers that the policy of their
// domain forbids, if no other can be reached.
// Everything lies in the account storage.System.
//
// Start reading at Queue.Enqueue, then Queue.Run.
package queue
