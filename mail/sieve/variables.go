package sieve

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// variables has set and string (RFC 5229); templates are in template.go.
var variables = extension{name: "variables", rfc: "5229",
	commands: []command{{name: "set", shape: shape{args: "ss", tags: []tagDef{
		{name: "lower", group: "40"}, {name: "upper", group: "40"}, {name: "lowerfirst", group: "30"}, {name: "upperfirst", group: "30"},
		{name: "quotewildcard", group: "20"}, {name: "length", group: "10"}}}, compile: compileSet}},
	tests: []test{{name: "string", shape: shape{tags: matchTags, args: "ll"}, compile: compileString}},
}

// modifiers are what set does with a value, the highest precedence first (RFC
// 5229 §4.1).
var modifiers = []struct {
	name string
	do   func(string) string
}{
	{"lower", strings.ToLower},
	{"upper", strings.ToUpper},
	{"lowerfirst", func(s string) string { return first(s, unicode.ToLower) }},
	{"upperfirst", func(s string) string { return first(s, unicode.ToUpper) }},
	{"quotewildcard", func(s string) string { return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`).Replace(s) }},
	{"quoteregex", regexp.QuoteMeta},
	{"encodeurl", encodeURL},
	{"length", func(s string) string { return strconv.Itoa(utf8.RuneCountInString(s)) }},
}

func first(s string, change func(rune) rune) string {
	r, n := utf8.DecodeRuneInString(s)
	if n == 0 || r == utf8.RuneError {
		return s
	}
	return string(change(r)) + s[n:]
}

// encodeURL writes all but unreserved characters as %XX (RFC 5435 §6).
func encodeURL(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; letter(c) || digit(c) || c == '-' || c == '.' || c == '~' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// variableName reads the name of a variable to be set; nil and a mistake when it is none.
func (c *compiler) variableName(a *arg) *reference {
	name := lower(a.s)
	ref := &reference{name: name, match: -1}
	if space, inner, ok := strings.Cut(name, "."); ok && space == "global" && c.on["include"] {
		ref.name, ref.global = inner, true
	}
	if !validName(ref.name) {
		c.errf(a.pos, "%q cannot be the name of a variable", clip(a.s))
		return nil
	}
	return ref
}

func compileSet(c *compiler, a *call) op {
	ref, value := c.variableName(a.pos[0]), c.text(a.pos[1])
	var do []func(string) string
	for _, m := range modifiers {
		if a.tag(m.name) {
			do = append(do, m.do)
		}
	}
	return func(r *run) error {
		v := value.eval(r)
		for _, f := range do {
			v = f(v)
		}
		return r.set(ref, v)
	}
}

func compileString(c *compiler, a *call) cond {
	sources, m := c.texts(a.pos[0]), c.matcher(a, a.pos[1])
	return func(r *run) (bool, error) {
		values := evalAll(r, sources)
		if m.how == "count" { // RFC 5229 §5: empty strings do not count
			values = slices.DeleteFunc(values, func(s string) bool { return s == "" })
		}
		return m.match(r, values)
	}
}

var include = extension{name: "include", rfc: "6609", commands: []command{
	{name: "include", shape: shape{args: "s", tags: []tagDef{{name: "personal", group: "from"}, {name: "global", group: "from"}, {name: "once"}, {name: "optional"}}}, compile: compileInclude},
	{name: "return", compile: func(*compiler, *call) op { return func(*run) error { return errReturn } }},
	{name: "global", shape: shape{args: "l"}, compile: compileGlobal},
}}

// compileInclude runs another script as if it stood here (RFC 6609 §3.1).
func compileInclude(c *compiler, a *call) op {
	name, global := c.fixed(a.pos[0]), a.tag("global")
	if name == "" || strings.ContainsAny(name, "\r\n\x00/") {
		c.errf(a.pos[0].pos, "%q cannot be the name of a script", clip(name))
	}
	if !global && !slices.Contains(c.includes, name) {
		c.includes = append(c.includes, name)
	}
	once, optional := a.tag("once"), a.tag("optional")
	return func(r *run) error {
		key := fmt.Sprint(global, name)
		if once && r.once[key] {
			return nil
		}
		if r.counts.includes++; r.counts.includes > r.lim.Includes || r.depth >= r.lim.Nesting {
			return fmt.Errorf("scripts include each other too often: %w", Exhausted)
		}
		s, err := r.host().Include(r.ctx, name, global)
		if err != nil {
			if optional && isMissing(err) {
				return nil
			}
			return err
		}
		if r.once == nil {
			r.once = map[string]bool{}
		}
		r.once[key] = true
		outer := r.scope
		r.scope = &scope{}
		r.depth++
		err = s.run(r)
		r.depth--
		r.nvars -= len(r.scope.vars)
		r.scope = outer
		if err == errReturn {
			err = nil
		}
		if err != nil && err != errStop {
			err = fmt.Errorf("script %q: %w", clip(name), err)
		}
		return err
	}
}

// compileGlobal makes names stand for global variables (RFC 6609 §3.4.1).
func compileGlobal(c *compiler, a *call) op {
	if !c.on["variables"] {
		c.errf(a.n.pos, "\"global\" needs require \"variables\"")
	}
	var names []string
	for _, s := range a.pos[0].strings() {
		if n := lower(s.s); validName(n) {
			names = append(names, n)
		} else {
			c.errf(s.pos, "%q cannot be the name of a variable", clip(s.s))
		}
	}
	return func(r *run) error {
		if r.scope.globals == nil {
			r.scope.globals = map[string]bool{}
		}
		for _, n := range names {
			r.scope.globals[n] = true
		}
		return nil
	}
}

var ihave = extension{name: "ihave", rfc: "5463",
	commands: []command{{name: "error", shape: shape{args: "s"}, compile: func(c *compiler, a *call) op {
		text := c.text(a.pos[0])
		return func(r *run) error { return fmt.Errorf("%s", clip(text.eval(r))) }
	}}},
	tests: []test{{name: "ihave", shape: shape{args: "l"}, compile: compileIhave}},
}

// compileIhave knows the answer already; what is there is in force from here on.
func compileIhave(c *compiler, a *call) cond {
	have := true
	var names []string
	for _, s := range a.pos[0].strings() {
		names = append(names, s.s)
		have = have && s.s != "" && c.lang.known[s.s] != nil
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

var imap4flags = extension{name: "imap4flags", rfc: "5232",
	commands: []command{
		{name: "setflag", shape: flagShape, compile: compileFlag}, {name: "addflag", shape: flagShape, compile: compileFlag},
		{name: "removeflag", shape: flagShape, compile: compileFlag}},
	tests: []test{{name: "hasflag", shape: shape{tags: matchTags, args: "ll", last: 1}, compile: compileHasFlag}},
	tags:  map[string][]tagDef{"keep": {{name: "flags", value: "l"}}, "fileinto": {{name: "flags", value: "l"}}},
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
	// A key may name several flags, apart by blanks, unless it is a pattern.
	if m.how == "is" {
		m = c.matcher(a, splitKeys(list))
	}
	return func(r *run) (bool, error) {
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

// index counts fields of one name (RFC 5260 §6).
var index = extension{name: "index", rfc: "5260", tags: map[string][]tagDef{
	"header": indexTags, "address": indexTags, "date": indexTags}}

var indexTags = []tagDef{{name: "index", value: "n"}, {name: "last"}}

// indexTags returns what picks fields: all, or one by its number.
func (c *compiler) indexTags(a *call) func([]field) []field {
	n := a.tags["index"]
	if n == nil {
		if a.tag("last") {
			c.errf(a.n.pos, "\":last\" needs \":index\"")
		}
		return func(list []field) []field { return list }
	}
	if n.n < 1 {
		c.errf(n.pos, "\":index\" counts from 1")
	}
	last := a.tag("last")
	return func(list []field) []field {
		i := n.n - 1
		if last {
			i = int64(len(list)) - n.n
		}
		if cmp.Less(i, 0) || i >= int64(len(list)) {
			return nil
		}
		return list[i : i+1]
	}
}

func isMissing(err error) bool { return errors.Is(err, NoScript) }
