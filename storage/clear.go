package storage

import (
	"encoding/binary"
	"slices"

	"atrium/storage/kv"
)

// ClearProps removes all properties of a row, those of all and each user's own.
func (t *Tx) ClearProps(id CollectionID, n Num) error {
	r := kv.Prefix(propsOfAll(t.a, id, n))
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

// AllProps returns all properties of a row, those of all and each user's own.
func (t *Tx) AllProps(id CollectionID, n Num) ([]Prop, error) {
	prefix := propsOfAll(t.a, id, n)
	var list []Prop
	for k, b := range t.r.Scan(kv.Prefix(prefix)) {
		k = k[len(prefix):]
		list = append(list, Prop{Value: slices.Clone(b),
			PropKey: PropKey{Collection: id, Num: n, User: AccountID(binary.BigEndian.Uint64(k)), Name: string(k[8:])}})
	}
	return list, nil
}

// propsOfAll is how the keys of a row's properties begin, whoever's they are.
func propsOfAll(a AccountID, id CollectionID, n Num) []byte {
	k := propKey(a, PropKey{Collection: id, Num: n})
	return k[:len(k)-8]
}
