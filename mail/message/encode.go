package message

import (
	"bytes"
	"encoding/base64"
	"io"
	"strings"
)

// Encode writes the message in r, whose index record is x, so that it can be told without NULs: the parts that say they
// are binary and have one are written in base64 (RFC 3516 §4.4, §6), all other octets as they are. changed
// tells whether there are such parts; when there are none, nothing is written. The error is w's or r's.
func Encode(w io.Writer, r io.ReaderAt, x *Index) (changed bool, err error) {
	d := downgrader{w: w, r: r}
	at := int64(0)
	for p := range x.Parts() {
		if p.Header < at || p.Encoding != Identity || p.Kind == Multipart || p.Kind == Embedded {
			continue
		}
		header, from, to, err := d.binaryField(p)
		if err != nil {
			return changed, err
		}
		if header == nil {
			continue
		}
		if has, err := d.hasNUL(p.Body, p.End); err != nil || !has {
			if err != nil {
				return changed, err
			}
			continue
		}
		changed = true
		if err := d.copy(at, p.Header); err != nil {
			return changed, err
		}
		for _, part := range [][]byte{header[:from], []byte(encodingField + ": base64\r\n"), header[to:]} {
			if _, err := w.Write(part); err != nil {
				return changed, err
			}
		}
		if err := d.base64(p.Body, p.End); err != nil {
			return changed, err
		}
		at = p.End
	}
	if !changed {
		return false, nil
	}
	return true, d.copy(at, x.Size())
}

const (
	encodingField = "Content-Transfer-Encoding"
	// maxEncodeHeader is the longest header that is looked at.
	maxEncodeHeader = 256 << 10
	// encodeLine is how many octets make a line of base64, of 76 letters (RFC 2045 §6.8).
	encodeLine = 57
)

// binaryField returns the header of a part that says it is binary, and where in it that field stands; nil of others.
func (d *downgrader) binaryField(p PartInfo) (header []byte, from, to int, err error) {
	size := p.Body - p.Header
	if size > maxEncodeHeader {
		return nil, 0, 0, nil
	}
	header = make([]byte, size)
	if _, err := io.ReadFull(io.NewSectionReader(d.r, p.Header, size), header); err != nil {
		return nil, 0, 0, err
	}
	for at := 0; at < len(header); {
		end := at + fieldLength(header[at:])
		name, value := cutField(header[at:end])
		if strings.EqualFold(string(name), encodingField) {
			if strings.EqualFold(string(bytes.TrimSpace(value)), "binary") {
				return header, at, end, nil
			}
			return nil, 0, 0, nil // the first one counts
		}
		at = end
	}
	return nil, 0, 0, nil
}

// fieldLength is how long the field is that header begins with, with its line ends.
func fieldLength(header []byte) int {
	for n := 0; ; {
		i := bytes.IndexByte(header[n:], '\n')
		if i < 0 {
			return len(header)
		}
		if n += i + 1; n == len(header) || !isFold(header[n:]) {
			return n
		}
	}
}

func (d *downgrader) hasNUL(from, to int64) (bool, error) {
	buf := make([]byte, downgradeChunk)
	for r := io.NewSectionReader(d.r, from, to-from); ; {
		n, err := r.Read(buf)
		if bytes.IndexByte(buf[:n], 0) >= 0 {
			return true, nil
		}
		if err == io.EOF {
			return false, nil
		}
		if err != nil {
			return false, err
		}
	}
}

// base64 writes the octets between two offsets in lines of base64, the last one without its end.
func (d *downgrader) base64(from, to int64) error {
	in, out := make([]byte, 400*encodeLine), make([]byte, 0, 400*80)
	r := io.NewSectionReader(d.r, from, to-from)
	for first := true; ; first = false {
		n, err := io.ReadFull(r, in)
		out = out[:0]
		for at := 0; at < n; at += encodeLine {
			if !first || at > 0 {
				out = append(out, '\r', '\n')
			}
			out = base64.StdEncoding.AppendEncode(out, in[at:min(n, at+encodeLine)])
		}
		if _, err := d.w.Write(out); err != nil {
			return err
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
