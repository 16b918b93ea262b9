package recur

import "math"

// Bounds returns the first begin and the last end of all instances, in Unix
// seconds. ended is false when the series goes on for ever or further than the
// Limits allow to see.
func (s *Set) Bounds(floating *Zone, l Limits) (first, last int64, ended bool) {
	first, last, ended = math.MaxInt64, math.MinInt64, true
	add := func(begin, end int64) { first, last = min(first, begin), max(last, begin, end) }
	var back, ahead int64
	longest := s.Length.bound()
	for i := range s.Overrides {
		o := &s.Overrides[i]
		if !o.Gone {
			add(o.Start.Unix(floating), o.Length.Add(o.Start.Wall, o.Start.In(floating)))
		}
		if o.Future {
			d := o.Start.Unix(floating) - o.ID.Unix(floating)
			back, ahead = min(back, d), max(ahead, d)
			longest = max(longest, o.Length.bound())
		}
	}
	if s.NoMaster {
		return first, last, true
	}
	z := s.Start.In(floating)
	add(z.Unix(s.Start.Wall), s.Length.Add(s.Start.Wall, z))
	for _, d := range s.Dates {
		dl := s.Length
		if d.Length != nil {
			dl = *d.Length
		}
		add(d.Time.Unix(floating), dl.Add(d.Time.Wall, d.Time.In(floating))+day)
	}
	for _, rule := range s.Rules {
		end, ok := s.ruleEnd(rule, floating, l)
		ended = ended && ok
		if ok {
			last = max(last, end+longest)
		}
	}
	return first + back, last + ahead, ended
}

// ruleEnd returns the last begin that a rule can make.
func (s *Set) ruleEnd(rule *Rule, floating *Zone, l Limits) (end int64, ok bool) {
	if rule.HasUntil {
		return int64(rule.Until.Wall) + 2*day, true
	}
	if rule.Count == 0 && !rule.impossible {
		return 0, false
	}
	r := s.newRun(int64(minWall), int64(maxWall), floating, l)
	w := newWalk(rule, s.Start.Wall, &r.steps)
	left := int64(rule.Count)
	if per := w.perPeriod(); per > 0 {
		period := w.unit
		switch rule.Freq {
		case Weekly:
			period = 7 * day
		case Daily:
			period = day
		}
		periods := left/per + 1
		if int64(rule.Interval) > int64(maxWall-minWall)/period/periods {
			return int64(maxWall), true
		}
		return int64(clampWall(int64(s.Start.Wall), int64(rule.Interval)*period*periods)) + 2*day, true
	}
	last, ok := s.Start.Wall, true
	for ; left > 0 && ok; left-- {
		var at Wall
		if at, ok = w.pull(); ok {
			last = at
		}
	}
	return s.Start.In(floating).Unix(last) + 2*day, !w.exhausted
}
