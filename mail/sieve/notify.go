package sieve

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"atrium/mail/message"
)

// enotify tells someone of a message (RFC 5435).
var enotify = extension{name: "enotify", rfc: "5435",
	commands: []command{{name: "notify", shape: shape{tags: []tagDef{{name: "from", value: "s"}, {name: "importance", value: "s"},
		{name: "options", value: "l"}, {name: "message", value: "s"}}, args: "s"}, compile: compileNotify}},
	tests: []test{
		{name: "valid_notify_method", shape: shape{args: "l"}, compile: compileValidNotify},
		{name: "notify_method_capability", shape: shape{tags: matchTags, args: "ssl"}, compile: compileNotifyCapability},
	},
	tags: map[string][]tagDef{"set": {{name: "encodeurl", group: "15"}}, "extracttext": {{name: "encodeurl", group: "15"}}},
}

// methodProblem tells what is wrong with a notification's URI; "" when nothing is.
func (c *Compiler) methodProblem(uri string) string {
	scheme, _, ok := strings.Cut(uri, ":")
	if !ok || !slices.Contains(c.opts.NotifyMethods, lower(scheme)) {
		return fmt.Sprintf("no notification by %q", clip(uri))
	}
	if lower(scheme) == "mailto" {
		if _, err := ParseMailto(uri); err != nil {
			return err.Error()
		}
	}
	return ""
}

func compileNotify(c *compiler, a *call) op {
	method, from, msg := c.text(a.pos[0]), c.text(a.tags["from"]), c.text(a.tags["message"])
	importance := &template{fixed: "2"}
	if x := a.tags["importance"]; x != nil {
		if importance = c.text(x); importance.constant() && !slices.Contains([]string{"1", "2", "3"}, importance.fixed) {
			c.errf(x.pos, "the importance is \"1\" (high), \"2\" or \"3\" (low)")
		}
	}
	if from != nil && from.constant() && !validAddress(from.fixed) {
		c.errf(from.pos, "%q is no address", clip(from.fixed))
	}
	var options []*template
	if x := a.tags["options"]; x != nil {
		options = c.texts(x)
		for _, o := range options {
			if o.constant() && !validOption(o.fixed) {
				c.errf(o.pos, "%q is no option: name=value", clip(o.fixed))
			}
		}
	}
	if method.constant() {
		if why := c.methodProblem(method.fixed); why != "" {
			c.errf(method.pos, "%s", why)
		}
	}
	copied := c.copyTags(a)
	return func(r *run) (err error) {
		n := Notify{Method: method.eval(r), Importance: importance.eval(r), Options: evalAll(r, options)}
		if why := c.methodProblem(n.Method); why != "" {
			return fmt.Errorf("%s: %w", why, Wrong)
		}
		if r.counts.notifies++; r.counts.notifies > r.lim.Notifies {
			return fmt.Errorf("more than %d notifications: %w", r.lim.Notifies, Exhausted)
		}
		if from != nil {
			n.From = from.eval(r)
		}
		if msg != nil {
			n.Message = msg.eval(r)
		}
		if n.Copy, err = copied(r); err != nil {
			return err
		}
		return r.act(n)
	}
}

// validOption tells whether s is name=value (RFC 5435 §3.5).
func validOption(s string) bool {
	name, value, ok := strings.Cut(s, "=")
	if !ok || name == "" || !letter(name[0]) && !digit(name[0]) || name[0] == '_' || strings.ContainsAny(value, "\r\n") {
		return false
	}
	for i := range len(name) {
		if !letter(name[i]) && !digit(name[i]) && name[i] != '.' && name[i] != '-' {
			return false
		}
	}
	return true
}

func compileValidNotify(c *compiler, a *call) cond {
	list := c.texts(a.pos[0])
	return func(r *run) (bool, error) {
		for _, u := range list {
			if c.methodProblem(u.eval(r)) != "" {
				return false, nil
			}
		}
		return true, nil
	}
}

// compileNotifyCapability is RFC 5435 §5: by mail nobody knows whether someone is there.
func compileNotifyCapability(c *compiler, a *call) cond {
	method, what, m := c.text(a.pos[0]), c.text(a.pos[1]), c.matcher(a, a.pos[2])
	return func(r *run) (bool, error) {
		if c.methodProblem(method.eval(r)) != "" || lower(what.eval(r)) != "online" {
			return false, nil
		}
		return m.match(r, []string{"maybe"})
	}
}

// Mailto is a mailto URI (RFC 6068).
type Mailto struct {
	To, Cc, Bcc []string
	Subject     string
	Body        string
	Fields      [][2]string // other header fields that may be set
}

// ParseMailto reads a mailto URI as RFC 5436 allows it. Fields that say where a message
// comes from are left out (§2.3).
func ParseMailto(uri string) (*Mailto, error) {
	if len(uri) > 4096 || len(uri) < 7 || lower(uri[:7]) != "mailto:" {
		return nil, fmt.Errorf("%q is no mailto URI", clip(uri))
	}
	path, query, _ := strings.Cut(uri[7:], "?")
	path, _, _ = strings.Cut(path, "#")
	query, _, _ = strings.Cut(query, "#")
	m := &Mailto{}
	add := func(to *[]string, list string) error {
		s, err := url.PathUnescape(list)
		if err != nil || len(s) > 4096 || strings.ContainsAny(s, "\r\n\x00;<>") {
			return fmt.Errorf("%q is no address in a mailto URI", clip(list))
		}
		// A comma parts addresses, written %2C too (RFC 2368 §2), but for one in quotes.
		for _, a := range message.ParseAddresses([]byte(s)) {
			one := addressOf(a.Addr())
			if a.Group || one == "" {
				return fmt.Errorf("%q is no address in a mailto URI", clip(list))
			}
			if !slices.ContainsFunc(slices.Concat(m.To, m.Cc, m.Bcc), func(o string) bool { return strings.EqualFold(o, one) }) {
				*to = append(*to, one)
			}
		}
		return nil
	}
	if path != "" {
		if err := add(&m.To, path); err != nil {
			return nil, err
		}
	}
	if i := strings.IndexAny(query, "<>\"[]{}|\\^ "); i >= 0 {
		return nil, fmt.Errorf("%q in a mailto URI must be written as %%%02X", query[i:i+1], query[i])
	}
	for query != "" {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		name, value, ok := strings.Cut(pair, "=")
		if !ok {
			return nil, fmt.Errorf("%q in a mailto URI has no value", clip(pair))
		}
		name, err := url.PathUnescape(name)
		plain, err2 := url.PathUnescape(value)
		if err != nil || err2 != nil || !validField(name) || strings.ContainsRune(plain, 0) {
			return nil, fmt.Errorf("%q in a mailto URI cannot be read", clip(pair))
		}
		switch lower(name) {
		case "to":
			err = add(&m.To, value)
		case "cc":
			err = add(&m.Cc, value)
		case "bcc":
			err = add(&m.Bcc, value)
		case "subject":
			m.Subject = plain
		case "body":
			m.Body = plain
		case "from", "sender", "reply-to", "date", "message-id", "received", "return-path", "auto-submitted", "precedence",
			"mime-version", "content-type", "content-transfer-encoding", "in-reply-to", "references":
		default:
			if len(m.Fields) < 10 && !strings.HasPrefix(lower(name), "resent-") && !strings.HasPrefix(lower(name), "list-") {
				m.Fields = append(m.Fields, [2]string{name, plain})
			}
		}
		if err != nil {
			return nil, err
		}
	}
	if n := len(m.To) + len(m.Cc) + len(m.Bcc); n == 0 || n > 10 {
		return nil, fmt.Errorf("a mailto URI must name 1 to 10 addresses")
	}
	return m, nil
}
