package imapd

import (
	"context"

	"github.com/emersion/go-imap/v2"

	"atrium/mail"
	"atrium/mail/imapd/wire"
)

// uidplus adds UID EXPUNGE; APPENDUID and COPYUID are written where APPEND, COPY and MOVE answer.
var uidplus = extension{
	name: "UIDPLUS", rfc: "RFC 4315", what: "UIDs of what APPEND and COPY make, UID EXPUNGE",
	commands: []command{{"UID EXPUNGE", selected, breaks, (*session).uidExpunge}},
}

// uidExpunge handles UID EXPUNGE (RFC 4315 §2.1).
func (c *session) uidExpunge(r *wire.Reader) error {
	r.SP()
	set := c.readSet(r)
	if err := r.End(); err != nil {
		return err
	}
	if c.view.readOnly {
		return no("", "The mailbox was opened read-only")
	}
	if err := c.begin(); err != nil {
		return err
	}
	v := c.view
	spans, _, err := v.resolve(set)
	if err != nil {
		return err
	}
	limited := ""
	if c.messageLimit() > 0 {
		spans, limited = v.limit(v.only(spans, func(m mail.Message) bool { return m.Flags&mail.Deleted != 0 }))
	}
	if len(spans) == 0 {
		return c.done("")
	}
	var gone imap.UIDSet
	err = c.long(count(spans), func(ctx context.Context) (err error) {
		gone, err = v.account.ExpungeUIDs(ctx, v.box.ID, v.uids(spans))
		return err
	})
	if err != nil {
		return v.lost(err)
	}
	return c.expunged(len(gone) > 0, limited)
}
