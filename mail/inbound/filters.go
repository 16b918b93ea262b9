package inbound

import (
	"context"
	"strings"
	"time"

	"atrium/mail/delivery"
	"atrium/mail/verify"
)

// filter is a program beside the server that judges messages.
type filter interface {
	name() string
	// judge tells what the filter said. An error means that it did not answer.
	judge(ctx context.Context, m *delivery.Message, client string) (*opinion, error)
}

// opinion is what a filter says of a message.
type opinion struct {
	refusal    *delivery.Refusal // nil: it may come
	quarantine string            // why it belongs into Junk
	score      float64
	reasons    []string
	fields     []byte // header fields to be added, whole
	edits      []edit // of fields that are there
	ignored    int    // changes that were asked for and are not made
}

func newFilter(s string, wait time.Duration, host string) filter {
	network, address, _ := parseFilter(s) // validated
	if network == "http" {
		return newRspamd(address, wait)
	}
	return &milterClient{network: network, address: address, wait: wait, host: host}
}

// filter asks all filters, one after the other.
func (in *Inbound) filter(ctx context.Context, m *delivery.Message, rep *verify.Report) (fields []byte, err error) {
	client := ""
	if rep != nil {
		client = rep.Name
	}
	v := &m.Envelope().Verdict
	for _, f := range in.filters {
		o, err := f.judge(ctx, m, client)
		if err != nil {
			in.log.Error("filter does not answer", "filter", f.name(), "message", m.Envelope().ID, "error", err)
			if in.cfg.FilterErr == "defer" {
				return nil, &delivery.Refusal{Reason: "Message cannot be looked at now, try again later", Code: 451, Status: "4.7.1"}
			}
			continue
		}
		if o.ignored > 0 {
			in.log.Warn("filter asked for changes that are not made: fields are added, changed and taken off, nothing else", "filter", f.name(), "message", m.Envelope().ID, "changes", o.ignored)
		}
		if o.refusal != nil {
			in.log.Info("refused by a filter", "filter", f.name(), "message", m.Envelope().ID, "reason", o.refusal.Reason)
			return nil, o.refusal
		}
		if err := rewrite(ctx, m, o.edits); err != nil {
			return nil, err
		}
		v.Score += o.score
		v.Reasons = append(v.Reasons, o.reasons...)
		if v.Quarantine == "" {
			v.Quarantine = o.quarantine
		}
		fields = append(fields, o.fields...)
	}
	return fields, nil
}

// headerField makes a whole field of what a filter says; nil when it cannot be one.
func headerField(name, value string) []byte {
	if name == "" || len(name) > 100 || len(value) > 16<<10 || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == ':' }) {
		return nil
	}
	value = strings.ReplaceAll(strings.ReplaceAll(value, "\r\n", "\n"), "\r", "\n")
	var b strings.Builder
	b.WriteString(name + ":")
	for i, line := range strings.Split(strings.TrimRight(value, "\n"), "\n") {
		line = strings.Map(func(r rune) rune {
			if r < ' ' && r != '\t' || r == 0x7f {
				return ' '
			}
			return r
		}, line)
		if i > 0 {
			if strings.Trim(line, " \t") == "" {
				continue
			}
			b.WriteString("\r\n")
		}
		if line == "" || line[0] != ' ' && line[0] != '\t' {
			b.WriteByte(' ')
		}
		b.WriteString(line)
	}
	b.WriteString("\r\n")
	return []byte(b.String())
}

// codeOf cuts an SMTP reply that a filter gave, "550 5.7.1 words" or "550 words".
func codeOf(code int, text string, refusal *delivery.Refusal) *delivery.Refusal {
	if code/100 != 4 && code/100 != 5 || code > 599 {
		return refusal
	}
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text[:min(len(text), 400)])
	refusal = &delivery.Refusal{Reason: text, Code: code, Status: map[int]string{4: "4.7.1", 5: "5.7.1"}[code/100]}
	if first, rest, _ := strings.Cut(text, " "); isStatus(first) && first[0] == byte('0'+code/100) {
		refusal.Status, refusal.Reason = first, rest
	}
	return refusal
}

// isStatus tells an enhanced status code, RFC 3463 §2.
func isStatus(s string) bool {
	parts := strings.Split(s, ".")
	if len(parts) != 3 || len(parts[0]) != 1 {
		return false
	}
	for _, p := range parts {
		if p == "" || len(p) > 3 || strings.Trim(p, "0123456789") != "" {
			return false
		}
	}
	return true
}
