package queue

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"
)

// TestTLSReport counts sessions, writes the counters down, reads them again on
// another day and sends the report.
func TestTLSReport(t *testing.T) {
	ctx := context.Background()
	r := newRig(t)
	r.zone.Add(`_smtp._tls.there.example. TXT "v=TLSRPTv1; rua=mailto:reports@here.example"`)
	r.tlsrpt.note("there.example", "sts", "mx.there.example", "")
	r.tlsrpt.note("there.example", "sts", "mx.there.example", "")
	r.tlsrpt.note("there.example", "sts", "mx2.there.example", "certificate-expired")
	r.tlsrpt.note("silent.example", "no-policy-found", "mx.silent.example", "")
	r.tlsrpt.note("smart.example", "", "host", "")
	r.tlsrpt.save(ctx, r.Queue)
	day := r.tlsrpt.day
	r.tlsrpt = newTLSRPT()
	r.tlsrpt.load(ctx, r.Queue)
	r.tlsrpt.turn(time.Now().Add(25 * time.Hour))
	if len(r.tlsrpt.past) != 1 || len(r.tlsrpt.today) != 0 {
		t.Fatalf("%+v", r.tlsrpt.past)
	}
	r.tlsrpt.send(ctx, r.Queue, day, r.tlsrpt.past[day])
	r.run()
	wait(t, "it is delivered", r.empty)
	got := r.house.have()
	if len(got) != 1 || got[0].from != "" || got[0].to[0] != "reports@here.example" || !strings.Contains(got[0].body, "TLS-Report-Domain: there.example\r\n") {
		t.Fatalf("%+v", got)
	}
	_, body, _ := strings.Cut(got[0].body, "attachment;")
	_, body, _ = strings.Cut(body, "\r\n\r\n")
	body, _, _ = strings.Cut(body, "--=_")
	b, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(body, "\r\n", ""))
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if b, err = io.ReadAll(z); err != nil {
		t.Fatal(err)
	}
	var report struct {
		Policies []struct {
			Summary struct {
				Good int `json:"total-successful-session-count"`
				Bad  int `json:"total-failure-session-count"`
			}
		}
	}
	if err := json.Unmarshal(b, &report); err != nil || len(report.Policies) != 1 || report.Policies[0].Summary.Good != 2 || report.Policies[0].Summary.Bad != 1 {
		t.Errorf("%s, %v", b, err)
	}
}
