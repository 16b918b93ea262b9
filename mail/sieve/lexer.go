package sieve

import (
	"fmt"
	"math"
	"math/bits"
	"strings"
	"unicode/utf8"
)

// Pos is a place in a script: line and column (in characters) from 1.
type Pos struct{ Line, Col int }

func (p Pos) String() string { return fmt.Sprintf("line %d:%d", p.Line, p.Col) }

// Problem is a mistake in a script, or a warning about it.
type Problem struct {
	Pos
	Text string
}

func (p Problem) Error() string { return p.Pos.String() + ": " + p.Text }

// Problems are the mistakes of a script, at least one.
type Problems []Problem

func (l Problems) Error() string {
	lines := make([]string, len(l))
	for i, p := range l {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// kind is the kind of a token, or of an argument.
type kind byte

const (
	eof kind = iota
	identifier
	tag
	number
	text // a quoted or multi-line string
	list // of strings; an argument only
	punctuation
)

func (k kind) String() string {
	return [...]string{"end of the script", "word", "tag", "number", "string", "string list", "punctuation"}[k]
}

// token is one token. s is the string's content, a word or tag in lower case, or the character.
type token struct {
	kind kind
	pos  Pos
	s    string
	n    int64
}

// lexer cuts a script into tokens (RFC 5228 §8.1).
type lexer struct {
	src       string
	at        int
	line      int
	lineStart int
}

// fail panics with the Problem that parse returns.
func fail(p Pos, format string, args ...any) { panic(Problem{p, fmt.Sprintf(format, args...)}) }

func (l *lexer) pos() Pos {
	return Pos{l.line, 1 + utf8.RuneCountInString(l.src[l.lineStart:l.at])}
}

// newline notes that a line ended right before at.
func (l *lexer) newline() {
	l.line++
	l.lineStart = l.at
}

// blank skips white space and comments.
func (l *lexer) blank() {
	for l.at < len(l.src) {
		switch c := l.src[l.at]; {
		case c == '\n':
			l.at++
			l.newline()
		case c == ' ' || c == '\t' || c == '\r':
			l.at++
		case c == '#':
			l.comment()
		case c == '/' && strings.HasPrefix(l.src[l.at:], "/*"):
			from := l.pos()
			end := strings.Index(l.src[l.at+2:], "*/")
			if end < 0 {
				fail(from, "this comment has no end")
			}
			for stop := l.at + 2 + end + 2; l.at < stop; {
				l.at++
				if l.src[l.at-1] == '\n' {
					l.newline()
				}
			}
		default:
			return
		}
	}
}

// comment skips up to the end of the line.
func (l *lexer) comment() {
	if end := strings.IndexByte(l.src[l.at:], '\n'); end >= 0 {
		l.at += end
	} else {
		l.at = len(l.src)
	}
}

// next returns the next token.
func (l *lexer) next() token {
	l.blank()
	t := token{pos: l.pos()}
	if l.at >= len(l.src) {
		return t
	}
	switch c := l.src[l.at]; {
	case letter(c):
		t.kind, t.s = identifier, l.word()
		if t.s == "text" && l.at < len(l.src) && l.src[l.at] == ':' {
			t.kind, t.s = text, l.multiLine(t.pos)
		}
	case c == ':':
		l.at++
		if l.at >= len(l.src) || !letter(l.src[l.at]) {
			fail(t.pos, "a tag's name must follow the colon")
		}
		t.kind, t.s = tag, l.word()
	case '0' <= c && c <= '9':
		t.kind, t.n = number, l.number(t.pos)
	case c == '"':
		t.kind, t.s = text, l.quoted(t.pos)
	case strings.IndexByte("()[]{},;", c) >= 0:
		l.at++
		t.kind, t.s = punctuation, string(c)
	default:
		r, _ := utf8.DecodeRuneInString(l.src[l.at:])
		fail(t.pos, "unexpected character %q", r)
	}
	return t
}

func letter(c byte) bool {
	return c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

func digit(c byte) bool { return '0' <= c && c <= '9' }

func (l *lexer) word() string {
	from := l.at
	for l.at < len(l.src) && (letter(l.src[l.at]) || digit(l.src[l.at])) {
		l.at++
	}
	return lower(l.src[from:l.at])
}

// number reads a number with its quantifier (RFC 5228 §2.4.1). One that 64 bits hold and an int64
// does not is as large as any.
func (l *lexer) number(p Pos) int64 {
	var n, over uint64
	times := func(by, plus uint64) {
		high, low := bits.Mul64(n, by)
		var carry uint64
		n, carry = bits.Add64(low, plus, 0)
		over |= high | carry
	}
	for ; l.at < len(l.src) && digit(l.src[l.at]); l.at++ {
		times(10, uint64(l.src[l.at]-'0'))
	}
	if l.at < len(l.src) && letter(l.src[l.at]) {
		shift, ok := map[byte]uint{'k': 10, 'm': 20, 'g': 30}[l.src[l.at]|0x20]
		if !ok || l.at+1 < len(l.src) && (letter(l.src[l.at+1]) || digit(l.src[l.at+1])) {
			fail(p, "a number may end in K, M or G")
		}
		l.at++
		times(1<<shift, 0)
	}
	if over != 0 {
		fail(p, "this number is too large")
	}
	return int64(min(n, math.MaxInt64))
}

// quoted reads a quoted string. A backslash takes the next character as it is.
func (l *lexer) quoted(p Pos) string {
	var b strings.Builder
	for l.at++; l.at < len(l.src); {
		c := l.src[l.at]
		l.at++
		switch c {
		case '"':
			return b.String()
		case '\\':
			if l.at < len(l.src) {
				c = l.src[l.at]
				l.at++
				b.WriteByte(c)
			}
		default:
			b.WriteByte(c)
		}
		if c == '\n' {
			l.newline()
		}
	}
	fail(p, "this string has no end")
	return ""
}

// multiLine reads a string that begins with "text:" and ends with a dot alone.
func (l *lexer) multiLine(p Pos) string {
	l.at++
	for l.at < len(l.src) && (l.src[l.at] == ' ' || l.src[l.at] == '\t') {
		l.at++
	}
	if l.at < len(l.src) && l.src[l.at] == '#' {
		l.comment()
	} else if l.at < len(l.src) && l.src[l.at] == '\r' {
		l.at++
	}
	if l.at >= len(l.src) || l.src[l.at] != '\n' {
		fail(p, `nothing but a comment may follow "text:" on its line`)
	}
	l.at++
	l.newline()
	var b strings.Builder
	for l.at < len(l.src) {
		end := strings.IndexByte(l.src[l.at:], '\n')
		if end < 0 {
			if line := l.src[l.at:]; line == "." || line == ".\r" {
				l.at = len(l.src)
				return b.String()
			}
			break
		}
		line := strings.TrimSuffix(l.src[l.at:l.at+end], "\r")
		l.at += end + 1
		l.newline()
		if line == "." {
			return b.String()
		}
		if strings.HasPrefix(line, "..") {
			line = line[1:]
		}
		b.WriteString(line)
		b.WriteString("\r\n")
	}
	fail(p, "this text has no end: a line with a dot alone ends it")
	return ""
}

// lower turns the letters of ASCII small.
func lower(s string) string {
	for i := 0; i < len(s); i++ {
		if 'A' <= s[i] && s[i] <= 'Z' {
			b := []byte(s)
			for ; i < len(b); i++ {
				if 'A' <= b[i] && b[i] <= 'Z' {
					b[i] |= 0x20
				}
			}
			return string(b)
		}
	}
	return s
}
