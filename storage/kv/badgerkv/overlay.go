package badgerkv

import (
	"strings"
	"sync"
	"unsafe"

	"github.com/tidwall/btree"
)

// A space byte begins each key in Badger and in the journal.
const (
	sideSpace byte = 1
	userSpace byte = 2
)

// write is the last write to a key. It never changes once it is in an overlay.
type write struct {
	key     string // with its space byte
	value   []byte
	deleted bool
}

func (w *write) size() int { return len(w.key) + len(w.value) }

// overlay holds writes by key; in order of the keys too once someone scanned it.
// It belongs to one goroutine until it is frozen: then it does not change any
// more and many read it.
type overlay struct {
	writes map[string]*write
	bytes  int // of keys and values
	frozen bool

	building sync.Mutex            // held, when frozen, while order is made
	order    *btree.BTreeG[*write] // nil until needed
}

func newOverlay() *overlay { return &overlay{writes: map[string]*write{}} }

func (o *overlay) set(w *write) {
	if old := o.writes[w.key]; old != nil {
		o.bytes -= old.size()
	}
	o.bytes += w.size()
	o.writes[w.key] = w
	if o.order != nil {
		o.order.Set(w)
	}
}

// mergeOverlays returns an overlay, frozen, with the last write of each key in
// list, whose overlays are frozen, oldest first.
func mergeOverlays(list []*overlay) *overlay {
	most := 0
	for _, o := range list {
		most = max(most, len(o.writes))
	}
	merged := &overlay{writes: make(map[string]*write, most+most/2)}
	for _, o := range list {
		for _, w := range o.writes {
			merged.set(w)
		}
	}
	merged.frozen = true
	return merged
}

// sorted returns the writes in order, as they are now; later writes do not change it.
func (o *overlay) sorted() *btree.BTreeG[*write] {
	if o.frozen {
		o.building.Lock()
		defer o.building.Unlock()
	}
	if o.order == nil {
		o.order = btree.NewBTreeGOptions(func(a, b *write) bool {
			return strings.Compare(a.key, b.key) < 0
		}, btree.Options{NoLocks: true})
		for _, w := range o.writes {
			o.order.Set(w)
		}
	}
	if o.frozen {
		return o.order
	}
	return o.order.Copy()
}

func (o *overlay) reset() {
	if len(o.writes) > 64 {
		o.writes = map[string]*write{} // clearing a large map is slow ever after
	}
	clear(o.writes)
	o.order, o.bytes = nil, 0
}

// spaced returns key with its space byte before it, appended to buf.
func spaced(buf []byte, space byte, key []byte) []byte {
	return append(append(buf, space), key...)
}

// newWrite makes a write; it keeps value and copies key.
func newWrite(space byte, key, value []byte, deleted bool) *write {
	full := spaced(make([]byte, 0, 1+len(key)), space, key)
	return &write{key: unsafe.String(&full[0], len(full)), value: value, deleted: deleted}
}

// keyBytes is key's bytes without a copy; they must not be changed.
func keyBytes(key string) []byte { return unsafe.Slice(unsafe.StringData(key), len(key)) }
