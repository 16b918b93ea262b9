package configs

import (
	_ "embed"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"atrium/calendar/feed"
	"atrium/contacts/directory"
	"atrium/dav"
	"atrium/dav/caldav"
	"atrium/dav/carddav"
	"atrium/dav/push"
	"atrium/mail"
	"atrium/mail/auth"
	"atrium/mail/delivery"
	"atrium/mail/imapd"
	"atrium/mail/inbound"
	"atrium/mail/pop3d"
	"atrium/mail/queue"
	"atrium/mail/resolver"
	"atrium/mail/rules"
	"atrium/mail/sieved"
	"atrium/mail/sift"
	"atrium/mail/smtpd"
	"atrium/storage"
	"atrium/storage/account"
	"atrium/storage/embedded"
)

// DefaultPath is where the server and its commands look for the file.
const DefaultPath = "/etc/atrium/atrium.toml"

// Example is the annotated example file.
//
//go:embed atrium.toml
var Example string

// Config is the configuration of the whole program.
type Config struct {
	Domain   string // the default domain: bare names log in under it
	Data     string // folder of the store
	Hostname string // the server's own name, in greetings and certificates; default: mail.DOMAIN

	Listen    Listen
	TLS       TLS
	Log       Log
	Shutdown  time.Duration // how long connections may take to end at most
	Engine    embedded.Config
	Storage   storage.Config
	Passwords account.Config
	Auth      auth.Config
	Mail      mail.Config
	Delivery  delivery.Config
	IMAP      imapd.Config
	POP3      pop3d.Config
	SMTP      smtpd.Config
	LMTP      smtpd.Config
	DNS       resolver.Config
	Inbound   inbound.Config
	Junk      sift.Config
	Queue     queue.Config
	DAV       dav.Config

	Sieve       rules.Config
	ManageSieve sieved.Config `toml:"managesieve"`

	CalDAV    caldav.Config  `toml:"caldav"`
	CardDAV   carddav.Config `toml:"carddav"`
	Feed      feed.Config
	Push      push.Config
	Directory directory.Config
}

// Listen says where each protocol listens: "host:port", ":port" for all
// addresses, or "unix:/path". An empty list switches a listener off.
type Listen struct {
	SMTP        []string // mail from other servers, STARTTLS
	Submission  []string // mail from users, STARTTLS
	Submissions []string // mail from users, TLS from the start
	LMTP        []string // mail from another server on this machine or network
	IMAP        []string // STARTTLS
	IMAPS       []string
	POP3        []string // STARTTLS
	POP3S       []string
	Sieve       []string // ManageSieve, STARTTLS
	HTTP        []string // CalDAV and CardDAV in plain text: for a proxy in front or tests
	HTTPS       []string
	Metrics     []string // Prometheus; anyone who reaches it may read it
}

// TLS says which certificate the listeners use.
type TLS struct {
	Cert     string // PEM file with the chain; empty: one by an authority of the server's own
	Key      string
	ClientCA string // PEM file with the authorities of client certificates, for EXTERNAL; empty: none is asked for
}

// Log says what is logged to the standard error, and how.
type Log struct {
	Level  string // debug, info, warn or error
	Format string // text or json
}

// Default returns the configuration that holds where a file says nothing.
func Default() Config {
	c := Config{
		Data: "/var/lib/atrium",
		Listen: Listen{
			SMTP: []string{":25"}, Submission: []string{":587"}, Submissions: []string{":465"},
			IMAP: []string{":143"}, IMAPS: []string{":993"}, POP3: []string{":110"}, POP3S: []string{":995"},
			Sieve: []string{":4190"},
			HTTPS: []string{":443"},
		},
		Log:       Log{Level: "info", Format: "text"},
		Shutdown:  20 * time.Second,
		Engine:    embedded.DefaultConfig(),
		Storage:   storage.DefaultConfig(),
		Passwords: account.DefaultConfig(),
		Auth:      auth.DefaultConfig(),
		Mail:      mail.DefaultConfig(),
		Delivery:  delivery.DefaultConfig(),
		IMAP:      imapd.DefaultConfig(),
		POP3:      pop3d.DefaultConfig(),
		SMTP:      smtpd.DefaultConfig(),
		LMTP:      smtpd.DefaultConfig(),
		DNS:       resolver.DefaultConfig(),
		Inbound:   inbound.DefaultConfig(),
		Junk:      sift.DefaultConfig(),
		Queue:     queue.DefaultConfig(),
		DAV:       dav.DefaultConfig(),

		Sieve:       rules.DefaultConfig(),
		ManageSieve: sieved.DefaultConfig(),

		CalDAV:    caldav.DefaultConfig(),
		CardDAV:   carddav.DefaultConfig(),
		Feed:      feed.DefaultConfig(),
		Push:      push.DefaultConfig(),
		Directory: directory.DefaultConfig(),
	}
	return c
}

// Load reads a file over the defaults and validates the whole. The error names
// every mistake with its key, a line each.
func Load(path string) (Config, error) {
	c := Default()
	b, err := os.ReadFile(path)
	if err != nil {
		return c, fmt.Errorf("configuration: %w", err)
	}
	if err := c.Parse(string(b)); err != nil {
		return c, fmt.Errorf("configuration %s:\n%w", path, err)
	}
	return c, nil
}

// Parse reads a TOML text over c and validates the whole.
func (c *Config) Parse(text string) error {
	err := bind(text, c)
	if errors.As(err, new(syntaxError)) {
		return err // nothing of it was read: whatever else is missing is no news
	}
	c.fill()
	return errors.Join(err, c.Validate())
}

// fill derives what was left out.
func (c *Config) fill() {
	if c.Hostname == "" && c.Domain != "" {
		c.Hostname = "mail." + c.Domain
	}
	c.Passwords.Domain = c.Domain
	if c.Hostname != "" {
		c.SMTP.Hostname, c.LMTP.Hostname, c.Delivery.Hostname, c.Queue.Hostname = c.Hostname, c.Hostname, c.Hostname, c.Hostname
	}
	if c.Listen.LMTP == nil && c.Data != "" { // [] switches it off
		c.Listen.LMTP = []string{"unix:" + filepath.Join(c.Data, "lmtp.sock")}
	}
}

// ControlSocket is where the running server is administered.
func (c *Config) ControlSocket() string { return filepath.Join(c.Data, "control.sock") }

// Listeners returns each listener's key and addresses.
func (l *Listen) Listeners() map[string][]string {
	return map[string][]string{
		"smtp": l.SMTP, "submission": l.Submission, "submissions": l.Submissions, "lmtp": l.LMTP,
		"imap": l.IMAP, "imaps": l.IMAPS, "pop3": l.POP3, "pop3s": l.POP3S, "sieve": l.Sieve, "http": l.HTTP, "https": l.HTTPS, "metrics": l.Metrics,
	}
}

// Validate reports all mistakes at once.
func (c *Config) Validate() (err error) {
	bad := func(format string, args ...any) { err = errors.Join(err, fmt.Errorf(format, args...)) }
	switch {
	case c.Domain == "":
		bad(`domain: missing; it is what follows the @ in your addresses, such as "example.org"`)
	case !isDomain(c.Domain):
		bad("domain: %q is no domain name", c.Domain)
	}
	if c.Hostname != "" && !isDomain(c.Hostname) {
		bad("hostname: %q is no name of a host", c.Hostname)
	}
	if c.Data == "" {
		bad("data: missing; it is the folder that holds everything")
	}
	if (c.TLS.Cert == "") != (c.TLS.Key == "") {
		bad("tls: cert and key go together")
	}
	if c.Auth.External && c.TLS.ClientCA == "" {
		bad("auth.external: tls.client_ca is missing, nobody's certificate could be verified")
	}
	if c.Shutdown < time.Second {
		bad("shutdown: %v, at least 1s is needed", c.Shutdown)
	}
	switch c.Log.Level {
	case "debug", "info", "warn", "error":
	default:
		bad("log.level: %q, must be debug, info, warn or error", c.Log.Level)
	}
	if c.Log.Format != "text" && c.Log.Format != "json" {
		bad("log.format: %q, must be text or json", c.Log.Format)
	}
	err = errors.Join(err, c.Listen.validate(), c.parts())
	return err
}

// isDomain tells whether s may be a domain or host name; UTF-8 is.
func isDomain(s string) bool {
	if len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' || strings.ContainsFunc(label, func(r rune) bool {
			return r < 0x80 && r != '-' && !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9')
		}) {
			return false
		}
	}
	return true
}

func (l *Listen) validate() (err error) {
	bad := func(format string, args ...any) { err = errors.Join(err, fmt.Errorf(format, args...)) }
	used := map[string]string{}
	all := l.Listeners()
	for _, key := range slices.Sorted(maps.Keys(all)) {
		for _, a := range all[key] {
			if other := used[a]; other != "" && !strings.HasSuffix(a, ":0") {
				bad("listen.%s: %s is taken by listen.%s", key, a, other)
			}
			used[a] = key
			if path, ok := strings.CutPrefix(a, "unix:"); ok {
				if path == "" {
					bad("listen.%s: %q names no socket", key, a)
				}
				continue
			}
			_, port, e := net.SplitHostPort(a)
			if e == nil {
				_, e = net.LookupPort("tcp", port)
			}
			if e != nil || port == "" {
				bad(`listen.%s: %q, must be "host:port", ":port" or "unix:/path"`, key, a)
			}
		}
	}
	return err
}

// parts validates the packages' own settings.
func (c *Config) parts() (err error) {
	type part interface{ Validate() error }
	v := reflect.ValueOf(c).Elem()
	for _, p := range []struct {
		name string
		part
	}{
		{"engine", &c.Engine}, {"storage", &c.Storage}, {"passwords", &c.Passwords}, {"auth", &c.Auth}, {"mail", &c.Mail},
		{"delivery", &c.Delivery}, {"imap", &c.IMAP}, {"pop3", &c.POP3}, {"sieve", &c.Sieve}, {"managesieve", &c.ManageSieve}, {"smtp", &c.SMTP}, {"lmtp", &c.LMTP},
		{"dns", &c.DNS}, {"inbound", &c.Inbound}, {"junk", &c.Junk}, {"queue", &c.Queue}, {"dav", &c.DAV}, {"feed", &c.Feed}, {"push", &c.Push},
	} {
		err = errors.Join(err, section(p.name, fields(v)[p.name], p.Validate()))
	}
	for key, n := range map[string]int64{"caldav.max_object": c.CalDAV.MaxObject, "carddav.max_card": c.CardDAV.MaxCard} {
		if n < 64<<10 {
			err = errors.Join(err, fmt.Errorf("%s: %d, at least 65536 bytes are needed", key, n))
		}
	}
	return err
}

// section gives the mistakes of a package's configuration their keys in the file.
// Those that follow from other settings are told there.
func section(name string, v reflect.Value, err error) (out error) {
	if err == nil {
		return nil
	}
	for _, line := range strings.Split(err.Error(), "\n") {
		line = strings.TrimPrefix(line, name+".")
		key, text, _ := strings.Cut(line, ":")
		if k := keyOf(v, key); k != "" {
			line = k + ":" + text
			key = k
		}
		if derived[name+"."+key] == "" {
			out = errors.Join(out, errors.New(name+"."+line))
		}
	}
	return out
}
