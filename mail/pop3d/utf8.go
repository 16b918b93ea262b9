package pop3d

import (
	"errors"
	"io"

	"github.com/emersion/go-imap/v2"

	"atrium/mail"
	"atrium/mail/message"
	"atrium/storage/blob"
)

// utf8Mode has UTF8 (RFC 6856 §2). Names and passwords are UTF-8 in any mode, as are answers in
// languages that need it. In the mode messages go out octet for octet as they came; before it those with
// UTF-8 in a header go out as surrogates (RFC 6856 §2.1, §7; RFC 6858), whose sizes LIST tells.
var utf8Mode = extension{
	name: "UTF8", rfc: "6856", caps: always("UTF8 USER"),
	commands: []command{{name: "UTF8", states: authorization, run: (*session).doUTF8}},
}

// doUTF8 begins the mode, which lasts until the session ends.
func (s *session) doUTF8([]string) error {
	s.utf8 = true
	s.text("+OK UTF-8 from now on")
	return nil
}

// surrogate tells whether the client gets a surrogate of a message.
func (s *session) surrogate(m *mail.Message) bool { return m.UTF8 && !s.utf8 }

// maxSurrogates bounds for how many messages of a session LIST makes the surrogate to know
// its size; for more of them it tells the size of the message itself (RFC 6856 §2.1 has a SHOULD).
const maxSurrogates = 1000

// size is that of a message as RETR sends it, before lines are changed.
func (s *session) size(m *mail.Message) (int64, error) {
	if !s.surrogate(m) {
		return m.Size, nil
	}
	n, ok := s.drop.surrogates[m.UID]
	if ok || len(s.drop.surrogates) >= maxSurrogates {
		if !ok {
			n = m.Size
		}
		return n, nil
	}
	body, err := s.drop.box.Body(s.c.Context(), s.drop.key.id, *m)
	if err != nil {
		return 0, err
	}
	defer body.Close()
	var c counter
	if err := s.downgrade(&c, m, body); err != nil {
		return 0, err
	}
	if s.drop.surrogates == nil {
		s.drop.surrogates = map[imap.UID]int64{}
	}
	s.drop.surrogates[m.UID] = int64(c)
	return int64(c), nil
}

// counter counts what is written.
type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// downgrade writes the surrogate of a message.
func (s *session) downgrade(w io.Writer, m *mail.Message, body blob.Body) error {
	x, err := s.drop.box.Index(s.c.Context(), s.drop.key.id, *m)
	if err != nil {
		return err
	}
	return message.Downgrade(w, body, &x)
}

// topOnly passes on as much as belongs to a top, then it fails with errTop.
type topOnly struct {
	w io.Writer
	t topper
}

var errTop = errors.New("top is over")

func (t *topOnly) Write(p []byte) (int, error) {
	n := t.t.take(p)
	if _, err := t.w.Write(p[:n]); err != nil {
		return 0, err
	}
	if n < len(p) {
		return n, errTop
	}
	return n, nil
}
