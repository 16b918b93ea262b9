package dav

import (
	"errors"
	"iter"
	"net/http"
	"strconv"
	"strings"

	"atrium/dav/elem"
	"atrium/storage"
)

// syncCollection is RFC 6578.
var syncCollection = Module{RFC: "6578",
	Reports:    []Report{{Name: elem.N("D:sync-collection"), On: Synced, Run: runSync}},
	Properties: []Property{{Name: elem.N("D:sync-token"), On: Synced, Get: getSyncToken}},
}

// tokenPrefix begins all tokens: a token is a URI (RFC 6578 §4).
const tokenPrefix = "data:,"

// token is what a sync-token says: data:,c12-345 is collection 12 at modseq
// 345; data:,c12-345-678 the same, of which the first sync got as far as row 678; data:,h-345 a home.
type token struct {
	collection storage.CollectionID // 0: a home
	modseq     uint64
	next       storage.Num // row to go on with; 0: the listing was whole
}

func (t token) String() string {
	b := []byte(tokenPrefix)
	if t.collection == 0 {
		b = append(b, 'h')
	} else {
		b = append(b, 'c')
		b = strconv.AppendUint(b, uint64(t.collection), 10)
	}
	b = append(b, '-')
	b = strconv.AppendUint(b, t.modseq, 10)
	if t.next > 0 {
		b = append(b, '-')
		b = strconv.AppendUint(b, uint64(t.next), 10)
	}
	return string(b)
}

func parseToken(s string) (t token, ok bool) {
	s, ok = strings.CutPrefix(s, tokenPrefix)
	parts := strings.Split(s, "-")
	if !ok || len(parts) < 2 || len(parts) > 3 || parts[0] == "" {
		return t, false
	}
	if parts[0] != "h" {
		n, err := strconv.ParseUint(parts[0][1:], 10, 32)
		if err != nil || parts[0][0] != 'c' || n == 0 {
			return t, false
		}
		t.collection = storage.CollectionID(n)
	}
	var err error
	if t.modseq, err = strconv.ParseUint(parts[1], 10, 64); err != nil {
		return t, false
	}
	if len(parts) == 3 {
		n, err := strconv.ParseUint(parts[2], 10, 32)
		if err != nil {
			return t, false
		}
		t.next = storage.Num(n)
	}
	return t, t.String() == tokenPrefix+s
}

func getSyncToken(a *Ask, r *Resource, w *elem.Writer) error {
	t, err := a.syncToken(a.View, r)
	w.Text(t)
	return err
}

// syncToken is the token of a resource at the snapshot.
func (rq *Request) syncToken(v *storage.View, r *Resource) (string, error) {
	switch {
	case r.Entry != nil || !r.Kind.Is(Synced):
		return "", errAbsent
	case r.Collection != nil:
		return token{collection: r.Collection.ID, modseq: r.Collection.Modseq}.String(), nil
	}
	n, err := rq.homeModseq(v, r.Tree)
	return token{modseq: n}.String(), err
}

// homeModseq is the modseq of the last change in any collection of a home.
func (rq *Request) homeModseq(v *storage.View, t *Tree) (uint64, error) {
	cs, err := v.Collections(t.Schema)
	if err != nil {
		return 0, err
	}
	gone, n, err := v.Dropped(t.Schema)
	if err != nil {
		return 0, err
	}
	for _, c := range cs {
		n = max(n, c.Modseq, c.Meta)
	}
	for _, d := range gone {
		n = max(n, d.Modseq)
	}
	if v.Account() != rq.Actor.ID || t.Nested {
		return n, nil
	}
	l, err := readMountLog(v, t)
	return max(n, l.Modseq), err
}

// syncRequest is a sync-collection report.
type syncRequest struct {
	since   token
	initial bool
	deep    bool // of a home: the members of its collections too
	limit   int  // 0: none
}

// runSync answers sync-collection (RFC 6578 §3). Depth says nothing there,
// sync-level does.
func runSync(rq *Request, w http.ResponseWriter, r *elem.Reader, _ elem.Start) error {
	var sr syncRequest
	raw, level := "", "1" // clients of the drafts send no level but Depth
	l, err := rq.ReadListing(w, r, func(s elem.Start) error {
		switch s.Name {
		case elem.N("D:sync-token"):
			raw = strings.TrimSpace(r.Text())
		case elem.N("D:sync-level"):
			level = strings.TrimSpace(r.Text())
		case elem.N("D:limit"):
			return readLimit(r, &sr.limit)
		}
		return nil
	})
	if err != nil {
		return err
	}
	defer l.Close()
	switch level {
	case "1":
	case "infinite", "infinity":
		sr.deep = true
	default:
		return Fail(http.StatusBadRequest, "sync-level is 1 or infinite")
	}
	sr.initial = raw == ""
	if !sr.initial {
		var ok bool
		if sr.since, ok = parseToken(raw); !ok {
			return rq.badToken()
		}
	}
	return rq.sync(l, &sr)
}

func readLimit(r *elem.Reader, limit *int) error {
	for s := range r.Children() {
		if s.Is("D:nresults") || s.Is("CR:nresults") {
			n, err := strconv.Atoi(strings.TrimSpace(r.Text()))
			if err != nil || n < 1 {
				return Fail(http.StatusBadRequest, "nresults is not a number of results")
			}
			*limit = n
		}
	}
	return nil
}

// ReadLimit reads the DAV:nresults or CARDDAV:nresults in the limit element that is open.
func ReadLimit(r *elem.Reader) (n int, err error) {
	err = readLimit(r, &n)
	return n, err
}

// badToken tells a client to start again (RFC 6578 §3.2). Thunderbird's address books
// do that only at 400.
func (rq *Request) badToken() error {
	status := http.StatusForbidden
	if rq.Agent("Thunderbird") && rq.Target.Tree != nil && rq.Target.Tree.Collection.typeIs("CR:addressbook") {
		status = http.StatusBadRequest
	}
	return Refuse(status, "D:valid-sync-token")
}

func (rq *Request) sync(l *Listing, sr *syncRequest) error {
	st := syncState{stop: func() {}}
	defer func() { st.stop() }()
	for more := true; more; {
		err := rq.view(rq.Target.account(rq), func(v *storage.View) (err error) {
			if !st.begun {
				if err := rq.beginSync(v, sr, &st); err != nil {
					return err
				}
			}
			more, err = st.fill(v, l)
			return err
		})
		if err == nil && more {
			err = l.Flush()
		}
		if err != nil {
			return err
		}
	}
	if st.cut {
		l.Response(st.self.Path)
		l.StatusLine(http.StatusInsufficientStorage)
		l.Str("<D:error><D:number-of-matches-within-limits/></D:error>")
		l.EndResponse()
	}
	l.Str("<D:sync-token>")
	l.Text(st.token.String())
	l.Str("</D:sync-token>")
	return l.Finish()
}

// syncState is what a sync has still to tell.
type syncState struct {
	begun   bool
	self    *Resource
	members []*Resource // in memory: collections of a home, or changed members
	entries []Entry
	gone    []string // paths
	token   token    // what the next sync passes
	cut     bool     // the limit cut the answer

	next func() (Entry, bool) // a first sync reads on here, left times
	stop func()
	left int

	below []syncBelow // collections of a home whose members come after all that
	deep  bool        // as in the request
}

// syncBelow is what a sync of a home tells of the members of one of its collections.
type syncBelow struct {
	at      *Resource
	table   *storage.Table // first sync: all in it
	entries []Entry
	gone    []string // paths
}

func (b *syncBelow) len() int {
	n := len(b.entries) + len(b.gone)
	if b.table != nil {
		n += b.table.Len()
	}
	return n
}

func (rq *Request) beginSync(v *storage.View, sr *syncRequest, st *syncState) error {
	r, err := rq.locate(v, rq.Target)
	if err != nil {
		return err
	}
	if err := r.need(storage.Read); err != nil {
		return err
	}
	st.begun, st.self, st.deep = true, r, sr.deep && r.Collection == nil
	switch {
	case r.Collection == nil:
		return rq.syncHome(v, sr, st)
	case sr.initial:
		return rq.syncAll(v, sr, st, token{collection: r.Collection.ID, modseq: r.Collection.Modseq, next: 1})
	case sr.since.collection != r.Collection.ID, sr.since.modseq > r.Collection.Modseq:
		return rq.badToken()
	case sr.since.next > 0:
		return rq.syncAll(v, sr, st, sr.since)
	}
	d, err := r.Tree.Changes(v, r.Collection.ID, sr.since.modseq, sr.limit)
	if errors.Is(err, storage.Expired) || errors.Is(err, storage.Invalid) {
		return rq.badToken()
	}
	if err != nil {
		return err
	}
	st.entries, st.cut = d.Changed, d.More
	st.gone = departed(v, r, d.Gone)
	st.token = token{collection: r.Collection.ID, modseq: d.Modseq}
	return nil
}

// departed are the paths of members that went and did not come again.
func departed(v *storage.View, r *Resource, names []string) (paths []string) {
	told := map[string]bool{}
	for _, name := range names {
		// A name may have gone more than once.
		if _, err := r.Tree.ByName(v, r.Collection.ID, name); err == nil || told[name] {
			continue
		}
		told[name] = true
		paths = append(paths, r.member(name))
	}
	return paths
}

// syncAll begins a first sync, or goes on with one that a limit cut.
func (rq *Request) syncAll(v *storage.View, sr *syncRequest, st *syncState, t token) error {
	table, err := v.Table(st.self.Collection.ID)
	if err != nil {
		return err
	}
	if t.modseq > table.Modseq() {
		return rq.badToken()
	}
	pos, _ := table.Find(t.next)
	st.next, st.stop = iter.Pull(st.self.Tree.Entries(table))
	for range pos {
		st.next()
	}
	st.left = table.Len() - pos
	t.next = 0
	if sr.limit > 0 && st.left > sr.limit {
		st.left = sr.limit
		st.cut = true
		t.next = table.At(pos + sr.limit).Num
	}
	st.token = t
	return nil
}

// syncHome tells which collections of a home changed.
func (rq *Request) syncHome(v *storage.View, sr *syncRequest, st *syncState) error {
	now, err := rq.homeModseq(v, st.self.Tree)
	if err != nil {
		return err
	}
	gone, floor, err := v.Dropped(st.self.Tree.Schema)
	if err != nil {
		return err
	}
	since := sr.since
	if !sr.initial && (since.collection != 0 || since.next != 0 || since.modseq > now || since.modseq < floor) {
		return rq.badToken()
	}
	var all []*Resource
	if err := rq.collections(v, st.self, &all); err != nil {
		return err
	}
	have := map[string]bool{}
	for _, c := range all {
		have[c.Collection.Name] = true
		if sr.initial || max(c.Collection.Modseq, c.Collection.Meta) > since.modseq {
			st.members = append(st.members, c)
		}
	}
	if st.deep {
		went := map[string]bool{}
		for _, d := range gone {
			if d.Modseq > since.modseq {
				went[d.Name] = true
			}
		}
		if err := rq.syncBelow(v, sr, st, went); err != nil {
			return err
		}
	}
	if err := rq.syncMounts(v, sr, st); err != nil {
		return err
	}
	if !sr.initial {
		for _, d := range gone {
			if d.Modseq <= since.modseq || have[d.Name] {
				continue
			}
			if st.self.Owner.ID != rq.Actor.ID {
				return rq.badToken() // names that the actor may never have been shown
			}
			st.gone = append(st.gone, st.self.member(d.Name)+"/")
		}
	}
	n := len(st.members) + len(st.gone)
	for i := range st.below {
		n += st.below[i].len()
	}
	if sr.limit > 0 && n > sr.limit {
		// A home's changes are not told in parts (RFC 6578 §3.7).
		return Refuse(http.StatusInsufficientStorage, "D:number-of-matches-within-limits")
	}
	st.token = token{modseq: now}
	return nil
}

// syncBelow finds what changed in the collections of a home that changed. What another shares is in the log of
// its owner: it is refused by itself, and synchronized by itself (RFC 6578 §3.3).
//
// went are the names of collections that went since: where another has come under such a name, what was in the first
// one is not known any more, and the client begins again.
func (rq *Request) syncBelow(v *storage.View, sr *syncRequest, st *syncState, went map[string]bool) error {
	for _, c := range st.members {
		if !c.Rights.Has(storage.Read) {
			continue
		}
		b, id, since := syncBelow{at: c}, c.Collection.ID, sr.since.modseq
		whole := sr.initial || c.Collection.Created > since
		if !sr.initial && went[c.Collection.Name] {
			return rq.badToken()
		}
		if !whole {
			d, err := c.Tree.Changes(v, id, since, 0)
			if errors.Is(err, storage.Expired) {
				return rq.badToken()
			}
			if err != nil {
				return err
			}
			b.entries, b.gone = d.Changed, departed(v, c, d.Gone)
			whole = len(went) > 0 && c.Collection.Meta > since // it may have had the name of one that went
		}
		if whole {
			var err error
			b.entries = nil
			if b.table, err = v.Table(id); err != nil {
				return err
			}
		}
		st.below = append(st.below, b)
	}
	return nil
}

// fill writes responses until the buffer is full; more tells that some are left.
func (st *syncState) fill(v *storage.View, l *Listing) (more bool, err error) {
	for {
		if more, err = st.fillOne(v, l); more || err != nil || len(st.below) == 0 {
			return more, err
		}
		b := st.below[0]
		st.below = st.below[1:]
		st.self, st.entries, st.gone = b.at, b.entries, b.gone
		if b.table != nil {
			st.stop()
			st.next, st.stop = iter.Pull(b.at.Tree.Entries(b.table))
			st.left = b.table.Len()
		}
	}
}

func (st *syncState) fillOne(v *storage.View, l *Listing) (more bool, err error) {
	for len(st.members) > 0 && !l.Full() {
		if c := st.members[0]; st.deep && c.Mount {
			l.Response(c.Path)
			l.StatusLine(http.StatusForbidden)
			l.Str("<D:error><D:sync-traversal-supported/></D:error>")
			l.EndResponse()
		} else if err := l.Resource(v, c); err != nil {
			return false, err
		}
		st.members = st.members[1:]
	}
	m := Resource{}
	one := func(e Entry) error {
		s := st.self
		if err := l.rq.seen(v, s.Tree, s.Collection, &e); err != nil {
			return err
		}
		m = Resource{Kind: s.Tree.Member, Path: s.member(e.Name), Tree: s.Tree, Owner: s.Owner, Collection: s.Collection, Entry: &e, Rights: s.Rights, Mount: s.Mount}
		return l.Resource(v, &m)
	}
	for ; st.left > 0 && !l.Full(); st.left-- {
		e, ok := st.next()
		if !ok {
			break
		}
		if err := one(e); err != nil {
			return false, err
		}
	}
	for len(st.entries) > 0 && !l.Full() {
		if err := one(st.entries[0]); err != nil {
			return false, err
		}
		st.entries = st.entries[1:]
	}
	for len(st.gone) > 0 && !l.Full() {
		l.Status(st.gone[0], http.StatusNotFound)
		st.gone = st.gone[1:]
	}
	return len(st.members)+len(st.entries)+len(st.gone) > 0 || st.left > 0 && l.Full(), nil
}
