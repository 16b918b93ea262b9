package queue

import (
	"bytes"
	"compress/gzip"
	"context"
	cryptorand "crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"atrium/storage"
)

// tlsrpt counts TLS sessions by day and policy domain, and sends the daily
// reports (RFC 8460) to domains that ask for them. The counters are written down
// from time to time; what came after the last time is lost in a crash.
type tlsrpt struct {
	mu    sync.Mutex
	today map[tlsKey]int64
	day   string
	past  map[string]map[tlsKey]int64 // days whose reports are not out yet
}

// tlsKey is what is counted.
type tlsKey struct {
	domain string
	policy string // tlsa, sts, no-policy-found
	mx     string
	result string // a result type of RFC 8460 §4.3; "": success
}

// maxTLSKeys bounds the memory of a day.
const maxTLSKeys = 50000

func newTLSRPT() *tlsrpt {
	return &tlsrpt{today: map[tlsKey]int64{}, day: dayOf(time.Now()), past: map[string]map[tlsKey]int64{}}
}

func dayOf(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// note counts a session. An empty policy means that it is none of the DNS' (a route).
func (t *tlsrpt) note(domain, policy, mx, result string) {
	if policy == "" || domain == "" {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.turn(time.Now())
	k := tlsKey{domain, policy, mx, result}
	if _, ok := t.today[k]; ok || len(t.today) < maxTLSKeys {
		t.today[k]++
	}
}

// turn begins a new day.
func (t *tlsrpt) turn(now time.Time) {
	if d := dayOf(now); d != t.day {
		if len(t.today) > 0 {
			t.past[t.day] = t.today
		}
		t.today, t.day = map[tlsKey]int64{}, d
		for old := range t.past {
			if old < dayOf(now.AddDate(0, 0, -3)) {
				delete(t.past, old)
			}
		}
	}
}

// recordTLS keeps the counters in the store.
const recordTLS = "tlsrpt"

type tlsRecord struct {
	Day    string
	Counts []tlsCount
}

type tlsCount struct {
	Domain, Policy, MX, Result string
	N                          int64
}

// run writes the counters down and sends the reports of the day before.
func (t *tlsrpt) run(ctx context.Context, q *Queue) {
	t.load(ctx, q)
	// RFC 8460 §4.1: at a random moment after midnight, so that reports do not all come at once
	delay := time.Duration(rand.Int64N(int64(4 * time.Hour)))
	tick := time.NewTicker(5 * time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			t.save(context.WithoutCancel(ctx), q)
			return
		case <-tick.C:
		}
		t.report(ctx, q, time.Now(), delay)
		t.save(ctx, q)
	}
}

// due tells the days that are over, once the delay after midnight is.
func (t *tlsrpt) due(now time.Time, delay time.Duration) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.turn(now)
	if now.UTC().Sub(now.UTC().Truncate(24*time.Hour)) <= delay {
		return nil
	}
	return slices.Sorted(maps.Keys(t.past))
}

// report sends what is due.
func (t *tlsrpt) report(ctx context.Context, q *Queue, now time.Time, delay time.Duration) {
	for _, day := range t.due(now, delay) {
		t.mu.Lock()
		counts := t.past[day]
		delete(t.past, day)
		t.mu.Unlock()
		t.send(ctx, q, day, counts)
	}
}

func (t *tlsrpt) load(ctx context.Context, q *Queue) {
	var list []tlsRecord
	err := q.store.View(ctx, storage.System, func(v *storage.View) error {
		b, err := v.Record(recordTLS)
		if err != nil || len(b) == 0 || b[0] != recordVersion {
			return err
		}
		return json.Unmarshal(b[1:], &list)
	})
	if err != nil {
		if !errors.Is(err, storage.NotFound) && ctx.Err() == nil {
			q.log.Error("counters of TLS sessions cannot be read", "error", err)
		}
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range list {
		m := t.today
		if r.Day != t.day {
			if m = t.past[r.Day]; m == nil {
				m = map[tlsKey]int64{}
				t.past[r.Day] = m
			}
		}
		for _, c := range r.Counts {
			m[tlsKey{c.Domain, c.Policy, c.MX, c.Result}] += c.N
		}
	}
}

// maxTLSRecord bounds what is written down: counters of one day.
const maxTLSRecord = 5000

func (t *tlsrpt) save(ctx context.Context, q *Queue) {
	t.mu.Lock()
	list := []tlsRecord{{Day: t.day, Counts: countsOf(t.today)}}
	for _, day := range slices.Sorted(maps.Keys(t.past)) {
		list = append(list, tlsRecord{Day: day, Counts: countsOf(t.past[day])})
	}
	t.mu.Unlock()
	b, err := json.Marshal(list)
	if err == nil && len(b) < 900<<10 {
		err = q.store.Update(ctx, storage.System, func(tx *storage.Tx) error {
			return tx.SetRecord(recordTLS, append([]byte{recordVersion}, b...))
		})
	}
	if err != nil && ctx.Err() == nil {
		q.log.Error("counters of TLS sessions cannot be written", "error", err)
	}
}

func countsOf(m map[tlsKey]int64) (out []tlsCount) {
	for k, n := range m {
		if len(out) == maxTLSRecord {
			break
		}
		out = append(out, tlsCount{k.domain, k.policy, k.mx, k.result, n})
	}
	return out
}

// send sends the reports of a day.
func (t *tlsrpt) send(ctx context.Context, q *Queue, day string, counts map[tlsKey]int64) {
	byDomain := map[string]map[tlsKey]int64{}
	for k, n := range counts {
		if byDomain[k.domain] == nil {
			byDomain[k.domain] = map[tlsKey]int64{}
		}
		byDomain[k.domain][k] = n
	}
	for _, domain := range slices.Sorted(maps.Keys(byDomain)) {
		txt, err := q.dns.TXT(ctx, "_smtp._tls."+domain)
		if err != nil {
			continue
		}
		uris := parseRUA(txt.Records)
		if len(uris) == 0 {
			continue
		}
		id := day + "." + rand32() + "@" + q.cfg.Hostname
		body, err := q.tlsReport(id, day, domain, byDomain[domain])
		if err != nil {
			q.log.Error("TLS report could not be made", "domain", domain, "error", err)
			continue
		}
		for _, u := range uris {
			if err := q.sendTLSReport(ctx, u, id, day, domain, body); err != nil {
				q.log.Warn("TLS report could not be sent", "domain", domain, "to", u, "error", err)
				continue
			}
			q.log.Info("TLS report", "domain", domain, "to", u)
		}
	}
}

func rand32() string { return strings.ToLower(crand()) }

func crand() string { return cryptorand.Text()[:12] }

// parseRUA reads the TXT record of _smtp._tls, RFC 8460 §3. There must be one alone.
func parseRUA(records []string) (uris []string) {
	n := 0
	for _, r := range records {
		version, rest, _ := strings.Cut(r, ";")
		if strings.TrimSpace(version) != "v=TLSRPTv1" {
			continue
		}
		n++
		for field := range strings.SplitSeq(rest, ";") {
			k, v, _ := strings.Cut(strings.TrimSpace(field), "=")
			if k != "rua" {
				continue
			}
			for u := range strings.SplitSeq(v, ",") {
				if p, err := url.Parse(strings.TrimSpace(u)); err == nil && (p.Scheme == "mailto" && isAddress(p.Opaque) || p.Scheme == "https" && p.Host != "") && len(uris) < 5 {
					uris = append(uris, p.String())
				}
			}
		}
	}
	if n != 1 {
		return nil
	}
	return uris
}

// tlsReport is the JSON of a report, compressed (RFC 8460 §4.4, §5.2).
func (q *Queue) tlsReport(id, day, domain string, counts map[tlsKey]int64) ([]byte, error) {
	type failure struct {
		Result string `json:"result-type"`
		MX     string `json:"receiving-mx-hostname"`
		N      int64  `json:"failed-session-count"`
	}
	type policy struct {
		Policy struct {
			Type   string   `json:"policy-type"`
			Domain string   `json:"policy-domain"`
			MX     []string `json:"mx-host,omitempty"`
		} `json:"policy"`
		Summary struct {
			Good int64 `json:"total-successful-session-count"`
			Bad  int64 `json:"total-failure-session-count"`
		} `json:"summary"`
		Failures []failure `json:"failure-details,omitempty"`
	}
	report := struct {
		Organization string `json:"organization-name"`
		Range        struct {
			From string `json:"start-datetime"`
			To   string `json:"end-datetime"`
		} `json:"date-range"`
		Contact  string    `json:"contact-info"`
		ID       string    `json:"report-id"`
		Policies []*policy `json:"policies"`
	}{Organization: q.cfg.Hostname, Contact: "postmaster@" + q.cfg.Hostname, ID: id}
	report.Range.From, report.Range.To = day+"T00:00:00Z", day+"T23:59:59Z"
	byType := map[string]*policy{}
	for _, k := range slices.SortedFunc(maps.Keys(counts), func(a, b tlsKey) int {
		return strings.Compare(a.policy+" "+a.mx+" "+a.result, b.policy+" "+b.mx+" "+b.result)
	}) {
		p := byType[k.policy]
		if p == nil {
			p = &policy{}
			p.Policy.Type, p.Policy.Domain = k.policy, domain
			byType[k.policy] = p
			report.Policies = append(report.Policies, p)
		}
		if k.result == "" {
			p.Summary.Good += counts[k]
		} else {
			p.Summary.Bad += counts[k]
			p.Failures = append(p.Failures, failure{k.result, k.mx, counts[k]})
		}
		if !slices.Contains(p.Policy.MX, k.mx) {
			p.Policy.MX = append(p.Policy.MX, k.mx)
		}
	}
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	if err := json.NewEncoder(z).Encode(report); err != nil {
		return nil, err
	}
	err := z.Close()
	return out.Bytes(), err
}

// sendTLSReport gives a report to one of the places that a domain names, RFC 8460 §5.
func (q *Queue) sendTLSReport(ctx context.Context, to, id, day, domain string, body []byte) error {
	if !strings.HasPrefix(to, "mailto:") {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", "application/tlsrpt+gzip")
		r, err := q.sts.client.Do(req)
		if err != nil {
			return err
		}
		defer r.Body.Close()
		if r.StatusCode/100 != 2 {
			return fmt.Errorf("HTTP status %d", r.StatusCode)
		}
		return nil
	}
	u, err := url.Parse(to)
	if err != nil {
		return err
	}
	boundary := "=_" + crand()
	var m bytes.Buffer
	fmt.Fprintf(&m, "From: <postmaster@%[1]s>\r\nTo: <%[2]s>\r\nSubject: Report Domain: %[3]s Submitter: %[1]s Report-ID: <%[4]s>\r\nDate: %[5]s\r\nMessage-ID: <%[4]s>\r\n"+
		"TLS-Report-Domain: %[3]s\r\nTLS-Report-Submitter: %[1]s\r\nTLS-Required: No\r\nMIME-Version: 1.0\r\nAuto-Submitted: auto-generated\r\n"+
		"Content-Type: multipart/report; report-type=\"tlsrpt\"; boundary=\"%[6]s\"\r\n\r\n--%[6]s\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n"+
		"This is a report about TLS sessions with the mail servers of %[3]s on %[7]s,\r\nas RFC 8460 describes it.\r\n\r\n"+
		"--%[6]s\r\nContent-Type: application/tlsrpt+gzip\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=\"%[1]s!%[3]s!%[8]d!%[9]d.json.gz\"\r\n\r\n",
		q.cfg.Hostname, u.Opaque, domain, id, time.Now().UTC().Format(dateFormat), boundary, day, dayStart(day), dayStart(day)+86399)
	text := base64.StdEncoding.EncodeToString(body)
	for len(text) > 0 {
		n := min(76, len(text))
		m.WriteString(text[:n] + "\r\n")
		text = text[n:]
	}
	fmt.Fprintf(&m, "--%s--\r\n", boundary)
	_, err = q.Submit(ctx, Message{From: "", To: []Recipient{{Address: u.Opaque, Notify: Never}}, Written: true}, bytes.NewReader(m.Bytes()))
	return err
}

func dayStart(day string) int64 {
	t, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return 0
	}
	return t.Unix()
}

// failureOf is the result type of a certificate that does not hold, RFC 8460 §4.3.
func failureOf(err error, h *host) string {
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var unknown x509.UnknownAuthorityError
	switch {
	case errors.As(err, &name):
		return "certificate-host-mismatch"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "certificate-expired"
	case errors.As(err, &unknown):
		return "certificate-not-trusted"
	case h.security == dane:
		return "tlsa-invalid"
	}
	return "validation-failure"
}
