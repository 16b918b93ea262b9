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
func (d *Deliverer) DeliverLocal(ctx context.Context, q *queue.Message, to queue.Recipient, content io.Reader) (queue.State, error) {
	route, err := d.Route(ctx, to.Address, 0)
	if err != nil {
		return 0, err
	}
	route.DSN = RouteDSN{Original: to.Original}
	for _, n := range notifies {
		if to.Notify&n.theirs != 0 {
			route.DSN.Notify |= n.own
		}
	}
	m, err := d.Open(ctx, &Envelope{From: q.From, Routes: []*Route{route}, ID: newID(), Protocol: "LOCAL", Time: time.Now(),
		DSN: EnvelopeDSN{Return: returns[q.Return], EnvelopeID: q.EnvelopeID}, RequireTLS: q.RequireTLS, UTF8: q.UTF8, ours: q.Ours})
	if err != nil {
		return 0, err
	}
	defer m.Close()
	if _, err := io.Copy(m, content); err != nil {
		return 0, err
	}
	err = m.Deliver(ctx)[0].Err
	return route.done, err
}

// The queue's words for what an envelope says about reports.
var (
	notifies = [...]struct {
		own    Notify
		theirs queue.Notify
	}{{NotifyNever, queue.Never}, {NotifySuccess, queue.Success}, {NotifyFailure, queue.Failure}, {NotifyDelay, queue.Delay}}
	returns = map[queue.Return]string{queue.ReturnFull: "FULL", queue.ReturnHeaders: "HDRS"}
)

// hold puts the whole message into the queue, which delivers it when its time comes.
func (m *Message) hold(ctx context.Context, out []Result) []Result {
	var to []queue.Recipient
	for _, r := range m.env.Routes {
		to = append(to, r.recipient(r.Address))
	}
	_, err := m.enqueue(ctx, m.env.ID, m.env.From, to, nil)
	for i := range out {
		out[i].Err = err
	}
	return out
}

// recipient is a recipient as the queue has it.
func (r *Route) recipient(address string) queue.Recipient {
	out := queue.Recipient{Address: address, Original: r.original(address)}
	for _, n := range notifies {
		if r.DSN.Notify.Has(n.own) {
			out.Notify |= n.theirs
		}
	}
	return out
}

// Redirected is where a recipient's filter sends the message on to, with what its sender wants to hear.
func (m *Message) Redirected(to account.Recipient, address string) queue.Recipient {
	r := m.route(to)
	if r == nil {
		return queue.Recipient{Address: address}
	}
	return r.recipient(address)
}

// member is a recipient of those that the route's address stands for.
func (r *Route) member(address string) queue.Recipient {
	out := r.recipient(address)
	if r.spread() && out.Notify&queue.Success != 0 { // the address itself is told of, RFC 3461 §5.2.7.3
		if out.Notify &^= queue.Success; out.Notify == 0 {
			out.Notify = queue.Never
		}
	}
	return out
}

// original is ORCPT: the address that the sender named, where another takes its place (RFC 3461 §5.2.7).
func (r *Route) original(address string) string {
	switch {
	case r.DSN.Original != "" || strings.EqualFold(address, r.Address):
		return r.DSN.Original
	case strings.ContainsFunc(r.Address, func(c rune) bool { return c >= 0x80 }):
		return "utf-8;" + r.Address
	}
	return "rfc822;" + r.Address
}

// spread tells whether the address stands for several.
func (r *Route) spread() bool { return len(r.targets)+len(r.remote) > 1 }

// sendOut puts into the queue what leads to other servers. Where the sender is
// answered once for all recipients, what failed here while others have it goes
// there too: sent again, those would get it twice. So does what failed of an address that leads elsewhere as well. queued
// tells that every recipient is provided for.
func (m *Message) sendOut(ctx context.Context, out []Result) (queued bool) {
	var to []queue.Recipient
	good := 0
	for _, r := range out {
		if r.Err == nil || len(r.Route.remote) > 0 {
			good++
		}
		for _, address := range r.Route.remote {
			to = append(to, r.Route.member(address))
		}
	}
	if m.d.queue == nil {
		return false
	}
	all := m.env.Whole && good > 0 && (m.env.Submit != nil || len(to) > 0)
	var late []int             // results that become the queue's
	var here []queue.Recipient // of those
	for i, r := range out {
		if r.Err == nil || !all && len(r.Route.remote) == 0 {
			continue
		}
		late = append(late, i)
		for _, t := range r.Route.failed {
			x := r.Route.member(t.Address)
			if !r.Route.spread() {
				x = r.Route.recipient(r.Route.Address)
			}
			if !Temporary(r.Err) {
				x.Failed = &queue.Outcome{Status: statusOf(r.Err), Text: words(r.Err), Words: true}
			}
			here = append(here, x)
		}
	}
	if len(to)+len(here) == 0 {
		return false
	}
	err := m.enqueueAll(ctx, to, here)
	if err == nil {
		for _, i := range late {
			m.d.log.Info("delivered later", "message", m.env.ID, "recipient", out[i].Route.Address, "reason", out[i].Err)
			out[i].Err = nil
			out[i].Route.queued = true
			if !out[i].Route.spread() {
				out[i].Route.done = queue.Sent // the queue tells of it
			}
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

// enqueueAll gives the message to the queue, for recipients elsewhere as it is forwarded, and for those here as it came.
func (m *Message) enqueueAll(ctx context.Context, to, here []queue.Recipient) (err error) {
	if len(here) > 0 {
		id := m.env.ID
		if len(to) > 0 {
			id += ".here"
		}
		_, err = m.enqueue(ctx, id, m.env.From, here, nil)
	}
	if err == nil && len(to) > 0 {
		_, err = m.enqueue(ctx, m.env.ID, m.forwarded(), to, m.seal(ctx))
	}
	return err
}

// Sealer vouches for what is known of a message, what r has from start up to size, that goes on from here in the name of one of our
// domains: it returns whole header fields, nothing when it cannot (ARC, RFC 8617).
type Sealer func(ctx context.Context, r io.ReaderAt, start, size int64, domain string) ([]byte, error)

// SetSealer sets who seals what is forwarded. It is called before the first message.
func (d *Deliverer) SetSealer(s Sealer) { d.seal = s }

// seal is the message as it is forwarded, with a seal; nil when it goes as it is: when an
// account sends it, or no seal can be made.
func (m *Message) seal(ctx context.Context) *mail.Prepared {
	at := slices.IndexFunc(m.env.Routes, func(r *Route) bool { return len(r.remote) > 0 })
	if at < 0 {
		return nil
	}
	if fields := m.Seal(ctx, m, m.path, m.Size(), m.env.Routes[at].Address); len(fields) > 0 {
		v, err := m.variantWith(ctx, fields)
		if err == nil {
			return v
		}
		m.d.log.Error("message is forwarded without a seal", "message", m.env.ID, "error", err)
	}
	return nil
}

// Seal returns the fields that vouch for a form of the message, what r has from start up to size, that is sent on from
// an address of ours. There are none for what an account of ours sends: its signature is the domain's own.
func (m *Message) Seal(ctx context.Context, r io.ReaderAt, start, size int64, at string) []byte {
	if m.d.seal == nil || m.env.Submit != nil || m.env.ours {
		return nil
	}
	fields, err := m.d.seal(ctx, r, start, size, domainOf(at))
	if err != nil {
		m.d.log.Error("message is forwarded without a seal", "message", m.env.ID, "error", err)
	}
	return fields
}

// enqueue gives the message, or another form of it, to the queue.
func (m *Message) enqueue(ctx context.Context, id, from string, to []queue.Recipient, form *mail.Prepared) (string, error) {
	form = cmp.Or(form, m.prepared)
	q := queue.Message{
		ID: id, From: from, To: to, Body: form.Ref(), Skip: m.path,
		EightBit: true, UTF8: m.env.UTF8, RequireTLS: m.env.RequireTLS, EnvelopeID: m.env.DSN.EnvelopeID,
	}
	switch m.env.DSN.Return {
	case "FULL":
		q.Return = queue.ReturnFull
	case "HDRS":
		q.Return = queue.ReturnHeaders
	}
	if s := m.env.Submit; s != nil {
		q.Account, q.Hold, q.Ours = s.Account, s.Hold, true
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

// Delivered tells the sender of a message that it is in mailboxes here, or where it went from here, RFC 3461
// §5.2.3 and §5.2.7: smtpd's Notifier. Submissions and other servers' mail are reported alike.
func (d *Deliverer) Delivered(ctx context.Context, m *Message, routes []*Route) error {
	if d.queue == nil || m.env.Submit != nil && !m.env.Submit.Hold.IsZero() {
		return nil
	}
	var to []queue.Recipient
	for _, r := range routes {
		if r.done == queue.Sent {
			continue // something else reports it
		}
		x := r.recipient(r.Address)
		x.Done = r.done
		to = append(to, x)
	}
	if len(to) == 0 {
		return nil
	}
	_, err := m.enqueue(ctx, m.env.ID+".report", m.env.From, to, nil)
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
		if len(r.remote) > 0 || r.queued {
			return true
		}
	}
	return false
}
