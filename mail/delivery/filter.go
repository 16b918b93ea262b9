package delivery

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/emersion/go-imap/v2"

	"atrium/mail"
	"atrium/storage"
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
	Reject string // the reason for the sender; not empty: the message is refused, nothing else counts
	Mark   []byte // kept beside the message (mail.JunkFacet), nil: nothing

	// Send is done before the message goes into mailboxes: what sends it on. When it
	// fails the message goes to INBOX as well.
	Send []func(ctx context.Context) error
	// Note is done in the transaction that puts the message into mailboxes. It may run again.
	Note []func(tx *storage.Tx) error
	// Onward are the messages that Send sends on. Reported tells that the only one asks for what the
	// sender wants to hear, so that who has it in the end tells (RFC 3461 §5.2.7.2).
	Onward   int
	Reported bool
	// After is done when the message is durable: answers, which may fail.
	After []func(ctx context.Context) error
}

// Into is one mailbox that the message goes to.
type Into struct {
	Mailbox string      // "": INBOX; one that is not there, too
	Folder  bool        // Mailbox is a subaddress' detail: found in any case of letters, dots for separators
	Create  bool        // make the mailbox when it is not there
	Flags   []imap.Flag // to be set

	Use      string         // where a mailbox has this special use it is that one, whatever Mailbox says
	Prepared *mail.Prepared // another form of the message (see Message.Variant); nil: as it came
}

// plan runs the filters for one recipient.
func (d *Deliverer) plan(ctx context.Context, m *Message, to account.Recipient) Plan {
	p := m.begin(ctx, to)
	for _, f := range d.filters {
		next := Plan{Into: append([]Into(nil), p.Into...), Reject: p.Reject, Mark: p.Mark, Onward: p.Onward, Reported: p.Reported,
			Send: slices.Clip(p.Send), Note: slices.Clip(p.Note), After: slices.Clip(p.After)}
		if err := f.Filter(ctx, m, to, &next); err != nil {
			d.log.Error("filter failed, its result is not used", "account", to.Account.Name, "message", m.env.ID, "error", err)
			continue
		}
		p = next
	}
	return p
}

// Given is the address that a recipient was named by in the transaction, with the detail.
func (m *Message) Given(to account.Recipient) string {
	if r := m.route(to); r != nil {
		return r.Address
	}
	return to.Address
}

// Asked is what RCPT said about reports on a recipient.
func (m *Message) Asked(to account.Recipient) RouteDSN {
	if r := m.route(to); r != nil {
		return r.DSN
	}
	return RouteDSN{}
}

// route is the first that leads to a recipient.
func (m *Message) route(to account.Recipient) *Route {
	for _, r := range m.env.Routes {
		for _, t := range r.targets {
			if t.Account.ID == to.Account.ID && t.Detail == to.Detail {
				return r
			}
		}
	}
	return nil
}

// Spread tells whether the address that a recipient was named by stands for others too. The sender who wants to
// hear of success is told so then, and of each of them hears nothing but failures (RFC 3461 §5.2.7.3).
func (m *Message) Spread(to account.Recipient) bool {
	r := m.route(to)
	return r != nil && r.spread()
}

// Alone tells whether a refusal by one recipient can be the answer to the whole transaction.
func (m *Message) Alone() bool {
	return !m.env.Whole || len(m.env.Routes) == 1 && len(m.env.Routes[0].targets) == 1
}

// Variant files another form of the message, in which header (with the empty line at its end)
// stands for the first size bytes. It may be used until the message is closed.
func (m *Message) Variant(ctx context.Context, header []byte, size int64) (*mail.Prepared, error) {
	if size < 0 || size > m.Size() {
		return nil, fmt.Errorf("header of %d bytes: %w", size, storage.Invalid)
	}
	spool, err := m.d.mail.Storage().Blobs().Spool(ctx, 0)
	if err != nil {
		return nil, fmt.Errorf("message %s: %w", m.env.ID, err)
	}
	_, err = spool.Write(header)
	if err == nil {
		_, err = io.Copy(spool, io.NewSectionReader(m.spool, size, m.Size()-size))
	}
	var p *mail.Prepared
	if err == nil {
		p, err = m.d.mail.Prepare(ctx, spool)
	}
	if err != nil {
		spool.Release()
		return nil, fmt.Errorf("message %s: %w", m.env.ID, err)
	}
	m.variants = append(m.variants, p)
	return p, nil
}
