package davtest

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// PlayFiles plays each file that matches a pattern against a server of its own.
func PlayFiles(t *testing.T, pattern string) {
	names, err := filepath.Glob(pattern)
	if err != nil || len(names) == 0 {
		t.Fatalf("%s: no scripts (%v)", pattern, err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".http"), func(t *testing.T) {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			Play(t, New(t), string(b))
		})
	}
}

// Play plays a script. It goes on after a step that fails.
func Play(t testing.TB, s *Server, script string) {
	t.Helper()
	p := &player{t: t, s: s, vars: map[string]string{"base": s.URL}}
	steps := strings.Split("\n"+script, "\n### ")
	for _, text := range steps[1:] {
		title, text, _ := strings.Cut(text, "\n")
		if err := p.step(text); err != nil {
			t.Errorf("%s: %v", title, err)
		}
	}
	if len(steps) < 2 {
		t.Error("the script has no steps")
	}
}

type player struct {
	t    testing.TB
	s    *Server
	vars map[string]string
}

// message is one half of a step.
type message struct {
	line   string
	header [][2]string
	body   string
}

func parseMessage(text string) (m message) {
	m.line, text, _ = strings.Cut(text, "\n")
	for text != "" {
		line, rest, _ := strings.Cut(text, "\n")
		text = rest
		if strings.TrimSpace(line) == "" {
			break
		}
		k, v, _ := strings.Cut(line, ":")
		m.header = append(m.header, [2]string{strings.TrimSpace(k), strings.TrimSpace(v)})
	}
	m.body = text
	return m
}

func (p *player) step(text string) error {
	at := strings.Index("\n"+text, "\nHTTP/1.1 ")
	if at < 0 {
		return fmt.Errorf("no answer is expected")
	}
	req, want := parseMessage(p.fill(text[:at])), parseMessage(text[at:])
	method, target, ok := strings.Cut(req.line, " ")
	if !ok {
		return fmt.Errorf("request line %q", req.line)
	}
	body := strings.TrimSuffix(req.body, "\n")
	if strings.HasPrefix(body, "BEGIN:") { // iCalendar and vCard end their lines by CRLF
		body = strings.ReplaceAll(body, "\n", "\r\n") + "\r\n"
	}
	r, err := http.NewRequest(method, p.s.URL+target, strings.NewReader(body))
	if err != nil {
		return err
	}
	r.SetBasicAuth("user1", "pass")
	for _, h := range req.header {
		switch {
		case h[0] == "Authorization" && h[1] == "none":
			r.Header.Del("Authorization")
		case h[0] == "Authorization" && !strings.Contains(h[1], " "):
			name, password, given := strings.Cut(h[1], ":")
			if !given {
				password = "pass"
			}
			r.SetBasicAuth(name, password)
		default:
			r.Header.Add(h[0], h[1])
		}
	}
	c := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := c.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if err := p.check(want, resp, string(got)); err != nil {
		return fmt.Errorf("%s %s: %w\n%s %v\n%s", method, target, err, resp.Status, resp.Header, got)
	}
	return nil
}

func (p *player) check(want message, resp *http.Response, got string) error {
	status, err := strconv.Atoi(strings.Fields(want.line)[1])
	if err != nil || status != resp.StatusCode {
		return fmt.Errorf("status %d, want %s", resp.StatusCode, want.line)
	}
	for _, h := range want.header {
		if err := p.checkHeader(h[0], h[1], resp.Header); err != nil {
			return err
		}
	}
	body := strings.TrimSpace(want.body)
	if body == "" {
		return nil
	}
	if strings.HasPrefix(body, "<") {
		return p.checkXML(body, got)
	}
	body = strings.ReplaceAll(p.fill(body), "\r\n", "\n")
	if !strings.Contains(strings.ReplaceAll(got, "\r\n", "\n"), body) {
		return fmt.Errorf("the body lacks\n%s", body)
	}
	return nil
}

func (p *player) checkHeader(name, want string, h http.Header) error {
	got := strings.Join(h.Values(name), ", ")
	if v := h[name]; len(v) > 0 { // one that is not spelled as Go spells it
		got = strings.Join(v, ", ")
	}
	switch {
	case want == "!":
		if got != "" {
			return fmt.Errorf("%s: %s, want none", name, got)
		}
	case strings.HasPrefix(want, "~"):
		if !strings.Contains(got, p.fill(want[1:])) {
			return fmt.Errorf("%s: %q, want %s in it", name, got, want[1:])
		}
	case strings.HasPrefix(want, "!"):
		if strings.Contains(got, p.fill(want[1:])) {
			return fmt.Errorf("%s: %q, want no %s in it", name, got, want[1:])
		}
	default:
		if got == "" || !p.same(want, got) {
			return fmt.Errorf("%s: %q, want %s", name, got, p.fill(want))
		}
	}
	return nil
}

var variable = regexp.MustCompile(`\$\{(\w+)\}`)

// fill puts captured values in place.
func (p *player) fill(s string) string {
	return variable.ReplaceAllStringFunc(s, func(v string) string {
		if x, ok := p.vars[v[2:len(v)-1]]; ok {
			return x
		}
		return v
	})
}

// same compares a text, capturing what it is when want is a variable without a value.
func (p *player) same(want, got string) bool {
	want = p.fill(want)
	if want == "*" {
		return true
	}
	if m := variable.FindString(want); m == want && m != "" {
		p.vars[want[2:len(want)-1]] = got
		return true
	}
	return want == got
}
