package message

import (
	"bytes"
	"strings"
)

// Address is a mailbox. A group (RFC 5322 §3.4) begins with an Address whose
// Host is empty and whose Mailbox is the group's name, and ends with one where
// both are empty; Group tells them from mailboxes that lack a part.
type Address struct {
	Name    string // display name or comment, without quotes, not decoded (see Decode)
	Route   string // obsolete source route
	Mailbox string // local part, without quotes
	Host    string // domain
	Group   bool   // begins or ends a group
}

// Addr returns local@domain, the local part quoted where it needs to be, or the
// local part alone when there is no domain.
func (a Address) Addr() string {
	local := a.Mailbox
	if strings.ContainsAny(local, " \t\"(),:;<>@[\\]") || local == "" || strings.HasPrefix(local, ".") ||
		strings.HasSuffix(local, ".") || strings.Contains(local, "..") {
		local = `"` + strings.NewReplacer(`"`, `\"`, `\`, `\\`).Replace(local) + `"`
	}
	if a.Host == "" {
		return local
	}
	return local + "@" + a.Host
}

// maxAddresses bounds a list of addresses.
const maxAddresses = 10_000

// ParseAddresses reads an address list (RFC 5322 §3.4, §4.4), at most ten thousand of it. What is wrong in it
// makes an Address with as much as there is.
func ParseAddresses(field []byte) []Address {
	p := addressParser{scanner: scanner{s: field}}
	return p.list(nil)
}

// addressParser reads addresses. An element is what stands between two commas.
type addressParser struct {
	scanner
	words   []byte // of the element so far, blanks collapsed
	last    int    // where the last word in words begins
	comment []byte
	joined  []byte
	inGroup bool
	out     []Address
}

func (p *addressParser) list(out []Address) []Address {
	p.out = out
	for len(p.out) < maxAddresses {
		before := p.i
		if c := p.skip(); c != nil {
			p.comment = c
		}
		blank := p.i > before
		if p.done() {
			break
		}
		switch c := p.peek(); c {
		case ',':
			p.i++
			p.endElement()
		case ';':
			p.i++
			p.endElement()
			p.endGroup()
		case ':':
			p.i++
			if p.inGroup || len(p.words) == 0 {
				break // a stray one
			}
			p.out = append(p.out, Address{Mailbox: string(p.words), Group: true})
			p.inGroup = true
			p.reset()
		case '<':
			p.angle()
		case '@':
			p.i++
			p.bare()
		case '>', ')', ']':
			p.i++
		case '"':
			p.startWord(blank)
			p.words = p.quoted(p.words)
		default:
			p.startWord(blank)
			p.atom()
		}
	}
	p.endElement()
	p.endGroup()
	return p.out
}

func (p *addressParser) reset() { p.words, p.last, p.comment = p.words[:0], 0, nil }

// startWord begins a word of the phrase; what follows without a blank continues the last one.
func (p *addressParser) startWord(blank bool) {
	if len(p.words) > 0 && blank {
		p.words = append(p.words, ' ')
		p.last = len(p.words)
	}
}

// atom takes an encoded word, whatever is in it, or characters up to the next special one.
func (p *addressParser) atom() {
	if w, n := parseWord(p.s[p.i:]); n > 0 && !bytes.ContainsAny(w.text, "<>\r\n") {
		p.words = append(p.words, p.s[p.i:p.i+n]...)
		p.i += n
		return
	}
	t := p.token(",;:<>@[])")
	if len(t) == 0 { // a stray bracket
		t = p.s[p.i : p.i+1]
		p.i++
	}
	p.words = append(p.words, t...)
}

// endElement ends an element that had no address of its own: a lone word or phrase.
func (p *addressParser) endElement() {
	switch {
	case len(p.words) == 0:
	case bytes.IndexByte(p.words, ' ') >= 0:
		p.out = append(p.out, Address{Name: string(p.words)})
	default:
		p.out = append(p.out, Address{Name: string(p.comment), Mailbox: string(p.words)})
	}
	p.reset()
}

func (p *addressParser) endGroup() {
	if p.inGroup {
		p.out = append(p.out, Address{Group: true})
		p.inGroup = false
	}
}

// bare reads the domain of an address without angle brackets, behind its @. What stood before the
// local part is the name.
func (p *addressParser) bare() {
	a := Address{Mailbox: string(p.words[p.last:])}
	name := bytes.TrimSpace(p.words[:p.last])
	a.Host = string(p.domain())
	for p.peek() == '@' { // more of them: not for us
		p.i++
		p.domain()
	}
	if a.Mailbox == "" && a.Host == "" {
		return
	}
	mark := p.i
	comment := p.skip()
	if p.peek() == '<' { // the name is an address itself
		words := append(append([]byte(nil), p.words...), '@')
		p.words = append(words, a.Host...)
		p.last = 0
		p.i = mark
		return
	}
	if len(name) == 0 {
		name = comment
	}
	a.Name = string(name)
	p.out = append(p.out, a)
	p.reset()
}

// angle reads <route:local@domain> and ends the element.
func (p *addressParser) angle() {
	p.i++
	var a Address
	p.skip()
	if p.peek() == '@' {
		start := p.i
		for !p.done() && p.peek() != ':' && p.peek() != '>' && p.peek() != '<' {
			p.i++
		}
		if p.peek() == ':' {
			a.Route = strings.Join(strings.Fields(string(p.s[start:p.i])), "")
			p.i++
		} else {
			p.i = start
		}
	}
	var room [64]byte
	local, host := room[:0], []byte(nil)
	for !p.done() {
		p.skip()
		c := p.peek()
		if c == '"' {
			local = p.quoted(local)
			continue
		}
		if p.done() || c == '>' || c == '@' || c == ',' || c == '<' {
			break
		}
		t := p.token("><@,")
		local = append(local, t...)
	}
	for p.peek() == '@' {
		p.i++
		if d := p.domain(); len(host) == 0 {
			host = d
		}
	}
	name := bytes.TrimSpace(p.words)
	at, end := len(name), len(name)+len(local)
	p.joined = append(append(append(p.joined[:0], name...), local...), host...)
	all := string(p.joined) // one piece of memory for the three
	a.Name, a.Mailbox, a.Host = all[:at], all[at:end], all[end:]
	for !p.done() && p.peek() != '>' && p.peek() != ',' && p.peek() != '<' && p.peek() != '"' {
		p.i++
	}
	if p.peek() == '>' {
		p.i++
	}
	p.out = append(p.out, a)
	p.reset()
}

// domain reads atoms with dots, or a literal in brackets.
func (p *addressParser) domain() []byte {
	var out []byte
	for {
		mark := p.i
		p.skip()
		if p.peek() == '[' && len(out) == 0 {
			start := p.i
			for !p.done() && p.peek() != ']' {
				p.i++
			}
			if p.i < len(p.s) {
				p.i++
			}
			return p.s[start:p.i]
		}
		c := p.peek()
		if len(out) > 0 && c != '.' && out[len(out)-1] != '.' {
			p.i = mark
			break
		}
		t := p.token(",;:<>@[]\\")
		if len(t) == 0 {
			p.i = mark
			break
		}
		if out == nil {
			out = t[:len(t):len(t)]
		} else {
			out = append(out, t...)
		}
	}
	return bytes.TrimRight(out, ".")
}
