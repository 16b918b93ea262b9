package junk

import (
	"bytes"
	"hash/fnv"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"atrium/mail/message"
)

// Token is a hash of something in a message.
type Token uint64

// Bounds of what is taken from one message.
const (
	maxTokens = 3000
	maxText   = 256 << 10 // bytes of text
	maxWord   = 40        // runes
	minWord   = 3
	maxField  = 2000 // bytes of one field
)

// Word is a token with what it stands for.
type Word struct {
	Token Token
	Text  string
}

// fields are the header fields whose words count; true: the whole value is a word too.
var fields = map[string]bool{
	"subject": false, "from": true, "reply-to": true, "sender": true, "to": false, "cc": false, "list-id": true, "list-unsubscribe": false,
	"x-mailer": true, "user-agent": true, "content-type": true, "authentication-results": false, "precedence": true, "x-priority": true,
}

// Tokens returns the tokens of a message, each once. r has the message that x is the index of.
func Tokens(x *message.Index, r io.ReaderAt) ([]Word, error) {
	c := collector{seen: make(map[Token]struct{}, 256)}
	err := x.Text(r, message.Anywhere, func(name, chunk []byte, more bool) bool {
		if name == nil {
			c.body(chunk, more)
		} else {
			c.field(name, chunk)
		}
		return len(c.out) < maxTokens && c.text < maxText
	})
	c.body(nil, false)
	return c.out, err
}

// collector gathers words.
type collector struct {
	out  []Word
	seen map[Token]struct{}
	text int
	rest []byte // the word that a chunk of the body ended in
}

func (c *collector) add(prefix, word string) {
	if len(c.out) >= maxTokens {
		return
	}
	h := fnv.New64a()
	io.WriteString(h, prefix)
	io.WriteString(h, word)
	t := Token(h.Sum64())
	if _, ok := c.seen[t]; ok {
		return
	}
	c.seen[t] = struct{}{}
	c.out = append(c.out, Word{t, prefix + word})
}

// field takes the words of a header field.
func (c *collector) field(name, value []byte) {
	field := strings.ToLower(string(name))
	whole, ok := fields[field]
	if !ok {
		return
	}
	if len(value) > maxField {
		value = value[:maxField]
	}
	c.text += len(value)
	if whole {
		c.add(field+"=", strings.ToLower(strings.Join(strings.Fields(string(value)), " ")))
	}
	words(value, func(w string) { c.add(field+":", w) })
}

// body takes the words of a chunk of text. A word that goes on in the next chunk is
// kept back.
func (c *collector) body(chunk []byte, more bool) {
	c.text += len(chunk)
	if more {
		chunk = append(c.rest, chunk...)
	} else {
		words(c.rest, func(w string) { c.add("", w) })
	}
	end := len(chunk)
	for end > 0 && end > len(chunk)-4*maxWord && !isSpace(chunk[end-1]) {
		end--
	}
	words(chunk[:end], func(w string) { c.add("", w) })
	c.rest = slices.Clone(chunk[end:])
}

func isSpace(b byte) bool { return b == ' ' || b == '\n' || b == '\r' || b == '\t' }

// words calls fn with each word of a text: letters, digits and what joins them; hosts of links;
// pairs of characters in scripts that have no blanks.
func words(text []byte, fn func(string)) {
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		if !wordRune(r) {
			text = text[n:]
			continue
		}
		end, runes, wide := 0, 0, false
		for end < len(text) {
			r, n := utf8.DecodeRune(text[end:])
			if !wordRune(r) && !joins(r) || r == utf8.RuneError {
				break
			}
			wide = wide || r >= 0x2e80
			end += n
			runes++
		}
		end = max(end, n)
		w := bytes.TrimRightFunc(text[:end], joins)
		text = text[end:]
		switch {
		case wide:
			pairs(w, fn)
		case runes > maxWord:
			fn("long:" + string(bytes.ToLower(w[:min(len(w), 8)])))
		case runes >= minWord:
			word := strings.ToLower(string(w))
			fn(word)
			if i := strings.LastIndexByte(word, '@'); i >= 0 && i+1 < len(word) {
				fn(word[i:])
			}
		}
	}
}

// pairs calls fn with each two characters that stand together.
func pairs(w []byte, fn func(string)) {
	rs := []rune(string(w))
	for i := 0; i+1 < len(rs) && i < 200; i++ {
		fn(string(rs[i : i+2]))
	}
}

func wordRune(r rune) bool {
	return r == '$' || r == '€' || r == '£' || unicode.IsLetter(r) || unicode.IsDigit(r) && r != utf8.RuneError
}

func joins(r rune) bool {
	return r == '.' || r == '-' || r == '_' || r == '\'' || r == '@' || r == '=' || r == '%' || r == '!'
}
