package sieve

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestProblems(t *testing.T) {
	compiler := NewCompiler(DefaultOptions())
	for _, tc := range []struct{ script, want string }{
		{"keep", `line 1:5: expected ";" after the command "keep", found end of the script`},
		{"\n  nonsense;", `line 2:3: unknown command "nonsense"`},
		{`require "nonsense";`, `line 1:9: unknown capability "nonsense"`},
		{`fileinto "A";`, `line 1:1: the command "fileinto" needs require "fileinto"`},
		{`require "fileinto"; fileinto :copy "A";`, `line 1:30: the tag ":copy" needs require "copy"`},
		{`require "fileinto"; fileinto;`, `line 1:21: "fileinto" has 0 arguments, wanted: a string`},
		{`require "fileinto"; fileinto ["A"];`, `line 1:30: argument 1 of "fileinto" must be a string`},
		{`if header :is :contains "a" "b" {}`, `line 1:15: ":is" and ":contains" exclude each other`},
		{`if header "a" :is "b" {}`, `line 1:15: the tag ":is" must stand before the other arguments`},
		{`if header :comparator "i;nonsense" "a" "b" {}`, `line 1:23: unknown comparator "i;nonsense"`},
		{`if address "subject" "b" {}`, `line 1:12: the field "subject" has no addresses`},
		{`require "editheader"; addheader "a:" "b";`, `line 1:33: "a:" is no name of a header field`},
		{`require ["editheader", "encoded-character"]; addheader "a" "b${hex:00}";`, `line 1:60: a header field cannot hold a NUL`},
		{`require "enotify"; notify :from "a" "mailto:a@b.example";`, `line 1:33: "a" is no address`},
		{`require "enotify"; notify :options ["a=b", "a", "_a=b"] "mailto:a@b.example";`, "line 1:44: \"a\" is no option: name=value\nline 1:49: \"_a=b\" is no option: name=value"},
		{`require ["include", "encoded-character"]; include "a${hex:01}";`, `line 1:51: "a\x01" cannot be the name of a script`},
		{`else {}`, `line 1:1: "else" must follow "if" or "elsif"`},
		{`keep; require "fileinto";`, `line 1:7: "require" must stand before all other commands`},
		{`if true keep;`, "line 1:1: \"if\" needs a block in { }\nline 1:9: \"true\" takes no test; did the \";\" before it go missing?"},
		{`if { }`, `line 1:1: "if" takes one test`},
		{`redirect "nobody";`, `line 1:10: "nobody" is no address`},
		{`keep "x;`, `line 1:6: this string has no end`},
		{`/* x`, `line 1:1: this comment has no end`},
		{"keep; # ä\nü;", "line 2:1: unexpected character 'ü'"},
		{`if size :over 18446744073709551616 {}`, `line 1:15: this number is too large`},
		{`if size :over 18014398509481984k {}`, `line 1:15: this number is too large`},
		{`require "redirect-dsn"; redirect :notify "NEVER,DELAY" "a@b.example";`, `line 1:42: "NEVER,DELAY": NEVER stands alone`},
		{`require "redirect-dsn"; redirect :notify "often" :ret "x" "a@b.example";`, "line 1:42: \"often\" is neither NEVER nor a list of SUCCESS, FAILURE and DELAY\nline 1:55: \"x\" is neither FULL nor HDRS"},
		{`redirect :notify "NEVER" "a@b.example";`, `line 1:10: the tag ":notify" needs require "redirect-dsn"`},
		{`require "envelope"; if envelope "notify" "NEVER" {}`, `line 1:33: the part "notify" of the envelope needs require "envelope-dsn"`},
		{`require ["envelope", "envelope-dsn"]; if envelope "bytimeabsolute" "x" {}`, `line 1:51: unknown part of the envelope "bytimeabsolute": from, to and auth are`},
		{`require "vacation"; vacation :fcc "A" "x";`, `line 1:30: the tag ":fcc" needs require "fcc"`},
		{`require ["vacation", "fcc"]; vacation :fcc "A" :create "x";`, `line 1:48: the tag ":create" needs require "mailbox"`},
		{`require ["vacation", "mailbox", "imap4flags"]; vacation :create "x"; vacation :flags "a" "y";`, "line 1:57: \":create\" needs \":fcc\"\nline 1:86: \":flags\" needs \":fcc\""},
		{`require ["enotify", "fcc"]; notify :fcc "" "mailto:a@b.example";`, `line 1:41: the mailbox has no name`},
		{`redirect "Ann Bee ann@b.example";`, `line 1:10: "Ann Bee ann@b.example" is no address`},
		{`redirect "Ann <ann@b.example";`, `line 1:10: "Ann <ann@b.example" is no address`},
		{`require ["encoded-character", "reject"]; reject "${unicode:33333333333333333}";`, "line 1:49: U+33333333333333333 is no character"},
		{`require "regex"; if header :regex "a" "(" {}`, "line 1:39: regular expression: missing closing ): \"(?is)(\""},
		{`require "variables"; set "9" "x";`, `line 1:26: "9" cannot be the name of a variable`},
		{`require "enotify"; notify "xmpp:a";`, `line 1:27: no notification by "xmpp:a"`},
		{`true;`, `line 1:1: "true" is a test, no command`},
		{`if keep {}`, `line 1:4: "keep" is a command, no test`},
		{"keep; \x00", `line 1:7: this character is not UTF-8, or is a NUL`},
		{"nonsense; nonsense2;", "line 1:1: unknown command \"nonsense\"\nline 1:11: unknown command \"nonsense2\""},
		{strings.Repeat("if true {", 40) + strings.Repeat("}", 40), "line 1:298: blocks are nested more than 32 deep"},
		{"if " + strings.Repeat("not ", 40) + "true {}", "line 1:136: tests are nested more than 32 deep"},
	} {
		_, err := compiler.Compile(tc.script)
		if err == nil || err.Error() != tc.want {
			t.Errorf("%.80q:\n got %v\nwant %s", tc.script, err, tc.want)
		}
	}
}

func TestWarnings(t *testing.T) {
	s, err := NewCompiler(DefaultOptions()).Compile("require \"vacation\";\nif header :contains \"a\" \"\" { stop; keep; }\nvacation :days 0 \"x\";")
	if err != nil {
		t.Fatal(err)
	}
	want := "line 2:25: every value contains the empty string\nline 2:36: this is never reached: \"stop\" stands before it\nline 3:16: 0 days: 1 to 90 are possible, the nearest counts"
	if got := Problems(s.Warnings()).Error(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestOff checks that each extension is unknown when it is switched off, and the
// others go on.
func TestOff(t *testing.T) {
	for _, x := range extensions() {
		if x.name == "" {
			continue
		}
		o := DefaultOptions()
		o.Disable = []string{x.name}
		c := NewCompiler(o)
		if _, err := c.Compile(fmt.Sprintf("require %q;", x.name)); err == nil {
			t.Errorf("%s is known", x.name)
		}
		for _, tc := range corpus {
			_, err := c.Compile(wire(tc.text()))
			uses := strings.Contains(tc.text(), `"`+x.name+`"`) || strings.Contains(tc.script, "i;octet") || strings.Contains(tc.script, x.name) ||
				strings.Contains(x.name, "vacation") || strings.HasPrefix(x.name, "spamtest")
			if err != nil && !uses {
				t.Errorf("without %s, %s: %v", x.name, tc.name, err)
			}
		}
	}
}

// others is a Host that has scripts.
type others struct {
	nowhere
	c       *Compiler
	scripts map[string]string
}

func (o others) Include(ctx context.Context, name string, global bool) (*Script, error) {
	text, ok := o.scripts[fmt.Sprint(global, name)]
	if !ok {
		return o.nowhere.Include(ctx, name, global)
	}
	return o.c.Compile(text)
}

func TestInclude(t *testing.T) {
	c := NewCompiler(DefaultOptions())
	host := others{c: c, scripts: map[string]string{
		"falsea": `require ["variables","include","fileinto"]; global "x"; fileinto "a-${x}-${own}"; return; discard;`,
		"falseb": `require ["include"]; include "b";`,
		"falsed": `stop;`, "truea": `require "fileinto"; fileinto "shared";`,
		"falsee": `require ["variables","include"]; set "global.y" "why";`,
	}}
	for _, tc := range []struct{ script, want, failure string }{
		{`set "own" "mine"; global "x"; set "x" "val"; include "a"; fileinto "after-${global.x}";`, "into a-val-\ninto after-val", ""},
		{`include :once "a"; include :once "a"; include :global "a";`, "into a--\ninto shared", ""},
		{`include "b";`, "keep", "the script takes too much"}, {`include :optional "c"; fileinto "A";`, "into A", ""}, {`include "c"; fileinto "A";`, "keep", "no such script"},
		{`include "d"; discard;`, "keep", ""}, {`include "e"; fileinto "${global.y}";`, "into why", ""},
	} {
		s, err := c.Compile(`require ["include","variables","fileinto"]; ` + tc.script)
		if err != nil {
			t.Fatal(err)
		}
		env := newEnv(letters["plain"])
		env.Host = host
		res, err := s.Run(context.Background(), env)
		if got := show(res.Actions); got != tc.want || (err == nil) != (tc.failure == "") || err != nil && !strings.Contains(err.Error(), tc.failure) {
			t.Errorf("%s: %q, %v", tc.script, got, err)
		}
	}
}

// numbered repeats a text with a number in it.
func numbered(text string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, text, i)
	}
	return b.String()
}

// TestLimits checks that a run ends whatever a script wants.
func TestLimits(t *testing.T) {
	c := NewCompiler(DefaultOptions())
	double := strings.Repeat(`set "a" "${a}${a}";`, 40)
	for name, script := range map[string]string{
		"doubling":  `require "variables"; set "a" "xxxxxxxxxx";` + double + `if string :contains "${a}" "y" {} if string :length "${a}" "1" {}`,
		"redirects": numbered(`redirect "a%d@b.example";`, 20),
		"actions":   `require "fileinto";` + numbered(`fileinto "a%d";`, 100),
		"globs":     `require "variables"; set "a" "xxxxxxxxxx";` + double + strings.Repeat(`if string :matches "${a}" "*x*x?*x?*x?x*y" {}`, 500),
	} {
		s, err := c.Compile(script)
		if name == "doubling" {
			if err == nil {
				t.Error("string has no :length")
			}
			continue
		}
		if err != nil {
			t.Fatal(name, err)
		}
		env := newEnv(letters["plain"])
		if name == "globs" {
			env.Limits = DefaultLimits()
			env.Limits.Steps = 20000
		}
		res, err := s.Run(context.Background(), env)
		if !errors.Is(err, Exhausted) || show(res.Actions) != "keep" {
			t.Errorf("%s: %v %v", name, res.Actions, err)
		}
	}
}

func FuzzCompile(f *testing.F) {
	for _, tc := range corpus {
		f.Add(tc.text(), letters[tc.message])
	}
	f.Add("keep text:\r\n.", "")
	c := NewCompiler(DefaultOptions())
	f.Fuzz(func(t *testing.T, script, msg string) {
		s, err := c.Compile(script)
		if err != nil {
			var list Problems
			if !errors.As(err, &list) || len(list) == 0 {
				t.Fatal(err)
			}
			for _, p := range list {
				if p.Line < 1 || p.Col < 1 || p.Text == "" {
					t.Fatalf("%+v", p)
				}
			}
			return
		}
		env := newEnv(msg)
		env.Limits = DefaultLimits()
		env.Limits.Steps = 20000
		env.Limits.Body = 1 << 16
		res, err := s.Run(context.Background(), env)
		if err != nil && !(len(res.Actions) == 1 && res.Implicit) {
			t.Fatalf("%v after %v", res.Actions, err)
		}
	})
}

func FuzzMailto(f *testing.F) {
	f.Add("mailto:a@b.example?subject=x%20y&cc=c@d.example&X-Y=1")
	f.Fuzz(func(t *testing.T, uri string) { ParseMailto(uri) })
}

func BenchmarkRun(b *testing.B) {
	c := NewCompiler(DefaultOptions())
	s, err := c.Compile(`require ["fileinto","variables","imap4flags"];
if header :contains "list-id" "dev.lists" { fileinto "Lists/dev"; stop; }
if address :domain "from" ["a.example","b.example","c.example"] { fileinto "Work"; stop; }
if header :matches "subject" "[*] *" { set "l" "${1}"; fileinto "${l}"; stop; }
if address :is "from" "ann@example.com" { addflag "\\Flagged"; }`)
	if err != nil {
		b.Fatal(err)
	}
	text := wire(letters["plain"])
	b.ReportAllocs()
	for b.Loop() {
		env := Env{Message: NewMessage(strings.NewReader(text), int64(len(text))), Spam: -1}
		if _, err := s.Run(context.Background(), &env); err != nil {
			b.Fatal(err)
		}
	}
}
