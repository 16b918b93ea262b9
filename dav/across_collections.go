package dav

import (
	"errors"
	"io"
	"net/http"
	"strings"

	"atrium/storage"
)

// acrossAll answers COPY of a collection into the home of another account, with Depth: 0 without its members (RFC
// 4918 §9.8.3). They follow in transactions of their own, and show in one; when one fails all that was made is removed. What the
// actor keeps of the collection as its own, a colour say, is that of the copy.
func (m *transfer) acrossAll(w http.ResponseWriter, from *Resource) error {
	rq := m.rq
	if !from.Kind.Is(Collection) || from.Tree.Nested || m.to.Tree.Nested || len(m.to.Rest) != 1 {
		return Fail(http.StatusForbidden, "the destination is no place for this")
	}
	props, names, err := m.inventory(from)
	if err != nil {
		return rq.wrap(err)
	}
	var made *Resource
	err = rq.quietly(m.to.Owner.ID, func(tx *storage.Tx) (err error) {
		made, err = m.found(tx, from, props)
		return err
	})
	if err != nil {
		return rq.wrap(err)
	}
	m.hidden = []*hiddenCopy{{to: made.Collection.ID}}
	defer m.forget()
	for len(names) > 0 && err == nil {
		names, err = m.haul(from, made, names)
	}
	var replaced bool
	if err == nil {
		err = rq.quietly(m.to.Owner.ID, func(tx *storage.Tx) (err error) {
			replaced, err = m.settle(tx, from)
			return err
		})
	}
	if err != nil {
		return rq.wrap(err)
	}
	if replaced {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	w.Header().Set("Location", made.Path)
	w.WriteHeader(http.StatusCreated)
	return nil
}

// inventory is what a copy of a collection is to have: its properties, and its members' names.
func (m *transfer) inventory(from *Resource) (props []storage.Prop, names []string, err error) {
	err = m.rq.view(from.Owner.ID, func(v *storage.View) error {
		if props, err = m.seen(v, storage.PropKey{Collection: from.Collection.ID}); err != nil || m.rq.Depth == Depth0 {
			return err
		}
		t, err := v.Table(from.Collection.ID)
		if err != nil {
			return err
		}
		for e := range from.Tree.Entries(t) {
			names = append(names, e.Name)
		}
		return nil
	})
	return props, names, err
}

// seen are the properties of a collection or member that clients have set, as the actor sees them: its own after
// those of all.
func (m *transfer) seen(v *storage.View, key storage.PropKey) (props []storage.Prop, err error) {
	for _, key.User = range []storage.AccountID{0, m.rq.Actor.ID} {
		all, err := v.Props(key)
		if err != nil {
			return nil, err
		}
		for _, p := range all {
			if strings.HasPrefix(p.Name, "{") {
				props = append(props, p)
			}
		}
	}
	return props, nil
}

// give sets properties that another resource had.
func give(tx *storage.Tx, key storage.PropKey, props []storage.Prop) error {
	for _, p := range props {
		key.Name = p.Name
		if err := tx.SetProp(key, p.Value); err != nil {
			return err
		}
	}
	return nil
}

// found makes the hidden collection that members are to be copied to.
func (m *transfer) found(tx *storage.Tx, from *Resource, props []storage.Prop) (made *Resource, err error) {
	to := m.to
	if _, err := m.place(&tx.View, from); err != nil {
		return nil, err
	}
	data, err := to.Tree.copied(from.Collection)
	if err != nil {
		return nil, err
	}
	c, err := tx.CreateHidden(to.Tree.Schema, data)
	if err != nil {
		return nil, err
	}
	made = &Resource{Kind: to.Tree.Collection, Path: to.path(1, true), Tree: to.Tree, Owner: to.Owner, Collection: c, Rights: storage.AllRights}
	return made, give(tx, storage.PropKey{Collection: c.ID}, props)
}

// settle shows the copy where it is to be.
func (m *transfer) settle(tx *storage.Tx, from *Resource) (replaced bool, err error) {
	old, err := m.place(&tx.View, from)
	if err == nil && old != nil {
		err = m.clear(tx, from, old)
	}
	if err != nil {
		return false, err
	}
	made := m.hidden[0].to
	if err := tx.Show(made, m.to.Tree.stored(m.to.Rest)); err != nil {
		return false, err
	}
	return old != nil, m.rq.Server.delegateNew(tx, m.to.Tree, made)
}

// place checks that a collection may come into being where the copy is to be, and returns what is there.
func (m *transfer) place(v *storage.View, from *Resource) (old *Resource, err error) {
	rq, to := m.rq, m.to
	if _, reserved := parseMount(to.Rest[0]); reserved {
		return nil, Fail(http.StatusForbidden, "names like this one are those of what others share")
	}
	home, err := rq.locateHome(v, to)
	if errors.Is(err, storage.NotFound) {
		return nil, Fail(http.StatusForbidden, "the destination is no place for this")
	}
	need := storage.Insert
	if to.Owner.ID != rq.Actor.ID {
		need |= storage.Create
	}
	if err == nil {
		err = home.need(need)
	}
	if err != nil {
		return nil, err
	}
	old, err = rq.locate(v, to)
	if err != nil && !errors.Is(err, storage.NotFound) {
		return nil, err
	}
	if err := m.free(v, old); err != nil || old == nil {
		return nil, err
	}
	return old, m.mayClear(from, old)
}

// haulAtOnce is how many bytes of members one transaction copies, or one member.
const haulAtOnce = 512 << 10

// load is a member on its way from one account to another.
type load struct {
	name  string
	props []storage.Prop
	Upload
}

// haul copies the first of some members and returns the names of the others. A member that went
// meanwhile is left out.
func (m *transfer) haul(from, made *Resource, names []string) (rest []string, err error) {
	rq := m.rq
	var loads []load
	defer func() {
		for _, l := range loads {
			l.Release()
		}
	}()
	n := 0
	for size := int64(0); n < len(names) && n < batch && size < haulAtOnce; n++ {
		l := load{name: names[n]}
		var e Entry
		var body Body
		err := rq.view(from.Owner.ID, func(v *storage.View) (err error) {
			now, err := rq.locate(v, rq.Target) // the rights may have gone too
			if err == nil {
				err = m.rights(now)
			}
			if err != nil {
				return err
			}
			if e, err = rq.byName(v, from.Tree, from.Collection, l.name); err != nil {
				if errors.Is(err, storage.NotFound) {
					return nil
				}
				return err
			}
			if l.props, err = m.seen(v, storage.PropKey{Collection: from.Collection.ID, Num: e.Num}); err != nil {
				return err
			}
			body, err = rq.open(v, from.Tree, from.Collection, &e)
			return err
		})
		if err != nil {
			return nil, err
		}
		if body == nil {
			continue
		}
		size += body.Size()
		rq.Header.Set("Content-Type", e.Type)
		l.Upload, err = from.Tree.Prepare(rq, io.NewSectionReader(body, 0, body.Size()))
		body.Close()
		if err != nil {
			return nil, err
		}
		loads = append(loads, l)
	}
	return names[n:], rq.quietly(m.to.Owner.ID, func(tx *storage.Tx) error {
		for _, l := range loads {
			e, _, err := rq.store(l.Upload, tx, made, l.name)
			if err != nil {
				return err
			}
			if err := give(tx, storage.PropKey{Collection: made.Collection.ID, Num: e.Num}, l.props); err != nil {
				return err
			}
		}
		return nil
	})
}
