package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"

	"atrium/calendar"
	"atrium/contacts"
	"atrium/internal/control"
	"atrium/mail/queue"
	"atrium/storage"
)

var checkCommand = &command{
	name: "check", short: "prove that the store is whole",
	long: `Checks every account on one snapshot of it, also while the server runs:
counters against recounts, every log entry against its object or tombstone,
row numbers, names, references to bodies; in mailboxes, calendars and address
books what each of them keeps besides. Prints what is broken and ends with 3; with
nothing broken it ends with 0.`,
	run: runCheck,
	flags: func(fs *flag.FlagSet) {
		configFlag(fs)
		fs.Bool("deep", false, "read every body, event and card and compare it with its hash, and all tables with their checksums")
	},
}

// mostProblems bounds what one check tells.
const mostProblems = 1000

type checkResult struct {
	Accounts int
	Problems []string
	More     int // problems beyond mostProblems
}

func checkStore(h *house, ctx context.Context, raw json.RawMessage, progress func(control.Progress)) (any, error) {
	var args struct{ Deep bool }
	if err := json.Unmarshal(raw, &args); err != nil {
		return nil, err
	}
	list, err := h.dir.List(ctx)
	if err != nil {
		return nil, err
	}
	names := map[storage.AccountID]string{}
	for _, a := range list {
		names[a.ID] = a.Name
	}
	var out checkResult
	tell := func(p storage.Problem) {
		if len(out.Problems) >= mostProblems {
			out.More++
			return
		}
		s := p.String()
		if name := names[p.Account]; name != "" {
			s = name + ": " + s
		}
		out.Problems = append(out.Problems, s)
	}
	err = h.store.Check(ctx, args.Deep, tell, func(done, all int) {
		out.Accounts = all
		progress(control.Progress{Done: done, All: 2 * all})
	})
	if err != nil {
		return nil, err
	}
	return out, h.checkDomains(ctx, args.Deep, names, tell, func(done, all int) {
		progress(control.Progress{Done: done + all, All: 2 * all})
	})
}

// checkDomains lets each domain check what storage does not know, and looks for
// what belongs to nobody.
func (h *house) checkDomains(ctx context.Context, deep bool, names map[storage.AccountID]string, tell func(storage.Problem), progress func(done, all int)) error {
	all, err := h.store.Accounts(ctx)
	if err != nil {
		return err
	}
	for n, a := range all {
		if names[a] == "" && a != storage.System {
			// one that was added since names was read is no stranger
			if _, err := h.dir.Get(ctx, a); errors.Is(err, storage.NotFound) {
				tell(storage.Problem{Account: a, What: "it has data and is in no list of accounts: its deletion was cut short"})
			}
		}
		err := h.store.View(ctx, a, func(v *storage.View) error {
			for _, check := range []func() error{
				func() error { return h.mail.Check(v, deep, tell) },
				func() error { return queue.Check(v, tell) },
				func() error { return calendar.Check(ctx, v, h.store.Blobs(), deep, tell) },
				func() error { return contacts.Check(ctx, v, h.store.Blobs(), deep, tell) },
			} {
				err := check()
				if errors.Is(err, storage.Corrupt) || errors.Is(err, storage.NotFound) {
					tell(storage.Problem{Account: a, What: err.Error()})
				} else if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		progress(n+1, len(all))
	}
	return nil
}

func runCheck(i *invocation) error {
	if len(i.args) > 0 {
		return usageError("takes no arguments")
	}
	var r checkResult
	args := struct{ Deep bool }{i.flags.Lookup("deep").Value.String() == "true"}
	if err := i.call("check", args, &r); err != nil {
		return err
	}
	for _, p := range r.Problems {
		fmt.Fprintln(i.out, p)
	}
	if n := len(r.Problems) + r.More; n > 0 {
		return exitError{exitBroken, fmt.Errorf("broken: %d, in %d accounts that were checked; stop the server, keep a copy of the data folder, and restore what is named from a backup", n, r.Accounts)}
	}
	fmt.Fprintf(i.out, "%d accounts checked, nothing broken\n", r.Accounts)
	return nil
}
