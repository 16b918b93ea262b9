package sieve

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Options are the settings of a Compiler.
type Options struct {
	MaxScript int      // bytes of a script
	Disable   []string // capabilities not to be known
	// NotifyMethods are the schemes of notify that the caller carries out.
	NotifyMethods []string
}

// DefaultOptions returns options that serve everyone.
func DefaultOptions() Options {
	return Options{MaxScript: 256 << 10, NotifyMethods: []string{"mailto"}}
}

// Compiler compiles scripts. It may be used by many goroutines at once.
type Compiler struct {
	opts Options
	lang *language
}

// NewCompiler returns a Compiler.
func NewCompiler(o Options) *Compiler { return &Compiler{o, newLanguage(o.Disable)} }

// Script is a compiled script.
type Script struct {
	run      op
	requires []string
	warnings []Problem
	includes []string
}

// Requires are the capabilities that the script requires.
func (s *Script) Requires() []string { return s.requires }

// Uses tells whether the script requires a capability.
func (s *Script) Uses(name string) bool { return slices.Contains(s.requires, name) }

// Warnings are what is lawful but likely not meant.
func (s *Script) Warnings() []Problem { return s.warnings }

// Includes are the personal scripts that the script includes.
func (s *Script) Includes() []string { return s.includes }

const maxProblems = 30

// compiler is one compilation.
type compiler struct {
	*Compiler
	on       map[string]bool // capabilities in force
	problems Problems
	warnings []Problem
	includes []string
	started  bool // a command other than require came
	missing  bool // an ihave asked for what is not there: what is unknown fails when it runs
	loops    []string
}

// Compile compiles a script. The error is Problems, in the order of the script.
func (l *Compiler) Compile(src string) (*Script, error) {
	if len(src) > l.opts.MaxScript {
		return nil, Problems{{Pos{1, 1}, fmt.Sprintf("the script has %d bytes, %d are allowed", len(src), l.opts.MaxScript)}}
	}
	cmds, err := parse(src)
	if err != nil {
		return nil, err
	}
	c := &compiler{Compiler: l, on: map[string]bool{"": true}}
	for _, name := range l.lang.names {
		if strings.HasPrefix(name, "comparator-i;o") || strings.HasPrefix(name, "comparator-i;ascii-c") {
			c.on[name] = true // RFC 5228 §2.7.3: these need no require
		}
	}
	run := c.block(cmds)
	if len(c.problems) > 0 {
		slices.SortStableFunc(c.problems, func(a, b Problem) int {
			if a.Line != b.Line {
				return a.Line - b.Line
			}
			return a.Col - b.Col
		})
		return nil, c.problems[:min(len(c.problems), maxProblems)]
	}
	s := &Script{run: run, warnings: c.warnings, includes: c.includes}
	for name := range c.on {
		if name != "" {
			s.requires = append(s.requires, name)
		}
	}
	slices.Sort(s.requires)
	return s, nil
}

// errf notes a mistake.
func (c *compiler) errf(p Pos, format string, args ...any) {
	c.problems = append(c.problems, Problem{p, fmt.Sprintf(format, args...)})
}

func (c *compiler) warnf(p Pos, format string, args ...any) {
	if len(c.warnings) < maxProblems {
		c.warnings = append(c.warnings, Problem{p, fmt.Sprintf(format, args...)})
	}
}

// anyOn tells whether one of some capabilities is in force.
func (c *compiler) anyOn(names []string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return c.on[n] })
}

// block compiles commands that follow each other.
func (c *compiler) block(cmds []*node) op {
	var ops []op
	for i := 0; i < len(cmds); i++ {
		if len(c.problems) >= maxProblems {
			break
		}
		n := cmds[i]
		switch n.name {
		case "require":
			c.require(n)
			continue
		case "if":
			c.started = true
			end := i + 1
			for end < len(cmds) && (cmds[end].name == "elsif" || cmds[end].name == "else") {
				end++
				if cmds[end-1].name == "else" {
					break
				}
			}
			ops = append(ops, c.branches(cmds[i:end]))
			i = end - 1
			continue
		case "elsif", "else":
			c.errf(n.pos, "%q must follow \"if\" or \"elsif\"", n.name)
			continue
		}
		c.started = true
		ops = append(ops, c.command(n))
		if n.name == "stop" && i+1 < len(cmds) {
			c.warnf(cmds[i+1].pos, "this is never reached: \"stop\" stands before it")
		}
	}
	return sequence(ops)
}

func sequence(ops []op) op {
	switch len(ops) {
	case 0:
		return func(*run) error { return nil }
	case 1:
		return ops[0]
	}
	return func(r *run) error {
		for _, o := range ops {
			if err := o(r); err != nil {
				return err
			}
		}
		return nil
	}
}

// require puts capabilities into force (RFC 5228 §3.2).
func (c *compiler) require(n *node) {
	if c.started {
		c.errf(n.pos, `"require" must stand before all other commands`)
	}
	if len(n.args) != 1 || n.args[0].kind != text && n.args[0].kind != list || len(n.tests) > 0 || n.body {
		c.errf(n.pos, `"require" takes one string or string list`)
		return
	}
	for _, s := range n.args[0].strings() {
		if c.lang.known[s.s] == nil || s.s == "" {
			c.errf(s.pos, "unknown capability %q", clip(s.s))
			continue
		}
		c.enable(s.s)
	}
}

// enable puts a capability into force, with those that come with it.
func (c *compiler) enable(name string) {
	c.on[name] = true
	for _, more := range c.lang.known[name].needs {
		if c.lang.known[more] != nil {
			c.on[more] = true
		}
	}
}

// clip shortens what a message quotes.
func clip(s string) string {
	if r := []rune(s); len(r) > 60 {
		return string(r[:60]) + "…"
	}
	return s
}

// branches compiles if, elsif, else.
func (c *compiler) branches(chain []*node) op {
	var conds []cond
	var blocks []op
	for _, n := range chain {
		wanted := 1
		if n.name == "else" {
			wanted = 0
		}
		switch {
		case len(n.args) > 0:
			c.errf(n.args[0].pos, "%q takes no arguments", n.name)
		case len(n.tests) != wanted || n.paren:
			c.errf(n.pos, "%q takes %s", n.name, [...]string{"no test", "one test"}[wanted])
		case !n.body:
			c.errf(n.pos, "%q needs a block in { }", n.name)
		}
		if wanted == 1 && len(n.tests) == 1 {
			conds = append(conds, c.test(n.tests[0]))
		}
		blocks = append(blocks, c.block(n.block))
	}
	return func(r *run) error {
		if err := r.step(1); err != nil {
			return err
		}
		for i, b := range blocks {
			yes := i >= len(conds)
			if !yes {
				var err error
				if yes, err = conds[i](r); err != nil {
					return err
				}
			}
			if yes {
				return b(r)
			}
		}
		return nil
	}
}

// command compiles one command. Each counts as a step.
func (c *compiler) command(n *node) op {
	before := len(c.problems)
	d := c.lang.commands[n.name]
	var do op
	switch {
	case d == nil && c.lang.tests[n.name] != nil:
		c.errf(n.pos, "%q is a test, no command", n.name)
	case d == nil:
		c.errf(n.pos, "unknown command %q", clip(n.name))
	case !c.anyOn(d.ext):
		c.errf(n.pos, "the command %q needs require %s", n.name, quotedList(d.ext))
	default:
		if args := c.check(n, &d.shape); args != nil {
			do = d.compile(c, args)
		}
	}
	if c.deferred(before) {
		return func(r *run) error { return fmt.Errorf("%v: %w", n.pos, NotAvailable) }
	}
	if do == nil {
		return func(*run) error { return errors.New("not compiled") }
	}
	return func(r *run) error {
		if err := r.step(1); err != nil {
			return err
		}
		if err := do(r); err != nil {
			return at(n.pos, err)
		}
		return nil
	}
}

// test compiles one test.
func (c *compiler) test(n *node) cond {
	before := len(c.problems)
	d := c.lang.tests[n.name]
	var do cond
	switch {
	case d == nil && c.lang.commands[n.name] != nil:
		c.errf(n.pos, "%q is a command, no test", n.name)
	case d == nil:
		c.errf(n.pos, "unknown test %q", clip(n.name))
	case !c.anyOn(d.ext):
		c.errf(n.pos, "the test %q needs require %s", n.name, quotedList(d.ext))
	default:
		if n.body {
			c.errf(n.pos, "the test %q takes no block", n.name)
		}
		if args := c.check(n, &d.shape); args != nil {
			do = d.compile(c, args)
		}
	}
	if c.deferred(before) {
		return func(r *run) (bool, error) { return false, fmt.Errorf("%v: %w", n.pos, NotAvailable) }
	}
	if do == nil {
		return func(*run) (bool, error) { return false, errors.New("not compiled") }
	}
	return func(r *run) (bool, error) {
		if err := r.step(1); err != nil {
			return false, err
		}
		yes, err := do(r)
		if err != nil {
			err = at(n.pos, err)
		}
		return yes, err
	}
}

// deferred takes back mistakes that are to show at run time only, since an ihave before
// them found something missing (RFC 5463 §4).
func (c *compiler) deferred(before int) bool {
	if !c.missing || len(c.problems) == before {
		return false
	}
	c.problems = c.problems[:before]
	return true
}

// call is a command or a test with its arguments, checked.
type call struct {
	n     *node
	tags  map[string]*arg // by name, with the value, an empty arg when the tag has none
	pos   []*arg
	tests []cond
	block op
}

func (a *call) tag(name string) bool { return a.tags[name] != nil }

// check holds a node against its shape; nil when it does not fit.
func (c *compiler) check(n *node, s *shape) *call {
	before := len(c.problems)
	out := &call{n: n, tags: map[string]*arg{}}
	groups := map[string]string{}
	for i := 0; i < len(n.args); i++ {
		a := &n.args[i]
		if a.kind != tag {
			out.pos = append(out.pos, a)
			continue
		}
		t := c.findTag(n, s, a)
		if t == nil {
			return nil
		}
		if len(out.pos) > 0 {
			c.errf(a.pos, "the tag \":%s\" must stand before the other arguments", a.s)
		}
		group := t.group
		if group == "" {
			group = t.name
		}
		if old := groups[group]; old == t.name {
			c.errf(a.pos, "the tag \":%s\" comes twice", a.s)
		} else if old != "" {
			c.errf(a.pos, "\":%s\" and \":%s\" exclude each other", old, a.s)
		}
		groups[group] = t.name
		out.tags[t.name] = &arg{pos: a.pos}
		if t.value != "" {
			if i+1 >= len(n.args) || !fits(&n.args[i+1], t.value[0]) {
				c.errf(a.pos, "the tag \":%s\" must be followed by %s", a.s, argNames[t.value[0]])
				return nil
			}
			i++
			out.tags[t.name] = &n.args[i]
		}
	}
	c.positional(n, s, out)
	c.inner(n, s, out)
	if len(c.problems) > before {
		return nil
	}
	return out
}

// findTag finds the tag that a names.
func (c *compiler) findTag(n *node, s *shape, a *arg) *tagDef {
	var missing []string
	for i := range s.tags {
		t := &s.tags[i]
		if t.name != a.s {
			continue
		}
		if t.ext == "" || c.on[t.ext] {
			return t
		}
		missing = append(missing, t.ext)
	}
	if len(missing) > 0 {
		c.errf(a.pos, "the tag \":%s\" needs require %s", a.s, quotedList(missing))
	} else {
		c.errf(a.pos, "%q has no tag \":%s\"", n.name, clip(a.s))
	}
	return nil
}

var argNames = map[byte]string{'s': "a string", 'l': "a string or string list", 'n': "a number"}

func fits(a *arg, want byte) bool {
	switch want {
	case 's':
		return a.kind == text
	case 'l':
		return a.kind == text || a.kind == list
	}
	return a.kind == number
}

// positional checks the arguments without tags.
func (c *compiler) positional(n *node, s *shape, out *call) {
	if k := len(out.pos); k > len(s.args) || k < len(s.args)-s.last {
		var want []string
		for _, b := range []byte(s.args) {
			want = append(want, argNames[b])
		}
		if len(want) == 0 {
			want = []string{"none"}
		}
		c.errf(n.pos, "%q has %d arguments, wanted: %s", n.name, k, strings.Join(want, ", "))
		return
	}
	for i, a := range out.pos {
		if !fits(a, s.args[i]) {
			c.errf(a.pos, "argument %d of %q must be %s", i+1, n.name, argNames[s.args[i]])
		}
	}
}

// inner compiles tests and block.
func (c *compiler) inner(n *node, s *shape, out *call) {
	switch {
	case s.tests == 0 && len(n.tests) > 0:
		c.errf(n.tests[0].pos, "%q takes no test; did the \";\" before it go missing?", n.name)
	case s.tests == 1 && (len(n.tests) != 1 || n.paren):
		c.errf(n.pos, "%q takes one test", n.name)
	case s.tests < 0 && (len(n.tests) == 0 || !n.paren):
		c.errf(n.pos, "%q takes tests in parentheses", n.name)
	default:
		for _, t := range n.tests {
			out.tests = append(out.tests, c.test(t))
		}
	}
	switch {
	case s.block && !n.body:
		c.errf(n.pos, "%q needs a block in { }", n.name)
	case !s.block && n.body && c.lang.tests[n.name] == nil:
		c.errf(n.pos, "%q takes no block", n.name)
	case s.block && n.name == "foreverypart":
		name := ""
		if a := out.tags["name"]; a != nil {
			name = a.s
		}
		if len(c.loops) >= 10 {
			c.errf(n.pos, "\"foreverypart\" is nested too deep")
			return
		}
		c.loops = append(c.loops, name)
		out.block = c.block(n.block)
		c.loops = c.loops[:len(c.loops)-1]
	case s.block:
		out.block = c.block(n.block)
	}
}
