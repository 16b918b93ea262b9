package verify

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"atrium/mail/message"
)

// Bounds of what is looked at in a header.
const (
	maxHeader = 1 << 20 // bytes; what is longer has no outcome but permerror
	maxFields = 4000
	maxNames  = 200 // that one signature may list
	maxTags   = 50  // of a signature or key record
)

// field is one header field.
type field struct {
	name  string // lower case
	raw   []byte // with its CR LF
	value []byte // behind the colon, with its folds and CR LF
}

// header is a message's header in the order of the message.
type header struct {
	fields []field
	named  map[string][]int // positions by name, ascending
	length int64            // bytes, with the empty line
}

// readHeader reads the header of a message that begins at from.
func readHeader(r io.ReaderAt, from, size int64) (*header, error) {
	buf := make([]byte, 0, 16<<10)
	end := -1
	for end < 0 {
		if len(buf) >= maxHeader {
			return nil, errHeader
		}
		n := int(min(int64(max(len(buf), 16<<10)), size-from-int64(len(buf))))
		if n == 0 {
			end = len(buf)
			break
		}
		start := len(buf)
		buf = append(buf, make([]byte, n)...)
		if _, err := r.ReadAt(buf[start:], from+int64(start)); err != nil && err != io.EOF {
			return nil, fmt.Errorf("header: %w", err)
		}
		end = endOfHeader(buf, max(start-3, 0))
	}
	h := &header{named: map[string][]int{}, length: int64(end)}
	rest := buf[:end]
	for {
		f, next, ok := message.NextField(rest)
		if !ok {
			break
		}
		rest = next
		if f.Name == nil {
			continue
		}
		if len(h.fields) == maxFields {
			return nil, errHeader
		}
		name := strings.ToLower(string(bytes.TrimRight(f.Name, " \t")))
		value := f.Raw
		if i := bytes.IndexByte(f.Raw, ':'); i >= 0 {
			value = f.Raw[i+1:]
		}
		h.named[name] = append(h.named[name], len(h.fields))
		h.fields = append(h.fields, field{name, f.Raw, value})
	}
	return h, nil
}

// endOfHeader returns the length of the header with its empty line, -1 when it is not there.
func endOfHeader(b []byte, from int) int {
	if bytes.HasPrefix(b, []byte("\r\n")) {
		return 2
	}
	if k := bytes.Index(b[from:], []byte("\r\n\r\n")); k >= 0 {
		return from + k + 4
	}
	return -1
}

// all returns the fields of a name in the order of the message.
func (h *header) all(name string) []field {
	out := make([]field, 0, len(h.named[name]))
	for _, i := range h.named[name] {
		out = append(out, h.fields[i])
	}
	return out
}

// relaxed appends a field in relaxed canonicalization, RFC 6376 §3.4.2, without CR LF.
func relaxed(dst []byte, f *field, value []byte) []byte {
	dst = append(append(dst, f.name...), ':')
	space, any := false, false
	for _, c := range value {
		if c == ' ' || c == '\t' || c == '\r' || c == '\n' {
			space = true
			continue
		}
		if space && any {
			dst = append(dst, ' ')
		}
		space, any = false, true
		dst = append(dst, c)
	}
	return dst
}
