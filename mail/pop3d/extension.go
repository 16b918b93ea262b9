package pop3d

// extension is what one document adds to POP3.
type extension struct {
	name string
	rfc  string
	// caps are the lines of CAPA at this point of the session; nil: none.
	caps     func(*session) []string
	commands []command
}

// states are the states of a session in which a command may come.
type states byte

const (
	authorization states = 1 << iota
	transaction
)

// command is one command.
type command struct {
	name   string // in capitals
	states states
	// min and max are how many arguments it has; rest: all that follows is one.
	min, max int
	rest     bool
	// run does and answers it. An error is answered by its kind (see reply.go).
	run func(*session, []string) error
}

// extensions are all that the server speaks, in the order of CAPA.
func extensions() []*extension {
	return []*extension{&base, &top, &uidl, &capa, &codes, &authCodes, &pipelining, &expire, &loginDelay, &user, &sasl, &stls, &utf8Mode, &lang, &implementation}
}

var (
	codes      = extension{name: "RESP-CODES", rfc: "2449", caps: always("RESP-CODES")}
	authCodes  = extension{name: "AUTH-RESP-CODE", rfc: "3206", caps: always("AUTH-RESP-CODE")}
	pipelining = extension{name: "PIPELINING", rfc: "2449", caps: always("PIPELINING")}

	// The server's name and version are told after the login alone (RFC 2449 §6.9).
	implementation = extension{name: "IMPLEMENTATION", rfc: "2449", caps: func(s *session) []string {
		if s.state != transaction {
			return nil
		}
		return []string{"IMPLEMENTATION " + s.cfg.Name}
	}}
)

func always(line string) func(*session) []string {
	return func(*session) []string { return []string{line} }
}

// Standard is one line of the table of standards.
type Standard struct {
	Name string // as CAPA says it
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
