package elem

import (
	"encoding/xml"
	"strings"
)

// The namespaces that answers declare, with the prefixes used for them in
// answers and in the code.
var prefixes = []struct{ prefix, space string }{
	{"D", "DAV:"},
	{"C", "urn:ietf:params:xml:ns:caldav"},
	{"CR", "urn:ietf:params:xml:ns:carddav"},
	{"CS", "http://calendarserver.org/ns/"},
	{"IC", "http://apple.com/ns/ical/"},
	{"ME", "http://me.com/_namespace/"},
	{"P", "https://bitfire.at/webdav-push"},
}

const (
	xmlSpace   = "http://www.w3.org/XML/1998/namespace"
	xmlnsSpace = "http://www.w3.org/2000/xmlns/"
)

// declarations is what the root of an answer declares.
var declarations = func() string {
	var b strings.Builder
	for _, p := range prefixes {
		b.WriteString(` xmlns:` + p.prefix + `="` + p.space + `"`)
	}
	return b.String()
}()

// N is the name that "D:getetag" stands for. It panics on a prefix that is not
// in the table: it is for names written in the code.
func N(name string) xml.Name {
	prefix, local, ok := strings.Cut(name, ":")
	if ok {
		for _, p := range prefixes {
			if p.prefix == prefix {
				return xml.Name{Space: p.space, Local: local}
			}
		}
	}
	panic("elem: no such prefix: " + name)
}

// Names is N of several names.
func Names(names ...string) []xml.Name {
	out := make([]xml.Name, len(names))
	for i, n := range names {
		out[i] = N(n)
	}
	return out
}

// Key is a name as properties are filed under: "{DAV:}getetag".
func Key(n xml.Name) string { return "{" + n.Space + "}" + n.Local }

// ParseKey is the name behind a Key.
func ParseKey(key string) (n xml.Name, ok bool) {
	if !strings.HasPrefix(key, "{") {
		return n, false
	}
	end := strings.LastIndexByte(key, '}')
	if end < 0 || end == len(key)-1 {
		return n, false
	}
	return xml.Name{Space: key[1:end], Local: key[end+1:]}, true
}

// Tag is how a name is written in an answer: its start tag without "<" and ">",
// and its end tag's name.
type Tag struct{ Start, End string }

// TagOf is the Tag of a name; a namespace that answers do not declare
// is declared in the tag itself.
func TagOf(n xml.Name) Tag {
	if n.Space == "" {
		return Tag{n.Local, n.Local}
	}
	for _, p := range prefixes {
		if p.space == n.Space {
			q := p.prefix + ":" + n.Local
			return Tag{q, q}
		}
	}
	q := "x:" + n.Local
	var b []byte
	b = append(b, q...)
	b = append(b, ` xmlns:x="`...)
	b = appendAttr(b, n.Space)
	b = append(b, '"')
	return Tag{string(b), q}
}
