package imapd

import (
	"fmt"
	"strings"

	"github.com/emersion/go-imap/v2"

	"atrium/mail"
	"atrium/mail/imapd/wire"
)

// extension is one RFC, or one part of it that can be left out.
type extension struct {
	name string // for Config.Disable, tests and the README
	rfc  string // "RFC 2177"
	what string // in the README

	caps   func(*session) []imap.Cap         // what CAPABILITY says in the session's present state; nil: name
	hidden bool                              // CAPABILITY says nothing
	enable map[imap.Cap]func(*session)       // ENABLE (RFC 5161)
	opened func(*session, *selectArgs) error // after the answers of SELECT, before its OK

	commands      []command
	selectParams  map[string]func(*session, *selectArgs, *wire.Reader)
	createParams  map[string]func(*createArgs, *wire.Reader)
	fetchItems    map[string]fetchItem
	fetchMods     map[string]func(*session, *fetchArgs, *wire.Reader)
	storeMods     map[string]func(*session, *storeArgs, *wire.Reader)
	searchKeys    map[string]searchKey
	searchReturns map[string]func(*searchArgs, *wire.Reader)
	statusItems   map[string]statusItem
	listSelects   map[string]func(*listArgs)
	listReturns   map[string]func(*listArgs, *wire.Reader)
}

// states is a set of the states of a session (RFC 9051 §3).
type states byte

const (
	greeted states = 1 << iota // not authenticated
	authed
	selected

	loggedIn = authed | selected
	anyState = greeted | authed | selected
)

// effect is what a command does to message sequence numbers.
type effect byte

const (
	breaks effect = iota // the answer may hold EXPUNGE
	uses                 // it uses numbers, so that no EXPUNGE may come (RFC 9051 §7.5.1)
	silent               // no news at all
)

// command is one command. Its name may have two words, "UID FETCH".
type command struct {
	name    string
	in      states
	numbers effect
	run     func(*session, *wire.Reader) error
}

type (
	// fetchItem reads what follows an item's name and adds it to the arguments.
	fetchItem func(*session, *fetchArgs, *wire.Reader)
	// searchKey reads what follows a key's name.
	searchKey func(*searchParser, *wire.Reader) mail.Criteria
	// statusItem appends an item's value.
	statusItem func(*session, []byte, *mail.Mailbox) []byte
)

// registry is what all extensions that are not left out bring, by name.
type registry struct {
	extensions    []*extension
	names         map[string]bool
	commands      map[string]*command
	enable        map[string]enabling
	selectParams  map[string]func(*session, *selectArgs, *wire.Reader)
	createParams  map[string]func(*createArgs, *wire.Reader)
	fetchItems    map[string]fetchItem
	fetchMods     map[string]func(*session, *fetchArgs, *wire.Reader)
	storeMods     map[string]func(*session, *storeArgs, *wire.Reader)
	searchKeys    map[string]searchKey
	searchReturns map[string]func(*searchArgs, *wire.Reader)
	statusItems   map[string]statusItem
	listSelects   map[string]func(*listArgs)
	listReturns   map[string]func(*listArgs, *wire.Reader)
}

type enabling struct {
	cap imap.Cap
	do  func(*session)
}

// claim adds an extension's names to those of all; two claims on one panic.
func claim[V any](all *map[string]V, what string, x *extension, own map[string]V) {
	if *all == nil {
		*all = map[string]V{}
	}
	for name, v := range own {
		if _, taken := (*all)[name]; taken {
			panic(fmt.Sprintf("imapd: %s %q is claimed twice, the second time by %s", what, name, x.name))
		}
		(*all)[name] = v
	}
}

func newRegistry(list []*extension, disable []string) *registry {
	reg := &registry{names: map[string]bool{}}
	off := map[string]bool{}
	for _, name := range disable {
		off[strings.ToUpper(name)] = true
	}
	for _, x := range list {
		if off[strings.ToUpper(x.name)] && x != &base {
			continue
		}
		reg.extensions = append(reg.extensions, x)
		claim(&reg.names, "extension", x, map[string]bool{x.name: true})
		commands := map[string]*command{}
		for i := range x.commands {
			c := &x.commands[i]
			if commands[c.name] != nil {
				panic("imapd: command " + c.name + " is claimed twice by " + x.name)
			}
			commands[c.name] = c
		}
		claim(&reg.commands, "command", x, commands)
		enable := map[string]enabling{}
		for name, do := range x.enable {
			enable[strings.ToUpper(string(name))] = enabling{name, do}
		}
		claim(&reg.enable, "ENABLE", x, enable)
		claim(&reg.selectParams, "SELECT parameter", x, x.selectParams)
		claim(&reg.createParams, "CREATE parameter", x, x.createParams)
		claim(&reg.fetchItems, "FETCH item", x, x.fetchItems)
		claim(&reg.fetchMods, "FETCH modifier", x, x.fetchMods)
		claim(&reg.storeMods, "STORE modifier", x, x.storeMods)
		claim(&reg.searchKeys, "SEARCH key", x, x.searchKeys)
		claim(&reg.searchReturns, "SEARCH return option", x, x.searchReturns)
		claim(&reg.statusItems, "STATUS item", x, x.statusItems)
		claim(&reg.listSelects, "LIST selection option", x, x.listSelects)
		claim(&reg.listReturns, "LIST return option", x, x.listReturns)
	}
	return reg
}

// has tells whether an extension is not left out.
func (reg *registry) has(name string) bool { return reg.names[name] }

// caps returns what CAPABILITY says in a session's present state.
func (reg *registry) caps(c *session) []imap.Cap {
	var out []imap.Cap
	for _, x := range reg.extensions {
		switch {
		case x.caps != nil:
			out = append(out, x.caps(c)...)
		case !x.hidden:
			out = append(out, imap.Cap(x.name))
		}
	}
	return out
}

// Standard is one line of the table of standards.
type Standard struct {
	Name string // of the extension, as CAPABILITY or Config.Disable says it
	RFC  string
	What string
}

// Standards lists what this package speaks, for the README.
func Standards() []Standard {
	var out []Standard
	for _, x := range extensions() {
		out = append(out, Standard{x.name, x.rfc, x.what})
	}
	return out
}
