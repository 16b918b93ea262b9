package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"strings"

	"atrium/mail"
	"atrium/storage"
	"atrium/storage/account"
)

// What POP3 does with an account's mail, and the ids that its messages had on another server.

var accountPop3Command = &command{
	name: "pop3", args: "NAME", short: "what POP3 shows of an account and does with what was fetched", run: accountPop3,
	long: `Without flags it prints the policy. Users set it too, as the entry ` + mail.PopEntry + `
of their account (IMAP METADATA).`,
	flags: func(fs *flag.FlagSet) {
		configFlag(fs)
		fs.String("mailbox", "", "the `mailbox` that POP3 shows")
		fs.String("keep", "", "`delete`: what the client deletes is removed; all: it is hidden from POP3 only; 30d: it is removed 30 days after the first download")
		fs.String("then", "", "after that time: `remove`, or trash")
		fs.String("seen", "", "`yes`: what was fetched counts as read on other devices; or no")
		fs.Bool("default", false, "as the server's settings say")
	},
}

var accountUIDLCommand = &command{
	name: "uidl", args: "NAME [MAILBOX]", short: "set the POP3 ids that messages had on another server", run: accountUIDL,
	long: `Reads lines "MESSAGE ID" from the standard input, where MESSAGE is a message's UID
here or its Message-ID in <>, and ID is what UIDL said there. POP3 clients then
do not fetch old messages again. ID "-" takes an id away. MAILBOX is INBOX if not given.`,
	flags: configFlag,
}

// popArgs are the arguments of both.
type popArgs struct {
	Name    string
	Mailbox string
	Default bool
	Change  map[string]any // of the policy's JSON
	IDs     []mail.OldUIDL
}

func accountPop3(i *invocation) error {
	name, err := i.one("the account's NAME")
	if err != nil {
		return err
	}
	args := popArgs{Name: name, Change: map[string]any{}}
	for _, key := range []string{"mailbox", "keep", "then", "seen"} {
		switch s := i.flags.Lookup(key).Value.String(); {
		case s == "":
		case key != "seen":
			args.Change[key] = s
		case s == "yes" || s == "no":
			args.Change[key] = s == "yes"
		default:
			return usageError(fmt.Sprintf("-seen %s: wants yes or no", s))
		}
	}
	args.Default = i.flags.Lookup("default").Value.String() == "true"
	var p mail.PopPolicy
	if err := i.call("account pop3", args, &p); err != nil {
		return err
	}
	seen := map[bool]string{true: "yes", false: "no"}[p.Seen]
	fmt.Fprintf(i.out, "mailbox %s\nkeep    %s\nthen    %s\nseen    %s\n", p.Mailbox, p.Keep, p.Then, seen)
	return nil
}

func accountUIDL(i *invocation) error {
	if len(i.args) < 1 || len(i.args) > 2 {
		return usageError("wants the account's NAME, and the MAILBOX if it is not INBOX")
	}
	args := popArgs{Name: i.args[0], Mailbox: mail.Inbox}
	if len(i.args) == 2 {
		args.Mailbox = i.args[1]
	}
	lines := bufio.NewScanner(i.in)
	for n := 1; lines.Scan(); n++ {
		words := strings.Fields(lines.Text())
		if len(words) == 0 {
			continue
		}
		if len(words) != 2 {
			return fmt.Errorf("line %d: wants a UID or a <Message-ID>, a blank and the id; nothing was set", n)
		}
		args.IDs = append(args.IDs, mail.OldUIDL{Message: words[0], ID: words[1]})
	}
	if err := lines.Err(); err != nil {
		return err
	}
	var done struct{ Set, Missing int }
	if err := i.call("account uidl", args, &done); err != nil {
		return err
	}
	fmt.Fprintf(i.out, "set %d ids; %d messages are not here\n", done.Set, done.Missing)
	return nil
}

// setPop3 changes a policy, where there is something to change, and returns it.
func setPop3(h *house, ctx context.Context, a popArgs) (any, error) {
	var p mail.PopPolicy
	_, err := h.withAccount(ctx, a.Name, func(x *account.Account) (err error) {
		box := h.mail.Open(x.ID, x.ID)
		if err := box.Ensure(ctx); err != nil {
			return err
		}
		if a.Default {
			if err := box.SetPopPolicy(ctx, nil); err != nil {
				return err
			}
		}
		if p, err = box.PopPolicy(ctx, h.cfg.POP3.Policy); err != nil || len(a.Change) == 0 {
			return err
		}
		b, err := json.Marshal(a.Change)
		if err != nil {
			return err
		}
		if p, err = mail.ParsePopPolicy(b, p); err != nil {
			return err
		}
		if _, err := box.Mailbox(ctx, p.Mailbox); errors.Is(err, storage.NotFound) {
			return fmt.Errorf("%s has no mailbox %q", x.Name, p.Mailbox)
		}
		if b, err = json.Marshal(p); err != nil {
			return err
		}
		return box.SetPopPolicy(ctx, b)
	})
	return p, err
}

// setUIDLs finds the messages and gives them their ids, all that are here or none.
func setUIDLs(h *house, ctx context.Context, a popArgs) (any, error) {
	var done struct{ Set, Missing int }
	_, err := h.withAccount(ctx, a.Name, func(x *account.Account) error {
		box := h.mail.Open(x.ID, x.ID)
		m, err := box.Mailbox(ctx, a.Mailbox)
		if errors.Is(err, storage.NotFound) {
			return fmt.Errorf("%s has no mailbox %q", x.Name, a.Mailbox)
		}
		if err != nil {
			return err
		}
		done.Set, done.Missing, err = box.ImportUIDLs(ctx, m.ID, a.IDs)
		return err
	})
	return done, err
}
