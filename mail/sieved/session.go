package sieved

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"atrium/mail/auth"
	"atrium/mail/conn"
	"atrium/storage/account"
)

const (
	// maxLine bounds a line: a command with quoted strings of 1024 bytes (RFC 5804 §4), or a
	// response of SASL.
	maxLine = auth.MaxResponse + 64
	// maxArgs bounds the arguments of a command.
	maxArgs = 8
	// maxSkip bounds a literal that is read only to be thrown away.
	maxSkip = 32 << 20
	// maxQuoted is the longest string that is sent in quotes.
	maxQuoted = 1024
)

// Failures of a command's syntax.
type syntax string

func (s syntax) Error() string { return string(s) }

// tooLarge is a literal larger than what may be; it was read to its end.
const tooLarge = syntax("Script is too large")

// session is one connection.
type session struct {
	*Server
	c     *conn.Conn
	began time.Time
	who   *account.Account // nil before the login
	tries int
	bad   int
	quit  bool
}

// serve holds the dialog.
func (s *session) serve() {
	s.began = time.Now()
	s.capabilities()
	s.reply("OK", "", s.cfg.Name+" ManageSieve ready")
	for !s.quit {
		switch err := s.c.Wait(nil, s.patience()); {
		case errors.Is(err, conn.Stopping):
			s.reply("BYE", "TRYLATER", "Server shuts down")
			return
		case errors.Is(err, conn.TimedOut):
			s.reply("BYE", "", "Nothing was said for too long")
			return
		case err != nil:
			return
		}
		if s.command() != nil {
			return
		}
	}
}

// patience is how long the client may say nothing now.
func (s *session) patience() time.Duration {
	if s.who != nil {
		return s.cfg.Idle
	}
	return time.Until(s.began.Add(s.cfg.LoginTime))
}

// command reads and does one command. An error ends the connection.
func (s *session) command() error {
	args, err := s.readArgs()
	var wrong syntax
	switch {
	case errors.As(err, &wrong) && wrong == tooLarge:
		s.reply("NO", "QUOTA/MAXSIZE", "Script is larger than "+strconv.Itoa(s.scripts.Config().MaxScript)+" bytes")
		return nil
	case errors.As(err, &wrong):
		s.misunderstood(string(wrong))
		return nil
	case errors.Is(err, conn.TooLong):
		s.misunderstood("Line too long")
		return nil
	case err != nil:
		return err
	}
	if len(args) == 0 {
		s.misunderstood("A command is missing")
		return nil
	}
	cmd := s.commands[strings.ToUpper(args[0].s)]
	if args[0].kind != 'a' || cmd == nil {
		s.misunderstood("Unknown command")
		return nil
	}
	state := before
	if s.who != nil {
		state = after
	}
	if cmd.states&state == 0 {
		s.misunderstood("Not in this state: " + map[states]string{before: "AUTHENTICATE first", after: "you are authenticated"}[state])
		return nil
	}
	values, ok := cmd.match(args[1:])
	if !ok {
		s.misunderstood("Wrong arguments for " + cmd.name)
		return nil
	}
	s.bad = 0
	if err := cmd.run(s, values); err != nil {
		if broken := (*brokenOff)(nil); errors.As(err, &broken) || s.c.Context().Err() != nil {
			return err
		}
		s.fail(cmd, err)
	}
	return nil
}

// brokenOff is a failure of the connection inside a command.
type brokenOff struct{ error }

// token is one word of a command: an atom, a string, or a number.
type token struct {
	kind byte // 'a', 's', 'n'
	s    string
}

// match holds arguments against what a command takes.
func (c *command) match(args []token) (values []string, ok bool) {
	if len(args) > len(c.args) || len(args) < len(c.args)-c.optional {
		return nil, false
	}
	for i, a := range args {
		if a.kind != c.args[i] {
			return nil, false
		}
		values = append(values, a.s)
	}
	return values, true
}

// readArgs reads a command with its literals (RFC 5804 §4).
func (s *session) readArgs() (args []token, err error) {
	var failed error
	for {
		line, err := s.c.ReadLine(maxLine)
		if err != nil {
			return nil, err
		}
		rest, size, literal, err := scan(string(line), &args)
		if err != nil && failed == nil {
			failed = err
		}
		_ = rest
		if !literal {
			return args, failed
		}
		value, err := s.literal(size, failed != nil || len(args) >= maxArgs)
		if errors.Is(err, tooLarge) && failed == nil {
			failed = err
		} else if err != nil && !errors.Is(err, tooLarge) {
			return nil, err
		}
		args = append(args, token{'s', value})
		if len(args) > maxArgs && failed == nil {
			failed = syntax("Too many arguments")
		}
	}
}

// literal reads a literal; one that may not be, only to its end.
func (s *session) literal(size int64, skip bool) (string, error) {
	if size > maxSkip {
		s.reply("BYE", "QUOTA/MAXSIZE", "Literal is too large")
		return "", &brokenOff{errors.New("literal too large")}
	}
	if skip || size > int64(s.scripts.Config().MaxScript) {
		if err := s.c.CopyN(io.Discard, size); err != nil {
			return "", &brokenOff{err}
		}
		return "", tooLarge
	}
	var b bytes.Buffer
	if err := s.c.CopyN(&b, size); err != nil {
		return "", &brokenOff{err}
	}
	if !utf8.Valid(b.Bytes()) {
		return "\x00", nil // no script and no name; compiling tells what is wrong
	}
	return b.String(), nil
}

// scan reads the tokens of a line. literal tells that one of size bytes follows it. What is
// wrong does not hide a literal, so that the dialog stays in step.
func scan(line string, args *[]token) (rest string, size int64, literal bool, err error) {
	defer func() {
		if err != nil && !literal {
			size, literal = literalAt(line)
		}
	}()
	for s := line; ; {
		s = strings.TrimLeft(s, " ")
		if s == "" {
			return "", 0, false, nil
		}
		if len(*args) >= maxArgs {
			return s, 0, false, syntax("Too many arguments")
		}
		switch c := s[0]; {
		case c == '"':
			value, n := quotedString(s)
			if n == 0 {
				return s, 0, false, syntax("A string is not closed, too long, or no UTF-8")
			}
			*args = append(*args, token{'s', value})
			s = s[n:]
		case c == '{':
			size, ok := literalAt(s)
			if !ok || strings.IndexByte(s, '}') != len(s)-1 {
				return s, 0, false, syntax("A literal is not understood")
			}
			return "", size, true, nil
		default:
			n := strings.IndexAny(s, " \"{")
			if n < 0 {
				n = len(s)
			}
			t := token{'a', s[:n]}
			if strings.Trim(t.s, "0123456789") == "" && len(t.s) <= 10 {
				t.kind = 'n'
			}
			*args = append(*args, t)
			s = s[n:]
		}
	}
}

// literalAt reads a literal's announcement at the end of a line.
func literalAt(line string) (size int64, ok bool) {
	i := strings.LastIndexByte(line, '{')
	if i < 0 || !strings.HasSuffix(line, "}") {
		return 0, false
	}
	digits := strings.TrimSuffix(line[i+1:len(line)-1], "+")
	n, err := strconv.ParseUint(digits, 10, 40)
	return int64(n), err == nil && digits[0] != '+'
}

// quotedString reads a quoted string at the beginning of s and returns its length; 0 when it is none.
func quotedString(s string) (string, int) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			if b.Len() > maxLine || !utf8.ValidString(b.String()) {
				return "", 0
			}
			return b.String(), i + 1
		case '\\':
			if i++; i >= len(s) || s[i] != '"' && s[i] != '\\' {
				return "", 0
			}
			b.WriteByte(s[i])
		default:
			b.WriteByte(s[i])
		}
	}
	return "", 0
}

// misunderstood answers what is no command; too many of them end the session.
func (s *session) misunderstood(text string) {
	s.bad++
	if s.bad >= s.cfg.BadCommands {
		s.reply("BYE", "", "Too many bad commands")
		s.quit = true
		return
	}
	s.reply("NO", "", text)
}

// reply writes a response line.
func (s *session) reply(word, code, text string) {
	s.c.WriteString(word)
	if code != "" {
		s.c.WriteString(" (" + code + ")")
	}
	if text != "" {
		s.c.WriteString(" " + str(text))
	}
	s.c.WriteString("\r\n")
}

// str writes a string: in quotes, or as a literal.
func str(s string) string {
	if len(s) > maxQuoted || strings.ContainsAny(s, "\r\n\x00") {
		return "{" + strconv.Itoa(len(s)) + "}\r\n" + s
	}
	if strings.ContainsAny(s, `"\`) {
		s = strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s)
	}
	return `"` + s + `"`
}
