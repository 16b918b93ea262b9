package pop3d

import (
	"context"
	"strconv"
	"time"

	"atrium/storage"
)

// expire tells how long messages stay (RFC 2449 §6.7). Before the login it is the server's own
// policy, which an account's may differ from.
var expire = extension{name: "EXPIRE", rfc: "2449", caps: func(s *session) []string {
	policy, user := s.cfg.Policy, " USER"
	if s.state == transaction {
		policy, user = s.drop.policy, ""
	}
	if n := policy.Keep.Days(); n > 0 {
		return []string{"EXPIRE " + strconv.Itoa(n) + user}
	}
	return []string{"EXPIRE NEVER" + user}
}}

// Sweep does what the accounts' policies have due, and tells how many messages it
// removed or moved. An account in which nothing is due costs a look at one record.
func (s *Server) Sweep(ctx context.Context, now time.Time) (n int, err error) {
	err = s.store.Storage().EachAccount(ctx, func(id storage.AccountID) error {
		k, err := s.store.Open(id, id).PopExpire(ctx, s.cfg.Policy, now)
		if err != nil {
			s.log.Warn("messages fetched by POP3 not removed", "account", id, "error", err)
		}
		n += k
		return ctx.Err()
	})
	return n, err
}

// sweep calls Sweep from time to time until the server ends.
func (s *Server) sweep() {
	tick := time.NewTicker(s.cfg.Sweep)
	defer tick.Stop()
	for {
		if n, err := s.Sweep(s.ctx, time.Now()); err == nil && n > 0 {
			s.log.Info("messages fetched by POP3 removed after their time", "messages", n)
		}
		select {
		case <-tick.C:
		case <-s.ctx.Done():
			return
		}
	}
}
