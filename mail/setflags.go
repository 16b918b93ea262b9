package mail

import (
	"context"
	"fmt"

	"github.com/emersion/go-imap/v2"

	"atrium/storage"
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
	Known          uint64 // the mailbox's modseq that the caller knows, for FlagResult.Alone

	watched bool // FlagResult.by is wanted
}

// FlagResult tells what SetFlags did.
type FlagResult struct {
	Modified imap.UIDSet // spared by UnchangedSince
	Changed  imap.UIDSet // whose flags are others now
	Modseq   uint64      // of the last batch that changed something; 0 when none did
	Alone    bool        // between FlagChange.Known and Modseq nothing else changed the mailbox's messages

	before uint64 // the mailbox's modseq before the batch
	by     changes
}

// edit is a FlagChange in the bits of a mailbox.
type edit struct {
	op        FlagOp
	bits, may Flags
}

func (e *edit) apply(f Flags) Flags {
	switch e.op {
	case AddFlags:
		return f | e.bits&e.may
	case RemoveFlags:
		return f &^ (e.bits & e.may)
	}
	return f&^e.may | e.bits&e.may
}

// may returns which flags the actor may change by a FlagChange; Forbidden when it asks for
// some and may change none of them (RFC 4314 §4).
func (change *FlagChange) may(rights storage.Rights) (Flags, error) {
	may := settable(rights)
	if may == 0 {
		return 0, fmt.Errorf("flags: %w", storage.Forbidden)
	}
	some := len(change.Flags) == 0
	for _, name := range change.Flags {
		bit := systemFlag(name)
		some = some || bit&may != 0 || bit == 0 && may>>firstKeyword != 0
	}
	if !some && change.Op != ReplaceFlags {
		return 0, fmt.Errorf("flags: %w", storage.Forbidden)
	}
	return may, nil
}

// permitted returns the names of flags that may be set: system flags, and keywords if any may.
func permitted(names []imap.Flag, may Flags) []imap.Flag {
	kept := make([]imap.Flag, 0, len(names))
	for _, name := range names {
		if bit := systemFlag(name); bit&may != 0 || bit == 0 && may>>firstKeyword != 0 {
			kept = append(kept, name)
		}
	}
	return kept
}

// SetFlags changes flags of those of the messages that are there. Without the
// right to some of the flags the others are changed, Forbidden when that leaves
// none (RFC 4314 §4). Work goes in batches; an error tells of those that were
// not done, the result of those that were.
func (a *Account) SetFlags(ctx context.Context, id ID, uids imap.UIDSet, change FlagChange) (FlagResult, error) {
	var out FlagResult
	if err := a.store.checkFlags(change.Flags); err != nil {
		return out, err
	}
	err := a.view(ctx, func(v *storage.View) error {
		m, err := a.mailbox(v, id, storage.Read)
		if err == nil {
			change.watched = a.watched(v, m.scripted)
			_, err = change.may(m.Rights)
		}
		return err
	})
	if err != nil {
		return out, err
	}
	pick := flagPick(&change, &out)
	out.Alone = true
	at := change.Known
	err = a.ranges(ctx, id, storage.Read, uids, a.store.batchPaged(), pick, func(set imap.UIDSet) error {
		var did FlagResult
		err := a.update(ctx, func(tx *storage.Tx) (err error) {
			did, err = a.setFlagsTx(tx, id, set, &change)
			return err
		})
		if err != nil {
			return err
		}
		out.Modified.AddSet(did.Modified)
		for _, r := range did.Changed {
			out.Changed = addRange(out.Changed, r)
		}
		out.Alone = out.Alone && did.before == at
		for mask, set := range did.by {
			if out.by == nil {
				out.by = changes{}
			}
			all := out.by[mask]
			all.AddSet(set)
			out.by[mask] = all
		}
		if did.Modseq != 0 {
			out.Modseq, at = did.Modseq, did.Modseq
		}
		return nil
	})
	if out.Modseq != 0 && JunkFlag(change.Flags) != 0 {
		a.store.learn(a.owner, junkUses)
	}
	if change.watched && len(out.by) > 0 {
		a.flagged(ctx, id, out.by)
	}
	return out, err
}

// flagPick returns a pick for ranges: the messages that a change would change. Those it spares it adds to out.
func flagPick(change *FlagChange, out *FlagResult) picker {
	var of *Snapshot
	var e edit
	return func(s *Snapshot, r *storage.Row) bool {
		if s != of {
			of = s
			e = edit{op: change.Op, may: settable(s.Rights)}
			for _, name := range change.Flags {
				bit := s.Keywords.Find(name)
				if bit == 0 && change.Op != RemoveFlags {
					bit = unknownKeyword // one to be made: every message is changed
				}
				e.bits |= bit
			}
		}
		f, modseq := s.over.lay(imap.UID(r.Num), rowFlags(r.Data), r.Modseq)
		if change.Conditional && modseq > change.UnchangedSince {
			out.Modified = addUID(out.Modified, imap.UID(r.Num))
			return false
		}
		return e.bits&unknownKeyword != 0 || e.apply(f) != f
	}
}

// unknownKeyword is a bit that no flag has.
const unknownKeyword Flags = 1 << (firstKeyword - 1)

func (a *Account) setFlagsTx(tx *storage.Tx, id ID, set imap.UIDSet, change *FlagChange) (out FlagResult, err error) {
	m, err := a.mailbox(&tx.View, id, storage.Read)
	if err != nil {
		return out, err
	}
	out.before = m.Modseq
	e := edit{op: change.Op}
	if e.may, err = change.may(m.Rights); err != nil {
		return out, err
	}
	over, err := a.ownSeen(&tx.View, &m)
	if err != nil {
		return out, err
	}
	var marks []mark
	ready := false
	err = tx.Edit(id, spans(set), func(dst []byte, row *storage.Row) (data []byte, changed bool, err error) {
		uid, kept := imap.UID(row.Num), rowFlags(row.Data)
		f, modseq := over.lay(uid, kept, row.Modseq)
		if change.Conditional && modseq > change.UnchangedSince {
			out.Modified = addUID(out.Modified, uid)
			return nil, false, nil
		}
		if !ready {
			if e.bits, err = changeBits(tx, id, change, e.may); err != nil {
				return nil, false, err
			}
			ready = true
		}
		g := e.apply(f)
		if f == g {
			return nil, false, nil
		}
		out.Changed = addUID(out.Changed, uid)
		if change.watched {
			if out.by == nil {
				out.by = changes{}
			}
			out.by[f^g] = addUID(out.by[f^g], uid)
		}
		if over != nil {
			if (f^g)&Seen != 0 {
				marks = append(marks, mark{uid, g&Seen != 0})
			}
			if g = g&^Seen | kept&Seen; g == kept {
				return nil, false, nil
			}
		}
		data, ok := appendWithFlags(dst, row.Data, g)
		if !ok {
			return nil, false, fmt.Errorf("message %d of mailbox %q: %w", uid, m.Name, storage.Corrupt)
		}
		return data, true, nil
	})
	if err != nil {
		return out, err
	}
	if len(out.Changed) == 0 {
		return out, nil
	}
	if err := writeSeen(tx, id, a.actor, marks, over); err != nil {
		return out, err
	}
	out.Modseq, err = tx.Next()
	return out, err
}

func spans(set imap.UIDSet) []storage.Span {
	out := make([]storage.Span, len(set))
	for i, r := range set {
		out[i] = storage.Span{First: storage.Num(r.Start), Last: storage.Num(r.Stop)}
	}
	return out
}

// changeBits returns the bits of a change's flags, making keywords where it sets them.
func changeBits(tx *storage.Tx, id ID, change *FlagChange, may Flags) (f Flags, err error) {
	c, err := tx.Collection(id)
	if err != nil {
		return 0, err
	}
	set, err := settingsOf(c)
	if err != nil {
		return 0, err
	}
	if change.Op == RemoveFlags {
		for _, name := range change.Flags {
			f |= set.keywords.Find(name)
		}
		return f, nil
	}
	f, grown, err := set.keywords.add(permitted(change.Flags, may), usedIn(&tx.View, id))
	if err != nil || grown == nil {
		return f, err
	}
	set.keywords = grown
	return f, tx.SetData(id, set.encode())
}
