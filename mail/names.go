package mail

import (
	"cmp"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"atrium/storage"
)

const (
	// Inbox is the name of the mailbox that every account has, in any case of letters.
	Inbox = "INBOX"
	// Shared is the first level of the names by which faces show others'
	// mailboxes, so that no mailbox has it for its own.
	Shared = "Shared"
	// Separator stands between the levels of a name.
	Separator = "/"
)

// CleanName returns a mailbox's name as it is kept: NFC, INBOX in capitals,
// without a trailing separator (RFC 9051 §5.1, §6.3.4). Invalid or TooLarge tells what is wrong with it.
func (s *Store) CleanName(name string) (string, error) {
	if len(name) > 4*s.cfg.MaxName {
		return "", fmt.Errorf("mailbox name %.40q…: %w", name, storage.TooLarge)
	}
	if !utf8.ValidString(name) {
		return "", fmt.Errorf("mailbox name %q is not UTF-8: %w", name, storage.Invalid)
	}
	name = norm.NFC.String(strings.TrimSuffix(name, Separator))
	first, rest, below := strings.Cut(name, Separator)
	if strings.EqualFold(first, Inbox) {
		name = Inbox
		if below {
			name += Separator + rest
		}
	}
	if len(name) > s.cfg.MaxName || strings.Count(name, Separator) >= s.cfg.MaxDepth {
		return "", fmt.Errorf("mailbox name %.40q…: %w", name, storage.TooLarge)
	}
	if name == "" || name[0] == '/' || strings.HasSuffix(name, Separator) || strings.Contains(name, "//") {
		return "", fmt.Errorf("mailbox name %q: %w", name, storage.Invalid)
	}
	for _, r := range name {
		// Net-Unicode (RFC 5198) as RFC 6855 §3 wants it; * and % could not be listed.
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || r == '*' || r == '%' {
			return "", fmt.Errorf("mailbox name %q has %q: %w", name, r, storage.Invalid)
		}
	}
	return name, nil
}

// compareNames orders names by their levels, INBOX and what is below it first.
func compareNames(a, b string) int {
	if x, y := inInbox(a), inInbox(b); x != y {
		if x {
			return -1
		}
		return 1
	}
	for {
		x, restA, moreA := strings.Cut(a, Separator)
		y, restB, moreB := strings.Cut(b, Separator)
		if c := cmp.Compare(x, y); c != 0 {
			return c
		}
		switch {
		case !moreA && !moreB:
			return 0
		case !moreA:
			return -1
		case !moreB:
			return 1
		}
		a, b = restA, restB
	}
}

func inInbox(name string) bool { return name == Inbox || below(name, Inbox) }

// below tells whether name is below parent.
func below(name, parent string) bool {
	return len(name) > len(parent) && name[len(parent)] == '/' && name[:len(parent)] == parent
}

// parents yields the names above a name, the nearest first.
func parents(name string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for i := strings.LastIndexByte(name, '/'); i > 0; i = strings.LastIndexByte(name[:i], '/') {
			if !yield(name[:i]) {
				return
			}
		}
	}
}
