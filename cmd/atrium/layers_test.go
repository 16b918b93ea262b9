package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// The import policy, as data. A package imports packages of its own entry (its
// first path element) that are not above it, and lower floors of any entry but for the neighbours.

// floors tells each package's floor.
var floors = map[string]int{
	"storage/kv": 0, "storage/kv/kvtest": 0, "storage/kv/memkv": 0, "storage/kv/badgerkv": 0, "storage/journal": 0,
	"storage/blob": 1, "storage/blob/localblob": 1, "storage/embedded": 1, "storage": 1, "storage/account": 1, "storage/storetest": 1,
	"mail/message": 2, "mail/resolver": 2, "mail/smtpclient": 2, "mail/conn": 2, "calendar/ics": 2, "calendar/recur": 2, "contacts/card": 2, "dav/elem": 2,
	"mail/auth": 3, "mail/authres": 3, "mail/dkim": 3, "mail/sieve": 3, "mail/junk": 3, "mail/verify": 3, "calendar/query": 3, "calendar/zones": 3, "calendar/itip": 3, "contacts/query": 3,
	"mail": 4, "mail/delivery": 4, "mail/queue": 4, "calendar": 4, "contacts": 4,
	"mail/imip": 5, "mail/sift": 5, "contacts/directory": 5, "mail/rules": 5, "calendar/schedule": 5, "calendar/feed": 5,
	"mail/imapd": 6, "mail/imapd/wire": 2, "mail/pop3d": 6, "mail/smtpd": 6, "mail/inbound": 6, "mail/sieved": 6, "mail/mailtest": 2,
	"dav": 6, "dav/caldav": 6, "dav/carddav": 6, "dav/files": 6, "dav/tzdist": 6, "dav/birthdays": 6, "dav/push": 6, "dav/davtest": 6, "web": 6,
	"internal/control": 0, "internal/certs": 0, "internal/outbound": 0,
	"configs": 7, "cmd/atrium": 8,
}

// neighbours may not import each other, whatever their floors; bridges may.
var neighbours = []string{"mail", "calendar", "contacts"}

var bridges = map[string][]string{
	"mail/imip": {"calendar"}, // the one adapter between mail and calendar
}

// owners tells which entry or package alone may import a foreign module; tests are free.
var owners = map[string]string{
	"github.com/dgraph-io/badger/v4":      "storage/kv/badgerkv",
	"github.com/emersion/go-imap/v2":      "mail",
	"github.com/emersion/go-webdav":       "dav",
	"github.com/emersion/go-ical":         "calendar",
	"github.com/emersion/go-vcard":        "contacts",
	"github.com/miekg/dns":                "mail/resolver",
	"github.com/BurntSushi/toml":          "configs",
	"github.com/prometheus/client_golang": "cmd/atrium",
}

func entryOf(pkg string) string { e, _, _ := strings.Cut(pkg, "/"); return e }

// allowed tells why from may not import to; "" when it may.
func allowed(from, to string) string {
	ff, ok := floors[from]
	if !ok {
		return "has no floor: add it to the table"
	}
	tf, ok := floors[to]
	if !ok {
		return "imports " + to + ", which has no floor"
	}
	if tf > ff {
		return "imports " + to + ", which is above it"
	}
	a, b := entryOf(from), entryOf(to)
	if a == b || a == "cmd" || a == "configs" {
		return ""
	}
	if tf == ff && b != "internal" {
		return "imports " + to + ", another entry's on its own floor"
	}
	isNeighbour := func(e string) bool {
		for _, n := range neighbours {
			if n == e {
				return true
			}
		}
		return false
	}
	if isNeighbour(a) && isNeighbour(b) {
		for _, x := range bridges[from] {
			if x == b {
				return ""
			}
		}
		return "imports its neighbour " + to
	}
	if a == "storage" {
		return "imports " + to + ": storage knows no domain"
	}
	return ""
}

func TestLayers(t *testing.T) {
	root := filepath.Join("..", "..")
	seen := 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && strings.HasPrefix(d.Name(), ".") && path != root && d.Name() != ".." {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") {
			return nil
		}
		rel, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		seen++
		checkFile(t, filepath.ToSlash(rel), path)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen < 50 {
		t.Errorf("only %d files were looked at", seen)
	}
}

func checkFile(t *testing.T, pkg, path string) {
	f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
	if err != nil {
		t.Error(err)
		return
	}
	test := strings.HasSuffix(path, "_test.go") || strings.HasSuffix(pkg, "test")
	for _, spec := range f.Imports {
		imp, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Error(err)
			continue
		}
		if own, ok := strings.CutPrefix(imp, "atrium/"); ok {
			if why := allowed(pkg, own); why != "" && !test {
				t.Errorf("%s: %s", path, why)
			}
			continue
		}
		for module, owner := range owners {
			if (imp == module || strings.HasPrefix(imp, module+"/")) && pkg != owner && !strings.HasPrefix(pkg, owner+"/") && !test {
				t.Errorf("%s: imports %s, which belongs to %s", path, imp, owner)
			}
		}
	}
}

// TestPolicyRefuses holds the policy itself against imports that it must refuse.
func TestPolicyRefuses(t *testing.T) {
	for _, c := range [][2]string{
		{"mail", "calendar/ics"}, {"calendar", "mail/message"}, {"contacts", "calendar"}, {"storage", "mail/message"},
		{"mail/message", "mail"}, {"storage/kv", "storage"}, {"dav", "mail/imapd"}, {"mail/imapd", "dav"}, {"mail/unknown", "storage"},
	} {
		if allowed(c[0], c[1]) == "" {
			t.Errorf("%s may import %s", c[0], c[1])
		}
	}
	for _, c := range [][2]string{{"mail/imip", "calendar/ics"}, {"mail/imapd", "mail"}, {"dav/caldav", "calendar"}, {"dav/carddav", "storage/account"}} {
		if why := allowed(c[0], c[1]); why != "" {
			t.Errorf("%s %s", c[0], why)
		}
	}
}
