package imapd

import (
	"github.com/emersion/go-imap/v2"

	"atrium/mail"
	"atrium/mail/imapd/wire"
)

// uidBatches is UIDBATCHES: ranges of UIDs that cut a mailbox into batches of one size, so that a client
// that knows no message numbers can still take a mailbox piece by piece.
var uidBatches = extension{
	name: "UIDBATCHES", rfc: "RFC 10022", what: "Ranges of UIDs that cut a mailbox into batches of one size",
	commands: []command{{"UIDBATCHES", selected, breaks, (*session).uidBatches}},
}

// Bounds of RFC 10022 §3.1.3 and §3.1.5, and how often the same may be asked while little has changed (§3.1.1).
const (
	minBatch      = 500
	maxBatched    = 100000
	batchRepeats  = 10
	maxBatchAsked = 64 // requests that a view remembers
)

// batchRequest is what a UIDBATCHES asks for: batches of size messages, those from one index to another, 0 for all.
type batchRequest struct{ size, from, to uint32 }

// batchAsked is the mailbox when a client asked first, and how often it asked again.
type batchAsked struct {
	next  imap.UID
	had   int
	times int
}

// uidBatches handles UIDBATCHES (RFC 10022 §3.1). Batch 1 has the highest UIDs.
func (c *session) uidBatches(r *wire.Reader) error {
	var q batchRequest
	r.SP()
	q.size = r.NZNumber()
	if r.Err() == nil && r.Try(' ') {
		q.from = r.NZNumber()
		r.Take(':')
		q.to = r.NZNumber()
	}
	if err := r.End(); err != nil {
		return err
	}
	switch {
	case q.from > q.to:
		return &reply{"BAD", "CLIENTBUG", "Invalid batch range"}
	case q.size < minBatch:
		return no("TOOFEW", "Minimum batch size is %d", minBatch)
	case q.to > 0 && (uint64(q.to)-uint64(q.from)+1)*uint64(q.size) > maxBatched:
		return no("TOOMANY", "Too many messages")
	}
	if err := c.begin(); err != nil {
		return err
	}
	if c.view.askedAgain(q) {
		return no("LIMIT", "The batches are still the same")
	}
	b := append(make([]byte, 0, 256), "* UIDBATCHES (TAG "...)
	b = append(wire.AppendString(b, c.tag, false), ')')
	c.Write(append(appendBatches(b, c.view.cur, q), '\r', '\n'))
	return c.done("")
}

// appendBatches appends the ranges, highest first. They leave no UID out between them, and the last ends with 1
// (§3.1.4).
func appendBatches(b []byte, s *mail.Snapshot, q batchRequest) []byte {
	size := int(q.size)
	first, last := 1, (s.Len()+size-1)/size
	if q.to > 0 {
		first, last = int(q.from), min(last, int(q.to))
	}
	for i := first; i <= last; i++ {
		sep := byte(',')
		if i == first {
			sep = ' '
		}
		// The batches before have what is from position top on.
		top := s.Len() - (i-1)*size
		high := s.At(s.Len() - 1).UID
		if i > 1 {
			high = s.At(top).UID - 1
		}
		low := imap.UID(1)
		if top > size {
			low = s.At(top - size).UID
		}
		b = wire.AppendUint(append(b, sep), uint64(high))
		b = wire.AppendUint(append(b, ':'), uint64(low))
	}
	return b
}

// askedAgain tells whether a client has asked for the same too often while not even half a batch has
// come or gone (§3.1.1, §6). A few repetitions are let pass: they cost little here.
func (v *view) askedAgain(q batchRequest) bool {
	now := batchAsked{next: v.box.UIDNext, had: v.cur.Len()}
	was, ok := v.batches[q]
	if ok {
		pos, _ := v.cur.Find(was.next)
		came := v.cur.Len() - pos
		went := was.had + came - v.cur.Len()
		if half := int(q.size / 2); came <= half && went <= half {
			now = was
			now.times++
		}
	}
	if v.batches == nil || len(v.batches) >= maxBatchAsked && !ok {
		v.batches = map[batchRequest]batchAsked{}
	}
	v.batches[q] = now
	return now.times > batchRepeats
}
