package delivery

import "context"

// copySent puts what an account submitted into its \Sent, where that is wanted and somebody gets the
// message. What is in the way of it is in the log, and in no way of the message.
func (m *Message) copySent(ctx context.Context, out []Result) {
	if m.env.Submit == nil || len(out) == 0 {
		return
	}
	for i, r := range out {
		if r.Err == nil {
			break
		}
		if i == len(out)-1 {
			return
		}
	}
	acct := m.d.mail.Open(m.env.Submit.Account, m.env.Submit.Account)
	copies, err := acct.CopiesSent(ctx, m.d.cfg.CopySent)
	if err == nil && copies {
		err = acct.AppendSent(ctx, m.prepared)
	}
	if err != nil {
		m.d.log.Warn("no copy in Sent", "message", m.env.ID, "account", m.env.Submit.Account, "error", err)
	}
}
