package rules

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime/quotedprintable"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"atrium/mail"
	"atrium/mail/delivery"
	"atrium/mail/queue"
	"atrium/mail/resolver"
	"atrium/mail/sieve"
	"atrium/storage"
	"atrium/storage/account"
	"atrium/storage/embedded"
)

// rig is a store with the accounts ann and bob at example.org, whose mail goes through a Filter.
type rig struct {
	*delivery.Deliverer
	t       testing.TB
	mail    *mail.Store
	scripts *Scripts
	filter  *Filter
	dir     *account.Directory
	ids     map[string]storage.AccountID
	sent    outbox
}

// outbox is a Mailer that keeps what it is given.
type outbox struct {
	mu      sync.Mutex
	list    []string // "from>to,to" and the content
	reports []string // what reports are wanted on the first recipient, and what they return
	sent    []queue.Message
	fail    error
}

func (o *outbox) Submit(_ context.Context, m queue.Message, content io.Reader) (string, error) {
	b, err := io.ReadAll(content)
	if err != nil {
		return "", err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.fail != nil {
		return "", o.fail
	}
	var to []string
	for _, r := range m.To {
		to = append(to, r.Address)
	}
	o.sent = append(o.sent, m)
	o.reports = append(o.reports, fmt.Sprint(m.To[0].Notify, m.Return))
	o.list = append(o.list, m.From+">"+strings.Join(to, ",")+"\n"+string(b))
	return "x", nil
}

// take returns what was sent and forgets it.
func (o *outbox) take() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	list := o.list
	o.list = nil
	return list
}

func newRig(t testing.TB, cfg Config) *rig {
	t.Helper()
	ctx, log := context.Background(), slog.New(slog.DiscardHandler)
	r := &rig{t: t, ids: map[string]storage.AccountID{}}
	folder, err := embedded.Open(t.TempDir(), embedded.Small(), log)
	r.must(err)
	store, err := storage.Open(folder.Engine, folder.Blobs, []storage.Schema{mail.Schema, queue.Schema}, storage.DefaultConfig(), log)
	r.must(err)
	t.Cleanup(func() {
		store.Close()
		folder.Close()
	})
	r.mail, err = mail.New(store, mail.DefaultConfig(), log)
	r.must(err)
	ac := account.DefaultConfig()
	ac.Domain = "example.org"
	dir, err := account.Open(folder.Engine, ac, log)
	r.must(err)
	for _, name := range []string{"ann", "bob"} {
		a, err := dir.Add(ctx, account.New{Name: name + "@example.org", DisplayName: name + " <Ä>"})
		r.must(err)
		r.ids[name] = a.ID
		r.must(r.mail.Open(a.ID, a.ID).Ensure(ctx))
	}
	r.must(dir.SetAlias(ctx, "second@example.org", []string{"ann@example.org"}))
	r.scripts, err = NewScripts(store, cfg, log)
	r.must(err)
	f := NewFilter(r.scripts, r.mail, dir, "mail.example.org", "+", log)
	f.SetMailer(&r.sent)
	r.filter, r.dir = f, dir
	r.Deliverer, err = delivery.New(r.mail, dir, delivery.DefaultConfig(), log, f)
	r.must(err)
	return r
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// use makes a script ann's active one.
func (r *rig) use(text string) {
	r.t.Helper()
	_, err := r.scripts.Put(context.Background(), r.ids["ann"], "main", text)
	r.must(err)
	r.must(r.scripts.Activate(context.Background(), r.ids["ann"], "main"))
}

// send delivers a message; to is one or more addresses.
func (r *rig) send(from, content string, whole bool, to ...string) []error {
	r.t.Helper()
	ctx := context.Background()
	e := &delivery.Envelope{From: from, ID: "TEST", Helo: "c.example", Protocol: "LMTP", Time: time.Now(), Whole: whole}
	for _, address := range to {
		route, err := r.Route(ctx, address+"@example.org", 0)
		r.must(err)
		e.Routes = append(e.Routes, route)
	}
	m, err := r.Open(ctx, e)
	r.must(err)
	defer m.Close()
	_, err = io.WriteString(m, strings.ReplaceAll(content, "\n", "\r\n"))
	r.must(err)
	var out []error
	for _, res := range m.Deliver(ctx) {
		out = append(out, res.Err)
	}
	return out
}

// boxes tells where ann's messages are, "INBOX 2, Work 1", with the content of the newest in one.
func (r *rig) boxes() string {
	ctx := context.Background()
	a := r.mail.Open(r.ids["ann"], r.ids["ann"])
	all, err := a.Mailboxes(ctx)
	r.must(err)
	var out []string
	for _, b := range all {
		if b.Exists > 0 {
			out = append(out, fmt.Sprintf("%s %d", b.Name, b.Exists))
		}
	}
	return strings.Join(out, ", ")
}

// newest is the newest message in one of ann's mailboxes, and its flags.
func (r *rig) newest(name string) (content, flags string) {
	r.t.Helper()
	ctx := context.Background()
	a := r.mail.Open(r.ids["ann"], r.ids["ann"])
	box, err := a.Mailbox(ctx, name)
	r.must(err)
	snap, err := a.Snapshot(ctx, box.ID)
	r.must(err)
	m := snap.At(snap.Len() - 1)
	b, err := a.Body(ctx, box.ID, m)
	r.must(err)
	defer b.Close()
	var buf bytes.Buffer
	b.WriteTo(&buf)
	return buf.String(), fmt.Sprint(box.Keywords.Names(nil, m.Flags))
}

const hello = "From: carl@example.net\nTo: ann@example.org\nSubject: Hello\nMessage-ID: <1@x>\nX-Old: 1\n\ntext\n"

func TestFilter(t *testing.T) {
	for _, tc := range []struct {
		name, script string
		from, mail   string
		boxes, sent  string // of sent the first lines, and what else must be in one
		refused      string
	}{
		{name: "none", boxes: "INBOX 1"},
		{name: "discard", script: `discard;`},
		{name: "create", script: `require ["fileinto","mailbox"]; fileinto :create "Lists/dev";`, boxes: "Lists/dev 1"},
		{name: "missing", script: `require ["fileinto"]; fileinto "Nowhere";`, boxes: "INBOX 2"}, // the account is told
		{name: "special use", script: `require ["fileinto","special-use"]; fileinto :specialuse "\\Junk" "Nowhere";`, boxes: "Junk 1"},
		{name: "exists", script: `require ["fileinto","mailbox","special-use"]; if allof (mailboxexists ["INBOX","Junk"], not mailboxexists "X", specialuse_exists "\\Sent") { fileinto "Trash"; }`, boxes: "Trash 1"},
		{name: "copy", script: `require ["fileinto","copy"]; fileinto :copy "Archive"; fileinto "Archive"; keep;`, boxes: "INBOX 1, Archive 1"},
		{name: "redirect", script: `redirect "x@example.net";`, sent: "carl@example.net>x@example.net\nX-Sieve-Redirected-From: ann@example.org\r\nReceived:"},
		{name: "redirect copy", script: `require "copy"; redirect :copy "x@example.net";`, boxes: "INBOX 1", sent: "carl@example.net>x@example.net"},
		{name: "redirect to self", script: `redirect "ann+x@example.org";`, boxes: "INBOX 1"},
		{name: "redirect in a circle", script: `redirect "x@example.net";`, mail: "X-Sieve-Redirected-From: ann@example.org\n" + hello, boxes: "INBOX 1"},
		{name: "edited redirect", script: `require "editheader"; addheader "X-New" "1"; redirect "x@example.net";`, sent: "carl@example.net>x@example.net\nX-Sieve-Redirected-From: ann@example.org\r\nX-New: 1\r\nReceived:"},
		{name: "reject", script: `require "reject"; reject "go away";`, refused: "go away"},
		{name: "ereject", script: `require "ereject"; ereject "go away";`, refused: "go away"},
		{name: "ereject in other letters", script: `require "ereject"; ereject "größer";`, refused: "The recipient's filter refuses the message"},
		{name: "reject in other letters", script: `require "reject"; reject "größer";`, sent: ">carl@example.net\nFrom: <ann@example.org>"},
		{name: "vacation", script: `require "vacation"; vacation :subject "Away" "I am gone";`, boxes: "INBOX 1", sent: ">carl@example.net\nFrom: =?utf-8?b?YW5uIDzDhD4=?= <ann@example.org>"},
		{name: "vacation from another's address", script: `require "vacation"; vacation :subject "Away" :from "boss@example.org" "I am gone";`, boxes: "INBOX 1", sent: ">carl@example.net\nFrom: =?utf-8?b?YW5uIDzDhD4=?= <ann@example.org>"},
		{name: "vacation to someone with a name", script: `require "vacation"; vacation "gone";`, mail: strings.Replace(hello, "carl@example.net", "\"Carl C.\" <carl@example.net>", 1), boxes: "INBOX 1",
			sent: ">carl@example.net\nFrom: =?utf-8?b?YW5uIDzDhD4=?= <ann@example.org>\r\nTo: \"Carl C.\" <carl@example.net>\r\n"},
		{name: "vacation to a list", script: `require "vacation"; vacation "gone";`, mail: "List-Id: <x.y>\n" + hello, boxes: "INBOX 1"},
		{name: "vacation to a machine", script: `require "vacation"; vacation "gone";`, mail: "Auto-Submitted: auto-generated\n" + hello, boxes: "INBOX 1"},
		{name: "vacation to the null sender", script: `require "vacation"; vacation "gone";`, from: "<>", boxes: "INBOX 1"},
		{name: "vacation to a daemon", script: `require "vacation"; vacation "gone";`, from: "MAILER-DAEMON@x.example", boxes: "INBOX 1"},
		{name: "vacation without the address", script: `require "vacation"; vacation "gone";`, mail: strings.Replace(hello, "ann@", "all@", 1), boxes: "INBOX 1"},
		{name: "vacation with another address", script: `require "vacation"; vacation :addresses "all@example.org" "gone";`, mail: strings.Replace(hello, "ann@", "all@", 1), boxes: "INBOX 1", sent: ">carl@example.net"},
		{name: "vacation by alias", script: `require "vacation"; vacation "gone";`, mail: strings.Replace(hello, "ann@", "second@", 1), boxes: "INBOX 1", sent: ">carl@example.net"},
		{name: "vacation with detail", script: `require "vacation"; vacation "gone";`, mail: strings.Replace(hello, "ann@", "ann+lists@", 1), boxes: "INBOX 1", sent: ">carl@example.net"},
		{name: "notify", script: `require "enotify"; notify :message "new" "mailto:x@example.net?cc=y@example.net";`, boxes: "INBOX 1", sent: ">x@example.net,y@example.net\nFrom: <ann@example.org>\r\nTo: x@example.net\r\nCc: y@example.net\r\nSubject: new\r\n"},
		{name: "failure", script: `require ["fileinto","reject"]; fileinto "Trash"; reject "x";`, boxes: "INBOX 2"},
		{name: "envelope", script: `require ["envelope","subaddress","fileinto"]; if allof (envelope "from" "carl@example.net", envelope :domain "to" "example.org") { fileinto "Trash"; }`, boxes: "Trash 1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRig(t, DefaultConfig())
			if tc.script != "" {
				r.use(tc.script)
			}
			from, text := tc.from, tc.mail
			if from == "" {
				from = "carl@example.net"
			}
			if text == "" {
				text = hello
			}
			err := r.send(strings.Trim(from, "<>"), text, false, "ann")[0]
			var refusal *delivery.Refusal
			if tc.refused == "" && err != nil || tc.refused != "" && (!errors.As(err, &refusal) || refusal.Reason != tc.refused) {
				t.Errorf("%v", err)
			}
			if got := r.boxes(); got != tc.boxes {
				t.Errorf("in %q, want %q", got, tc.boxes)
			}
			sent := r.sent.take()
			if len(sent) != min(len(tc.sent), 1) || len(sent) == 1 && !strings.HasPrefix(sent[0], tc.sent) {
				t.Errorf("sent %q", sent)
			}
		})
	}
}

func TestDetail(t *testing.T) {
	r := newRig(t, DefaultConfig())
	r.use(`require ["envelope","subaddress","variables","fileinto","mailbox"]; if envelope :matches :detail "to" "*" { fileinto :create "${1}"; }`)
	r.must(r.send("carl@example.net", hello, false, "ann+news")[0])
	r.must(r.send("carl@example.net", hello, false, "ann")[0])
	if got := r.boxes(); got != "INBOX 1, news 1" {
		t.Error(got)
	}
}

// TestForms checks editheader: each copy has the header as it was then, others' copies are not changed.
func TestForms(t *testing.T) {
	r := newRig(t, DefaultConfig())
	r.use(`require ["editheader","fileinto","copy","imap4flags"]; fileinto :copy "Archive"; addheader "X-New" "größer"; deleteheader "X-Old"; keep :flags ["\\Seen", "work"];`)
	for _, err := range r.send("carl@example.net", hello, false, "ann", "bob") {
		r.must(err)
	}
	first, _ := r.newest("Archive")
	second, flags := r.newest("INBOX")
	if !strings.Contains(first, "X-Old: 1\r\n") || strings.Contains(first, "X-New") {
		t.Error(first)
	}
	if strings.Contains(second, "X-Old") || !strings.HasPrefix(second, "X-New: =?utf-8?") || !strings.HasSuffix(second, "\r\n\r\ntext\r\n") || !strings.Contains(flags, "work") || !strings.Contains(flags, "Seen") {
		t.Error(second, flags)
	}
	a := r.mail.Open(r.ids["bob"], r.ids["bob"])
	box, err := a.Mailbox(context.Background(), "INBOX")
	r.must(err)
	if box.Exists != 1 {
		t.Error("bob has not his copy")
	}
}

// TestRefusedBySome checks that one of several who refuses does so by mail.
func TestRefusedBySome(t *testing.T) {
	r := newRig(t, DefaultConfig())
	r.use(`require "ereject"; ereject "go away";`)
	for _, err := range r.send("carl@example.net", hello, true, "ann", "bob") {
		r.must(err)
	}
	sent := r.sent.take()
	if len(sent) != 1 || !strings.Contains(sent[0], "go away") || !strings.Contains(sent[0], "Original-Message-ID: <1@x>") || r.boxes() != "" {
		t.Errorf("%q %s", sent, r.boxes())
	}
}

// TestMemory checks what is to happen once: answers, duplicates, the note of a failure.
func TestMemory(t *testing.T) {
	r := newRig(t, DefaultConfig())
	r.use(`require ["vacation","duplicate","fileinto"]; vacation "gone"; if duplicate { fileinto "Trash"; }`)
	for range 3 {
		r.must(r.send("carl@example.net", hello, false, "ann")[0])
	}
	r.must(r.send("dora@example.net", strings.Replace(hello, "<1@x>", "<2@x>", 1), false, "ann")[0])
	if got, sent := r.boxes(), r.sent.take(); got != "INBOX 2, Trash 2" || len(sent) != 2 {
		t.Error(got, sent)
	}
	r.use(`require "ihave"; error "it broke";`)
	for range 3 {
		r.must(r.send("carl@example.net", hello, false, "ann")[0])
	}
	if got := r.boxes(); got != "INBOX 6, Trash 2" { // 3 and one note
		t.Error(got)
	}
	if text, _ := r.newest("INBOX"); strings.Contains(text, "it broke") {
		t.Error("the note is not the first")
	}
}

// TestQueueFails checks that what cannot be sent on stays.
func TestQueueFails(t *testing.T) {
	r := newRig(t, DefaultConfig())
	r.use(`require "vacation"; redirect "x@example.net"; vacation "gone";`)
	r.sent.fail = errors.New("no room")
	r.must(r.send("carl@example.net", hello, false, "ann")[0])
	if got := r.boxes(); got != "INBOX 1" {
		t.Error(got)
	}
}

func TestScripts(t *testing.T) {
	cfg := DefaultConfig()
	cfg.MaxScripts, cfg.MaxScript = 2, 4096
	r := newRig(t, cfg)
	ctx, a, s := context.Background(), r.ids["ann"], r.scripts
	put := func(name, text string) error {
		_, err := s.Put(ctx, a, name, text)
		return err
	}
	r.must(put("ä", "keep;"))
	r.must(put("b", "discard;"))
	var problems sieve.Problems
	for _, tc := range []struct {
		what string
		err  error
		want error
	}{
		{"third", put("c", "keep;"), TooManyScripts}, {"large", put("b", strings.Repeat("#", 4097)), TooLarge}, {"name", put("x\n", ""), storage.Invalid},
		{"activate", s.Activate(ctx, a, "x"), storage.NotFound}, {"delete", s.Delete(ctx, a, "x"), storage.NotFound},
		{"rename", s.Rename(ctx, a, "ä", "b"), storage.Exists}, {"rename none", s.Rename(ctx, a, "x", "y"), storage.NotFound}, {"room", s.Room(ctx, a, "b", 5000), TooLarge},
		{"room 2", s.Room(ctx, a, "c", 50), TooManyScripts}, {"room 3", s.Room(ctx, a, "b", 50), nil}, {"ok", s.Activate(ctx, a, "b"), nil}, {"active", s.Delete(ctx, a, "b"), Active},
		{"renamed", s.Rename(ctx, a, "b", "d"), nil},
	} {
		if !errors.Is(tc.err, tc.want) || tc.want == nil && tc.err != nil {
			t.Errorf("%s: %v", tc.what, tc.err)
		}
	}
	if err := put("b", "nonsense;"); !errors.As(err, &problems) {
		t.Error(err)
	}
	list, err := s.List(ctx, a)
	r.must(err)
	if len(list) != 2 || list[0].Name != "d" || !list[0].Active || list[1].Active {
		t.Error(list)
	}
	r.must(r.send("carl@example.net", hello, false, "ann")[0])
	r.must(s.Activate(ctx, a, ""))
	r.must(r.send("carl@example.net", hello, false, "ann")[0])
	r.must(s.Activate(ctx, a, "ä"))
	r.must(put("ä", `require "include"; include :optional "none"; include "d";`))
	r.must(r.send("carl@example.net", hello, false, "ann")[0])
	r.must(put("d", "keep;"))
	r.must(r.send("carl@example.net", hello, false, "ann")[0])
	if got := r.boxes(); got != "INBOX 2" {
		t.Error(got)
	}
}

func BenchmarkFilter(b *testing.B) {
	for name, script := range map[string]string{"none": "", "script": `require ["fileinto","imap4flags"]; if header :contains "subject" "xyz" { fileinto "Trash"; } if address :domain "from" "nowhere.example" { addflag "\\Flagged"; }`} {
		b.Run(name, func(b *testing.B) {
			r := newRig(b, DefaultConfig())
			if script != "" {
				r.use(script)
			}
			b.ReportAllocs()
			for b.Loop() {
				r.must(r.send("carl@example.net", hello, false, "ann")[0])
			}
		})
	}
}

func TestEntity(t *testing.T) {
	for _, tc := range [][2]string{
		{"Content-Type: text/html\n\n<p>x", "Content-Type: text/html\r\n\r\n<p>x"},
		{"From: boss@example.org\nContent-Type: text/plain;\n charset=utf-8\nBcc: x@example.net\n\nx\n", "Content-Type: text/plain;\r\n charset=utf-8\r\n\r\nx\r\n"},
		{"no header at all\n", "\r\nno header at all\r\n"},
		{"\nbody", "\r\nbody"},
		{"", "\r\n"},
	} {
		if got := entity(tc[0]); got != tc[1] {
			t.Errorf("%q: got %q, want %q", tc[0], got, tc[1])
		}
	}
}

// TestRedirectedSender checks that what a stranger sent goes on with a sender of ours, and what is ours with its own.
func TestRedirectedSender(t *testing.T) {
	r := newRig(t, DefaultConfig())
	q, err := queue.Open(r.mail.Storage(), resolver.Static(""), r.Deliverer, queue.DefaultConfig(), slog.New(slog.DiscardHandler))
	r.must(err)
	r.must(r.SetQueue(t.Context(), q))
	r.use(`redirect "x@example.net";`)
	for from, want := range map[string]string{"carl@example.net": "SRS0=", "bob@example.org": "bob@example.org>", "": ">"} {
		r.must(r.send(from, hello, false, "ann")[0])
		sent := r.sent.take()
		if len(sent) != 1 || !strings.HasPrefix(sent[0], want) || strings.HasPrefix(sent[0], "SRS") && !strings.Contains(sent[0], "=example.net=carl@example.org>x@example.net\n") {
			t.Errorf("%s: %.100q", from, sent)
		}
	}
}

// TestFailedFlag checks that what a filter failed with is marked.
func TestFailedFlag(t *testing.T) {
	for name, script := range map[string]string{
		"fails": `require ["ihave"]; error "x";`, "no mailbox": `require "fileinto"; fileinto "Nowhere";`,
	} {
		r := newRig(t, DefaultConfig())
		r.use(script)
		r.must(r.send("carl@example.net", hello, false, "ann")[0])
		if got := r.state(); got != "INBOX[$SieveFailed] INBOX[]" {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// TestAnswerSubject checks that an answer repeats a bounded part of a subject.
func TestAnswerSubject(t *testing.T) {
	r := newRig(t, DefaultConfig())
	r.use(`require "vacation"; vacation "gone";`)
	r.must(r.send("carl@example.net", strings.Replace(hello, "Hello", strings.Repeat("Hello ", 100), 1), false, "ann")[0])
	if sent := strings.Join(r.sent.take(), ""); strings.Count(sent, "Hello") != 41 {
		t.Error(sent)
	}
}

// TestMailboxID checks RFC 9042: a mailbox is found by its MAILBOXID whatever its name is.
func TestMailboxID(t *testing.T) {
	r := newRig(t, DefaultConfig())
	ctx, a := t.Context(), r.mail.Open(r.ids["ann"], r.ids["ann"])
	work, err := a.Create(ctx, "Work")
	r.must(err)
	id := mail.MailboxID(work.Owner, work.ID)
	r.must(a.Rename(ctx, "Work", "Play"))
	r.use(fmt.Sprintf(`require ["fileinto", "mailboxid", "mailbox", "copy", "special-use"];
if allof (mailboxidexists %[1]q, not mailboxidexists [%[1]q, "F0"]) { fileinto :copy :mailboxid %[1]q "Nowhere"; }
fileinto :copy :mailboxid "F0" "Archive"; fileinto :create :mailboxid "F1" "New";`, id))
	r.must(r.send("carl@example.net", hello, false, "ann")[0])
	if got, want := r.boxes(), "Archive 1, New 1, Play 1"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if _, err := r.scripts.Put(ctx, r.ids["ann"], "both", `require ["fileinto", "mailboxid", "special-use"]; fileinto :mailboxid "F" :specialuse "\\Junk" "A";`); err == nil {
		t.Error("an id and a use at once")
	}
}

// TestRedirectDSN checks RFC 6009 §5: the script says which reports a redirect brings.
func TestRedirectDSN(t *testing.T) {
	for _, tc := range []struct{ from, script, want string }{
		{"carl@example.net", `redirect "x@example.net";`, fmt.Sprint(queue.Notify(0), queue.ReturnAny)},
		{"carl@example.net", `redirect :notify "never" "x@example.net";`, fmt.Sprint(queue.Never, queue.ReturnAny)},
		{"carl@example.net", `redirect :copy :notify "SUCCESS, FAILURE" :ret "hdrs" "x@example.net";`, fmt.Sprint(queue.Success|queue.Failure, queue.ReturnHeaders)},
		{"", `redirect :notify "SUCCESS" :ret "FULL" "x@example.net";`, fmt.Sprint(queue.Never, queue.ReturnFull)},
	} {
		r := newRig(t, DefaultConfig())
		r.use(`require ["redirect-dsn", "copy"];` + tc.script)
		r.must(r.send(tc.from, hello, false, "ann")[0])
		if len(r.sent.reports) != 1 || r.sent.reports[0] != tc.want {
			t.Errorf("%s: %v, want %s", tc.script, r.sent.reports, tc.want)
		}
	}
}

// TestRedirectReports checks what becomes of what the sender wants to hear (RFC 3461 §5.2.7): a redirect to one place
// takes it along, and who has the message there tells; else it is told here.
func TestRedirectReports(t *testing.T) {
	const asked = delivery.NotifySuccess | delivery.NotifyFailure
	both, failures := fmt.Sprint(queue.Success|queue.Failure, queue.ReturnHeaders), fmt.Sprint(queue.Failure, queue.ReturnHeaders)
	for _, tc := range []struct {
		name, script string
		to           string
		asked        delivery.Notify
		want         []string // of each redirect
		told         queue.State
	}{
		{"alone", `redirect "x@example.net";`, "ann", asked, []string{both}, queue.Pending},
		{"with a copy here", `redirect :copy "x@example.net";`, "ann", asked, []string{failures}, queue.Local},
		{"to two", `redirect "x@example.net"; redirect "y@example.net";`, "ann", asked, []string{failures, failures}, queue.Expanded},
		{"of an address of two", `redirect "x@example.net";`, "both", asked, []string{failures}, queue.Expanded},
		{"as the script says", `redirect :notify "FAILURE" "x@example.net";`, "ann", asked, []string{failures}, queue.Relayed},
		{"never", `redirect "x@example.net";`, "ann", delivery.NotifyNever, []string{fmt.Sprint(queue.Never, queue.ReturnHeaders)}, queue.Pending},
		{"dropped", `discard;`, "ann", asked, nil, queue.Local},
		{"kept, with an answer", `require "vacation"; vacation "gone"; keep;`, "ann", asked, []string{fmt.Sprint(queue.Never, queue.ReturnAny)}, queue.Local},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ctx := t.Context()
			r := newRig(t, DefaultConfig())
			r.must(r.dir.SetAlias(ctx, "both@example.org", []string{"ann@example.org", "bob@example.org"}))
			q, err := queue.Open(r.mail.Storage(), resolver.Static(""), r.Deliverer, queue.DefaultConfig(), slog.New(slog.DiscardHandler))
			r.must(err)
			r.must(r.SetQueue(ctx, q))
			r.use(`require ["redirect-dsn", "copy"];` + tc.script)
			route, err := r.Route(ctx, tc.to+"@example.org", 0)
			r.must(err)
			route.DSN = delivery.RouteDSN{Notify: tc.asked}
			m, err := r.Open(ctx, &delivery.Envelope{From: "carl@example.net", ID: "TEST", Protocol: "ESMTP", Time: time.Now(), Whole: true, UTF8: true,
				Routes: []*delivery.Route{route}, DSN: delivery.EnvelopeDSN{Return: "HDRS", EnvelopeID: "id"}})
			r.must(err)
			defer m.Close()
			_, err = io.WriteString(m, strings.ReplaceAll(hello, "\n", "\r\n"))
			r.must(err)
			r.must(m.Deliver(ctx)[0].Err)
			if !slices.Equal(r.sent.reports, tc.want) {
				t.Errorf("sent on with %q, want %q", r.sent.reports, tc.want)
			}
			for _, o := range r.sent.sent {
				if o.From != "" && (o.EnvelopeID != "id" || !o.UTF8 || o.To[0].Original != "rfc822;"+tc.to+"@example.org") {
					t.Errorf("%+v", o)
				}
			}
			if tc.asked&delivery.NotifySuccess == 0 {
				return
			}
			r.must(r.Delivered(ctx, m, []*delivery.Route{route}))
			list, _, err := q.List(ctx, 0, 10, nil)
			r.must(err)
			told := queue.Pending
			if len(list) == 1 {
				told = list[0].Recipients[0].State
			}
			if told != tc.told {
				t.Errorf("the sender is told %v, want %v", told, tc.told)
			}
		})
	}
}

// TestRedirectSeal checks that what a stranger sent is sent on under a seal of what is sent (RFC 8617), and that what an account
// of ours sent is not.
func TestRedirectSeal(t *testing.T) {
	for _, tc := range []struct {
		script string
		submit *delivery.Submission
		want   string
	}{
		{`redirect "x@example.net";`, nil, "X-Sieve-Redirected-From: ann@example.org\r\nSeal: example.org, begins Received: \r\nReceived: "},
		{`require "editheader"; addheader "X-New" "1"; redirect "x@example.net";`, nil, "X-Sieve-Redirected-From: ann@example.org\r\nSeal: example.org, begins X-New: 1\r\n\r\nX-New: 1\r\n"},
		{`redirect "x@example.net";`, &delivery.Submission{Account: 99}, "X-Sieve-Redirected-From: ann@example.org\r\nReceived: "},
	} {
		ctx := t.Context()
		r := newRig(t, DefaultConfig())
		r.use(tc.script)
		size, whole := int64(0), ""
		r.SetSealer(func(_ context.Context, c io.ReaderAt, start, n int64, domain string) ([]byte, error) {
			b := make([]byte, n-start)
			k, err := c.ReadAt(b, start)
			if err != nil && err != io.EOF || k != len(b) {
				t.Errorf("%d of %d bytes, %v", k, len(b), err)
			}
			size, whole = n, string(b)
			return fmt.Appendf(nil, "Seal: %s, begins %.10s\r\n", domain, b), nil
		})
		route, err := r.Route(ctx, "ann@example.org", 0)
		r.must(err)
		m, err := r.Open(ctx, &delivery.Envelope{From: "carl@example.net", ID: "TEST", Protocol: "ESMTP", Time: time.Now(), Routes: []*delivery.Route{route}, Submit: tc.submit})
		r.must(err)
		_, err = io.WriteString(m, strings.ReplaceAll(hello, "\n", "\r\n"))
		r.must(err)
		r.must(m.Deliver(ctx)[0].Err)
		m.Close()
		sent := r.sent.take()
		if len(sent) != 1 || !strings.HasPrefix(sent[0], "carl@example.net>x@example.net\n"+tc.want) {
			t.Errorf("%q", sent)
		}
		if whole != "" && (!strings.HasSuffix(sent[0], whole) || size != int64(len(whole)) || !strings.HasSuffix(whole, strings.ReplaceAll(hello, "\n", "\r\n"))) {
			t.Errorf("sealed %q, sent %q", whole, sent[0])
		}
	}
}

// TestLongNotification checks that the subject of a notification is bounded, and nothing of its message lost.
func TestLongNotification(t *testing.T) {
	r := newRig(t, DefaultConfig())
	long := strings.Repeat("wörd ", 1000)
	r.use(`require "enotify"; notify :message "` + long + `" "mailto:x@example.net"; notify :message "` + long + `" "mailto:y@example.net?body=hello";`)
	r.must(r.send("carl@example.net", hello, false, "ann")[0])
	sent := r.sent.take()
	if len(sent) != 2 {
		t.Fatal(sent)
	}
	for i, words := range []int{1000, 0} {
		_, content, _ := strings.Cut(sent[i], "\n")
		header, body, _ := strings.Cut(content, "\r\n\r\n")
		text, err := io.ReadAll(quotedprintable.NewReader(strings.NewReader(body)))
		r.must(err)
		if len(header) > 1500 || strings.Count(string(text), "wörd") != words {
			t.Errorf("a header of %d bytes, a body %q", len(header), text)
		}
	}
}

// TestEnvelopeDSN checks RFC 6009 §4: scripts see which reports were asked for.
func TestEnvelopeDSN(t *testing.T) {
	full := delivery.RouteDSN{Notify: delivery.NotifySuccess | delivery.NotifyDelay, Original: "rfc822;Old@example.com"}
	for _, tc := range []struct {
		dsn  delivery.RouteDSN
		test string
		want bool
	}{
		{full, `envelope "notify" "SUCCESS"`, true}, {full, `envelope "Notify" "delay"`, true}, {full, `envelope "notify" "FAILURE"`, false},
		{full, `envelope :count "eq" :comparator "i;ascii-numeric" "notify" "2"`, true},
		{full, `envelope :matches "orcpt" "rfc822;*@example.com"`, true}, {full, `envelope :domain "orcpt" "example.com"`, false},
		{full, `allof (envelope "ret" "HDRS", envelope :is :comparator "i;octet" "envid" "a b+c")`, true},
		{full, `envelope ["from", "ret"] "hdrs"`, true}, {full, `envelope :contains ["envid", "to"] "ann@"`, true},
		{delivery.RouteDSN{Notify: delivery.NotifyNever}, `envelope "notify" "NEVER"`, true},
		{delivery.RouteDSN{}, `envelope :count "gt" :comparator "i;ascii-numeric" ["notify", "orcpt"] "0"`, false},
	} {
		r := newRig(t, DefaultConfig())
		r.use(`require ["envelope", "envelope-dsn", "relational", "comparator-i;ascii-numeric"]; if not ` + tc.test + ` { discard; }`)
		route, err := r.Route(context.Background(), "ann@example.org", 0)
		r.must(err)
		route.DSN = tc.dsn
		m, err := r.Open(context.Background(), &delivery.Envelope{From: "carl@example.net", ID: "TEST", Helo: "c.example", Protocol: "LMTP", Time: time.Now(),
			Routes: []*delivery.Route{route}, DSN: delivery.EnvelopeDSN{Return: "HDRS", EnvelopeID: "a b+c"}})
		r.must(err)
		_, err = io.WriteString(m, strings.ReplaceAll(hello, "\n", "\r\n"))
		r.must(err)
		r.must(m.Deliver(context.Background())[0].Err)
		m.Close()
		if got := r.boxes() == "INBOX 1"; got != tc.want {
			t.Errorf("%s: %v", tc.test, got)
		}
	}
}

// TestKeepElsewhere checks that a keep is no duplicate of INBOX where it goes to another mailbox, by the address' detail.
func TestKeepElsewhere(t *testing.T) {
	for to, want := range map[string]string{"ann": "INBOX 1", "ann+Archive": "INBOX 1, Archive 1"} {
		r := newRig(t, DefaultConfig())
		r.use(`require ["fileinto", "copy"]; fileinto :copy "INBOX"; keep;`)
		r.must(r.send("carl@example.net", hello, false, to)[0])
		if got := r.boxes(); got != want {
			t.Errorf("%s: %s, want %s", to, got, want)
		}
	}
}
