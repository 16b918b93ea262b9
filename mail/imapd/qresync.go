package imapd

import (
	"errors"
	"iter"
	"slices"

	"github.com/emersion/go-imap/v2"

	"atrium/mail"
	"atrium/mail/imapd/wire"
	"atrium/storage"
)

// qresync is RFC 7162 §3.2: VANISHED for EXPUNGE (view.writeGone), and a SELECT that
// tells all that happened.
var qresync = extension{
	name: "QRESYNC", rfc: "RFC 7162", what: "SELECT tells what changed and went since",
	enable: map[imap.Cap]func(*session){imap.CapQResync: func(c *session) {
		c.enableCondstore()
		c.enabled |= qresyncOn | condstoreOn
	}},
	selectParams: map[string]func(*session, *selectArgs, *wire.Reader){"QRESYNC": readKnown},
	fetchMods: map[string]func(*session, *fetchArgs, *wire.Reader){
		"VANISHED": func(c *session, a *fetchArgs, r *wire.Reader) {
			if !c.has(qresyncOn) {
				r.Fail("VANISHED needs ENABLE QRESYNC")
			}
			a.vanished = true
		},
	},
	opened: func(c *session, a *selectArgs) error {
		if a.known == nil || a.known.uidValidity != c.view.box.UIDValidity {
			return nil
		}
		return c.resync(a.known)
	},
}

// knownState is what a client knows of a mailbox (RFC 7162 §3.2.5).
type knownState struct {
	uidValidity uint32
	modseq      uint64
	uids        wire.Set // nil: all
	matchSeqs   wire.Set // sequence match data: numbers, and the UIDs they had
	matchUIDs   wire.Set
}

func readKnown(c *session, a *selectArgs, r *wire.Reader) {
	if !c.has(qresyncOn) {
		r.Fail("QRESYNC needs ENABLE QRESYNC")
	}
	var k knownState
	r.SP()
	r.Take('(')
	k.uidValidity = r.NZNumber()
	r.SP()
	k.modseq = r.Number64()
	if r.Err() == nil && r.Try(' ') {
		if r.Peek() != '(' {
			k.uids = r.KnownSet()
			if r.Peek() == ' ' {
				r.SP()
				readMatch(c, &k, r)
			}
		} else {
			readMatch(c, &k, r)
		}
	}
	r.Take(')')
	a.known = &k
}

func readMatch(c *session, k *knownState, r *wire.Reader) {
	if c.has(uidOnlyOn) {
		r.SetErr(errUIDRequired) // RFC 9586 §3.3
	}
	r.Take('(')
	k.matchSeqs = r.KnownSet()
	r.SP()
	k.matchUIDs = r.KnownSet()
	r.Take(')')
	if r.Err() == nil && k.matchSeqs.Len() != k.matchUIDs.Len() {
		r.Fail("Sequence match data of different lengths")
	}
}

// resync tells what went and what changed since the state that the client knows.
func (c *session) resync(k *knownState) error {
	v := c.view
	uids := k.uids
	if uids == nil {
		if v.box.UIDNext <= 1 {
			return nil
		}
		uids = wire.Set{{From: 1, To: uint32(v.box.UIDNext) - 1}}
	}
	uids = uids.Resolve(0)
	if k.modseq >= v.box.Modseq {
		return nil
	}
	if err := v.need(); err != nil {
		return err
	}
	ch, err := v.since(k.modseq, uids, v.matched(k))
	if err != nil {
		return err
	}
	c.writeEarlier(uids, ch.Vanished)
	f := c.newFetch(&fetchArgs{})
	defer f.end()
	c.uid = true // these answers carry UIDs
	for _, uid := range ch.Changed {
		if !uids.Has(uint32(uid)) && k.uids != nil && uint32(uid) < uint32(v.box.UIDNext) && uid <= imap.UID(uids[len(uids)-1].To) {
			continue
		}
		if pos, ok := v.cur.Find(uid); ok {
			f.flagsChanged(pos, v.cur.At(pos), true)
		}
	}
	return nil
}

// matched returns the UID up to which sequence match data show that nothing went
// (RFC 7162 §3.2.5.2): as long as numbers and UIDs still fit, all before is there.
func (v *view) matched(k *knownState) imap.UID {
	var fits imap.UID
	next, stop := iter.Pull(iter.Seq[uint32](k.matchUIDs.All))
	defer stop()
	for seq := range k.matchSeqs.All {
		uid, ok := next()
		if !ok || int(seq) > v.cur.Len() || v.cur.At(int(seq)-1).UID != imap.UID(uid) {
			break
		}
		fits = imap.UID(uid)
	}
	return fits
}

// since tells what changed since a mod-sequence. Where the log does not reach back, all UIDs of uids that
// are not there count as gone, but for those below fits.
func (v *view) since(modseq uint64, uids wire.Set, fits imap.UID) (*mail.Changes, error) {
	ch, err := v.account.Changes(v.c.Context(), v.box.ID, modseq, 0)
	if err == nil {
		// The client may have seen what came after that state, without having noted a newer one.
		ch.Vanished = append(ch.Vanished, ch.Passed...)
		slices.Sort(ch.Vanished)
		return ch, nil
	}
	if !errors.Is(err, storage.Expired) {
		return nil, v.lost(err)
	}
	ch = &mail.Changes{}
	at := 0
	for n := range uids.All {
		if n >= uint32(v.box.UIDNext) {
			break
		}
		for at < v.cur.Len() && v.cur.At(at).UID < imap.UID(n) {
			at++
		}
		if imap.UID(n) > fits && (at == v.cur.Len() || v.cur.At(at).UID != imap.UID(n)) {
			ch.Vanished = append(ch.Vanished, imap.UID(n))
		}
	}
	for _, m := range v.cur.Messages(0, v.cur.Len()) {
		if m.Modseq > modseq {
			ch.Changed = append(ch.Changed, m.UID)
		}
	}
	return ch, nil
}

// earlier writes VANISHED (EARLIER) for UID FETCH (RFC 7162 §3.2.6).
func (c *session) earlier(uids wire.Set, modseq uint64) error {
	if modseq >= c.view.box.Modseq {
		return nil
	}
	ch, err := c.view.since(modseq, uids, 0)
	if err != nil {
		return err
	}
	c.writeEarlier(uids, ch.Vanished)
	return nil
}

func (c *session) writeEarlier(uids wire.Set, vanished []imap.UID) {
	var set wire.Set
	for _, uid := range vanished {
		if uids.Has(uint32(uid)) {
			set.Add(uint32(uid))
		}
	}
	if len(set) == 0 {
		return
	}
	b := append(make([]byte, 0, 256), "* VANISHED (EARLIER) "...)
	b = wire.AppendSet(b, set)
	c.Write(append(b, '\r', '\n'))
}
