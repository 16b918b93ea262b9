package pop3d

import (
	"testing"

	"github.com/emersion/go-imap/v2"
)

// TestMovedAndBack checks the unique ids of messages that IMAP moves away and back: such a message is another one, with an
// id that none had, so that what a client noted of others never means it. The others keep theirs, the one that an old
// server gave too.
func TestMovedAndBack(t *testing.T) {
	ctx := t.Context()
	r := newRig(t)
	r.fill(t, "anna", 1, three...)
	box, inbox := r.box(t, "anna")
	must(t, box.SetUIDLs(ctx, inbox, map[imap.UID]string{1: "old-1", 2: "old-2"}))
	archive, err := box.Mailbox(ctx, "Archive")
	must(t, err)
	there, err := box.Move(ctx, inbox, imap.UIDSet{{Start: 2, Stop: 3}}, box, archive.ID)
	must(t, err)
	back, err := box.Move(ctx, archive.ID, there.To, box, inbox)
	must(t, err)
	if got := back.To.String(); got != "4:5" {
		t.Fatal(got)
	}
	r.script(t, login+`
		S: +OK 3 messages $...
		C: UIDL
		S: +OK Unique ids follow
		S: 1 old-1
		S: 2 00000004$v
		S: 3 00000005$v
		S: .
		C: QUIT
		S: +OK Bye`)
}
