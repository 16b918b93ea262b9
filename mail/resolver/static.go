package resolver

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// Zone is a Resolver with fixed answers, for tests. It may be used by many
// goroutines.
type Zone struct {
	questions
	mu        sync.Mutex
	rrs       []dns.RR
	failing   map[string]bool
	authentic bool
	asked     int
}

// Static returns a Zone of the records in a text, a line each as in a zone
// file ("example.org. MX 10 mx.example.org."); the dot at the end of names and
// the class may be left out. Lines that begin with ";" are passed over. It panics where
// a line is no record.
func Static(text string) *Zone {
	z := &Zone{failing: map[string]bool{}}
	z.questions = questions{z}
	z.Add(text)
	return z
}

// Add adds records, as Static.
func (z *Zone) Add(text string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == ';' {
			continue
		}
		rr, err := dns.NewRR("$ORIGIN .\n" + line + "\n")
		if err != nil || rr == nil {
			panic(fmt.Sprintf("resolver: %q is no record: %v", line, err))
		}
		if rr.Header().Ttl == 0 {
			rr.Header().Ttl = 300
		}
		z.rrs = append(z.rrs, rr)
	}
}

// Fail has all questions about a name fail for now.
func (z *Zone) Fail(name string) *Zone {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.failing[plain(name)] = true
	return z
}

// Authentic says whether answers are authentic from now on.
func (z *Zone) Authentic(yes bool) *Zone {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.authentic = yes
	return z
}

// Asked tells how many questions there were.
func (z *Zone) Asked() int {
	z.mu.Lock()
	defer z.mu.Unlock()
	return z.asked
}

func (z *Zone) lookup(ctx context.Context, name string, qtype uint16) (found, error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.asked++
	if ctx.Err() != nil {
		return found{}, fmt.Errorf("%w: %w", Temporary, ctx.Err())
	}
	if z.failing[plain(name)] {
		return found{}, fmt.Errorf("%w: SERVFAIL", Temporary)
	}
	f := collect(z.rrs, name, qtype)
	f.authentic, f.ttl = z.authentic, min(f.ttl, time.Hour)
	if z.failing[plain(f.name)] {
		return found{}, fmt.Errorf("%w: SERVFAIL", Temporary)
	}
	if len(f.rrs) > 0 {
		return f, nil
	}
	below := "." + plain(f.name)
	for _, rr := range z.rrs {
		if have := plain(rr.Header().Name); have == below[1:] || strings.HasSuffix(have, below) {
			return f, NoData // RFC 8020: what has names below it is there
		}
	}
	return f, NXDomain
}
