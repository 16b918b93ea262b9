package pop3d

import (
	"errors"
	"iter"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"

	"atrium/mail"
	"atrium/mail/auth"
	"atrium/mail/conn"
	"atrium/storage/account"
)

// maxLine bounds a command's line. RFC 2449 §4 allows 255 octets; an initial
// response of SASL may be longer (RFC 5034 §4).
const maxLine = auth.MaxResponse + 64

// session is one connection.
type session struct {
	*Server
	c     *conn.Conn
	state states
	began time.Time
	user  string // from USER
	tries int    // failed logins
	bad   int    // commands in a row that were not understood
	quit  bool
	utf8  bool      // UTF8 was said
	lang  *language // of the answers

	ahead *ready // the message that may be asked for next
	next  int    // its number less one, while it is not made ready yet

	who  *account.Account
	drop *drop
}

// drop is the mailbox as it was at login.
type drop struct {
	key        dropKey
	policy     mail.PopPolicy
	locked     bool
	box        *mail.Account
	snap       *mail.Snapshot
	shown      []int32             // positions in snap of the messages that are not hidden; nil: all
	size       int64               // bytes of them
	deleted    map[int]bool        // numbers less one
	gone       int64               // bytes of them
	fetched    imap.UIDSet         // in any order
	count      int                 // messages that were fetched
	uidls      map[imap.UID]string // of another server
	surrogates map[imap.UID]int64  // sizes that are known
	looked     bool                // for them
}

// len is the number of messages that are shown.
func (d *drop) len() int {
	if d.shown != nil {
		return len(d.shown)
	}
	return d.snap.Len()
}

// at returns the message whose number is i plus 1.
func (d *drop) at(i int) mail.Message {
	if d.shown != nil {
		i = int(d.shown[i])
	}
	return d.snap.At(i)
}

// messages yields the messages that are shown, with their numbers less one.
func (d *drop) messages() iter.Seq2[int, mail.Message] {
	if d.shown == nil {
		return d.snap.Messages(0, d.snap.Len())
	}
	return func(yield func(int, mail.Message) bool) {
		i := 0
		for pos, m := range d.snap.Messages(0, d.snap.Len()) {
			if i == len(d.shown) {
				return
			}
			if int(d.shown[i]) != pos {
				continue
			}
			if !yield(i, m) {
				return
			}
			i++
		}
	}
}

// hide leaves the hidden messages out, which are ascending runs.
func (d *drop) hide(hidden imap.UIDSet) {
	d.size = d.snap.Size
	if len(hidden) == 0 {
		return
	}
	d.shown, d.size = make([]int32, 0, d.snap.Len()), 0
	for pos, m := range d.snap.Messages(0, d.snap.Len()) {
		for len(hidden) > 0 && hidden[0].Stop < m.UID {
			hidden = hidden[1:]
		}
		if len(hidden) > 0 && hidden[0].Start <= m.UID {
			continue
		}
		d.shown = append(d.shown, int32(pos))
		d.size += m.Size
	}
}

// serve holds the dialog.
func (s *session) serve() {
	defer s.release()
	s.state, s.began, s.lang = authorization, time.Now(), &languages[0]
	s.text("+OK ", s.cfg.Name, " POP3 server ready")
	for !s.quit {
		switch err := s.wait(); {
		case errors.Is(err, conn.Stopping) && s.c.Ended():
			s.text("-ERR [SYS/TEMP] The account's sessions were ended, log in again")
			return
		case errors.Is(err, conn.Stopping):
			s.text("-ERR [SYS/TEMP] Server shuts down")
			return
		case err != nil:
			// RFC 1939 §3: a session that was silent too long ends without a word.
			return
		}
		line, err := s.c.ReadLine(maxLine)
		switch {
		case errors.Is(err, conn.TooLong):
			s.misunderstood("-ERR Line too long")
			continue
		case err != nil:
			return
		}
		if err := s.command(string(line)); err != nil {
			return
		}
	}
}

// patience is how long the client may say nothing now. The login as a whole has
// its time, whatever is said meanwhile.
func (s *session) patience() time.Duration {
	if s.state == transaction {
		return s.cfg.Idle
	}
	return time.Until(s.began.Add(s.cfg.LoginTime))
}

// command does one command. An error ends the connection.
func (s *session) command(line string) error {
	name, rest, some := strings.Cut(line, " ")
	cmd := s.commands[strings.ToUpper(name)]
	switch {
	case cmd == nil:
		s.misunderstood("-ERR Unknown command")
		return nil
	case cmd.states&s.state == 0:
		s.misunderstood("-ERR Not in this state")
		return nil
	}
	var args []string
	if some && cmd.rest {
		args = []string{rest}
	} else if some {
		args = strings.Fields(rest)
	}
	if len(args) < cmd.min || len(args) > cmd.max {
		s.misunderstood("-ERR Wrong number of arguments")
		return nil
	}
	s.bad = 0
	err := cmd.run(s, args)
	if err == nil {
		return nil
	}
	var cut *cutShort
	if errors.As(err, &cut) || s.c.Context().Err() != nil {
		level := slog.LevelDebug
		if cut != nil && cut.ours {
			level = slog.LevelError
		}
		s.c.Log().Log(s.c.Context(), level, "connection broken off", "command", cmd.name, "error", err)
		s.c.Close()
		return err
	}
	s.fail(cmd, err)
	return nil
}

// misunderstood answers what is no command; too many of them end the session.
func (s *session) misunderstood(text string) {
	s.bad++
	if s.bad >= s.cfg.BadCommands {
		text, s.quit = "-ERR Too many bad commands", true
	}
	s.text(text)
}

// text writes one line. Its parts are said in the session's language where they are words.
func (s *session) text(parts ...string) {
	for _, p := range parts {
		s.c.WriteString(s.lang.say(p))
	}
	s.c.WriteString("\r\n")
}

// lines writes an answer of many lines that need no dot-stuffing.
func (s *session) lines(first string, rest ...string) {
	s.text(first)
	for _, line := range rest {
		s.c.WriteString(line)
		s.c.WriteString("\r\n")
	}
	s.text(".")
}

// release ends what the session holds.
func (s *session) release() {
	s.forget()
	if s.drop == nil {
		return
	}
	s.note()
	s.unlockDrop()
	s.c.Log().Info("session ended", "messages", s.drop.len(), "fetched", s.drop.count, "deleted", len(s.drop.deleted), "quit", s.quit)
	s.drop = nil
}

// unlockDrop gives the lock back, once.
func (s *session) unlockDrop() {
	if s.drop.locked {
		s.drop.locked = false
		s.unlock(s.drop.key)
	}
}

// number reads a message number and returns its position. Zero, what is beyond the end
// and what is marked as deleted does not exist.
func (s *session) number(arg string) (int, bool) {
	n, err := strconv.ParseUint(arg, 10, 31)
	if err != nil || n == 0 || int(n) > s.drop.len() || s.drop.deleted[int(n)-1] {
		return 0, false
	}
	return int(n) - 1, true
}

const noMessage = "-ERR No such message"
