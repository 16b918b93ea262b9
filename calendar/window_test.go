package calendar_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"atrium/calendar"
	"atrium/calendar/ics"
	"atrium/calendar/query"
	"atrium/calendar/recur"
	"atrium/storage"
)

// dated is an event with all that it has in the years looked at.
type dated struct {
	name   string
	busy   bool
	pieces [][2]int64
}

// TestWindowsOfRules puts events with random rules into a calendar and asks the
// time index for windows of it: events found and busy time are held against
// the full list of instances of each, RFC 4791 §9.9, §7.10.
func TestWindowsOfRules(t *testing.T) {
	e := newEnv(t)
	id := e.create("rules", "VEVENT")
	berlin, _ := recur.LoadZone("Europe/Berlin")
	f, err := os.Open("recur/testdata/dateutil.tsv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := rand.New(rand.NewPCG(4791, 9))
	var all []dated
	for lines := bufio.NewScanner(f); lines.Scan() && len(all) < 250; {
		cols := strings.Split(lines.Text(), "\t")
		if len(cols) != 7 || r.IntN(3) > 0 || strings.Contains(cols[2], "SECONDLY") || strings.Contains(cols[2], "MINUTELY") {
			continue
		}
		all = append(all, e.dated(id, len(all), cols, berlin, r))
	}
	at := time.Date(1996, 12, 1, 0, 0, 0, 0, time.UTC).Unix()
	for range 100 {
		start := at + r.Int64N(14*366*86400)
		end := start + 1 + r.Int64N([]int64{3600, 86400, 8 * 86400, 60 * 86400}[r.IntN(4)])
		e.window(id, all, query.Range{Start: time.Unix(start, 0).UTC(), End: time.Unix(end, 0).UTC()}, berlin)
	}
}

// dated puts an event with the rule of a line of the table.
func (e *env) dated(id storage.CollectionID, n int, cols []string, zone *recur.Zone, r *rand.Rand) dated {
	e.t.Helper()
	length := []string{"PT0S", "PT45M", "PT26H", "P1D", "P5D"}[r.IntN(5)]
	dtstart := "DTSTART:" + cols[1]
	switch cols[0] {
	case "-":
	case "UTC":
		dtstart += "Z"
	case "date":
		dtstart = "DTSTART;VALUE=DATE:" + cols[1]
		length = []string{"P1D", "P3D"}[r.IntN(2)]
	default:
		dtstart = "DTSTART;TZID=" + cols[0] + ":" + cols[1]
	}
	d := dated{name: fmt.Sprintf("%d.ics", n), busy: r.IntN(4) > 0}
	text := dtstart + "\nDURATION:" + length + "\nRRULE:" + cols[2] + "\n"
	if !d.busy {
		text += "TRANSP:TRANSPARENT\n"
	}
	text = event(fmt.Sprint(n), text)
	if _, err := e.put(id, d.name, text, calendar.Condition{}); err != nil {
		e.t.Fatalf("%v\n%s", err, text)
	}
	c, err := ics.Parse([]byte(text), ics.DefaultLimits())
	if err != nil {
		e.t.Fatal(err)
	}
	s, err := query.NewSeries(c)
	if err != nil {
		e.t.Fatal(err)
	}
	from := time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	for in, err := range s.Set.Instances(from, from+24*366*86400, zone, recur.Limits{Steps: 1 << 30, Instances: 1 << 30}) {
		if err != nil {
			e.t.Fatal(err)
		}
		d.pieces = append(d.pieces, [2]int64{in.Begin, in.End})
	}
	return d
}

// window asks for one range.
func (e *env) window(id storage.CollectionID, all []dated, r query.Range, zone *recur.Zone) {
	e.t.Helper()
	start, end := r.Unix()
	var want []string
	var taken [][2]int64
	for _, d := range all {
		hit := false
		for _, p := range d.pieces {
			if p[0] < end && p[1] > start || p[0] == p[1] && p[0] >= start && p[0] < end {
				hit = true
				if d.busy && p[0] < p[1] {
					taken = append(taken, [2]int64{max(p[0], start), min(p[1], end)})
				}
			}
		}
		if hit {
			want = append(want, d.name)
		}
	}
	filter := &query.Filter{Comp: query.CompFilter{Name: "VCALENDAR", Comps: []query.CompFilter{{Name: "VEVENT", Range: &r}}}}
	got := e.query(id, filter, zone)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		e.t.Fatalf("%v to %v\n got %v\nwant %v", r.Start, r.End, got, want)
	}
	slices.SortFunc(taken, func(a, b [2]int64) int { return int(a[0] - b[0]) })
	var merged [][2]int64
	for _, p := range taken {
		if n := len(merged); n > 0 && p[0] <= merged[n-1][1] {
			merged[n-1][1] = max(merged[n-1][1], p[1])
		} else {
			merged = append(merged, p)
		}
	}
	var busy [][2]int64
	e.view(func(v *storage.View) error {
		pieces, err := calendar.FreeBusy(context.Background(), v, e.blobs, id, r, zone, nil)
		for _, p := range pieces {
			busy = append(busy, [2]int64{p.Start.Unix(), p.End.Unix()})
		}
		return err
	})
	if !slices.Equal(busy, merged) {
		e.t.Fatalf("%v to %v is busy\n got %v\nwant %v", r.Start, r.End, busy, merged)
	}
}
