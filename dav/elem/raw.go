package elem

import (
	"bytes"
	"encoding/xml"
	"slices"
	"strings"
)

// Raw is one element as a client sent it, standing by itself: the namespace
// declarations and the xml:lang that were in force around it are in its start
// tag, all else is as it was, to the octet (RFC 4918 §4.3, §4.4).
type Raw struct {
	Name xml.Name
	XML  []byte
}

// Raw reads the whole of the element that is open, which no other method has read
// of yet, and closes it.
func (r *Reader) Raw() Raw {
	if r.err != nil || len(r.open) == 0 {
		return Raw{}
	}
	depth := len(r.open)
	f := r.open[depth-1]
	head := int(r.dec.InputOffset()) // after its start tag
	outer := slices.Clone(r.scope[:f.scope])
	own := slices.Clone(r.scope[f.scope:])
	raw := Raw{Name: r.resolve(f.raw, true)}
	r.leave(depth - 1)
	if r.err != nil {
		return Raw{}
	}
	whole := r.src[f.begin:r.dec.InputOffset()]
	name := f.raw.Local
	if f.raw.Space != "" {
		name = f.raw.Space + ":" + name
	}
	at := 1 + len(name)
	raw.XML = append(raw.XML, whole[:at]...)
	for _, b := range visible(outer) {
		if declares(own, b.prefix) || !mentions(whole, b.prefix) {
			continue
		}
		raw.XML = append(raw.XML, " xmlns"...)
		if b.prefix != "" {
			raw.XML = append(raw.XML, ':')
			raw.XML = append(raw.XML, b.prefix...)
		}
		raw.XML = append(raw.XML, `="`...)
		raw.XML = append(appendAttr(raw.XML, b.space), '"')
	}
	if f.lang != "" && !bytes.Contains(whole[:head-f.begin], []byte("xml:lang")) {
		raw.XML = append(raw.XML, ` xml:lang="`...)
		raw.XML = append(appendAttr(raw.XML, f.lang), '"')
	}
	raw.XML = append(raw.XML, whole[at:]...)
	return raw
}

// visible are the innermost declarations of each prefix, the default one
// left out when it is none.
func visible(scope []binding) (out []binding) {
	for i := len(scope) - 1; i >= 0; i-- {
		if !declares(scope[i+1:], scope[i].prefix) && (scope[i].prefix != "" || scope[i].space != "") {
			out = append(out, scope[i])
		}
	}
	slices.Reverse(out)
	return out
}

func declares(scope []binding, prefix string) bool {
	return slices.ContainsFunc(scope, func(b binding) bool { return b.prefix == prefix })
}

// mentions tells whether a prefix may be in use in an element, in a value too.
func mentions(element []byte, prefix string) bool {
	return prefix == "" || bytes.Contains(element, []byte(prefix+":"))
}

// Reader walks the element; Root gives the element itself.
func (raw Raw) Reader() *Reader { return ParseBytes(raw.XML, Limits{}) }

// Text is the element's character data.
func (raw Raw) Text() string {
	r := raw.Reader()
	if _, ok := r.Root(); !ok {
		return ""
	}
	return r.Text()
}

// Trimmed is Text without the white space around it.
func (raw Raw) Trimmed() string { return strings.TrimSpace(raw.Text()) }
