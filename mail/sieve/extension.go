package sieve

import (
	"slices"
	"strings"
)

// extension is what one document adds to the language.
type extension struct {
	name string // the capability, as require has it; "" of the base
	rfc  string
	// commands and tests, by name; a command may belong to several extensions.
	commands []command
	tests    []test
	// tags are further tags of commands and tests of other extensions.
	tags map[string][]tagDef
	// needs are capabilities that come with this one.
	needs []string
}

// tagDef is a tagged argument.
type tagDef struct {
	name  string
	value string // what follows the tag: "" nothing, else as in shape.args
	group string // of the tags of one group there is but one; "" is the tag's own
	ext   string // filled in: the extension that brings it
}

// shape is the syntax of a command or a test: its tags, then its arguments, a letter each:
// s a string, l a string list (or one string), n a number.
type shape struct {
	tags  []tagDef
	args  string
	last  int // how many of args, at the end, may be missing
	tests int // 0 none, 1 one, -1 a list in parentheses
	block bool
}

// command is a command; compile makes what it does.
type command struct {
	name string
	shape
	compile func(*compiler, *call) op
	ext     []string // filled in: any of these brings it
}

// test is a test.
type test struct {
	name string
	shape
	compile func(*compiler, *call) cond
	ext     []string
}

// op does something, cond tells something, at run time.
type (
	op   func(*run) error
	cond func(*run) (bool, error)
)

// extensions are all that the package knows, in the order in which capabilities are listed.
func extensions() []*extension {
	return []*extension{
		&base, &fileinto, &reject, &ereject, &envelope, &encodedCharacter, &asciiNumeric, &unicodeCasemap, &comparators, &asciiCasemap,
		&body, &copying, &variables, &imap4flags, &vacation, &vacationSeconds, &relational, &subaddress, &regex,
		&date, &index, &editheader, &mailbox, &mailboxID, &mboxmetadata, &servermetadata, &specialUse, &duplicate, &environment,
		&include, &enotify, &ihave, &spamtest, &spamtestplus, &virustest, &foreverypart, &mimeTest, &extracttext, &imapsieve, &extlists, &envelopeDSN, &redirectDSN, &fcc,
	}
}

// language is the language with some extensions switched off.
type language struct {
	known    map[string]*extension
	names    []string
	commands map[string]*command
	tests    map[string]*test
}

// newLanguage puts the extensions together. Two claims on one name by
// different functions are a mistake of this package.
func newLanguage(disable []string) *language {
	l := &language{known: map[string]*extension{}, commands: map[string]*command{}, tests: map[string]*test{}}
	var used []*extension
	for _, x := range extensions() {
		if slices.Contains(disable, x.name) && x.name != "" {
			continue
		}
		used = append(used, x)
		l.known[x.name] = x
		if x.name != "" {
			l.names = append(l.names, x.name)
		}
		for _, c := range x.commands {
			if old := l.commands[c.name]; old != nil {
				old.ext = append(old.ext, x.name)
				continue
			}
			c.ext = []string{x.name}
			c.tags = slices.Clone(c.tags)
			l.commands[c.name] = &c
		}
		for _, t := range x.tests {
			if old := l.tests[t.name]; old != nil {
				old.ext = append(old.ext, x.name)
				continue
			}
			t.ext = []string{x.name}
			t.tags = slices.Clone(t.tags)
			l.tests[t.name] = &t
		}
	}
	for _, x := range used {
		for to, tags := range x.tags {
			for _, t := range tags {
				t.ext = x.name
				l.addTag(to, t)
			}
		}
	}
	return l
}

// addTag adds a tag to a command or test, or to all tests that match ("*") or
// look at addresses ("@").
func (l *language) addTag(to string, t tagDef) {
	if c := l.commands[to]; c != nil {
		c.tags = append(c.tags, t)
		return
	}
	for name, x := range l.tests {
		if name == to || to == "*" && x.has("is") || to == "@" && x.has("localpart") {
			x.tags = append(x.tags, t)
		}
	}
	if to == "*" { // deleteheader matches too
		if c := l.commands["deleteheader"]; c != nil {
			c.tags = append(c.tags, t)
		}
	}
}

func (s *shape) has(tag string) bool {
	return slices.ContainsFunc(s.tags, func(t tagDef) bool { return t.name == tag })
}

// Standard is one line of the table of standards.
type Standard struct {
	Name string // as require has it; "" of the base
	RFC  string
}

// Standards lists what this package speaks, for the README.
func Standards() []Standard {
	var out []Standard
	for _, x := range extensions() {
		out = append(out, Standard{x.name, x.rfc})
	}
	return out
}

// Extensions returns the capabilities, as ManageSieve lists them.
func (l *Compiler) Extensions() []string { return slices.Clone(l.lang.names) }

// quotedList is for messages: "a" or "b".
func quotedList(words []string) string { return "\"" + strings.Join(words, "\" or \"") + "\"" }
