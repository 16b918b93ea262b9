package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"runtime"
	"strings"
	"sync"

	"atrium/internal/control"
	"atrium/storage"
	"atrium/storage/account"
)

var accountCommand = &command{
	name: "account", short: "people who have mail, calendars and contacts here",
	long: "An account's name is its login and its address; a bare name is one in the default domain.",
	sub: []*command{
		{name: "add", args: "NAME", short: "add an account", run: accountAdd, flags: func(fs *flag.FlagSet) {
			configFlag(fs)
			fs.String("password", "", "the `password`; without it you are asked, or it is read from the standard input")
			fs.String("display", "", "the person's `name` as people write it")
			fs.String("quota", "0", "most `bytes` it may hold, such as 2GiB; 0: no limit")
		}},
		{name: "import", short: "add many accounts, a line each: name, blank, password", run: accountImport, flags: configFlag,
			long: "Reads lines \"name password\" from the standard input. Accounts that are there are left as they are."},
		{name: "list", short: "list the accounts", run: accountList, flags: jsonFlag},
		{name: "sendas", args: "NAME [ADDRESS...]", short: "let an account send as other addresses, or show which", run: accountSendAs, flags: func(fs *flag.FlagSet) {
			configFlag(fs)
			fs.Bool("remove", false, "take the addresses back")
		}, long: "An ADDRESS of a domain of this server, or @domain for all of it. Mail that is sent so\nsays in Sender who sent it."},
		{name: "passwd", args: "NAME", short: "set an account's password, and end its sessions", run: accountPasswd, flags: func(fs *flag.FlagSet) {
			fs.Bool("group", false, "give a group a login of its own")
			configFlag(fs)
			fs.String("password", "", "the `password`; without it you are asked, or it is read from the standard input")
		}},
		{name: "quota", args: "NAME BYTES", short: "set what an account may hold: bytes or such as 2GiB (0: no limit)", run: accountQuota, flags: configFlag},
		{name: "disable", args: "NAME", short: "forbid logins and end sessions; mail still arrives", run: accountSwitch(true), flags: configFlag},
		{name: "enable", args: "NAME", short: "allow logins again", run: accountSwitch(false), flags: configFlag},
		accountPop3Command, accountUIDLCommand,
		{name: "delete", args: "NAME", short: "remove an account and all that it has", run: accountDelete, flags: func(fs *flag.FlagSet) {
			configFlag(fs)
			fs.Bool("yes", false, "do not ask")
		}},
	},
}

func jsonFlag(fs *flag.FlagSet) {
	configFlag(fs)
	fs.Bool("json", false, "print JSON")
}

// accountArgs are the arguments of the account operations.
type accountArgs struct {
	Name, Password, Display string
	Bytes                   int64
	Disabled                bool
	Group                   bool // a group may have a password
}

// accountRow is an account as the operations tell it.
type accountRow struct {
	ID       uint64 `json:"id"`
	Name     string `json:"name"`
	Display  string `json:"display,omitempty"`
	Group    bool   `json:"group,omitempty"`
	Disabled bool   `json:"disabled,omitempty"`
	Bytes    int64  `json:"bytes"`
	MaxBytes int64  `json:"max_bytes,omitempty"`
	Objects  int64  `json:"objects"`
}

func accountAdd(i *invocation) error {
	name, err := i.one("the account's NAME")
	if err != nil {
		return err
	}
	quota, err := size(i.flags.Lookup("quota").Value.String())
	if err != nil {
		return err
	}
	pw, err := i.password("password")
	if err != nil {
		return err
	}
	var row accountRow
	args := accountArgs{Name: name, Password: pw, Display: i.flags.Lookup("display").Value.String(), Bytes: quota}
	if err := i.call("account add", args, &row); err != nil {
		return err
	}
	fmt.Fprintf(i.out, "added %s\n", row.Name)
	return nil
}

func accountImport(i *invocation) error {
	if len(i.args) > 0 {
		return usageError("takes no arguments")
	}
	var list []accountArgs
	sc := bufio.NewScanner(i.in)
	for n := 1; sc.Scan(); n++ {
		line := strings.TrimSpace(sc.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, pw, ok := strings.Cut(line, " ")
		if !ok {
			return fmt.Errorf("line %d: wants a name, a blank and a password; nothing was added", n)
		}
		list = append(list, accountArgs{Name: name, Password: strings.TrimSpace(pw)})
	}
	if err := sc.Err(); err != nil {
		return err
	}
	var added int
	if err := i.call("account import", list, &added); err != nil {
		return err
	}
	fmt.Fprintf(i.out, "added %d of %d accounts\n", added, len(list))
	return nil
}

func accountList(i *invocation) error {
	var rows []accountRow
	if err := i.call("account list", nil, &rows); err != nil {
		return err
	}
	if i.flags.Lookup("json").Value.String() == "true" {
		return json.NewEncoder(i.out).Encode(rows)
	}
	out := [][]string{{"NAME", "HOLDS", "OF", "OBJECTS", "STATE", "DISPLAY NAME"}}
	for _, r := range rows {
		state, limit := "", ""
		if r.Disabled {
			state = "disabled"
		} else if r.Group {
			state = "group"
		}
		if r.MaxBytes > 0 {
			limit = human(r.MaxBytes)
		}
		out = append(out, []string{r.Name, human(r.Bytes), limit, fmt.Sprint(r.Objects), state, r.Display})
	}
	i.table(out)
	return nil
}

// human prints a number of bytes for people.
func human(n int64) string {
	v, unit := float64(n), 0
	for v >= 1000 && unit < 4 {
		v, unit = v/1024, unit+1
	}
	if unit == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.3g %s", v, []string{"", "KiB", "MiB", "GiB", "TiB"}[unit])
}

func accountPasswd(i *invocation) error {
	name, err := i.one("the account's NAME")
	if err != nil {
		return err
	}
	pw, err := i.password("password")
	if err != nil {
		return err
	}
	group := i.flags.Lookup("group").Value.String() == "true"
	return i.call("account passwd", accountArgs{Name: name, Password: pw, Group: group}, nil)
}

func accountQuota(i *invocation) error {
	if len(i.args) != 2 {
		return usageError("wants the account's NAME and BYTES")
	}
	n, err := size(i.args[1])
	if err != nil {
		return err
	}
	return i.call("account quota", accountArgs{Name: i.args[0], Bytes: n}, nil)
}

func accountSwitch(disabled bool) func(*invocation) error {
	return func(i *invocation) error {
		name, err := i.one("the account's NAME")
		if err != nil {
			return err
		}
		return i.call("account disable", accountArgs{Name: name, Disabled: disabled}, nil)
	}
}

func accountDelete(i *invocation) error {
	name, err := i.one("the account's NAME")
	if err != nil {
		return err
	}
	if err := i.call("account known", accountArgs{Name: name}, nil); err != nil {
		return err
	}
	if i.flags.Lookup("yes").Value.String() != "true" {
		fmt.Fprintf(i.errOut, "This removes %s with all mail, calendars and contacts. Type the name again to go on: ", name)
		line, _ := bufio.NewReader(i.in).ReadString('\n')
		if strings.TrimSpace(line) != name {
			return errors.New("not the same name; nothing was removed (-yes asks nothing)")
		}
	}
	return i.call("account delete", accountArgs{Name: name}, nil)
}

// operations is all that can be administered, by name.
var operations = map[string]operation{
	"account add": op(func(h *house, ctx context.Context, a accountArgs) (any, error) {
		acc, err := h.addAccount(ctx, a)
		if err != nil {
			return nil, err
		}
		return accountRow{ID: uint64(acc.ID), Name: acc.Name}, nil
	}),
	"account import": importAccounts,
	"account list":   op(listAccounts),
	"account passwd": op(func(h *house, ctx context.Context, a accountArgs) (any, error) {
		return h.withAccount(ctx, a.Name, func(x *account.Account) error {
			if x.Sort == account.Group && !a.Group {
				return fmt.Errorf("%s is a group, whose members log in as themselves; with -group it gets a login of its own", x.Name)
			}
			err := h.dir.SetPassword(ctx, x.ID, a.Password)
			return h.endAfter(x, err)
		})
	}),
	"account quota": op(func(h *house, ctx context.Context, a accountArgs) (any, error) {
		return h.withAccount(ctx, a.Name, func(x *account.Account) error {
			if err := h.dir.SetQuota(ctx, x.ID, a.Bytes, x.MaxObjects); err != nil {
				return err
			}
			return h.store.SetLimits(ctx, x.ID, a.Bytes, x.MaxObjects)
		})
	}),
	"account disable": op(func(h *house, ctx context.Context, a accountArgs) (any, error) {
		return h.withAccount(ctx, a.Name, func(x *account.Account) error {
			err := h.dir.SetDisabled(ctx, x.ID, a.Disabled)
			if a.Disabled {
				err = h.endAfter(x, err)
			}
			return err
		})
	}),
	"account pop3": op(setPop3),
	"account uidl": op(setUIDLs),
	"account delete": op(func(h *house, ctx context.Context, a accountArgs) (any, error) {
		return h.withAccount(ctx, a.Name, func(x *account.Account) error {
			if err := h.itself(x, a.Name); err != nil {
				return err
			}
			return h.deleteAccount(ctx, x)
		})
	}),
	"account known": op(func(h *house, ctx context.Context, a accountArgs) (any, error) {
		return h.withAccount(ctx, a.Name, func(x *account.Account) error { return h.itself(x, a.Name) })
	}),
	"junk":       op(junkOperation),
	"alias add":  op(addAlias),
	"alias list": op(func(h *house, ctx context.Context, _ struct{}) (any, error) { return h.dir.Aliases(ctx) }),
	"alias delete": op(func(h *house, ctx context.Context, a aliasArgs) (any, error) {
		return nil, h.dir.DeleteAlias(ctx, a.Address)
	}),
	"domain add": op(func(h *house, ctx context.Context, d account.Domain) (any, error) {
		return nil, h.dir.SetDomain(ctx, d)
	}),
	"domain list": op(func(h *house, ctx context.Context, _ struct{}) (any, error) { return h.dir.Domains(ctx) }),
	"domain delete": op(func(h *house, ctx context.Context, d account.Domain) (any, error) {
		if err := h.directories().Leave(ctx, d.Name); err != nil {
			return nil, err
		}
		if err := h.dir.DeleteDomain(ctx, d.Name); err != nil {
			return nil, err
		}
		return nil, h.keysOf().Remove(ctx, d.Name, true)
	}),
	"group add":           op(addGroup),
	"group seen":          op(setGroupSeen),
	"share seen":          op(setSeen),
	"group list":          op(listGroups),
	"group delete":        op(deleteGroup),
	"group member add":    op(addMembers),
	"group member remove": op(removeMembers),
	"share set":           op(setShare),
	"share list":          op(listShares),
	"check":               checkStore,
	"backup":              makeBackup,
}

// addAccount adds an account with its mailboxes, calendars and address book.
func (h *house) addAccount(ctx context.Context, a accountArgs) (*account.Account, error) {
	acc, err := h.dir.Add(ctx, account.New{Name: a.Name, Password: a.Password, DisplayName: a.Display, MaxBytes: a.Bytes})
	if err != nil {
		return nil, err
	}
	if a.Bytes > 0 {
		if err := h.store.SetLimits(ctx, acc.ID, a.Bytes, 0); err != nil {
			return nil, err
		}
	}
	return acc, h.ensureDefaults(ctx, acc.ID)
}

// itself tells what is wrong when a name leads to an account but is not its own.
func (h *house) itself(x *account.Account, name string) error {
	if !strings.EqualFold(x.Name, name) && !strings.EqualFold(x.Name, name+"@"+h.dir.DefaultDomain()) {
		return fmt.Errorf("%s is another address of %s; name the account itself, or remove the address with `atrium alias delete`", name, x.Name)
	}
	return nil
}

// deleteAccount removes an account. Its name goes last: what is cut short can be
// seen in the list, and done again.
func (h *house) deleteAccount(ctx context.Context, a *account.Account) error {
	id := a.ID
	for _, step := range []func() error{
		func() error { return h.dir.SetDisabled(ctx, id, true) }, // no login any more
		func() error { return h.endAfter(a, nil) },
		func() error { return h.store.DropAccount(ctx, id) },
		func() error { return h.dir.Delete(ctx, id) },
		func() error { return h.store.DropAccount(ctx, id) }, // what an open session wrote meanwhile
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// endAfter ends the sessions of an account in the running server, unless err tells that what was to come
// before failed.
func (h *house) endAfter(a *account.Account, err error) error {
	if err == nil && h.sessions != nil {
		h.sessions(a.Name)
	}
	return err
}

func (h *house) withAccount(ctx context.Context, name string, f func(*account.Account) error) (any, error) {
	acc, err := h.dir.Find(ctx, name)
	if errors.Is(err, storage.NotFound) {
		return nil, fmt.Errorf("no account %q; `atrium account list` shows all", name)
	}
	if err != nil {
		return nil, err
	}
	return nil, f(acc)
}

func importAccounts(h *house, ctx context.Context, raw json.RawMessage, progress func(control.Progress)) (any, error) {
	var list []accountArgs
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, err
	}
	var (
		mu    sync.Mutex
		added int
		done  int
		first error
		wg    sync.WaitGroup
	)
	todo := make(chan accountArgs)
	for range runtime.GOMAXPROCS(0) { // hashing passwords is what takes the time
		wg.Go(func() {
			for a := range todo {
				_, err := h.addAccount(ctx, a)
				mu.Lock()
				done++
				switch {
				case err == nil:
					added++
				case !errors.Is(err, storage.Exists) && first == nil:
					first = fmt.Errorf("%s: %w", a.Name, err)
				}
				progress(control.Progress{Done: done, All: len(list)})
				mu.Unlock()
			}
		})
	}
	for _, a := range list {
		mu.Lock()
		failed := first != nil
		mu.Unlock()
		if failed {
			break
		}
		todo <- a
	}
	close(todo)
	wg.Wait()
	if first != nil {
		return nil, fmt.Errorf("%w (%d accounts were added)", first, added)
	}
	return added, nil
}

func listAccounts(h *house, ctx context.Context, _ struct{}) (any, error) {
	list, err := h.dir.List(ctx)
	if err != nil {
		return nil, err
	}
	rows := make([]accountRow, 0, len(list))
	for _, a := range list {
		if a.Sort == account.Service {
			continue
		}
		r := accountRow{ID: uint64(a.ID), Name: a.Name, Display: a.DisplayName, Group: a.Sort == account.Group, Disabled: a.Disabled, MaxBytes: a.MaxBytes}
		err := h.store.View(ctx, a.ID, func(v *storage.View) error {
			u, err := v.Usage()
			r.Bytes, r.Objects = u.Bytes, u.Objects
			return err
		})
		if err != nil {
			return nil, err
		}
		rows = append(rows, r)
	}
	return rows, nil
}
