package dav

import (
	"context"
	"encoding/xml"
	"io"
	"iter"
	"net/http"
	"slices"
	"strings"
	"time"

	"atrium/dav/elem"
	"atrium/storage"
)

// Tree is a part of the URL space: /Segment/account/collection/member. With
// Nested, collections are in collections and the home is the outermost one.
type Tree struct {
	Segment string // "calendars"
	Schema  byte   // of its collections
	Nested  bool
	Home    *Kind
	// Collection and Member are the kinds below the home.
	Collection *Kind
	Member     *Kind
	HomeSet    xml.Name // the principal's property that names the home; "": none
	MaxSize    int64    // bytes of a member

	// Types are more resource types of one collection, and Alias what a client may ask for
	// instead of Collection.Types to make one. Limit are the rights that a collection leaves even its
	// owner. Fresh is called before a request, outside of any transaction. All may be nil.
	Types func(c *storage.Collection) []xml.Name
	Alias [][]xml.Name
	Limit func(c *storage.Collection) storage.Rights
	Fresh func(rq *Request) error
	// Changed is called after a request that made a collection or set properties. May be nil.
	Changed func(rq *Request)

	// Private tells of a collection that it is mounted in nobody's home: an inbox, say. May be nil.
	Private func(c *storage.Collection) bool

	// Index answers a GET of a collection, when it does not leave that to the page that all have. May be nil.
	Index func(rq *Request, w http.ResponseWriter, r *Resource) (done bool, err error)

	// Ensure makes what a new account has.
	Ensure func(tx *storage.Tx) error

	// Make makes a collection for MKCOL and its kin.
	Make func(tx *storage.Tx, name string, m *Making) (*storage.Collection, error)

	// ByName returns a member; storage.NotFound. Entries yields all by Num. Changes is
	// storage.View.Changes in names.
	ByName  func(v *storage.View, id storage.CollectionID, name string) (Entry, error)
	Entries func(t *storage.Table) iter.Seq[Entry]
	Changes func(v *storage.View, id storage.CollectionID, since uint64, limit int) (Delta, error)

	// Bodies calls fn with the octets of each of some objects, ascending, that are kept where they can be read
	// together, by its index; they are valid during the call. A property finds them in Resource.Loaded. May be nil.
	Bodies func(v *storage.View, objects []storage.ObjectID, fn func(i int, body []byte) error) error

	// Own is how a user sees members of a collection of another's, where that differs from what is stored; its View stays
	// open. May be nil.
	Own func(v *storage.View, id storage.CollectionID, user storage.AccountID) (Own, error)

	// Open returns a member's body.
	Open func(ctx context.Context, v *storage.View, o storage.ObjectID) (Body, error)
	// Negotiate returns a member in the form that a GET asks for, nil when that is
	// the one it has (RFC 9110 §12). May be nil.
	Negotiate func(rq *Request, b Body) (other Body, mediaType string, err error)

	// Prepare takes a body that a client sends, outside of any transaction.
	Prepare func(rq *Request, body io.Reader) (Upload, error)
	// Split cuts what a client sends as one body into at most so many bodies of one member each. May be nil.
	Split func(body []byte, most int) ([][]byte, error)

	// Delete removes a member. Copy and Move give one another place in its account,
	// replacing what is there, with its properties.
	Delete func(tx *storage.Tx, id storage.CollectionID, name string) error
	Copy   func(tx *storage.Tx, from storage.CollectionID, name string, to storage.CollectionID, as string) (Entry, error)
	Move   func(tx *storage.Tx, from storage.CollectionID, name string, to storage.CollectionID, as string) (Entry, error)
	// Copied is the data that a copy of a collection begins with; nil: the same.
	Copied func(c *storage.Collection) ([]byte, error)

	// Wrap turns the domain's errors into Errors; href gives the path of another member.
	Wrap func(err error, href func(name string) string) error
}

// copied is the data of a copy of a collection.
func (t *Tree) copied(c *storage.Collection) ([]byte, error) {
	if t.Copied != nil {
		return t.Copied(c)
	}
	return slices.Clone(c.Data), nil
}

// Entry is what listings show of a member.
type Entry struct {
	Num         storage.Num
	Object      storage.ObjectID
	Name        string
	ETag        string // without quotes
	ScheduleTag string // without quotes, or "" (RFC 6638 §3.2.10)
	Type        string // media type
	Size        int64
	Modified    time.Time // UTC
	Modseq      uint64

	Altered bool // of a PUT: what is stored are not the octets that were sent
}

// Delta is what changed in a collection.
type Delta struct {
	Changed []Entry
	Gone    []string
	Modseq  uint64
	More    bool
}

// Body is a member's octets.
type Body interface {
	io.ReaderAt
	io.Closer
	Size() int64
}

// Upload is a body that may be stored.
type Upload interface {
	Put(tx *storage.Tx, id storage.CollectionID, name string) (e Entry, created bool, err error)
	Release()
}

// Making is how a collection is to be made.
type Making struct {
	Types []xml.Name // what resourcetype was asked for; nil: MKCOL without a body
	Props []elem.Raw // what else it sets
}

// taken removes and returns the first property of a name.
func (m *Making) taken(n xml.Name) (elem.Raw, bool) {
	for i, p := range m.Props {
		if p.Name == n {
			m.Props = append(m.Props[:i:i], m.Props[i+1:]...)
			return p, true
		}
	}
	return elem.Raw{}, false
}

// Take removes a property from Props and returns it: what Make must know at once is
// not set afterwards.
func (m *Making) Take(name string) (elem.Raw, bool) { return m.taken(elem.N(name)) }

// rootFolder is the name under which a Nested tree's home is stored.
const rootFolder = "/"

// stored is the name of the collection that segments lead to.
func (t *Tree) stored(segments []string) string {
	if len(segments) == 0 {
		return rootFolder
	}
	return strings.Join(segments, "/")
}

// BytesBody is a Body in memory. It keeps b, which must not change.
func BytesBody(b []byte) Body { return memory(b) }

type memory []byte

func (m memory) Size() int64  { return int64(len(m)) }
func (m memory) Close() error { return nil }

func (m memory) ReadAt(p []byte, off int64) (int, error) {
	if off >= int64(len(m)) {
		return 0, io.EOF
	}
	n := copy(p, m[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Label packs a display name as the property in which PROPFIND finds it.
func Label(displayname string) (prop string, value []byte) {
	var w elem.Writer
	w.Str(`<D:displayname xmlns:D="DAV:">`)
	w.Text(displayname)
	w.Str("</D:displayname>")
	return elem.Key(elem.N("D:displayname")), w.Bytes()
}

// Look packs a calendar's display name and colour (#RRGGBBAA) as properties.
func Look(displayname, color string) map[string][]byte {
	prop, value := Label(displayname)
	var w elem.Writer
	w.Str(`<IC:calendar-color xmlns:IC="http://apple.com/ns/ical/">`)
	w.Text(color)
	w.Str("</IC:calendar-color>")
	return map[string][]byte{prop: value, elem.Key(elem.N("IC:calendar-color")): w.Bytes()}
}
