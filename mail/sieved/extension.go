package sieved

import (
	"slices"
	"strconv"
	"strings"
)

// extension is what one capability adds to ManageSieve.
type extension struct {
	name   string
	rfc    string
	needed bool // it cannot be switched off
	// caps are lines of CAPABILITY at this point of the session: a name, and a value or "".
	caps     func(*session) [][2]string
	commands []command
}

// states are the states of a session in which a command may come.
type states byte

const (
	before states = 1 << iota // the login
	after
)

// command is one command. args has a letter for each argument: s a string, n a number;
// the last of them may be missing.
type command struct {
	name     string // in capitals
	states   states
	args     string
	optional int
	run      func(*session, []string) error
}

// extensions are all that the server speaks, in the order of CAPABILITY.
func extensions() []*extension {
	return []*extension{&base, &sasl, &starttls, &maxRedirects, &notify, &extLists, &owner, &versionOne, &unauthenticate}
}

// base has what every server has (RFC 5804 §2).
var base = extension{name: "ManageSieve", rfc: "5804", needed: true,
	caps: func(s *session) [][2]string {
		return [][2]string{{"IMPLEMENTATION", s.cfg.Name}, {"SIEVE", strings.Join(s.scripts.Compiler().Extensions(), " ")}}
	},
	commands: []command{
		{name: "CAPABILITY", states: before | after, run: (*session).doCapability},
		{name: "LOGOUT", states: before | after, run: (*session).doLogout},
		{name: "HAVESPACE", states: after, args: "sn", run: (*session).doHaveSpace},
		{name: "PUTSCRIPT", states: after, args: "ss", run: (*session).doPut},
		{name: "LISTSCRIPTS", states: after, run: (*session).doList},
		{name: "SETACTIVE", states: after, args: "s", run: (*session).doSetActive},
		{name: "GETSCRIPT", states: after, args: "s", run: (*session).doGet},
		{name: "DELETESCRIPT", states: after, args: "s", run: (*session).doDelete},
	}}

// versionOne has what VERSION "1.0" promises (RFC 5804 §1.7).
var versionOne = extension{name: "VERSION", rfc: "5804",
	caps: func(*session) [][2]string { return [][2]string{{"VERSION", "1.0"}} },
	commands: []command{
		{name: "NOOP", states: before | after, args: "s", optional: 1, run: (*session).doNoop},
		{name: "RENAMESCRIPT", states: after, args: "ss", run: (*session).doRename},
		{name: "CHECKSCRIPT", states: after, args: "s", run: (*session).doCheck},
	}}

var (
	maxRedirects = extension{name: "MAXREDIRECTS", rfc: "5804", caps: func(s *session) [][2]string {
		return [][2]string{{"MAXREDIRECTS", strconv.Itoa(s.scripts.Config().MaxRedirects)}}
	}}
	notify = extension{name: "NOTIFY", rfc: "5804", caps: func(s *session) [][2]string {
		if !slices.Contains(s.scripts.Compiler().Extensions(), "enotify") {
			return nil
		}
		return [][2]string{{"NOTIFY", "mailto"}}
	}}
	extLists = extension{name: "EXTLISTS", rfc: "6134", caps: func(s *session) [][2]string {
		if !slices.Contains(s.scripts.Compiler().Extensions(), "extlists") {
			return nil
		}
		return [][2]string{{"EXTLISTS", "urn:ietf:params:sieve:addrbook"}}
	}}
	owner = extension{name: "OWNER", rfc: "5804", caps: func(s *session) [][2]string {
		if s.who == nil {
			return nil
		}
		return [][2]string{{"OWNER", s.who.Name}}
	}}
	sasl = extension{name: "SASL", rfc: "5804", needed: true,
		caps: func(s *session) [][2]string {
			return [][2]string{{"SASL", strings.Join(s.mechanisms(), " ")}}
		},
		commands: []command{{name: "AUTHENTICATE", states: before, args: "ss", optional: 1, run: (*session).doAuthenticate}}}
	starttls = extension{name: "STARTTLS", rfc: "5804",
		caps: func(s *session) [][2]string {
			if s.who != nil || !s.c.CanStartTLS() {
				return nil
			}
			return [][2]string{{"STARTTLS", ""}}
		},
		commands: []command{{name: "STARTTLS", states: before, run: (*session).doStartTLS}}}
	unauthenticate = extension{name: "UNAUTHENTICATE", rfc: "5804",
		caps: func(s *session) [][2]string {
			return [][2]string{{"UNAUTHENTICATE", ""}}
		},
		commands: []command{{name: "UNAUTHENTICATE", states: after, run: (*session).doUnauthenticate}}}
)

// Standard is one line of the table of standards.
type Standard struct {
	Name string
	RFC  string
}

// Standards lists what this package speaks, for the README.
func Standards() []Standard {
	var out []Standard
	for _, x := range extensions() {
		out = append(out, Standard{x.name, x.rfc})
	}
	return out
}
