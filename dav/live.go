package dav

import (
	"cmp"
	"net/http"
	"strings"
	"time"

	"atrium/dav/elem"
	"atrium/storage"
	"atrium/storage/account"
)

// webdav is RFC 4918 with RFC 3253's REPORT and RFC 5397.
var webdav = Module{
	RFC:      "4918",
	Features: []string{"1", "3"},
	Methods: map[string]Handler{
		"OPTIONS": nil, // answered before the login
		"GET":     get, "HEAD": get, "PUT": put, "DELETE": remove,
		"PROPFIND": propfind, "PROPPATCH": proppatch, "COPY": copyMove, "MOVE": copyMove, "REPORT": report, "POST": post,
	},
	Properties: []Property{
		{Name: elem.N("D:resourcetype"), On: Everything, All: true, Get: getResourceType},
		{Name: elem.N("D:displayname"), On: Home | Collection | Principal | Proxy, All: true, Get: getDisplayName, Set: Store, Remove: Unstore, Own: true},
		{Name: elem.N("D:getetag"), On: Member, All: true, Get: getETag},
		{Name: elem.N("D:getcontenttype"), On: Member, All: true, Get: func(_ *Ask, r *Resource, w *elem.Writer) error {
			w.Text(r.Entry.Type)
			return nil
		}},
		{Name: elem.N("D:getcontentlength"), On: Member, All: true, Get: getLength},
		{Name: elem.N("D:getlastmodified"), On: Member, All: true, Get: func(_ *Ask, r *Resource, w *elem.Writer) error {
			w.Str(r.Entry.Modified.UTC().Format(http.TimeFormat))
			return nil
		}},
		{Name: elem.N("D:creationdate"), On: Member, All: true, Get: func(_ *Ask, r *Resource, w *elem.Writer) error {
			w.Str(r.Entry.Modified.UTC().Format(time.RFC3339))
			return nil
		}},
		{Name: elem.N("D:supported-report-set"), On: Everything, Get: getSupportedReports},
		{Name: elem.N("D:supported-method-set"), On: Everything, Get: getSupportedMethods},
		{Name: elem.N("D:current-user-principal"), On: Everything, Get: func(a *Ask, _ *Resource, w *elem.Writer) error {
			w.Href(PrincipalPath(a.Actor))
			return nil
		}},
		{Name: elem.N("D:resource-id"), On: Everything &^ (Root | Place), Get: getResourceID},
	},
}

// quota is RFC 4331.
var quota = Module{RFC: "4331", Properties: []Property{
	{Name: elem.N("D:quota-available-bytes"), On: Home | Collection, Get: func(a *Ask, _ *Resource, w *elem.Writer) error {
		u, err := a.View.Usage()
		if err == nil && u.MaxBytes == 0 {
			return Absent() // RFC 4331 §3: no limit
		}
		w.Int(max(u.MaxBytes-u.Bytes, 0))
		return err
	}},
	{Name: elem.N("D:quota-used-bytes"), On: Home | Collection, Get: func(a *Ask, _ *Resource, w *elem.Writer) error {
		u, err := a.View.Usage()
		w.Int(u.Bytes)
		return err
	}},
}}

// calendarServer is what Apple's servers added for both calendars and address books.
var calendarServer = Module{RFC: "caldav-ctag", Properties: []Property{
	{Name: elem.N("CS:getctag"), On: Synced, Get: getSyncToken},
}}

func getResourceType(a *Ask, r *Resource, w *elem.Writer) error {
	for _, t := range r.Kind.Types {
		w.Empty(t)
	}
	if r.Collection != nil && r.Entry == nil && r.Tree.Types != nil {
		for _, t := range r.Tree.Types(r.Collection) {
			w.Empty(t)
		}
	}
	if !r.shareable() {
		return nil
	}
	// Apple's clients show by these what is shared with whom; others pass them over.
	if r.Mount {
		w.Str("<CS:shared/>")
	} else if !r.ofAnother(a.Request) {
		shared, err := r.shared(a.View)
		if shared {
			w.Str("<CS:shared-owner/>")
		}
		return err
	}
	return nil
}

func getETag(_ *Ask, r *Resource, w *elem.Writer) error {
	w.Str(`"`)
	w.Text(r.Entry.ETag)
	w.Str(`"`)
	return nil
}

func getDisplayName(a *Ask, r *Resource, w *elem.Writer) error {
	raw, err := a.Stored(r, elem.N("D:displayname"))
	if r.Mount && r.Owner.Sort != account.Service && !r.own[elem.Key(raw.Name)] {
		// Else there would be two of "Calendar" in one list.
		defer func() {
			w.Str(" (")
			w.Text(cmp.Or(r.Owner.DisplayName, r.Owner.Name))
			w.Str(")")
		}()
	}
	switch {
	case err == nil:
		w.Text(raw.Text())
	case err != error(errAbsent):
		return err
	case r.Kind.Is(Collection):
		name := r.Collection.Name
		w.Text(name[strings.LastIndexByte(name, '/')+1:])
	case r.Owner.DisplayName != "":
		w.Text(r.Owner.DisplayName)
	default:
		w.Text(r.Owner.Name)
	}
	return nil
}

func getSupportedReports(a *Ask, r *Resource, w *elem.Writer) error {
	for _, rep := range a.Server.reportList {
		if r.Kind.Is(rep.On) {
			w.Str("<D:supported-report><D:report>")
			w.Empty(rep.Name)
			w.Str("</D:report></D:supported-report>")
		}
	}
	return nil
}

func getSupportedMethods(a *Ask, _ *Resource, w *elem.Writer) error {
	for _, m := range sortedKeys(a.Server.methods) {
		w.Str(`<D:supported-method name="`)
		w.Attr(m)
		w.Str(`"/>`)
	}
	return nil
}

// report answers REPORT (RFC 3253 §3.6).
func report(rq *Request, w http.ResponseWriter) error {
	r := elem.NewReader(rq.Body, rq.Server.xmlLimits())
	root, ok := r.Root()
	if !ok {
		return r.Err()
	}
	rep := rq.Server.reports[root.Name]
	need := storage.Read
	if rep != nil && rep.Rights != 0 {
		need = rep.Rights
	}
	var kind *Kind
	err := rq.view(rq.Target.account(rq), func(v *storage.View) error {
		res, err := rq.locate(v, rq.Target)
		if err == nil {
			kind = res.Kind
			err = res.need(need)
		}
		return err
	})
	if err != nil {
		return err
	}
	if rep == nil || !kind.Is(rep.On) {
		return Refuse(http.StatusForbidden, "D:supported-report")
	}
	return rep.Run(rq, w, r, root)
}

// getLength is the length that a GET of the actor's has.
func getLength(a *Ask, r *Resource, w *elem.Writer) error {
	if own, err := a.Own(a.View, r.Tree, r.Collection); own == nil || err != nil {
		w.Int(r.Entry.Size)
		return err
	}
	b, err := a.open(a.View, r.Tree, r.Collection, r.Entry)
	if err != nil {
		return err
	}
	defer b.Close()
	w.Int(b.Size())
	return nil
}
