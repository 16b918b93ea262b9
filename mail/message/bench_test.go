package message

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"mime/quotedprintable"
	"strings"
	"testing"
)

// typical makes a message of about 20 KB as people send them: trace fields, plain text and
// HTML in quoted-printable, and with attachment n octets of base64.
func typical(attachment int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	words := strings.Fields("the meeting invoice Größe report please project customer schedule Wednesday regards déjà number attached flight release network")
	text := func(n int) string {
		var b strings.Builder
		for b.Len() < n {
			fmt.Fprintf(&b, "%s%x ", words[r.IntN(len(words))], r.IntN(4096))
			if r.IntN(12) == 0 {
				b.WriteString("\r\n")
			}
		}
		return b.String()
	}
	noise := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return base64.StdEncoding.EncodeToString(b)
	}
	quoted := func(s string) string {
		var b strings.Builder
		w := quotedprintable.NewWriter(&b)
		w.Write([]byte(s))
		w.Close()
		return b.String()
	}
	var b bytes.Buffer
	for i := range 4 {
		fmt.Fprintf(&b, "Received: from mx%d.example (mx%d.example [192.0.2.%d])\r\n\tby relay.example with ESMTPS id %x\r\n\tfor <a@b.example>; Mon, 02 Jun 2025 09:12:0%d +0200\r\n", i, i, i, r.Uint64(), i)
	}
	fmt.Fprintf(&b, "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=mail.example;\r\n\tbh=%s;\r\n\tb=%s\r\n\t %s\r\n", noise(32), noise(50), noise(50))
	b.WriteString("Message-ID: <m00000001.1@bench.example>\r\nDate: Mon, 02 Jun 2025 09:12:44 +0200\r\nFrom: \"Doe, Jane\" <jane.doe@mail.example>\r\n" +
		"To: Hassan Tanaka <hassan@mail.example>, zoe@mail.example\r\nCc: Ines Petrov <ines@mail.example>\r\nSubject: Re: [team] =?utf-8?B?R3LDtsOfZSBmw7xy?= the meeting\r\n" +
		"In-Reply-To: <m1@bench.example>\r\nReferences: <m0@bench.example>\r\n\t<m1@bench.example>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed;\r\n\tboundary=\"=_mixed_1\"\r\n\r\n" +
		"This is a multi-part message in MIME format.\r\n--=_mixed_1\r\nContent-Type: multipart/alternative; boundary=\"=_alt_1\"\r\n\r\n--=_alt_1\r\n" +
		"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n")
	b.WriteString(quoted(text(4000)))
	b.WriteString("\r\n--=_alt_1\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n")
	var h strings.Builder
	h.WriteString("<!DOCTYPE html>\r\n<html><head><style>td{font:13px/18px Arial}</style></head><body><table>\r\n")
	for h.Len() < 9000 {
		fmt.Fprintf(&h, "<tr><td style=\"padding:8px 12px;border-bottom:1px solid #eee\" align=\"left\">%s<a href=\"https://news.example/c/%x\">%s</a></td></tr>\r\n", text(300), r.Uint64(), text(20))
	}
	b.WriteString(quoted(h.String() + "</table></body></html>"))
	b.WriteString("\r\n--=_alt_1--\r\n")
	if attachment > 0 {
		b.WriteString("--=_mixed_1\r\nContent-Type: application/pdf; name=\"report.pdf\"\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=\"report.pdf\"\r\n\r\n")
		for range attachment / 57 {
			b.WriteString(noise(57) + "\r\n")
		}
	}
	b.WriteString("--=_mixed_1--\r\n")
	return b.Bytes()
}

func BenchmarkParse(b *testing.B) {
	for _, tc := range []struct {
		name string
		msg  []byte
	}{
		{"20KB", typical(0)},
		{"plain2KB", crlf("From: a@b.example\nTo: c@d.example\nSubject: short\nDate: Mon, 02 Jun 2025 09:12:44 +0200\n\n" + strings.Repeat("a few words in a line\n", 80))},
		{"attachment5MB", typical(3700 << 10)},
	} {
		b.Run(tc.name, func(b *testing.B) {
			b.SetBytes(int64(len(tc.msg)))
			b.ReportAllocs()
			r := bytes.NewReader(tc.msg)
			for b.Loop() {
				if _, err := Parse(r, int64(len(tc.msg))); err != nil {
					b.Fatal(err)
				}
			}
			m, _ := parse(b, tc.msg)
			b.ReportMetric(float64(len(m.Index())), "index-B")
			b.ReportMetric(float64(len(m.Signature())), "signature-B")
		})
	}
}

func BenchmarkOpenIndex(b *testing.B) {
	m, _ := parse(b, typical(0))
	rec := m.Index()
	buf := make([]byte, 0, 4096)
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		x, err := OpenIndex(rec)
		if err != nil {
			b.Fatal(err)
		}
		n += len(x.Envelope()) + len(x.BodyStructure()) + len(x.Preview()) + len(x.MessageID()) + len(x.BaseSubject())
		buf = x.AppendBody(buf[:0])
		x.Sent()
	}
	_ = n
}

func BenchmarkHeaderFields(b *testing.B) {
	msg := typical(0)
	_, x := parse(b, msg)
	s := &Section{What: HeaderFields, Fields: strings.Fields("From To Cc Bcc Subject Date Message-ID Priority X-Priority References Newsgroups In-Reply-To Content-Type Reply-To")}
	r := bytes.NewReader(msg)
	var c Content
	b.ReportAllocs()
	for b.Loop() {
		if ok, err := x.ContentInto(&c, r, s); !ok || err != nil {
			b.Fatal(ok, err)
		}
	}
}

func BenchmarkSearch(b *testing.B) {
	msg := typical(0)
	m, x := parse(b, msg)
	r := bytes.NewReader(msg)
	b.Run("signature", func(b *testing.B) {
		n := NewMatcher("quokka017")
		for b.Loop() {
			if n.MayMatch(m.Signature(), Anywhere) {
				b.Fatal("may match")
			}
		}
	})
	b.Run("text", func(b *testing.B) {
		b.SetBytes(int64(len(msg)))
		b.ReportAllocs()
		n := NewMatcher("quokka017")
		for b.Loop() {
			if found, err := x.Search(r, Anywhere, n); found || err != nil {
				b.Fatal(found, err)
			}
		}
	})
	b.Run("subject", func(b *testing.B) {
		b.ReportAllocs()
		n := NewMatcher("PRJ042")
		for b.Loop() {
			if match, known := x.Matches("Subject", n); match || !known {
				b.Fatal(match, known)
			}
		}
	})
}
