package imapd

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"

	"github.com/emersion/go-imap/v2"

	"atrium/mail"
	"atrium/mail/imapd/wire"
	"atrium/mail/message"
	"atrium/storage"
	"atrium/storage/blob"
)

// bufSize is the size of the buffers that FETCH fills; what is longer than a
// quarter of it is streamed.
const (
	bufSize  = 64 << 10
	streamed = bufSize / 4
)

func (s *Server) buffer() *[]byte { return s.bufs.Get().(*[]byte) }

func (s *Server) release(b *[]byte) {
	if cap(*b) == bufSize {
		*b = (*b)[:0]
		s.bufs.Put(b)
	}
}

// fetchArgs is what a FETCH asks for.
type fetchArgs struct {
	items    []fetchWriter
	uid      bool // UID is among them
	flags    bool // FLAGS
	modseq   bool // MODSEQ
	index    bool // some item needs the message's index record
	seen     bool // some item sets \Seen
	since    uint64
	changed  bool    // only messages changed after since (RFC 7162 §3.1.4)
	window   *window // only those (RFC 9394)
	vanished bool    // and tell those that went (RFC 7162 §3.2.6)
}

func (a *fetchArgs) add(w fetchWriter) { a.items = append(a.items, w) }

// fetchWriter appends one item, name and value, to f.buf. An error ends the session: half
// an answer is out.
type fetchWriter func(f *fetch, m *fetched) error

// fetched is the message whose answer is being written.
type fetched struct {
	mail.Message
	seq   uint32
	index message.Index
	body  blob.Body // opened by the first item that needs it
}

// fetch writes FETCH answers.
type fetch struct {
	c       *session
	v       *view
	args    *fetchArgs
	lent    *[]byte
	buf     []byte
	texts   map[mail.Flags][]byte // flags as they are written, with a space after each
	last    mail.Flags
	text    []byte // of last
	m       fetched
	unknown bool       // a part's transfer encoding could not be undone (RFC 3516 §4.3)
	told    []imap.UID // of the view's changed, those that the answers tell
}

func (c *session) newFetch(a *fetchArgs) *fetch {
	f := &fetch{c: c, v: c.view, args: a, lent: c.server.buffer(), last: ^mail.Flags(0)}
	f.buf = (*f.lent)[:0]
	return f
}

// end sends what is left and gives the buffer back.
func (f *fetch) end() error {
	f.closeBody()
	f.v.changed = without(f.v.changed, f.told)
	_, err := f.c.Write(f.buf)
	f.c.server.release(f.lent)
	f.buf = nil
	return err
}

func (f *fetch) flush() error {
	_, err := f.c.Write(f.buf)
	f.buf = f.buf[:0]
	return err
}

// open begins an answer.
func (f *fetch) open(seq uint32) {
	f.buf = append(f.buf, '*', ' ')
	f.buf = wire.AppendUint(f.buf, uint64(seq))
	if f.c.has(uidOnlyOn) {
		f.buf = append(f.buf, " UIDFETCH ("...)
		return
	}
	f.buf = append(f.buf, " FETCH ("...)
}

// close ends it, and sends the buffer when it is full.
func (f *fetch) close() error {
	f.buf = append(f.buf, ')', '\r', '\n')
	if len(f.buf) > bufSize-bufSize/8 {
		return f.flush()
	}
	return nil
}

// flagsText returns the flags as they are written, without parentheses.
func (f *fetch) flagsText(flags mail.Flags) []byte {
	if flags == f.last {
		return f.text
	}
	t, ok := f.texts[flags]
	if !ok {
		for i, name := range f.v.box.Keywords.Names(nil, flags) {
			if i > 0 {
				t = append(t, ' ')
			}
			t = append(t, name...)
		}
		if f.texts == nil {
			f.texts = map[mail.Flags][]byte{}
		}
		if len(f.texts) < 4096 {
			f.texts[flags] = t
		}
	}
	f.last, f.text = flags, t
	return t
}

// appendFlags appends FLAGS (…).
func (f *fetch) appendFlags(uid imap.UID, flags mail.Flags) {
	f.buf = append(f.buf, "FLAGS ("...)
	text := f.flagsText(flags)
	f.buf = append(f.buf, text...)
	if len(f.v.recent) > 0 && !f.c.has(rev2On) && f.v.recent.Has(uint32(uid)) {
		if len(text) > 0 {
			f.buf = append(f.buf, ' ')
		}
		f.buf = append(f.buf, `\Recent`...)
	}
	f.buf = append(f.buf, ')')
}

// flagsChanged writes an answer that was not asked for. Without flags it has
// the mod-sequence alone.
func (f *fetch) flagsChanged(pos int, m mail.Message, flags bool) error {
	f.open(f.v.seq(pos, m.UID))
	if !f.c.has(uidOnlyOn) && (f.c.uid || f.c.notify != nil || f.c.has(condstoreOn|rev2On)) { // RFC 7162 §3.2.4, RFC 9051 §7.5.2, RFC 5465 §5.1
		f.buf = append(f.buf, "UID "...)
		f.buf = wire.AppendUint(f.buf, uint64(m.UID))
		f.buf = append(f.buf, ' ')
	}
	if flags {
		f.appendFlags(m.UID, m.Flags)
	}
	if f.c.has(condstoreOn) || !flags {
		if flags {
			f.buf = append(f.buf, ' ')
		}
		f.appendModseq(m.Modseq)
	}
	return f.close()
}

func (f *fetch) appendModseq(n uint64) {
	f.buf = append(f.buf, "MODSEQ ("...)
	f.buf = wire.AppendUint(f.buf, n)
	f.buf = append(f.buf, ')')
}

// write writes the answer for the message in f.m.
func (f *fetch) write() error {
	f.open(f.m.seq)
	for i, w := range f.args.items {
		if i > 0 {
			f.buf = append(f.buf, ' ')
		}
		if err := w(f, &f.m); err != nil {
			return err
		}
	}
	if len(f.v.changed) > 0 {
		f.tell()
	}
	f.closeBody()
	return f.close()
}

// tell adds the flags to an answer when they are news.
func (f *fetch) tell() {
	m := &f.m
	if _, news := slices.BinarySearch(f.v.changed, m.UID); !news {
		return
	}
	if !f.args.flags {
		f.buf = append(f.buf, ' ')
		f.appendFlags(m.UID, m.Flags)
	}
	if f.c.has(condstoreOn) && !f.args.modseq {
		f.buf = append(f.buf, ' ')
		f.appendModseq(m.Modseq)
	}
	if f.c.has(condstoreOn) && !f.args.uid && !f.c.has(uidOnlyOn) { // RFC 7162 §3.2.4
		f.buf = append(f.buf, " UID "...)
		f.buf = wire.AppendUint(f.buf, uint64(m.UID))
	}
	f.told = append(f.told, m.UID)
}

// rows writes messages of which nothing but the row is needed.
func (f *fetch) rows(spans []span) error {
	for _, s := range spans {
		for pos, m := range f.v.cur.Messages(s.from, s.to) {
			if f.args.changed && m.Modseq <= f.args.since {
				continue
			}
			f.m.Message, f.m.seq = m, f.v.seq(pos, m.UID)
			if err := f.write(); err != nil {
				return err
			}
		}
	}
	return nil
}

// flagRows is rows for UID and FLAGS in that order and nothing else, by far the most frequent
// question about many messages.
func (f *fetch) flagRows(spans []span) error {
	for _, s := range spans {
		pos := s.from
		for uid, flags := range f.v.cur.Flags(s.from, s.to) {
			f.open(f.v.seq(pos, uid))
			pos++
			f.buf = append(f.buf, "UID "...)
			f.buf = wire.AppendUint(f.buf, uint64(uid))
			f.buf = append(f.buf, ' ')
			f.appendFlags(uid, flags)
			if err := f.close(); err != nil {
				return err
			}
		}
	}
	return nil
}

// indexed writes messages with their index records.
func (f *fetch) indexed(spans []span) error {
	for x, err := range f.v.account.Indexes(f.c.Context(), f.v.box.ID, f.messages(spans)) {
		if err != nil {
			return err
		}
		f.m.Message, f.m.index, f.m.seq = x.Message, x.Index, f.v.seq(x.Pos, x.UID)
		if err := f.write(); err != nil {
			return err
		}
	}
	return nil
}

func (f *fetch) messages(spans []span) iter.Seq2[int, mail.Message] {
	return func(yield func(int, mail.Message) bool) {
		for _, s := range spans {
			for pos, m := range f.v.cur.Messages(s.from, s.to) {
				if f.args.changed && m.Modseq <= f.args.since {
					continue
				}
				if !yield(pos, m) {
					return
				}
			}
		}
	}
}

// body opens the message's bytes.
func (f *fetch) body(m *fetched) (blob.Body, error) {
	if m.body == nil {
		b, err := f.v.account.Body(f.c.Context(), f.v.box.ID, m.Message)
		if err != nil {
			return nil, fmt.Errorf("body of UID %d: %w", m.UID, err)
		}
		m.body = b
	}
	return m.body, nil
}

func (f *fetch) closeBody() {
	if f.m.body != nil {
		f.m.body.Close()
		f.m.body = nil
	}
}

// ReadAt makes a fetched message's bytes a reader that opens them when they are needed.
func (f *fetch) ReadAt(p []byte, off int64) (int, error) {
	b, err := f.body(&f.m)
	if err != nil {
		return 0, err
	}
	return b.ReadAt(p, off)
}

// literal writes the bytes of size that w gives as a literal, to out, which writes to the connection.
func (f *fetch) literal(size int64, w io.WriterTo, out io.Writer) error {
	f.buf = wire.AppendLiteralHead(f.buf, size)
	if size == 0 {
		return nil
	}
	if err := f.flush(); err != nil {
		return err
	}
	n, err := w.WriteTo(out)
	if err == nil && n != size {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		f.c.Log().Error("message unreadable", "uid", f.m.UID, "error", err)
		f.c.Close() // a literal cannot be taken back
	}
	return err
}

// fetch handles FETCH and UID FETCH.
//
// RFC 9051 §6.4.5; CHANGEDSINCE: RFC 7162 §3.1.4; VANISHED: §3.2.6.
func (c *session) fetch(r *wire.Reader) error {
	r.SP()
	set := c.readSet(r)
	r.SP()
	args := c.parseFetch(r)
	if err := r.End(); err != nil {
		return err
	}
	if err := c.begin(); err != nil {
		return err
	}
	spans, missing, err := c.view.resolve(set)
	if err != nil {
		return err
	}
	if n := c.messageLimit(); args.window != nil && n > 0 && args.window.size() > n {
		return no(limitCode(n, 0), "Too many messages")
	}
	if args.window != nil {
		spans = args.window.cut(spans)
	}
	if args.vanished {
		if err := c.earlier(set.set.Resolve(uint32(c.view.box.UIDNext)-1), args.since); err != nil {
			return err
		}
	}
	if args.changed {
		spans = c.view.narrow(spans, args.since)
	}
	spans, limited := c.view.limitFetch(spans, args)
	f := c.newFetch(args)
	if args.seen {
		spans, err = f.markSeen(spans)
	}
	if limited != "" {
		spans = descending(spans)
	}
	gone := 0
	if err == nil && missing && limited == "" && args.uidAlone() {
		gone, err = f.gone(set)
	}
	if err == nil {
		err = f.run(spans)
	}
	if ended := f.end(); err == nil {
		err = ended
	}
	if err != nil {
		return err
	}
	switch {
	case f.unknown:
		return no("UNKNOWN-CTE", "A transfer encoding is not known")
	case missing && len(spans) == 0 && gone == 0:
		return errIssued()
	case missing:
		return c.finish("EXPUNGEISSUED", limited)
	}
	return c.finish("", limited)
}

func (f *fetch) run(spans []span) error {
	a := f.args
	switch {
	case a.index:
		return f.indexed(spans)
	case a.flags && a.uid && len(a.items) == 2 && !a.changed:
		return f.flagRows(spans)
	}
	return f.rows(spans)
}

// uidAlone tells that nothing but UIDs is asked for, of all messages.
func (a *fetchArgs) uidAlone() bool {
	return a.uid && len(a.items) == 1 && !a.changed && a.window == nil
}

// gone tells the UIDs of those in a set that went and whose EXPUNGE was not told: the view knows them still
// (RFC 2180 §4.1.1). It returns their number.
func (f *fetch) gone(set numSet) (n int, err error) {
	v := f.v
	numbers := set.set.Resolve(uint32(v.count()))
	for i, seq := range v.goneSeq {
		if !numbers.Has(seq) {
			continue
		}
		n++
		f.open(seq)
		f.buf = append(f.buf, "UID "...)
		f.buf = wire.AppendUint(f.buf, uint64(v.gone[i]))
		if err := f.close(); err != nil {
			return n, err
		}
	}
	return n, nil
}

// narrow leaves of spans what changed after since, when the log tells it cheaply.
func (v *view) narrow(spans []span, since uint64) []span {
	if since < v.box.Floor || v.cur.Len() < 1000 {
		return spans
	}
	ch, err := v.account.Changes(v.c.Context(), v.box.ID, since, v.cur.Len()/4)
	if err != nil || ch.More {
		return spans // every row tells its modseq, too
	}
	var out []span
	i := 0
	for _, uid := range ch.Changed {
		pos, ok := v.cur.Find(uid)
		for i < len(spans) && spans[i].to <= pos {
			i++
		}
		if ok && i < len(spans) && spans[i].from <= pos {
			out = append(out, span{pos, pos + 1})
		}
	}
	return out
}

// markSeen sets \Seen on the messages that are about to be read, and notes that their answers are to carry
// the flags. It returns their positions anew.
func (f *fetch) markSeen(spans []span) ([]span, error) {
	v := f.v
	if system, _, _ := v.box.PermanentFlags(); v.readOnly || system&mail.Seen == 0 {
		return spans, nil
	}
	var unseen wire.Set
	for _, m := range f.messages(spans) {
		if m.Flags&mail.Seen == 0 {
			unseen.Add(uint32(m.UID))
		}
	}
	if len(unseen) == 0 {
		return spans, nil
	}
	all := fromUIDSet(v.uids(spans))
	_, err := v.account.SetFlags(f.c.Context(), v.box.ID, uidSet(unseen), mail.FlagChange{Op: mail.AddFlags, Flags: []imap.Flag{imap.FlagSeen}})
	if err != nil && !errors.Is(err, storage.Forbidden) {
		return nil, v.lost(err)
	}
	if err := v.sync(false); err != nil {
		return nil, err
	}
	if err := v.need(); err != nil {
		return nil, err
	}
	return v.resolveUIDs(all), nil
}
