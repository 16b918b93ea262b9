package sieve

import (
	"slices"
	"strings"
)

// imap4flags sets the flags of what is kept (RFC 5232).
var imap4flags = extension{name: "imap4flags", rfc: "5232",
	commands: []command{
		{name: "setflag", shape: flagShape, compile: compileFlag}, {name: "addflag", shape: flagShape, compile: compileFlag},
		{name: "removeflag", shape: flagShape, compile: compileFlag}},
	tests: []test{{name: "hasflag", shape: shape{tags: matchTags, args: "ll", last: 1}, compile: compileHasFlag}},
	tags:  copies(map[string][]tagDef{"keep": {{name: "flags", value: "l"}}, "fileinto": {{name: "flags", value: "l"}}}),
}

var flagShape = shape{args: "ll", last: 1}

// splitFlags makes a list of flags of strings, each flag once in any case of letters. What
// cannot be a flag is left out (RFC 5232 §2).
func splitFlags(values []string) (out []string) {
	for _, v := range values {
		for _, f := range strings.Fields(v) {
			if !validFlag(f) || len(out) >= 64 || slices.ContainsFunc(out, func(o string) bool { return strings.EqualFold(o, f) }) {
				continue
			}
			out = append(out, f)
		}
	}
	return out
}

var systemFlags = []string{`\Answered`, `\Flagged`, `\Deleted`, `\Seen`, `\Draft`}

func validFlag(f string) bool {
	if strings.HasPrefix(f, `\`) {
		return slices.ContainsFunc(systemFlags, func(s string) bool { return strings.EqualFold(s, f) })
	}
	for i := range len(f) {
		if f[i] <= ' ' || f[i] > '~' || strings.IndexByte(`(){%*"\]`, f[i]) >= 0 {
			return false
		}
	}
	return f != "" && len(f) <= 100
}

// flagsTag returns what gives the flags of keep and fileinto: :flags, or the internal
// variable.
func (c *compiler) flagsTag(a *call) func(*run) []string {
	if !a.tag("flags") {
		return func(r *run) []string { return slices.Clone(r.flags) }
	}
	list := c.texts(a.tags["flags"])
	return func(r *run) []string { return splitFlags(evalAll(r, list)) }
}

// flagArgs takes the optional variable and the list.
func (c *compiler) flagArgs(a *call) (ref *reference, list *arg) {
	list = a.pos[len(a.pos)-1]
	if len(a.pos) == 1 {
		return nil, list
	}
	if !c.on["variables"] {
		c.errf(a.pos[0].pos, "a variable of flags needs require \"variables\"")
	}
	if a.pos[0].kind != text {
		return nil, list // hasflag may have several
	}
	return c.variableName(a.pos[0]), list
}

func compileFlag(c *compiler, a *call) op {
	ref, list := c.flagArgs(a)
	if len(a.pos) == 2 && a.pos[0].kind != text {
		c.errf(a.pos[0].pos, "one variable must be named")
	}
	values := c.texts(list)
	return func(r *run) error {
		old := r.flags
		if ref != nil {
			old = splitFlags([]string{r.variable(ref)})
		}
		given := splitFlags(evalAll(r, values))
		switch a.n.name {
		case "setflag":
			old = given
		case "addflag":
			old = splitFlags(append(slices.Clone(old), given...))
		default:
			old = slices.DeleteFunc(slices.Clone(old), func(f string) bool {
				return slices.ContainsFunc(given, func(g string) bool { return strings.EqualFold(f, g) })
			})
		}
		if ref != nil {
			return r.set(ref, strings.Join(old, " "))
		}
		r.flags = old
		return nil
	}
}

func compileHasFlag(c *compiler, a *call) cond {
	var refs []*reference
	if len(a.pos) == 2 {
		if !c.on["variables"] {
			c.errf(a.pos[0].pos, "a variable of flags needs require \"variables\"")
		}
		for _, s := range a.pos[0].strings() {
			if ref := c.variableName(&arg{kind: text, pos: s.pos, s: s.s}); ref != nil {
				refs = append(refs, ref)
			}
		}
	}
	list := a.pos[len(a.pos)-1]
	m := c.matcher(a, list)
	// A key may name several flags, apart by blanks (RFC 5232 §2), unless it is a number or an expression.
	several := m.how == "is" || m.how == "contains" || m.how == "matches"
	if several {
		m = c.matcher(a, splitKeys(list))
	}
	return func(r *run) (bool, error) {
		m := m
		if several && slices.ContainsFunc(m.keys, func(t *template) bool { return !t.constant() }) {
			m = m.split(r)
		}
		values := r.flags
		if len(a.pos) == 2 {
			values = nil
			for _, ref := range refs {
				values = append(values, splitFlags([]string{r.variable(ref)})...)
			}
		}
		return m.match(r, values)
	}
}

// split makes keys of the words of what the keys say now.
func (m *matcher) split(r *run) *matcher {
	out := *m
	out.keys, out.folded, out.globs, out.regexps = nil, nil, nil, nil
	for _, t := range m.keys {
		for _, w := range strings.Fields(t.eval(r)) {
			out.keys = append(out.keys, &template{pos: t.pos, fixed: w})
			out.folded = append(out.folded, m.cmp.folded(w))
		}
	}
	out.globs = make([]*glob, len(out.keys))
	return &out
}

func splitKeys(a *arg) *arg {
	out := &arg{kind: list, pos: a.pos}
	for _, s := range a.strings() {
		words := strings.Fields(s.s)
		if strings.Contains(s.s, "${") || len(words) == 0 {
			words = []string{s.s}
		}
		for _, w := range words {
			out.list = append(out.list, token{kind: text, pos: s.pos, s: w})
		}
	}
	return out
}
