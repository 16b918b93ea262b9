package message

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"
)

func downgrade(t testing.TB, raw string) (string, *Index) {
	t.Helper()
	m, err := Parse(strings.NewReader(raw), int64(len(raw)))
	if err != nil {
		t.Fatal(err)
	}
	x, err := OpenIndex(m.Index())
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := Downgrade(&b, strings.NewReader(raw), &x); err != nil {
		t.Fatal(err)
	}
	return b.String(), &x
}

func TestDowngradeFields(t *testing.T) {
	for _, tc := range []struct{ name, in, want string }{
		{"ASCII stays as it stands", "Subject:  a\n  b \n", "Subject:  a\n  b \n"},
		{"what is no UTF-8 stays", "Subject: \xe4\r\n", "Subject: \xe4\r\n"},
		{"subject, RFC 6858 §2.3", "Subject: Grüße\r\n", "Subject: =?utf-8?B?R3LDvMOfZQ==?=\r\n"},
		{"encoded words beside UTF-8", "Subject: =?iso-8859-1?Q?=E4?= ü\r\n", "Subject: =?utf-8?B?w6Qgw7w=?=\r\n"},
		{"long subject", "Subject: " + strings.Repeat("ü", 30) + "\r\n",
			"Subject: =?utf-8?B?" + strings.Repeat("w7zDvMO8", 7) + "w7w=?=\r\n =?utf-8?B?w7zDvMO8w7zDvMO8w7zDvA==?=\r\n"},
		{"address, RFC 6858 §2.1", "From: José <josé@exämple.com>\r\n",
			"From: =?utf-8?B?Sm9zw6kgPGpvc8OpQGV4w6RtcGxlLmNvbT4=?=\r\n <invalid@internationalized-address.invalid>\r\n"},
		{"address without a name", "To: 用户@例子.广告, b@b.example\r\n",
			"To: =?utf-8?B?55So5oi3QOS+i+WtkC7lub/lkYo=?=\r\n <invalid@internationalized-address.invalid>,\r\n <b@b.example>\r\n"},
		{"name alone", "Cc: Zoë \"x\" <zoe@b.example>\r\n", "Cc: =?utf-8?B?Wm/DqyB4?=\r\n <zoe@b.example>\r\n"},
		{"domain that has a form in ASCII", "Resent-To: \"a, b\" <a@bücher.example>\r\n", "Resent-To: \"a, b\"\r\n <a@xn--bcher-kva.example>\r\n"},
		{"group", "To: Bücher: a@b.example, é@c.example;\r\n",
			"To: =?utf-8?B?QsO8Y2hlcg==?=:\r\n <a@b.example>,\r\n =?utf-8?B?w6lAYy5leGFtcGxl?=\r\n <invalid@internationalized-address.invalid>;\r\n"},
		{"return path", "Return-Path: <é@b.example>\r\n",
			"Return-Path: =?utf-8?B?w6lAYi5leGFtcGxl?=\r\n <invalid@internationalized-address.invalid>\r\n"},
		{"file name", "Content-Disposition: attachment; filename=\"Ünï x.pdf\"; size=3\r\n",
			"Content-Disposition: attachment;\r\n filename*=utf-8''%C3%9Cn%C3%AF%20x.pdf;\r\n size=\"3\"\r\n"},
		{"others are left out, RFC 6858 §2.4", "Message-ID: <é@b>\r\nA: b\r\n", "A: b\r\n"},
		{"field of somebody's own", "X-Note: é\r\n", "X-Note: =?utf-8?B?w6k=?=\r\n"},
		{"no field", "é no field\r\n", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, x := downgrade(t, tc.in+"\r\nbödy\r\n")
			if want := tc.want + "\r\nbödy\r\n"; got != want {
				t.Errorf("%q,\nnot %q", got, want)
			}
			if x.UTF8() != (got != tc.in+"\r\nbödy\r\n") {
				t.Errorf("UTF8 is %v", x.UTF8())
			}
		})
	}
}

func TestDowngradeParts(t *testing.T) {
	raw := strings.ReplaceAll(`Subject: a
Content-Type: multipart/mixed; boundary=b

é
--b
Content-Description: é

é: body
--b
Content-Type: message/global

Subject: é

é
--b--
é
`, "\n", "\r\n")
	want := strings.NewReplacer("Description: é", "Description: =?utf-8?B?w6k=?=", "Subject: é", "Subject: =?utf-8?B?w6k=?=").Replace(raw)
	got, x := downgrade(t, raw)
	if got != want || !x.UTF8() {
		t.Errorf("%v, %s", x.UTF8(), got)
	}
}

func FuzzDowngrade(f *testing.F) {
	f.Add([]byte("From: é <é@é>, g: a@b;\r\nContent-Type: text/plain; name=é; a*0=é; b*=utf-8''%\r\nSubject: é\r\n\r\n"))
	f.Add([]byte("é\r\n é\r\n\r\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, x := downgrade(t, string(raw))
		if !x.UTF8() && got != string(raw) && len(raw) < MaxField {
			t.Fatalf("%q became %q", raw, got)
		}
		for _, field := range bytes.SplitAfter(raw, []byte("\n")) {
			if utf8.Valid(field) && !isASCII(appendDowngraded(nil, field)) {
				t.Fatalf("%q became %q", field, appendDowngraded(nil, field))
			}
		}
	})
}
