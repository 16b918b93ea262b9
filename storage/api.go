package storage

import (
	"context"
	"iter"
	"log/slog"
	"time"

	"atrium/storage/blob"
	"atrium/storage/kv"
)

// Config has the store's settings.
type Config struct {
	Horizon   time.Duration // how long the change log reaches back at least
	CacheSize int64         // bytes of tables kept in memory
}

// DefaultConfig returns settings for a small machine.
func DefaultConfig() Config { return Config{Horizon: 90 * 24 * time.Hour, CacheSize: 64 << 20} }

// Store is the store of all accounts on this machine.
type Store struct{}

// Open opens the store over an engine and a blob store. Both stay the caller's to close, after the Store.
func Open(engine kv.Engine, blobs blob.Store, schemas []Schema, cfg Config, log *slog.Logger) (*Store, error) {
	panic("stub")
}

// Close ends the background work.
func (s *Store) Close() error { panic("stub") }

// Blobs returns the blob store.
func (s *Store) Blobs() blob.Store { panic("stub") }

// View runs fn on one snapshot of the account. What fn reads stays valid after it returns.
func (s *Store) View(ctx context.Context, a AccountID, fn func(*View) error) error { panic("stub") }

// Update runs fn in a transaction on the account; see kv.Engine.Update for what
// fn may do. It may run more than once.
func (s *Store) Update(ctx context.Context, a AccountID, fn func(*Tx) error) error { panic("stub") }

// SetLimits sets an account's quota; DropAccount removes all that an account has.
func (s *Store) SetLimits(ctx context.Context, a AccountID, maxBytes, maxObjects int64) error {
	panic("stub")
}
func (s *Store) DropAccount(ctx context.Context, a AccountID) error { panic("stub") }

// Watch reports changes: C gets a value after each commit that changed the collection
// (or, with 0, anything in the account). Values do not queue up: read the
// store again after each, it tells what changed.
type Watch struct {
	C <-chan struct{}
}

func (s *Store) Watch(a AccountID, c CollectionID) *Watch { panic("stub") }

// Close ends the watch; C is not closed.
func (w *Watch) Close() { panic("stub") }

// View reads one snapshot of one account.
type View struct{}

func (v *View) Account() AccountID { panic("stub") }

// Modseq is the account's highest modseq; Meta the modseq of the last change to the set of
// its collections, their names or properties.
func (v *View) Modseq() uint64 { panic("stub") }
func (v *View) Meta() uint64   { panic("stub") }
func (v *View) Usage() Usage   { panic("stub") }

// Collections yields the account's collections of one schema by name, or of all with 0.
func (v *View) Collections(schema byte) ([]*Collection, error)                 { panic("stub") }
func (v *View) Collection(id CollectionID) (*Collection, error)                { panic("stub") }
func (v *View) CollectionByName(schema byte, name string) (*Collection, error) { panic("stub") }

// Allow is the one rights check: it returns the collection when actor has all
// of need on it, NotFound when it may not know that it exists, else Forbidden.
// Rights tells what actor may do (an account has AllRights on what is its own).
func (v *View) Allow(actor AccountID, id CollectionID, need Rights) (*Collection, error) {
	panic("stub")
}
func (v *View) Rights(actor AccountID, id CollectionID) (Rights, error) { panic("stub") }
func (v *View) Grants(id CollectionID) ([]Grant, error)                 { panic("stub") }

// Table returns all rows of a collection; Row one of them (reads one page only).
func (v *View) Table(id CollectionID) (*Table, error)   { panic("stub") }
func (v *View) Row(id CollectionID, n Num) (Row, error) { panic("stub") }

// Changes returns what changed since a modseq; limit bounds the number of changes (0: none). It
// costs what changed, not what the collection holds. Expired when the log does not reach back.
func (v *View) Changes(id CollectionID, since uint64, limit int) (Changes, error) { panic("stub") }

// Facet returns one facet of an object; Blob the reference to its body.
func (v *View) Facet(o ObjectID, facet byte) ([]byte, error) { panic("stub") }
func (v *View) Blob(o ObjectID) (blob.Ref, error)            { panic("stub") }

// Index returns the value under a key of a collection's index; ScanIndex yields a range of it.
func (v *View) Index(id CollectionID, key []byte) ([]byte, error)               { panic("stub") }
func (v *View) ScanIndex(id CollectionID, r kv.Range) iter.Seq2[[]byte, []byte] { panic("stub") }

// Prop returns one property's value, Props all that have k's Collection, Num and User (Name is not looked at).
func (v *View) Prop(k PropKey) ([]byte, error)  { panic("stub") }
func (v *View) Props(k PropKey) ([]Prop, error) { panic("stub") }

// Record returns an account's record; Records yields those whose key begins with prefix.
func (v *View) Record(key string) ([]byte, error)               { panic("stub") }
func (v *View) Records(prefix string) iter.Seq2[string, []byte] { panic("stub") }

// Tx is a View that sees its own writes, and writes.
type Tx struct{ View }

// Next is the modseq that this transaction's changes get.
func (t *Tx) Next() uint64 { panic("stub") }

// Create makes a collection; Exists when the name is taken.
func (t *Tx) Create(schema byte, name string, data []byte) (*Collection, error) { panic("stub") }
func (t *Tx) Rename(id CollectionID, name string) error                         { panic("stub") }
func (t *Tx) SetData(id CollectionID, data []byte) error                        { panic("stub") }

// Drop removes a collection and all in it.
func (t *Tx) Drop(id CollectionID) error { panic("stub") }

// NewObject stores an object, to be shown by Insert in this same transaction. An
// object that no row shows any more is removed some time later.
func (t *Tx) NewObject(o Object) (ObjectID, error) { panic("stub") }

// SetFacet replaces or (nil) removes a facet of an object.
func (t *Tx) SetFacet(o ObjectID, facet byte, value []byte) error { panic("stub") }

// Insert adds a row and returns its Num. Set replaces a row's data; with another
// object it shows that instead (0 keeps it). Remove removes a row; note is kept in the log for Changes.
func (t *Tx) Insert(id CollectionID, o ObjectID, data []byte) (Num, error) { panic("stub") }
func (t *Tx) Set(id CollectionID, n Num, o ObjectID, data []byte) error    { panic("stub") }
func (t *Tx) Remove(id CollectionID, n Num, note []byte) error             { panic("stub") }

// SetIndex sets an index entry, or removes it when value is nil.
func (t *Tx) SetIndex(id CollectionID, key, value []byte) error { panic("stub") }

// SetProp sets a property, or removes it when value is nil.
func (t *Tx) SetProp(k PropKey, value []byte) error { panic("stub") }

// SetRecord sets a record, or removes it when value is nil.
func (t *Tx) SetRecord(key string, value []byte) error { panic("stub") }

// SetGrant sets a grant, or removes it when its Rights are 0.
func (t *Tx) SetGrant(g Grant) error { panic("stub") }

// Table is all rows of a collection at one snapshot, by Num ascending. It never
// changes and may be used by many goroutines, also after its View ended. Tables of one
// collection share what did not change between them.
type Table struct{}

func (t *Table) Modseq() uint64 { panic("stub") } // the collection's, at the snapshot
func (t *Table) Next() Num      { panic("stub") }
func (t *Table) Len() int       { panic("stub") }
func (t *Table) Tally() Tally   { panic("stub") }

// At returns the row at a position, 0 <= pos < Len.
func (t *Table) At(pos int) Row { panic("stub") }

// Find returns the position of the first row whose Num is n or higher, and whether it is n.
func (t *Table) Find(n Num) (pos int, exact bool) { panic("stub") }

// Rows yields the rows from position from to before position to.
func (t *Table) Rows(from, to int) iter.Seq2[int, Row] { panic("stub") }
