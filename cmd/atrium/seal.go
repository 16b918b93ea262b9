package main

import (
	"context"
	"io"

	"atrium/mail/delivery"
	"atrium/mail/dkim"
	"atrium/mail/verify"
)

// sealer seals what is forwarded by the keys of the domain that forwards it (ARC, RFC 8617), so that the next
// server can see what was found out here.
func (h *house) sealer(keys *dkim.Keys) delivery.Sealer {
	return func(ctx context.Context, r io.ReaderAt, start, size int64, domain string) ([]byte, error) {
		selector, key, ok, err := keys.Sealing(ctx, domain)
		if !ok || err != nil {
			return nil, err
		}
		s := &verify.Sealer{Host: h.cfg.Hostname, Domain: domain, Selector: selector, Key: key}
		return s.Seal(r, start, size)
	}
}
