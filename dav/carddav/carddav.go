package carddav

import (
	"context"
	"encoding/xml"
	"errors"
	"io"
	"iter"
	"mime"
	"net/http"

	"atrium/contacts"
	"atrium/contacts/card"
	"atrium/dav"
	"atrium/dav/elem"
	"atrium/storage"
	"atrium/storage/account"
	"atrium/storage/blob"
)

// The kinds of resources here.
const (
	homeKind dav.Kinds = dav.Domain << (4 + iota)
	bookKind
	cardKind
)

// Config has the settings of CardDAV.
type Config struct {
	MaxCard int64 `toml:"max_card"` // bytes of one card, with its photo
}

// DefaultConfig returns settings that take all that clients are known to send.
func DefaultConfig() Config { return Config{MaxCard: int64(card.DefaultLimits().Size)} }

// face is what the module's functions need.
type face struct {
	cfg   Config
	store *storage.Store
	tree  *dav.Tree
	find  Finder
}

// Finder returns where the directory is that an account sees; storage.NotFound.
type Finder func(context.Context, *account.Account) (owner storage.AccountID, id storage.CollectionID, err error)

func (f *face) blobs() blob.Store { return f.store.Blobs() }

// Module serves the address books of a store below /addressbooks/. find tells of directories; nil: there are none.
func Module(store *storage.Store, cfg Config, find Finder) dav.Module {
	f := &face{cfg: cfg, store: store, find: find}
	const any = homeKind | bookKind | cardKind
	f.tree = &dav.Tree{
		Segment: "addressbooks", Schema: contacts.Schema.Code, HomeSet: elem.N("CR:addressbook-home-set"), MaxSize: cfg.MaxCard,
		Home:       &dav.Kind{Name: "address book home", Bits: dav.Home | dav.Synced | homeKind, Types: elem.Names("D:collection")},
		Collection: &dav.Kind{Name: "address book", Bits: dav.Collection | dav.Synced | bookKind, Types: elem.Names("D:collection", "CR:addressbook")},
		Member:     &dav.Kind{Name: "card", Bits: dav.Member | cardKind},
		Ensure:     func(tx *storage.Tx) error { return contacts.EnsureDefaults(tx, dav.Label) },
		Make:       makeBook, ByName: byName, Entries: entries, Changes: changes,
		Index: f.index, Bodies: contacts.Bodies, Open: f.open, Negotiate: negotiate, Prepare: f.prepare, Delete: remove, Copy: copyCard, Move: moveCard, Wrap: wrap,
	}
	return dav.Module{
		RFC: "6352", Features: []string{"addressbook"}, WellKnown: []string{"carddav"},
		Trees: []*dav.Tree{f.tree},
		Reports: []dav.Report{
			{Name: elem.N("CR:addressbook-query"), On: any, Run: f.query},
			{Name: elem.N("CR:addressbook-multiget"), On: any, Run: func(rq *dav.Request, w http.ResponseWriter, r *elem.Reader, _ elem.Start) error {
				return rq.Multiget(w, r)
			}},
		},
		Properties: f.properties(),
	}
}

const mediaType = "text/vcard; charset=utf-8"

func entry(e contacts.Entry) dav.Entry {
	return dav.Entry{Num: e.Num, Object: e.Object, Name: e.Name, ETag: e.ETag, Type: mediaType, Size: e.Size, Modified: e.Modified, Modseq: e.Modseq}
}

func byName(v *storage.View, id storage.CollectionID, name string) (dav.Entry, error) {
	e, err := contacts.ByName(v, id, name)
	return entry(e), err
}

func entries(t *storage.Table) iter.Seq[dav.Entry] {
	return func(yield func(dav.Entry) bool) {
		for e := range contacts.Entries(t) {
			if !yield(entry(e)) {
				return
			}
		}
	}
}

func changes(v *storage.View, id storage.CollectionID, since uint64, limit int) (dav.Delta, error) {
	d, err := contacts.Changes(v, id, since, limit)
	out := dav.Delta{Gone: d.Gone, Modseq: d.Modseq, More: d.More, Changed: make([]dav.Entry, len(d.Changed))}
	for i, e := range d.Changed {
		out.Changed[i] = entry(e)
	}
	return out, err
}

func (f *face) open(ctx context.Context, v *storage.View, o storage.ObjectID) (dav.Body, error) {
	b, err := contacts.Data(ctx, v, f.blobs(), o)
	return dav.BytesBody(b), err
}

// upload is a card on its way in.
type upload struct {
	*contacts.Object
	altered bool
}

func (u upload) Put(tx *storage.Tx, id storage.CollectionID, name string) (dav.Entry, bool, error) {
	e, created, err := contacts.Put(tx, id, name, u.Object, contacts.Condition{})
	out := entry(e)
	out.Altered = u.altered
	return out, created, err
}

// prepare reads and validates what a PUT sends (RFC 6352 §6.3.2.1).
func (f *face) prepare(rq *dav.Request, body io.Reader) (dav.Upload, error) {
	if t := rq.Header.Get("Content-Type"); t != "" {
		switch m, _, err := mime.ParseMediaType(t); {
		case err != nil:
			return nil, &card.Error{Condition: card.SupportedData, Detail: "the media type cannot be read"}
		case m == "text/vcard", m == "text/x-vcard", m == "text/directory":
		default:
			return nil, &card.Error{Condition: card.SupportedData, Detail: "the body is not text/vcard"}
		}
	}
	raw, altered, err := dav.ReadText(body, rq.ContentLength)
	if err != nil {
		return nil, err
	}
	limits := card.DefaultLimits()
	limits.Size = int(f.cfg.MaxCard)
	o, err := contacts.Prepare(rq.Context(), f.blobs(), raw, contacts.Options{Limits: limits})
	if err != nil {
		return nil, err
	}
	return upload{o, altered}, nil
}

func remove(tx *storage.Tx, id storage.CollectionID, name string) error {
	_, err := contacts.Delete(tx, id, name, contacts.Condition{})
	return err
}

func copyCard(tx *storage.Tx, from storage.CollectionID, name string, to storage.CollectionID, as string) (dav.Entry, error) {
	e, _, err := contacts.Copy(tx, from, name, to, as, true)
	return entry(e), err
}

func moveCard(tx *storage.Tx, from storage.CollectionID, name string, to storage.CollectionID, as string) (dav.Entry, error) {
	e, _, err := contacts.Move(tx, from, name, to, as, true)
	return entry(e), err
}

func makeBook(tx *storage.Tx, name string, _ *dav.Making) (*storage.Collection, error) {
	return contacts.Create(tx, name, nil)
}

// wrap puts the domain's conditions into DAV's words.
func wrap(err error, href func(name string) string) error {
	var size *http.MaxBytesError
	if errors.As(err, &size) {
		return refuse(card.MaxResourceSize, err)
	}
	var e *card.Error
	if !errors.As(err, &e) {
		return err
	}
	out := refuse(e.Condition, err)
	if e.Condition == card.NoUIDConflict && e.Other != "" {
		out.Href = href(e.Other)
	}
	return out
}

// refuse is 403 with a condition of CardDAV.
func refuse(c card.Condition, err error) *dav.Error {
	return &dav.Error{Status: http.StatusForbidden, Condition: xml.Name{Space: "urn:ietf:params:xml:ns:carddav", Local: string(c)}, Err: err}
}
