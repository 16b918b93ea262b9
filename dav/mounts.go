package dav

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"atrium/storage"
	"atrium/storage/account"
)

// What others share is mounted in one's own home, after one's own collections, as "shared-7-12":
// collection 12 of account 7. The name stays as long as the collection, whatever its owner calls it. A Target
// below a mount has the real owner and the owner's name of the collection in Rest, so that rights, locks and the
// store know one resource by one name; only its path is the actor's.

// mountPrefix begins the names of mounts. No collection can be made with such a name.
const mountPrefix = "shared-"

// mount is another's collection in the actor's home.
type mount struct {
	owner      *account.Account
	collection *storage.Collection
	rights     storage.Rights
}

func mountName(owner storage.AccountID, c storage.CollectionID) string {
	return fmt.Sprintf("%s%d-%d", mountPrefix, owner, c)
}

// parseMount reads the name of a mount.
func parseMount(s string) (share storage.Share, ok bool) {
	rest, ok := strings.CutPrefix(s, mountPrefix)
	if !ok {
		return share, false
	}
	owner, c, _ := strings.Cut(rest, "-")
	a, err := strconv.ParseUint(owner, 10, 64)
	n, cerr := strconv.ParseUint(c, 10, 32)
	share = storage.Share{Owner: storage.AccountID(a), Collection: storage.CollectionID(n)}
	return share, err == nil && cerr == nil && n > 0 && mountName(share.Owner, share.Collection) == s
}

// MountPath is where account to finds a collection of owner in its home.
func (t *Tree) MountPath(to *account.Account, owner storage.AccountID, c storage.CollectionID) string {
	return t.HomePath(to) + mountName(owner, c) + "/"
}

// enter leads a target into a mount when its first segment names one. A name that leads
// nowhere, or to what the actor may not see, stays one of the actor's own home, where nothing has it.
func (rq *Request) enter(t *Target) error {
	if t.Tree == nil || t.Tree.Nested || t.Owner == nil || t.Owner.ID != rq.Actor.ID || len(t.Rest) == 0 {
		return nil
	}
	share, ok := parseMount(t.Rest[0])
	if !ok || share.Owner == rq.Actor.ID {
		return nil
	}
	m, err := rq.mountOf(t.Tree, share)
	if m == nil || err != nil {
		return err
	}
	t.Owner, t.Mount = m.owner, true
	t.Rest = append([]string{m.collection.Name}, t.Rest[1:]...)
	return nil
}

// mountOf is one mount; nil when the actor has none of that name. It is looked up once a request.
func (rq *Request) mountOf(t *Tree, share storage.Share) (m *mount, err error) {
	if m, ok := rq.mounted[share]; ok {
		return m, nil
	}
	owner, err := rq.Server.people.Get(rq.Context(), share.Owner)
	if err == nil {
		err = rq.view(share.Owner, func(v *storage.View) (err error) {
			c, err := v.Collection(share.Collection)
			if err == nil && c.Schema == t.Schema {
				m, err = rq.mountIn(v, t, owner, c)
			}
			return err
		})
	}
	if err != nil && !errors.Is(err, storage.NotFound) {
		return nil, err
	}
	if rq.mounted == nil {
		rq.mounted = map[storage.Share]*mount{}
	}
	rq.mounted[share] = m
	return m, nil
}

// mountIn is the mount of a collection, nil when the actor sees none: one needs to be able to read it, and to have
// accepted it where one was asked.
func (rq *Request) mountIn(v *storage.View, t *Tree, owner *account.Account, c *storage.Collection) (*mount, error) {
	if t.Private != nil && t.Private(c) {
		return nil, nil
	}
	rights, err := rq.rights(v, t, c)
	if err != nil || !rights.Has(storage.Lookup|storage.Read) {
		return nil, err
	}
	all, err := readInvites(v, c.ID)
	if i := all[rq.Actor.ID]; err != nil || i != nil && i.State != accepted {
		return nil, err
	}
	return &mount{owner, c, rights}, nil
}

// mounts are all that the actor sees of others in a tree, by owner and age.
func (rq *Request) mounts(t *Tree) (all []*mount, err error) {
	if all, ok := rq.listed[t]; ok {
		return all, nil
	}
	shares, err := rq.Server.store.Shared(rq.Context(), rq.Actor.ID)
	if err != nil {
		return nil, err
	}
	for len(shares) > 0 {
		n := 1
		for n < len(shares) && shares[n].Owner == shares[0].Owner {
			n++
		}
		of, err := rq.mountsOf(t, shares[:n])
		if err != nil {
			return nil, err
		}
		all = append(all, of...)
		shares = shares[n:]
	}
	slices.SortStableFunc(all, func(a, b *mount) int {
		return cmp.Or(strings.Compare(a.owner.Name, b.owner.Name), cmp.Compare(a.collection.ID, b.collection.ID))
	})
	if rq.listed == nil {
		rq.listed = map[*Tree][]*mount{}
	}
	rq.listed[t] = all
	return all, nil
}

// mountsOf are those of one owner.
func (rq *Request) mountsOf(t *Tree, shares []storage.Share) (all []*mount, err error) {
	owner, err := rq.Server.people.Get(rq.Context(), shares[0].Owner)
	if errors.Is(err, storage.NotFound) {
		return nil, nil
	}
	if err == nil && owner.Sort == account.Group {
		err = rq.Server.ensure(rq.Context(), owner.ID) // nobody logs in as a group
	}
	if err != nil {
		return nil, err
	}
	err = rq.view(owner.ID, func(v *storage.View) error {
		var cs []*storage.Collection
		if shares[0].Collection == 0 { // the account as a whole comes first
			if cs, err = v.Collections(t.Schema); err != nil {
				return err
			}
		} else {
			for _, s := range shares {
				switch c, err := v.Collection(s.Collection); {
				case err == nil && c.Schema == t.Schema:
					cs = append(cs, c)
				case err != nil && !errors.Is(err, storage.NotFound):
					return err
				}
			}
		}
		for _, c := range cs {
			m, err := rq.mountIn(v, t, owner, c)
			if err != nil {
				return err
			}
			if m != nil {
				all = append(all, m)
			}
		}
		return nil
	})
	return all, err
}

// at is the mount as a resource in a home.
func (m *mount) at(home *Resource) *Resource {
	return &Resource{Kind: home.Tree.Collection, Path: home.Path + mountName(m.owner.ID, m.collection.ID) + "/", Tree: home.Tree,
		Owner: m.owner, Collection: m.collection, Rights: m.rights, Mount: true}
}

// mountedIn are the mounts in a home as resources: in one's own only.
func (rq *Request) mountedIn(home *Resource) (all []*Resource, err error) {
	if !home.Kind.Is(Home) || home.Tree.Nested || home.Owner.ID != rq.Actor.ID {
		return nil, nil
	}
	ms, err := rq.mounts(home.Tree)
	for _, m := range ms {
		all = append(all, m.at(home))
	}
	return all, err
}

// mountLog remembers which mounts a home had when it was last asked for, in a record of its account:
// sync-collection on the home tells from it what came, changed and went (RFC 6578).
type mountLog struct {
	Modseq uint64 // of the last change to it
	Floor  uint64 // what went before is forgotten
	Have   []mountEntry
	Gone   []mountEntry
}

// mountEntry is a mount with the modseq, of the home's account, at which it changed last.
type mountEntry struct {
	Owner      storage.AccountID
	Collection storage.CollectionID
	Stamp      uint64 // the collection's own last change
	Rights     storage.Rights
	Modseq     uint64
}

// maxGone bounds the mounts that are remembered as gone.
const maxGone = 200

func mountRecord(t *Tree) string { return "dav/mounts/" + t.Segment }

func readMountLog(v *storage.View, t *Tree) (l mountLog, err error) {
	b, err := v.Record(mountRecord(t))
	if errors.Is(err, storage.NotFound) {
		return l, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &l)
	}
	return l, err
}

// note brings the log up to what is mounted at modseq; changed tells whether it was not.
func (l *mountLog) note(now []*mount, modseq uint64) (changed bool) {
	had := map[storage.Share]mountEntry{}
	for _, e := range l.Have {
		had[storage.Share{Owner: e.Owner, Collection: e.Collection}] = e
	}
	l.Have = make([]mountEntry, 0, len(now))
	for _, m := range now {
		key := storage.Share{Owner: m.owner.ID, Collection: m.collection.ID}
		e := mountEntry{key.Owner, key.Collection, max(m.collection.Modseq, m.collection.Meta), m.rights, modseq}
		old, ok := had[key]
		if delete(had, key); ok && old.Stamp == e.Stamp && old.Rights == e.Rights {
			e.Modseq = old.Modseq
		} else {
			changed = true
			l.Gone = slices.DeleteFunc(l.Gone, func(g mountEntry) bool { return g.Owner == e.Owner && g.Collection == e.Collection })
		}
		l.Have = append(l.Have, e)
	}
	for _, e := range l.had(had) {
		e.Modseq = modseq
		l.Gone = append(l.Gone, e)
		changed = true
	}
	for ; len(l.Gone) > maxGone; l.Gone = l.Gone[1:] {
		l.Floor = l.Gone[0].Modseq
	}
	if changed {
		l.Modseq = modseq
	}
	return changed
}

// had is a map's values in order.
func (*mountLog) had(m map[storage.Share]mountEntry) (list []mountEntry) {
	for _, e := range m {
		list = append(list, e)
	}
	slices.SortFunc(list, func(a, b mountEntry) int {
		return cmp.Or(cmp.Compare(a.Owner, b.Owner), cmp.Compare(a.Collection, b.Collection))
	})
	return list
}

// freshMounts brings the log of the actor's home up to date before a request that may ask for its
// sync-token. It writes only when something changed.
func (rq *Request) freshMounts() error {
	t := rq.Target
	if t.Tree == nil || t.Tree.Nested || len(t.Rest) > 0 || t.Owner == nil || t.Owner.ID != rq.Actor.ID ||
		rq.Method != "PROPFIND" && rq.Method != "REPORT" {
		return nil
	}
	now, err := rq.mounts(t.Tree)
	if err != nil {
		return err
	}
	stale := false
	err = rq.view(rq.Actor.ID, func(v *storage.View) error {
		l, err := readMountLog(v, t.Tree)
		stale = l.note(now, 0)
		return err
	})
	if err != nil || !stale {
		return err
	}
	return rq.Server.store.Update(rq.Context(), rq.Actor.ID, func(tx *storage.Tx) error {
		l, err := readMountLog(&tx.View, t.Tree)
		if err != nil {
			return err
		}
		n, err := tx.Next()
		if err != nil || !l.note(now, n) {
			return err
		}
		b, err := json.Marshal(&l)
		if err == nil {
			err = tx.SetRecord(mountRecord(t.Tree), b)
		}
		if err == nil {
			err = tx.Touch()
		}
		return err
	})
}

// leave answers DELETE of a mount: the share ends for the actor, the owner's data stay.
func (rq *Request) leave(w http.ResponseWriter) error {
	conds, err := rq.conditions()
	if err != nil {
		return err
	}
	err = rq.update(func(tx *storage.Tx) error {
		r, err := rq.locate(&tx.View, rq.Target)
		if err != nil {
			return err
		}
		if err := rq.guard(&tx.View, conds, r, nil); err != nil {
			return err
		}
		return rq.Server.quit(tx, r.Collection.ID, rq.Actor.ID)
	})
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// quit takes back an account's own grant on a collection, and notes that it does not want it when it still has
// rights by a group, by anyone's or by the whole account's grants.
func (s *Server) quit(tx *storage.Tx, c storage.CollectionID, who storage.AccountID) error {
	if err := tx.SetGrant(storage.Grant{Collection: c, To: who}); err != nil {
		return err
	}
	all, err := readInvites(&tx.View, c)
	if err != nil {
		return err
	}
	left, err := tx.Rights(who, c)
	if err != nil {
		return err
	}
	i := all[who]
	if i == nil && !left.Has(storage.Read) {
		return nil
	}
	if i == nil {
		i = &invite{State: declined}
	}
	j := *i
	j.State = declined
	return writeInvite(tx, c, who, &j)
}

// syncMounts tells which mounts of the home came, changed or went.
func (rq *Request) syncMounts(v *storage.View, sr *syncRequest, st *syncState) error {
	home := st.self
	if home.Owner.ID != rq.Actor.ID || home.Tree.Nested {
		return nil
	}
	l, err := readMountLog(v, home.Tree)
	if err != nil {
		return err
	}
	if !sr.initial && sr.since.modseq < l.Floor {
		return rq.badToken()
	}
	now, err := rq.mountedIn(home)
	if err != nil {
		return err
	}
	at := map[storage.Share]uint64{}
	for _, e := range l.Have {
		at[storage.Share{Owner: e.Owner, Collection: e.Collection}] = e.Modseq
	}
	for _, m := range now {
		n, known := at[storage.Share{Owner: m.Owner.ID, Collection: m.Collection.ID}]
		if sr.initial || !known || n > sr.since.modseq {
			st.members = append(st.members, m)
		}
	}
	for _, e := range l.Gone {
		if !sr.initial && e.Modseq > sr.since.modseq {
			st.gone = append(st.gone, home.Path+mountName(e.Owner, e.Collection)+"/")
		}
	}
	return nil
}
