package delivery

import (
	"context"

	"github.com/emersion/go-imap/v2"

	"atrium/storage/account"
)

// Filter decides where a message goes for one recipient. Filters (rules, junk)
// run after the message is parsed and before the transaction.
type Filter interface {
	// Filter changes the plan. When it fails, its changes do not count.
	Filter(ctx context.Context, m *Message, to account.Recipient, plan *Plan) error
}

// Plan is what is to become of a message for one recipient. One that is neither
// refused nor goes anywhere is dropped.
type Plan struct {
	Into   []Into
	Reject string // the reason for the sender; not empty: the message is refused, Into does not count
}

// Into is one mailbox that the message goes to.
type Into struct {
	Mailbox string      // "": INBOX; one that is not there, too
	Folder  bool        // Mailbox is a subaddress' detail: found in any case of letters, dots for separators
	Create  bool        // make the mailbox when it is not there
	Flags   []imap.Flag // to be set
}

// plan runs the filters for one recipient.
func (d *Deliverer) plan(ctx context.Context, m *Message, to account.Recipient) Plan {
	p := Plan{Into: []Into{{Mailbox: to.Detail, Folder: true}}}
	for _, f := range d.filters {
		next := Plan{Into: append([]Into(nil), p.Into...), Reject: p.Reject}
		if err := f.Filter(ctx, m, to, &next); err != nil {
			d.log.Error("filter failed, its result is not used", "account", to.Account.Name, "message", m.env.ID, "error", err)
			continue
		}
		p = next
	}
	return p
}
