package auth

import (
	"fmt"
	"strings"

	"atrium/storage/account"
)

// maxField bounds names and passwords, in bytes.
const maxField = 1024

// plain is PLAIN: authzid NUL authcid NUL password (RFC 4616 §2).
func plain(x *exchange) (*account.Account, error) {
	b, err := x.first()
	if err != nil {
		return nil, err
	}
	fields := strings.Split(string(b), "\x00")
	if len(fields) != 3 || fields[1] == "" || fields[2] == "" || len(fields[0]) > maxField || len(fields[1]) > maxField || len(fields[2]) > maxField {
		return nil, fmt.Errorf("PLAIN: %w", Malformed)
	}
	x.login = fields[1]
	acc, err := x.auth.dir.Authenticate(x.ctx, fields[1], fields[2], x.peer.Remote)
	if err != nil {
		return nil, err
	}
	return x.as(acc, fields[0])
}

// login is LOGIN: two prompts, whose texts some clients compare. An initial
// response is the name.
func login(x *exchange) (*account.Account, error) {
	var name []byte
	var err error
	if x.initial != nil {
		name = *x.initial
	} else if name, err = x.ask([]byte("Username:")); err != nil {
		return nil, err
	}
	password, err := x.ask([]byte("Password:"))
	if err != nil {
		return nil, err
	}
	if len(name) == 0 || len(name) > maxField || len(password) > maxField {
		return nil, fmt.Errorf("LOGIN: %w", Malformed)
	}
	x.login = string(name)
	return x.auth.dir.Authenticate(x.ctx, string(name), string(password), x.peer.Remote)
}
