package queue

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"atrium/mail/dkim"
	"atrium/mail/smtpclient"
	"atrium/storage/blob"
)

// features are what a message's content asks of a server.
type features struct {
	header bool // octets above 127 in the header, or in that of a part
	body   bool // octets above 127 elsewhere
	long   bool // lines longer than a server must take, behind the header
}

// maxLine is how long a line may be without its end, in octets (RFC 5322 §2.1.1, RFC 5321 §4.5.3.1.6).
const maxLine = 998

// look reads content and tells what it asks for, its lines' length only where that is asked. Memory does not depend on its length.
func look(r io.Reader, lines bool) (f features, err error) {
	buf := make([]byte, 32<<10)
	inHeader, last := true, [3]byte{}
	length := 0
	for {
		n, err := r.Read(buf)
		p := buf[:n]
		for i := 0; inHeader && i < len(p); i++ {
			if p[i] >= 0x80 {
				f.header = true
			}
			if p[i] == '\n' && (last == [3]byte{'\r', '\n', '\r'} || last[2] == '\n') {
				inHeader = false
				p = p[i+1:]
				break
			}
			last = [3]byte{last[1], last[2], p[i]}
			if i == len(p)-1 {
				p = nil
			}
		}
		if !inHeader && !f.body && hasEight(p) {
			f.body = true
		}
		for rest := p; lines && !inHeader && !f.long && len(rest) > 0; {
			k := bytes.IndexByte(rest, '\n')
			if k < 0 {
				length += len(rest)
				f.long = length > maxLine+1
				break
			}
			f.long = length+k > maxLine+1
			length, rest = 0, rest[k+1:]
		}
		if err == io.EOF || f.body && !inHeader && (f.long || !lines) {
			return f, nil
		}
		if err != nil {
			return f, err
		}
	}
}

// transaction says how a job's message goes to a server with what that can do. index are
// the recipients, of the job's, that are in it; the others have an outcome
// without it. The Transaction is nil when none are left.
func (q *Queue) transaction(s *session, j *job, body blob.Body) (t *smtpclient.Transaction, index []int, refused map[int]*Outcome, err error) {
	e := j.entry
	content := io.NewSectionReader(body, e.Skip, e.Body.Size-e.Skip)
	f, err := look(content, e.Ours)
	if err != nil {
		return nil, nil, nil, err
	}
	refused = map[int]*Outcome{}
	all := func(o *Outcome) (*smtpclient.Transaction, []int, map[int]*Outcome, error) {
		for i := range j.to {
			refused[i] = o
		}
		return nil, nil, refused, nil
	}
	bad := func(status, format string, args ...any) *Outcome {
		return &Outcome{Status: status, Text: fmt.Sprintf(format, args...), Host: s.at, Words: true}
	}
	has := func(keyword string) bool { _, ok := s.c.Has(keyword); return ok }
	t = &smtpclient.Transaction{Size: content.Size()}
	if o := tooLarge(s, t.Size); o != nil {
		return all(o)
	}
	if e.RequireTLS {
		if o := requireTLS(s); o != nil {
			return all(o)
		}
		t.Params = append(t.Params, "REQUIRETLS")
	}
	// A header with octets above 127 that came without SMTPUTF8 goes as it came: nobody vouches that it is
	// UTF-8, and a server that does not mind took it from us before RFC 6531 and does today.
	utf8, international := has("SMTPUTF8"), f.header && e.UTF8
	if international && !utf8 {
		return all(bad("5.6.7", "the message has a header in UTF-8, which the server does not take"))
	}
	from, ok := ascii(e.From)
	if e.From == "" {
		from, ok = "", true
	}
	if !ok && !utf8 {
		return all(bad("5.6.7", "the sender's address is in UTF-8, which the server does not take"))
	}
	international = international || !ok
	if has("8BITMIME") && (f.body || f.header || e.EightBit || e.Binary) {
		t.Params = append(t.Params, "BODY=8BITMIME")
	}
	for i, n := range j.to {
		r := &e.Recipients[n]
		address, plain := ascii(r.Address)
		if !plain {
			if !utf8 {
				refused[i] = bad("5.6.7", "the address %s is in UTF-8, which the server does not take", r.Address)
				continue
			}
			international = true
			address = r.Address
		}
		t.To = append(t.To, smtpclient.Target{Address: address})
		index = append(index, i)
	}
	if len(t.To) == 0 {
		return nil, nil, refused, nil
	}
	if international {
		t.Params = append(t.Params, "SMTPUTF8")
	}
	t.From = from
	if !ok {
		t.From = e.From
	}
	if has("DSN") {
		q.passDSN(t, e, j.to, index)
	}
	o, err := q.content(s, t, e, f, content)
	if err != nil {
		return nil, nil, nil, err
	}
	if o != nil {
		return all(o)
	}
	if has("SIZE") {
		t.Params = append([]string{"SIZE=" + strconv.FormatInt(t.Size, 10)}, t.Params...)
	}
	return t, index, refused, nil
}

// content gives a transaction what it sends, rewritten where the server asks for that. The Outcome tells why the server
// cannot have it.
func (q *Queue) content(s *session, t *smtpclient.Transaction, e *Entry, f features, content *io.SectionReader) (*Outcome, error) {
	_, eight := s.c.Has("8BITMIME")
	t.Body = content
	if eight = eight || !f.body && !f.header; !eight || f.long {
		down := &downgrade{eightBit: eight, lines: f.long}
		content.Seek(0, io.SeekStart)
		err := down.plan(content)
		if err != nil && !eight {
			return &Outcome{Status: "5.6.3", Host: s.at, Words: true,
				Text: fmt.Sprintf("the message has octets that the server does not take, and cannot be rewritten without them: %v", err)}, nil
		}
		if err == nil && len(down.parts) > 0 { // long lines alone are no reason to give up
			if err := q.rewrite(t, e, down, content); err != nil {
				return nil, err
			}
		}
	}
	_, err := content.Seek(0, io.SeekStart)
	return tooLarge(s, t.Size), err
}

// tooLarge tells that a server does not take so many bytes, RFC 1870 §4; nil when it may.
func tooLarge(s *session, size int64) *Outcome {
	limit, _ := s.c.Has("SIZE")
	n, err := strconv.ParseInt(limit, 10, 64)
	if err != nil || n <= 0 || size <= n {
		return nil
	}
	return &Outcome{Status: "5.3.4", Text: fmt.Sprintf("the message has %d bytes, the server takes at most %d", size, n), Host: s.at, Words: true}
}

// rewrite has a transaction send what the downgrade makes of content, signed anew.
func (q *Queue) rewrite(t *smtpclient.Transaction, e *Entry, down *downgrade, content *io.SectionReader) error {
	again, err := q.signAgain(e, down, content)
	if err != nil {
		return err
	}
	content.Seek(0, io.SeekStart)
	n, err := io.Copy(io.Discard, down.reader(content))
	if err != nil {
		return err
	}
	t.Size = int64(len(again)) + n
	t.Body = io.MultiReader(bytes.NewReader(again), down.reader(content))
	return nil
}

// signAgain signs a message of an account of ours, or of this server's own, as it is after its rewriting,
// which breaks the signatures that it has (RFC 6376 §5.3).
func (q *Queue) signAgain(e *Entry, down *downgrade, content *io.SectionReader) ([]byte, error) {
	if q.sign == nil || !e.Ours {
		return nil, nil
	}
	domain, err := dkim.Author(content, content.Size())
	if err != nil || domain == "" || e.Account != 0 && !q.local.Local(domain) {
		return nil, err
	}
	content.Seek(0, io.SeekStart)
	return q.sign(context.Background(), domain, down.reader(content))
}

// What RFC 8689 §4.2.1 calls a server that cannot be sent what must travel over TLS alone.
const (
	needsEncryption = "5.7.10"
	needsRequireTLS = "5.7.30"
)

// requireTLS tells why a message that must travel over TLS alone cannot go to
// this server, RFC 8689 §4.2.1.
func requireTLS(s *session) *Outcome {
	why, status := "", needsEncryption
	_, offered := s.c.Has("REQUIRETLS")
	switch {
	case s.c.TLS == nil:
		why = "the server offers no TLS"
	case !s.verified || !s.host.trusted:
		why = "it is not proven that the server is the right one"
	case !offered:
		why, status = "the server does not promise to go on over TLS", needsRequireTLS
	default:
		return nil
	}
	return &Outcome{Status: status, Text: "the message asks for protected transport (REQUIRETLS), but " + why, Host: s.at, Words: true}
}

// passDSN tells the next server what the sender wants to hear, RFC 3461 §5.2.
func (q *Queue) passDSN(t *smtpclient.Transaction, e *Entry, to []int, index []int) {
	switch e.Return {
	case ReturnFull:
		t.Params = append(t.Params, "RET=FULL")
	case ReturnHeaders:
		t.Params = append(t.Params, "RET=HDRS")
	}
	if e.EnvelopeID != "" {
		t.Params = append(t.Params, "ENVID="+xtext(e.EnvelopeID))
	}
	for k, i := range index {
		r := &e.Recipients[to[i]]
		if r.Notify != 0 {
			t.To[k].Params = append(t.To[k].Params, "NOTIFY="+r.Notify.String())
		}
		original := r.Original
		if original == "" && r.Notify != 0 {
			original = "rfc822;" + r.Address
			if !isASCII(r.Address) {
				original = "utf-8;" + r.Address
			}
		}
		if kind, address, ok := strings.Cut(original, ";"); !ok {
		} else if strings.EqualFold(kind, "utf-8") {
			t.To[k].Params = append(t.To[k].Params, "ORCPT="+kind+";"+utf8text(address))
		} else if isASCII(original) {
			t.To[k].Params = append(t.To[k].Params, "ORCPT="+kind+";"+xtext(address))
		}
	}
}

func (n Notify) String() string {
	var out []string
	for i, name := range []string{"SUCCESS", "FAILURE", "DELAY", "NEVER"} {
		if n&(1<<i) != 0 {
			out = append(out, name)
		}
	}
	return strings.Join(out, ",")
}

// utf8text is an address as utf-8-addr-xtext, which every server can take (RFC 6533 §3): what is not ASCII, or stands for something,
// is named by its number. What is written so already stays.
func utf8text(s string) string {
	var b strings.Builder
	for i, r := range s {
		if r <= ' ' || r > '~' || r == '+' || r == '=' || r == '\\' && !strings.HasPrefix(s[i:], `\x{`) {
			fmt.Fprintf(&b, `\x{%02X}`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// xtext is RFC 3461 §4.
func xtext(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c < '!' || c > '~' || c == '+' || c == '=' {
			fmt.Fprintf(&b, "+%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
