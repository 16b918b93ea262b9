package dav

import (
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"atrium/storage/account"
)

// Target is what a path means by its text alone; whether anything is there is told by
// locate.
type Target struct {
	Kind  *Kind            // of Root, Place and Principal; nil below a Tree
	Tree  *Tree            // nil outside
	Owner *account.Account // of the home or the principal; nil when there is no such account
	Rest  []string         // what comes after the home, decoded

	// home is the way to the home and raw what comes after it, as they were
	// sent: clients compare hrefs with what they asked for.
	home string
	raw  []string

	Mount bool // it is in a mount in the actor's home; see mounts.go
}

const principalsPath = "/principals/"

// target reads a percent-encoded path. A path that can lead nowhere is no
// error: its Target has no Kind and no Tree.
func (rq *Request) target(escaped string) (*Target, error) {
	raw, rest, err := splitPath(escaped)
	if err != nil {
		return nil, err
	}
	t := &Target{}
	if len(rest) == 0 {
		t.Kind = &rootKind
		return t, nil
	}
	principal := rest[0] == "principals"
	tree := rq.Server.trees[rest[0]]
	switch {
	case principal && len(rest) == 1:
		t.Kind = &principalsKind
		return t, nil
	case tree != nil && len(rest) == 1:
		t.Kind = &placeKind
		t.home = "/" + raw[0] + "/"
		return t, nil
	case !principal && tree == nil:
		return t, nil
	}
	if t.Owner, err = rq.owner(rest[1]); err != nil {
		return nil, err
	}
	t.home = "/" + raw[0] + "/" + raw[1] + "/"
	t.raw, t.Rest = raw[2:], rest[2:]
	if principal {
		if len(t.Rest) == 0 {
			t.Kind = &principalKind
		} else if len(t.Rest) == 1 {
			t.Kind = proxyKinds[t.Rest[0]]
		}
		return t, nil
	}
	t.Tree = tree
	return t, rq.enter(t)
}

// owner is the account that a segment names; nil when there is none.
func (rq *Request) owner(segment string) (*account.Account, error) {
	if segment == rq.Actor.Name {
		return rq.Actor, nil
	}
	a, err := rq.Server.find(rq.Context(), segment)
	if a != nil && a.ID == rq.Actor.ID {
		a = rq.Actor
	}
	return a, err
}

// splitPath cuts a path into its segments, as they are and decoded.
func splitPath(escaped string) (raw, decoded []string, err error) {
	for s := range strings.SplitSeq(escaped, "/") {
		if s == "" {
			continue
		}
		d, err := url.PathUnescape(s)
		if err != nil || !utf8.ValidString(d) || strings.IndexByte(d, 0) >= 0 || d == "." || d == ".." {
			return nil, nil, Fail(http.StatusBadRequest, "the path cannot be read")
		}
		raw, decoded = append(raw, s), append(decoded, d)
		if len(raw) > 64 {
			return nil, nil, Fail(http.StatusRequestURITooLong, "the path has too many segments")
		}
	}
	return raw, decoded, nil
}

// path is the percent-encoded path of n segments below the home.
func (t *Target) path(n int, slash bool) string {
	p := t.home + strings.Join(t.raw[:n], "/")
	if n > 0 && slash {
		p += "/"
	}
	return p
}

// Path is the path of the target as it was asked for, without a slash at its end but for homes.
func (t *Target) Path() string { return t.path(len(t.raw), false) }

// plain marks the bytes that stand in a path segment as they are.
var plain = func() (t [256]bool) {
	for c := '0'; c <= 'z'; c++ {
		t[c] = c <= '9' || c >= 'a' || c >= 'A' && c <= 'Z'
	}
	for _, c := range "-._~@:!$'()*+,=" {
		t[c] = true
	}
	return t
}()

// Escape percent-encodes a path segment.
func Escape(segment string) string {
	for i := 0; i < len(segment); i++ {
		if !plain[segment[i]] {
			return escape(segment)
		}
	}
	return segment
}

func escape(segment string) string {
	const hex = "0123456789ABCDEF"
	b := make([]byte, 0, len(segment)+16)
	for i := 0; i < len(segment); i++ {
		c := segment[i]
		if plain[c] {
			b = append(b, c)
		} else {
			b = append(b, '%', hex[c>>4], hex[c&15])
		}
	}
	return string(b)
}

// HomePath is the path of an account's home in a tree; PrincipalPath that of
// its principal.
func (t *Tree) HomePath(a *account.Account) string {
	return "/" + t.Segment + "/" + Escape(a.Name) + "/"
}

// PrincipalPath is the path of an account's principal.
func PrincipalPath(a *account.Account) string { return principalsPath + Escape(a.Name) + "/" }

// href reads a DAV:href or a Destination header: a path, or a URL, of which the host must be
// the one that was asked (RFC 4918 §8.3).
func (rq *Request) href(ref string) (*Target, error) {
	ref = strings.TrimSpace(ref)
	if !strings.HasPrefix(ref, "/") {
		u, err := url.Parse(ref)
		if err != nil || u.Opaque != "" {
			return nil, Fail(http.StatusBadRequest, "a reference that is no URL")
		}
		if u.Host != "" && !strings.EqualFold(u.Host, rq.Host) && !strings.EqualFold(u.Hostname(), hostname(rq.Host)) {
			return nil, Fail(http.StatusBadGateway, "a reference to another server")
		}
		ref = u.EscapedPath()
	}
	ref, _, _ = strings.Cut(ref, "?")
	ref, _, _ = strings.Cut(ref, "#")
	return rq.target(ref)
}

func hostname(hostport string) string {
	u := url.URL{Host: hostport}
	return u.Hostname()
}
