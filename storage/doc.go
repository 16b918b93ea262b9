// Package storage is Atrium's one store: accounts' collections, objects,
// properties, grants, quota counters, change log and watchers.
//
// # Nouns
//
// An account is a set of collections. A Collection (a mailbox, a calendar, an
// address book: its Schema says which) is a table of rows; a Row has a Num that
// ascends and is never used again in its collection, the ID of the object it
// shows, the modseq of its last change, and a few bytes that the domain packed
// (flags, name, size). An object is what a row shows: facets, small values kept
// under the object's ID, and a reference to a body in package blob; one
// object may be shown by several rows of one account (a copied message). The
// index of a collection maps keys that the domain chooses (a name, a UID, a
// time) to values. Properties belong to an account, a collection or a row.
// Records are other small values of an account.
//
// # Rules
//
// Every change takes the account's next modseq (one for a transaction) and is
// written to the collection's change log in the same transaction. A protocol
// face keeps no truth of its own: MODSEQ, VANISHED, IDLE, sync-token and ctag are
// views of that log. The account is the unit of conflict; no key is shared
// between accounts, but that each grant is noted for its grantee too. The package knows no UID validity, flag, ETag, mailbox or
// calendar. Records carry a version byte. A Tx does no I/O but its reads.
//
// A transaction has a limit (package kv). Large work goes in several, each correct
// alone; what must show at once is staged before (Tx.Stage). A backup is one snapshot with
// the bodies that it refers to.
//
// Start reading at Store, View, Tx and Table; keys.go has the layout.
package storage
