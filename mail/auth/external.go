package auth

import (
	"fmt"

	"atrium/storage/account"
)

// hasCertificate tells whether the client showed a certificate that the
// listener verified.
func (a *Authenticator) hasCertificate(p Peer) bool {
	return a.cfg.External && p.TLS != nil && len(p.TLS.VerifiedChains) > 0 && len(p.TLS.VerifiedChains[0]) > 0
}

// external is EXTERNAL (RFC 4422 appendix A): the e-mail addresses in the
// client's certificate say who it is; an authzid chooses one of them.
func external(x *exchange) (*account.Account, error) {
	b, err := x.first()
	if err != nil {
		return nil, err
	}
	if len(b) > maxField {
		return nil, fmt.Errorf("EXTERNAL: %w", Malformed)
	}
	x.login = string(b)
	var want *account.Account
	if len(b) > 0 {
		if want, err = x.auth.dir.Find(x.ctx, string(b)); err != nil {
			return x.auth.dir.Attempt(x.ctx, string(b), x.peer.Remote, false)
		}
	}
	for _, address := range x.peer.TLS.VerifiedChains[0][0].EmailAddresses {
		acc, err := x.auth.dir.Find(x.ctx, address)
		if err == nil && (want == nil || want.ID == acc.ID) {
			x.login = address
			return x.auth.dir.Attempt(x.ctx, address, x.peer.Remote, true)
		}
	}
	return x.auth.dir.Attempt(x.ctx, x.login, x.peer.Remote, false)
}
