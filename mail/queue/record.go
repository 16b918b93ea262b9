package queue

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"atrium/storage"
	"atrium/storage/kv"
)

// Schema is the collection of the queue. Its rows' data are a version byte and the size.
var Schema = storage.Schema{Code: 5, Name: "queue", Tally: func(row []byte) storage.Tally {
	if len(row) < 9 {
		return storage.Tally{}
	}
	return storage.Tally{Bytes: int64(binary.BigEndian.Uint64(row[1:]))}
}}

const collectionName = "queue"

// facetEntry holds the record of an entry: a version byte and JSON.
const (
	facetEntry    = 1
	recordVersion = 1
)

// The collection's index:
//
//	d time(8) num(4)   -> destination   when an entry is due, Unix seconds
//	i id               -> num(4)
const (
	indexDue = 'd'
	indexID  = 'i'
)

func dueKey(at time.Time, n storage.Num) []byte {
	k := binary.BigEndian.AppendUint64([]byte{indexDue}, uint64(max(at.Unix(), 0)))
	return binary.BigEndian.AppendUint32(k, uint32(n))
}

// readDue is the other way.
func readDue(k []byte) (at int64, n storage.Num, ok bool) {
	if len(k) != 13 || k[0] != indexDue {
		return 0, 0, false
	}
	return int64(binary.BigEndian.Uint64(k[1:])), storage.Num(binary.BigEndian.Uint32(k[9:])), true
}

func idKey(id string) []byte { return append([]byte{indexID}, id...) }

// Entry is a message in the queue, or a part of one.
type Entry struct {
	Num  storage.Num `json:"-"`
	Size int64       `json:"-"` // bytes of what is sent

	Message  // To is left empty, see Recipients
	Hop      string
	Created  time.Time // UTC
	Due      time.Time // of the next attempt
	Attempts int       `json:",omitempty"`
	Held     bool      `json:",omitempty"` // by an administrator, until released
	Warned   bool      `json:",omitempty"` // the sender was told of the delay

	Recipients []Progress
}

// Progress is a recipient of an Entry.
type Progress struct {
	Address  string
	Notify   Notify   `json:",omitempty"`
	Original string   `json:",omitempty"`
	State    State    `json:",omitempty"`
	Told     bool     `json:",omitempty"` // the outcome was reported, or need not be
	Last     *Outcome `json:",omitempty"` // of the last attempt
	At       int64    `json:",omitempty"` // of the outcome, Unix seconds
	Warned   bool     `json:",omitempty"` // told of the delay, or the next server will
}

// pending tells whether there is work left for any recipient.
func (e *Entry) pending() bool {
	for i := range e.Recipients {
		if e.Recipients[i].State == Pending {
			return true
		}
	}
	return false
}

// destination is where the first pending recipient goes: what the due index says of the entry.
func (e *Entry) destination() string {
	for i := range e.Recipients {
		if e.Recipients[i].State == Pending {
			return domainOf(e.Recipients[i].Address)
		}
	}
	return ""
}

func (e *Entry) encode() ([]byte, error) {
	c := *e
	c.To = nil
	b, err := json.Marshal(&c)
	if err != nil {
		return nil, err
	}
	return append([]byte{recordVersion}, b...), nil
}

func decodeEntry(num storage.Num, value []byte) (*Entry, error) {
	e := &Entry{Num: num}
	if len(value) == 0 || value[0] != recordVersion {
		return nil, fmt.Errorf("queue entry %d: %w", num, storage.Corrupt)
	}
	if err := json.Unmarshal(value[1:], e); err != nil {
		return nil, fmt.Errorf("queue entry %d: %w: %w", num, storage.Corrupt, err)
	}
	e.Size = e.Body.Size - e.Skip
	return e, nil
}

// collection finds the queue's collection; 0 when nothing was ever queued.
func collection(v *storage.View) (storage.CollectionID, error) {
	c, err := v.CollectionByName(Schema.Code, collectionName)
	if errors.Is(err, storage.NotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return c.ID, nil
}

// read returns an entry; storage.NotFound when it is gone.
func read(v *storage.View, n storage.Num) (*Entry, storage.ObjectID, error) {
	c, err := collection(v)
	if err != nil {
		return nil, 0, err
	}
	return readIn(v, c, n)
}

func readIn(v *storage.View, c storage.CollectionID, n storage.Num) (*Entry, storage.ObjectID, error) {
	if c == 0 {
		return nil, 0, fmt.Errorf("queue entry %d: %w", n, storage.NotFound)
	}
	row, err := v.Row(c, n)
	if err != nil {
		return nil, 0, err
	}
	b, err := v.Facet(row.Object, facetEntry)
	if err != nil {
		return nil, 0, err
	}
	e, err := decodeEntry(n, b)
	return e, row.Object, err
}

// insert adds an entry in a transaction.
func insert(tx *storage.Tx, e *Entry) error {
	c, err := collection(&tx.View)
	if err != nil {
		return err
	}
	if c == 0 {
		made, err := tx.Create(Schema.Code, collectionName, []byte{recordVersion})
		if err != nil {
			return err
		}
		c = made.ID
	}
	value, err := e.encode()
	if err != nil {
		return err
	}
	o, err := tx.NewObject(storage.Object{Blob: e.Body, Facets: map[byte][]byte{facetEntry: value}})
	if err != nil {
		return err
	}
	n, err := tx.Insert(c, o, binary.BigEndian.AppendUint64([]byte{recordVersion}, uint64(e.Size)))
	if err != nil {
		return err
	}
	e.Num = n
	if err := tx.SetIndex(c, idKey(e.ID), binary.BigEndian.AppendUint32(nil, uint32(n))); err != nil {
		return err
	}
	if e.Held {
		return nil
	}
	return tx.SetIndex(c, dueKey(e.Due, n), []byte(e.destination()))
}

// change rewrites an entry that was read in the same transaction; fn says whether it goes.
func change(tx *storage.Tx, c storage.CollectionID, n storage.Num, fn func(*Entry) (gone bool, err error)) error {
	e, object, err := readIn(&tx.View, c, n)
	if err != nil {
		return err
	}
	before, held := e.Due, e.Held
	gone, err := fn(e)
	if err != nil {
		return err
	}
	if !held && (gone || e.Held || before.Unix() != e.Due.Unix()) {
		if err := tx.SetIndex(c, dueKey(before, n), nil); err != nil {
			return err
		}
	}
	if gone {
		if err := tx.SetIndex(c, idKey(e.ID), nil); err != nil {
			return err
		}
		return tx.Remove(c, n, nil)
	}
	if !e.Held {
		if err := tx.SetIndex(c, dueKey(e.Due, n), []byte(e.destination())); err != nil {
			return err
		}
	}
	value, err := e.encode()
	if err != nil {
		return err
	}
	return tx.SetFacet(object, facetEntry, value)
}

// byID finds an entry by its ID.
func byID(v *storage.View, id string) (storage.Num, error) {
	c, err := collection(v)
	if err != nil {
		return 0, err
	}
	if c != 0 {
		b, err := v.Index(c, idKey(id))
		if err == nil && len(b) == 4 {
			return storage.Num(binary.BigEndian.Uint32(b)), nil
		}
		if err != nil && !errors.Is(err, storage.NotFound) {
			return 0, err
		}
	}
	return 0, fmt.Errorf("message %q in the queue: %w", id, storage.NotFound)
}

// dueRange is the part of the index from one entry to a time.
func dueRange(from []byte, to time.Time) kv.Range {
	if from == nil {
		from = []byte{indexDue}
	}
	return kv.Range{From: from, To: dueKey(to.Add(time.Second), 0)}
}

func itoa(n int) string { return strconv.Itoa(n) }
