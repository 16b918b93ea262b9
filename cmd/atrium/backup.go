package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"atrium/internal/control"
	"atrium/storage"
	"atrium/storage/blob"
	"atrium/storage/embedded"
)

var backupCommand = &command{
	name: "backup", short: "copy the store, also while the server runs", args: "FOLDER | FILE" + backupSuffix,
	long: `Writes accounts, mail, calendars and contacts as they are at one moment. In a folder, each
backup is a file that is named by its time (UTC) and has only the bodies that those before it in the
folder do not have: keep them together. A name that ends in ` + backupSuffix + ` is a single file
with everything. The running server writes it, as the user that it runs as.
The configuration file that is named, the certificates that the server made and its keys
are part of it: keep it as you keep passwords. Certificates that the configuration names by a path
are not.`,
	run:   runBackup,
	flags: configFlag,
}

var restoreCommand = &command{
	name: "restore", short: "make the store anew from a backup", args: "FOLDER | FILE" + backupSuffix,
	long: `Writes a backup into a data folder that has no store; of a folder of backups the newest,
or with a FILE of it that one. Bodies are looked for in all files beside it. Nothing is
there before all is. Certificates and keys come into the data folder with it, where there are
none, and the configuration of that time, as atrium.toml. Run "atrium check -deep" afterwards.`,
	run:   runRestore,
	flags: configFlag,
}

const (
	backupSuffix = ".backup"
	backupTime   = "20060102T150405.000Z"
)

type backupArgs struct {
	Path   string
	Config string // the text of the configuration file; "" when there is none
}

type backupResult struct {
	File string
	storage.Backed
}

func runBackup(i *invocation) error {
	to, err := i.one("a folder, or a file that ends in " + backupSuffix)
	if err != nil {
		return err
	}
	if to, err = filepath.Abs(to); err != nil {
		return err
	}
	var r backupResult
	var config []byte
	if file := i.configFile(); file != "" {
		if config, err = os.ReadFile(file); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	if err := i.call("backup", backupArgs{to, string(config)}, &r); err != nil {
		return err
	}
	fmt.Fprintf(i.out, "%s: %d bodies", r.File, r.Bodies)
	if r.Earlier > 0 {
		fmt.Fprintf(i.out, ", %d are in earlier ones", r.Earlier)
	}
	fmt.Fprintf(i.out, ", %d bytes\n", r.Bytes)
	for _, s := range r.Broken {
		fmt.Fprintln(i.out, s)
	}
	if n := len(r.Broken) + r.More; n > 0 {
		return exitError{exitBroken, fmt.Errorf("%d bodies are broken and not in the backup; \"atrium check -deep\" tells whose", n)}
	}
	return nil
}

// makeBackup writes a file beside its name first: a file with that name is whole.
func makeBackup(h *house, ctx context.Context, raw json.RawMessage, progress func(control.Progress)) (_ any, err error) {
	var args backupArgs
	if err := json.Unmarshal(raw, &args); err != nil {
		return nil, err
	}
	out := backupResult{File: args.Path}
	var has func(blob.Hash) bool
	if !strings.HasSuffix(args.Path, backupSuffix) {
		if err := os.MkdirAll(args.Path, 0o700); err != nil {
			return nil, err
		}
		earlier, err := backupsIn(args.Path)
		if err != nil {
			return nil, err
		}
		if has, err = bodiesOf(earlier); err != nil {
			return nil, err
		}
		out.File = filepath.Join(args.Path, time.Now().UTC().Format(backupTime)+backupSuffix)
	}
	if _, err := os.Stat(out.File); err == nil {
		return nil, fmt.Errorf("%s is there already; nothing was written", out.File)
	}
	f, err := os.OpenFile(out.File+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	out.Backed, err = h.store.Backup(ctx, f, has, func(done, all int) {
		progress(control.Progress{Done: done, All: all})
	})
	if err == nil {
		err = writeFiles(f, h.cfg.Data, args.Config)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), out.File)
	}
	if err == nil {
		err = syncFolder(filepath.Dir(out.File))
	}
	return out, err
}

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// backupsIn lists the backups in a folder, the newest first.
func backupsIn(dir string) ([]string, error) {
	list, err := filepath.Glob(filepath.Join(escapeGlob(dir), "*"+backupSuffix))
	slices.Sort(list)
	slices.Reverse(list)
	return list, err
}

var globEscaper = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`)

func escapeGlob(path string) string { return globEscaper.Replace(path) }

// bodiesOf tells which bodies backups have.
func bodiesOf(files []string) (func(blob.Hash) bool, error) {
	have := map[blob.Hash]bool{}
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		err = storage.ReadBackup(f, nil, func(ref blob.Ref, _ io.Reader) error {
			have[ref.Hash] = true
			return nil
		})
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("earlier backup %s: %w; take another folder", name, err)
		}
	}
	return func(h blob.Hash) bool { return have[h] }, nil
}

func runRestore(i *invocation) error {
	from, err := i.one("a folder of backups, or a file that ends in " + backupSuffix)
	if err != nil {
		return err
	}
	cfg, err := i.loadConfig()
	if data := i.flags.Lookup("data").Value.String(); err != nil && data != "" {
		cfg.Data, err = data, nil // the domain is not known before the server was started
	}
	if err != nil {
		return err
	}
	files, err := backupsFor(from)
	if err != nil {
		return err
	}
	for _, name := range storeEntries {
		if _, err := os.Lstat(filepath.Join(cfg.Data, name)); err == nil {
			return fmt.Errorf("%s has a store (%s); nothing was done: stop the server and move its data elsewhere", cfg.Data, name)
		}
	}
	scratch := filepath.Join(cfg.Data, ".restore")
	if err := os.RemoveAll(scratch); err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	if err := os.MkdirAll(scratch, 0o700); err != nil {
		return err
	}
	bar := newBar(i.errOut, "restore")
	r, err := restoreInto(i.ctx, scratch, cfg.Engine, files, func(done, all int) { bar.show(control.Progress{Done: done, All: all}) },
		slog.New(slog.NewTextHandler(i.errOut, &slog.HandlerOptions{Level: slog.LevelWarn})))
	bar.end()
	if err != nil {
		return fmt.Errorf("%w; nothing was written to %s", err, cfg.Data)
	}
	for _, name := range storeEntries {
		err := os.Rename(filepath.Join(scratch, name), filepath.Join(cfg.Data, name))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	if cfg.Domain != "" {
		if err := os.WriteFile(filepath.Join(cfg.Data, domainFile), []byte(cfg.Domain+"\n"), 0o600); err != nil {
			return err
		}
	}
	kept, err := readFiles(files[0], cfg.Data)
	if err = errors.Join(err, syncFolder(cfg.Data)); err != nil {
		return err
	}
	fmt.Fprintf(i.out, "%s: restored from %s, %d bodies\n", cfg.Data, files[0], r.Bodies)
	if slices.Contains(kept, configName) {
		fmt.Fprintf(i.out, "the configuration of that server is %s; the one in use stays as it is\n", filepath.Join(cfg.Data, configName))
	}
	if r.Missing > 0 {
		return exitError{exitBroken, fmt.Errorf("%d bodies are in none of the %d files beside it; \"atrium check\" tells whose", r.Missing, len(files))}
	}
	return nil
}

// storeEntries are the store's in a data folder; CHECKPOINT says from where on the journal counts,
// so it comes first.
var storeEntries = []string{"CHECKPOINT", "badger", "heap", "large", "journal"}

// backupsFor lists the backup to restore and then the others beside it.
func backupsFor(from string) ([]string, error) {
	info, err := os.Stat(from)
	if err != nil {
		return nil, err
	}
	dir := from
	if !info.IsDir() {
		dir = filepath.Dir(from)
	}
	list, err := backupsIn(dir)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		if len(list) == 0 {
			return nil, fmt.Errorf("%s has no file that ends in %s", from, backupSuffix)
		}
		return list, nil
	}
	list = slices.DeleteFunc(list, func(s string) bool { return filepath.Base(s) == filepath.Base(from) })
	return append([]string{from}, list...), nil
}

func restoreInto(ctx context.Context, dir string, cfg embedded.Config, files []string, progress func(done, all int), log *slog.Logger) (_ storage.Restored, err error) {
	s, err := embedded.Open(dir, cfg, log)
	if err != nil {
		return storage.Restored{}, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	var open []func() (io.ReadCloser, error)
	for _, name := range files {
		open = append(open, func() (io.ReadCloser, error) { return os.Open(name) })
	}
	return storage.Restore(ctx, s.Engine, s.Blobs, open, progress)
}
