package delivery

import (
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestTrace(t *testing.T) {
	d := &Deliverer{cfg: DefaultConfig()}
	d.cfg.Hostname = "mx.example.org"
	at := time.Date(2026, 3, 2, 11, 0, 0, 0, time.FixedZone("", 3600))
	for _, tc := range []struct {
		e    Envelope
		want string
	}{
		{Envelope{From: "a@b.example", Routes: []*Route{{Address: "u@example.org"}}, ID: "X", Helo: "c.example",
			Remote: netip.MustParseAddr("2001:db8::1"), Protocol: "ESMTPS", Cipher: "TLS_AES_128_GCM_SHA256", Time: at},
			"Return-Path: <a@b.example>\r\nReceived: from c.example ([IPv6:2001:db8::1])\r\n\tby mx.example.org with ESMTPS id X\r\n\tfor <u@example.org> tls TLS_AES_128_GCM_SHA256;\r\n\tMon, 02 Mar 2026 10:00:00 +0000\r\n"},
		{Envelope{ID: "X", Helo: "a\r\nb", Protocol: "LMTP", Time: at},
			"Return-Path: <>\r\nReceived: from a??b\r\n\tby mx.example.org with LMTP id X;\r\n\tMon, 02 Mar 2026 10:00:00 +0000\r\n"},
	} {
		got, path := d.trace(&tc.e)
		if string(got) != tc.want || !strings.HasPrefix(tc.want[path:], "Received: ") {
			t.Errorf("%q", got)
		}
	}
}

func TestCountReceived(t *testing.T) {
	for _, tc := range []struct {
		in   string
		want int
	}{
		{"", 0},
		{"Received: a\r\n\tReceived: b\r\nreceived:c\r\nX-Received: d\r\nReceived : e\r\n\r\nReceived: f\r\n", 2},
		{"Received: a", 0}, // cut off before the end of its line
		{strings.Repeat("RECEIVED: "+strings.Repeat("x", 5000)+"\r\n", 50) + "\r\nReceived: a\r\n", 50},
		{"\r\nReceived: a\r\n", 0},
		{"\nReceived: a\n", 0},
	} {
		if n, err := countReceived(strings.NewReader(tc.in), int64(len(tc.in)), make([]byte, 100)); n != tc.want || err != nil {
			t.Errorf("%.40q: %d, %v", tc.in, n, err)
		}
	}
}

func FuzzCountReceived(f *testing.F) {
	f.Add("Received: a\r\nx\r\n\r\n")
	f.Fuzz(func(t *testing.T, in string) {
		want := 0
		for l := range strings.Lines(in) {
			if l[0] == '\r' || l[0] == '\n' {
				break
			}
			if len(l) > 9 && strings.EqualFold(l[:9], "received:") && l[len(l)-1] == '\n' {
				want++
			}
		}
		if n, err := countReceived(strings.NewReader(in), int64(len(in)), make([]byte, 7)); err != nil || n != want && len(in) < maxHeader {
			t.Fatalf("%q: %d, must be %d, %v", in, n, want, err)
		}
	})
}
