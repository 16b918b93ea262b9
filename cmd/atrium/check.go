package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"

	"atrium/internal/control"
	"atrium/storage"
)

var checkCommand = &command{
	name: "check", short: "prove that the store is whole",
	long: `Checks every account on one snapshot of it, also while the server runs:
counters against recounts, every log entry against its object or tombstone,
row numbers, names, references to bodies. Prints what is broken and ends with 3;
with nothing broken it ends with 0.`,
	run: runCheck,
	flags: func(fs *flag.FlagSet) {
		configFlag(fs)
		fs.Bool("deep", false, "read every body and compare its hash")
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
	var out checkResult
	err := h.store.Check(ctx, args.Deep, func(p storage.Problem) {
		if len(out.Problems) >= mostProblems {
			out.More++
			return
		}
		out.Problems = append(out.Problems, p.String())
	}, func(done, all int) {
		out.Accounts = all
		progress(control.Progress{Done: done, All: all})
	})
	return out, err
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
		return exitError{exitBroken, fmt.Errorf("%d things are broken in %d accounts; stop the server, keep a copy of the data folder, and restore what is named from a backup", n, r.Accounts)}
	}
	fmt.Fprintf(i.out, "%d accounts checked, nothing broken\n", r.Accounts)
	return nil
}
