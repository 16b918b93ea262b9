package message

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestParseAddresses(t *testing.T) {
	for _, tc := range []struct{ field, want string }{
		{"a@b", "[ a b]"},
		{"Jane Doe <jane@x.org>", "[Jane Doe jane x.org]"},
		{`"Doe, Jane" <jane@x.org>, bob@y (Bob)`, "[Doe, Jane jane x.org][Bob bob y]"},
		{"undisclosed-recipients:;", "{undisclosed-recipients}{}"},
		{"A Group: a@b, C <c@d>; e@f", "{A Group}[ a b][C c d]{}[ e f]"},
		{"open: a@b", "{open}[ a b]{}"},
		{"<@r1,@r2:user@host>", "[ user host @r1,@r2]"},
		{`"quoted local"@x.org`, "[ quoted local x.org]"},
		{`<"a@b"@c>`, "[ a@b c]"},
		{"x@[192.0.2.1]", "[ x [192.0.2.1]]"},
		{"jane@x.org <jane@x.org>", "[jane@x.org jane x.org]"},
		{"=?utf-8?q?a,_b?= <q@w>", "[=?utf-8?q?a,_b?= q w]"},
		{"a@b c@d", "[ a b][ c d]"},
		{"a@b; c@d", "[ a b][ c d]"},
		{"root", "[ root ]"},
		{"root (Charlie)", "[Charlie root ]"},
		{"John Doe", "[John Doe  ]"},
		{"<>", "[  ]"},
		{"", ""},
		{" , ,, ", ""},
		{"J. R. Hacker <j@x>", "[J. R. Hacker j x]"},
		{"Ünï <ü@exämple>", "[Ünï ü exämple]"},
		{`"unclosed <a@b>`, "[unclosed <a@b>  ]"},
		{"a@b@c", "[ a b]"},
		{"<a@b", "[ a b]"},
		{"a@b>", "[ a b]"},
		{"x (c(d)e) <a@b>", "[x a b]"},
	} {
		var got strings.Builder
		for _, a := range ParseAddresses([]byte(tc.field)) {
			switch {
			case a.Group && a.Mailbox != "":
				fmt.Fprintf(&got, "{%s}", a.Mailbox)
			case a.Group:
				got.WriteString("{}")
			case a.Route != "":
				fmt.Fprintf(&got, "[%s %s %s %s]", a.Name, a.Mailbox, a.Host, a.Route)
			default:
				fmt.Fprintf(&got, "[%s %s %s]", a.Name, a.Mailbox, a.Host)
			}
		}
		if got.String() != tc.want {
			t.Errorf("%q gives %s, want %s", tc.field, &got, tc.want)
		}
	}
	for a, want := range map[Address]string{
		{Mailbox: "a", Host: "b"}: "a@b", {Mailbox: "a b", Host: "c"}: `"a b"@c`, {Mailbox: `q"`, Host: "c"}: `"q\""@c`, {Mailbox: "x"}: "x",
	} {
		if got := a.Addr(); got != want {
			t.Errorf("%v.Addr() is %s, want %s", a, got, want)
		}
	}
}

func TestParseDate(t *testing.T) {
	for _, tc := range []struct{ field, want string }{
		{"Mon, 7 Feb 1994 21:52:25 -0800 (PST)", "1994-02-07T21:52:25-08:00"},
		{"7 Feb 94 21:52 EST", "1994-02-07T21:52:00-05:00"},
		{"Thu, 13 Feb 1969 23:32:54 -0330", "1969-02-13T23:32:54-03:30"},
		{"Fri, 21 Nov 1997 09(comment):   55  :  06 -0600", "1997-11-21T09:55:06-06:00"},
		{"21 Nov 97 09:55:06 GMT", "1997-11-21T09:55:06Z"},
		{"Mon Jan  2 15:04:05 2006", "2006-01-02T15:04:05Z"},
		{"Mon Jan  2 15:04:05 CET 2006", "2006-01-02T15:04:05+01:00"},
		{"2006-01-02T15:04:05Z", "2006-01-02T15:04:05Z"},
		{"2006-01-02T15:04:05.123+02:00", "2006-01-02T15:04:05+02:00"},
		{"2006-01-02 15:04:05 +0200", "2006-01-02T15:04:05+02:00"},
		{"Mon, 02-Jan-2006 15:04:05 GMT+0100", "2006-01-02T15:04:05+01:00"},
		{"January 2, 2006 3:04 PM", "2006-01-02T15:04:00Z"},
		{"Tue, 1 Jul 103 10:00:00 +0000", "2003-07-01T10:00:00Z"},
		{"1 Jan 2020", "2020-01-01T00:00:00Z"},
		{"1 Jan 2020 99:99:99 +0100", "2020-01-01T00:00:00+01:00"},
		{"Wed, 31 Dec 2025 23:59:60 +0000", "2026-01-01T00:00:00Z"},
		{"Mon, 1 Jan 2020 10:00:00 +9999", "2020-01-01T10:00:00Z"},
		{"", ""}, {"yesterday", ""}, {"Mon, 99 Jan 2020", ""}, {"10:00:00", ""}, {"1 Foo 2020", ""},
	} {
		got := ""
		if d, ok := ParseDate([]byte(tc.field)); ok {
			got = d.Format(time.RFC3339)
		}
		if got != tc.want {
			t.Errorf("%q gives %s, want %s", tc.field, got, tc.want)
		}
	}
	now := time.Date(2025, 3, 4, 5, 6, 7, 0, time.FixedZone("", -3600))
	if d, ok := ParseDate([]byte(FormatDate(now))); !ok || !d.Equal(now) || FormatDate(now) != "Tue, 4 Mar 2025 05:06:07 -0100" {
		t.Error(FormatDate(now), d)
	}
}

// RFC 5256 §2.1.
func TestBaseSubject(t *testing.T) {
	for _, tc := range []struct {
		subject, want string
		reply         bool
	}{
		{"hello", "hello", false},
		{"Re: hello", "hello", true},
		{"RE: re:  Fwd: FW : hello (fwd) (fwd)", "hello", true},
		{"[list] Re: [list] hello", "hello", true},
		{"Re[2]: hello", "hello", true},
		{"re [blob]: hello", "hello", true},
		{"[fwd: [fwd: hello]]", "hello", true},
		{"[fwd: Re: hello (fwd)]", "hello", true},
		{"[list]", "[list]", false},
		{"[a][b] hello", "hello", false},
		{"[a[b] hello", "[a[b] hello", false},
		{"real: hello", "real: hello", false},
		{"Regarding", "Regarding", false},
		{"Re:", "", true},
		{"", "", false},
		{"(fwd)", "", true},
		{"AW: hello", "AW: hello", false},
	} {
		got, reply := baseSubject([]byte(tc.subject))
		if string(got) != tc.want || reply != tc.reply {
			t.Errorf("%q gives %q %v, want %q %v", tc.subject, got, reply, tc.want, tc.reply)
		}
	}
}

func TestDecode(t *testing.T) {
	for _, tc := range []struct{ value, want string }{
		{"plain", "plain"},
		{"=?utf-8?q?caf=C3=A9?=", "café"},
		{"=?UTF-8?B?Y2Fmw6k=?=", "café"},
		{"=?iso-8859-1?q?a?= b", "a b"},
		{"=?iso-8859-1?q?a?= =?iso-8859-1?q?b?=", "ab"},
		{"=?iso-8859-1?q?a?=\r\n =?utf-8?q?b?=", "ab"},
		{"=?ISO-8859-1?Q?a_b?=", "a b"},
		{"=?utf-8*en?q?x?=", "x"},
		{"=?utf-8?B?ww==?= =?utf-8?B?qQ==?=", "é"},                                 // a character split between words
		{"=?utf-8?q?=C3?= =?utf-8?q?=A9?=", "é"},                                   // a character split between words
		{"=?iso-2022-jp?B?GyRCJDMkcxsoQg==?=", "こん"},                               //
		{"=?koi8-r?B?8NLJ18XU?=", "Привет"},                                        //
		{"=?x-what?q?caf=E9?=", "café"},                                            // unknown charset
		{"=?utf-8?q?caf=E9?=", "café"},                                             // not what it says
		{"=?utf-8?x?abc?=", "=?utf-8?x?abc?="},                                     //
		{"=?utf-8?q?open", "=?utf-8?q?open"},                                       //
		{"=?=?utf-8?q?a?=", "=?a"},                                                 //
		{"(=?utf-8?q?a?=)", "(a)"},                                                 //
		{"\"=?utf-8?q?a?=\"", "\"a\""},                                             //
		{"=?utf-8?q?with blank?= x", "with blank x"},                               //
		{"J\xf6rg", "Jörg"},                                                        //
		{"Jörg", "Jörg"},                                                           //
		{"a\x00b", "a\uFFFDb"},                                                     //
		{"folded\r\n\t text", "folded text"},                                       //
		{"=?gb2312?B?xOO6ww==?=", "你好"},                                            //
		{"=?utf-7?q?+AOk-?=", "é"},                                                 //
		{"=?windows-1252?q?=80?=", "€"},                                            //
		{"=?shift_jis?B?k/qWew==?=", "日本"},                                         //
		{"=?us-ascii?q?=E9?=", "é"},                                                //
		{"=?utf-8?q?=?=", "="},                                                     //
		{strings.Repeat("=?utf-8?q?=C3=A9?= ", 20), strings.Repeat("é", 20) + " "}, //
	} {
		if got := Decode([]byte(tc.value)); got != tc.want {
			t.Errorf("%q gives %q, want %q", tc.value, got, tc.want)
		}
	}
}

func TestAppendField(t *testing.T) {
	for _, tc := range []struct{ name, value, want string }{
		{"A", "b", "A: b\r\n"},
		{"A", "", "A:\r\n"},
		{"A", "x\r\nInjected: y\x00", "A: x  Injected: y \r\n"},
		{"Subject", strings.Repeat("word ", 20) + "end", ""},
		{"Subject", "Größe " + strings.Repeat("für ", 40) + "alle", ""},
		{"Subject", "plain then ünicode then plain", ""},
		{"X", strings.Repeat("x", 200), "X: " + strings.Repeat("x", 200) + "\r\n"},
	} {
		got := AppendField(nil, tc.name, tc.value)
		if tc.want != "" && string(got) != tc.want {
			t.Errorf("%q gives %q", tc.value, got)
		}
		f, rest, ok := NextField(got)
		if !ok || len(rest) > 0 || string(f.Name) != tc.name {
			t.Fatalf("%q is no field", got)
		}
		for line := range strings.Lines(string(got)) {
			if len(line) > lineWidth+2 && strings.Contains(strings.TrimSpace(line), " ") && len(strings.Fields(line)[1]) < 70 {
				t.Errorf("line of %d: %q", len(line), line)
			}
		}
		if tc.want == "" && Decode(f.Value) != tc.value {
			t.Errorf("%q reads back as %q", tc.value, Decode(f.Value))
		}
	}
}

// The steps of decoding give the same in whatever pieces the input comes.
func TestPieces(t *testing.T) {
	for _, tc := range []struct {
		kind     Kind
		enc      Encoding
		charset  string
		in, want string
	}{
		{TextPlain, Identity, "", "plain \xc3\xa9 \xe9 end", "plain é é end"},
		{TextPlain, Identity, "iso-8859-1", "caf\xe9", "café"},
		{TextPlain, Base64, "utf-8", "Y2Fm\r\nw6k=\r\n", "café"},
		{TextPlain, Base64, "utf-8", "Y2*Fm w6k", "café"},
		{TextPlain, Base64, "utf-8", "YQ==YQ==", "aa"},
		{TextPlain, QuotedPrintable, "utf-8", "caf=C3=A9  \r\nsoft=\r\nbreak= \t\r\n=3D=XY= end=", "café\r\nsoftbreak==XY= end"},
		{TextPlain, QuotedPrintable, "iso-2022-jp", "=1B$B$3$s=1B(B", "こん"},
		{TextPlain, Identity, "utf-16le", "a\x00\xe9\x00", "aé"},
		{TextPlain, Identity, "x-nobody-knows", "caf\xe9", "café"},
		{TextHTML, Identity, "", "<p>a<b>b</b>c</p><p>d</p>", "abc d"},
		{TextHTML, Identity, "", "a &lt; b &amp;&nbsp;c &#228; &#xe4; &auml; &euro; &nosuch; &", "a < b & c ä ä ä € &nosuch; &"},
		{TextHTML, Identity, "", "x<!-- c -- > <b> -->y<style>p{}</style>z<script>if (a<b) {}</script>!", "xyz!"},
		{TextHTML, Identity, "", "<a title=\"x>y\" href='>'>link</a> 1 < 2", "link 1 < 2"},
		{TextHTML, Identity, "", "<!DOCTYPE html>\r\n<br>a<br/>b<td>c", "a b c"},
		{TextHTML, QuotedPrintable, "iso-8859-1", "<p>caf=E9</=\r\np>", "café"},
		{TextPlain, UUEncode, "", "begin 644 x\r\n#0V%T\r\n`\r\nend\r\n", "Cat"},
	} {
		for n := 1; n <= len(tc.in); n++ {
			var got bytes.Buffer
			s := textStream{sink: func(b []byte) bool { got.Write(b); return true }}
			s.reset(tc.kind, tc.enc, tc.charset)
			for piece := range slices.Chunk([]byte(tc.in), n) {
				s.write(piece)
			}
			s.flush()
			if got.String() != tc.want {
				t.Errorf("%q in pieces of %d gives %q, want %q", tc.in, n, &got, tc.want)
				break
			}
		}
	}
}

func TestPreview(t *testing.T) {
	for _, tc := range []struct{ name, msg, want string }{
		{"quotes are passed over", "\n> old\nnew\n> old\n", "new"},
		{"quotes alone", "\n> old\n", "> old"},
		{"cut at 200 characters", "\n" + strings.Repeat("äb ", 100), strings.TrimSpace(strings.Repeat("äb ", 67)[:66*4+3])},
		{"attachment", "Content-Type: multipart/mixed; boundary=x\n\n--x\nContent-Disposition: attachment\n\nno\n--x\n\nyes\n--x--\n", "yes"},
		{"an empty part before", "Content-Type: multipart/mixed; boundary=x\n\n--x\n\n \n--x\nContent-Type: text/html\n\n<p>yes</p>\n--x--\n", "yes"},
		{"padding", "Content-Type: text/html\n\nhello&zwnj;&#847;&#xfeff; &nbsp; world", "hello\u200c world"},
		{"forwarded only", "Content-Type: message/rfc822\n\n\ninner", ""},
	} {
		_, x := parse(t, crlf(tc.msg))
		if got := string(x.Preview()); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}
