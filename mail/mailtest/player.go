package mailtest

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// player plays one script.
type player struct {
	Server
	conns map[int]*peer
	vars  map[string]string
	log   strings.Builder // what was said, for a failure's report
}

// peer is one connection: a goroutine reads its lines, so that a server which
// writes is never held up by a client that writes too.
type peer struct {
	net.Conn
	lines chan string // closed at the end of input
	done  chan struct{}
	back  []string // lines that were read and given back
}

func newPlayer(s Server) *player {
	if s.Timeout == 0 {
		s.Timeout = 10 * time.Second
	}
	if s.Quiet == 0 {
		s.Quiet = 60 * time.Millisecond
	}
	return &player{Server: s, conns: map[int]*peer{}, vars: map[string]string{}}
}

func (p *player) close() {
	for _, c := range p.conns {
		c.Close()
		go func() {
			for range c.lines {
			}
		}()
		<-c.done
	}
}

func (c *peer) read() {
	c.lines, c.done = make(chan string, 1024), make(chan struct{})
	go func() {
		defer close(c.done)
		defer close(c.lines)
		r := bufio.NewReader(c.Conn)
		for {
			s, err := r.ReadString('\n')
			if s != "" {
				c.lines <- strings.TrimSuffix(strings.TrimSuffix(s, "\n"), "\r")
			}
			if err != nil {
				return
			}
		}
	}()
}

// startTLS stops the reader, shakes hands and reads on.
func (c *peer) startTLS() error {
	c.SetReadDeadline(time.Now().Add(-time.Second))
	<-c.done
	c.SetReadDeadline(time.Time{})
	t := tls.Client(c.Conn, &tls.Config{InsecureSkipVerify: true})
	if err := t.Handshake(); err != nil {
		return err
	}
	c.Conn = t
	c.read()
	return nil
}

// next waits for a line; io.EOF at the end of input.
func (c *peer) next(d time.Duration) (string, error) {
	if len(c.back) > 0 {
		s := c.back[0]
		c.back = c.back[1:]
		return s, nil
	}
	select {
	case s, ok := <-c.lines:
		if !ok {
			return "", io.EOF
		}
		return s, nil
	default:
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case s, ok := <-c.lines:
		if !ok {
			return "", io.EOF
		}
		return s, nil
	case <-t.C:
		return "", os.ErrDeadlineExceeded
	}
}

func (p *player) open(n int) (*peer, error) {
	if c := p.conns[n]; c != nil {
		return c, nil
	}
	nc, err := p.Dial()
	if err != nil {
		return nil, err
	}
	c := &peer{Conn: nc}
	c.read()
	p.conns[n] = c
	prelude := parse(p.Prelude)
	for i := range prelude {
		prelude[i].no, prelude[i].conn = 0, n
	}
	if err := p.play(prelude); err != nil {
		return nil, fmt.Errorf("prelude of connection %d: %w", n, err)
	}
	return c, nil
}

// play runs lines; the error begins with the line's number.
func (p *player) play(lines []line) error {
	for i := 0; i < len(lines); {
		n, err := p.step(lines[i:])
		if err != nil {
			return fmt.Errorf("%d: %s: %s: %w", lines[i].no, lines[i].mark, lines[i].text, err)
		}
		i += n
	}
	return nil
}

// step runs the first of lines and tells how many it took.
func (p *player) step(lines []line) (int, error) {
	l := lines[0]
	if l.bad != "" {
		return 0, errors.New(l.bad)
	}
	c, err := p.open(l.conn)
	if err != nil {
		return 0, err
	}
	switch l.mark {
	case "C":
		return p.send(c, lines)
	case "R":
		raw, err := strconv.Unquote(`"` + strings.ReplaceAll(l.text, `"`, `\"`) + `"`)
		if err != nil {
			return 0, err
		}
		return 1, p.write(c, l.conn, raw)
	case "S", "~S", "!S":
		return p.expect(c, lines)
	case "TLS":
		return 1, c.startTLS()
	case "BYE":
		delete(p.conns, l.conn)
		return 1, c.Close()
	case "EOF":
		return 1, p.eof(c, l.conn)
	case "WAIT":
		d, err := time.ParseDuration(l.text)
		time.Sleep(d)
		return 1, err
	}
	return 0, errors.New("line L without a literal's mark before it")
}

func (p *player) eof(c *peer, n int) error {
	for {
		s, err := c.next(p.Timeout)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("the connection is still open: %w", err)
		}
		fmt.Fprintf(&p.log, "%dS: %s\n", n, s)
	}
}

func (p *player) write(c *peer, n int, s string) error {
	fmt.Fprintf(&p.log, "%dC: %s\n", n, strings.TrimSuffix(s, "\r\n"))
	c.SetWriteDeadline(time.Now().Add(p.Timeout))
	_, err := io.WriteString(c, s)
	return err
}

// send sends a client's line, with the literal that follows it.
func (p *player) send(c *peer, lines []line) (int, error) {
	l := lines[0]
	text, err := expand(l.text, p.vars)
	if err != nil {
		return 0, err
	}
	wait := strings.HasSuffix(text, "{}")
	if !wait && !strings.HasSuffix(text, "{+}") {
		return 1, p.write(c, l.conn, text+"\r\n")
	}
	var lit strings.Builder
	n := 1
	for ; n < len(lines) && lines[n].mark == "L" && lines[n].conn == l.conn; n++ {
		s, err := expand(lines[n].text, p.vars)
		if err != nil {
			return 0, err
		}
		lit.WriteString(s + "\r\n")
	}
	at := strings.LastIndexByte(text, '{') + 1
	text = text[:at] + strconv.Itoa(lit.Len()) + text[at:]
	if err := p.write(c, l.conn, text+"\r\n"); err != nil {
		return 0, err
	}
	if wait {
		s, err := c.next(p.Timeout)
		fmt.Fprintf(&p.log, "%dS: %s\n", l.conn, s)
		if err != nil {
			return 0, fmt.Errorf("waiting for +: %w", err)
		}
		if !strings.HasPrefix(s, "+") {
			return 0, fmt.Errorf("instead of + came %q", s)
		}
	}
	return n, p.write(c, l.conn, lit.String())
}

// expect compares what the server says with a block of lines: all that are to come in any order, or one,
// with the ones that must not come before it.
func (p *player) expect(c *peer, lines []line) (int, error) {
	var never, want []line
	n, skip := 0, false
	same := func(mark string) bool {
		return n < len(lines) && lines[n].mark == mark && lines[n].conn == lines[0].conn && lines[n].bad == ""
	}
	for ; same("!S"); n++ {
		never = append(never, lines[n])
	}
	if same("S") && lines[n].text == "..." {
		skip = true
		n++
	}
	switch {
	case same("S"):
		want = lines[n : n+1]
		n++
	case same("~S"):
		from := n
		for same("~S") {
			n++
		}
		want = append(want, lines[from:n]...)
	case skip:
		return 0, errors.New("line S: ... needs an expected line after it")
	default:
		return n, p.silent(c, lines[0].conn, never)
	}
	for len(want) > 0 {
		s, err := c.next(p.Timeout)
		if err != nil {
			return 0, fmt.Errorf("expected %q: %w", want[0].text, err)
		}
		fmt.Fprintf(&p.log, "%dS: %s\n", lines[0].conn, s)
		if l, hit := p.find(never, s); hit >= 0 {
			return 0, fmt.Errorf("%d: %q must not come", l.no, s)
		}
		_, hit := p.find(want, s)
		if hit < 0 && skip {
			continue
		}
		if hit < 0 {
			return 0, fmt.Errorf("expected %q, came %q", want[0].text, s)
		}
		want = append(want[:hit:hit], want[hit+1:]...)
	}
	return n, nil
}

// find returns the first of lines that a server's line matches, and keeps what it captures.
func (p *player) find(lines []line, s string) (line, int) {
	for i, l := range lines {
		if captured, ok := match(l.text, s, p.vars); ok {
			maps.Copy(p.vars, captured)
			return l, i
		}
	}
	return line{}, -1
}

// silent waits for a while and gives what comes back to whoever asks next.
func (p *player) silent(c *peer, n int, never []line) error {
	var seen []string
	defer func() { c.back = append(seen, c.back...) }()
	for end := time.Now().Add(p.Quiet); ; {
		s, err := c.next(time.Until(end))
		if err != nil {
			return nil
		}
		seen = append(seen, s)
		if l, hit := p.find(never, s); hit >= 0 {
			fmt.Fprintf(&p.log, "%dS: %s\n", n, s)
			return fmt.Errorf("%d: %q must not come", l.no, s)
		}
	}
}
