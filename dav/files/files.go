package files

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"iter"
	"mime"
	"path"
	"time"

	"atrium/dav"
	"atrium/dav/elem"
	"atrium/storage"
	"atrium/storage/blob"
)

// Schema is the sort of collection that folders are. Its Tally counts the bytes of files.
var Schema = storage.Schema{Code: 4, Name: "folder", Tally: tally}

// The kinds of resources here.
const (
	home dav.Kinds = dav.Domain << (8 + iota)
	folder
	file
)

// inline is the size in bytes up to which a body is kept beside its row.
const inline = 4 << 10

// body is the facet of a small body.
const body = 1

// Module serves the folders. max is the largest file in bytes.
func Module(store *storage.Store, max int64) dav.Module {
	f := &files{store}
	collection := []xml.Name{elem.N("D:collection")}
	return dav.Module{RFC: "4918", Trees: []*dav.Tree{{
		Segment: "files", Schema: Schema.Code, Nested: true, MaxSize: max,
		Home:       &dav.Kind{Name: "folder", Bits: dav.Home | home, Types: collection},
		Collection: &dav.Kind{Name: "folder", Bits: dav.Collection | folder, Types: collection},
		Member:     &dav.Kind{Name: "file", Bits: dav.Member | file},
		Ensure:     ensure, Make: makeFolder, ByName: byName, Entries: entries, Changes: changes,
		Open: f.open, Prepare: f.prepare, Delete: remove, Copy: copyFile, Move: moveFile,
	}}}
}

type files struct{ store *storage.Store }

// row is what a row's data say of a file.
type row struct {
	size     int64
	modified int64 // Unix seconds
	etag     [12]byte
	mime     string
	name     string
}

const version = 1

func (r *row) pack() []byte {
	b := []byte{version}
	b = binary.AppendUvarint(b, uint64(r.size))
	b = binary.AppendVarint(b, r.modified)
	b = append(b, r.etag[:]...)
	b = binary.AppendUvarint(b, uint64(len(r.mime)))
	b = append(b, r.mime...)
	return append(b, r.name...)
}

func unpack(b []byte) (r row, err error) {
	bad := fmt.Errorf("row of a file: %w", storage.Corrupt)
	if len(b) < 1 || b[0] != version {
		return r, bad
	}
	b = b[1:]
	size, n := binary.Uvarint(b)
	if n <= 0 {
		return r, bad
	}
	b = b[n:]
	r.size = int64(size)
	if r.modified, n = binary.Varint(b); n <= 0 || len(b) < n+len(r.etag) {
		return r, bad
	}
	b = b[n+copy(r.etag[:], b[n:]):]
	l, n := binary.Uvarint(b)
	if n <= 0 || l > uint64(len(b)-n) {
		return r, bad
	}
	r.mime, r.name = string(b[n:n+int(l)]), string(b[n+int(l):])
	return r, nil
}

func tally(data []byte) storage.Tally {
	r, _ := unpack(data)
	return storage.Tally{Bytes: r.size}
}

func entry(r storage.Row) (dav.Entry, error) {
	p, err := unpack(r.Data)
	return dav.Entry{Num: r.Num, Object: r.Object, Name: p.name, ETag: hex.EncodeToString(p.etag[:]), Type: p.mime,
		Size: p.size, Modified: time.Unix(p.modified, 0).UTC(), Modseq: r.Modseq}, err
}

// ensure makes the outermost folder.
func ensure(tx *storage.Tx) error {
	_, err := tx.CollectionByName(Schema.Code, "/")
	if errors.Is(err, storage.NotFound) {
		_, err = tx.Create(Schema.Code, "/", nil)
	}
	return err
}

func makeFolder(tx *storage.Tx, name string, _ *dav.Making) (*storage.Collection, error) {
	return tx.Create(Schema.Code, name, nil)
}

// find returns the row of a name.
func find(v *storage.View, id storage.CollectionID, name string) (storage.Row, error) {
	b, err := v.Index(id, []byte(name))
	if err != nil {
		return storage.Row{}, err
	}
	if len(b) != 4 {
		return storage.Row{}, fmt.Errorf("index of %q: %w", name, storage.Corrupt)
	}
	return v.Row(id, storage.Num(binary.BigEndian.Uint32(b)))
}

func byName(v *storage.View, id storage.CollectionID, name string) (dav.Entry, error) {
	r, err := find(v, id, name)
	if err != nil {
		return dav.Entry{}, err
	}
	return entry(r)
}

func entries(t *storage.Table) iter.Seq[dav.Entry] {
	return func(yield func(dav.Entry) bool) {
		for _, r := range t.Rows(0, t.Len()) {
			if e, err := entry(r); err == nil && !yield(e) {
				return
			}
		}
	}
}

func changes(v *storage.View, id storage.CollectionID, since uint64, limit int) (dav.Delta, error) {
	c, err := v.Changes(id, since, limit)
	if err != nil {
		return dav.Delta{}, err
	}
	d := dav.Delta{Modseq: c.Modseq, More: c.More}
	for _, n := range c.Changed {
		r, err := v.Row(id, n)
		if errors.Is(err, storage.NotFound) {
			continue // gone in what the limit cut off
		}
		if err != nil {
			return d, err
		}
		e, err := entry(r)
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

func (f *files) open(ctx context.Context, v *storage.View, o storage.ObjectID) (dav.Body, error) {
	b, err := v.Facet(o, body)
	if err == nil {
		return dav.BytesBody(b), nil
	}
	if !errors.Is(err, storage.NotFound) {
		return nil, err
	}
	ref, err := v.Blob(o)
	if err != nil {
		return nil, err
	}
	return f.store.Blobs().Open(ctx, ref)
}

// upload is a file on its way in.
type upload struct {
	spool  blob.Spool
	object storage.Object
	row    row
}

// prepare spools a body; the transaction then only refers to it.
func (f *files) prepare(rq *dav.Request, in io.Reader) (dav.Upload, error) {
	ctx := rq.Context()
	spool, err := f.store.Blobs().Spool(ctx, 0)
	if err != nil {
		return nil, err
	}
	u := &upload{spool: spool}
	if _, err := io.Copy(spool, in); err != nil {
		spool.Release()
		return nil, err
	}
	u.row.size = spool.Size()
	sum := spool.Sum()
	copy(u.row.etag[:], sum[:])
	u.row.mime = mediaType(rq.Header.Get("Content-Type"), rq.URL.Path)
	if u.row.size <= inline {
		b := make([]byte, u.row.size)
		if _, err := spool.ReadAt(b, 0); err != nil && err != io.EOF {
			spool.Release()
			return nil, err
		}
		u.object.Facets = map[byte][]byte{body: b}
		return u, nil
	}
	if u.object.Blob, err = spool.Commit(ctx); err != nil {
		spool.Release()
		return nil, err
	}
	return u, nil
}

// mediaType is what a client says a file is, or what its name says.
func mediaType(sent, name string) string {
	if t, _, err := mime.ParseMediaType(sent); err == nil && len(sent) < 200 && t != "application/x-www-form-urlencoded" {
		return sent
	}
	if t := mime.TypeByExtension(path.Ext(name)); t != "" {
		return t
	}
	return "application/octet-stream"
}

func (u *upload) Release() { u.spool.Release() }

func (u *upload) Put(tx *storage.Tx, id storage.CollectionID, name string) (e dav.Entry, created bool, err error) {
	o, err := tx.NewObject(u.object)
	if err != nil {
		return e, false, err
	}
	r := u.row
	r.name, r.modified = name, time.Now().Unix()
	return place(tx, id, &r, o)
}

// place shows an object under a name.
func place(tx *storage.Tx, id storage.CollectionID, r *row, o storage.ObjectID) (e dav.Entry, created bool, err error) {
	var n storage.Num
	old, err := find(&tx.View, id, r.name)
	switch {
	case err == nil:
		n = old.Num
		err = tx.Set(id, n, o, r.pack())
	case errors.Is(err, storage.NotFound):
		created = true
		if n, err = tx.Insert(id, o, r.pack()); err == nil {
			err = tx.SetIndex(id, []byte(r.name), binary.BigEndian.AppendUint32(nil, uint32(n)))
		}
	}
	if err != nil {
		return e, false, err
	}
	e, err = entry(storage.Row{Num: n, Object: o, Data: r.pack()})
	return e, created, err
}

func remove(tx *storage.Tx, id storage.CollectionID, name string) error {
	r, err := find(&tx.View, id, name)
	if err != nil {
		return err
	}
	if err := errors.Join(tx.SetIndex(id, []byte(name), nil), tx.ClearProps(id, r.Num)); err != nil {
		return err
	}
	return tx.Remove(id, r.Num, []byte(name))
}

func copyFile(tx *storage.Tx, from storage.CollectionID, name string, to storage.CollectionID, as string) (dav.Entry, error) {
	src, err := find(&tx.View, from, name)
	if err != nil {
		return dav.Entry{}, err
	}
	r, err := unpack(src.Data)
	if err != nil {
		return dav.Entry{}, err
	}
	r.name = as
	// RFC 4918 §9.8.4: what was there goes, with its properties.
	if err := remove(tx, to, as); err != nil && !errors.Is(err, storage.NotFound) {
		return dav.Entry{}, err
	}
	e, _, err := place(tx, to, &r, src.Object)
	if err != nil {
		return e, err
	}
	props, err := tx.Props(storage.PropKey{Collection: from, Num: src.Num})
	if err != nil {
		return e, err
	}
	for _, p := range props {
		p.Collection, p.Num = to, e.Num
		if err := tx.SetProp(p.PropKey, p.Value); err != nil {
			return e, err
		}
	}
	return e, nil
}

func moveFile(tx *storage.Tx, from storage.CollectionID, name string, to storage.CollectionID, as string) (dav.Entry, error) {
	e, err := copyFile(tx, from, name, to, as)
	if err != nil {
		return e, err
	}
	return e, remove(tx, from, name)
}
