package rules

import (
	"bytes"
	"crypto/rand"
	"mime"
	"mime/quotedprintable"
	"strings"
	"time"

	"atrium/mail/message"
)

// letter is a message that the server writes.
type letter struct {
	from    string   // address
	name    string   // display name, "": none
	to, cc  []string // addresses
	subject string
	auto    string // Auto-Submitted (RFC 3834 §5)
	reply   string // Message-ID that it answers, with brackets; "": none
	refs    string // References of that message
	fields  [][2]string
	text    string // body in UTF-8
	mime    string // or a whole MIME entity with its header (RFC 5230 §4.1, :mime)
}

// bytes writes the letter, CRLF at the ends of its lines.
func (l *letter) bytes(hostname string) []byte {
	var b []byte
	from := "<" + l.from + ">"
	if l.name != "" {
		from = quoted(l.name) + " " + from
	}
	b = message.AppendField(b, "From", from)
	if len(l.to) > 0 {
		b = message.AppendField(b, "To", strings.Join(l.to, ", "))
	}
	if len(l.cc) > 0 {
		b = message.AppendField(b, "Cc", strings.Join(l.cc, ", "))
	}
	b = message.AppendField(b, "Subject", l.subject)
	b = message.AppendField(b, "Date", message.FormatDate(time.Now()))
	b = message.AppendField(b, "Message-ID", "<"+rand.Text()+"@"+hostname+">")
	if l.reply != "" {
		b = message.AppendField(b, "In-Reply-To", l.reply)
		b = message.AppendField(b, "References", strings.TrimSpace(l.refs+" "+l.reply))
	}
	b = message.AppendField(b, "Auto-Submitted", l.auto)
	for _, f := range l.fields {
		b = message.AppendField(b, f[0], f[1])
	}
	b = append(b, "MIME-Version: 1.0\r\n"...)
	if l.mime != "" {
		return append(b, crlf(l.mime)...)
	}
	b = append(b, "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"...)
	var body bytes.Buffer
	w := quotedprintable.NewWriter(&body)
	w.Write([]byte(crlf(l.text)))
	w.Close()
	b = append(b, body.Bytes()...)
	if !bytes.HasSuffix(b, []byte("\r\n")) {
		b = append(b, "\r\n"...)
	}
	return b
}

// crlf ends all lines in CRLF.
func crlf(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n"), "\n", "\r\n")
}

// quoted is a display name as it may stand in a field.
func quoted(name string) string {
	if notASCII(name) {
		return mime.BEncoding.Encode("utf-8", name)
	}
	for i := range len(name) {
		if c := name[i]; strings.IndexByte(" !#$%&'*+-/=?^_`{|}~", c) < 0 && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\r", "", "\n", "").Replace(name) + `"`
		}
	}
	return name
}
