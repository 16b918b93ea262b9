package inbound

import (
	"context"
	"fmt"
	"strings"

	"atrium/mail/authres"
	"atrium/mail/delivery"
	"atrium/mail/verify"
)

// Inspector looks at whole messages.
type Inspector struct {
	in     *Inbound
	client bool // who connects is who sends: not so by LMTP
}

// Check is smtpd.Checker's.
func (x *Inspector) Check(ctx context.Context, m *delivery.Message) ([]byte, error) {
	in, env := x.in, m.Envelope()
	if x.client && in.known(env.Remote) {
		return nil, nil
	}
	v := &env.Verdict
	var fields []byte
	var rep *verify.Report
	if in.cfg.Verify {
		input := verify.Input{Helo: env.Helo, From: env.From, Message: m, Start: m.Start(), Size: m.Size()}
		if x.client {
			input.Remote = env.Remote
		}
		var err error
		if rep, err = in.verifier.Check(ctx, &input); err != nil {
			return nil, err
		}
		fields = authres.AppendField(nil, in.host, rep.Results())
		if err := in.apply(v, rep); err != nil {
			return nil, err
		}
	}
	if x.client {
		for _, h := range in.listed(ctx, env.Remote) {
			v.Score += h.points
			v.Reasons = append(v.Reasons, "listed by "+h.zone)
		}
	}
	more, err := in.filter(ctx, m, rep)
	if err != nil {
		return nil, err
	}
	fields = append(fields, more...)
	if in.cfg.RefuseAt > 0 && v.Score >= in.cfg.RefuseAt {
		return nil, refuse("Message looks like junk (%s)", strings.Join(v.Reasons, ", "))
	}
	if v.Quarantine == "" && v.Score >= in.cfg.JunkFrom {
		v.Quarantine = fmt.Sprintf("%.1f points: %s", v.Score, strings.Join(v.Reasons, ", "))
	}
	return fields, nil
}

// apply does what the domain's policy and the settings say (RFC 7489 §6.6.2 step 6).
func (in *Inbound) apply(v *delivery.Verdict, rep *verify.Report) error {
	v.SPF, v.DMARC, v.Sender = rep.SPF.Outcome, rep.DMARC.Result.Outcome, rep.Proven()
	if rep.Temporary() {
		if err := in.unknown("The sender cannot be verified now"); err != nil {
			return err
		}
	}
	switch policy := rep.DMARC.Policy; {
	case policy == verify.Reject && in.cfg.DMARC == Reject:
		// RFC 7489 §10.3, RFC 7372 has no better code.
		return refuse("Rejected by the DMARC policy of %s", rep.DMARC.From)
	case policy != verify.NoPolicy && policy != verify.Monitor && in.cfg.DMARC != Note:
		v.Quarantine = "DMARC policy of " + rep.DMARC.From
		v.Reasons = append(v.Reasons, "DMARC fails")
	case rep.DMARC.Result.Outcome == authres.None && rep.SPF.Outcome == authres.Fail:
		v.Reasons = append(v.Reasons, "SPF fails")
		switch in.cfg.SPF {
		case Reject:
			return &delivery.Refusal{Reason: "Your address may not send for that domain (SPF)", Code: 550, Status: "5.7.23"} // RFC 7372 §3.2
		case Quarantine:
			v.Quarantine = "SPF fails"
		}
	}
	return nil
}
