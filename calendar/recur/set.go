package recur

import (
	"errors"
	"iter"
	"math"
	"slices"
)

// ErrBudget means that a series cost more than the Limits allow: what was
// yielded is right, but may not be all.
var ErrBudget = errors.New("recurrence is too costly")

// Set is a series: what the components of one UID say about when it recurs. It is
// not changed once Instances was called and may then be used by many goroutines.
type Set struct {
	Start     Time // DTSTART of the master
	Length    Length
	NoMaster  bool // only Overrides are there
	Rules     []*Rule
	ExRules   []*Rule // EXRULE, which RFC 5545 no longer has
	Dates     []Extra // RDATE
	Except    []Time  // EXDATE
	Overrides []Override
}

// Extra is a value of RDATE.
type Extra struct {
	Time   Time
	Length *Length // of a PERIOD; nil: that of the series
}

// Override is a component with a RECURRENCE-ID.
type Override struct {
	ID     Time
	Start  Time
	Length Length
	Future bool // RANGE=THISANDFUTURE: the change holds for all later instances too
	Gone   bool // shows nothing itself
}

// Instance is one occurrence.
type Instance struct {
	ID, Start  Time  // original and actual start
	Begin, End int64 // Unix seconds; End may equal Begin
	Override   int   // index in Overrides whose properties it has, -1: the master's
	Own        bool  // that override has this very ID
}

// Recurs tells whether the set can have more than one instance.
func (s *Set) Recurs() bool {
	return len(s.Rules) > 0 || len(s.Dates) > 0 || len(s.Overrides) > 0
}

// Instances yields the instances that touch from <= t <= to (Unix seconds),
// borders included: those of overrides first, then the others by original
// start. Dates and floating times are read in floating. The error, which
// comes last, is ErrBudget.
func (s *Set) Instances(from, to int64, floating *Zone, l Limits) iter.Seq2[Instance, error] {
	return func(yield func(Instance, error) bool) {
		r := s.newRun(from, to, floating, l)
		for i := range s.Overrides {
			o := &s.Overrides[i]
			if o.Gone {
				continue
			}
			z := o.Start.In(floating)
			in := Instance{ID: o.ID, Start: o.Start, Begin: z.Unix(o.Start.Wall), End: o.Length.Add(o.Start.Wall, z), Override: i, Own: true}
			in.End = max(in.End, in.Begin)
			if in.Begin > to || in.End < from {
				continue
			}
			if !yield(in, nil) {
				return
			}
		}
		if s.NoMaster {
			return
		}
		for c := range r.candidates() {
			in, ok := r.instance(c)
			if !ok || in.Begin > to || in.End < from {
				continue
			}
			if r.left--; r.left < 0 {
				r.exhausted = true
				break
			}
			if !yield(in, nil) {
				return
			}
		}
		if r.exhausted {
			yield(Instance{}, ErrBudget)
		}
	}
}

// run is the state of one call of Instances.
type run struct {
	set       *Set
	zone      *Zone // of the master's start
	floating  *Zone
	from, to  int64
	low, high Wall // where original starts of interest are
	steps     int
	left      int
	exhausted bool
	except    map[int64]bool // EXDATE and RECURRENCE-ID with a time: instants
	exDays    map[int]bool   // and as dates: days of the start's zone
	future    []future       // Overrides with Future, by ID
}

// future is an override that holds for what begins at from or later.
type future struct {
	from  int64
	index int
}

func compare(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// candidate is an original start.
type candidate struct {
	t      Time
	length *Length
}

func (s *Set) newRun(from, to int64, floating *Zone, l Limits) *run {
	r := &run{set: s, zone: s.Start.In(floating), floating: floating, from: from, to: to, steps: l.Steps, left: l.Instances}
	back, ahead := s.Length.bound(), int64(2*day)
	if len(s.Except)+len(s.Overrides) > 0 {
		r.except = make(map[int64]bool, len(s.Except)+len(s.Overrides))
	}
	for _, t := range s.Except {
		r.exclude(t)
	}
	for i := range s.Overrides {
		o := &s.Overrides[i]
		r.exclude(o.ID)
		if o.Future {
			id := o.ID.Unix(floating)
			r.future = append(r.future, future{id, i})
			d := o.Start.Unix(floating) - id
			back, ahead = max(back, o.Length.bound()+max(d, 0)), max(ahead, 2*day-d)
		}
	}
	slices.SortStableFunc(r.future, func(a, b future) int { return compare(a.from, b.from) })
	r.low, r.high = clampWall(from, -back), clampWall(to, ahead)
	return r
}

// clampWall adds without leaving the years that there are.
func clampWall(t, d int64) Wall {
	t = min(max(t, int64(minWall)), int64(maxWall))
	return Wall(min(max(t+d, int64(minWall)), int64(maxWall)))
}

// exclude takes an original start out of the series. A date takes out the whole
// day where the series has times, a time its day where it has dates.
func (r *run) exclude(t Time) {
	switch {
	case t.Form != Date && r.set.Start.Form != Date:
		r.except[t.Unix(r.floating)] = true
		return
	case r.exDays == nil:
		r.exDays = map[int]bool{}
	}
	r.exDays[t.Wall.Day()] = true
}

func (r *run) excluded(t Time, unix int64) bool {
	return r.except[unix] || r.exDays != nil && r.exDays[t.Wall.Day()]
}

// instance makes an instance of a candidate; !ok when it is excluded.
func (r *run) instance(c candidate) (in Instance, ok bool) {
	z := c.t.In(r.floating)
	unix := z.Unix(c.t.Wall)
	if r.excluded(c.t, unix) {
		return in, false
	}
	in = Instance{ID: c.t, Start: c.t, Override: -1}
	l := r.set.Length
	if c.length != nil {
		l = *c.length
	}
	i, _ := slices.BinarySearchFunc(r.future, unix+1, func(f future, u int64) int { return compare(f.from, u) })
	if i > 0 {
		in.Override = r.future[i-1].index
	}
	if in.Override >= 0 {
		o := &r.set.Overrides[in.Override]
		if o.Gone {
			return in, false
		}
		in.Start, l = r.shift(c.t, o), o.Length
		z = in.Start.In(r.floating)
		unix = z.Unix(in.Start.Wall)
	}
	in.Begin = unix
	in.End = max(l.Add(in.Start.Wall, z), unix)
	return in, true
}

// shift moves an original start as far as the override moves its own: on the
// clock where both are in one zone, else in time.
func (r *run) shift(t Time, o *Override) Time {
	if o.Start.Form == Date || o.ID.Form == Date && t.Form == Date {
		days := o.Start.Wall.Day() - o.ID.Wall.Day()
		at := t.Wall.Midnight() + Wall(days*day)
		if o.Start.Form != Date {
			at += o.Start.Wall - o.Start.Wall.Midnight()
		}
		return Time{at, o.Start.Form, o.Start.Zone}
	}
	oz := o.Start.In(r.floating)
	id := o.ID.Unix(r.floating)
	return Time{oz.Wall(t.Unix(r.floating)) + o.Start.Wall - oz.Wall(id), o.Start.Form, o.Start.Zone}
}

// candidates yields original starts between low and high without doubles,
// ascending: the start itself, what the rules make, and RDATE.
func (r *run) candidates() iter.Seq[candidate] {
	return func(yield func(candidate) bool) {
		s := r.set
		extras := r.extras()
		var rules []*series
		for _, rule := range s.Rules {
			rules = append(rules, r.newSeries(rule, s.Start))
		}
		var minus map[Wall]bool
		if len(s.ExRules) > 0 {
			minus = r.minus()
		}
		last := int64(math.MinInt64)
		for {
			best, at := -2, int64(math.MaxInt64)
			if len(extras) > 0 {
				best, at = -1, extras[0].unix
			}
			for i, q := range rules {
				if q.ok && q.unix < at {
					best, at = i, q.unix
				}
			}
			var c candidate
			switch best {
			case -2:
				return
			case -1:
				c, extras = extras[0].candidate, extras[1:]
			default:
				c = candidate{t: Time{rules[best].at, s.Start.Form, s.Start.Zone}}
				rules[best].pull()
			}
			if at == last {
				continue
			}
			last = at
			if minus != nil && minus[c.t.Wall] {
				continue
			}
			if !yield(c) {
				return
			}
		}
	}
}

// timed is a candidate with its instant.
type timed struct {
	candidate
	unix int64
}

// extras are the start and the RDATEs that may count, ascending.
func (r *run) extras() []timed {
	s := r.set
	out := make([]timed, 0, 1+len(s.Dates))
	out = append(out, timed{candidate{t: s.Start}, s.Start.Unix(r.floating)})
	for _, d := range s.Dates {
		if d.Time.Form == Date && s.Start.Form != Date {
			d.Time = Time{d.Time.Wall + s.Start.Wall - s.Start.Wall.Midnight(), s.Start.Form, s.Start.Zone}
		} else if d.Time.Form != Date && s.Start.Form == Date {
			d.Time = Time{Wall: d.Time.Wall.Midnight()}
		}
		out = append(out, timed{candidate{d.Time, d.Length}, d.Time.Unix(r.floating)})
	}
	// A period counts rather than a plain time at the same moment.
	slices.SortStableFunc(out, func(a, b timed) int {
		switch {
		case a.unix != b.unix:
			return compare(a.unix, b.unix)
		case a.length != nil && b.length == nil:
			return -1
		case a.length == nil && b.length != nil:
			return 1
		}
		return 0
	})
	return out
}

// maxMinus bounds what EXRULEs may take out in one call.
const maxMinus = 50_000

// minus is what EXRULEs take out.
func (r *run) minus() map[Wall]bool {
	out := map[Wall]bool{}
	for _, rule := range r.set.ExRules {
		for q := r.newSeries(rule, r.set.Start); q.ok && len(out) < maxMinus; q.pull() {
			out[q.at] = true
		}
	}
	return out
}

// series walks one rule of the set: COUNT, UNTIL and zone added.
type series struct {
	run   *run
	rule  *Rule
	walk  *walk
	left  int64 // by COUNT
	until int64 // instant
	last  Wall  // no wall after it is before until
	at    Wall
	unix  int64
	ok    bool
	held  []moment // next ones, around a gap of the zone
}

// moment is a wall with its instant.
type moment struct {
	at      Wall
	unix    int64
	skipped bool // by the zone: its clocks never show at
}

func (r *run) newSeries(rule *Rule, start Time) *series {
	q := &series{run: r, rule: rule, walk: newWalk(rule, start.Wall, &r.steps), left: math.MaxInt64, until: math.MaxInt64, last: r.high, ok: true}
	if rule.HasUntil {
		q.setUntil(start)
	}
	if q.last < r.high && q.last < r.low { // over before the range begins
		q.ok = false
		return q
	}
	if rule.Count > 0 {
		q.count(start)
	} else {
		q.walk.seek(r.low)
	}
	q.pull()
	return q
}

// setUntil takes UNTIL in whatever form it came (RFC 5545 wants the form of
// DTSTART, or UTC when that has a zone; clients write others).
func (q *series) setUntil(start Time) {
	u := q.rule.Until
	switch {
	case u.Form == Date:
		q.last = min(q.last, u.Wall+day-1)
	case start.Form == Date:
		q.last = min(q.last, u.Wall.Midnight())
	case u.Form == UTC && start.Form == Zoned:
		q.until = int64(u.Wall)
		q.last = min(q.last, q.run.zone.Wall(q.until)+2*day)
	default:
		q.last = min(q.last, u.Wall)
	}
}

// count brings a rule with COUNT to the range. DTSTART counts as the first
// instance whether the rule makes it or not. Where each period has the same number
// of instances it divides, else it has to step.
func (q *series) count(start Time) {
	q.left = int64(q.rule.Count)
	if q.beyond(start) {
		q.left = math.MaxInt64
		q.walk.seek(q.run.low)
		return
	}
	first, ok := q.walk.pull()
	if ok && first != start.Wall {
		q.left--
	}
	if q.left == 0 || !ok {
		q.ok = false
		return
	}
	q.walk = newWalk(q.rule, start.Wall, &q.run.steps) // from the first again
	per := q.walk.perPeriod()
	if per == 0 || q.run.low <= start.Wall {
		return
	}
	ahead := newWalk(q.rule, start.Wall, &q.run.steps)
	ahead.seek(q.run.low)
	n := ahead.next - 1 // stay one period behind
	if n <= 1 {
		return
	}
	done := (n - 1) * per
	for { // and those of the first period that are not before the start
		if _, ok := q.walk.pull(); !ok || q.walk.next > 1 {
			break
		}
		done++
	}
	q.left -= done
	q.walk = newWalk(q.rule, start.Wall, &q.run.steps)
	q.walk.next = n
	q.ok = q.left > 0
}

// beyond tells whether COUNT is more than there can be until the range ends: then
// it does not matter.
func (q *series) beyond(start Time) bool {
	w := newWalk(q.rule, start.Wall, &q.run.steps)
	w.seek(q.run.high)
	per := int64(len(w.times))
	switch q.rule.Freq {
	case Yearly:
		per *= 366
	case Monthly:
		per *= 32
	case Weekly:
		per *= 7
	}
	return int64(q.rule.Count) > (w.next+2)*per
}

// pull moves to the next instant in the range.
func (q *series) pull() {
	for q.ok {
		m, ok := q.moment()
		if !ok {
			q.ok = false
			return
		}
		if m.unix <= q.until {
			q.at, q.unix = m.at, m.unix
			return
		}
	}
}

// moment returns the next wall in the range with its instant. Walls that the
// zone skips move behind later ones or onto them; then those around
// the gap are put in order, each instant once.
func (q *series) moment() (m moment, ok bool) {
	if len(q.held) == 0 {
		if m, ok = q.wall(); !ok || !m.skipped {
			return m, ok
		}
		end := q.run.zone.Wall(m.unix)
		for q.held = append(q.held, m); m.at <= end; q.held = append(q.held, m) {
			if m, ok = q.wall(); !ok {
				break
			}
			end = max(end, q.run.zone.Wall(m.unix))
		}
		// of two walls with one instant the one that there is stays
		slices.SortFunc(q.held, func(a, b moment) int {
			if a.unix != b.unix {
				return compare(a.unix, b.unix)
			}
			return compare(int64(b.at), int64(a.at))
		})
		q.held = slices.CompactFunc(q.held, func(a, b moment) bool { return a.unix == b.unix })
	}
	m = q.held[0]
	q.held = q.held[1:]
	return m, true
}

// wall returns the next wall that the rule makes in the range.
func (q *series) wall() (m moment, ok bool) {
	for q.left > 0 {
		at, ok := q.walk.pull()
		q.left--
		if !ok || at > q.last {
			q.run.exhausted = q.run.exhausted || q.walk.exhausted
			q.left = 0
			return m, false
		}
		if at >= q.run.low {
			m.at = at
			m.unix, m.skipped = q.run.zone.instant(at)
			return m, true
		}
	}
	return m, false
}
