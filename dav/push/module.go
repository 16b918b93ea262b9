package push

import (
	"crypto/ecdh"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"atrium/dav"
	"atrium/dav/elem"
	"atrium/storage"
)

// path is where registrations are.
const path = "/push/"

// Module is the face of push: properties, and registration by POST.
func (h *Hub) Module() dav.Module {
	return dav.Module{
		RFC: "webdav-push", Features: []string{"webdav-push"},
		Properties: []dav.Property{
			{Name: elem.N("P:transports"), On: dav.Synced, Get: func(_ *dav.Ask, _ *dav.Resource, w *elem.Writer) error {
				w.Str(`<P:web-push><P:vapid-public-key type="p256ecdsa">`)
				w.Text(h.keys.Public)
				w.Str(`</P:vapid-public-key></P:web-push>`)
				return nil
			}},
			{Name: elem.N("P:topic"), On: dav.Synced, Get: func(a *dav.Ask, r *dav.Resource, w *elem.Writer) error {
				account, c, schema := target(a.Request, r)
				w.Text(h.topic(account, c, schema))
				return nil
			}},
			{Name: elem.N("P:supported-triggers"), On: dav.Synced, Get: func(_ *dav.Ask, r *dav.Resource, w *elem.Writer) error {
				w.Str("<P:content-update><D:sync-level>1</D:sync-level></P:content-update>")
				if r.Collection != nil {
					w.Str("<P:property-update><D:depth>0</D:depth></P:property-update>")
				}
				return nil
			}},
		},
		Posts:  []dav.Post{{Root: elem.N("P:push-register"), On: dav.Synced, Run: h.register}},
		Public: map[string]http.Handler{path: http.HandlerFunc(h.unregister)},
	}
}

// target is what a registration for a resource is about.
func target(rq *dav.Request, r *dav.Resource) (storage.AccountID, storage.CollectionID, byte) {
	if r.Collection != nil {
		return r.Collection.Account, r.Collection.ID, r.Collection.Schema
	}
	return r.Account(rq), 0, r.Tree.Schema
}

var invalid = dav.Refuse(http.StatusForbidden, "P:invalid-subscription")

// register answers POST of push-register.
func (h *Hub) register(rq *dav.Request, w http.ResponseWriter, r *elem.Reader, _ elem.Start) error {
	reg, err := h.read(r)
	if err != nil {
		return err
	}
	reg.Actor = rq.Actor.ID
	var account storage.AccountID
	err = rq.Read(storage.Lookup|storage.Read, func(_ *storage.View, res *dav.Resource) error {
		account, reg.Collection, reg.Schema = target(rq, res)
		reg.Props = reg.Props && res.Collection != nil
		if !reg.Content && !reg.Props {
			return dav.Refuse(http.StatusForbidden, "P:no-supported-trigger")
		}
		return nil
	})
	if err != nil {
		return err
	}
	reg.ID = h.idOf(account, &reg)
	if err := h.keep(rq, account, &reg); err != nil {
		return err
	}
	head := w.Header()
	head.Set("Location", dav.Origin(rq.Request)+path+link(account, reg.ID))
	head.Set("Expires", reg.Expires.Format(http.TimeFormat))
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// read reads a push-register, which is open.
func (h *Hub) read(r *elem.Reader) (reg registration, err error) {
	reg.Expires = time.Now().Add(h.cfg.Expires)
	for s := range r.Children() {
		switch {
		case s.Is("P:subscription"):
			readSubscription(r, &reg)
		case s.Is("P:trigger"):
			for t := range r.Children() {
				reg.Content = reg.Content || t.Is("P:content-update")
				reg.Props = reg.Props || t.Is("P:property-update")
			}
		case s.Is("P:expires"):
			// What cannot be read is as if it were not there.
			if t, err := http.ParseTime(strings.TrimSpace(r.Text())); err == nil && t.Before(reg.Expires) {
				reg.Expires = t
			}
		}
	}
	if err := r.End(); err != nil {
		return reg, err
	}
	if !h.valid(&reg) {
		return reg, invalid
	}
	// A registration holds for three days at least.
	if least := time.Now().Add(72 * time.Hour); reg.Expires.Before(least) {
		reg.Expires = least
	}
	reg.Expires = reg.Expires.UTC().Truncate(time.Second)
	return reg, nil
}

func (h *Hub) keep(rq *dav.Request, account storage.AccountID, reg *registration) error {
	h.watch(account).begin(rq.Context(), reg)
	b, err := json.Marshal(reg)
	if err != nil {
		return err
	}
	defer func() { h.watch(account) }() // Run may have begun meanwhile
	return h.store.Update(rq.Context(), account, func(tx *storage.Tx) error {
		now, n := time.Now(), 0
		for _, o := range registrations(&tx.View) {
			if o.ID != reg.ID && o.Expires.After(now) {
				n++
			}
		}
		if n >= h.cfg.Most {
			return dav.Refuse(http.StatusForbidden, "P:push-not-available")
		}
		return tx.SetRecord(recordPrefix+reg.ID, b)
	})
}

func readSubscription(r *elem.Reader, reg *registration) {
	for s := range r.Children() {
		if !s.Is("P:web-push-subscription") {
			continue
		}
		for p := range r.Children() {
			switch {
			case p.Is("P:push-resource"):
				reg.Resource = strings.TrimSpace(r.Text())
			case p.Is("P:client-public-key"):
				if t := p.Attr("type"); t == "" || t == "p256dh" {
					reg.Key = strings.TrimSpace(r.Text())
				}
			case p.Is("P:auth-secret"):
				reg.Secret = strings.TrimSpace(r.Text())
			}
		}
	}
}

// valid tells whether messages could be sent by what a client gave: an HTTPS URL, a point on the curve and a secret
// of 16 octets (RFC 8291 §3.1, §3.2).
func (h *Hub) valid(reg *registration) bool {
	u, err := url.Parse(reg.Resource)
	if err != nil || u.Host == "" || u.User != nil || len(reg.Resource) > 2048 || u.Scheme != "https" && !(u.Scheme == "http" && h.cfg.Private) {
		return false
	}
	point, err := decode(reg.Key)
	if err != nil {
		return false
	}
	if _, err := ecdh.P256().NewPublicKey(point); err != nil {
		return false
	}
	secret, err := decode(reg.Secret)
	if err != nil || len(secret) != 16 {
		return false
	}
	reg.Key, reg.Secret = base64.RawURLEncoding.EncodeToString(point), base64.RawURLEncoding.EncodeToString(secret)
	return true
}

// decode reads base64 of either alphabet, padded or not.
func decode(s string) ([]byte, error) {
	if len(s) > 200 {
		return nil, errors.New("too long")
	}
	s = strings.NewReplacer("+", "-", "/", "_", "=", "").Replace(s)
	return base64.RawURLEncoding.DecodeString(s)
}

// unregister answers DELETE of a registration's URL, which only its client knows.
func (h *Hub) unregister(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodDelete {
		w.Header().Set("Allow", "DELETE")
		http.Error(w, "DELETE only", http.StatusMethodNotAllowed)
		return
	}
	account, id, ok := strings.Cut(strings.TrimPrefix(r.URL.Path, path), ".")
	a, err := strconv.ParseUint(account, 36, 64)
	if !ok || err != nil || len(id) > 100 {
		http.NotFound(w, r)
		return
	}
	switch err := h.drop(r.Context(), storage.AccountID(a), id); {
	case errors.Is(err, storage.NotFound):
		http.NotFound(w, r)
	case err != nil:
		h.log.Error("push registration", "err", err)
		http.Error(w, "internal error", http.StatusInternalServerError)
	default:
		w.WriteHeader(http.StatusNoContent)
	}
}
