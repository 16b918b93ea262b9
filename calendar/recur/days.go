package recur

import "math/bits"

// allows tells whether a day passes the rule's BY parts for days.
func (w *walk) allows(n int) bool {
	if w.months|uint16(w.mdays>>16)|uint16(w.mdays) == 0 && w.r.negMdays == 0 && w.r.ydays == nil && w.r.weeks|w.r.negWeeks == 0 && len(w.nth) == 0 {
		return w.wdays == 0 || w.wdays&(1<<weekdayOf(n)) != 0
	}
	year, month, mday := dateOf(n)
	if w.months != 0 && w.months&(1<<month) == 0 {
		return false
	}
	d := dayInfo{year, month, mday, monthLen(year, month), n - dayOf(year, 1, 1) + 1, weekdayOf(n)}
	return w.allowsInfo(n, &d)
}

// allowsInfo leaves the month to the caller.
func (w *walk) allowsInfo(n int, d *dayInfo) bool {
	r := w.r
	if w.mdays|r.negMdays != 0 && w.mdays&(1<<d.mday) == 0 && r.negMdays&(1<<(d.monthLen-d.mday+1)) == 0 {
		return false
	}
	if r.ydays != nil && !r.ydays.has(d.yearDay) && !r.negYdays.has(yearLen(d.year)-d.yearDay+1) {
		return false
	}
	if r.weeks|r.negWeeks != 0 && r.Freq == Yearly && !w.inWeek(n) {
		return false
	}
	if w.wdays != 0 && w.wdays&(1<<d.weekday) != 0 {
		return true
	}
	if len(w.nth) == 0 {
		return w.wdays == 0
	}
	return w.isNth(d)
}

// isNth looks for BYDAY with numbers: in the month, or in the year when the
// rule is yearly and names no month. With BYWEEKNO the number means nothing.
func (w *walk) isNth(d *dayInfo) bool {
	i, size := d.mday, d.monthLen
	if w.r.Freq == Yearly && w.r.months == 0 {
		i, size = d.yearDay, yearLen(d.year)
	}
	for _, x := range w.nth {
		if x.weekday != d.weekday {
			continue
		}
		if w.r.weeks|w.r.negWeeks != 0 || x.n == (i-1)/7+1 || -x.n == (size-i)/7+1 {
			return true
		}
	}
	return false
}

// inWeek tells whether a day is in a week of BYWEEKNO. Week 1 is the first
// with at least four days in the year (RFC 5545 §3.3.10, as ISO 8601 but for WKST).
func (w *walk) inWeek(n int) bool {
	start := n - (weekdayOf(n)-w.r.weekStart+7)%7
	year, _, _ := dateOf(start + 3)
	first := weekOne(year, w.r.weekStart)
	no := (start-first)/7 + 1
	if w.r.weeks&(1<<no) != 0 {
		return true
	}
	count := (weekOne(year+1, w.r.weekStart) - first) / 7
	return w.r.negWeeks&(1<<(count-no+1)) != 0
}

// weekOne returns the first day of a year's first week.
func weekOne(year, weekStart int) int {
	n := dayOf(year, 1, 4)
	return n - (weekdayOf(n)-weekStart+7)%7
}

// perPeriod returns how many instances each period has where that never
// changes, else 0. Then COUNT can be had by division.
func (w *walk) perPeriod() int64 {
	r := w.r
	if w.r.setPos != nil {
		return 0
	}
	switch r.Freq {
	case Weekly:
		if w.months == 0 && w.mdays|r.negMdays == 0 && r.ydays == nil {
			return int64(bits.OnesCount8(w.wdays) * len(w.times))
		}
	case Daily:
		if !w.dayLimits {
			return int64(len(w.times))
		}
	case Hourly, Minutely, Secondly:
		if !w.dayLimits && r.hours == 0 && (r.Freq < Minutely || r.minutes == 0) && (r.Freq < Secondly || r.seconds == 0) {
			return int64(len(w.times))
		}
	}
	return 0
}
