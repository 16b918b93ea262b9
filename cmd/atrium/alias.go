package main

import (
	"context"
	"strings"

	"flag"

	"atrium/storage/account"
)

var aliasCommand = &command{
	name: "alias", short: "further addresses of accounts, and addresses of several",
	sub: []*command{
		{name: "add", args: "ADDRESS TARGET...", short: "add an alias or replace its targets", run: aliasAdd, flags: configFlag,
			long: "Targets are accounts or other aliases."},
		{name: "list", short: "list the aliases", run: aliasList, flags: configFlag},
		{name: "delete", args: "ADDRESS", short: "remove an alias", run: aliasDelete, flags: configFlag},
	},
}

var domainCommand = &command{
	name: "domain", short: "domains whose mail is for this server",
	sub: []*command{
		{name: "add", args: "NAME", short: "add a domain or set its catch-all", run: domainAdd, flags: func(fs *flag.FlagSet) {
			configFlag(fs)
			fs.String("catch-all", "", "`address` that gets what no one else in the domain has; empty: refused")
		}},
		{name: "dns", args: "NAME", short: "print the DNS records to publish", run: domainDNS, flags: configFlag,
			long: "One line each, as in a zone file. The records of the keys that sign the domain's mail are among them."},
		{name: "rotate", args: "NAME", short: "make new keys for the domain's signatures", run: domainRotate, flags: func(fs *flag.FlagSet) {
			configFlag(fs)
			fs.Bool("activate", false, "have the keys made before sign from now on: their records are published")
			fs.Bool("purge", false, "remove the keys that signed before")
		}},
		{name: "list", short: "list the domains", run: domainList, flags: configFlag},
		{name: "delete", args: "NAME", short: "remove a domain that has no accounts and aliases", run: domainDelete, flags: configFlag},
	},
}

type aliasArgs struct {
	Address string
	Targets []string
}

func addAlias(h *house, ctx context.Context, a aliasArgs) (any, error) {
	return nil, h.dir.SetAlias(ctx, a.Address, a.Targets)
}

func aliasAdd(i *invocation) error {
	if len(i.args) < 2 {
		return usageError("wants an ADDRESS and at least one TARGET")
	}
	return i.call("alias add", aliasArgs{i.args[0], i.args[1:]}, nil)
}

func aliasList(i *invocation) error {
	var list []account.Alias
	if err := i.call("alias list", nil, &list); err != nil {
		return err
	}
	rows := [][]string{{"ADDRESS", "LEADS TO"}}
	for _, a := range list {
		rows = append(rows, []string{a.Address, strings.Join(a.Targets, ", ")})
	}
	i.table(rows)
	return nil
}

func aliasDelete(i *invocation) error {
	name, err := i.one("the alias' ADDRESS")
	if err != nil {
		return err
	}
	return i.call("alias delete", aliasArgs{Address: name}, nil)
}

func domainAdd(i *invocation) error {
	name, err := i.one("the domain's NAME")
	if err != nil {
		return err
	}
	return i.call("domain add", account.Domain{Name: name, CatchAll: i.flags.Lookup("catch-all").Value.String()}, nil)
}

func domainList(i *invocation) error {
	var list []account.Domain
	if err := i.call("domain list", nil, &list); err != nil {
		return err
	}
	rows := [][]string{{"DOMAIN", "CATCH-ALL"}}
	for _, d := range list {
		rows = append(rows, []string{d.Name, d.CatchAll})
	}
	i.table(rows)
	return nil
}

func domainDelete(i *invocation) error {
	name, err := i.one("the domain's NAME")
	if err != nil {
		return err
	}
	return i.call("domain delete", account.Domain{Name: name}, nil)
}
