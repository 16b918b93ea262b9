package verify

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/emersion/go-msgauth/dmarc"
	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"

	"atrium/mail/authres"
	"atrium/mail/message"
	"atrium/mail/resolver"
)

// Policy is what a domain wants done with mail that fails, RFC 7489 §6.3.
type Policy string

const (
	NoPolicy   Policy = "" // there is none
	Monitor    Policy = "none"
	Quarantine Policy = "quarantine"
	Reject     Policy = "reject"
)

func (p Policy) strength() int {
	return slices.Index([]Policy{NoPolicy, Monitor, Quarantine, Reject}, p)
}

// DMARC is the outcome for the domain in From.
type DMARC struct {
	Result authres.Result
	From   string // the domain
	Policy Policy // to be applied, with pct= taken in; NoPolicy when it passed or there is none
	Sealer string // whom that overrode, by ARC; "" when no one did
}

// maxAuthors bounds the domains in From that are looked at.
const maxAuthors = 3

// authors returns the domains in From, each once; bad tells that From is missing, there twice, or has none.
func authors(h *header) (domains []string, bad string) {
	from := h.all("from")
	if len(from) == 0 {
		return nil, "no From"
	}
	for _, f := range from {
		for _, a := range message.ParseAddresses(f.value) {
			d, err := idna.Lookup.ToASCII(strings.TrimSuffix(a.Host, "."))
			if err != nil || a.Group || !isHost(d) {
				continue
			}
			if d = strings.ToLower(d); !slices.Contains(domains, d) {
				domains = append(domains, d)
			}
		}
	}
	switch {
	case len(domains) == 0:
		return nil, "no domain in From"
	case len(domains) > maxAuthors:
		return nil, "too many domains in From"
	case len(from) > 1:
		return domains, "From comes more than once"
	}
	return domains, ""
}

// organization is a domain's organizational domain, RFC 7489 §3.2.
func organization(domain string) string {
	if org, err := publicsuffix.EffectiveTLDPlusOne(domain); err == nil {
		return org
	}
	return domain
}

// record is a domain's DMARC record with the domain that has it.
type record struct {
	*dmarc.Record
	at string
}

// errNoRecord means that a domain publishes no policy.
var errNoRecord = errors.New("no DMARC record")

// lookupDMARC finds a domain's record, RFC 7489 §6.6.3.
func (v *Verifier) lookupDMARC(ctx context.Context, domain string) (*record, error) {
	for i, at := range []string{domain, organization(domain)} {
		if i == 1 && at == domain {
			break
		}
		a, err := v.dns.TXT(ctx, "_dmarc."+at)
		if resolver.Absent(err) || errors.Is(err, resolver.Invalid) {
			continue
		}
		if err != nil {
			return nil, &outcome{authres.TempError, "policy not available now"}
		}
		var found []string
		for _, txt := range a.Records {
			if isDMARC(txt) {
				found = append(found, txt)
			}
		}
		if len(found) == 0 {
			continue
		}
		if len(found) > 1 {
			return nil, errNoRecord
		}
		r, err := parseDMARC(found[0])
		if err != nil {
			return nil, permError("%v", err)
		}
		return &record{r, at}, nil
	}
	return nil, errNoRecord
}

func isDMARC(txt string) bool {
	v, _, _ := strings.Cut(txt, ";")
	name, value, _ := strings.Cut(v, "=")
	return strings.Trim(name, wsp) == "v" && strings.Trim(value, wsp) == "DMARC1"
}

// parseDMARC reads a record. A policy that cannot be read counts as none when
// there is somewhere to send reports (RFC 7489 §6.6.3 step 6).
func parseDMARC(txt string) (*dmarc.Record, error) {
	var parts []string
	policy, reports := false, false
	for part := range strings.SplitSeq(txt, ";") {
		name, value, ok := strings.Cut(part, "=")
		name, value = strings.ToLower(strings.Trim(name, wsp)), strings.Trim(value, wsp)
		switch name {
		case "v":
		case "p", "sp", "adkim", "aspf":
			value = strings.ToLower(value)
		case "pct":
		case "rua":
			reports = reports || strings.Contains(value, "mailto:")
			continue
		default:
			continue // what is unknown, or of reports, does not matter here
		}
		if !ok {
			continue
		}
		if name == "p" || name == "sp" {
			switch value {
			case "none", "quarantine", "reject":
			default:
				continue
			}
			policy = policy || name == "p"
		}
		parts = append(parts, name+"="+value)
	}
	if !policy {
		if !reports {
			return nil, errors.New("no policy in the record")
		}
		parts = append(parts, "p=none")
	}
	return dmarc.Parse(strings.Join(parts, ";"))
}

// aligned tells whether a domain that was proven is the one in From, RFC 7489 §3.1.
func aligned(from, proven string, mode dmarc.AlignmentMode) bool {
	if proven == "" {
		return false
	}
	if proven == from {
		return true
	}
	return mode != dmarc.AlignmentStrict && organization(from) == organization(proven)
}

// policyOf is the policy for a domain, with pct= (RFC 7489 §6.6.4).
func (r *record) policyOf(from string, dice func(int) int) Policy {
	p := Policy(r.Policy)
	if from != r.at && r.SubdomainPolicy != "" {
		p = Policy(r.SubdomainPolicy)
	}
	if r.Percent != nil && dice(100) >= *r.Percent {
		switch p {
		case Reject:
			return Quarantine
		case Quarantine:
			return Monitor
		}
	}
	return p
}

// judge gives the outcome for one domain in From.
func judge(from string, rec *record, err error, rep *Report) DMARC {
	d := DMARC{From: from, Result: authres.Result{Method: "dmarc", Props: []authres.Prop{{Type: "header", Name: "from", Value: from}}}}
	switch {
	case errors.Is(err, errNoRecord):
		d.Result.Outcome = authres.None
		return d
	case err != nil:
		d.Result.Outcome, d.Result.Reason = word(err)
		return d
	}
	d.Result.Props = append(d.Result.Props, authres.Prop{Type: "policy", Name: "dmarc", Value: string(rec.Policy)})
	unsure := rep.SPF.Outcome == authres.TempError
	pass := rep.SPF.Outcome == authres.Pass && aligned(from, rep.spfDomain, rec.SPFAlignment)
	for _, s := range rep.signatures {
		if aligned(from, s.domain, rec.DKIMAlignment) {
			w, _ := word(s.err)
			pass = pass || w == authres.Pass
			unsure = unsure || w == authres.TempError
		}
	}
	switch {
	case pass:
		d.Result.Outcome = authres.Pass
	case unsure:
		d.Result.Outcome = authres.TempError // RFC 7489 §6.6.2 step 6
	default:
		d.Result.Outcome = authres.Fail
		d.Policy = rec.policyOf(from, rand.IntN)
	}
	return d
}

// worst is what holds for a message with several domains in From: the outcome
// with the strongest policy (RFC 7489 §6.6.1).
func worst(all []DMARC) DMARC {
	out := all[0]
	for _, d := range all[1:] {
		if d.Policy.strength() > out.Policy.strength() || out.Result.Outcome == authres.Pass && d.Result.Outcome != authres.Pass {
			out = d
		}
	}
	return out
}
