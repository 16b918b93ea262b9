package delivery

import (
	"bytes"
	"io"
	"net/netip"
	"strings"
	"time"
)

// Envelope is what a transaction says about a message beside its content.
type Envelope struct {
	From   string // reverse-path as it is written, without brackets; "" is the null one
	Routes []*Route

	// For the Received line, RFC 5321 §4.4.
	ID       string     // of the transaction
	Helo     string     // what the client called itself
	Remote   netip.Addr // where it is; the zero Addr: this machine, through a socket
	Protocol string     // ESMTPS and so on (RFC 3848, RFC 6531 §4.3)
	Cipher   string     // TLS cipher suite, "" without TLS (RFC 8314 §4.3)
	Time     time.Time

	// Whole tells that the sender learns but one outcome for all recipients
	// (SMTP, not LMTP): when some fail it will send to all of them again.
	Whole bool

	DSN        EnvelopeDSN
	RequireTLS bool // what goes on from here goes over TLS alone (RFC 8689)
	UTF8       bool // header or addresses may be in UTF-8 (RFC 6531)

	// Submit is there when an account submits the message. Where its client is
	// stays between the two: Received does not tell.
	Submit  *Submission
	Verdict Verdict

	ours bool // an account of ours wrote it, or this server: it comes out of the queue
}

// trace returns the lines that final delivery puts on top: Return-Path and
// Received (RFC 5321 §4.4), and the length of the first.
func (d *Deliverer) trace(e *Envelope) (b []byte, path int) {
	b = make([]byte, 0, 512)
	b = append(b, "Return-Path: <"...)
	b = append(b, clean(e.From)...)
	b = append(b, ">\r\n"...)
	path = len(b)
	b = append(b, "Received: from "...)
	helo, remote := e.Helo, e.Remote
	if e.Submit != nil {
		helo, remote = "", netip.Addr{}
	}
	b = append(b, clean(helo)...)
	if helo == "" {
		b = append(b, "localhost"...)
	}
	if remote.IsValid() {
		b = append(b, " ("...)
		b = append(b, literal(remote)...)
		b = append(b, ')')
	}
	b = append(b, "\r\n\tby "...)
	b = append(b, d.cfg.Hostname...)
	b = append(b, " with "...)
	b = append(b, e.Protocol...)
	b = append(b, " id "...)
	b = append(b, e.ID...)
	if len(e.Routes) == 1 {
		b = append(b, "\r\n\tfor <"...)
		b = append(b, clean(e.Routes[0].Address)...)
		b = append(b, '>')
	}
	if e.Cipher != "" {
		b = append(b, " tls "...)
		b = append(b, e.Cipher...)
	}
	b = append(b, ";\r\n\t"...)
	b = e.Time.UTC().AppendFormat(b, "Mon, 02 Jan 2006 15:04:05 -0700")
	return append(b, "\r\n"...), path
}

// literal writes an address literal, RFC 5321 §4.1.3.
func literal(ip netip.Addr) string {
	if ip.Is4() {
		return "[" + ip.String() + "]"
	}
	return "[IPv6:" + ip.String() + "]"
}

// clean takes out what would break a header line or leave its comment.
func clean(v string) string {
	if strings.IndexFunc(v, unclean) < 0 {
		return v
	}
	return strings.Map(func(r rune) rune {
		if unclean(r) {
			return '?'
		}
		return r
	}, v)
}

func unclean(r rune) bool { return r < ' ' || r == 0x7f }

// What countReceived looks at, in bytes: at most, and at once.
const (
	maxHeader   = 1 << 20
	headerChunk = 4 << 10
)

// received counts the Received fields in the header of the message.
func (m *Message) received() (int, error) {
	buf, _ := m.d.pool.Get().(*[headerChunk]byte)
	if buf == nil {
		buf = new([headerChunk]byte)
	}
	defer m.d.pool.Put(buf)
	return countReceived(m.spool, m.spool.Size(), buf[:])
}

// countReceived counts the Received fields in the header of the message in r.
func countReceived(r io.ReaderAt, size int64, buf []byte) (n int, err error) {
	const name = "received:"
	line := make([]byte, 0, len(name)) // the beginning of the line under way
	for off := int64(0); off < min(size, maxHeader); {
		k, err := r.ReadAt(buf[:min(int64(len(buf)), size-off)], off)
		if k == 0 {
			return n, err
		}
		off += int64(k)
		for p := buf[:k]; len(p) > 0; {
			end := bytes.IndexByte(p, '\n')
			part := p
			if end >= 0 {
				part = p[:end+1]
			}
			line = append(line, part[:min(len(part), len(name)-len(line))]...)
			p = p[len(part):]
			if end < 0 {
				break
			}
			if line[0] == '\r' || line[0] == '\n' {
				return n, nil
			}
			if bytes.EqualFold(line, []byte(name)) {
				n++
			}
			line = line[:0]
		}
	}
	return n, nil
}
