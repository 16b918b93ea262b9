package sieve

import (
	"strings"
	"unicode/utf8"
)

// node is a command or a test with what belongs to it.
type node struct {
	pos   Pos
	name  string // in lower case
	args  []arg
	tests []*node
	paren bool // the tests stand in parentheses
	block []*node
	body  bool // it has a block, maybe an empty one
}

// arg is one argument.
type arg struct {
	kind kind
	pos  Pos
	s    string
	n    int64
	list []token
}

// strings are the strings of an argument that is one or a list.
func (a *arg) strings() []token {
	if a.kind == text {
		return []token{{kind: text, pos: a.pos, s: a.s}}
	}
	return a.list
}

// Bounds of what is parsed.
const (
	maxNesting = 32    // blocks, and tests, within each other
	maxNodes   = 20000 // commands and tests
	maxStrings = 50000
)

// parser makes a tree of tokens (RFC 5228 §8.2).
type parser struct {
	lex     lexer
	tok     token
	nodes   int
	strings int
}

// parse reads a whole script.
func parse(src string) (cmds []*node, err error) {
	p := &parser{lex: lexer{src: strings.TrimPrefix(src, "\ufeff"), line: 1}}
	defer func() {
		if v := recover(); v != nil {
			problem, ok := v.(Problem)
			if !ok {
				panic(v)
			}
			cmds, err = nil, Problems{problem}
		}
	}()
	if at := invalid(p.lex.src); at >= 0 {
		before := p.lex.src[:at]
		line := strings.LastIndexByte(before, '\n')
		fail(Pos{1 + strings.Count(before, "\n"), utf8.RuneCountInString(before[line+1:]) + 1}, "this character is not UTF-8, or is a NUL")
	}
	p.take()
	cmds = p.commands(0)
	if p.tok.kind != eof {
		p.unexpected("a command")
	}
	return cmds, nil
}

// invalid returns where the first thing is that is not UTF-8, or NUL; -1 when nothing is.
func invalid(s string) int {
	for i, r := range s {
		if r == 0 {
			return i
		}
		if r == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(s[i:]); n <= 1 {
				return i
			}
		}
	}
	return -1
}

func (p *parser) take() token {
	t := p.tok
	p.tok = p.lex.next()
	return t
}

func (p *parser) is(s string) bool { return p.tok.kind == punctuation && p.tok.s == s }

// unexpected tells what should stand here.
func (p *parser) unexpected(wanted string) {
	got := p.tok.kind.String()
	switch p.tok.kind {
	case punctuation, identifier:
		got = "\"" + p.tok.s + "\""
	case tag:
		got = "\":" + p.tok.s + "\""
	}
	fail(p.tok.pos, "expected %s, found %s", wanted, got)
}

func (p *parser) expect(s string) {
	if !p.is(s) {
		p.unexpected("\"" + s + "\"")
	}
	p.take()
}

func (p *parser) count(pos Pos) {
	if p.nodes++; p.nodes > maxNodes {
		fail(pos, "the script has more than %d commands and tests", maxNodes)
	}
}

func (p *parser) commands(depth int) (list []*node) {
	if depth > maxNesting {
		fail(p.tok.pos, "blocks are nested more than %d deep", maxNesting)
	}
	for p.tok.kind == identifier {
		list = append(list, p.command(depth))
	}
	return list
}

func (p *parser) command(depth int) *node {
	p.count(p.tok.pos)
	word := p.take()
	n := &node{pos: word.pos, name: word.s}
	p.arguments(n, 0)
	if p.is("{") {
		p.take()
		n.body = true
		n.block = p.commands(depth + 1)
		if !p.is("}") {
			p.unexpected(`a command or "}"`)
		}
		p.take()
		return n
	}
	if !p.is(";") {
		p.unexpected(`";" after the command "` + n.name + `"`)
	}
	p.take()
	return n
}

// arguments reads arguments and tests.
func (p *parser) arguments(n *node, depth int) {
	if depth > maxNesting {
		fail(p.tok.pos, "tests are nested more than %d deep", maxNesting)
	}
	for {
		switch {
		case p.tok.kind == tag, p.tok.kind == number, p.tok.kind == text:
			t := p.take()
			n.args = append(n.args, arg{kind: t.kind, pos: t.pos, s: t.s, n: t.n})
			p.strings++
		case p.is("["):
			n.args = append(n.args, p.list())
		case p.tok.kind == identifier:
			n.tests = append(n.tests, p.test(depth))
			return
		case p.is("("):
			p.take()
			n.paren = true
			for {
				if p.tok.kind != identifier {
					p.unexpected("a test")
				}
				n.tests = append(n.tests, p.test(depth))
				if !p.is(",") {
					break
				}
				p.take()
			}
			p.expect(")")
			return
		default:
			return
		}
		if p.strings > maxStrings {
			fail(p.tok.pos, "the script has more than %d strings", maxStrings)
		}
	}
}

func (p *parser) test(depth int) *node {
	p.count(p.tok.pos)
	word := p.take()
	n := &node{pos: word.pos, name: word.s}
	p.arguments(n, depth+1)
	return n
}

// list reads a string list.
func (p *parser) list() arg {
	a := arg{kind: list, pos: p.take().pos}
	if p.is("]") { // an empty list: some editors write it
		p.unexpected("a string")
	}
	for {
		if p.tok.kind != text {
			p.unexpected("a string")
		}
		a.list = append(a.list, p.take())
		if p.strings++; p.strings > maxStrings {
			fail(p.tok.pos, "the script has more than %d strings", maxStrings)
		}
		if !p.is(",") {
			break
		}
		p.take()
	}
	p.expect("]")
	return a
}
