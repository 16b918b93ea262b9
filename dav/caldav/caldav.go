package caldav

import (
	"context"
	"encoding/xml"
	"errors"
	"io"
	"iter"
	"mime"
	"net/http"
	"slices"
	"strings"

	"atrium/calendar"
	"atrium/calendar/feed"
	"atrium/calendar/ics"
	"atrium/calendar/recur"
	"atrium/dav"
	"atrium/dav/elem"
	"atrium/dav/tzdist"
	"atrium/storage"
	"atrium/storage/blob"
)

// The kinds of resources here.
const (
	homeKind dav.Kinds = dav.Domain << iota
	calendarKind
	objectKind
)

// Config has the settings of CalDAV.
type Config struct {
	MaxObject      int64 `toml:"max_object"`      // bytes of one calendar object
	MaxAttendees   int   `toml:"max_attendees"`   // of one component
	MaxAttachment  int64 `toml:"max_attachment"`  // bytes of a managed attachment
	MaxAttachments int   `toml:"max_attachments"` // of one object
	Birthdays      bool  `toml:"birthdays"`       // a calendar of the birthdays in each one's contacts
}

// DefaultConfig returns settings that take all that clients are known to send.
func DefaultConfig() Config {
	return Config{MaxObject: int64(ics.DefaultLimits().Size), MaxAttendees: calendar.DefaultOptions().Attendees, Birthdays: true,
		MaxAttachment: 25 << 20, MaxAttachments: 20}
}

// face is what the module's functions need.
type face struct {
	cfg   Config
	store *storage.Store
	tree  *dav.Tree
	feeds *feed.Runner
}

func (f *face) blobs() blob.Store { return f.store.Blobs() }

// Modules serves the calendars of a store below /calendars/. feeds, which may be nil, is told of new
// subscriptions.
func Modules(store *storage.Store, cfg Config, feeds *feed.Runner) []dav.Module {
	cfg.MaxAttachments = min(cfg.MaxAttachments, calendar.MaxManaged)
	f := &face{cfg: cfg, store: store, feeds: feeds}
	f.tree = &dav.Tree{
		Segment: "calendars", Schema: calendar.Schema.Code, HomeSet: elem.N("C:calendar-home-set"), MaxSize: cfg.MaxObject,
		Home:       &dav.Kind{Name: "calendar home", Bits: dav.Home | dav.Synced | homeKind, Types: elem.Names("D:collection")},
		Collection: &dav.Kind{Name: "calendar", Bits: dav.Collection | dav.Synced | calendarKind, Types: elem.Names("D:collection", "C:calendar")},
		Member:     &dav.Kind{Name: "calendar object", Bits: dav.Member | objectKind},
		Ensure:     func(tx *storage.Tx) error { return calendar.EnsureDefaults(tx, dav.Look) },
		Make:       makeCalendar, ByName: byName, Entries: entries, Changes: changes,
		Bodies: calendar.Bodies, Own: viewAs, Open: f.open, Negotiate: negotiate, Prepare: f.prepare, Split: split, Delete: remove, Copy: copyObject, Move: moveObject, Wrap: wrap,
		Limit: limit, Fresh: f.fresh, Changed: f.changed, Index: f.index, Copied: calendar.Copied,
		Alias: [][]xml.Name{elem.Names("D:collection", "CS:subscribed"), elem.Names("D:collection", "C:calendar", "CS:subscribed")},
	}
	return []dav.Module{
		{
			RFC: "4791", Features: []string{"calendar-access"}, Trees: []*dav.Tree{f.tree}, WellKnown: []string{"caldav"},
			Methods:    map[string]dav.Handler{"MKCALENDAR": mkcalendar},
			Reports:    f.reports(),
			Properties: f.properties(),
			Privileges: []dav.Privilege{{Name: elem.N("C:read-free-busy"), In: elem.N("D:read"), Rights: storage.FreeBusy, Text: "Read busy times"}},
		},
		{RFC: "7809", Features: []string{"calendar-no-timezone"}, Properties: zoneProperties()},
		{RFC: "7953", Features: []string{"calendar-availability"}, Properties: availabilityProperties()},
		{RFC: "7529", Properties: []dav.Property{{Name: elem.N("C:supported-rscale-set"), On: homeKind | calendarKind, Get: func(_ *dav.Ask, _ *dav.Resource, w *elem.Writer) error {
			for _, s := range recur.Scales {
				w.Elem("C:supported-rscale", s)
			}
			return nil
		}}}},
		{RFC: "draft-daboo-valarm-extensions", Properties: defaultAlarms()},
		{
			RFC:        "caldav-publish",
			Properties: append(publishing(), subscription()...),
			Public:     map[string]http.Handler{publicPath: http.HandlerFunc(f.public)},
			Posts: []dav.Post{
				{Root: elem.N("CS:publish-calendar"), On: calendarKind, Run: f.publish(true)},
				{Root: elem.N("CS:unpublish-calendar"), On: calendarKind, Run: f.publish(false)},
			},
		},
		f.attachmentModule(),
		tzdist.Module(),
	}
}

// types are the media types of objects by their component.
var types = func() map[string]string {
	m := map[string]string{}
	for _, c := range calendar.Components {
		m[c] = "text/calendar; charset=utf-8; component=" + c
	}
	return m
}()

func entry(e calendar.Entry) dav.Entry {
	t := types[e.Component]
	if t == "" {
		t = "text/calendar; charset=utf-8"
	}
	return dav.Entry{Num: e.Num, Object: e.Object, Name: e.Name, ETag: e.ETag, ScheduleTag: e.ScheduleTag, Type: t,
		Size: e.Size, Modified: e.Modified, Modseq: e.Modseq}
}

func byName(v *storage.View, id storage.CollectionID, name string) (dav.Entry, error) {
	e, err := calendar.ByName(v, id, name)
	return entry(e), err
}

func entries(t *storage.Table) iter.Seq[dav.Entry] {
	return func(yield func(dav.Entry) bool) {
		for e := range calendar.Entries(t) {
			if !yield(entry(e)) {
				return
			}
		}
	}
}

func changes(v *storage.View, id storage.CollectionID, since uint64, limit int) (dav.Delta, error) {
	d, err := calendar.Changes(v, id, since, limit)
	out := dav.Delta{Gone: d.Gone, Modseq: d.Modseq, More: d.More, Changed: make([]dav.Entry, len(d.Changed))}
	for i, e := range d.Changed {
		out.Changed[i] = entry(e)
	}
	return out, err
}

func (f *face) open(ctx context.Context, v *storage.View, o storage.ObjectID) (dav.Body, error) {
	b, err := calendar.Data(ctx, v, f.blobs(), o)
	return dav.BytesBody(b), err
}

// upload is an object on its way in.
type upload struct {
	*calendar.Object
	altered bool
	ctx     context.Context
	sharing calendar.Sharing
}

// PutOwn is Put by one who shares the calendar of another: alarms and TRANSP are his own.
func (u upload) PutOwn(tx *storage.Tx, id storage.CollectionID, name string, user storage.AccountID, write bool) (dav.Entry, bool, error) {
	s := u.sharing
	s.User, s.Write = user, write
	e, created, altered, err := s.Put(u.ctx, tx, id, name, u.Object)
	out := entry(e)
	out.Altered = u.altered || altered
	return out, created, err
}

// ownParts is what a user sees of objects in another's calendar.
type ownParts struct{ *calendar.Viewer }

func viewAs(v *storage.View, id storage.CollectionID, user storage.AccountID) (dav.Own, error) {
	w, err := calendar.ViewAs(v, id, user)
	if w == nil || err != nil {
		return nil, err
	}
	return ownParts{w}, nil
}

func (o ownParts) Entry(e *dav.Entry) (err error) {
	e.ETag, err = o.ETag(e.Num, e.ETag)
	return err
}

func (o ownParts) Body(n storage.Num, b []byte) ([]byte, error) { return o.Data(n, b) }

func (u upload) Put(tx *storage.Tx, id storage.CollectionID, name string) (dav.Entry, bool, error) {
	e, created, err := calendar.Put(tx, id, name, u.Object, calendar.Condition{})
	out := entry(e)
	out.Altered = u.altered
	return out, created, err
}

// prepare reads and validates what a PUT sends (RFC 4791 §5.3.2.1).
func (f *face) prepare(rq *dav.Request, body io.Reader) (dav.Upload, error) {
	if t := rq.Header.Get("Content-Type"); t != "" {
		if m, _, err := mime.ParseMediaType(t); err != nil || m != "text/calendar" {
			return nil, &ics.Error{Condition: ics.SupportedData, Text: "the body is not text/calendar"}
		}
	}
	raw, altered, err := dav.ReadText(body, rq.ContentLength)
	if err != nil {
		return nil, err
	}
	limits := ics.DefaultLimits()
	limits.Size = int(f.cfg.MaxObject)
	options := calendar.Options{Limits: limits, Attendees: f.cfg.MaxAttendees, Strict: true}
	o, err := calendar.Prepare(rq.Context(), f.blobs(), raw, options)
	if err != nil {
		return nil, err
	}
	options.Limits.Size += 64 << 10 // with the alarms of others
	return upload{o, altered, rq.Context(), calendar.Sharing{Blobs: f.blobs(), Options: options}}, nil
}

// split cuts a calendar with objects of several UIDs into those objects.
func split(body []byte, most int) ([][]byte, error) {
	limits := ics.DefaultLimits()
	limits.Size = max(limits.Size, len(body))
	list, err := calendar.Split(body, limits, most)
	return list, wrap(err, nil)
}

func remove(tx *storage.Tx, id storage.CollectionID, name string) error {
	_, err := calendar.Delete(tx, id, name, calendar.Condition{})
	return err
}

func copyObject(tx *storage.Tx, from storage.CollectionID, name string, to storage.CollectionID, as string) (dav.Entry, error) {
	e, _, err := calendar.Copy(tx, from, name, to, as, true)
	return entry(e), err
}

func moveObject(tx *storage.Tx, from storage.CollectionID, name string, to storage.CollectionID, as string) (dav.Entry, error) {
	e, _, err := calendar.Move(tx, from, name, to, as, true)
	return entry(e), err
}

// wrap puts the domain's conditions into DAV's words.
func wrap(err error, href func(name string) string) error {
	var size *http.MaxBytesError
	if errors.As(err, &size) {
		return refuse(ics.MaxResourceSize, err)
	}
	var e *ics.Error
	if !errors.As(err, &e) {
		return err
	}
	out := refuse(e.Condition, err)
	if e.Condition == ics.NoUIDConflict && e.Other != "" {
		out.Href = href(e.Other)
	}
	return out
}

// refuse is 403 with a condition of CalDAV.
func refuse(c ics.Condition, err error) *dav.Error {
	return &dav.Error{Status: http.StatusForbidden, Condition: xml.Name{Space: "urn:ietf:params:xml:ns:caldav", Local: string(c)}, Err: err}
}

// mkcalendar answers MKCALENDAR (RFC 4791 §5.3.1).
func mkcalendar(rq *dav.Request, w http.ResponseWriter) error {
	types := elem.Names("D:collection", "C:calendar")
	const response = "C:mkcalendar-response"
	if t := rq.Target; t.Tree == nil || t.Tree.Schema != calendar.Schema.Code {
		return dav.Refuse(http.StatusForbidden, "C:calendar-collection-location-ok")
	}
	r, err := rq.ReadXML()
	if err != nil {
		return err
	}
	root, ok := r.Root()
	if !ok {
		if r.Err() == elem.Empty {
			return rq.MakeCollection(w, types, response, nil)
		}
		return r.Err()
	}
	if !root.Is("C:mkcalendar") {
		return dav.Fail(http.StatusUnsupportedMediaType, "the root element is not CALDAV:mkcalendar")
	}
	props, err := rq.ReadSet(r)
	if err != nil {
		return err
	}
	return rq.MakeCollection(w, types, response, props)
}

// makeCalendar makes a calendar for the components that are asked for.
func makeCalendar(tx *storage.Tx, name string, m *dav.Making) (*storage.Collection, error) {
	var components []string
	if raw, ok := m.Take("C:supported-calendar-component-set"); ok {
		var err error
		if components, err = readComponents(raw); err != nil {
			return nil, err
		}
	}
	source := ""
	if raw, ok := m.Take("CS:source"); ok {
		var err error
		if source, err = readSource(raw); err != nil {
			return nil, err
		}
	}
	if slices.Contains(m.Types, elem.N("CS:subscribed")) && source == "" {
		return nil, dav.Fail(http.StatusForbidden, "a subscribed calendar needs CS:source")
	}
	c, err := calendar.Create(tx, name, components, nil)
	if err != nil || source == "" {
		return c, err
	}
	return c, calendar.Configure(tx, c.ID, func(s *calendar.Settings) error {
		s.Made, s.Source = calendar.Subscribed, source
		return nil
	})
}

func readComponents(raw elem.Raw) (components []string, err error) {
	r := raw.Reader()
	r.Root()
	for s := range r.Children() {
		if s.Is("C:comp") {
			components = append(components, strings.ToUpper(s.Attr("name")))
		}
	}
	if r.Err() == nil && len(components) == 0 {
		return nil, &ics.Error{Condition: ics.SupportedComponent, Text: "no component"}
	}
	return components, r.Err()
}
