package main

import (
	"context"

	"atrium/mail/inbound"
	"atrium/mail/resolver"
)

// inbound is what decides about mail that comes in. It ends with the server.
func (s *server) inbound() (*inbound.Inbound, error) {
	dns, err := resolver.New(s.cfg.DNS)
	if err != nil {
		return nil, err
	}
	in, err := inbound.New(context.Background(), s.cfg.Inbound, s.cfg.SMTP.Hostname, dns, s.store, s.log)
	if err == nil {
		s.closing = append(s.closing, in.Close)
	}
	return in, err
}
