package card

import "strings"

// services are the properties that clients use for messengers in 3.0, with the
// scheme that IMPP has for each.
var services = map[string]string{
	"X-JABBER": "xmpp", "X-GTALK": "xmpp", "X-GOOGLE-TALK": "xmpp", "X-AIM": "aim", "X-ICQ": "icq", "X-MSN": "msnim", "X-YAHOO": "ymsgr",
	"X-SKYPE": "skype", "X-SKYPE-USERNAME": "skype", "X-GADUGADU": "gg", "X-MATRIX": "matrix",
}

// genders are the words that clients have in X-GENDER, RFC 6350 §6.2.7.
var genders = map[string]string{
	"m": "M", "male": "M", "f": "F", "female": "F", "o": "O", "other": "O", "n": "N", "none": "N", "u": "U", "unknown": "U",
}

// four writes a card of version 3.0 (or 2.1) as 4.0.
func (v *conversion) four() {
	if v.has("FN") == nil { // RFC 6350 §6.2.1 demands it
		name := ""
		if l := v.has("N"); l != nil {
			name = displayed(l.value)
		}
		v.add(line{name: "FN", value: name})
	}
	if l := v.has("ANNIVERSARY"); l != nil {
		date := *l
		fourDate(&date)
		v.anniversary = date.value
	}
	labels := v.addressLabels()
	for i, l := range v.in {
		v.fourLine(l, labels[i])
	}
	for _, l := range labels[-1] { // that no address wears
		adr := line{name: "ADR", value: ";;;;;;"}
		adr.setTypes(without(l.types(), "pref"))
		adr.set("LABEL", (&Prop{Value: l.value}).Text())
		v.add(adr)
	}
}

// addressLabels gives each LABEL to an ADR with the same types, or to the next
// without one; those that are left are at -1.
func (v *conversion) addressLabels() map[int][]line {
	out := map[int][]line{}
	same := func(a, b *line) bool {
		x, y := without(a.types(), "pref"), without(b.types(), "pref")
		if len(x) != len(y) {
			return false
		}
		for _, t := range x {
			if !b.hasType(t) {
				return false
			}
		}
		return true
	}
	for i := range v.in {
		if v.in[i].name != "LABEL" {
			continue
		}
		to := -1
		for j := range v.in {
			if v.in[j].name == "ADR" && len(out[j]) == 0 && (same(&v.in[i], &v.in[j]) || to < 0) {
				if to = j; same(&v.in[i], &v.in[j]) {
					break
				}
			}
		}
		out[to] = append(out[to], v.in[i])
	}
	return out
}

// displayed makes a name to show of the parts of N: prefixes, given, additional, family, suffixes.
func displayed(n string) string {
	parts := strings.Split(n, ";")
	var words []string
	for _, i := range []int{3, 1, 2, 0, 4} {
		if i < len(parts) && strings.TrimSpace(parts[i]) != "" {
			words = append(words, strings.ReplaceAll(strings.TrimSpace(parts[i]), ",", " "))
		}
	}
	return strings.Join(words, " ")
}

// keeps tells whether l is what threeLine has kept of a property of version 4.0, and may be that again: not, whoever
// wrote it, what a card has once or what begins or ends it.
func keeps(l *line, name string) bool {
	_, alternative := l.param("ALTID")
	switch name {
	case "CLIENTPIDMAP":
		return true
	case "", "BEGIN", "END", "VERSION", "UID":
		return false
	}
	return alternative && !strings.HasPrefix(name, onlyFour)
}

func (v *conversion) fourLine(l line, labels []line) {
	value, _ := l.param("VALUE")
	l.drop("CHARSET")
	if types := l.types(); len(types) > 0 {
		if l.hasType("pref") {
			l.set("PREF", "1")
		}
		l.setTypes(without(without(types, "pref"), "internet"))
	}
	if name, ok := strings.CutPrefix(l.name, onlyFour); ok && keeps(&l, name) {
		l.name = name
		v.add(l)
		return
	}
	switch l.name {
	case "VERSION", "LABEL", "PROFILE":
		return
	case "X-ADDRESSBOOKSERVER-KIND":
		if v.has("KIND") != nil {
			return
		}
		l.name = "KIND"
	case "X-ADDRESSBOOKSERVER-MEMBER":
		l.name = "MEMBER"
	case "X-ABSHOWAS":
		if strings.EqualFold(strings.TrimSpace(l.value), "COMPANY") && v.has("KIND") == nil && v.has("X-ADDRESSBOOKSERVER-KIND") == nil {
			l.name, l.value = "KIND", "org"
		}
	case "PHOTO", "LOGO", "SOUND", "KEY":
		fourBinary(&l, value)
	case "URL", "IMPP", "CALURI", "CALADRURI", "FBURL":
		l.value = strings.ReplaceAll(l.value, "\\:", ":") // as Apple writes it
	case "GEO":
		if uri, ok := l.param(onlyFour + "URI"); ok {
			l.value = uri
			l.drop("VALUE", onlyFour+"URI")
		} else if lat, lon, ok := strings.Cut(l.value, ";"); ok {
			l.value = "geo:" + strings.TrimSpace(lat) + "," + strings.TrimSpace(lon)
			l.drop("VALUE")
		}
	case "TZ":
		if s := l.value; len(s) == 6 && s[3] == ':' && digits(s[1:3]+s[4:], 4) {
			l.value = s[:3] + s[4:]
			l.set("VALUE", "utc-offset")
		} else if !strings.EqualFold(value, "uri") {
			l.drop("VALUE")
		}
	case "BDAY", "DEATHDATE", "ANNIVERSARY":
		fourDate(&l)
	case "X-ABDATE", "X-ANNIVERSARY", "X-EVOLUTION-ANNIVERSARY", "X-KADDRESSBOOK-X-ANNIVERSARY":
		if l.name == "X-ABDATE" && !strings.EqualFold(v.label(&l), "Anniversary") {
			break
		}
		own := l
		l.name = "ANNIVERSARY"
		fourDate(&l)
		if v.anniversary != "" && v.anniversary != l.value {
			l = own // RFC 6350 §6.2.6: there is one
		} else if v.anniversary != "" {
			return
		}
		v.anniversary = l.value
	case "X-ABRELATEDNAMES", "X-SPOUSE", "X-EVOLUTION-SPOUSE":
		kind := ""
		label := v.label(&l)
		if l.name != "X-ABRELATEDNAMES" {
			label = "Spouse"
		}
		for _, r := range relations {
			if strings.EqualFold(r.label, label) {
				kind = r.kind
				break
			}
		}
		l.name = "RELATED"
		types := without(l.types(), kind)
		if kind != "" {
			types = append([]string{kind}, types...)
		}
		l.setTypes(types)
		l.set("VALUE", "text")
	case "X-GENDER":
		if g := genders[strings.ToLower(strings.TrimSpace(l.value))]; g != "" && v.has("GENDER") == nil {
			l.name, l.value = "GENDER", g
		}
	case "REV":
		l.value = basic(l.value)
		l.drop("VALUE")
	case "N":
		if s := v.has("SORT-STRING"); s != nil {
			l.set("SORT-AS", (&Prop{Value: s.value}).Text())
		}
	case "SORT-STRING":
		if v.has("N") != nil {
			return
		}
	case "ADR":
		if len(labels) > 0 {
			l.set("LABEL", (&Prop{Value: labels[0].value}).Text())
		}
	default:
		if scheme := services[l.name]; scheme != "" && strings.TrimSpace(l.value) != "" {
			text := strings.TrimSpace((&Prop{Value: l.value}).Text())
			l.name, l.value = "IMPP", scheme+":"+strings.ReplaceAll(text, " ", "%20")
			l.drop("VALUE")
		}
	}
	v.add(l)
}

// fourBinary turns base64 with TYPE into a data: URI, RFC 6350 §6.2.4.
func fourBinary(l *line, value string) {
	enc, encoded := l.param("ENCODING")
	var media string
	var kept []string
	for _, t := range l.types() {
		if m := mediaOf(t); m != "" {
			media = m
		} else {
			kept = append(kept, t)
		}
	}
	l.setTypes(kept)
	l.drop("ENCODING")
	switch {
	case encoded && (strings.EqualFold(enc, "b") || strings.EqualFold(enc, "base64")) || strings.EqualFold(value, "binary"):
		l.drop("VALUE")
		if media == "" {
			media = "application/octet-stream"
			if l.name == "PHOTO" || l.name == "LOGO" {
				media = sniff(l.value)
			}
		}
		l.value = "data:" + media + ";base64," + strings.Join(strings.Fields(l.value), "")
	case l.name == "KEY" && value == "" && strings.HasPrefix(l.value, "-----BEGIN"):
		l.set("VALUE", "text") // in 4.0 it is a URI, RFC 6350 §6.8.1
		if media != "" {
			l.set("MEDIATYPE", media)
		}
	case strings.EqualFold(value, "url"), strings.EqualFold(value, "uri"):
		l.drop("VALUE")
		fallthrough
	default:
		if media != "" {
			l.set("MEDIATYPE", media)
		}
	}
}

// sniff tells an image's type by the first octets of its base64.
func sniff(b64 string) string {
	b64 = strings.TrimSpace(b64)
	switch {
	case strings.HasPrefix(b64, "iVBORw0KGgo"):
		return "image/png"
	case strings.HasPrefix(b64, "R0lGOD"):
		return "image/gif"
	case strings.HasPrefix(b64, "UklGR"):
		return "image/webp"
	}
	return "image/jpeg"
}

// fourDate writes a date in the basic form; Apple's that omits the year without it.
func fourDate(l *line) {
	omit, omits := l.param("X-APPLE-OMIT-YEAR")
	value, _ := l.param("VALUE")
	l.drop("X-APPLE-OMIT-YEAR")
	if strings.EqualFold(value, "text") {
		if partial(l.value) {
			l.drop("VALUE")
		}
		return
	}
	l.drop("VALUE")
	date, clock, timed := strings.Cut(strings.TrimSpace(l.value), "T")
	plain := strings.ReplaceAll(date, "-", "")
	switch {
	case omits && digits(plain, 8) && (omit == "" || strings.HasPrefix(plain, omit)):
		l.value = "--" + plain[4:]
	case strings.HasPrefix(date, "--") && digits(plain, 4):
		l.value = "--" + plain
	case digits(plain, 8):
		l.value = plain
		if timed && !strings.HasPrefix(clock, "00:00:00") && !strings.HasPrefix(clock, "000000") {
			l.value += "T" + basicClock(clock)
		}
	default: // no date that either version knows
		l.set("VALUE", "text")
	}
}

// partial tells whether s is a date of RFC 6350 §4.3 that version 3.0 can only
// say as text: without day, month or year, or a time alone.
func partial(s string) bool {
	date, clock, timed := strings.Cut(s, "T")
	if timed {
		n := len(clock)
		for clock = strings.TrimLeft(clock, "-"); len(clock) > 0 && clock[0] >= '0' && clock[0] <= '9'; {
			clock = clock[1:]
		}
		if n < 2 || n > 11 || clock != "" && clock != "Z" && !(len(clock) > 1 && strings.ContainsAny(clock[:1], "+-") && digits(clock[1:], len(clock)-1)) {
			return false
		}
	}
	switch n := len(date); {
	case n == 0:
		return timed
	case strings.HasPrefix(date, "---"):
		return digits(date[3:], 2)
	case strings.HasPrefix(date, "--"):
		return digits(date[2:], 2) || digits(date[2:], 4)
	case n == 7:
		return digits(date[:4], 4) && date[4] == '-' && digits(date[5:], 2)
	}
	return digits(date, 4) || digits(date, 8)
}

// basic is a timestamp without dashes and colons.
func basic(s string) string {
	date, clock, timed := strings.Cut(s, "T")
	plain := strings.ReplaceAll(date, "-", "")
	if !digits(plain, 8) {
		return s
	}
	if !timed {
		return plain + "T000000Z"
	}
	return plain + "T" + basicClock(clock)
}

// basicClock leaves out colons and fractions of a second.
func basicClock(s string) string {
	s = strings.ReplaceAll(s, ":", "")
	if dot := strings.IndexAny(s, ".,"); dot >= 0 {
		end := dot + 1
		for end < len(s) && s[end] >= '0' && s[end] <= '9' {
			end++
		}
		s = s[:dot] + s[end:]
	}
	return s
}
