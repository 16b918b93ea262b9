package smtpd

import (
	"fmt"
	"slices"
	"strings"
)

// extension is what one RFC adds. RFC 5321 itself is the first.
type extension struct {
	name     string // its EHLO keyword; "" for the protocols themselves
	rfc      string
	dialects []Dialect                                            // nil: all
	param    func(*session) (string, bool)                        // what follows the keyword, and whether it is offered now; nil: always, alone
	commands []command                                            // what it adds
	mail     map[string]func(*session, *transaction, param) reply // parameters of MAIL; code 0 is fine
	rcpt     map[string]func(*session, *transaction, param) reply // parameters of RCPT
}

var extensions = []*extension{
	&base, &lmtp,
	{name: "PIPELINING", rfc: "2920"},
	&size, &eightBit, &smtputf8,
	{name: "ENHANCEDSTATUSCODES", rfc: "2034"},
	&chunking, &binaryMIME, &dsn, &startTLS, &requireTLS, &authentication, &futureRelease, &limits,
}

// command is a verb.
type command struct {
	verb string
	when phase // what it needs; else 503, or 530 before log-in
	run  func(s *session, args string) reply
}

// phase says what must have happened before a command.
type phase byte

const (
	always   phase = iota // at any time
	greeted               // after HELO, EHLO or LHLO
	outside               // and not between MAIL and the end of content
	loggedIn              // as outside, and after log-in where the dialect wants that
	inMail                // after MAIL, before content
)

// registry is what a server's extensions make together.
type registry struct {
	extensions []*extension
	commands   map[string]*command
	mail, rcpt map[string]func(*session, *transaction, param) reply
	has        map[string]bool // by keyword
}

// isExtension tells whether there is an extension of that keyword.
func isExtension(name string) bool {
	return slices.ContainsFunc(extensions, func(e *extension) bool { return e.name != "" && strings.EqualFold(e.name, name) })
}

// newRegistry collects the extensions of a dialect but those that are disabled.
// Two claims on one name are a mistake in this program.
func newRegistry(d Dialect, disable []string) *registry {
	r := &registry{
		commands: map[string]*command{}, has: map[string]bool{},
		mail: map[string]func(*session, *transaction, param) reply{}, rcpt: map[string]func(*session, *transaction, param) reply{},
	}
	for _, e := range extensions {
		off := slices.ContainsFunc(disable, func(n string) bool { return e.name != "" && strings.EqualFold(n, e.name) })
		if off || e.dialects != nil && !slices.Contains(e.dialects, d) {
			continue
		}
		r.extensions = append(r.extensions, e)
		r.has[e.name] = true
		for i := range e.commands {
			c := &e.commands[i]
			if r.commands[c.verb] != nil {
				panic(fmt.Sprintf("smtpd: RFC %s claims %s, which is taken", e.rfc, c.verb))
			}
			r.commands[c.verb] = c
		}
		claim(e, "MAIL", r.mail, e.mail)
		claim(e, "RCPT", r.rcpt, e.rcpt)
	}
	return r
}

func claim(e *extension, verb string, all, more map[string]func(*session, *transaction, param) reply) {
	for name, f := range more {
		if all[name] != nil {
			panic(fmt.Sprintf("smtpd: RFC %s claims %s %s=, which is taken", e.rfc, verb, name))
		}
		all[name] = f
	}
}

// keywords returns the lines of the answer to EHLO, RFC 5321 §4.1.1.1.
func (s *session) keywords() []string {
	var out []string
	for _, e := range s.server.registry.extensions {
		if e.name == "" {
			continue
		}
		line := e.name
		if e.param != nil {
			value, on := e.param(s)
			if !on {
				continue
			}
			if value != "" {
				line += " " + value
			}
		}
		out = append(out, line)
	}
	return out
}
