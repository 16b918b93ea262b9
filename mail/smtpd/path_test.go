package smtpd

import (
	"strings"
	"testing"
)

func TestPath(t *testing.T) {
	long := strings.Repeat("a", 64)
	for _, tc := range []struct {
		in     string
		utf8   bool
		want   Address
		params string // "" also when the path is wrong
		ok     bool
	}{
		{in: "FROM:<>", ok: true},
		{in: "from: <> SIZE=1", params: "SIZE=1", ok: true},
		{in: "FROM:<user@example.org>", want: Address{"user", "example.org"}, ok: true},
		{in: "FROM:<user@example.org> ", want: Address{"user", "example.org"}, ok: true},
		{in: "From:<user+a.b@example.org> body=8bitmime size=10", want: Address{"user+a.b", "example.org"}, params: "BODY=8bitmime SIZE=10", ok: true},
		{in: "FROM:<@a.example,@b.example:user@example.org>", want: Address{"user", "example.org"}, ok: true},
		{in: `FROM:<"a b"@example.org>`, want: Address{"a b", "example.org"}, ok: true},
		{in: `FROM:<"a\"\\>"@example.org>`, want: Address{`a"\>`, "example.org"}, ok: true},
		{in: `FROM:<"plain"@example.org>`, want: Address{"plain", "example.org"}, ok: true},
		{in: "FROM:<user@[192.0.2.1]>", want: Address{"user", "[192.0.2.1]"}, ok: true},
		{in: "FROM:<user@[IPv6:2001:db8::1]>", want: Address{"user", "[IPv6:2001:db8::1]"}, ok: true},
		{in: "FROM:<Postmaster>", want: Address{"Postmaster", ""}, ok: true},
		{in: "FROM:<" + long + "@" + long[:63] + ".example>", want: Address{long, long[:63] + ".example"}, ok: true},
		{in: "FROM:<jörg@exämple.org> SMTPUTF8", utf8: true, want: Address{"jörg", "exämple.org"}, params: "SMTPUTF8", ok: true},
		{in: `FROM:<"jö rg"@example.org>`, utf8: true, want: Address{"jö rg", "example.org"}, ok: true},

		{in: "FROM:<jörg@example.org>"},
		{in: "FROM:<j\xffrg@example.org>", utf8: true},
		{in: "FROM:<\"j\xffrg\"@example.org>", utf8: true},
		{in: "FROM:user@example.org"},
		{in: "FROM:<user@example.org"},
		{in: "FROM:user@example.org>"},
		{in: "FROM <user@example.org>"},
		{in: "FROM:"},
		{in: "FROM:<"},
		{in: "FROM:<user>"},
		{in: "FROM:<@example.org>"},
		{in: "FROM:<user@>"},
		{in: "FROM:<us er@example.org>"},
		{in: "FROM:<user@example..org>"},
		{in: "FROM:<user@.example.org>"},
		{in: "FROM:<user@example.org.>"},
		{in: "FROM:<user@-example.org>"},
		{in: "FROM:<us..er@example.org>"},
		{in: "FROM:<.user@example.org>"},
		{in: "FROM:<user.@example.org>"},
		{in: `FROM:<""@example.org>`},
		{in: `FROM:<"a@example.org>`},
		{in: `FROM:<"a\`},
		{in: "FROM:<\"a\x00\"@example.org>"},
		{in: "FROM:<user@[192.0.2.300]>"},
		{in: "FROM:<user@[2001:db8::1]>"},
		{in: "FROM:<user@[IPv6:192.0.2.1]>"},
		{in: "FROM:<user@[IPv6:fe80::1%eth0]>"},
		{in: "FROM:<user@[192.0.2.1>"},
		{in: "FROM:<user@example.org>SIZE=1"},
		{in: "FROM:<user@example.org> SIZE=1 SIZE=2", want: Address{"user", "example.org"}, params: "!"},
		{in: "FROM:<user@example.org> =1", want: Address{"user", "example.org"}, params: "!"},
		{in: "FROM:<user@example.org> SIZE=", want: Address{"user", "example.org"}, params: "!"},
		{in: "FROM:<user@example.org> A=b=c", want: Address{"user", "example.org"}, params: "!"},
		{in: "FROM:<user@example.org> A\tB", want: Address{"user", "example.org"}, params: "!"},
		{in: "FROM:<" + strings.Repeat("a", 256) + "@example.org>"},
		{in: "FROM:<a@" + strings.Repeat("a", 64) + ".org>"},
		{in: "FROM:<a@" + strings.Repeat("a.", 128) + "org>"},
	} {
		s := scanner{s: tc.in, utf8: tc.utf8}
		a := s.parsePath("FROM:")
		if (s.err == nil) != (tc.ok || tc.params == "!") || a != tc.want {
			t.Errorf("%q: %q, %v", tc.in, a, s.err)
			continue
		}
		var ps []string
		for _, p := range s.params() {
			v := p.name
			if p.has {
				v += "=" + p.value
			}
			ps = append(ps, v)
		}
		if got := strings.Join(ps, " "); tc.ok && (got != tc.params || s.err != nil) || !tc.ok && s.err == nil {
			t.Errorf("%q: parameters %q, %v", tc.in, got, s.err)
		}
	}
}

func TestXtext(t *testing.T) {
	for in, want := range map[string]string{"a": "a", "a+3Db": "a=b", "+2B": "+", "+2": "!", "+zz": "!", "a+": "!"} {
		got, err := decodeXtext(in)
		if err != nil {
			got = "!"
		}
		if got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
}

// FuzzPath checks that no argument harms, and that what was read is read the
// same when it is written again.
func FuzzPath(f *testing.F) {
	for _, s := range []string{
		"FROM:<>", "FROM:<user@example.org> SIZE=1 BODY=8BITMIME", `FROM:<"a \" b"@[IPv6:::1]>`,
		"FROM:<@a,@b:c@d>", "FROM:<jörg@exämple.org> SMTPUTF8", "FROM:<postmaster>", `FROM:<"..">`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		for _, utf8 := range []bool{false, true} {
			s := scanner{s: in, utf8: utf8}
			a := s.parsePath("FROM:")
			if s.err != nil {
				continue
			}
			again := scanner{s: "FROM:<" + a.String() + ">", utf8: utf8}
			if b := again.parsePath("FROM:"); again.err != nil || a != b {
				t.Fatalf("%q is %q, and that is %q, %v", in, a, b, again.err)
			}
			if !utf8 && !a.ASCII() {
				t.Fatalf("%q: %q without SMTPUTF8", in, a)
			}
			if ps := s.params(); len(ps) > maxParams {
				t.Fatalf("%d parameters", len(ps))
			}
		}
	})
}
