package imapd

import (
	"context"

	"atrium/mail"
	"atrium/mail/imapd/wire"
)

// fuzzy compares text loosely and tells how well messages fit. SORT knows its key RELEVANCY (§6).
var fuzzy = extension{
	name: "SEARCH=FUZZY", rfc: "RFC 6203", what: "SEARCH that forgives typing errors and ranks what it finds",
	searchKeys: map[string]searchKey{"FUZZY": func(p *searchParser, r *wire.Reader) mail.Criteria {
		defer r.Nest()()
		r.SP()
		p.args.fuzzy = true
		return mail.Fuzzy{Criteria: p.key(r)}
	}},
	searchReturns: map[string]func(*searchArgs, *wire.Reader){"RELEVANCY": asked},
}

// ranked tells whether scores are asked for, as a result or to sort by.
func (a *searchArgs) ranked() bool {
	for _, k := range a.sort {
		if k.Field == mail.SortRelevancy {
			return true
		}
	}
	return a.returns["RELEVANCY"]
}

// rank finds the scores of the messages at positions, for sorting and for the answer.
func (a *searchArgs) rank(positions []int) error {
	v := a.c.view
	var scores []uint8
	err := a.c.long(v.effort(len(positions)), func(ctx context.Context) (err error) {
		scores, err = v.account.Relevancy(ctx, v.cur, positions, a.criteria)
		return err
	})
	if err != nil {
		return v.lost(err)
	}
	for i := range a.sort {
		if a.sort[i].Field == mail.SortRelevancy {
			a.sort[i].Scores = scores
		}
	}
	a.scores = make(map[int]uint8, len(scores))
	for i, pos := range positions {
		a.scores[pos] = scores[i]
	}
	return nil
}

// appendRelevancy appends the scores of the messages that the answer has, in their order (§4).
func (a *searchArgs) appendRelevancy(b []byte, res *found) []byte {
	scores := res.scores
	if a.returns["PARTIAL"] {
		from, to := a.partial.bounds(res.count)
		scores = scores[max(from, 0):max(to, 0)]
	}
	b = append(b, " RELEVANCY ("...)
	for i, n := range scores {
		if i > 0 {
			b = append(b, ' ')
		}
		b = wire.AppendUint(b, uint64(n))
	}
	return append(b, ')')
}
