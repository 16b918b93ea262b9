package queue

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"atrium/mail/dkim"
	"atrium/storage"
	"atrium/storage/blob"
)

// perEntry bounds the recipients of one entry: its record is written anew with
// each outcome.
const perEntry = 100

// Enqueue takes a message and returns its ID. When it returns nil the message
// is on disk, for all recipients or for none. The Spool of m.Body is released
// after Enqueue returned, not before. storage.Invalid for an envelope that
// cannot be, TooMany when the sender's limits are reached.
func (q *Queue) Enqueue(ctx context.Context, m Message) (id string, err error) {
	if err := m.check(); err != nil {
		return "", err
	}
	if m.ID == "" {
		m.ID = rand.Text()[:13]
	}
	now := time.Now().UTC()
	entries := q.split(m, now)
	err = q.store.Update(ctx, storage.System, func(tx *storage.Tx) error {
		if err := q.admit(tx, &m, now); err != nil {
			return err
		}
		for _, e := range entries {
			if err := insert(tx, e); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("message %s: %w", m.ID, err)
	}
	q.enqueued.Add(int64(len(entries)))
	q.log.Info("queued", "message", m.ID, "from", m.From, "recipients", len(m.To), "bytes", m.Body.Size-m.Skip)
	q.came(entries[0].Due)
	q.wake()
	return m.ID, nil
}

// Submit files content and takes the message, as Enqueue; Body and Skip of m do not count.
func (q *Queue) Submit(ctx context.Context, m Message, content io.Reader) (id string, err error) {
	spool, err := q.store.Blobs().Spool(ctx, q.cfg.MaxMessage)
	if err != nil {
		return "", err
	}
	defer spool.Release()
	if m.Written {
		m.Ours = true
		if content, err = q.signed(ctx, content); err != nil {
			return "", err
		}
	}
	if _, err := io.Copy(spool, content); err != nil {
		return "", err
	}
	if m.Body, err = spool.Commit(ctx); err != nil {
		return "", err
	}
	m.Skip = 0
	return q.Enqueue(ctx, m)
}

// signed is a message that was written here, with its signatures. That it cannot be signed keeps nothing back.
func (q *Queue) signed(ctx context.Context, content io.Reader) (io.Reader, error) {
	b, err := io.ReadAll(io.LimitReader(content, q.cfg.MaxMessage+1))
	if err != nil {
		return nil, err
	}
	domain, err := dkim.Author(bytes.NewReader(b), int64(len(b)))
	if err != nil || domain == "" {
		return bytes.NewReader(b), err
	}
	return io.MultiReader(bytes.NewReader(q.signature(ctx, domain, bytes.NewReader(b))), bytes.NewReader(b)), nil
}

// signature is what signs a message of this server's own.
func (q *Queue) signature(ctx context.Context, domain string, content io.Reader) []byte {
	if q.sign == nil {
		return nil
	}
	fields, err := q.sign(ctx, domain, content)
	if err != nil {
		q.log.Warn("message of the server goes out without a signature", "domain", domain, "err", err)
		return nil
	}
	return fields
}

// check tells what is wrong with an envelope.
func (m *Message) check() error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), storage.Invalid)
	}
	if len(m.To) == 0 {
		return bad("no recipients")
	}
	if len(m.To) > MaxRecipients {
		return fmt.Errorf("%d recipients: %w", len(m.To), storage.TooLarge)
	}
	if m.From != "" && !isAddress(m.From) {
		return bad("sender %.100q is no address", m.From)
	}
	for i := range m.To {
		if !isAddress(m.To[i].Address) {
			return bad("recipient %.100q is no address", m.To[i].Address)
		}
		if len(m.To[i].Original) > 1000 {
			return bad("original recipient of %.100q is too long", m.To[i].Address)
		}
	}
	if m.Skip < 0 || m.Skip > m.Body.Size || m.Body.IsZero() {
		return bad("no content")
	}
	if len(m.EnvelopeID) > 100 || len(m.ID) > 64 || strings.ContainsFunc(m.ID, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return bad("ID too long")
	}
	return nil
}

// isAddress tells whether s can go into a MAIL or RCPT command. The local part may be quoted.
func isAddress(s string) bool {
	at := strings.LastIndexByte(s, '@')
	if at < 1 || at == len(s)-1 || len(s) > 900 {
		return false
	}
	quoted := s[0] == '"' && s[at-1] == '"'
	for i, r := range s {
		if r < ' ' || r == 0x7f || (r == ' ' || r == '<' || r == '>') && !(quoted && i < at) {
			return false
		}
	}
	return true
}

// split makes the entries of a message: recipients of one domain stay together
// where they fit.
func (q *Queue) split(m Message, now time.Time) (out []*Entry) {
	to := slices.Clone(m.To)
	if len(to) > perEntry {
		slices.SortStableFunc(to, func(a, b Recipient) int {
			return strings.Compare(domainOf(a.Address), domainOf(b.Address))
		})
	}
	due := now
	if m.Hold.After(now) {
		due = m.Hold.UTC()
	}
	for part := range slices.Chunk(to, perEntry) {
		e := &Entry{Message: m, Created: now, Due: due, Size: m.Body.Size - m.Skip}
		e.To = nil
		if len(out) > 0 {
			e.ID = m.ID + "." + itoa(len(out)+1)
		}
		for _, r := range part {
			p := Progress{Address: r.Address, Notify: r.Notify, Original: r.Original}
			switch {
			case r.Failed != nil:
				p.State, p.Last, p.At = Bounced, r.Failed, now.Unix()
			case r.Done != Pending:
				p.State, p.At = r.Done, now.Unix()
			}
			e.Recipients = append(e.Recipients, p)
		}
		out = append(out, e)
	}
	return out
}

// TooMany means that an account sent to more recipients than it may in a day.
const TooMany Kind = "too many recipients today"

// Kind is a class of failure of this package, beside those of storage.
type Kind string

func (k Kind) Error() string { return string(k) }

// Temporary tells whether a later Enqueue may succeed.
func Temporary(err error) bool {
	return err != nil && !errors.Is(err, storage.Invalid) && !errors.Is(err, storage.TooLarge) && !errors.Is(err, blob.TooLarge)
}
