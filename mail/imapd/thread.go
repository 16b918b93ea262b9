package imapd

import (
	"context"

	"github.com/emersion/go-imap/v2"

	"atrium/mail"
	"atrium/mail/imapd/wire"
)

var threading = extension{
	name: "THREAD", rfc: "RFC 5256", what: "Messages and the answers to them: ORDEREDSUBJECT, REFERENCES, REFS",
	caps: func(*session) []imap.Cap {
		return []imap.Cap{"THREAD=ORDEREDSUBJECT", "THREAD=REFERENCES", "THREAD=REFS"}
	},
	commands: []command{
		{"THREAD", selected, uses, (*session).thread},
		{"UID THREAD", selected, breaks, (*session).thread},
	},
}

var threadAlgorithms = map[string]mail.ThreadAlgorithm{
	"ORDEREDSUBJECT": mail.OrderedSubject, "REFERENCES": mail.References, "REFS": mail.Refs,
}

// thread handles THREAD and UID THREAD (RFC 5256 §3).
func (c *session) thread(r *wire.Reader) error {
	r.SP()
	name := r.Keyword()
	by, ok := threadAlgorithms[name]
	if !ok && r.Err() == nil {
		r.Fail("Unknown threading algorithm %s", name)
	}
	r.SP()
	a := &searchArgs{c: c}
	p := &searchParser{c: c, args: a}
	p.useCharset(r.AString())
	r.SP()
	a.criteria = p.keys(r)
	if err := r.End(); err != nil {
		return err
	}
	if err := a.check(p); err != nil {
		return err
	}
	if err := a.begin(); err != nil {
		return err
	}
	positions, err := a.positions()
	if err != nil {
		return err
	}
	var threads []*mail.Thread
	err = c.long(len(positions), func(ctx context.Context) (err error) {
		threads, err = c.view.account.Threads(ctx, c.view.cur, positions, by)
		return err
	})
	if err != nil {
		return c.view.lost(err)
	}
	buf := c.server.buffer()
	defer c.server.release(buf)
	w := threadWriter{c: c, b: append((*buf)[:0], "* THREAD"...)}
	if len(threads) > 0 {
		w.b = append(w.b, ' ')
	}
	for _, t := range threads {
		w.write(t)
	}
	c.Write(append(w.b, '\r', '\n'))
	return c.done("")
}

// threadWriter writes threads (RFC 5256 §4).
type threadWriter struct {
	c *session
	b []byte
}

// write writes a thread in its parentheses: a line of answers without them, more than one
// answer to a message each in its own.
func (w *threadWriter) write(t *mail.Thread) {
	w.b = append(w.b, '(')
	for space := false; ; t = t.Children[0] {
		if t.Pos >= 0 {
			if space {
				w.b = append(w.b, ' ')
			}
			m := w.c.view.cur.At(t.Pos)
			n := uint32(m.UID)
			if !w.c.uid {
				n = w.c.view.seq(t.Pos, m.UID)
			}
			w.b = wire.AppendUint(w.b, uint64(n))
			space = true
		}
		if len(w.b) > bufSize-64 {
			w.c.Write(w.b)
			w.b = w.b[:0]
		}
		if len(t.Children) == 1 {
			continue
		}
		if space && len(t.Children) > 0 {
			w.b = append(w.b, ' ')
		}
		for _, child := range t.Children {
			w.write(child)
		}
		break
	}
	w.b = append(w.b, ')')
}
