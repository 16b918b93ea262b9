package imapd

import (
	"atrium/mail"
	"atrium/mail/imapd/wire"
)

var saveDate = extension{
	name: "SAVEDATE", rfc: "RFC 8514", what: "When a message came into its mailbox",
	fetchItems: map[string]fetchItem{"SAVEDATE": func(c *session, a *fetchArgs, _ *wire.Reader) {
		a.add(func(f *fetch, m *fetched) error {
			f.buf = append(f.buf, "SAVEDATE "...)
			f.buf = wire.AppendUnix(f.buf, m.Saved, 0)
			return nil
		})
	}},
	searchKeys: map[string]searchKey{
		"SAVEDBEFORE":       dateKey(mail.SaveDate, before),
		"SAVEDON":           dateKey(mail.SaveDate, on),
		"SAVEDSINCE":        dateKey(mail.SaveDate, since),
		"SAVEDATESUPPORTED": func(*searchParser, *wire.Reader) mail.Criteria { return mail.And{} },
	},
}
