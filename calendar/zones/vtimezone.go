package zones

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// vtimezone writes the VTIMEZONE of a zone under a name.
func vtimezone(name, id string) string {
	var w strings.Builder
	line := func(s string) { w.WriteString(s + "\r\n") }
	line("BEGIN:VTIMEZONE")
	line("TZID:" + name)
	if name != id {
		line("TZID-ALIAS-OF:" + id)
	}
	line("X-LIC-LOCATION:" + id)
	begin := time.Date(firstYear, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	end := time.Date(lastYear+1, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	offset, short, _ := Offset(id, begin-1)
	(&observance{key: key{offset, offset, short, false}, walls: []time.Time{time.Unix(begin, 0).UTC()}}).write(line)
	for _, o := range observances(Onsets(id, begin, end)) {
		o.write(line)
	}
	line("END:VTIMEZONE")
	return w.String()
}

// key is what the onsets of an observance have in common.
type key struct {
	from, to int
	name     string
	dst      bool
}

// observance is a STANDARD or DAYLIGHT part: a rule, or some times.
type observance struct {
	key
	walls   []time.Time // of the onsets, by the clock before them, as if it were UTC
	rule    string      // "" for times that no rule tells
	endless bool
}

// observances puts onsets together.
func observances(onsets []Onset) []*observance {
	byKey := map[key][]time.Time{}
	var keys []key
	for _, o := range onsets {
		k := key{o.From, o.To, o.Name, o.DST}
		if byKey[k] == nil {
			keys = append(keys, k)
		}
		byKey[k] = append(byKey[k], time.Unix(o.At+int64(o.From), 0).UTC())
	}
	var out []*observance
	for _, k := range keys {
		var single *observance
		for walls := byKey[k]; len(walls) > 0; {
			n, rule := run(walls)
			if n < 3 {
				if single == nil {
					single = &observance{key: k}
					out = append(out, single)
				}
				single.walls = append(single.walls, walls[:n]...)
			} else {
				out = append(out, &observance{key: k, walls: walls[:n], rule: rule, endless: walls[n-1].Year() == lastYear})
			}
			walls = walls[n:]
		}
	}
	slices.SortStableFunc(out, func(a, b *observance) int { return a.walls[0].Compare(b.walls[0]) })
	return out
}

// run returns how many of the first onsets one yearly rule tells, and the rule: the last of a
// weekday in its month, the n-th, the one in seven days, or a date.
func run(walls []time.Time) (n int, rule string) {
	first := walls[0]
	lo, hi := first.Day(), first.Day()
	weekday, last := true, isLast(first)
	for n = 1; n < len(walls); n++ {
		w := walls[n]
		if w.Year() != first.Year()+n || w.Month() != first.Month() || clock(w) != clock(first) {
			break
		}
		l, h := min(lo, w.Day()), max(hi, w.Day())
		byDay := weekday && w.Weekday() == first.Weekday()
		if !(byDay && h-l <= 6) && l != h {
			break
		}
		lo, hi, weekday, last = l, h, byDay, last && isLast(w)
	}
	rule = fmt.Sprintf("FREQ=YEARLY;BYMONTH=%d;", int(first.Month()))
	day := strings.ToUpper(first.Weekday().String()[:2])
	switch {
	case !weekday:
		rule += fmt.Sprintf("BYMONTHDAY=%d", lo)
	case last:
		rule += "BYDAY=-1" + day
	case (lo-1)/7 == (hi-1)/7:
		rule += fmt.Sprintf("BYDAY=%d%s", (lo-1)/7+1, day)
	default:
		days := make([]string, 7)
		start := min(lo, daysIn(first)-6)
		for i := range days {
			days[i] = strconv.Itoa(start + i)
		}
		rule += "BYDAY=" + day + ";BYMONTHDAY=" + strings.Join(days, ",")
	}
	return n, rule
}

func isLast(t time.Time) bool { return t.Day()+7 > daysIn(t) }

// daysIn is how many days a month has, 28 for February, where no zone may count on more.
func daysIn(t time.Time) int {
	if t.Month() == time.February {
		return 28
	}
	return time.Date(t.Year(), t.Month()+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

func clock(t time.Time) int { return t.Hour()*3600 + t.Minute()*60 + t.Second() }

const wallForm = "20060102T150405"

func (o *observance) write(line func(string)) {
	part := "STANDARD"
	if o.dst {
		part = "DAYLIGHT"
	}
	line("BEGIN:" + part)
	if o.name != "" && o.name[0] != '+' && o.name[0] != '-' {
		line("TZNAME:" + o.name)
	}
	line("TZOFFSETFROM:" + offset(o.from))
	line("TZOFFSETTO:" + offset(o.to))
	line("DTSTART:" + o.walls[0].Format(wallForm))
	switch {
	case o.rule != "" && o.endless:
		line("RRULE:" + o.rule)
	case o.rule != "":
		until := o.walls[len(o.walls)-1].Add(-time.Duration(o.from) * time.Second)
		line("RRULE:" + o.rule + ";UNTIL=" + until.Format(wallForm) + "Z")
	default:
		for _, w := range o.walls[1:] {
			line("RDATE:" + w.Format(wallForm))
		}
	}
	line("END:" + part)
}

// offset writes UTC-OFFSET (RFC 5545 §3.3.14).
func offset(seconds int) string {
	sign := '+'
	if seconds < 0 {
		sign, seconds = '-', -seconds
	}
	s := fmt.Sprintf("%c%02d%02d", sign, seconds/3600, seconds/60%60)
	if seconds%60 != 0 {
		s += fmt.Sprintf("%02d", seconds%60)
	}
	return s
}
