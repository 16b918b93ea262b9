package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"

	"atrium/storage/blob"
	"atrium/storage/kv"
)

// View reads one snapshot of one account.
type View struct {
	s    *Store
	r    kv.Reader
	a    AccountID
	head *head
	tx   *Tx // the transaction that this View belongs to, if any
}

// get reads a key; what failure calls the thing in the error.
func (v *View) get(k []byte, what string) ([]byte, error) {
	b, err := v.r.Get(k)
	if errors.Is(err, kv.NotFound) {
		return nil, fmt.Errorf("%s: %w", what, NotFound)
	}
	return b, err
}

// account returns the account's head, an empty one for a new account.
func (v *View) account() (*head, error) {
	if v.head != nil {
		return v.head, nil
	}
	k := key(v.a, tagHead, 0)
	b, err := v.r.Get(k)
	switch {
	case errors.Is(err, kv.NotFound):
		v.head = &head{nextColl: 1, nextObject: 1}
		return v.head, nil
	case err != nil:
		return nil, err
	}
	h, err := decodeHead(k, b)
	if err != nil {
		return nil, err
	}
	v.head = &h
	return v.head, nil
}

// Account is the account that the View reads.
func (v *View) Account() AccountID { return v.a }

// Modseq is the account's highest modseq.
func (v *View) Modseq() (uint64, error) {
	h, err := v.account()
	if err != nil {
		return 0, err
	}
	return h.modseq, nil
}

// Meta is the modseq of the last change to the set of the account's
// collections, or to the name, data, properties or grants of one or of the account.
func (v *View) Meta() (uint64, error) {
	h, err := v.account()
	if err != nil {
		return 0, err
	}
	return h.meta, nil
}

// Usage is what the account holds, and its limits.
func (v *View) Usage() (Usage, error) {
	h, err := v.account()
	if err != nil {
		return Usage{}, err
	}
	return h.usage, nil
}

// record reads a collection's record.
func (v *View) record(id CollectionID) (*Collection, []entry, error) {
	k := collKey(v.a, tagCollection, id, 0)
	b, err := v.get(k, "collection")
	if err != nil {
		return nil, nil, err
	}
	return decodeCollection(v.a, id, k, b)
}

// Collection returns a collection; NotFound when there is none.
func (v *View) Collection(id CollectionID) (*Collection, error) {
	if v.tx != nil {
		if t := v.tx.trees[id]; t != nil {
			c := *t.c
			return &c, nil
		}
	}
	c, _, err := v.record(id)
	return c, err
}

// CollectionByName returns the collection of a schema with that name; NotFound when there is none.
func (v *View) CollectionByName(schema byte, name string) (*Collection, error) {
	if len(name) > maxKey {
		return nil, fmt.Errorf("collection %.40q…: %w", name, NotFound)
	}
	b, err := v.r.Get(nameKey(v.a, schema, name))
	if err != nil {
		if errors.Is(err, kv.NotFound) {
			return nil, fmt.Errorf("collection %q: %w", name, NotFound)
		}
		return nil, err
	}
	if len(b) != 4 {
		return nil, fmt.Errorf("collection name %q: %w", name, Corrupt)
	}
	return v.Collection(CollectionID(binary.BigEndian.Uint32(b)))
}

// Collections returns the account's collections of one schema by name, or of
// all schemas with 0. Hidden ones are not among them.
func (v *View) Collections(schema byte) ([]*Collection, error) {
	prefix := key(v.a, tagName, 1)
	if schema != 0 {
		prefix = append(prefix, schema)
	}
	var ids []CollectionID
	for k, b := range v.r.Scan(kv.Prefix(prefix)) {
		if len(b) != 4 {
			return nil, fmt.Errorf("collection name %x: %w", k, Corrupt)
		}
		if name := k[prefixLen+2:]; len(name) > 0 && name[0] == hiddenPrefix[0] {
			continue
		}
		ids = append(ids, CollectionID(binary.BigEndian.Uint32(b)))
	}
	list := make([]*Collection, 0, len(ids))
	for _, id := range ids {
		c, err := v.Collection(id)
		if err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	return list, nil
}

// settle writes what the transaction did to a collection so far, so that a read
// of its stored form sees it.
func (v *View) settle(id CollectionID) error {
	if v.tx != nil {
		if t := v.tx.trees[id]; t != nil {
			t.flush(v.tx.w, v.tx.now)
		}
	}
	return nil
}

// Table returns all rows of a collection.
func (v *View) Table(id CollectionID) (*Table, error) {
	if err := v.settle(id); err != nil {
		return nil, err
	}
	c, supers, err := v.record(id)
	if err != nil {
		return nil, err
	}
	return v.s.cache.table(v.r, c, supers, v.tx == nil)
}

// Row returns one row, reading one page only; NotFound when it is not there.
func (v *View) Row(id CollectionID, n Num) (Row, error) {
	var t *tree
	if v.tx != nil {
		var err error
		if t, err = v.tx.tree(id); err != nil {
			return Row{}, err
		}
	} else {
		c, supers, err := v.record(id)
		if err != nil {
			return Row{}, err
		}
		if p, i := v.s.cache.find(c, supers, n); p != nil {
			return p.row(i), nil
		}
		t = newTree(c, nil, supers)
	}
	_, p, k, err := t.find(v.r, n)
	if err != nil {
		return Row{}, err
	}
	r := p.rows[k]
	r.Data = append([]byte(nil), r.Data...)
	return r, nil
}

// Facet returns one facet of an object; NotFound when it has none of that number.
func (v *View) Facet(o ObjectID, facet byte) ([]byte, error) {
	b, err := v.PeekFacet(o, facet)
	return append([]byte(nil), b...), err
}

// PeekFacet is Facet without the copy: the bytes are valid until the View ends
// and must not be changed.
func (v *View) PeekFacet(o ObjectID, facet byte) ([]byte, error) {
	if v.tx != nil && v.tx.objects[o] != nil {
		if b, ok := v.tx.objects[o].values[facet]; ok {
			return b, nil
		}
	}
	return v.get(facetKey(v.a, facet, o), "facet of an object")
}

// Blob returns the reference to an object's body, the zero Ref when it has none;
// NotFound when there is no such object.
func (v *View) Blob(o ObjectID) (blob.Ref, error) {
	rec, err := v.object(o)
	return rec.blob, err
}

func (v *View) object(o ObjectID) (object, error) {
	if v.tx != nil && v.tx.objects[o] != nil && v.tx.objects[o].known {
		return v.tx.objects[o].object, nil
	}
	k := objectKey(v.a, o)
	b, err := v.get(k, "object")
	if err != nil {
		return object{}, err
	}
	return decodeObject(k, b)
}

// Index returns the value under a key of a collection's index; NotFound when there is none.
func (v *View) Index(id CollectionID, k []byte) ([]byte, error) {
	if len(k) > maxKey {
		return nil, fmt.Errorf("index entry: %w", NotFound)
	}
	b, err := v.get(indexKey(v.a, id, k), "index entry")
	return append([]byte(nil), b...), err
}

// ScanIndex yields a range of a collection's index. The slices are valid until
// the next step of the loop only.
func (v *View) ScanIndex(id CollectionID, r kv.Range) iter.Seq2[[]byte, []byte] {
	prefix := collKey(v.a, tagIndex, id, 0)
	return func(yield func([]byte, []byte) bool) {
		for k, b := range v.r.Scan(within(prefix, r)) {
			if !yield(k[len(prefix):], b) {
				return
			}
		}
	}
}

// Prop returns one property's value; NotFound when it is not set.
func (v *View) Prop(k PropKey) ([]byte, error) {
	if len(k.Name) > maxKey {
		return nil, fmt.Errorf("property: %w", NotFound)
	}
	b, err := v.get(propKey(v.a, k), "property")
	return append([]byte(nil), b...), err
}

// Props returns all properties that have k's Collection, Num and User, by name;
// k.Name is not looked at.
func (v *View) Props(k PropKey) ([]Prop, error) {
	k.Name = ""
	prefix := propKey(v.a, k)
	var list []Prop
	for kk, b := range v.r.Scan(kv.Prefix(prefix)) {
		p := Prop{PropKey: k, Value: append([]byte(nil), b...)}
		p.Name = string(kk[len(prefix):])
		list = append(list, p)
	}
	return list, nil
}

// Record returns one of the account's records; NotFound when there is none.
func (v *View) Record(name string) ([]byte, error) {
	if len(name) > maxKey {
		return nil, fmt.Errorf("record: %w", NotFound)
	}
	b, err := v.get(recordKey(v.a, name), "record")
	return append([]byte(nil), b...), err
}

// Records yields the records whose names begin with prefix, by name. The values are
// valid until the next step of the loop only.
func (v *View) Records(prefix string) iter.Seq2[string, []byte] {
	own := len(key(v.a, tagRecord, 0))
	return func(yield func(string, []byte) bool) {
		for k, b := range v.r.Scan(kv.Prefix(recordKey(v.a, prefix))) {
			if !yield(string(k[own:]), b) {
				return
			}
		}
	}
}
