package delivery

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"atrium/mail"
	"atrium/mail/queue"
	"atrium/storage"
	"atrium/storage/account"
)

// Submission is what a message that an account submits says beside the rest of
// its Envelope (RFC 6409).
type Submission struct {
	Account storage.AccountID
	Hold    time.Time // not to be delivered before, anywhere (RFC 4865); the zero Time: at once
}

// SetQueue has mail for other servers go into q, before the first message comes.
// Without one there are no routes that lead elsewhere.
func (d *Deliverer) SetQueue(ctx context.Context, q *queue.Queue) error {
	secret, err := srsSecret(ctx, d.mail.Storage())
	if err != nil {
		return fmt.Errorf("secret of forwarded senders: %w", err)
	}
	d.queue, d.secret = q, secret
	return nil
}

// CanSend tells whether mail for other servers is taken.
func (d *Deliverer) CanSend() bool { return d.queue != nil && !d.queue.Config().Off }

// HasQueue tells whether there is a queue, if only for what is held and for reports.
func (d *Deliverer) HasQueue() bool { return d.queue != nil }

// RouteOut is Route for those who may send to other servers too.
func (d *Deliverer) RouteOut(ctx context.Context, address string, size int64) (*Route, error) {
	r, err := d.Route(ctx, address, size)
	if !errors.Is(err, account.NotLocal) || !d.CanSend() {
		return r, err
	}
	return &Route{Address: address, remote: []string{address}}, nil
}

// Local tells whether a domain is one of ours.
func (d *Deliverer) Local(domain string) bool { return d.dir.Local(domain) }

// Permanent tells whether an error of a delivery is for good.
func (d *Deliverer) Permanent(err error) bool { return err != nil && !Temporary(err) }

// DeliverLocal delivers to one address of ours, for the queue.
func (d *Deliverer) DeliverLocal(ctx context.Context, from, to string, content io.Reader) error {
	route, err := d.Route(ctx, to, 0)
	if err != nil {
		return err
	}
	m, err := d.Open(ctx, &Envelope{From: from, Routes: []*Route{route}, ID: newID(), Protocol: "LOCAL", Time: time.Now()})
	if err != nil {
		return err
	}
	defer m.Close()
	if _, err := io.Copy(m, content); err != nil {
		return err
	}
	return m.Deliver(ctx)[0].Err
}

// hold puts the whole message into the queue, which delivers it when its time comes.
func (m *Message) hold(ctx context.Context, out []Result) []Result {
	var to []queue.Recipient
	for _, r := range m.env.Routes {
		to = append(to, r.recipient(r.Address))
	}
	_, err := m.enqueue(ctx, m.env.From, to, nil)
	for i := range out {
		out[i].Err = err
	}
	return out
}

// recipient is a recipient as the queue has it.
func (r *Route) recipient(address string) queue.Recipient {
	out := queue.Recipient{Address: address, Original: r.DSN.Original}
	for own, theirs := range map[Notify]queue.Notify{NotifyNever: queue.Never, NotifySuccess: queue.Success, NotifyFailure: queue.Failure, NotifyDelay: queue.Delay} {
		if r.DSN.Notify.Has(own) {
			out.Notify |= theirs
		}
	}
	return out
}

// sendOut puts into the queue what leads to other servers. Where the sender is
// answered once for all recipients, what failed here while others have it goes
// there too: sent again, those would get it twice. queued tells that every recipient is provided for.
func (m *Message) sendOut(ctx context.Context, out []Result) (queued bool) {
	var to []queue.Recipient
	good := 0
	for _, r := range out {
		if r.Err == nil {
			good++
		}
		for _, address := range r.Route.remote {
			to = append(to, r.Route.recipient(address))
		}
	}
	if m.d.queue == nil {
		return false
	}
	var late []int // results that become the queue's
	if m.env.Whole && good > 0 && (m.env.Submit != nil || len(to) > 0) {
		for i, r := range out {
			if r.Err == nil {
				continue
			}
			late = append(late, i)
			for _, t := range r.Route.targets {
				x := r.Route.recipient(t.Address)
				if len(r.Route.targets) == 1 && len(r.Route.remote) == 0 {
					x.Address = r.Route.Address
				}
				if !Temporary(r.Err) {
					x.Failed = &queue.Outcome{Status: statusOf(r.Err), Text: words(r.Err), Words: true}
				}
				to = append(to, x)
			}
		}
	}
	if len(to) == 0 {
		return false
	}
	_, err := m.enqueue(ctx, m.forwarded(), to, m.seal(ctx))
	if err == nil {
		for _, i := range late {
			m.d.log.Info("delivered later", "message", m.env.ID, "recipient", out[i].Route.Address, "reason", out[i].Err)
			out[i].Err = nil
			out[i].Route.targets = nil // the queue's from here: Delivered does not tell of it
		}
		return true
	}
	for i := range out {
		if len(out[i].Route.remote) > 0 {
			out[i].Err = worse(out[i].Err, err)
		}
	}
	return false
}

// Sealer vouches for what is known of a message that goes on from here in the name of one of our
// domains: it returns whole header fields, nothing when it cannot (ARC, RFC 8617).
type Sealer func(ctx context.Context, m *Message, domain string) ([]byte, error)

// SetSealer sets who seals what is forwarded. It is called before the first message.
func (d *Deliverer) SetSealer(s Sealer) { d.seal = s }

// seal is the message as it is forwarded, with a seal; nil when it goes as it is: when an
// account sends it, or no seal can be made.
func (m *Message) seal(ctx context.Context) *mail.Prepared {
	if m.d.seal == nil || m.env.Submit != nil {
		return nil
	}
	at := slices.IndexFunc(m.env.Routes, func(r *Route) bool { return len(r.remote) > 0 })
	if at < 0 {
		return nil
	}
	fields, err := m.d.seal(ctx, m, domainOf(m.env.Routes[at].Address))
	if err == nil && len(fields) > 0 {
		var v *mail.Prepared
		if v, err = m.variantWith(ctx, fields); err == nil {
			return v
		}
	}
	if err != nil {
		m.d.log.Error("message is forwarded without a seal", "message", m.env.ID, "error", err)
	}
	return nil
}

// Path is the length of Return-Path, with which a delivered message begins.
func (m *Message) Path() int64 { return m.path }

// enqueue gives the message, or another form of it, to the queue.
func (m *Message) enqueue(ctx context.Context, from string, to []queue.Recipient, form *mail.Prepared) (string, error) {
	form = cmp.Or(form, m.prepared)
	q := queue.Message{
		ID: m.env.ID, From: from, To: to, Body: form.Ref(), Skip: m.path,
		EightBit: true, UTF8: m.env.UTF8, RequireTLS: m.env.RequireTLS, EnvelopeID: m.env.DSN.EnvelopeID,
	}
	switch m.env.DSN.Return {
	case "FULL":
		q.Return = queue.ReturnFull
	case "HDRS":
		q.Return = queue.ReturnHeaders
	}
	if s := m.env.Submit; s != nil {
		q.Account, q.Hold = s.Account, s.Hold
	}
	return m.d.queue.Enqueue(ctx, q)
}

// forwarded is the reverse-path of what goes on from here: a stranger's is
// rewritten into one of ours (SRS), since our server may not send in the name of
// another domain (RFC 7208).
func (m *Message) forwarded() string {
	from := m.env.From
	if m.env.Submit != nil || from == "" || m.d.dir.Local(domainOf(from)) {
		return from
	}
	for _, r := range m.env.Routes {
		if len(r.remote) > 0 {
			return srsForward(m.d.secret, from, r.Address, time.Now())
		}
	}
	return from
}

// Forwarded is the reverse-path of what a filter sends on from the address at, as forwarded has it.
func (m *Message) Forwarded(at string) string {
	from := m.env.From
	if m.env.Submit != nil || from == "" || len(m.d.secret) == 0 || m.d.dir.Local(domainOf(from)) {
		return from
	}
	return srsForward(m.d.secret, from, at, time.Now())
}

func domainOf(address string) string {
	return strings.ToLower(address[strings.LastIndexByte(address, '@')+1:])
}

// Delivered tells the sender of a message that it is in mailboxes here, RFC 3461
// §6.2.3: smtpd's Notifier. Submissions and other servers' mail are reported alike.
func (d *Deliverer) Delivered(ctx context.Context, m *Message, routes []*Route) error {
	if d.queue == nil || m.env.Submit != nil && !m.env.Submit.Hold.IsZero() {
		return nil
	}
	var to []queue.Recipient
	for _, r := range routes {
		if len(r.targets) == 0 {
			continue // the queue reports it
		}
		x := r.recipient(r.Address)
		x.Delivered = true
		to = append(to, x)
	}
	if len(to) == 0 {
		return nil
	}
	_, err := m.enqueue(ctx, m.env.From, to, nil)
	return err
}

// statusOf is the enhanced status code (RFC 3463) of a delivery that failed for good.
func statusOf(err error) string {
	switch {
	case errors.Is(err, storage.NotFound):
		return "5.1.1"
	case errors.Is(err, account.Disabled):
		return "5.2.1"
	case errors.Is(err, storage.TooLarge):
		return "5.3.4"
	case errors.Is(err, Loop):
		return "5.4.6"
	case errors.Is(err, Refused):
		return "5.7.1"
	}
	return "5.2.0"
}

// words are an error's for the sender.
func words(err error) string {
	var r *Refusal
	if errors.As(err, &r) {
		return r.Reason
	}
	return err.Error()
}

// newID names a transaction of our own.
func newID() string { return rand.Text()[:13] }

// Queued tells whether the message waits in the queue for some of its recipients once it was
// delivered without an error.
func (e *Envelope) Queued() bool {
	if e.Submit != nil && !e.Submit.Hold.IsZero() {
		return true
	}
	for _, r := range e.Routes {
		if len(r.remote) > 0 || len(r.targets) == 0 {
			return true
		}
	}
	return false
}
