package sieve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Kind is a class of failure at run time.
type Kind string

func (k Kind) Error() string { return string(k) }

const (
	// Exhausted means that a script needed more than its Limits allow.
	Exhausted Kind = "the script takes too much"
	// NotAvailable means that something ran that the server does not have (RFC 5463 §4).
	NotAvailable Kind = "not available on this server"
	// Conflict means that actions were wanted that exclude each other.
	Conflict Kind = "actions exclude each other"
	// Wrong means that a value that was made at run time is none that can be used.
	Wrong Kind = "value cannot be used"
	// NoScript means that a script to be included is not there.
	NoScript Kind = "no such script"
)

// Limits bound one run.
type Limits struct {
	Steps     int // commands, tests, and every 64 bytes that are compared
	String    int // bytes of a string and of a variable
	Variables int // in all scopes
	Actions   int
	Redirects int
	Notifies  int
	Includes  int // scripts that are included in one run
	Nesting   int // of scripts that include each other
	Body      int // bytes of decoded content that are looked at
	Edits     int // fields that addheader adds
}

// DefaultLimits returns limits that serve everyone.
func DefaultLimits() Limits {
	return Limits{Steps: 2_000_000, String: 32 << 10, Variables: 256, Actions: 64, Redirects: 8, Notifies: 8,
		Includes: 64, Nesting: 10, Body: 16 << 20, Edits: 64}
}

// Env is what a run may ask.
type Env struct {
	Message  *Message
	From     string            // envelope, "" is the null sender
	To       string            // envelope
	Auth     string            // who authenticated to send it, or ""
	Asked    Asked             // the reports that the sender wants
	Host     Host              // nil: nothing lies outside of the message
	Now      time.Time         // zero: time.Now
	Items    map[string]string // of environment (RFC 5183 §4.1)
	Spam     int               // of 100, how sure it is that this is spam; -1: not looked at
	Virus    int               // 0 not looked at, 1 clean to 5 sure (RFC 5235 §2.2)
	Separate string            // what begins the detail of a local part, such as "+"
	Home     string            // the mailbox of keep; "" is INBOX
	Flags    []string          // that the message has already (RFC 6785 §2.2)
	Lists    Lists             // nil: there are none
	Limits   Limits            // zero: DefaultLimits
}

// Host is what lies outside of message and script.
type Host interface {
	// Mailbox tells what is known of a mailbox; nil when it is not there, or nothing may be put in.
	Mailbox(ctx context.Context, name string) (*MailboxInfo, error)
	// Use returns the mailbox with a special use, such as `\Junk`; "" when none has it.
	Use(ctx context.Context, attr string) (string, error)
	// ByID returns the mailbox with a MAILBOXID (RFC 8474); "" when none has it.
	ByID(ctx context.Context, id string) (string, error)
	// Metadata returns a mailbox's annotation, with the empty name the server's; ok is
	// false when there is none (RFC 5490).
	Metadata(ctx context.Context, mailbox, entry string) (value string, ok bool, err error)
	// Seen tells whether a duplicate test noted that key and it has not expired (RFC 7352).
	Seen(ctx context.Context, key string) (bool, error)
	// Include returns a script; NoScript when there is none.
	Include(ctx context.Context, name string, global bool) (*Script, error)
}

// MailboxInfo is what tests ask of a mailbox.
type MailboxInfo struct {
	Uses []string // `\Junk`
}

// Action is what is to become of the message: one of the types below.
type Action any

// Into is fileinto and keep.
type Into struct {
	Mailbox string   // "": where mail goes without a script
	Create  bool     // RFC 5490 §3.2
	Use     string   // when a mailbox has this special use it goes there (RFC 8579 §4)
	Flags   []string // to be set
	Header  []byte   // the header as edited, nil: as it came
}

// Redirect sends the message on.
type Redirect struct {
	To     string
	Header []byte
	Report Report
}

// Reject refuses the message (RFC 5429).
type Reject struct {
	Reason string
	Mail   bool // reject: a message tells the sender when the protocol cannot
}

// Vacation answers (RFC 5230); see Answer for whether it does.
type Vacation struct {
	Reason    string
	Subject   string // "" for one made of the message's
	From      string
	Addresses []string
	MIME      bool
	Handle    string        // of the answers that count as one
	Pause     time.Duration // until the same sender is answered again
	Copy      *Into         // where a copy goes when it is sent (RFC 8580), nil: none
}

// Notify tells someone (RFC 5435).
type Notify struct {
	Method     string // a URI, mailto:…
	From       string
	Importance string // 1 high, 2 normal, 3 low
	Options    []string
	Message    string
	Copy       *Into // where a copy goes when it is sent (RFC 8580), nil: none
}

// Remember is a key that Host.Seen is to know from now on for a time (RFC 7352).
type Remember struct {
	Key string
	For time.Duration
}

// Result is what came of a run.
type Result struct {
	Actions  []Action   // in their order; the implicit keep, if it stands, is the last, or one with a fileinto to its mailbox
	Implicit bool       // the implicit keep stands
	Remember []Remember // to be noted when the actions are done
}

// run is one run of a script.
type run struct {
	ctx     context.Context
	env     *Env
	msg     *Message
	lim     *Limits
	now     time.Time
	steps   int
	body    int // bytes of content that were looked at
	edits   int
	nvars   int
	globals map[string]string
	scope   *scope
	depth   int
	once    map[string]bool // scripts included so far
	lists   map[string]bool // what lists were asked for, by list and value
	counts  struct{ includes, redirects, notifies int }
	flags   []string // the internal variable (RFC 5232 §2)
	part    *mimePart
	keep    bool
	done    struct{ reject, vacation, other bool }
	res     Result
}

// scope is what a script has of its own.
type scope struct {
	vars    map[string]string
	globals map[string]bool
	match   []string
}

// How a script goes on other than with the next command.
var (
	errStop   = errors.New("stop")
	errReturn = errors.New("return")
)

// at gives a failure its position, once.
func at(p Pos, err error) error {
	var known *failure
	var brk *breaking
	if err == errStop || err == errReturn || errors.As(err, &known) || errors.As(err, &brk) {
		return err
	}
	return &failure{p, err}
}

// failure is a failure at run time with its position.
type failure struct {
	pos Pos
	err error
}

func (f *failure) Error() string { return f.pos.String() + ": " + f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// Run runs a script. When it fails the Result has the implicit keep alone: what
// the script did until then does not count (RFC 5228 §2.10.6).
func (s *Script) Run(ctx context.Context, env *Env) (Result, error) {
	lim := env.Limits
	if lim == (Limits{}) {
		lim = DefaultLimits()
	}
	r := &run{ctx: ctx, env: env, msg: env.Message, lim: &lim, now: env.Now, keep: true, scope: &scope{}, flags: splitFlags(env.Flags)}
	if r.now.IsZero() {
		r.now = time.Now()
	}
	err := s.run(r)
	if brk := (*breaking)(nil); errors.As(err, &brk) || err == errStop || err == errReturn {
		err = nil
	}
	if err == nil {
		err = r.msg.failed()
	}
	if err != nil {
		return Result{Actions: []Action{Into{}}, Implicit: true}, err
	}
	if r.keep {
		r.res.Implicit = true
		if into := (Into{Flags: r.flags, Header: r.msg.Edited()}); !r.again(into) {
			r.res.Actions = append(r.res.Actions, into)
		}
	}
	return r.res, nil
}

// step counts work; Exhausted when it is too much.
func (r *run) step(n int) error {
	if r.steps += n; r.steps > r.lim.Steps {
		return fmt.Errorf("more than %d steps: %w", r.lim.Steps, Exhausted)
	}
	if r.steps&1023 == 0 {
		return r.ctx.Err()
	}
	return nil
}

// work counts the comparing of n bytes.
func (r *run) work(n int) error { return r.step(n >> 6) }

// place is the mailbox of an action.
func (r *run) place(a *Into) string {
	name := cmp.Or(a.Mailbox, r.env.Home)
	if name == "" || strings.EqualFold(name, "INBOX") {
		return "INBOX"
	}
	return name
}

// again tells whether an action is there already: then it counts once (RFC 5228 §2.10.3), with the
// last flags (RFC 5232 §5).
func (r *run) again(a Action) bool {
	switch a := a.(type) {
	case Into:
		for i, old := range r.res.Actions {
			if o, ok := old.(Into); ok && r.place(&o) == r.place(&a) && o.Use == a.Use {
				o.Flags, o.Create = a.Flags, o.Create || a.Create
				r.res.Actions[i] = o
				return true
			}
		}
	case Redirect:
		for _, old := range r.res.Actions {
			if o, ok := old.(Redirect); ok && strings.EqualFold(o.To, a.To) {
				return true
			}
		}
	}
	return false
}

// act adds an action.
func (r *run) act(a Action) error {
	if r.again(a) {
		return nil
	}
	if len(r.res.Actions) >= r.lim.Actions {
		return fmt.Errorf("more than %d actions: %w", r.lim.Actions, Exhausted)
	}
	r.res.Actions = append(r.res.Actions, a)
	return nil
}

// other notes an action that cannot be together with a refusal (RFC 5429 §2.1, §2.2).
func (r *run) other() error {
	if r.done.reject {
		return fmt.Errorf("the message is refused already: %w", Conflict)
	}
	r.done.other = true
	return nil
}

// variable returns a variable's value, "" when it has none (RFC 5229 §3).
func (r *run) variable(ref *reference) string {
	if ref.match >= 0 {
		if ref.match < len(r.scope.match) {
			return r.scope.match[ref.match]
		}
		return ""
	}
	if ref.global || r.scope.globals[ref.name] {
		return r.globals[ref.name]
	}
	return r.scope.vars[ref.name]
}

// set gives a variable a value.
func (r *run) set(ref *reference, value string) error {
	value = cut(value, r.lim.String)
	vars := &r.scope.vars
	if ref.global || r.scope.globals[ref.name] {
		vars = &r.globals
	}
	if *vars == nil {
		*vars = map[string]string{}
	}
	if _, ok := (*vars)[ref.name]; !ok {
		if r.nvars++; r.nvars > r.lim.Variables {
			return fmt.Errorf("more than %d variables: %w", r.lim.Variables, Exhausted)
		}
	}
	(*vars)[ref.name] = value
	return nil
}

// host returns the Host, or one that knows nothing.
func (r *run) host() Host {
	if r.env.Host != nil {
		return r.env.Host
	}
	return nowhere{}
}

// nowhere is a Host that knows nothing but INBOX.
type nowhere struct{}

func (nowhere) Mailbox(_ context.Context, name string) (*MailboxInfo, error) {
	if strings.EqualFold(name, "INBOX") {
		return &MailboxInfo{}, nil
	}
	return nil, nil
}
func (nowhere) Use(context.Context, string) (string, error)  { return "", nil }
func (nowhere) ByID(context.Context, string) (string, error) { return "", nil }
func (nowhere) Metadata(context.Context, string, string) (string, bool, error) {
	return "", false, nil
}
func (nowhere) Seen(context.Context, string) (bool, error) { return false, nil }
func (nowhere) Include(_ context.Context, name string, _ bool) (*Script, error) {
	return nil, fmt.Errorf("script %q: %w", clip(name), NoScript)
}
