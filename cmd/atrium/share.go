package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"atrium/mail"
	"atrium/storage"
	"atrium/storage/account"
)

var shareCommand = &command{
	name: "share", short: "who may do what in someone's mailboxes, calendars and address books",
	long: `Users share themselves, from programs that can (IMAP ACL, WebDAV ACL, Apple's Calendar). A mailbox
that is shared shows as Shared/OWNER/MAILBOX, a calendar or an address book among one's own. calendar:NAME
and addressbook:NAME stand for these, NAME being the last part of their URL.`,
	sub: []*command{
		{name: "grant", args: "OWNER MAILBOX TO RIGHTS", short: "give an account, a group or anyone rights on a mailbox", run: shareGrant, flags: configFlag,
			long: `RIGHTS replace those that TO has: read, write, all, or letters of RFC 4314: l list,
r read, s mark as read, w other flags, i add messages, p deliver, k make
mailboxes below, x delete or rename, t delete messages, e expunge, a share.
On calendars and address books they are busy (free and busy times only), read, write or all.
TO is an account, a group, or "anyone", that is, all who have an account here.`},
		{name: "list", args: "OWNER", short: "list what an account shares", run: shareList, flags: jsonFlag},
		{name: "seen", args: "OWNER MAILBOX private|shared", short: "whether each has read what they read, or one for all", run: shareSeen, flags: configFlag,
			long: `With shared, as it is at first, a message that anyone has read is read for all. With private
each user has their own marks; what was read before stays so for all. Mail programs can set
it too, as the entry /shared/vendor/atrium/seen (IMAP METADATA).`},
		{name: "revoke", args: "OWNER MAILBOX TO", short: "take all rights on a mailbox back", run: shareRevoke, flags: configFlag},
	},
}

// rightWords are names for the usual sets of rights.
var rightWords = map[string]string{"read": "lr", "write": "lrswipte", "all": mail.FormatRights(mail.AllLetters, false)}

type shareArgs struct{ Owner, Mailbox, To, Rights string }

// shareRow is one grant as the operations tell it.
type shareRow struct {
	Mailbox string `json:"mailbox"`
	To      string `json:"to"`
	Rights  string `json:"rights"`
}

func shareGrant(i *invocation) error {
	if len(i.args) != 4 {
		return usageError("wants the OWNER, the MAILBOX, TO whom and the RIGHTS")
	}
	rights := i.args[3]
	if _, _, ok := davShare(i.args[1]); ok {
		if r, err := davRights(rights); err != nil || r == 0 {
			return usageError(fmt.Sprintf("rights %q: wants busy, read, write or all", rights))
		}
		return i.call("share set", shareArgs{i.args[0], i.args[1], i.args[2], rights}, nil)
	}
	if word, ok := rightWords[rights]; ok {
		rights = word
	}
	if r, err := mail.ParseRights(rights); err != nil || r == 0 {
		return usageError(fmt.Sprintf("rights %q: wants read, write, all or letters of %s", i.args[3], rightWords["all"]))
	}
	return i.call("share set", shareArgs{i.args[0], i.args[1], i.args[2], rights}, nil)
}

func shareRevoke(i *invocation) error {
	if len(i.args) != 3 {
		return usageError("wants the OWNER, the MAILBOX and from whom")
	}
	return i.call("share set", shareArgs{i.args[0], i.args[1], i.args[2], ""}, nil)
}

func shareList(i *invocation) error {
	owner, err := i.one("the OWNER")
	if err != nil {
		return err
	}
	var rows []shareRow
	if err := i.call("share list", shareArgs{Owner: owner}, &rows); err != nil {
		return err
	}
	if i.flags.Lookup("json").Value.String() == "true" {
		return json.NewEncoder(i.out).Encode(rows)
	}
	out := [][]string{{"MAILBOX", "TO", "RIGHTS"}}
	for _, r := range rows {
		out = append(out, []string{r.Mailbox, r.To, r.Rights})
	}
	i.table(out)
	return nil
}

func setShare(h *house, ctx context.Context, a shareArgs) (any, error) {
	schema, name, isDAV := davShare(a.Mailbox)
	parse := mail.ParseRights
	if isDAV {
		parse = davRights
	}
	rights, err := parse(a.Rights)
	if err != nil {
		return nil, err
	}
	to := storage.Anyone
	if a.To != "anyone" {
		if _, err := h.withAccount(ctx, a.To, func(x *account.Account) error { to = x.ID; return nil }); err != nil {
			return nil, err
		}
	}
	return h.withAccount(ctx, a.Owner, func(owner *account.Account) error {
		if to == owner.ID {
			return fmt.Errorf("%s is the owner, who has all rights", owner.Name)
		}
		if isDAV {
			return h.grantDAV(ctx, owner, schema, name, to, rights)
		}
		box := h.mail.Open(owner.ID, owner.ID)
		m, err := box.Mailbox(ctx, a.Mailbox)
		if errors.Is(err, storage.NotFound) {
			return fmt.Errorf("%s has no mailbox %q", owner.Name, a.Mailbox)
		}
		if err != nil {
			return err
		}
		return box.Grant(ctx, m.ID, to, func(storage.Rights) storage.Rights { return rights })
	})
}

func listShares(h *house, ctx context.Context, a shareArgs) (any, error) {
	rows := []shareRow{}
	_, err := h.withAccount(ctx, a.Owner, func(owner *account.Account) error {
		boxes, err := h.mail.Open(owner.ID, owner.ID).Mailboxes(ctx)
		if err != nil {
			return err
		}
		for i := range boxes {
			if !boxes[i].Has() {
				continue
			}
			grants, err := h.mail.Open(owner.ID, owner.ID).Grants(ctx, boxes[i].ID)
			if err != nil {
				return err
			}
			for _, g := range grants {
				rows = append(rows, shareRow{boxes[i].Name, h.grantee(ctx, g.To), mail.FormatRights(g.Rights, false)})
			}
		}
		more, err := h.davShares(ctx, owner.ID)
		rows = append(rows, more...)
		return err
	})
	return rows, err
}

// grantee names the one that a grant is for.
func (h *house) grantee(ctx context.Context, id storage.AccountID) string {
	if id == storage.Anyone {
		return "anyone"
	}
	x, err := h.dir.Get(ctx, id)
	if err != nil {
		return fmt.Sprintf("#%d", id)
	}
	return x.Name
}
