package calendar

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"atrium/calendar/ics"
	"atrium/storage"
	"atrium/storage/blob"
)

// Attachments is the sort of collection that holds an account's managed attachments (RFC 8607). It has no name
// space for clients: a row is found by its managed ID, and counts the objects that refer to it; without one it goes.
var Attachments = storage.Schema{Code: 7, Name: "attachments", Tally: func(row []byte) storage.Tally {
	d := decoder{b: row}
	d.byte()
	d.uint()
	return storage.Tally{Bytes: int64(d.uint())}
}}

// Attachment is one managed attachment.
type Attachment struct {
	ID   string // MANAGED-ID
	Name string // as the client named the file, may be empty
	Type string // media type
	Size int64  // bytes
	Blob blob.Ref

	num  storage.Num
	refs uint64
}

const (
	attachmentVersion = 1
	attachments       = "attachments" // name of the collection
	idTag             = 'm'
)

func (a *Attachment) encode() []byte {
	b := []byte{attachmentVersion}
	b = binary.AppendUvarint(b, a.refs)
	b = binary.AppendUvarint(b, uint64(a.Size))
	return appendString(appendString(appendString(b, a.ID), a.Name), a.Type)
}

// Attach files an attachment that no object refers to yet: a Put in the same transaction must.
func Attach(tx *storage.Tx, ref blob.Ref, name, mediaType string) (Attachment, error) {
	id := make([]byte, 16)
	rand.Read(id)
	a := Attachment{ID: base64.RawURLEncoding.EncodeToString(id), Name: name, Type: mediaType, Size: ref.Size, Blob: ref}
	c, err := tx.CollectionByName(Attachments.Code, attachments)
	if errors.Is(err, storage.NotFound) {
		c, err = tx.Create(Attachments.Code, attachments, nil)
	}
	if err != nil {
		return a, err
	}
	o, err := tx.NewObject(storage.Object{Blob: ref})
	if err != nil {
		return a, err
	}
	if a.num, err = tx.Insert(c.ID, o, a.encode()); err != nil {
		return a, err
	}
	return a, tx.SetIndex(c.ID, append([]byte{idTag}, a.ID...), putNum(a.num))
}

// AttachmentByID returns an attachment of the account; storage.NotFound.
func AttachmentByID(v *storage.View, id string) (Attachment, error) {
	c, a, o, err := attachment(v, id)
	if err != nil || c == 0 {
		return a, err
	}
	a.Blob, err = v.Blob(o)
	return a, err
}

func attachment(v *storage.View, id string) (storage.CollectionID, Attachment, storage.ObjectID, error) {
	none := fmt.Errorf("attachment %.40q: %w", id, storage.NotFound)
	if len(id) > 100 {
		return 0, Attachment{}, 0, none
	}
	c, err := v.CollectionByName(Attachments.Code, attachments)
	if err != nil {
		return 0, Attachment{}, 0, err
	}
	b, err := v.Index(c.ID, append([]byte{idTag}, id...))
	if err != nil {
		return 0, Attachment{}, 0, err
	}
	row, err := v.Row(c.ID, numOf(b))
	if err != nil {
		return 0, Attachment{}, 0, err
	}
	d := decoder{b: row.Data}
	if d.byte() != attachmentVersion {
		return 0, Attachment{}, 0, fmt.Errorf("attachment %q: %w", id, storage.Corrupt)
	}
	a := Attachment{num: row.Num, refs: d.uint(), Size: int64(d.uint()), ID: d.string(), Name: d.string(), Type: d.string()}
	if d.bad || a.ID != id {
		return 0, a, 0, none
	}
	return c.ID, a, row.Object, nil
}

// refer counts that one more object (or with gone one less) refers to attachments. IDs that the
// account does not have are others': an invitation brings those of its organizer.
func refer(tx *storage.Tx, ids []string, gone bool) error {
	for _, id := range ids {
		c, a, _, err := attachment(&tx.View, id)
		if errors.Is(err, storage.NotFound) {
			continue
		}
		if err != nil {
			return err
		}
		switch {
		case !gone:
			a.refs++
		case a.refs > 1:
			a.refs--
		default:
			if err := errors.Join(tx.Remove(c, a.num, nil), tx.SetIndex(c, append([]byte{idTag}, id...), nil)); err != nil {
				return err
			}
			continue
		}
		if err := tx.Set(c, a.num, 0, a.encode()); err != nil {
			return err
		}
	}
	return nil
}

// managedIDs are the attachments that an object names, each once.
func managedIDs(c *ics.Calendar) (ids []string) {
	for _, k := range c.Components {
		for i := range k.Props {
			if k.Props[i].Name != "ATTACH" || len(ids) >= MaxManaged {
				continue
			}
			if id, ok := k.Props[i].Param("MANAGED-ID"); ok && id != "" && len(id) <= 100 && !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
	}
	return ids
}

// MaxManaged is how many managed attachments an object may have.
const MaxManaged = 30
