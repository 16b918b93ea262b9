package delivery

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/emersion/go-imap/v2"

	"atrium/mail"
	"atrium/mail/queue"
	"atrium/storage"
	"atrium/storage/account"
	"atrium/storage/blob"
)

// Message is a message that is being taken in. It is for one goroutine; Close it.
type Message struct {
	d        *Deliverer
	env      *Envelope
	spool    blob.Spool
	trace    int64 // bytes of the trace lines
	path     int64 // of them, Return-Path
	prepared *mail.Prepared
	opinions map[storage.AccountID]*Opinion
	fielded  bool // the fields of the only opinion are in the header
	variants []*mail.Prepared
}

// Open begins a message: its content is to be written to it. The trace lines are there already.
func (d *Deliverer) Open(ctx context.Context, e *Envelope) (*Message, error) {
	trace, path := d.trace(e)
	spool, err := d.mail.Storage().Blobs().Spool(ctx, d.cfg.MaxMessage+int64(len(trace)))
	if err != nil {
		return nil, fmt.Errorf("message %s: %w", e.ID, err)
	}
	if _, err := spool.Write(trace); err != nil {
		spool.Release()
		return nil, fmt.Errorf("message %s: %w", e.ID, err)
	}
	return &Message{d: d, env: e, spool: spool, trace: int64(len(trace)), path: int64(path)}, nil
}

// Write takes content, CRLF at the ends of its lines. It fails with
// blob.TooLarge when it is more than Config.MaxMessage.
func (m *Message) Write(p []byte) (int, error) { return m.spool.Write(p) }

// ReadAt reads what was written, the trace lines included.
func (m *Message) ReadAt(p []byte, off int64) (int, error) { return m.spool.ReadAt(p, off) }

// Size is the number of bytes so far, the trace lines included.
func (m *Message) Size() int64 { return m.spool.Size() }

// Start is where the content begins: behind the lines of our own.
func (m *Message) Start() int64 { return m.trace }

// Envelope is what Open was given.
func (m *Message) Envelope() *Envelope { return m.env }

// Stamp puts header fields, whole and with their CR LF, on top of the message,
// below Return-Path. The content is whole by then.
func (m *Message) Stamp(ctx context.Context, fields []byte) error {
	spool, err := m.d.mail.Storage().Blobs().Spool(ctx, 0)
	if err != nil {
		return fmt.Errorf("message %s: %w", m.env.ID, err)
	}
	_, err = io.Copy(spool, io.NewSectionReader(m.spool, 0, m.path))
	if err == nil {
		_, err = spool.Write(fields)
	}
	if err == nil {
		_, err = io.Copy(spool, io.NewSectionReader(m.spool, m.path, m.spool.Size()-m.path))
	}
	if err != nil {
		spool.Release()
		return fmt.Errorf("message %s: %w", m.env.ID, err)
	}
	m.spool.Release()
	m.spool = spool
	m.trace += int64(len(fields))
	return nil
}

// Rewrite puts header in the place of the first size bytes behind our own lines. The content is
// whole by then.
func (m *Message) Rewrite(ctx context.Context, header []byte, size int64) error {
	spool, err := m.d.mail.Storage().Blobs().Spool(ctx, 0)
	if err != nil {
		return fmt.Errorf("message %s: %w", m.env.ID, err)
	}
	after := min(m.trace+size, m.spool.Size())
	_, err = io.Copy(spool, io.NewSectionReader(m.spool, 0, m.trace))
	if err == nil {
		_, err = spool.Write(header)
	}
	if err == nil {
		_, err = io.Copy(spool, io.NewSectionReader(m.spool, after, m.spool.Size()-after))
	}
	if err != nil {
		spool.Release()
		return fmt.Errorf("message %s: %w", m.env.ID, err)
	}
	m.spool.Release()
	m.spool = spool
	return nil
}

// Close ends the message and frees what it holds, delivered or not.
func (m *Message) Close() {
	for _, v := range m.variants {
		v.Release()
	}
	if m.prepared != nil {
		m.prepared.Release()
	} else {
		m.spool.Release()
	}
}

// Result is the outcome for one route. When Err is nil the message is durable
// in all mailboxes that the route leads to.
type Result struct {
	Route *Route
	Err   error
}

// Deliver delivers the message and returns the results in the order of the
// envelope's routes.
func (m *Message) Deliver(ctx context.Context) []Result {
	out := make([]Result, len(m.env.Routes))
	for i, r := range m.env.Routes {
		out[i].Route = r
	}
	split := m.splitKey()
	err := m.judgeAlone(ctx)
	if err == nil {
		err = m.prepare(ctx)
	}
	if err != nil {
		for i := range out {
			out[i].Err = err
		}
		return out
	}
	if s := m.env.Submit; s != nil && !s.Hold.IsZero() {
		out = m.hold(ctx, out)
		m.copySent(ctx, out)
		return out
	}
	jobs := m.jobs(ctx)
	m.run(ctx, jobs, split)
	for i, r := range m.env.Routes {
		r.failed, r.done = nil, queue.Sent
		for _, to := range r.targets {
			j := jobs[slices.IndexFunc(jobs, func(j *job) bool { return j.id == to.Account.ID })]
			err := j.result(to)
			if err != nil {
				r.failed = append(r.failed, to)
			}
			out[i].Err = worse(out[i].Err, err)
			r.done = j.fates[to.Detail]
		}
		if r.spread() {
			r.done = queue.Expanded
		}
	}
	if !m.sendOut(ctx, out) && m.env.Whole {
		m.d.split.remember(split, jobs)
	}
	m.copySent(ctx, out)
	return out
}

// prepare looks for a loop, parses the message and files its body.
func (m *Message) prepare(ctx context.Context) error {
	n, err := m.received()
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("message %s: %w", m.env.ID, err)
	}
	if n-1 >= m.d.cfg.MaxReceived { // one is our own
		return fmt.Errorf("message %s has %d Received lines: %w", m.env.ID, n-1, Loop)
	}
	m.prepared, err = m.d.mail.Prepare(ctx, m.spool)
	return err
}

// job is what one account gets.
type job struct {
	id      storage.AccountID
	name    string
	into    []Into
	send    []func(context.Context) error
	note    []func(*storage.Tx) error
	after   []func(context.Context) error
	mark    []byte
	refused map[string]error // by detail
	fates   map[string]queue.State
	err     error
	skip    bool // it has the message from an earlier attempt
}

func (j *job) result(to account.Recipient) error {
	if err := j.refused[to.Detail]; err != nil {
		return err
	}
	return j.err
}

// jobs makes one job for each account, with each folder once.
func (m *Message) jobs(ctx context.Context) []*job {
	var jobs []*job
	type place struct {
		id     storage.AccountID
		detail string
	}
	var done []place
	for _, r := range m.env.Routes {
		for _, to := range r.targets {
			here := place{to.Account.ID, to.Detail}
			if slices.Contains(done, here) {
				continue
			}
			done = append(done, here)
			at := slices.IndexFunc(jobs, func(j *job) bool { return j.id == to.Account.ID })
			if at < 0 {
				at = len(jobs)
				jobs = append(jobs, &job{id: to.Account.ID, name: to.Account.Name})
			}
			jobs[at].add(to, m.d.plan(ctx, m, to))
		}
	}
	return jobs
}

// add adds one recipient's plan.
func (j *job) add(to account.Recipient, p Plan) {
	if p.Reject != "" {
		if j.refused == nil {
			j.refused = map[string]error{}
		}
		j.refused[to.Detail] = &Refusal{Reason: p.Reject}
		return
	}
	if j.fates == nil {
		j.fates = map[string]queue.State{}
	}
	j.fates[to.Detail] = p.fate()
	j.into = append(j.into, p.Into...)
	j.mark = p.Mark
	j.send, j.note, j.after = append(j.send, p.Send...), append(j.note, p.Note...), append(j.after, p.After...)
}

// fate is what a sender who asked is told of a plan that was carried out.
func (p *Plan) fate() queue.State {
	switch {
	case len(p.Into) > 0 || p.Onward == 0: // what is dropped as well: nobody else is to know
		return queue.Local
	case p.Onward > 1:
		return queue.Expanded
	case p.Reported:
		return queue.Sent
	}
	return queue.Relayed
}

// run does the jobs, many at once so that they share a commit.
func (m *Message) run(ctx context.Context, jobs []*job, split splitKey) {
	if len(jobs) == 1 && !m.d.split.has(split, jobs[0].id) {
		jobs[0].err = m.file(ctx, jobs[0])
		return
	}
	var wg sync.WaitGroup
	gate := make(chan struct{}, m.d.cfg.Parallel)
	for _, j := range jobs {
		if j.skip = m.d.split.has(split, j.id); j.skip {
			continue
		}
		gate <- struct{}{}
		wg.Go(func() {
			j.err = m.file(ctx, j)
			<-gate
		})
	}
	wg.Wait()
}

// file does one job: what goes before the mailboxes, the mailboxes, what goes after.
func (m *Message) file(ctx context.Context, j *job) error {
	for _, send := range j.send {
		if err := send(ctx); err != nil {
			m.d.log.Error("not sent on, it goes to INBOX", "message", m.env.ID, "account", j.name, "error", err)
			j.into = append(j.into, Into{})
			for detail := range j.fates {
				j.fates[detail] = queue.Local
			}
		}
	}
	if err := m.store(ctx, j); err != nil {
		return err
	}
	for _, after := range j.after {
		if err := after(ctx); err != nil {
			m.d.log.Error("not done after the delivery", "message", m.env.ID, "account", j.name, "error", err)
		}
	}
	return nil
}

// store puts the message into the mailboxes of one account, in one transaction.
func (m *Message) store(ctx context.Context, j *job) error {
	if len(j.into)+len(j.note) == 0 {
		return nil
	}
	acct := m.d.mail.Open(j.id, j.id)
	err := m.d.mail.Storage().Update(ctx, j.id, func(tx *storage.Tx) error {
		for _, note := range j.note {
			if err := note(tx); err != nil {
				return err
			}
		}
		var filled []mail.ID
		for _, into := range j.into {
			box, err := m.d.mailbox(tx, acct, into)
			if err != nil {
				return err
			}
			if slices.Contains(filled, box) {
				continue
			}
			filled = append(filled, box)
			form := cmp.Or(into.Prepared, m.prepared)
			if j.mark != nil {
				form = form.With(mail.JunkFacet, j.mark)
			}
			if _, err := acct.AppendTx(tx, box, mail.NewMessage{Prepared: form, Flags: into.Flags, Date: m.env.Time}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("message %s to %q: %w", m.env.ID, j.name, err)
	}
	return nil
}

// mailbox finds the mailbox that a message goes to, INBOX when there is no such.
func (d *Deliverer) mailbox(tx *storage.Tx, acct *mail.Account, into Into) (mail.ID, error) {
	name := into.Mailbox
	if into.Use != "" {
		used, err := acct.UseTx(tx, imap.MailboxAttr(into.Use))
		if err != nil {
			return 0, err
		}
		if used == "" && into.Create && name != "" {
			box, err := acct.CreateTx(tx, name, imap.MailboxAttr(into.Use)) // RFC 8579 §4.1
			if err == nil {
				return box.ID, nil
			}
		}
		if used != "" {
			name = used
		}
	}
	if into.Folder && name != "" {
		var err error
		if name, err = folder(tx, name); err != nil {
			return 0, err
		}
	}
	if name != "" {
		box, err := acct.MailboxTx(tx, name, into.Create)
		if err == nil {
			return box.ID, nil
		}
		if !errors.Is(err, storage.NotFound) && !errors.Is(err, storage.Invalid) && !errors.Is(err, storage.TooLarge) && !errors.Is(err, mail.Reserved) {
			return 0, err
		}
	}
	c, err := tx.CollectionByName(mail.Schema.Code, mail.Inbox)
	if errors.Is(err, storage.NotFound) {
		if err = d.mail.EnsureTx(tx); err == nil {
			c, err = tx.CollectionByName(mail.Schema.Code, mail.Inbox)
		}
	}
	if err != nil {
		return 0, err
	}
	return c.ID, nil
}

// folder finds the mailbox that a detail names, whatever the case of its letters,
// dots standing for separators where the name has none as it is; "" when there is none.
func folder(tx *storage.Tx, detail string) (string, error) {
	all, err := tx.Collections(mail.Schema.Code)
	if err != nil {
		return "", err
	}
	dotted := ""
	nested := strings.ReplaceAll(detail, ".", mail.Separator)
	for _, c := range all {
		if strings.EqualFold(c.Name, detail) {
			return c.Name, nil
		}
		if strings.EqualFold(c.Name, nested) {
			dotted = c.Name
		}
	}
	return dotted, nil
}

// worse returns the error that the sender is to hear of: of two, the one that
// may pass, since what failed for a time is sent again.
func worse(a, b error) error {
	switch {
	case a == nil:
		return b
	case b == nil || Temporary(a):
		return a
	}
	if Temporary(b) {
		return b
	}
	return a
}

// Temporary tells whether a later attempt may succeed.
func Temporary(err error) bool {
	for _, permanent := range []error{Loop, Elsewhere, Refused, storage.NotFound, account.NotLocal, account.Disabled, storage.Invalid, storage.Forbidden, storage.TooLarge, blob.TooLarge} {
		if errors.Is(err, permanent) {
			return false
		}
	}
	return err != nil
}
