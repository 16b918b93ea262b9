package smtpd

import (
	"bytes"
	"crypto/rand"
	"strings"
	"time"

	"atrium/mail/message"
)

// complete puts the header of a submitted message right: Date and Message-ID
// are added when they are missing (RFC 6409 §8.2, §8.3), Bcc and Return-Path
// go (RFC 5322 §3.6.3, RFC 5321 §4.4). The rest stays as it is, octet for octet.
func complete(header []byte, host string, now time.Time) []byte {
	kept := make([]byte, 0, len(header))
	date, id := true, true // missing
	rest := header
	for {
		f, next, ok := message.NextField(rest)
		if !ok {
			break
		}
		if f.Name == nil && len(rest) == len(header) {
			// No header at all: everything is the body.
			return append(append(missing(nil, host, now, true, true), "\r\n"...), header...)
		}
		rest = next
		switch strings.ToLower(string(bytes.TrimRight(f.Name, " \t"))) {
		case "bcc", "resent-bcc", "return-path":
			continue
		case "date":
			date = false
		case "message-id":
			id = false
		}
		kept = append(kept, f.Raw...)
	}
	return append(append(missing(nil, host, now, date, id), kept...), rest...)
}

// missing appends the fields that a message lacks.
func missing(dst []byte, host string, now time.Time, date, id bool) []byte {
	if date {
		dst = append(dst, "Date: "...)
		dst = now.UTC().AppendFormat(dst, "Mon, 02 Jan 2006 15:04:05 -0700")
		dst = append(dst, "\r\n"...)
	}
	if id {
		dst = append(dst, "Message-ID: <"+rand.Text()+"@"+host+">\r\n"...)
	}
	return dst
}
