package card

import (
	"bytes"
	"io"
	"mime/quotedprintable"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/htmlindex"
)

// Convert returns the card in the other version of vCard, "3.0" (RFC 2426) or
// "4.0" (RFC 6350), and its own octets when it has that version. What the two
// say in different ways is said in the other's: groups, photos, kinds, dates without
// a year, relatives, labels of addresses, preferences. What the other has no word for
// stays under its own name, for the way back; what version 3.0 is not to show
// (alternatives by ALTID, CLIENTPIDMAP) has X-VCARD4- before it there.
func (c *Card) Convert(version string) []byte {
	if version == c.Version || version != "3.0" && version != "4.0" {
		return []byte(c.Source)
	}
	v := conversion{labels: map[string]string{}, groups: map[string]bool{}}
	for i := range c.Props {
		p := &c.Props[i]
		l := line{group: p.Group, name: p.Name, sent: c.sent(p), params: p.Params, value: p.Value}
		if enc, _ := l.param("ENCODING"); c.Version == "2.1" || strings.EqualFold(enc, "QUOTED-PRINTABLE") { // some write it in 3.0 too
			modernize(&l)
			if c.Version == "2.1" {
				escapeCommas(&l)
			}
		}
		if l.group != "" {
			v.groups[strings.ToLower(l.group)] = true
		}
		if l.name == "X-ABLABEL" && l.group != "" {
			v.labels[strings.ToLower(l.group)] = p.Text()
		}
		v.in = append(v.in, l)
	}
	v.add(line{name: "VERSION", value: version})
	if version == "3.0" {
		v.three()
	} else {
		v.four()
	}
	out := make([]byte, 0, len(c.Source)+len(c.Source)/16+64)
	out = append(out, "BEGIN:VCARD\r\n"...)
	for i := range v.out {
		out = v.out[i].append(out)
	}
	return append(out, "END:VCARD\r\n"...)
}

// sent is a property's name as it was sent.
func (c *Card) sent(p *Prop) string {
	head := strings.TrimSpace(c.Source[p.Start:p.value])
	if p.Group != "" {
		head = strings.TrimPrefix(head, p.Group+".")
	}
	if len(head) < len(p.Name) || !strings.EqualFold(head[:len(p.Name)], p.Name) {
		return "" // folded inside
	}
	return head[:len(p.Name)]
}

// conversion is one card on its way from one version to the other.
type conversion struct {
	in, out []line
	labels  map[string]string // X-ABLabel by its group in lower case
	groups  map[string]bool   // taken names of groups, in lower case
	number  int

	anniversary string // the value of ANNIVERSARY that is written
}

func (v *conversion) add(l line) { v.out = append(v.out, l) }

// group returns the line's group, or a new one of Apple's kind.
func (v *conversion) group(l *line) string {
	for l.group == "" {
		v.number++
		if g := "item" + strconv.Itoa(v.number); !v.groups[g] {
			v.groups[g] = true
			l.group = g
		}
	}
	return l.group
}

// label is a line's X-ABLabel without Apple's brackets.
func (v *conversion) label(l *line) string {
	if l.group == "" {
		return ""
	}
	s := v.labels[strings.ToLower(l.group)]
	s = strings.TrimPrefix(s, "_$!<")
	return strings.TrimSuffix(s, ">!$_")
}

// has tells whether the card has a property, and returns the first.
func (v *conversion) has(name string) *line {
	for i := range v.in {
		if v.in[i].name == name {
			return &v.in[i]
		}
	}
	return nil
}

// modernize undoes what vCard 2.1 writes differently.
func modernize(l *line) {
	enc, _ := l.param("ENCODING")
	qp := strings.EqualFold(enc, "QUOTED-PRINTABLE")
	types := l.types()
	for _, t := range types {
		qp = qp || strings.EqualFold(t, "QUOTED-PRINTABLE")
	}
	for _, t := range types {
		if strings.EqualFold(t, "BASE64") {
			enc = t
		}
	}
	for _, word := range []string{"QUOTED-PRINTABLE", "BASE64", "7BIT", "8BIT"} {
		types = without(types, word)
	}
	l.setTypes(types)
	if strings.EqualFold(enc, "BASE64") {
		l.set("ENCODING", "b")
		l.value = strings.Join(strings.Fields(l.value), "")
	}
	if qp {
		b, err := io.ReadAll(quotedprintable.NewReader(strings.NewReader(l.value)))
		if charset, _ := l.param("CHARSET"); err == nil {
			if known, unknown := htmlindex.Get(charset); unknown == nil && !utf8.Valid(b) {
				if text, failed := known.NewDecoder().Bytes(b); failed == nil {
					b = text
				}
			}
			l.value = strings.ReplaceAll(strings.ReplaceAll(strings.ToValidUTF8(string(b), "\ufffd"), "\r\n", "\n"), "\r", "")
			l.value = strings.ReplaceAll(l.value, "\n", "\\n")
		}
		l.drop("ENCODING")
	}
	l.drop("CHARSET")
}

// escapeCommas escapes what in version 2.1 is a comma and in the others parts the items of a list; its GEO has the
// longitude first.
func escapeCommas(l *line) {
	switch l.name {
	case "FN", "N", "ADR", "ORG", "TITLE", "ROLE", "NOTE", "LABEL":
		var b strings.Builder
		for i := range len(l.value) {
			if l.value[i] == ',' && (i == 0 || l.value[i-1] != '\\') {
				b.WriteByte('\\')
			}
			b.WriteByte(l.value[i])
		}
		l.value = b.String()
	case "GEO":
		if longitude, latitude, ok := strings.Cut(l.value, ","); ok {
			l.value = strings.TrimSpace(latitude) + ";" + strings.TrimSpace(longitude)
		}
	}
}

// typeOf gives the media type of the words that vCard 3.0 has in TYPE, and back.
var typeOf = []struct{ word, media string }{
	{"JPEG", "image/jpeg"}, {"JPG", "image/jpeg"}, {"PNG", "image/png"}, {"GIF", "image/gif"}, {"WEBP", "image/webp"}, {"BMP", "image/bmp"},
	{"TIFF", "image/tiff"}, {"SVG", "image/svg+xml"}, {"HEIC", "image/heic"},
	{"BASIC", "audio/basic"}, {"WAVE", "audio/x-wav"}, {"WAV", "audio/x-wav"}, {"OGG", "audio/ogg"}, {"MP3", "audio/mpeg"}, {"AAC", "audio/aac"},
	{"PGP", "application/pgp-keys"}, {"X509", "application/pkix-cert"}, {"PKCS7", "application/pkcs7-mime"},
}

func mediaOf(word string) string {
	if strings.Contains(word, "/") {
		return strings.ToLower(word)
	}
	for _, t := range typeOf {
		if strings.EqualFold(t.word, word) {
			return t.media
		}
	}
	return ""
}

// wordOf is the word of a media type, or itself where it has none.
func wordOf(media string) string {
	media, _, _ = strings.Cut(media, ";")
	media = strings.TrimSpace(media)
	for _, t := range typeOf {
		if strings.EqualFold(t.media, media) {
			return t.word
		}
	}
	return media
}

// relations are Apple's labels of X-ABRELATEDNAMES with the TYPE of RELATED
// (RFC 6350 §6.6.6) that is nearest; the first label of a type is the one for the way back.
var relations = []struct{ label, kind string }{
	{"Spouse", "spouse"}, {"Partner", "sweetheart"}, {"Child", "child"}, {"Son", "child"}, {"Daughter", "child"},
	{"Parent", "parent"}, {"Father", "parent"}, {"Mother", "parent"}, {"Sibling", "sibling"}, {"Brother", "sibling"}, {"Sister", "sibling"},
	{"Friend", "friend"}, {"Assistant", "agent"}, {"Manager", "colleague"}, {"Colleague", "colleague"}, {"Kin", "kin"}, {"Emergency", "emergency"},
}

// relationOf is the label of a TYPE of RELATED, "" when Apple has none.
func relationOf(kind string) string {
	for _, r := range relations {
		if strings.EqualFold(r.kind, kind) {
			return r.label
		}
	}
	return ""
}

// digits tells whether s has n digits alone.
func digits(s string, n int) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return len(s) == n
}

// VersionOf is the version that a vCard says it has, "" when there is none at
// the beginning of a line. It reads no further than the first.
func VersionOf(raw []byte) string {
	for rest := raw; len(rest) > 0; {
		l, next, _ := bytes.Cut(rest, []byte("\n"))
		if len(l) >= 8 && bytes.EqualFold(l[:8], []byte("VERSION:")) {
			return string(bytes.TrimSpace(l[8:]))
		}
		rest = next
	}
	return ""
}
