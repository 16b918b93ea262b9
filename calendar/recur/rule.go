package recur

import (
	"errors"
	"fmt"
	"math/bits"
	"strconv"
	"strings"
)

// Freq is FREQ of a rule.
type Freq uint8

// The frequencies, from the longest period to the shortest.
const (
	Yearly Freq = iota
	Monthly
	Weekly
	Daily
	Hourly
	Minutely
	Secondly
)

var freqs = []string{"YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY", "SECONDLY"}

// Skip is what happens to dates that a month does not have, RFC 7529 §4.1.
type Skip uint8

// The values of SKIP.
const (
	Omit Skip = iota
	Backward
	Forward
)

// ErrScale means that a rule counts in a calendar other than the Gregorian
// one (RSCALE, RFC 7529), which this package does not know.
var ErrScale = errors.New("calendar scale is not supported")

// Scales are the values of RSCALE that rules may have.
var Scales = []string{"GREGORIAN"}

// Rule is a parsed RRULE, RFC 5545 §3.3.10. It is not changed after ParseRule.
type Rule struct {
	Freq     Freq
	Interval int // 1 or more
	Count    int // 0: none
	Until    Time
	HasUntil bool
	Skip     Skip

	months               uint16   // bit m: BYMONTH=m
	mdays, negMdays      uint32   // bit d: BYMONTHDAY=d, -d
	weeks, negWeeks      uint64   // bit n: BYWEEKNO=n, -n
	ydays, negYdays      *daySet  // BYYEARDAY
	wdays                uint8    // bit w: BYDAY without number
	nth                  []nthDay // BYDAY with one
	hours                uint32
	minutes, seconds     uint64
	setPos               []int
	weekStart            int
	text                 string
	impossible, hasWdays bool
}

type daySet [6]uint64

func (s *daySet) has(n int) bool { return s != nil && s[n>>6]&(1<<(n&63)) != 0 }

type nthDay struct{ n, weekday int }

// String returns the rule as it was parsed.
func (r *Rule) String() string { return r.text }

var weekdays = []string{"SU", "MO", "TU", "WE", "TH", "FR", "SA"}

// ParseRule reads the value of RRULE or EXRULE. Parts that it does not know are
// ignored when they begin with X-. The error is ErrScale for calendars other than
// Gregorian.
func ParseRule(s string) (*Rule, error) {
	r := &Rule{Interval: 1, weekStart: 1, text: s}
	seen := uint32(0)
	haveFreq := false
	for rest := s; rest != ""; {
		part, tail, _ := strings.Cut(rest, ";")
		rest = tail
		part = strings.TrimSpace(part)
		if part == "" {
			continue // a semicolon at the end, as some clients write
		}
		name, value, ok := strings.Cut(part, "=")
		if !ok {
			return nil, fmt.Errorf("rule part %.40q has no value", part)
		}
		name = strings.ToUpper(name)
		i := partIndex(name)
		if i < 0 {
			if strings.HasPrefix(name, "X-") {
				continue
			}
			return nil, fmt.Errorf("unknown rule part %.40q", name)
		}
		if seen&(1<<i) != 0 {
			return nil, fmt.Errorf("rule part %s comes twice", name)
		}
		seen |= 1 << i
		if err := parts[i].set(r, value); err != nil {
			return nil, fmt.Errorf("%s=%.40q: %w", name, value, err)
		}
		haveFreq = haveFreq || name == "FREQ"
	}
	if !haveFreq {
		return nil, errors.New("rule has no FREQ")
	}
	r.impossible = r.neverADate()
	return r, nil
}

var parts = []struct {
	name string
	set  func(*Rule, string) error
}{
	{"FREQ", func(r *Rule, v string) error {
		for i, f := range freqs {
			if strings.EqualFold(f, v) {
				r.Freq = Freq(i)
				return nil
			}
		}
		return errRange
	}},
	{"INTERVAL", func(r *Rule, v string) (err error) { r.Interval, err = number(v, 1, 1<<31-1); return err }},
	{"COUNT", func(r *Rule, v string) (err error) { r.Count, err = number(v, 1, 1<<31-1); return err }},
	{"UNTIL", func(r *Rule, v string) (err error) { r.Until, err = ParseTime(v); r.HasUntil = true; return err }},
	{"BYDAY", (*Rule).setByDay},
	{"BYMONTH", func(r *Rule, v string) error {
		return list(v, 1, 12, false, func(n int) { r.months |= 1 << n })
	}},
	{"BYMONTHDAY", func(r *Rule, v string) error {
		return list(v, 1, 31, true, func(n int) {
			if n < 0 {
				r.negMdays |= 1 << -n
			} else {
				r.mdays |= 1 << n
			}
		})
	}},
	{"BYYEARDAY", func(r *Rule, v string) error {
		r.ydays, r.negYdays = new(daySet), new(daySet)
		return list(v, 1, 366, true, func(n int) {
			if n < 0 {
				r.negYdays[-n>>6] |= 1 << (-n & 63)
			} else {
				r.ydays[n>>6] |= 1 << (n & 63)
			}
		})
	}},
	{"BYWEEKNO", func(r *Rule, v string) error {
		return list(v, 1, 53, true, func(n int) {
			if n < 0 {
				r.negWeeks |= 1 << -n
			} else {
				r.weeks |= 1 << n
			}
		})
	}},
	{"BYHOUR", func(r *Rule, v string) error { return list(v, 0, 23, false, func(n int) { r.hours |= 1 << n }) }},
	{"BYMINUTE", func(r *Rule, v string) error { return list(v, 0, 59, false, func(n int) { r.minutes |= 1 << n }) }},
	{"BYSECOND", func(r *Rule, v string) error {
		return list(v, 0, 60, false, func(n int) { r.seconds |= 1 << min(n, 59) })
	}},
	{"BYSETPOS", func(r *Rule, v string) error {
		return list(v, 1, 366, true, func(n int) { r.setPos = append(r.setPos, n) })
	}},
	{"WKST", func(r *Rule, v string) error {
		for i, w := range weekdays {
			if strings.EqualFold(w, v) {
				r.weekStart = i
				return nil
			}
		}
		return errRange
	}},
	{"RSCALE", func(r *Rule, v string) error {
		if !strings.EqualFold(v, "GREGORIAN") {
			return ErrScale
		}
		return nil
	}},
	{"SKIP", func(r *Rule, v string) error {
		switch strings.ToUpper(v) {
		case "OMIT":
		case "BACKWARD":
			r.Skip = Backward
		case "FORWARD":
			r.Skip = Forward
		default:
			return errRange
		}
		return nil
	}},
}

func partIndex(name string) int {
	for i := range parts {
		if parts[i].name == name {
			return i
		}
	}
	return -1
}

var errRange = errors.New("not a value that it may have")

func number(s string, lo, hi int) (int, error) {
	n, err := strconv.Atoi(strings.TrimPrefix(s, "+"))
	if err != nil || n < lo || n > hi {
		return 0, errRange
	}
	return n, nil
}

// list reads numbers lo..hi, with a sign when signed. A month may carry the L
// of RFC 7529, which no Gregorian month has.
func list(s string, lo, hi int, signed bool, add func(int)) error {
	if len(s) > 4096 {
		return errRange
	}
	for v := range strings.SplitSeq(s, ",") {
		v = strings.TrimSpace(v)
		neg := signed && strings.HasPrefix(v, "-")
		if neg {
			v = v[1:]
		}
		n, err := number(v, lo, hi)
		if err != nil {
			return err
		}
		if neg {
			n = -n
		}
		add(n)
	}
	return nil
}

func (r *Rule) setByDay(s string) error {
	if len(s) > 4096 {
		return errRange
	}
	for v := range strings.SplitSeq(s, ",") {
		v = strings.TrimSpace(v)
		if len(v) < 2 {
			return errRange
		}
		wd := -1
		for i, w := range weekdays {
			if strings.EqualFold(w, v[len(v)-2:]) {
				wd = i
			}
		}
		if wd < 0 {
			return errRange
		}
		r.hasWdays = true
		num := v[:len(v)-2]
		if num == "" {
			r.wdays |= 1 << wd
			continue
		}
		n, err := number(num, -53, 53)
		if err != nil || n == 0 {
			return errRange
		}
		r.nth = append(r.nth, nthDay{n, wd})
	}
	return nil
}

// neverADate finds rules that name dates which no year has, such as February 30.
func (r *Rule) neverADate() bool {
	if r.mdays == 0 || r.negMdays != 0 || r.Skip != Omit {
		return false
	}
	longest := 0
	for m := 1; m <= 12; m++ {
		if r.months == 0 || r.months&(1<<m) != 0 {
			longest = max(longest, monthLen(2000, m))
		}
	}
	return bits.TrailingZeros32(r.mdays) > longest
}

// WithUntil returns a copy of the rule with another UNTIL.
func (r *Rule) WithUntil(t Time) *Rule {
	c := *r
	c.Until, c.HasUntil = t, true
	return &c
}
