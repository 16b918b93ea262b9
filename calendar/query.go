package calendar

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"atrium/calendar/ics"
	"atrium/calendar/query"
	"atrium/calendar/recur"
	"atrium/storage"
	"atrium/storage/blob"
)

// Match is an entry that Query found.
type Match struct {
	Entry
	read   func(*Entry) ([]byte, error)
	raw    []byte
	parsed *ics.Calendar
}

// Data returns the object's octets. They are valid until the View ends and must
// not be changed.
func (m *Match) Data() ([]byte, error) {
	if m.raw == nil {
		raw, err := m.read(&m.Entry)
		if err != nil {
			return nil, fmt.Errorf("calendar object %q: %w", m.Name, err)
		}
		m.raw = raw
	}
	return m.raw, nil
}

// Calendar returns the parsed object.
func (m *Match) Calendar() (*ics.Calendar, error) {
	if m.parsed == nil {
		raw, err := m.Data()
		if err != nil {
			return nil, err
		}
		if m.parsed, err = parse(raw); err != nil {
			return nil, fmt.Errorf("calendar object %q: %w", m.Name, err)
		}
	}
	return m.parsed, nil
}

// Query yields the objects that match a filter, by Num ascending, as someone sees them. Floating times are read in zone.
// A failure is yielded once, as the last. A Match's data can be read only while
// the View lasts.
func Query(ctx context.Context, v *storage.View, blobs blob.Store, id storage.CollectionID, f *query.Filter, zone *recur.Zone, as *Viewer) iter.Seq2[*Match, error] {
	return func(yield func(*Match, error) bool) {
		if err := f.Validate(); err != nil {
			yield(nil, err)
			return
		}
		plan := f.Plan()
		table, err := v.Table(id)
		if err != nil {
			yield(nil, err)
			return
		}
		read := func(e *Entry) ([]byte, error) {
			raw, err := Peek(ctx, v, blobs, e.Object)
			if err != nil {
				return nil, err
			}
			return as.Data(e.Num, raw)
		}
		// try yields a row when it matches; false ends the query.
		try := func(row storage.Row, certain bool) bool {
			if err := ctx.Err(); err != nil {
				yield(nil, err)
				return false
			}
			e, err := decodeRow(row)
			if err != nil {
				yield(nil, err)
				return false
			}
			m := &Match{Entry: e, read: read}
			if plan.UID != nil && !plan.UID.Match(e.UID) {
				return true
			}
			if !certain {
				c, err := m.Calendar()
				if err != nil {
					yield(nil, err)
					return false
				}
				if !f.Match(c, zone) {
					return true
				}
			}
			if m.ETag, err = as.ETag(e.Num, e.ETag); err != nil {
				yield(nil, err)
				return false
			}
			return yield(m, nil)
		}
		if plan.Range != nil && indexed(plan.Component) {
			start, end := plan.Range.Unix()
			var hits []hit
			for h, err := range candidates(ctx, v, id, plan.Component, start, end, zone) {
				if err != nil {
					yield(nil, err)
					return
				}
				hits = append(hits, h)
			}
			slices.SortFunc(hits, func(a, b hit) int { return int(int64(a.num) - int64(b.num)) })
			for _, h := range hits {
				pos, ok := table.Find(h.num)
				if ok && !try(table.At(pos), plan.Exact && h.found == yes) {
					return
				}
			}
			return
		}
		code := componentCode(plan.Component)
		for _, row := range table.Rows(0, table.Len()) {
			if plan.Component != "" && rowComponent(row.Data) != code {
				continue
			}
			if !try(row, plan.Exact && plan.Range == nil) {
				return
			}
		}
	}
}

// indexed tells whether the time index knows a component's table.
func indexed(component string) bool {
	return component == "VEVENT" || component == "VTODO" || component == "VJOURNAL"
}

// FreeBusy returns the merged busy time of a calendar in a range, with the TRANSP that someone gave its events.
func FreeBusy(ctx context.Context, v *storage.View, blobs blob.Store, id storage.CollectionID, r query.Range, zone *recur.Zone, as *Viewer) ([]query.Busy, error) {
	var busy []query.Busy
	start, end := r.Unix()
	table, err := v.Table(id)
	if err != nil {
		return nil, err
	}
	for _, component := range []string{"VEVENT", "VFREEBUSY", "VAVAILABILITY"} {
		for h, err := range candidates(ctx, v, id, component, start, end, zone) {
			if err != nil {
				return nil, err
			}
			own, err := as.own(h.num)
			if err != nil {
				return nil, err
			}
			if h.busy == byte(query.Free) && own == nil {
				continue
			}
			if own == nil && h.begin < h.end && h.busy != mixedBusy {
				busy = query.AppendBusy(busy, r, h.begin, h.end, query.BusyType(h.busy))
				continue
			}
			pos, ok := table.Find(h.num)
			if !ok {
				continue
			}
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			raw, err := Peek(ctx, v, blobs, table.At(pos).Object)
			if err != nil {
				return nil, err
			}
			if own != nil {
				if raw, err = as.Data(h.num, raw); err != nil {
					return nil, err
				}
			}
			c, err := parse(raw)
			if err != nil {
				return nil, err
			}
			if component == "VAVAILABILITY" {
				busy = append(busy, query.Availability(c, r, zone)...)
				continue
			}
			busy = query.FreeBusy(busy, c, r, zone)
		}
	}
	return query.Merge(busy), nil
}

// parse parses what was stored, whatever today's limit on new objects is.
func parse(raw []byte) (*ics.Calendar, error) {
	l := ics.DefaultLimits()
	l.Size = max(l.Size, len(raw))
	return ics.Parse(raw, l)
}
