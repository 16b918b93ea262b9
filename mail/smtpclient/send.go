package smtpclient

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"
)

// Transaction is one message for the server.
type Transaction struct {
	From   string   // reverse-path, "" for the null one
	Params []string // of MAIL: "BODY=8BITMIME"
	To     []Target
	Binary bool // send by BDAT (RFC 3030), octet for octet: the server has CHUNKING
	Size   int64
	Body   io.Reader
}

// Target is one recipient.
type Target struct {
	Address string
	Params  []string // of RCPT: "NOTIFY=FAILURE"
}

// Result is what became of a Transaction.
type Result struct {
	Recipients []Reply // the last word on each recipient
	Accepted   bool    // at least one recipient's content was taken
	// Unsure means that the connection broke after the end of the content left
	// and before the answer came: the server may have the message or not.
	Unsure bool
}

// errBody is a failure to read the content, not the server's.
type errBody struct{ err error }

func (e *errBody) Error() string { return "content: " + e.err.Error() }
func (e *errBody) Unwrap() error { return e.err }

// IsBody tells whether Send failed for its Body.
func IsBody(err error) bool { return errors.As(err, new(*errBody)) }

// Send carries out a transaction, pipelined where the server offers that (RFC
// 2920). With an error the connection is of no use any more; replies that came
// before it are in the Result, the others have code 0.
func (c *Client) Send(ctx context.Context, t *Transaction) (res Result, err error) {
	defer c.until(ctx)()
	res.Recipients = make([]Reply, len(t.To))
	if c.dirty {
		if _, err := c.Command(ctx, "RSET"); err != nil {
			return res, err
		}
		if c.broken {
			return res, c.gone(Reply{Code: 421})
		}
	}
	c.dirty = true
	_, pipelined := c.Has("PIPELINING")
	mail, err := c.envelope(t, pipelined && !t.Binary, pipelined, res.Recipients)
	if err != nil {
		return res, err
	}
	if !mail.Ok() {
		for i := range res.Recipients {
			res.Recipients[i] = mail
		}
	}
	var taken []int
	for i, r := range res.Recipients {
		if mail.Ok() && r.Ok() {
			taken = append(taken, i)
		}
	}
	switch {
	case t.Binary:
		if len(taken) == 0 || c.broken {
			return res, nil // the caller resets
		}
		return c.chunk(t, res, taken)
	case !pipelined && (len(taken) == 0 || c.broken):
		return res, nil
	}
	return c.data(t, res, taken, pipelined)
}

// envelope sends MAIL, each RCPT, and with data DATA, and reads the replies to the first two.
func (c *Client) envelope(t *Transaction, data, pipelined bool, to []Reply) (mail Reply, err error) {
	step := func() (Reply, error) {
		if err := c.flush(); err != nil {
			return Reply{}, err
		}
		return c.reply(c.timeout)
	}
	c.command("MAIL FROM:<"+t.From+">", t.Params)
	if !pipelined {
		if mail, err = step(); err != nil || !mail.Ok() {
			return mail, err
		}
		for i := range t.To {
			c.command("RCPT TO:<"+t.To[i].Address+">", t.To[i].Params)
			if to[i], err = step(); err != nil || c.broken {
				return mail, err
			}
		}
		return mail, nil
	}
	for i := range t.To {
		c.command("RCPT TO:<"+t.To[i].Address+">", t.To[i].Params)
	}
	if data {
		c.put("DATA\r\n")
	}
	if mail, err = step(); err != nil {
		return mail, err
	}
	for i := range t.To {
		if c.broken {
			return mail, c.gone(mail)
		}
		if to[i], err = c.reply(c.timeout); err != nil {
			return mail, err
		}
	}
	return mail, nil
}

// gone is the error of a server that ended the dialog with 421.
func (c *Client) gone(r Reply) error { return fmt.Errorf("the server closes the connection: %v", r) }

func (c *Client) command(line string, params []string) {
	c.put(line)
	for _, p := range params {
		c.put(" ", p)
	}
	c.put("\r\n")
}

// data sends the content behind DATA.
func (c *Client) data(t *Transaction, res Result, taken []int, said bool) (Result, error) {
	if !said {
		c.put("DATA\r\n")
		if err := c.flush(); err != nil {
			return res, err
		}
	}
	if c.broken {
		return res, nil
	}
	r, err := c.reply(c.timeout)
	if err != nil {
		return res, err
	}
	if r.Code != 354 {
		if r.Ok() { // no answer to DATA that there is
			r = Reply{Code: 451, Status: "4.5.0", Text: "unexpected reply to DATA: " + r.String()}
			c.broken = true
		}
		return settle(res, taken, r), nil
	}
	if len(taken) > 0 {
		w := &dotWriter{w: c.w}
		if err := c.copy(w, t.Body); err != nil {
			c.broken = true
			c.conn.Close() // without its end the content does not count
			return res, err
		}
		w.close()
	}
	c.put(".\r\n")
	if err := c.flush(); err != nil {
		return res, err
	}
	return c.final(res, taken)
}

// chunk sends the content with BDAT.
func (c *Client) chunk(t *Transaction, res Result, taken []int) (Result, error) {
	c.put("BDAT ", strconv.FormatInt(t.Size, 10), " LAST\r\n")
	body := &io.LimitedReader{R: t.Body, N: t.Size}
	err := c.copy(c.w, body)
	if err == nil && body.N > 0 {
		err = &errBody{io.ErrUnexpectedEOF}
	}
	if err != nil {
		c.broken = true
		c.conn.Close()
		return res, err
	}
	if err := c.flush(); err != nil {
		return res, err
	}
	return c.final(res, taken)
}

// final reads the answer to the content, for LMTP one for each recipient (RFC 2033 §4.2).
func (c *Client) final(res Result, taken []int) (Result, error) {
	if len(taken) == 0 { // a lone dot: the answer says nothing (RFC 2920 §3.1)
		if c.lmtp {
			return res, nil
		}
		_, err := c.reply(2 * c.timeout)
		return res, err
	}
	if !c.lmtp {
		r, err := c.reply(2 * c.timeout)
		if err != nil {
			res.Unsure = true
			return res, err
		}
		c.dirty = false
		return settle(res, taken, r), nil
	}
	for k := range taken {
		r, err := c.reply(2 * c.timeout)
		if err != nil {
			res.Unsure = true
			for _, j := range taken[k:] {
				res.Recipients[j] = Reply{}
			}
			return res, err
		}
		res = settle(res, taken[k:k+1], r)
	}
	c.dirty = false
	return res, nil
}

// settle gives the recipients that were taken their last word.
func settle(res Result, taken []int, r Reply) Result {
	if r.Code == 354 || r.Code/100 == 3 {
		r = Reply{Code: 451, Status: "4.5.0", Text: "unexpected reply to the content: " + r.String()}
	}
	for _, i := range taken {
		res.Recipients[i] = r
	}
	res.Accepted = res.Accepted || r.Ok()
	return res
}

// copy sends from a reader, each block in time.
func (c *Client) copy(w io.Writer, r io.Reader) error {
	buf := make([]byte, 32<<10)
	for {
		n, err := r.Read(buf)
		if n > 0 {
			c.conn.SetWriteDeadline(time.Now().Add(c.timeout))
			if _, err := w.Write(buf[:n]); err != nil {
				return c.fail(err)
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return &errBody{err}
		}
	}
}

// dotWriter writes content as RFC 5321 §4.5.2 asks: lines end with CR LF, a dot
// at the beginning of one is doubled. A CR or LF alone becomes a CR LF, so that
// nothing in the content can end it.
type dotWriter struct {
	w   io.Writer
	at  byte // 0: at the beginning of a line, 'x': within, '\r': after a CR
	out []byte
}

func (d *dotWriter) Write(p []byte) (int, error) {
	out := d.out[:0]
	for i := 0; i < len(p); i++ {
		switch b := p[i]; {
		case b == '\n':
			out = append(out, '\r', '\n')
			d.at = 0
			continue
		case d.at == '\r':
			out = append(out, '\r', '\n')
			d.at = 0
			i--
			continue
		case b == '\r':
			d.at = '\r'
			continue
		case d.at == 0 && b == '.':
			out = append(out, '.', '.')
		default:
			// all up to the next end of line goes as it is
			k := i
			for k < len(p) && p[k] != '\r' && p[k] != '\n' {
				k++
			}
			out = append(out, p[i:k]...)
			i = k - 1
		}
		d.at = 'x'
	}
	d.out = out
	if _, err := d.w.Write(out); err != nil {
		return 0, err
	}
	return len(p), nil
}

// close ends the last line.
func (d *dotWriter) close() {
	if d.at != 0 {
		io.WriteString(d.w, "\r\n")
		d.at = 0
	}
}
