package dav

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"time"

	"atrium/dav/elem"
	"atrium/storage"
)

// Notifications is the sort of collection in which an account finds what it is to be told: that something is
// shared with it, or that one has answered.
var Notifications = storage.Schema{Code: 6, Name: "notifications", Tally: func([]byte) storage.Tally { return storage.Tally{} }}

// notifications is the tree of these (Apple's caldav-notifications): one collection for each account, that clients
// read and clear.
var notifications = &Tree{
	Segment: "notifications", Schema: Notifications.Code, MaxSize: 64 << 10,
	Home:       &Kind{Name: "notifications", Bits: Home | notifyHome, Types: elem.Names("D:collection")},
	Collection: &Kind{Name: "notifications", Bits: Collection | Synced | notifyBox, Types: elem.Names("D:collection", "CS:notification")},
	Member:     &Kind{Name: "notification", Bits: Member | notice},
	Limit: func(*storage.Collection) storage.Rights {
		return storage.Lookup | storage.Read | storage.Delete
	},
	Private: func(*storage.Collection) bool { return true },
	Ensure:  func(tx *storage.Tx) error { _, err := noticeBox(tx); return err },
	Make: func(*storage.Tx, string, *Making) (*storage.Collection, error) {
		return nil, Fail(http.StatusForbidden, "there is one such collection")
	},
	ByName: noticeByName, Entries: noticeEntries, Changes: noticeChanges, Open: openNotice,
	Prepare: func(*Request, io.Reader) (Upload, error) {
		return nil, Fail(http.StatusForbidden, "the server alone writes here")
	},
	Delete: removeNotice,
	Copy: func(*storage.Tx, storage.CollectionID, string, storage.CollectionID, string) (Entry, error) {
		return Entry{}, Fail(http.StatusForbidden, "notifications stay where they are")
	},
	Move: func(*storage.Tx, storage.CollectionID, string, storage.CollectionID, string) (Entry, error) {
		return Entry{}, Fail(http.StatusForbidden, "notifications stay where they are")
	},
}

// The kinds of resources of that tree: the last bits, which no module takes.
const (
	notifyHome Kinds = 1 << (29 + iota)
	notifyBox
	notice
)

// noticesName is the name of the collection.
const noticesName = "inbox"

// maxNotices bounds them: the oldest goes.
const maxNotices = 200

// noticeRow is what a row says of a notification; its body is a facet.
type noticeRow struct {
	Name     string
	Type     string // the content of CS:notificationtype
	ETag     string
	Size     int64
	Modified int64 // Unix seconds
}

const noticeBody = 1

func noticeBox(tx *storage.Tx) (*storage.Collection, error) {
	c, err := tx.CollectionByName(Notifications.Code, noticesName)
	if errors.Is(err, storage.NotFound) {
		c, err = tx.Create(Notifications.Code, noticesName, nil)
	}
	return c, err
}

// notify puts a notification into the account of tx, in place of one of that name.
func notify(tx *storage.Tx, name, kind string, body []byte) error {
	c, err := noticeBox(tx)
	if err != nil {
		return err
	}
	if err := removeNotice(tx, c.ID, name); err != nil && !errors.Is(err, storage.NotFound) {
		return err
	}
	t, err := tx.Table(c.ID)
	if err != nil {
		return err
	}
	if t.Len() >= maxNotices {
		for e := range noticeEntries(t) {
			if err := removeNotice(tx, c.ID, e.Name); err != nil {
				return err
			}
			break
		}
	}
	o, err := tx.NewObject(storage.Object{Facets: map[byte][]byte{noticeBody: body}})
	if err != nil {
		return err
	}
	sum := sha256.Sum256(body)
	b, err := json.Marshal(noticeRow{name, kind, hex.EncodeToString(sum[:10]), int64(len(body)), time.Now().Unix()})
	if err != nil {
		return err
	}
	n, err := tx.Insert(c.ID, o, b)
	if err != nil {
		return err
	}
	return tx.SetIndex(c.ID, []byte(name), fmt.Appendf(nil, "%d", n))
}

func noticeEntry(r storage.Row) (Entry, error) {
	var row noticeRow
	if err := json.Unmarshal(r.Data, &row); err != nil {
		return Entry{}, fmt.Errorf("notification: %w: %w", storage.Corrupt, err)
	}
	return Entry{Num: r.Num, Object: r.Object, Name: row.Name, ETag: row.ETag, Type: "application/xml; charset=utf-8", Size: row.Size,
		Modified: time.Unix(row.Modified, 0).UTC(), Modseq: r.Modseq}, nil
}

func noticeByName(v *storage.View, id storage.CollectionID, name string) (Entry, error) {
	b, err := v.Index(id, []byte(name))
	if err != nil {
		return Entry{}, err
	}
	var n storage.Num
	if _, err := fmt.Sscanf(string(b), "%d", &n); err != nil {
		return Entry{}, fmt.Errorf("index of %q: %w", name, storage.Corrupt)
	}
	r, err := v.Row(id, n)
	if err != nil {
		return Entry{}, err
	}
	return noticeEntry(r)
}

func noticeEntries(t *storage.Table) iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		for _, r := range t.Rows(0, t.Len()) {
			if e, err := noticeEntry(r); err == nil && !yield(e) {
				return
			}
		}
	}
}

func noticeChanges(v *storage.View, id storage.CollectionID, since uint64, limit int) (Delta, error) {
	c, err := v.Changes(id, since, limit)
	if err != nil {
		return Delta{}, err
	}
	d := Delta{Modseq: c.Modseq, More: c.More}
	for _, n := range c.Changed {
		r, err := v.Row(id, n)
		if errors.Is(err, storage.NotFound) {
			continue
		}
		if err != nil {
			return d, err
		}
		e, err := noticeEntry(r)
		if err != nil {
			return d, err
		}
		d.Changed = append(d.Changed, e)
	}
	for _, g := range append(c.Gone, c.Passed...) {
		d.Gone = append(d.Gone, string(g.Note))
	}
	return d, nil
}

func openNotice(_ context.Context, v *storage.View, o storage.ObjectID) (Body, error) {
	b, err := v.Facet(o, noticeBody)
	return BytesBody(b), err
}

func removeNotice(tx *storage.Tx, id storage.CollectionID, name string) error {
	e, err := noticeByName(&tx.View, id, name)
	if err != nil {
		return err
	}
	if err := tx.SetIndex(id, []byte(name), nil); err != nil {
		return err
	}
	return tx.Remove(id, e.Num, []byte(name))
}

// getNoticeType writes CS:notificationtype, by which clients choose what to fetch.
func getNoticeType(a *Ask, r *Resource, w *elem.Writer) error {
	row, err := a.View.Row(r.Collection.ID, r.Entry.Num)
	if err != nil {
		return err
	}
	var n noticeRow
	if err := json.Unmarshal(row.Data, &n); err != nil {
		return err
	}
	w.Str(n.Type)
	return nil
}
