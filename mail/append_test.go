package mail

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/emersion/go-imap/v2"

	"atrium/storage"
)

// TestAppendMany appends more messages at once than a transaction takes: all or none
// (RFC 3502), and with UIDs in a row.
func TestAppendMany(t *testing.T) {
	s := openStore(t, nil)
	a := account(t, s, 1)
	id := mailboxID(t, a, "INBOX")
	ctx := context.Background()
	var msgs []NewMessage
	for i := range 5000 {
		msgs = append(msgs, NewMessage{Prepared: prepare(t, s, fmt.Sprintf("From: a@b.example\r\nSubject: number %d\r\n\r\ntext %d\r\n", i, i))})
	}
	if err := s.Storage().SetLimits(ctx, 1, 0, 4999); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Append(ctx, id, msgs...); !errors.Is(err, storage.OverQuota) {
		t.Errorf("over quota: %v", err)
	}
	if n := snapshot(t, a, id).Len(); n != 0 {
		t.Errorf("%d messages of an APPEND that was refused", n)
	}
	if err := s.Storage().SetLimits(ctx, 1, 0, 0); err != nil {
		t.Fatal(err)
	}
	out, err := a.Append(ctx, id, msgs...)
	if err != nil {
		t.Fatal(err)
	}
	snap := snapshot(t, a, id)
	if snap.Len() != 5000 || len(out.UIDs) != 1 || out.UIDs[0] != (imap.UIDRange{Start: 1, Stop: 5000}) {
		t.Errorf("%d messages, UIDs %v", snap.Len(), out.UIDs)
	}
	for i, m := range snap.Messages(0, snap.Len()) {
		if m.Modseq != out.Modseq || m.Size != msgs[i].Size() {
			t.Fatalf("message %d: modseq %d of %d, %d bytes of %d", i, m.Modseq, out.Modseq, m.Size, msgs[i].Size())
		}
	}
	checkStore(t, s)
}
