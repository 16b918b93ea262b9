package query

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"atrium/contacts/card"
)

// Matcher is a Filter made ready for many digests. It is for one goroutine.
type Matcher struct {
	f      *Filter
	names  []string // of the properties, upper case
	twins  []string // of the names
	groups []string
	texts  [][]string // of each property its texts, folded
	prop   card.Prop
	buf    []byte
}

// Matcher returns a Matcher of the filter, which must not change.
func (f *Filter) Matcher() *Matcher {
	m := &Matcher{f: f}
	for i := range f.Props {
		p := &f.Props[i]
		group, name := p.split()
		m.names = append(m.names, strings.ToUpper(name))
		m.twins = append(m.twins, twins[strings.ToUpper(name)])
		m.groups = append(m.groups, group)
		var texts []string
		for k := range p.Texts {
			texts = append(texts, fold(p.Texts[k].collation(), p.Texts[k].Text))
		}
		m.texts = append(m.texts, texts)
	}
	return m
}

// Digest tells whether the card of a digest matches; !sure when only the card itself can tell.
func (m *Matcher) Digest(b []byte) (match, sure bool) {
	if len(m.f.Props) == 0 {
		return true, true
	}
	if len(b) == 0 || b[0] != digestVersion {
		return false, false
	}
	for i := range m.f.Props {
		got, sure := m.property(i, digest{b: b[1:]})
		if !sure {
			return false, false
		}
		if got != m.f.All {
			return !m.f.All, true
		}
	}
	return m.f.All, true
}

// property is PropFilter.match on a digest.
func (m *Matcher) property(i int, d digest) (match, sure bool) {
	p := &m.f.Props[i]
	for {
		name, rest, ok := d.next()
		if !ok {
			return p.IsNotDefined, !d.bad
		}
		if string(name) != m.names[i] && string(name) != m.twins[i] {
			continue
		}
		var passes, left bool
		if len(p.Params) == 0 {
			var group, value []byte
			group, value, left = rest.skim()
			if m.groups[i] != "" && !strings.EqualFold(string(group), m.groups[i]) {
				continue
			}
			passes = m.value(i, value)
		} else {
			m.prop.Name = m.names[i]
			left = rest.property(&m.prop)
			if m.groups[i] != "" && !strings.EqualFold(m.prop.Group, m.groups[i]) {
				continue
			}
			passes = p.passes(&m.prop)
		}
		switch {
		case rest.bad, left && len(p.Texts) > 0:
			return false, false
		case p.IsNotDefined:
			return false, true
		case passes:
			return true, true
		}
	}
}

// value is PropFilter.passes for filters without parameters.
func (m *Matcher) value(i int, value []byte) bool {
	p := &m.f.Props[i]
	if len(p.Texts) == 0 {
		return true
	}
	for k := range p.Texts {
		if m.item(i, k, value) != p.All {
			return !p.All
		}
	}
	return p.All
}

// item is TextMatch.property.
func (m *Matcher) item(i, k int, value []byte) bool {
	t := &m.f.Props[i].Texts[k]
	if t.byItem(m.names[i]) && bytes.IndexByte(value, ',') >= 0 {
		return t.property(&card.Prop{Name: m.names[i], Value: string(value)})
	}
	return m.text(t, m.texts[i][k], value)
}

// text is TextMatch.property of a value that is no list, with its text folded already, without memory of its
// own for values in ASCII without escapes.
func (m *Matcher) text(t *TextMatch, folded string, value []byte) bool {
	c := t.collation()
	m.buf = append(m.buf[:0], value...)
	plain := true
	for i, x := range m.buf {
		if x == '\\' || x >= utf8.RuneSelf {
			plain = false
			break
		}
		if 'a' <= x && x <= 'z' && c != "i;octet" {
			m.buf[i] = x - ('a' - 'A')
		}
	}
	if !plain {
		p := card.Prop{Value: string(value)}
		m.buf = append(m.buf[:0], fold(c, p.Text())...)
	}
	var ok bool
	switch t.Type {
	case "equals":
		ok = string(m.buf) == folded
	case "starts-with":
		ok = len(m.buf) >= len(folded) && string(m.buf[:len(folded)]) == folded
	case "ends-with":
		ok = len(m.buf) >= len(folded) && string(m.buf[len(m.buf)-len(folded):]) == folded
	default:
		ok = bytes.Contains(m.buf, []byte(folded))
	}
	return ok != t.Negate
}
