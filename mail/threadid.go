package mail

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"

	"atrium/mail/message"
	"atrium/storage"
)

// ThreadID names a thread in its owner's account (RFC 8474 §5.2); "" for a message that is in none.
func ThreadID(owner storage.AccountID, thread storage.ObjectID) string {
	if thread == 0 {
		return ""
	}
	return objectID('T', uint64(owner), uint64(thread))
}

// A thread is known by the object of the first of its messages that came. Each account has a table of
// the Message-IDs that its messages have and refer to, with the thread of each, so that what comes finds its
// thread with few look-ups, in whatever order a conversation arrives, also when the message that it answers
// is expunged. What a message's thread is stands in its row and never changes: a message that would join two
// threads goes into one, and they stay two.
//
// The table has 1<<24 places. An id's place is its hash, and a newer one takes the place of an
// older, so that the table is bounded, at some 30 bytes a place, and never has to be aged.
const (
	threadPrefix = "thread/"
	placeLen     = 3 // bytes of the hash that are the place
	proofLen     = 5 // bytes of the hash that the record has
)

// A message is sought by so many of its ancestors, the nearest, and by the farthest, which began
// the thread.
const maxAncestors = 8

// threadKey is the hash of a Message-ID.
type threadKey [placeLen + proofLen]byte

func threadKeyOf(id []byte) (k threadKey) {
	sum := sha256.Sum256(id)
	copy(k[:], sum[:])
	return k
}

// threadKeys returns the keys that tell a message's thread: its own first, then its ancestors' from the nearest
// on. A message that has none is a thread for itself.
func threadKeys(x *message.Index) (list []threadKey) {
	own := x.MessageID()
	var refs [][]byte
	for id := range x.References() {
		if len(id) > 0 && !bytes.Equal(id, own) {
			refs = append(refs, id)
		}
	}
	if len(own) == 0 && len(refs) == 0 {
		return nil
	}
	list = make([]threadKey, 0, 1+min(len(refs), maxAncestors))
	list = append(list, threadKeyOf(own))
	if n := len(refs); n > maxAncestors {
		copy(refs[1:], refs[n-maxAncestors+1:])
		refs = refs[:maxAncestors]
	}
	for i := len(refs) - 1; i >= 0; i-- {
		list = append(list, threadKeyOf(refs[i]))
	}
	return list
}

// threadKeysIn is threadKeys of an index record.
func threadKeysIn(record []byte) []threadKey {
	x, err := message.OpenIndex(record)
	if err != nil {
		return nil
	}
	return threadKeys(&x)
}

// noID is the key of a message without Message-ID.
var noID = threadKeyOf(nil)

// thread finds the thread of a new message whose object is o, and notes in the table what tells it of
// later ones. A message that is known already, as one that was sent and comes back, and one that was referred to is in
// the thread that is noted for it, else it is in its nearest known ancestor's.
func thread(tx *storage.Tx, keys []threadKey, o storage.ObjectID) (storage.ObjectID, error) {
	found := storage.ObjectID(0)
	missing := make([]threadKey, 0, 1+maxAncestors)
	for i, k := range keys {
		if i == 0 && k == noID {
			continue
		}
		t, err := threadAt(&tx.View, k)
		if err != nil {
			return 0, err
		}
		if t != 0 {
			found = t
			break
		}
		missing = append(missing, k)
	}
	if found == 0 {
		found = o
	}
	for _, k := range missing {
		value := binary.AppendUvarint(append(make([]byte, 0, proofLen+6), k[placeLen:]...), uint64(found))
		if err := tx.SetRecord(threadPrefix+string(k[:placeLen]), value); err != nil {
			return 0, err
		}
	}
	return found, nil
}

// threadAt returns the thread that is noted for an id, 0 when none is.
func threadAt(v *storage.View, k threadKey) (storage.ObjectID, error) {
	b, err := v.Record(threadPrefix + string(k[:placeLen]))
	if errors.Is(err, storage.NotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if len(b) <= proofLen || !bytes.Equal(b[:proofLen], k[placeLen:]) {
		return 0, nil
	}
	o, n := binary.Uvarint(b[proofLen:])
	if n <= 0 {
		return 0, nil
	}
	return storage.ObjectID(o), nil
}
