package main

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"atrium/calendar"
	"atrium/configs"
	"atrium/contacts"
	"atrium/internal/certs"
	"atrium/mail"
	"atrium/storage"
	"atrium/storage/account"
)

// demoPorts are the demo's listeners: unprivileged, on all addresses, so that a
// phone in the same network reaches them.
var demoPorts = []struct {
	key  string
	port int
	set  func(*configs.Listen) *[]string
}{
	{"imaps", 10993, func(l *configs.Listen) *[]string { return &l.IMAPS }},
	{"imap", 10143, func(l *configs.Listen) *[]string { return &l.IMAP }},
	{"pop3s", 10995, func(l *configs.Listen) *[]string { return &l.POP3S }},
	{"pop3", 10110, func(l *configs.Listen) *[]string { return &l.POP3 }},
	{"submissions", 10465, func(l *configs.Listen) *[]string { return &l.Submissions }},
	{"submission", 10587, func(l *configs.Listen) *[]string { return &l.Submission }},
	{"smtp", 10025, func(l *configs.Listen) *[]string { return &l.SMTP }},
	{"sieve", 10190, func(l *configs.Listen) *[]string { return &l.Sieve }},
	{"https", 10443, func(l *configs.Listen) *[]string { return &l.HTTPS }},
}

// serveDemo runs a server that is gone without a trace when it ends.
func serveDemo(i *invocation) (err error) {
	dir, err := os.MkdirTemp("", "atrium-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	cfg := configs.Default()
	if err := cfg.Parse(fmt.Sprintf("domain = %q\nhostname = %q\ndata = %q\n[log]\nlevel = \"warn\"\n", "demo.example", "localhost", dir)); err != nil {
		return err
	}
	for _, p := range demoPorts {
		*p.set(&cfg.Listen) = []string{freePort(p.port)}
	}
	cfg.Queue.Capture = "ann@demo.example" // nothing leaves
	people := []account.New{
		{Name: "ann", DisplayName: "Ann Example", Password: newPassword()},
		{Name: "bob", DisplayName: "Bob Example", Password: newPassword()},
	}
	log := newLogger(i.errOut, cfg.Log)
	return runServer(i.ctx, cfg, log, func(s *server) error {
		for _, p := range people {
			if err := s.sample(i.ctx, p); err != nil {
				return fmt.Errorf("sample data: %w", err)
			}
		}
		s.greet(i.out, people)
		return writePID(i.flags.Lookup("pid").Value.String())
	})
}

// freePort returns an address with the port, or with any when that is taken.
func freePort(port int) string {
	a := fmt.Sprintf(":%d", port)
	l, err := net.Listen("tcp", a)
	if err != nil {
		return ":0"
	}
	l.Close()
	return a
}

// newPassword is easy to type on a phone: 12 letters and digits.
func newPassword() string {
	b := make([]byte, 8)
	rand.Read(b)
	return strings.ToLower(base32.StdEncoding.EncodeToString(b)[:12])
}

// port is the port that a listener got.
func (s *server) port(key string) int {
	for _, b := range s.bound {
		if a, ok := b.l.Addr().(*net.TCPAddr); ok && b.key == key {
			return a.Port
		}
	}
	return 0
}

// greet says how to connect.
func (s *server) greet(w io.Writer, people []account.New) {
	host := "localhost"
	if ips := lanAddresses(); len(ips) > 0 {
		host = ips[0].String()
	}
	fmt.Fprintf(w, "Atrium is running. The store is temporary: Ctrl-C ends the server and removes all.\n\nAccounts\n")
	for _, p := range people {
		fmt.Fprintf(w, "  %-18s password %s\n", p.Name+"@"+s.cfg.Domain, p.Password)
	}
	fmt.Fprintf(w, `
Phone (in the same network) or Thunderbird, mail account, set up by hand:
  incoming   IMAP  %[1]s  port %[2]d  SSL/TLS     (or POP3, port %[3]d)
  outgoing   SMTP  %[1]s  port %[4]d  SSL/TLS, with the same name and password
Calendars, tasks, notes and contacts (CalDAV and CardDAV account):
  server     https://%[1]s:%[5]d/
  iPhone: Settings, Calendar or Contacts, Accounts, Add, Other; Android: DAVx5, "URL and user name"
On this machine also without TLS: IMAP %[6]d, POP3 %[7]d, SMTP submission %[8]d; mail from other servers: %[9]d.
Mail filters (ManageSieve, STARTTLS): port %[14]d.
Nothing leaves: mail to addresses elsewhere is put into the INBOX of %[11]s@%[12]s.

The certificate is signed by an authority made just now; to have it trusted, install
  %[10]s
or accept the certificate when the client asks. Try it here:
  curl -k -u %[11]s@%[12]s:%[13]s imaps://localhost:%[2]d/INBOX -X 'FETCH 1:* (ENVELOPE)'
`, host, s.port("imaps"), s.port("pop3s"), s.port("submissions"), s.port("https"), s.port("imap"), s.port("pop3"),
		s.port("submission"), s.port("smtp"), certs.AuthorityFile(s.cfg.Data+"/tls"), people[0].Name, s.cfg.Domain, people[0].Password, s.port("sieve"))
}

// sample makes an account with something in every place.
func (s *server) sample(ctx context.Context, p account.New) error {
	acc, err := s.addAccount(ctx, accountArgs{Name: p.Name, Password: p.Password, Display: p.DisplayName})
	if err != nil {
		return err
	}
	now := time.Now().UTC()
	for n, m := range sampleMail(p, now) {
		if err := s.sampleMessage(ctx, acc.ID, m, now.Add(time.Duration(n-3)*time.Hour)); err != nil {
			return err
		}
	}
	for name, list := range sampleObjects(now) {
		for k, raw := range list {
			if err := s.sampleObject(ctx, acc.ID, name, fmt.Sprintf("sample-%d", k+1), raw); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *server) sampleMessage(ctx context.Context, a storage.AccountID, text string, at time.Time) error {
	spool, err := s.store.Blobs().Spool(ctx, 0)
	if err != nil {
		return err
	}
	if _, err := io.WriteString(spool, text); err != nil {
		spool.Release()
		return err
	}
	prepared, err := s.mail.Prepare(ctx, spool)
	if err != nil {
		spool.Release()
		return err
	}
	defer prepared.Release()
	box := s.mail.Open(a, a)
	inbox, err := box.Mailbox(ctx, "INBOX")
	if err != nil {
		return err
	}
	_, err = box.Append(ctx, inbox.ID, mail.NewMessage{Prepared: prepared, Date: at})
	return err
}

func (s *server) sampleObject(ctx context.Context, a storage.AccountID, where, name, raw string) error {
	raw = strings.ReplaceAll(raw, "\n", "\r\n")
	if where == "contacts" {
		o, err := contacts.Prepare(ctx, s.store.Blobs(), []byte(raw), contacts.DefaultOptions())
		if err != nil {
			return err
		}
		defer o.Release()
		return s.store.Update(ctx, a, func(tx *storage.Tx) error {
			c, err := tx.CollectionByName(contacts.Schema.Code, where)
			if err != nil {
				return err
			}
			_, _, err = contacts.Put(tx, c.ID, name+".vcf", o, contacts.Condition{})
			return err
		})
	}
	o, err := calendar.Prepare(ctx, s.store.Blobs(), []byte(raw), calendar.DefaultOptions())
	if err != nil {
		return err
	}
	defer o.Release()
	return s.store.Update(ctx, a, func(tx *storage.Tx) error {
		c, err := tx.CollectionByName(calendar.Schema.Code, where)
		if err != nil {
			return err
		}
		_, _, err = calendar.Put(tx, c.ID, name+".ics", o, calendar.Condition{})
		return err
	})
}

// sampleMail is some mail as people get it.
func sampleMail(p account.New, now time.Time) []string {
	to := fmt.Sprintf("%s <%s@demo.example>", p.DisplayName, p.Name)
	head := func(from, subject, id string, at time.Time) string {
		return fmt.Sprintf("From: %s\r\nTo: %s\r\nSubject: %s\r\nDate: %s\r\nMessage-ID: <%s.%s@demo.example>\r\nMIME-Version: 1.0\r\n",
			from, to, subject, at.Format(time.RFC1123Z), id, p.Name)
	}
	return []string{
		head("Atrium <postmaster@demo.example>", "Welcome", "welcome", now.Add(-3*time.Hour)) +
			"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" +
			"This mailbox is the same on every device: read, move or delete a message on one and\r\nwatch the others.\r\n",
		head("=?utf-8?Q?Zo=C3=AB_=C3=85ngstr=C3=B6m?= <zoe@demo.example>", "=?utf-8?B?TWl0dGFnZXNzZW4g8J+NnQ==?=", "lunch", now.Add(-2*time.Hour)) +
			"Content-Type: multipart/alternative; boundary=\"b1\"\r\n\r\n--b1\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nAt one, as always?\r\n" +
			"--b1\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>At <b>one</b>, as always?</p>\r\n--b1--\r\n",
		head("Office <office@demo.example>", "Figures of the month", "figures", now.Add(-time.Hour)) +
			"Content-Type: multipart/mixed; boundary=\"b2\"\r\n\r\n--b2\r\nContent-Type: text/plain\r\n\r\nSee the attachment.\r\n" +
			"--b2\r\nContent-Type: text/csv; name=\"figures.csv\"\r\nContent-Disposition: attachment; filename=\"figures.csv\"\r\n\r\nmonth,sum\r\nOct,1200\r\nNov,1350\r\n--b2--\r\n",
	}
}

// sampleObjects are calendar objects and cards by collection.
func sampleObjects(now time.Time) map[string][]string {
	stamp := now.Format("20060102T150405Z")
	day := func(n int) string { return now.AddDate(0, 0, n).Format("20060102") }
	cal := func(body string) string {
		return "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//Atrium//Demo//EN\n" + body + "END:VCALENDAR\n"
	}
	return map[string][]string{
		"calendar": {
			cal("BEGIN:VEVENT\nUID:demo-lunch\nDTSTAMP:" + stamp + "\nDTSTART:" + day(1) + "T120000Z\nDTEND:" + day(1) + "T130000Z\nSUMMARY:Lunch with Zoë\nLOCATION:Trattoria\nEND:VEVENT\n"),
			cal("BEGIN:VEVENT\nUID:demo-weekly\nDTSTAMP:" + stamp + "\nDTSTART:" + day(-7) + "T083000Z\nDURATION:PT45M\nRRULE:FREQ=WEEKLY\nSUMMARY:Weekly round\nEND:VEVENT\n"),
			cal("BEGIN:VEVENT\nUID:demo-holiday\nDTSTAMP:" + stamp + "\nDTSTART;VALUE=DATE:" + day(10) + "\nDTEND;VALUE=DATE:" + day(12) + "\nSUMMARY:Two days off\nTRANSP:TRANSPARENT\nEND:VEVENT\n"),
		},
		"tasks": {
			cal("BEGIN:VTODO\nUID:demo-tax\nDTSTAMP:" + stamp + "\nDUE;VALUE=DATE:" + day(20) + "\nSUMMARY:Tax return\nPRIORITY:1\nSTATUS:NEEDS-ACTION\nEND:VTODO\n"),
			cal("BEGIN:VTODO\nUID:demo-plants\nDTSTAMP:" + stamp + "\nSUMMARY:Water the plants\nPERCENT-COMPLETE:50\nSTATUS:IN-PROCESS\nEND:VTODO\n"),
		},
		"notes": {
			cal("BEGIN:VJOURNAL\nUID:demo-note\nDTSTAMP:" + stamp + "\nDTSTART;VALUE=DATE:" + day(0) + "\nSUMMARY:Ideas\nDESCRIPTION:One store\\, many faces.\nEND:VJOURNAL\n"),
		},
		"contacts": {
			"BEGIN:VCARD\nVERSION:3.0\nUID:demo-zoe\nFN:Zoë Ångström\nN:Ångström;Zoë;;;\nEMAIL;TYPE=INTERNET,HOME:zoe@demo.example\nTEL;TYPE=CELL:+43 660 1234567\nBDAY:1985-04-12\nEND:VCARD\n",
			"BEGIN:VCARD\nVERSION:3.0\nUID:demo-office\nFN:The Office\nN:;;;;\nORG:The Office Ltd.\nEMAIL:office@demo.example\nEND:VCARD\n",
		},
	}
}
