package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"

	"atrium/storage/kv"
)

// Tx is a View that sees its own writes, and writes. All its changes get one modseq.
type Tx struct {
	View
	w       kv.Txn
	now     int64 // Unix seconds
	trees   map[CollectionID]*tree
	objects map[ObjectID]*workObject
	metas   []CollectionID // whose own record changed but not their rows
	granted []AccountID    // who got rights or lost them
	dirty   bool           // the account's head changed
	removed bool           // rows or a collection went: there is something to clean
	grew    bool           // the usage grew: the limits are checked
}

// workObject is an object at work in a transaction.
type workObject struct {
	object
	values map[byte][]byte // new facets
	known  bool            // its record was read or made; else only the balance counts
	made   bool
	staged bool // nothing shows it yet, and it stays all the same
	net    int  // rows that came less rows that went in this transaction
}

// Next is the modseq that this transaction's changes get.
func (t *Tx) Next() (uint64, error) {
	h, err := t.account()
	if err != nil {
		return 0, err
	}
	return h.modseq + 1, nil
}

// tree returns a collection at work.
func (t *Tx) tree(id CollectionID) (*tree, error) {
	if w := t.trees[id]; w != nil {
		return w, nil
	}
	c, supers, err := t.record(id)
	if err != nil {
		return nil, err
	}
	w := newTree(c, t.s.schemas[c.Schema], supers)
	t.keep(w)
	return w, nil
}

func (t *Tx) keep(w *tree) {
	if t.trees == nil {
		t.trees = map[CollectionID]*tree{}
	}
	t.trees[w.c.ID] = w
}

func checkName(name string) error {
	if name == "" || len(name) > maxKey || !utf8.ValidString(name) || isHidden(name) {
		return fmt.Errorf("collection name %.40q: %w", name, Invalid)
	}
	return nil
}

// Create makes a collection; Exists when the account has one of that schema
// and name. data is the domain's.
func (t *Tx) Create(schema byte, name string, data []byte) (*Collection, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	return t.create(schema, name, data)
}

func (t *Tx) create(schema byte, name string, data []byte) (*Collection, error) {
	if t.s.schemas[schema] == nil {
		return nil, fmt.Errorf("collection schema %d: %w", schema, Invalid)
	}
	h, err := t.account()
	if err != nil {
		return nil, err
	}
	if err := t.free(schema, name); err != nil {
		return nil, err
	}
	next := h.modseq + 1
	c := &Collection{Account: t.a, ID: h.nextColl, Schema: schema, Name: name, Data: data,
		Created: next, Modseq: next, Meta: next, Floor: next, Next: 1}
	h.nextColl++
	w := newTree(c, t.s.schemas[schema], nil)
	w.dirty = true
	t.keep(w)
	t.w.Set(nameKey(t.a, schema, name), binary.BigEndian.AppendUint32(nil, uint32(c.ID)))
	t.metaChanged(c.ID)
	out := *c
	return &out, nil
}

// free returns Exists when a name is taken.
func (t *Tx) free(schema byte, name string) error {
	_, err := t.r.Get(nameKey(t.a, schema, name))
	switch {
	case err == nil:
		return fmt.Errorf("collection %q: %w", name, Exists)
	case errors.Is(err, kv.NotFound):
		return nil
	}
	return err
}

func (t *Tx) metaChanged(id CollectionID) {
	t.head.meta = t.head.modseq + 1
	t.dirty = true
	if id != 0 && !slices.Contains(t.metas, id) {
		t.metas = append(t.metas, id)
	}
}

// meta notes that something of a collection's own (or with 0 the account's) changed.
func (t *Tx) meta(id CollectionID) error {
	h, err := t.account()
	if err != nil {
		return err
	}
	if id != 0 {
		w, err := t.tree(id)
		if err != nil {
			return err
		}
		w.c.Meta, w.dirty = h.modseq+1, true
	}
	t.metaChanged(id)
	return nil
}

// Rename gives a collection another name; Exists when that is taken.
func (t *Tx) Rename(id CollectionID, name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	w, err := t.tree(id)
	if err != nil {
		return err
	}
	if w.c.Name == name {
		return nil
	}
	if err := t.free(w.c.Schema, name); err != nil {
		return err
	}
	if err := t.nameWent(w.c.Schema, w.c.Name); err != nil {
		return err
	}
	t.w.Delete(nameKey(t.a, w.c.Schema, w.c.Name))
	t.w.Set(nameKey(t.a, w.c.Schema, name), binary.BigEndian.AppendUint32(nil, uint32(id)))
	w.c.Name = name
	return t.meta(id)
}

// SetData replaces the domain's data of a collection.
func (t *Tx) SetData(id CollectionID, data []byte) error {
	w, err := t.tree(id)
	if err != nil {
		return err
	}
	w.c.Data = data
	return t.meta(id)
}

// Drop removes a collection and all in it. Its rows count no more from now on;
// what they leave is cleared in the background, but for what Schema.Dropping gives back.
func (t *Tx) Drop(id CollectionID) error {
	w, err := t.tree(id)
	if err != nil {
		return err
	}
	if w.schema != nil && w.schema.Dropping != nil {
		if err := w.schema.Dropping(t, id); err != nil {
			return err
		}
	}
	if err := t.settle(id); err != nil {
		return err
	}
	if err := t.meta(id); err != nil {
		return err
	}
	if err := t.dropShares(id); err != nil {
		return err
	}
	b, err := t.r.Get(collKey(t.a, tagCollection, id, 0))
	if err != nil {
		return err
	}
	if err := t.nameWent(w.c.Schema, w.c.Name); err != nil {
		return err
	}
	t.w.Set(collKey(t.a, tagDropped, id, 0), append([]byte(nil), b...))
	t.w.Delete(collKey(t.a, tagCollection, id, 0))
	t.w.Delete(nameKey(t.a, w.c.Schema, w.c.Name))
	t.head.usage.Bytes -= w.c.Tally.Bytes
	t.head.usage.Objects -= int64(w.c.Count)
	delete(t.trees, id)
	t.removed = true
	return nil
}

// NewObject stores an object, to be shown by Insert or Set in this same
// transaction. An object that no row shows any more is removed some time later.
func (t *Tx) NewObject(o Object) (ObjectID, error) {
	h, err := t.account()
	if err != nil {
		return 0, err
	}
	id := h.nextObject
	h.nextObject++
	t.dirty = true
	w := &workObject{object: object{blob: o.Blob}, values: o.Facets, known: true, made: true}
	for f := range o.Facets {
		w.facets = append(w.facets, f)
	}
	slices.Sort(w.facets)
	t.work()[id] = w
	return id, nil
}

func (t *Tx) work() map[ObjectID]*workObject {
	if t.objects == nil {
		t.objects = map[ObjectID]*workObject{}
	}
	return t.objects
}

// SetFacet replaces or (nil) removes a facet of an object.
func (t *Tx) SetFacet(o ObjectID, facet byte, value []byte) error {
	rec, err := t.object(o)
	if err != nil {
		return err
	}
	i, have := slices.BinarySearch(rec.facets, facet)
	w := t.objects[o]
	if w != nil && w.made {
		if w.values == nil {
			w.values = map[byte][]byte{}
		}
		w.values[facet] = value
		if value == nil {
			delete(w.values, facet)
		}
	} else if value == nil {
		t.w.Delete(facetKey(t.a, facet, o))
	} else {
		t.w.Set(facetKey(t.a, facet, o), value)
	}
	switch {
	case value == nil && have:
		rec.facets = slices.Delete(slices.Clone(rec.facets), i, i+1)
	case value != nil && !have:
		rec.facets = slices.Insert(slices.Clone(rec.facets), i, facet)
	default:
		return nil
	}
	if w != nil {
		w.facets = rec.facets
		return nil
	}
	t.w.Set(objectKey(t.a, o), rec.encode())
	return nil
}

// shown notes that an object is shown by n more rows.
func (t *Tx) shown(o ObjectID, n int) error {
	w := t.objects[o]
	if w == nil {
		w = &workObject{}
		t.work()[o] = w
	}
	if w.net+n > 0 && !w.known {
		k := objectKey(t.a, o)
		b, err := t.get(k, "object")
		if err != nil {
			return err
		}
		if w.object, err = decodeObject(k, b); err != nil {
			return err
		}
		w.known = true
	}
	w.net += n
	return nil
}

// Insert adds a row and returns its Num. data is the domain's, at most 4 KiB.
func (t *Tx) Insert(id CollectionID, o ObjectID, data []byte) (Num, error) {
	w, err := t.tree(id)
	if err != nil {
		return 0, err
	}
	h, err := t.account()
	if err != nil {
		return 0, err
	}
	if len(data) > maxRowData {
		return 0, tooLong(len(data))
	}
	if w.c.Next == 1<<32-1 {
		return 0, fmt.Errorf("numbers of collection %q: %w", w.c.Name, TooLarge)
	}
	if err := t.shown(o, 1); err != nil {
		return 0, err
	}
	n, modseq := w.c.Next, h.modseq+1
	before := w.c.Tally.Bytes
	if err := w.insert(t.r, Row{Num: n, Object: o, Modseq: modseq, Created: modseq, Data: data}); err != nil {
		return 0, err
	}
	w.c.Next++
	t.charge(1, w.c.Tally.Bytes-before)
	return n, nil
}

func tooLong(n int) error { return fmt.Errorf("row data of %d bytes: %w", n, TooLarge) }

func (t *Tx) charge(rows, bytes int64) {
	t.head.usage.Objects += rows
	t.head.usage.Bytes += bytes
	t.grew = t.grew || rows > 0 || bytes > 0
	t.dirty = true
}

// Set replaces a row's data; with another object it shows that instead (0 keeps it).
func (t *Tx) Set(id CollectionID, n Num, o ObjectID, data []byte) error {
	w, err := t.tree(id)
	if err != nil {
		return err
	}
	h, err := t.account()
	if err != nil {
		return err
	}
	if len(data) > maxRowData {
		return tooLong(len(data))
	}
	before := w.c.Tally.Bytes
	old, err := w.set(t.r, n, o, data, h.modseq+1)
	if err != nil {
		return err
	}
	t.charge(0, w.c.Tally.Bytes-before)
	if o == 0 || o == old {
		return nil
	}
	if err := t.shown(o, 1); err != nil {
		return err
	}
	return t.shown(old, -1)
}

// Remove removes a row; note is kept in the log for Changes (a name, say).
func (t *Tx) Remove(id CollectionID, n Num, note []byte) error {
	w, err := t.tree(id)
	if err != nil {
		return err
	}
	h, err := t.account()
	if err != nil {
		return err
	}
	before := w.c.Tally.Bytes
	o, err := w.remove(t.r, n, note, h.modseq+1)
	if err != nil {
		return err
	}
	t.charge(-1, w.c.Tally.Bytes-before)
	return t.shown(o, -1)
}

// SetIndex sets an entry of a collection's index, or removes it when value is nil.
func (t *Tx) SetIndex(id CollectionID, k, value []byte) error {
	if len(k) == 0 || len(k) > maxKey {
		return fmt.Errorf("index key of %d bytes: %w", len(k), TooLarge)
	}
	return t.put(indexKey(t.a, id, k), value)
}

func (t *Tx) put(k, value []byte) error {
	if value == nil {
		t.w.Delete(k)
	} else {
		t.w.Set(k, value)
	}
	return nil
}

// SetProp sets a property, or removes it when value is nil.
func (t *Tx) SetProp(k PropKey, value []byte) error {
	if k.Name == "" || len(k.Name) > maxKey {
		return fmt.Errorf("property name of %d bytes: %w", len(k.Name), TooLarge)
	}
	if err := t.put(propKey(t.a, k), value); err != nil {
		return err
	}
	return t.meta(k.Collection)
}

// Touch makes the transaction a change of the account as such: it takes a modseq and
// wakes those who watch the account, which a record alone does not.
func (t *Tx) Touch() error { return t.meta(0) }

// SetRecord sets a record, or removes it when value is nil.
func (t *Tx) SetRecord(name string, value []byte) error {
	if name == "" || len(name) > maxKey {
		return fmt.Errorf("record name of %d bytes: %w", len(name), TooLarge)
	}
	return t.put(recordKey(t.a, name), value)
}

// flush writes what the transaction did.
func (t *Tx) flush() error {
	rows := false
	for _, w := range t.trees {
		rows = rows || w.rows
		w.flush(t.w, t.now)
	}
	if err := t.flushObjects(); err != nil {
		return err
	}
	if !rows && !t.dirty {
		return nil
	}
	h, err := t.account()
	if err != nil {
		return err
	}
	u := &h.usage
	if t.grew && u.MaxBytes > 0 && u.Bytes > u.MaxBytes {
		return fmt.Errorf("%d bytes of %d: %w", u.Bytes, u.MaxBytes, OverQuota)
	}
	if t.grew && u.MaxObjects > 0 && u.Objects > u.MaxObjects {
		return fmt.Errorf("%d objects of %d: %w", u.Objects, u.MaxObjects, OverQuota)
	}
	h.modseq++
	t.w.Set(key(t.a, tagHead, 0), h.encode())
	return nil
}

// flushObjects writes the objects that rows began to show, and a garbage record
// of those that some row shows no more.
func (t *Tx) flushObjects() error {
	var gone []ObjectID
	for id, w := range t.objects {
		switch {
		case w.made && w.net <= 0 && !w.staged: // never shown: as if it had not been
			continue
		case w.made:
			for f, b := range w.values {
				t.w.Set(facetKey(t.a, f, id), b)
			}
			if w.staged {
				w.net++
				gone = append(gone, id)
			}
			fallthrough
		case w.net > 0:
			w.rows += w.net
			t.w.Set(objectKey(t.a, id), w.encode())
		case w.net < 0:
			for range -w.net {
				gone = append(gone, id)
			}
		}
	}
	if len(gone) == 0 {
		return nil
	}
	h, err := t.account()
	if err != nil {
		return err
	}
	t.removed = true
	slices.Sort(gone)
	t.w.Set(garbageKey(t.a, h.modseq+1), encodeGarbage(t.now, gone))
	return nil
}

// touched are the collections whose watchers are to be woken.
func (t *Tx) touched() []CollectionID {
	list := t.metas
	for id, w := range t.trees {
		if (w.rows || w.advanced) && !slices.Contains(list, id) {
			list = append(list, id)
		}
	}
	return list
}
