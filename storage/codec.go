package storage

import (
	"encoding/binary"
	"fmt"

	"atrium/storage/blob"
)

// Every record begins with a version byte. A newer release that changes a
// record takes the next number and goes on reading the old one.
const (
	headVersion       = 1
	collectionVersion = 1
	pageVersion       = 1
	superVersion      = 1
	logVersion        = 1
	objectVersion     = 1
	garbageVersion    = 1
)

// decoder reads a record's fields. After the first failure every method
// returns zeros and err tells.
type decoder struct {
	b   []byte
	bad bool
}

// open checks the version byte and returns a decoder behind it.
func open(b []byte, version byte) decoder {
	if len(b) == 0 || b[0] != version {
		return decoder{bad: true}
	}
	return decoder{b: b[1:]}
}

func (d *decoder) uint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) int() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[n:]
	return v
}

// bytes returns a part of the record, not a copy.
func (d *decoder) bytes() []byte { return d.take(d.uint()) }

func (d *decoder) take(n uint64) []byte {
	if n > uint64(len(d.b)) {
		d.bad, d.b = true, nil
		return nil
	}
	v := d.b[:n:n]
	d.b = d.b[n:]
	return v
}

// length is a count of things that take at least one byte each.
func (d *decoder) length() int {
	n := d.uint()
	if n > uint64(len(d.b)) {
		d.bad, d.b = true, nil
		return 0
	}
	return int(n)
}

func (d *decoder) err(what string, key []byte) error {
	if d.bad {
		return fmt.Errorf("%s %x: %w", what, key, Corrupt)
	}
	return nil
}

func appendBytes(b, v []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(v))), v...)
}

func appendTally(b []byte, t Tally) []byte {
	b = binary.AppendVarint(b, t.Bytes)
	b = binary.AppendVarint(b, t.A)
	return binary.AppendVarint(b, t.B)
}

func (d *decoder) tally() Tally { return Tally{Bytes: d.int(), A: d.int(), B: d.int()} }

func (t *Tally) add(u Tally) { t.Bytes += u.Bytes; t.A += u.A; t.B += u.B }
func (t *Tally) sub(u Tally) { t.Bytes -= u.Bytes; t.A -= u.A; t.B -= u.B }

// head is an account's own record.
type head struct {
	modseq, meta uint64
	nextColl     CollectionID
	nextObject   ObjectID
	usage        Usage
}

func (h *head) encode() []byte {
	b := append(make([]byte, 0, 48), headVersion)
	b = binary.AppendUvarint(b, h.modseq)
	b = binary.AppendUvarint(b, h.meta)
	b = binary.AppendUvarint(b, uint64(h.nextColl))
	b = binary.AppendUvarint(b, uint64(h.nextObject))
	for _, v := range []int64{h.usage.Bytes, h.usage.MaxBytes, h.usage.Objects, h.usage.MaxObjects} {
		b = binary.AppendVarint(b, v)
	}
	return b
}

func decodeHead(key, b []byte) (head, error) {
	d := open(b, headVersion)
	h := head{modseq: d.uint(), meta: d.uint(), nextColl: CollectionID(d.uint()), nextObject: ObjectID(d.uint())}
	h.usage = Usage{Bytes: d.int(), MaxBytes: d.int(), Objects: d.int(), MaxObjects: d.int()}
	return h, d.err("account head", key)
}

// entry stands for a page in its superpage, and for a superpage in its collection.
type entry struct {
	first Num    // no row in it has a lower Num; part of its key
	ver   uint64 // modseq of its last change: tells whether a copy in memory is still good
	count int    // rows
	tally Tally
}

func appendEntry(b []byte, prev Num, e *entry) []byte {
	b = binary.AppendUvarint(b, uint64(e.first-prev))
	b = binary.AppendUvarint(b, e.ver)
	b = binary.AppendUvarint(b, uint64(e.count))
	return appendTally(b, e.tally)
}

func (d *decoder) entry(prev Num) entry {
	return entry{first: prev + Num(d.uint()), ver: d.uint(), count: int(d.uint()), tally: d.tally()}
}

func encodeCollection(c *Collection, supers []entry) []byte {
	b := append(make([]byte, 0, 96+len(c.Name)+len(c.Data)+16*len(supers)), collectionVersion, c.Schema)
	b = appendBytes(b, []byte(c.Name))
	b = appendBytes(b, c.Data)
	for _, v := range []uint64{c.Created, c.Modseq, c.Meta, c.Floor, uint64(c.Next), uint64(c.Count)} {
		b = binary.AppendUvarint(b, v)
	}
	b = appendTally(b, c.Tally)
	b = binary.AppendUvarint(b, uint64(len(supers)))
	prev := Num(0)
	for i := range supers {
		b = appendEntry(b, prev, &supers[i])
		prev = supers[i].first
	}
	return b
}

// decodeCollection copies what it keeps of b.
func decodeCollection(a AccountID, id CollectionID, key, b []byte) (*Collection, []entry, error) {
	d := open(b, collectionVersion)
	c := &Collection{Account: a, ID: id}
	if s := d.take(1); s != nil {
		c.Schema = s[0]
	}
	c.Name = string(d.bytes())
	c.Data = append([]byte(nil), d.bytes()...)
	c.Created, c.Modseq, c.Meta, c.Floor = d.uint(), d.uint(), d.uint(), d.uint()
	c.Next, c.Count, c.Tally = Num(d.uint()), int(d.uint()), d.tally()
	supers := d.entries(d.length())
	return c, supers, d.err("collection", key)
}

func (d *decoder) entries(n int) []entry {
	list := make([]entry, 0, n)
	prev := Num(0)
	for range n {
		e := d.entry(prev)
		prev = e.first
		list = append(list, e)
	}
	return list
}

func encodeSuper(pages []entry) []byte {
	b := append(make([]byte, 0, 4+14*len(pages)), superVersion)
	b = binary.AppendUvarint(b, uint64(len(pages)))
	prev := Num(0)
	for i := range pages {
		b = appendEntry(b, prev, &pages[i])
		prev = pages[i].first
	}
	return b
}

func decodeSuper(key, b []byte) ([]entry, error) {
	d := open(b, superVersion)
	pages := d.entries(d.length())
	return pages, d.err("superpage", key)
}

// object is the record of an object: how many rows show it, which facets it has and where its body is.
type object struct {
	rows   int // rows that show it, and removed ones whose garbage record is not cleared yet
	facets []byte
	blob   blob.Ref
}

func (o *object) encode() []byte {
	b := append(make([]byte, 0, 48+len(o.facets)), objectVersion)
	b = binary.AppendUvarint(b, uint64(o.rows))
	b = appendBytes(b, o.facets)
	if !o.blob.IsZero() {
		b = append(b, o.blob.Hash[:]...)
		b = binary.AppendUvarint(b, uint64(o.blob.Size))
	}
	return b
}

func decodeObject(key, b []byte) (object, error) {
	d := open(b, objectVersion)
	o := object{rows: int(d.uint()), facets: append([]byte(nil), d.bytes()...)}
	if !d.bad && len(d.b) > 0 {
		copy(o.blob.Hash[:], d.take(uint64(len(o.blob.Hash))))
		o.blob.Size = int64(d.uint())
	}
	return o, d.err("object", key)
}

// encodeGarbage packs the objects whose rows were removed, with the time in Unix seconds.
func encodeGarbage(at int64, objects []ObjectID) []byte {
	b := append(make([]byte, 0, 16+2*len(objects)), garbageVersion)
	b = binary.AppendUvarint(b, uint64(at))
	b = binary.AppendUvarint(b, uint64(len(objects)))
	prev := ObjectID(0)
	for _, o := range objects {
		b = binary.AppendVarint(b, int64(o-prev))
		prev = o
	}
	return b
}

func decodeGarbage(key, b []byte) (at int64, objects []ObjectID, err error) {
	d := open(b, garbageVersion)
	at = int64(d.uint())
	n := d.length()
	prev := ObjectID(0)
	for range n {
		prev += ObjectID(d.int())
		objects = append(objects, prev)
	}
	return at, objects, d.err("garbage", key)
}
