package sieve

import (
	"fmt"
	"slices"
	"strings"

	"atrium/mail/message"
)

// editheader changes the header of the copy that this account keeps (RFC 5293).
var editheader = extension{name: "editheader", rfc: "5293", commands: []command{
	{name: "addheader", shape: shape{tags: []tagDef{{name: "last"}}, args: "ss"}, compile: compileAddHeader},
	{name: "deleteheader", shape: shape{tags: with(matchTags, []tagDef{{name: "index", value: "n"}, {name: "last"}}), args: "sl", last: 1}, compile: compileDeleteHeader},
}}

// keptFields may not be deleted: they tell where a message came from (RFC 5293 §6).
var keptFields = []string{"received", "auto-submitted"}

// fieldName is the name of a field to be changed, which must be one (RFC 5293 §4).
func (c *compiler) fieldName(a *arg) *template {
	t := c.text(a)
	if t.constant() && !validField(t.fixed) {
		c.errf(t.pos, "%q is no name of a header field", clip(t.fixed))
	}
	return t
}

func compileAddHeader(c *compiler, a *call) op {
	name, value := c.fieldName(a.pos[0]), c.text(a.pos[1])
	if value.constant() && strings.ContainsRune(value.fixed, 0) {
		c.errf(value.pos, "a header field cannot hold a NUL")
	}
	return func(r *run) error {
		n, v := name.eval(r), strings.Trim(value.eval(r), " \t\r\n")
		if !validField(n) {
			return fmt.Errorf("%q is no name of a header field: %w", clip(n), Wrong)
		}
		if r.edits++; r.edits > r.lim.Edits {
			return fmt.Errorf("more than %d fields added: %w", r.lim.Edits, Exhausted)
		}
		v = strings.Map(func(c rune) rune {
			if c < ' ' && c != '\t' || c == 0x7f {
				return ' '
			}
			return c
		}, strings.NewReplacer("\r\n", "", "\n", "").Replace(v))
		raw := message.AppendField(nil, n, v)
		f, _, ok := message.NextField(raw)
		if !ok {
			return fmt.Errorf("field %q: %w", clip(n), Wrong)
		}
		r.msg.load()
		r.msg.edited = true
		to := 0
		if a.tag("last") {
			to = len(r.msg.fields)
		}
		r.msg.fields = slices.Insert(r.msg.fields, to, field{n, raw, f.Value})
		return nil
	}
}

func compileDeleteHeader(c *compiler, a *call) op {
	name := c.fieldName(a.pos[0])
	var keys *arg
	if len(a.pos) > 1 {
		keys = a.pos[1]
	}
	m := c.matcher(a, keys)
	m.sets = false
	at, last := a.tags["index"], a.tag("last")
	if at == nil && last {
		c.errf(a.n.pos, "\":last\" needs \":index\"")
	}
	if at != nil && at.n < 1 {
		c.errf(at.pos, "\":index\" counts from 1")
	}
	return func(r *run) error {
		n := lower(name.eval(r))
		if slices.Contains(keptFields, n) {
			return nil
		}
		r.msg.load()
		var list []int
		for i := range r.msg.fields {
			if strings.EqualFold(r.msg.fields[i].name, n) {
				list = append(list, i)
			}
		}
		if at != nil {
			i := int(min(at.n-1, 1<<30))
			if last {
				i = len(list) - 1 - i
			}
			if i < 0 || i >= len(list) {
				return nil
			}
			list = list[i : i+1]
		}
		gone := map[int]bool{}
		for _, i := range list {
			yes := true
			if keys != nil {
				var err error
				if yes, err = m.match(r, []string{r.msg.fields[i].text()}); err != nil {
					return err
				}
			}
			gone[i] = yes
		}
		var kept []field
		for i, f := range r.msg.fields {
			if !gone[i] {
				kept = append(kept, f)
			}
		}
		r.msg.edited = r.msg.edited || len(kept) < len(r.msg.fields)
		r.msg.fields = kept
		return nil
	}
}
