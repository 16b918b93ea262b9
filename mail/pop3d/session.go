package pop3d

import (
	"errors"
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

	who  *account.Account
	drop *drop
}

// drop is the mailbox as it was at login.
type drop struct {
	key     dropKey
	locked  bool
	box     *mail.Account
	snap    *mail.Snapshot
	deleted map[int]bool // positions
	gone    int64        // bytes of them
	fetched imap.UIDSet  // for Policy.Seen
	count   int          // messages that were fetched
}

// serve holds the dialog.
func (s *session) serve() {
	defer s.release()
	s.state, s.began = authorization, time.Now()
	s.text("+OK ", s.cfg.Name, " POP3 server ready")
	for !s.quit {
		switch err := s.c.Wait(nil, s.patience()); {
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

// text writes one line.
func (s *session) text(parts ...string) {
	for _, p := range parts {
		s.c.WriteString(p)
	}
	s.c.WriteString("\r\n")
}

// lines writes an answer of many lines that need no dot-stuffing.
func (s *session) lines(first string, rest ...string) {
	s.text(first)
	for _, line := range rest {
		s.text(line)
	}
	s.text(".")
}

// release ends what the session holds.
func (s *session) release() {
	if s.drop == nil {
		return
	}
	s.markSeen()
	s.unlockDrop()
	s.c.Log().Info("session ended", "messages", s.drop.snap.Len(), "fetched", s.drop.count, "deleted", len(s.drop.deleted), "quit", s.quit)
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
	if err != nil || n == 0 || int(n) > s.drop.snap.Len() || s.drop.deleted[int(n)-1] {
		return 0, false
	}
	return int(n) - 1, true
}

const noMessage = "-ERR No such message"
