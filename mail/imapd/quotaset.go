package imapd

import (
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"

	"atrium/mail"
	"atrium/mail/imapd/wire"
	"atrium/storage"
)

// quotaSet is SETQUOTA, for those whom Config.QuotaAdmins names: nobody else sees it, and nobody
// raises a quota of one's own otherwise.
var quotaSet = extension{
	name: "QUOTASET", rfc: "RFC 9208", what: "Administrators set quotas",
	caps: func(c *session) []imap.Cap {
		if !c.quotaAdmin() {
			return nil
		}
		return []imap.Cap{"QUOTASET"}
	},
	commands: []command{{"SETQUOTA", loggedIn, breaks, (*session).setQuota}},
}

// quotaAdmin tells whether the user may set quotas.
func (c *session) quotaAdmin() bool {
	return c.user != nil && slices.ContainsFunc(c.server.cfg.QuotaAdmins, func(name string) bool {
		return strings.EqualFold(name, c.user.Name)
	})
}

// setQuota handles SETQUOTA (RFC 9208 §4.1.3): resources that are not named have no limit after it, MAILBOX that of all
// accounts.
func (c *session) setQuota(r *wire.Reader) error {
	r.SP()
	root := r.AString()
	r.SP()
	limits := map[string]uint64{}
	r.List(func() {
		name := r.Keyword()
		r.SP()
		limits[name] = r.Number64()
	})
	if err := r.End(); err != nil {
		return err
	}
	if !c.quotaAdmin() {
		return no("NOPERM", "Quotas are set by administrators")
	}
	a, err := c.quotaOf(root)
	if err != nil {
		return err
	}
	for name, n := range limits {
		// 0 is no limit in the store, so a quota of nothing is one octet or one message.
		switch {
		case name != "STORAGE" && name != "MESSAGE" && name != "MAILBOX":
			return no("CANNOT", "Only STORAGE, MESSAGE and MAILBOX can be limited")
		case n > 1<<50:
			return bad("A limit is too large")
		}
	}
	bytes, messages := int64(limits["STORAGE"])<<10, int64(limits["MESSAGE"])
	if _, ok := limits["STORAGE"]; ok {
		bytes = max(bytes, 1)
	}
	if _, ok := limits["MESSAGE"]; ok {
		messages = max(messages, 1)
	}
	if err := c.server.store.Storage().SetLimits(c.Context(), a.Owner(), bytes, messages); err != nil {
		return err
	}
	room := -1
	if n, ok := limits["MAILBOX"]; ok {
		room = int(n)
	}
	if err := c.server.store.SetRoom(c.Context(), a.Owner(), room); err != nil {
		return err
	}
	if err := c.writeQuota(a, root); err != nil {
		return err
	}
	return c.done("")
}

// quotaOf returns the account of a quota root: an administrator's may be anyone's, Shared/NAME.
func (c *session) quotaOf(root string) (*mail.Account, error) {
	label, shared := strings.CutPrefix(root, mail.Shared+"/")
	if !shared {
		return c.rooted(root)
	}
	who, err := c.server.labelled(c.Context(), label)
	if err != nil {
		return nil, no("NONEXISTENT", "No such quota root")
	}
	return c.server.store.Open(storage.AccountID(who.ID), storage.AccountID(who.ID)), nil
}
