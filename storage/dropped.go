package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Names of collections that went, by Drop or by Rename, stay in a record of the account: a face that
// tells clients of collections as of objects needs them.

// DroppedName is the name of a collection that went.
type DroppedName struct {
	Modseq uint64
	Name   string
}

// maxDropped bounds the record of one schema, in bytes.
const maxDropped = 8 << 10

func droppedRecord(schema byte) string { return fmt.Sprintf("storage/dropped/%d", schema) }

// Dropped returns the names of a schema's collections that went, the oldest first, one name
// once; another collection may have it by now. What went up to modseq floor is not among
// them any more.
func (v *View) Dropped(schema byte) (list []DroppedName, floor uint64, err error) {
	b, err := v.Record(droppedRecord(schema))
	if errors.Is(err, NotFound) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	bad := false
	num := func() uint64 {
		n, k := binary.Uvarint(b)
		if k <= 0 {
			bad, b = true, nil
			return 0
		}
		b = b[k:]
		return n
	}
	for floor = num(); len(b) > 0; {
		d := DroppedName{Modseq: num()}
		n := num()
		if n > uint64(len(b)) {
			bad = true
		}
		if bad {
			return nil, 0, fmt.Errorf("names of dropped collections: %w", Corrupt)
		}
		d.Name, b = string(b[:n]), b[n:]
		list = append(list, d)
	}
	return list, floor, nil
}

// nameWent notes that a collection's name goes in this transaction.
func (t *Tx) nameWent(schema byte, name string) error {
	if isHidden(name) {
		return nil
	}
	next, err := t.Next()
	if err != nil {
		return err
	}
	old, floor, err := t.Dropped(schema)
	if err != nil {
		return err
	}
	list := old[:0]
	size := 10
	for _, d := range append(old, DroppedName{next, name}) {
		if d.Name == name && d.Modseq != next {
			continue
		}
		list = append(list, d)
		size += len(d.Name) + 20
	}
	for ; size > maxDropped && len(list) > 1; list = list[1:] {
		size -= len(list[0].Name) + 20
		floor = list[0].Modseq
	}
	b := binary.AppendUvarint(nil, floor)
	for _, d := range list {
		b = binary.AppendUvarint(b, d.Modseq)
		b = append(binary.AppendUvarint(b, uint64(len(d.Name))), d.Name...)
	}
	return t.SetRecord(droppedRecord(schema), b)
}
