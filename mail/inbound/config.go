package inbound

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"atrium/mail/verify"
)

// What is to be done with a message, by settings.
const (
	Note       = "note"       // it is written down, nothing else
	Quarantine = "quarantine" // it goes into Junk
	Reject     = "reject"     // it is refused
)

// Config has the settings of what is looked at.
type Config struct {
	Verify    bool          `toml:"verify"`     // SPF, DKIM, DMARC and ARC
	LMTP      bool          `toml:"lmtp"`       // messages by LMTP are verified too; their client is not
	DMARC     string        `toml:"dmarc"`      // the most that is done for a domain's policy: note, quarantine, reject
	SPF       string        `toml:"spf"`        // what is done where SPF fails and there is no DMARC policy
	TempError string        `toml:"temp_error"` // when DNS does not answer: note, or defer (451)
	Helo      string        `toml:"helo"`       // a client that calls itself by our name or another's address: note, reject
	Reverse   string        `toml:"reverse"`    // an address without a name that leads back: note, reject
	Allow     []string      `toml:"allow"`      // networks that are not looked at
	Deny      []string      `toml:"deny"`       // networks and sender domains that are refused
	Lists     []string      `toml:"lists"`      // DNS lists: "zone reject", or "zone 2.5" for points
	JunkFrom  float64       `toml:"junk_from"`  // points from which on a message goes into Junk
	RefuseAt  float64       `toml:"refuse_at"`  // and from which on it is refused; 0: never
	Filters   []string      `toml:"filters"`    // milters ("inet:host:port", "unix:/path") and rspamd ("http://host:11333")
	FilterErr string        `toml:"filter_err"` // when a filter does not answer: note, or defer
	Wait      time.Duration `toml:"wait"`       // for one filter
	MTASTS    string        `toml:"mta_sts"`    // policy that we publish (RFC 8461): testing, enforce, none; "": there is none
	Checks    verify.Config `toml:"checks"`
	Grey      Grey          `toml:"grey"`
	Rates     Rates         `toml:"rates"`
}

// DefaultConfig returns settings that serve everyone.
func DefaultConfig() Config {
	return Config{
		Verify: true, DMARC: Reject, SPF: Note, TempError: Note, Helo: Note, Reverse: Note,
		Allow:    []string{"127.0.0.0/8", "::1", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fe80::/10"},
		JunkFrom: 5, FilterErr: Note, Wait: 20 * time.Second, MTASTS: "testing",
		Checks: verify.DefaultConfig(), Grey: defaultGrey(), Rates: Rates{},
	}
}

// Validate reports all mistakes at once.
func (c *Config) Validate() (err error) {
	bad := func(format string, args ...any) { err = errors.Join(err, fmt.Errorf(format, args...)) }
	one := func(key, v string, of ...string) {
		if !slices.Contains(of, v) {
			bad("%s: %q, must be one of %s", key, v, strings.Join(of, ", "))
		}
	}
	one("dmarc", c.DMARC, Note, Quarantine, Reject)
	one("spf", c.SPF, Note, Quarantine, Reject)
	one("temp_error", c.TempError, Note, "defer")
	one("filter_err", c.FilterErr, Note, "defer")
	one("mta_sts", c.MTASTS, "", "testing", "enforce", "none")
	one("helo", c.Helo, Note, Reject)
	one("reverse", c.Reverse, Note, Reject)
	for _, a := range c.Allow {
		if _, e := parseNetwork(a); e != nil {
			bad("allow: %q is no network", a)
		}
	}
	for _, l := range c.Lists {
		if _, e := parseList(l); e != nil {
			bad("lists: %w", e)
		}
	}
	for _, f := range c.Filters {
		if _, _, e := parseFilter(f); e != nil {
			bad("filters: %w", e)
		}
	}
	if c.JunkFrom <= 0 || c.RefuseAt < 0 || c.RefuseAt > 0 && c.RefuseAt < c.JunkFrom {
		bad("junk_from: %v and refuse_at: %v, must be above 0, and the second not below the first", c.JunkFrom, c.RefuseAt)
	}
	if c.Wait <= 0 || c.Wait > 5*time.Minute {
		bad("wait: %v, must be above 0 and at most 5m", c.Wait)
	}
	return errors.Join(err, c.Checks.Validate(), c.Grey.validate(), c.Rates.validate())
}

func parseNetwork(s string) (netip.Prefix, error) {
	if ip, err := netip.ParseAddr(s); err == nil {
		return netip.PrefixFrom(ip, ip.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	return p.Masked(), err
}

// dnsList is one DNS list.
type dnsList struct {
	zone   string
	refuse bool
	points float64
}

func parseList(s string) (l dnsList, err error) {
	words := strings.Fields(s)
	if len(words) != 2 || !strings.Contains(words[0], ".") {
		return l, fmt.Errorf(`%q, must be "zone reject" or "zone points"`, s)
	}
	l.zone = strings.Trim(words[0], ".")
	if words[1] == Reject {
		l.refuse = true
		return l, nil
	}
	if l.points, err = strconv.ParseFloat(words[1], 64); err != nil || l.points < -100 || l.points > 100 {
		return l, fmt.Errorf("%q: %q is neither reject nor a number of points", s, words[1])
	}
	return l, nil
}

// parseFilter tells a filter's network ("tcp", "unix", or "http" for rspamd) and address.
func parseFilter(s string) (network, address string, err error) {
	switch {
	case strings.HasPrefix(s, "http://"), strings.HasPrefix(s, "https://"):
		u, err := url.Parse(s)
		if err != nil || u.Host == "" {
			return "", "", fmt.Errorf("%q is no address", s)
		}
		return "http", strings.TrimSuffix(s, "/"), nil
	case strings.HasPrefix(s, "unix:/"):
		return "unix", s[len("unix:"):], nil
	case strings.HasPrefix(s, "inet:") && strings.Contains(s[5:], ":"):
		return "tcp", s[len("inet:"):], nil
	}
	return "", "", fmt.Errorf(`%q, must be "inet:host:port", "unix:/path" or "http://host:port"`, s)
}
