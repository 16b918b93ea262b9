package rules

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"atrium/mail/sieve"
	"atrium/storage"
)

// SettingsName is the script that Settings are kept as.
const SettingsName = "atrium"

// Settings are rules as forms show them.
type Settings struct {
	Vacation *Vacation `json:",omitempty"`
	Rules    []Rule    `json:",omitempty"` // in their order; the first that fits ends it, unless it goes on
	Forward  *Forward  `json:",omitempty"` // of what no rule stopped
}

// Vacation answers mail while someone is away.
type Vacation struct {
	Enabled     bool
	From, Until string   `json:",omitempty"` // first and last day, 2006-01-02; "": open
	Zone        string   `json:",omitempty"` // in which the days are, +0200; "": the server's
	Subject     string   `json:",omitempty"`
	Text        string   // the answer
	Days        int      `json:",omitempty"` // between two answers to the same sender; 0: 7
	Addresses   []string `json:",omitempty"` // further addresses of the account, elsewhere
}

// Forward sends mail on.
type Forward struct {
	Enabled bool
	To      []string
	Keep    bool // it stays here too
}

// Rule does something with messages that fit.
type Rule struct {
	Name     string `json:",omitempty"`
	Disabled bool   `json:",omitempty"`
	Any      bool   `json:",omitempty"` // one condition is enough; else all must hold
	If       []Condition
	Folder   string   `json:",omitempty"` // to move it to, made when it is not there
	Copy     bool     `json:",omitempty"` // it goes to INBOX too
	Flags    []string `json:",omitempty"` // `\Flagged`, `\Seen`, keywords
	Forward  []string `json:",omitempty"` // addresses
	Delete   bool     `json:",omitempty"` // it goes nowhere; Folder does not count
	GoOn     bool     `json:",omitempty"` // the rules behind it count too
}

// Condition is what a message must be.
type Condition struct {
	Field string // "from", "to" (and Cc), "subject", "list", "body", or "header:Name"
	How   string // "contains", "is", "domain" (of addresses), "exists"
	Value string `json:",omitempty"`
	Not   bool   `json:",omitempty"`
}

// State is what Settings of an account are.
type State struct {
	Settings Settings
	Exists   bool   // there is such a script
	Active   bool   // and it is the active one
	Other    string // the active script, when it is another
	Edited   bool   // the script was edited by hand: it does other than Settings say
}

// How SetSettings takes a script that was edited by hand, and another that is active.
type Overwrite int

const (
	KeepEdits Overwrite = iota // Edited is returned instead of writing over edits; another active script stays active
	Replace                    // edits are lost, and the settings become active
)

// Edited means that the script was edited by hand.
const Edited storage.Kind = "the rules were edited as a script"

const (
	settingsMark = "# Rules made by Atrium. Edited by hand they stay as they are, but forms show them no more."
	settingsData = "# settings "
	settingsSum  = "# sum "
)

// settingsCompiler checks what forms make, whatever extensions the server leaves out.
var settingsCompiler = sync.OnceValue(func() *sieve.Compiler { return sieve.NewCompiler(sieve.DefaultOptions()) })

// Validate tells what cannot be: Invalid.
func (s *Settings) Validate() error {
	_, err := settingsCompiler().Compile(s.body())
	if err == nil && s.Vacation != nil {
		for _, day := range []string{s.Vacation.From, s.Vacation.Until} {
			if _, e := time.Parse("2006-01-02", day); day != "" && e != nil {
				err = fmt.Errorf("%q is no day such as 2006-01-02", day)
			}
		}
		if s.Vacation.From != "" && s.Vacation.Until != "" && s.Vacation.Until < s.Vacation.From {
			err = fmt.Errorf("the last day %s is before the first %s", s.Vacation.Until, s.Vacation.From)
		}
	}
	for _, r := range s.Rules {
		for _, c := range r.If {
			if c.test() == "" {
				err = errors.Join(err, fmt.Errorf("rule %q: unknown condition %q %q", r.Name, c.Field, c.How))
			}
		}
		if len(r.If) == 0 {
			err = errors.Join(err, fmt.Errorf("rule %q has no conditions", r.Name))
		}
	}
	if err != nil {
		return fmt.Errorf("settings: %w: %w", storage.Invalid, err)
	}
	return nil
}

// Script writes the settings as a script, with what ParseSettings needs to read them back.
func (s *Settings) Script() string {
	data, err := json.Marshal(s)
	if err != nil {
		return "" // strings and numbers alone
	}
	body := s.body()
	var b strings.Builder
	b.WriteString(settingsMark + "\r\n" + settingsSum + sumOf(body) + "\r\n")
	for part := base64.StdEncoding.EncodeToString(data); part != ""; {
		n := min(len(part), 76)
		b.WriteString(settingsData + part[:n] + "\r\n")
		part = part[n:]
	}
	return b.String() + body
}

// ParseSettings reads settings back from a script; ok is false when it has none. edited
// tells that what follows them is not what they say any more.
func ParseSettings(script string) (s Settings, edited, ok bool) {
	script = crlf(script)
	rest, ok := strings.CutPrefix(script, settingsMark+"\r\n"+settingsSum)
	if !ok {
		return s, false, false
	}
	sum, rest, _ := strings.Cut(rest, "\r\n")
	var data strings.Builder
	for {
		line, after, more := strings.Cut(rest, "\r\n")
		part, is := strings.CutPrefix(line, settingsData)
		if !is || !more {
			break
		}
		data.WriteString(strings.TrimSpace(part))
		rest = after
	}
	b, err := base64.StdEncoding.DecodeString(data.String())
	if err != nil || json.Unmarshal(b, &s) != nil {
		return Settings{}, false, false
	}
	return s, sumOf(rest) != sum, true
}

// sumOf is a digest that does not depend on how lines end.
func sumOf(body string) string { return sieve.Digest(crlf(body)) }

// quote writes a string of the language.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\x00", "", "${", "${hex:24}{").Replace(s) + `"`
}

func quoteList(list []string) string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = quote(s)
	}
	return "[" + strings.Join(out, ", ") + "]"
}

// body is the script without the head.
func (s *Settings) body() string {
	var b bytes.Buffer
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\r\n", args...) }
	line(`require ["body", "copy", "date", "encoded-character", "fileinto", "imap4flags", "mailbox", "relational", "vacation"];`)
	if v := s.Vacation; v != nil && v.Enabled {
		v.write(line)
	}
	for i := range s.Rules {
		if r := &s.Rules[i]; !r.Disabled && len(r.If) > 0 {
			r.write(line)
		}
	}
	if f := s.Forward; f != nil && f.Enabled {
		for i, to := range f.To {
			if f.Keep || i > 0 {
				line("redirect :copy %s;", quote(to))
			} else {
				line("redirect %s;", quote(to))
			}
		}
	}
	return b.String()
}

func (v *Vacation) write(line func(string, ...any)) {
	var tests []string
	zone := ""
	if v.Zone != "" {
		zone = " :zone " + quote(v.Zone)
	}
	for how, day := range map[string]string{"ge": v.From, "le": v.Until} {
		if day != "" {
			tests = append(tests, fmt.Sprintf(`currentdate%s :value %q "date" %s`, zone, how, quote(day)))
		}
	}
	if len(tests) == 2 && strings.Contains(tests[0], `"le"`) {
		tests[0], tests[1] = tests[1], tests[0]
	}
	days := v.Days
	if days == 0 {
		days = 7
	}
	do := fmt.Sprintf("vacation :days %d", days)
	if v.Subject != "" {
		do += " :subject " + quote(v.Subject)
	}
	if len(v.Addresses) > 0 {
		do += " :addresses " + quoteList(v.Addresses)
	}
	do += " " + quote(crlf(v.Text)) + ";"
	if len(tests) == 0 {
		line("%s", do)
		return
	}
	line("if allof (%s, true) { %s }", strings.Join(tests, ", "), do)
}

func (r *Rule) write(line func(string, ...any)) {
	var tests []string
	for _, c := range r.If {
		if t := c.test(); t != "" {
			tests = append(tests, t)
		}
	}
	how := "allof"
	if r.Any {
		how = "anyof"
	}
	if r.Name != "" {
		line("# rule: %s", strings.NewReplacer("\r", " ", "\n", " ").Replace(r.Name))
	}
	line("if %s (%s) {", how, strings.Join(tests, ", "))
	if len(r.Flags) > 0 {
		line("\taddflag %s;", quoteList(r.Flags))
	}
	for _, to := range r.Forward {
		line("\tredirect :copy %s;", quote(to))
	}
	switch {
	case r.Delete:
		line("\tdiscard;")
	case r.Folder != "" && r.Copy:
		line("\tfileinto :copy :create %s;", quote(r.Folder))
	case r.Folder != "":
		line("\tfileinto :create %s;", quote(r.Folder))
	}
	if !r.GoOn {
		line("\tstop;")
	}
	line("}")
}

// test writes a condition, "" when there is no such.
func (c *Condition) test() string {
	match := map[string]string{"contains": ":contains", "is": ":is", "domain": ":domain :is"}[c.How]
	name, isHeader := strings.CutPrefix(c.Field, "header:")
	fields := map[string]string{"from": `["from", "sender"]`, "to": `["to", "cc", "bcc"]`, "subject": `"subject"`, "list": `["list-id", "mailing-list"]`}[c.Field]
	if isHeader {
		fields = quote(name)
	}
	t := ""
	switch {
	case c.Field == "body" && c.How == "contains":
		t = "body :text :contains " + quote(c.Value)
	case fields == "":
		return ""
	case c.How == "exists" && (isHeader || c.Field == "subject"):
		t = "exists " + fields
	case c.How == "exists":
		var each []string
		for _, f := range strings.Split(strings.Trim(fields, "[]"), ", ") {
			each = append(each, "exists "+f)
		}
		t = "anyof (" + strings.Join(each, ", ") + ")"
	case match == "":
		return ""
	case (c.Field == "from" || c.Field == "to") && (c.How == "is" || c.How == "domain"):
		t = "address " + match + " " + fields + " " + quote(c.Value)
	case c.How == "domain":
		return ""
	default:
		t = "header " + match + " " + fields + " " + quote(c.Value)
	}
	if c.Not {
		t = "not " + t
	}
	return t
}

// Settings returns an account's settings.
func (s *Scripts) Settings(ctx context.Context, a storage.AccountID) (st State, err error) {
	err = s.storage.View(ctx, a, func(v *storage.View) error {
		st, err = settingsIn(v)
		return err
	})
	return st, err
}

func settingsIn(v *storage.View) (st State, err error) {
	active, err := activeIn(v)
	if err != nil {
		return st, err
	}
	if st.Active = active == SettingsName; !st.Active {
		st.Other = active
	}
	text, err := textIn(v, SettingsName)
	if errors.Is(err, storage.NotFound) {
		return st, nil
	}
	if err != nil {
		return st, err
	}
	st.Exists = true
	var ok bool
	st.Settings, st.Edited, ok = ParseSettings(text)
	st.Edited = st.Edited || !ok
	return st, nil
}

// SetSettings writes an account's settings as a script. It becomes active when no other is, or
// with Replace. Invalid, Edited, TooLarge, TooManyScripts.
func (s *Scripts) SetSettings(ctx context.Context, a storage.AccountID, set Settings, o Overwrite) (State, error) {
	if err := set.Validate(); err != nil {
		return State{}, err
	}
	text := set.Script()
	if _, err := s.Check(ctx, a, text); err != nil {
		return State{}, err
	}
	var st State
	err := s.change(ctx, a, func(tx *storage.Tx) error {
		before, err := settingsIn(&tx.View)
		if err != nil {
			return err
		}
		if before.Edited && o == KeepEdits {
			return fmt.Errorf("script %q: %w", SettingsName, Edited)
		}
		if err := s.roomIn(&tx.View, SettingsName); err != nil {
			return err
		}
		if err := tx.SetRecord(scriptPrefix+SettingsName, encode(text, time.Now())); err != nil {
			return err
		}
		st = State{Settings: set, Exists: true, Active: true}
		if before.Other != "" && o == KeepEdits {
			st.Active, st.Other = false, before.Other
			return nil
		}
		return tx.SetRecord(activeRecord, []byte(SettingsName))
	})
	return st, err
}
