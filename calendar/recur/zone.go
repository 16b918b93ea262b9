package recur

// Wall is the reading of a clock: seconds since it showed 1970-01-01 00:00:00,
// each day having 86,400 of them.
type Wall int64

// Zone turns walls into instants and back. The nil Zone is UTC. It is safe for
// many goroutines.
type Zone struct{ name string }

// Name returns the zone's name: its TZID, or IANA's name.
func (z *Zone) Name() string {
	if z == nil {
		return "UTC"
	}
	return z.name
}

// Unix returns the instant at which the zone's clocks show w (RFC 5545 §3.3.5
// where there is none or two).
func (z *Zone) Unix(w Wall) int64 { panic("being written") }

// Wall returns what the zone's clocks show at an instant.
func (z *Zone) Wall(unix int64) Wall { panic("being written") }

// LoadZone finds a zone by IANA's name or alias, by one of Windows or by what
// Outlook displays. Matching is liberal: case, a vendor's prefix
// ("/freeassociation.sourceforge.net/Tzfile/Europe/Berlin") and quotes do not matter.
func LoadZone(name string) (z *Zone, ok bool) { panic("being written") }
