package recur

import (
	"errors"
	"fmt"
)

// Wall is the reading of a clock: seconds since it showed 1970-01-01 00:00:00,
// each day having 86,400 of them.
type Wall int64

const (
	day  = 86400
	hour = 3600

	minYear, maxYear = 1, 9999
)

var (
	minWall = WallOf(minYear, 1, 1, 0, 0, 0)
	maxWall = WallOf(maxYear, 12, 31, 23, 59, 59)
)

// WallOf returns the reading of a clock on a date of the Gregorian calendar.
func WallOf(year, month, mday, h, m, s int) Wall {
	return Wall(int64(dayOf(year, month, mday))*day + int64(h*hour+m*60+s))
}

// Day returns the number of days since 1970-01-01.
func (w Wall) Day() int { return int(floorDiv(int64(w), day)) }

// Date returns the date that the clock shows.
func (w Wall) Date() (year, month, mday int) { return dateOf(w.Day()) }

// Clock returns the time of day that the clock shows.
func (w Wall) Clock() (h, m, s int) {
	t := int(int64(w) - int64(w.Day())*day)
	return t / hour, t / 60 % 60, t % 60
}

// Midnight returns the start of w's day.
func (w Wall) Midnight() Wall { return Wall(int64(w.Day()) * day) }

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b != 0 && (a < 0) != (b < 0) {
		q--
	}
	return q
}

func ceilDiv(a, b int64) int64 { return -floorDiv(-a, b) }

// dayOf returns the number of days from 1970-01-01 to a date. Years are counted
// from March in cycles of 400, so that the leap day is the last one.
func dayOf(year, month, mday int) int {
	if month <= 2 {
		year--
	}
	era := int(floorDiv(int64(year), 400))
	yoe := year - era*400
	doy := (153*((month+9)%12)+2)/5 + mday - 1
	return era*146097 + yoe*365 + yoe/4 - yoe/100 + doy - 719468
}

// dateOf is the inverse of dayOf.
func dateOf(n int) (year, month, mday int) {
	n += 719468
	era := int(floorDiv(int64(n), 146097))
	doe := n - era*146097
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	month = (mp+2)%12 + 1
	year = yoe + era*400
	if month <= 2 {
		year++
	}
	return year, month, doy - (153*mp+2)/5 + 1
}

// weekdayOf returns the day of the week, 0 being Sunday.
func weekdayOf(n int) int { return int(((int64(n)+4)%7 + 7) % 7) }

func leap(year int) bool { return year%4 == 0 && (year%100 != 0 || year%400 == 0) }

func yearLen(year int) int {
	if leap(year) {
		return 366
	}
	return 365
}

func monthLen(year, month int) int {
	switch month {
	case 2:
		if leap(year) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}

// Form says how a Time was written.
type Form uint8

// The forms of RFC 5545 §3.3.4 and §3.3.5.
const (
	Date     Form = iota // a date
	Floating             // local time wherever the reader is
	UTC
	Zoned // with TZID
)

// Time is a date or date-time as a property has it.
type Time struct {
	Wall Wall
	Form Form
	Zone *Zone // of Zoned
}

// Unix returns the instant; dates and floating times are read in floating.
func (t Time) Unix(floating *Zone) int64 { return t.In(floating).Unix(t.Wall) }

// In returns the zone in which t is to be read.
func (t Time) In(floating *Zone) *Zone {
	switch t.Form {
	case UTC:
		return nil
	case Zoned:
		return t.Zone
	}
	return floating
}

// String formats t as RFC 5545 does.
func (t Time) String() string {
	y, mo, d := t.Wall.Date()
	if t.Form == Date {
		return fmt.Sprintf("%04d%02d%02d", y, mo, d)
	}
	h, m, s := t.Wall.Clock()
	z := ""
	if t.Form == UTC {
		z = "Z"
	}
	return fmt.Sprintf("%04d%02d%02dT%02d%02d%02d%s", y, mo, d, h, m, s, z)
}

var errTime = errors.New("neither a date nor a date-time")

// ParseTime reads a date, a floating time or a UTC time: RFC 5545 §3.3.4,
// §3.3.5. A second of 60 is read as 59.
func ParseTime(s string) (Time, error) {
	switch {
	case len(s) == 8:
	case len(s) == 15 && (s[8] == 'T' || s[8] == 't'):
	case len(s) == 16 && (s[8] == 'T' || s[8] == 't') && (s[15] == 'Z' || s[15] == 'z'):
	default:
		return Time{}, fmt.Errorf("%.40q: %w", s, errTime)
	}
	year, ok1 := digits(s[:4])
	month, ok2 := digits(s[4:6])
	mday, ok3 := digits(s[6:8])
	if !ok1 || !ok2 || !ok3 || year < minYear || month < 1 || month > 12 || mday < 1 || mday > monthLen(year, month) {
		return Time{}, fmt.Errorf("%.40q: %w", s, errTime)
	}
	if len(s) == 8 {
		return Time{Wall: WallOf(year, month, mday, 0, 0, 0)}, nil
	}
	h, ok1 := digits(s[9:11])
	m, ok2 := digits(s[11:13])
	sec, ok3 := digits(s[13:15])
	if !ok1 || !ok2 || !ok3 || h > 23 || m > 59 || sec > 60 {
		return Time{}, fmt.Errorf("%.40q: %w", s, errTime)
	}
	t := Time{Wall: WallOf(year, month, mday, h, m, min(sec, 59)), Form: Floating}
	if len(s) == 16 {
		t.Form = UTC
	}
	return t, nil
}

func digits(s string) (n int, ok bool) {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n, true
}

// Length is how long something lasts: days as the calendar has them, and exact seconds
// (RFC 5545 §3.3.6). Both have the same sign.
type Length struct {
	Days    int
	Seconds int64
}

// Add returns the end of what begins at w in a zone: days move the clock,
// seconds move time.
func (l Length) Add(w Wall, z *Zone) int64 {
	return z.Unix(w+Wall(int64(l.Days)*day)) + l.Seconds
}

// bound is a length that l never exceeds, in seconds.
func (l Length) bound() int64 {
	n := int64(l.Days)*day + l.Seconds
	return max(n, 0) + 2*day
}

// maxLength keeps sums far from overflow: ten thousand years.
const maxLength = 10000 * 366

// ParseDuration reads a duration, RFC 5545 §3.3.6. It takes weeks beside other
// units, and a T without a time after it, both of which clients write.
func ParseDuration(s string) (Length, error) {
	bad := func() (Length, error) { return Length{}, fmt.Errorf("%.40q is no duration", s) }
	rest, sign := s, 1
	if rest != "" && (rest[0] == '+' || rest[0] == '-') {
		if rest[0] == '-' {
			sign = -1
		}
		rest = rest[1:]
	}
	if rest == "" || rest[0]|0x20 != 'p' {
		return bad()
	}
	rest = rest[1:]
	var l Length
	timePart, some := false, false
	for rest != "" {
		if rest[0]|0x20 == 't' && !timePart {
			timePart, rest = true, rest[1:]
			continue
		}
		n, i := 0, 0
		for i < len(rest) && i < 10 && rest[i] >= '0' && rest[i] <= '9' {
			n = n*10 + int(rest[i]-'0')
			i++
		}
		if i == 0 || i == len(rest) {
			return bad()
		}
		switch c := rest[i] | 0x20; {
		case c == 'w' && !timePart:
			l.Days += 7 * n
		case c == 'd' && !timePart:
			l.Days += n
		case c == 'h' && timePart:
			l.Seconds += int64(n) * hour
		case c == 'm' && timePart:
			l.Seconds += int64(n) * 60
		case c == 's' && timePart:
			l.Seconds += int64(n)
		default:
			return bad()
		}
		some, rest = true, rest[i+1:]
		if l.Days > maxLength || l.Seconds > maxLength*day {
			return bad()
		}
	}
	if !some {
		return bad()
	}
	return Length{sign * l.Days, int64(sign) * l.Seconds}, nil
}
