package sieve

import (
	"fmt"
	"slices"
	"strings"
)

// redirectDSN says which reports on a redirected message its sender gets (RFC 6009 §5).
var redirectDSN = extension{name: "redirect-dsn", rfc: "6009", tags: map[string][]tagDef{
	"redirect": {{name: "notify", value: "s"}, {name: "ret", value: "s"}}}}

// Report is what reports a sender gets.
type Report struct {
	Notify []string // NEVER, or some of SUCCESS, FAILURE and DELAY; none: as the server thinks
	Return string   // FULL, HDRS, or ""
}

// dsnTags returns what gives the Report of a redirect.
func (c *compiler) dsnTags(a *call) func(*run) (Report, error) {
	notify, ret := c.text(a.tags["notify"]), c.text(a.tags["ret"])
	for _, t := range []*template{notify, ret} {
		if t == nil || !t.constant() {
			continue
		}
		var err error
		if t == notify {
			_, err = notifyWords(t.fixed)
		} else {
			_, err = returnWord(t.fixed)
		}
		if err != nil {
			c.errf(t.pos, "%v", err)
		}
	}
	return func(r *run) (out Report, err error) {
		if notify != nil {
			if out.Notify, err = notifyWords(notify.eval(r)); err != nil {
				return out, err
			}
		}
		if ret != nil {
			out.Return, err = returnWord(ret.eval(r))
		}
		return out, err
	}
}

func notifyWords(s string) (out []string, err error) {
	for _, w := range strings.Split(upper(s), ",") {
		if w = strings.TrimSpace(w); !slices.Contains([]string{"NEVER", "SUCCESS", "FAILURE", "DELAY"}, w) {
			return nil, fmt.Errorf("%q is neither NEVER nor a list of SUCCESS, FAILURE and DELAY", clip(s))
		}
		out = append(out, w)
	}
	if len(out) > 1 && slices.Contains(out, "NEVER") {
		return nil, fmt.Errorf("%q: NEVER stands alone", clip(s))
	}
	return out, nil
}

func returnWord(s string) (string, error) {
	if w := upper(s); w == "FULL" || w == "HDRS" {
		return w, nil
	}
	return "", fmt.Errorf("%q is neither FULL nor HDRS", clip(s))
}
