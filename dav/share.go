package dav

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"atrium/dav/elem"
	"atrium/storage"
	"atrium/storage/account"
)

// sharing is Apple's caldav-sharing and the newer WebDAV resource sharing (draft-pot-webdav-resource-sharing):
// two ways to write and to read the grants of a collection, with invitations that can be declined.
var sharing = Module{
	RFC:      "caldav-sharing",
	Features: []string{"calendarserver-sharing", "resource-sharing"},
	Trees:    []*Tree{notifications},
	Posts: []Post{
		{Root: elem.N("CS:share"), On: Collection, Run: postShare},
		{Root: elem.N("D:share-resource"), On: Collection, Run: postShare},
		{Type: davSharing, On: Collection, Run: sharingXML("D:share-resource", postShare)},
		{Root: elem.N("CS:invite-reply"), On: Home, Run: postReply},
		{Root: elem.N("D:invite-reply"), On: notice, Run: postNoticeReply},
		{Type: davSharing, On: notice, Run: sharingXML("D:invite-reply", postNoticeReply)},
	},
	Properties: []Property{
		{Name: elem.N("CS:notification-URL"), On: Principal, Get: func(_ *Ask, r *Resource, w *elem.Writer) error {
			w.Href(notifications.HomePath(r.Owner) + noticesName + "/")
			return nil
		}},
		{Name: elem.N("CS:notificationtype"), On: notice, Get: getNoticeType},
		{Name: elem.N("CS:invite"), On: Collection, Get: getInvite},
		{Name: elem.N("CS:allowed-sharing-modes"), On: Collection, Get: getSharingModes},
		{Name: elem.N("CS:shared-url"), On: Collection, Get: getSharedURL},
		{Name: elem.N("D:share-access"), On: Collection, Get: getShareAccess},
		{Name: elem.N("D:invite"), On: Collection, Get: getDAVInvite},
		{Name: elem.N("D:share-resource-uri"), On: Collection, Get: func(a *Ask, r *Resource, w *elem.Writer) error {
			return getResourceID(a, r, w)
		}},
	},
}

// davSharing is the media type of resource sharing's requests.
const davSharing = "application/davsharing+xml"

// sharingXML runs a request whose body is of that type and has that root.
func sharingXML(name string, run func(*Request, http.ResponseWriter, *elem.Reader, elem.Start) error) func(*Request, http.ResponseWriter, *elem.Reader, elem.Start) error {
	return func(rq *Request, w http.ResponseWriter, _ *elem.Reader, _ elem.Start) error {
		r, err := rq.ReadXML()
		if err != nil {
			return err
		}
		root, ok := r.Root()
		if !ok {
			return r.Err()
		}
		if !root.Is(name) {
			return Fail(http.StatusBadRequest, "the root element is not %s", name)
		}
		return run(rq, w, r, root)
	}
}

// shareable tells whether a collection is one that is shared by this face.
func (r *Resource) shareable() bool {
	return r.Collection != nil && r.Entry == nil && !r.Tree.Nested && (r.Tree.Private == nil || !r.Tree.Private(r.Collection))
}

// shared tells whether an owner's collection has grants to accounts.
func (r *Resource) shared(v *storage.View) (bool, error) {
	grants, err := v.Grants(r.Collection.ID)
	return len(grants) > 0, err
}

// sharee is what a CS:share or DAV:share-resource says of one.
type sharee struct {
	ref     string // as the client wrote it
	name    string
	summary string
	rights  storage.Rights // 0: the share ends
	account *account.Account
}

// postShare answers CS:share and DAV:share-resource.
func postShare(rq *Request, w http.ResponseWriter, r *elem.Reader, _ elem.Start) error {
	all, err := rq.readShare(r)
	if err != nil {
		return err
	}
	failed := 0
	for i := range all {
		id, err := rq.grantTo(all[i].ref)
		var e *Error
		switch {
		case errors.As(err, &e):
			failed++
			continue
		case err != nil:
			return err
		}
		if id == rq.Target.Owner.ID {
			failed++ // he has it
			continue
		}
		if all[i].account, err = rq.Server.people.Get(rq.Context(), id); err != nil {
			return err
		}
	}
	notes, err := rq.share(all)
	if err != nil {
		return err
	}
	for _, n := range notes {
		if err := n.send(rq); err != nil {
			return err
		}
	}
	switch {
	case failed == 0:
		w.WriteHeader(http.StatusOK)
		return nil
	case len(all) == 1:
		return Refuse(http.StatusForbidden, "D:recognized-principal")
	}
	l := rq.listing(w, nil, false)
	defer l.Close()
	for _, s := range all {
		status := http.StatusOK
		if s.account == nil {
			status = http.StatusForbidden
		}
		l.Status(s.ref, status)
	}
	return l.Finish()
}

// readShare reads the elements of either document.
func (rq *Request) readShare(r *elem.Reader) (all []sharee, err error) {
	for s := range r.Children() {
		var one sharee
		switch {
		case s.Is("CS:set"), s.Is("D:sharee"):
			one.rights = storage.ReadOnly | storage.Seen
			one.read(r)
		case s.Is("CS:remove"):
			one.read(r)
			one.rights = 0
		default:
			continue
		}
		if one.ref == "" && r.Err() == nil {
			return nil, Fail(http.StatusBadRequest, "nobody is named to share with")
		}
		if len(all) >= maxShared {
			return nil, Fail(http.StatusForbidden, "more than %d at once", maxShared)
		}
		all = append(all, one)
	}
	if err := r.End(); err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, Fail(http.StatusBadRequest, "nobody is named to share with")
	}
	return all, nil
}

func (s *sharee) read(r *elem.Reader) {
	for c := range r.Children() {
		switch {
		case c.Is("D:href"):
			s.ref = strings.TrimSpace(r.Text())
		case c.Is("CS:common-name"):
			s.name = short(r.Text())
		case c.Is("CS:summary"), c.Is("D:comment"):
			s.summary = short(r.Text())
		case c.Is("CS:read-write"), c.Is("CS:read-write-schedule"):
			s.rights = storage.ReadWrite
		case c.Is("D:prop"):
			for p := range r.Children() {
				if p.Is("D:displayname") {
					s.name = short(r.Text())
				}
			}
		case c.Is("D:share-access"):
			for a := range r.Children() {
				switch {
				case a.Is("D:read-write"):
					s.rights = storage.ReadWrite
				case a.Is("D:no-access"):
					s.rights = 0
				}
			}
		}
	}
}

// short bounds what people write.
func short(s string) string {
	s = strings.TrimSpace(s)
	if len(s) > 300 {
		s = strings.ToValidUTF8(s[:300], "")
	}
	return s
}

// share sets the grants, and returns what those concerned are to be told.
func (rq *Request) share(all []sharee) (notes []*note, err error) {
	err = rq.update(func(tx *storage.Tx) error {
		notes = nil
		r, err := rq.locate(&tx.View, rq.Target)
		if err != nil {
			return err
		}
		if err := r.need(storage.Administer); err != nil {
			return err
		}
		if !r.shareable() {
			return Fail(http.StatusForbidden, "this is not shared")
		}
		invites, err := readInvites(&tx.View, r.Collection.ID)
		if err != nil {
			return err
		}
		have, err := tx.Grants(r.Collection.ID)
		if err != nil {
			return err
		}
		held := map[storage.AccountID]storage.Rights{}
		for _, g := range have {
			held[g.To] = g.Rights
		}
		for i := range all {
			s := &all[i]
			if s.account == nil {
				continue
			}
			n, err := rq.shareOne(tx, r, s, invites[s.account.ID], held[s.account.ID])
			if err != nil {
				return err
			}
			if n != nil {
				notes = append(notes, n)
			}
		}
		return nil
	})
	return notes, err
}

func (rq *Request) shareOne(tx *storage.Tx, r *Resource, s *sharee, was *invite, held storage.Rights) (*note, error) {
	id, c := s.account.ID, r.Collection.ID
	n := &note{to: s.account, owner: r.Owner, tree: r.Tree, collection: c, rights: s.rights}
	if s.rights == 0 {
		if err := Grant(tx, c, id, 0); err != nil {
			return nil, err
		}
		if was == nil || was.UID == "" {
			return nil, nil
		}
		n.uid, n.state, n.summary = was.UID, "CS:invite-deleted", was.Summary
		return n, nil
	}
	i := &invite{Summary: s.summary, Name: cmp.Or(s.name, s.account.DisplayName)}
	switch {
	case was != nil && was.State == accepted && held != 0:
		i.UID = was.UID
	case was == nil && held != 0: // shared by other means
	default:
		i.UID, i.State = uuid(), invited
		if was != nil && was.UID != "" {
			i.UID = was.UID
		}
		if s.account.Sort != account.Person {
			i.UID, i.State = "", accepted // nobody answers for a group
		} else if !rq.Server.cfg.AskToShare {
			i.State = accepted
		}
	}
	if err := tx.SetGrant(storage.Grant{Collection: c, To: id, Rights: s.rights}); err != nil {
		return nil, err
	}
	if err := writeInvite(tx, c, id, i); err != nil {
		return nil, err
	}
	if i.UID == "" {
		return nil, nil
	}
	n.uid, n.summary, n.state = i.UID, i.Summary, "CS:invite-noresponse"
	if i.State == accepted {
		n.state = "CS:invite-accepted"
	}
	return n, nil
}

// note is a notification about a share, to the one with whom it is shared, or in reply.
type note struct {
	to         *account.Account
	owner      *account.Account
	tree       *Tree
	collection storage.CollectionID
	rights     storage.Rights
	uid        string
	summary    string
	state      string           // "CS:invite-noresponse"
	reply      *account.Account // who replies; nil: it is an invitation
}

// send puts it into the account that it is for.
func (n *note) send(rq *Request) error {
	var hosted string
	err := rq.view(n.owner.ID, func(v *storage.View) error {
		c, err := v.Collection(n.collection)
		if err == nil {
			hosted = n.tree.HomePath(n.owner) + Escape(c.Name) + "/"
		}
		return err
	})
	if err != nil {
		return err
	}
	body := n.body(hosted)
	kind, name := "invite-notification", n.uid+".xml"
	if n.reply != nil {
		kind, name = "invite-reply", n.uid+"-reply.xml"
	}
	return rq.Server.store.Update(rq.Context(), n.to.ID, func(tx *storage.Tx) error {
		return notify(tx, name, fmt.Sprintf(`<CS:%s shared-type="%s"/>`, kind, n.sort()), body)
	})
}

// sort is what is shared, in Apple's words.
func (n *note) sort() string {
	if n.tree.Collection.typeIs("C:calendar") {
		return "calendar"
	}
	return "addressbook"
}

func (n *note) body(hosted string) []byte {
	var x elem.Writer
	x.Str(xmlHead + "<CS:notification")
	x.Declare()
	x.Str("><CS:dtstamp>" + time.Now().UTC().Format("20060102T150405Z") + "</CS:dtstamp>")
	if n.reply != nil {
		x.Str(`<CS:invite-reply shared-type="` + n.sort() + `">`)
		x.Href("mailto:" + n.reply.Name)
		x.Str("<" + n.state + "/><CS:hosturl>")
		x.Href(hosted)
		x.Str("</CS:hosturl>")
		x.Elem("CS:in-reply-to", n.uid)
		x.Elem("CS:summary", n.summary)
		x.Elem("CS:common-name", cmp.Or(n.reply.DisplayName, n.reply.Name))
		x.Str("</CS:invite-reply></CS:notification>")
		return x.Bytes()
	}
	x.Str(`<CS:invite-notification shared-type="` + n.sort() + `">`)
	x.Elem("CS:uid", n.uid)
	x.Href("mailto:" + n.to.Name)
	x.Str("<" + n.state + "/><CS:access>")
	writeAccess(&x, n.rights)
	x.Str("</CS:access><CS:hosturl>")
	x.Href(hosted)
	x.Str("</CS:hosturl><CS:organizer>")
	x.Href("mailto:" + n.owner.Name)
	x.Elem("CS:common-name", cmp.Or(n.owner.DisplayName, n.owner.Name))
	x.Str("</CS:organizer>")
	x.Elem("CS:summary", n.summary)
	x.Str("</CS:invite-notification></CS:notification>")
	return x.Bytes()
}

// postReply answers CS:invite-reply: the actor takes an invitation or declines it.
func postReply(rq *Request, w http.ResponseWriter, r *elem.Reader, _ elem.Start) error {
	var hosted, uid, summary string
	state := inviteState("")
	answered := false
	for s := range r.Children() {
		switch {
		case s.Is("CS:invite-accepted"):
			state, answered = accepted, true
		case s.Is("CS:invite-declined"):
			state, answered = declined, true
		case s.Is("CS:hosturl"):
			for h := range r.Children() {
				if h.Name == hrefName {
					hosted = strings.TrimSpace(r.Text())
				}
			}
		case s.Is("CS:in-reply-to"):
			uid = strings.TrimSpace(r.Text())
		case s.Is("CS:summary"):
			summary = short(r.Text())
		}
	}
	if err := r.End(); err != nil {
		return err
	}
	if !answered || hosted == "" {
		return Fail(http.StatusBadRequest, "an answer and a CS:hosturl are needed")
	}
	if rq.Target.Owner.ID != rq.Actor.ID {
		return Refuse(http.StatusForbidden, "D:need-privileges")
	}
	t, err := rq.href(hosted)
	if err != nil {
		return err
	}
	if t.Tree == nil || t.Tree != rq.Target.Tree || t.Owner == nil || t.Owner.ID == rq.Actor.ID || len(t.Rest) != 1 {
		return Fail(http.StatusForbidden, "there is no such invitation")
	}
	n, err := rq.answer(t, uid, summary, state)
	if err != nil {
		return err
	}
	if n.uid != "" {
		if err := n.send(rq); err != nil {
			return err
		}
	}
	if state == declined {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	var x elem.Writer
	x.Str(xmlHead + "<CS:shared-as")
	x.Declare()
	x.Str(">")
	x.Href(t.Tree.MountPath(rq.Actor, t.Owner.ID, n.collection))
	x.Str("</CS:shared-as>")
	return SendXML(w, http.StatusOK, x.Bytes())
}

// answer notes the actor's answer with the collection, and returns what its owner is to be told.
func (rq *Request) answer(t *Target, uid, summary string, state inviteState) (n *note, err error) {
	err = rq.Server.store.Update(rq.Context(), t.Owner.ID, func(tx *storage.Tx) error {
		none := Fail(http.StatusForbidden, "there is no such invitation")
		r, err := rq.locate(&tx.View, t)
		if errors.Is(err, storage.NotFound) {
			return none // whether the collection is there or not
		}
		if err != nil {
			return err
		}
		invites, err := readInvites(&tx.View, r.Collection.ID)
		if err != nil {
			return err
		}
		i := invites[rq.Actor.ID]
		if i == nil || uid != "" && i.UID != uid {
			return none
		}
		n = &note{to: t.Owner, owner: t.Owner, tree: t.Tree, collection: r.Collection.ID, uid: i.UID, summary: cmp.Or(summary, i.Summary),
			state: "CS:invite-accepted", reply: rq.Actor}
		if state == declined {
			n.state = "CS:invite-declined"
			return rq.Server.quit(tx, r.Collection.ID, rq.Actor.ID)
		}
		j := *i
		j.State = accepted
		if err := writeInvite(tx, r.Collection.ID, rq.Actor.ID, &j); err != nil {
			return err
		}
		if summary == "" {
			return nil
		}
		prop, value := Label(summary)
		return tx.SetProp(storage.PropKey{Collection: r.Collection.ID, User: rq.Actor.ID, Name: prop}, value)
	})
	return n, err
}
