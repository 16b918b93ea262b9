package dav

import (
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"atrium/storage/account"
)

// asker is a request without a server's modules: hrefs lead to places and principals only.
func asker() *Request {
	return &Request{Request: &http.Request{Host: "dav.example.org"}, Server: &Server{registry: collect(nil)}, Actor: &account.Account{ID: 1, Name: "me"}}
}

func TestParseIf(t *testing.T) {
	lists := func(c *conditions) (out string) {
		for _, l := range c.lists {
			if l.target != nil {
				out += "@"
			}
			for _, x := range l.tests {
				if x.not {
					out += "!"
				}
				if x.etag != "" {
					out += "[" + x.etag + "]"
				} else {
					out += "<" + x.token + ">"
				}
			}
			out += ";"
		}
		return out
	}
	for _, tc := range []struct{ in, want string }{
		{`(<urn:a>)`, "<urn:a>;"},
		{`(<urn:a> ["e"])`, "<urn:a>[e];"},
		{`(Not <urn:a>) (["e"])`, "!<urn:a>;[e];"},
		{`(NOT<urn:a>)(not ["e"])`, "!<urn:a>;![e];"},
		{`(["a)b"] <urn:(x)>)`, "[a)b]<urn:(x)>;"},
		{`([W/"e"])`, "[e];"},
		{`</principals/me/> (<urn:a>) ([""])`, "@<urn:a>;@<>;"},
		{`<http://dav.example.org/> (<DAV:no-lock>)`, "@<DAV:no-lock>;"},
		{`<http://elsewhere/> (Not <DAV:no-lock>)`, "@!<DAV:no-lock>;"},
		{"  (<urn:a>)\t", "<urn:a>;"},
		{"", "bad"}, {"()", "bad"}, {"(", "bad"}, {"(<urn:a>", "bad"}, {"(<urn:a)", "bad"}, {`(["e)`, "bad"},
		{"<x>", "bad"}, {"<x", "bad"}, {"(Not)", "bad"}, {"(Not )", "bad"}, {"(urn:a)", "bad"}, {"urn:a", "bad"},
		{"(<urn:a>) x", "bad"}, {strings.Repeat("(<a>)", 101), "bad"},
	} {
		var c conditions
		err := asker().parseIf(tc.in, &c)
		got := lists(&c)
		var e *Error
		if errors.As(err, &e) && e.Status == http.StatusBadRequest {
			got = "bad"
		} else if err != nil {
			t.Errorf("%q: %v", tc.in, err)
		}
		if got != tc.want {
			t.Errorf("%q: %s, want %s", tc.in, got, tc.want)
		}
	}
}

func FuzzParseIf(f *testing.F) {
	for _, s := range []string{`(<urn:a> ["e"])`, `</p> (Not <a>) (["b"])`, `(["\"])`, "((((", "<<>>", "(Not Not <a>)"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var c conditions
		if asker().parseIf(s, &c) == nil && len(c.lists) == 0 {
			t.Fatal("neither lists nor an error")
		}
		for _, l := range c.lists {
			if len(l.tests) == 0 {
				t.Fatal("a list without a test")
			}
		}
	})
}

func TestETags(t *testing.T) {
	for _, tc := range []struct {
		in   []string
		want []string
	}{
		{nil, nil},
		{[]string{""}, []string{}},
		{[]string{"*"}, []string{"*"}},
		{[]string{`"a"`}, []string{"a"}},
		{[]string{`"a", "b"`, `"c"`}, []string{"a", "b", "c"}},
		{[]string{`W/"a"`}, []string{"a"}},
		{[]string{`\"a\"`}, []string{"a"}}, // Evolution
		{[]string{`"a,b" , c`}, []string{"a,b", "c"}},
		{[]string{`"a`}, []string{"a"}},
	} {
		if got := etags(tc.in); !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%q: %q, want %q", tc.in, got, tc.want)
		}
	}
}

func TestConditions(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	e := &Entry{ETag: "a", Modified: at}
	for _, tc := range []struct {
		method, header string
		e              *Entry
		want           int
	}{
		{"PUT", "If-Match: \"a\"", e, 0},
		{"PUT", "If-Match: \"b\"", e, 412},
		{"PUT", "If-Match: *", e, 0},
		{"PUT", "If-Match: *", nil, 412},
		{"PUT", "If-Match: \"a\"", nil, 412},
		{"PUT", "If-Match: ", e, 412},
		{"PUT", "If-None-Match: *", e, 412},
		{"PUT", "If-None-Match: *", nil, 0},
		{"PUT", "If-None-Match: \"b\"", e, 0},
		{"GET", "If-None-Match: \"a\"", e, 304},
		{"GET", "If-None-Match: \"a\", \"b\"", e, 304},
		{"GET", "If-Modified-Since: " + at.Format(http.TimeFormat), e, 304},
		{"GET", "If-Modified-Since: " + at.Add(-time.Second).Format(http.TimeFormat), e, 0},
		{"GET", "If-Modified-Since: yesterday", e, 0},
		{"PUT", "If-Modified-Since: " + at.Format(http.TimeFormat), e, 0},
		{"PUT", "If-Unmodified-Since: " + at.Format(http.TimeFormat), e, 0},
		{"PUT", "If-Unmodified-Since: " + at.Add(-time.Second).Format(http.TimeFormat), e, 412},
		{"PUT", "If-Schedule-Tag-Match: ", e, 0}, // Apple
		{"PUT", "If-Schedule-Tag-Match: \"x\"", &Entry{ScheduleTag: "x"}, 0},
		{"PUT", "If-Schedule-Tag-Match: \"y\"", &Entry{ScheduleTag: "x"}, 412},
	} {
		name, value, _ := strings.Cut(tc.header, ":")
		rq := asker()
		rq.Method, rq.Header = tc.method, http.Header{name: {strings.TrimSpace(value)}}
		c, err := rq.conditions()
		if err != nil {
			t.Fatal(err)
		}
		got := 0
		var x *Error
		if errors.As(c.check(tc.e, tc.method == "GET"), &x) {
			got = x.Status
		}
		if got != tc.want {
			t.Errorf("%s %s: %d, want %d", tc.method, tc.header, got, tc.want)
		}
	}
}

func TestToken(t *testing.T) {
	for _, x := range []token{{modseq: 0}, {modseq: 7}, {collection: 1, modseq: 1<<64 - 1}, {collection: 1<<32 - 1, modseq: 3, next: 1<<32 - 1}} {
		if got, ok := parseToken(x.String()); !ok || got != x {
			t.Errorf("%v: %v %v", x, got, ok)
		}
	}
	for _, s := range []string{"", "data:,", "data:,h", "data:,h-", "data:,c-1", "data:,c0-1", "data:,c1", "data:,c1-", "data:,c01-1", "data:,c1-01",
		"data:,c1-+1", "data:,c1- 1", "data:,c1--1", "data:,c1-1-", "data:,c1-1-0", "data:,c1-1-1-1", "data:,c4294967296-1", "data:,c1-18446744073709551616",
		"data:,c1-1-4294967296", "data:,x1-1", "DATA:,h-1", "http://sabre.io/ns/sync/1", "h-1", "data:,h-1\n", "data:,hh-1"} {
		if x, ok := parseToken(s); ok {
			t.Errorf("%q: %v", s, x)
		}
	}
}

func FuzzToken(f *testing.F) {
	for _, s := range []string{"data:,h-1", "data:,c1-2", "data:,c1-2-3"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if x, ok := parseToken(s); ok && x.String() != s {
			t.Fatalf("%q is %v", s, x)
		}
	})
}

func FuzzPath(f *testing.F) {
	for _, s := range []string{"/", "/calendars/me/x/a.ics", "/a%2Fb/%2e%2e/", "//x//", "/%zz", "/%00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		raw, decoded, err := splitPath(s)
		if err != nil {
			return
		}
		if len(raw) != len(decoded) {
			t.Fatal(raw, decoded)
		}
		again := ""
		for _, d := range decoded {
			if d == "" || d == ".." || strings.ContainsRune(d, 0) {
				t.Fatalf("%q", d)
			}
			again += "/" + Escape(d)
		}
		if _, second, err := splitPath(again); err != nil || fmt.Sprint(second) != fmt.Sprint(decoded) {
			t.Fatalf("%q: %q, then %q %v", s, decoded, second, err)
		}
	})
}
