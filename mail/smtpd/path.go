package smtpd

import (
	"errors"
	"net/netip"
	"strings"
	"unicode/utf8"
)

// Address is the mailbox of a path, RFC 5321 §4.1.2. The zero value is the null
// reverse-path.
type Address struct {
	Local  string // without quotes and backslashes
	Domain string // as it came; an address literal with its brackets; "" for <Postmaster>
}

// IsZero tells whether a is the null reverse-path.
func (a Address) IsZero() bool { return a == Address{} }

// String writes the address as it goes between angle brackets.
func (a Address) String() string {
	if a.IsZero() {
		return ""
	}
	local := a.Local
	if !isDotString(local) {
		local = quote(local)
	}
	if a.Domain == "" {
		return local
	}
	return local + "@" + a.Domain
}

// ASCII tells whether the address needs no SMTPUTF8.
func (a Address) ASCII() bool { return isASCII(a.Local) && isASCII(a.Domain) }

// Sizes that a path may have. RFC 5321 §4.5.3.1 asks for at least 64 octets of
// local part, 255 of domain and 256 of path; the return addresses of lists
// have longer local parts.
const (
	maxLocal  = 255
	maxDomain = 255
	maxLabel  = 63
	maxRoute  = 1024
)

// errSyntax is what every parser here fails with; replies do not tell more.
var errSyntax = errors.New("syntax error")

// scanner reads a command's arguments. After its first failure every method
// returns nothing, and err tells.
type scanner struct {
	s    string
	utf8 bool // RFC 6531: non-ASCII is taken where its grammar has it
	err  error
}

func (s *scanner) fail() { s.err, s.s = errSyntax, "" }

// eat takes c when it comes next.
func (s *scanner) eat(c byte) bool {
	if s.s == "" || s.s[0] != c {
		return false
	}
	s.s = s.s[1:]
	return true
}

func (s *scanner) want(c byte) {
	if !s.eat(c) {
		s.fail()
	}
}

// while takes the longest run of at most limit bytes that ok accepts.
func (s *scanner) while(limit int, ok func(c byte) bool) string {
	n := 0
	for n < len(s.s) && ok(s.s[n]) {
		n++
	}
	if n > limit {
		s.fail()
		return ""
	}
	out := s.s[:n]
	s.s = s.s[n:]
	if !isASCII(out) && (!s.utf8 || !utf8.ValidString(out)) {
		s.fail()
		return ""
	}
	return out
}

// spaces skips blanks: none is fine.
func (s *scanner) spaces() { s.s = strings.TrimLeft(s.s, " ") }

// parsePath reads "FROM:<path>" or "TO:<path>" and leaves the parameters. A
// blank after the colon is taken, as most servers do.
func (s *scanner) parsePath(word string) Address {
	if len(s.s) < len(word) || !strings.EqualFold(s.s[:len(word)], word) {
		s.fail()
		return Address{}
	}
	s.s = s.s[len(word):]
	s.spaces()
	s.want('<')
	if s.err != nil {
		return Address{}
	}
	if s.eat('>') {
		s.endWord()
		return Address{}
	}
	if s.s != "" && s.s[0] == '@' {
		s.sourceRoute()
	}
	a := s.mailbox()
	s.want('>')
	s.endWord()
	if s.err != nil {
		return Address{}
	}
	return a
}

// endWord wants the end or a blank.
func (s *scanner) endWord() {
	if s.s != "" && s.s[0] != ' ' {
		s.fail()
	}
}

// sourceRoute skips "@a,@b:", which is accepted and ignored (RFC 5321 §4.1.1.3, appendix C).
func (s *scanner) sourceRoute() {
	before := len(s.s)
	for s.err == nil {
		s.want('@')
		s.domain()
		if before-len(s.s) > maxRoute {
			s.fail()
		}
		if !s.eat(',') {
			break
		}
	}
	s.want(':')
}

// mailbox reads Local-part "@" (Domain / address-literal), or Postmaster alone.
func (s *scanner) mailbox() Address {
	var a Address
	if s.s != "" && s.s[0] == '"' {
		a.Local = s.quoted()
	} else {
		a.Local = s.dotString()
	}
	if s.err == nil && s.s != "" && s.s[0] == '>' && strings.EqualFold(a.Local, "postmaster") {
		return a // RFC 5321 §4.5.1
	}
	s.want('@')
	if s.s != "" && s.s[0] == '[' {
		a.Domain = s.literal()
	} else {
		a.Domain = s.domain()
	}
	return a
}

// dotString reads Dot-string, RFC 5321 §4.1.2 with RFC 6531 §3.3.
func (s *scanner) dotString() string {
	out := s.while(maxLocal, func(c byte) bool { return c == '.' || isAtom(c) })
	if s.err == nil && !isDotString(out) {
		s.fail()
		return ""
	}
	return out
}

// quoted reads Quoted-string and returns what it stands for.
func (s *scanner) quoted() string {
	s.want('"')
	var b strings.Builder
	for i := 0; i < len(s.s); i++ {
		switch c := s.s[i]; {
		case c == '"':
			s.s = s.s[i+1:]
			out := b.String()
			if out == "" || len(out) > maxLocal || !isASCII(out) && (!s.utf8 || !utf8.ValidString(out)) {
				s.fail()
				return ""
			}
			return out
		case c == '\\':
			i++
			if i == len(s.s) || s.s[i] < ' ' || s.s[i] > '~' {
				s.fail()
				return ""
			}
			b.WriteByte(s.s[i])
		case c < ' ' || c == 0x7f:
			s.fail()
			return ""
		default:
			b.WriteByte(c)
		}
	}
	s.fail()
	return ""
}

// domain reads Domain. Underscores are taken, since hosts' names have them.
func (s *scanner) domain() string {
	out := s.while(maxDomain, func(c byte) bool { return c == '.' || isLDH(c) || c == '_' || c >= 0x80 })
	if s.err == nil && !isDomain(out) {
		s.fail()
		return ""
	}
	return out
}

// literal reads address-literal, RFC 5321 §4.1.3.
func (s *scanner) literal() string {
	end := strings.IndexByte(s.s, ']')
	if end < 0 || end > maxDomain || !isLiteral(s.s[:end+1]) {
		s.fail()
		return ""
	}
	out := s.s[:end+1]
	s.s = s.s[end+1:]
	return out
}

// param is one ESMTP parameter, RFC 5321 §4.1.2.
type param struct {
	name  string // in capitals
	value string
	has   bool // there was a "="
}

// maxParams bounds the parameters of one command.
const maxParams = 16

// params reads the parameters to the end of the line.
func (s *scanner) params() []param {
	var out []param
	for s.err == nil {
		s.spaces()
		if s.s == "" {
			break
		}
		p := param{name: strings.ToUpper(s.while(64, isLDH))}
		if p.name == "" || p.name[0] == '-' || len(out) == maxParams {
			s.fail()
			break
		}
		if p.has = s.eat('='); p.has {
			p.value = s.while(1024, func(c byte) bool { return c > ' ' && c != '=' && c != 0x7f })
			if p.value == "" {
				s.fail()
			}
		}
		s.endWord()
		for _, q := range out {
			if q.name == p.name {
				s.fail() // RFC 5321 §4.1.1.11: each at most once
			}
		}
		out = append(out, p)
	}
	if s.err != nil {
		return nil
	}
	return out
}

// decodeXtext decodes xtext, RFC 3461 §4.
func decodeXtext(v string) (string, error) {
	if !strings.ContainsRune(v, '+') {
		return v, nil
	}
	out := make([]byte, 0, len(v))
	for i := 0; i < len(v); i++ {
		if v[i] != '+' {
			out = append(out, v[i])
			continue
		}
		if i+2 >= len(v) {
			return "", errSyntax
		}
		hi, lo := hexDigit(v[i+1]), hexDigit(v[i+2])
		if hi < 0 || lo < 0 {
			return "", errSyntax
		}
		out = append(out, byte(hi<<4|lo))
		i += 2
	}
	return string(out), nil
}

// hexDigit is the value of a hexadecimal digit in capitals, as xtext has them, or -1.
func hexDigit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// isHello tells whether v may stand as a client's name in EHLO: a domain, an
// address literal, or anything printable without blanks, since clients say
// many things there (RFC 5321 §4.1.4 forbids to refuse mail for it).
func isHello(v string) bool {
	if v == "" || len(v) > maxDomain {
		return false
	}
	for i := range len(v) {
		if c := v[i]; c <= ' ' || c == 0x7f {
			return false
		}
	}
	return utf8.ValidString(v)
}

func isDotString(v string) bool {
	if v == "" || v[0] == '.' || v[len(v)-1] == '.' || strings.Contains(v, "..") {
		return false
	}
	for i := range len(v) {
		if !isAtom(v[i]) && v[i] != '.' {
			return false
		}
	}
	return true
}

func isDomain(v string) bool {
	if v == "" || len(v) > maxDomain {
		return false
	}
	for label := range strings.SplitSeq(v, ".") {
		if label == "" || len(label) > maxLabel || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			if c := label[i]; !isLDH(c) && c != '_' && c < 0x80 {
				return false
			}
		}
	}
	return true
}

// isLiteral tells whether v, with its brackets, is an IPv4 or IPv6 address
// literal. Other kinds (General-address-literal) have no meaning to anyone.
func isLiteral(v string) bool {
	if len(v) < 3 || v[0] != '[' || v[len(v)-1] != ']' {
		return false
	}
	v = v[1 : len(v)-1]
	six := len(v) > 5 && strings.EqualFold(v[:5], "IPv6:")
	if six {
		v = v[5:]
	}
	ip, err := netip.ParseAddr(v)
	return err == nil && ip.Zone() == "" && ip.Is6() == six
}

// quote writes a Quoted-string.
func quote(v string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(v) {
		if v[i] == '"' || v[i] == '\\' {
			b.WriteByte('\\')
		}
		b.WriteByte(v[i])
	}
	b.WriteByte('"')
	return b.String()
}

func isASCII(v string) bool {
	for i := range len(v) {
		if v[i] >= 0x80 {
			return false
		}
	}
	return true
}

// isAtom tells atext of RFC 5322 §3.2.3, with RFC 6531's UTF-8.
func isAtom(c byte) bool {
	switch c {
	case '!', '#', '$', '%', '&', '\'', '*', '+', '-', '/', '=', '?', '^', '_', '`', '{', '|', '}', '~':
		return true
	}
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

func isLDH(c byte) bool {
	return c == '-' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
