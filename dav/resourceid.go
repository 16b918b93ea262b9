package dav

import (
	"crypto/sha256"
	"errors"
	"fmt"

	"atrium/dav/elem"
	"atrium/storage"
)

// resourceIDName is the property that keeps a moved member's DAV:resource-id. It is none of the clients'.
const resourceIDName = "resource-id"

// getResourceID is a URI that no other resource anywhere has, and that stays when a resource moves within its home (RFC
// 5842 §3.1).
func getResourceID(a *Ask, r *Resource, w *elem.Writer) error {
	place := ""
	switch {
	case r.Entry != nil:
		place = memberPlace(r.Collection.ID, r.Entry.Num)
		if a.View != nil {
			p, err := a.View.Prop(storage.PropKey{Collection: r.Collection.ID, Num: r.Entry.Num, Name: resourceIDName})
			if err == nil {
				place = string(p)
			} else if !errors.Is(err, storage.NotFound) {
				return err
			}
		}
	case r.Collection != nil:
		place = fmt.Sprint(r.Collection.ID)
	case r.Tree != nil:
		place = r.Tree.Segment
	}
	// An account's number is unique in one installation; when it was made tells installations apart.
	h := sha256.Sum256(fmt.Appendf(nil, "resource %d %d %s", r.Owner.ID, r.Owner.Created.Unix(), place))
	h[6], h[8] = h[6]&0x0f|0x80, h[8]&0x3f|0x80 // RFC 9562 §5.8
	w.Str(fmt.Sprintf("<D:href>urn:uuid:%x-%x-%x-%x-%x</D:href>", h[:4], h[4:6], h[6:8], h[8:10], h[10:16]))
	return nil
}

func memberPlace(c storage.CollectionID, n storage.Num) string { return fmt.Sprintf("%d %d", c, n) }

// setResourceID has a member that was moved say where it was first. One that was copied, with its properties, is another.
func setResourceID(tx *storage.Tx, moved bool, from, to storage.PropKey) error {
	from.Name, to.Name = resourceIDName, resourceIDName
	_, err := tx.Prop(to)
	there := err == nil // it came along
	switch {
	case err != nil && !errors.Is(err, storage.NotFound):
		return err
	case !moved && there:
		return tx.SetProp(to, nil)
	case moved && !there && from != to:
		return tx.SetProp(to, []byte(memberPlace(from.Collection, from.Num)))
	}
	return nil
}
