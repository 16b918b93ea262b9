package smtpd

import (
	"context"
	"errors"
	"strings"

	"atrium/mail/auth"
	"atrium/mail/delivery"
	"atrium/mail/queue"
	"atrium/storage"
	"atrium/storage/account"
	"atrium/storage/blob"
)

// reply is an answer to a command, RFC 5321 §4.2.
type reply struct {
	code   int    // 0: the command has answered by itself
	status string // enhanced status code, RFC 2034 and RFC 3463; "" where there is none
	text   string // lines, cut by \n
	hangup bool   // the connection ends after it
}

// closing makes a reply the last one.
func closing(r reply) reply {
	r.hangup = true
	return r
}

// The answers that come in more than one place.
var (
	answered     = reply{}
	okReply      = reply{code: 250, status: "2.0.0", text: "Ok"}
	badSequence  = reply{code: 503, status: "5.5.1", text: "Bad sequence of commands"}
	badArguments = reply{code: 501, status: "5.5.4", text: "Syntax error in parameters"}
	noArguments  = reply{code: 501, status: "5.5.4", text: "No parameters are allowed"}
	lineTooLong  = reply{code: 500, status: "5.5.6", text: "Line too long"}
	tooBig       = reply{code: 552, status: "5.3.4", text: "Message is larger than the limit"}
	looseLines   = reply{code: 550, status: "5.6.11", text: "Message has a CR or LF that is not part of a CR LF"}
	tryLater     = reply{code: 451, status: "4.3.0", text: "Local error, try again later"}
)

// appendReply writes a reply. Control characters in it become blanks, what is not
// ASCII a question mark unless utf8 allows it (RFC 6531 §3.5).
func appendReply(dst []byte, r reply, utf8 bool) []byte {
	for rest, more := r.text, true; more; {
		var line string
		line, rest, more = strings.Cut(rest, "\n")
		dst = append(dst, byte('0'+r.code/100), byte('0'+r.code/10%10), byte('0'+r.code%10))
		if more {
			dst = append(dst, '-')
		} else {
			dst = append(dst, ' ')
		}
		if r.status != "" {
			dst = append(append(dst, r.status...), ' ')
		}
		for i := range len(line) {
			switch c := line[i]; {
			case c < ' ' || c == 0x7f:
				dst = append(dst, ' ')
			case c >= 0x80 && !utf8:
				dst = append(dst, '?')
			default:
				dst = append(dst, c)
			}
		}
		dst = append(dst, '\r', '\n')
	}
	return dst
}

// failures are the answers to classes of errors, the first that matches.
var failures = []struct {
	class error
	reply reply
}{
	{account.NotLocal, reply{code: 550, status: "5.7.1", text: "Relaying denied, that domain is not here"}},
	{delivery.Elsewhere, reply{code: 550, status: "5.7.1", text: "Relaying denied, that address leads elsewhere"}},
	{account.Disabled, reply{code: 550, status: "5.2.1", text: "Mailbox disabled, it takes no mail"}},
	{delivery.Loop, reply{code: 554, status: "5.4.6", text: "Too many Received lines, the message is in a loop"}},
	{blob.TooLarge, tooBig},
	{storage.TooLarge, tooBig},
	{queue.TooMany, reply{code: 450, status: "4.7.1", text: "You have sent to as many recipients as an account may in a day, try again later"}},
	{storage.NotFound, reply{code: 550, status: "5.1.1", text: "No such user here"}},
	{storage.Invalid, reply{code: 553, status: "5.1.3", text: "Bad recipient address"}},
	{context.Canceled, reply{code: 421, status: "4.3.2", text: "Shutting down, try again later"}},
}

// failure turns an error of a delivery into an answer.
func (s *session) failure(err error) reply {
	if errors.Is(err, storage.OverQuota) {
		if s.server.cfg.QuotaPermanent {
			return reply{code: 552, status: "5.2.2", text: "Mailbox is full"}
		}
		return reply{code: 452, status: "4.2.2", text: "Mailbox is full, try again later"}
	}
	var refusal *delivery.Refusal
	if errors.As(err, &refusal) {
		r := reply{code: 550, status: "5.7.1", text: strings.ReplaceAll(refusal.Reason, "\n", " ")}
		if refusal.Code != 0 {
			r.code, r.status = refusal.Code, refusal.Status
		}
		return r
	}
	for _, f := range failures {
		if errors.Is(err, f.class) {
			return f.reply
		}
	}
	s.c.Log().Error("mail refused for a failure of this server", "error", err)
	return tryLater
}

// refusals are the answers to classes of failed log-ins, RFC 4954 §4 and §6.
var refusals = []struct {
	class error
	reply reply
}{
	{account.Denied, reply{code: 535, status: "5.7.8", text: "Authentication credentials invalid"}},
	{account.Disabled, reply{code: 535, status: "5.7.13", text: "Account disabled"}},
	{account.Locked, reply{code: 454, status: "4.7.0", text: "Too many failed logins, try again later"}},
	{account.Busy, reply{code: 454, status: "4.7.0", text: "Too many logins at once, try again later"}},
	{auth.Unknown, reply{code: 504, status: "5.5.4", text: "Mechanism not available"}},
	{auth.NeedsTLS, reply{code: 538, status: "5.7.11", text: "TLS is needed first"}},
	{auth.Malformed, reply{code: 501, status: "5.5.2", text: "Malformed response"}},
	{auth.Cancelled, reply{code: 501, status: "5.7.0", text: "Authentication cancelled"}},
}
