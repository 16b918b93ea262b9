// Command atrium is a mail, calendar and contacts server over one store.
//
// Each subcommand is a value in the table below: its name, what it does in a
// line, its help text and its function. `atrium help` prints the table.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1 // it could not be done; the message says what to do
	exitUsage  = 2 // the command line is wrong
	exitBroken = 3 // atrium check found something broken
)

// command is one subcommand, or a group of them.
type command struct {
	name  string
	args  string // after the name in the usage line
	short string
	long  string
	sub   []*command
	run   func(*invocation) error
	flags func(*flag.FlagSet)
}

// invocation is one call of a command.
type invocation struct {
	ctx    context.Context
	args   []string // what the flags left
	flags  *flag.FlagSet
	in     io.Reader
	out    io.Writer
	errOut io.Writer
}

// usageError is a mistake on the command line.
type usageError string

func (e usageError) Error() string { return string(e) }

// exitError ends the program with a code of its own.
type exitError struct {
	code int
	err  error
}

func (e exitError) Error() string { return e.err.Error() }

var root = &command{
	name:  "atrium",
	short: "mail, calendars, tasks, notes and contacts in one server",
	sub: []*command{
		serveCommand, accountCommand, aliasCommand, domainCommand, groupCommand, shareCommand, queueCommand, junkCommand, sieveCommand,
		checkCommand, backupCommand, restoreCommand, configCommand, versionCommand,
	},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	os.Exit(execute(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// execute runs a command line and returns its exit code.
func execute(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	c, path := root, root.name
	for len(c.sub) > 0 {
		if len(args) == 0 || isHelp(args[0]) {
			if len(args) > 1 && args[0] == "help" {
				return execute(ctx, append(args[1:], "-h"), in, out, errOut)
			}
			c.help(out, path)
			if len(args) == 0 {
				return exitUsage
			}
			return exitOK
		}
		next := c.find(args[0])
		if next == nil {
			fmt.Fprintf(errOut, "%s: no command %q; `%s help` lists them\n", path, args[0], path)
			return exitUsage
		}
		c, path, args = next, path+" "+next.name, args[1:]
	}
	fs := flag.NewFlagSet(path, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	if c.flags != nil {
		c.flags(fs)
	}
	rest, err := parse(fs, args)
	if errors.Is(err, flag.ErrHelp) {
		c.usage(out, path, fs)
		return exitOK
	}
	if err == nil {
		err = c.run(&invocation{ctx: ctx, args: rest, flags: fs, in: in, out: out, errOut: errOut})
	} else {
		err = usageError(err.Error())
	}
	return report(errOut, path, err)
}

// parse takes flags before and after the other arguments.
func parse(fs *flag.FlagSet, args []string) (rest []string, err error) {
	for {
		if err := fs.Parse(args); err != nil {
			return nil, err
		}
		if fs.NArg() == 0 {
			return rest, nil
		}
		if n := len(args) - fs.NArg(); n > 0 && args[n-1] == "--" {
			return append(rest, fs.Args()...), nil
		}
		rest, args = append(rest, fs.Arg(0)), fs.Args()[1:]
	}
}

func report(errOut io.Writer, path string, err error) int {
	var usage usageError
	var exit exitError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &usage):
		fmt.Fprintf(errOut, "%s: %v; `%s -h` tells more\n", path, err, path)
		return exitUsage
	case errors.As(err, &exit):
		fmt.Fprintf(errOut, "%s: %v\n", path, err)
		return exit.code
	}
	fmt.Fprintf(errOut, "%s: %v\n", path, err)
	return exitFailed
}

func isHelp(s string) bool { return s == "help" || s == "-h" || s == "-help" || s == "--help" }

func (c *command) find(name string) *command {
	for _, s := range c.sub {
		if s.name == name {
			return s
		}
	}
	return nil
}

// help lists the subcommands.
func (c *command) help(w io.Writer, path string) {
	fmt.Fprintf(w, "%s: %s\n\nCommands:\n", path, c.short)
	for _, s := range c.sub {
		fmt.Fprintf(w, "  %-10s %s\n", s.name, s.short)
	}
	if c.long != "" {
		fmt.Fprintf(w, "\n%s\n", strings.TrimSpace(c.long))
	}
	fmt.Fprintf(w, "\n`%s COMMAND -h` tells more of each.\n", path)
	if c == root {
		fmt.Fprintf(w, "\nExit status: 0 done, 1 failed, 2 wrong usage, 3 check found something broken.\n")
	}
}

func (c *command) usage(w io.Writer, path string, fs *flag.FlagSet) {
	line := path
	fs.VisitAll(func(*flag.Flag) { line = path + " [flags]" })
	fmt.Fprintf(w, "%s: %s\n\nUsage: %s\n", path, c.short, strings.TrimSpace(line+" "+c.args))
	if c.long != "" {
		fmt.Fprintf(w, "\n%s\n", strings.TrimSpace(c.long))
	}
	if line != path {
		fmt.Fprintf(w, "\nFlags:\n")
		fs.SetOutput(w)
		fs.PrintDefaults()
	}
}
