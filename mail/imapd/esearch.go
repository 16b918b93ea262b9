package imapd

import "atrium/mail/imapd/wire"

// esearch adds RETURN to SEARCH; search.go answers.
var esearch = extension{
	name: "ESEARCH", rfc: "RFC 4731", what: "SEARCH answers with MIN, MAX, COUNT or a set",
	searchReturns: map[string]func(*searchArgs, *wire.Reader){
		"MIN": asked, "MAX": asked, "ALL": asked, "COUNT": asked,
	},
}

// asked is for return options without arguments.
func asked(*searchArgs, *wire.Reader) {}
