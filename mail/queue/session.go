package queue

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"atrium/mail/smtpclient"
)

// session is a connection to one of a destination's hosts.
type session struct {
	c        *smtpclient.Client
	host     *host
	at       string // name and address, for logs and reports
	verified bool   // the certificate is the host's
	messages int
}

func (s *session) close() {
	if s != nil && s.c != nil {
		s.c.Quit()
	}
}

// shortTimeout is how long a connection is waited for where there is another address to try.
const shortTimeout = 10 * time.Second

// place is an address of a host.
type place struct {
	host    *host
	address string
}

// places are the addresses of hosts in the order in which they are tried: those that did not answer a
// short while ago come last.
func (q *Queue) places(hosts []host) []place {
	var good, bad []place
	for i := range hosts {
		h := &hosts[i]
		port := strconv.Itoa(h.port)
		if len(h.addrs) == 0 {
			good = append(good, place{h, net.JoinHostPort(h.name, port)})
		}
		for _, a := range h.addrs {
			p := place{h, net.JoinHostPort(a.String(), port)}
			if q.dead.has(p.address) {
				bad = append(bad, p)
			} else {
				good = append(good, p)
			}
		}
	}
	return append(good, bad...)
}

// dead are addresses that did not answer.
type dead struct {
	mu    sync.Mutex
	until map[string]time.Time
}

// How long an address that did not answer is tried last, and how many are remembered.
const (
	deadTime = 10 * time.Minute
	maxDead  = 10000
)

func (d *dead) has(address string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	until, ok := d.until[address]
	if ok && time.Now().After(until) {
		delete(d.until, address)
		ok = false
	}
	return ok
}

func (d *dead) note(address string, answers bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case answers:
		delete(d.until, address)
		return
	case d.until == nil || len(d.until) >= maxDead:
		d.until = map[string]time.Time{}
	}
	d.until[address] = time.Now().Add(deadTime)
}

// open connects to the first of the hosts that takes mail now. The Outcome tells
// why none does.
func (q *Queue) open(ctx context.Context, d *dest, hosts []host) (*session, *Outcome) {
	var last *Outcome
	list := q.places(hosts)
	for i, p := range list {
		if ctx.Err() != nil {
			return nil, stopping
		}
		patience := q.cfg.ConnectTimeout
		if i < len(list)-1 {
			patience = min(patience, shortTimeout)
		}
		s, o := q.connect(ctx, d, p.host, p.address, patience)
		if o == nil {
			return s, nil
		}
		q.log.Info("no connection", "domain", d.name, "host", o.Host, "reason", o.Text)
		if last == nil || !o.temporary() || last.temporary() {
			last = o
		}
	}
	if last != nil && !last.temporary() && len(hosts) > 1 {
		// one host that wants no mail at all does not speak for the others
		if last.Code != 554 && last.Code != 521 {
			last.Status = "4" + last.Status[min(1, len(last.Status)):]
		}
	}
	return nil, last
}

// stopping is the outcome of what this server's end cuts off; it counts as no attempt.
var stopping = &Outcome{Status: "4.3.2", Text: "this server is shutting down", Words: true}

// connect opens a connection to one address, with TLS and log-in as the host asks for them.
func (q *Queue) connect(ctx context.Context, d *dest, h *host, address string, patience time.Duration) (*session, *Outcome) {
	s, o, plain := q.attempt(ctx, d, h, address, patience, h.security != plainOnly)
	if plain && h.security == may && ctx.Err() == nil {
		// TLS that was offered does not work: opportunistic means without it then (RFC 7435 §3)
		s, o, _ = q.attempt(ctx, d, h, address, patience, false)
	}
	return s, o
}

// attempt is one try; plain tells that it failed at TLS.
func (q *Queue) attempt(ctx context.Context, d *dest, h *host, address string, patience time.Duration, secure bool) (_ *session, _ *Outcome, plain bool) {
	at := h.name + " [" + strings.TrimSuffix(strings.TrimSuffix(address, ":"+strconv.Itoa(h.port)), "]")
	at = strings.Replace(at, "[[", "[", 1) + "]"
	if host, _, _ := net.SplitHostPort(address); host == h.name {
		at = h.name
	}
	s := &session{host: h, at: at}
	bad := func(status, format string, args ...any) *Outcome {
		return &Outcome{Status: status, Text: fmt.Sprintf(format, args...), Host: at, Words: true}
	}
	dialer := net.Dialer{Timeout: patience}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if ctx.Err() == nil {
		q.dead.note(address, err == nil)
	}
	if err != nil {
		return nil, bad("4.4.1", "no connection: %s", cause(err)), false
	}
	o := smtpclient.Options{Hello: q.cfg.Hostname, Timeout: q.cfg.Timeout, LMTP: h.route != nil && h.route.LMTP}
	var checked error
	tlsConfig := q.clientTLS(h, func(err error) { checked = err })
	if h.implicit {
		conn = tls.Client(conn, tlsConfig)
	}
	c, r, err := smtpclient.New(ctx, conn, o)
	if err != nil {
		return nil, bad("4.4.2", "no greeting: %v", cause(err)), h.implicit
	}
	if c == nil {
		return nil, replied(r, at), false
	}
	s.c = c
	fail := func(o *Outcome) (*session, *Outcome, bool) {
		s.close()
		return nil, o, false
	}
	if r, err = c.Hello(ctx); err != nil {
		return fail(bad("4.4.2", "connection lost: %v", cause(err)))
	} else if !r.Ok() {
		return fail(replied(r, at))
	}
	if secure && c.TLS == nil {
		if o := q.startTLS(ctx, d, s, tlsConfig); o != nil {
			c.Close()
			return nil, o, true
		}
	}
	s.verified = c.TLS != nil && checked == nil
	if c.TLS != nil {
		q.tlsrpt.note(d.name, h.report, h.name, "")
	}
	if h.route != nil && h.route.Login != "" {
		r, err := c.Auth(ctx, h.route.Mech, h.route.Login, h.route.Password, h.security == plainOnly)
		if err != nil {
			return fail(bad("4.7.8", "log-in failed: %v", cause(err)))
		}
		if !r.Ok() { // the fault is in the settings: it may be put right before time is over
			o := replied(r, at)
			o.Text, o.Status = "log-in refused: "+o.Text, "4.7.8"
			o.Code = 0
			return fail(o)
		}
	}
	return s, nil, false
}

// startTLS goes over to TLS as far as the host's security asks for it.
func (q *Queue) startTLS(ctx context.Context, d *dest, s *session, cfg *tls.Config) *Outcome {
	h := s.host
	if _, ok := s.c.Has("STARTTLS"); !ok {
		if h.security == may {
			return nil
		}
		q.tlsrpt.note(d.name, h.report, h.name, "starttls-not-supported")
		return &Outcome{Status: "4.7.4", Text: "the server offers no TLS, which its domain or this server's settings ask for", Host: s.at, Words: true}
	}
	r, err := s.c.StartTLS(ctx, cfg)
	if err == nil && r.Ok() {
		r, err = s.c.Hello(ctx)
		if err == nil && r.Ok() {
			return nil
		}
	}
	reason := "validation-failure"
	if err != nil {
		if errors.Is(err, errCertificate) {
			reason = failureOf(err, h)
		}
		q.tlsrpt.note(d.name, h.report, h.name, reason)
		return &Outcome{Status: "4.7.5", Text: "TLS failed: " + cause(err), Host: s.at, Words: true}
	}
	q.tlsrpt.note(d.name, h.report, h.name, "starttls-not-supported")
	return &Outcome{Code: r.Code, Status: "4.7.4", Text: "TLS refused: " + r.Text, Host: s.at}
}

// replied makes an outcome of a reply.
func replied(r smtpclient.Reply, at string) *Outcome {
	o := &Outcome{Code: r.Code, Status: r.Status, Text: r.Text, Host: at}
	if o.Status == "" {
		o.Status = strconv.Itoa(r.Code/100) + ".0.0"
	}
	return o
}

// cause is an error in few words.
func cause(err error) string {
	var op *net.OpError
	if errors.As(err, &op) {
		if op.Timeout() {
			return "timed out"
		}
		err = op.Err
	}
	var t net.Error
	if errors.As(err, &t) && t.Timeout() || errors.Is(err, context.DeadlineExceeded) {
		return "timed out"
	}
	return strings.ReplaceAll(err.Error(), "\n", " ")
}

// transmit carries out one job over a session and returns the outcome for each of its
// recipients. lost tells that the connection broke before the server said
// anything to this message: another connection may do better.
func (q *Queue) transmit(ctx context.Context, s *session, j *job) (out []*Outcome, lost bool) {
	e := j.entry
	out = make([]*Outcome, len(j.to))
	all := func(o *Outcome) []*Outcome {
		for i := range out {
			if out[i] == nil {
				out[i] = o
			}
		}
		return out
	}
	body, err := q.store.Blobs().Open(ctx, e.Body)
	if err != nil {
		q.log.Error("content of a queued message cannot be read", "message", e.ID, "error", err)
		return all(&Outcome{Status: "4.3.0", Text: "the message cannot be read on this server: " + err.Error(), Words: true}), false
	}
	defer body.Close()
	t, index, refused, err := q.transaction(s, j, body)
	if err != nil {
		return all(&Outcome{Status: "4.3.0", Text: "the message cannot be read on this server: " + err.Error(), Words: true}), false
	}
	for i, o := range refused {
		out[i] = o
	}
	if t == nil {
		return out, false
	}
	res, err := s.c.Send(ctx, t)
	s.messages++
	answered := false
	_, tells := s.c.Has("DSN")
	for k, r := range res.Recipients {
		if r.Code != 0 {
			answered = true
			if err == nil || !r.Ok() {
				o := replied(r, s.at)
				switch {
				case !r.Ok():
				case tells:
					o.Tells = true
				case s.host.route != nil && s.host.route.LMTP: // it takes what is in the mailbox (RFC 2033 §4.2)
					o.done = Local
				}
				out[index[k]] = o
			}
		}
	}
	if err == nil {
		return all(&Outcome{Status: "4.4.2", Text: "the server ended the connection", Host: s.at, Words: true}), false
	}
	if ctx.Err() != nil && !res.Unsure {
		return all(stopping), false
	}
	if smtpclient.IsBody(err) {
		return all(&Outcome{Status: "4.3.0", Text: err.Error(), Words: true}), false
	}
	text := "connection lost: " + cause(err)
	if res.Unsure {
		text = "connection lost before the server said whether it has the message: " + cause(err)
	}
	return all(&Outcome{Status: "4.4.2", Text: text, Host: s.at, Words: true}), !answered && !res.Unsure
}

// deadline of one job: a large message over a slow line may take long, but not for ever.
const jobTime = 2 * time.Hour
