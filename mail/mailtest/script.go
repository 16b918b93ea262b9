package mailtest

import (
	"fmt"
	"regexp"
	"strings"
)

// line is one line of a script.
type line struct {
	no   int    // in the script, from 1; 0 in a prelude
	conn int    // connection
	mark string // "C", "S", "~S", "!S", "L", "R", "TLS", "EOF", "BYE", "WAIT"
	text string
	bad  string // what is wrong with it
}

var lineSyntax = regexp.MustCompile(`^([0-9]*)([~!]?)([0-9]*)([A-Z]+):(?: (.*))?$`)

// parse cuts a script into its lines. Faults are kept in the lines, for play to report.
func parse(script string) []line {
	var out []line
	for i, s := range strings.Split(script, "\n") {
		s = strings.TrimLeft(s, " \t")
		s = strings.TrimSuffix(s, "\r")
		if s == "" || s[0] == '#' {
			continue
		}
		l := line{no: i + 1, conn: 1}
		m := lineSyntax.FindStringSubmatch(s)
		if m == nil {
			l.bad = fmt.Sprintf("not a line of a script: %q", s)
			out = append(out, l)
			continue
		}
		l.mark, l.text = m[2]+m[4], m[5]
		if n := m[1] + m[3]; n != "" {
			fmt.Sscan(n, &l.conn)
		} else if l.mark == "L" && len(out) > 0 {
			l.conn = out[len(out)-1].conn
		}
		switch l.mark {
		case "C", "S", "~S", "!S", "L", "R", "TLS", "EOF", "BYE", "WAIT":
		default:
			l.bad = fmt.Sprintf("unknown mark %q", l.mark)
		}
		out = append(out, l)
	}
	return out
}

var variable = regexp.MustCompile(`\$\$|\$\.\.\.|\$_|\$\{[a-z][A-Za-z0-9]*\}|\$[a-z][A-Za-z0-9]*`)

// expand puts the captured values into a client's line.
func expand(text string, vars map[string]string) (string, error) {
	var err error
	out := variable.ReplaceAllStringFunc(text, func(v string) string {
		if v == "$$" {
			return "$"
		}
		name := strings.Trim(v[1:], "{}")
		value, ok := vars[name]
		if !ok && err == nil {
			err = fmt.Errorf("%s has no value yet", v)
		}
		return value
	})
	return out, err
}

// literal is an expression for s. Octets that are no UTF-8 stand for each other: regexp
// reads them all as U+FFFD.
func literal(s string) string { return regexp.QuoteMeta(string([]rune(s))) }

// match compares a server's line with an expected one and tells what it captured.
func match(want, got string, vars map[string]string) (captured map[string]string, ok bool) {
	if !strings.Contains(want, "$") {
		return nil, want == got
	}
	var re strings.Builder
	re.WriteString("(?s)^")
	var names []string
	rest := want
	for {
		at := variable.FindStringIndex(rest)
		if at == nil {
			break
		}
		re.WriteString(literal(rest[:at[0]]))
		v := rest[at[0]:at[1]]
		rest = rest[at[1]:]
		switch name := strings.Trim(v[1:], "{}"); {
		case v == "$$":
			re.WriteString(`\$`)
		case v == "$...":
			re.WriteString(`.*?`)
		case v == "$_":
			re.WriteString(`[^ ()\[\]"]+`)
		case vars[name] != "":
			re.WriteString(literal(vars[name]))
		default:
			names = append(names, name)
			re.WriteString(`([^ ()\[\]"]+)`)
		}
	}
	re.WriteString(literal(rest) + "$")
	m := regexp.MustCompile(re.String()).FindStringSubmatch(got)
	if m == nil {
		return nil, false
	}
	captured = map[string]string{}
	for i, n := range names {
		if old, twice := captured[n]; twice && old != m[i+1] {
			return nil, false
		}
		captured[n] = m[i+1]
	}
	return captured, true
}
