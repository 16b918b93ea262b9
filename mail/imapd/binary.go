package imapd

import (
	"errors"
	"fmt"
	"io"

	"atrium/mail/imapd/wire"
	"atrium/mail/message"
)

// binary gives parts without their transfer encoding, and lets APPEND take literal8.
var binary = extension{
	name: "BINARY", rfc: "RFC 3516", what: "Parts without their transfer encoding",
	fetchItems: map[string]fetchItem{
		"BINARY":      func(_ *session, a *fetchArgs, r *wire.Reader) { readBinary(a, r, false) },
		"BINARY.PEEK": func(_ *session, a *fetchArgs, r *wire.Reader) { readBinary(a, r, true) },
		"BINARY.SIZE": func(_ *session, a *fetchArgs, r *wire.Reader) {
			path := readBinaryPath(r)
			a.index = true
			a.add(func(f *fetch, m *fetched) error {
				n, ok, err := m.index.BinarySize(f, path)
				if err != nil && !errors.Is(err, message.UnknownEncoding) {
					return err
				}
				if err != nil || !ok {
					f.unknown = f.unknown || err != nil
					n = 0
				}
				f.buf = fmt.Appendf(f.buf, "BINARY.SIZE%s %d", sectionName(&message.Section{Path: path}), n)
				return nil
			})
		},
	},
}

func readBinaryPath(r *wire.Reader) []uint32 {
	r.Take('[')
	path, word := readPath(r)
	if word && len(path) > 0 {
		r.Fail("A part's number ends in a dot")
	}
	r.Take(']')
	return path
}

// readBinary reads BINARY[1.2]<…> from its bracket on.
func readBinary(a *fetchArgs, r *wire.Reader, peek bool) {
	path := readBinaryPath(r)
	x := readCut(r)
	name := "BINARY" + sectionName(&message.Section{Path: path})
	if x != nil {
		name += fmt.Sprintf("<%d>", x.off)
	}
	a.index = true
	a.seen = a.seen || !peek
	a.add(func(f *fetch, m *fetched) error {
		f.buf = append(append(f.buf, name...), ' ')
		size, ok, err := m.index.BinarySize(f, path)
		if errors.Is(err, message.UnknownEncoding) {
			f.unknown, ok, err = true, false, nil
		}
		if err != nil {
			return err
		}
		if !ok {
			f.buf = append(f.buf, "NIL"...)
			return nil
		}
		body, _, err := m.index.Binary(f, path)
		if err != nil {
			return err
		}
		if x != nil {
			off := min(x.off, size)
			if _, err := io.CopyN(io.Discard, body, off); err != nil {
				return err
			}
			size = min(size-off, x.n)
		}
		f.buf = append(f.buf, '~') // it may have NULs
		return f.literal(size, onlyN{body, size}, f.c)
	})
}

// onlyN writes n bytes of a reader.
type onlyN struct {
	r io.Reader
	n int64
}

func (o onlyN) WriteTo(w io.Writer) (int64, error) { return io.CopyN(w, o.r, o.n) }
