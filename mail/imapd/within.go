package imapd

import (
	"time"

	"atrium/mail"
	"atrium/mail/imapd/wire"
)

var within = extension{
	name: "WITHIN", rfc: "RFC 5032", what: "SEARCH by age in seconds",
	searchKeys: map[string]searchKey{
		"YOUNGER": func(p *searchParser, r *wire.Reader) mail.Criteria { return mail.Younger{Than: p.ago(r)} },
		"OLDER":   func(p *searchParser, r *wire.Reader) mail.Criteria { return mail.Older{Than: p.ago(r)} },
	},
}

// ago reads a number of seconds and returns the moment so long ago.
func (p *searchParser) ago(r *wire.Reader) time.Time {
	p.args.ageing = true
	r.SP()
	return time.Now().Add(-time.Duration(r.NZNumber()) * time.Second)
}
