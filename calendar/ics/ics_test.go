package ics

import (
	"errors"
	"strings"
	"testing"

	"atrium/storage"
)

func crlf(s string) []byte { return []byte(strings.ReplaceAll(s, "\n", "\r\n")) }

const event = `BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//Example//EN
BEGIN:VTIMEZONE
TZID:Europe/Berlin
BEGIN:STANDARD
DTSTART:19701025T030000
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU
END:STANDARD
BEGIN:DAYLIGHT
DTSTART:19700329T020000
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU
END:DAYLIGHT
END:VTIMEZONE
BEGIN:VEVENT
UID:one@example.org
DTSTAMP:20260101T000000Z
DTSTART;TZID=Europe/Berlin:20260615T100000
DTEND;TZID=Europe/Berlin:20260615T110000
SUMMARY:Lunch\, with\nAda\; and Babbage \\ Co
DESCRIPTION:A long line that is folded in the middle of a word by the client th
 at wrote it
ATTENDEE;CN="Lovelace, Ada";DELEGATED-TO="mailto:a@example.org","mailto:b@exa
 mple.org";X-N=a^nb^'c^^:mailto:ada@example.org
BEGIN:VALARM
ACTION:DISPLAY
TRIGGER:-PT15M
END:VALARM
END:VEVENT
END:VCALENDAR
`

func TestParse(t *testing.T) {
	c, err := Parse(crlf(event), DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	if kind, err := Validate(c); err != nil || kind != "VEVENT" {
		t.Fatal(kind, err)
	}
	ev := c.Main()[0]
	if got := ev.Prop("SUMMARY").Text(); got != "Lunch, with\nAda; and Babbage \\ Co" {
		t.Errorf("summary %q", got)
	}
	if got := ev.Prop("DESCRIPTION").Value; !strings.HasSuffix(got, "client that wrote it") {
		t.Errorf("description %q", got)
	}
	at := ev.Prop("ATTENDEE")
	if cn, _ := at.Param("CN"); cn != "Lovelace, Ada" {
		t.Errorf("CN %q", cn)
	}
	if d := at.Params[1].Values; len(d) != 2 || d[1] != "mailto:b@example.org" {
		t.Errorf("DELEGATED-TO %q", d)
	}
	if n, _ := at.Param("X-N"); n != "a\nb\"c^" {
		t.Errorf("X-N %q", n)
	}
	if got := c.Source[at.Start:at.End]; !strings.HasPrefix(got, "ATTENDEE;") || !strings.HasSuffix(got, "ada@example.org\r\n") {
		t.Errorf("octets %q", got)
	}
	if got := c.Source[ev.Start:ev.End]; !strings.HasPrefix(got, "BEGIN:VEVENT\r\n") || !strings.HasSuffix(got, "END:VEVENT\r\n") {
		t.Errorf("octets %q", got)
	}
	if c.UID() != "one@example.org" || len(ev.Components) != 1 {
		t.Errorf("%q %d", c.UID(), len(ev.Components))
	}
}

func vevent(lines string) string {
	return "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\nBEGIN:VEVENT\nUID:1\nDTSTART:20260101T000000Z\n" + lines + "END:VEVENT\nEND:VCALENDAR\n"
}

func TestTaken(t *testing.T) {
	for name, text := range map[string]string{
		"line feeds alone":          event,
		"byte order mark":           "\ufeff" + event,
		"blanks before":             " \n\r\n\t" + event,
		"empty lines":               strings.ReplaceAll(event, "\n", "\n\n")[:0] + strings.ReplaceAll(event, "BEGIN:VEVENT", "\n\nBEGIN:VEVENT"),
		"empty lines after":         event + "\r\n\r\n \r\n",
		"no line end at last":       strings.TrimSpace(event),
		"lower case":                strings.ReplaceAll(strings.ReplaceAll(event, "BEGIN:VEVENT", "begin:vevent"), "END:VEVENT", "End:VEvent"),
		"two carriage returns":      strings.ReplaceAll(event, "\n", "\r\r\n"),
		"no PRODID, no VERSION":     "BEGIN:VCALENDAR\nBEGIN:VTODO\nUID:1\nEND:VTODO\nEND:VCALENDAR",
		"override without master":   vevent("RECURRENCE-ID:20260101T000000Z\n"),
		"override before master":    strings.Replace(vevent(""), "END:VCAL", "BEGIN:VEVENT\nUID:1\nDTSTART:20260101T000000Z\nRECURRENCE-ID:20260102T000000Z\nEND:VEVENT\nEND:VCAL", 1),
		"a quote that does not end": vevent("ATTENDEE;CN=\"Ada:mailto:x\n"),
		"a parameter without value": vevent("ATTENDEE;RSVP;CN=:mailto:x\n"),
		"own component beside":      strings.Replace(vevent(""), "END:VCAL", "BEGIN:X-FOO\nX:1\nEND:X-FOO\nEND:VCAL", 1),
		"tabs, and controls of C1":  vevent("SUMMARY:a\tb\u0085\n"),
	} {
		c, err := Parse([]byte(text), DefaultLimits())
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if c.Source != text {
			t.Errorf("%s: source changed", name)
		}
		if _, err := Validate(c); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRefused(t *testing.T) {
	two := func(a, b string) string { return "BEGIN:VCALENDAR\n" + a + b + "END:VCALENDAR\n" }
	ev := func(s string) string { return "BEGIN:VEVENT\n" + s + "DTSTART:20260101T000000Z\nEND:VEVENT\n" }
	for name, tc := range map[string]struct {
		text string
		want Condition
	}{
		"empty":                  {"", ValidData},
		"text":                   {"hello world", ValidData},
		"a card":                 {"BEGIN:VCARD\nEND:VCARD\n", ValidData},
		"latin 1":                {vevent("SUMMARY:caf\xe9\n"), ValidData},
		"NUL":                    {vevent("SUMMARY:a\x00b\n"), ValidData},
		"control characters":     {vevent("SUMMARY:a\x0bb\n"), ValidData},
		"cut":                    {event[:len(event)-40], ValidData},
		"no nesting":             {"BEGIN:VCALENDAR\nBEGIN:VEVENT\nEND:VCALENDAR\nEND:VEVENT\n", ValidData},
		"no colon":               {vevent("SUMMARY\n"), ValidData},
		"two calendars":          {event + event, ValidData},
		"version 1":              {strings.Replace(event, "2.0", "1.0", 1), ValidData},
		"no DTSTART":             {two("BEGIN:VEVENT\nUID:1\nEND:VEVENT\n", ""), ValidData},
		"two DTSTART":            {vevent("DTSTART:20260102T000000Z\n"), ValidData},
		"method":                 {strings.Replace(event, "VERSION", "METHOD:REQUEST\nVERSION", 1), ValidObject},
		"no component":           {two("", ""), ValidObject},
		"only a time zone":       {two("BEGIN:VTIMEZONE\nTZID:x\nEND:VTIMEZONE\n", ""), ValidObject},
		"no UID":                 {two(ev(""), ""), ValidObject},
		"two UIDs":               {two(ev("UID:1\n"), ev("UID:2\n")), ValidObject},
		"two kinds":              {two(ev("UID:1\n"), "BEGIN:VTODO\nUID:1\nEND:VTODO\n"), ValidObject},
		"two masters":            {two(ev("UID:1\n"), ev("UID:1\n")), ValidObject},
		"two for one instance":   {two(ev("UID:1\nRECURRENCE-ID:20260101T000000Z\n"), ev("UID:1\nRECURRENCE-ID:20260101T000000Z\n")), ValidObject},
		"too deep":               {strings.Repeat("BEGIN:VCALENDAR\n", 100), ValidData},
		"a blank in a name":      {vevent("SUM MARY:x\n"), ValidData},
		"property after its end": {event + "X:1\n", ValidData},
	} {
		c, err := Parse([]byte(tc.text), DefaultLimits())
		if err == nil {
			_, err = Validate(c)
		}
		if !errors.Is(err, tc.want) || !errors.Is(err, storage.Invalid) {
			t.Errorf("%s: %v, want %v", name, err, tc.want)
		}
	}
	l := DefaultLimits()
	l.Size = 100
	if _, err := Parse([]byte(event), l); !errors.Is(err, MaxResourceSize) || !errors.Is(err, storage.TooLarge) {
		t.Error(err)
	}
	l = DefaultLimits()
	l.Lines = 5
	if _, err := Parse([]byte(event), l); !errors.Is(err, ValidData) {
		t.Error(err)
	}
}

func TestEscape(t *testing.T) {
	for _, s := range []string{"", "a,b;c\\d\ne", "\\n", "\\", "a\\"} {
		if got := Unescape(Escape(s)); got != s {
			t.Errorf("%q becomes %q", s, got)
		}
	}
	line := "SUMMARY:" + strings.Repeat("äöü€", 40)
	folded := AppendLine(nil, line)
	for l := range strings.SplitSeq(strings.TrimSuffix(string(folded), "\r\n"), "\r\n") {
		if len(l) > 75 {
			t.Errorf("%d octets", len(l))
		}
	}
	if got := strings.ReplaceAll(string(folded), "\r\n ", ""); got != line+"\r\n" {
		t.Errorf("%q", got)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(event))
	f.Add(crlf(event))
	f.Add([]byte("\ufeff BEGIN:VCALENDAR\nA;B=\"x:\":y\nEND:VCALENDAR"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		c, err := Parse(raw, DefaultLimits())
		if err != nil {
			return
		}
		if c.Source != string(raw) {
			t.Fatal("source changed")
		}
		var check func(k *Component)
		check = func(k *Component) {
			if k.Start < 0 || k.End > len(raw) || k.Start >= k.End {
				t.Fatalf("%s %d-%d", k.Name, k.Start, k.End)
			}
			at := k.Start
			for _, p := range k.Props {
				if p.Start < at || p.End > k.End || p.Start >= p.End {
					t.Fatalf("%s %d-%d in %d-%d", p.Name, p.Start, p.End, k.Start, k.End)
				}
				at = p.End
				p.Text()
			}
			for _, q := range k.Components {
				check(q)
			}
		}
		check(c.Component)
		Validate(c)
	})
}

func BenchmarkParse(b *testing.B) {
	raw := crlf(event)
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(raw, DefaultLimits()); err != nil {
			b.Fatal(err)
		}
	}
}
