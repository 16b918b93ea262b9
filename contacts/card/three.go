package card

import "strings"

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
		if alt, ok := l.param("ALTID"); ok { // of alternatives there is one here
			if key := l.name + "=" + alt; alternatives[key] {
				continue
			} else {
				alternatives[key] = true
			}
		}
		v.threeLine(l)
	}
}

func (v *conversion) threeLine(l line) {
	calendar, _ := l.param("CALSCALE")
	value, _ := l.param("VALUE")
	media, _ := l.param("MEDIATYPE")
	sortAs, sorted := l.param("SORT-AS")
	label, labelled := l.param("LABEL")
	if p, ok := l.param("PREF"); ok {
		types := without(l.types(), "pref")
		if p == "1" {
			types = append(types, "pref")
		}
		l.setTypes(types)
	} else {
		l.setTypes(l.types())
	}
	l.drop("ALTID", "PID", "PREF", "MEDIATYPE", "INDEX", "LEVEL", "SORT-AS", "LABEL", "CALSCALE")
	switch l.name {
	case "VERSION", "CLIENTPIDMAP":
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
		threeBinary(&l, media)
	case "TEL":
		if rest, ok := cutFold(l.value, "tel:"); ok {
			number, params, _ := strings.Cut(rest, ";")
			for p := range strings.SplitSeq(params, ";") {
				if ext, ok := cutFold(p, "ext="); ok {
					number += " ext. " + ext
				}
			}
			l.value = escape(number)
			l.drop("VALUE")
		}
		l.setTypes(without(l.types(), "textphone"))
	case "GEO":
		if rest, ok := cutFold(l.value, "geo:"); ok {
			rest, _, _ = strings.Cut(rest, ";")
			lat, lon, _ := strings.Cut(rest, ",")
			lon, _, _ = strings.Cut(lon, ",")
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
		l.drop("GEO", "TZ", "CC")
		v.add(l)
		if labelled {
			v.add(line{name: "LABEL", params: l.params, value: escape((&Prop{Value: label}).Text())})
		}
		return
	}
	v.add(l)
	if sorted && v.has("SORT-STRING") == nil && l.name == "N" {
		v.add(line{name: "SORT-STRING", value: escape(sortAs)})
	}
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
	label := "Other"
	for _, t := range l.types() {
		for _, r := range relations {
			if strings.EqualFold(r.kind, t) {
				label = r.label
				break
			}
		}
	}
	l.name = "X-ABRELATEDNAMES"
	l.drop("VALUE")
	var kept []string
	if l.hasType("pref") {
		kept = []string{"pref"}
	}
	l.setTypes(kept)
	v.tag(&l, label)
}

// threeBinary turns a data: URI into base64 with TYPE, RFC 2426 §3.1.4.
func threeBinary(l *line, media string) {
	rest, ok := cutFold(l.value, "data:")
	if !ok {
		if value, _ := l.param("VALUE"); !strings.EqualFold(value, "text") && strings.Contains(l.value, ":") {
			l.set("VALUE", "uri")
		}
		if w := wordOf(media); w != "" {
			l.setTypes(append(l.types(), w))
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
	if w := wordOf(kind); w != "" {
		l.setTypes(append(l.types(), w))
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
	} else {
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
