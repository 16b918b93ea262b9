package storage

import (
	"slices"

	"atrium/storage/kv"
)

// ClearProps removes all properties of a row, those of all and each user's own.
func (t *Tx) ClearProps(id CollectionID, n Num) error {
	prefix := propKey(t.a, PropKey{Collection: id, Num: n})
	prefix = prefix[:len(prefix)-8] // of whatever user
	r := kv.Prefix(prefix)
	r.KeysOnly = true
	var keys [][]byte
	for k := range t.r.Scan(r) {
		keys = append(keys, slices.Clone(k))
	}
	for _, k := range keys {
		t.w.Delete(k)
	}
	if len(keys) == 0 {
		return nil
	}
	return t.meta(id)
}
