package delivery

import (
	"context"

	"github.com/emersion/go-imap/v2"

	"atrium/mail"
	"atrium/storage"
	"atrium/storage/account"
)

// Judge tells what an account thinks of a message, before any Filter.
type Judge interface {
	// Judge is asked once for each account. nil: no opinion. An error is logged, and
	// counts as no opinion.
	Judge(ctx context.Context, m *Message, to *account.Account) (*Opinion, error)
}

// Opinion is what one account thinks of a message.
type Opinion struct {
	Junk   bool
	Score  float64 // 0 to 1, of being junk
	Reason string
	Fields []byte // whole header fields for this account's message, with their CR LF
	Mark   []byte // kept beside the message (mail.JunkFacet)
}

// SetJudge sets who judges. It is called before the first message.
func (d *Deliverer) SetJudge(j Judge) { d.judge = j }

// Opinion is what an account thinks of the message, nil when it does not; for filters.
func (m *Message) Opinion(to account.Recipient) *Opinion {
	if to.Account == nil {
		return nil
	}
	return m.opinions[to.Account.ID]
}

// judge asks for an account's opinion, once.
func (m *Message) judge(ctx context.Context, to *account.Account) *Opinion {
	if m.d.judge == nil {
		return nil
	}
	if o, ok := m.opinions[to.ID]; ok {
		return o
	}
	o, err := m.d.judge.Judge(ctx, m, to)
	if err != nil {
		m.d.log.Error("message not judged", "message", m.env.ID, "account", to.Name, "error", err)
		o = nil
	}
	if m.opinions == nil {
		m.opinions = map[storage.AccountID]*Opinion{}
	}
	m.opinions[to.ID] = o
	return o
}

// judgeAlone asks for the opinion of the only account that gets the message, if there is but
// one: what it says goes into the header before the body is filed.
func (m *Message) judgeAlone(ctx context.Context) error {
	if m.d.judge == nil || len(m.env.Routes) != 1 || len(m.env.Routes[0].targets) != 1 || m.env.Routes[0].targets[0].Account == nil {
		return nil
	}
	o := m.judge(ctx, m.env.Routes[0].targets[0].Account)
	if o == nil || len(o.Fields) == 0 {
		return nil
	}
	m.fielded = true
	return m.Stamp(ctx, o.Fields)
}

// junkKeyword marks what was found to be junk (IANA's registry of IMAP keywords).
const junkKeyword imap.Flag = "$Junk"

// begin is the plan before the filters. Junk goes to the mailbox with that use. The body is shared
// by all who get the message, so the fields of an opinion are in it only where one
// account alone gets it; among several, those who think that it is junk get a body of their own.
func (m *Message) begin(ctx context.Context, to account.Recipient) Plan {
	p := Plan{Into: []Into{{Mailbox: to.Detail, Folder: true}}}
	o := m.judge(ctx, to.Account)
	if o == nil {
		return p
	}
	if len(o.Mark) > 0 {
		p.Mark = o.Mark
	}
	if !o.Junk {
		return p
	}
	into := Into{Mailbox: "Junk", Create: true, Use: string(imap.MailboxAttrJunk), Flags: []imap.Flag{junkKeyword}}
	if !m.fielded && len(o.Fields) > 0 {
		if v, err := m.variantWith(ctx, o.Fields); err == nil {
			into.Prepared = v
		} else {
			m.d.log.Error("header of junk not written", "message", m.env.ID, "account", to.Account.Name, "error", err)
		}
	}
	p.Into = []Into{into}
	return p
}

// variantWith is the message with fields on top, below Return-Path.
func (m *Message) variantWith(ctx context.Context, fields []byte) (*mail.Prepared, error) {
	top := make([]byte, m.path, m.path+int64(len(fields)))
	if _, err := m.ReadAt(top, 0); err != nil {
		return nil, err
	}
	return m.Variant(ctx, append(top, fields...), m.path)
}
