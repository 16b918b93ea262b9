package tzdist

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"atrium/calendar/zones"
	"atrium/dav"
)

// Path is where the service is.
const Path = "/timezones/"

// Module is the service.
func Module() dav.Module {
	return dav.Module{RFC: "7808", Public: map[string]http.Handler{
		Path:                    http.HandlerFunc(serve),
		"/.well-known/timezone": http.RedirectHandler(Path, http.StatusMovedPermanently), // RFC 7808 §4.2.1.3
	}}
}

// token stands for all data (RFC 7808 §4.1.3).
const token = zones.Version

// problem is an error of RFC 7808 §5.
type problem struct {
	status int
	kind   string // last part of the type
	text   string
}

func bad(kind, format string, args ...any) *problem {
	return &problem{http.StatusBadRequest, kind, fmt.Sprintf(format, args...)}
}

func (p *problem) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.status)
	json.NewEncoder(w).Encode(map[string]any{"type": "urn:ietf:params:tzdist:error:" + p.kind, "title": p.text, "status": p.status})
}

func serve(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "GET only", http.StatusMethodNotAllowed)
		return
	}
	if p := answer(w, r); p != nil {
		p.write(w)
	}
}

func answer(w http.ResponseWriter, r *http.Request) *problem {
	rest := strings.TrimPrefix(r.URL.EscapedPath(), strings.TrimSuffix(Path, "/"))
	q := r.URL.Query()
	for _, v := range q {
		if len(v) > 1 {
			return bad("invalid-action", "a parameter is given twice")
		}
	}
	switch parts := strings.Split(strings.Trim(rest, "/"), "/"); {
	case len(parts) == 1 && (parts[0] == "capabilities" || parts[0] == ""):
		return send(w, r, capabilities)
	case len(parts) == 1 && parts[0] == "leapseconds":
		return send(w, r, leapSeconds)
	case len(parts) == 1 && parts[0] == "zones":
		if q.Has("pattern") {
			return find(w, r, q.Get("pattern"))
		}
		return list(w, r, q)
	case len(parts) >= 2 && parts[0] == "zones":
		last := len(parts) - 1
		observances := last >= 2 && parts[last] == "observances"
		if !observances {
			last++
		}
		// The slash of a name comes escaped, or not.
		name, err := url.PathUnescape(strings.Join(parts[1:last], "/"))
		id, ok := zones.Canonical(name)
		if err != nil || !ok {
			return &problem{http.StatusNotFound, "tzid-not-found", "no zone has that name"}
		}
		if observances {
			return expand(w, r, name, id, q)
		}
		return get(w, r, name, q)
	}
	return &problem{http.StatusNotFound, "invalid-action", "no such action"}
}

func send(w http.ResponseWriter, r *http.Request, v any) *problem {
	return sendAs(w, r, "application/json; charset=utf-8", token, func() []byte {
		b, err := json.Marshal(v)
		if err != nil {
			panic(err) // maps of strings
		}
		return b
	})
}

// sendAs answers unless the client has it already.
func sendAs(w http.ResponseWriter, r *http.Request, mediaType, tag string, body func() []byte) *problem {
	h := w.Header()
	h.Set("Content-Type", mediaType)
	h.Set("Etag", `"`+tag+`"`)
	h.Set("Cache-Control", "max-age=86400")
	h.Set("X-Content-Type-Options", "nosniff")
	if m := r.Header.Get("If-None-Match"); m != "" && strings.Contains(m, `"`+tag+`"`) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	b := body()
	h.Set("Content-Length", strconv.Itoa(len(b)))
	if r.Method != http.MethodHead {
		w.Write(b)
	}
	return nil
}

// obj is a JSON object.
type obj map[string]any

func parameter(name string, required bool) obj {
	return obj{"name": name, "required": required, "multi": false}
}

// capabilities is RFC 7808 §6.1.
var capabilities = obj{
	"version": 1,
	"info": obj{
		"primary-source": "IANA:" + zones.Version,
		"formats":        []string{"text/calendar"},
		"truncated":      obj{"any": false, "untruncated": true},
		"contacts":       []string{},
	},
	"actions": []obj{
		{"name": "capabilities", "uri-template": Path + "capabilities", "parameters": []obj{}},
		{"name": "list", "uri-template": Path + "zones{?changedsince}", "parameters": []obj{parameter("changedsince", false)}},
		{"name": "get", "uri-template": Path + "zones{/tzid}", "parameters": []obj{}},
		{"name": "expand", "uri-template": Path + "zones{/tzid}/observances{?start,end}", "parameters": []obj{parameter("start", true), parameter("end", true)}},
		{"name": "find", "uri-template": Path + "zones{?pattern}", "parameters": []obj{parameter("pattern", true)}},
		{"name": "leapseconds", "uri-template": Path + "leapseconds", "parameters": []obj{}},
	},
}

// published is when the data's release came out.
const published = "2025-12-10T00:00:00Z"

func describe(all []zones.Zone) obj {
	out := make([]obj, len(all))
	for i, z := range all {
		out[i] = obj{"tzid": z.ID, "etag": token, "last-modified": published, "publisher": "IANA", "version": zones.Version}
		if len(z.Aliases) > 0 {
			out[i]["aliases"] = z.Aliases
		}
	}
	return obj{"synctoken": token, "timezones": out}
}

// list is RFC 7808 §5.2.
func list(w http.ResponseWriter, r *http.Request, q url.Values) *problem {
	if q.Has("changedsince") {
		if q.Get("changedsince") != token {
			return bad("invalid-changedsince", "the token is not known")
		}
		return send(w, r, describe(nil))
	}
	return send(w, r, describe(zones.All()))
}

// find is RFC 7808 §5.5: an asterisk at the beginning or the end of a pattern is any text.
func find(w http.ResponseWriter, r *http.Request, pattern string) *problem {
	plain := func(s string) string { return strings.ReplaceAll(strings.ToLower(s), " ", "_") }
	text := plain(pattern)
	before, after := strings.HasPrefix(text, "*"), strings.HasSuffix(text, "*") && !strings.HasSuffix(text, `\*`) && len(text) > 1
	if before {
		text = text[1:]
	}
	if after {
		text = text[:len(text)-1]
	}
	text = strings.ReplaceAll(strings.ReplaceAll(text, `\*`, "\x00"), `\\`, `\`)
	if text == "" || strings.Contains(text, "*") || len(text) > 100 {
		return bad("invalid-pattern", "the pattern is empty, or has an asterisk in its middle")
	}
	text = strings.ReplaceAll(text, "\x00", "*")
	match := func(name string) bool {
		name = plain(name)
		switch {
		case before && after:
			return strings.Contains(name, text)
		case before:
			return strings.HasSuffix(name, text)
		case after:
			return strings.HasPrefix(name, text)
		}
		return name == text
	}
	var found []zones.Zone
	for _, z := range zones.All() {
		hit := match(z.ID)
		for _, a := range z.Aliases {
			hit = hit || match(a)
		}
		if hit {
			found = append(found, z)
		}
	}
	return send(w, r, describe(found))
}

// get is RFC 7808 §5.3.
func get(w http.ResponseWriter, r *http.Request, name string, q url.Values) *problem {
	for _, p := range []string{"start", "end"} {
		if q.Has(p) {
			return bad("invalid-"+p, "zones are served whole")
		}
	}
	if a := r.Header.Get("Accept"); a != "" && !strings.Contains(a, "text/calendar") && !strings.Contains(a, "text/*") && !strings.Contains(a, "*/*") {
		return &problem{http.StatusNotAcceptable, "unsupported-format", "zones come as text/calendar"}
	}
	w.Header().Set("Last-Modified", lastModified)
	return sendAs(w, r, "text/calendar; charset=utf-8", token, func() []byte {
		zone, _ := zones.VTimezone(name)
		return []byte("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Atrium//EN\r\n" + zone + "END:VCALENDAR\r\n")
	})
}

var lastModified = func() string {
	t, err := time.Parse(time.RFC3339, published)
	if err != nil {
		panic(err)
	}
	return t.Format(http.TimeFormat)
}()

// maxSpan bounds what expand answers, in seconds: 200 years.
const maxSpan = 200 * 366 * 86400

// expand is RFC 7808 §5.4.
func expand(w http.ResponseWriter, r *http.Request, name, id string, q url.Values) *problem {
	var at [2]time.Time
	for i, p := range []string{"start", "end"} {
		t, err := time.Parse(time.RFC3339, q.Get(p))
		if err != nil || t.Year() < 1 || t.Year() > 9000 {
			return bad("invalid-"+p, "a UTC time as in RFC 3339 is needed")
		}
		at[i] = t.UTC()
	}
	start, end := at[0].Unix(), at[1].Unix()
	if start >= end || end-start > maxSpan {
		return bad("invalid-end", "the end is not after the start, or too far from it")
	}
	row := func(o zones.Onset, onset int64) obj {
		kind := "Standard"
		if o.DST {
			kind = "Daylight"
		}
		return obj{"name": kind, "onset": time.Unix(onset, 0).UTC().Format(time.RFC3339), "utc-offset-from": o.From, "utc-offset-to": o.To}
	}
	onsets := zones.Onsets(id, start, end)
	out := []obj{}
	if len(onsets) == 0 || onsets[0].At > start {
		off, _, dst := zones.Offset(id, start)
		out = append(out, row(zones.Onset{From: off, To: off, DST: dst}, start))
	}
	for _, o := range onsets {
		out = append(out, row(o, o.At))
	}
	return send(w, r, obj{"dtstamp": published, "tzid": name, "start": at[0].Format(time.RFC3339), "end": at[1].Format(time.RFC3339), "observances": out})
}

// leapSeconds is RFC 7808 §5.6, as IERS told them until the data's release.
var leapSeconds = func() obj {
	days := strings.Fields("1972-01-01 1972-07-01 1973-01-01 1974-01-01 1975-01-01 1976-01-01 1977-01-01 1978-01-01 1979-01-01 1980-01-01 " +
		"1981-07-01 1982-07-01 1983-07-01 1985-07-01 1988-01-01 1990-01-01 1991-01-01 1992-07-01 1993-07-01 1994-07-01 " +
		"1996-01-01 1997-07-01 1999-01-01 2006-01-01 2009-01-01 2012-07-01 2015-07-01 2017-01-01")
	out := make([]obj, len(days))
	for i, d := range days {
		out[i] = obj{"utc-offset": 10 + i, "onset": d}
	}
	return obj{"expires": "2026-06-28", "publisher": "IERS", "version": zones.Version, "leapseconds": out}
}()
