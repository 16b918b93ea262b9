package mail

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/emersion/go-imap/v2"

	"atrium/storage"
)

// countdown is a context that ends when it was asked so often whether it has.
type countdown struct {
	context.Context
	left *atomic.Int32
}

func (c countdown) Err() error {
	if c.left.Add(-1) < 0 {
		return context.Canceled
	}
	return nil
}

// TestBulkCancelled ends bulk work between any two batches: COPY leaves nothing (RFC 9051 §6.4.7), MOVE each message
// in one of the mailboxes, STORE and EXPUNGE have done what they tell, and what they did not they can do after.
func TestBulkCancelled(t *testing.T) {
	const n = 3000
	all := imap.UIDSet{{Start: 1, Stop: 0}}
	work := map[string]func(context.Context, *Account, *Account, ID, ID) (done int, err error){
		"COPY": func(ctx context.Context, a, b *Account, id, to ID) (int, error) {
			r, err := a.Copy(ctx, id, all, b, to)
			return count(r.To), err
		},
		"MOVE": func(ctx context.Context, a, b *Account, id, to ID) (int, error) {
			r, err := a.Move(ctx, id, all, b, to)
			return count(r.From), err
		},
		"STORE": func(ctx context.Context, a, _ *Account, id, _ ID) (int, error) {
			r, err := a.SetFlags(ctx, id, all, FlagChange{Op: AddFlags, Flags: []imap.Flag{imap.FlagFlagged}})
			return count(r.Changed), err
		},
		"EXPUNGE": func(ctx context.Context, a, _ *Account, id, _ ID) (int, error) {
			gone, err := a.Expunge(ctx, id)
			return count(gone), err
		},
	}
	for name, do := range work {
		for _, across := range []bool{false, true} {
			if across && name != "COPY" && name != "MOVE" {
				continue
			}
			t.Run(fmt.Sprintf("%s, across accounts: %v", name, across), func(t *testing.T) {
				t.Parallel()
				s := openStore(t, nil)
				a := account(t, s, 1)
				b := a
				if across {
					account(t, s, 2)
					grant(t, s, storage.Grant{To: 1, Rights: storage.AllRights}, 2)
					b = s.Open(1, 2)
				}
				id := mailboxID(t, a, "INBOX")
				to := mailboxID(t, b, "Archive")
				fill(t, a, id, n, imap.FlagDeleted)
				cancelled := 0
				for stop := int32(0); ; stop += 3 {
					ctx := countdown{t.Context(), new(atomic.Int32)}
					ctx.left.Store(stop)
					before := states(t, a, b, id, to)
					done, err := do(ctx, a, b, id, to)
					after := states(t, a, b, id, to)
					if err != nil && !errors.Is(err, context.Canceled) {
						t.Fatal(err)
					}
					if err != nil {
						cancelled++
					}
					want := before
					switch name {
					case "COPY":
						want.there += done
						if err != nil && done != 0 {
							t.Errorf("a COPY that failed tells of %d messages", done)
						}
					case "MOVE":
						want.there, want.here, want.deleted = want.there+done, want.here-done, want.deleted-done
					case "STORE":
						want.flagged += done
					case "EXPUNGE":
						want.here, want.deleted = want.here-done, want.deleted-done
					}
					if after != want {
						t.Fatalf("stopped at %d: %+v, want %+v; it tells of %d messages", stop, after, want, done)
					}
					if err == nil {
						break
					}
				}
				if cancelled == 0 {
					t.Error("nothing was cancelled")
				}
				checkStore(t, s)
			})
		}
	}
}

// state counts messages.
type state struct{ here, there, flagged, deleted int }

func states(t *testing.T, a, b *Account, id, to ID) (s state) {
	t.Helper()
	for _, x := range []struct {
		a  *Account
		id ID
		n  *int
	}{{a, id, &s.here}, {b, to, &s.there}} {
		snap, err := x.a.Snapshot(t.Context(), x.id)
		if err != nil {
			t.Fatal(err)
		}
		*x.n = snap.Len()
		if x.id != id || x.a != a {
			continue
		}
		for _, m := range snap.Messages(0, snap.Len()) {
			if m.Flags&Flagged != 0 {
				s.flagged++
			}
			if m.Flags&Deleted != 0 {
				s.deleted++
			}
		}
	}
	return s
}
