package dav

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"

	"atrium/storage"
	"atrium/storage/account"
)

// Request is one HTTP request of someone who is logged in.
type Request struct {
	*http.Request
	Server *Server
	Actor  *account.Account

	ctx    context.Context
	Depth  Depth
	Prefer Prefer
	Target *Target // what the request's path means; see locate

	// State is a report's own, for the properties that it asks.
	State any

	viewing viewing

	begun bool // some of the answer was sent

	mounted map[storage.Share]*mount // what was looked up; nil: no mount
	listed  map[*Tree][]*mount       // all of a tree, once they were asked for
}

// Context outlives the request's connection: who closed the sending half still
// reads the answer, and what a client began to write is written.
func (rq *Request) Context() context.Context { return rq.ctx }

// Depth is the Depth header (RFC 4918 §10.2).
type Depth byte

const (
	NoDepth  Depth = iota // no header
	Depth0                // the resource
	Depth1                // and its members
	Infinity              // and all below them
)

// Prefer is what the Prefer (RFC 7240, 8144) and Brief headers ask for.
type Prefer struct {
	Minimal        bool // no propstat of what is not there
	Representation bool // the new or current state in the answer to a write
	NoRoot         bool // PROPFIND leaves the resource itself out
	Brief          bool // asked for by Brief, not by Prefer
}

// headers reads what every method looks at.
func (rq *Request) headers() (err error) {
	if err := rq.decode(); err != nil {
		return err
	}
	switch d := rq.Header.Get("Depth"); {
	case d == "":
	case d == "0":
		rq.Depth = Depth0
	case d == "1":
		rq.Depth = Depth1
	case strings.EqualFold(d, "infinity"):
		rq.Depth = Infinity
	case d == "1,noroot":
		rq.Depth, rq.Prefer.NoRoot = Depth1, true
	case d == "infinity,noroot":
		rq.Depth, rq.Prefer.NoRoot = Infinity, true
	default:
		return Fail(http.StatusBadRequest, "Depth: %.40s", d)
	}
	for _, line := range rq.Header["Prefer"] {
		for p := range strings.SplitSeq(line, ",") {
			p, _, _ = strings.Cut(p, ";")
			switch strings.ToLower(strings.ReplaceAll(strings.TrimSpace(p), " ", "")) {
			case "return=minimal", "return-minimal", `return="minimal"`:
				rq.Prefer.Minimal = true
			case "return=representation", "return-representation", `return="representation"`:
				rq.Prefer.Representation = true
			case "depth-noroot":
				rq.Prefer.NoRoot = true
			}
		}
	}
	if b := rq.Header.Get("Brief"); b == "t" || b == "T" {
		if !rq.Prefer.Minimal {
			rq.Prefer.Brief = true
		}
		rq.Prefer.Minimal = true
	}
	if rq.Depth == Depth0 {
		rq.Prefer.NoRoot = false // RFC 8144 §3: it goes with Depth 1 and infinity alone
	}
	rq.Target, err = rq.target(rq.URL.EscapedPath())
	return err
}

// applied tells in the answer's header which preference was followed.
func (rq *Request) applied(w http.ResponseWriter, preference string) {
	h := w.Header()
	if !slices.Contains(h["Vary"], "Prefer") {
		h.Add("Vary", "Prefer")
	}
	if rq.Prefer.Brief {
		h.Add("Vary", "Brief")
		if preference == "return=minimal" {
			return
		}
	}
	h.Add("Preference-Applied", preference)
}

// Agent tells whether the client's name has a part in it.
func (rq *Request) Agent(part string) bool {
	return strings.Contains(rq.Header.Get("User-Agent"), part)
}

// readySet is the accounts whose defaults are known to be made.
type readySet struct{ m sync.Map }

func (s *readySet) has(id storage.AccountID) bool { _, ok := s.m.Load(id); return ok }
func (s *readySet) add(id storage.AccountID)      { s.m.Store(id, struct{}{}) }
