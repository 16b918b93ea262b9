package imapd

import (
	"errors"
	"strings"

	"github.com/emersion/go-imap/v2"

	"atrium/mail"
	"atrium/mail/imapd/wire"
	"atrium/storage"
)

// quota tells what an account may hold. There is one quota root an account, with what all its
// mailboxes hold together: "" for the user's own, Shared/OWNER for what others share. Limits are set by who runs the server, not by IMAP.
var quota = extension{
	name: "QUOTA", rfc: "RFC 9208", what: "What an account holds and may hold",
	caps: func(*session) []imap.Cap {
		return []imap.Cap{imap.CapQuota, "QUOTA=RES-STORAGE", "QUOTA=RES-MESSAGE", "QUOTA=RES-MAILBOX"}
	},
	commands: []command{
		{"GETQUOTA", loggedIn, breaks, (*session).getQuota},
		{"GETQUOTAROOT", loggedIn, breaks, (*session).getQuotaRoot},
	},
	statusItems: map[string]statusItem{
		"DELETED":         statusNumber(func(m *statusOf) uint64 { return uint64(m.Deleted) }),
		"DELETED-STORAGE": deletedStorage,
	},
}

// deletedStorage is DELETED-STORAGE, the octets that an EXPUNGE frees (RFC 9208 §4.1.4).
func deletedStorage(c *session, b []byte, m *mail.Mailbox) []byte {
	sum := int64(0)
	if m.Deleted > 0 {
		s, err := c.server.store.Open(c.user.ID, m.Owner).Snapshot(c.Context(), m.ID)
		if err != nil { // it went meanwhile
			return append(b, '0')
		}
		for _, x := range s.Messages(0, s.Len()) {
			if x.Flags&mail.Deleted != 0 {
				sum += x.Size
			}
		}
	}
	return wire.AppendUint(b, uint64(sum))
}

// getQuota handles GETQUOTA (RFC 9208 §4.1.1).
func (c *session) getQuota(r *wire.Reader) error {
	r.SP()
	root := r.AString()
	if err := r.End(); err != nil {
		return err
	}
	a, err := c.rooted(root)
	if err != nil {
		return err
	}
	if err := c.writeQuota(a, root); err != nil {
		return err
	}
	return c.done("")
}

// getQuotaRoot handles GETQUOTAROOT (RFC 9208 §4.1.2).
func (c *session) getQuotaRoot(r *wire.Reader) error {
	r.SP()
	name := r.Mailbox()
	if err := r.End(); err != nil {
		return err
	}
	a, _, err := c.mailbox(name, storage.Read)
	if a == c.own && errors.Is(err, storage.NotFound) {
		err = nil // it need not be there (RFC 9208 §4.1.2)
	}
	if err != nil {
		return err
	}
	b := append(c.AvailableBuffer(1024), "* QUOTAROOT "...)
	b = wire.AppendMailbox(b, name, c.utf8Names())
	root, err := c.quotaRoot(a)
	if err != nil {
		return err
	}
	b = wire.AppendAString(append(b, ' '), root, c.utf8Names())
	c.Write(append(b, '\r', '\n'))
	if err := c.writeQuota(a, root); err != nil {
		return err
	}
	return c.done("")
}

// rooted returns the account of a quota root.
func (c *session) rooted(root string) (*mail.Account, error) {
	if root == "" {
		return c.own, nil
	}
	a, local := c.locate(root)
	if a == c.own || a.Owner() == 0 || local != "" || strings.HasSuffix(root, "/") {
		return nil, no("NONEXISTENT", "No such quota root")
	}
	return a, nil
}

// writeQuota writes QUOTA: resources without a limit are left out (RFC 9208 §4.2.1).
func (c *session) writeQuota(a *mail.Account, root string) error {
	u, err := a.Usage(c.Context())
	if err != nil {
		return err
	}
	have, most, err := a.Room(c.Context())
	if err != nil {
		return err
	}
	b := append(c.AvailableBuffer(1024), "* QUOTA "...)
	b = append(wire.AppendAString(b, root, c.utf8Names()), " ("...)
	if u.MaxBytes > 0 {
		b = append(b, "STORAGE "...)
		b = append(wire.AppendUint(b, uint64(u.Bytes+1023)/1024), ' ')
		b = append(wire.AppendUint(b, uint64(u.MaxBytes)/1024), ' ')
	}
	if u.MaxObjects > 0 {
		b = append(b, "MESSAGE "...)
		b = append(wire.AppendUint(b, uint64(u.Objects)), ' ')
		b = append(wire.AppendUint(b, uint64(u.MaxObjects)), ' ')
	}
	b = append(b, "MAILBOX "...) // the same limit for all accounts
	b = append(wire.AppendUint(b, uint64(have)), ' ')
	b = wire.AppendUint(b, uint64(most))
	c.Write(append(b, ")\r\n"...))
	return nil
}
