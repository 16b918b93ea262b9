package message

import (
	"strconv"
	"strings"
	"time"
)

// ParseDate reads a date (RFC 5322 §3.3, §4.3) and what else stands in Date
// fields: other orders, ISO 8601, missing parts, names of zones. A date without a
// zone that is understood is taken as UTC (RFC 5256 §2.2), one without a time as midnight. ok is
// false when there is no day, month and year.
func ParseDate(field []byte) (t time.Time, ok bool) {
	p := dateParser{scanner: scanner{s: field[:min(len(field), 256)]}, year: -1}
	for p.step() {
	}
	return p.result()
}

// dateParser tells the parts of a date by their form, whatever their order.
type dateParser struct {
	scanner
	year, month, day int
	hour, min, sec   int
	timed            bool
	zone             int // seconds east of UTC
	zoned            bool
}

func (p *dateParser) step() bool {
	p.skip()
	if p.done() {
		return false
	}
	c := p.peek()
	switch {
	case isDigit(c):
		p.number()
	case isAlpha(c):
		p.word()
	case (c == '+' || c == '-') && p.timed && !p.zoned:
		p.i++
		p.offset(c == '-')
	default:
		p.i++
	}
	return true
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
func isAlpha(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

// digits reads a number of at most nine digits.
func (p *dateParser) digits() (n, length int) {
	start := p.i
	for p.i < len(p.s) && isDigit(p.s[p.i]) {
		if p.i-start < 9 {
			n = n*10 + int(p.s[p.i]-'0')
		}
		p.i++
	}
	return n, p.i - start
}

func (p *dateParser) number() {
	n, length := p.digits()
	mark := p.i
	if p.skip(); p.peek() != ':' { // blanks and comments before a colon are obsolete syntax
		p.i = mark
	}
	switch {
	case !p.timed && (p.peek() == ':' || p.peek() == '.' && p.day > 0 && p.month > 0 && p.year >= 0):
		p.clock(n)
	case length >= 4 && p.year < 0 && p.peek() == '-' && p.day == 0: // ISO 8601
		p.year = n
		p.i++
		p.month, _ = p.digits()
		if p.peek() == '-' {
			p.i++
			p.day, _ = p.digits()
		}
		if p.peek() == 'T' {
			p.i++
		}
	case length <= 2 && p.day == 0:
		p.day = n
	case p.year < 0:
		p.year = n
		switch { // RFC 5322 §4.3
		case length <= 2 && n < 50:
			p.year += 2000
		case length <= 3:
			p.year += 1900
		}
	}
}

// clock reads what follows the hour.
func (p *dateParser) clock(hour int) {
	sep := p.peek()
	p.timed, p.hour = true, hour
	p.i++
	p.skip()
	p.min, _ = p.digits()
	mark := p.i
	if p.skip(); p.peek() != ':' {
		p.i = mark
	}
	if p.peek() == sep {
		p.i++
		p.skip()
		p.sec, _ = p.digits()
		if c := p.peek(); c == '.' || c == ',' { // a fraction
			p.i++
			p.digits()
		}
	}
}

// offset reads the digits of a zone.
func (p *dateParser) offset(west bool) {
	n, length := p.digits()
	if p.peek() == ':' && length <= 2 {
		p.i++
		m, _ := p.digits()
		n, length = n*100+m, 4
	}
	if length <= 2 {
		n *= 100
	}
	if n%100 > 59 || n > 9959 || length == 0 {
		return
	}
	p.zoned, p.zone = true, (n/100*60+n%100)*60
	if west {
		p.zone = -p.zone
	}
}

const monthNames = "janfebmaraprmayjunjulaugsepoctnovdec"

// zoneNames are those of RFC 5322 §4.3 and a few more that are met.
var zoneNames = map[string]int{
	"est": -5, "edt": -4, "cst": -6, "cdt": -5, "mst": -7, "mdt": -6, "pst": -8, "pdt": -7,
	"cet": 1, "cest": 2, "met": 1, "mest": 2, "mez": 1, "mesz": 2, "eet": 2, "eest": 3, "wet": 0, "west": 1, "bst": 1, "msk": 3, "jst": 9, "kst": 9, "hst": -10,
}

func (p *dateParser) word() {
	start := p.i
	for p.i < len(p.s) && isAlpha(p.s[p.i]) {
		p.i++
	}
	w := strings.ToLower(string(p.s[start:p.i]))
	switch w {
	case "pm":
		if p.timed && p.hour < 12 {
			p.hour += 12
		}
		return
	case "am":
		if p.timed && p.hour == 12 {
			p.hour = 0
		}
		return
	case "ut", "utc", "gmt", "z":
		if p.timed && !p.zoned {
			if c := p.peek(); c != '+' && c != '-' { // "GMT+0100"
				p.zoned, p.zone = true, 0
			}
		}
		return
	}
	if hours, ok := zoneNames[w]; ok && p.timed && !p.zoned {
		p.zoned, p.zone = true, hours*3600
		return
	}
	if len(w) >= 3 && p.month == 0 {
		if i := strings.Index(monthNames, w[:3]); i >= 0 && i%3 == 0 {
			p.month = i/3 + 1
		}
	}
}

func (p *dateParser) result() (time.Time, bool) {
	if p.day < 1 || p.day > 31 || p.month < 1 || p.month > 12 || p.year < 0 || p.year > 9999 {
		return time.Time{}, false
	}
	if p.hour > 24 || p.min > 59 || p.sec > 60 {
		p.hour, p.min, p.sec = 0, 0, 0
	}
	zone := time.UTC
	if p.zone != 0 {
		zone = time.FixedZone("", p.zone)
	}
	return time.Date(p.year, time.Month(p.month), p.day, p.hour, p.min, p.sec, 0, zone), true
}

// FormatDate writes a date as RFC 5322 §3.3 has it.
func FormatDate(t time.Time) string {
	b := t.AppendFormat(make([]byte, 0, 40), "Mon, ")
	b = strconv.AppendInt(b, int64(t.Day()), 10)
	return string(t.AppendFormat(b, " Jan 2006 15:04:05 -0700"))
}
