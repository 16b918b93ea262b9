package davtest

import (
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"strings"
)

// node is an element as it is compared.
type node struct {
	name  xml.Name
	attrs map[xml.Name]string
	text  string
	nodes []*node
}

func (n *node) String() string {
	var b strings.Builder
	n.write(&b, "")
	return b.String()
}

func (n *node) write(b *strings.Builder, indent string) {
	fmt.Fprintf(b, "%s<{%s}%s> %s\n", indent, n.name.Space, n.name.Local, n.text)
	for _, c := range n.nodes {
		c.write(b, indent+"  ")
	}
}

func parse(doc string) (*node, error) {
	d := xml.NewDecoder(strings.NewReader(doc))
	root := &node{}
	open := []*node{root}
	for {
		tok, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		top := open[len(open)-1]
		switch t := tok.(type) {
		case xml.StartElement:
			n := &node{name: t.Name, attrs: map[xml.Name]string{}}
			for _, a := range t.Attr {
				if a.Name.Space != "xmlns" && a.Name.Local != "xmlns" {
					n.attrs[a.Name] = a.Value
				}
			}
			top.nodes = append(top.nodes, n)
			open = append(open, n)
		case xml.EndElement:
			top.text = strings.TrimSpace(top.text)
			open = open[:len(open)-1]
		case xml.CharData:
			top.text += string(t)
		}
	}
	return root, nil
}

// checkXML tells whether the elements of want are in got, each of the outermost anywhere.
func (p *player) checkXML(want, got string) error {
	w, err := parse(p.fill(want))
	if err != nil {
		return fmt.Errorf("the expected XML: %w", err)
	}
	g, err := parse(got)
	if err != nil {
		return fmt.Errorf("the answer's XML: %w", err)
	}
	for _, n := range w.nodes {
		if n.name == absent {
			for _, c := range n.nodes {
				if p.anywhere(c, g) {
					return fmt.Errorf("the answer has\n%v", c)
				}
			}
			continue
		}
		if !p.anywhere(n, g) {
			return fmt.Errorf("the answer lacks\n%v", n)
		}
	}
	return nil
}

var (
	absent = xml.Name{Space: "test", Local: "absent"}
	all    = xml.Name{Space: "test", Local: "all"}
)

func (p *player) anywhere(want, in *node) bool {
	for _, c := range in.nodes {
		if p.match(want, c) || p.anywhere(want, c) {
			return true
		}
	}
	return false
}

// match tells whether got is want or more. What was captured stays only when all matches.
func (p *player) match(want, got *node) bool {
	if want.name != got.name {
		return false
	}
	for k, v := range want.attrs {
		if got.attrs[k] != v {
			return false
		}
	}
	before := maps.Clone(p.vars)
	if p.inside(want, got) {
		return true
	}
	p.vars = before
	return false
}

func (p *player) inside(want, got *node) bool {
	if want.text != "" && !p.same(want.text, got.text) {
		return false
	}
	used := map[*node]bool{}
	for _, w := range want.nodes {
		switch w.name {
		case absent:
			for _, a := range w.nodes {
				for _, g := range got.nodes {
					if p.match(a, g) {
						return false
					}
				}
			}
			continue
		case all:
			return len(w.nodes) == len(got.nodes) && p.inside(w, got)
		}
		found := false
		for _, g := range got.nodes {
			if !used[g] && p.match(w, g) {
				used[g], found = true, true
				break
			}
		}
		if !found {
			return false
		}
	}
	return true
}
