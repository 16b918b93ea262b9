package imapd

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"atrium/mail/imapd/wire"
	"atrium/mail/message"
)

// macros of FETCH (RFC 9051 §6.4.5).
var macros = map[string][]string{
	"ALL":  {"FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE"},
	"FAST": {"FLAGS", "INTERNALDATE", "RFC822.SIZE"},
	"FULL": {"FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE", "BODY"},
}

// parseFetch reads what FETCH asks for: items, then modifiers.
func (c *session) parseFetch(r *wire.Reader) *fetchArgs {
	a := &fetchArgs{}
	if c.uid && !c.has(uidOnlyOn) {
		c.addItem(a, r, "UID")
	}
	if r.Peek() == '(' {
		r.List(func() { c.addItem(a, r, r.Item()) })
	} else {
		name := r.Item()
		if list, ok := macros[name]; ok {
			for _, item := range list {
				c.addItem(a, r, item)
			}
		} else {
			c.addItem(a, r, name)
		}
	}
	if len(a.items) == 0 {
		r.Fail("FETCH of nothing")
	}
	if r.Err() == nil && r.Try(' ') && !r.AtEnd() {
		r.List(func() {
			name := r.Keyword()
			mod := c.server.reg.fetchMods[name]
			if mod == nil {
				r.Fail("Unknown FETCH modifier %s", name)
				return
			}
			mod(c, a, r)
		})
	}
	if a.vanished && (!a.changed || !c.uid) {
		r.Fail("VANISHED needs UID FETCH and CHANGEDSINCE") // RFC 7162 §3.2.6
	}
	return a
}

func (c *session) addItem(a *fetchArgs, r *wire.Reader, name string) {
	if r.Err() != nil {
		return
	}
	item := c.server.reg.fetchItems[name]
	if item == nil {
		r.Fail("Unknown FETCH item %s", name)
		return
	}
	item(c, a, r)
}

// rowItems are the items of RFC 3501 that the row alone answers, and those of the index.
var baseItems = map[string]fetchItem{
	"UID": func(c *session, a *fetchArgs, r *wire.Reader) {
		if a.uid {
			return
		}
		a.uid = true
		a.add(func(f *fetch, m *fetched) error {
			f.buf = append(f.buf, "UID "...)
			f.buf = wire.AppendUint(f.buf, uint64(m.UID))
			return nil
		})
	},
	"FLAGS": func(c *session, a *fetchArgs, r *wire.Reader) {
		if a.flags {
			return
		}
		a.flags = true
		a.add(func(f *fetch, m *fetched) error {
			f.appendFlags(m.UID, m.Flags)
			return nil
		})
	},
	"INTERNALDATE": func(c *session, a *fetchArgs, r *wire.Reader) {
		a.add(func(f *fetch, m *fetched) error {
			f.buf = append(f.buf, "INTERNALDATE "...)
			f.buf = wire.AppendUnix(f.buf, m.Date, int(m.Zone)*60)
			return nil
		})
	},
	"RFC822.SIZE": func(c *session, a *fetchArgs, r *wire.Reader) {
		a.add(func(f *fetch, m *fetched) error {
			f.buf = append(f.buf, "RFC822.SIZE "...)
			f.buf = wire.AppendUint(f.buf, uint64(m.Size))
			return nil
		})
	},
	"ENVELOPE": func(c *session, a *fetchArgs, r *wire.Reader) {
		a.index = true
		a.add(func(f *fetch, m *fetched) error {
			f.buf = append(f.buf, "ENVELOPE "...)
			return f.text8(m.index.Envelope())
		})
	},
	"BODYSTRUCTURE": func(c *session, a *fetchArgs, r *wire.Reader) {
		a.index = true
		a.add(func(f *fetch, m *fetched) error {
			f.buf = append(f.buf, "BODYSTRUCTURE "...)
			return f.text8(f.c.structure(m.index.BodyStructure()))
		})
	},
	"BODY": func(c *session, a *fetchArgs, r *wire.Reader) {
		if r.Peek() == '[' {
			readSection(a, r, false)
			return
		}
		a.index = true
		a.add(func(f *fetch, m *fetched) error {
			at := len(f.buf)
			f.buf = m.index.AppendBody(append(f.buf, "BODY "...))
			f.buf = append(f.buf[:at], f.c.structure(f.buf[at:])...)
			return nil
		})
	},
	"BODY.PEEK": func(c *session, a *fetchArgs, r *wire.Reader) { readSection(a, r, true) },
	"RFC822": func(c *session, a *fetchArgs, r *wire.Reader) {
		addSection(a, "RFC822", &message.Section{What: message.All}, nil, false)
	},
	"RFC822.HEADER": func(c *session, a *fetchArgs, r *wire.Reader) {
		addSection(a, "RFC822.HEADER", &message.Section{What: message.Header}, nil, true)
	},
	"RFC822.TEXT": func(c *session, a *fetchArgs, r *wire.Reader) {
		addSection(a, "RFC822.TEXT", &message.Section{What: message.Text}, nil, false)
	},
}

// structure is a body structure as the session may have it: RFC 3501 knows messages in parts as message/rfc822 alone, so that
// message/global, to which RFC 9051 §7.5.2 and RFC 9755 §6 gave the same form, is called that. Both names are
// equally long, for what is in a literal.
func (c *session) structure(text []byte) []byte {
	if c.utf8Names() || !bytes.Contains(text, globalType) {
		return text
	}
	return bytes.ReplaceAll(text, globalType, []byte(`"message" "rfc822"`))
}

var globalType = []byte(`"message" "global"`)

// text8 appends ready-made text, of which there may be much.
func (f *fetch) text8(text []byte) error {
	if len(f.buf)+len(text) > bufSize {
		if err := f.flush(); err != nil {
			return err
		}
		if len(text) > bufSize {
			_, err := f.c.Write(text)
			return err
		}
	}
	f.buf = append(f.buf, text...)
	return nil
}

// cut is the part of a section that <offset.count> asks for.
type cut struct{ off, n int64 }

// readCut reads <offset.count>.
func readCut(r *wire.Reader) *cut {
	if !r.Try('<') {
		return nil
	}
	var x cut
	x.off = int64(r.Number64())
	r.Take('.')
	if x.n = int64(r.Number64()); x.n == 0 {
		r.Fail("A partial FETCH of 0 bytes")
	}
	r.Take('>')
	return &x
}

// sectionWords are the last words of a section.
var sectionWords = map[string]message.What{
	"HEADER": message.Header, "TEXT": message.Text, "MIME": message.MIME,
	"HEADER.FIELDS": message.HeaderFields, "HEADER.FIELDS.NOT": message.HeaderFieldsNot,
}

// maxPath is how deep a part's number may be.
const maxPath = 200

// readPath reads a part's number; word tells that a dot and a word follow.
func readPath(r *wire.Reader) (path []uint32, word bool) {
	for c := r.Peek(); c >= '0' && c <= '9'; c = r.Peek() {
		path = append(path, r.NZNumber())
		if len(path) > maxPath {
			r.Limit("A part's number is too long")
		}
		if !r.Try('.') {
			return path, false
		}
	}
	return path, true
}

// readSection reads BODY[…]<…> from its bracket on.
func readSection(a *fetchArgs, r *wire.Reader, peek bool) {
	r.Take('[')
	var s message.Section
	path, word := readPath(r)
	s.Path = path
	if word && (r.Peek() != ']' || len(path) > 0) {
		name := r.Item()
		what, ok := sectionWords[name]
		if !ok || what == message.MIME && len(path) == 0 {
			r.Fail("Unknown section %s", name)
			return
		}
		if s.What = what; what == message.HeaderFields || what == message.HeaderFieldsNot {
			r.SP()
			r.List(func() { s.Fields = append(s.Fields, r.AString()) })
			if len(s.Fields) == 0 {
				r.Fail("A list of no fields")
			}
		}
	}
	r.Take(']')
	x := readCut(r)
	if r.Err() == nil {
		addSection(a, "BODY"+sectionName(&s), &s, x, peek)
	}
}

// sectionName writes a section with its brackets, the fields as the client wrote them.
func sectionName(s *message.Section) string {
	var b strings.Builder
	b.WriteByte('[')
	for i, n := range s.Path {
		if i > 0 {
			b.WriteByte('.')
		}
		fmt.Fprint(&b, n)
	}
	for name, what := range sectionWords {
		if what == s.What {
			if len(s.Path) > 0 {
				b.WriteByte('.')
			}
			b.WriteString(name)
		}
	}
	if len(s.Fields) > 0 {
		list := make([]byte, 0, 64)
		for i, field := range s.Fields {
			if i > 0 {
				list = append(list, ' ')
			}
			list = wire.AppendAString(list, field, false)
		}
		b.WriteString(" (" + string(list) + ")")
	}
	b.WriteByte(']')
	return b.String()
}

// addSection adds an item for a section's bytes.
func addSection(a *fetchArgs, name string, s *message.Section, x *cut, peek bool) {
	a.index = true
	a.seen = a.seen || !peek
	if x != nil {
		name += fmt.Sprintf("<%d>", x.off)
	}
	name += " "
	var content message.Content // its memory serves one message after another
	a.add(func(f *fetch, m *fetched) error {
		f.buf = append(f.buf, name...)
		ok, err := m.index.ContentInto(&content, f, s)
		if err != nil {
			return err
		}
		if !ok {
			f.buf = append(f.buf, "NIL"...)
			return nil
		}
		if x != nil {
			content.Cut(x.off, x.n)
		}
		if size := content.Size(); size > streamed || len(f.buf)+int(size) > bufSize-64 {
			return f.literal(size, &content, noNUL{f.c})
		}
		f.buf = wire.AppendLiteralHead(f.buf, content.Size())
		before := len(f.buf)
		buf, err := content.Append(f.buf)
		if err != nil || int64(len(buf)-before) != content.Size() {
			f.c.Log().Error("message unreadable", "uid", m.UID, "error", err)
			f.c.Close() // a literal cannot be taken back
			return fmt.Errorf("UID %d: %w", m.UID, err)
		}
		f.buf = buf
		withoutNUL(f.buf[before:])
		return nil
	})
}

// No literal but BINARY's may have a NUL (RFC 9051 §4.3), though mail that is broken has them. Its place is taken
// by an octet that is no character in any encoding, as other servers do, so that sizes stay.
const forNUL = 0x80

func withoutNUL(b []byte) {
	for {
		i := bytes.IndexByte(b, 0)
		if i < 0 {
			return
		}
		b[i] = forNUL
		b = b[i+1:]
	}
}

// noNUL writes what is without NULs.
type noNUL struct{ w io.Writer }

func (o noNUL) Write(p []byte) (int, error) {
	if bytes.IndexByte(p, 0) >= 0 {
		p = bytes.Clone(p)
		withoutNUL(p)
	}
	return o.w.Write(p)
}
