package dav

import (
	"errors"
	"fmt"
	"time"

	"atrium/dav/elem"
)

// Config has the settings of the HTTP face.
type Config struct {
	Realm    string `toml:"realm"`     // of Basic authentication, the same in every 401
	Plain    bool   `toml:"plain"`     // take passwords without TLS from anywhere; from this machine they always are
	MaxXML   int64  `toml:"max_xml"`   // bytes of an XML body
	MaxFile  int64  `toml:"max_file"`  // bytes of a file below /files/
	MaxProp  int64  `toml:"max_prop"`  // bytes of one dead property
	MaxProps int    `toml:"max_props"` // dead properties of one resource

	AskToShare bool `toml:"ask_to_share"` // what Apple's clients share is seen only when the other has accepted it

	// What the listener's http.Server is to be given.
	HeaderTimeout time.Duration `toml:"header_timeout"` // for a request's header
	BodyTimeout   time.Duration `toml:"body_timeout"`   // for the whole request
	WriteTimeout  time.Duration `toml:"write_timeout"`  // for the answer
	IdleTimeout   time.Duration `toml:"idle_timeout"`   // between requests
	MaxHeader     int           `toml:"max_header"`     // bytes of a request's header
}

// DefaultConfig returns settings that all known clients can live with.
func DefaultConfig() Config {
	return Config{
		Realm: "Atrium", MaxXML: elem.DefaultLimits().Bytes, MaxFile: 1 << 30, MaxProp: 256 << 10, MaxProps: 500, AskToShare: true,
		HeaderTimeout: 20 * time.Second, BodyTimeout: 10 * time.Minute, WriteTimeout: 10 * time.Minute,
		IdleTimeout: 3 * time.Minute, MaxHeader: 64 << 10,
	}
}

// Validate reports all settings that cannot be used.
func (c *Config) Validate() (err error) {
	bad := func(format string, args ...any) { err = errors.Join(err, fmt.Errorf(format, args...)) }
	if c.Realm == "" {
		bad("dav.realm: missing")
	}
	if c.MaxXML < 64<<10 {
		bad("dav.max_xml: %d, at least 65536 is needed", c.MaxXML)
	}
	if c.MaxProp < 4<<10 || c.MaxProp > 512<<10 {
		bad("dav.max_prop: %d, must be 4096 to 524288", c.MaxProp)
	}
	if c.MaxProps < 10 {
		bad("dav.max_props: %d, at least 10 are needed", c.MaxProps)
	}
	for name, d := range map[string]time.Duration{"header_timeout": c.HeaderTimeout, "body_timeout": c.BodyTimeout, "write_timeout": c.WriteTimeout, "idle_timeout": c.IdleTimeout} {
		if d < time.Second {
			bad("dav.%s: %v, at least 1s is needed", name, d)
		}
	}
	return err
}
