package storage

import (
	"container/list"
	"fmt"
	"sync"

	"atrium/storage/kv"
)

// cache keeps the tables that were used last, up to a number of bytes.
type cache struct {
	mu    sync.Mutex
	max   int64
	used  int64
	order *list.List // of *cached, most recently used first
	m     map[cacheKey]*list.Element
}

type cacheKey struct {
	a AccountID
	c CollectionID
}

type cached struct {
	key  cacheKey
	t    *Table
	size int64
}

func newCache(size int64) *cache {
	return &cache{max: size, order: list.New(), m: map[cacheKey]*list.Element{}}
}

func (c *cache) get(k cacheKey) *Table {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.m[k]
	if e == nil {
		return nil
	}
	c.order.MoveToFront(e)
	return e.Value.(*cached).t
}

// put keeps t unless a newer table of the collection is here.
func (c *cache) put(k cacheKey, t *Table) {
	size := t.size()
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.m[k]; e != nil {
		old := e.Value.(*cached)
		if old.t.c.Modseq > t.c.Modseq {
			return
		}
		c.used += size - old.size
		old.t, old.size = t, size
		c.order.MoveToFront(e)
	} else {
		c.m[k] = c.order.PushFront(&cached{k, t, size})
		c.used += size
	}
	for c.used > c.max && c.order.Len() > 1 {
		c.remove(c.order.Back())
	}
}

func (c *cache) remove(e *list.Element) {
	x := c.order.Remove(e).(*cached)
	delete(c.m, x.key)
	c.used -= x.size
}

// drop forgets an account.
func (c *cache) drop(a AccountID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for e := c.order.Front(); e != nil; {
		next := e.Next()
		if e.Value.(*cached).key.a == a {
			c.remove(e)
		}
		e = next
	}
}

// find looks a row up in memory: nil when the page that would hold it is not
// here in the state that the collection's record tells.
func (c *cache) find(coll *Collection, supers []entry, n Num) (*page, int) {
	t := c.get(cacheKey{coll.Account, coll.ID})
	if t == nil || t.c.Modseq != coll.Modseq {
		return nil, 0
	}
	pos, exact := t.Find(n)
	if !exact {
		return nil, 0
	}
	return t.locate(pos)
}

// table returns the table for a collection's record, made of the nodes in
// memory that are still good and those it reads. What is in memory is committed, so
// that a node's version tells its content within a transaction too; keep says
// whether the table itself is committed and may stay in memory.
func (c *cache) table(r kv.Reader, coll *Collection, supers []entry, keep bool) (*Table, error) {
	k := cacheKey{coll.Account, coll.ID}
	old := c.get(k)
	if old != nil && old.c.Modseq == coll.Modseq && old.c.Meta == coll.Meta {
		return old, nil
	}
	t := &Table{c: *coll, supers: make([]*super, len(supers))}
	var known map[Num]*super
	if old != nil {
		known = make(map[Num]*super, len(old.supers))
		for _, s := range old.supers {
			known[s.first] = s
		}
	}
	for i, e := range supers {
		s := known[e.first]
		if s != nil && s.ver == e.ver {
			t.supers[i] = s
			continue
		}
		s, err := loadTableSuper(r, coll, e, s)
		if err != nil {
			return nil, err
		}
		t.supers[i] = s
	}
	t.index()
	if keep {
		c.put(k, t)
	}
	return t, nil
}

// loadTableSuper reads a superpage and those of its pages that old does not
// have in the same version.
func loadTableSuper(r kv.Reader, coll *Collection, e entry, old *super) (*super, error) {
	k := pageKey(coll.Account, tagSuper, coll.ID, e.first)
	b, err := r.Get(k)
	if err != nil {
		return nil, fmt.Errorf("superpage %x: %w", k, err)
	}
	entries, err := decodeSuper(k, b)
	if err != nil {
		return nil, err
	}
	s := &super{entry: e, pages: make([]*page, len(entries))}
	j := 0
	for i, pe := range entries {
		if old != nil {
			for j < len(old.pages) && old.pages[j].first < pe.first {
				j++
			}
			if j < len(old.pages) && old.pages[j].first == pe.first && old.pages[j].ver == pe.ver {
				s.pages[i] = old.pages[j]
				continue
			}
		}
		pk := pageKey(coll.Account, tagPage, coll.ID, pe.first)
		b, err := r.Get(pk)
		if err != nil {
			return nil, fmt.Errorf("page %x: %w", pk, err)
		}
		if s.pages[i], err = loadPage(pe, pk, b); err != nil {
			return nil, err
		}
	}
	s.index()
	return s, nil
}
