package storage

import "atrium/storage/blob"

// AccountID numbers accounts; package account hands them out and never uses one again.
type AccountID uint64

// System is the account of the server itself: what is queued to go out, and keys. Nobody
// logs in to it, and package account never hands it out.
const System AccountID = 1<<64 - 2

// CollectionID numbers the collections of one account, never used again.
type CollectionID uint32

// ObjectID numbers the objects of one account, never used again.
type ObjectID uint64

// Num numbers the rows of one collection from 1, ascending, never used again.
type Num uint32

// Schema is one sort of collection.
type Schema struct {
	Code  byte                   // stored; never changes its meaning
	Name  string                 // "mailbox": in errors, metrics and atrium check
	Tally func(row []byte) Tally // what one row's data adds to the counters; pure

	// Dropping gives back what the rows of a collection hold elsewhere, in the transaction that drops it; may be nil.
	Dropping func(t *Tx, id CollectionID) error
}

// Tally sums up rows: bytes that count against the quota, and two counters that the domain
// defines.
type Tally struct {
	Bytes int64
	A, B  int64
}

// Collection is what the store knows of a collection at one snapshot.
type Collection struct {
	Account AccountID
	ID      CollectionID
	Schema  byte
	Name    string // unique among the account's collections of one Schema
	Data    []byte // the domain's; not to be changed in place

	Created uint64 // modseq of its creation
	Modseq  uint64 // modseq of the last change to its rows, or of its creation
	Meta    uint64 // modseq of the last change to name, data, properties or grants
	Floor   uint64 // the log reaches back to here: Changes since an older modseq is Expired
	Next    Num    // number of the next row
	Count   int    // rows
	Tally   Tally  // of all rows
}

// Row is one entry of a collection.
type Row struct {
	Num     Num
	Object  ObjectID
	Modseq  uint64 // of its last change
	Created uint64 // modseq at which it came into this collection
	Data    []byte // the domain's; not to be changed in place
}

// Object is what a new object consists of.
type Object struct {
	Blob   blob.Ref        // its body, when that is in the blob store; committed before the Update
	Facets map[byte][]byte // small values by number; what is often read together belongs in one
}

// Gone is a row that was removed, with the note that Remove was given (a
// resource's name, say).
type Gone struct {
	Num  Num
	Note []byte
}

// Changes are the differences of a collection between two modseqs.
type Changes struct {
	Changed []Num  // rows created or changed since, that still exist, ascending
	Gone    []Gone // rows removed since, that existed at the older modseq, ascending by Num
	Passed  []Gone // rows that came since and are gone again: who looked in between may have seen them
	Modseq  uint64 // the newer modseq: what the next call passes as since
	More    bool   // the limit cut it: Modseq is not the newest yet
}

// PropKey says to what a property belongs: with Collection 0 to the account
// itself, with Num 0 to the collection, else to the row. User is 0 for a
// property that all see alike, else the account whose own it is.
type PropKey struct {
	Collection CollectionID
	Num        Num
	User       AccountID
	Name       string // "{namespace}local" for WebDAV, an entry name for IMAP METADATA
}

// Prop is one property with its value as the domain packed it.
type Prop struct {
	PropKey
	Value []byte
}

// Usage is what an account holds, and its limits (0: none).
type Usage struct {
	Bytes, MaxBytes     int64
	Objects, MaxObjects int64 // rows
}

// Rights is a set of rights on a collection. The letters are those of IMAP
// (RFC 4314 §2.1); the WebDAV privileges (RFC 3744 §3) map onto the same bits.
type Rights uint32

const (
	Lookup     Rights = 1 << iota // l: it is listed
	Read                          // r: DAV:read
	Seen                          // s: keeps \Seen
	Write                         // w: other flags; DAV:write-content
	Insert                        // i: DAV:bind
	Post                          // p: delivery to its address
	Create                        // k: collections below it
	Remove                        // x: delete or rename it
	Delete                        // t: \Deleted; DAV:unbind
	Expunge                       // e
	Administer                    // a: grants; DAV:write-acl
	FreeBusy                      // CALDAV:read-free-busy
	Properties                    // DAV:write-properties

	AllRights Rights = 1<<iota - 1
	ReadOnly         = Lookup | Read | FreeBusy
	ReadWrite        = ReadOnly | Seen | Write | Insert | Post | Delete | Expunge | Properties
)

// Has tells whether all of want are in r.
func (r Rights) Has(want Rights) bool { return r&want == want }

// Anyone is the grantee that stands for every account.
const Anyone AccountID = 1<<64 - 1

// Grant gives rights on one collection, or with Collection 0 on all of the
// account's, to another account.
type Grant struct {
	Collection CollectionID
	To         AccountID
	Rights     Rights
}
