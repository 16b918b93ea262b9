package wire

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"atrium/mail/conn"
)

// Source is where a Reader's input comes from; *conn.Conn is one.
type Source interface {
	// ReadLine returns the next line without its end, valid until the next read.
	ReadLine(limit int) ([]byte, error)
	// CopyN copies n bytes of input to w.
	CopyN(w io.Writer, n int64) error
}

// Limits bound what one command may consist of.
type Limits struct {
	Line    int   // bytes of one line
	Literal int64 // bytes of one literal that is kept in memory
	Unasked int64 // bytes of a literal that the client sends without asking (RFC 7888); -1: none may come
	Command int64 // bytes of all lines and literals of a command that are kept in memory
	Depth   int   // parentheses within each other
	Set     int   // ranges in a set
	List    int   // elements in a list
	Skip    int64 // bytes of an unasked literal that are read only to be thrown away
}

// DefaultLimits returns limits that fit what clients send.
func DefaultLimits() Limits {
	return Limits{Line: 64 << 10, Literal: 1 << 20, Unasked: 1 << 62, Command: 4 << 20, Depth: 64, Set: 20000, List: 20000, Skip: 128 << 20}
}

// SyntaxError says what is wrong with a command: BAD.
type SyntaxError struct{ Text string }

func (e *SyntaxError) Error() string { return e.Text }

// LimitError says which limit a command breaks: BAD or NO with TOOBIG or LIMIT.
type LimitError struct {
	Text   string
	TooBig bool // it is a literal's size: TOOBIG
}

func (e *LimitError) Error() string { return e.Text }

// InputError is a failure of the Source: the connection is over.
type InputError struct{ Err error }

func (e *InputError) Error() string { return e.Err.Error() }
func (e *InputError) Unwrap() error { return e.Err }

// ErrDesync means that input cannot be told from literal any more: the
// connection must end.
var ErrDesync = errors.New("a literal too large to be skipped")

// Reader reads one command after another. It is for one goroutine.
type Reader struct {
	Limits Limits
	UTF8   bool // names are UTF-8, not modified UTF-7: UTF8=ACCEPT (RFC 6855) or IMAP4rev2 (RFC 9051 §5.1) is enabled

	src   Source
	more  func() error // tells the client to send a literal
	line  []byte
	pos   int
	used  int64 // of Limits.Command
	depth int
	err   error
	given string
	late  bool // a literal's header was read, its bytes were not
}

// NewReader returns a Reader of src. more is called before a synchronizing
// literal is read; it says "+" and sends what is buffered.
func NewReader(src Source, limits Limits, more func() error) *Reader {
	return &Reader{Limits: limits, src: src, more: more}
}

// Next reads the first line of the next command and clears the failure of the one before.
func (r *Reader) Next() error {
	r.Begin(nil)
	line, err := r.src.ReadLine(r.Limits.Line)
	if err != nil {
		r.err = &InputError{err}
		return r.err
	}
	r.line = line
	return nil
}

// Begin makes line the first of the next command, one that was read already.
func (r *Reader) Begin(line []byte) {
	r.line, r.pos, r.used, r.depth, r.err, r.late = line, 0, 0, 0, nil, false
}

// Release forgets the line, which lies in a buffer of the source.
func (r *Reader) Release() { r.line, r.pos = nil, 0 }

// Err returns the first failure.
func (r *Reader) Err() error { return r.err }

// Fail notes a failure of syntax, if there is none yet.
func (r *Reader) Fail(format string, args ...any) {
	if r.err == nil {
		r.err = &SyntaxError{fmt.Sprintf(format, args...)}
	}
}

// Limit notes that a limit is broken, if there is no failure yet.
func (r *Reader) Limit(format string, args ...any) {
	if r.err == nil {
		r.err = &LimitError{Text: fmt.Sprintf(format, args...)}
	}
}

// SetErr notes any failure, if there is none yet.
func (r *Reader) SetErr(err error) {
	if r.err == nil {
		r.err = err
	}
}

// Peek returns the next byte of the line, 0 at its end or after a failure.
func (r *Reader) Peek() byte {
	if r.err != nil || r.pos >= len(r.line) {
		return 0
	}
	return r.line[r.pos]
}

// AtEnd tells whether the line is read to its end, or reading has failed.
func (r *Reader) AtEnd() bool { return r.err != nil || r.pos >= len(r.line) }

// Try takes the next byte if it is b.
func (r *Reader) Try(b byte) bool {
	if r.err == nil && r.pos < len(r.line) && r.line[r.pos] == b {
		r.pos++
		return true
	}
	return false
}

// TryWord takes a word, in whatever case, if it comes next and nothing of an atom follows it.
func (r *Reader) TryWord(word string) bool {
	if r.err != nil {
		return false
	}
	rest := r.line[r.pos:]
	if len(rest) < len(word) || !strings.EqualFold(string(rest[:len(word)]), word) {
		return false
	}
	if len(rest) > len(word) && isAtom(rest[len(word)]) {
		return false
	}
	r.pos += len(word)
	return true
}

// Take takes b or fails.
func (r *Reader) Take(b byte) {
	if !r.Try(b) {
		r.missing("'" + string(rune(b)) + "'")
	}
}

// SP takes a space or fails.
func (r *Reader) SP() {
	if !r.Try(' ') {
		r.missing("a space")
	}
}

func (r *Reader) missing(what string) {
	if r.err != nil {
		return
	}
	if r.pos >= len(r.line) {
		r.Fail("Expected %s at the end", what)
		return
	}
	rest := r.line[r.pos:min(len(r.line), r.pos+20)]
	r.Fail("Expected %s before %q", what, rest)
}

// End checks that nothing is left and returns the first failure. One space
// at the end of a command is overlooked.
func (r *Reader) End() error {
	if r.err == nil && r.pos+1 == len(r.line) && r.line[r.pos] == ' ' {
		r.pos++
	}
	if r.err == nil && r.pos < len(r.line) {
		r.missing("the end")
	}
	return r.err
}

// Drain reads away what belongs to a command that failed: literals that the
// client sends without asking. ErrDesync when that is too much.
func (r *Reader) Drain() error {
	left := r.Limits.Skip
	for {
		n, sync, ok := trailingLiteral(r.line)
		if !ok || sync || (r.pos >= len(r.line) && !r.late) {
			return nil
		}
		left -= n
		if left < 0 {
			return ErrDesync
		}
		if err := r.src.CopyN(io.Discard, n); err != nil {
			return &InputError{err}
		}
		line, err := r.src.ReadLine(r.Limits.Line)
		if err != nil {
			return &InputError{err}
		}
		r.line, r.pos, r.late = line, 0, true
		if len(line) == 0 {
			return nil
		}
	}
}

// trailingLiteral reads the {n} or {n+} that a line ends in.
func trailingLiteral(line []byte) (n int64, sync, ok bool) {
	i := len(line) - 1
	if i < 2 || line[i] != '}' {
		return 0, false, false
	}
	i--
	sync = true
	if line[i] == '+' || line[i] == '-' {
		sync = line[i] != '+'
		i--
	}
	end := i
	for i >= 0 && line[i] >= '0' && line[i] <= '9' {
		i--
	}
	if i < 0 || i == end || line[i] != '{' || end-i > 18 {
		return 0, false, false
	}
	for _, d := range line[i+1 : end+1] {
		n = 10*n + int64(d-'0')
	}
	return n, sync, true
}

// isAtom tells whether c may stand in an atom (ATOM-CHAR). "]" may.
func isAtom(c byte) bool {
	switch c {
	case '(', ')', '{', ' ', '%', '*', '"', '\\':
		return false
	}
	return c > 0x20 && c < 0x7f
}

// isAString is ASTRING-CHAR: ATOM-CHAR and "]", which isAtom allows already.
// Clients send bare UTF-8 in names; it cannot be anything else.
func isAString(c byte) bool { return isAtom(c) || c >= 0x80 }

// word takes the longest run of bytes that ok tells true for.
func (r *Reader) word(what string, ok func(byte) bool) []byte {
	if r.err != nil {
		return nil
	}
	from := r.pos
	for r.pos < len(r.line) && ok(r.line[r.pos]) {
		r.pos++
	}
	if from == r.pos {
		r.missing(what)
		return nil
	}
	return r.line[from:r.pos]
}

// Atom reads an atom.
func (r *Reader) Atom() string { return string(r.word("an atom", isAtom)) }

// Keyword reads an atom in upper case.
func (r *Reader) Keyword() string { return upper(r.word("a word", isAtom)) }

// Item reads the name of a fetch item, a search return or the like in upper case: an atom that ends before "[" and "<".
func (r *Reader) Item() string {
	return upper(r.word("an item", func(c byte) bool { return isAtom(c) && c != '[' && c != '<' && c != ']' }))
}

// Tag reads a command's tag: ASTRING-CHAR except "+".
func (r *Reader) Tag() string {
	return string(r.word("a tag", func(c byte) bool { return isAtom(c) && c != '+' }))
}

// Number reads a number of 32 bits, Number64 one of 63.
func (r *Reader) Number() uint32 { return uint32(r.number(1<<32 - 1)) }

// Number64 reads a number of 63 bits (RFC 7162: a mod-sequence; RFC 9051: number64).
func (r *Reader) Number64() uint64 { return r.number(1<<63 - 1) }

// NZNumber reads a number that is not 0.
func (r *Reader) NZNumber() uint32 {
	n := r.Number()
	if n == 0 {
		r.Fail("A number must not be 0")
	}
	return n
}

func (r *Reader) number(max uint64) uint64 {
	var n uint64
	for _, c := range r.word("a number", isDigit) {
		d := uint64(c - '0')
		if n > (max-d)/10 {
			r.Fail("A number is too large")
			return 0
		}
		n = 10*n + d
	}
	return n
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// String reads a quoted string or a literal.
func (r *Reader) String() string {
	switch r.Peek() {
	case '"':
		return r.quoted()
	case '{', '~':
		return r.literal()
	}
	r.missing("a string")
	return ""
}

// AString reads an atom, a quoted string or a literal.
func (r *Reader) AString() string {
	if c := r.Peek(); c == '"' || c == '{' {
		return r.String()
	}
	return string(r.word("a string", isAString))
}

// NString reads a string or NIL, for which ok is false.
func (r *Reader) NString() (s string, ok bool) {
	if c := r.Peek(); c == '"' || c == '{' || c == '~' {
		s = r.String()
		return s, r.err == nil
	}
	if !r.TryWord("NIL") {
		r.missing("a string or NIL")
	}
	return "", false
}

func (r *Reader) quoted() string {
	r.pos++
	from := r.pos
	for i := from; i < len(r.line); i++ {
		switch c := r.line[i]; c {
		case '"':
			r.pos = i + 1
			return r.valid(string(r.line[from:i]))
		case '\\':
			return r.escaped(from, i)
		case 0, '\r':
			r.Fail("A quoted string has a control character")
			return ""
		}
	}
	r.Fail("A quoted string does not end")
	return ""
}

// valid returns what a quoted string holds, which is UTF-8 where the client said that it speaks it (RFC 6855 §3). Others
// write what no grammar has room for.
func (r *Reader) valid(s string) string {
	if r.UTF8 && !utf8.ValidString(s) {
		r.Fail("A quoted string is not UTF-8")
		return ""
	}
	return s
}

// escaped reads on in a quoted string that began at from, from its first backslash on.
func (r *Reader) escaped(from, i int) string {
	out := append([]byte(nil), r.line[from:i]...)
	for ; i < len(r.line); i++ {
		c := r.line[i]
		switch {
		case c == '"':
			r.pos = i + 1
			return r.valid(string(out))
		case c == '\\':
			if i++; i == len(r.line) {
				continue
			}
			c = r.line[i]
		case c == 0 || c == '\r':
			r.Fail("A quoted string has a control character")
			return ""
		}
		out = append(out, c)
	}
	r.Fail("A quoted string does not end")
	return ""
}

// IsLiteral tells whether a literal comes next.
func (r *Reader) IsLiteral() bool {
	if c := r.Peek(); c != '~' {
		return c == '{'
	}
	return r.pos+1 < len(r.line) && r.line[r.pos+1] == '{'
}

// literal reads a literal into memory.
func (r *Reader) literal() string {
	lit := r.Literal(r.Limits.Literal)
	if r.err != nil {
		return ""
	}
	if r.used += lit.Size; r.used > r.Limits.Command {
		r.Limit("The command is too long")
		return ""
	}
	var b strings.Builder
	b.Grow(int(lit.Size))
	r.Body(lit, &b)
	if r.err == nil && strings.IndexByte(b.String(), 0) >= 0 {
		r.Fail("A literal has a NUL")
	}
	return b.String()
}

// Literal is the head of a literal.
type Literal struct {
	Size   int64
	Sync   bool // the client waits to be told to send it
	Binary bool // literal8 (RFC 3516)
}

// Literal reads the head of a literal of at most limit bytes (else LimitError); Body
// must follow.
func (r *Reader) Literal(limit int64) Literal {
	var lit Literal
	lit.Binary = r.Try('~')
	r.Take('{')
	size := r.number(1<<62 - 1)
	lit.Size, lit.Sync = int64(size), !r.Try('+')
	if lit.Sync {
		r.Try('-') // RFC 7888's literal- is a capability, but some write it
	}
	r.Take('}')
	if r.err == nil && r.pos != len(r.line) {
		r.Fail("A literal's head must end the line")
	}
	if r.err != nil {
		return lit
	}
	r.late = true
	switch {
	case !lit.Sync && r.Limits.Unasked < 0:
		r.Fail("Literals must be synchronizing")
	case !lit.Sync && lit.Size > r.Limits.Unasked:
		r.Fail("A literal of more than %d bytes must be synchronizing", r.Limits.Unasked)
	case lit.Size > limit:
		r.err = &LimitError{fmt.Sprintf("A literal of %d bytes is too large, at most %d are taken", lit.Size, limit), true}
	}
	return lit
}

// Body copies a literal to w and reads the line that follows. When w fails, the
// rest is still read, and w's failure is the Reader's.
func (r *Reader) Body(lit Literal, w io.Writer) {
	if r.err != nil {
		return
	}
	if lit.Sync && r.more != nil {
		if err := r.more(); err != nil {
			r.err = err
			return
		}
	}
	r.late = false
	failed := r.src.CopyN(w, lit.Size)
	var sink *conn.WriteError // the connection itself is fine
	if failed != nil && !errors.As(failed, &sink) {
		r.err = &InputError{failed}
		return
	}
	r.line, r.pos = nil, 0
	line, err := r.src.ReadLine(r.Limits.Line)
	if err != nil {
		r.err = &InputError{err}
		return
	}
	r.line = line
	if r.used += int64(len(line)); r.used > r.Limits.Command {
		r.Limit("The command is too long")
	}
	if failed != nil {
		r.SetErr(failed)
	}
}

// List reads a parenthesized list, calling item for each element, which are separated by a space.
func (r *Reader) List(item func()) {
	r.Take('(')
	if r.err != nil {
		return
	}
	if r.depth++; r.depth > r.Limits.Depth {
		r.Limit("Lists are nested too deeply")
		return
	}
	for n := 0; r.err == nil && !r.Try(')'); n++ {
		if n > 0 {
			r.SP()
		}
		if n >= r.Limits.List {
			r.Limit("A list is too long")
		}
		if r.err == nil {
			item()
		}
	}
	r.depth--
}

// Nest counts one more level of nesting that is no List; call the function that it returns at its end.
func (r *Reader) Nest() func() {
	if r.depth++; r.depth > r.Limits.Depth {
		r.Limit("The command is nested too deeply")
	}
	return func() { r.depth-- }
}

// Rest returns what is left of the line.
func (r *Reader) Rest() string {
	if r.err != nil {
		return ""
	}
	s := string(r.line[r.pos:])
	r.pos = len(r.line)
	return s
}

// Text reads a string that must be UTF-8.
func (r *Reader) Text() string {
	s := r.AString()
	if r.err == nil && !utf8.ValidString(s) {
		r.Fail("A string is not UTF-8")
	}
	return s
}

func upper(b []byte) string {
	for _, c := range b {
		if c >= 'a' && c <= 'z' {
			return strings.ToUpper(string(b))
		}
	}
	return string(b)
}

// TryModifier takes " (WORD)" if it comes next.
func (r *Reader) TryModifier(word string) bool {
	if r.err != nil {
		return false
	}
	rest, want := r.line[r.pos:], len(word)+3
	if len(rest) < want || !strings.EqualFold(string(rest[:want]), " ("+word+")") {
		return false
	}
	r.pos += want
	return true
}
