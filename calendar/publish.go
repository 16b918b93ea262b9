package calendar

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strings"

	"atrium/calendar/ics"
	"atrium/storage"
)

// A published calendar has a link that anyone may read who knows it: account, collection and a secret of the
// calendar's Settings.

const secretBytes = 16

// Publish gives a calendar a link, or leaves it the one that it has.
func Publish(tx *storage.Tx, id storage.CollectionID) (link string, err error) {
	err = Configure(tx, id, func(s *Settings) error {
		if s.Secret == "" {
			b := make([]byte, secretBytes)
			rand.Read(b)
			s.Secret = string(b)
		}
		link = linkOf(tx.Account(), id, s)
		return nil
	})
	return link, err
}

// Unpublish takes the link away; another Publish gives another one.
func Unpublish(tx *storage.Tx, id storage.CollectionID) error {
	return Configure(tx, id, func(s *Settings) error {
		s.Secret = ""
		return nil
	})
}

// Link returns what stands in a published calendar's URL, "" when it is not published.
func Link(c *storage.Collection) string {
	s, err := SettingsOf(c)
	if err != nil || s.Secret == "" {
		return ""
	}
	return linkOf(c.Account, c.ID, &s)
}

func linkOf(a storage.AccountID, id storage.CollectionID, s *Settings) string {
	b := binary.AppendUvarint(nil, uint64(a))
	b = binary.AppendUvarint(b, uint64(id))
	return base64.RawURLEncoding.EncodeToString(append(b, s.Secret...))
}

// ReadLink tells which calendar a link names, and its secret; whether that is right, Published tells.
func ReadLink(link string) (a storage.AccountID, id storage.CollectionID, secret string, ok bool) {
	if len(link) > 100 {
		return 0, 0, "", false
	}
	b, err := base64.RawURLEncoding.DecodeString(link)
	if err != nil {
		return 0, 0, "", false
	}
	d := decoder{b: b}
	a, id = storage.AccountID(d.uint()), storage.CollectionID(d.uint())
	return a, id, string(d.b), !d.bad && len(d.b) == secretBytes
}

// Published returns the calendar of a link; storage.NotFound.
func Published(v *storage.View, id storage.CollectionID, secret string) (*storage.Collection, Settings, error) {
	c, err := v.Collection(id)
	if err != nil {
		return nil, Settings{}, err
	}
	if c.Schema != Schema.Code {
		return nil, Settings{}, fmt.Errorf("published calendar: %w", storage.NotFound)
	}
	s, err := SettingsOf(c)
	if err == nil && (s.Secret == "" || subtle.ConstantTimeCompare([]byte(s.Secret), []byte(secret)) != 1) {
		err = fmt.Errorf("published calendar: %w", storage.NotFound)
	}
	return c, s, err
}

// Export writes all of a calendar as one iCalendar object.
type Export struct {
	Store    *storage.Store
	Account  storage.AccountID
	Calendar storage.CollectionID
	Name     string            // shown as the calendar's name, may be empty
	As       storage.AccountID // who is to see it; 0: the owner
	Public   bool              // without what is private or confidential (RFC 5545 §3.8.1.3), and without alarms
}

func (x *Export) viewer(v *storage.View) (*Viewer, error) {
	if x.As == 0 {
		return nil, nil
	}
	return ViewAs(v, x.Calendar, x.As)
}

// exportAtOnce is how many objects are read in one snapshot.
const exportAtOnce = 100

// Write writes the calendar as it was when it begins; objects that change meanwhile
// come as they were or not at all. Each time zone comes once, before its first use. It is never whole in memory, and no
// snapshot is open while w takes what is written.
func (x *Export) Write(ctx context.Context, w io.Writer) error {
	var entries []Entry
	err := x.Store.View(ctx, x.Account, func(v *storage.View) error {
		t, err := v.Table(x.Calendar)
		if err != nil {
			return err
		}
		entries = slices.Collect(Entries(t))
		return nil
	})
	if err != nil {
		return err
	}
	slices.SortFunc(entries, func(a, b Entry) int { return cmp.Compare(a.Object, b.Object) })
	out := &exporter{zones: map[string]bool{}, public: x.Public}
	out.line("BEGIN:VCALENDAR")
	out.line("VERSION:2.0")
	out.line("PRODID:-//Atrium//EN")
	out.line("CALSCALE:GREGORIAN")
	if x.Name != "" {
		out.line("NAME:" + ics.Escape(x.Name)) // RFC 7986 §5.1
		out.line("X-WR-CALNAME:" + ics.Escape(x.Name))
	}
	for batch := range slices.Chunk(entries, exportAtOnce) {
		err := x.Store.View(ctx, x.Account, func(v *storage.View) error {
			as, err := x.viewer(v)
			if err != nil {
				return err
			}
			for i := range batch {
				raw, err := Peek(ctx, v, x.Store.Blobs(), batch[i].Object)
				if err != nil {
					continue // gone meanwhile
				}
				if raw, err = as.Data(batch[i].Num, raw); err != nil {
					return err
				}
				out.add(raw)
			}
			return nil
		})
		if err != nil {
			return err
		}
		if _, err := w.Write(out.b.Bytes()); err != nil {
			return err
		}
		out.b.Reset()
	}
	out.line("END:VCALENDAR")
	_, err = w.Write(out.b.Bytes())
	return err
}

type exporter struct {
	b      bytes.Buffer
	zones  map[string]bool
	public bool
}

func (x *exporter) line(s string) { x.b.Write(ics.AppendLine(nil, s)) }

// add writes the components of one object.
func (x *exporter) add(raw []byte) {
	c, err := parse(raw)
	if err != nil {
		return
	}
	for _, k := range c.Components {
		if k.Name == "VTIMEZONE" {
			id := k.Value("TZID")
			if x.zones[id] {
				continue
			}
			x.zones[id] = true
		} else if x.public && hidden(k) {
			continue
		}
		x.component(c.Source, k)
	}
}

// hidden tells whether a component is not for everyone.
func hidden(k *ics.Component) bool {
	class := strings.TrimSpace(k.Value("CLASS"))
	return strings.EqualFold(class, "PRIVATE") || strings.EqualFold(class, "CONFIDENTIAL")
}

func (x *exporter) component(src string, k *ics.Component) {
	if !x.public || !slices.ContainsFunc(k.Components, func(c *ics.Component) bool { return c.Name == "VALARM" }) {
		x.raw(src[k.Start:k.End])
		return
	}
	x.line("BEGIN:" + k.Name)
	for i := range k.Props {
		x.raw(src[k.Props[i].Start:k.Props[i].End])
	}
	for _, c := range k.Components {
		if c.Name != "VALARM" {
			x.raw(src[c.Start:c.End])
		}
	}
	x.line("END:" + k.Name)
}

func (x *exporter) raw(s string) {
	x.b.WriteString(s)
	if !strings.HasSuffix(s, "\n") {
		x.b.WriteString("\r\n")
	}
}
