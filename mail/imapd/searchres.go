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

// save keeps the result: with MIN or MAX alone those messages, else all (RFC 5182 §2.4).
func (a *searchArgs) save(res *found) {
	v := a.c.view
	v.saved = slices.Clone(res.uids)
	low, high := a.returns["MIN"], a.returns["MAX"]
	if !low && !high || a.returns["ALL"] || a.returns["COUNT"] || res.count == 0 {
		v.saved = v.saved.Sorted()
		return
	}
	first, last := v.saved[0].From, v.saved[len(v.saved)-1].To
	v.saved = nil
	if low {
		v.saved.Add(first)
	}
	if high && (!low || last != first) {
		v.saved.Add(last)
	}
	v.saved = v.saved.Sorted()
}
