package dav

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"atrium/dav/elem"
	"atrium/storage"
	"atrium/storage/account"
)

// delegation is Apple's calendar-proxy: below each principal are two more, whose members may read, or read and
// write, all of its calendars. Who they are is a record of the account; what they may do are grants on its calendars,
// as all others are, which those that are made later get too.
var delegation = Module{
	RFC:      "calendar-proxy",
	Features: []string{"calendar-proxy"},
	Properties: []Property{
		{Name: elem.N("CS:calendar-proxy-read-for"), On: Principal, Get: func(a *Ask, r *Resource, w *elem.Writer) error {
			return getProxyFor(a, r, w, readProxy)
		}},
		{Name: elem.N("CS:calendar-proxy-write-for"), On: Principal, Get: func(a *Ask, r *Resource, w *elem.Writer) error {
			return getProxyFor(a, r, w, writeProxy)
		}},
	},
}

// proxyKind tells the two groups of those who act for someone apart.
type proxyKind byte

const (
	readProxy proxyKind = 1 + iota
	writeProxy
)

var (
	readProxyKind  = Kind{Name: "principal", Bits: Proxy, Types: elem.Names("D:collection", "D:principal", "CS:calendar-proxy-read")}
	writeProxyKind = Kind{Name: "principal", Bits: Proxy, Types: elem.Names("D:collection", "D:principal", "CS:calendar-proxy-write")}
)

// proxyName is the last segment of a group's path.
var proxyName = map[proxyKind]string{readProxy: "calendar-proxy-read", writeProxy: "calendar-proxy-write"}

// proxyKinds are the kinds by that segment.
var proxyKinds = map[string]*Kind{"calendar-proxy-read": &readProxyKind, "calendar-proxy-write": &writeProxyKind}

func (p proxyKind) path(a *account.Account) string { return PrincipalPath(a) + proxyName[p] + "/" }

// rights are what a proxy has on each calendar.
func (p proxyKind) rights() storage.Rights {
	if p == writeProxy {
		return storage.ReadWrite
	}
	return storage.ReadOnly
}

// proxyRecord says who acts for an account.
const proxyRecord = "dav/proxies"

// maxProxies bounds them.
const maxProxies = 100

// delegates are those who act for an account.
type delegates struct {
	Read, Write []storage.AccountID
}

func (d *delegates) of(p proxyKind) *[]storage.AccountID {
	if p == writeProxy {
		return &d.Write
	}
	return &d.Read
}

func readDelegates(v *storage.View) (d delegates, err error) {
	b, err := v.Record(proxyRecord)
	if errors.Is(err, storage.NotFound) {
		return d, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &d)
	}
	if err != nil {
		return d, fmt.Errorf("proxies: %w", err)
	}
	return d, nil
}

// proxy is the resource of such a group.
func (rq *Request) proxy(t *Target) *Resource {
	r := &Resource{Kind: t.Kind, Path: t.home + t.raw[0] + "/", Owner: t.Owner, Rights: storage.Lookup | storage.Read, Proxy: readProxy}
	if t.Kind == &writeProxyKind {
		r.Proxy = writeProxy
	}
	if t.Owner.ID == rq.Actor.ID {
		r.Rights |= storage.Properties
	}
	return r
}

// getMembers writes DAV:group-member-set (RFC 3744 §4.3).
func getMembers(a *Ask, r *Resource, w *elem.Writer) error {
	if r.Proxy == 0 {
		members, err := a.Server.people.Members(a.Context(), r.Owner.ID)
		for _, m := range members {
			w.Href(principalsPath + Escape(m.Name) + "/")
		}
		return err
	}
	var d delegates
	err := a.view(r.Owner.ID, func(v *storage.View) (err error) {
		d, err = readDelegates(v)
		return err
	})
	for _, id := range *d.of(r.Proxy) {
		if x, err := a.Server.people.Get(a.Context(), id); err == nil {
			w.Href(PrincipalPath(x))
		}
	}
	return err
}

// setMembers sets who acts for the actor. The members of groups are the administrator's to set.
func setMembers(c *Change, v elem.Raw) error {
	r := c.Resource
	if r.Proxy == 0 {
		return Refuse(http.StatusForbidden, "D:cannot-modify-protected-property")
	}
	var ids []storage.AccountID
	x := v.Reader()
	x.Root()
	for s := range x.Children() {
		if s.Name != hrefName {
			continue
		}
		id, err := c.grantTo(strings.TrimSpace(x.Text()))
		if err != nil {
			return err
		}
		if id != r.Owner.ID && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
		if len(ids) > maxProxies {
			return Fail(http.StatusInsufficientStorage, "more than %d delegates", maxProxies)
		}
	}
	if x.Err() != nil {
		return x.Err()
	}
	return c.Server.delegate(c.Tx, r.Proxy, ids)
}

// delegate makes ids those who act for the account of tx in one way.
func (s *Server) delegate(tx *storage.Tx, p proxyKind, ids []storage.AccountID) error {
	old, err := readDelegates(&tx.View)
	if err != nil {
		return err
	}
	now := delegates{slices.Clone(old.Read), slices.Clone(old.Write)}
	*now.of(p) = ids
	other := now.of(readProxy + writeProxy - p)
	*other = slices.DeleteFunc(*other, func(id storage.AccountID) bool { return slices.Contains(ids, id) })
	b, err := json.Marshal(now)
	if err == nil {
		err = tx.SetRecord(proxyRecord, b)
	}
	if err == nil {
		err = tx.Touch()
	}
	if err != nil {
		return err
	}
	for _, t := range s.treeList {
		if !t.delegated() {
			continue
		}
		cs, err := tx.Collections(t.Schema)
		if err != nil {
			return err
		}
		for _, c := range cs {
			if t.Private != nil && t.Private(c) {
				continue
			}
			if err := regrant(tx, c.ID, &old, &now); err != nil {
				return err
			}
		}
	}
	return nil
}

// delegated tells whether who acts for someone does so here.
func (t *Tree) delegated() bool { return t.Collection.typeIs("C:calendar") }

// regrant turns the grants that some delegates have on a collection into those that others have.
func regrant(tx *storage.Tx, c storage.CollectionID, old, now *delegates) error {
	want := map[storage.AccountID]storage.Rights{}
	for _, id := range slices.Concat(old.Read, old.Write) {
		want[id] = 0
	}
	for _, p := range []proxyKind{readProxy, writeProxy} {
		for _, id := range *now.of(p) {
			want[id] |= p.rights()
		}
	}
	have, err := tx.Grants(c)
	if err != nil {
		return err
	}
	for _, g := range have {
		if want[g.To] == g.Rights {
			delete(want, g.To)
		}
	}
	for id, rights := range want {
		if err := Grant(tx, c, id, rights); err != nil {
			return err
		}
	}
	return nil
}

// delegateNew gives those who act for the account their rights on a collection that was made.
func (s *Server) delegateNew(tx *storage.Tx, t *Tree, c storage.CollectionID) error {
	if !t.delegated() {
		return nil
	}
	d, err := readDelegates(&tx.View)
	if err != nil || len(d.Read)+len(d.Write) == 0 {
		return err
	}
	return regrant(tx, c, &delegates{}, &d)
}

// delegated are the rights on a home of who acts for its owner and may write: to make calendars in it.
func (rq *Request) delegated(v *storage.View, t *Tree) (storage.Rights, error) {
	if !t.delegated() {
		return 0, nil
	}
	d, err := readDelegates(v)
	if err != nil || len(d.Write) == 0 {
		return 0, err
	}
	me := slices.Contains(d.Write, rq.Actor.ID) || slices.ContainsFunc(rq.groups(rq.Actor), func(g *account.Account) bool { return slices.Contains(d.Write, g.ID) })
	if !me {
		return 0, nil
	}
	return storage.ReadOnly | storage.Insert | storage.Create, nil
}

// proxyFor are those for whom the actor acts, itself or as a member of a group.
func (rq *Request) proxyFor(p proxyKind) (list []*account.Account, err error) {
	shares, err := rq.Server.store.Shared(rq.Context(), rq.Actor.ID)
	if err != nil {
		return nil, err
	}
	me := []storage.AccountID{rq.Actor.ID}
	for _, g := range rq.groups(rq.Actor) {
		me = append(me, g.ID)
	}
	var last storage.AccountID
	for _, s := range shares {
		if s.Owner == last {
			continue
		}
		last = s.Owner
		var d delegates
		err := rq.view(s.Owner, func(v *storage.View) (err error) {
			d, err = readDelegates(v)
			return err
		})
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(*d.of(p), func(id storage.AccountID) bool { return slices.Contains(me, id) }) {
			continue
		}
		if x, err := rq.Server.people.Get(rq.Context(), s.Owner); err == nil {
			list = append(list, x)
		}
	}
	return list, nil
}

// getProxyFor writes for whom the actor acts. DAVx5 would look into their homes too, and have twice what is
// mounted in the actor's own.
func getProxyFor(a *Ask, r *Resource, w *elem.Writer, p proxyKind) error {
	if r.Owner.ID != a.Actor.ID || a.Agent("DAVx5") {
		return nil
	}
	list, err := a.proxyFor(p)
	for _, x := range list {
		w.Href(PrincipalPath(x))
	}
	return err
}

// getMembership writes DAV:group-membership (RFC 3744 §4.4).
func getMembership(a *Ask, r *Resource, w *elem.Writer) error {
	if r.Proxy != 0 {
		return nil
	}
	for _, g := range a.groups(r.Owner) {
		w.Href(PrincipalPath(g))
	}
	if a.Agent("DAVx5") {
		return nil
	}
	if r.Owner.ID != a.Actor.ID {
		return a.actsForMe(r.Owner, w)
	}
	for _, p := range []proxyKind{readProxy, writeProxy} {
		list, err := a.proxyFor(p)
		if err != nil {
			return err
		}
		for _, x := range list {
			w.Href(p.path(x))
		}
	}
	return nil
}

// actsForMe writes the groups of those who act for the actor that another is in: what the actor has granted he may see.
func (a *Ask) actsForMe(other *account.Account, w *elem.Writer) error {
	var d delegates
	err := a.view(a.Actor.ID, func(v *storage.View) (err error) {
		d, err = readDelegates(v)
		return err
	})
	for _, p := range []proxyKind{readProxy, writeProxy} {
		if slices.Contains(*d.of(p), other.ID) {
			w.Href(p.path(a.Actor))
		}
	}
	return err
}
