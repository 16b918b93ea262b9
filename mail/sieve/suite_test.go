package sieve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// A Stage carries out what scripts want, for a Suite.
type Stage interface {
	// Do carries actions out and tells where mail would have gone without one.
	Do(env *Env, owner string, res *Result) error
	// Sent is the n-th message that went out since the last Reset, with its envelope.
	Sent(n int) (from, to, content string, ok bool)
	// Filed is the n-th message in a mailbox.
	Filed(mailbox string, n int) (content string, flags []string, ok bool)
	Create(mailbox string) error
	Annotate(mailbox, entry, value string) error
	Host() Host
	Reset()
}

// Suite runs one file of a foreign suite of tests: a script that has, by the extension
// vnd.dovecot.testsuite, further commands and tests.
type Suite struct {
	compiler *Compiler
	stage    Stage
	dir      string
	run      *run
	env      *Env
	owner    string
	script   *Script
	errs     []string
	limits   Limits // of scripts
	res      Result
	keep     *Into
	scripted bool // res came of a script, not of the file's own commands
	done     int
	lists    map[string]string // file with the members, "" none
	foreign  []string          // settings that were asked for and that we do not have
	Cases    []SuiteCase
}

// SuiteCase is one test of a file.
type SuiteCase struct {
	Name, Why string // Why is "" when it passed
	Foreign   string // a setting that was in force and is not ours
}

// errSuite ends one test.
type errSuite struct{ why string }

func (e *errSuite) Error() string { return e.why }

// NewSuite makes the runner of one file.
func NewSuite(stage Stage) *Suite {
	s := &Suite{stage: stage}
	s.compiler = NewCompiler(DefaultOptions())
	x := s.extension()
	l := s.compiler.lang
	l.known[x.name] = x
	for _, c := range x.commands {
		c.ext = []string{x.name}
		l.commands[c.name] = &c
	}
	for _, t := range x.tests {
		t.ext = []string{x.name}
		l.tests[t.name] = &t
	}
	return s
}

// Run runs a file. The error is why nothing of it could be run.
func (s *Suite) Run(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	s.dir = filepath.Dir(path)
	script, err := s.compiler.Compile(wire(strings.ReplaceAll(string(text), "${tst.path}", s.dir)))
	if err != nil {
		return err
	}
	s.limits = DefaultLimits()
	lim := DefaultLimits()
	lim.Actions, lim.Steps, lim.Body, lim.Redirects, lim.Notifies = 1000, 1<<40, 1<<40, 1000, 1000
	lim.Edits, lim.Includes = 1<<20, 255
	s.env = &Env{Host: s, Lists: s, Separate: "+", Spam: -1, Limits: lim,
		Items: map[string]string{"name": "Atrium", "version": "1", "location": "MS", "phase": "post", "host": "mail.example.org", "domain": "example.org", "remote-host": "", "remote-ip": ""}}
	s.run = &run{ctx: context.Background(), env: s.env, lim: &s.env.Limits, keep: true, scope: &scope{}}
	s.message("From: sender@example.com\r\nTo: recipient@example.org\r\n\r\n")
	err = script.run(s.run)
	if err == errStop {
		err = nil
	}
	return err
}

// message sets the message, and the envelope as its header says.
func (s *Suite) message(text string) {
	s.env.Message = NewMessage(strings.NewReader(text), int64(len(text)))
	s.run.msg = s.env.Message
	first := func(name, otherwise string) string {
		for _, f := range s.env.Message.named(name) {
			if a := addressOf(f.text()); a != "" {
				return a
			}
		}
		return otherwise
	}
	s.env.From, s.env.To = first("from", "sender@example.com"), first("to", "recipient@example.org")
	s.run.flags = nil
}

func (s *Suite) extension() *extension {
	matching := with(matchTags, []tagDef{{name: "count", value: "s", group: "match"}, {name: "value", value: "s", group: "match"}, {name: "index", value: "n"}})
	msg := shape{tags: []tagDef{{name: "smtp", group: "where"}, {name: "folder", value: "s", group: "where"}}, args: "n"}
	return &extension{name: "vnd.dovecot.testsuite", commands: []command{
		{name: "test", shape: shape{args: "s", block: true}, compile: s.test},
		{name: "test_fail", shape: shape{args: "s"}, compile: s.do(func(a []string) error { return &errSuite{a[0]} })},
		{name: "test_set", shape: shape{args: "ss"}, compile: s.do(s.set)},
		{name: "test_config_set", shape: shape{args: "ss"}, compile: s.do(s.config)},
		{name: "test_config_unset", shape: shape{args: "s"}, compile: s.do(func(a []string) error {
			s.foreign = slices.DeleteFunc(s.foreign, func(f string) bool { return f == a[0] })
			return nil
		})},
		{name: "test_config_reload", shape: shape{tags: []tagDef{{name: "extension", value: "s"}}}, compile: s.do(nil)},
		{name: "test_result_reset", compile: s.do(func([]string) error { s.reset(); return nil })},
		{name: "test_result_print", compile: s.do(nil)},
		{name: "test_binary_save", shape: shape{args: "s"}, compile: s.do(nil)},
		{name: "test_binary_load", shape: shape{args: "s"}, compile: s.do(nil)},
		{name: "test_mailbox_create", shape: shape{args: "s"}, compile: s.do(func(a []string) error { return s.stage.Create(a[0]) })},
		{name: "test_imap_metadata_set", shape: shape{tags: []tagDef{{name: "mailbox", value: "s"}}, args: "ss"}, compile: func(c *compiler, a *call) op {
			box, entry, value := c.text(a.tags["mailbox"]), c.text(a.pos[0]), c.text(a.pos[1])
			return func(r *run) error {
				name := ""
				if box != nil {
					name = box.eval(r)
				}
				return s.stage.Annotate(name, entry.eval(r), value.eval(r))
			}
		}},
		{name: "test_message", shape: msg, compile: func(c *compiler, a *call) op {
			get := s.take(c, a)
			return func(r *run) error {
				if !get(r) {
					return &errSuite{"there is no such message"}
				}
				return nil
			}
		}},
	}, tests: []test{
		{name: "test_message", shape: msg, compile: func(c *compiler, a *call) cond {
			get := s.take(c, a)
			return func(r *run) (bool, error) { return get(r), nil }
		}},
		{name: "test_script_compile", shape: shape{args: "s"}, compile: s.ask(func(a []string) bool { return s.load(a[0]) })},
		{name: "test_script_run", shape: shape{tags: []tagDef{{name: "append_result"}}}, compile: func(_ *compiler, a *call) cond {
			return func(*run) (bool, error) { return s.play(a.tag("append_result")), nil }
		}},
		{name: "test_multiscript", shape: shape{args: "l"}, compile: s.ask(func(names []string) bool {
			for i, n := range names {
				if !s.load(n) || !s.play(i > 0) {
					return false
				}
			}
			return s.execute()
		})},
		{name: "test_result_execute", compile: s.ask(func([]string) bool { return s.execute() })},
		{name: "test_result_action", shape: shape{tags: matching, args: "l"}, compile: s.listed(s.actions)},
		{name: "test_error", shape: shape{tags: matching, args: "l"}, compile: s.listed(func() []string { return s.errs })},
	}}
}

// Content is the message as it came.
func (m *Message) Content() (io.ReaderAt, int64, int64) { return m.r, 0, m.size }

// do makes a command of a function of its arguments.
func (s *Suite) do(f func([]string) error) func(*compiler, *call) op {
	return func(c *compiler, a *call) op {
		var args [][]*template
		for _, p := range a.pos {
			args = append(args, c.texts(p))
		}
		return func(r *run) error {
			if f == nil {
				return nil
			}
			var list []string
			for _, t := range args {
				list = append(list, evalAll(r, t)...)
			}
			return f(list)
		}
	}
}

func (s *Suite) ask(f func([]string) bool) func(*compiler, *call) cond {
	return func(c *compiler, a *call) cond {
		var yes bool
		do := s.do(func(list []string) error { yes = f(list); return nil })(c, a)
		return func(r *run) (bool, error) { err := do(r); return yes, err }
	}
}

func (s *Suite) listed(list func() []string) func(*compiler, *call) cond {
	return func(c *compiler, a *call) cond {
		m, at := c.matcher(a, a.pos[0]), a.tags["index"]
		return func(r *run) (bool, error) {
			values := list()
			if at != nil {
				if at.n < 1 || int(at.n) > len(values) {
					return false, nil
				}
				values = values[at.n-1 : at.n]
			}
			return m.match(r, values)
		}
	}
}

// test is one test; what fails in it does not end the file.
func (s *Suite) test(c *compiler, a *call) op {
	name := c.text(a.pos[0])
	return func(r *run) error {
		k := SuiteCase{Name: name.eval(r)}
		if err := a.block(r); err != nil && err != errStop {
			k.Why = err.Error()
			if strings.Contains(k.Why, "error") {
				k.Why += "\n    " + strings.Join(s.errs, "\n    ")
			}
		}
		k.Foreign = strings.Join(s.foreign, " ")
		s.Cases = append(s.Cases, k)
		return nil
	}
}

func (s *Suite) set(a []string) error {
	switch a[0] {
	case "message":
		s.message(a[1])
	case "envelope.from":
		s.env.From = strings.Trim(a[1], "<>")
	case "envelope.to":
		s.env.To = strings.Trim(a[1], "<>")
	case "envelope.auth":
		s.env.Auth = a[1]
	case "envelope.orig_to":
		s.foreign = append(s.foreign, a[0])
	default:
		return fmt.Errorf("test_set %q", a[0])
	}
	return nil
}

func (s *Suite) config(a []string) error {
	n, err := strconv.Atoi(strings.TrimSpace(a[1]))
	l := &s.limits
	list, isList := strings.CutPrefix(a[0], "sieve_extlists_list/")
	switch {
	case isList && strings.HasSuffix(list, "/name"):
		s.members(a[1])
	case isList && strings.HasSuffix(list, "/dict/file/path"):
		s.lists[strings.TrimSuffix(list, "/dict/file/path")] = a[1]
	case isList, a[0] == "sieve_extlists_list":
	case a[0] == "recipient_delimiter":
		s.env.Separate = a[1]
	case a[0] == "sieve_user_email":
		s.owner = a[1]
	case a[0] == "sieve_notify_max_notifications" && err == nil:
		l.Notifies = n
	case a[0] == "sieve_include_max_includes" && err == nil:
		l.Includes = n
	case a[0] == "sieve_include_max_nesting_depth" && err == nil:
		l.Nesting = n
	case a[0] == "sieve_variables_max_variable_size" && err == nil:
		l.String, s.env.Limits.String = n, n
	default:
		s.foreign = append(s.foreign, a[0])
	}
	return nil
}

func (s *Suite) reset() {
	s.stage.Reset()
	s.res, s.run.res, s.done, s.scripted, s.keep = Result{}, Result{}, 0, false, nil
	s.run.keep, s.run.flags = true, nil
	s.run.done.reject, s.run.done.vacation, s.run.done.other = false, false, false
	s.run.counts.redirects, s.run.counts.notifies, s.run.counts.includes = 0, 0, 0
}

// load compiles a script.
func (s *Suite) load(name string) bool {
	s.script, s.errs = nil, nil
	text, err := os.ReadFile(filepath.Join(s.dir, name))
	if err != nil {
		s.errs = append(s.errs, err.Error())
		return false
	}
	if s.script, err = s.compiler.Compile(wire(string(text))); err == nil {
		return true
	}
	var list Problems
	if errors.As(err, &list) {
		for _, p := range list {
			s.errs = append(s.errs, strings.TrimSuffix(filepath.Base(name), ".sieve")+": "+p.Error())
		}
	}
	s.errs = append(s.errs, "validation failed") // the other implementation sums up
	return false
}

// play runs the script that was compiled last.
func (s *Suite) play(more bool) bool {
	s.errs = nil
	if s.script == nil {
		return false
	}
	if !more {
		s.res, s.done, s.keep = Result{}, 0, nil
	}
	s.scripted = true
	env := *s.env
	env.Limits = s.limits
	res, err := s.script.Run(context.Background(), &env)
	if err != nil {
		s.errs = append(s.errs, err.Error())
		return false
	}
	if s.res.Implicit && len(s.res.Actions) > 0 { // it was not wanted for its own sake
		s.done -= min(s.done, 1)
		s.res.Actions = s.res.Actions[:len(s.res.Actions)-1]
	}
	s.res.Implicit = res.Implicit
	s.res.Remember = append(s.res.Remember, res.Remember...)
	s.res.Actions = append(s.res.Actions, res.Actions...)
	return true
}

// result is what is to be done: of a script, or of the file's own commands.
func (s *Suite) result() *Result {
	if s.scripted {
		return &s.res
	}
	res := s.run.res
	if s.run.keep {
		res.Implicit = true
		res.Actions = append(res.Actions[:len(res.Actions):len(res.Actions)], Into{Flags: s.run.flags, Header: s.run.msg.Edited()})
	}
	return &res
}

func (s *Suite) execute() bool {
	s.errs = nil
	res := s.result()
	all := *res
	all.Actions = res.Actions[min(s.done, len(res.Actions)):]
	s.done = len(res.Actions)
	if res.Implicit {
		s.done--
	}
	if err := s.stage.Do(s.env, s.owner, &all); err != nil {
		s.errs = append(s.errs, err.Error())
		return false
	}
	return true
}

// actions are the names of the actions, as the other implementation has them.
func (s *Suite) actions() (out []string) {
	res := s.result()
	list := res.Actions
	if res.Implicit {
		list = list[:len(list)-1]
	}
	for _, a := range list {
		switch a := a.(type) {
		case Into:
			if a.Mailbox == "" {
				out = append(out, "keep")
			} else {
				out = append(out, "store")
			}
		case Redirect:
			out = append(out, "redirect")
		case Reject:
			out = append(out, "reject")
		case Vacation:
			out = append(out, "vacation")
		case Notify:
			out = append(out, "notify")
		}
	}
	return out
}

// take makes a message that was filed or sent the message of the tests that follow.
func (s *Suite) take(c *compiler, a *call) func(*run) bool {
	folder := c.text(a.tags["folder"])
	return func(r *run) bool {
		n := int(a.pos[0].n)
		if folder != nil {
			content, flags, ok := s.stage.Filed(folder.eval(r), n)
			if ok {
				s.message(content)
				s.run.flags = flags
			}
			return ok
		}
		from, to, content, ok := s.stage.Sent(n)
		if ok {
			s.message(content)
			s.env.From, s.env.To = from, to
		}
		return ok
	}
}

// members makes a list known.
func (s *Suite) members(name string) {
	if s.lists == nil {
		s.lists = map[string]string{}
	}
	s.lists[name] = ""
}

// A Suite has lists too: files.

func (s *Suite) Valid(_ context.Context, list string) (bool, error) {
	_, ok := s.lists[list]
	return ok, nil
}

func (s *Suite) Has(_ context.Context, list, value string) (bool, error) {
	if s.lists[list] == "" {
		return false, nil
	}
	b, err := os.ReadFile(s.lists[list])
	for _, line := range strings.Fields(string(b)) {
		if strings.EqualFold(strings.TrimPrefix(line, "priv/"), value) || strings.HasSuffix(strings.ToLower(line), "/"+strings.ToLower(value)) {
			return true, err
		}
	}
	return false, err
}

func (s *Suite) Members(context.Context, string, int) ([]string, error) { return nil, nil }

// A Suite is the Host of the scripts it runs: scripts to be included are files.

func (s *Suite) Mailbox(ctx context.Context, name string) (*MailboxInfo, error) {
	return s.stage.Host().Mailbox(ctx, name)
}
func (s *Suite) Use(ctx context.Context, attr string) (string, error) {
	return s.stage.Host().Use(ctx, attr)
}
func (s *Suite) ByID(ctx context.Context, id string) (string, error) {
	return s.stage.Host().ByID(ctx, id)
}
func (s *Suite) Metadata(ctx context.Context, box, entry string) (string, bool, error) {
	return s.stage.Host().Metadata(ctx, box, entry)
}
func (s *Suite) Seen(ctx context.Context, key string) (bool, error) {
	return s.stage.Host().Seen(ctx, key)
}
func (s *Suite) Include(_ context.Context, name string, global bool) (*Script, error) {
	folder := "included"
	if global {
		folder += "-global"
	}
	text, err := os.ReadFile(filepath.Join(s.dir, folder, name+".sieve"))
	if err != nil {
		return nil, fmt.Errorf("script %q: %w", name, NoScript)
	}
	return s.compiler.Compile(wire(string(text)))
}
