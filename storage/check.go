package storage

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"atrium/storage/blob"
	"atrium/storage/kv"
)

// Problem is one broken invariant that Check found.
type Problem struct {
	Account    AccountID
	Collection CollectionID // 0: the account's own
	Name       string       // of the collection, when it is known
	Row        Num          // 0: no one row
	What       string
}

func (p Problem) String() string {
	if p.Account == 0 && p.Collection == 0 {
		return p.What
	}
	s := fmt.Sprintf("account %d", p.Account)
	if p.Collection != 0 {
		s += fmt.Sprintf(", collection %d", p.Collection)
	}
	if p.Name != "" {
		s += fmt.Sprintf(" %q", p.Name)
	}
	if p.Row != 0 {
		s += fmt.Sprintf(", row %d", p.Row)
	}
	return s + ": " + p.What
}

// Check proves the store's invariants and reports what is broken: counters
// equal recounts, every row shows an object, every log entry has its row or
// tombstone, row numbers ascend, every name and index leads to a collection, every body is there. With deep, bodies
// are read and hashed, and the engine proves its checksums when it can (kv.Verifier). What is
// broken of an object is reported for each row that shows it. progress, when not nil, is told of each account done.
func (s *Store) Check(ctx context.Context, deep bool, report func(Problem), progress func(done, all int)) error {
	all, err := s.Accounts(ctx)
	if err != nil {
		return err
	}
	if v, ok := s.engine.(kv.Verifier); ok && deep {
		err := v.Verify(ctx)
		if errors.Is(err, kv.Damaged) {
			report(Problem{What: err.Error()})
		} else if err != nil {
			return classify(err)
		}
	}
	seen := map[blob.Hash]string{}
	for i, a := range all {
		err := s.engine.View(ctx, func(r kv.Reader) error {
			c := &checker{View: View{s: s, r: r, a: a}, ctx: ctx, deep: deep, out: report, bodies: seen}
			return c.run()
		})
		if err != nil {
			return err
		}
		if progress != nil {
			progress(i+1, len(all))
		}
	}
	return s.checkShares(ctx, report)
}

// checker checks one account on one snapshot.
type checker struct {
	View
	ctx    context.Context
	deep   bool
	out    func(Problem)
	bodies map[blob.Hash]string // what is wrong with those that were looked at, "" when nothing is

	shown  map[ObjectID]int // rows that show an object, garbage included
	colls  map[CollectionID]bool
	broken map[ObjectID][]string // what is wrong with objects
}

func (c *checker) say(id CollectionID, format string, args ...any) {
	c.out(Problem{Account: c.a, Collection: id, What: fmt.Sprintf(format, args...)})
}

// blame notes what is wrong with an object, to be told of the rows that show it.
func (c *checker) blame(o ObjectID, format string, args ...any) {
	c.broken[o] = append(c.broken[o], fmt.Sprintf(format, args...))
}

// fatal tells whether err ends the check; a damaged record is reported instead.
func (c *checker) fatal(id CollectionID, err error) error {
	if errors.Is(err, Corrupt) || errors.Is(err, NotFound) || errors.Is(err, kv.NotFound) {
		c.say(id, "%v", err)
		return nil
	}
	return err
}

// grants proves that each grant on what is there is among the shares.
func (c *checker) grants() error {
	for k := range c.r.Scan(kv.Prefix(key(c.a, tagGrant, 0))) {
		g, ok := decodeGrantKey(k)
		if !ok {
			return fmt.Errorf("grant %x: %w", k, Corrupt)
		}
		if g.Collection != 0 && !c.colls[g.Collection] {
			continue // dropped, to be cleared
		}
		if _, err := c.r.Get(shareKey(g.To, c.a, g.Collection)); err != nil {
			c.say(g.Collection, "what is granted to account %d is not among the shares", g.To)
		}
	}
	return nil
}

func (c *checker) run() error {
	c.shown, c.colls, c.broken = map[ObjectID]int{}, map[CollectionID]bool{}, map[ObjectID][]string{}
	h, err := c.account()
	if err != nil {
		return c.fatal(0, err)
	}
	var sum Usage
	for k, b := range c.r.Scan(kv.Prefix(key(c.a, tagCollection, 0))) {
		if err := c.ctx.Err(); err != nil {
			return err
		}
		id := CollectionID(binary.BigEndian.Uint32(k[len(k)-4:]))
		c.colls[id] = true
		coll, supers, err := decodeCollection(c.a, id, k, b)
		if err == nil {
			sum.Bytes += coll.Tally.Bytes
			sum.Objects += int64(coll.Count)
			if id >= h.nextColl {
				c.say(id, "its number was not handed out yet (next is %d)", h.nextColl)
			}
			if coll.Modseq > h.modseq || coll.Meta > h.modseq {
				c.say(id, "modseq %d, but the account is at %d", max(coll.Modseq, coll.Meta), h.modseq)
			}
			err = c.collection(coll, supers)
		}
		if err := c.fatal(id, err); err != nil {
			return err
		}
	}
	if sum.Bytes != h.usage.Bytes || sum.Objects != h.usage.Objects {
		c.say(0, "usage says %d bytes in %d objects, its collections have %d in %d", h.usage.Bytes, h.usage.Objects, sum.Bytes, sum.Objects)
	}
	for _, f := range []func() error{c.names, c.grants, c.garbage, c.objects, c.rowsOfBroken, c.orphans} {
		if err := c.fatal(0, f()); err != nil {
			return err
		}
	}
	return nil
}

// collection checks a collection's rows, counters and log.
func (c *checker) collection(coll *Collection, supers []entry) error {
	sch := c.s.schemas[coll.Schema]
	if sch == nil {
		c.say(coll.ID, "unknown schema %d", coll.Schema)
	}
	nums, err := c.rows(coll, sch, supers)
	if err != nil {
		return err
	}
	return c.changes(coll, nums)
}

func (c *checker) rows(coll *Collection, sch *Schema, supers []entry) (nums []Num, err error) {
	w := newTree(coll, sch, supers)
	var total Tally
	count := 0
	for _, s := range w.supers {
		if err := w.loadSuper(c.r, s); err != nil {
			return nil, err
		}
		var st Tally
		sc := 0
		for _, p := range s.pages {
			if err := w.loadRows(c.r, p); err != nil {
				return nil, err
			}
			var pt Tally
			for _, r := range p.rows {
				if n := len(nums); n > 0 && nums[n-1] >= r.Num || r.Num < p.first || r.Num >= coll.Next {
					c.say(coll.ID, "row %d is out of order (page from %d, next is %d)", r.Num, p.first, coll.Next)
				}
				if r.Modseq > coll.Modseq || r.Created > r.Modseq || r.Modseq > p.ver {
					c.say(coll.ID, "row %d has modseq %d, created %d, the collection is at %d", r.Num, r.Modseq, r.Created, coll.Modseq)
				}
				nums = append(nums, r.Num)
				c.shown[r.Object]++
				pt.add(w.tally(r.Data))
			}
			c.equal(coll.ID, fmt.Sprintf("page from %d", p.first), p.entry, len(p.rows), pt)
			st.add(pt)
			sc += len(p.rows)
		}
		c.equal(coll.ID, fmt.Sprintf("superpage from %d", s.first), s.entry, sc, st)
		total.add(st)
		count += sc
	}
	c.equal(coll.ID, "collection", entry{count: coll.Count, tally: coll.Tally}, count, total)
	return nums, nil
}

func (c *checker) equal(id CollectionID, what string, e entry, count int, t Tally) {
	if e.count != count || e.tally != t {
		c.say(id, "%s: counters %d %+v, recount %d %+v", what, e.count, e.tally, count, t)
	}
}

// changes checks that every entry of the log has its row or its tombstone.
func (c *checker) changes(coll *Collection, nums []Num) error {
	var sum summary
	for k, b := range c.r.Scan(kv.Prefix(collKey(c.a, tagLog, coll.ID, 0))) {
		ch, err := decodeChange(k, b)
		if err != nil {
			return err
		}
		if m := binary.BigEndian.Uint64(k[len(k)-8:]); m > coll.Modseq {
			c.say(coll.ID, "log entry %d, but the collection is at %d", m, coll.Modseq)
		}
		sum.add(&ch)
	}
	sum.since = 1<<64 - 1 // the notes do not matter here
	changed, _, _ := sum.result()
	for _, n := range changed {
		if _, ok := slices.BinarySearch(nums, n); !ok {
			c.say(coll.ID, "row %d is in the log, but neither there nor gone", n)
		}
	}
	for _, g := range sum.gone {
		for n := g.first; n <= g.last; n++ {
			if _, ok := slices.BinarySearch(nums, n); ok {
				c.say(coll.ID, "row %d is gone by the log and there all the same", n)
			}
		}
	}
	return nil
}

// names checks that names and collections belong together.
func (c *checker) names() error {
	named := map[CollectionID]bool{}
	for k, b := range c.r.Scan(kv.Prefix(key(c.a, tagName, 0))) {
		if len(b) != 4 {
			return fmt.Errorf("name %x: %w", k, Corrupt)
		}
		id := CollectionID(binary.BigEndian.Uint32(b))
		coll, _, err := c.record(id)
		if err != nil {
			c.say(id, "name %q: %v", k[prefixLen+2:], err)
			continue
		}
		if !bytes.Equal(k, nameKey(c.a, coll.Schema, coll.Name)) {
			c.say(id, "name %q leads to a collection called %q", k[prefixLen+2:], coll.Name)
		}
		named[id] = true
	}
	for id := range c.colls {
		if !named[id] {
			c.say(id, "no name leads to it")
		}
	}
	return nil
}

// garbage counts the rows whose objects are still to be released, and those of
// dropped collections.
func (c *checker) garbage() error {
	for k, b := range c.r.Scan(kv.Prefix(key(c.a, tagGarbage, 0))) {
		_, objects, err := decodeGarbage(k, b)
		if err != nil {
			return err
		}
		for _, o := range objects {
			c.shown[o]++
		}
	}
	for k, b := range c.r.Scan(kv.Prefix(key(c.a, tagDropped, 0))) {
		id := CollectionID(binary.BigEndian.Uint32(k[len(k)-4:]))
		coll, supers, err := decodeCollection(c.a, id, k, b)
		if err != nil {
			return err
		}
		c.colls[id] = true
		w := newTree(coll, nil, supers)
		for _, s := range w.supers {
			if err := w.loadSuper(c.r, s); err != nil {
				return err
			}
			for _, p := range s.pages {
				if err := w.loadRows(c.r, p); err != nil {
					return err
				}
				for _, r := range p.rows {
					c.shown[r.Object]++
				}
			}
		}
	}
	return nil
}

// objects checks each object's count of rows, its facets and its body.
func (c *checker) objects() error {
	for k, b := range c.r.Scan(kv.Prefix(key(c.a, tagObject, 0))) {
		if err := c.ctx.Err(); err != nil {
			return err
		}
		id := ObjectID(binary.BigEndian.Uint64(k[len(k)-8:]))
		o, err := decodeObject(k, b)
		if err != nil {
			return err
		}
		if o.rows != c.shown[id] {
			c.blame(id, "%d rows show it, its record says %d", c.shown[id], o.rows)
		}
		delete(c.shown, id)
		for _, f := range o.facets {
			if _, err := c.r.Get(facetKey(c.a, f, id)); err != nil {
				c.blame(id, "facet %d: %v", f, err)
			}
		}
		if what := c.body(o.blob); what != "" {
			c.blame(id, "%s", what)
		}
	}
	for id := range c.shown {
		c.blame(id, "it is not there")
	}
	return nil
}

// rowsOfBroken reports what is wrong with objects, for each row that shows one.
func (c *checker) rowsOfBroken() error {
	if len(c.broken) == 0 {
		return nil
	}
	told := map[ObjectID]bool{}
	for id := range c.colls {
		coll, supers, err := c.record(id)
		if err != nil {
			continue // dropped, or told already
		}
		w := newTree(coll, nil, supers)
		for _, s := range w.supers {
			if err := w.loadSuper(c.r, s); err != nil {
				return err
			}
			for _, p := range s.pages {
				if err := w.loadRows(c.r, p); err != nil {
					return err
				}
				for _, row := range p.rows {
					for _, what := range c.broken[row.Object] {
						c.out(Problem{c.a, id, coll.Name, row.Num, fmt.Sprintf("object %d: %s", row.Object, what)})
						told[row.Object] = true
					}
				}
				p.rows = nil
			}
		}
	}
	for o, list := range c.broken {
		for _, what := range list {
			if !told[o] {
				c.say(0, "object %d, which no row shows: %s", o, what)
			}
		}
	}
	return nil
}

// body says what is wrong with a body, "" when nothing is.
func (c *checker) body(ref blob.Ref) (what string) {
	if ref.IsZero() || c.s.blobs == nil {
		return ""
	}
	if what, ok := c.bodies[ref.Hash]; ok {
		return what
	}
	defer func() { c.bodies[ref.Hash] = what }()
	b, err := c.s.blobs.Open(c.ctx, ref)
	if err != nil {
		return err.Error()
	}
	size := b.Size()
	b.Close()
	if size != ref.Size {
		return fmt.Sprintf("body %v: %d bytes, not %d", ref.Hash, size, ref.Size)
	}
	if c.deep {
		if err := c.s.blobs.Verify(c.ctx, ref.Hash); err != nil {
			return err.Error()
		}
	}
	return ""
}

// orphans looks for what belongs to collections that are not there.
func (c *checker) orphans() error {
	for _, tag := range []byte{tagIndex, tagProp, tagLog, tagGrant, tagPage, tagSuper} {
		from := key(c.a, tag, 0)
		end := kv.After(from)
		for from != nil && bytes.Compare(from, end) < 0 {
			var found []byte
			for k := range c.r.Scan(kv.Range{From: from, To: end, KeysOnly: true, Limit: 1}) {
				found = slices.Clone(k)
			}
			if len(found) < prefixLen+5 {
				break
			}
			id := CollectionID(binary.BigEndian.Uint32(found[prefixLen+1:]))
			if id != 0 && !c.colls[id] {
				c.say(id, "records of kind %c are left of a collection that is not there", tag)
			}
			from = kv.After(found[:prefixLen+5])
		}
	}
	return nil
}
