package sieve

import (
	"fmt"
	"mime"
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
	types := []*template{{fixed: "text"}}
	if x := a.tags["content"]; x != nil {
		types = c.texts(x)
	}
	return func(r *run) (bool, error) {
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
			if !slices.ContainsFunc(wanted, func(w string) bool { return isType(p, w) }) {
				continue
			}
			s, err := r.look(func(n int) string { return r.bodyText(p, n) })
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
		return r.msg.raw(p.Body, p.Children[0].Header, n) + r.msg.raw(last.End, p.End, n)
	case p.Kind() == message.Embedded && len(p.Children) > 0:
		return r.msg.raw(p.Children[0].Header, p.Children[0].Body, n)
	}
	return r.msg.content(p, n)
}

// isType tells whether a part is of a type: "" is any, "text", or "text/plain".
func isType(p *message.Part, want string) bool {
	typ, sub, both := strings.Cut(lower(want), "/")
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

var (
	foreverypart = extension{name: "foreverypart", rfc: "5703", commands: []command{
		{name: "foreverypart", shape: shape{tags: []tagDef{{name: "name", value: "s"}}, block: true}, compile: compileForEveryPart},
		{name: "break", shape: shape{tags: []tagDef{{name: "name", value: "s"}}}, compile: compileBreak},
	}}
	mimeTagList = []tagDef{{name: "mime"}, {name: "anychild"}, {name: "type", group: "mimeopt"}, {name: "subtype", group: "mimeopt"},
		{name: "contenttype", group: "mimeopt"}, {name: "param", value: "l", group: "mimeopt"}}
	mimeTest = extension{name: "mime", rfc: "5703", tags: map[string][]tagDef{
		"header": mimeTagList, "address": mimeTagList[:2], "exists": mimeTagList[:2]}}
	extracttext = extension{name: "extracttext", rfc: "5703", commands: []command{
		{name: "extracttext", shape: shape{args: "s", tags: []tagDef{{name: "first", value: "n"},
			{name: "lower", group: "40"}, {name: "upper", group: "40"}, {name: "lowerfirst", group: "30"}, {name: "upperfirst", group: "30"},
			{name: "quotewildcard", group: "20"}, {name: "length", group: "10"}}}, compile: compileExtractText}}}
)

// mimePart is the part that foreverypart has come to.
type mimePart struct {
	*message.Part
	fields []field
}

func (r *run) partFields(p *message.Part) []field {
	if p == r.msg.tree() {
		r.msg.load()
		return r.msg.fields
	}
	return fieldsOf(r.msg.readHeader(p.Header, p.Body))
}

// breaking ends loops up to the one with its name.
type breaking struct{ name string }

func (b *breaking) Error() string { return "break" }

func compileForEveryPart(c *compiler, a *call) op {
	name := ""
	if x := a.tags["name"]; x != nil {
		name = x.s
	}
	return func(r *run) error {
		outer := r.part
		defer func() { r.part = outer }()
		root := r.msg.tree()
		if outer != nil {
			root = outer.Part
		}
		for p := range parts(root) {
			if p == root && outer != nil {
				continue // an inner loop sees what is below the part
			}
			if p != r.msg.tree() && p.Header == p.Body && p.Body == p.End {
				continue // nothing at all
			}
			if err := r.step(1); err != nil {
				return err
			}
			r.part = &mimePart{p, r.partFields(p)}
			err := a.block(r)
			if brk, ok := err.(*breaking); ok {
				if brk.name == "" || brk.name == name {
					return nil
				}
				return err
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
}

func compileBreak(c *compiler, a *call) op {
	name := ""
	if x := a.tags["name"]; x != nil {
		name = x.s
	}
	if len(c.loops) == 0 || name != "" && !slices.Contains(c.loops, name) {
		c.errf(a.n.pos, "\"break\" must stand in a \"foreverypart\" of that name")
	}
	return func(*run) error { return &breaking{name} }
}

// compileExtractText puts the text of the part into a variable (RFC 5703 §7).
func compileExtractText(c *compiler, a *call) op {
	if !c.on["variables"] {
		c.errf(a.n.pos, "\"extracttext\" needs require \"variables\"")
	}
	if len(c.loops) == 0 {
		c.errf(a.n.pos, "\"extracttext\" must stand in a \"foreverypart\"")
	}
	ref := c.variableName(a.pos[0])
	var do []func(string) string
	for _, m := range modifiers {
		if a.tag(m.name) {
			do = append(do, m.do)
		}
	}
	first := int64(-1)
	if x := a.tags["first"]; x != nil {
		first = x.n
	}
	return func(r *run) error {
		s := ""
		if r.part != nil && r.part.Type == "text" {
			var err error
			if s, err = r.look(func(n int) string { return r.msg.content(r.part.Part, min(n, 4*r.lim.String)) }); err != nil {
				return err
			}
		}
		if first >= 0 {
			for i := range s {
				if first--; first < 0 {
					s = s[:i]
					break
				}
			}
		}
		for _, f := range do {
			s = f(s)
		}
		return r.set(ref, s)
	}
}

// mimeLook tells where a test of header fields looks: at the message, or with :mime at parts.
type mimeLook struct {
	mime, children bool
	what           string // type, subtype, contenttype, param; "": the value as it is
	params         []*template
}

func (c *compiler) mimeTags(a *call) *mimeLook {
	l := &mimeLook{mime: a.tag("mime"), children: a.tag("anychild")}
	for _, w := range []string{"type", "subtype", "contenttype", "param"} {
		if a.tag(w) {
			l.what = w
		}
	}
	if !l.mime && (l.children || l.what != "") {
		c.errf(a.n.pos, "\":anychild\" and the parts of a MIME field need \":mime\"")
	}
	if x := a.tags["param"]; x != nil {
		l.params = c.texts(x)
	}
	return l
}

// fields returns the fields of a name, of each header apart.
func (l *mimeLook) fields(r *run, name string) (out [][]field) {
	if !l.mime {
		return [][]field{r.msg.named(name)}
	}
	p := r.msg.tree()
	if r.part != nil {
		p = r.part.Part
		if !l.children {
			return [][]field{namedIn(r.part.fields, name)}
		}
	}
	for x := range parts(p) {
		if x == p || l.children {
			out = append(out, namedIn(r.partFields(x), name))
			if r.step(4) != nil {
				break
			}
		}
	}
	return out
}

// value is what of a field counts.
func (l *mimeLook) value(r *run, f *field) []string {
	s := f.text()
	if l.what == "" {
		return []string{s}
	}
	typ, params, err := mime.ParseMediaType(s)
	if typ == "" || err != nil && err != mime.ErrInvalidMediaParameter {
		typ, _, _ = strings.Cut(s, ";")
		typ = lower(strings.TrimSpace(typ))
	}
	main, sub, _ := strings.Cut(typ, "/")
	switch l.what {
	case "type":
		return []string{main}
	case "subtype":
		return []string{sub}
	case "contenttype":
		return []string{typ}
	}
	var out []string
	for _, t := range l.params {
		if v, ok := params[lower(t.eval(r))]; ok {
			out = append(out, v)
		}
	}
	return out
}

// editheader changes the header of the copy that this account keeps (RFC 5293).
var editheader = extension{name: "editheader", rfc: "5293", commands: []command{
	{name: "addheader", shape: shape{tags: []tagDef{{name: "last"}}, args: "ss"}, compile: compileAddHeader},
	{name: "deleteheader", shape: shape{tags: with(matchTags, []tagDef{{name: "index", value: "n"}, {name: "last"}}), args: "sl", last: 1}, compile: compileDeleteHeader},
}}

// keptFields may not be deleted: they tell where a message came from (RFC 5293 §6).
var keptFields = []string{"received", "auto-submitted"}

func compileAddHeader(c *compiler, a *call) op {
	name, value := c.names(a.pos[0])[0], c.text(a.pos[1])
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
	name := c.names(a.pos[0])[0]
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
