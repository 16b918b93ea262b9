package mail

import (
	"context"

	"github.com/emersion/go-imap/v2"
)

// FlagOp is what STORE does with flags.
type FlagOp byte

const (
	AddFlags FlagOp = iota
	RemoveFlags
	ReplaceFlags
)

// FlagChange is a change of flags.
type FlagChange struct {
	Op             FlagOp
	Flags          []imap.Flag
	Conditional    bool   // spare messages that changed after UnchangedSince
	UnchangedSince uint64 // RFC 7162 §3.1.3; 0 spares all
}

// FlagResult tells what SetFlags did.
type FlagResult struct {
	Modified imap.UIDSet // spared by UnchangedSince
	Changed  imap.UIDSet // whose flags are others now
	Modseq   uint64      // of the last batch that changed something; 0 when none did
}

// SetFlags changes flags of the messages that are there. Without the right to some of the flags the others
// are changed, Forbidden when that leaves none (RFC 4314 §4). Work goes in batches; an
// error tells of those that were not done, the result of those that were.
func (a *Account) SetFlags(ctx context.Context, id ID, uids imap.UIDSet, change FlagChange) (FlagResult, error) {
	panic("stub")
}
