package sieve

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

// Edges that the documents have and other implementations are tested for.
func TestEdges(t *testing.T) {
	const require = `require ["fileinto", "envelope", "body", "editheader", "relational", "comparator-i;ascii-numeric"];` + "\n"
	const letter = "From: a@b.example\r\nX-A: one\r\nX-B: two\r\nCc:\r\n\r\nbody\r\n"
	for _, tc := range []struct{ name, letter, from, before, test string }{
		{"a field without an address is the empty string as a whole, RFC 5228 §2.7.4", letter, "", "",
			`allof (address :all :is "cc" "", not address :localpart :is "cc" "", not address :domain "cc" "", not address :is "to" "")`},
		{"no body, RFC 5173 §4", "Subject: header only\r\n", "", "",
			`allof (not body :raw :contains "", not body :text :is "", not body :content "" :matches "*", body :raw :count "eq" "0")`},
		{"an empty body", "Subject: x\r\n\r\n", "", "", `allof (body :raw :is "", body :raw :contains "")`},
		{"size as it came", letter, "", "", `allof (not size :over 52, not size :under 52)`},
		{"size follows edits, RFC 5293 §4", letter, "", `deleteheader "X-A";`, `allof (not size :over 42, not size :under 42)`},
		{"and more of them", letter, "", `deleteheader "X-A"; addheader "X-C" "three";`, `allof (not size :over 54, not size :under 54)`},
		{"what is no address has no parts", letter, "nobody@", "",
			`allof (envelope :all "from" "nobody@", not envelope :localpart "from" "nobody", not envelope :domain :contains "from" "")`},
		{"the null path has them all", letter, "", "", `allof (envelope "from" "", envelope :localpart "from" "", envelope :domain :contains "from" "")`},
		{"a local part alone", letter, "MAILER-DAEMON", "", `allof (envelope :localpart "from" "mailer-daemon", not envelope :domain :contains "from" "")`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, err := NewCompiler(DefaultOptions()).Compile(require + tc.before + "if " + tc.test + ` { fileinto "yes"; }`)
			if err != nil {
				t.Fatal(err)
			}
			out, err := s.Run(t.Context(), &Env{Message: NewMessage(strings.NewReader(tc.letter), int64(len(tc.letter))), From: tc.from})
			if err != nil {
				t.Fatal(err)
			}
			if into, ok := out.Actions[0].(Into); !ok || into.Mailbox != "yes" {
				t.Errorf("%+v", out)
			}
		})
	}
}

// TestParts has what tests of content see of parts.
func TestParts(t *testing.T) {
	const letter = "From: a@b.example\r\nContent-Type: multipart/mixed; boundary=o\r\n\r\npreamble\r\n--o\r\n" +
		"Content-Type: text/html\r\n\r\n<p>Some <b>bold</b>&amp;text</p>\r\n--o\r\n" +
		"Content-Type: application/xhtml+xml\r\n\r\n<p>more</p>\r\n--o\r\n" +
		"Content-Type: text/plain\r\nContent-Transfer-Encoding: x-secret\r\n\r\ncode\r\n--o\r\n" +
		"Content-Type: message/rfc822\r\n\r\nFrom: c@d.example\r\nSubject: in\r\n folds\r\n\r\ninner\r\n--o--\r\nepilogue\r\n"
	for _, test := range []string{
		`body :text :contains "Some bold&text"`, `not body :text :contains "<"`, `body :text :contains "more"`, `not body :text :contains "code"`,
		`body :text :contains "inner"`, `body :content "text/html" :contains "<b>"`, `not body :content "text/html/x" :contains ""`, `not body :content "text/" :contains ""`,
		`body :content "multipart" :contains "preamble"`, `body :content "multipart" :contains "epilogue"`, `not body :content "multipart" :contains "--o"`,
		`body :content "message/rfc822" :is "From: c@d.example` + "\r\n" + `Subject: in` + "\r\n" + ` folds` + "\r\n" + `"`,
		`allof (not header :contains "from:" "", not exists "a b", not header :count "ge" "to!" "1")`,
		`not size :over 18446744073709551615`,
	} {
		s, err := NewCompiler(DefaultOptions()).Compile(`require ["fileinto", "body", "relational"]; if ` + test + ` { fileinto "yes"; }`)
		if err != nil {
			t.Fatal(err)
		}
		out, err := s.Run(t.Context(), newEnv(strings.ReplaceAll(letter, "\r", "")))
		if err != nil {
			t.Fatal(err)
		}
		if into, ok := out.Actions[0].(Into); !ok || into.Mailbox != "yes" {
			t.Errorf("%s: %+v", test, out)
		}
	}
}

// TestOnce checks that what is wanted twice is done once, RFC 5228 §2.10.3, with the last flags, RFC 5232 §5.
func TestOnce(t *testing.T) {
	for script, want := range map[string]string{
		`keep; fileinto "INBOX"; keep :flags "b"; fileinto :flags "c" "A"; fileinto "A";`:                       "keep flags=b\ninto A",
		`fileinto :copy :flags "a" "inbox"; addflag "b";`:                                                       "into inbox flags=b",
		`if address :localpart "Message-ID" "1" { discard; }`:                                                   "",
		`redirect "x@y.example"; redirect "Ann <X@y.example>"; redirect "z@y.example";`:                         "redirect x@y.example\nredirect z@y.example",
		`addflag "a"; fileinto :copy "A"; addflag "b"; fileinto :copy "A";`:                                     "into A flags=a,b\nkeep flags=a,b",
		`setflag "a b c"; if hasflag :contains "x b" { keep :flags "yes"; }`:                                    "keep flags=yes",
		`set "v" "x c"; setflag "a b c"; if hasflag "${v}" { keep :flags "yes"; }`:                              "keep flags=yes",
		`if string :regex "abcdefghijklm" "(a)(b)(c)(d)(e)(f)(g)(h)(i)(j)(k)(l)(m)" { fileinto "${11}${13}"; }`: "into km",
		`set "a" text:
<html><body>x</body></html>
.
;foreverypart { extracttext "t"; if string :contains "${t}" "answer" { fileinto "found"; } }`: "into found",
	} {
		s, err := NewCompiler(DefaultOptions()).Compile(wire(`require ["fileinto", "copy", "imap4flags", "variables", "regex", "foreverypart", "extracttext"];` + script))
		if err != nil {
			t.Fatal(script, err)
		}
		res, err := s.Run(t.Context(), newEnv(letters["plain"]))
		if got := show(res.Actions); err != nil || got != want {
			t.Errorf("%s:\n got %q\nwant %q (%v)", script, got, want, err)
		}
	}
}

// TestWritten checks that a value that is cut ends with a whole escape.
func TestWritten(t *testing.T) {
	for _, tc := range []struct {
		how, in string
		n       int
		want    string
	}{
		{"quotewildcard", "0***", 4, `0\*`}, {"quotewildcard", `\\*`, 3, `\\`}, {"encodeurl", "a b", 3, "a"}, {"encodeurl", "ää", 8, "%C3%A4"},
		{"encodeurl", "€€", 17, "%E2%82%AC"}, {"encodeurl", "a€", 9, "a"}, {"quotewildcard", "ab", 2, "ab"},
	} {
		for _, m := range modifiers {
			if m.name == tc.how {
				if got := cutWritten(tc.how, m.do(tc.in), tc.n); got != tc.want {
					t.Errorf("%s %q to %d: %q, want %q", tc.how, tc.in, tc.n, got, tc.want)
				}
			}
		}
	}
}

// TestMailtoLists checks how a mailto URI names several, RFC 6068 §2.
func TestMailtoLists(t *testing.T) {
	for uri, want := range map[string]string{
		"mailto:a@x.example,b@x.example?cc=A@x.example,c@x.example": "[a@x.example b@x.example] [c@x.example]",
		"mailto:a@x.example%2Cb@x.example":                          "[a@x.example b@x.example] []",
		"mailto:a@x.example;?h=x":                                   "",
		"mailto:a@x.example?h=a>b":                                  "",
		"mailto:a%23x.example":                                      "",
	} {
		m, err := ParseMailto(uri)
		got := ""
		if err == nil {
			got = fmt.Sprint(m.To, m.Cc)
			got = strings.Replace(got, "][", "] [", 1)
		}
		if got != want {
			t.Errorf("%s: %q, %v, want %q", uri, got, err, want)
		}
	}
}

// friends is a list with two in it.
type friends struct{}

func (friends) Valid(_ context.Context, list string) (bool, error) {
	return list == ":addrbook:friends", nil
}
func (friends) Has(_ context.Context, list, value string) (bool, error) {
	return list == ":addrbook:friends" && (value == "ann@example.com" || value == "x@example.net"), nil
}
func (f friends) Members(_ context.Context, _ string, most int) ([]string, error) {
	if most < 2 {
		return nil, Exhausted
	}
	return []string{"ann@example.com", "nobody", "x@example.net"}, nil
}

// TestExtLists checks RFC 6134.
func TestExtLists(t *testing.T) {
	for script, want := range map[string]string{
		`redirect :list ":addrbook:friends";`:                                                                           "redirect ann@example.com\nredirect x@example.net",
		`redirect :copy :list "urn:ietf:params:sieve:addrbook:friends";`:                                                "redirect ann@example.com\nredirect x@example.net\nkeep",
		`if valid_ext_list "tag:example.com,2010-05-28:mylist" { redirect :list "tag:example.com,2010-05-28:mylist"; }`: "keep",
		`redirect :list "tag:example.com,2010-05-28:mylist";`:                                                           "keep", // fails
		`redirect :list ":addrbook:others";`:                                                                            "keep", // fails
		`if address :list "from" ":addrbook:friends" { fileinto "${0}"; }`:                                              "into ann@example.com",
		`if header :list "from" ["x", ":addrbook:friends"] { fileinto "a"; }`:                                           "into a",
		`if envelope :list "from" ":addrbook:friends" { fileinto "a"; }`:                                                "into a",
		`if address :list "to" [":addrbook:friends", ":addrbook:others"] { fileinto "a"; }`:                             "keep",
		`if string :list "x@example.net" ":addrbook:friends" { discard; }`:                                              "",
		`if allof (valid_ext_list ":addrbook:friends", not valid_ext_list [":addrbook:friends", "x"]) { discard; }`:     "",
	} {
		s, err := NewCompiler(DefaultOptions()).Compile(`require ["extlists", "fileinto", "copy", "variables", "envelope"];` + script)
		if err != nil {
			t.Fatal(script, err)
		}
		for _, lists := range []Lists{friends{}, nil} {
			env := newEnv(letters["plain"])
			if env.Lists = lists; lists == nil {
				want = "keep"
			}
			res, err := s.Run(t.Context(), env)
			if got := show(res.Actions); got != want {
				t.Errorf("%s: %q, %v; want %q", script, got, err, want)
			}
		}
	}
	if _, err := NewCompiler(DefaultOptions()).Compile(`require "extlists"; redirect :list "a@b.example";`); err == nil {
		t.Error("an address is no list")
	}
}
