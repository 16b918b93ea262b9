package recur

import (
	"bufio"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestAgainstDateutil holds the instances of random rules against those that
// testdata/expect.py has written, which tells the form of a line.
func TestAgainstDateutil(t *testing.T) {
	name := os.Getenv("RECUR_DATEUTIL") // another file of the same form
	if name == "" {
		name = "testdata/dateutil.tsv"
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	n := 0
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		n++
		cols := strings.Split(lines.Text(), "\t")
		if len(cols) != 7 {
			t.Fatalf("line %d has %d columns", n, len(cols))
		}
		againstDateutil(t, cols)
	}
	if err := lines.Err(); err != nil || n < 1000 {
		t.Fatalf("%d rules, %v", n, err)
	}
}

func againstDateutil(t *testing.T, cols []string) {
	start := mustTime(t, cols[1], nil)
	switch cols[0] {
	case "date", "-":
	case "UTC":
		start.Form = UTC
	default:
		start.Form, start.Zone = Zoned, mustZone(t, cols[0])
	}
	days, _ := strconv.Atoi(cols[3])
	s := &Set{Start: start, Rules: []*Rule{mustRule(t, cols[2])}}
	from := start.Unix(nil)
	var all []int64
	for in, err := range s.Instances(from, from+int64(days)*day, nil, Limits{Steps: 3_000_000, Instances: 100_000}) {
		if err != nil {
			t.Errorf("%s %s %s: %v", cols[0], cols[1], cols[2], err)
			return
		}
		all = append(all, in.Begin)
	}
	sum := crc32.NewIEEE()
	for _, at := range all {
		fmt.Fprintf(sum, "%d ", at)
	}
	if fmt.Sprint(len(all)) == cols[4] && fmt.Sprintf("%08x", sum.Sum32()) == cols[5] {
		inWindows(t, s, cols, all)
		return
	}
	want := strings.Fields(cols[6])
	var got []string
	for _, at := range all[:min(len(want)+3, len(all))] {
		form := Floating
		if start.Form == Date {
			form = Date
		}
		got = append(got, Time{Wall: Wall(at), Form: form}.String())
	}
	sorted := slices.IsSorted(all)
	t.Errorf("%s %s %s\n got %d sorted=%v %v\nwant %s %v", cols[0], cols[1], cols[2], len(all), sorted, got, cols[4], want)
}

// inWindows holds parts of a series against the whole of it.
func inWindows(t *testing.T, s *Set, cols []string, all []int64) {
	r := rand.New(rand.NewPCG(uint64(all[0]), uint64(len(all))))
	end := all[0]
	if days, _ := strconv.Atoi(cols[3]); days > 0 {
		end += int64(days) * day
	}
	part := *s
	part.Length = []Length{{}, {Seconds: 5400}, {Days: 1}, {Days: 3, Seconds: 60}}[r.IntN(4)]
	z := part.Start.In(nil)
	for range 3 {
		from := all[r.IntN(len(all))] + r.Int64N(7*day) - 3*day
		to := min(end, from+r.Int64N(40*day))
		var want, got []int64
		for _, at := range all {
			if at <= to && part.Length.Add(z.Wall(at), z) >= from {
				want = append(want, at)
			}
		}
		for in, err := range part.Instances(from, to, nil, Limits{Steps: 3_000_000, Instances: 100_000}) {
			if err != nil {
				t.Errorf("%s %s %s: %v", cols[0], cols[1], cols[2], err)
				return
			}
			got = append(got, in.Begin)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s %s %s of %v from %d to %d\n got %v\nwant %v", cols[0], cols[1], cols[2], part.Length, from, to, got, want)
		}
	}
	first, last, ended := part.Bounds(nil, DefaultLimits())
	if first > all[0] || ended && last < all[len(all)-1] {
		t.Errorf("%s %s %s: bounds are %d and %d, instances %d to %d", cols[0], cols[1], cols[2], first, last, all[0], all[len(all)-1])
	}
}
