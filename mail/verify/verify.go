package verify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"sync"
	"time"

	"atrium/mail/authres"
	"atrium/mail/resolver"
)

// Config says how far verification goes.
type Config struct {
	Timeout        time.Duration `toml:"timeout"`         // for all DNS of one message
	MaxSignatures  int           `toml:"max_signatures"`  // DKIM signatures that are looked at
	TrustedSealers []string      `toml:"trusted_sealers"` // domains whose ARC seals are believed when they say that DMARC passed
}

// DefaultConfig returns settings that serve everyone.
func DefaultConfig() Config { return Config{Timeout: 10 * time.Second, MaxSignatures: 8} }

// Validate reports all mistakes at once.
func (c *Config) Validate() (err error) {
	if c.Timeout < time.Second || c.Timeout > 2*time.Minute {
		err = errors.Join(err, fmt.Errorf("timeout: %v, must be 1s to 2m", c.Timeout))
	}
	if c.MaxSignatures < 1 || c.MaxSignatures > 50 {
		err = errors.Join(err, fmt.Errorf("max_signatures: %d, must be 1 to 50", c.MaxSignatures))
	}
	for _, d := range c.TrustedSealers {
		if !isHost(d) {
			err = errors.Join(err, fmt.Errorf("trusted_sealers: %q is no domain", d))
		}
	}
	return err
}

// Verifier checks messages. It may be used by many goroutines.
type Verifier struct {
	cfg Config
	dns resolver.Resolver
}

// New returns a Verifier.
func New(cfg Config, dns resolver.Resolver) (*Verifier, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Verifier{cfg, dns}, nil
}

// Input is a message with what is known of its way here.
type Input struct {
	Remote  netip.Addr // of the client; the zero Addr: not known, then there is no SPF and no iprev
	Helo    string     // what it called itself
	From    string     // reverse-path without brackets, "" is the null one
	Message io.ReaderAt
	Start   int64 // where the message begins that came: behind our own lines
	Size    int64 // of all, with what is before Start
}

// Report has the outcome of each method.
type Report struct {
	Reverse authres.Result // iprev; its Method is "" without an address
	Name    string         // of the client, that leads back to its address; "" when there is none
	SPF     authres.Result
	DKIM    []authres.Result
	ARC     authres.Result // its Method is "" when the message has no chain
	DMARC   DMARC

	spfDomain  string
	signatures []*signature
}

// Results is what Authentication-Results says.
func (r *Report) Results() []authres.Result {
	var out []authres.Result
	for _, x := range [][]authres.Result{{r.Reverse, r.SPF}, r.DKIM, {r.ARC, r.DMARC.Result}} {
		for _, y := range x {
			if y.Method != "" {
				out = append(out, y)
			}
		}
	}
	return out
}

// Temporary tells whether something that would decide about the message could not be found out now.
func (r *Report) Temporary() bool { return r.DMARC.Result.Outcome == authres.TempError }

// Proven is the domain in From when it is proven, by DMARC's rules, that it sent the message; else "".
// A domain without a policy is proven by an aligned signature or SPF too.
func (r *Report) Proven() string {
	switch r.DMARC.Result.Outcome {
	case authres.Pass:
		return r.DMARC.From
	case authres.None:
		if r.SPF.Outcome == authres.Pass && aligned(r.DMARC.From, r.spfDomain, "r") {
			return r.DMARC.From
		}
		for _, s := range r.signatures {
			if s.err == nil && aligned(r.DMARC.From, s.domain, "r") {
				return r.DMARC.From
			}
		}
	}
	return ""
}

// Check verifies a message. It fails when the message cannot be read, and when
// ctx ends; DNS that fails is an outcome.
func (v *Verifier) Check(ctx context.Context, in *Input) (*Report, error) {
	dns, cancel := context.WithTimeout(ctx, v.cfg.Timeout)
	defer cancel()
	rep := &Report{}
	h, err := readHeader(in.Message, in.Start, in.Size)
	if errors.Is(err, errHeader) {
		h, err = &header{named: map[string][]int{}}, nil
	}
	if err != nil {
		return nil, err
	}
	now := time.Now()
	rep.readSignatures(h, v.cfg.MaxSignatures, now)
	arc := readChain(h, now)
	from, bad := authors(h)
	records, errs := make([]*record, len(from)), make([]error, len(from))

	var wg sync.WaitGroup
	if in.Remote.IsValid() {
		wg.Go(func() { rep.Reverse, rep.Name = v.checkReverse(dns, in.Remote) })
	}
	wg.Go(func() { rep.SPF, rep.spfDomain = v.checkSPF(dns, in) })
	for _, s := range rep.signatures {
		wg.Go(func() { s.fetch(dns, v) })
	}
	if arc != nil {
		wg.Go(func() { arc.fetch(dns, v) })
	}
	for i, d := range from {
		wg.Go(func() { records[i], errs[i] = v.lookupDMARC(dns, d) })
	}
	bodies := bodiesFor(rep.signatures, arc)
	err = hashBody(in.Message, in.Start+h.length, in.Size, bodies)
	wg.Wait()
	if err != nil {
		return nil, fmt.Errorf("body: %w", err)
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	for _, s := range rep.signatures {
		s.check(h, bodies[s.body])
		rep.DKIM = append(rep.DKIM, s.result("dkim"))
	}
	if len(rep.DKIM) == 0 {
		rep.DKIM = []authres.Result{{Method: "dkim", Outcome: authres.None}}
	}
	if arc != nil {
		var b *bodyHash
		if arc.message != nil {
			b = bodies[arc.message.body]
		}
		arc.check(h, b)
		rep.ARC = arc.result
	}
	rep.decide(from, bad, records, errs)
	rep.override(arc, v.cfg.TrustedSealers)
	return rep, nil
}

// readSignatures reads the DKIM signatures, the topmost first.
func (r *Report) readSignatures(h *header, limit int, now time.Time) {
	for _, f := range h.all("dkim-signature") {
		if len(r.signatures) == limit {
			return
		}
		r.signatures = append(r.signatures, parseSignature(f, false, now))
	}
}

// bodiesFor makes a hash for each way in which the body is to be hashed. Signatures whose
// key is missing are hashed too: keys come while the body is read.
func bodiesFor(list []*signature, arc *chain) map[bodyKind]*bodyHash {
	out := map[bodyKind]*bodyHash{}
	add := func(s *signature) {
		if s != nil && s.names != nil && s.bodySum != nil && out[s.body] == nil {
			out[s.body] = newBodyHash(s.body)
		}
	}
	for _, s := range list {
		add(s)
	}
	if arc != nil {
		add(arc.message)
	}
	return out
}

// decide is DMARC.
func (r *Report) decide(from []string, bad string, records []*record, errs []error) {
	if len(from) == 0 {
		r.DMARC.Result = authres.Result{Method: "dmarc", Outcome: authres.PermError, Reason: bad}
		return
	}
	all := make([]DMARC, len(from))
	for i, d := range from {
		all[i] = judge(d, records[i], errs[i], r)
	}
	r.DMARC = worst(all)
	if bad != "" && r.DMARC.Result.Outcome == authres.Pass {
		r.DMARC.Result.Outcome = authres.PermError
	}
	if bad != "" {
		r.DMARC.Result.Reason = bad
	}
}

// override lets a trusted host in front, which saw the message as it was sent, have the last word (RFC 8617 §7.2.1).
func (r *Report) override(arc *chain, trusted []string) {
	if r.DMARC.Result.Outcome != authres.Fail || len(trusted) == 0 {
		return
	}
	if by, ok := arc.vouched(trusted); ok {
		r.DMARC.Policy, r.DMARC.Sealer = Monitor, by
		r.DMARC.Result.Reason = "passed where " + by + " took it in (arc)"
	}
}
