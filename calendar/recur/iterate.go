package recur

import (
	"math/bits"
	"slices"
)

// Limits bound what one call may cost.
type Limits struct {
	Steps     int // periods looked at and instances made
	Instances int // instances yielded
}

// DefaultLimits are for one object in a query.
func DefaultLimits() Limits { return Limits{Steps: 200_000, Instances: 100_000} }

// barren is how many periods without any instance end a rule: more than the
// 28 (or, around 1900 and 2100, 40) years after which Gregorian dates repeat, in days.
const barren = 30_000

// walk yields the walls at which a rule recurs, ascending, from the first that
// is not before start. It knows nothing of COUNT, UNTIL and zones.
type walk struct {
	r     *Rule
	start Wall
	steps *int // what is left; the walk ends when it is used up

	// what the rule leaves to the start (RFC 5545 §3.3.10: "derived from DTSTART")
	months       uint16
	mdays        uint32
	wdays        uint8
	nth          []nthDay
	dayLimits    bool  // some part limits days
	times        []int // seconds of the day, of the hour … in a period, ascending
	base, unit   int64 // the period that start is in, and a period's length where that is constant
	next         int64 // number of the next period, from base, in INTERVALs
	days         []int // of the present period
	offset       int64 // seconds from a day's midnight to the period
	pos, size    int   // in days × times, or in chosen
	chosen       []int // by BYSETPOS: positions in days × times
	empty        int
	done         bool
	exhausted    bool
	daysBuf      [8]int
	lastW        Wall
	startWeekday int
}

func newWalk(r *Rule, start Wall, steps *int) *walk {
	w := &walk{r: r, start: start, steps: steps, months: r.months, mdays: r.mdays, wdays: r.wdays, nth: r.nth}
	w.days = w.daysBuf[:0]
	w.derive()
	_, month, _ := start.Date()
	year, _, _ := start.Date()
	switch r.Freq {
	case Yearly:
		w.base = int64(year)
	case Monthly:
		w.base = int64(year*12 + month - 1)
	case Weekly:
		n := start.Day()
		w.base, w.unit = int64(n-(weekdayOf(n)-r.weekStart+7)%7), 7
	case Daily:
		w.base, w.unit = int64(start.Day()), 1
	case Hourly:
		w.base, w.unit = floorDiv(int64(start), hour), hour
	case Minutely:
		w.base, w.unit = floorDiv(int64(start), 60), 60
	case Secondly:
		w.base, w.unit = int64(start), 1
	}
	w.done = r.impossible
	w.lastW = minWall - 1
	return w
}

// derive takes from the start what the rule does not say.
func (w *walk) derive() {
	r := w.r
	_, month, mday := w.start.Date()
	w.startWeekday = weekdayOf(w.start.Day())
	h, m, s := w.start.Clock()
	byDay := r.hasWdays
	byMday := r.mdays|r.negMdays != 0
	byYday := r.ydays != nil
	switch r.Freq {
	case Yearly:
		switch {
		case byDay || byMday || byYday:
		case r.weeks|r.negWeeks != 0:
			w.wdays = 1 << w.startWeekday
		default:
			w.mdays = 1 << mday
			if r.months == 0 {
				w.months = 1 << month
			}
		}
	case Monthly:
		if !byDay && !byMday && !byYday {
			w.mdays = 1 << mday
		}
	case Weekly:
		if !byDay {
			w.wdays = 1 << w.startWeekday
		}
	}
	if r.Freq >= Weekly { // numbers mean nothing there
		for _, d := range r.nth {
			w.wdays |= 1 << d.weekday
		}
		w.nth = nil
	}
	w.dayLimits = w.months != 0 || w.mdays|r.negMdays != 0 || w.wdays != 0 || len(w.nth) > 0 || byYday || r.weeks|r.negWeeks != 0
	hours, minutes, seconds := r.hours, r.minutes, r.seconds
	if hours == 0 {
		hours = 1 << h
	}
	if minutes == 0 {
		minutes = 1 << m
	}
	if seconds == 0 {
		seconds = 1 << s
	}
	switch {
	case r.Freq >= Secondly:
		hours, minutes, seconds = 1, 1, 1
	case r.Freq >= Minutely:
		hours, minutes = 1, 1
	case r.Freq >= Hourly:
		hours = 1
	}
	n := bits.OnesCount32(hours) * bits.OnesCount64(minutes) * bits.OnesCount64(seconds)
	w.times = make([]int, 0, n)
	for ; hours != 0; hours &= hours - 1 {
		for m := minutes; m != 0; m &= m - 1 {
			at := bits.TrailingZeros32(hours)*hour + bits.TrailingZeros64(m)*60
			for s := seconds; s != 0; s &= s - 1 {
				w.times = append(w.times, at+bits.TrailingZeros64(s))
			}
		}
	}
}

// seek moves forward to the first period that may have a wall at or after from.
func (w *walk) seek(from Wall) {
	if from <= w.start {
		return
	}
	if from > maxWall {
		w.done = true
		return
	}
	year, month, _ := from.Date()
	var at int64
	switch w.r.Freq {
	case Yearly:
		at = int64(year)
	case Monthly:
		at = int64(year*12+month-1) - 1 // SKIP=FORWARD reaches into the next month
	case Weekly, Daily:
		at = int64(from.Day()) - w.unit + 1
	default:
		at = floorDiv(int64(from), w.unit)
	}
	if n := floorDiv(at-w.base, w.step()); n > w.next {
		w.next, w.size = n, 0
	}
	w.fillUntil(from)
}

// fillUntil drops what is before from in the present period.
func (w *walk) fillUntil(from Wall) {
	if from > w.lastW {
		w.lastW = from - 1
	}
}

// step is the distance of two periods in units of base.
func (w *walk) step() int64 {
	if w.r.Freq == Weekly {
		return int64(w.r.Interval) * 7
	}
	return int64(w.r.Interval)
}

// pull returns the next wall.
func (w *walk) pull() (Wall, bool) {
	for {
		for w.pos < w.size {
			i := w.pos
			if w.chosen != nil {
				i = w.chosen[i]
			}
			w.pos++
			at := Wall(int64(w.days[i/len(w.times)])*day + w.offset + int64(w.times[i%len(w.times)]))
			if at < w.start || at <= w.lastW {
				w.skipTo(max(w.start, w.lastW+1))
				continue
			}
			if !w.spend() {
				return 0, false
			}
			if at > maxWall {
				w.done = true
				return 0, false
			}
			w.lastW, w.empty = at, 0
			return at, true
		}
		if w.done || !w.spend() {
			return 0, false
		}
		if w.empty++; w.empty > barren {
			w.done = true
			return 0, false
		}
		w.fill()
	}
}

// skipTo moves on in a period with very many instances without looking at each.
func (w *walk) skipTo(at Wall) {
	if w.chosen != nil || len(w.times) < 64 {
		return
	}
	d := at.Day()
	i, _ := slices.BinarySearch(w.days, d)
	if n := i * len(w.times); n > w.pos {
		w.pos = min(n, w.size)
	}
	if i < len(w.days) && w.days[i] == d {
		j, _ := slices.BinarySearch(w.times, int(int64(at)-int64(d)*day-w.offset))
		if n := i*len(w.times) + j; n > w.pos {
			w.pos = min(n, w.size)
		}
	}
}

func (w *walk) spend() bool {
	if *w.steps <= 0 {
		w.done, w.exhausted = true, true
		return false
	}
	*w.steps--
	return true
}

// fill computes the next period.
func (w *walk) fill() {
	at := w.base + w.next*w.step()
	w.next++
	w.days, w.chosen, w.pos, w.size, w.offset = w.days[:0], nil, 0, 0, 0
	switch w.r.Freq {
	case Yearly:
		if at > maxYear {
			w.done = true
			return
		}
		w.year(int(at))
	case Monthly:
		if at >= (maxYear+1)*12 {
			w.done = true
			return
		}
		year, month := int(at/12), int(at%12)+1
		if w.months == 0 || w.months&(1<<month) != 0 {
			w.month(year, month)
		}
	case Weekly:
		if at > int64(maxWall.Day()) {
			w.done = true
			return
		}
		for n := int(at); n < int(at)+7; n++ {
			if w.wdays&(1<<weekdayOf(n)) != 0 && w.allows(n) {
				w.days = append(w.days, n)
			}
		}
	case Daily:
		w.dayAt(int(at))
	default:
		w.clockAt(at)
	}
	w.size = len(w.days) * len(w.times)
	if w.r.setPos != nil && w.size > 0 {
		w.choose()
	}
}

// choose applies BYSETPOS.
func (w *walk) choose() {
	w.chosen = make([]int, 0, len(w.r.setPos))
	for _, p := range w.r.setPos {
		i := p - 1
		if p < 0 {
			i = w.size + p
		}
		if i >= 0 && i < w.size {
			w.chosen = append(w.chosen, i)
		}
	}
	slices.Sort(w.chosen)
	w.chosen = slices.Compact(w.chosen)
	w.size = len(w.chosen)
}

func (w *walk) year(year int) {
	if w.months != 0 {
		for m := 1; m <= 12; m++ {
			if w.months&(1<<m) != 0 {
				w.month(year, m)
			}
		}
	} else {
		for m := 1; m <= 12; m++ {
			w.month(year, m)
		}
	}
	if w.r.Skip != Omit {
		slices.Sort(w.days)
		w.days = slices.Compact(w.days)
	}
}

// month appends the days of a month that the rule allows.
func (w *walk) month(year, month int) {
	first, n := dayOf(year, month, 1), monthLen(year, month)
	d := dayInfo{year: year, month: month, monthLen: n, yearDay: first - dayOf(year, 1, 1), weekday: weekdayOf(first)}
	if only := w.mdays; only != 0 && w.r.negMdays == 0 {
		for b := only; b != 0; b &= b - 1 {
			i := bits.TrailingZeros32(b)
			if i > n {
				break
			}
			e := d
			e.mday, e.yearDay, e.weekday = i, d.yearDay+i, (d.weekday+i-1)%7
			if w.allowsInfo(first+i-1, &e) {
				w.days = append(w.days, first+i-1)
			}
		}
	} else {
		for i := range n {
			d.mday = i + 1
			d.yearDay++
			if w.allowsInfo(first+i, &d) {
				w.days = append(w.days, first+i)
			}
			d.weekday = (d.weekday + 1) % 7
		}
	}
	if w.r.Skip != Omit && w.mdays>>(n+1) != 0 {
		switch w.r.Skip {
		case Backward:
			w.days = append(w.days, first+n-1)
		case Forward:
			w.days = append(w.days, first+n)
		}
		slices.Sort(w.days)
		w.days = slices.Compact(w.days)
	}
}

// dayAt is for DAILY: it looks at one day, and leaps over months that are not
// meant.
func (w *walk) dayAt(n int) {
	if n > maxWall.Day() {
		w.done = true
		return
	}
	if !w.dayLimits || w.allows(n) {
		w.days = append(w.days, n)
		return
	}
	w.leap(int64(w.nextAllowed(n)))
}

// leap moves on to the first period at or after at, in units of base.
func (w *walk) leap(at int64) {
	if n := ceilDiv(at-w.base, w.step()); n > w.next {
		w.next = n
	}
}

// nextAllowed returns a day after n before which none is allowed.
func (w *walk) nextAllowed(n int) int {
	if w.months != 0 {
		year, month, _ := dateOf(n)
		if w.months&(1<<month) == 0 {
			return dayOf(year+month/12, month%12+1, 1)
		}
	}
	return n + 1
}

// clockAt is for HOURLY and shorter: at is a number of hours, minutes or
// seconds.
func (w *walk) clockAt(at int64) {
	r, unit := w.r, w.unit
	start := at * unit
	if start > int64(maxWall) {
		w.done = true
		return
	}
	n := int(floorDiv(start, day))
	if w.dayLimits && !w.allows(n) {
		w.leap(ceilDiv(int64(w.nextAllowed(n))*day, unit))
		return
	}
	inDay := start - int64(n)*day
	if h := inDay / hour; r.hours != 0 && r.hours&(1<<h) == 0 {
		next := int64(n)*day + (h+1)*hour
		if later := r.hours >> (h + 1); later != 0 {
			next += int64(bits.TrailingZeros32(later)) * hour
		} else {
			next = int64(n+1) * day
		}
		w.leap(ceilDiv(next, unit))
		return
	}
	if m := inDay / 60; r.Freq >= Minutely && r.minutes != 0 && r.minutes&(1<<(m%60)) == 0 {
		next := m + 1
		if later := r.minutes >> (m%60 + 1); later != 0 {
			next += int64(bits.TrailingZeros64(later))
		} else {
			next = (m/60 + 1) * 60
		}
		w.leap(ceilDiv(int64(n)*day+next*60, unit))
		return
	}
	if s := inDay % 60; r.Freq == Secondly && r.seconds != 0 && r.seconds&(1<<s) == 0 {
		next := start + 1
		if later := r.seconds >> (s + 1); later != 0 {
			next += int64(bits.TrailingZeros64(later))
		} else {
			next = start - s + 60
		}
		w.leap(next)
		return
	}
	w.days, w.offset = append(w.days, n), inDay
}

// dayInfo is what the day limits look at.
type dayInfo struct{ year, month, mday, monthLen, yearDay, weekday int }
