package smtpclient

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
)

// Client is one connection. It is for one goroutine; Close may be called by others.
type Client struct {
	conn    net.Conn
	r       *bufio.Reader
	w       *bufio.Writer
	timeout time.Duration
	lmtp    bool
	hello   string
	ext     map[string]string
	broken  bool
	dirty   bool                 // a transaction may have begun that did not end
	TLS     *tls.ConnectionState // nil: plain
}

// Options say how to speak to a server.
type Options struct {
	Hello   string        // our name, for EHLO
	Timeout time.Duration // for each reply and each block; the reply to the content has twice as long
	LMTP    bool
}

// New reads the greeting of a server. When it is not 220 the Client is nil; the
// connection is closed then and on errors.
func New(ctx context.Context, conn net.Conn, o Options) (*Client, Reply, error) {
	c := &Client{conn: conn, r: bufio.NewReaderSize(conn, 4096), w: bufio.NewWriterSize(conn, 16<<10),
		timeout: o.Timeout, lmtp: o.LMTP, hello: o.Hello}
	stop := c.until(ctx)
	defer stop()
	if t, ok := conn.(*tls.Conn); ok {
		conn.SetDeadline(time.Now().Add(c.timeout))
		if err := t.HandshakeContext(ctx); err != nil {
			conn.Close()
			return nil, Reply{}, fmt.Errorf("TLS: %w", err)
		}
		state := t.ConnectionState()
		c.TLS = &state
	}
	r, err := c.reply(c.timeout)
	if err != nil || r.Code != 220 {
		conn.Close()
		return nil, r, err
	}
	return c, r, nil
}

// until has the connection closed when ctx ends.
func (c *Client) until(ctx context.Context) func() bool {
	return context.AfterFunc(ctx, func() { c.conn.Close() })
}

// Broken tells that the connection is of no use any more.
func (c *Client) Broken() bool { return c.broken }

// Close ends the connection without a word.
func (c *Client) Close() error { return c.conn.Close() }

// Quit says farewell and ends the connection.
func (c *Client) Quit() {
	if !c.broken {
		c.conn.SetDeadline(time.Now().Add(min(c.timeout, 5*time.Second)))
		c.w.WriteString("QUIT\r\n")
		if c.w.Flush() == nil {
			readReply(c.r)
		}
	}
	c.conn.Close()
}

// Has tells whether the server announced an extension, and with what parameters.
func (c *Client) Has(keyword string) (params string, ok bool) {
	params, ok = c.ext[keyword]
	return params, ok
}

// fail marks the connection as broken.
func (c *Client) fail(err error) error {
	c.broken = true
	var t net.Error
	if errors.As(err, &t) && t.Timeout() {
		return errors.New("timed out")
	}
	return err
}

func (c *Client) reply(timeout time.Duration) (Reply, error) {
	c.conn.SetReadDeadline(time.Now().Add(timeout))
	r, err := readReply(c.r)
	if err != nil {
		return r, c.fail(err)
	}
	if r.Code == 421 { // RFC 5321 §3.8: at any time
		c.broken = true
	}
	return r, nil
}

// put writes into the output; flush sends it.
func (c *Client) put(parts ...string) {
	for _, p := range parts {
		c.w.WriteString(p)
	}
}

func (c *Client) flush() error {
	c.conn.SetWriteDeadline(time.Now().Add(c.timeout))
	if err := c.w.Flush(); err != nil {
		return c.fail(err)
	}
	return nil
}

// Command sends a line and reads the reply.
func (c *Client) Command(ctx context.Context, line string) (Reply, error) {
	defer c.until(ctx)()
	c.put(line, "\r\n")
	if err := c.flush(); err != nil {
		return Reply{}, err
	}
	return c.reply(c.timeout)
}

// Hello says EHLO, or HELO to a server that does not know that, or LHLO.
func (c *Client) Hello(ctx context.Context) (Reply, error) {
	c.ext = nil
	verb := "EHLO "
	if c.lmtp {
		verb = "LHLO "
	}
	r, err := c.Command(ctx, verb+c.hello)
	if err != nil {
		return r, err
	}
	if r.Ok() {
		c.ext = extensionsOf(r)
		return r, nil
	}
	if c.lmtp || r.Code/100 != 5 || c.broken {
		return r, nil
	}
	return c.Command(ctx, "HELO "+c.hello)
}

// extensionsOf reads the reply to EHLO, RFC 5321 §4.1.1.1.
func extensionsOf(r Reply) map[string]string {
	ext := map[string]string{}
	for _, line := range r.Lines[1:] {
		keyword, params, _ := strings.Cut(strings.TrimSpace(line), " ")
		if keyword != "" {
			ext[strings.ToUpper(keyword)] = strings.TrimSpace(params)
		}
	}
	return ext
}

// StartTLS upgrades the connection. After an Ok reply without an error TLS is
// on, and Hello is to be said again. A failed handshake ends the connection.
func (c *Client) StartTLS(ctx context.Context, cfg *tls.Config) (Reply, error) {
	defer c.until(ctx)()
	r, err := c.Command(ctx, "STARTTLS")
	if err != nil || !r.Ok() {
		return r, err
	}
	if c.r.Buffered() > 0 {
		return r, c.fail(errors.New("the server sent more before TLS began"))
	}
	t := tls.Client(c.conn, cfg)
	t.SetDeadline(time.Now().Add(c.timeout))
	if err := t.HandshakeContext(ctx); err != nil {
		c.conn.Close()
		return r, c.fail(fmt.Errorf("TLS: %w", err))
	}
	t.SetDeadline(time.Time{})
	state := t.ConnectionState()
	c.conn, c.TLS, c.ext = t, &state, nil
	c.r.Reset(t)
	c.w.Reset(t)
	return r, nil
}
