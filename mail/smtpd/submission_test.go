package smtpd

import (
	"bytes"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"
)

// fixed feeds a message in pieces through a header and returns what comes out.
func fixed(t testing.TB, in string, size int) (string, error) {
	var out bytes.Buffer
	h := &header{to: &out, edit: func(h []byte) ([]byte, error) {
		var f fields
		f.read(h)
		return f.complete("", "", "mx.example.org", time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)), nil
	}}
	for p := []byte(in); len(p) > 0; {
		n := min(size, len(p))
		if _, err := h.Write(p[:n]); err != nil {
			return "", err
		}
		p = p[n:]
	}
	err := h.end()
	return regexp.MustCompile(`Message-ID: <[A-Z2-7]{26}@mx\.example\.org>`).ReplaceAllString(out.String(), "Message-ID: <new>"), err
}

func TestHeader(t *testing.T) {
	const date, id = "Date: Mon, 02 Mar 2026 10:00:00 +0000\r\n", "Message-ID: <new>\r\n"
	for _, tc := range []struct{ in, want string }{
		{"Date: x\r\nMessage-Id: <a@b>\r\n\r\nbody\r\n", "Date: x\r\nMessage-Id: <a@b>\r\n\r\nbody\r\n"},
		{"From: a@b\r\n\r\nbody\r\n", date + id + "From: a@b\r\n\r\nbody\r\n"},
		{"DATE: x\r\n\r\n", id + "DATE: x\r\n\r\n"},
		{"Date: x\r\nmessage-ID : <a>\r\n", "Date: x\r\nmessage-ID : <a>\r\n"},
		{"Date: x\r\nMessage-ID: <a>\r\nBcc: a@b,\r\n\tc@d\r\nTo: x\r\n\r\nBcc: stays\r\n", "Date: x\r\nMessage-ID: <a>\r\nTo: x\r\n\r\nBcc: stays\r\n"},
		{"Return-Path: <x>\r\nBCC:\r\nDate: x\r\nMessage-ID: <a>\r\nResent-Bcc: q\r\n\r\nx", "Date: x\r\nMessage-ID: <a>\r\n\r\nx"},
		{"\r\nbody\r\n", date + id + "\r\nbody\r\n"},
		{"", date + id},
		{"hello world\r\nBcc: text\r\n", date + id + "\r\nhello world\r\nBcc: text\r\n"},
		{"hello: world\r\nno field here\r\n\r\nb", date + id + "hello: world\r\nno field here\r\n\r\nb"},
	} {
		for _, size := range []int{1, 3, 1000} {
			if got, err := fixed(t, tc.in, size); err != nil || got != tc.want {
				t.Errorf("%q in pieces of %d: %q, %v", tc.in, size, got, err)
			}
		}
	}
	if _, err := fixed(t, strings.Repeat("X: y\r\n", maxHeader/6+1), 4096); !errors.Is(err, errHeader) {
		t.Errorf("a header without end: %v", err)
	}
}

func FuzzHeader(f *testing.F) {
	f.Add("From: a\r\nBcc: b\r\n c\r\n\r\nbody", byte(3))
	f.Add("no header", byte(1))
	f.Fuzz(func(t *testing.T, in string, size byte) {
		whole, err := fixed(t, in, len(in)+1)
		if err != nil {
			t.Skip()
		}
		if got, err := fixed(t, in, int(size)+1); err != nil || got != whole {
			t.Fatalf("%q: %q in pieces, %q whole, %v", in, got, whole, err)
		}
		if again, err := fixed(t, whole, 64); err != nil || again != whole {
			t.Fatalf("%q is put right to %q, and that to %q", in, whole, again)
		}
		if _, body, ok := strings.Cut(in, "\r\n\r\n"); ok && !strings.HasSuffix(whole, body) {
			t.Fatalf("%q: the body changed: %q", in, whole)
		}
	})
}

// TestSubmission sends a message as a person's program does.
func TestSubmission(t *testing.T) {
	r := newRig(t)
	r.script(t, Submission, head+`
		C: AUTH PLAIN AHVzZXIxAHBhc3M=
		S: 235 2.7.0 Welcome
		C: MAIL FROM:<user1@example.org>
		S: 250 2.1.0 Ok
		C: RCPT TO:<user2@example.org>
		S: 250 2.1.5 Ok
		C: DATA
		S: 354 $...
		C: From: user1@example.org
		C: Bcc: secret@example.org
		C:
		C: text
		C: .
		S: 250 2.0.0 Ok: delivered as $id`)
	_, got := r.only(t, "user2")
	if !regexp.MustCompile(`^Date: .*\r\nMessage-ID: <.*@mx.example.org>\r\nFrom: user1@example.org\r\n\r\ntext\r\n$`).MatchString(got) {
		t.Errorf("%q", got)
	}
}
