package pop3d

import (
	"errors"
	"strconv"

	"atrium/mail/auth"
	"atrium/mail/conn"
	"atrium/storage"
	"atrium/storage/account"
)

// user has USER and PASS, which are there only where passwords may be shown
// (RFC 1939 §7, RFC 2449 §6.3).
var user = extension{
	name: "USER", rfc: "1939",
	caps: func(s *session) []string {
		if !s.auth.Plain(auth.PeerOf(s.c)) {
			return nil
		}
		return []string{"USER"}
	},
	commands: []command{
		{name: "USER", states: authorization, min: 1, max: 1, rest: true, run: (*session).doUser},
		{name: "PASS", states: authorization, min: 1, max: 1, rest: true, run: (*session).doPass},
	},
}

// doUser takes any name: whether there is such an account is told by PASS alone.
func (s *session) doUser(args []string) error {
	if !s.auth.Plain(auth.PeerOf(s.c)) {
		return auth.NeedsTLS
	}
	if args[0] == "" || len(args[0]) > 1024 {
		s.text("-ERR No name")
		return nil
	}
	s.user = args[0]
	s.text("+OK Now the password")
	return nil
}

// doPass logs in. The password is the rest of the line, spaces and all (RFC 1939 §7).
func (s *session) doPass(args []string) error {
	name := s.user
	s.user = ""
	if name == "" {
		s.text("-ERR USER comes first")
		return nil
	}
	acc, err := s.auth.Login(s.c.Context(), auth.PeerOf(s.c), name, args[0])
	return s.enter(acc, err)
}

// sasl has AUTH (RFC 5034).
var sasl = extension{
	name: "SASL", rfc: "5034",
	caps: func(s *session) []string {
		line := "SASL"
		for _, m := range s.auth.Mechanisms(auth.PeerOf(s.c)) {
			line += " " + m
		}
		if line == "SASL" {
			return nil
		}
		return []string{line}
	},
	commands: []command{{name: "AUTH", states: authorization, max: 2, run: (*session).doAuth}},
}

// doAuth logs in by SASL. Without a mechanism it lists them, as older clients
// expect (RFC 1734 knew no CAPA).
func (s *session) doAuth(args []string) error {
	peer := auth.PeerOf(s.c)
	if len(args) == 0 {
		s.lines("+OK Mechanisms follow", s.auth.Mechanisms(peer)...)
		return nil
	}
	var initial []byte
	if len(args) == 2 {
		initial = []byte(args[1])
	}
	acc, err := s.auth.Run(s.c.Context(), peer, args[0], initial, func(challenge string) ([]byte, error) {
		s.text("+ ", challenge)
		if err := s.c.Wait(nil, s.patience()); err != nil {
			return nil, &cutShort{err, false}
		}
		line, err := s.c.ReadLine(auth.MaxResponse)
		if err != nil && !errors.Is(err, conn.TooLong) {
			err = &cutShort{err, false}
		}
		return line, err
	})
	return s.enter(acc, err)
}

// enter ends a login: with the lock and the drop, or by counting the failure.
func (s *session) enter(acc *account.Account, err error) error {
	if err != nil {
		s.tries++
		s.quit = s.tries >= s.cfg.LoginTries
		return err
	}
	ctx := s.c.Context()
	if err := s.c.Claim(acc.Name); err != nil {
		return err
	}
	box := s.store.Open(acc.ID, acc.ID)
	if err := box.Ensure(ctx); err != nil {
		return err
	}
	policy, err := box.PopPolicy(ctx, s.cfg.Policy)
	if err != nil {
		return err
	}
	m, err := box.MailboxFor(ctx, policy.Mailbox, storage.Read)
	if errors.Is(err, storage.NotFound) {
		s.c.Claim("")
		s.text("-ERR [SYS/PERM] The mailbox that POP3 is to show is not there")
		return nil
	}
	if err != nil {
		return err
	}
	key := dropKey{acc.ID, m.ID}
	if !s.lock(ctx, key) {
		s.c.Claim("")
		s.text("-ERR [IN-USE] Another POP3 session has the mailbox")
		return nil
	}
	if s.tooSoon(acc.ID) {
		s.unlock(key)
		s.c.Claim("")
		s.text("-ERR [LOGIN-DELAY] At most one login in ", strconv.Itoa(int(s.cfg.LoginDelay.Seconds())), " seconds")
		return nil
	}
	snap, hidden, err := box.PopDrop(ctx, m.ID)
	if err != nil {
		s.unlock(key)
		return err
	}
	s.c.AddLog("user", acc.Name)
	s.who, s.state = acc, transaction
	s.drop = &drop{key: key, policy: policy, locked: true, box: box, snap: snap}
	s.drop.hide(hidden)
	s.text("+OK ", strconv.Itoa(s.drop.len()), " messages (", strconv.FormatInt(s.drop.size, 10), " octets)")
	return nil
}

// loginDelay is enforced in enter (RFC 2449 §6.5).
var loginDelay = extension{name: "LOGIN-DELAY", rfc: "2449", caps: func(s *session) []string {
	if s.cfg.LoginDelay == 0 {
		return nil
	}
	return []string{"LOGIN-DELAY " + strconv.Itoa(int(s.cfg.LoginDelay.Seconds()))}
}}

// stls has STLS (RFC 2595 §4).
var stls = extension{
	name: "STLS", rfc: "2595",
	caps: func(s *session) []string {
		if s.state != authorization || !s.c.CanStartTLS() {
			return nil
		}
		return []string{"STLS"}
	},
	commands: []command{{name: "STLS", states: authorization, run: (*session).doSTLS}},
}

// doSTLS begins TLS and forgets what the client said before.
func (s *session) doSTLS([]string) error {
	if !s.c.CanStartTLS() {
		s.text("-ERR TLS is not available")
		return nil
	}
	if s.utf8 { // RFC 6856 §2.1
		s.text("-ERR STLS comes before UTF8")
		return nil
	}
	s.text("+OK Begin TLS")
	s.user = ""
	if err := s.c.StartTLS(); err != nil {
		return &cutShort{err, false}
	}
	return nil
}
