package storage

import (
	"encoding/binary"
	"errors"

	"atrium/storage/blob"
	"atrium/storage/kv"
)

// What lies close together is read by one scan, which costs about as much as three single
// reads and a tenth of one for each key it passes.
const (
	scanFrom = 5 // so many at least
	scanGap  = 8 // with gaps of so many objects at most
)

// Facets calls fn with one facet of each of objects that has it, by its index in objects, in that
// order; the bytes are valid during the call only. It is much faster than
// PeekFacet where the objects ascend and lie close together. An error of fn ends it and is returned.
func (v *View) Facets(facet byte, objects []ObjectID, fn func(i int, value []byte) error) error {
	if v.tx != nil {
		for i, o := range objects {
			b, err := v.PeekFacet(o, facet)
			if err == nil {
				err = fn(i, b)
			} else if errors.Is(err, NotFound) {
				err = nil
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	return v.many(facetKey(v.a, facet, 0), objects, func(i int, _, value []byte) error { return fn(i, value) })
}

// Blobs calls fn with the reference to the body of each of objects that exists, the zero Ref when it has none; see
// Facets.
func (v *View) Blobs(objects []ObjectID, fn func(i int, ref blob.Ref) error) error {
	if v.tx != nil {
		for i, o := range objects {
			ref, err := v.Blob(o)
			if err == nil {
				err = fn(i, ref)
			} else if errors.Is(err, NotFound) {
				err = nil
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	return v.many(objectKey(v.a, 0), objects, func(i int, k, value []byte) error {
		o, err := decodeObject(k, value)
		if err != nil {
			return err
		}
		return fn(i, o.blob)
	})
}

// many reads records whose keys end with an object.
func (v *View) many(k []byte, objects []ObjectID, fn func(i int, k, value []byte) error) error {
	end := len(k) - 8
	for from := 0; from < len(objects); {
		to := run(objects, from)
		if to-from >= scanFrom {
			if err := v.scanRun(k[:end], objects[from:to], from, fn); err != nil {
				return err
			}
			from = to
			continue
		}
		for ; from < to; from++ {
			binary.BigEndian.PutUint64(k[end:], uint64(objects[from]))
			b, err := v.r.Get(k)
			if errors.Is(err, kv.NotFound) {
				continue
			}
			if err == nil {
				err = fn(from, k, b)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// run returns where the run of objects that begins at from ends: they ascend and lie close together.
func run(objects []ObjectID, from int) int {
	to := from + 1
	for ; to < len(objects); to++ {
		if d := objects[to] - objects[to-1]; d == 0 || d > scanGap { // a step back is a large d
			break
		}
	}
	return to
}

// scanRun is many for one run whose first object has the index first.
func (v *View) scanRun(prefix []byte, run []ObjectID, first int, fn func(i int, k, value []byte) error) error {
	r := kv.Range{
		From: binary.BigEndian.AppendUint64(append([]byte(nil), prefix...), uint64(run[0])),
		To:   binary.BigEndian.AppendUint64(append([]byte(nil), prefix...), uint64(run[len(run)-1])+1),
	}
	if run[len(run)-1]+1 == 0 {
		r.To = kv.After(prefix)
	}
	i := 0
	for k, b := range v.r.Scan(r) {
		if len(k) != len(prefix)+8 {
			continue
		}
		o := ObjectID(binary.BigEndian.Uint64(k[len(prefix):]))
		for run[i] < o {
			i++
		}
		if run[i] == o {
			if err := fn(first+i, k, b); err != nil {
				return err
			}
		}
	}
	return nil
}
