package delivery

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"
)

// FuzzEncode encodes whatever comes as BINARYMIME: what comes out has lines of text only.
func FuzzEncode(f *testing.F) {
	f.Add([]byte("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Transfer-Encoding: binary\r\n\r\n\x00\r\n--b--\r\n"))
	f.Add([]byte("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: binary\r\n\r\na: b\r\n\r\nx\ny"))
	f.Add([]byte("a: b\r\n\x00"))
	f.Add([]byte("\r\n\r"))
	r := newRig(f, 1)
	f.Fuzz(func(t *testing.T, in []byte) {
		route, err := r.Route(context.Background(), "user1@example.org", 0)
		if err != nil {
			t.Fatal(err)
		}
		m, err := r.Open(context.Background(), &Envelope{Routes: []*Route{route}, Time: time.Now(), Protocol: "SMTP"})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		m.Write(in)
		if m.Encode(context.Background()) != nil {
			return
		}
		out := make([]byte, m.Size())
		m.ReadAt(out, 0)
		if bytes.IndexByte(out, 0) >= 0 || strings.ContainsAny(strings.ReplaceAll(string(out), "\r\n", ""), "\r\n") {
			t.Errorf("%q", out)
		}
	})
}
