package main

import (
	"context"
	"errors"
	"fmt"

	"atrium/contacts"
	"atrium/contacts/query"
	"atrium/mail/sift"
	"atrium/storage"
	"atrium/storage/account"
)

var junkCommand = &command{
	name: "junk", short: "what the server learnt of an account's junk",
	sub: []*command{
		{name: "stats", args: "ACCOUNT", short: "how much was learnt", run: junkStats, flags: configFlag},
		{name: "train", args: "ACCOUNT", short: "learn from what is in the mailboxes, now", run: junkOp("train"), flags: configFlag,
			long: "This happens by itself when a client moves messages into or out of Junk, or marks them."},
		{name: "reset", args: "ACCOUNT", short: "forget what was learnt", run: junkOp("reset"), flags: configFlag},
		{name: "on", args: "ACCOUNT", short: "judge the account's mail by what was learnt", run: junkOp("on"), flags: configFlag},
		{name: "off", args: "ACCOUNT", short: "do not judge it", run: junkOp("off"), flags: configFlag,
			long: "Messages that fail their sender's policy go into Junk all the same."},
	},
}

type junkArgs struct{ Account, Do string }

// junkOperation carries one out.
func junkOperation(h *house, ctx context.Context, a junkArgs) (any, error) {
	var out sift.Stats
	_, err := h.withAccount(ctx, a.Account, func(x *account.Account) (err error) {
		switch a.Do {
		case "train":
			err = h.junk.Train(ctx, x.ID)
		case "reset":
			err = h.junk.Reset(ctx, x.ID)
		case "on", "off":
			err = h.junk.Switch(ctx, x.ID, a.Do == "on")
		}
		if err == nil {
			out, err = h.junk.Stats(ctx, x.ID)
		}
		return err
	})
	return out, err
}

func junkOp(do string) func(*invocation) error {
	return func(i *invocation) error {
		name, err := i.one("an ACCOUNT")
		if err != nil {
			return err
		}
		var s sift.Stats
		if err := i.call("junk", junkArgs{name, do}, &s); err != nil {
			return err
		}
		state := "not judged yet: too few messages were learnt"
		switch {
		case s.Off:
			state = "not judged: switched off"
		case s.Ready:
			state = "judged by what was learnt"
		}
		_, err = fmt.Fprintf(i.out, "junk %d, other mail %d, words %d, correspondents %d; new mail is %s\n", s.Junk, s.Good, s.Tokens, s.Known, state)
		return err
	}
}

func junkStats(i *invocation) error { return junkOp("stats")(i) }

// openJunk has junk put apart.
func (h *house) openJunk() (err error) {
	h.junk, err = sift.New(h.cfg.Junk, h.mail, h.inContacts, h.log)
	return err
}

// inContacts tells whether an address is in an account's address books.
func (h *house) inContacts(ctx context.Context, a storage.AccountID, address string) (found bool) {
	f := &query.Filter{Props: []query.PropFilter{{Name: "EMAIL", Texts: []query.TextMatch{{Text: address, Type: "equals"}}}}}
	err := h.store.View(ctx, a, func(v *storage.View) error {
		books, err := v.Collections(contacts.Schema.Code)
		if err != nil {
			return err
		}
		for _, b := range books {
			for _, err := range contacts.Query(ctx, v, h.store.Blobs(), b.ID, f) {
				found = err == nil
				return err
			}
		}
		return nil
	})
	if err != nil && !errors.Is(err, context.Canceled) {
		h.log.Error("contacts not asked", "account", a, "error", err)
	}
	return found
}
