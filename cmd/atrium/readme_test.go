package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"atrium/dav"
	"atrium/dav/caldav"
	"atrium/dav/carddav"
	"atrium/dav/push"
	"atrium/mail/auth"
	"atrium/mail/imapd"
	"atrium/mail/pop3d"
	"atrium/mail/sieve"
	"atrium/mail/sieved"
	"atrium/mail/smtpd"
)

var update = flag.Bool("update", false, "write the README's table of standards")

// standard is one entry of the table.
type standard struct{ name, rfc string }

func (s standard) String() string {
	rfc := strings.ReplaceAll(s.rfc, "RFC ", "")
	switch {
	case s.name == "":
		return "RFC " + rfc
	case rfc == "" || rfc == s.name:
		return s.name
	}
	return s.name + " (" + rfc + ")"
}

// standards is the table by protocol, from the registries of the packages.
func standards() []struct {
	protocol string
	list     []standard
} {
	var imap, pop3, smtp, sasl []standard
	for _, s := range imapd.Standards() {
		imap = append(imap, standard{s.Name, s.RFC})
	}
	for _, s := range pop3d.Standards() {
		pop3 = append(pop3, standard{s.Name, s.RFC})
	}
	for _, s := range smtpd.Standards() {
		smtp = append(smtp, standard{s.Keyword, s.RFC})
	}
	for _, s := range auth.Standards() {
		sasl = append(sasl, standard{s.Name, s.RFC})
	}
	var filters, manage []standard
	for _, s := range sieve.Standards() {
		filters = append(filters, standard{s.Name, s.RFC})
	}
	for _, s := range sieved.Standards() {
		manage = append(manage, standard{s.Name, s.RFC})
	}
	var web []standard
	modules := append(caldav.Modules(nil, caldav.DefaultConfig(), nil), carddav.Module(nil, carddav.DefaultConfig(), nil),
		push.New(nil, push.DefaultConfig(), push.Keys{}, nil).Module())
	for _, s := range dav.Standards(modules...) {
		web = append(web, standard{strings.Join(s.What, ", "), s.RFC})
	}
	return []struct {
		protocol string
		list     []standard
	}{{"IMAP", imap}, {"POP3", pop3}, {"SMTP, submission, LMTP", smtp}, {"Sieve", filters}, {"ManageSieve", manage}, {"Logins of these (SASL)", sasl}, {"WebDAV, CalDAV, CardDAV", web}}
}

// TestREADME holds the table of standards against the code; -update writes it.
func TestREADME(t *testing.T) {
	file := filepath.Join("..", "..", "README.md")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	const end = "<!-- /standards -->"
	begin := regexp.MustCompile(`(?m)^<!-- standards.*-->\n`).FindStringIndex(string(b))
	stop := strings.Index(string(b), end)
	if begin == nil || stop < begin[1] {
		t.Fatal("README.md has no place for the table of standards")
	}
	var table strings.Builder
	table.WriteString("| protocol | standards, with the number of the RFC |\n|---|---|\n")
	for _, p := range standards() {
		var list []string
		for _, s := range p.list {
			list = append(list, s.String())
		}
		fmt.Fprintf(&table, "| %s | %s |\n", p.protocol, strings.Join(list, "; "))
	}
	if got := string(b[begin[1]:stop]); got == table.String() {
		return
	}
	if !*update {
		t.Fatal("README.md: the table of standards is not the code's; write it with: go test ./cmd/atrium -run README -update")
	}
	if err := os.WriteFile(file, []byte(string(b[:begin[1]])+table.String()+string(b[stop:])), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestCommandsOfREADME holds the README's commands against the program's.
func TestCommandsOfREADME(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `atrium ([a-z]+)( [^`]*)?` \\|").FindAllStringSubmatch(string(b), -1) {
		c := root.find(m[1])
		if c == nil {
			t.Errorf("there is no command %q", m[1])
			continue
		}
		seen[m[1]] = true
		for _, name := range regexp.MustCompile(`(?:^| )([a-z0-9]+)`).FindAllStringSubmatch(m[2], -1) {
			if c.find(name[1]) == nil {
				t.Errorf("there is no command %s %s", m[1], name[1])
			}
		}
		for _, s := range c.sub {
			if !strings.Contains(m[2], s.name) {
				t.Errorf("%s %s is not in the table", m[1], s.name)
			}
		}
	}
	for _, c := range root.sub {
		if !seen[c.name] && c != versionCommand {
			t.Errorf("%s is not in the table", c.name)
		}
	}
}
