package sieve

import (
	"fmt"
	"slices"
)

// ihave asks what the server has (RFC 5463).
var ihave = extension{name: "ihave", rfc: "5463",
	commands: []command{{name: "error", shape: shape{args: "s"}, compile: func(c *compiler, a *call) op {
		text := c.text(a.pos[0])
		return func(r *run) error { return fmt.Errorf("%s", clip(text.eval(r))) }
	}}},
	tests: []test{{name: "ihave", shape: shape{args: "l"}, compile: compileIhave}},
}

// grammatical are the extensions that change what a script's text means. A test that names one fails, and
// puts nothing into force (RFC 5463 §4).
var grammatical = []string{"variables", "encoded-character"}

// compileIhave knows the answer already; what is there is in force from here on.
func compileIhave(c *compiler, a *call) cond {
	have := true
	var names []string
	for _, s := range a.pos[0].strings() {
		names = append(names, s.s)
		have = have && s.s != "" && c.lang.known[s.s] != nil && !slices.Contains(grammatical, s.s)
	}
	if have {
		for _, n := range names {
			c.enable(n)
		}
	} else {
		c.missing = true
	}
	return func(*run) (bool, error) { return have, nil }
}

// imapsieve is that scripts run when something is done by IMAP (RFC 6785): it brings no words. What
// happened is in environment, the flags are those of the message.
var imapsieve = extension{name: "imapsieve", rfc: "6785"}

// environment has what is known of server and connection (RFC 5183).
var environment = extension{name: "environment", rfc: "5183", tests: []test{
	{name: "environment", shape: shape{tags: matchTags, args: "sl"}, compile: func(c *compiler, a *call) cond {
		item, m := c.text(a.pos[0]), c.matcher(a, a.pos[1])
		return func(r *run) (bool, error) {
			v, ok := r.env.Items[lower(item.eval(r))]
			if !ok {
				return false, nil // RFC 5183 §4: what is not known matches nothing
			}
			return m.match(r, []string{v})
		}
	}},
}}
