package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"atrium/mail/rules"
	"atrium/mail/sieve"
	"atrium/storage/account"
)

var sieveCommand = &command{
	name: "sieve", short: "mail filters of accounts",
	long: "Scripts are in the language Sieve (RFC 5228). One of an account's scripts is active: it runs\nfor each message that is delivered. Clients edit them by ManageSieve.",
	sub: []*command{
		{name: "list", args: "ACCOUNT", short: "list an account's scripts", run: sieveList, flags: configFlag},
		{name: "get", args: "ACCOUNT NAME", short: "print a script", run: sieveGet, flags: configFlag},
		{name: "put", args: "ACCOUNT NAME [FILE]", short: "make or replace a script", run: sievePut, flags: func(fs *flag.FlagSet) {
			configFlag(fs)
			fs.Bool("activate", false, "make it the active one too")
		}, long: "Reads the standard input without FILE. A script that has a mistake is not kept."},
		{name: "activate", args: "ACCOUNT [NAME]", short: "make a script the active one, without NAME none", run: sieveActivate, flags: configFlag},
		{name: "delete", args: "ACCOUNT NAME", short: "remove a script that is not active", run: sieveDelete, flags: configFlag},
		{name: "check", args: "[FILE]", short: "look for mistakes in a script, without the server", run: sieveCheck},
		{name: "test", args: "SCRIPT MESSAGE", short: "tell what a script would do with a message, both files", run: sieveTest, flags: func(fs *flag.FlagSet) {
			fs.String("from", "", "envelope sender; empty: the null one")
			fs.String("to", "", "envelope recipient")
		}},
		{name: "vacation", args: "ACCOUNT [TEXT]", short: "have mail answered while someone is away, or show whether it is", run: sieveVacation, flags: func(fs *flag.FlagSet) {
			configFlag(fs)
			fs.String("subject", "", "of the answers; empty: Auto: and that of the message")
			fs.String("from", "", "first `day`, 2006-01-02; empty: now")
			fs.String("until", "", "last `day`; empty: until it is switched off")
			fs.Int("days", 7, "between two answers to the same sender")
			fs.Bool("off", false, "answer no more")
		}, long: "The answers are part of the account's settings, which are kept as the script \"" + rules.SettingsName + "\"."},
	},
}

func init() {
	operations["sieve list"] = op(func(h *house, ctx context.Context, a sieveArgs) (any, error) {
		return withAccount(h, ctx, a, func(acc *account.Account) (any, error) { return h.scripts.List(ctx, acc.ID) })
	})
	operations["sieve get"] = op(func(h *house, ctx context.Context, a sieveArgs) (any, error) {
		return withAccount(h, ctx, a, func(acc *account.Account) (any, error) { return h.scripts.Get(ctx, acc.ID, a.Name) })
	})
	operations["sieve put"] = op(putSieve)
	operations["sieve activate"] = op(func(h *house, ctx context.Context, a sieveArgs) (any, error) {
		return withAccount(h, ctx, a, func(acc *account.Account) (any, error) { return nil, h.scripts.Activate(ctx, acc.ID, a.Name) })
	})
	operations["sieve delete"] = op(func(h *house, ctx context.Context, a sieveArgs) (any, error) {
		return withAccount(h, ctx, a, func(acc *account.Account) (any, error) { return nil, h.scripts.Delete(ctx, acc.ID, a.Name) })
	})
	operations["sieve vacation"] = op(vacationSieve)
}

// ruleFilter runs the scripts at delivery.
func (h *house) ruleFilter() *rules.Filter {
	return rules.NewFilter(h.scripts, h.mail, h.dir, h.cfg.Hostname, h.cfg.Passwords.Separators, h.log)
}

// openEvents has scripts run when something is done by IMAP (RFC 6785), where people can keep scripts.
func (s *server) openEvents(f *rules.Filter) {
	off := func(list []string, name string) bool {
		return slices.ContainsFunc(list, func(x string) bool { return strings.EqualFold(x, name) })
	}
	if len(s.cfg.Listen.Sieve) == 0 || off(s.cfg.IMAP.Disable, "IMAPSIEVE") || off(s.cfg.Sieve.Disable, "imapsieve") {
		return
	}
	s.cfg.IMAP.Sieve = "sieve://" + s.cfg.Hostname
	if _, port, err := net.SplitHostPort(s.cfg.Listen.Sieve[0]); err == nil && !strings.HasPrefix(s.cfg.Listen.Sieve[0], "unix:") && port != "4190" && port != "sieve" {
		s.cfg.IMAP.Sieve += ":" + port
	}
	s.mail.OnEvent(f.Event)
}

type sieveArgs struct {
	Account  string
	Name     string
	Text     string
	Activate bool
	Vacation *rules.Vacation
	Off      bool
}

func withAccount(h *house, ctx context.Context, a sieveArgs, do func(*account.Account) (any, error)) (any, error) {
	acc, err := h.dir.Find(ctx, a.Account)
	if err != nil {
		return nil, fmt.Errorf("account %q: %w", a.Account, err)
	}
	return do(acc)
}

func putSieve(h *house, ctx context.Context, a sieveArgs) (any, error) {
	return withAccount(h, ctx, a, func(acc *account.Account) (any, error) {
		warnings, err := h.scripts.Put(ctx, acc.ID, a.Name, a.Text)
		if err == nil && a.Activate {
			err = h.scripts.Activate(ctx, acc.ID, a.Name)
		}
		return warnings, err
	})
}

// vacationSieve shows or changes the absence among an account's settings.
func vacationSieve(h *house, ctx context.Context, a sieveArgs) (any, error) {
	return withAccount(h, ctx, a, func(acc *account.Account) (any, error) {
		state, err := h.scripts.Settings(ctx, acc.ID)
		if err != nil || a.Vacation == nil && !a.Off {
			return state, err
		}
		switch {
		case a.Vacation != nil:
			a.Vacation.Enabled = true
			state.Settings.Vacation = a.Vacation
		case state.Settings.Vacation != nil:
			state.Settings.Vacation.Enabled = false
		}
		return h.scripts.SetSettings(ctx, acc.ID, state.Settings, rules.KeepEdits)
	})
}

// sieveNames takes the account and a script's name.
func (i *invocation) sieveNames(least, most int) (sieveArgs, error) {
	if len(i.args) < least || len(i.args) > most {
		return sieveArgs{}, usageError("wants an ACCOUNT" + map[bool]string{true: " and a NAME"}[most > 1])
	}
	a := sieveArgs{Account: i.args[0]}
	if len(i.args) > 1 {
		a.Name = i.args[1]
	}
	return a, nil
}

func sieveList(i *invocation) error {
	a, err := i.sieveNames(1, 1)
	if err != nil {
		return err
	}
	var list []rules.Script
	if err := i.call("sieve list", a, &list); err != nil {
		return err
	}
	rows := [][]string{{"SCRIPT", "BYTES", "CHANGED", ""}}
	for _, s := range list {
		active := ""
		if s.Active {
			active = "active"
		}
		rows = append(rows, []string{s.Name, strconv.Itoa(s.Size), s.Changed.Local().Format("2006-01-02 15:04"), active})
	}
	i.table(rows)
	return nil
}

func sieveGet(i *invocation) error {
	a, err := i.sieveNames(2, 2)
	if err != nil {
		return err
	}
	var text string
	if err := i.call("sieve get", a, &text); err != nil {
		return err
	}
	_, err = io.WriteString(i.out, text)
	return err
}

func sievePut(i *invocation) error {
	a, err := i.sieveNames(2, 3)
	if err != nil {
		return err
	}
	b, err := i.input(i.args[2:])
	if err != nil {
		return err
	}
	a.Text, a.Activate = string(b), i.flags.Lookup("activate").Value.String() == "true"
	var warnings []sieve.Problem
	if err := i.call("sieve put", a, &warnings); err != nil {
		return err
	}
	for _, w := range warnings {
		fmt.Fprintln(i.errOut, "warning:", w.Error())
	}
	return nil
}

// input reads a file, or the standard input when none is named.
func (i *invocation) input(files []string) ([]byte, error) {
	if len(files) > 0 {
		return os.ReadFile(files[0])
	}
	return io.ReadAll(i.in)
}

func sieveActivate(i *invocation) error {
	a, err := i.sieveNames(1, 2)
	if err != nil {
		return err
	}
	return i.call("sieve activate", a, nil)
}

func sieveDelete(i *invocation) error {
	a, err := i.sieveNames(2, 2)
	if err != nil {
		return err
	}
	return i.call("sieve delete", a, nil)
}

func sieveCheck(i *invocation) error {
	if len(i.args) > 1 {
		return usageError("wants one FILE at most")
	}
	b, err := i.input(i.args)
	if err != nil {
		return err
	}
	s, err := sieve.NewCompiler(sieve.DefaultOptions()).Compile(string(b))
	if err != nil {
		return err
	}
	for _, w := range s.Warnings() {
		fmt.Fprintln(i.out, "warning:", w.Error())
	}
	fmt.Fprintln(i.out, "no mistakes; it requires:", strings.Join(s.Requires(), " "))
	return nil
}

func sieveTest(i *invocation) error {
	if len(i.args) != 2 {
		return usageError("wants a SCRIPT and a MESSAGE")
	}
	text, err := os.ReadFile(i.args[0])
	if err != nil {
		return err
	}
	msg, err := os.ReadFile(i.args[1])
	if err != nil {
		return err
	}
	s, err := sieve.NewCompiler(sieve.DefaultOptions()).Compile(string(text))
	if err != nil {
		return err
	}
	r := strings.NewReader(string(msg))
	res, err := s.Run(i.ctx, &sieve.Env{Message: sieve.NewMessage(r, r.Size()), Separate: "+", Spam: -1,
		From: i.flags.Lookup("from").Value.String(), To: i.flags.Lookup("to").Value.String()})
	for _, a := range res.Actions {
		fmt.Fprintln(i.out, describe(a))
	}
	if len(res.Actions) == 0 {
		fmt.Fprintln(i.out, "discard")
	}
	return err
}

// describe says what an action is.
func describe(a sieve.Action) string {
	switch a := a.(type) {
	case sieve.Into:
		line := "keep"
		if a.Mailbox != "" {
			line = fmt.Sprintf("into %q", a.Mailbox)
		}
		if a.Create {
			line += ", which is made"
		}
		if a.Use != "" {
			line += ", or what is " + a.Use
		}
		if len(a.Flags) > 0 {
			line += ", with flags " + strings.Join(a.Flags, " ")
		}
		if a.Header != nil {
			line += ", with another header"
		}
		return line
	case sieve.Redirect:
		return "redirect to " + a.To
	case sieve.Reject:
		return fmt.Sprintf("refuse: %q", a.Reason)
	case sieve.Vacation:
		return fmt.Sprintf("answer, once in %v: %q", a.Pause, a.Reason) + describeCopy(a.Copy)
	case sieve.Notify:
		return "notify " + a.Method + describeCopy(a.Copy)
	}
	return fmt.Sprintf("%T", a)
}

// describeCopy says where a copy of what is written goes.
func describeCopy(a *sieve.Into) string {
	if a == nil {
		return ""
	}
	return "; a copy " + describe(*a)
}

func sieveVacation(i *invocation) error {
	if len(i.args) < 1 || len(i.args) > 2 {
		return usageError("wants an ACCOUNT, and a TEXT to switch it on")
	}
	a := sieveArgs{Account: i.args[0], Off: i.flags.Lookup("off").Value.String() == "true"}
	if len(i.args) == 2 {
		if a.Off {
			return usageError("takes no TEXT with -off")
		}
		v := &rules.Vacation{Text: i.args[1], Subject: i.flags.Lookup("subject").Value.String(), From: i.flags.Lookup("from").Value.String(), Until: i.flags.Lookup("until").Value.String()}
		v.Days, _ = strconv.Atoi(i.flags.Lookup("days").Value.String())
		v.Zone = time.Now().Format("-0700")
		a.Vacation = v
	}
	var state rules.State
	if err := i.call("sieve vacation", a, &state); err != nil {
		return err
	}
	v := state.Settings.Vacation
	switch {
	case v == nil || !v.Enabled:
		fmt.Fprintln(i.out, "mail is not answered")
	case !state.Active:
		return errors.New("it is kept, but another script is active: `atrium sieve activate " + a.Account + " " + rules.SettingsName + "` makes it count")
	default:
		fmt.Fprintf(i.out, "mail is answered%s%s: %s\n", day(" from ", v.From), day(" until ", v.Until), v.Text)
	}
	return nil
}

func day(before, s string) string {
	if s == "" {
		return ""
	}
	return before + s
}
