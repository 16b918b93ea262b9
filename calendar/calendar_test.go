package calendar_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"atrium/calendar"
	"atrium/calendar/ics"
	"atrium/calendar/query"
	"atrium/calendar/recur"
	"atrium/storage"
	"atrium/storage/blob"
	"atrium/storage/kv/memkv"
)

const me storage.AccountID = 1

type env struct {
	t     testing.TB
	store *storage.Store
	blobs blob.Store
}

func newEnv(t testing.TB) *env {
	t.Helper()
	blobs := openBlobs(t)
	s, err := storage.Open(memkv.New(), blobs, []storage.Schema{calendar.Schema}, storage.DefaultConfig(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return &env{t, s, blobs}
}

func (e *env) update(fn func(tx *storage.Tx) error) error {
	return e.store.Update(context.Background(), me, fn)
}

func (e *env) view(fn func(v *storage.View) error) {
	e.t.Helper()
	if err := e.store.View(context.Background(), me, fn); err != nil {
		e.t.Fatal(err)
	}
}

func (e *env) create(name string, components ...string) (id storage.CollectionID) {
	e.t.Helper()
	err := e.update(func(tx *storage.Tx) error {
		c, err := calendar.Create(tx, name, components, nil)
		if err == nil {
			id = c.ID
		}
		return err
	})
	if err != nil {
		e.t.Fatal(err)
	}
	return id
}

func (e *env) put(id storage.CollectionID, name, text string, cond calendar.Condition) (entry calendar.Entry, err error) {
	o, err := calendar.Prepare(context.Background(), e.blobs, []byte(text), calendar.DefaultOptions())
	if err != nil {
		return entry, err
	}
	defer o.Release()
	err = e.update(func(tx *storage.Tx) (err error) {
		entry, _, err = calendar.Put(tx, id, name, o, cond)
		return err
	})
	return entry, err
}

func (e *env) query(id storage.CollectionID, f *query.Filter, zone *recur.Zone) (names []string) {
	e.t.Helper()
	e.view(func(v *storage.View) error {
		for m, err := range calendar.Query(context.Background(), v, e.blobs, id, f, zone, nil) {
			if err != nil {
				return err
			}
			names = append(names, m.Name)
		}
		return nil
	})
	return names
}

func event(uid, lines string) string {
	return object("VEVENT", uid, lines)
}

func object(kind, uid, lines string) string {
	return "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//EN\r\nBEGIN:" + kind + "\r\nUID:" + uid + "\r\nDTSTAMP:20260101T000000Z\r\n" +
		strings.ReplaceAll(lines, "\n", "\r\n") + "END:" + kind + "\r\nEND:VCALENDAR\r\n"
}

func TestPutGetDelete(t *testing.T) {
	e := newEnv(t)
	id := e.create("work", "VEVENT")
	one := event("1", "DTSTART:20260101T090000Z\nSUMMARY:one\n")
	entry, err := e.put(id, "1.ics", one, calendar.Condition{NoneMatch: []string{"*"}})
	if err != nil || entry.ETag == "" || entry.UID != "1" || entry.Component != "VEVENT" || entry.Size != int64(len(one)) {
		t.Fatal(entry, err)
	}
	if _, err := e.put(id, "1.ics", one, calendar.Condition{NoneMatch: []string{"*"}}); !errors.Is(err, storage.Conflict) {
		t.Error(err)
	}
	if _, err := e.put(id, "1.ics", one, calendar.Condition{Match: []string{"nonsense"}}); !errors.Is(err, storage.Conflict) {
		t.Error(err)
	}
	two := event("1", "DTSTART:20260102T090000Z\nSUMMARY:two\n")
	second, err := e.put(id, "1.ics", two, calendar.Condition{Match: []string{entry.ETag}})
	if err != nil || second.ETag == entry.ETag || second.Num != entry.Num {
		t.Fatal(second, err)
	}
	var conflict *ics.Error
	_, err = e.put(id, "2.ics", one, calendar.Condition{})
	if !errors.Is(err, ics.NoUIDConflict) || !errors.As(err, &conflict) || conflict.Other != "1.ics" {
		t.Error(err)
	}
	if _, err = e.put(id, "1.ics", event("2", "DTSTART:20260102T090000Z\n"), calendar.Condition{}); !errors.Is(err, ics.NoUIDConflict) {
		t.Error(err)
	}
	if _, err = e.put(id, "3.ics", object("VTODO", "3", ""), calendar.Condition{}); !errors.Is(err, ics.SupportedComponent) {
		t.Error(err)
	}
	if _, err = e.put(id, "nothing.ics", "BEGIN:VCALENDAR\n", calendar.Condition{}); !errors.Is(err, ics.ValidData) {
		t.Error(err)
	}
	if _, err = e.put(id, "rule.ics", event("9", "DTSTART:20260102T090000Z\nRRULE:FREQ=NEVER\n"), calendar.Condition{}); !errors.Is(err, ics.ValidData) {
		t.Error(err)
	}
	if _, err = e.put(id, "rule.ics", event("9", "DTSTART:20260102T090000Z\nRRULE:RSCALE=CHINESE;FREQ=YEARLY\n"), calendar.Condition{}); !errors.Is(err, ics.SupportedRScale) {
		t.Error(err)
	}
	e.view(func(v *storage.View) error {
		got, err := calendar.ByUID(v, id, "1")
		if err != nil || got.Name != "1.ics" || got.ETag != second.ETag {
			t.Error(got, err)
		}
		raw, err := calendar.Data(context.Background(), v, e.blobs, got.Object)
		if string(raw) != two || err != nil {
			t.Errorf("%q %v", raw, err)
		}
		return nil
	})
	err = e.update(func(tx *storage.Tx) error {
		_, err := calendar.Delete(tx, id, "1.ics", calendar.Condition{Match: []string{entry.ETag}})
		return err
	})
	if !errors.Is(err, storage.Conflict) {
		t.Error(err)
	}
	for _, want := range []error{nil, storage.NotFound} {
		err = e.update(func(tx *storage.Tx) error {
			_, err := calendar.Delete(tx, id, "1.ics", calendar.Condition{})
			return err
		})
		if !errors.Is(err, want) {
			t.Error(err)
		}
	}
}

func TestLargeBodiesAndOddNames(t *testing.T) {
	e := newEnv(t)
	id := e.create("work")
	big := event("big", "DTSTART:20260101T090000Z\nDESCRIPTION:"+strings.Repeat("x", 300_000)+"\n")
	name := strings.Repeat("ü", 400)
	uid := strings.Repeat("u", 1500)
	if _, err := e.put(id, "a b#?%41/.ics", big, calendar.Condition{}); err != nil {
		t.Fatal(err)
	}
	if _, err := e.put(id, name, event(uid, "DTSTART:20260101T090000Z\n"), calendar.Condition{}); err != nil {
		t.Fatal(err)
	}
	e.view(func(v *storage.View) error {
		got, err := calendar.ByName(v, id, "a b#?%41/.ics")
		if err != nil {
			return err
		}
		raw, err := calendar.Data(context.Background(), v, e.blobs, got.Object)
		if string(raw) != big {
			t.Errorf("%d bytes", len(raw))
		}
		if x, err := calendar.ByUID(v, id, uid); err != nil || x.Name != name {
			t.Error(x, err)
		}
		return err
	})
	if _, err := e.put(id, strings.Repeat("n", 1000), event("z", "DTSTART:20260101T090000Z\n"), calendar.Condition{}); !errors.Is(err, storage.Invalid) {
		t.Error(err)
	}
}

func TestDefaultsAndSettings(t *testing.T) {
	e := newEnv(t)
	label := func(s, _ string) map[string][]byte { return map[string][]byte{"{DAV:}displayname": []byte(s)} }
	ensure := func() {
		if err := e.update(func(tx *storage.Tx) error { return calendar.EnsureDefaults(tx, label) }); err != nil {
			t.Fatal(err)
		}
	}
	ensure()
	ensure()
	e.view(func(v *storage.View) error {
		all, err := v.Collections(calendar.Schema.Code)
		if err != nil || len(all) != 3 {
			t.Fatal(all, err)
		}
		s, err := calendar.SettingsOf(all[2])
		if err != nil || !slices.Equal(s.Components, []string{"VTODO"}) || all[2].Name != "tasks" {
			t.Error(s, err)
		}
		return nil
	})
	zone := "BEGIN:VCALENDAR\r\nBEGIN:VTIMEZONE\r\nTZID:Mine\r\nBEGIN:STANDARD\r\nDTSTART:19700101T000000\r\nTZOFFSETFROM:+0300\r\nTZOFFSETTO:+0300\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\nEND:VCALENDAR\r\n"
	id := e.create("x")
	err := e.update(func(tx *storage.Tx) error {
		return calendar.Configure(tx, id, func(s *calendar.Settings) error {
			s.Timezone, s.Transparent = zone, true
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	e.view(func(v *storage.View) error {
		c, _ := v.Collection(id)
		s, err := calendar.SettingsOf(c)
		if err != nil || s.Timezone != zone || !s.Transparent || len(s.Components) != len(calendar.Components) {
			t.Error(s, err)
		}
		if got := s.Zone().Offset(0); got != 3*3600 {
			t.Error(got)
		}
		return nil
	})
	// all of them deleted by the user: they stay away
	if err := e.update(func(tx *storage.Tx) error {
		all, err := tx.Collections(calendar.Schema.Code)
		for _, c := range all {
			err = errors.Join(err, tx.Drop(c.ID))
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	ensure()
	e.view(func(v *storage.View) error {
		if all, _ := v.Collections(calendar.Schema.Code); len(all) != 0 {
			t.Error(all)
		}
		return nil
	})
	if err := e.update(func(tx *storage.Tx) error {
		_, err := calendar.Create(tx, "bad", []string{"VPOLL"}, nil)
		return err
	}); !errors.Is(err, ics.SupportedComponent) {
		t.Error(err)
	}
}

// randomEvent makes events of all kinds around 2026.
func randomEvent(r *rand.Rand, uid string) string {
	at := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(r.IntN(4*365*24)) * time.Hour)
	var b strings.Builder
	form := r.IntN(4)
	stamp := func(name string, t time.Time) string {
		switch form {
		case 0:
			return name + ":" + t.Format("20060102T150405Z") + "\n"
		case 1:
			return name + ";TZID=" + []string{"Europe/Berlin", "America/New_York", "Asia/Kolkata", "Nowhere"}[len(uid)%4] + ":" + t.Format("20060102T150405") + "\n"
		case 2:
			return name + ";VALUE=DATE:" + t.Format("20060102") + "\n"
		}
		return name + ":" + t.Format("20060102T150405") + "\n"
	}
	b.WriteString(stamp("DTSTART", at))
	switch r.IntN(4) {
	case 0:
		b.WriteString(stamp("DTEND", at.Add(time.Duration(r.IntN(100))*time.Hour)))
	case 1:
		b.WriteString([]string{"DURATION:PT1H\n", "DURATION:P2D\n", "DURATION:P3W\n", "DURATION:PT0S\n"}[r.IntN(4)])
	}
	recurs := r.IntN(2) == 0
	if recurs {
		b.WriteString("RRULE:" + []string{"FREQ=DAILY", "FREQ=WEEKLY;BYDAY=MO,TH", "FREQ=MONTHLY;BYDAY=-1FR", "FREQ=YEARLY", "FREQ=MONTHLY;BYMONTHDAY=31"}[r.IntN(5)])
		switch r.IntN(3) {
		case 0:
			fmt.Fprintf(&b, ";COUNT=%d", 1+r.IntN(50))
		case 1:
			u := at.AddDate(0, r.IntN(20), 0)
			if form == 2 {
				b.WriteString(";UNTIL=" + u.Format("20060102"))
			} else {
				b.WriteString(";UNTIL=" + u.Format("20060102T150405Z"))
			}
		}
		b.WriteString("\n")
		for range r.IntN(3) {
			b.WriteString(stamp("EXDATE", at.AddDate(0, 0, r.IntN(30))))
		}
		if r.IntN(4) == 0 {
			b.WriteString(stamp("RDATE", at.AddDate(0, r.IntN(40), 3)))
		}
	}
	if r.IntN(4) == 0 {
		b.WriteString([]string{"TRANSP:TRANSPARENT\n", "STATUS:TENTATIVE\n", "STATUS:CANCELLED\n"}[r.IntN(3)])
	}
	fmt.Fprintf(&b, "SUMMARY:word%d\n", r.IntN(5))
	if recurs && r.IntN(3) == 0 {
		id := at.AddDate(0, 0, r.IntN(20))
		future := ""
		if r.IntN(3) == 0 {
			future = ";RANGE=THISANDFUTURE"
		}
		b.WriteString("END:VEVENT\nBEGIN:VEVENT\nUID:" + uid + "\n" + strings.Replace(stamp("RECURRENCE-ID"+future, id), "RECURRENCE-ID"+future, "RECURRENCE-ID"+future, 1) +
			stamp("DTSTART", id.Add(time.Duration(r.IntN(400)-200)*time.Hour)) + "SUMMARY:moved\n")
	}
	return event(uid, b.String())
}

func randomTask(r *rand.Rand, uid string) string {
	at := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(r.IntN(2*365*24)) * time.Hour)
	lines := ""
	for _, p := range []string{"DTSTART", "DUE", "COMPLETED", "CREATED"} {
		if r.IntN(2) == 0 {
			lines += p + ":" + at.Add(time.Duration(r.IntN(50))*time.Hour).Format("20060102T150405Z") + "\n"
		}
	}
	if strings.Contains(lines, "DTSTART") && r.IntN(4) == 0 {
		lines += "RRULE:FREQ=WEEKLY;COUNT=5\n"
	}
	return object("VTODO", uid, lines)
}

func randomFilter(r *rand.Rand) *query.Filter {
	from := time.Date(2024, 6, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(r.IntN(4*365*24)) * time.Hour)
	f := &query.Filter{Comp: query.CompFilter{Name: "VCALENDAR"}}
	c := query.CompFilter{Name: []string{"VEVENT", "VEVENT", "VEVENT", "VTODO"}[r.IntN(4)]}
	switch r.IntN(8) {
	case 0:
		c.Range = &query.Range{Start: from}
	case 1:
		c.Range = &query.Range{End: from}
	case 2:
	default:
		c.Range = &query.Range{Start: from, End: from.Add(time.Duration(1+r.IntN(24*40)) * time.Hour)}
	}
	if r.IntN(4) == 0 {
		c.Props = append(c.Props, query.PropFilter{Name: "SUMMARY", Text: &query.TextMatch{Text: fmt.Sprintf("WORD%d", r.IntN(6)), Negate: r.IntN(3) == 0}})
	}
	if r.IntN(8) == 0 {
		c.Props = append(c.Props, query.PropFilter{Name: "UID", Text: &query.TextMatch{Text: fmt.Sprint(r.IntN(30))}})
	}
	f.Comp.Comps = []query.CompFilter{c}
	return f
}

// Random writes against maps; every query against matching all objects one by
// one; sync against listings.
func TestModel(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 7))
			e := newEnv(t)
			ids := []storage.CollectionID{e.create("a"), e.create("b")}
			model := []map[string]string{{}, {}}
			synced := []map[string]string{{}, {}}
			tokens := []uint64{0, 0}
			e.view(func(v *storage.View) error {
				for k, id := range ids {
					c, err := v.Collection(id)
					if err != nil {
						return err
					}
					tokens[k] = c.Created
				}
				return nil
			})
			for step := range 500 {
				k := r.IntN(2)
				name := fmt.Sprintf("%d.ics", r.IntN(60))
				uid := strings.TrimSuffix(name, ".ics")
				switch r.IntN(10) {
				case 0, 1:
					err := e.update(func(tx *storage.Tx) error {
						_, err := calendar.Delete(tx, ids[k], name, calendar.Condition{})
						return err
					})
					if _, have := model[k][name]; have != (err == nil) {
						t.Fatal(step, err)
					}
					delete(model[k], name)
				case 2:
					err := e.update(func(tx *storage.Tx) error {
						_, _, err := calendar.Move(tx, ids[k], name, ids[1-k], name, true)
						return err
					})
					if text, have := model[k][name]; have {
						if err != nil {
							t.Fatal(step, err)
						}
						delete(model[k], name)
						model[1-k][name] = text
					}
				case 3:
					err := e.update(func(tx *storage.Tx) error {
						_, _, err := calendar.Copy(tx, ids[k], name, ids[1-k], name, false)
						return err
					})
					_, have := model[k][name]
					_, taken := model[1-k][name]
					if have && !taken {
						if err != nil {
							t.Fatal(step, err)
						}
						model[1-k][name] = model[k][name]
					} else if err == nil {
						t.Fatal(step, "copied")
					}
				default:
					text := randomEvent(r, uid)
					if r.IntN(5) == 0 {
						text = randomTask(r, uid)
					}
					if _, err := e.put(ids[k], name, text, calendar.Condition{}); err != nil {
						t.Fatalf("%d: %v\n%s", step, err, text)
					}
					model[k][name] = text
				}
				if step%10 == 0 {
					compare(t, e, ids[k], model[k], r)
				}
				if step%7 == 0 {
					e.view(func(v *storage.View) error {
						d, err := calendar.Changes(v, ids[k], tokens[k], 0)
						if err != nil {
							return err
						}
						for _, n := range d.Gone {
							delete(synced[k], n)
						}
						for _, c := range d.Changed {
							synced[k][c.Name] = c.ETag
						}
						tokens[k] = d.Modseq
						table, err := v.Table(ids[k])
						if err != nil {
							return err
						}
						have := map[string]string{}
						for c := range calendar.Entries(table) {
							have[c.Name] = c.ETag
						}
						if !maps.Equal(have, synced[k]) || len(have) != len(model[k]) {
							t.Fatalf("step %d: synced %d, listed %d, model %d", step, len(synced[k]), len(have), len(model[k]))
						}
						return nil
					})
				}
			}
		})
	}
}

func compare(t *testing.T, e *env, id storage.CollectionID, model map[string]string, r *rand.Rand) {
	t.Helper()
	var zone *recur.Zone
	if r.IntN(2) == 0 {
		zone, _ = recur.LoadZone([]string{"Pacific/Auckland", "America/Los_Angeles", "Europe/Berlin"}[r.IntN(3)])
	}
	for range 5 {
		f := randomFilter(r)
		got := e.query(id, f, zone)
		slices.Sort(got)
		var want []string
		for name, text := range model {
			c, err := ics.Parse([]byte(text), ics.DefaultLimits())
			if err != nil {
				t.Fatal(err)
			}
			if f.Match(c, zone) {
				want = append(want, name)
			}
		}
		slices.Sort(want)
		if !slices.Equal(got, want) {
			for _, n := range append(slices.Clone(got), want...) {
				if slices.Contains(got, n) != slices.Contains(want, n) {
					t.Errorf("%s: found %v\n%s", n, slices.Contains(got, n), model[n])
				}
			}
			t.Fatalf("%+v %+v in %s: got %v, want %v", f.Comp.Comps[0], f.Comp.Comps[0].Range, zone.Name(), got, want)
		}
		if rg := f.Comp.Comps[0].Range; rg != nil && !rg.Start.IsZero() && !rg.End.IsZero() {
			var busy []query.Busy
			for _, text := range model {
				c, _ := ics.Parse([]byte(text), ics.DefaultLimits())
				busy = query.FreeBusy(busy, c, *rg, zone)
			}
			e.view(func(v *storage.View) error {
				got, err := calendar.FreeBusy(context.Background(), v, e.blobs, id, *rg, zone, nil)
				if want := query.Merge(busy); !slices.Equal(got, want) {
					t.Fatalf("busy in %v: %v, want %v", rg, got, want)
				}
				return err
			})
		}
	}
}

// benchEnv has a calendar as the load program makes it: n objects, a tenth of
// them weekly, a tenth daily series, a tenth all-day.
func benchEnv(b *testing.B, n int) (*env, storage.CollectionID) {
	e := newEnv(b)
	id := e.create("big")
	r := rand.New(rand.NewPCG(1, 1))
	zone := "BEGIN:VTIMEZONE\r\nTZID:Europe/Berlin\r\nBEGIN:DAYLIGHT\r\nTZOFFSETFROM:+0100\r\nTZOFFSETTO:+0200\r\nDTSTART:19700329T020000\r\nRRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU\r\nEND:DAYLIGHT\r\n" +
		"BEGIN:STANDARD\r\nTZOFFSETFROM:+0200\r\nTZOFFSETTO:+0100\r\nDTSTART:19701025T030000\r\nRRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n"
	for i := 0; i < n; {
		err := e.update(func(tx *storage.Tx) error {
			for range 200 {
				at := time.Date(2025, 1, 6, 8, 0, 0, 0, time.UTC).AddDate(0, 0, r.IntN(1000))
				span := "DTSTART;TZID=Europe/Berlin:" + at.Format("20060102T150405") + "\nDTEND;TZID=Europe/Berlin:" + at.Add(time.Hour).Format("20060102T150405") + "\n"
				switch i % 10 {
				case 6:
					span += fmt.Sprintf("RRULE:FREQ=WEEKLY;BYDAY=MO,FR;UNTIL=%s\n", at.AddDate(0, r.IntN(12), 0).Format("20060102T150405Z"))
				case 7:
					span += "RRULE:FREQ=DAILY\n"
				case 8:
					span = "DTSTART;VALUE=DATE:" + at.Format("20060102") + "\n"
				}
				text := event(fmt.Sprintf("ev%d", i), span+"SUMMARY:s\nDESCRIPTION:"+strings.Repeat("word ", 60)+"\n")
				text = strings.Replace(text, "BEGIN:VEVENT", zone+"BEGIN:VEVENT", 1)
				o, err := calendar.Prepare(context.Background(), e.blobs, []byte(text), calendar.DefaultOptions())
				if err != nil {
					return err
				}
				if _, _, err := calendar.Put(tx, id, fmt.Sprintf("ev%d.ics", i), o, calendar.Condition{}); err != nil {
					return err
				}
				i++
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	return e, id
}

func BenchmarkWeekQuery10000(b *testing.B) {
	e, id := benchEnv(b, 10_000)
	f := &query.Filter{Comp: query.CompFilter{Name: "VCALENDAR", Comps: []query.CompFilter{{Name: "VEVENT",
		Range: &query.Range{Start: time.Date(2026, 6, 15, 0, 0, 0, 0, time.UTC), End: time.Date(2026, 6, 22, 0, 0, 0, 0, time.UTC)}}}}}
	b.ReportAllocs()
	b.ResetTimer()
	n := 0
	for b.Loop() {
		n = len(e.query(id, f, nil))
	}
	b.ReportMetric(float64(n), "matches")
}

func BenchmarkFreeBusyWeek10000(b *testing.B) {
	e, id := benchEnv(b, 10_000)
	rg := query.Range{Start: time.Date(2026, 6, 15, 0, 0, 0, 0, time.UTC), End: time.Date(2026, 6, 22, 0, 0, 0, 0, time.UTC)}
	b.ReportAllocs()
	b.ResetTimer()
	for b.Loop() {
		e.view(func(v *storage.View) error {
			_, err := calendar.FreeBusy(context.Background(), v, e.blobs, id, rg, nil, nil)
			return err
		})
	}
}

func BenchmarkPrepare(b *testing.B) {
	r := rand.New(rand.NewPCG(3, 3))
	text := []byte(randomEvent(r, "abc"))
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := calendar.Prepare(context.Background(), nil, text, calendar.DefaultOptions()); err != nil {
			b.Fatal(err)
		}
	}
}
