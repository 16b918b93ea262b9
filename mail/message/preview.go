package message

import "unicode/utf8"

// previewRunes is how long a preview is (RFC 8970 §3.2 wants at most 256 characters).
const previewRunes = 200

// previewer gathers the first words of a message: of its first text part that has any
// and is no attachment; of a multipart/alternative rather the plain text than the HTML. Lines that
// quote another message count only when there is nothing else.
type previewer struct {
	best   []byte
	from   *Part // where best is from
	html   bool  // best is from HTML
	part   *Part // at hand; nil: none
	plain  bool
	main   collapser
	quoted collapser
	bol    bool // at the beginning of a line
	quote  bool // in a quoting line
}

// begin looks at a text part if it may be previewed.
func (p *previewer) begin(part *Part, kind Kind, embedded int) {
	better := len(p.best) == 0 ||
		p.html && kind == TextPlain && part.parent != nil && part.parent == p.from.parent && part.parent.Subtype == "alternative"
	if !better || embedded > 0 || part.Disposition == "attachment" && part.parent != nil || kind == TextCalendar ||
		kind == TextOther && part.Type != "text" {
		return
	}
	p.part, p.plain = part, kind != TextHTML
	p.main.reset()
	p.quoted.reset()
	p.bol, p.quote = true, false
}

// add takes text and tells whether more is needed.
func (p *previewer) add(text []byte) bool {
	if p.part == nil || p.main.runes >= previewRunes {
		return false
	}
	if !p.plain {
		p.main.add(text)
		return p.main.runes < previewRunes
	}
	for len(text) > 0 {
		if p.bol {
			p.quote = text[0] == '>'
		}
		n := 0
		for n < len(text) && text[n] != '\n' {
			n++
		}
		if p.bol = n < len(text); p.bol {
			n++
		}
		if p.quote {
			p.quoted.add(text[:n])
		} else if p.main.add(text[:n]); p.main.runes >= previewRunes {
			return false
		}
		text = text[n:]
	}
	return true
}

func (p *previewer) end() {
	if p.part == nil {
		return
	}
	made := p.main.buf
	if len(made) == 0 {
		made = p.quoted.buf
	}
	if len(made) > 0 {
		p.best = append(p.best[:0], made...)
		p.from, p.html = p.part, !p.plain
	}
	p.part = nil
}

// collapser keeps the first characters of a text, runs of white space as one blank and what
// cannot be seen left out.
type collapser struct {
	buf   []byte
	runes int
	blank bool
}

func (c *collapser) reset() { *c = collapser{buf: c.buf[:0]} }

func (c *collapser) add(text []byte) {
	for i := 0; i < len(text) && c.runes < previewRunes; {
		r, n := rune(text[i]), 1
		if r >= utf8.RuneSelf {
			r, n = utf8.DecodeRune(text[i:])
		}
		i += n
		switch {
		case r == ' ' || r == '\t' || r == '\r' || r == '\n' || r == 0xa0:
			c.blank = true
			continue
		case r < ' ' || r == 0x7f || r == utf8.RuneError || invisible(r):
			continue
		}
		if c.blank && c.runes > 0 {
			if c.buf = append(c.buf, ' '); c.runes == previewRunes-1 {
				c.buf = c.buf[:len(c.buf)-1]
				c.runes = previewRunes
				return
			}
			c.runes++
		}
		c.blank = false
		c.buf = utf8.AppendRune(c.buf, r)
		c.runes++
	}
}

// invisible characters pad the first words of newsletters.
func invisible(r rune) bool {
	switch {
	case r < 0xa0, r == 0xad, r == 0x34f, r == 0x61c, r == 0xfeff, r == 0x180e:
		return r >= 0x80
	case 0x200b <= r && r <= 0x200f, 0x2028 <= r && r <= 0x202e, 0x2060 <= r && r <= 0x206f:
		return r != 0x200d && r != 0x200c // joiners shape letters and emoji
	case 0xe0000 <= r && r <= 0xe0fff:
		return true
	}
	return false
}
