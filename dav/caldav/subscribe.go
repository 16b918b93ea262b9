package caldav

import (
	"net/http"
	"strings"
	"time"

	"atrium/calendar"
	"atrium/calendar/feed"
	"atrium/calendar/recur"
	"atrium/dav"
	"atrium/dav/birthdays"
	"atrium/dav/elem"
	"atrium/storage"
)

// Subscribed calendars: MKCALENDAR or MKCOL with CS:source makes a calendar that the server fills and nobody writes
// (calendarserver-subscribed). Clients see a calendar like others, without the right to change what is in it.

// limit is what calendars that the server writes leave their users.
func limit(c *storage.Collection) storage.Rights {
	s, err := calendar.SettingsOf(c)
	if err != nil || !s.ReadOnly() {
		return storage.AllRights
	}
	return storage.AllRights &^ (storage.Write | storage.Insert | storage.Post | storage.Create | storage.Delete | storage.Expunge)
}

// fresh brings the birthdays up to date when they, or the home, are asked for.
func (f *face) fresh(rq *dav.Request) error {
	t := rq.Target
	if !f.cfg.Birthdays || t.Owner.ID != rq.Actor.ID || len(t.Rest) > 0 && t.Rest[0] != birthdays.Name {
		return nil
	}
	return birthdays.Refresh(rq.Context(), f.store, t.Owner.ID)
}

// changed has the source of a subscribed calendar read when it is new.
func (f *face) changed(rq *dav.Request) {
	t := rq.Target
	if f.feeds == nil || t.Owner == nil || len(t.Rest) != 1 {
		return
	}
	f.store.View(rq.Context(), t.Owner.ID, func(v *storage.View) error {
		c, err := v.CollectionByName(calendar.Schema.Code, t.Rest[0])
		if err != nil {
			return err
		}
		if s, err := calendar.SettingsOf(c); err == nil && s.Made == calendar.Subscribed {
			f.feeds.Changed(t.Owner.ID, c.ID, &s)
		}
		return nil
	})
}

// readSource reads CS:source: a DAV:href, or the URL alone.
func readSource(raw elem.Raw) (string, error) {
	r := raw.Reader()
	r.Root()
	source := ""
	for s := range r.Children() {
		if s.Is("D:href") {
			source = strings.TrimSpace(r.Text())
		}
	}
	if source == "" {
		source = raw.Trimmed()
	}
	if _, err := feed.URL(source); err != nil {
		return "", dav.Fail(http.StatusForbidden, "the source is no URL of http, https or webcal")
	}
	return source, nil
}

// stripping are Apple's properties that say what of a source is not wanted: an empty element says so. On calendars that
// are not subscribed they are only kept.
func stripping() (all []dav.Property) {
	for _, p := range []struct {
		name  string
		strip calendar.Strip
	}{
		{"CS:subscribed-strip-alarms", calendar.StripAlarms},
		{"CS:subscribed-strip-attachments", calendar.StripAttachments},
		{"CS:subscribed-strip-todos", calendar.StripTodos},
	} {
		set := func(c *dav.Change, strip calendar.Strip) error {
			return configure(c, func(s *calendar.Settings) error {
				if s.Made == calendar.Subscribed {
					s.Strip = s.Strip&^p.strip | strip
				}
				return nil
			})
		}
		all = append(all, dav.Property{Name: elem.N(p.name), On: calendarKind, Set: func(c *dav.Change, v elem.Raw) error {
			if err := set(c, p.strip); err != nil {
				return err
			}
			return c.Store(v)
		}, Remove: func(c *dav.Change) error {
			if err := set(c, 0); err != nil {
				return err
			}
			return dav.Unstore(c)
		}})
	}
	return all
}

// subscription are the properties of subscribed calendars.
func subscription() []dav.Property {
	return append(stripping(), []dav.Property{
		{Name: elem.N("CS:source"), On: calendarKind, Get: func(a *dav.Ask, r *dav.Resource, w *elem.Writer) error {
			s, err := settings(r)
			if err != nil {
				return err
			}
			if r.Owner.ID != a.Actor.ID {
				return dav.Absent() // a link may be all that is needed to read more than what is shared
			}
			if s.Made != calendar.Subscribed {
				return dav.Absent()
			}
			w.Href(s.Source)
			return nil
		}, Set: func(c *dav.Change, v elem.Raw) error {
			source, err := readSource(v)
			if err != nil {
				return err
			}
			return configure(c, func(s *calendar.Settings) error {
				if s.Made != calendar.Subscribed {
					return dav.Refuse(http.StatusForbidden, "D:cannot-modify-protected-property")
				}
				s.Source = source
				return nil
			})
		}},
		{Name: elem.N("IC:refreshrate"), On: calendarKind, Get: func(a *dav.Ask, r *dav.Resource, w *elem.Writer) error {
			raw, err := a.Stored(r, elem.N("IC:refreshrate"))
			if err == nil {
				w.Text(raw.Text())
			}
			return err
		}, Set: func(c *dav.Change, v elem.Raw) error {
			d, err := recur.ParseDuration(v.Trimmed())
			if err != nil {
				return dav.Fail(http.StatusForbidden, "refreshrate is no duration")
			}
			if err := configure(c, func(s *calendar.Settings) error {
				every := time.Duration(min(max(int64(d.Days)*86400+d.Seconds, 0), 365*86400)) * time.Second
				if s.Made == calendar.Subscribed {
					s.Refresh = every
				}
				return nil
			}); err != nil {
				return err
			}
			return c.Store(v)
		}, Remove: func(c *dav.Change) error {
			if err := configure(c, func(s *calendar.Settings) error { s.Refresh = 0; return nil }); err != nil {
				return err
			}
			return dav.Unstore(c)
		}},
	}...)
}
