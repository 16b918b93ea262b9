package sieve

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// include runs further scripts (RFC 6609).
var include = extension{name: "include", rfc: "6609", commands: []command{
	{name: "include", shape: shape{args: "s", tags: []tagDef{{name: "personal", group: "from"}, {name: "global", group: "from"}, {name: "once"}, {name: "optional"}}}, compile: compileInclude},
	{name: "return", compile: func(*compiler, *call) op { return func(*run) error { return errReturn } }},
	{name: "global", shape: shape{args: "l"}, compile: compileGlobal},
}}

// compileInclude runs another script as if it stood here (RFC 6609 §3.1).
func compileInclude(c *compiler, a *call) op {
	name, global := c.fixed(a.pos[0]), a.tag("global")
	if name == "" || strings.ContainsFunc(name, unnamed) {
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

// unnamed tells what no script's name may hold (RFC 6609 §3.2, RFC 5804 §1.6).
func unnamed(r rune) bool {
	return r < ' ' || r == '/' || r >= 0x7f && r <= 0x9f || r == 0x2028 || r == 0x2029
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

func isMissing(err error) bool { return errors.Is(err, NoScript) }
