package queue

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"atrium/mail/message"
	"atrium/storage/blob"
)

// A report tells a sender what became of a message: multipart/report (RFC 6522)
// with words, message/delivery-status (RFC 3464), and the message or its header.

// action is what a report is about.
type action string

const (
	failed    action = "failed"
	delayed   action = "delayed"
	relayed   action = "relayed"
	delivered action = "delivered"
	expanded  action = "expanded"
)

// reports tells which reports an entry asks for now, leaving delays aside.
func (e *Entry) reports() (out []action) {
	have := map[action]bool{}
	for i := range e.Recipients {
		if a := e.Recipients[i].due(); a != "" {
			have[a] = true
		}
	}
	for _, a := range []action{failed, relayed, delivered, expanded} {
		if have[a] {
			out = append(out, a)
		}
	}
	return out
}

// due is what is to be told of a recipient now, "" for nothing.
func (p *Progress) due() action {
	if p.Told {
		return ""
	}
	switch p.State {
	case Bounced, Expired:
		if p.Notify.wants(Failure) {
			return failed
		}
	case Relayed:
		if p.Notify.wants(Success) {
			return relayed
		}
	case Local:
		if p.Notify.wants(Success) {
			return delivered
		}
	case Expanded:
		if p.Notify.wants(Success) {
			return expanded
		}
	}
	return ""
}

// made is what report made.
type made struct {
	entries []*Entry
	spools  []blob.Spool
	delay   bool
}

func (m *made) release() {
	for _, s := range m.spools {
		s.Release()
	}
}

// mark takes over into the stored state what was told.
func (m *made) mark(stored, told *Progress) {
	if stored.State != Pending {
		stored.Told = true
	}
	if m.delay && told.State == Pending {
		stored.Warned = true
	}
}

// report makes the reports that are due for an entry.
func (q *Queue) report(ctx context.Context, e *Entry, now time.Time) (*made, error) {
	m := &made{}
	kinds := e.reports()
	if e.delayDue(&q.cfg, now) {
		for i := range e.Recipients {
			if p := &e.Recipients[i]; p.State == Pending && p.Last != nil && p.Notify.wants(Delay) {
				kinds = append(kinds, delayed)
				break
			}
		}
		m.delay = true
	}
	if e.From == "" {
		if len(kinds) > 0 {
			q.log.Info("a report could not be delivered, and no one is told", "message", e.ID)
		}
		return m, nil
	}
	for _, k := range kinds {
		if !q.storm.allow(e.From, now) {
			q.log.Warn("no more reports to this sender for now", "message", e.ID, "to", e.From, "about", string(k))
			continue
		}
		x, spool, err := q.compose(ctx, e, k, now)
		if err != nil {
			m.release()
			return nil, err
		}
		m.entries, m.spools = append(m.entries, x), append(m.spools, spool)
		q.counts.reports.Add(1)
	}
	return m, nil
}

// maxReturned is how much of a message goes back whole when the sender did not say (bytes).
const maxReturned = 64 << 10

// compose makes one report and the entry that carries it.
func (q *Queue) compose(ctx context.Context, e *Entry, k action, now time.Time) (*Entry, blob.Spool, error) {
	spool, err := q.store.Blobs().Spool(ctx, 0)
	if err != nil {
		return nil, nil, err
	}
	w := bufio.NewWriter(spool)
	utf8, err := q.write(ctx, w, e, k, now)
	if err == nil {
		err = w.Flush()
	}
	if err == nil {
		spool, err = q.signReport(ctx, spool)
	}
	var ref blob.Ref
	if err == nil {
		ref, err = spool.Commit(ctx)
	}
	if err != nil {
		spool.Release()
		return nil, nil, err
	}
	id := rand.Text()[:13]
	out := &Entry{Message: Message{ID: id, Body: ref, EightBit: true, UTF8: utf8, Ours: true, RequireTLS: e.RequireTLS}, Created: now.UTC(), Due: now.UTC(), Size: ref.Size,
		Recipients: []Progress{{Address: e.From, Notify: Never}}}
	q.log.Info("report", "message", e.ID, "about", string(k), "to", e.From, "report", id)
	return out, spool, nil
}

// signReport returns the report with its signatures, in a spool that takes the place of the one that it is in.
func (q *Queue) signReport(ctx context.Context, spool blob.Spool) (blob.Spool, error) {
	report := func() io.Reader { return io.NewSectionReader(spool, 0, spool.Size()) }
	fields := q.signature(ctx, q.cfg.Hostname, report())
	if len(fields) == 0 {
		return spool, nil
	}
	out, err := q.store.Blobs().Spool(ctx, 0)
	if err != nil {
		return spool, err
	}
	if _, err := io.Copy(out, io.MultiReader(bytes.NewReader(fields), report())); err != nil {
		out.Release()
		return spool, err
	}
	spool.Release()
	return out, nil
}

// write writes a report.
func (q *Queue) write(ctx context.Context, w *bufio.Writer, e *Entry, k action, now time.Time) (utf8 bool, err error) {
	body, err := q.store.Blobs().Open(ctx, e.Body)
	if err != nil {
		return false, err
	}
	defer body.Close()
	head, f, err := headerOf(io.NewSectionReader(body, e.Skip, e.Size))
	if err != nil {
		return false, err
	}
	boundary := "=_" + rand.Text()
	utf8 = !isASCII(e.From)
	for i := range e.Recipients {
		utf8 = utf8 || !isASCII(e.Recipients[i].Address) || !isASCII(e.Recipients[i].Original)
	}
	status, returned, headers := "delivery-status", "message/rfc822", "text/rfc822-headers"
	if utf8 { // RFC 6533
		status = "global-delivery-status"
	}
	if utf8 || hasEight(head) {
		returned, headers = "message/global", "message/global-headers"
	}
	fmt.Fprintf(w, "From: Mail Delivery System <mailer-daemon@%s>\r\nTo: <%s>\r\nSubject: %s\r\nDate: %s\r\nMessage-ID: <%s@%s>\r\n",
		q.cfg.Hostname, e.From, subjects[k], now.UTC().Format(dateFormat), rand.Text(), q.cfg.Hostname)
	if id := fieldOf(head, "message-id"); id != "" && isASCII(id) && len(id) < 500 {
		fmt.Fprintf(w, "In-Reply-To: %s\r\nReferences: %s\r\n", id, id)
	}
	fmt.Fprintf(w, "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"%s\"\r\n\r\nThis is a report in several parts.\r\n\r\n", boundary)
	fmt.Fprintf(w, "--%s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n", boundary)
	q.words(w, e, k, head)
	fmt.Fprintf(w, "\r\n--%s\r\nContent-Type: message/%s\r\n", boundary, status)
	if utf8 {
		io.WriteString(w, "Content-Transfer-Encoding: 8bit\r\n")
	}
	io.WriteString(w, "\r\n")
	q.status(w, e, k, utf8)
	if k == failed && e.whole() {
		fmt.Fprintf(w, "\r\n--%s\r\nContent-Type: %s\r\n", boundary, returned)
		if utf8 || f {
			io.WriteString(w, "Content-Transfer-Encoding: 8bit\r\n")
		}
		io.WriteString(w, "\r\n")
		if err := w.Flush(); err != nil {
			return utf8, err
		}
		if _, err := io.Copy(w, io.NewSectionReader(body, e.Skip, e.Size)); err != nil {
			return utf8, err
		}
	} else {
		fmt.Fprintf(w, "\r\n--%s\r\nContent-Type: %s\r\n", boundary, headers)
		if utf8 || hasEight(head) {
			io.WriteString(w, "Content-Transfer-Encoding: 8bit\r\n")
		}
		io.WriteString(w, "\r\n")
		w.Write(head)
	}
	_, err = fmt.Fprintf(w, "\r\n--%s--\r\n", boundary)
	return utf8, err
}

// whole tells whether a report of failure has all of the message; its header alone where that must not travel
// but over TLS (RFC 8689 §5).
func (e *Entry) whole() bool {
	return !e.RequireTLS && (e.Return == ReturnFull || e.Return == ReturnAny && e.Size <= maxReturned)
}

const dateFormat = "Mon, 02 Jan 2006 15:04:05 -0700"

var subjects = map[action]string{
	failed:    "Your message could not be delivered",
	delayed:   "Your message is delayed",
	relayed:   "Your message was passed on",
	delivered: "Your message was delivered",
	expanded:  "Your message was passed on to several recipients",
}

// told are the recipients that a report is about.
func (e *Entry) told(k action) (out []*Progress) {
	for i := range e.Recipients {
		p := &e.Recipients[i]
		if p.due() == k || k == delayed && p.State == Pending && p.Last != nil && p.Notify.wants(Delay) {
			out = append(out, p)
		}
	}
	return out
}

// words writes the part that people read: what happened, to whom, why, and what to do.
func (q *Queue) words(w io.Writer, e *Entry, k action, head []byte) {
	list := e.told(k)
	names := make([]string, len(list))
	for i, p := range list {
		names[i] = p.name()
	}
	to := strings.Join(names, ", ")
	if len(names) > 3 {
		to = fmt.Sprintf("%d recipients, listed below,", len(names))
	}
	subject := decodeWords(fieldOf(head, "subject"))
	which := "Your message"
	if subject != "" {
		which = fmt.Sprintf("Your message \"%s\"", cut(subject, 200))
	}
	switch k {
	case failed:
		fmt.Fprintf(w, "%s to %s could not be delivered.\r\n", which, to)
	case delayed:
		fmt.Fprintf(w, "%s to %s could not be delivered yet. You need not do anything:\r\nthis server goes on trying until %s.\r\n", which, to, e.end(&q.cfg).UTC().Format("Monday, 2 January 2006, 15:04 MST"))
	case relayed:
		fmt.Fprintf(w, "%s to %s was passed on to a server that sends no reports.\r\nWhether it arrived is not known here.\r\n", which, to)
	case delivered:
		fmt.Fprintf(w, "%s to %s was delivered to the mailbox.\r\n", which, to)
	case expanded:
		fmt.Fprintf(w, "%s to %s was passed on to everyone whom that address stands for.\r\nYou hear of it again only if one of them cannot be reached.\r\n", which, to)
	}
	fmt.Fprintf(w, "You sent it on %s.\r\n", e.Created.UTC().Format("Monday, 2 January 2006, 15:04 MST"))
	if k != failed && k != delayed {
		return
	}
	for i, p := range list {
		if i == 20 {
			fmt.Fprintf(w, "\r\n... and %d more, see the second part of this report.\r\n", len(list)-i)
			break
		}
		fmt.Fprintf(w, "\r\n%s\r\n", p.name())
		why, advice := explain(p.Last, p.State == Expired)
		fmt.Fprintf(w, "  Why: %s\r\n", why)
		if p.Last != nil && !p.Last.Words {
			fmt.Fprintf(w, "  The server %s said: %s\r\n", p.Last.Host, cut(strings.TrimSpace(itoa(p.Last.Code)+" "+p.Last.Status+" "+p.Last.Text), 500))
		} else if p.Last != nil {
			fmt.Fprintf(w, "  In detail: %s\r\n", cut(p.Last.detail(), 500))
		}
		if k == failed {
			fmt.Fprintf(w, "  What you can do: %s\r\n", advice)
		}
	}
	if k == failed {
		fmt.Fprintf(w, "\r\nThis server has stopped trying. %s\r\n", returned(e))
	}
}

// name is a recipient as people are told of it: by the address that they wrote to, and where that led.
func (p *Progress) name() string {
	kind, original, ok := strings.Cut(p.Original, ";")
	if !ok || !strings.EqualFold(kind, "rfc822") && !strings.EqualFold(kind, "utf-8") || strings.EqualFold(original, p.Address) {
		return p.Address
	}
	return cut(oneLine(original), 300) + " (" + p.Address + ")"
}

func (o *Outcome) detail() string {
	if o.Host != "" {
		return o.Host + ": " + o.Text
	}
	return o.Text
}

func returned(e *Entry) string {
	if !e.whole() {
		return "The header of your message is attached."
	}
	return "Your message is attached."
}

// explain puts an outcome into words, by its enhanced status code (RFC 3463).
func explain(o *Outcome, expired bool) (why, advice string) {
	if o == nil {
		return "there was no attempt in time.", "send it again later."
	}
	defer func() {
		if expired {
			why = "every attempt failed until the time was over. The last time, " + why
		}
	}()
	_, detail, _ := strings.Cut(o.Status, ".")
	for _, x := range explanations {
		if strings.HasPrefix(detail+".", x.detail+".") {
			return x.why, x.advice
		}
	}
	if o.temporary() {
		return "the other server could not take it.", "send it again later; if it fails again, ask the recipient on another way."
	}
	return "the other server refused it.", "read what that server said, and ask the recipient on another way if it does not help."
}

var explanations = []struct{ detail, why, advice string }{
	{"1.1", "there is no such address there.", "look for a typing mistake in the address, or ask the recipient for the right one."},
	{"1.2", "there is no such mail domain.", "look for a typing mistake in what follows the @."},
	{"1.3", "the address is not a valid one.", "look for a typing mistake in the address."},
	{"1.6", "the recipient has moved and left no new address.", "ask the recipient for the new address."},
	{"1.10", "that domain takes no mail.", "ask the recipient for another address."},
	{"2.1", "the recipient's mailbox is not in use.", "ask the recipient for another address."},
	{"2.2", "the recipient's mailbox is full.", "send it again later, or tell the recipient on another way."},
	{"2.3", "the message is larger than the recipient may get.", "send a smaller message, or large files on another way."},
	{"3.4", "the message is larger than the other server takes.", "send a smaller message, or large files on another way."},
	{"4.1", "the other server could not be reached.", "send it again later."},
	{"4.2", "the connection to the other server broke.", "send it again later."},
	{"4.3", "the other server could not be found for now.", "send it again later."},
	{"4.4", "the other domain's mail server could not be found.", "look for a typing mistake in what follows the @, or tell the recipient on another way."},
	{"4.6", "the message went in circles.", "tell your administrator: a forwarding is set up wrongly."},
	{"4.7", "the other server did not take it in time.", "send it again later."},
	{"6.3", "the other server cannot take the message's format.", "send it as plain text."},
	{"6.7", "the other server cannot take addresses or subjects in this script.", "write to another address of the recipient, and the subject in Latin letters without accents."},
	{"7.1", "the other server does not want it from you or this server.", "read what that server said, and ask the recipient or your administrator."},
	{"7.4", "the connection could not be secured.", "ask your administrator; the recipient's mail server may be set up wrongly."},
	{"7.5", "the connection could not be secured.", "ask your administrator; the recipient's mail server may be set up wrongly."},
	{"7.10", "you asked for it to travel over protected connections only, which is not possible.", "send it without that demand, if its content allows."},
	{"7.30", "you asked for it to travel over protected connections only, which is not possible.", "send it without that demand, if its content allows."},
	{"7", "the other server refused it for its rules on junk or security.", "read what that server said, and ask the recipient or your administrator."},
}

// status writes message/delivery-status, RFC 3464 §2, or with utf8 message/global-delivery-status.
func (q *Queue) status(w io.Writer, e *Entry, k action, utf8 bool) {
	words := func(s string) string {
		if s = oneLine(s); utf8 {
			return cut(s, 900)
		}
		return cut(strings.Map(func(r rune) rune {
			if r > '~' {
				return '?'
			}
			return r
		}, s), 900)
	}
	fmt.Fprintf(w, "Reporting-MTA: dns; %s\r\n", q.cfg.Hostname)
	if e.EnvelopeID != "" {
		fmt.Fprintf(w, "Original-Envelope-Id: %s\r\n", xtext(e.EnvelopeID))
	}
	fmt.Fprintf(w, "X-Queue-ID: %s\r\nArrival-Date: %s\r\n", e.ID, e.Created.UTC().Format(dateFormat))
	for _, p := range e.told(k) {
		io.WriteString(w, "\r\n")
		if p.Original != "" {
			fmt.Fprintf(w, "Original-Recipient: %s\r\n", oneLine(p.Original))
		}
		kind := "rfc822"
		if !isASCII(p.Address) {
			kind = "utf-8"
		}
		fmt.Fprintf(w, "Final-Recipient: %s; %s\r\nAction: %s\r\nStatus: %s\r\n", kind, p.Address, k, p.status(k))
		if o := p.Last; o != nil && o.Code != 0 && !o.Words && o.Host != "" {
			mta, _, _ := strings.Cut(o.Host, " ")
			fmt.Fprintf(w, "Remote-MTA: dns; %s\r\nDiagnostic-Code: smtp; %s\r\n", mta, words(strings.TrimSpace(itoa(o.Code)+" "+o.Status+" "+o.Text)))
		} else if o != nil && k != delivered && k != expanded {
			fmt.Fprintf(w, "Diagnostic-Code: x-atrium; %s\r\n", words(o.detail()))
		}
		if p.At != 0 {
			fmt.Fprintf(w, "Last-Attempt-Date: %s\r\n", time.Unix(p.At, 0).UTC().Format(dateFormat))
		}
		if k == delayed {
			fmt.Fprintf(w, "Will-Retry-Until: %s\r\n", e.end(&q.cfg).UTC().Format(dateFormat))
		}
	}
}

// status is the status code of a recipient in a report.
func (p *Progress) status(k action) string {
	status := ""
	if p.Last != nil {
		status = p.Last.Status
	}
	class := map[action]string{failed: "5", delayed: "4", relayed: "2", delivered: "2", expanded: "2"}[k]
	if k == failed && p.State == Expired {
		return "4.4.7" // RFC 3463 §3.5: delivery time expired
	}
	if !strings.HasPrefix(status, class+".") {
		return class + ".0.0"
	}
	return status
}

// headerOf returns a message's header with its empty line, as far as maxReturned
// goes, and whether the message has octets above 127.
func headerOf(r io.Reader) (head []byte, eight bool, err error) {
	buf := make([]byte, 32<<10)
	done := false
	for {
		n, err := r.Read(buf)
		if !done {
			head = append(head, buf[:n]...)
			if k := bytes.Index(head, []byte("\r\n\r\n")); k >= 0 {
				head, done = head[:k+2], true
			} else if len(head) > maxReturned {
				k := bytes.LastIndexByte(head[:maxReturned], '\n')
				head, done = head[:k+1], true
			}
		}
		eight = eight || hasEight(buf[:n])
		if errors.Is(err, io.EOF) {
			return head, eight, nil
		}
		if err != nil {
			return nil, false, err
		}
	}
}

// hasEight tells whether there is an octet above 127.
func hasEight(p []byte) bool {
	for len(p) >= 8 {
		if binary.LittleEndian.Uint64(p)&0x8080808080808080 != 0 {
			return true
		}
		p = p[8:]
	}
	for _, b := range p {
		if b >= 0x80 {
			return true
		}
	}
	return false
}

// fieldOf returns the value of a header's first field of a name, unfolded; "" when there is none.
func fieldOf(head []byte, name string) string {
	for {
		f, rest, ok := message.NextField(head)
		if !ok {
			return ""
		}
		if strings.EqualFold(strings.TrimRight(string(f.Name), " \t"), name) {
			return strings.TrimSpace(oneLine(strings.NewReplacer("\r\n", "").Replace(string(f.Value))))
		}
		head = rest
	}
}

func decodeWords(s string) string { return oneLine(message.Decode([]byte(s))) }

func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "..."
}

func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}

// storm bounds the reports that one sender gets.
type storm struct {
	mu   sync.Mutex
	max  int // in an hour
	have map[string]stormEntry
}

type stormEntry struct {
	since time.Time
	n     int
}

// maxSenders bounds the memory of a storm.
const maxSenders = 10000

func (s *storm) allow(address string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.have[address]
	if !ok || now.Sub(e.since) >= time.Hour {
		if !ok && len(s.have) >= maxSenders {
			for a, old := range s.have {
				if now.Sub(old.since) >= time.Hour {
					delete(s.have, a)
				}
			}
			if len(s.have) >= maxSenders {
				clear(s.have)
			}
		}
		if s.have == nil {
			s.have = map[string]stormEntry{}
		}
		e = stormEntry{since: now}
	}
	e.n++
	s.have[address] = e
	return e.n <= s.max
}
