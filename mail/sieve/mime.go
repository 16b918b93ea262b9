package sieve

import (
	"mime"
	"slices"
	"strings"

	"atrium/mail/message"
)

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
	change := modify(a)
	first := int64(-1)
	if x := a.tags["first"]; x != nil {
		first = x.n
	}
	return func(r *run) error {
		s := ""
		if r.part != nil && r.msg.hasText(r.part.Part) {
			var err error
			if s, err = r.look(func(n int) string { return r.msg.text(r.part.Part, min(n, 8*r.lim.String)) }); err != nil {
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
		return r.set(ref, change(s, r.lim.String))
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
