package elem

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Kind is a class of failure of a Reader.
type Kind string

func (k Kind) Error() string { return string(k) }

const (
	// Malformed means that a body is not XML with namespaces, or has a DOCTYPE.
	Malformed Kind = "not well-formed XML"
	// TooLarge means that a body went over one of the Limits.
	TooLarge Kind = "XML too large"
	// Empty means that a body has no element at all.
	Empty Kind = "no XML"
)

// Limits bound what a Reader takes. No count is without a limit: zero is
// taken for the default.
type Limits struct {
	Bytes    int64 // of the body
	Depth    int   // elements in elements
	Elements int   // in all
	Attrs    int   // of one element
}

// DefaultLimits let a multiget of some 40,000 objects pass.
func DefaultLimits() Limits {
	return Limits{Bytes: 8 << 20, Depth: 64, Elements: 100_000, Attrs: 64}
}

func (l Limits) orDefault() Limits {
	d := DefaultLimits()
	if l.Bytes <= 0 {
		l.Bytes = d.Bytes
	}
	if l.Depth <= 0 {
		l.Depth = d.Depth
	}
	if l.Elements <= 0 {
		l.Elements = d.Elements
	}
	if l.Attrs <= 0 {
		l.Attrs = d.Attrs
	}
	return l
}

// Start is the beginning of an element.
type Start struct {
	Name  xml.Name
	Attrs []xml.Attr // without namespace declarations
}

// Is tells whether the element has the name that N gives for name.
func (s Start) Is(name string) bool { return s.Name == N(name) }

// Attr returns an attribute without a namespace; "" when there is none.
func (s Start) Attr(name string) string {
	v, _ := s.LookupAttr(name)
	return v
}

// LookupAttr returns an attribute without a namespace and whether it is there.
func (s Start) LookupAttr(name string) (string, bool) {
	for _, a := range s.Attrs {
		if a.Name.Space == "" && a.Name.Local == name {
			return a.Value, true
		}
	}
	return "", false
}

// Reader walks the elements of one body. It is sticky: after the first failure
// it yields nothing more, and Err tells what it was. It resolves namespaces
// itself, from encoding/xml's raw tokens, since properties are to be kept with
// the prefixes that they came with.
type Reader struct {
	src    []byte
	dec    *xml.Decoder
	limits Limits
	err    error

	open     []frame   // the elements that are open
	scope    []binding // the namespace declarations in force
	elements int
	rooted   bool // the root was seen
}

type frame struct {
	raw   xml.Name // as encoding/xml's RawToken gives it: Space is the prefix
	begin int      // offset of its "<"
	scope int      // length of Reader.scope outside of it
	lang  string   // xml:lang in force in it
}

type binding struct{ prefix, space string }

// NewReader reads all of body, as far as the limits let it.
func NewReader(body io.Reader, limits Limits) *Reader {
	limits = limits.orDefault()
	src, err := io.ReadAll(io.LimitReader(body, limits.Bytes+1))
	if err != nil {
		return &Reader{err: err}
	}
	return ParseBytes(src, limits)
}

// ParseBytes is a Reader of a body that is in memory. It keeps src.
func ParseBytes(src []byte, limits Limits) *Reader {
	r := &Reader{limits: limits.orDefault()}
	if int64(len(src)) > r.limits.Bytes {
		r.err = fmt.Errorf("more than %d bytes: %w", r.limits.Bytes, TooLarge)
		return r
	}
	if r.src, r.err = toUTF8(src); r.err != nil {
		return r
	}
	r.dec = xml.NewDecoder(bytes.NewReader(r.src))
	r.dec.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil } // toUTF8 has seen to it
	return r
}

// Err returns the first failure.
func (r *Reader) Err() error { return r.err }

func (r *Reader) fail(kind Kind, format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format+": %w", append(args, kind)...)
	}
}

// Root returns the root element, whose Children come next.
func (r *Reader) Root() (s Start, ok bool) {
	if r.err != nil || r.rooted {
		return s, false
	}
	s, ok, _ = r.next()
	if !ok && r.err == nil {
		r.err = Empty
	}
	return s, ok
}

// Children yields the children of the element that is open. What the loop's body
// does not read of a child is skipped. After the loop the element is closed, unless
// the loop was left early.
func (r *Reader) Children() iter.Seq[Start] {
	return func(yield func(Start) bool) {
		depth := len(r.open)
		if depth == 0 {
			return
		}
		for r.err == nil {
			s, started, _ := r.next()
			if !started {
				if r.err == nil && len(r.open) >= depth {
					continue // text
				}
				return
			}
			if !yield(s) {
				return
			}
			r.leave(depth)
		}
	}
}

// leave skips until only depth elements are open.
func (r *Reader) leave(depth int) {
	for r.err == nil && len(r.open) > depth {
		r.next()
	}
}

// Skip closes the element that is open.
func (r *Reader) Skip() { r.leave(len(r.open) - 1) }

// Text returns the character data of the element that is open, without that of its
// children, and closes it.
func (r *Reader) Text() string {
	depth := len(r.open)
	var first []byte
	var rest strings.Builder
	for r.err == nil && len(r.open) >= depth {
		_, _, text := r.next()
		if text == nil || len(r.open) != depth {
			continue
		}
		if first == nil && rest.Len() == 0 {
			first = append([]byte{}, text...)
			continue
		}
		rest.Write(text)
	}
	return string(first) + rest.String()
}

// End checks that the body ends as it should. It skips what was not read.
func (r *Reader) End() error {
	for r.err == nil {
		r.next()
	}
	if r.err == io.EOF {
		r.err = nil
	}
	return r.err
}

// next moves over one token: the start of an element, the end of one (len(r.open)
// tells), or text.
func (r *Reader) next() (s Start, started bool, text []byte) {
	for r.err == nil {
		begin := int(r.dec.InputOffset())
		tok, err := r.dec.RawToken()
		if err != nil {
			r.stop(err)
			return s, false, nil
		}
		switch t := tok.(type) {
		case xml.StartElement:
			s, started = r.start(t, begin)
			return s, started, nil
		case xml.EndElement:
			r.end(t)
			return s, false, nil
		case xml.CharData:
			if len(r.open) > 0 {
				return s, false, t
			}
			if len(bytes.TrimSpace(t)) > 0 {
				r.fail(Malformed, "text outside of the root element")
			}
		case xml.Directive:
			r.fail(Malformed, "a DOCTYPE is not taken")
		}
	}
	return s, false, nil
}

func (r *Reader) stop(err error) {
	switch {
	case err != io.EOF:
		r.fail(Malformed, "%s", err.Error())
	case len(r.open) > 0:
		r.fail(Malformed, "it ends inside of an element")
	case !r.rooted:
		r.err = Empty
	default:
		r.err = io.EOF
	}
}

func (r *Reader) start(t xml.StartElement, begin int) (s Start, ok bool) {
	r.elements++
	switch {
	case len(r.open) == 0 && r.rooted:
		r.fail(Malformed, "a second root element")
	case len(r.open) >= r.limits.Depth:
		r.fail(TooLarge, "elements nested deeper than %d", r.limits.Depth)
	case r.elements > r.limits.Elements:
		r.fail(TooLarge, "more than %d elements", r.limits.Elements)
	case len(t.Attr) > r.limits.Attrs:
		r.fail(TooLarge, "more than %d attributes", r.limits.Attrs)
	}
	if r.err != nil {
		return s, false
	}
	r.rooted = true
	f := frame{raw: t.Name, begin: begin, scope: len(r.scope)}
	if len(r.open) > 0 {
		f.lang = r.open[len(r.open)-1].lang
	}
	r.declare(t.Attr)
	s.Name = r.resolve(t.Name, true)
	for _, a := range t.Attr {
		if isDeclaration(a.Name) {
			continue
		}
		n := r.resolve(a.Name, false)
		if n.Space == xmlSpace && n.Local == "lang" {
			f.lang = a.Value
		}
		if slices.ContainsFunc(s.Attrs, func(b xml.Attr) bool { return b.Name == n }) {
			r.fail(Malformed, "attribute %s twice", n.Local)
		}
		s.Attrs = append(s.Attrs, xml.Attr{Name: n, Value: a.Value})
	}
	r.open = append(r.open, f)
	return s, r.err == nil
}

func (r *Reader) end(t xml.EndElement) {
	if len(r.open) == 0 || r.open[len(r.open)-1].raw != t.Name {
		r.fail(Malformed, "end tag %s where there is no such element to close", t.Name.Local)
		return
	}
	f := r.open[len(r.open)-1]
	r.open = r.open[:len(r.open)-1]
	r.scope = r.scope[:f.scope]
}

func isDeclaration(n xml.Name) bool {
	return n.Space == "xmlns" || n.Space == "" && n.Local == "xmlns"
}

// declare takes the namespace declarations among the attributes into scope (Namespaces in XML 1.0 §3).
func (r *Reader) declare(attrs []xml.Attr) {
	outer := len(r.scope)
	for _, a := range attrs {
		if !isDeclaration(a.Name) {
			continue
		}
		b := binding{space: a.Value}
		if a.Name.Space == "xmlns" {
			b.prefix = a.Name.Local
			if b.space == "" {
				r.fail(Malformed, "prefix %s is declared as nothing", b.prefix)
			}
		}
		if b.prefix == "xmlns" || (b.prefix == "xml") != (b.space == xmlSpace) || b.space == xmlnsSpace {
			r.fail(Malformed, "a reserved namespace is declared")
		}
		if slices.ContainsFunc(r.scope[outer:], func(o binding) bool { return o.prefix == b.prefix }) {
			r.fail(Malformed, "a namespace declared twice in one element")
		}
		r.scope = append(r.scope, b)
	}
}

func (r *Reader) resolve(raw xml.Name, element bool) xml.Name {
	if strings.IndexByte(raw.Local, ':') >= 0 || raw.Local == "" {
		r.fail(Malformed, "name %q", raw.Local)
		return raw
	}
	if raw.Space == "" && !element {
		return raw
	}
	if raw.Space == "xml" {
		return xml.Name{Space: xmlSpace, Local: raw.Local}
	}
	for i := len(r.scope) - 1; i >= 0; i-- {
		if r.scope[i].prefix == raw.Space {
			return xml.Name{Space: r.scope[i].space, Local: raw.Local}
		}
	}
	if raw.Space != "" {
		r.fail(Malformed, "prefix %s is not declared", raw.Space)
	}
	return raw
}

// toUTF8 turns the encodings that RFC 4918 §19 and XML want into UTF-8.
func toUTF8(src []byte) ([]byte, error) {
	switch {
	case bytes.HasPrefix(src, []byte{0xef, 0xbb, 0xbf}):
		src = src[3:]
	case bytes.HasPrefix(src, []byte{0xfe, 0xff}), bytes.HasPrefix(src, []byte{0, '<'}):
		src = fromUTF16(src, 0)
	case bytes.HasPrefix(src, []byte{0xff, 0xfe}), bytes.HasPrefix(src, []byte{'<', 0}):
		src = fromUTF16(src, 1)
	default:
		enc := declared(src)
		switch enc {
		case "", "utf-8", "utf8", "us-ascii", "ascii":
		case "iso-8859-1", "latin1":
			wide := make([]rune, len(src))
			for i, b := range src {
				wide[i] = rune(b)
			}
			src = []byte(string(wide))
		default:
			return nil, fmt.Errorf("encoding %.40q: %w", enc, Malformed)
		}
	}
	if !utf8.Valid(src) {
		return nil, fmt.Errorf("not UTF-8: %w", Malformed)
	}
	return src, nil
}

// declared is the encoding that the XML declaration names, in lower case.
func declared(src []byte) string {
	head := src[:min(len(src), 200)]
	if !bytes.HasPrefix(head, []byte("<?xml")) {
		return ""
	}
	if i := bytes.Index(head, []byte("?>")); i >= 0 {
		head = head[:i]
	}
	_, v, ok := strings.Cut(string(head), "encoding")
	v = strings.TrimLeft(v, " \t\r\n")
	if !ok || !strings.HasPrefix(v, "=") {
		return ""
	}
	v = strings.TrimLeft(v[1:], " \t\r\n")
	if len(v) < 2 {
		return ""
	}
	name, _, _ := strings.Cut(v[1:], v[:1])
	return strings.ToLower(name)
}

// fromUTF16 decodes; low is the offset of the less significant byte's partner: 0 for big endian.
func fromUTF16(src []byte, little int) []byte {
	units := make([]uint16, 0, len(src)/2)
	for i := 0; i+1 < len(src); i += 2 {
		units = append(units, uint16(src[i+little])<<8|uint16(src[i+1-little]))
	}
	if len(units) > 0 && units[0] == 0xfeff {
		units = units[1:]
	}
	return []byte(string(utf16.Decode(units)))
}

// IsBad tells whether err is the fault of the body and not of the connection
// it came over.
func IsBad(err error) bool {
	var k Kind
	return errors.As(err, &k)
}
