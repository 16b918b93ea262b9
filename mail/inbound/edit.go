package inbound

import (
	"context"
	"errors"
	"io"
	"strings"

	"atrium/mail/delivery"
	"atrium/mail/message"
)

// edit changes one field of a message's header.
type edit struct {
	name  string
	index int    // which of the fields of that name, from 1; 0: the first
	field []byte // what it becomes, whole; nil: it goes
}

// maxEdited bounds a header that is changed, in bytes.
const maxEdited = 1 << 20

// rewrite makes changes to a message's header, behind our own lines. Where a field is not there that
// is to be changed, it is put at the end of the header, as milters expect it.
func rewrite(ctx context.Context, m *delivery.Message, edits []edit) error {
	if len(edits) == 0 {
		return nil
	}
	header := make([]byte, min(m.Size()-m.Start(), maxEdited))
	if n, err := m.ReadAt(header, m.Start()); err != nil && !errors.Is(err, io.EOF) {
		return err
	} else {
		header = header[:n]
	}
	fields, size := fieldsOf(header)
	if size == maxEdited {
		return nil // the header has no end within the bound
	}
	for _, e := range edits {
		fields = e.apply(fields)
	}
	out := make([]byte, 0, size+256)
	for _, f := range fields {
		out = append(out, f.raw...)
	}
	return m.Rewrite(ctx, out, int64(size))
}

// headField is a field with its name.
type headField struct {
	name string
	raw  []byte
}

// fieldsOf cuts a header into fields; size is its length without the empty line.
func fieldsOf(header []byte) (fields []headField, size int) {
	rest := header
	for {
		f, next, ok := message.NextField(rest)
		if !ok {
			return fields, len(header) - len(rest)
		}
		fields = append(fields, headField{strings.TrimRight(string(f.Name), " \t"), f.Raw})
		rest = next
	}
}

func (e *edit) apply(fields []headField) []headField {
	seen := 0
	for i := range fields {
		if !strings.EqualFold(fields[i].name, e.name) {
			continue
		}
		// A field that went stays as an empty place: later changes of the same milter count with it.
		if seen++; seen == max(e.index, 1) {
			fields[i].raw = e.field
			return fields
		}
	}
	if e.field != nil {
		fields = append(fields, headField{e.name, e.field})
	}
	return fields
}
