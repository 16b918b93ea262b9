package dav

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"atrium/dav/elem"
	"atrium/storage"
)

// locking is class 2: write locks (RFC 4918 §6, §7).
var locking = Module{
	RFC: "4918", Features: []string{"2"},
	Methods: map[string]Handler{"LOCK": lockResource, "UNLOCK": unlockResource},
	Properties: []Property{
		{Name: elem.N("D:supportedlock"), On: Collection | Member | Home, All: true, Get: func(_ *Ask, _ *Resource, w *elem.Writer) error {
			for _, scope := range []string{"exclusive", "shared"} {
				w.Str("<D:lockentry><D:lockscope><D:" + scope + "/></D:lockscope><D:locktype><D:write/></D:locktype></D:lockentry>")
			}
			return nil
		}},
		{Name: elem.N("D:lockdiscovery"), On: Collection | Member | Home, All: true, Get: getLocks},
	},
}

// lock is one write lock. The locks of an account are one record, which few
// accounts ever have.
type lock struct {
	Token   string
	Path    []string // tree and segments
	Href    string   // of its root
	Deep    bool     // Depth: infinity
	Shared  bool
	Owner   string // the DAV:owner that the client sent, as XML
	By      storage.AccountID
	Timeout int64 // seconds
	Until   int64 // Unix seconds
}

const (
	lockRecord  = "dav/locks"
	maxLocks    = 500       // of an account
	maxOwner    = 4 << 10   // bytes of DAV:owner
	maxLockTime = 24 * 3600 // seconds
	stdLockTime = 3600
)

func readLocks(v *storage.View) (locks []lock, err error) {
	b, err := v.Record(lockRecord)
	if errors.Is(err, storage.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(b, &locks); err != nil {
		return nil, fmt.Errorf("locks: %w: %w", storage.Corrupt, err)
	}
	now := time.Now().Unix()
	return slices.DeleteFunc(locks, func(l lock) bool { return l.Until <= now }), nil
}

func writeLocks(tx *storage.Tx, locks []lock) error {
	if len(locks) == 0 {
		return tx.SetRecord(lockRecord, nil)
	}
	b, err := json.Marshal(locks)
	if err != nil {
		return err
	}
	return tx.SetRecord(lockRecord, b)
}

// covers tells whether the lock is on a path, itself or from above.
func (l *lock) covers(path []string) bool {
	if len(l.Path) > len(path) || !slices.Equal(l.Path, path[:len(l.Path)]) {
		return false
	}
	return l.Deep || len(l.Path) == len(path)
}

// below tells whether the lock's root is below a path.
func (l *lock) below(path []string) bool {
	return len(l.Path) > len(path) && slices.Equal(l.Path[:len(path)], path)
}

// lockPath is a target as locks name it.
func (t *Target) lockPath() []string {
	if t == nil || t.Tree == nil {
		return nil
	}
	return append([]string{t.Tree.Segment}, t.Rest...)
}

// submitted tells whether the request's If header has a lock's token and the actor may use it.
func (rq *Request) submitted(c *conditions, l *lock) bool {
	if l.By != rq.Actor.ID {
		return false
	}
	for _, list := range c.lists {
		for _, t := range list.tests {
			if !t.not && t.token == l.Token {
				return true
			}
		}
	}
	return false
}

// touch is what a request is about to change at a path.
type touch byte

const (
	touchSelf    touch = 1 << iota // the resource: its body, properties or existence
	touchMembers                   // what is in the collection above it
	touchBelow                     // all that is below it
)

// free checks that no lock is in the way for which no token was sent (RFC 4918
// §7.5): DAV:lock-token-submitted.
func (rq *Request) free(v *storage.View, c *conditions, t *Target, what touch) error {
	locks, err := readLocks(v)
	if err != nil || len(locks) == 0 {
		return err
	}
	path := t.lockPath()
	if path == nil {
		return nil
	}
	if what&touchSelf != 0 {
		err = rq.freeAt(locks, c, path)
	}
	if err == nil && what&touchMembers != 0 && len(path) > 1 {
		err = rq.freeAt(locks, c, path[:len(path)-1])
	}
	for i := range locks {
		if err == nil && what&touchBelow != 0 && locks[i].below(path) {
			err = rq.freeAt(locks, c, locks[i].Path)
		}
	}
	return err
}

// freeAt checks one path: of several shared locks one token is enough.
func (rq *Request) freeAt(locks []lock, c *conditions, path []string) error {
	var in *lock
	for i := range locks {
		if !locks[i].covers(path) {
			continue
		}
		if rq.submitted(c, &locks[i]) {
			return nil
		}
		in = &locks[i]
	}
	if in == nil {
		return nil
	}
	return &Error{Status: http.StatusLocked, Condition: elem.N("D:lock-token-submitted"), Href: in.Href}
}

// dropLocks removes the locks on what went.
func dropLocks(tx *storage.Tx, t *Target) error {
	locks, err := readLocks(&tx.View)
	if err != nil || len(locks) == 0 {
		return err
	}
	path := t.lockPath()
	left := slices.DeleteFunc(slices.Clone(locks), func(l lock) bool {
		return slices.Equal(l.Path, path) || l.below(path)
	})
	if len(left) == len(locks) {
		return nil
	}
	return writeLocks(tx, left)
}

// locked tells whether a token is one of a lock that covers a target.
func locked(v *storage.View, t *Target, token string) (bool, error) {
	locks, err := readLocks(v)
	if err != nil {
		return false, err
	}
	for i := range locks {
		if locks[i].Token == token && locks[i].covers(t.lockPath()) {
			return true, nil
		}
	}
	return false, nil
}

// lockResource answers LOCK (RFC 4918 §9.10).
func lockResource(rq *Request, w http.ResponseWriter) error {
	conds, err := rq.conditions()
	if err != nil {
		return err
	}
	if rq.Depth == Depth1 {
		return Fail(http.StatusBadRequest, "LOCK takes Depth 0 or infinity")
	}
	want := &lock{Deep: rq.Depth != Depth0, By: rq.Actor.ID, Timeout: lockTime(rq.Header.Get("Timeout"))}
	r := elem.NewReader(rq.Body, rq.Server.xmlLimits())
	root, ok := r.Root()
	switch {
	case !ok && r.Err() == elem.Empty:
		return rq.refresh(w, conds, want.Timeout)
	case !ok:
		return r.Err()
	case !root.Is("D:lockinfo"):
		return Fail(http.StatusBadRequest, "the root element is not DAV:lockinfo")
	}
	if err := readLockInfo(r, want); err != nil {
		return err
	}
	if rq.Target.Tree == nil {
		return Fail(http.StatusForbidden, "this cannot be locked")
	}
	if rq.Target.Owner == nil {
		return errNowhere
	}
	created, err := rq.lockNew(w, conds, want)
	if err != nil {
		return rq.wrap(err)
	}
	status := http.StatusOK
	if created {
		status = http.StatusCreated
	}
	w.Header().Set("Lock-Token", "<"+want.Token+">")
	return sendLocks(w, status, []lock{*want})
}

func readLockInfo(r *elem.Reader, l *lock) error {
	write := false
	for s := range r.Children() {
		switch {
		case s.Is("D:lockscope"):
			for c := range r.Children() {
				l.Shared = c.Is("D:shared")
			}
		case s.Is("D:locktype"):
			for c := range r.Children() {
				write = c.Is("D:write")
			}
		case s.Is("D:owner"):
			if raw := r.Raw(); len(raw.XML) <= maxOwner {
				l.Owner = string(raw.XML)
			}
		}
	}
	if err := r.End(); err != nil {
		return err
	}
	if !write {
		return Fail(http.StatusBadRequest, "only write locks are known")
	}
	return nil
}

// lockTime reads a Timeout header, in seconds.
func lockTime(h string) int64 {
	for s := range strings.SplitSeq(h, ",") {
		s = strings.TrimSpace(s)
		if strings.EqualFold(s, "Infinite") {
			return maxLockTime
		}
		if n, err := strconv.ParseInt(strings.TrimPrefix(s, "Second-"), 10, 64); err == nil && n > 0 {
			return min(n, maxLockTime)
		}
	}
	return stdLockTime
}

// lockNew takes a lock. Where nothing is, it makes an empty member (RFC 4918 §7.3).
func (rq *Request) lockNew(w http.ResponseWriter, conds *conditions, l *lock) (created bool, err error) {
	t := rq.Target
	l.Token = "urn:uuid:" + uuid()
	l.Path = t.lockPath()
	var empty Upload
	if len(t.Rest) > 0 && t.Tree.Nested {
		if empty, err = t.Tree.Prepare(rq, strings.NewReader("")); err != nil {
			return false, err
		}
		defer empty.Release()
	}
	err = rq.update(func(tx *storage.Tx) error {
		v := &tx.View
		r, err := rq.locate(v, t)
		created = errors.Is(err, storage.NotFound)
		switch {
		case err == nil:
			if err = rq.guard(v, conds, r, r.Entry); err == nil {
				err = r.need(storage.Write)
			}
			l.Href = r.Path
		case created && empty != nil:
			var parent *Resource
			var name string
			if parent, name, err = rq.placeFor(v, conds); err == nil {
				_, _, err = empty.Put(tx, parent.Collection.ID, name)
			}
			l.Href = t.Path()
		}
		if err != nil {
			return err
		}
		return rq.addLock(tx, l)
	})
	return created, err
}

func (rq *Request) addLock(tx *storage.Tx, l *lock) error {
	locks, err := readLocks(&tx.View)
	if err != nil {
		return err
	}
	for i := range locks {
		o := &locks[i]
		if (o.covers(l.Path) || l.Deep && o.below(l.Path)) && !(o.Shared && l.Shared) {
			return &Error{Status: http.StatusLocked, Condition: elem.N("D:no-conflicting-lock"), Href: o.Href}
		}
	}
	if len(locks) >= maxLocks {
		return Fail(http.StatusInsufficientStorage, "more than %d locks", maxLocks)
	}
	l.Until = time.Now().Unix() + l.Timeout
	return writeLocks(tx, append(locks, *l))
}

func uuid() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// refresh gives a lock more time (RFC 4918 §9.10.2).
func (rq *Request) refresh(w http.ResponseWriter, conds *conditions, timeout int64) error {
	var done []lock
	err := rq.update(func(tx *storage.Tx) error {
		done = nil
		r, err := rq.locate(&tx.View, rq.Target)
		if err == nil {
			err = rq.guard(&tx.View, conds, r, r.Entry)
		}
		if err != nil {
			return err
		}
		locks, err := readLocks(&tx.View)
		if err != nil {
			return err
		}
		for i := range locks {
			if l := &locks[i]; l.covers(rq.Target.lockPath()) && rq.submitted(conds, l) {
				l.Timeout, l.Until = timeout, time.Now().Unix()+timeout
				done = append(done, *l)
			}
		}
		if len(done) == 0 {
			return Refuse(http.StatusPreconditionFailed, "D:lock-token-matches-request-uri")
		}
		return writeLocks(tx, locks)
	})
	if err != nil {
		return err
	}
	return sendLocks(w, http.StatusOK, done)
}

// unlockResource answers UNLOCK (RFC 4918 §9.11).
func unlockResource(rq *Request, w http.ResponseWriter) error {
	token := strings.TrimSpace(rq.Header.Get("Lock-Token"))
	if len(token) < 2 || token[0] != '<' || token[len(token)-1] != '>' {
		return Fail(http.StatusBadRequest, "a Lock-Token is needed")
	}
	token = token[1 : len(token)-1]
	err := rq.update(func(tx *storage.Tx) error {
		if _, err := rq.locate(&tx.View, rq.Target); err != nil {
			return err
		}
		locks, err := readLocks(&tx.View)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(locks, func(l lock) bool { return l.Token == token && l.covers(rq.Target.lockPath()) })
		if i < 0 {
			return Refuse(http.StatusConflict, "D:lock-token-matches-request-uri")
		}
		if locks[i].By != rq.Actor.ID && rq.Target.Owner.ID != rq.Actor.ID {
			return Refuse(http.StatusForbidden, "D:need-privileges")
		}
		return writeLocks(tx, slices.Delete(locks, i, i+1))
	})
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func sendLocks(w http.ResponseWriter, status int, locks []lock) error {
	var x elem.Writer
	x.Str(xmlHead + "<D:prop")
	x.Declare()
	x.Str("><D:lockdiscovery>")
	for i := range locks {
		locks[i].write(&x)
	}
	x.Str("</D:lockdiscovery></D:prop>")
	return SendXML(w, status, x.Bytes())
}

// write writes a DAV:activelock (RFC 4918 §14.1).
func (l *lock) write(w *elem.Writer) {
	scope, depth := "exclusive", "0"
	if l.Shared {
		scope = "shared"
	}
	if l.Deep {
		depth = "infinity"
	}
	w.Str("<D:activelock><D:lockscope><D:" + scope + "/></D:lockscope><D:locktype><D:write/></D:locktype><D:depth>" + depth + "</D:depth>")
	w.Str(l.Owner)
	w.Str("<D:timeout>Second-")
	w.Int(max(l.Until-time.Now().Unix(), 0))
	w.Str("</D:timeout><D:locktoken>")
	w.Href(l.Token)
	w.Str("</D:locktoken><D:lockroot>")
	w.Href(l.Href)
	w.Str("</D:lockroot></D:activelock>")
}

func getLocks(a *Ask, r *Resource, w *elem.Writer) error {
	locks, err := readLocks(a.View)
	if err != nil || len(locks) == 0 {
		return err
	}
	_, segments, err := splitPath(r.Path)
	if err != nil || len(segments) < 2 {
		return nil
	}
	path := append([]string{segments[0]}, segments[2:]...)
	for i := range locks {
		if locks[i].covers(path) {
			locks[i].write(w)
		}
	}
	return nil
}
