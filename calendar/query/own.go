package query

import (
	"bytes"
	"slices"
	"strings"

	"atrium/calendar/ics"
)

// Of an object that several people share each has some for himself: alarms, whether it takes up his time (TRANSP), and what
// clients note of alarms that rang. The rest is the same for all. What is one's own is kept as iCalendar with the components of
// the object, by their RECURRENCE-IDs, and nothing but these parts in them.

// isOwn tells whether a property belongs to each user alone.
func isOwn(name string) bool {
	return name == "TRANSP" || name == "X-MOZ-LASTACK" || strings.HasPrefix(name, "X-MOZ-SNOOZE-TIME")
}

func isAlarm(c *ics.Component) bool { return c.Name == "VALARM" }

// MayHaveOwn tells, without parsing, whether octets may hold alarms or what clients note of them.
func MayHaveOwn(raw []byte) bool {
	for len(raw) > 0 {
		n := bytes.IndexByte(raw, '\n') + 1
		if n == 0 {
			n = len(raw)
		}
		line := raw[:n]
		raw = raw[n:]
		line = bytes.TrimRight(line, "\r\n")
		short := len(line) < len("BEGIN:VALARM") && len(raw) > 0 && (raw[0] == ' ' || raw[0] == '\t') // folded in a name
		if short || hasFold(line, "BEGIN:VALARM") || hasFold(line, "X-MOZ-") {
			return true
		}
	}
	return false
}

func hasFold(line []byte, prefix string) bool {
	line = bytes.TrimLeft(line, " \t")
	return len(line) >= len(prefix) && strings.EqualFold(string(line[:len(prefix)]), prefix)
}

// ownKey names the component of an instance, "" the master.
func ownKey(k *ics.Component) string {
	return strings.ToUpper(strings.TrimSpace(k.Value("RECURRENCE-ID")))
}

// ownOf finds the component that speaks of the same instance as k, else the master.
func ownOf(c *ics.Calendar, k *ics.Component) (found *ics.Component) {
	if c == nil {
		return nil
	}
	key := ownKey(k)
	for _, o := range c.Main() {
		switch ownKey(o) {
		case key:
			return o
		case "":
			found = o
		}
	}
	return found
}

func busyOf(k *ics.Component) string {
	if k != nil && strings.EqualFold(strings.TrimSpace(k.Value("TRANSP")), "TRANSPARENT") {
		return "TRANSPARENT"
	}
	return "OPAQUE"
}

// Own is what of c belongs to who sent it, nil when that is nothing. TRANSP is his own where it is not what base says, and
// without base it is for all.
func Own(c, base *ics.Calendar) []byte {
	return own(c, func(k *ics.Component) bool {
		b := ownOf(base, k)
		return b != nil && k.Name == "VEVENT" && busyOf(b) != busyOf(k)
	})
}

// own collects what is one's own; busy tells whether TRANSP is.
func own(c *ics.Calendar, busy func(*ics.Component) bool) []byte {
	var out []byte
	some := false
	line := func(t string) { out = ics.AppendLine(out, t) }
	line("BEGIN:VCALENDAR")
	for _, k := range c.Main() {
		line("BEGIN:" + k.Name)
		if p := k.Prop("RECURRENCE-ID"); p != nil {
			out = ended(append(out, c.Source[p.Start:p.End]...))
		}
		if busy(k) {
			line("TRANSP:" + busyOf(k))
			some = true
		}
		for i := range k.Props {
			if p := &k.Props[i]; isOwn(p.Name) && p.Name != "TRANSP" {
				out = ended(append(out, c.Source[p.Start:p.End]...))
				some = true
			}
		}
		for _, a := range k.Components {
			if isAlarm(a) {
				out = ended(append(out, c.Source[a.Start:a.End]...))
				some = true
			}
		}
		line("END:" + k.Name)
	}
	line("END:VCALENDAR")
	if !some {
		return nil
	}
	return out
}

func ended(b []byte) []byte {
	if n := len(b); n > 0 && b[n-1] != '\n' {
		return append(b, '\r', '\n')
	}
	return b
}

// WithOwn is an object with what is someone's own instead of what it has itself; own may be nil. A component that own
// knows nothing of has what the master has.
func WithOwn(c, own *ics.Calendar) []byte { return lay(c, own, false) }

// Shared is what all are to see of an object that someone sent who shares it: with the alarms, and the rest of its own, that base
// has. base is what is there, nil when nothing is.
func Shared(c, base *ics.Calendar) []byte { return lay(c, base, base != nil) }

// lay writes c with the own parts of over in place of its own. TRANSP is taken from over where it has one, with all wherever over
// has the component.
func lay(c, over *ics.Calendar, all bool) []byte {
	var out []byte
	at := 0
	for _, k := range c.Main() {
		o := ownOf(over, k)
		last := k.Start // end of the last property; of all before END
		for i := range k.Props {
			last = max(last, k.Props[i].End)
		}
		end := last
		for _, a := range k.Components {
			end = max(end, a.End)
		}
		if end == k.Start { // an empty component has no place for anything
			continue
		}
		busy := o != nil && k.Name == "VEVENT" && (all || o.Prop("TRANSP") != nil) && busyOf(o) != busyOf(k)
		type cut struct{ start, end int }
		var cuts []cut
		for i := range k.Props {
			if p := &k.Props[i]; isOwn(p.Name) && (p.Name != "TRANSP" || busy) {
				cuts = append(cuts, cut{p.Start, p.End})
			}
		}
		for _, a := range k.Components {
			if isAlarm(a) {
				cuts = append(cuts, cut{a.Start, a.End})
			}
		}
		slices.SortFunc(cuts, func(a, b cut) int { return a.start - b.start })
		copyTo := func(to int) {
			for len(cuts) > 0 && cuts[0].start < to {
				out = append(out, c.Source[at:cuts[0].start]...)
				at, cuts = cuts[0].end, cuts[1:]
			}
			out = append(out, c.Source[at:to]...)
			at = to
		}
		copyTo(last)
		out = ended(out)
		if busy && o.Prop("TRANSP") != nil {
			out = ics.AppendLine(out, "TRANSP:"+busyOf(o))
		}
		if o == nil {
			copyTo(end)
			continue
		}
		src := over.Source
		for i := range o.Props {
			if p := &o.Props[i]; isOwn(p.Name) && p.Name != "TRANSP" {
				out = ended(append(out, src[p.Start:p.End]...))
			}
		}
		copyTo(end)
		for _, a := range o.Components {
			if isAlarm(a) {
				out = ended(append(ended(out), src[a.Start:a.End]...))
			}
		}
	}
	return append(out, c.Source[at:]...)
}

// SameShared tells whether two forms of an object differ in nothing but what is one's own, and in stamps.
func SameShared(a, b *ics.Calendar) bool { return slices.Equal(sharedOf(a), sharedOf(b)) }

// sharedOf lists what is shared of an object, in an order of its own.
func sharedOf(c *ics.Calendar) []string {
	var list []string
	for _, k := range c.Main() {
		list = append(list, sharedIn(k))
	}
	slices.Sort(list)
	return list
}

func sharedIn(k *ics.Component) string {
	var list []string
	for i := range k.Props {
		p := &k.Props[i]
		switch p.Name {
		case "DTSTAMP", "LAST-MODIFIED", "X-MOZ-GENERATION":
			continue
		}
		if isOwn(p.Name) {
			continue
		}
		var params []string
		for _, q := range p.Params {
			params = append(params, q.Name+"\x01"+strings.Join(q.Values, "\x02"))
		}
		slices.Sort(params)
		list = append(list, p.Name+"\x03"+strings.Join(params, "\x04")+"\x03"+p.Value)
	}
	for _, inner := range k.Components {
		if !isAlarm(inner) {
			list = append(list, sharedIn(inner))
		}
	}
	slices.Sort(list)
	return k.Name + "\x05" + strings.Join(list, "\x06") + "\x05"
}
