package smtpd

import (
	"strings"

	"atrium/mail/delivery"
)

// dsn is RFC 3461: what the sender wants to be told, and in which words of its own.
var dsn = extension{
	name: "DSN", rfc: "3461",
	param: func(s *session) (string, bool) { return "", s.server.notifier != nil },
	mail: map[string]func(*session, *transaction, param) reply{
		"RET":   (*session).dsnReturn,
		"ENVID": (*session).dsnEnvelope,
	},
	rcpt: map[string]func(*session, *transaction, param) reply{
		"NOTIFY": (*session).dsnNotify,
		"ORCPT":  (*session).dsnOriginal,
	},
}

// dsnOff answers a parameter of DSN where that is not offered.
func (s *session) dsnOff(p param) reply {
	if s.server.notifier != nil {
		return answered
	}
	return reply{code: 555, status: "5.5.4", text: "Parameter not recognized: " + p.name}
}

// dsnReturn is RET, RFC 3461 §4.3.
func (s *session) dsnReturn(tx *transaction, p param) reply {
	if r := s.dsnOff(p); r.code != 0 {
		return r
	}
	switch tx.dsn.Return = strings.ToUpper(p.value); tx.dsn.Return {
	case "FULL", "HDRS":
		return answered
	}
	return reply{code: 501, status: "5.5.4", text: "RET is FULL or HDRS"}
}

// dsnEnvelope is ENVID, RFC 3461 §4.4: xtext of printable characters, at most 100 of them.
func (s *session) dsnEnvelope(tx *transaction, p param) reply {
	if r := s.dsnOff(p); r.code != 0 {
		return r
	}
	v, err := decodeXtext(p.value)
	if err != nil || v == "" || len(p.value) > 100 || !printable(v) {
		return badArguments
	}
	tx.dsn.EnvelopeID = v
	return answered
}

// dsnNotify is NOTIFY, RFC 3461 §4.1.
func (s *session) dsnNotify(tx *transaction, p param) reply {
	if r := s.dsnOff(p); r.code != 0 {
		return r
	}
	var n delivery.Notify
	for word := range strings.SplitSeq(p.value, ",") {
		switch strings.ToUpper(word) {
		case "NEVER":
			n |= delivery.NotifyNever
		case "SUCCESS":
			n |= delivery.NotifySuccess
		case "FAILURE":
			n |= delivery.NotifyFailure
		case "DELAY":
			n |= delivery.NotifyDelay
		default:
			return badArguments
		}
	}
	if n.Has(delivery.NotifyNever) && n != delivery.NotifyNever {
		return badArguments // NEVER stands alone
	}
	tx.rcpt.Notify = n
	return answered
}

// dsnOriginal is ORCPT, RFC 3461 §4.2: an address type and an address as xtext, at most
// 500 characters; utf-8 addresses as RFC 6533 §3 writes them pass as they came.
func (s *session) dsnOriginal(tx *transaction, p param) reply {
	if r := s.dsnOff(p); r.code != 0 {
		return r
	}
	kind, address, ok := strings.Cut(p.value, ";")
	if !ok || kind == "" || address == "" || len(p.value) > 500 || strings.ContainsFunc(kind, func(r rune) bool { return r >= 0x80 || !isAtom(byte(r)) }) {
		return badArguments
	}
	v, err := decodeXtext(address)
	if err != nil || !strings.EqualFold(kind, "utf-8") && !printable(v) || strings.ContainsFunc(v, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return badArguments
	}
	tx.rcpt.Original = kind + ";" + v
	return answered
}

func printable(v string) bool {
	for i := range len(v) {
		if v[i] < ' ' || v[i] > '~' {
			return false
		}
	}
	return true
}
