package dav

import (
	"net/http"
	"strings"
	"time"

	"atrium/storage"
)

// conditions are the preconditions in a request's header (RFC 9110 §13, RFC
// 4918 §10.4, RFC 6638 §8.3). They are checked in the transaction that writes.
type conditions struct {
	match, noneMatch []string // ETags without quotes; "*"
	since, until     time.Time
	scheduleTag      string
	lists            []ifList
}

// ifList is one list of an If header: a resource (nil: that of the request) and
// what must hold of it.
type ifList struct {
	target *Target
	tests  []ifTest
}

// ifTest is one condition of a list: a state token or an ETag.
type ifTest struct {
	not   bool
	token string
	etag  string
}

// conditions reads the request's preconditions.
func (rq *Request) conditions() (*conditions, error) {
	c := &conditions{
		match:       etags(rq.Header["If-Match"]),
		noneMatch:   etags(rq.Header["If-None-Match"]),
		scheduleTag: unquote(rq.Header.Get("If-Schedule-Tag-Match")), // an empty one counts for nothing
	}
	if rq.Method == http.MethodGet || rq.Method == http.MethodHead {
		if v := rq.Header.Get("If-Modified-Since"); v != "" && c.noneMatch == nil {
			c.since, _ = http.ParseTime(v)
		}
	}
	if v := rq.Header.Get("If-Unmodified-Since"); v != "" && c.match == nil {
		c.until, _ = http.ParseTime(v)
	}
	for _, v := range rq.Header["If"] {
		if err := rq.parseIf(v, c); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// none tells that there is nothing to check.
func (c *conditions) none() bool {
	return c.match == nil && c.noneMatch == nil && c.since.IsZero() && c.until.IsZero() && c.scheduleTag == "" && c.lists == nil
}

// etags reads a list of ETags; nil when there is no header. Weak ones count as
// strong: none here is weak, and proxies weaken. Evolution at times writes \"x\".
func etags(lines []string) (tags []string) {
	for _, line := range lines {
		line = strings.TrimSpace(line)
		if tags == nil {
			tags = []string{}
		}
		for line != "" {
			line = strings.TrimLeft(line, " \t,")
			rest := strings.TrimPrefix(line, "W/")
			rest = strings.TrimPrefix(rest, `\`)
			if strings.HasPrefix(rest, `"`) {
				tag, after, _ := strings.Cut(rest[1:], `"`)
				tags = append(tags, strings.TrimSuffix(tag, `\`))
				line = after
				continue
			}
			tag, after, _ := strings.Cut(line, ",")
			if tag = strings.TrimSpace(tag); tag != "" {
				tags = append(tags, tag)
			}
			line = after
		}
	}
	return tags
}

func unquote(s string) string {
	s = strings.TrimPrefix(strings.TrimSpace(s), "W/")
	return strings.Trim(s, `"\`)
}

func among(tags []string, etag string) bool {
	for _, t := range tags {
		if t == etag || t == "*" {
			return true
		}
	}
	return false
}

// errNotModified is 304 (RFC 9110 §15.4.5).
var errNotModified = &Error{Status: http.StatusNotModified}

// check tells whether the preconditions hold for a member that is there (e) or not (nil). A
// failure is storage.Conflict as an Error, or errNotModified for reads.
func (c *conditions) check(e *Entry, read bool) error {
	failed := &Error{Status: http.StatusPreconditionFailed, Err: storage.Conflict}
	if c.match != nil && (e == nil || !among(c.match, e.ETag)) {
		return failed
	}
	if e != nil && !c.until.IsZero() && e.Modified.Truncate(time.Second).After(c.until) {
		return failed
	}
	if c.noneMatch != nil && e != nil && among(c.noneMatch, e.ETag) {
		if read {
			return errNotModified
		}
		return failed
	}
	if e != nil && !c.since.IsZero() && !e.Modified.Truncate(time.Second).After(c.since) {
		return errNotModified
	}
	if c.scheduleTag != "" && (e == nil || e.ScheduleTag != "" && e.ScheduleTag != c.scheduleTag) {
		return failed
	}
	return nil
}

// checkIf evaluates the If header: one list must hold, whichever resource
// it is about.
func (rq *Request) checkIf(v *storage.View, c *conditions, self *Resource) error {
	if len(c.lists) == 0 {
		return nil
	}
	for _, l := range c.lists {
		r, at := self, rq.Target
		if l.target != nil {
			at = l.target
			if l.target.account(rq) != v.Account() {
				continue
			}
			var err error
			if r, err = rq.locate(v, l.target); err != nil {
				r = nil
			}
		}
		ok, err := rq.holds(v, l, at, r)
		if err != nil {
			return err
		}
		if ok {
			return nil
		}
	}
	return &Error{Status: http.StatusPreconditionFailed, Err: storage.Conflict}
}

func (rq *Request) holds(v *storage.View, l ifList, at *Target, r *Resource) (bool, error) {
	for _, t := range l.tests {
		var ok bool
		switch {
		case t.etag != "":
			ok = r != nil && r.Entry != nil && r.Entry.ETag == t.etag
		case strings.HasPrefix(t.token, tokenPrefix): // a sync-token, RFC 6578 §5
			now, err := "", error(nil)
			if r != nil {
				now, err = rq.syncToken(v, r)
			}
			ok = err == nil && now == t.token
		default:
			var err error
			if ok, err = locked(v, at, t.token); err != nil {
				return false, err
			}
		}
		if ok == t.not {
			return false, nil
		}
	}
	return true, nil
}

// parseIf reads an If header (RFC 4918 §10.4.2).
func (rq *Request) parseIf(s string, c *conditions) error {
	bad := Fail(http.StatusBadRequest, "the If header cannot be read")
	var tag *Target
	tagged := false
	for s = strings.TrimSpace(s); s != ""; s = strings.TrimSpace(s) {
		switch s[0] {
		case '<':
			ref, rest, ok := strings.Cut(s[1:], ">")
			if !ok {
				return bad
			}
			t, err := rq.href(ref)
			if err != nil {
				t = &Target{} // a resource elsewhere: nothing holds of it
			}
			tag, tagged, s = t, true, rest
		case '(':
			end := listEnd(s)
			if end < 0 || len(c.lists) >= 100 {
				return bad
			}
			tests, ok := parseTests(s[1:end])
			if !ok {
				return bad
			}
			l := ifList{tests: tests}
			if tagged {
				l.target = tag
			}
			c.lists = append(c.lists, l)
			s = s[end+1:]
		default:
			return bad
		}
	}
	if len(c.lists) == 0 {
		return bad
	}
	return nil
}

// listEnd is where the list that s begins with ends, past what <> and [] enclose.
func listEnd(s string) int {
	closing := byte(0)
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case closing != 0:
			if c == closing {
				closing = 0
			}
		case c == '<':
			closing = '>'
		case c == '[':
			closing = ']'
		case c == ')':
			return i
		}
	}
	return -1
}

func parseTests(s string) (tests []ifTest, ok bool) {
	for s = strings.TrimSpace(s); s != ""; s = strings.TrimSpace(s) {
		var t ifTest
		if len(s) > 3 && strings.EqualFold(s[:3], "not") {
			t.not = true
			s = strings.TrimSpace(s[3:])
		}
		if s == "" {
			return nil, false
		}
		var inner string
		switch s[0] {
		case '<':
			if inner, s, ok = strings.Cut(s[1:], ">"); !ok {
				return nil, false
			}
			t.token = inner
		case '[':
			if inner, s, ok = strings.Cut(s[1:], "]"); !ok {
				return nil, false
			}
			t.etag = unquote(inner)
		default:
			return nil, false
		}
		tests = append(tests, t)
	}
	return tests, len(tests) > 0
}
