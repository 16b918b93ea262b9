package mail

import (
	"context"
	"errors"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"atrium/mail/message"
	"atrium/storage"
	"atrium/storage/blob"
)

// Fuzzy is true of messages for which its node is true when text is compared loosely (RFC 6203): all words of
// a string, in any order, in the text, where longer ones may differ by a letter or two; marks above and below letters do not
// count. What follows a Not, and keys that are not of text, are compared exactly.
type Fuzzy struct{ Criteria }

func (Fuzzy) criteria() {}

// Relevancy returns how well each message at positions answers the Fuzzy nodes of c, from 1 to 100. Whole words count
// more than beginnings, those more than pieces of words, words with typing errors least; the subject and
// addresses more than the rest. The actor needs Read.
func (a *Account) Relevancy(ctx context.Context, s *Snapshot, positions []int, c Criteria) ([]uint8, error) {
	f, err := compile(s, c)
	if err != nil {
		return nil, err
	}
	out := make([]uint8, len(positions))
	for i := range out {
		out[i] = 1
	}
	for x, err := range a.Indexes(ctx, s.ID, at(s, positions)) {
		if err != nil {
			return nil, err
		}
		body := lateBody{a: a, ctx: ctx, id: s.ID, m: x.Message}
		e := evidence{m: x.Message, x: x.Index, indexed: true, body: &body}
		score, fuzzy := relevance(f, &e)
		body.close()
		switch {
		case errors.Is(e.err, storage.NotFound): // it went
		case e.err != nil:
			return nil, e.err
		case !fuzzy:
			out[x.Pos] = 100
		default:
			out[x.Pos] = uint8(min(max(score, 1), 100))
		}
	}
	return out, ctx.Err()
}

// lateBody is a message's bytes, opened when they are needed.
type lateBody struct {
	a    *Account
	ctx  context.Context
	id   ID
	m    Message
	body blob.Body
}

func (b *lateBody) ReadAt(p []byte, off int64) (int, error) {
	err := b.ctx.Err()
	if err != nil {
		return 0, err
	}
	if b.body == nil {
		if b.body, err = b.a.Body(b.ctx, b.id, b.m); err != nil {
			return 0, err
		}
	}
	return b.body.ReadAt(p, off)
}

func (b *lateBody) close() {
	if b.body != nil {
		b.body.Close()
	}
}

var _ io.ReaderAt = (*lateBody)(nil)

// relevance is the score of what is compared loosely below f: the mean of what must all be true, the best of what need not.
func relevance(f filter, e *evidence) (score int, fuzzy bool) {
	switch f := f.(type) {
	case *all:
		n := 0
		for _, g := range f.of {
			if x, ok := relevance(g, e); ok {
				score += x
				n++
			}
		}
		return score / max(n, 1), n > 0
	case *some:
		for _, g := range f.of {
			if x, ok := relevance(g, e); ok && g.eval(e) == yes {
				score, fuzzy = max(score, x), true
			}
		}
		return score, fuzzy
	case *fuzzyText:
		f.look(e, true)
		return f.m.score(), true
	}
	return 0, false
}

// fuzzyText is Header (with a name) or Text, compared loosely.
type fuzzyText struct {
	name  string
	known bool // one of those that the index has
	in    message.Scope
	m     *looseMatcher
}

// compileFuzzy compiles a node below Fuzzy.
func compileFuzzy(s *Snapshot, c Criteria, left *int) (filter, error) {
	var list []Criteria
	switch c := c.(type) {
	case And:
		list = c
	case Or:
		list = c
	case Fuzzy:
		return compileFuzzy(s, c.Criteria, left)
	case Header:
		if c.Text == "" {
			return compileNode(s, c, left)
		}
		return &fuzzyText{c.Name, inIndex(c.Name), message.InHeader, newLooseMatcher(c.Text)}, nil
	case Text:
		if c.Text == "" {
			return &all{}, nil
		}
		return &fuzzyText{in: c.In, m: newLooseMatcher(c.Text)}, nil
	default:
		return compileNode(s, c, left)
	}
	loose := make([]Criteria, len(list))
	for i, x := range list {
		loose[i] = Fuzzy{x}
	}
	if _, or := c.(Or); or {
		return compileNode(s, Or(loose), left)
	}
	return compileNode(s, And(loose), left)
}

func (f *fuzzyText) needs() needs {
	if f.known {
		return needIndex
	}
	return needText
}

func (f *fuzzyText) eval(e *evidence) truth {
	if f.known && e.indexed {
		if text, there, known := e.x.FieldText(f.name, f.m.phrase); known {
			f.m.reset()
			f.m.write(text, true, 100)
			f.m.endWord()
			return is(there && f.m.matches())
		}
	}
	if e.body == nil {
		return maybe
	}
	f.look(e, false)
	return is(f.m.matches())
}

// look reads the message's text until it is clear that it matches, or with thorough to its end.
func (f *fuzzyText) look(e *evidence, thorough bool) {
	f.m.reset()
	weight := 100
	e.fail(e.x.Text(e.body, f.in, func(name, chunk []byte, more bool) bool {
		field := string(name)
		switch {
		case f.name != "" && !strings.EqualFold(field, f.name):
			return true
		case !more && f.name == "":
			weight = 70
			if inIndex(field) {
				weight = 100
			}
		}
		f.m.write(chunk, !more, weight)
		return thorough || !f.m.matches()
	}))
	f.m.endWord()
}

// Bounds of what is looked for loosely.
const (
	maxLooseWords = 16 // words of a string; those after them are not looked for
	maxLooseWord  = 48 // letters of a word; longer ones have no typing errors
)

// Grades of a word in a text, for its score.
const (
	gradeTypo   = 40
	gradePiece  = 60
	gradePrefix = 80
	gradeWhole  = 100
)

// looseMatcher looks for the words of a string in texts. It is for one goroutine.
type looseMatcher struct {
	phrase *message.Matcher // the string as it is
	asIs   bool             // it was found
	words  []looseWord
	folded []byte
	word   []rune // the word of the text that is being read
	long   bool   // it is too long
	weight int    // of the text that is being read, in percent
}

type looseWord struct {
	letters []rune
	typos   int
	exact   *message.Matcher
	best    int // its best grade so far, weighted
}

func newLooseMatcher(text string) *looseMatcher {
	m := &looseMatcher{phrase: message.NewMatcher(text)}
	var word []rune
	end := func() {
		if len(word) > 0 && len(m.words) < maxLooseWords {
			m.words = append(m.words, newLooseWord(word))
		}
		word = nil
	}
	for _, r := range string(message.AppendFolded(nil, []byte(text))) {
		switch {
		case isWord(r):
			word = append(word, r)
		case !unicode.Is(unicode.Mn, r):
			end()
		}
	}
	end()
	return m
}

func newLooseWord(letters []rune) looseWord {
	w := looseWord{letters: letters, exact: message.NewMatcher(string(letters))}
	switch n := len(letters); {
	case n < 4 || n > maxLooseWord:
	case n < 10:
		w.typos = 1
	default:
		w.typos = 2
	}
	return w
}

func isWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) }

// reset begins a new message.
func (m *looseMatcher) reset() {
	m.asIs, m.word, m.long = false, m.word[:0], false
	for i := range m.words {
		m.words[i].best = 0
	}
}

// write takes the next chunk of a text; first says that the text begins.
func (m *looseMatcher) write(chunk []byte, first bool, weight int) {
	if first {
		m.endWord()
		m.weight = weight
		m.phrase.Reset()
		for i := range m.words {
			m.words[i].exact.Reset()
		}
	}
	m.asIs = m.phrase.Write(chunk) || m.asIs
	for i := range m.words {
		if w := &m.words[i]; w.exact.Write(chunk) {
			w.grade(gradePiece, m.weight)
		}
	}
	m.folded = message.AppendFolded(m.folded[:0], chunk)
	for b := m.folded; len(b) > 0; {
		r, n := utf8.DecodeRune(b)
		b = b[n:]
		switch {
		case !isWord(r):
			if !unicode.Is(unicode.Mn, r) {
				m.endWord()
			}
		case len(m.word) > maxLooseWord:
			m.long = true
		default:
			m.word = append(m.word, r)
		}
	}
}

// endWord grades the word that was read.
func (m *looseMatcher) endWord() {
	if len(m.word) > 0 && !m.long {
		for i := range m.words {
			w := &m.words[i]
			switch {
			case hasPrefix(m.word, w.letters):
				if len(m.word) == len(w.letters) {
					w.grade(gradeWhole, m.weight)
				} else {
					w.grade(gradePrefix, m.weight)
				}
			case w.typos > 0 && w.best < gradeTypo:
				if d := typos(m.word, w.letters, w.typos); d <= w.typos {
					w.grade(gradeTypo/d, m.weight)
				}
			}
		}
	}
	m.word, m.long = m.word[:0], false
}

func (w *looseWord) grade(g, weight int) { w.best = max(w.best, g*weight/100) }

// matches tells whether the message matches, as far as it was read.
func (m *looseMatcher) matches() bool {
	if m.asIs {
		return true
	}
	for i := range m.words {
		if m.words[i].best == 0 {
			return false
		}
	}
	return len(m.words) > 0
}

// score is that of a message that was read whole.
func (m *looseMatcher) score() int {
	if len(m.words) == 0 {
		return gradePiece
	}
	sum := 0
	for i := range m.words {
		sum += m.words[i].best
	}
	score := sum / len(m.words)
	if len(m.words) > 1 && !m.asIs {
		score = score * 9 / 10
	}
	return score
}

func hasPrefix(s, prefix []rune) bool {
	if len(s) < len(prefix) {
		return false
	}
	for i, r := range prefix {
		if s[i] != r {
			return false
		}
	}
	return true
}

// typos counts the letters that were left out, put in or taken for another, and neighbours that changed places,
// between two words of at most maxLooseWord+1 letters; more than limit is limit+1.
func typos(a, b []rune, limit int) int {
	if len(a)-len(b) > limit || len(b)-len(a) > limit {
		return limit + 1
	}
	var rows [3][maxLooseWord + 2]int
	for j := range len(b) + 1 {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		row, prev, before := &rows[i%3], &rows[(i+2)%3], &rows[(i+1)%3]
		row[0] = i
		least := i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(prev[j-1]+cost, prev[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
			least = min(least, row[j])
		}
		if least > limit {
			return limit + 1
		}
	}
	return min(rows[len(a)%3][len(b)], limit+1)
}
