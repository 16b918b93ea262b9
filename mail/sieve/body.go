package sieve

import (
	"slices"
	"strings"

	"atrium/mail/message"
)

// body looks into the body (RFC 5173).
var body = extension{name: "body", rfc: "5173", tests: []test{{name: "body", shape: shape{tags: with(matchTags, []tagDef{
	{name: "raw", group: "transform"}, {name: "content", value: "l", group: "transform"}, {name: "text", group: "transform"}}), args: "l"}, compile: compileBody}}}

func compileBody(c *compiler, a *call) cond {
	m := c.matcher(a, a.pos[0])
	m.sets = false // RFC 5173 §6
	var types []*template
	if x := a.tags["content"]; x != nil {
		types = c.texts(x)
	}
	plain := types == nil
	return func(r *run) (bool, error) {
		if r.msg.headerOnly() { // RFC 5173 §4: then there is nothing to match, not even the empty string
			return m.match(r, nil)
		}
		if a.tag("raw") {
			s, err := r.look(func(n int) string { return r.msg.raw(r.msg.HeaderSize(), r.msg.size, n) })
			if err != nil {
				return false, err
			}
			return m.match(r, []string{s})
		}
		wanted := evalAll(r, types)
		var values []string
		for p := range parts(r.msg.tree()) {
			if !plain && !slices.ContainsFunc(wanted, func(w string) bool { return isType(p, w) }) || plain && !r.msg.hasText(p) {
				continue
			}
			s, err := r.look(func(n int) string {
				if plain {
					return r.msg.text(p, n)
				}
				return r.bodyText(p, n)
			})
			if err != nil {
				return false, err
			}
			if m.how == "count" || m.how == "value" {
				values = append(values, s)
				continue
			}
			if yes, err := m.match(r, []string{s}); yes || err != nil {
				return yes, err
			}
		}
		if m.how == "count" || m.how == "value" {
			return m.match(r, values)
		}
		return false, nil
	}
}

// look reads content within the bound of a run. What is beyond it is not looked at.
func (r *run) look(read func(n int) string) (string, error) {
	s := read(r.lim.Body - r.body)
	r.body += len(s)
	return s, r.work(len(s))
}

// bodyText is what of a part counts: the text around the parts of a multipart, the header
// of a message in a part (RFC 5173 §5.2).
func (r *run) bodyText(p *message.Part, n int) string {
	switch {
	case p.Kind() == message.Multipart && len(p.Children) > 0:
		last := p.Children[len(p.Children)-1]
		return outside(p, r.msg.raw(p.Body, p.Children[0].Header, n)) + "\n" + outside(p, r.msg.raw(last.End, p.End, n))
	case p.Kind() == message.Embedded && len(p.Children) > 0:
		header := r.msg.raw(p.Children[0].Header, p.Children[0].Body, n)
		if strings.HasSuffix(header, "\n\r\n") || header == "\r\n" {
			return header[:len(header)-2] // the empty line does not belong to it
		}
		return strings.TrimSuffix(header, "\n\n")
	}
	return r.msg.content(p, n)
}

// outside is text around the parts of a multipart, without the lines that part them.
func outside(p *message.Part, s string) string {
	dashes := "--" + p.Param("boundary")
	var b strings.Builder
	for line := range strings.Lines(s) {
		if rest, ok := strings.CutPrefix(line, dashes); ok && strings.Trim(rest, "- \t\r\n") == "" {
			continue
		}
		b.WriteString(line)
	}
	return b.String()
}

// isType tells whether a part is of a type: "" is any, "text", or "text/plain".
func isType(p *message.Part, want string) bool {
	typ, sub, both := strings.Cut(lower(want), "/")
	if both && (sub == "" || strings.Contains(sub, "/")) { // RFC 5173 §5.2
		return false
	}
	return want == "" || typ == p.Type && (!both || sub == p.Subtype) && typ != ""
}

// parts yields a part and all below it, in their order.
func parts(p *message.Part) func(func(*message.Part) bool) {
	return func(yield func(*message.Part) bool) { walk(p, yield) }
}

func walk(p *message.Part, yield func(*message.Part) bool) bool {
	if !yield(p) {
		return false
	}
	for _, child := range p.Children {
		if !walk(child, yield) {
			return false
		}
	}
	return true
}
