package recur

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

func mustTime(t testing.TB, s string, z *Zone) Time {
	t.Helper()
	v, err := ParseTime(s)
	if err != nil {
		t.Fatal(err)
	}
	if v.Form == Floating && z != nil {
		v.Form, v.Zone = Zoned, z
	}
	return v
}

func mustZone(t testing.TB, name string) *Zone {
	t.Helper()
	z, ok := LoadZone(name)
	if !ok {
		t.Fatalf("no zone %s", name)
	}
	return z
}

func mustRule(t testing.TB, s string) *Rule {
	t.Helper()
	r, err := ParseRule(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// list returns at most n instances from a year to another, as local times of z.
func listIn(t testing.TB, s *Set, z *Zone, from, to int64, n int) []string {
	t.Helper()
	var all []Instance
	for in, err := range s.Instances(from, to, z, DefaultLimits()) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, in)
		if len(all) > n+20 {
			break
		}
	}
	slices.SortFunc(all, func(a, b Instance) int { return int(a.Begin - b.Begin) })
	var out []string
	for _, in := range all[:min(n, len(all))] {
		form := Floating
		if s.Start.Form == Date && !s.NoMaster {
			form = Date
		}
		out = append(out, Time{Wall: z.Wall(in.Begin), Form: form}.String())
	}
	return out
}

// The examples of RFC 5545 §3.8.5.3, with the zone that all of them have. A "…"
// ends those that go on.
var examples = []struct{ start, rule, want string }{
	{"19970902T090000", "FREQ=DAILY;COUNT=10", "0902-0911"},
	{"19970902T090000", "FREQ=DAILY;INTERVAL=2", "0902 0904 0906 0908 0910 …"},
	{"19970902T090000", "FREQ=DAILY;INTERVAL=10;COUNT=5", "0902 0912 0922 1002 1012"},
	{"19970902T090000", "FREQ=WEEKLY;COUNT=10", "0902 0909 0916 0923 0930 1007 1014 1021 1028 1104"},
	{"19970902T090000", "FREQ=WEEKLY;UNTIL=19971224T000000Z", "0902 0909 0916 0923 0930 1007 1014 1021 1028 1104 1111 1118 1125 1202 1209 1216 1223"},
	{"19970902T090000", "FREQ=WEEKLY;INTERVAL=2;WKST=SU", "0902 0916 0930 1014 1028 1111 1125 …"},
	{"19970902T090000", "FREQ=WEEKLY;UNTIL=19971007T000000Z;WKST=SU;BYDAY=TU,TH", "0902 0904 0909 0911 0916 0918 0923 0925 0930 1002"},
	{"19970902T090000", "FREQ=WEEKLY;COUNT=10;WKST=SU;BYDAY=TU,TH", "0902 0904 0909 0911 0916 0918 0923 0925 0930 1002"},
	{"19970901T090000", "FREQ=WEEKLY;INTERVAL=2;UNTIL=19971224T000000Z;WKST=SU;BYDAY=MO,WE,FR", "0901 0903 0905 0915 0917 0919 0929 1001 1003 1013 1015 1017 1027 1029 1031 1110 1112 1114 1124 1126 1128 1208 1210 1212 1222"},
	{"19970902T090000", "FREQ=WEEKLY;INTERVAL=2;COUNT=8;WKST=SU;BYDAY=TU,TH", "0902 0904 0916 0918 0930 1002 1014 1016"},
	{"19970905T090000", "FREQ=MONTHLY;COUNT=10;BYDAY=1FR", "0905 1003 1107 1205 980102 980206 980306 980403 980501 980605"},
	{"19970905T090000", "FREQ=MONTHLY;UNTIL=19971224T000000Z;BYDAY=1FR", "0905 1003 1107 1205"},
	{"19970907T090000", "FREQ=MONTHLY;INTERVAL=2;COUNT=10;BYDAY=1SU,-1SU", "0907 0928 1102 1130 980104 980125 980301 980329 980503 980531"},
	{"19970922T090000", "FREQ=MONTHLY;COUNT=6;BYDAY=-2MO", "0922 1020 1117 1222 980119 980216"},
	{"19970928T090000", "FREQ=MONTHLY;BYMONTHDAY=-3", "0928 1029 1128 1229 980129 980226 …"},
	{"19970902T090000", "FREQ=MONTHLY;COUNT=10;BYMONTHDAY=2,15", "0902 0915 1002 1015 1102 1115 1202 1215 980102 980115"},
	{"19970930T090000", "FREQ=MONTHLY;COUNT=10;BYMONTHDAY=1,-1", "0930 1001 1031 1101 1130 1201 1231 980101 980131 980201"},
	{"19970910T090000", "FREQ=MONTHLY;INTERVAL=18;COUNT=10;BYMONTHDAY=10,11,12,13,14,15", "0910 0911 0912 0913 0914 0915 990310 990311 990312 990313"},
	{"19970902T090000", "FREQ=MONTHLY;INTERVAL=2;BYDAY=TU", "0902 0909 0916 0923 0930 1104 1111 1118 1125 980106 980113 980120 980127 980303 …"},
	{"19970610T090000", "FREQ=YEARLY;COUNT=10;BYMONTH=6,7", "0610 0710 980610 980710 990610 990710 000610 000710 010610 010710"},
	{"19970310T090000", "FREQ=YEARLY;INTERVAL=2;COUNT=10;BYMONTH=1,2,3", "0310 990110 990210 990310 010110 010210 010310 030110 030210 030310"},
	{"19970101T090000", "FREQ=YEARLY;INTERVAL=3;COUNT=10;BYYEARDAY=1,100,200", "0101 0410 0719 000101 000409 000718 030101 030410 030719 060101"},
	{"19970519T090000", "FREQ=YEARLY;BYDAY=20MO", "0519 980518 990517 …"},
	{"19970512T090000", "FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO", "0512 980511 990517 …"},
	{"19970313T090000", "FREQ=YEARLY;BYMONTH=3;BYDAY=TH", "0313 0320 0327 980305 980312 980319 980326 990304 990311 990318 990325 …"},
	{"19970605T090000", "FREQ=YEARLY;BYDAY=TH;BYMONTH=6,7,8", "0605 0612 0619 0626 0703 0710 0717 0724 0731 0807 0814 0821 0828 980604 …"},
	{"19980213T090000", "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13", "980213 980313 981113 990813 001013 …"},
	{"19970913T090000", "FREQ=MONTHLY;BYDAY=SA;BYMONTHDAY=7,8,9,10,11,12,13", "0913 1011 1108 1213 980110 980207 980307 980411 980509 980613 …"},
	{"19961105T090000", "FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8", "961105 001107 041102 …"},
	{"19970904T090000", "FREQ=MONTHLY;COUNT=3;BYDAY=TU,WE,TH;BYSETPOS=3", "0904 1007 1106"},
	{"19970929T090000", "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-2", "0929 1030 1127 1230 980129 980226 980330 …"},
	{"19970805T090000", "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=MO", "0805 0810 0819 0824"},
	{"19970805T090000", "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU", "0805 0817 0819 0831"},
	{"20070115T090000", "FREQ=MONTHLY;BYMONTHDAY=15,30;COUNT=5", "070115 070130 070215 070315 070330"},
}

func TestExamplesOfRFC5545(t *testing.T) {
	ny := mustZone(t, "America/New_York")
	for _, tc := range examples {
		var want []string
		for f := range strings.FieldsSeq(tc.want) {
			switch {
			case f == "…":
			case f == "0902-0911":
				for d := 2; d <= 11; d++ {
					want = append(want, fmt.Sprintf("199709%02dT090000", d))
				}
			case len(f) == 4:
				want = append(want, "1997"+f+"T090000")
			case f[0] == '9':
				want = append(want, "19"+f+"T090000")
			default:
				want = append(want, "20"+f+"T090000")
			}
		}
		n := len(want)
		if !strings.HasSuffix(tc.want, "…") {
			n += 5
		}
		s := &Set{Start: mustTime(t, tc.start, ny), Rules: []*Rule{mustRule(t, tc.rule)}}
		got := listIn(t, s, ny, s.Start.Unix(nil), s.Start.Unix(nil)+20*366*day, n)
		if !slices.Equal(got, want) {
			t.Errorf("%s %s\n got %v\nwant %v", tc.start, tc.rule, got, want)
		}
	}
}

func TestRulesWithinADay(t *testing.T) {
	for _, tc := range []struct {
		start, rule string
		n           int
		want        string
	}{
		{"19970902T090000", "FREQ=HOURLY;INTERVAL=3;UNTIL=19970902T170000", 9, "02T090000 02T120000 02T150000"},
		{"19970902T090000", "FREQ=MINUTELY;INTERVAL=15;COUNT=6", 9, "02T090000 02T091500 02T093000 02T094500 02T100000 02T101500"},
		{"19970902T090000", "FREQ=MINUTELY;INTERVAL=90;COUNT=4", 9, "02T090000 02T103000 02T120000 02T133000"},
		{"19970902T090000", "FREQ=DAILY;BYHOUR=9,16;BYMINUTE=0,20", 6, "02T090000 02T092000 02T160000 02T162000 03T090000 03T092000"},
		{"19970902T090000", "FREQ=MINUTELY;INTERVAL=20;BYHOUR=9,16", 5, "02T090000 02T092000 02T094000 02T160000 02T162000"},
		{"19970902T090000", "FREQ=SECONDLY;INTERVAL=45;COUNT=3", 5, "02T090000 02T090045 02T090130"},
		{"19970902T090000", "FREQ=SECONDLY;BYSECOND=0;BYMINUTE=30;BYHOUR=9;BYDAY=WE", 3, "02T090000 03T093000 10T093000"},
		{"19970902T090000", "FREQ=HOURLY;BYMINUTE=10,40;BYSETPOS=-1", 3, "02T090000 02T094000 02T104000"},
		{"19970902T090000", "FREQ=DAILY;BYHOUR=1,2,3,9,10;BYSETPOS=1,-1", 4, "02T090000 02T100000 03T010000 03T100000"},
		{"19970902T090000", "FREQ=SECONDLY;INTERVAL=7;BYHOUR=23;BYMINUTE=59;BYSECOND=59,58", 2, "02T090000 02T235958"},
	} {
		s := &Set{Start: mustTime(t, tc.start, nil), Rules: []*Rule{mustRule(t, tc.rule)}}
		got := listIn(t, s, nil, s.Start.Unix(nil), s.Start.Unix(nil)+90*day, tc.n)
		want := strings.Fields(strings.ReplaceAll(" "+tc.want, " ", " 199709"))
		if !slices.Equal(got, want) {
			t.Errorf("%s\n got %v\nwant %v", tc.rule, got, want)
		}
	}
}

func TestMonthsWithoutTheDay(t *testing.T) {
	for _, tc := range []struct{ start, rule, want string }{
		{"20240131", "FREQ=MONTHLY", "20240131 20240331 20240531 20240731"},
		{"20240131", "RSCALE=GREGORIAN;FREQ=MONTHLY;SKIP=BACKWARD", "20240131 20240229 20240331 20240430"},
		{"20240131", "RSCALE=GREGORIAN;FREQ=MONTHLY;SKIP=FORWARD", "20240131 20240301 20240331 20240501"},
		{"20240229", "FREQ=YEARLY", "20240229 20280229 20320229 20360229"},
		{"20240229", "RSCALE=gregorian;FREQ=YEARLY;SKIP=FORWARD", "20240229 20250301 20260301 20270301"},
		{"20240229", "RSCALE=GREGORIAN;FREQ=YEARLY;SKIP=BACKWARD", "20240229 20250228 20260228 20270228"},
		{"20201231", "FREQ=YEARLY;BYWEEKNO=53", "20201231 20261231 20321230 20371231"},
		{"20200101", "FREQ=YEARLY;BYYEARDAY=-1,366", "20200101 20201231 20211231 20221231"},
	} {
		s := &Set{Start: mustTime(t, tc.start, nil), Rules: []*Rule{mustRule(t, tc.rule)}}
		got := listIn(t, s, nil, s.Start.Unix(nil), s.Start.Unix(nil)+20*366*day, 4)
		if want := strings.Fields(tc.want); !slices.Equal(got, want) {
			t.Errorf("%s\n got %v\nwant %v", tc.rule, got, want)
		}
	}
}

// model says, second by second and from the definition, whether a wall is in a
// rule; it is for rules without BYSETPOS.
func model(r *Rule, start, at Wall) bool {
	y, mo, d := at.Date()
	sy, smo, sd := start.Date()
	h, mi, se := at.Clock()
	sh, smi, sse := start.Clock()
	n, sn := at.Day(), start.Day()
	wd := weekdayOf(n)
	week := func(n int) int64 { return floorDiv(int64(n-(weekdayOf(n)-r.weekStart+7)%7), 1) / 1 }
	var dist int64
	switch r.Freq {
	case Yearly:
		dist = int64(y - sy)
	case Monthly:
		dist = int64(y*12 + mo - sy*12 - smo)
	case Weekly:
		dist = (week(n) - week(sn)) / 7
	case Daily:
		dist = int64(n - sn)
	case Hourly:
		dist = floorDiv(int64(at), hour) - floorDiv(int64(start), hour)
	case Minutely:
		dist = floorDiv(int64(at), 60) - floorDiv(int64(start), 60)
	case Secondly:
		dist = int64(at - start)
	}
	if at < start || dist%int64(r.Interval) != 0 {
		return false
	}
	in := func(mask uint64, v, def int, derived bool) bool {
		if mask == 0 {
			return !derived || v == def
		}
		return mask&(1<<v) != 0
	}
	byMday, byYday, byWeek := r.mdays|r.negMdays != 0, r.ydays != nil, r.weeks|r.negWeeks != 0
	if !in(r.seconds, se, sse, r.Freq < Secondly) || !in(uint64(r.minutes), mi, smi, r.Freq < Minutely) ||
		!in(uint64(r.hours), h, sh, r.Freq < Hourly) {
		return false
	}
	noDay := !byMday && !byYday && !byWeek && !r.hasWdays
	if !in(uint64(r.months), mo, smo, r.Freq == Yearly && noDay) {
		return false
	}
	if byMday && r.mdays&(1<<d) == 0 && r.negMdays&(1<<(monthLen(y, mo)-d+1)) == 0 {
		return false
	}
	if !byMday && (r.Freq == Yearly && noDay || r.Freq == Monthly && !r.hasWdays && !byYday) && d != sd {
		return false
	}
	yd := n - dayOf(y, 1, 1) + 1
	if byYday && !r.ydays.has(yd) && !r.negYdays.has(yearLen(y)-yd+1) {
		return false
	}
	if byWeek && r.Freq == Yearly {
		ok := false
		for year := y - 1; year <= y+1; year++ {
			first, next := weekOne(year, r.weekStart), weekOne(year+1, r.weekStart)
			if n >= first && n < next {
				no, count := (n-first)/7+1, (next-first)/7
				ok = r.weeks&(1<<no) != 0 || r.negWeeks&(1<<(count-no+1)) != 0
			}
		}
		if !ok {
			return false
		}
		if !r.hasWdays && !byMday && !byYday && wd != weekdayOf(sn) {
			return false
		}
	}
	if !r.hasWdays {
		return r.Freq != Weekly || wd == weekdayOf(sn)
	}
	if r.wdays&(1<<wd) != 0 {
		return true
	}
	for _, x := range r.nth {
		if x.weekday != wd {
			continue
		}
		if r.Freq >= Weekly || byWeek {
			return true
		}
		// count them by hand
		lo, hi := dayOf(y, mo, 1), dayOf(y, mo, 1)+monthLen(y, mo)-1
		if r.Freq == Yearly && r.months == 0 {
			lo, hi = dayOf(y, 1, 1), dayOf(y, 12, 31)
		}
		before, after := 0, 0
		for k := lo; k <= hi; k++ {
			if weekdayOf(k) == wd {
				if k <= n {
					before++
				}
				if k >= n {
					after++
				}
			}
		}
		if x.n == before || -x.n == after {
			return true
		}
	}
	return false
}

// randomRule makes rules of all kinds.
func randomRule(r *rand.Rand) string {
	pick := func(n, lo, hi int, signed bool) string {
		var v []string
		for range 1 + r.IntN(n) {
			x := lo + r.IntN(hi-lo+1)
			if signed && r.IntN(3) == 0 {
				x = -x
			}
			v = append(v, fmt.Sprint(x))
		}
		return strings.Join(v, ",")
	}
	f := r.IntN(5)
	s := "FREQ=" + freqs[f]
	if r.IntN(2) == 0 {
		s += fmt.Sprintf(";INTERVAL=%d", 1+r.IntN(5))
	}
	if r.IntN(3) == 0 {
		s += ";BYMONTH=" + pick(3, 1, 12, false)
	}
	if r.IntN(3) == 0 && f != int(Weekly) {
		s += ";BYMONTHDAY=" + pick(3, 1, 31, true)
	}
	if r.IntN(5) == 0 && f == int(Yearly) {
		s += ";BYYEARDAY=" + pick(5, 1, 366, true)
	}
	if r.IntN(5) == 0 && f == int(Yearly) {
		s += ";BYWEEKNO=" + pick(5, 1, 53, true)
	}
	if r.IntN(2) == 0 {
		var v []string
		for range 1 + r.IntN(3) {
			n := ""
			if f <= int(Monthly) && r.IntN(2) == 0 {
				if n = fmt.Sprint(1 + r.IntN(5)); r.IntN(2) == 0 {
					n = "-" + n
				}
			}
			v = append(v, n+weekdays[r.IntN(7)])
		}
		s += ";BYDAY=" + strings.Join(v, ",")
	}
	if r.IntN(3) == 0 {
		s += ";BYHOUR=" + pick(3, 0, 23, false)
	}
	if r.IntN(3) == 0 {
		s += ";WKST=" + weekdays[r.IntN(7)]
	}
	return s
}

func TestAgainstModel(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 600 {
		text := randomRule(r)
		rule := mustRule(t, text)
		start := WallOf(2015+r.IntN(12), 1+r.IntN(12), 1+r.IntN(28), r.IntN(24), 0, 0)
		s := &Set{Start: Time{Wall: start, Form: Floating}, Rules: []*Rule{rule}}
		var want []Wall
		for at := start; at < start+6*366*day; at += hour {
			if at == start || model(rule, start, at) {
				want = append(want, at)
			}
		}
		check := func(s *Set, want []Wall, from, to Wall, what string) {
			t.Helper()
			var got []Wall
			for in, err := range s.Instances(int64(from), int64(to), nil, Limits{1 << 30, 1 << 30}) {
				if err != nil {
					t.Fatal(text, err)
				}
				got = append(got, Wall(in.Begin))
			}
			i, _ := slices.BinarySearch(want, from)
			j, _ := slices.BinarySearch(want, to+1)
			if !slices.Equal(got, want[i:j]) {
				t.Fatalf("%s of %v %s from %v to %v: %d instances, want %d\n got %.8v\nwant %.8v", what, Time{Wall: start, Form: Floating}, text,
					from, to, len(got), j-i, got, want[i:j])
			}
		}
		end := start + 6*366*day - hour
		check(s, want, start, end, "all")
		for range 4 {
			from := start + Wall(r.IntN(5*366*day))
			check(s, want, from, min(end, from+Wall(r.IntN(90*day))), "part")
		}
		// COUNT and UNTIL cut the same list
		n := 1 + r.IntN(len(want)+3)
		counted := &Set{Start: s.Start, Rules: []*Rule{mustRule(t, fmt.Sprintf("%s;COUNT=%d", text, n))}}
		cut := want[:min(n, len(want))]
		if n <= len(want) {
			check(counted, cut, start, end, "COUNT")
			from := start + Wall(r.IntN(5*366*day))
			check(counted, cut, from, min(end, from+Wall(r.IntN(900*day))), "part of COUNT")
			if _, last, ended := counted.Bounds(nil, DefaultLimits()); !ended || last < int64(cut[len(cut)-1]) {
				t.Fatalf("%s;COUNT=%d ends at %v, bound is %v %v", text, n, cut[len(cut)-1], last, ended)
			}
		}
	}
}

func TestZonesAndDST(t *testing.T) {
	berlin := mustZone(t, "Europe/Berlin")
	custom := NewZone("x", []Observance{
		{Start: WallOf(1970, 3, 29, 2, 0, 0), From: 3600, To: 7200, Rules: []*Rule{mustRule(t, "FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU")}},
		{Start: WallOf(1970, 10, 25, 3, 0, 0), From: 7200, To: 3600, Rules: []*Rule{mustRule(t, "FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU")}},
	})
	for u := time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC).Unix(); u < time.Date(2040, 1, 1, 0, 0, 0, 0, time.UTC).Unix(); u += 3571 * 5 {
		if a, b := berlin.Offset(u), custom.Offset(u); a != b {
			t.Fatalf("%v: %d, VTIMEZONE says %d", time.Unix(u, 0).UTC(), a, b)
		}
	}
	for _, z := range []*Zone{berlin, custom} {
		for _, tc := range []struct{ local, utc string }{
			{"20260329T013000", "20260329T003000Z"},
			{"20260329T023000", "20260329T013000Z"}, // skipped: the offset before
			{"20260329T030000", "20260329T010000Z"},
			{"20261025T013000", "20261024T233000Z"},
			{"20261025T023000", "20261025T003000Z"}, // twice: the first
			{"20261025T030000", "20261025T020000Z"},
		} {
			got := Time{Wall: Wall(mustTime(t, tc.local, z).Unix(nil)), Form: UTC}.String()
			if got != tc.utc {
				t.Errorf("%s: %s is %s, want %s", z.Name(), tc.local, got, tc.utc)
			}
		}
		s := &Set{Start: mustTime(t, "20260327T023000", z), Length: Length{Seconds: 3600}, Rules: []*Rule{mustRule(t, "FREQ=DAILY;COUNT=4")}}
		var got []string
		for in := range s.Instances(0, 1<<40, nil, DefaultLimits()) {
			got = append(got, time.Unix(in.Begin, 0).UTC().Format("0215"), fmt.Sprint(in.End-in.Begin))
		}
		if want := "27 28 29 30"; len(got) != 8 {
			t.Errorf("got %v, want days %s", got, want)
		}
	}
	if lo, hi := berlin.OffsetBounds(); lo != 3600 || hi != 7200 {
		t.Errorf("Berlin is between %d and %d", lo, hi)
	}
	if lo, hi := custom.OffsetBounds(); lo != 3600 || hi != 7200 {
		t.Errorf("the custom zone is between %d and %d", lo, hi)
	}
}

func TestZoneNames(t *testing.T) {
	for name, want := range map[string]string{
		"Europe/Berlin": "Europe/Berlin", "europe/berlin": "Europe/Berlin", "AMERICA/NEW_YORK": "America/New_York",
		"/freeassociation.sourceforge.net/Tzfile/Europe/Berlin":        "Europe/Berlin",
		"/mozilla.org/20050126_1/America/Argentina/Buenos_Aires":       "America/Argentina/Buenos_Aires",
		"W. Europe Standard Time":                                      "Europe/Berlin",
		"Eastern Standard Time":                                        "America/New_York",
		"(UTC+01:00) Amsterdam, Berlin, Bern, Rome, Stockholm, Vienna": "Europe/Amsterdam",
		"(GMT+01.00) Amsterdam / Berlin / Bern / Rome / Stockholm":     "Europe/Amsterdam",
		"(UTC-08:00) Pacific Time (US & Canada)":                       "America/Los_Angeles",
		"Kuala Lumpur, Singapore":                                      "Asia/Kuala_Lumpur",
		"\"Europe/Paris\"":                                             "Europe/Paris",
		"US/Eastern":                                                   "US/Eastern",
		"UTC":                                                          "UTC", "Etc/UTC": "UTC", "UTC+05:30": "UTC+05:30",
	} {
		z, ok := LoadZone(name)
		if !ok || z.Name() != want {
			t.Errorf("%q is %q %v, want %q", name, z.Name(), ok, want)
		}
	}
	for _, name := range []string{"", " ", "Nowhere", "../../etc/passwd", "local", "Local", "/", strings.Repeat("x", 4000), "Europe/", "\x00"} {
		if z, ok := LoadZone(name); ok {
			t.Errorf("%.40q is %v", name, z.Name())
		}
	}
	for _, table := range []map[string]string{windows, outlook} {
		for key, id := range table {
			if _, ok := iana(id); !ok {
				t.Errorf("%s: no zone %s", key, id)
			}
			if z, ok := LoadZone(key); !ok {
				t.Errorf("%s is not found, %v", key, z)
			}
		}
	}
}

// A rule with more than one time a day keeps its order and has no instant twice
// where a zone skips some of them (RFC 5545 §3.3.5); COUNT counts what the rule makes.
func TestGapsKeepTheOrder(t *testing.T) {
	for _, tc := range []struct{ zone, start, rule, want string }{
		{"Europe/Berlin", "20060326T010000", "FREQ=HOURLY;COUNT=5", "0000 0100 0200 0300"},
		{"Europe/Berlin", "20060326T013000", "FREQ=MINUTELY;INTERVAL=15;COUNT=8", "0030 0045 0100 0115 0130 0145"},
		{"Europe/Berlin", "20060326T014500", "FREQ=MINUTELY;INTERVAL=25;COUNT=6", "0045 0100 0110 0125 0135 0150"},
		{"Europe/Berlin", "20060326T020000", "FREQ=DAILY;BYHOUR=2,3;BYMINUTE=0,30;COUNT=4", "0100 0130"},
		{"Europe/Berlin", "20060326T020000", "FREQ=DAILY;BYHOUR=2,3;BYMINUTE=5,45;COUNT=4", "0100 0105 0145"},
		{"Australia/Lord_Howe", "20011028T015900", "FREQ=MINUTELY;INTERVAL=16;COUNT=4", "1529 1531 1545 1547"},
		{"Europe/Berlin", "20060326T020000", "FREQ=DAILY;BYHOUR=2,3;BYMINUTE=0,30;UNTIL=20060326T011500Z", "0100"},
	} {
		s := &Set{Start: mustTime(t, tc.start, mustZone(t, tc.zone)), Rules: []*Rule{mustRule(t, tc.rule)}}
		var got []string
		for in, err := range s.Instances(0, 1<<40, nil, DefaultLimits()) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, time.Unix(in.Begin, 0).UTC().Format("1504"))
		}
		if want := strings.Fields(tc.want); !slices.Equal(got, want) {
			t.Errorf("%s %s\n got %v\nwant %v", tc.start, tc.rule, got, want)
		}
	}
}

func TestSets(t *testing.T) {
	at := func(s string) Time { return mustTime(t, s, nil) }
	list := func(s *Set) string {
		got := listIn(t, s, nil, 0, 1<<40, 50)
		return strings.Join(got, " ")
	}
	start := at("20260101T090000Z")
	hourLong := Length{Seconds: 3600}
	for _, tc := range []struct {
		name, want string
		set        Set
	}{
		{"RDATE, EXDATE", "20260101T090000 20260103T090000 20260110T120000",
			Set{Start: start, Rules: []*Rule{mustRule(t, "FREQ=DAILY;COUNT=3")}, Except: []Time{at("20260102T090000Z")}, Dates: []Extra{{Time: at("20260110T120000Z")}}}},
		{"EXDATE as a date", "20260101T090000 20260103T090000",
			Set{Start: start, Rules: []*Rule{mustRule(t, "FREQ=DAILY;COUNT=3")}, Except: []Time{at("20260102")}}},
		{"override moved", "20260101T090000 20260103T090000 20260105T100000",
			Set{Start: start, Length: hourLong, Rules: []*Rule{mustRule(t, "FREQ=DAILY;COUNT=3")}, Overrides: []Override{{ID: at("20260102T090000Z"), Start: at("20260105T100000Z"), Length: hourLong}}}},
		{"this and future", "20260101T090000 20260102T100000 20260103T100000 20260104T100000",
			Set{Start: start, Length: hourLong, Rules: []*Rule{mustRule(t, "FREQ=DAILY;COUNT=4")}, Overrides: []Override{{ID: at("20260102T090000Z"), Start: at("20260102T100000Z"), Length: hourLong, Future: true}}}},
		{"no master", "20260102T100000",
			Set{NoMaster: true, Overrides: []Override{{ID: at("20260102T090000Z"), Start: at("20260102T100000Z"), Length: hourLong}}}},
		{"start outside of its rule counts", "20260101T090000 20260105T090000 20260112T090000",
			Set{Start: start, Rules: []*Rule{mustRule(t, "FREQ=WEEKLY;BYDAY=MO;COUNT=3")}}},
		{"UNTIL as a date includes the day", "20260101T090000 20260102T090000",
			Set{Start: start, Rules: []*Rule{mustRule(t, "FREQ=DAILY;UNTIL=20260102")}}},
		{"two rules, one list", "20260101T090000 20260102T090000 20260103T090000 20260105T090000",
			Set{Start: start, Rules: []*Rule{mustRule(t, "FREQ=DAILY;COUNT=3"), mustRule(t, "FREQ=DAILY;INTERVAL=2;COUNT=3")}}},
		{"EXRULE", "20260101T090000 20260103T090000",
			Set{Start: start, Rules: []*Rule{mustRule(t, "FREQ=DAILY;COUNT=4")}, ExRules: []*Rule{mustRule(t, "FREQ=WEEKLY;BYDAY=FR,SU")}}},
	} {
		if got := list(&tc.set); got != tc.want {
			t.Errorf("%s\n got %s\nwant %s", tc.name, got, tc.want)
		}
	}
}

// Nothing that a client may store costs a query much.
func TestHostileRulesEnd(t *testing.T) {
	for _, text := range []string{
		"FREQ=SECONDLY", "FREQ=SECONDLY;INTERVAL=86400;BYSECOND=1", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30,31",
		"FREQ=MINUTELY;BYMONTH=2;BYMONTHDAY=-30", "FREQ=YEARLY;BYWEEKNO=53;BYMONTH=6", "FREQ=SECONDLY;COUNT=2000000000", "FREQ=DAILY;BYDAY=MO;COUNT=2000000000",
		"FREQ=YEARLY;BYSETPOS=366;BYHOUR=0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23;BYMINUTE=0,1,2,3,4,5,6,7,8,9;BYSECOND=0,1,2,3,4,5,6,7,8,9;BYDAY=MO",
		"FREQ=YEARLY;INTERVAL=2147483647", "FREQ=SECONDLY;INTERVAL=2147483647;BYHOUR=3", "FREQ=WEEKLY;BYMONTH=2;BYMONTHDAY=31", "FREQ=HOURLY;BYYEARDAY=366;BYMONTH=1",
		"FREQ=YEARLY;INTERVAL=3;BYYEARDAY=366;BYHOUR=0;BYSETPOS=2",
	} {
		s := &Set{Start: mustTime(t, "19700101T000000Z", nil), Length: Length{Seconds: 60}, Rules: []*Rule{mustRule(t, text)}}
		begin := time.Now()
		from := time.Date(2500, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
		n := 0
		for _, err := range s.Instances(from, from+3600, nil, Limits{Steps: 200_000, Instances: 1000}) {
			if n++; err != nil {
				break
			}
		}
		s.Bounds(nil, Limits{Steps: 50_000})
		if d := time.Since(begin); d > 5*time.Second {
			t.Errorf("%s took %v", text, d)
		}
	}
}

func TestDurations(t *testing.T) {
	for s, want := range map[string]Length{"PT1H": {0, 3600}, "P1D": {1, 0}, "-P1DT2H": {-1, -7200}, "P2W": {14, 0}, "PT1H30M5S": {0, 5405}, "+PT0S": {0, 0}, "P1DT": {1, 0}} {
		if got, err := ParseDuration(s); err != nil || got != want {
			t.Errorf("%s: %v %v, want %v", s, got, err, want)
		}
	}
	for _, s := range []string{"", "P", "PT", "1D", "P1H", "PT1D", "P1", "P99999999999D", "P1DT1", "--P1D", "PT1H PT1H"} {
		if got, err := ParseDuration(s); err == nil {
			t.Errorf("%q is %v", s, got)
		}
	}
}

func FuzzRule(f *testing.F) {
	for _, e := range examples {
		f.Add(e.rule, e.start)
	}
	f.Add("FREQ=SECONDLY;BYSETPOS=-1", "19700101T000000")
	f.Fuzz(func(t *testing.T, text, at string) {
		r, err := ParseRule(text)
		start, err2 := ParseTime(at)
		if err != nil || err2 != nil {
			return
		}
		s := &Set{Start: start, Rules: []*Rule{r}}
		last := int64(-1 << 62)
		for in, err := range s.Instances(-1<<61, 1<<61, nil, Limits{Steps: 2000, Instances: 500}) {
			if err != nil {
				break
			}
			if in.Begin <= last {
				t.Fatalf("%s: %d after %d", text, in.Begin, last)
			}
			last = in.Begin
		}
		s.Bounds(nil, Limits{Steps: 2000})
	})
}

func BenchmarkWeekOfDaily(b *testing.B) {
	z := mustZone(b, "Europe/Berlin")
	s := &Set{Start: mustTime(b, "19700101T090000", z), Length: Length{Seconds: 3600}, Rules: []*Rule{mustRule(b, "FREQ=DAILY")}}
	from := time.Date(2026, 6, 15, 0, 0, 0, 0, time.UTC).Unix()
	b.ReportAllocs()
	for b.Loop() {
		for range s.Instances(from, from+7*day, nil, DefaultLimits()) {
		}
	}
}

func BenchmarkWeekOfWeeklyCount(b *testing.B) {
	s := &Set{Start: mustTime(b, "20200106T090000Z", nil), Length: Length{Seconds: 3600}, Rules: []*Rule{mustRule(b, "FREQ=WEEKLY;BYDAY=MO,FR;COUNT=1000")}}
	from := time.Date(2026, 6, 15, 0, 0, 0, 0, time.UTC).Unix()
	b.ReportAllocs()
	for b.Loop() {
		for range s.Instances(from, from+7*day, nil, DefaultLimits()) {
		}
	}
}
