package mail

import (
	"cmp"
	"context"
	"fmt"
	"hash/maphash"
	"slices"

	"atrium/storage"
)

// ThreadAlgorithm is how THREAD finds what belongs together.
type ThreadAlgorithm byte

const (
	OrderedSubject ThreadAlgorithm = iota // RFC 5256 §3
	References                            // RFC 5256 §3
	Refs                                  // References without joining by subject, by the newest message
)

// Thread is a message and the answers to it. Pos is -1 where a message is
// missing. Threads are not deeper than some 1,000 levels.
type Thread struct {
	Pos      int
	Children []*Thread
}

// Threads puts positions of a snapshot into threads, in the order that the
// algorithm demands. The actor needs Read.
func (a *Account) Threads(ctx context.Context, s *Snapshot, positions []int, by ThreadAlgorithm) ([]*Thread, error) {
	b := newThreader(len(positions))
	for i, m := range at(s, positions) {
		b.nodes[i] = node{pos: positions[i], parent: none, sent: m.Date, arrived: m.Date}
	}
	for x, err := range a.Indexes(ctx, s.ID, at(s, positions)) {
		if err != nil {
			return nil, err
		}
		n := &b.nodes[x.Pos]
		if unix, _, ok := x.Index.Sent(); ok {
			n.sent = unix
		}
		if subject := x.Index.BaseSubject(); len(subject) > 0 {
			n.subject = b.hash(subject)
		}
		n.reply = x.Index.IsReply()
		if by != OrderedSubject {
			b.refer(x)
		}
	}
	switch by {
	case OrderedSubject:
		return b.bySubject(), ctx.Err()
	case References, Refs:
		return b.byReferences(by), ctx.Err()
	}
	return nil, fmt.Errorf("thread algorithm %d: %w", by, storage.Invalid)
}

// node is a message, or with pos -1 the place of one that is missing. Nodes are known by their
// place in threader.nodes.
type node struct {
	pos      int
	parent   int32
	children []int32
	sent     int64  // Unix seconds; of a missing message, of its first child
	arrived  int64  // Unix seconds; from byReferences on, of the newest below it
	subject  uint64 // hash of the base subject, 0 when that is empty
	reply    bool
	dropped  bool
}

const (
	none     = int32(-1)
	maxDepth = 1000 // of a thread: what lies deeper begins a new one
	maxRefs  = 1000 // ancestors of one message that are looked at
)

// threader threads by hashes of ids and subjects, to hold a million messages lightly.
type threader struct {
	seed  maphash.Seed
	nodes []node
	ids   map[uint64]int32
}

func newThreader(n int) *threader {
	return &threader{seed: maphash.MakeSeed(), nodes: make([]node, n, n+n/4), ids: make(map[uint64]int32, n)}
}

// hash is never 0.
func (b *threader) hash(s []byte) uint64 { return maphash.Bytes(b.seed, s) | 1 }

// id returns the node of a Message-ID.
func (b *threader) id(h uint64) int32 {
	if n, ok := b.ids[h]; ok {
		return n
	}
	b.nodes = append(b.nodes, node{pos: -1, parent: none})
	n := int32(len(b.nodes) - 1)
	b.ids[h] = n
	return n
}

// refer links a message to its ancestors (RFC 5256 §3, REFERENCES step 1).
func (b *threader) refer(x Indexed) {
	me := int32(x.Pos)
	if id := x.Index.MessageID(); len(id) > 0 {
		h := b.hash(id)
		old, known := b.ids[h]
		switch {
		case !known:
			b.ids[h] = me
		case b.nodes[old].pos < 0:
			b.replace(old, me)
			b.ids[h] = me
		} // else a second message of that id: it stands alone
	}
	last, count := none, 0
	for ref := range x.Index.References() {
		if count++; count > maxRefs {
			break
		}
		n := b.id(b.hash(ref))
		if last != none && b.nodes[n].parent == none {
			b.link(last, n)
		}
		last = n
	}
	if b.nodes[me].parent == last {
		return
	}
	b.unlink(me) // what others said of it; it may now have no parent
	if last != none {
		b.link(last, me)
	}
}

// replace puts a message in the place of a missing one.
func (b *threader) replace(old, me int32) {
	o, n := &b.nodes[old], &b.nodes[me]
	n.children = o.children
	for _, c := range n.children {
		b.nodes[c].parent = me
	}
	if p := o.parent; p != none {
		kids := b.nodes[p].children
		kids[slices.Index(kids, old)] = me
		n.parent = p
	}
	*o = node{pos: -1, parent: none, dropped: true}
}

// link makes child a child of parent unless that made a loop.
func (b *threader) link(parent, child int32) {
	depth := 0
	for n := parent; n != none; n = b.nodes[n].parent {
		if depth++; n == child || depth > maxDepth {
			return
		}
	}
	b.nodes[child].parent = parent
	b.nodes[parent].children = append(b.nodes[parent].children, child)
}

func (b *threader) unlink(n int32) {
	p := b.nodes[n].parent
	if p == none {
		return
	}
	kids := b.nodes[p].children
	i := slices.Index(kids, n)
	b.nodes[p].children = slices.Delete(kids, i, i+1)
	b.nodes[n].parent = none
}

// byReferences does the steps that come after linking.
func (b *threader) byReferences(by ThreadAlgorithm) []*Thread {
	roots := b.prune()
	for i := range b.nodes {
		b.sortBySent(b.nodes[i].children)
	}
	b.dates(roots)
	if by == Refs {
		b.newest(roots)
		slices.SortStableFunc(roots, func(x, y int32) int { return cmp.Compare(b.nodes[x].arrived, b.nodes[y].arrived) })
		return b.trees(roots)
	}
	b.sortBySent(roots)
	roots = b.join(roots)
	for i := range b.nodes {
		b.sortBySent(b.nodes[i].children)
	}
	b.dates(roots)
	b.sortBySent(roots)
	return b.trees(roots)
}

// prune removes the missing messages that hold nothing together, and returns the roots (steps 2 and 3).
func (b *threader) prune() (roots []int32) {
	order := make([]int32, 0, len(b.nodes)) // parents before children
	for i := range b.nodes {
		if b.nodes[i].parent == none && !b.nodes[i].dropped {
			order = append(order, int32(i))
		}
	}
	tops := len(order)
	for i := 0; i < len(order); i++ {
		order = append(order, b.nodes[order[i]].children...)
	}
	for _, i := range slices.Backward(order) {
		n := &b.nodes[i]
		kept := make([]int32, 0, len(n.children))
		for _, c := range n.children {
			k := &b.nodes[c]
			if k.pos >= 0 {
				kept = append(kept, c)
				continue
			}
			for _, g := range k.children { // they move up
				b.nodes[g].parent = i
				kept = append(kept, g)
			}
			k.dropped, k.children = true, nil
		}
		n.children = kept
	}
	for _, i := range order[:tops] {
		n := &b.nodes[i]
		if n.pos < 0 && len(n.children) < 2 {
			n.dropped = true
			for _, c := range n.children {
				b.nodes[c].parent = none
				roots = append(roots, c)
			}
			continue
		}
		roots = append(roots, i)
	}
	return roots
}

func (b *threader) sortBySent(list []int32) {
	slices.SortFunc(list, func(x, y int32) int {
		n, m := &b.nodes[x], &b.nodes[y]
		if c := cmp.Compare(n.sent, m.sent); c != 0 {
			return c
		}
		return cmp.Compare(b.place(x), b.place(y))
	})
}

// place is a node's position, for a missing message that of its first child.
func (b *threader) place(n int32) int {
	if b.nodes[n].pos < 0 && len(b.nodes[n].children) > 0 {
		return b.nodes[b.nodes[n].children[0]].pos
	}
	return b.nodes[n].pos
}

// dates gives missing messages the date and subject of their first child.
func (b *threader) dates(roots []int32) {
	for _, r := range roots {
		if n := &b.nodes[r]; n.pos < 0 && len(n.children) > 0 {
			c := &b.nodes[n.children[0]]
			n.sent, n.subject, n.reply = c.sent, c.subject, c.reply
		}
	}
}

// newest finds when the newest message of each thread arrived.
func (b *threader) newest(roots []int32) {
	for _, r := range roots {
		list := []int32{r}
		for i := 0; i < len(list); i++ {
			n := &b.nodes[list[i]]
			b.nodes[r].arrived = max(b.nodes[r].arrived, n.arrived)
			list = append(list, n.children...)
		}
	}
}

// join brings threads of the same subject together (step 5).
func (b *threader) join(roots []int32) []int32 {
	table := map[uint64]int32{}
	made := len(b.nodes) // those from here on are made to hold two together
	for _, r := range roots {
		n := &b.nodes[r]
		if n.subject == 0 {
			continue
		}
		old, ok := table[n.subject]
		if !ok {
			table[n.subject] = r
			continue
		}
		if t := &b.nodes[old]; t.pos >= 0 && (n.pos < 0 || t.reply && !n.reply) {
			table[n.subject] = r
		}
	}
	for _, r := range roots {
		n := &b.nodes[r]
		t, ok := table[n.subject]
		if !ok || n.subject == 0 || t == r {
			continue
		}
		old := &b.nodes[t]
		switch {
		case n.pos < 0 && old.pos < 0:
			for _, c := range n.children {
				b.nodes[c].parent = t
			}
			old.children = append(old.children, n.children...)
			n.children, n.dropped = nil, true
		case old.pos < 0 || n.reply && !old.reply:
			n.parent = t
			old.children = append(old.children, r)
		default:
			both := node{pos: -1, parent: none, sent: old.sent, subject: n.subject, reply: old.reply, children: []int32{t, r}}
			b.nodes = append(b.nodes, both)
			d := int32(len(b.nodes) - 1)
			b.nodes[t].parent, b.nodes[r].parent = d, d
			table[n.subject] = d
		}
	}
	kept := roots[:0:0]
	for _, r := range roots {
		if n := &b.nodes[r]; !n.dropped && n.parent == none {
			kept = append(kept, r)
		}
	}
	for d := made; d < len(b.nodes); d++ {
		kept = append(kept, int32(d))
	}
	return kept
}

// trees turns nodes into Threads.
func (b *threader) trees(roots []int32) []*Thread {
	var grow func(list []int32) []*Thread
	grow = func(list []int32) []*Thread {
		if len(list) == 0 {
			return nil
		}
		out := make([]*Thread, len(list))
		for i, n := range list {
			out[i] = &Thread{Pos: b.nodes[n].pos, Children: grow(b.nodes[n].children)}
		}
		return out
	}
	return grow(roots)
}

// bySubject threads by subject alone: the oldest message and all others under it.
func (b *threader) bySubject() []*Thread {
	order := make([]int32, len(b.nodes))
	for i := range order {
		order[i] = int32(i)
	}
	b.sortBySent(order)
	first := map[uint64]*Thread{}
	var out []*Thread
	for _, i := range order {
		n := &b.nodes[i]
		t := &Thread{Pos: n.pos}
		if root := first[n.subject]; root != nil {
			root.Children = append(root.Children, t)
			continue
		}
		first[n.subject] = t
		out = append(out, t)
	}
	return out
}
