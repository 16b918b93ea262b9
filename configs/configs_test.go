package configs

import (
	"bufio"
	"fmt"
	"maps"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestDefaults: domain and data are enough.
func TestDefaults(t *testing.T) {
	c := Default()
	if err := c.Parse("domain = \"example.org\"\ndata = \"/srv/atrium\"\n"); err != nil {
		t.Fatal(err)
	}
	if c.Hostname != "mail.example.org" || c.Passwords.Domain != "example.org" || c.SMTP.Hostname != c.Hostname ||
		!slices.Equal(c.Listen.LMTP, []string{"unix:/srv/atrium/lmtp.sock"}) || c.ControlSocket() != "/srv/atrium/control.sock" {
		t.Errorf("derived: %+v", c)
	}
	for key, want := range map[string]string{"smtp": ":25", "submission": ":587", "submissions": ":465", "imap": ":143", "imaps": ":993",
		"pop3": ":110", "pop3s": ":995", "https": ":443"} {
		if got := c.Listen.Listeners()[key]; !slices.Equal(got, []string{want}) {
			t.Errorf("listen.%s: %v, want %s", key, got, want)
		}
	}
	if err := c.Parse("[listen]\nlmtp = []\n"); err != nil || len(c.Listen.LMTP) > 0 {
		t.Errorf("lmtp = []: %v, %v", c.Listen.LMTP, err)
	}
}

// TestMistakes: each mistake is told with its key, all at once.
func TestMistakes(t *testing.T) {
	for _, tc := range []struct {
		text string
		want []string // lines, in their order or any
	}{
		{"", []string{"domain: missing"}},
		{"domain = 3", []string{"domain: wants a text in quotes, got 3", "domain: missing"}},
		{"domain = \"exa mple\"\nhostname = \"a..b\"", []string{`domain: "exa mple"`, `hostname: "a..b"`}},
		{"domian = \"example.org\"", []string{"domian: no such setting (did you mean domain?)", "domain: missing"}},
		{"x = [", []string{"line 1: "}},
		{ok + "data = \"\"", []string{"data: missing"}},
		{ok + "shutdown = \"soon\"", []string{`shutdown: wants a time such as "90s"`}},
		{ok + "shutdown = 20", []string{`shutdown: wants a time such as "90s"`}},
		{ok + "shutdown = \"1ms\"", []string{`shutdown: 1ms, at least 1s`}},
		{ok + "imap = 3", []string{"imap: wants a section [imap], got 3"}},
		{ok + "[tls]\ncert = \"x\"", []string{"tls: cert and key go together"}},
		{ok + "[log]\nlevel = \"loud\"\nformat = \"xml\"", []string{`log.level: "loud"`, `log.format: "xml"`}},
		{ok + "[listen]\nimap = [\":143\", \"143\"]\nimaps = \":143\"\npop3 = [\"unix:\"]\nhttp = [3]\nhttps = [\":\"]\npop3s = [\"a:99999\"]", []string{
			"listen.http[0]: wants a text", `listen.https: ":", must be`, `listen.imap: "143", must be`, "listen.imaps: :143 is taken by listen.imap",
			`listen.pop3: "unix:" names no socket`, `listen.pop3s: "a:99999", must be`}},
		{ok + "[imap]\nidle = \"1m\"\nmax_append = \"much\"\ndisable = [\"NOPE\"]\nidel = \"1m\"\n[imap.conn]\nmax_conns = -1", []string{
			"imap.idel: no such setting (did you mean idle?)", `imap.max_append: wants a whole number or a size such as "50 MiB", got much`,
			"imap.idle: 1m0s", `imap.disable: "NOPE"`, "imap.conn.max_conns: -1"}},
		{ok + "[engine]\nmem_table = 1\ncheckpoint_time = \"1ms\"", []string{"engine.mem_table: 1 MiB", "engine.checkpoint_time: 1ms"}},
		{ok + "[passwords]\nmemory = 1\ntrusted = [\"here\"]\ndomain = \"x\"", []string{"passwords.domain: follows from domain", "passwords.trusted[0]: ", "passwords.memory: 1 KiB"}},
		{ok + "[storage]\nhorizon = \"1h\"\n[mail]\nmax_depth = 1\n[dav]\nmax_xml = 1\n[caldav]\nmax_object = 1\n[carddav]\nmax_card = 0", []string{
			"storage.horizon: 1h", "mail.max_depth: 1", "dav.max_xml: 1", "caldav.max_object: 1", "carddav.max_card: 0"}},
		{ok + "[smtp]\nmax_recipients = 1\n[lmtp]\nmax_recipients = 2\n[pop3.policy]\nmailbox = \"\"\n[delivery]\nparallel = 0\n[auth]\ndisable = [\"X\"]", []string{
			"smtp.max_recipients: 1", "lmtp.max_recipients: 2", "pop3.policy.mailbox: missing", "delivery.parallel: 0", `auth.disable: no mechanism "X"`}},
		{ok + "[mail]\nmax_depth = true\n[auth]\nplain_any = \"yes\"\n[imap]\ndisable = { a = 1 }", []string{
			"mail.max_depth: wants a whole number", "auth.plain_any: wants true or false", "imap.disable: wants a list"}},
	} {
		c := Default()
		err := c.Parse(tc.text)
		if err == nil {
			t.Errorf("%q: taken", tc.text)
			continue
		}
		lines := strings.Split(err.Error(), "\n")
		for _, want := range tc.want {
			if !slices.ContainsFunc(lines, func(s string) bool { return strings.HasPrefix(s, want) }) {
				t.Errorf("%q: no line %q in\n%v", tc.text, want, err)
			}
		}
		if len(lines) > len(tc.want) {
			t.Errorf("%q: more than %q:\n%v", tc.text, tc.want, err)
		}
	}
}

const ok = "domain = \"example.org\"\n"

// TestKeys: whatever number or time a package refuses, its error names a key of the file.
func TestKeys(t *testing.T) {
	var tried int
	var walk func(v reflect.Value, prefix string, c *Config)
	walk = func(v reflect.Value, prefix string, c *Config) {
		for key, f := range fields(v) {
			switch {
			case f.Kind() == reflect.Struct:
				walk(f, prefix+key+".", c)
				continue
			case !f.CanInt():
				continue
			}
			old := f.Int()
			f.SetInt(-7)
			err := c.Validate()
			f.SetInt(old)
			if err == nil {
				if f.Type() != durationType || prefix != "" {
					t.Logf("%s%s: -7 is taken", prefix, key)
				}
				continue
			}
			tried++
			if !strings.HasPrefix(err.Error(), prefix+key+": ") && !strings.Contains(err.Error(), key) {
				t.Errorf("%s%s: %v", prefix, key, err)
			}
		}
	}
	c := Default()
	if err := c.Parse(ok); err != nil {
		t.Fatal(err)
	}
	walk(reflect.ValueOf(&c).Elem(), "", &c)
	if tried < 50 {
		t.Errorf("only %d settings were tried", tried)
	}
}

var assignment = regexp.MustCompile(`^(?:# )?(\[?[a-z0-9_.]+\]?)( = .*)?$`)

// TestExample: the example is right as it stands; with its comments taken off each key is known
// and has the default; and it has all settings but those that are for the few.
func TestExample(t *testing.T) {
	shown := Default()
	if err := shown.Parse(Example); err != nil {
		t.Fatalf("as it stands: %v", err)
	}
	var text strings.Builder
	told := map[string]bool{}
	section := ""
	for sc := bufio.NewScanner(strings.NewReader(Example)); sc.Scan(); {
		line := strings.TrimSpace(sc.Text())
		m := assignment.FindStringSubmatch(line)
		if m == nil || m[2] == "" && !strings.HasPrefix(m[1], "[") {
			continue
		}
		fmt.Fprintln(&text, strings.TrimPrefix(line, "# "))
		if strings.HasPrefix(m[1], "[") {
			section = strings.Trim(m[1], "[]") + "."
		} else {
			told[section+m[1]] = true
		}
	}
	all := Default()
	if err := all.Parse(text.String()); err != nil {
		t.Fatalf("with its comments taken off: %v", err)
	}
	all.TLS = TLS{} // no default
	want, got := map[string]any{}, map[string]any{}
	flatten("", reflect.ValueOf(shown), want)
	flatten("", reflect.ValueOf(all), got)
	for _, k := range slices.Sorted(maps.Keys(want)) {
		if fmt.Sprint(want[k]) != fmt.Sprint(got[k]) && !machine[k] {
			t.Errorf("%s: the example shows %v, the default is %v", k, got[k], want[k])
		}
		if !told[k] && !untold.MatchString(k) {
			t.Errorf("%s is not in the example: put it there, or say here that it is for the few", k)
		}
		if told[k] && untold.MatchString(k) {
			t.Errorf("%s is in the example, and here it says that it is not", k)
		}
	}
}

// machine are settings whose defaults follow from the machine.
var machine = map[string]bool{"engine.mem_table": true}

// untold are settings that the example leaves out: what hardly anyone needs, and what follows from
// other settings or the machine.
var untold = regexp.MustCompile(`^(passwords\.(domain|hashes)` +
	`|(smtp|lmtp|delivery)\.hostname|delivery\.parallel` +
	`|imap\.(login_commands|bad_commands|max_line|max_literal|max_set|max_depth|max_list|name|version)|pop3\.(bad_commands|name)` +
	`|queue\.(hostname|smarthost\.domain)` +
	`|managesieve\.(bad_commands|name|conn\.(handshake|line|read|write))` +
	`|smtp\.(max_line|max_errors|max_idle)|lmtp\.(max_mails|max_line|max_errors|max_idle|disable|conn\..*)` +
	`|[a-z0-9]+\.conn\.strict_lines|pop3\.conn\.(handshake|line|read|write)|smtp\.conn\.(max_per_user|handshake|line|read|write)` +
	`|dav\.max_header|mail\.(max_name|max_keyword|batch))$`)

func flatten(prefix string, v reflect.Value, out map[string]any) {
	for k, f := range fields(v) {
		if f.Kind() == reflect.Struct {
			flatten(prefix+k+".", f, out)
			continue
		}
		out[prefix+k] = f.Interface()
	}
}

func TestParseSize(t *testing.T) {
	for s, want := range map[string]int64{"0 B": 0, "50 MiB": 50 << 20, "2GiB": 2 << 30, "1 tib": 1 << 40, "3KiB": 3 << 10,
		"": -1, "MiB": -1, "-1 MiB": -1, "5": -1, "5 MB": -1, "9999999999 TiB": -1, "99999999999999999999 B": -1} {
		if n, ok := ParseSize(s); ok != (want >= 0) || ok && n != want {
			t.Errorf("%q: %d, %v", s, n, ok)
		}
	}
}

func TestSnake(t *testing.T) {
	for name, want := range map[string]string{"MaxPerUser": "max_per_user", "TLSCert": "tls_cert", "IMAP": "imap", "POP3S": "pop3s", "MaxXML": "max_xml"} {
		if got := snake(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

func TestLoad(t *testing.T) {
	if _, err := Load(filepath.Join(t.TempDir(), "none.toml")); err == nil || !strings.Contains(err.Error(), "configuration: ") {
		t.Errorf("no file: %v", err)
	}
	c := Default()
	if err := c.Parse(ok + "[imap]\nidle = \"45m\"\n"); err != nil || c.IMAP.Idle != 45*time.Minute {
		t.Errorf("imap.idle: %v, %v", c.IMAP.Idle, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(Example)
	f.Add("domain = 1\n[imap]\nidle = []\n")
	f.Fuzz(func(t *testing.T, text string) {
		c := Default()
		c.Parse(text)
	})
}
