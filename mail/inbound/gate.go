package inbound

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"time"

	"atrium/mail/conn"
	"atrium/mail/delivery"
	"atrium/mail/resolver"
	"atrium/mail/smtpd"
	"atrium/mail/verify"
	"atrium/storage"
)

// Inbound is what decides about mail that comes in. Close it.
type Inbound struct {
	cfg      Config
	host     string
	dns      resolver.Resolver
	verifier *verify.Verifier
	log      *slog.Logger
	allow    []netip.Prefix
	deny     []netip.Prefix
	senders  []string // domains that are refused
	lists    []dnsList
	filters  []filter
	meter    meter
	grey     *greylist // nil: off
	stop     context.CancelFunc
	stopped  chan struct{}
}

// New returns what host's settings ask for. store keeps the greylist.
func New(ctx context.Context, cfg Config, host string, dns resolver.Resolver, store *storage.Store, log *slog.Logger) (*Inbound, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("inbound: %w", err)
	}
	in := &Inbound{cfg: cfg, host: host, dns: dns, log: log, stopped: make(chan struct{})}
	var err error
	if in.verifier, err = verify.New(cfg.Checks, dns); err != nil {
		return nil, err
	}
	for _, a := range cfg.Allow {
		p, _ := parseNetwork(a) // validated
		in.allow = append(in.allow, p)
	}
	for _, d := range cfg.Deny {
		if p, err := parseNetwork(d); err == nil {
			in.deny = append(in.deny, p)
		} else {
			in.senders = append(in.senders, strings.ToLower(strings.TrimPrefix(d, "@")))
		}
	}
	for _, s := range cfg.Lists {
		l, _ := parseList(s)
		in.lists = append(in.lists, l)
	}
	for _, s := range cfg.Filters {
		in.filters = append(in.filters, newFilter(s, cfg.Wait, host))
	}
	if cfg.Grey.On {
		if in.grey, err = openGrey(ctx, cfg.Grey, store); err != nil {
			return nil, err
		}
	}
	ctx, in.stop = context.WithCancel(context.WithoutCancel(ctx))
	go in.run(ctx)
	return in, nil
}

// run writes the greylist behind.
func (in *Inbound) run(ctx context.Context) {
	defer close(in.stopped)
	if in.grey == nil {
		return
	}
	t := time.NewTicker(5 * time.Second)
	defer t.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-t.C:
		}
		if err := in.grey.flush(context.WithoutCancel(ctx)); err != nil {
			in.log.Error("greylist not written", "error", err)
		}
	}
}

// Close writes what is to be remembered.
func (in *Inbound) Close() {
	in.stop()
	<-in.stopped
}

// Options are what a server of the dialect is given.
func (in *Inbound) Options(d smtpd.Dialect) []smtpd.Option {
	switch d {
	case smtpd.SMTP:
		return []smtpd.Option{smtpd.WithGuard(in), smtpd.WithChecker(&Inspector{in: in, client: true})}
	case smtpd.Submission:
		return []smtpd.Option{smtpd.WithGuard(in)}
	case smtpd.LMTP:
		if in.cfg.LMTP {
			return []smtpd.Option{smtpd.WithChecker(&Inspector{in: in})}
		}
	}
	return nil
}

// known tells whether a client is not to be looked at.
func (in *Inbound) known(ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("")
	return !ip.IsValid() || slices.ContainsFunc(in.allow, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// refuse is a refusal for good.
func refuse(format string, args ...any) error {
	return &delivery.Refusal{Reason: fmt.Sprintf(format, args...)}
}

// Admit is smtpd.Guard's.
func (in *Inbound) Admit(ctx context.Context, at smtpd.Stage, t *smtpd.Talk) error {
	now := time.Now()
	address := conn.Network(t.Remote).String()
	if t.Dialect == smtpd.Submission {
		switch at {
		case smtpd.Sender:
			return in.cfg.Rates.sender(&in.meter, address, t.Account, t.From, t.Size, now)
		case smtpd.Recipient:
			return in.cfg.Rates.recipient(&in.meter, address, t.Account, now)
		}
		return nil
	}
	if in.known(t.Remote) {
		return nil
	}
	switch at {
	case smtpd.Connecting:
		if slices.ContainsFunc(in.deny, func(p netip.Prefix) bool { return p.Contains(t.Remote.Unmap()) }) {
			return refuse("Your address %v is not welcome here", t.Remote)
		}
	case smtpd.Greeting:
		return in.checkHelo(t)
	case smtpd.Sender:
		return in.checkSender(ctx, t, address, now)
	case smtpd.Recipient:
		return in.checkRecipient(t, address, now)
	}
	return nil
}

// checkHelo refuses clients that give themselves out as us, or as another address.
func (in *Inbound) checkHelo(t *smtpd.Talk) error {
	if in.cfg.Helo != Reject {
		return nil
	}
	name := strings.ToLower(strings.TrimSuffix(t.Helo, "."))
	literal := strings.TrimPrefix(strings.Trim(name, "[]"), "ipv6:")
	ip, err := netip.ParseAddr(literal)
	switch {
	case name == strings.ToLower(in.host) || name == "localhost":
		return refuse("You are not %s", t.Helo)
	case err == nil && ip.Unmap() != t.Remote.Unmap():
		return refuse("You are not at %s", t.Helo)
	case err != nil && !strings.Contains(name, "."):
		return &delivery.Refusal{Reason: "A whole host name is needed in EHLO", Code: 550, Status: "5.5.2"}
	}
	return nil
}

// checkSender is what is asked at MAIL.
func (in *Inbound) checkSender(ctx context.Context, t *smtpd.Talk, address string, now time.Time) error {
	_, domain, _ := strings.Cut(strings.ToLower(t.From), "@")
	if domain != "" && slices.ContainsFunc(in.senders, func(d string) bool { return d == domain || strings.HasSuffix(domain, "."+d) }) {
		return refuse("Mail from %s is not welcome here", domain)
	}
	if err := in.cfg.Rates.sender(&in.meter, address, "", t.From, t.Size, now); err != nil {
		return err
	}
	if in.cfg.Reverse == Reject {
		if err := in.checkName(ctx, t.Remote); err != nil {
			return err
		}
	}
	for _, hit := range in.listed(ctx, t.Remote) {
		if hit.refuse {
			return refuse("Your address %v is listed by %s%s", t.Remote, hit.zone, hit.text())
		}
	}
	return nil
}

// checkName refuses a client without a name that leads back.
func (in *Inbound) checkName(ctx context.Context, ip netip.Addr) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	a, err := in.dns.PTR(ctx, ip.Unmap().WithZone(""))
	if err != nil && !resolver.Absent(err) && !errors.Is(err, resolver.Invalid) {
		return in.unknown("The name of your address cannot be found now")
	}
	for _, name := range a.Records[:min(len(a.Records), 10)] {
		back, err := in.dns.IP(ctx, name)
		if err != nil && !resolver.Absent(err) {
			return in.unknown("The name of your address cannot be found now")
		}
		if slices.ContainsFunc(back.Records, func(b netip.Addr) bool { return b.Unmap() == ip.Unmap() }) {
			return nil
		}
	}
	return &delivery.Refusal{Reason: "Your address has no name that leads back to it", Code: 550, Status: "5.7.25"} // RFC 7372 §3.3
}

// unknown is what DNS that does not answer means: nothing, or to try again.
func (in *Inbound) unknown(reason string) error {
	if in.cfg.TempError == "defer" {
		return &delivery.Refusal{Reason: reason + ", try again later", Code: 451, Status: "4.7.24"}
	}
	return nil
}

// checkRecipient is what is asked at RCPT.
func (in *Inbound) checkRecipient(t *smtpd.Talk, address string, now time.Time) error {
	if err := in.cfg.Rates.recipient(&in.meter, address, "", now); err != nil {
		return err
	}
	if in.grey == nil {
		return nil
	}
	if wait := in.grey.admit(t.Remote, t.From, t.To, now); wait > 0 {
		return &delivery.Refusal{Reason: fmt.Sprintf("We have not met, try again in %d seconds", int(wait.Seconds())+1), Code: 451, Status: "4.7.1"}
	}
	return nil
}
