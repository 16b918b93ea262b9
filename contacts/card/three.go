package card

import "strings"

// onlyFour is before the names of properties of version 4.0 that 3.0 is not to
// show, but to keep as they are for the way back.
const onlyFour = "X-VCARD4-"

// three writes a card of version 4.0 (or 2.1) as 3.0.
func (v *conversion) three() {
	if v.has("N") == nil { // RFC 2426 §3.1.2 demands it
		fn := ""
		if l := v.has("FN"); l != nil {
			fn = escape((&Prop{Value: l.value}).Text())
		}
		v.add(line{name: "N", value: fn + ";;;;"})
	}
	if v.has("FN") == nil {
		fn := ""
		if l := v.has("ORG"); l != nil {
			fn, _, _ = strings.Cut(l.value, ";")
		}
		v.add(line{name: "FN", value: fn})
	}
	alternatives := map[string]bool{}
	for _, l := range v.in {
		if alt, ok := l.param("ALTID"); ok { // of alternatives one is to be seen
			key := l.name + "=" + alt
			if alternatives[key] {
				l.name = onlyFour + l.name
				v.add(l)
				continue
			}
			alternatives[key] = true
		}
		v.threeLine(l)
	}
}

func (v *conversion) threeLine(l line) {
	calendar, _ := l.param("CALSCALE")
	value, _ := l.param("VALUE")
	media, _ := l.param("MEDIATYPE")
	label, labelled := l.param("LABEL")
	if p, ok := l.param("PREF"); ok {
		types := without(l.types(), "pref")
		if p == "1" {
			types = append(types, "pref")
			l.drop("PREF")
		}
		l.setTypes(types)
	} else {
		l.setTypes(l.types())
	}
	switch l.name {
	case "VERSION":
		return
	case "CLIENTPIDMAP":
		l.name = onlyFour + l.name
	case "N":
		v.threeName(l)
		return
	case "KIND":
		switch k := strings.ToLower(strings.TrimSpace(l.value)); {
		case k == "individual":
			return
		case k == "group" && v.has("X-ADDRESSBOOKSERVER-KIND") == nil:
			l.name, l.value, l.params = "X-ADDRESSBOOKSERVER-KIND", "group", nil
		case k == "org" && v.has("X-ABSHOWAS") == nil:
			l.name, l.value, l.params = "X-ABShowAs", "COMPANY", nil
		}
	case "MEMBER":
		l.name, l.params = "X-ADDRESSBOOKSERVER-MEMBER", nil
	case "PHOTO", "LOGO", "SOUND", "KEY":
		l.drop("MEDIATYPE")
		threeBinary(&l, media)
	case "TEL":
		if rest, ok := cutFold(l.value, "tel:"); ok {
			number, params, _ := strings.Cut(rest, ";")
			if params != "" && !onlyExtension(params) {
				break // it stays a URI
			}
			for p := range strings.SplitSeq(params, ";") {
				if ext, ok := cutFold(p, "ext="); ok {
					number += " ext. " + ext
				}
			}
			l.value = escape(number)
			l.drop("VALUE")
		}
	case "GEO":
		if rest, ok := cutFold(l.value, "geo:"); ok {
			place, _, more := strings.Cut(rest, ";")
			lat, lon, _ := strings.Cut(place, ",")
			lon, _, high := strings.Cut(lon, ",")
			if more || high {
				l.set(onlyFour+"URI", l.value)
			}
			l.value = lat + ";" + lon
			l.drop("VALUE")
		}
	case "TZ":
		threeZone(&l)
	case "BDAY", "DEATHDATE":
		threeDate(&l, value, calendar)
	case "ANNIVERSARY":
		if !threeDate(&l, value, calendar) {
			break
		}
		l.name = "X-ABDATE"
		v.tag(&l, "Anniversary")
		return
	case "RELATED":
		if strings.EqualFold(value, "text") {
			v.relative(l)
			return
		}
	case "REV":
		l.value = extended(l.value)
	case "ADR":
		l.drop("LABEL")
		v.add(l)
		if labelled {
			l.drop("GEO", "TZ", "CC", "PREF", "ALTID", "PID")
			v.add(line{name: "LABEL", params: l.params, value: escape((&Prop{Value: label}).Text())})
		}
		return
	}
	v.add(l)
}

// threeName writes N, with what it is sorted by beside it (RFC 2426 §3.6.5).
func (v *conversion) threeName(l line) {
	var sortAs []string
	for _, p := range l.params {
		if p.Name == "SORT-AS" {
			sortAs = append(sortAs, p.Values...)
		}
	}
	if len(sortAs) == 0 || v.has("SORT-STRING") != nil {
		v.add(l)
		return
	}
	l.drop("SORT-AS")
	v.add(l)
	v.add(line{name: "SORT-STRING", value: escape(strings.Join(sortAs, ","))})
}

// onlyExtension tells whether the parameters of a tel: URI are no more than ext.
func onlyExtension(params string) bool {
	_, ok := cutFold(params, "ext=")
	return ok && !strings.Contains(params, ";")
}

// tag writes a line with one of Apple's labels, unless its group has one.
func (v *conversion) tag(l *line, label string) {
	known := v.label(l) != ""
	v.group(l)
	v.add(*l)
	if !known {
		v.add(line{group: l.group, name: "X-ABLabel", value: "_$!<" + label + ">!$_"})
	}
}

// relative writes RELATED with a name as Apple does.
func (v *conversion) relative(l line) {
	label, types := "Other", l.types()
	for _, t := range types {
		if r := relationOf(t); r != "" {
			label, types = r, without(types, t)
			break
		}
	}
	l.name = "X-ABRELATEDNAMES"
	l.drop("VALUE")
	l.setTypes(types)
	v.tag(&l, label)
}

// threeBinary turns a data: URI into base64 with TYPE, RFC 2426 §3.1.4.
func threeBinary(l *line, media string) {
	rest, ok := cutFold(l.value, "data:")
	if !ok {
		if value, _ := l.param("VALUE"); !strings.EqualFold(value, "text") && strings.Contains(l.value, ":") {
			l.set("VALUE", "uri")
		}
		if media != "" {
			l.setTypes(append(l.types(), wordOf(media)))
		}
		return
	}
	head, data, _ := strings.Cut(strings.ReplaceAll(rest, "\\,", ","), ",")
	kind, isBase64 := strings.CutSuffix(strings.ToLower(head), ";base64")
	if !isBase64 {
		l.set("VALUE", "uri")
		return
	}
	l.drop("VALUE")
	l.set("ENCODING", "b")
	if kind == "" {
		kind = media
	}
	if kind != "" {
		l.setTypes(append(l.types(), wordOf(kind)))
	}
	l.value = data
}

// threeZone writes an offset with a colon and says when it is a name.
func threeZone(l *line) {
	s := l.value
	if len(s) == 5 && (s[0] == '-' || s[0] == '+') && digits(s[1:], 4) {
		l.value = s[:3] + ":" + s[3:]
		l.drop("VALUE")
	} else if len(s) == 3 && (s[0] == '-' || s[0] == '+') && digits(s[1:], 2) {
		l.value = s + ":00"
		l.drop("VALUE")
	} else if value, _ := l.param("VALUE"); !strings.EqualFold(value, "uri") {
		l.set("VALUE", "text")
	}
}

// omitted is the year by which Apple says that there is none.
const omitted = "1604"

// threeDate writes a date in the extended form, one without a year in Apple's
// way. False: it is none that version 3.0 can say.
func threeDate(l *line, value, calendar string) bool {
	if strings.EqualFold(value, "text") || calendar != "" && !strings.EqualFold(calendar, "gregorian") {
		l.set("VALUE", "text")
		return false
	}
	date, clock, timed := strings.Cut(l.value, "T")
	switch {
	case strings.HasPrefix(date, "--") && digits(date[2:], 4), len(date) == 7 && date[:2] == "--" && date[4] == '-':
		md := strings.ReplaceAll(date[2:], "-", "")
		if !digits(md, 4) {
			return false
		}
		l.set("X-APPLE-OMIT-YEAR", omitted)
		l.set("VALUE", "date")
		l.value = omitted + "-" + md[:2] + "-" + md[2:]
	case digits(date, 8):
		l.value = date[:4] + "-" + date[4:6] + "-" + date[6:]
		if timed {
			l.set("VALUE", "date-time")
			l.value += "T" + extendedClock(clock)
		} else {
			l.drop("VALUE")
		}
	case len(date) == 10 && date[4] == '-' && date[7] == '-':
	default:
		l.set("VALUE", "text")
		return false
	}
	return true
}

// extended is a timestamp of the basic format with its dashes and colons.
func extended(s string) string {
	date, clock, timed := strings.Cut(s, "T")
	if !digits(date, 8) {
		return s
	}
	date = date[:4] + "-" + date[4:6] + "-" + date[6:]
	if !timed {
		return date
	}
	return date + "T" + extendedClock(clock)
}

func extendedClock(s string) string {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	zone := s[n:]
	if len(zone) == 5 && digits(zone[1:], 4) {
		zone = zone[:3] + ":" + zone[3:]
	}
	switch n {
	case 6:
		return s[:2] + ":" + s[2:4] + ":" + s[4:6] + zone
	case 4:
		return s[:2] + ":" + s[2:4] + ":00" + zone
	case 2:
		return s[:2] + ":00:00" + zone
	}
	return s
}

// cutFold is strings.CutPrefix, whatever the case of ASCII letters.
func cutFold(s, prefix string) (rest string, ok bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}
