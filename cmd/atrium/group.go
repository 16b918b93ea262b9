package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"strings"

	"atrium/storage"
	"atrium/storage/account"
)

var groupCommand = &command{
	name: "group", short: "shared accounts, such as sales@ or support@",
	long: `A group is an account that its members use together, each with a login of their
own. Mail to its address goes to its INBOX, which members see in their mail
program as Shared/NAME/INBOX.`,
	sub: []*command{
		{name: "add", args: "NAME [MEMBER...]", short: "add a group", run: groupAdd, flags: func(fs *flag.FlagSet) {
			configFlag(fs)
			fs.String("display", "", "the group's `name` as people write it")
			fs.String("quota", "0", "most `bytes` it may hold, such as 2GiB; 0: no limit")
		}},
		{name: "list", short: "list the groups and their members", run: groupList, flags: jsonFlag},
		{name: "delete", args: "NAME", short: "remove a group and all that it has", run: groupDelete, flags: func(fs *flag.FlagSet) {
			configFlag(fs)
			fs.Bool("yes", false, "do not ask")
		}},
		{name: "seen", args: "GROUP private|shared", short: "whether each member has read what they read, or one for all", run: groupSeen, flags: configFlag,
			long: "Of all mailboxes of the group, and of those to come; `atrium share seen` sets a single one."},
		{name: "member", short: "who is in a group", sub: []*command{
			{name: "add", args: "GROUP MEMBER...", short: "put accounts into a group", run: memberAdd, flags: func(fs *flag.FlagSet) {
				configFlag(fs)
				fs.Bool("admin", false, "they may share the group's mailboxes with others")
			}},
			{name: "remove", args: "GROUP MEMBER...", short: "take accounts out of a group", run: memberRemove, flags: configFlag},
		}},
	},
}

// groupArgs are the arguments of the group operations.
type groupArgs struct {
	Name, Display string
	Bytes         int64
	Members       []string
	Admin         bool
}

// groupRow is a group as the operations tell it.
type groupRow struct {
	Name    string      `json:"name"`
	Display string      `json:"display,omitempty"`
	Members []memberRow `json:"members"`
}

type memberRow struct {
	Name  string `json:"name"`
	Admin bool   `json:"admin,omitempty"`
}

func groupAdd(i *invocation) error {
	if len(i.args) == 0 {
		return usageError("wants the group's NAME")
	}
	quota, err := size(i.flags.Lookup("quota").Value.String())
	if err != nil {
		return err
	}
	args := groupArgs{Name: i.args[0], Members: i.args[1:], Display: i.flags.Lookup("display").Value.String(), Bytes: quota}
	var row groupRow
	if err := i.call("group add", args, &row); err != nil {
		return err
	}
	fmt.Fprintf(i.out, "added %s\n", row.Name)
	return nil
}

func groupList(i *invocation) error {
	var rows []groupRow
	if err := i.call("group list", nil, &rows); err != nil {
		return err
	}
	if i.flags.Lookup("json").Value.String() == "true" {
		return json.NewEncoder(i.out).Encode(rows)
	}
	out := [][]string{{"GROUP", "MEMBERS", "DISPLAY NAME"}}
	for _, r := range rows {
		var names []string
		for _, m := range r.Members {
			if m.Admin {
				m.Name += " (admin)"
			}
			names = append(names, m.Name)
		}
		out = append(out, []string{r.Name, strings.Join(names, ", "), r.Display})
	}
	i.table(out)
	return nil
}

func groupDelete(i *invocation) error {
	name, err := i.one("the group's NAME")
	if err != nil {
		return err
	}
	if i.flags.Lookup("yes").Value.String() != "true" {
		fmt.Fprintf(i.errOut, "This removes %s with all that its members have there. Type the name again to go on: ", name)
		line, _ := bufio.NewReader(i.in).ReadString('\n')
		if strings.TrimSpace(line) != name {
			return errors.New("not the same name; nothing was removed (-yes asks nothing)")
		}
	}
	return i.call("group delete", groupArgs{Name: name}, nil)
}

func memberAdd(i *invocation) error {
	if len(i.args) < 2 {
		return usageError("wants the GROUP and at least one MEMBER")
	}
	admin := i.flags.Lookup("admin").Value.String() == "true"
	return i.call("group member add", groupArgs{Name: i.args[0], Members: i.args[1:], Admin: admin}, nil)
}

func memberRemove(i *invocation) error {
	if len(i.args) < 2 {
		return usageError("wants the GROUP and at least one MEMBER")
	}
	return i.call("group member remove", groupArgs{Name: i.args[0], Members: i.args[1:]}, nil)
}

// addGroup adds a group. Members that are not there are found out before anything is done.
func addGroup(h *house, ctx context.Context, a groupArgs) (any, error) {
	members, err := h.accounts(ctx, a.Members)
	if err != nil {
		return nil, err
	}
	g, err := h.dir.Add(ctx, account.New{Name: a.Name, DisplayName: a.Display, Sort: account.Group, MaxBytes: a.Bytes})
	if err != nil {
		return nil, err
	}
	if a.Bytes > 0 {
		if err := h.store.SetLimits(ctx, g.ID, a.Bytes, 0); err != nil {
			return nil, err
		}
	}
	if err := h.ensureDefaults(ctx, g.ID); err != nil {
		return nil, err
	}
	for _, m := range members {
		if err := h.setMember(ctx, g, m, false); err != nil {
			return nil, err
		}
	}
	return groupRow{Name: g.Name}, nil
}

func listGroups(h *house, ctx context.Context, _ struct{}) (any, error) {
	all, err := h.dir.List(ctx)
	if err != nil {
		return nil, err
	}
	rows := []groupRow{}
	for _, g := range all {
		if g.Sort != account.Group {
			continue
		}
		members, err := h.dir.Members(ctx, g.ID)
		if err != nil {
			return nil, err
		}
		row := groupRow{Name: g.Name, Display: g.DisplayName, Members: []memberRow{}}
		for _, m := range members {
			row.Members = append(row.Members, memberRow{m.Name, m.Admin})
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func deleteGroup(h *house, ctx context.Context, a groupArgs) (any, error) {
	g, err := h.group(ctx, a.Name)
	if err != nil {
		return nil, err
	}
	return nil, h.deleteAccount(ctx, g)
}

func addMembers(h *house, ctx context.Context, a groupArgs) (any, error) {
	return h.eachMember(ctx, a, func(g, m *account.Account) error { return h.setMember(ctx, g, m, a.Admin) })
}

// setMember makes m a member of g, and tells who looks at either.
func (h *house) setMember(ctx context.Context, g, m *account.Account, admin bool) error {
	if err := h.dir.SetMember(ctx, g.ID, m.ID, admin); err != nil {
		return err
	}
	h.store.Wake(g.ID)
	h.store.Wake(m.ID)
	return nil
}

func removeMembers(h *house, ctx context.Context, a groupArgs) (any, error) {
	return h.eachMember(ctx, a, func(g, m *account.Account) error {
		err := h.dir.RemoveMember(ctx, g.ID, m.ID)
		if errors.Is(err, storage.NotFound) {
			err = fmt.Errorf("%s is no member of %s", m.Name, g.Name)
		}
		if err == nil {
			h.store.Wake(g.ID) // who has one of its mailboxes open
			h.store.Wake(m.ID)
		}
		return err
	})
}

func (h *house) eachMember(ctx context.Context, a groupArgs, do func(g, m *account.Account) error) (any, error) {
	g, err := h.group(ctx, a.Name)
	if err != nil {
		return nil, err
	}
	members, err := h.accounts(ctx, a.Members)
	if err != nil {
		return nil, err
	}
	for _, m := range members {
		if m.Sort == account.Group {
			return nil, fmt.Errorf("%s is a group; groups have people as members", m.Name)
		}
		if err := do(g, m); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// group finds a group by name.
func (h *house) group(ctx context.Context, name string) (*account.Account, error) {
	g, err := h.dir.Find(ctx, name)
	switch {
	case errors.Is(err, storage.NotFound):
		return nil, fmt.Errorf("no group %q; `atrium group list` shows all", name)
	case err != nil:
		return nil, err
	case g.Sort != account.Group:
		return nil, fmt.Errorf("%s is no group; `atrium group list` shows all", g.Name)
	}
	return g, nil
}

// accounts finds accounts by name, all or none.
func (h *house) accounts(ctx context.Context, names []string) (list []*account.Account, err error) {
	for _, name := range names {
		_, err := h.withAccount(ctx, name, func(a *account.Account) error {
			list = append(list, a)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return list, nil
}
