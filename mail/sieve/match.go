package sieve

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"
	"unicode/utf8"

	"atrium/mail/message"
)

// comparator is a collation (RFC 4790).
type comparator struct {
	name string
	// fold returns s so that what is equal is equal by octets; nil: as it is.
	fold func(string) string
	// numeric: numbers, compared by value (RFC 4790 §9.1).
	numeric bool
}

var collations = []*comparator{
	{name: "i;octet"},
	{name: "i;ascii-casemap", fold: upper},
	{name: "i;unicode-casemap", fold: func(s string) string { return string(message.AppendFolded(nil, []byte(s))) }},
	{name: "i;ascii-numeric", numeric: true},
}

// upper turns the letters of ASCII into capitals.
func upper(s string) string {
	for i := 0; i < len(s); i++ {
		if 'a' <= s[i] && s[i] <= 'z' {
			b := []byte(s)
			for ; i < len(b); i++ {
				if 'a' <= b[i] && b[i] <= 'z' {
					b[i] -= 'a' - 'A'
				}
			}
			return string(b)
		}
	}
	return s
}

func (k *comparator) folded(s string) string {
	if k.fold == nil {
		return s
	}
	return k.fold(s)
}

// compare orders two strings.
func (k *comparator) compare(a, b string) int {
	if !k.numeric {
		return strings.Compare(k.folded(a), k.folded(b))
	}
	x, y := digits(a), digits(b)
	switch {
	case x == "" && y == "":
		return 0
	case x == "": // no number: larger than all
		return 1
	case y == "":
		return -1
	}
	x, y = strings.TrimLeft(x, "0"), strings.TrimLeft(y, "0")
	if c := cmp.Compare(len(x), len(y)); c != 0 {
		return c
	}
	return strings.Compare(x, y)
}

// digits are the digits that s begins with.
func digits(s string) string {
	i := 0
	for i < len(s) && digit(s[i]) {
		i++
	}
	return s[:i]
}

var (
	comparators  = extension{name: "comparator-i;octet", rfc: "5228"}
	asciiCasemap = extension{name: "comparator-i;ascii-casemap", rfc: "5228"}

	asciiNumeric   = extension{name: "comparator-i;ascii-numeric", rfc: "4790"}
	unicodeCasemap = extension{name: "comparator-i;unicode-casemap", rfc: "5051"}

	relational = extension{name: "relational", rfc: "5231", tags: map[string][]tagDef{"*": {
		{name: "count", value: "s", group: "match"}, {name: "value", value: "s", group: "match"}}}}
	regex = extension{name: "regex", rfc: "draft-murchison-sieve-regex", tags: map[string][]tagDef{
		"*": {{name: "regex", group: "match"}}, "set": {{name: "quoteregex", group: "20"}}, "extracttext": {{name: "quoteregex", group: "20"}}}}
)

// matchTags are the tags of a test that matches.
var matchTags = []tagDef{{name: "comparator", value: "s"}, {name: "is", group: "match"}, {name: "contains", group: "match"}, {name: "matches", group: "match"}}

// with puts tags together.
func with(lists ...[]tagDef) (out []tagDef) {
	for _, l := range lists {
		out = append(out, l...)
	}
	return out
}

// matcher compares values with keys (RFC 5228 §2.7).
type matcher struct {
	how  string // is, contains, matches, regex, count, value, list
	cmp  *comparator
	rel  func(int) bool
	keys []*template
	sets bool // it sets the match variables
	// made at compile time of keys that are constant
	folded  []string
	globs   []*glob
	regexps []*regexp.Regexp
}

var relations = map[string]func(int) bool{
	"gt": func(c int) bool { return c > 0 }, "ge": func(c int) bool { return c >= 0 },
	"lt": func(c int) bool { return c < 0 }, "le": func(c int) bool { return c <= 0 },
	"eq": func(c int) bool { return c == 0 }, "ne": func(c int) bool { return c != 0 },
}

// matcher makes the matcher of a test.
func (c *compiler) matcher(a *call, keys *arg) *matcher {
	m := &matcher{how: "is", cmp: collations[1], sets: c.on["variables"]}
	for _, how := range []string{"is", "contains", "matches", "regex", "count", "value", "list"} {
		if a.tag(how) {
			m.how = how
		}
	}
	if x := a.tags["comparator"]; x != nil {
		c.comparator(m, x)
	}
	if x := a.tags[m.how]; m.how == "count" || m.how == "value" {
		word := lower(c.fixed(x))
		if m.rel = relations[word]; m.rel == nil {
			c.errf(x.pos, "%q is no relation: gt, ge, lt, le, eq and ne are", clip(word))
		}
	}
	if m.cmp.numeric && (m.how == "contains" || m.how == "matches" || m.how == "regex") {
		c.errf(a.n.pos, "\":%s\" cannot be used with i;ascii-numeric", m.how)
	}
	if keys == nil {
		return m
	}
	m.keys = c.texts(keys)
	m.folded = make([]string, len(m.keys))
	m.globs = make([]*glob, len(m.keys))
	m.regexps = make([]*regexp.Regexp, len(m.keys))
	for i, k := range m.keys {
		if !k.constant() {
			continue
		}
		m.folded[i] = m.cmp.folded(k.fixed)
		if m.how == "contains" && k.fixed == "" {
			c.warnf(k.pos, "every value contains the empty string")
		}
		switch m.how {
		case "matches":
			m.globs[i] = newGlob(k.fixed, m.cmp)
		case "regex":
			var err error
			if m.regexps[i], err = compileRegex(k.fixed, m.cmp); err != nil {
				c.errf(k.pos, "%v", err)
			}
		}
	}
	return m
}

// comparator sets the collation that a script names.
func (c *compiler) comparator(m *matcher, x *arg) {
	name := lower(c.fixed(x))
	for _, k := range collations {
		if k.name == name && c.lang.known["comparator-"+name] != nil {
			m.cmp = k
			if need := "comparator-" + name; k != collations[0] && k != collations[1] && !c.on[need] {
				c.errf(x.pos, "the comparator %q needs require %q", name, need)
			}
			return
		}
	}
	c.errf(x.pos, "unknown comparator %q", clip(name))
}

// match tells whether one of the values matches one of the keys. RFC 5231 §4.2:
// count compares how many there are.
func (m *matcher) match(r *run, values []string) (bool, error) {
	if m.how == "count" {
		values = []string{strconv.Itoa(len(values))}
	}
	for _, v := range values {
		folded := ""
		if m.how == "is" || m.how == "contains" {
			folded = m.cmp.folded(v)
		}
		for i := range m.keys {
			yes, err := m.one(r, v, folded, i)
			if yes || err != nil {
				return yes, err
			}
		}
	}
	return false, nil
}

// one compares a value with one key.
func (m *matcher) one(r *run, v, folded string, i int) (bool, error) {
	k := m.keys[i]
	if err := r.work(len(v)); err != nil {
		return false, err
	}
	key := k.fixed
	if !k.constant() {
		key = k.eval(r)
	}
	switch m.how {
	case "count", "value":
		cmp := m.cmp
		if m.how == "count" {
			cmp = collations[3]
		}
		return m.rel(cmp.compare(v, key)), nil
	case "is":
		if m.cmp.numeric {
			return m.cmp.compare(v, key) == 0, nil
		}
		return folded == m.key(i, key), nil
	case "list":
		yes, err := r.listed(key, v)
		if yes && m.sets {
			r.scope.match = []string{v}
		}
		return yes, err
	case "contains":
		return strings.Contains(folded, m.key(i, key)), nil
	case "matches":
		g := m.globs[i]
		if g == nil {
			g = newGlob(key, m.cmp)
		}
		spans, cost, ok := g.match(v)
		if err := r.work(cost); err != nil {
			return false, err
		}
		if ok && m.sets {
			r.scope.match = spans
		}
		return ok, nil
	}
	re := m.regexps[i]
	if re == nil {
		if err := r.step(200); err != nil {
			return false, err
		}
		var err error
		if re, err = compileRegex(key, m.cmp); err != nil {
			return false, fmt.Errorf("%w: %w", Wrong, err)
		}
	}
	return m.regex(r, re, v)
}

func (m *matcher) key(i int, key string) string {
	if m.keys[i].constant() {
		return m.folded[i]
	}
	return m.cmp.folded(key)
}

// regex matches an expression and sets the match variables.
func (m *matcher) regex(r *run, re *regexp.Regexp, v string) (bool, error) {
	if err := r.work(8 * len(v)); err != nil {
		return false, err
	}
	if !m.sets {
		return re.MatchString(v), nil
	}
	at := re.FindStringSubmatchIndex(v)
	if at == nil {
		return false, nil
	}
	spans := make([]string, 0, len(at)/2)
	for k := 0; k < len(at) && k < 2*maxMatches; k += 2 {
		s := ""
		if at[k] >= 0 {
			s = v[at[k]:at[k+1]]
		}
		spans = append(spans, s)
	}
	r.scope.match = spans
	return true, nil
}

// glob is a pattern of :matches: * is any number of characters, ? is one.
type glob struct {
	cmp   *comparator
	items []globItem
}

// globItem is a wildcard, or text to be found as it is.
type globItem struct {
	wild byte // '*', '?', or 0
	text string
}

func newGlob(pattern string, k *comparator) *glob {
	g := &glob{cmp: k}
	var b strings.Builder
	flush := func() {
		if b.Len() > 0 {
			g.items = append(g.items, globItem{text: k.folded(b.String())})
			b.Reset()
		}
	}
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; c {
		case '*', '?':
			flush()
			g.items = append(g.items, globItem{wild: c})
		case '\\':
			if i+1 < len(pattern) {
				i++
			}
			b.WriteByte(pattern[i])
		default:
			b.WriteByte(c)
		}
	}
	flush()
	return g
}

// match tells whether the whole of s fits, and returns it with what each wildcard stands
// for, each as short as can be (RFC 5229 §3.2). cost is the bytes that were looked at.
func (g *glob) match(s string) (spans []string, cost int, ok bool) {
	t, origin := s, []int(nil)
	if g.cmp.fold != nil {
		t, origin = foldMapped(s, g.cmp)
	}
	type mark struct{ from, to int }
	marks := make([]mark, 0, 8)
	at, i := 0, 0
	star, starAt, starMarks := -1, 0, 0 // the last *, from where it was tried
	for {
		if cost++; i < len(g.items) {
			it := &g.items[i]
			switch {
			case it.wild == '*':
				star, starAt, starMarks = i, at, len(marks)
				marks = append(marks, mark{at, at})
				i++
				continue
			case it.wild == '?' && at < len(t):
				_, n := utf8.DecodeRuneInString(t[at:])
				marks = append(marks, mark{at, at + n})
				at += n
				i++
				continue
			case it.wild == 0 && strings.HasPrefix(t[at:], it.text):
				cost += len(it.text)
				at += len(it.text)
				i++
				continue
			}
		} else if at == len(t) {
			break
		}
		// What follows the last * does not fit here: it takes more.
		if star < 0 {
			return nil, cost, false
		}
		m := &marks[starMarks]
		switch next := star + 1; {
		case m.to >= len(t):
			return nil, cost, false
		case next == len(g.items):
			m.to = len(t)
		case g.items[next].wild == 0:
			_, n := utf8.DecodeRuneInString(t[m.to:])
			k := strings.Index(t[m.to+n:], g.items[next].text)
			if k < 0 {
				return nil, cost + len(t) - m.to, false
			}
			cost += k
			m.to += n + k
		default:
			_, n := utf8.DecodeRuneInString(t[m.to:])
			m.to += n
		}
		m.from = starAt
		marks = marks[:starMarks+1]
		at, i = m.to, star+1
	}
	spans = make([]string, 0, len(marks)+1)
	spans = append(spans, s)
	for _, m := range marks {
		if origin != nil {
			m.from, m.to = origin[m.from], origin[m.to]
		}
		spans = append(spans, s[m.from:m.to])
	}
	return spans, cost + len(s), true
}

// foldMapped folds s and tells, when lengths change, where each byte came from.
func foldMapped(s string, k *comparator) (string, []int) {
	if k == collations[1] {
		return upper(s), nil
	}
	var out []byte
	var origin []int
	for i := 0; i < len(s); {
		_, n := utf8.DecodeRuneInString(s[i:])
		out = append(out, k.folded(s[i:i+n])...)
		for len(origin) < len(out) {
			origin = append(origin, i)
		}
		i += n
	}
	return string(out), append(origin, len(s))
}

const (
	maxRegex   = 2048 // bytes of an expression
	maxMatches = 64   // match variables of one
)

// compileRegex makes a POSIX extended regular expression one of Go's, which
// takes time linear in the text. In brackets a backslash is itself, ^ and $ are the ends of
// the text, the longest match counts.
func compileRegex(s string, k *comparator) (*regexp.Regexp, error) {
	if len(s) > maxRegex {
		return nil, fmt.Errorf("a regular expression may have %d bytes", maxRegex)
	}
	flags := "(?s)"
	if k.fold != nil {
		flags = "(?is)"
	}
	re, err := regexp.Compile(flags + translate(s))
	if err != nil {
		var e *syntax.Error
		if errors.As(err, &e) {
			what := string(e.Code)
			if e.Code == syntax.ErrInvalidEscape {
				what = "this escape is not known; references to groups are not possible"
			}
			return nil, fmt.Errorf("regular expression: %s: %q", what, clip(e.Expr))
		}
		return nil, err
	}
	re.Longest()
	return re, nil
}

// translate turns what POSIX writes otherwise.
func translate(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s):
			i++
			switch s[i] {
			case '<', '>':
				b.WriteString(`\b`)
			default:
				b.WriteByte('\\')
				b.WriteByte(s[i])
			}
		case c == '[':
			n := bracket(&b, s[i:])
			i += n - 1
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// bracket translates a bracket expression and returns its length.
func bracket(b *strings.Builder, s string) int {
	i := 1
	b.WriteByte('[')
	if i < len(s) && s[i] == '^' {
		b.WriteByte('^')
		i++
	}
	for first := i; i < len(s); i++ {
		switch c := s[i]; {
		case c == ']' && i > first:
			b.WriteByte(']')
			return i + 1
		case c == ']':
			b.WriteString(`\]`)
		case c == '\\' && i+1 < len(s) && strings.IndexByte(`\]wdsWDS.-[`, s[i+1]) >= 0:
			// Strictly it is a backslash; but scripts escape in brackets as Perl does.
			b.WriteByte('\\')
			i++
			b.WriteByte(s[i])
		case c == '\\':
			b.WriteString(`\\`)
		case c == '[' && i+1 < len(s) && s[i+1] == ':':
			end := strings.Index(s[i:], ":]")
			if end < 0 {
				b.WriteString(`\[`)
				continue
			}
			b.WriteString(s[i : i+end+2])
			i += end + 1
		case c == '[':
			b.WriteString(`\[`)
		default:
			b.WriteByte(c)
		}
	}
	return i
}
