package imapd

import (
	"bytes"
	"errors"
	"io"
	"time"

	"github.com/emersion/go-imap/v2"

	"atrium/mail"
	"atrium/mail/imapd/wire"
	"atrium/mail/message"
	"atrium/storage"
	"atrium/storage/blob"
)

// appending is an APPEND under way.
type appending struct {
	c    *session
	dst  *mail.Account
	to   *mail.Mailbox
	msgs []mail.NewMessage
	kept int // bytes of memory that msgs take
}

// One APPEND may bring so many messages (RFC 3502), which may take so many bytes of memory beside
// their bodies: some 2 KB each as a rule, and more than a MB at most.
const (
	maxAppends    = 5000
	maxAppendKept = 64 << 20
)

// append handles APPEND.
//
// RFC 9051 §6.3.12; several messages: RFC 3502. The target is looked for before the client is told to
// send, and a message goes to the disk as it comes.
func (c *session) append(r *wire.Reader) error {
	r.SP()
	name := r.Mailbox()
	if r.Err() != nil {
		return r.Err()
	}
	dst, to, err := c.target(name)
	if err != nil {
		return err
	}
	if !to.Rights.Has(storage.Insert) {
		return storage.Forbidden
	}
	a := &appending{c: c, dst: dst, to: to}
	defer a.release()
	r.SP()
	for {
		if err := a.message(r); err != nil {
			return err
		}
		if r.AtEnd() || !c.server.reg.has("MULTIAPPEND") {
			break
		}
		if n := c.saveLimit(); n > 0 && len(a.msgs) >= n {
			return no(limitCode(n, 0), "At most %d messages at once", n)
		}
		if len(a.msgs) >= maxAppends {
			return no("LIMIT", "At most %d messages at once", maxAppends)
		}
		r.SP()
		if r.AtEnd() {
			break // a space at the end
		}
	}
	if err := r.End(); err != nil {
		return err
	}
	res, err := dst.Append(c.Context(), to.ID, a.msgs...)
	if errors.Is(err, storage.NotFound) {
		return no("TRYCREATE", "No such mailbox")
	}
	if err != nil {
		return err
	}
	c.ownMessages(dst.Owner(), to.ID, res.UIDs)
	return c.done(c.appendUID(res))
}

// appendUID is the response code APPENDUID (RFC 4315 §3).
func (c *session) appendUID(res *mail.Appended) string {
	if !c.server.reg.has("UIDPLUS") {
		return ""
	}
	b := append(make([]byte, 0, 64), "APPENDUID "...)
	b = append(wire.AppendUint(b, uint64(res.UIDValidity)), ' ')
	return string(wire.AppendSet(b, fromUIDSet(res.UIDs)))
}

func (a *appending) release() {
	for _, m := range a.msgs {
		m.Release()
	}
}

// message reads one message with what stands before it.
func (a *appending) message(r *wire.Reader) error {
	var flags []imap.Flag
	var date time.Time
	if r.Peek() == '(' {
		flags = r.Flags()
		r.SP()
	}
	if r.Peek() == '"' {
		date = r.DateTime()
		r.SP()
	}
	if r.Err() != nil {
		return r.Err()
	}
	if a.c.server.reg.has("CATENATE") && r.TryWord("CATENATE") {
		spool, err := a.catenate(r)
		if err != nil {
			return err
		}
		return a.prepare(spool, flags, date)
	}
	utf8 := a.c.server.reg.has("UTF8=ACCEPT") && r.TryWord("UTF8") // UTF8 (~{n}…), RFC 6855 §4
	if utf8 {
		r.SP()
		r.Take('(')
	}
	if r.Err() == nil && (!r.IsLiteral() || utf8 && r.Peek() != '~') {
		return bad("Expected a literal")
	}
	limit := a.c.server.cfg.MaxAppend
	lit := r.Literal(limit)
	if r.Err() != nil {
		return r.Err()
	}
	if lit.Binary && !utf8 && !a.c.server.reg.has("BINARY") {
		return bad("literal8 is not taken")
	}
	spool, err := a.c.server.store.Storage().Blobs().Spool(a.c.Context(), limit)
	if err != nil {
		return err
	}
	var watch *nulWatch
	if lit.Binary { // no other may have a NUL
		watch = &nulWatch{w: spool}
		r.Body(lit, watch)
	} else {
		r.Body(lit, spool)
	}
	if utf8 {
		r.Take(')')
	}
	if r.Err() == nil && lit.Size == 0 {
		spool.Release()
		return no("", "A message of no bytes cannot be kept") // which is also how a client calls it off (RFC 3502)
	}
	if r.Err() != nil {
		spool.Release()
		return r.Err()
	}
	if watch != nil && watch.found {
		if spool, err = a.encoded(spool); err != nil {
			return err
		}
	}
	return a.prepare(spool, flags, date)
}

// nulWatch notes whether a NUL goes through it.
type nulWatch struct {
	w     io.Writer
	found bool
}

func (n *nulWatch) Write(p []byte) (int, error) {
	n.found = n.found || bytes.IndexByte(p, 0) >= 0
	return n.w.Write(p)
}

// encoded gives a message with NULs such an encoding that FETCH of BODY, which cannot have any, tells all of it as BODYSTRUCTURE
// describes it (RFC 3516 §4.4, §6). It ends with spool.
func (a *appending) encoded(spool blob.Spool) (out blob.Spool, err error) {
	defer func() {
		if err != nil {
			spool.Release()
		}
	}()
	record, _, err := message.Records(spool, spool.Size())
	if err != nil {
		return nil, err
	}
	x, err := message.OpenIndex(record)
	if err != nil {
		return nil, err
	}
	out, err = a.c.server.store.Storage().Blobs().Spool(a.c.Context(), 2*a.c.server.cfg.MaxAppend)
	if err != nil {
		return nil, err
	}
	changed, err := message.Encode(out, spool, &x)
	if err != nil || !changed {
		out.Release()
		return spool, err
	}
	spool.Release()
	return out, nil
}

// prepare adds the message in a spool.
func (a *appending) prepare(spool blob.Spool, flags []imap.Flag, date time.Time) error {
	p, err := a.c.server.store.Prepare(a.c.Context(), spool)
	if err != nil {
		spool.Release()
		return err
	}
	a.msgs = append(a.msgs, mail.NewMessage{Prepared: p, Flags: flags, Date: date})
	if a.kept += p.Kept(); a.kept > maxAppendKept {
		return no("LIMIT", "The messages are too much at once")
	}
	return nil
}
