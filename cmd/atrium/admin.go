package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"

	"golang.org/x/term"

	"atrium/configs"
	"atrium/internal/control"
)

// The administration commands work on the running server, over its control
// socket, or, when none runs, on the store itself. Both ways end in admin.do,
// so that they cannot differ.

// configFlag adds the flag by which a command finds the server's data.
func configFlag(fs *flag.FlagSet) {
	fs.String("config", configs.DefaultPath, "configuration `file` of the server")
	fs.String("data", "", "data `folder` of the server, instead of the one in the configuration")
}

// loadConfig reads the configuration that the flags name. With -data a missing file is no mistake.
func (i *invocation) loadConfig() (configs.Config, error) {
	file, data := i.configFile(), i.flags.Lookup("data").Value.String()
	if file == "" {
		c := configs.Default()
		domain, err := os.ReadFile(filepath.Join(data, domainFile))
		if errors.Is(err, os.ErrNotExist) {
			return c, fmt.Errorf("no store at %s: start the server once, or name its configuration with -config FILE", data)
		}
		if err != nil {
			return c, err
		}
		return c, c.Parse(fmt.Sprintf("domain = %q\ndata = %q\n", strings.TrimSpace(string(domain)), data))
	}
	c, err := configs.Load(file)
	if errors.Is(err, os.ErrNotExist) {
		return c, fmt.Errorf("%w; name the server's configuration with -config FILE or its data with -data FOLDER", err)
	}
	if data != "" {
		c.Data = data
	}
	return c, err
}

// configFile is the configuration file to be read, "" when only the data folder is named.
func (i *invocation) configFile() string {
	named := i.flags.Lookup("data").Value.String() == ""
	i.flags.Visit(func(f *flag.Flag) { named = named || f.Name == "config" })
	if !named {
		return ""
	}
	return i.flags.Lookup("config").Value.String()
}

// call carries out an operation in the running server, else on the store.
func (i *invocation) call(op string, args, result any) (err error) {
	cfg, err := i.loadConfig()
	if err != nil {
		return err
	}
	b, err := json.Marshal(args)
	if err != nil {
		return err
	}
	r := control.Request{Op: op, Args: b}
	bar := newBar(i.errOut, op)
	defer bar.end()
	err = control.Call(i.ctx, cfg.ControlSocket(), r, result, bar.show)
	if !errors.Is(err, control.NotRunning) {
		return err
	}
	if _, err := os.Stat(filepath.Join(cfg.Data, domainFile)); err != nil && op != "account add" && op != "account import" && op != "domain add" {
		return fmt.Errorf("no store at %s: start the server once, or name its data with -config or -data", cfg.Data)
	}
	log := slog.New(slog.NewTextHandler(i.errOut, &slog.HandlerOptions{Level: slog.LevelWarn}))
	h, err := openHouse(i.ctx, cfg, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.close()) }()
	out, err := h.do(i.ctx, r, bar.show)
	if err != nil || result == nil {
		return err
	}
	if b, err = json.Marshal(out); err != nil {
		return err
	}
	return json.Unmarshal(b, result)
}

// bar is a progress bar, shown in a terminal only.
type bar struct {
	w    io.Writer
	what string
	on   bool
	last int
}

func newBar(w io.Writer, what string) *bar {
	f, ok := w.(*os.File)
	return &bar{w: w, what: what, on: ok && term.IsTerminal(int(f.Fd())), last: -1}
}

func (b *bar) show(p control.Progress) {
	if !b.on || p.All <= 0 {
		return
	}
	if pct := p.Done * 100 / p.All; pct != b.last {
		b.last = pct
		fmt.Fprintf(b.w, "\r%s [%-40s] %3d %% (%d of %d)", b.what, strings.Repeat("=", pct*40/100), pct, p.Done, p.All)
	}
}

func (b *bar) end() {
	if b.last >= 0 {
		fmt.Fprintln(b.w)
	}
}

// operation is one thing that can be administered.
type operation func(h *house, ctx context.Context, args json.RawMessage, progress func(control.Progress)) (any, error)

// op makes an operation of a function with typed arguments.
func op[A any](f func(h *house, ctx context.Context, args A) (any, error)) operation {
	return func(h *house, ctx context.Context, raw json.RawMessage, _ func(control.Progress)) (any, error) {
		var args A
		if len(raw) > 0 {
			if err := json.Unmarshal(raw, &args); err != nil {
				return nil, fmt.Errorf("arguments: %w", err)
			}
		}
		return f(h, ctx, args)
	}
}

// do carries out a request.
func (h *house) do(ctx context.Context, r control.Request, progress func(control.Progress)) (any, error) {
	f := operations[r.Op]
	if f == nil {
		return nil, fmt.Errorf("the running server does not know %q; is it an older release?", r.Op)
	}
	return f(h, ctx, r.Args, progress)
}

// one returns the only argument.
func (i *invocation) one(what string) (string, error) {
	if len(i.args) != 1 {
		return "", usageError("wants " + what)
	}
	return i.args[0], nil
}

// table prints rows in columns.
func (i *invocation) table(rows [][]string) {
	w := tabwriter.NewWriter(i.out, 0, 8, 2, ' ', 0)
	for _, r := range rows {
		fmt.Fprintln(w, strings.TrimRight(strings.Join(r, "\t"), "\t "))
	}
	w.Flush()
}

// password takes a password from the flag, from a terminal (twice, unseen) or
// as the first line of the standard input.
func (i *invocation) password(flagName string) (string, error) {
	if p := i.flags.Lookup(flagName).Value.String(); p != "" {
		return p, nil
	}
	f, ok := i.in.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		line, err := bufio.NewReader(i.in).ReadString('\n')
		if p := strings.TrimRight(line, "\r\n"); p != "" {
			return p, nil
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return "", err
		}
		return "", errors.New("no password: type it, send it as a line on the standard input, or give -" + flagName)
	}
	var twice [2]string
	for k, ask := range []string{"Password: ", "Once more: "} {
		fmt.Fprint(i.errOut, ask)
		b, err := term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(i.errOut)
		if err != nil {
			return "", err
		}
		twice[k] = string(b)
	}
	if twice[0] != twice[1] {
		return "", errors.New("the two passwords differ; nothing was changed")
	}
	if twice[0] == "" {
		return "", errors.New("the password is empty; nothing was changed")
	}
	return twice[0], nil
}

// size reads a number of bytes with an optional unit.
func size(s string) (int64, error) {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && n >= 0 {
		return n, nil
	}
	if n, ok := configs.ParseSize(s); ok {
		return n, nil
	}
	return 0, usageError(fmt.Sprintf("%q is no size; write 500MiB, 2GiB or a number of bytes", s))
}
