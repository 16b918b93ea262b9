package imapd

import (
	"slices"

	"atrium/mail/imapd/wire"
)

// searchRes adds SAVE to SEARCH; readSet takes the "$" that stands for what was saved.
var searchRes = extension{
	name: "SEARCHRES", rfc: "RFC 5182", what: "$ stands for what the last search saved",
	searchReturns: map[string]func(*searchArgs, *wire.Reader){"SAVE": asked},
}

// save keeps the result: with MIN, MAX or PARTIAL alone those messages, else all (RFC 5182 §2.4, RFC 9394 §3.2).
func (a *searchArgs) save(res *found) {
	v := a.c.view
	low, high, part := a.returns["MIN"], a.returns["MAX"], a.returns["PARTIAL"]
	if !low && !high && !part || a.returns["ALL"] || a.returns["COUNT"] || res.count == 0 {
		v.saved = slices.Clone(res.uids).Sorted()
		return
	}
	v.saved = nil
	if part {
		v.saved = a.partial.of(res.uids, res.count)
	}
	if first := res.uids[0].From; low {
		v.saved = append(v.saved, wire.Range{From: first, To: first})
	}
	if last := res.uids[len(res.uids)-1].To; high {
		v.saved = append(v.saved, wire.Range{From: last, To: last})
	}
	v.saved = v.saved.Sorted()
}
