package smtpd

// lmtp is RFC 2033: LHLO in the place of EHLO, and an answer for each recipient
// after the content (session.complete).
var lmtp = extension{rfc: "2033", dialects: []Dialect{LMTP}, commands: []command{
	{"LHLO", always, (*session).greet},
}}
