package sieve

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// letters are the messages of the corpus.
var letters = map[string]string{
	"plain": `Received: from a (b [192.0.2.1]) by c; Tue, 1 Apr 2014 09:06:40 -0700
From: "Ann Example" <ann@example.com>
To: Bob <bob+lists@example.org>, carl@example.net
Cc: dora@Example.NET
Subject: Hello World
Message-ID: <1@x.example>
Date: Tue, 1 Apr 2014 09:06:31 -0700
X-Spam-Level: *****
X-Number: 42
X-Twice: one
X-Twice: two
X-Empty:

Hi there.
The answer is 42, as always.
`,
	"mime": `From: ann@example.com
To: bob@example.org
Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe_aus_K=C3=B6ln?=
Message-ID: <2@x.example>
Date: Wed, 02 Apr 2014 23:30:00 +0200
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="b1"

preamble words
--b1
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

Gr=C3=BC=C3=9Fe und ein Geheimnis.
--b1
Content-Type: application/pdf; name="bill.pdf"
Content-Disposition: attachment; filename="bill.pdf"
Content-Transfer-Encoding: base64

JVBERi0xLjQ=
--b1
Content-Type: multipart/alternative; boundary="b2"

--b2
Content-Type: text/html

<p>A <b>bold</b> word</p>
--b2--
--b1--
`,
	"list": `From: ann@example.com
To: dev-list@lists.example
List-Id: Developers <dev.lists.example>
Subject: [dev] release
Message-ID: <3@x.example>
Date: Thu, 3 Apr 2014 00:00:00 +0000

text
`,
}

// corpusCase is a script, a message, and what comes of them: one action a line.
type corpusCase struct {
	name, message, script, want string
	own                         bool // not compared: the other implementation lacks it or differs, lawfully
}

var corpus = []corpusCase{
	{name: "empty", message: "plain", script: ``, want: "keep"},
	{name: "discard", message: "plain", script: `discard;`, want: ""},
	{name: "keep once", message: "plain", script: `keep; keep;`, want: "keep"},
	{name: "stop", message: "plain", script: `require "fileinto"; fileinto "A"; stop; discard;`, want: "into A"},
	{name: "fileinto copy", message: "plain", script: `require ["fileinto","copy"]; fileinto :copy "A";`, want: "into A\nkeep"},
	{name: "create", message: "plain", script: `require ["fileinto","mailbox"]; fileinto :create "A/B";`, want: "into A/B create"},
	{name: "redirect", message: "plain", script: `redirect "x@example.net";`, want: "redirect x@example.net"},
	{name: "redirect copy", message: "plain", script: `require "copy"; redirect :copy "x@example.net";`, want: "redirect x@example.net\nkeep"},
	{name: "reject", message: "plain", script: `require "reject"; reject "no, thanks";`, want: "reject no, thanks"},
	{name: "ereject", message: "plain", script: `require "ereject"; ereject "no";`, want: "reject no", own: true},
	{name: "if elsif else", message: "plain", script: `require "fileinto"; if false {discard;} elsif true {fileinto "A";} else {fileinto "B";}`, want: "into A"},
	{name: "else", message: "plain", script: `require "fileinto"; if false {discard;} elsif not true {fileinto "A";} else {fileinto "B";}`, want: "into B"},
	{name: "nested", message: "plain", script: `if true { if anyof (false, allof (true, not false)) { discard; } }`, want: ""},
	yes("header is", `header "subject" "hello world"`), yes("header is case", `header :comparator "i;octet" :is "subject" "Hello World"`),
	no("octet case", `header :comparator "i;octet" :is "subject" "hello world"`), yes("contains", `header :contains "Subject" "LO WO"`),
	no("contains not", `header :contains "Subject" "xyz"`), yes("several names", `header ["x-none", "subject"] ["a", "hello world"]`),
	yes("empty header", `header :is "x-empty" ""`), no("no header", `header :is "x-none" ""`), yes("contains nothing", `header :contains "subject" ""`),
	yes("matches", `header :matches "subject" "h*o w?rld"`), no("matches whole", `header :matches "subject" "hello"`), yes("matches star", `header :matches "x-spam-level" "\\*\\*\\*\\*\\**"`),
	no("matches escaped", `header :matches "x-spam-level" "\\*\\?*"`), yes("second", `header "x-twice" "two"`), yes("exists", `exists ["from", "X-Empty"]`), no("exists not", `exists ["from", "x-none"]`),
	yes("size over", `size :over 100`), no("size over K", `size :over 1K`), yes("size under", `size :under 1M`),
	yes("address all", `address "from" "ANN@example.com"`), yes("address local", `address :localpart "from" "ann"`), yes("address domain", `address :domain ["to","cc"] "example.net"`),
	no("address name", `address :contains "from" "Example A"`), yes("address second", `address :is "to" "carl@example.net"`),
	yes("any user", `address :user "to" "bob"`, "subaddress"), yes("detail", `address :detail "to" "lists"`, "subaddress"), no("detail none", `address :detail "from" ""`, "subaddress"),
	yes("envelope", `envelope "from" "ann@example.com"`, "envelope"), yes("envelope to", `envelope :detail "to" "lists"`, "envelope", "subaddress"), yes("envelope domain", `envelope :domain "to" "example.org"`, "envelope"),
	yes("count", `header :count "eq" :comparator "i;ascii-numeric" "x-twice" "2"`, "relational", "comparator-i;ascii-numeric"), yes("count address", `address :count "gt" ["to","cc"] "2"`, "relational", "comparator-i;ascii-numeric"),
	yes("value", `header :value "ge" :comparator "i;ascii-numeric" "x-number" "9"`, "relational", "comparator-i;ascii-numeric"), no("value string", `header :value "ge" :comparator "i;octet" "x-number" "9"`, "relational"),
	yes("numeric is", `header :comparator "i;ascii-numeric" "x-number" "0042"`, "comparator-i;ascii-numeric"),
	yes("regex", `header :regex "subject" "^hel+o[[:space:]]w(o|a)rld$"`, "regex"), no("regex octet", `header :comparator "i;octet" :regex "subject" "^hello"`, "regex"),
	yes("encoded", `header "subject" "${hex:48 65}llo ${unicode:57}orld"`, "encoded-character"), yes("not encoded", `not header "subject" "${hex:48 }${hex:zz}"`, "encoded-character"),
	yes("body text", `body :contains "ANSWER IS"`, "body"), no("body header", `body :contains "Ann"`, "body"), yes("body raw", `body :raw :contains "always"`, "body"),
	yes("body mime", `body :text :contains "Grüße"`, "body").in("mime"), no("body mime raw", `body :raw :contains "Grüße"`, "body").in("mime"), yes("body html", `body :content "text/html" :contains "<b>bold"`, "body").in("mime"),
	yes("body pdf", `body :content "application" :contains "%PDF-1.4"`, "body").in("mime"), no("body other", `body :content "image" :contains ""`, "body").in("mime"),
	yes("decoded header", `header "subject" "Grüße aus Köln"`).in("mime"),
	yes("unicode", `header :comparator "i;unicode-casemap" "subject" "GRÜßE aus KÖLN"`, "comparator-i;unicode-casemap").in("mime").ours(),
	yes("date", `date :originalzone "date" "date" "2014-04-01"`, "date"), yes("date zone", `date :zone "+0000" "date" "hour" "16"`, "date"), yes("received", `date :zone "+0200" "received" "time" "18:06:40"`, "date"),
	yes("weekday", `date :originalzone "date" "weekday" "2"`, "date"), yes("julian", `date :zone "+0000" "date" "julian" "56748"`, "date"), yes("iso", `date :originalzone "date" "iso8601" "2014-04-01T09:06:31-07:00"`, "date"),
	yes("std11", `date :originalzone "date" "std11" "Tue, 01 Apr 2014 09:06:31 -0700"`, "date"), yes("zone", `date :zone "-0330" "date" "zone" "-0330"`, "date"), yes("year value", `date :value "lt" "date" "year" "2020"`, "date", "relational"),
	yes("currentdate", `currentdate :value "ge" "year" "2020"`, "date", "relational"), yes("index", `header :index 2 "x-twice" "two"`, "index"), yes("index last", `header :index 2 :last "x-twice" "one"`, "index"), no("index beyond", `header :index 3 "x-twice" "two"`, "index"),
	{name: "flags", message: "plain", script: `require ["fileinto","imap4flags"]; setflag "\\Seen"; addflag ["a b", "A"]; removeflag "b"; fileinto "A"; keep :flags "\\Flagged";`, want: `into A flags=\seen,a` + "\n" + `keep flags=\flagged`},
	{name: "implicit flags", message: "plain", script: `require "imap4flags"; addflag "\\Seen";`, want: `keep flags=\seen`},
	{name: "flag variable", message: "plain", script: `require ["variables","imap4flags"]; setflag "v" "x y"; if hasflag "v" "Y" { keep :flags "${v}"; }`, want: "keep flags=x,y"},
	yes("hasflag count", `hasflag :count "eq" "0"`, "imap4flags", "relational"),
	{name: "variables", message: "plain", script: `require ["variables","fileinto"]; set "a" "Some"; set :upper :length "n" "${a}"; set :upperfirst :lower "b" "HELLO"; fileinto "${A}-${n}-${b}-${none}-${1}-$";`, want: "into Some-4-Hello---$"},
	{name: "match variables", message: "plain", script: `require ["variables","fileinto"]; if header :matches "subject" "H*o *l?" { fileinto "${0}|${1}|${2}|${3}|${4}"; }`, want: "into Hello World|ell|Wor|d|"},
	{name: "shortest", message: "plain", script: `require ["variables","fileinto"]; if string :matches "a.b.c.d" "*.*" { fileinto "${1}|${2}"; }`, want: "into a|b.c.d"},
	{name: "regex variables", message: "plain", script: `require ["variables","fileinto","regex"]; if header :regex "subject" "(H.*) (W(.*))" { fileinto "${1}|${2}|${3}"; }`, want: "into Hello|World|orld"},
	{name: "quotewildcard", message: "plain", script: `require ["variables","fileinto"]; set :quotewildcard "p" "a*b?"; fileinto "${p}";`, want: `into a\*b\?`},
	yes("string", `string :is "${none}" ""`, "variables"), yes("string count", `string :count "eq" ["a","${none}","b"] "2"`, "variables", "relational", "comparator-i;ascii-numeric"),
	{name: "vacation", message: "plain", script: `require "vacation"; vacation :days 3 "gone";`, want: "vacation 259200 gone\nkeep"},
	{name: "vacation seconds", message: "plain", script: `require "vacation-seconds"; vacation :seconds 100000 :subject "away" "gone"; discard;`, want: "vacation 100000 gone"},
	{name: "vacation copied", message: "plain", script: `require ["vacation","fcc","mailbox","imap4flags"]; vacation :create :fcc "Sent" :flags ["\\Seen", "x"] :days 3 "gone";`, want: "vacation 259200 gone\nkeep", own: true},
	{name: "notify copied", message: "plain", script: `require ["enotify","fcc","special-use","variables"]; set "box" "Sent"; notify :fcc "${box}" :specialuse "\\Sent" :importance "1" "mailto:a@b.example";`, want: "notify 1\nkeep", own: true},
	no("envelope without wishes", `envelope :contains ["notify", "orcpt", "ret", "envid"] ""`, "envelope", "envelope-dsn").ours(),
	{name: "notify", message: "plain", script: `require "enotify"; notify :importance "1" :message "hey" "mailto:a@b.example";`, want: "notify 1\nkeep"},
	yes("valid notify", `valid_notify_method "mailto:a@b.example"`, "enotify"), no("invalid notify", `valid_notify_method ["mailto:a@b.example","xmpp:a"]`, "enotify"), yes("online", `notify_method_capability "mailto:a@b.example" "Online" "maybe"`, "enotify"),
	yes("ihave", `ihave "fileinto"`, "ihave"), {name: "ihave missing", message: "plain", script: `require "ihave"; if ihave "nonsense" { nonsense :foo "x"; } else { discard; }`, want: ""},
	{name: "ihave enables", message: "plain", script: `require "ihave"; if ihave "fileinto" { fileinto "A"; }`, want: "into A"},
	{name: "ihave variables", message: "plain", script: `require ["ihave","fileinto"]; if ihave ["fileinto","variables"] { set "a" "A"; fileinto "${a}"; } else { fileinto "${a}"; }`, want: "into ${a}"},
	no("ihave encoded-character", `ihave "encoded-character"`, "ihave"),
	{name: "error", message: "plain", script: `require ["ihave","fileinto"]; fileinto "A"; error "bad";`, want: "keep"},
	yes("environment", `environment :contains "name" ""`, "environment"), no("environment unknown", `environment :contains "nonsense" ""`, "environment"),
	yes("mailboxexists", `mailboxexists "INBOX"`, "mailbox"), no("mailbox missing", `mailboxexists ["INBOX","Nowhere"]`, "mailbox"),
	{name: "addheader", message: "plain", script: `require ["editheader","fileinto"]; addheader "X-New" "abc"; if header "x-new" "abc" { fileinto "A"; }`, want: "into A"},
	{name: "deleteheader", message: "plain", script: `require ["editheader","fileinto"]; deleteheader :index 1 "x-twice"; deleteheader :contains "subject" "world"; if allof (header :is "x-twice" "two", not header "x-twice" "one", not exists "subject") { fileinto "A"; }`, want: "into A"},
	{name: "foreverypart", message: "mime", script: `require ["foreverypart","mime","variables","fileinto"]; foreverypart { if header :mime :type "content-type" "application" { if header :mime :param "filename" :matches "content-disposition" "*.pdf" { fileinto "A"; break; } } }`, want: "into A"},
	{name: "parts", message: "mime", script: `require ["foreverypart","mime","variables","fileinto"]; set "n" ""; foreverypart { if header :mime :matches :contenttype "content-type" "*" { set "n" "${n} ${1}"; } } fileinto "${n}";`, want: "into  multipart/mixed text/plain application/pdf multipart/alternative text/html"},
	{name: "inner parts", message: "mime", script: `require ["foreverypart","mime","variables","fileinto"]; set "n" ""; foreverypart { foreverypart { if header :mime :matches :contenttype "content-type" "*" { set "n" "${n} ${1}"; } } } fileinto "${n}";`, want: "into  text/plain application/pdf multipart/alternative text/html text/html", own: true},
	yes("anychild", `header :mime :anychild :param "filename" "content-disposition" "bill.pdf"`, "mime").in("mime"), yes("mime exists", `exists :mime :anychild "content-disposition"`, "mime").in("mime"),
	{name: "extracttext", message: "mime", script: `require ["foreverypart","mime","extracttext","variables","fileinto"]; foreverypart { if header :mime :subtype "content-type" "plain" { extracttext :first 5 "t"; fileinto "${t}"; break; } }`, want: "into Grüße", own: true},
	{name: "extracttext encoded", message: "mime", script: `require ["foreverypart","mime","extracttext","variables","fileinto","enotify"]; foreverypart { if header :mime :subtype "content-type" "plain" { extracttext :upper :encodeurl :first 3 "t"; fileinto "${t}"; break; } }`, want: "into GR%C3%9C", own: true},
	yes("duplicate", `not duplicate :seconds 60`, "duplicate"),
	yes("spam", `spamtest :value "eq" :comparator "i;ascii-numeric" "0"`, "spamtest", "relational", "comparator-i;ascii-numeric").ours(),
	{name: "multi-line", message: "plain", script: "require \"reject\"; reject text: # comment\nline\n..dot\n.\n;", want: "reject line??.dot"},
	{name: "comments", message: "plain", script: "# one\n/* two\n * three */ discard /* here */ ; # end", want: ""},
	{name: "reject and keep", message: "plain", script: `require "reject"; keep; reject "no";`, want: "keep"},
	{name: "list", message: "list", script: `require "fileinto"; if header :contains "list-id" "<dev.lists.example>" { fileinto "Lists/dev"; }`, want: "into Lists/dev"},
}

// yes and no make cases of one test.
func yes(name, t string, ext ...string) corpusCase { return testCase(name, t, ext, "into yes") }
func no(name, t string, ext ...string) corpusCase  { return testCase(name, t, ext, "into no") }

func testCase(name, t string, ext []string, want string) corpusCase {
	return corpusCase{name: name, message: "plain", want: want,
		script: fmt.Sprintf("require [%q];\nif %s { fileinto \"yes\"; } else { fileinto \"no\"; }", "fileinto\", \""+strings.Join(append(ext, "copy"), `", "`), t)}
}

func (c corpusCase) in(message string) corpusCase { c.message = message; return c }
func (c corpusCase) ours() corpusCase             { c.own = true; return c }

func (c *corpusCase) text() string { return strings.ReplaceAll(c.script, `\", \"`, `", "`) }

func wire(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }

// newEnv is a run of a message.
func newEnv(text string) *Env {
	text = wire(text)
	return &Env{Message: NewMessage(strings.NewReader(text), int64(len(text))), From: "ann@example.com", To: "bob+lists@example.org", Separate: "+",
		Items: map[string]string{"name": "Test"}, Spam: -1}
}

// show writes actions a line each, each once.
func show(actions []Action) string {
	var lines []string
	add := func(s string) {
		if !slices.Contains(lines, s) {
			lines = append(lines, s)
		}
	}
	for _, a := range actions {
		switch a := a.(type) {
		case Into:
			s := "into " + a.Mailbox
			if a.Mailbox == "" {
				s = "keep"
			}
			if a.Create {
				s += " create"
			}
			if len(a.Flags) > 0 {
				s += " flags=" + sortedFlags(a.Flags)
			}
			add(s)
		case Redirect:
			add("redirect " + a.To)
		case Reject:
			add("reject " + strings.ReplaceAll(a.Reason, "\r\n", "??"))
		case Vacation:
			add(fmt.Sprintf("vacation %d %s", a.Pause/time.Second, a.Reason))
		case Notify:
			add("notify " + a.Importance)
		}
	}
	return strings.Join(lines, "\n")
}

func sortedFlags(flags []string) string {
	flags = slices.Clone(flags)
	for i := range flags {
		flags[i] = lower(flags[i])
	}
	slices.Sort(flags)
	return strings.Join(flags, ",")
}

func TestCorpus(t *testing.T) {
	compiler := NewCompiler(DefaultOptions())
	for _, tc := range corpus {
		t.Run(tc.name, func(t *testing.T) {
			s, err := compiler.Compile(wire(tc.text()))
			if err != nil {
				t.Fatalf("%v\n%s", err, tc.text())
			}
			res, err := s.Run(context.Background(), newEnv(letters[tc.message]))
			if err != nil && tc.name != "error" && tc.name != "reject and keep" {
				t.Error(err)
			}
			if got := show(res.Actions); got != tc.want {
				t.Errorf("got %q, want %q\n%s", got, tc.want, tc.text())
			}
		})
	}
}

// TestPigeonhole holds the corpus against another implementation, where it is installed.
func TestPigeonhole(t *testing.T) {
	tool, err := exec.LookPath("sieve-test")
	if err != nil || testing.Short() {
		t.Skip("sieve-test (package dovecot-sieve) is not here, or -short")
	}
	// Sieve-test gives up root's rights: what it reads must be open.
	dir, err := os.MkdirTemp("", "sieve")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	os.Chmod(dir, 0o755)
	os.Mkdir(filepath.Join(dir, "mail"), 0o777)
	os.Chmod(filepath.Join(dir, "mail"), 0o777)
	user := "mail_location = maildir:" + dir + "/mail\nrecipient_delimiter = +\n"
	if os.Getuid() == 0 {
		user += "mail_uid = nobody\nmail_gid = nogroup\n"
	}
	conf := write("conf", user)
	for name, text := range letters {
		write(name+".eml", wire(text))
	}
	if out, err := exec.Command(tool, "-c", conf, write("try.sieve", "keep;"), filepath.Join(dir, "plain.eml")).CombinedOutput(); err != nil {
		t.Skipf("sieve-test does not work here: %v\n%s", err, out)
	}
	for _, tc := range corpus {
		if tc.own {
			continue
		}
		out, err := exec.Command(tool, "-C", "-c", conf, "-x", "+editheader +vacation-seconds +spamtest +spamtestplus +virustest +mboxmetadata +servermetadata",
			"-f", "ann@example.com", "-r", "bob+lists@example.org", write("case.sieve", wire(tc.text())), filepath.Join(dir, tc.message+".eml")).CombinedOutput()
		if got := pigeonhole(string(out)); got != tc.want {
			t.Errorf("%s: sieve-test says %q, want %q (%v)\n%s\n%s", tc.name, got, tc.want, err, tc.text(), out)
		}
	}
}

var (
	storeLine = regexp.MustCompile(`^ \* store message in folder: (.*)$`)
	redirLine = regexp.MustCompile(`^ \* redirect message to: <(.*)>$`)
)

// pigeonhole reads what sieve-test prints.
func pigeonhole(out string) string {
	var lines []string
	out = strings.ReplaceAll(out, "\r\n", "\n")
	if m := regexp.MustCompile(`(?s)START MESSAGE\n(.*?)\nEND MESSAGE`).FindStringSubmatch(out); m != nil {
		out = strings.Replace(out, m[0], "MESSAGE "+strconv.Quote(m[1]), 1)
	}
	if strings.Contains(out, "resolved with successful implicit keep") {
		return "keep"
	}
	for _, line := range strings.Split(out, "\n") {
		last := len(lines) - 1
		switch {
		case storeLine.MatchString(line):
			box := storeLine.FindStringSubmatch(line)[1]
			if box == "INBOX" {
				lines = append(lines, "keep")
			} else {
				lines = append(lines, "into "+box)
			}
		case redirLine.MatchString(line):
			lines = append(lines, "redirect "+redirLine.FindStringSubmatch(line)[1])
		case strings.Contains(line, "create mailbox if it does not exist"):
			lines[last] += " create"
		case strings.Contains(line, "add IMAP flags: "):
			_, flags, _ := strings.Cut(line, "flags: ")
			lines[last] += " flags=" + sortedFlags(strings.Fields(flags))
		case strings.Contains(line, "reject message"):
			_, reason, _ := strings.Cut(line, "reason: ")
			lines = append(lines, "reject "+strings.TrimRight(reason, "?"))
		case strings.Contains(line, "send vacation message"):
			lines = append(lines, "vacation")
		case strings.Contains(line, "send notification"):
			lines = append(lines, "notify")
		case strings.Contains(line, "=> seconds"), strings.Contains(line, "=> importance"):
			lines[last] += " " + strings.TrimSpace(line[strings.Index(line, ":")+1:])
		case strings.HasPrefix(line, "MESSAGE "):
			s, _ := strconv.Unquote(strings.TrimPrefix(line, "MESSAGE "))
			if strings.HasPrefix(lines[last], "vacation") {
				lines[last] += " " + strings.ReplaceAll(s, "\n", "\r\n")
			}
		}
	}
	return strings.Join(lines, "\n")
}
