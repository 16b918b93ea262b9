package contacts

import (
	"context"
	"iter"
	"time"

	"atrium/contacts/card"
	"atrium/contacts/query"
	"atrium/storage"
	"atrium/storage/blob"
)

// Schema is the sort of collection that address books are. Its Tally counts the bytes of cards.
var Schema = storage.Schema{Code: 3, Name: "address book"}

// Create makes an address book; storage.Exists when the name is taken. props
// are properties of the collection that all users see, as package dav packs them.
func Create(tx *storage.Tx, name string, props map[string][]byte) (*storage.Collection, error) {
	panic("being written")
}

// EnsureDefaults makes the address book "contacts" that a new account has. It
// does nothing when the account has any address book or had one once. label packs a display
// name as the property that package dav reads.
func EnsureDefaults(tx *storage.Tx, label func(displayname string) (prop string, value []byte)) error {
	panic("being written")
}

// Entry is what listings and sync show of a card; it comes from the row alone.
type Entry struct {
	Num      storage.Num
	Object   storage.ObjectID
	Name     string // last segment of its path, unescaped
	UID      string
	ETag     string    // without quotes
	Size     int64     // bytes
	Modified time.Time // UTC, in seconds
	Modseq   uint64
}

// Options bound what Prepare takes.
type Options struct{ Limits card.Limits }

// DefaultOptions returns options that take all that clients are known to send.
func DefaultOptions() Options { return Options{Limits: card.DefaultLimits()} }

// Object is a card that may be stored.
type Object struct {
	Raw  []byte
	Card *card.Card
	UID  string
	ETag string
}

// Prepare parses and validates a card, files its body when that is too large
// to live inline, and computes what the row will hold. It keeps raw. Call
// Release when the Update is over. Errors are *card.Error, or of the blob store.
func Prepare(ctx context.Context, blobs blob.Store, raw []byte, opts Options) (*Object, error) {
	panic("being written")
}

// Release lets go of what Prepare filed and Put did not use.
func (o *Object) Release() {}

// Condition is what must hold for a write to happen, checked in its
// transaction. The zero Condition always holds.
type Condition struct {
	Match     []string // If-Match: one of these ETags, without quotes; "*": any object
	NoneMatch []string // If-None-Match: none of these; "*": no object
}

// Put stores a card under a name. A Condition that does not hold is
// storage.Conflict. Other errors are *card.Error with NoUIDConflict when
// another name has the UID (Other), or the store's.
func Put(tx *storage.Tx, id storage.CollectionID, name string, o *Object, cond Condition) (e Entry, created bool, err error) {
	panic("being written")
}

// Delete removes a card; storage.NotFound, storage.Conflict.
func Delete(tx *storage.Tx, id storage.CollectionID, name string, cond Condition) (Entry, error) {
	panic("being written")
}

// Copy copies a card to a name in the same account, Move moves it with its properties. With
// overwrite a card that has the name is replaced (replaced tells), without
// it is storage.Exists. Other errors are those of Put.
func Copy(tx *storage.Tx, from storage.CollectionID, name string, to storage.CollectionID, as string, overwrite bool) (e Entry, replaced bool, err error) {
	panic("being written")
}

// Move is like Copy, and removes the original.
func Move(tx *storage.Tx, from storage.CollectionID, name string, to storage.CollectionID, as string, overwrite bool) (e Entry, replaced bool, err error) {
	panic("being written")
}

// ByName returns the entry of a name; storage.NotFound.
func ByName(v *storage.View, id storage.CollectionID, name string) (Entry, error) {
	panic("being written")
}

// ByUID returns the entry of a UID; storage.NotFound.
func ByUID(v *storage.View, id storage.CollectionID, uid string) (Entry, error) {
	panic("being written")
}

// Entries yields all entries of an address book in the order of their Num.
func Entries(t *storage.Table) iter.Seq[Entry] { panic("being written") }

// Data returns a card's octets.
func Data(ctx context.Context, v *storage.View, blobs blob.Store, o storage.ObjectID) ([]byte, error) {
	panic("being written")
}

// Delta is what changed in an address book between two modseqs.
type Delta struct {
	Changed []Entry
	Gone    []string // names that exist no more
	Modseq  uint64
	More    bool
}

// Changes returns what changed since a modseq; see storage.View.Changes.
func Changes(v *storage.View, id storage.CollectionID, since uint64, limit int) (Delta, error) {
	panic("being written")
}

// Match is an entry that Query found.
type Match struct {
	Entry
	raw  []byte
	card *card.Card
}

// Data returns the card's octets, Card the parsed card.
func (m *Match) Data() []byte { return m.raw }

// Card returns the parsed card.
func (m *Match) Card() *card.Card { return m.card }

// Query yields the cards that match a filter, by Num ascending. A failure is yielded once, as the last.
func Query(ctx context.Context, v *storage.View, blobs blob.Store, id storage.CollectionID, f *query.Filter) iter.Seq2[*Match, error] {
	panic("being written")
}
