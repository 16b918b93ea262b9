package imapd

import (
	"context"
	"slices"

	"github.com/emersion/go-imap/v2"

	"atrium/mail"
	"atrium/mail/imapd/wire"
	"atrium/storage"
)

// storeArgs is what a STORE asks for.
type storeArgs struct {
	change mail.FlagChange
	silent bool
}

// readStore reads what follows the set: modifiers, the operation and the flags.
func (c *session) readStore(r *wire.Reader) *storeArgs {
	a := &storeArgs{}
	if r.Peek() == '(' {
		r.List(func() {
			name := r.Keyword()
			mod := c.server.reg.storeMods[name]
			if mod == nil {
				r.Fail("Unknown STORE modifier %s", name)
				return
			}
			mod(c, a, r)
		})
		r.SP()
	}
	switch name := r.Keyword(); name {
	case "FLAGS", "FLAGS.SILENT":
		a.change.Op, a.silent = mail.ReplaceFlags, name != "FLAGS"
	case "+FLAGS", "+FLAGS.SILENT":
		a.change.Op, a.silent = mail.AddFlags, name != "+FLAGS"
	case "-FLAGS", "-FLAGS.SILENT":
		a.change.Op, a.silent = mail.RemoveFlags, name != "-FLAGS"
	default:
		r.Fail("Unknown STORE item %s", name)
	}
	r.SP()
	a.change.Flags = r.Flags()
	return a
}

// store handles STORE and UID STORE.
//
// RFC 9051 §6.4.6; UNCHANGEDSINCE: RFC 7162 §3.1.3. A mailbox opened read-only
// answers NO and changes nothing.
func (c *session) store(r *wire.Reader) error {
	r.SP()
	set := c.readSet(r)
	r.SP()
	a := c.readStore(r)
	if err := r.End(); err != nil {
		return err
	}
	if c.view.readOnly {
		return no("", "The mailbox was opened read-only")
	}
	if err := storable(a.change.Flags); err != nil {
		return err
	}
	if err := c.begin(); err != nil {
		return err
	}
	spans, missing, err := c.view.resolve(set)
	if err != nil {
		return err
	}
	v := c.view
	spans, limited := v.limit(spans)
	var res mail.FlagResult
	uids := v.uids(spans)
	a.change.Known = v.box.Modseq
	if len(uids) > 0 {
		err := c.long(count(spans), func(ctx context.Context) (err error) {
			res, err = v.account.SetFlags(ctx, v.box.ID, uids, a.change)
			return err
		})
		if err != nil {
			return v.lost(err)
		}
	}
	if err := v.stored(uids, a, &res); err != nil {
		return err
	}
	code := ""
	if len(res.Modified) > 0 {
		code = "MODIFIED " + string(wire.AppendSet(nil, v.numbers(res.Modified, c.uid)))
	}
	some, all := v.went(uids) // while the STORE ran
	missing = missing || some && !c.uid
	if missing && code == "" {
		code = "EXPUNGEISSUED"
	}
	if missing && (len(res.Modified) > 0 || all && !a.silent) { // RFC 2180 §4.2, RFC 7162 §3.1.3
		return no(c.oneCode(code, limited), "Some of the messages no longer exist")
	}
	return c.finish(code, limited)
}

// went tells whether some of the messages, and whether all, are gone without the client having been told.
func (v *view) went(uids imap.UIDSet) (some, all bool) {
	if len(v.gone) == 0 {
		return false, len(uids) == 0
	}
	for range v.cur.In(uids) {
		return slices.ContainsFunc(v.gone, uids.Contains), false
	}
	return true, true
}

// storable refuses flags that cannot be kept.
func storable(flags []imap.Flag) error {
	for _, f := range flags {
		if f == `\Recent` || f == imap.FlagWildcard {
			return bad("%s cannot be set", f)
		}
	}
	return nil
}

// stored answers for the messages of a STORE: with their flags, changed or not; when it was
// .SILENT, with their mod-sequences if the client wants those, and with flags only
// where they are not what the client must think they are.
func (v *view) stored(uids imap.UIDSet, a *storeArgs, res *mail.FlagResult) error {
	before := v.cur
	all := v.box.Rights.Has(storage.Write | storage.Seen | storage.Delete)
	quiet := a.silent && all && len(res.Modified) == 0 && len(v.changed) == 0 && !v.c.has(condstoreOn)
	alone, err := v.advance(res)
	if err != nil || alone && quiet { // the client knows it all
		return err
	}
	if alone {
		var own []imap.UID
		for _, r := range res.Changed {
			for uid := r.Start; uid <= r.Stop; uid++ {
				own = append(own, uid)
			}
		}
		v.changed = merge(v.changed, own)
	} else if err := v.sync(false); err != nil {
		return err
	}
	if err := v.need(); err != nil {
		return err
	}
	f := v.c.newFetch(&fetchArgs{})
	defer f.end()
	changed, modified := runs(v.changed), fromUIDSet(res.Modified)
	was := a.before(v, before, uids)
	modseq := v.c.has(condstoreOn)
	for pos, m := range v.cur.In(uids) {
		if !a.silent {
			if !modified.Has(uint32(m.UID)) || changed.Has(uint32(m.UID)) {
				f.told = append(f.told, m.UID)
				f.flagsChanged(pos, m, true)
			}
			continue
		}
		if changed.Has(uint32(m.UID)) {
			if !was.expected(&m, res.Modseq) {
				continue // update tells
			}
			f.told = append(f.told, m.UID)
		} else if !a.change.Conditional || modified.Has(uint32(m.UID)) {
			continue
		}
		if modseq {
			f.flagsChanged(pos, m, false)
		}
	}
	return nil
}

// advance brings the view up to the STORE that did res, and tells whether nothing else happened.
func (v *view) advance(res *mail.FlagResult) (bool, error) {
	if !res.Alone || res.Modseq == 0 || len(v.contexts) > 0 || v.cur == nil {
		return false, nil
	}
	now, err := v.account.SyncTo(v.c.Context(), v.cur, res.Modseq)
	if err != nil {
		return false, v.lost(err)
	}
	if now == nil {
		return false, nil
	}
	v.cur, v.box, v.goneSeq = now, now.Mailbox, nil
	return true, nil
}

// earlier is what the client makes of the flags that it knows and its STORE, message by message.
type earlier struct {
	op    mail.FlagOp
	bits  mail.Flags
	known []knownFlags // ascending
}

type knownFlags struct {
	uid   imap.UID
	flags mail.Flags
}

// before notes which flags the client knows; for .SILENT alone.
func (a *storeArgs) before(v *view, s *mail.Snapshot, uids imap.UIDSet) (e earlier) {
	if !a.silent {
		return e
	}
	e.op = a.change.Op
	for _, name := range a.change.Flags {
		e.bits |= v.box.Keywords.Find(name)
	}
	for _, m := range s.In(uids) {
		e.known = append(e.known, knownFlags{m.UID, m.Flags})
	}
	return e
}

// expected tells whether a message's flags are what the client must think. Messages come in
// the order of their UIDs.
func (e *earlier) expected(m *mail.Message, modseq uint64) bool {
	for len(e.known) > 0 && e.known[0].uid < m.UID {
		e.known = e.known[1:]
	}
	if len(e.known) == 0 || e.known[0].uid != m.UID || m.Modseq > modseq {
		return false
	}
	old := e.known[0].flags
	switch e.op {
	case mail.AddFlags:
		return m.Flags == old|e.bits
	case mail.RemoveFlags:
		return m.Flags == old&^e.bits
	}
	return m.Flags == e.bits
}
