package imapd

import (
	"context"

	"atrium/mail"
	"atrium/mail/imapd/wire"
)

var move = extension{
	name: "MOVE", rfc: "RFC 6851", what: "COPY and removal in one",
	commands: []command{
		{"MOVE", selected, breaks, (*session).move},
		{"UID MOVE", selected, breaks, (*session).move},
	},
}

// move handles MOVE and UID MOVE. COPYUID comes in an untagged OK before the
// messages go (RFC 6851 §4.3).
func (c *session) move(r *wire.Reader) error {
	spans, dst, to, err := c.readCopy(r)
	if err != nil {
		return err
	}
	if len(spans) == 0 {
		return c.done("")
	}
	v := c.view
	if v.readOnly {
		return no("", "The mailbox was opened read-only")
	}
	spans, limited := v.limit(spans)
	var res mail.Copied
	err = c.long(count(spans), func(ctx context.Context) (err error) {
		res, err = v.account.Move(ctx, v.box.ID, v.uids(spans), dst, to.ID)
		return err
	})
	c.ownMessages(dst.Owner(), to.ID, res.To)
	if code := c.copyUID(&res); code != "" {
		c.untagged("OK [%s] Moved", code)
	}
	if err != nil {
		return err
	}
	return c.expunged(len(res.From) > 0, limited)
}
