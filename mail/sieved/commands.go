package sieved

import (
	"encoding/base64"
	"errors"
	"slices"
	"strconv"
	"strings"

	"atrium/mail/auth"
	"atrium/mail/conn"
	"atrium/mail/rules"
	"atrium/mail/sieve"
	"atrium/storage"
	"atrium/storage/account"
)

// capabilities writes the lines of CAPABILITY.
func (s *session) capabilities() {
	for _, x := range s.exts {
		if x.caps == nil {
			continue
		}
		for _, line := range x.caps(s) {
			s.c.WriteString(str(line[0]))
			if line[1] != "" || line[0] == "SASL" {
				s.c.WriteString(" " + str(line[1]))
			}
			s.c.WriteString("\r\n")
		}
	}
}

func (s *session) doCapability([]string) error {
	s.capabilities()
	s.reply("OK", "", "Capability completed")
	return nil
}

func (s *session) doLogout([]string) error {
	s.reply("OK", "", "Logout completed")
	s.quit = true
	return nil
}

// doNoop gives back the tag (RFC 5804 §2.13).
func (s *session) doNoop(args []string) error {
	if len(args) == 1 {
		s.reply("OK", "TAG "+str(args[0]), "Done")
	} else {
		s.reply("OK", "", "Done")
	}
	return nil
}

// doStartTLS begins TLS; the capabilities are told anew (RFC 5804 §2.2).
func (s *session) doStartTLS([]string) error {
	if !s.c.CanStartTLS() {
		s.reply("NO", "", "TLS is not available")
		return nil
	}
	s.reply("OK", "", "Begin TLS negotiation now")
	if err := s.c.StartTLS(); err != nil {
		return &brokenOff{err}
	}
	s.capabilities()
	s.reply("OK", "", "TLS negotiation successful")
	return nil
}

// mechanisms are those of package auth but LOGIN, which is of no use here. PLAIN, where it may be used, comes
// first: there are clients that take the first, whether they know it or not (Net::ManageSieve).
func (s *session) mechanisms() (out []string) {
	for _, m := range s.auth.Mechanisms(auth.PeerOf(s.c)) {
		switch m {
		case "LOGIN":
		case "PLAIN":
			out = slices.Insert(out, 0, m)
		default:
			out = append(out, m)
		}
	}
	return out
}

// doAuthenticate logs in (RFC 5804 §2.1). What the server has to say last goes with OK.
func (s *session) doAuthenticate(args []string) error {
	var initial []byte
	if len(args) == 2 {
		if initial = []byte(args[1]); len(initial) == 0 {
			initial = []byte("=")
		}
	}
	last := ""
	acc, err := s.auth.Run(s.c.Context(), auth.PeerOf(s.c), args[0], initial, func(challenge string) ([]byte, error) {
		if plain, err := base64.StdEncoding.DecodeString(challenge); err == nil && strings.HasPrefix(strings.ToUpper(args[0]), "SCRAM-") && strings.HasPrefix(string(plain), "v=") {
			last = challenge
			return nil, nil
		}
		s.c.WriteString(str(challenge) + "\r\n")
		if err := s.c.Wait(nil, s.patience()); err != nil {
			return nil, &brokenOff{err}
		}
		answer, err := s.readArgs()
		var wrong syntax
		switch {
		case errors.As(err, &wrong), errors.Is(err, conn.TooLong), err == nil && (len(answer) != 1 || answer[0].kind != 's'):
			return nil, auth.Malformed
		case err != nil:
			return nil, &brokenOff{err}
		}
		return []byte(answer[0].s), nil
	})
	if err == nil {
		err = s.c.Claim(acc.Name)
	}
	if err != nil {
		s.tries++
		if broken := (*brokenOff)(nil); !errors.As(err, &broken) && s.tries >= s.cfg.LoginTries {
			s.reply("BYE", "", "Too many failed logins")
			s.quit = true
			return nil
		}
		return err
	}
	s.who = acc
	s.c.AddLog("user", acc.Name)
	code := ""
	if last != "" {
		code = "SASL " + str(last)
	}
	s.reply("OK", code, "Logged in")
	return nil
}

// doUnauthenticate goes back to the state before the login (RFC 5804 §2.14).
func (s *session) doUnauthenticate([]string) error {
	s.who = nil
	s.c.Claim("")
	s.reply("OK", "", "Unauthenticated")
	return nil
}

func (s *session) doHaveSpace(args []string) error {
	size, err := strconv.ParseInt(args[1], 10, 64)
	if err != nil {
		return storage.Invalid
	}
	if err := rules.CheckName(args[0]); err != nil {
		return err
	}
	if err := s.scripts.Room(s.c.Context(), s.who.ID, args[0], size); err != nil {
		return err
	}
	s.reply("OK", "", "There is room")
	return nil
}

func (s *session) doPut(args []string) error {
	warnings, err := s.scripts.Put(s.c.Context(), s.who.ID, args[0], args[1])
	return s.compiled(warnings, err, "Script is kept")
}

func (s *session) doCheck(args []string) error {
	warnings, err := s.scripts.Check(s.c.Context(), s.who.ID, args[0])
	return s.compiled(warnings, err, "Script is correct")
}

// compiled answers with what the compiler had to say.
func (s *session) compiled(warnings []sieve.Problem, err error, good string) error {
	var problems sieve.Problems
	switch {
	case errors.As(err, &problems):
		s.reply("NO", "", lines(problems))
	case err != nil:
		return err
	case len(warnings) > 0:
		s.reply("OK", "WARNINGS", lines(warnings))
	default:
		s.reply("OK", "", good)
	}
	return nil
}

func lines(list []sieve.Problem) string {
	return strings.ReplaceAll(sieve.Problems(list).Error(), "\n", "\r\n")
}

func (s *session) doList([]string) error {
	list, err := s.scripts.List(s.c.Context(), s.who.ID)
	if err != nil {
		return err
	}
	for _, x := range list {
		s.c.WriteString(str(x.Name))
		if x.Active {
			s.c.WriteString(" ACTIVE")
		}
		s.c.WriteString("\r\n")
	}
	s.reply("OK", "", "Listscripts completed")
	return nil
}

func (s *session) doSetActive(args []string) error {
	if err := s.scripts.Activate(s.c.Context(), s.who.ID, args[0]); err != nil {
		return err
	}
	s.reply("OK", "", "Setactive completed")
	return nil
}

func (s *session) doGet(args []string) error {
	text, err := s.scripts.Get(s.c.Context(), s.who.ID, args[0])
	if err != nil {
		return err
	}
	s.c.WriteString("{" + strconv.Itoa(len(text)) + "}\r\n" + text + "\r\n")
	s.reply("OK", "", "Getscript completed")
	return nil
}

func (s *session) doDelete(args []string) error {
	if err := s.scripts.Delete(s.c.Context(), s.who.ID, args[0]); err != nil {
		return err
	}
	s.reply("OK", "", "Deletescript completed")
	return nil
}

func (s *session) doRename(args []string) error {
	if err := s.scripts.Rename(s.c.Context(), s.who.ID, args[0], args[1]); err != nil {
		return err
	}
	s.reply("OK", "", "Renamescript completed")
	return nil
}

// replies say what a class of failure is called, with the codes of RFC 5804 §1.3. The first that matches counts.
var replies = []struct {
	kind error
	code string
	text string
	log  bool // the administrator should know
}{
	{rules.Active, "ACTIVE", "The active script cannot be deleted", false},
	{rules.TooManyScripts, "QUOTA/MAXSCRIPTS", "Too many scripts", false},
	{rules.TooLarge, "QUOTA/MAXSIZE", "Script is too large", false},
	{storage.OverQuota, "QUOTA", "No room", false},
	{storage.NotFound, "NONEXISTENT", "There is no script by that name", false},
	{storage.Exists, "ALREADYEXISTS", "A script with that name exists", false},
	{storage.Invalid, "", "That name or number cannot be used", false},
	{account.Denied, "", "Wrong name or password", false},
	{account.Disabled, "", "Account is disabled", false},
	{account.Locked, "TRYLATER", "Too many failed logins from your address", false},
	{account.Busy, "TRYLATER", "Too many logins at once", false},
	{auth.NeedsTLS, "ENCRYPT-NEEDED", "Use STARTTLS first", false},
	{auth.Unknown, "", "Mechanism is not supported", false},
	{auth.Malformed, "", "Malformed response", false},
	{auth.Cancelled, "", "Authentication cancelled", false},
	{conn.Busy, "TRYLATER", "Too many connections of this account", false},
}

// fail answers a command that failed.
func (s *session) fail(cmd *command, err error) {
	for _, r := range replies {
		if errors.Is(err, r.kind) {
			if r.log {
				s.c.Log().Error("command failed", "command", cmd.name, "error", err)
			}
			s.reply("NO", r.code, r.text)
			return
		}
	}
	s.c.Log().Error("command failed", "command", cmd.name, "error", err)
	s.reply("NO", "TRYLATER", "Server failure, try again later")
}
