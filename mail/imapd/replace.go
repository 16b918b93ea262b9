package imapd

import (
	"errors"

	"atrium/mail/imapd/wire"
	"atrium/storage"
)

var replace = extension{
	name: "REPLACE", rfc: "RFC 8508", what: "APPEND and removal of the old version in one",
	commands: []command{
		{"REPLACE", selected, breaks, (*session).replace},
		{"UID REPLACE", selected, breaks, (*session).replace},
	},
}

// replace handles REPLACE and UID REPLACE (RFC 8508 §3).
func (c *session) replace(r *wire.Reader) error {
	r.SP()
	n := numSet{uid: c.uid}
	var one uint32
	if !r.Try('*') {
		one = r.NZNumber()
	}
	n.set = wire.Set{{From: one, To: one}} // 0 is "*"
	r.SP()
	name := r.Mailbox()
	if r.Err() != nil {
		return r.Err()
	}
	dst, to, err := c.target(name)
	if err != nil {
		return err
	}
	v := c.view
	switch {
	case v.readOnly:
		return no("", "The mailbox was opened read-only")
	case !to.Rights.Has(storage.Insert):
		return storage.Forbidden
	}
	if err := v.update(false); err != nil { // the number is one that the client knew
		return err
	}
	if err := v.need(); err != nil {
		return err
	}
	spans, missing, err := v.resolve(n)
	if err != nil {
		return err
	}
	if missing || len(spans) == 0 {
		return no("NONEXISTENT", "No such message")
	}
	uid := v.cur.At(spans[0].from).UID
	a := &appending{c: c, dst: dst, to: to}
	defer a.release()
	r.SP()
	if err := a.message(r); err != nil {
		return err
	}
	if err := r.End(); err != nil {
		return err
	}
	res, err := v.account.Replace(c.Context(), v.box.ID, uid, dst, to.ID, a.msgs[0])
	if errors.Is(err, storage.NotFound) {
		return no("NONEXISTENT", "The message is gone")
	}
	if err != nil {
		return err
	}
	c.ownMessages(dst.Owner(), to.ID, res.UIDs)
	if code := c.appendUID(res); code != "" {
		c.untagged("OK [%s] Replaced", code)
	}
	return c.expunged(true, "")
}
