package dav

import (
	"errors"
	"net/http"
	"strings"

	"atrium/dav/elem"
	"atrium/storage"
)

// postNoticeReply answers DAV:invite-reply, sent to the notification that holds the invitation
// (draft-pot-webdav-resource-sharing): the actor takes it or declines it. Where the share is to be, and by which name,
// is not for the client to say.
func postNoticeReply(rq *Request, w http.ResponseWriter, r *elem.Reader, _ elem.Start) error {
	state, answered := inviteState(""), false
	for s := range r.Children() {
		switch {
		case s.Is("D:invite-accepted"):
			state, answered = accepted, true
		case s.Is("D:invite-declined"):
			state, answered = declined, true
		}
	}
	if err := r.End(); err != nil {
		return err
	}
	if !answered {
		return Fail(http.StatusBadRequest, "neither DAV:invite-accepted nor DAV:invite-declined")
	}
	if rq.Target.Owner.ID != rq.Actor.ID {
		return Refuse(http.StatusForbidden, "D:need-privileges")
	}
	uid, hosted, err := rq.invitation()
	if err != nil {
		return err
	}
	t, err := rq.href(hosted)
	if err != nil {
		return err
	}
	if t.Tree == nil || t.Owner == nil || t.Owner.ID == rq.Actor.ID || len(t.Rest) != 1 {
		return Fail(http.StatusForbidden, "there is no such invitation")
	}
	n, err := rq.answer(t, uid, "", state)
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
	w.Header().Set("Location", t.Tree.MountPath(rq.Actor, t.Owner.ID, n.collection))
	w.WriteHeader(http.StatusCreated)
	return nil
}

// invitation reads the notification that the request is for: the invitation's UID and what it is to.
func (rq *Request) invitation() (uid, hosted string, err error) {
	none := Fail(http.StatusForbidden, "this is no invitation")
	var raw []byte
	err = rq.Read(storage.Read, func(v *storage.View, r *Resource) (err error) {
		if r.Entry == nil {
			return none
		}
		raw, err = v.Facet(r.Entry.Object, noticeBody)
		return err
	})
	if errors.Is(err, storage.NotFound) {
		return "", "", none
	}
	if err != nil {
		return "", "", err
	}
	r := elem.ParseBytes(raw, rq.Server.xmlLimits())
	if root, ok := r.Root(); !ok || !root.Is("CS:notification") {
		return "", "", none
	}
	for s := range r.Children() {
		if !s.Is("CS:invite-notification") {
			continue
		}
		for s := range r.Children() {
			switch {
			case s.Is("CS:uid"):
				uid = strings.TrimSpace(r.Text())
			case s.Is("CS:hosturl"):
				for h := range r.Children() {
					if h.Name == hrefName {
						hosted = strings.TrimSpace(r.Text())
					}
				}
			}
		}
	}
	if r.Err() != nil || uid == "" || hosted == "" {
		return "", "", none
	}
	return uid, hosted, nil
}
