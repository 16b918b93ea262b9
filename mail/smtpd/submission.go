package smtpd

import (
	"bytes"
	"crypto/rand"
	"errors"
	"slices"
	"strings"
	"time"

	"atrium/mail/message"
)

// badHeader is a header that a submission must not have.
type badHeader struct {
	reply reply
	err   error // of this server
}

func (b *badHeader) Error() string { return b.reply.text }

// badHeader answers one.
func (s *session) badHeader(err error) reply {
	var b *badHeader
	if !errors.As(err, &b) || b.err != nil {
		return s.failure(b.err)
	}
	return b.reply
}

// fields are what submitted looks for in a header.
type fields struct {
	date, id           bool
	from, sender       []message.Address
	froms, senders     int
	resent             []message.Address // Resent-From: who sends it now (RFC 5322 §3.6.6)
	kept               []byte            // what stays, in its order
	rest               []byte            // the empty line, if there is one
	headless, isResent bool
}

// read takes a header apart: Bcc and Return-Path go (RFC 5322 §3.6.3, RFC 5321 §4.4).
func (f *fields) read(header []byte) {
	f.kept = make([]byte, 0, len(header))
	f.rest = header
	for {
		x, next, ok := message.NextField(f.rest)
		if !ok {
			return
		}
		if x.Name == nil && len(f.rest) == len(header) {
			f.headless = true
			return
		}
		f.rest = next
		switch strings.ToLower(string(bytes.TrimRight(x.Name, " \t"))) {
		case "bcc", "resent-bcc", "return-path":
			continue
		case "date":
			f.date = true
		case "message-id":
			f.id = true
		case "from":
			f.froms++
			f.from = append(f.from, people(x.Value)...)
		case "sender":
			f.senders++
			f.sender = append(f.sender, people(x.Value)...)
		case "resent-from":
			if !f.isResent { // the topmost block is the newest
				f.resent = people(x.Value)
			}
			f.isResent = true
		}
		f.kept = append(f.kept, x.Raw...)
	}
}

// people are the addresses of a field, without the marks of groups.
func people(value []byte) []message.Address {
	return slices.DeleteFunc(message.ParseAddresses(value), func(a message.Address) bool { return a.Group })
}

// submitted puts the header of a submitted message right: From must be of the
// account or granted to it (RFC 6409 §6.1), and Sender tells who sends in
// another's name (RFC 5322 §3.6.2); From, Date and Message-ID are added when
// they are missing (RFC 6409 §8). The rest stays as it is, octet for octet.
func (s *session) submitted(header []byte, host string, now time.Time) ([]byte, error) {
	var f fields
	f.read(header)
	sender, err := s.senders(&f)
	if err != nil {
		return nil, err
	}
	author := ""
	if f.froms == 0 {
		author = s.author()
	}
	return f.complete(author, sender, host, now), nil
}

// complete puts the header together again, with what is to be added on top.
func (f *fields) complete(author, sender, host string, now time.Time) []byte {
	var top []byte
	if author != "" {
		top = append(top, "From: <"+author+">\r\n"...)
	}
	if sender != "" {
		top = append(top, "Sender: <"+sender+">\r\n"...)
	}
	top = missing(top, host, now, !f.date, !f.id)
	if f.headless { // no header at all: everything is the body
		top = append(top, "\r\n"...)
	}
	return append(append(top, f.kept...), f.rest...)
}

// author is the address of who sends, where the header does not tell.
func (s *session) author() string {
	if !s.tx.from.IsZero() {
		return s.tx.from.String()
	}
	return s.login.Name
}

// senders checks the addresses that the header says it comes from, and tells which Sender is to be added.
func (s *session) senders(f *fields) (add string, err error) {
	bad := func(text string) error {
		return &badHeader{reply: reply{code: 550, status: "5.6.0", text: text}}
	}
	list := f.from
	switch {
	case f.froms > 1:
		return "", bad("The message has more than one From")
	case f.senders > 1 || len(f.sender) > 1:
		return "", bad("The message has more than one Sender")
	case f.froms == 1 && len(f.from) == 0:
		return "", bad("From has no address")
	}
	if f.isResent {
		if list = f.resent; len(list) == 0 {
			return "", bad("Resent-From has no address")
		}
	}
	if len(list) > 20 {
		return "", bad("From has too many addresses")
	}
	granted := false
	for _, a := range list {
		address := a.Addr()
		may, own, err := s.server.delivery.MaySend(s.c.Context(), s.login, address)
		switch {
		case err != nil:
			return "", &badHeader{err: err}
		case !may:
			return "", &badHeader{reply: reply{code: 550, status: "5.7.1", text: "The address in From is not yours to send from: " + address}}
		}
		granted = granted || !own
	}
	if f.senders > 0 && !f.isResent {
		for _, a := range f.sender {
			may, _, err := s.server.delivery.MaySend(s.c.Context(), s.login, a.Addr())
			if err != nil {
				return "", &badHeader{err: err}
			}
			if !may {
				return "", &badHeader{reply: reply{code: 550, status: "5.7.1", text: "The address in Sender is not yours to send from: " + a.Addr()}}
			}
		}
		return "", nil
	}
	if (granted || len(list) > 1) && !f.isResent {
		return s.login.Name, nil
	}
	return "", nil
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
