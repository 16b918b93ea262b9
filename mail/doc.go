// Package mail is the domain between the store and the faces of mail: what a
// mailbox, a message, a flag and a UID are, and everything that may be done to
// them.
//
// # Nouns
//
// An Account is a handle through which one account, the actor, acts on the
// mailboxes of another, the owner (mostly itself). A Mailbox is a collection of
// the store with UIDVALIDITY, attributes and a table of keywords; its ID is the
// collection's. A Message is one row of a mailbox, its UID the row's number. Flags
// is a set of system flags and keywords as bits; the keyword bits mean what the
// mailbox's Keywords say. A Snapshot is a mailbox with all its messages
// at one moment. A Prepared message was parsed and its body filed, and waits
// for the transaction that puts it into mailboxes.
//
// # Rules
//
// Every access goes through storage's Allow with the actor, on every call, so
// that a grant that was taken back ends at once. UIDs ascend and are never
// used again; UIDVALIDITY ascends within an account and is never used again, nor is a
// mailbox's ID. A name implies its parents: they need not exist, and a mailbox
// that is deleted leaves its children. A change that changes nothing takes no
// modseq. Bulk work goes in batches, each one transaction and correct alone, and
// ends between two batches when the context does. Parsing is done before
// a transaction, never in it. Messages are kept octet for octet.
//
// Where a mailbox says so (SeenEntry), \Seen is each user's own: what an actor marked
// lies over the rows (seen.go), and Unseen, Changes and the modseqs of messages are what
// that actor sees. All else of a message is the same for all.
//
// Formats on the wire belong to the faces: here flags are bits and sets of UIDs
// are imap.UIDSet without "*".
//
// Start reading at Store (store.go), Mailbox (mailbox.go), Message (row.go) and
// Snapshot (snapshot.go).
package mail
