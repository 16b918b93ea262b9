package inbound

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/emersion/go-milter"

	"atrium/mail/delivery"
	"atrium/mail/message"
)

// milterClient asks a milter: one connection for one message. What it wants changed
// in the header is done; that it may change body and envelope is not offered.
type milterClient struct {
	network, address string
	wait             time.Duration
	host             string
}

func (c *milterClient) name() string { return "milter " + c.address }

// Bounds of what a milter is told and may say.
const (
	maxMilterFields = 2000
	maxActions      = 500
)

func (c *milterClient) judge(ctx context.Context, m *delivery.Message, client string) (o *opinion, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.wait)
	defer cancel()
	d := &ctxDialer{ctx: ctx}
	defer d.close()
	s, err := milter.NewClientWithOptions(c.network, c.address, milter.ClientOptions{
		Dialer: d, ReadTimeout: c.wait, WriteTimeout: c.wait,
		ActionMask: milter.OptAddHeader | milter.OptChangeHeader | milter.OptQuarantine,
	}).Session()
	if err != nil {
		return nil, err
	}
	defer s.Close()
	t := &milterTalk{s: s, m: m, client: client, host: c.host}
	for _, step := range []func() (*milter.Action, error){t.conn, t.mail, t.rcpt, t.header} {
		act, err := step()
		if err != nil {
			return nil, err
		}
		if o, done := milterOpinion(act); done {
			return o, nil
		}
	}
	changes, act, err := s.BodyReadFrom(io.NewSectionReader(m, t.body, m.Size()-t.body))
	if err != nil {
		return nil, err
	}
	if o, done := milterOpinion(act); done && (o.refusal != nil || o.quarantine != "") { // not what is accepted, with changes
		return o, nil
	}
	return milterChanges(changes), nil
}

// ctxDialer dials, and has the connection end with the context.
type ctxDialer struct {
	ctx  context.Context
	conn net.Conn
	stop func() bool
}

func (d *ctxDialer) Dial(network, address string) (net.Conn, error) {
	var nd net.Dialer
	c, err := nd.DialContext(d.ctx, network, address)
	if err != nil {
		return nil, err
	}
	d.conn, d.stop = c, context.AfterFunc(d.ctx, func() { c.Close() })
	return c, nil
}

func (d *ctxDialer) close() {
	if d.conn != nil {
		d.stop()
		d.conn.Close()
	}
}

// milterTalk tells a milter of one message.
type milterTalk struct {
	s            *milter.ClientSession
	m            *delivery.Message
	client, host string
	body         int64 // where it begins
}

func (t *milterTalk) conn() (*milter.Action, error) {
	env := t.m.Envelope()
	if err := t.s.Macros(milter.CodeConn, "j", t.host, "{daemon_name}", "atrium"); err != nil {
		return nil, err
	}
	name := t.client
	family, addr := milter.FamilyUnknown, ""
	if ip := env.Remote.Unmap(); ip.IsValid() {
		family, addr = milter.FamilyInet, ip.WithZone("").String()
		if ip.Is6() {
			family = milter.FamilyInet6
		}
		if name == "" {
			name = "[" + addr + "]"
		}
	} else if name == "" {
		name = "localhost"
	}
	act, err := t.s.Conn(name, family, 0, addr)
	if err != nil || act.Code != milter.ActContinue {
		return act, err
	}
	return t.s.Helo(plainText(env.Helo))
}

func (t *milterTalk) mail() (*milter.Action, error) {
	env := t.m.Envelope()
	if err := t.s.Macros(milter.CodeMail, "i", env.ID, "{mail_addr}", plainText(env.From)); err != nil {
		return nil, err
	}
	return t.s.Mail(plainText(env.From), nil)
}

// rcpt tells the recipients. A milter that does not want one of them refuses the
// message: it was accepted for all by then.
func (t *milterTalk) rcpt() (act *milter.Action, err error) {
	for _, r := range t.m.Envelope().Routes {
		if err := t.s.Macros(milter.CodeRcpt, "{rcpt_addr}", plainText(r.Address)); err != nil {
			return nil, err
		}
		act, err = t.s.Rcpt(plainText(r.Address), nil)
		if err != nil || act.Code != milter.ActContinue {
			return act, err
		}
	}
	return act, nil
}

func (t *milterTalk) header() (*milter.Action, error) {
	const limit = 1 << 20
	start := t.m.Start()
	buf := make([]byte, min(limit, t.m.Size()-start))
	if _, err := t.m.ReadAt(buf, start); err != nil && err != io.EOF {
		return nil, err
	}
	rest, n := buf, 0
	for {
		f, next, ok := message.NextField(rest)
		if !ok {
			break
		}
		rest = next
		if n++; f.Name == nil || n > maxMilterFields {
			continue
		}
		value := strings.TrimSuffix(string(f.Raw[strings.IndexByte(string(f.Raw), ':')+1:]), "\r\n")
		act, err := t.s.HeaderField(plainText(string(f.Name)), plainText(strings.ReplaceAll(strings.TrimPrefix(value, " "), "\r\n", "\n")))
		if err != nil || act.Code != milter.ActContinue {
			return act, err
		}
	}
	t.body = start + int64(len(buf)-len(rest))
	if len(rest) >= 2 && rest[0] == '\r' {
		t.body += 2
	}
	return t.s.HeaderEnd()
}

// plainText is a text that may stand in the protocol, whose strings end with NUL.
func plainText(s string) string { return strings.ReplaceAll(s, "\x00", "") }

// milterOpinion tells what an answer means, and whether it is the last word.
func milterOpinion(a *milter.Action) (o *opinion, done bool) {
	if a == nil {
		return nil, false
	}
	switch a.Code {
	case milter.ActAccept:
		return &opinion{}, true
	case milter.ActDiscard:
		// Nothing that was accepted is thrown away here: it goes into Junk.
		return &opinion{quarantine: "milter: discard", reasons: []string{"milter"}}, true
	case milter.ActReject:
		return &opinion{refusal: &delivery.Refusal{Reason: "Message refused"}}, true
	case milter.ActTempFail:
		return &opinion{refusal: &delivery.Refusal{Reason: "Try again later", Code: 451, Status: "4.7.1"}}, true
	case milter.ActReplyCode:
		return &opinion{refusal: codeOf(a.SMTPCode, a.SMTPText, &delivery.Refusal{Reason: "Message refused"})}, true
	}
	return nil, false
}

// milterChanges is what a milter wants done at the end.
func milterChanges(changes []milter.ModifyAction) *opinion {
	o := &opinion{ignored: max(0, len(changes)-maxActions)}
	for _, c := range changes[:min(len(changes), maxActions)] {
		if c.Code != milter.ActQuarantine && marksJunk(c.HeaderName, c.HeaderValue) && o.quarantine == "" {
			o.quarantine, o.reasons = "milter: "+c.HeaderName, []string{"milter"}
		}
		switch c.Code {
		case milter.ActAddHeader, milter.ActInsertHeader:
			o.fields = append(o.fields, headerField(c.HeaderName, c.HeaderValue)...)
		case milter.ActChangeHeader:
			e := edit{name: c.HeaderName, index: int(min(c.HeaderIndex, maxMilterFields))}
			if c.HeaderValue != "" {
				if e.field = headerField(c.HeaderName, c.HeaderValue); e.field == nil {
					o.ignored++
					continue
				}
			}
			o.edits = append(o.edits, e)
		case milter.ActQuarantine:
			o.quarantine = fmt.Sprintf("milter: %.100s", c.Reason)
			o.reasons = []string{"milter"}
		default: // many milters do not start unless they may ask
			o.ignored++
		}
	}
	return o
}

// marksJunk tells whether a field is one by which filters mark junk.
func marksJunk(name, value string) bool {
	for _, n := range []string{"X-Spam", "X-Spam-Flag", "X-Spam-Status"} {
		if strings.EqualFold(name, n) {
			v := strings.ToLower(strings.TrimSpace(value))
			return v == "yes" || strings.HasPrefix(v, "yes,")
		}
	}
	return false
}
