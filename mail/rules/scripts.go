package rules

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"atrium/mail/sieve"
	"atrium/storage"
)

// Classes of failure beyond storage's (NotFound, Exists, Invalid).
const (
	// Active means that the active script cannot be deleted.
	Active storage.Kind = "script is active"
	// TooManyScripts and TooLarge mean that a quota is reached (RFC 5804 §1.3).
	TooManyScripts storage.Kind = "too many scripts"
	TooLarge       storage.Kind = "script is too large"
)

// Config has the settings of scripts.
type Config struct {
	MaxScript    int      `toml:"max_script"`    // bytes of a script
	MaxScripts   int      `toml:"max_scripts"`   // of one account
	MaxRedirects int      `toml:"max_redirects"` // of one message
	Global       string   `toml:"global"`        // folder with the scripts of include :global, NAME.sieve; "": none
	Disable      []string `toml:"disable"`       // extensions not to be known
}

// DefaultConfig returns settings that serve everyone.
func DefaultConfig() Config { return Config{MaxScript: 256 << 10, MaxScripts: 50, MaxRedirects: 8} }

// Validate reports all mistakes at once.
func (c *Config) Validate() (err error) {
	if c.MaxScript < 4<<10 || c.MaxScript > 512<<10 {
		err = errors.Join(err, fmt.Errorf("sieve.max_script: %d bytes, must be 4096 to 524288", c.MaxScript))
	}
	if c.MaxScripts < 1 || c.MaxScripts > 1000 {
		err = errors.Join(err, fmt.Errorf("sieve.max_scripts: %d, must be 1 to 1000", c.MaxScripts))
	}
	if c.MaxRedirects < 0 || c.MaxRedirects > 100 {
		err = errors.Join(err, fmt.Errorf("sieve.max_redirects: %d, must be 0 to 100", c.MaxRedirects))
	}
	return err
}

// Scripts are the scripts of all accounts.
type Scripts struct {
	storage  *storage.Store
	compiler *sieve.Compiler
	cfg      Config
	log      *slog.Logger

	mu     sync.Mutex
	gen    uint64 // of changes to any script
	known  map[storage.AccountID]*kept
	weight int
}

// kept is what is remembered of an account.
type kept struct {
	name    string        // of the active script, "": none
	script  *sieve.Script // nil: none, or failed
	failed  error
	further map[string]*sieve.Script // that it includes
}

// maxWeight bounds what is remembered, in accounts without a script and, about, kilobytes of scripts.
const maxWeight = 100_000

// NewScripts returns the scripts in a store.
func NewScripts(s *storage.Store, cfg Config, log *slog.Logger) (*Scripts, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	o := sieve.DefaultOptions()
	o.MaxScript, o.Disable = cfg.MaxScript, cfg.Disable
	return &Scripts{storage: s, compiler: sieve.NewCompiler(o), cfg: cfg, log: log, known: map[storage.AccountID]*kept{}}, nil
}

// Compiler is what scripts are compiled with.
func (s *Scripts) Compiler() *sieve.Compiler { return s.compiler }

// Config returns the settings.
func (s *Scripts) Config() Config { return s.cfg }

// Script is one script of an account.
type Script struct {
	Name    string
	Size    int       // bytes
	Changed time.Time // UTC
	Active  bool
}

const (
	scriptPrefix = "sieve/script/"
	activeRecord = "sieve/active"
	// version, time of the change, text
	scriptVersion = 1
	scriptHead    = 9
)

// CheckName tells what is wrong with a script's name (RFC 5804 §1.6); Invalid.
func CheckName(name string) error {
	bad := name == "" || len(name) > 512 || !utf8.ValidString(name)
	for _, r := range name {
		bad = bad || r < ' ' || r >= 0x7f && r <= 0x9f || r == 0x2028 || r == 0x2029
	}
	if bad {
		return fmt.Errorf("script name %.60q: %w", name, storage.Invalid)
	}
	return nil
}

// List returns an account's scripts by name.
func (s *Scripts) List(ctx context.Context, a storage.AccountID) (list []Script, err error) {
	err = s.storage.View(ctx, a, func(v *storage.View) error {
		list, err = listIn(v)
		return err
	})
	return list, err
}

func listIn(v *storage.View) (list []Script, err error) {
	active, err := activeIn(v)
	if err != nil {
		return nil, err
	}
	for name, b := range v.Records(scriptPrefix) {
		name = strings.TrimPrefix(name, scriptPrefix)
		text, changed, err := decode(name, b)
		if err != nil {
			return nil, err
		}
		list = append(list, Script{Name: name, Size: len(text), Changed: changed, Active: name == active})
	}
	return list, nil
}

func decode(name string, b []byte) (text string, changed time.Time, err error) {
	if len(b) < scriptHead || b[0] != scriptVersion {
		return "", changed, fmt.Errorf("script %q: %w", name, storage.Corrupt)
	}
	return string(b[scriptHead:]), time.Unix(int64(binary.BigEndian.Uint64(b[1:])), 0).UTC(), nil
}

func encode(text string, now time.Time) []byte {
	b := make([]byte, 0, scriptHead+len(text))
	b = binary.BigEndian.AppendUint64(append(b, scriptVersion), uint64(now.Unix()))
	return append(b, text...)
}

// activeIn is the name of the active script, "" when there is none.
func activeIn(v *storage.View) (string, error) {
	b, err := v.Record(activeRecord)
	if errors.Is(err, storage.NotFound) {
		return "", nil
	}
	return string(b), err
}

func textIn(v *storage.View, name string) (string, error) {
	if CheckName(name) != nil {
		return "", fmt.Errorf("script %.60q: %w", name, storage.NotFound)
	}
	b, err := v.Record(scriptPrefix + name)
	if err != nil {
		return "", fmt.Errorf("script %q: %w", name, err)
	}
	text, _, err := decode(name, b)
	return text, err
}

// Get returns a script's text; NotFound.
func (s *Scripts) Get(ctx context.Context, a storage.AccountID, name string) (text string, err error) {
	err = s.storage.View(ctx, a, func(v *storage.View) error {
		text, err = textIn(v, name)
		return err
	})
	return text, err
}

// Check compiles a text for an account. The error is sieve.Problems, or TooLarge.
func (s *Scripts) Check(ctx context.Context, a storage.AccountID, text string) ([]sieve.Problem, error) {
	if len(text) > s.cfg.MaxScript {
		return nil, fmt.Errorf("%d bytes, %d are allowed: %w", len(text), s.cfg.MaxScript, TooLarge)
	}
	script, err := s.compiler.Compile(text)
	if err != nil {
		return nil, err
	}
	warnings := script.Warnings()
	for _, name := range script.Includes() {
		_, err := s.Get(ctx, a, name)
		if errors.Is(err, storage.NotFound) {
			warnings = append(warnings, sieve.Problem{Pos: sieve.Pos{Line: 1, Col: 1}, Text: fmt.Sprintf("the included script %q is not there yet", name)})
		}
	}
	return warnings, nil
}

// Room tells whether a script of that size may be put: nil, TooManyScripts or TooLarge (RFC 5804 §2.5).
func (s *Scripts) Room(ctx context.Context, a storage.AccountID, name string, size int64) error {
	if size > int64(s.cfg.MaxScript) {
		return fmt.Errorf("%d bytes, %d are allowed: %w", size, s.cfg.MaxScript, TooLarge)
	}
	return s.storage.View(ctx, a, func(v *storage.View) error { return s.roomIn(v, name) })
}

func (s *Scripts) roomIn(v *storage.View, name string) error {
	list, err := listIn(v)
	if err != nil {
		return err
	}
	for _, x := range list {
		if x.Name == name {
			return nil
		}
	}
	if len(list) >= s.cfg.MaxScripts {
		return fmt.Errorf("%d scripts: %w", len(list), TooManyScripts)
	}
	return nil
}

// Put makes or replaces a script, when it compiles. It returns warnings. The error may be
// sieve.Problems, TooLarge, TooManyScripts, Invalid for the name.
func (s *Scripts) Put(ctx context.Context, a storage.AccountID, name, text string) ([]sieve.Problem, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	warnings, err := s.Check(ctx, a, text)
	if err != nil {
		return nil, err
	}
	return warnings, s.change(ctx, a, func(tx *storage.Tx) error {
		if err := s.roomIn(&tx.View, name); err != nil {
			return err
		}
		return tx.SetRecord(scriptPrefix+name, encode(text, time.Now()))
	})
}

// Activate makes a script the active one, or with "" none; NotFound.
func (s *Scripts) Activate(ctx context.Context, a storage.AccountID, name string) error {
	return s.change(ctx, a, func(tx *storage.Tx) error {
		if name == "" {
			return tx.SetRecord(activeRecord, nil)
		}
		if _, err := textIn(&tx.View, name); err != nil {
			return err
		}
		return tx.SetRecord(activeRecord, []byte(name))
	})
}

// Delete removes a script; NotFound, Active.
func (s *Scripts) Delete(ctx context.Context, a storage.AccountID, name string) error {
	return s.change(ctx, a, func(tx *storage.Tx) error {
		if _, err := textIn(&tx.View, name); err != nil {
			return err
		}
		active, err := activeIn(&tx.View)
		if err == nil && active == name {
			err = fmt.Errorf("script %q: %w", name, Active)
		}
		if err != nil {
			return err
		}
		return tx.SetRecord(scriptPrefix+name, nil)
	})
}

// Rename gives a script another name; it stays active. NotFound, Exists, Invalid.
func (s *Scripts) Rename(ctx context.Context, a storage.AccountID, old, name string) error {
	if err := CheckName(name); err != nil {
		return err
	}
	return s.change(ctx, a, func(tx *storage.Tx) error {
		b, err := tx.Record(scriptPrefix + old)
		if err != nil || CheckName(old) != nil {
			return fmt.Errorf("script %.60q: %w", old, errors.Join(err, storage.NotFound))
		}
		if old == name {
			return nil
		}
		if _, err := tx.Record(scriptPrefix + name); err == nil {
			return fmt.Errorf("script %q: %w", name, storage.Exists)
		} else if !errors.Is(err, storage.NotFound) {
			return err
		}
		active, err := activeIn(&tx.View)
		if err != nil {
			return err
		}
		if active == old {
			if err := tx.SetRecord(activeRecord, []byte(name)); err != nil {
				return err
			}
		}
		return errors.Join(tx.SetRecord(scriptPrefix+name, b), tx.SetRecord(scriptPrefix+old, nil))
	})
}

// change makes a change and forgets what was remembered.
func (s *Scripts) change(ctx context.Context, a storage.AccountID, fn func(*storage.Tx) error) error {
	err := s.storage.Update(ctx, a, func(tx *storage.Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		return tx.Touch()
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gen++
	delete(s.known, a)
	return err
}

// active returns what is to run for an account.
func (s *Scripts) active(ctx context.Context, a storage.AccountID) (*kept, error) {
	s.mu.Lock()
	k, gen := s.known[a], s.gen
	s.mu.Unlock()
	if k != nil {
		return k, nil
	}
	k = &kept{}
	text := ""
	err := s.storage.View(ctx, a, func(v *storage.View) (err error) {
		if k.name, err = activeIn(v); err != nil || k.name == "" {
			return err
		}
		text, err = textIn(v, k.name)
		return err
	})
	if errors.Is(err, storage.NotFound) {
		k.name, err = "", nil
	}
	if err != nil {
		return nil, err
	}
	if k.name != "" {
		k.script, k.failed = s.compiler.Compile(text)
	}
	s.keep(a, k, gen, 1+len(text)>>10)
	return k, nil
}

// keep remembers k, unless a script changed since gen.
func (s *Scripts) keep(a storage.AccountID, k *kept, gen uint64, weight int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gen != gen {
		return
	}
	if s.weight += weight; s.weight > maxWeight {
		s.known, s.weight = map[storage.AccountID]*kept{}, weight
	}
	s.known[a] = k
}

// include returns a script that another includes; sieve.NoScript.
func (s *Scripts) include(ctx context.Context, a storage.AccountID, name string, global bool) (*sieve.Script, error) {
	if global {
		return s.global(name)
	}
	s.mu.Lock()
	k, gen := s.known[a], s.gen
	var script *sieve.Script
	if k != nil {
		script = k.further[name]
	}
	s.mu.Unlock()
	if script != nil {
		return script, nil
	}
	text, err := s.Get(ctx, a, name)
	if errors.Is(err, storage.NotFound) {
		return nil, fmt.Errorf("script %.60q: %w", name, sieve.NoScript)
	}
	if err != nil {
		return nil, err
	}
	if script, err = s.compiler.Compile(text); err != nil {
		return nil, fmt.Errorf("script %.60q: %w", name, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if k != nil && s.gen == gen && s.known[a] == k {
		if k.further == nil {
			k.further = map[string]*sieve.Script{}
		}
		k.further[name] = script
		s.weight += 1 + len(text)>>10
	}
	return script, nil
}

// global reads a script that all accounts may include.
func (s *Scripts) global(name string) (*sieve.Script, error) {
	missing := fmt.Errorf("global script %.60q: %w", name, sieve.NoScript)
	if s.cfg.Global == "" || name == "" || strings.ContainsAny(name, "/\\\x00") || strings.HasPrefix(name, ".") {
		return nil, missing
	}
	b, err := os.ReadFile(filepath.Join(s.cfg.Global, name+".sieve"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, missing
	}
	if err != nil {
		return nil, err
	}
	return s.compiler.Compile(string(b))
}
