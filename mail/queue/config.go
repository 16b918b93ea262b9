package queue

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Config has the settings of the queue.
type Config struct {
	Hostname   string `toml:"hostname"` // of this host, in EHLO and reports
	MaxMessage int64  `toml:"-"`        // bytes that Submit takes; delivery's

	Off       bool            `toml:"off"`            // nothing goes out: recipients elsewhere are refused
	Capture   string          `toml:"capture"`        // address of this server that gets all mail to others instead; "": none
	Retry     []time.Duration `toml:"retry"`          // pauses between attempts; the last one repeats
	Warn      time.Duration   `toml:"warn"`           // after which the sender is told of a delay; 0: never
	GiveUp    time.Duration   `toml:"give_up"`        // after which a message goes back (RFC 5321 §4.5.4.1: 4 days at least)
	GiveUpNil time.Duration   `toml:"give_up_report"` // the same for messages from the null sender

	Connections int `toml:"connections"` // open at once
	PerHost     int `toml:"per_host"`    // of them to one destination
	PerConn     int `toml:"per_conn"`    // messages over one connection
	Window      int `toml:"window"`      // entries in memory

	ConnectTimeout time.Duration `toml:"connect_timeout"` // for a connection to one address
	Timeout        time.Duration `toml:"timeout"`         // for a reply; the one to the content has twice as long (RFC 5321 §4.5.3.2)

	TLS        string `toml:"tls"`         // "may": where offered; "verify": only to servers with a good certificate; "never"
	DANE       bool   `toml:"dane"`        // RFC 7672
	MTASTS     bool   `toml:"mta_sts"`     // RFC 8461
	TLSReports bool   `toml:"tls_reports"` // RFC 8460: daily reports to domains that ask
	IPv6       bool   `toml:"ipv6"`        // use IPv6 addresses

	Smarthost Route   `toml:"smarthost"` // where all mail goes; without a host: to where the DNS says
	Routes    []Route `toml:"routes"`    // for single domains, before smarthost

	Reports int `toml:"reports"` // that one sender gets in an hour
	Daily   int `toml:"daily"`   // recipients elsewhere that one account may have in 24 hours, 0: no limit
}

// Route says where mail for some domains goes.
type Route struct {
	Domain   string `toml:"domain"`   // "example.org", ".example.org" for all below it; empty for the smarthost
	Host     string `toml:"host"`     // name or address of the server; "-": by MX, whatever the smarthost is
	Port     int    `toml:"port"`     // 0: 25, or 465 with tls = "implicit", or 587 with a login
	TLS      string `toml:"tls"`      // "verify" (STARTTLS and a good certificate), "implicit" (TLS from the start), "may", "never"; "": verify with a login, else may
	Login    string `toml:"login"`    // name to log in with
	Password string `toml:"password"` // its password
	Mech     string `toml:"mech"`     // SASL mechanism; "": the best that is offered
	LMTP     bool   `toml:"lmtp"`     // the server speaks LMTP
}

// DefaultConfig returns settings by RFC 5321 §4.5.4.1.
func DefaultConfig() Config {
	return Config{
		Hostname: "localhost", MaxMessage: 50 << 20,
		Retry: []time.Duration{5 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour},
		Warn:  4 * time.Hour, GiveUp: 5 * 24 * time.Hour, GiveUpNil: 2 * 24 * time.Hour,
		Connections: 100, PerHost: 10, PerConn: 100, Window: 2000,
		ConnectTimeout: 30 * time.Second, Timeout: 5 * time.Minute,
		Reports: 200, TLS: "may", DANE: true, MTASTS: true, TLSReports: true, IPv6: true,
	}
}

// Validate reports all mistakes at once.
func (c *Config) Validate() (err error) {
	bad := func(format string, args ...any) { err = errors.Join(err, fmt.Errorf("queue."+format, args...)) }
	if c.Hostname == "" {
		bad("hostname: missing")
	}
	if c.Capture != "" && !isAddress(c.Capture) {
		bad("capture: %q is no address", c.Capture)
	}
	if len(c.Retry) == 0 {
		bad("retry: at least one pause is needed")
	}
	for _, d := range c.Retry {
		if d < time.Second {
			bad("retry: %v, at least 1s is needed", d)
		}
	}
	if c.Warn < 0 || c.GiveUp < time.Minute || c.GiveUpNil < time.Minute {
		bad("warn: %v, give_up: %v and give_up_report: %v, the last two must be at least 1m (RFC 5321 §4.5.4.1 advises 4 to 5 days)", c.Warn, c.GiveUp, c.GiveUpNil)
	}
	for name, n := range map[string]int{"connections": c.Connections, "per_host": c.PerHost, "per_conn": c.PerConn, "reports": c.Reports} {
		if n < 1 {
			bad("%s: %d, at least 1 is needed", name, n)
		}
	}
	if c.Window < 10 {
		bad("window: %d, at least 10 are needed", c.Window)
	}
	if c.ConnectTimeout <= 0 || c.Timeout <= 0 {
		bad("timeout: %v and connect_timeout: %v, a time above 0 is needed", c.Timeout, c.ConnectTimeout)
	}
	switch c.TLS {
	case "may", "verify", "never":
	default:
		bad(`tls: %q, must be "may", "verify" or "never"`, c.TLS)
	}
	if c.Daily < 0 {
		bad("daily: %d is negative", c.Daily)
	}
	if c.Smarthost.Host != "" {
		c.Smarthost.validate("smarthost", bad)
	}
	for i := range c.Routes {
		r := &c.Routes[i]
		if r.Domain == "" || r.Host == "" {
			bad("routes[%d]: domain and host are needed", i)
			continue
		}
		r.validate(fmt.Sprintf("routes[%d]", i), bad)
	}
	return err
}

func (r *Route) validate(name string, bad func(string, ...any)) {
	switch r.TLS {
	case "", "may", "verify", "implicit", "never":
	default:
		bad(`%s: tls %q, must be "verify", "implicit", "may" or "never"`, name, r.TLS)
	}
	if r.Port < 0 || r.Port > 65535 {
		bad("%s: port %d", name, r.Port)
	}
	if r.Login == "" && r.Password != "" {
		bad("%s: a password without a login", name)
	}
	switch strings.ToUpper(r.Mech) {
	case "", "PLAIN", "LOGIN", "SCRAM-SHA-256":
	default:
		bad("%s: mech %q, must be PLAIN, LOGIN or SCRAM-SHA-256", name, r.Mech)
	}
}
