package zones

import (
	_ "embed"
	"slices"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // zones must not depend on the machine
)

// Version is the release of IANA's data that names.txt was made from.
const Version = "2025c"

//go:embed names.txt
var list string

// Zone is a time zone by its names.
type Zone struct {
	ID      string   // "Europe/Berlin"
	Aliases []string // ascending
}

// table is names.txt, read once.
var table = sync.OnceValue(func() (t struct {
	all     []Zone
	aliases map[string]string // to the ID, by lower-case name
}) {
	t.aliases = map[string]string{}
	at := map[string]int{}
	lines := strings.Fields(strings.ReplaceAll(list, " ", "="))
	for _, line := range lines {
		if name, _, alias := strings.Cut(line, "="); !alias {
			at[name] = len(t.all)
			t.all = append(t.all, Zone{ID: name})
			t.aliases[strings.ToLower(name)] = name
		}
	}
	for _, line := range lines {
		if name, id, alias := strings.Cut(line, "="); alias {
			z := &t.all[at[id]]
			z.Aliases = append(z.Aliases, name)
			t.aliases[strings.ToLower(name)] = id
		}
	}
	return t
})

// All returns the zones by ID; not to be changed.
func All() []Zone { return table().all }

// Canonical returns the ID of a zone by a name or an alias, in whatever case.
func Canonical(name string) (id string, ok bool) {
	id, ok = table().aliases[strings.ToLower(name)]
	return id, ok
}

// Onset is a moment at which a zone's offset changes.
type Onset struct {
	At       int64 // Unix seconds
	From, To int   // seconds east of UTC
	Name     string
	DST      bool
}

// The years that a VTIMEZONE tells of one by one.
const (
	firstYear = 1970
	lastYear  = 2037
)

// Onsets returns a zone's changes of offset in start <= t < end, Unix seconds; not more than some 1000.
func Onsets(id string, start, end int64) []Onset {
	id, ok := Canonical(id)
	if !ok {
		return nil
	}
	loc, err := time.LoadLocation(id)
	if err != nil {
		return nil
	}
	var out []Onset
	t := time.Unix(start-1, 0).In(loc)
	for len(out) < 1000 {
		_, from := t.Zone()
		_, next := t.ZoneBounds()
		if next.IsZero() || next.Unix() >= end {
			break
		}
		if !next.After(t) { // seen where a zone goes by its rule alone
			next = t.Add(time.Hour)
		}
		next = next.In(loc)
		name, to := next.Zone()
		if to != from {
			out = append(out, Onset{At: next.Unix(), From: from, To: to, Name: name, DST: next.IsDST()})
		}
		t = next
	}
	return out
}

// Offset returns what a zone's clocks are ahead of UTC at a moment, in seconds, and what that time is called.
func Offset(id string, unix int64) (offset int, name string, dst bool) {
	loc, err := time.LoadLocation(id)
	if err != nil {
		return 0, "UTC", false
	}
	t := time.Unix(unix, 0).In(loc)
	name, offset = t.Zone()
	return offset, name, t.IsDST()
}

// made are the VTIMEZONEs that were asked for; there are no more than names.
var made sync.Map // string → string

// VTimezone returns the VTIMEZONE of a zone, CRLF after each line. Its TZID is the name
// that was asked for as the list spells it.
func VTimezone(name string) (text string, ok bool) {
	id, ok := Canonical(name)
	if !ok {
		return "", false
	}
	if !strings.EqualFold(name, id) {
		for _, z := range All() {
			if i := slices.IndexFunc(z.Aliases, func(a string) bool { return z.ID == id && strings.EqualFold(a, name) }); i >= 0 {
				name = z.Aliases[i]
			}
		}
	} else {
		name = id
	}
	if t, ok := made.Load(name); ok {
		return t.(string), true
	}
	t, _ := made.LoadOrStore(name, vtimezone(name, id))
	return t.(string), true
}
