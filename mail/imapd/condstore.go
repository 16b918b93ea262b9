package imapd

import (
	"strings"

	"github.com/emersion/go-imap/v2"

	"atrium/mail"
	"atrium/mail/imapd/wire"
)

// condstore is RFC 7162 §3.1. Once a client has used any of it, each FETCH that it did not ask
// for carries MODSEQ.
var condstore = extension{
	name: "CONDSTORE", rfc: "RFC 7162", what: "Mod-sequences: changes since, conditional STORE",
	enable: map[imap.Cap]func(*session){imap.CapCondStore: (*session).enableCondstore},
	opened: func(c *session, _ *selectArgs) error {
		c.untagged("OK [HIGHESTMODSEQ %d] Highest", c.view.box.Modseq)
		return nil
	},
	selectParams: map[string]func(*session, *selectArgs, *wire.Reader){
		"CONDSTORE": func(c *session, a *selectArgs, _ *wire.Reader) { c.enabled |= condstoreOn },
	},
	statusItems: map[string]statusItem{
		"HIGHESTMODSEQ": statusNumber(func(m *statusOf) uint64 { return m.Modseq }),
	},
	fetchItems: map[string]fetchItem{"MODSEQ": func(c *session, a *fetchArgs, _ *wire.Reader) { c.fetchModseq(a) }},
	fetchMods: map[string]func(*session, *fetchArgs, *wire.Reader){
		"CHANGEDSINCE": func(c *session, a *fetchArgs, r *wire.Reader) {
			r.SP()
			a.since, a.changed = r.Number64(), true
			c.fetchModseq(a) // §3.1.4.1: it is as if MODSEQ had been asked for
		},
	},
	storeMods: map[string]func(*session, *storeArgs, *wire.Reader){
		"UNCHANGEDSINCE": func(c *session, a *storeArgs, r *wire.Reader) {
			r.SP()
			a.change.UnchangedSince, a.change.Conditional = r.Number64(), true
			c.enableCondstore()
		},
	},
	searchKeys: map[string]searchKey{"MODSEQ": modseqKey},
}

// enableCondstore notes that the client knows mod-sequences, and tells it the
// mailbox's when it has one selected.
func (c *session) enableCondstore() {
	if c.has(condstoreOn) || !c.server.reg.has("CONDSTORE") {
		return
	}
	c.enabled |= condstoreOn
	if c.view != nil && c.view.box.ID != 0 {
		c.untagged("OK [HIGHESTMODSEQ %d] Highest", c.view.box.Modseq)
	}
}

func (c *session) fetchModseq(a *fetchArgs) {
	c.enableCondstore()
	if a.modseq {
		return
	}
	a.modseq = true
	a.add(func(f *fetch, m *fetched) error {
		f.appendModseq(m.Modseq)
		return nil
	})
}

// modseqKey reads MODSEQ (RFC 7162 §3.1.5). Flags have one mod-sequence here, so the entry
// that may be named changes nothing.
func modseqKey(p *searchParser, r *wire.Reader) mail.Criteria {
	r.SP()
	if r.Peek() == '"' {
		if entry := r.String(); !strings.HasPrefix(entry, "/flags/") {
			r.Fail("Unknown entry %q", entry)
		}
		r.SP()
		switch kind := r.Keyword(); kind {
		case "PRIV", "SHARED", "ALL":
		default:
			r.Fail("Unknown kind of entry %s", kind)
		}
		r.SP()
	}
	p.c.enableCondstore()
	p.args.modseq = true
	return mail.ModSeq{Min: r.Number64()}
}
