package dav

import (
	"slices"
	"strings"
)

// Standard is one line of the table of standards.
type Standard struct {
	RFC  string // its number, or a name where there is none
	What []string
}

// Standards lists what this package and the given modules speak, for the README: of each RFC its
// tokens in the DAV header, its reports and methods, or else its properties.
func Standards(modules ...Module) []Standard {
	var out []Standard
	for _, m := range append(append((*Server)(nil).modules(), modules...), bulk) {
		var what []string
		for _, f := range m.Features {
			if len(f) == 1 { // RFC 4918 §18
				f = "class " + f
			}
			what = append(what, f)
		}
		for _, r := range m.Reports {
			what = append(what, r.Name.Local)
		}
		if len(what) == 0 {
			for _, p := range m.Properties {
				what = append(what, p.Name.Local)
			}
		}
		rfc := strings.TrimPrefix(m.RFC, "RFC ")
		i := slices.IndexFunc(out, func(s Standard) bool { return s.RFC == rfc })
		if i < 0 {
			i, out = len(out), append(out, Standard{RFC: rfc})
		}
		for _, w := range what {
			if !slices.Contains(out[i].What, w) {
				out[i].What = append(out[i].What, w)
			}
		}
	}
	return out
}
