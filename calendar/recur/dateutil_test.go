package recur

import (
	"bufio"
	"fmt"
	"hash/crc32"
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
