package message

import "io"

// decoded reads the body of a part with its transfer encoding undone.
type decoded struct {
	src      io.ReaderAt
	at, end  int64
	transfer transfer
	in, out  []byte
	pos      int
	err      error
}

const decodeStep = 16 << 10

// Read implements io.Reader.
func (d *decoded) Read(p []byte) (int, error) {
	for d.pos == len(d.out) {
		if d.err != nil {
			return 0, d.err
		}
		d.more()
	}
	n := copy(p, d.out[d.pos:])
	d.pos += n
	return n, nil
}

func (d *decoded) more() {
	d.pos = 0
	if d.at == d.end {
		d.out, d.err = d.transfer.flush(d.out[:0]), io.EOF
		return
	}
	if d.in == nil {
		d.in = make([]byte, min(decodeStep, d.end-d.at))
	}
	b := d.in[:min(int64(len(d.in)), d.end-d.at)]
	if n, err := d.src.ReadAt(b, d.at); n < len(b) {
		if err == nil || err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		d.out, d.err = d.out[:0], err
		return
	}
	d.at += int64(len(b))
	if d.transfer.enc == Identity {
		d.out = b
		return
	}
	d.out = d.transfer.decode(d.out[:0], b)
}

func newDecoded(r io.ReaderAt, from, to int64, enc Encoding) *decoded {
	d := &decoded{src: r, at: from, end: to}
	d.transfer.reset(enc)
	return d
}

// Readable tells whether the part's transfer encoding is known.
func (p *Part) Readable() bool { return encodingOf(p.Encoding) != Unknown }

// Reader returns the part's body, its transfer encoding undone; of an unknown encoding, as it is stored.
func (p *Part) Reader(r io.ReaderAt) io.Reader {
	enc := encodingOf(p.Encoding)
	if enc == Unknown || p.Kind() == Multipart || p.Kind() == Embedded {
		enc = Identity
	}
	return newDecoded(r, p.Body, p.End, enc)
}

// Binary returns the body of a part with its transfer encoding undone (RFC 3516 §4); of the
// message itself it is the stored octets. ok is false when there is no such part, the
// error is UnknownEncoding when it cannot be undone.
func (x *Index) Binary(r io.ReaderAt, path []uint32) (body io.Reader, ok bool, err error) {
	if len(path) == 0 {
		return io.NewSectionReader(r, 0, x.size), true, nil
	}
	p, ok := x.Part(path)
	if !ok {
		return nil, false, nil
	}
	enc := p.Encoding
	if p.Kind == Multipart || p.Kind == Embedded {
		enc = Identity
	}
	if enc == Unknown {
		return nil, true, UnknownEncoding
	}
	return newDecoded(r, p.Body, p.End, enc), true, nil
}

// BinarySize counts what Binary reads, in octets (RFC 3516 §4.2, BINARY.SIZE).
func (x *Index) BinarySize(r io.ReaderAt, path []uint32) (n int64, ok bool, err error) {
	if len(path) == 0 {
		return x.size, true, nil
	}
	p, ok := x.Part(path)
	if ok && (p.Encoding == Identity || p.Kind == Multipart || p.Kind == Embedded) {
		return p.End - p.Body, true, nil
	}
	body, ok, err := x.Binary(r, path)
	if !ok || err != nil {
		return 0, ok, err
	}
	n, err = io.Copy(io.Discard, body)
	return n, true, err
}
