package sieve

import (
	"fmt"
	"time"
)

var (
	vacation = extension{name: "vacation", rfc: "5230", commands: []command{{name: "vacation", shape: shape{tags: []tagDef{
		{name: "days", value: "n", group: "pause"}, {name: "subject", value: "s"}, {name: "from", value: "s"}, {name: "addresses", value: "l"},
		{name: "mime"}, {name: "handle", value: "s"}}, args: "s"}, compile: compileVacation}}}
	vacationSeconds = extension{name: "vacation-seconds", rfc: "6131", needs: []string{"vacation"},
		tags: map[string][]tagDef{"vacation": {{name: "seconds", value: "n", group: "pause"}}}}
)

// Bounds of the time between two answers to the same sender.
const (
	defaultPause = 7 * 24 * time.Hour
	minPause     = 24 * time.Hour // with :days (RFC 5230 §4.1)
	maxPause     = 90 * 24 * time.Hour
)

func compileVacation(c *compiler, a *call) op {
	reason, subject, from, handle := c.text(a.pos[0]), c.text(a.tags["subject"]), c.text(a.tags["from"]), c.text(a.tags["handle"])
	var addresses []*template
	if x := a.tags["addresses"]; x != nil {
		addresses = c.texts(x)
	}
	if from != nil && from.constant() && !validAddress(from.fixed) {
		c.errf(from.pos, "%q is no address", clip(from.fixed))
	}
	pause := defaultPause
	if x := a.tags["days"]; x != nil {
		if most := int64(maxPause / minPause); x.n < 1 || x.n > most {
			c.warnf(x.pos, "%d days: 1 to %d are possible, the nearest counts", x.n, most)
		}
		pause = time.Duration(min(max(x.n, 1), int64(maxPause/minPause))) * minPause
	}
	if x := a.tags["seconds"]; x != nil {
		pause = time.Duration(min(x.n, int64(maxPause/time.Second))) * time.Second
	}
	copied := c.copyTags(a)
	return func(r *run) (err error) {
		switch {
		case r.done.vacation:
			return fmt.Errorf("a second vacation: %w", Conflict) // RFC 5230 §4.7
		case r.done.reject:
			return fmt.Errorf("the message is refused already: %w", Conflict)
		}
		r.done.vacation = true
		v := Vacation{Reason: reason.eval(r), MIME: a.tag("mime"), Pause: pause, Addresses: evalAll(r, addresses)}
		if subject != nil {
			v.Subject = subject.eval(r)
		}
		if from != nil {
			if v.From = from.eval(r); !validAddress(v.From) {
				v.From = "" // RFC 5230 §4.3: an invalid one is not used
			}
		}
		if handle != nil {
			v.Handle = Digest("handle", handle.eval(r))
		} else {
			v.Handle = Digest("vacation", v.Reason, v.Subject, v.From, fmt.Sprint(v.MIME))
		}
		if v.Copy, err = copied(r); err != nil {
			return err
		}
		return r.act(v)
	}
}
