package imapd

import (
	"atrium/mail"
	"atrium/mail/imapd/wire"
)

// sorting is SORT; its answer is that of search.go. Strings compare by i;unicode-casemap.
var sorting = extension{
	name: "SORT", rfc: "RFC 5256", what: "SEARCH in order",
	commands: []command{
		{"SORT", selected, uses, (*session).sort},
		{"UID SORT", selected, breaks, (*session).sort},
	},
}

// sortDisplay and esort are looked at by sort.
var (
	sortDisplay = extension{name: "SORT=DISPLAY", rfc: "RFC 5957", what: "SORT by the names that people see"}
	esort       = extension{name: "ESORT", rfc: "RFC 5267", what: "SORT answers with MIN, MAX, COUNT, a set or a window"}
)

var sortFields = map[string]mail.SortField{
	"ARRIVAL": mail.SortArrival, "CC": mail.SortCc, "DATE": mail.SortDate, "FROM": mail.SortFrom,
	"SIZE": mail.SortSize, "SUBJECT": mail.SortSubject, "TO": mail.SortTo,
	"DISPLAYFROM": mail.SortDisplayFrom, "DISPLAYTO": mail.SortDisplayTo, "RELEVANCY": mail.SortRelevancy,
}

// sortNeeds are the extensions that bring a key.
var sortNeeds = map[mail.SortField]string{
	mail.SortDisplayFrom: "SORT=DISPLAY", mail.SortDisplayTo: "SORT=DISPLAY", mail.SortRelevancy: "SEARCH=FUZZY",
}

// sort handles SORT and UID SORT (RFC 5256 §3; RETURN: RFC 5267 §3).
func (c *session) sort(r *wire.Reader) error {
	r.SP()
	a := &searchArgs{c: c, name: "SORT"}
	if c.server.reg.has("ESORT") && r.Peek() != '(' {
		c.readReturns(a, r)
	}
	reverse := false
	r.List(func() {
		name := r.Keyword()
		if name == "REVERSE" {
			reverse = true
			return
		}
		field, ok := sortFields[name]
		if need := sortNeeds[field]; !ok || need != "" && !c.server.reg.has(need) {
			r.Fail("Unknown sort key %s", name)
			return
		}
		a.sort = append(a.sort, mail.SortKey{Field: field, Reverse: reverse})
		reverse = false
	})
	if r.Err() == nil && (len(a.sort) == 0 || reverse) {
		r.Fail("Sort keys are missing")
	}
	r.SP()
	p := &searchParser{c: c, args: a}
	p.useCharset(r.AString())
	r.SP()
	a.criteria = p.keys(r)
	if err := r.End(); err != nil {
		return a.failed(err)
	}
	return a.finish(p)
}

// i18nLevel says that SEARCH, SORT and THREAD compare by i;unicode-casemap.
var i18nLevel = extension{name: "I18NLEVEL=1", rfc: "RFC 5255", what: "SEARCH, SORT and THREAD know all letters"}
