package authres

import (
	"bytes"
	"strings"
	"testing"
)

func TestAppendField(t *testing.T) {
	for _, tc := range []struct {
		results []Result
		want    string
	}{
		{nil, "Authentication-Results: mx.example.org; none\r\n"},
		{[]Result{
			{"spf", Pass, "", []Prop{{"smtp", "mailfrom", "a@b.example"}}},
			{"dkim", Fail, "bad signature", []Prop{{"header", "d", "b.example"}, {"header", "b", "ab/c="}}},
			{"iprev", None, "", []Prop{{"policy", "iprev", "2001:db8::1"}}},
		}, "Authentication-Results: mx.example.org;\r\n\tspf=pass\r\n\t\tsmtp.mailfrom=a@b.example;\r\n\tdkim=fail reason=\"bad signature\"\r\n\t\theader.d=b.example\r\n\t\theader.b=\"ab/c=\";\r\n\tiprev=none\r\n\t\tpolicy.iprev=\"2001:db8::1\"\r\n"},
		{[]Result{{"spf", Fail, "", []Prop{{"smtp", "helo", "x; dkim=pass\r\nEvil: \"\\"}}}},
			"Authentication-Results: mx.example.org;\r\n\tspf=fail\r\n\t\tsmtp.helo=\"x; dkim=pass??Evil: \\\"\\\\\"\r\n"},
	} {
		if got := string(AppendField(nil, "mx.example.org", tc.results)); got != tc.want {
			t.Errorf("%q", got)
		}
	}
}

func TestStrip(t *testing.T) {
	for in, want := range map[string]string{
		"a: b\r\n\r\n": "a: b\r\n\r\n",
		"Authentication-Results: mx.example.org; spf=pass\r\na: b\r\n\r\n":                           "a: b\r\n\r\n",
		"AUTHENTICATION-RESULTS:MX.Example.ORG\r\na: b\r\n":                                          "a: b\r\n",
		"Authentication-Results: (x) \"mx.example.org\" 1;\r\n\tdkim=pass\r\na: b\r\n":               "a: b\r\n",
		"Authentication-Results:\r\n (a (b\\)) c)\r\n mx.example.org\r\n ; x\r\na: b":                "a: b",
		"Authentication-Results: (unclosed mx.example.org; spf=pass\r\na: b\r\n":                     "a: b\r\n",
		"Authentication-Results:\r\na: b\r\n":                                                        "a: b\r\n",
		"Authentication-Results: ;mx.example.org\r\na: b\r\n":                                        "a: b\r\n",
		"Authentication-Results : mx.example.org; spf=pass\r\na: b\r\n":                              "a: b\r\n",
		"Authentication-Results: other.example; x=\"mx.example.org\"\r\n":                            "Authentication-Results: other.example; x=\"mx.example.org\"\r\n",
		"X-Authentication-Results: mx.example.org\r\nARC-Authentication-Results: mx.example.org\r\n": "X-Authentication-Results: mx.example.org\r\nARC-Authentication-Results: mx.example.org\r\n",
		"Authentication-Results: mx.example.org.evil; x\r\n":                                         "Authentication-Results: mx.example.org.evil; x\r\n",
	} {
		if got := string(Strip([]byte(in), "mx.example.org")); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
}

// FuzzField checks that what a stranger said stays within its quotes: the field
// is one field, and its identity is ours.
func FuzzField(f *testing.F) {
	f.Add("a@b.example", "why")
	f.Add("\";\r\nX: y", "\xff\\")
	f.Fuzz(func(t *testing.T, value, reason string) {
		b := AppendField(nil, "mx.example.org", []Result{{"spf", Fail, reason, []Prop{{"smtp", "mailfrom", value}}}})
		if id, ok := Identity(bytes.TrimPrefix(b, []byte(FieldName+": "))); !ok || id != "mx.example.org" {
			t.Fatalf("%q: %q, %v", b, id, ok)
		}
		if got := Strip(b, "mx.example.org"); len(got) != 0 {
			t.Fatalf("%q is not one field: %q is left", b, got)
		}
		for l := range strings.SplitSeq(strings.TrimSuffix(string(b), "\r\n"), "\r\n") {
			if strings.ContainsAny(l, "\r\n") {
				t.Fatalf("%q", b)
			}
		}
	})
}

func FuzzStrip(f *testing.F) {
	f.Add([]byte("Authentication-Results: (x) \"mx.example.org\"; a=b\r\nFrom: x\r\n\r\n"))
	f.Fuzz(func(t *testing.T, header []byte) {
		once := Strip(bytes.Clone(header), "mx.example.org")
		if twice := Strip(bytes.Clone(once), "mx.example.org"); !bytes.Equal(once, twice) {
			t.Fatalf("%q: %q, then %q", header, once, twice)
		}
	})
}

func TestSays(t *testing.T) {
	for _, c := range []struct {
		in   string
		want bool
	}{
		{"mx.a.example; spf=pass; dmarc=pass (p=none) header.from=a.example", true},
		{" x; DMARC/1 = Pass", true},
		{`x; spf=fail reason="; dmarc=pass"`, false},
		{"x; spf=fail (; dmarc=pass)", false},
		{"x; dmarc=passed", false},
		{"x; xdmarc=pass", false},
		{"x; dmarc=", false},
	} {
		if got := Says(c.in, "dmarc", Pass); got != c.want {
			t.Errorf("%q: %v", c.in, got)
		}
	}
}

func TestStripOwn(t *testing.T) {
	header := "A: 1\r\nX-Atrium-Spam: No\r\n\tfolded\r\nAuthentication-Results: mx; spf=pass\r\nx-atrium-other : x\r\nX-Atrium: stays\r\nB: 2\r\n\r\n"
	want := "A: 1\r\nAuthentication-Results: mx; spf=pass\r\nX-Atrium: stays\r\nB: 2\r\n\r\n"
	if got := string(StripOwn([]byte(header), "X-Atrium-")); got != want {
		t.Errorf("%q", got)
	}
	if got := string(Strip([]byte(header), "mx", "X-Atrium-")); got != strings.Replace(want, "Authentication-Results: mx; spf=pass\r\n", "", 1) {
		t.Errorf("%q", got)
	}
	plain := []byte("A: 1\r\nB: 2\r\n\r\n")
	if n := testing.AllocsPerRun(10, func() { Strip(plain, "mx", "X-Atrium-") }); n > 0 {
		t.Errorf("%v allocations where nothing goes", n)
	}
}
