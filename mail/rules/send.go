package rules

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"atrium/mail"
	"atrium/mail/delivery"
	"atrium/mail/message"
	"atrium/mail/queue"
	"atrium/mail/sieve"
	"atrium/storage"
)

// redirectedField marks what was sent on, with the account that did, so that a circle ends.
const redirectedField = "X-Sieve-Redirected-From"

// queueMail hands a message to the queue.
func (d *delivering) queueMail(ctx context.Context, from string, to []string, content io.Reader, more queue.Message) error {
	out := d.out()
	if out == nil {
		return noMailer
	}
	more.Account, more.From = d.to.Account.ID, from
	for _, a := range to {
		n := queue.Notify(0)
		if from == "" {
			n = queue.Never
		}
		more.To = append(more.To, queue.Recipient{Address: a, Notify: n})
	}
	_, err := out.Submit(ctx, more, content)
	return err
}

// redirect sends the message on with its own sender (RFC 5228 §4.2), a stranger's rewritten (SRS), under a seal (ARC). What came by
// here before, and what would come back at once, stays.
func (d *delivering) redirect(a sieve.Redirect) {
	if d.own(a.To) {
		d.plan.Into = append(d.plan.Into, delivery.Into{})
		return
	}
	size := d.msg.HeaderSize()
	header := a.Header
	if header == nil {
		header = make([]byte, size)
		if _, err := d.m.ReadAt(header, 0); err != nil && err != io.EOF {
			d.plan.Send = append(d.plan.Send, func(context.Context) error { return err })
			return
		}
	}
	var kept []byte
	for rest := header; ; {
		f, more, ok := message.NextField(rest)
		if !ok {
			kept = append(kept, rest...)
			break
		}
		if strings.EqualFold(string(f.Name), redirectedField) && strings.EqualFold(strings.TrimSpace(string(f.Value)), d.to.Account.Name) {
			d.log.Warn("message comes in a circle, it is not sent on", "account", d.to.Account.Name, "message", d.id, "to", a.To)
			d.plan.Into = append(d.plan.Into, delivery.Into{})
			return
		}
		if !strings.EqualFold(string(f.Name), "Return-Path") {
			kept = append(kept, f.Raw...)
		}
		rest = more
	}
	mark := message.AppendField(nil, redirectedField, d.to.Account.Name)
	d.plan.Onward++
	d.plan.Reported = len(a.Report.Notify) == 0
	d.plan.Send = append(d.plan.Send, func(ctx context.Context) error {
		more := queue.Message{UTF8: notASCII(d.env.From, a.To), RequireTLS: d.tls}
		more.To = []queue.Recipient{d.reported(a, &more)}
		whole := &joined{head: kept, body: d.m, from: size}
		var seal []byte
		if d.delivery != nil {
			seal = d.delivery.Seal(ctx, whole, 0, whole.Size(), d.to.Account.Name)
		}
		content := io.MultiReader(bytes.NewReader(mark), bytes.NewReader(seal), io.NewSectionReader(whole, 0, whole.Size()))
		return d.queueMail(ctx, d.sender(), nil, content, more)
	})
}

// reported is the recipient of a redirect, with what the sender is to hear of it: what the script says (RFC 6009 §5), else
// what the sender asked for, of success only where the message goes nowhere but there (RFC 3461 §5.2.7.2).
func (d *delivering) reported(a sieve.Redirect, more *queue.Message) queue.Recipient {
	more.Return = returns[a.Report.Return]
	if d.sender() == "" {
		return queue.Recipient{Address: a.To, Notify: queue.Never}
	}
	to := queue.Recipient{Address: a.To}
	if d.delivery != nil {
		e := d.delivery.Envelope()
		more.UTF8 = more.UTF8 || e.UTF8
		more.EnvelopeID = e.DSN.EnvelopeID
		if a.Report.Return == "" {
			more.Return = returns[e.DSN.Return]
		}
		to = d.delivery.Redirected(d.to, a.To)
		if to.Notify&queue.Success != 0 && (len(d.plan.Into) > 0 || d.plan.Onward > 1 || d.delivery.Spread(d.to)) {
			if to.Notify &^= queue.Success; to.Notify == 0 {
				to.Notify = queue.Never
			}
		}
	}
	if len(a.Report.Notify) > 0 {
		to.Notify = 0
		for _, w := range a.Report.Notify {
			to.Notify |= notifies[w]
		}
	}
	return to
}

// joined is a message with another header: head, and what body has behind from.
type joined struct {
	head []byte
	body original
	from int64
}

func (j *joined) Size() int64 { return int64(len(j.head)) + j.body.Size() - j.from }

// ReadAt is io.ReaderAt's.
func (j *joined) ReadAt(p []byte, off int64) (n int, err error) {
	if off < int64(len(j.head)) {
		if n = copy(p, j.head[off:]); n == len(p) {
			return n, nil
		}
	}
	k, err := j.body.ReadAt(p[n:], j.from+off+int64(n)-int64(len(j.head)))
	return n + k, err
}

// What RFC 6009 calls which reports are wanted, and what they return.
var (
	notifies = map[string]queue.Notify{"NEVER": queue.Never, "SUCCESS": queue.Success, "FAILURE": queue.Failure, "DELAY": queue.Delay}
	returns  = map[string]queue.Return{"FULL": queue.ReturnFull, "HDRS": queue.ReturnHeaders}
)

func notASCII(list ...string) bool {
	for _, s := range list {
		for i := range len(s) {
			if s[i] >= 0x80 {
				return true
			}
		}
	}
	return false
}

// reject refuses the message: in the dialog where the answer is for this recipient alone, else by a
// message to the sender (RFC 5429 §2). Who is not there to hear it hears nothing.
func (d *delivering) reject(a sieve.Reject) {
	plain := a.Reason
	if notASCII(plain) {
		plain = "The recipient's filter refuses the message"
	}
	if d.delivery.Alone() && !(a.Mail && notASCII(a.Reason) && d.out() != nil && d.mayWrite() == "") {
		d.plan.Reject = plain
		if plain == "" {
			d.plan.Reject = "Refused"
		}
		return
	}
	if why := d.mayWrite(); why != "" {
		d.log.Info("refused without a word to the sender", "account", d.to.Account.Name, "message", d.id, "because", why)
		return
	}
	d.plan.Send = append(d.plan.Send, func(ctx context.Context) error {
		return d.queueMail(ctx, "", []string{d.env.From}, bytes.NewReader(d.notification(a.Reason)), queue.Message{Written: true})
	})
}

// mayWrite tells why nothing may be written to the sender; "" when it may.
func (d *delivering) mayWrite() string {
	switch v := strings.ToLower(d.field("Auto-Submitted")); {
	case d.env.From == "":
		return "the null sender"
	case v != "" && !strings.HasPrefix(v, "no"):
		return "it was sent by a machine"
	}
	return ""
}

// notification is a message disposition notification that tells of a refusal (RFC 8098, RFC 5429 §2.2).
func (d *delivering) notification(reason string) []byte {
	boundary := rand.Text()
	id := d.field("Message-ID")
	l := &letter{from: d.to.Account.Name, to: []string{d.env.From}, subject: "Rejected: " + message.Decode([]byte(d.field("Subject"))), auto: "auto-replied (rejected)", reply: id, refs: d.field("References")}
	var b strings.Builder
	fmt.Fprintf(&b, "Content-Type: multipart/report; report-type=disposition-notification; boundary=\"%s\"\r\n\r\n", boundary)
	fmt.Fprintf(&b, "--%s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n%s\r\n\r\n", boundary,
		crlf("Your message to <"+d.env.To+"> was refused by its recipient:\n\n"+reason))
	fmt.Fprintf(&b, "--%s\r\nContent-Type: message/disposition-notification\r\n\r\n", boundary)
	fmt.Fprintf(&b, "Reporting-UA: %s; Atrium\r\nFinal-Recipient: rfc822; %s\r\n", d.hostname, d.to.Account.Name)
	if id != "" {
		fmt.Fprintf(&b, "Original-Message-ID: %s\r\n", id)
	}
	fmt.Fprintf(&b, "Disposition: automatic-action/MDN-sent-automatically; deleted\r\n\r\n--%s--\r\n", boundary)
	l.mime = b.String()
	return l.bytes(d.hostname)
}

// field is the first value of a field of the message as it came, unfolded; "" when there is none.
func (d *delivering) field(name string) string {
	header := make([]byte, d.msg.HeaderSize())
	if _, err := d.m.ReadAt(header, 0); err != nil && err != io.EOF {
		return ""
	}
	v, _ := message.HeaderField(header, name)
	return strings.TrimSpace(strings.NewReplacer("\r", "", "\n", "").Replace(string(v)))
}

// vacation answers, when it may, and when the sender was not answered lately.
func (d *delivering) vacation(a sieve.Vacation) {
	if why := d.mayAnswer(a.Addresses); why != "" {
		d.log.Debug("no answer", "account", d.to.Account.Name, "message", d.id, "because", why)
		return
	}
	key := sieve.Digest("answered", a.Handle, strings.ToLower(d.env.From))
	answer := false
	d.plan.Note = append(d.plan.Note, func(tx *storage.Tx) error {
		seen, err := seenIn(&tx.View, key)
		if answer = !seen; seen || err != nil || a.Pause == 0 {
			return err
		}
		return remember(tx, key, a.Pause)
	})
	d.plan.After = append(d.plan.After, func(ctx context.Context) error {
		if !answer {
			return nil
		}
		content := d.answer(a)
		if err := d.queueMail(ctx, "", []string{d.env.From}, bytes.NewReader(content), queue.Message{UTF8: notASCII(d.env.From), Written: true}); err != nil {
			return err
		}
		return d.copy(ctx, content, a.Copy)
	})
}

// copy puts what was written and is sent into the mailbox that the script names (RFC 8580 §3). Where that is not there
// it goes to INBOX, as with fileinto, and the account is told.
func (d *delivering) copy(ctx context.Context, content []byte, a *sieve.Into) error {
	if a == nil {
		return nil
	}
	box := d.mail.Open(d.to.Account.ID, d.to.Account.ID).Quiet()
	to, err := target(ctx, box, a)
	flags := d.flags(a)
	if errors.Is(err, noMailbox) {
		failure := fmt.Errorf("%w; the copy of what it wrote is in INBOX", err)
		flags = append(flags, failedFlag)
		if err := d.tellNow(ctx, failure); err != nil {
			return err
		}
		to, err = target(ctx, box, &sieve.Into{Mailbox: mail.Inbox})
	}
	if err != nil {
		return fmt.Errorf("copy to %q: %w", a.Mailbox, err)
	}
	return d.append(ctx, content, to, flags...)
}

// answer writes the answer (RFC 5230 §5).
func (d *delivering) answer(a sieve.Vacation) []byte {
	l := &letter{from: d.to.Account.Name, name: d.to.Account.DisplayName, to: []string{d.named(d.env.From)}, subject: a.Subject, auto: "auto-replied (vacation)",
		reply: d.field("Message-ID"), refs: d.field("References"), fields: [][2]string{{"Precedence", "bulk"}, {"X-Auto-Response-Suppress", "All"}}}
	if a.From != "" { // RFC 5230 §4.3: an address that is not the account's is not used
		if list := message.ParseAddresses([]byte(a.From)); len(list) == 1 && d.own(list[0].Addr()) {
			l.from, l.name = list[0].Addr(), message.Decode([]byte(list[0].Name))
		}
	}
	if l.subject == "" {
		l.subject = "Auto: " + short(message.Decode([]byte(d.field("Subject"))), maxSubject)
	}
	if a.MIME {
		l.mime = entity(a.Reason)
	} else {
		l.text = a.Reason
	}
	return l.bytes(d.hostname)
}

// maxSubject is how much of a subject an answer repeats, and of its message a notification has in its own, in characters.
const maxSubject = 250

// short cuts a text to n characters.
func short(s string, n int) string {
	for i := range s {
		if n--; n < 0 {
			return s[:i] + "…"
		}
	}
	return s
}

// named is an address with the name that the message's author has with it.
func (d *delivering) named(address string) string {
	for _, field := range []string{"From", "Sender", "Reply-To"} {
		for _, a := range message.ParseAddresses([]byte(d.field(field))) {
			if name := message.Decode([]byte(a.Name)); name != "" && strings.EqualFold(a.Addr(), address) {
				return quoted(short(name, 100)) + " <" + address + ">"
			}
		}
	}
	return "<" + address + ">"
}

// entity is a MIME entity without the fields that are not MIME's: who writes an answer, and to whom, is not
// its text's to say (RFC 5230 §4.1).
func entity(text string) string {
	header := []byte(crlf(text))
	var b strings.Builder
	for {
		f, rest, ok := message.NextField(header)
		if !ok || f.Name == nil {
			if !bytes.HasPrefix(header, []byte("\r\n")) {
				b.WriteString("\r\n")
			}
			b.Write(header)
			return b.String()
		}
		if len(f.Name) > 8 && strings.EqualFold(string(f.Name[:8]), "content-") {
			b.Write(f.Raw)
		}
		header = rest
	}
}

// Names of senders that are machines or lists, in lower case.
var (
	machineNames  = []string{"mailer-daemon", "majordomo", "listserv", "noreply", "no-reply", "donotreply", "do-not-reply", "bounce", "bounces", "root", "daemon", "postmaster"}
	machineBegins = []string{"owner-", "bounce-", "bounces+", "bounces-", "prvs="}
	machineEnds   = []string{"-request", "-owner", "-bounces", "-bounce", "-relay", "-noreply"}
	listFields    = []string{"List-Id", "List-Help", "List-Subscribe", "List-Unsubscribe", "List-Post", "List-Owner", "List-Archive", "Mailing-List", "Feedback-ID"}
	toFields      = []string{"to", "cc", "bcc", "resent-to", "resent-cc", "resent-bcc"}
)

// mayAnswer tells why a message is not answered; "" when it is (RFC 5230 §4.5, §4.6, RFC 3834 §2).
func (d *delivering) mayAnswer(more []string) string {
	if why := d.mayWrite(); why != "" {
		return why
	}
	if d.env.Spam >= 50 {
		return "it is likely junk"
	}
	local, _, ok := strings.Cut(strings.ToLower(d.env.From), "@")
	if !ok {
		return "no address to answer to"
	}
	for _, n := range machineNames {
		if local == n {
			return "the sender is a machine"
		}
	}
	for _, p := range machineBegins {
		if strings.HasPrefix(local, p) {
			return "the sender is a list"
		}
	}
	for _, p := range machineEnds {
		if strings.HasSuffix(local, p) {
			return "the sender is a list"
		}
	}
	mine := func(address string) bool {
		if d.own(address) {
			return true
		}
		for _, a := range more {
			if strings.EqualFold(strings.TrimSpace(a), address) {
				return true
			}
		}
		return false
	}
	if mine(d.env.From) {
		return "it is the account's own"
	}
	return d.headerForbids(mine)
}

// headerForbids looks at the header for what forbids an answer.
func (d *delivering) headerForbids(mine func(string) bool) string {
	header := make([]byte, d.msg.HeaderSize())
	if _, err := d.m.ReadAt(header, 0); err != nil && err != io.EOF {
		return "the header cannot be read"
	}
	addressed := false
	for f := range message.Fields(header) {
		name, value := strings.ToLower(string(f.Name)), strings.ToLower(strings.TrimSpace(string(f.Value)))
		for _, l := range listFields {
			if strings.EqualFold(l, name) {
				return "it came over a list"
			}
		}
		switch {
		case name == "precedence" && (value == "bulk" || value == "list" || value == "junk"):
			return "it is bulk mail"
		case name == "x-auto-response-suppress" && (strings.Contains(value, "all") || strings.Contains(value, "oof") || strings.Contains(value, "autoreply")):
			return "the sender wants no answer"
		case name == "x-spam-flag" && strings.HasPrefix(value, "yes"), name == "x-loop":
			return "its header says so"
		}
		for _, t := range toFields {
			if t != name || addressed {
				continue
			}
			for _, a := range message.ParseAddresses(f.Value) {
				addressed = addressed || mine(a.Addr())
			}
		}
	}
	if !addressed {
		return "it is not addressed to the account" // RFC 5230 §4.5
	}
	return ""
}

// notify tells someone by mail (RFC 5436).
func (d *delivering) notify(a sieve.Notify) {
	to, err := sieve.ParseMailto(a.Method)
	if err != nil {
		return // compiled and run, so it is one
	}
	if v := strings.ToLower(d.field("Auto-Submitted")); v != "" && !strings.HasPrefix(v, "no") {
		return // RFC 5436 §2.7.1
	}
	l := &letter{from: d.to.Account.Name, to: to.To, cc: to.Cc, subject: to.Subject, auto: "auto-notified; owner-email=\"" + d.to.Account.Name + "\"", text: to.Body, fields: to.Fields}
	if list := message.ParseAddresses([]byte(a.From)); len(list) == 1 && d.own(list[0].Addr()) {
		l.from = list[0].Addr()
	}
	from, subject := message.Decode([]byte(d.field("From"))), message.Decode([]byte(d.field("Subject")))
	if a.Message != "" { // RFC 5436 §2.5; a longer one is the text too
		l.subject = short(a.Message, maxSubject)
		if l.subject != a.Message && l.text == "" {
			l.text = a.Message + "\n"
		}
	}
	if l.subject == "" {
		l.subject = "New message: " + subject
	}
	if l.text == "" {
		l.text = fmt.Sprintf("From: %s\nSubject: %s\nReceived: %s\n", from, subject, time.Now().Format(time.RFC1123Z))
	}
	switch a.Importance {
	case "1":
		l.fields = append(l.fields, [2]string{"Importance", "High"}, [2]string{"X-Priority", "1"})
	case "3":
		l.fields = append(l.fields, [2]string{"Importance", "Low"}, [2]string{"X-Priority", "5"})
	}
	all := append(append(append([]string(nil), to.To...), to.Cc...), to.Bcc...)
	d.plan.After = append(d.plan.After, func(ctx context.Context) error {
		content := l.bytes(d.hostname)
		if err := d.queueMail(ctx, "", all, bytes.NewReader(content), queue.Message{Written: true}); err != nil {
			return err
		}
		return d.copy(ctx, content, a.Copy)
	})
}
