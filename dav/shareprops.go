package dav

import (
	"cmp"
	"slices"

	"atrium/dav/elem"
	"atrium/storage"
	"atrium/storage/account"
)

// shareStatus is how one account's share of a collection stands.
type shareStatus struct {
	account *account.Account
	rights  storage.Rights
	invite  invite
}

// statuses are the shares of a collection: the grants, and the invitations that were declined.
func (a *Ask) statuses(r *Resource) (list []shareStatus, err error) {
	invites, err := readInvites(a.View, r.Collection.ID)
	if err != nil {
		return nil, err
	}
	grants, err := a.View.Grants(r.Collection.ID)
	if err != nil {
		return nil, err
	}
	rights := map[storage.AccountID]storage.Rights{}
	var ids []storage.AccountID
	for _, g := range grants {
		rights[g.To] = g.Rights
		ids = append(ids, g.To)
	}
	for id := range invites {
		if rights[id] == 0 {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	for _, id := range ids {
		x, err := a.Server.people.Get(a.Context(), id)
		if err != nil {
			continue // anyone, or gone
		}
		s := shareStatus{account: x, rights: rights[id]}
		if i := invites[id]; i != nil {
			s.invite = *i
		}
		// Who is not the owner sees himself among them only.
		if r.Rights.Has(storage.Administer) || id == a.Actor.ID {
			list = append(list, s)
		}
	}
	return list, nil
}

func (s *shareStatus) word() string {
	switch s.invite.State {
	case invited:
		return "invite-noresponse"
	case declined:
		return "invite-declined"
	}
	return "invite-accepted"
}

// writeAccess writes rights as Apple's two degrees.
func writeAccess(w *elem.Writer, rights storage.Rights) {
	if rights.Has(storage.Write) {
		w.Str("<CS:read-write/>")
	} else {
		w.Str("<CS:read/>")
	}
}

// getInvite writes CS:invite (caldav-sharing 5.2.2).
func getInvite(a *Ask, r *Resource, w *elem.Writer) error {
	if !r.shareable() {
		return Absent()
	}
	list, err := a.statuses(r)
	if err != nil {
		return err
	}
	if len(list) == 0 && !r.ofAnother(a.Request) {
		return Absent()
	}
	w.Str("<CS:organizer>")
	w.Href("mailto:" + r.Owner.Name)
	w.Elem("CS:common-name", cmp.Or(r.Owner.DisplayName, r.Owner.Name))
	w.Str("</CS:organizer>")
	for _, s := range list {
		w.Str("<CS:user>")
		if s.invite.UID != "" {
			w.Elem("CS:uid", s.invite.UID)
		}
		w.Href("mailto:" + s.account.Name)
		w.Elem("CS:common-name", cmp.Or(s.invite.Name, s.account.DisplayName, s.account.Name))
		w.Str("<CS:" + s.word() + "/><CS:access>")
		writeAccess(w, s.rights)
		w.Str("</CS:access>")
		if s.invite.Summary != "" {
			w.Elem("CS:summary", s.invite.Summary)
		}
		w.Str("</CS:user>")
	}
	return nil
}

// getDAVInvite writes DAV:invite, the same in the draft's words.
func getDAVInvite(a *Ask, r *Resource, w *elem.Writer) error {
	if !r.shareable() {
		return Absent()
	}
	list, err := a.statuses(r)
	for _, s := range list {
		w.Str("<D:sharee>")
		w.Href("mailto:" + s.account.Name)
		w.Str("<D:" + s.word() + "/><D:share-access>")
		if s.rights.Has(storage.Write) {
			w.Str("<D:read-write/>")
		} else if s.rights != 0 {
			w.Str("<D:read/>")
		} else {
			w.Str("<D:no-access/>")
		}
		w.Str("</D:share-access><D:prop>")
		w.Elem("D:displayname", cmp.Or(s.invite.Name, s.account.DisplayName, s.account.Name))
		w.Str("</D:prop></D:sharee>")
	}
	return err
}

// getShareAccess writes DAV:share-access: how the actor has the collection.
func getShareAccess(a *Ask, r *Resource, w *elem.Writer) error {
	switch {
	case !r.shareable():
		return Absent()
	case r.ofAnother(a.Request) && r.Rights.Has(storage.Write):
		w.Str("<D:read-write/>")
	case r.ofAnother(a.Request):
		w.Str("<D:read/>")
	default:
		shared, err := r.shared(a.View)
		if shared {
			w.Str("<D:shared-owner/>")
		} else {
			w.Str("<D:not-shared/>")
		}
		return err
	}
	return nil
}

// getSharingModes tells who may share that he may.
func getSharingModes(_ *Ask, r *Resource, w *elem.Writer) error {
	if !r.shareable() || !r.Rights.Has(storage.Administer) {
		return Absent()
	}
	w.Str("<CS:can-be-shared/>")
	return nil
}

// getSharedURL tells of a mount where its owner has it.
func getSharedURL(_ *Ask, r *Resource, w *elem.Writer) error {
	if !r.Mount {
		return Absent()
	}
	w.Href(r.Tree.HomePath(r.Owner) + Escape(r.Collection.Name) + "/")
	return nil
}
