package rules

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-imap/v2"

	"atrium/mail"
	"atrium/mail/delivery"
	"atrium/mail/queue"
	"atrium/mail/sieve"
	"atrium/storage"
	"atrium/storage/account"
)

// Mailer sends mail out. Package queue's Queue is one.
type Mailer interface {
	Submit(ctx context.Context, m queue.Message, content io.Reader) (id string, err error)
}

// Filter runs the active scripts of those who get mail. It is a delivery.Filter.
type Filter struct {
	scripts  *Scripts
	mail     *mail.Store
	dir      *account.Directory
	hostname string
	separate string
	log      *slog.Logger

	mu     sync.Mutex
	mailer Mailer
	lists  func(storage.AccountID) sieve.Lists
}

// NewFilter returns a Filter. hostname is this host's name, separators are what begins
// the detail of a local part.
func NewFilter(s *Scripts, m *mail.Store, dir *account.Directory, hostname, separators string, log *slog.Logger) *Filter {
	return &Filter{scripts: s, mail: m, dir: dir, hostname: hostname, separate: separators, log: log}
}

// SetMailer sets what sends mail out. Until then redirects go to INBOX, nobody is answered.
func (f *Filter) SetMailer(m Mailer) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mailer = m
}

// SetLists sets what scripts see of lists outside of them (RFC 6134). Until then there are none.
func (f *Filter) SetLists(lists func(storage.AccountID) sieve.Lists) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lists = lists
}

func (f *Filter) listsOf(a storage.AccountID) sieve.Lists {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lists == nil {
		return nil
	}
	return f.lists(a)
}

func (f *Filter) out() Mailer {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.mailer
}

// noMailer means that nothing sends mail out.
var noMailer = errors.New("nothing sends mail out on this server")

// original is a message as it came.
type original interface {
	io.ReaderAt
	Size() int64
}

// delivering is one message for one account.
type delivering struct {
	*Filter
	m        original
	id       string            // of the message, for the log
	name     string            // of the script, "": one that the account does not keep
	tls      bool              // it may go out with TLS only
	delivery *delivery.Message // nil: it is there already, see Event
	to       account.Recipient
	msg      *sieve.Message
	env      *sieve.Env
	plan     *delivery.Plan
}

// Filter runs the active script, if there is one. When it fails the plan stays as it is, and the
// account is told.
func (f *Filter) Filter(ctx context.Context, m *delivery.Message, to account.Recipient, plan *delivery.Plan) error {
	if plan.Reject != "" {
		return nil
	}
	k, err := f.scripts.active(ctx, to.Account.ID)
	if err != nil || k.name == "" {
		return err
	}
	e := m.Envelope()
	d := f.delivering(m, to, &sieve.Env{From: e.From}, plan)
	if k.failed != nil {
		d.fail(k.name, k.failed)
		return nil
	}
	d.env = &sieve.Env{Message: d.msg, From: e.From, To: m.Given(to), Host: &host{f, to.Account.ID}, Lists: f.listsOf(to.Account.ID), Spam: spam(&e.Verdict, m.Opinion(to)), Separate: f.separate,
		Items: map[string]string{"name": "Atrium", "host": f.hostname, "location": "MDA", "phase": "during", "version": "1"}}
	d.env.Asked = asked(e, m.Asked(to))
	if _, domain, ok := strings.Cut(f.hostname, "."); ok {
		d.env.Items["domain"] = domain
	}
	if e.Remote.IsValid() {
		d.env.Items["remote-ip"] = e.Remote.String()
	}
	if len(plan.Into) != 1 || plan.Into[0].Folder || plan.Into[0].Use != "" {
		d.env.Home = elsewhere
	} else {
		d.env.Home = plan.Into[0].Mailbox
	}
	d.env.Limits = sieve.DefaultLimits()
	d.env.Limits.Redirects = f.scripts.cfg.MaxRedirects
	res, err := k.script.Run(ctx, d.env)
	if err != nil {
		f.log.Info("script failed", "account", to.Account.Name, "script", k.name, "message", e.ID, "error", err)
		d.fail(k.name, err)
		return nil
	}
	d.name = k.name
	return d.carryOut(ctx, &res)
}

// asked is what the envelope says about reports, in Sieve's words (RFC 6009 §4).
func asked(e *delivery.Envelope, dsn delivery.RouteDSN) sieve.Asked {
	out := sieve.Asked{Original: dsn.Original, Return: e.DSN.Return, ID: e.DSN.EnvelopeID}
	for _, w := range []struct {
		notify delivery.Notify
		word   string
	}{{delivery.NotifyNever, "NEVER"}, {delivery.NotifySuccess, "SUCCESS"}, {delivery.NotifyFailure, "FAILURE"}, {delivery.NotifyDelay, "DELAY"}} {
		if dsn.Notify.Has(w.notify) {
			out.Notify = append(out.Notify, w.word)
		}
	}
	return out
}

// failedFlag marks a message that went where it would without a filter, as that failed.
const failedFlag imap.Flag = "$SieveFailed"

// fail lets the message go where it would without a filter, marked, and tells the account.
func (d *delivering) fail(name string, failure error) {
	for i := range d.plan.Into {
		d.plan.Into[i].Flags = append(slices.Clip(d.plan.Into[i].Flags), failedFlag)
	}
	d.tell(name, failure)
}

// Apply turns what a run wanted for one recipient into a plan, as Filter does with the active script's.
func (f *Filter) Apply(ctx context.Context, m *delivery.Message, to account.Recipient, env *sieve.Env, res *sieve.Result, plan *delivery.Plan) error {
	return f.delivering(m, to, env, plan).carryOut(ctx, res)
}

func (f *Filter) delivering(m *delivery.Message, to account.Recipient, env *sieve.Env, plan *delivery.Plan) *delivering {
	e := m.Envelope()
	return &delivering{Filter: f, m: m, id: e.ID, tls: e.RequireTLS, delivery: m, to: to, msg: sieve.NewMessage(m, m.Size()), env: env, plan: plan}
}

// sender is the reverse-path of what is sent on.
func (d *delivering) sender() string {
	if d.delivery == nil {
		return d.to.Account.Name
	}
	return d.delivery.Forwarded(d.to.Account.Name)
}

// Host is what scripts of an account see outside of a message.
func (f *Filter) Host(a storage.AccountID) sieve.Host { return &host{f, a} }

// elsewhere is, for scripts, the mailbox of a keep that does not go to INBOX: none that they can name.
const elsewhere = "\x00"

// spam is in percent how sure checks and what the account taught are that a message is junk, -1 when
// nothing looked.
func spam(v *delivery.Verdict, o *delivery.Opinion) int {
	switch {
	case v.Quarantine != "":
		return 100
	case o != nil && o.Junk:
		return int(min(max(o.Score*100, 50), 100))
	case o != nil:
		return int(min(max(o.Score*100, 0), 49))
	case v.Score > 0:
		return int(min(v.Score*10, 99))
	case v.SPF != "" || v.DMARC != "" || v.Score < 0 || len(v.Reasons) > 0:
		return 0
	}
	return -1
}

// carryOut turns actions into a plan.
func (d *delivering) carryOut(ctx context.Context, res *sieve.Result) error {
	before := d.plan.Into
	d.plan.Into = nil
	forms := map[string]*mail.Prepared{}
	for _, a := range res.Actions {
		var err error
		switch a := a.(type) {
		case sieve.Into:
			err = d.into(ctx, a, before, forms)
		case sieve.Redirect:
			d.redirect(a)
		case sieve.Reject:
			d.reject(a)
		case sieve.Vacation:
			d.vacation(a)
		case sieve.Notify:
			d.notify(a)
		}
		if err != nil {
			return err
		}
	}
	if len(res.Remember) > 0 {
		d.plan.Note = append(d.plan.Note, func(tx *storage.Tx) error {
			for _, r := range res.Remember {
				if err := remember(tx, r.Key, r.For); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return nil
}

// into adds mailboxes. Keep is where the message would have gone.
func (d *delivering) into(ctx context.Context, a sieve.Into, before []delivery.Into, forms map[string]*mail.Prepared) error {
	var form *mail.Prepared
	if a.Header != nil {
		var err error
		if form = forms[string(a.Header)]; form == nil {
			if form, err = d.delivery.Variant(ctx, a.Header, d.msg.HeaderSize()); err != nil {
				return err
			}
			forms[string(a.Header)] = form
		}
	}
	list := before
	if a.Mailbox != "" && !a.Create && a.Use == "" && d.name != "" {
		box, err := d.Host(d.to.Account.ID).Mailbox(ctx, a.Mailbox)
		if err != nil {
			return err
		}
		if box == nil {
			d.tell(d.name, fmt.Errorf("there is no mailbox %.100q; the message is in INBOX", a.Mailbox))
			a.Flags = append(slices.Clip(a.Flags), string(failedFlag))
		}
	}
	if a.Mailbox != "" {
		list = []delivery.Into{{Mailbox: a.Mailbox, Create: a.Create, Use: a.Use}}
	}
	for _, in := range list {
		in.Prepared = form
		in.Flags = append(slices.Clone(in.Flags), d.flags(&a)...)
		d.plan.Into = append(d.plan.Into, in)
	}
	return nil
}

// flags are those of an action that mailboxes can have.
func (f *Filter) flags(a *sieve.Into) (out []imap.Flag) {
	for _, flag := range a.Flags {
		if f.mail.CheckFlag(imap.Flag(flag)) == nil {
			out = append(out, imap.Flag(flag))
		}
	}
	return out
}

// own tells whether an address is the account's.
func (d *delivering) own(address string) bool {
	if at := strings.LastIndexByte(address, '@'); at > 0 && d.separate != "" {
		if i := strings.IndexAny(address[:at], d.separate); i > 0 {
			if plain := address[:i] + address[at:]; d.owns(plain) {
				return true
			}
		}
	}
	return d.owns(address)
}

func (d *delivering) owns(address string) bool {
	return strings.EqualFold(address, d.to.Account.Name) ||
		slices.ContainsFunc(d.to.Account.Addresses, func(a string) bool { return strings.EqualFold(a, address) })
}

// host is what scripts see of their account.
type host struct {
	f *Filter
	a storage.AccountID
}

// Mailbox finds a mailbox that mail may be put into.
func (h *host) Mailbox(ctx context.Context, name string) (*sieve.MailboxInfo, error) {
	if strings.EqualFold(name, mail.Inbox) {
		name = mail.Inbox
	}
	box, err := h.f.mail.Open(h.a, h.a).Mailbox(ctx, name)
	switch {
	case absent(err) && name == mail.Inbox:
		return &sieve.MailboxInfo{}, nil
	case absent(err):
		return nil, nil
	case err != nil:
		return nil, err
	}
	info := &sieve.MailboxInfo{}
	for _, u := range box.Uses {
		info.Uses = append(info.Uses, string(u))
	}
	return info, nil
}

// absent tells whether an error means that there is no such thing.
func absent(err error) bool {
	return errors.Is(err, storage.NotFound) || errors.Is(err, storage.Invalid) || errors.Is(err, storage.TooLarge) || errors.Is(err, mail.Reserved)
}

func (h *host) Use(ctx context.Context, attr string) (string, error) {
	return h.f.mail.Open(h.a, h.a).Use(ctx, imap.MailboxAttr(attr))
}

// ByID finds one of the account's mailboxes.
func (h *host) ByID(ctx context.Context, id string) (string, error) {
	all, err := h.f.mail.Open(h.a, h.a).Mailboxes(ctx)
	if err != nil {
		return "", err
	}
	for _, m := range all {
		if m.Has() && mail.MailboxID(m.Owner, m.ID) == id {
			return m.Name, nil
		}
	}
	return "", nil
}

// Metadata reads annotations (RFC 5490 §3.3, §4.2); the server itself has none.
func (h *host) Metadata(ctx context.Context, mailbox, entry string) (string, bool, error) {
	entry, err := mail.EntryName(entry)
	if err != nil {
		return "", false, nil
	}
	box := h.f.mail.Open(h.a, h.a)
	id := mail.ID(0)
	if mailbox != "" {
		b, err := box.Mailbox(ctx, mailbox)
		if absent(err) {
			return "", false, nil
		}
		if err != nil {
			return "", false, err
		}
		id = b.ID
	}
	list, err := box.Metadata(ctx, id)
	for _, m := range list {
		if m.Name == entry {
			return string(m.Value), true, err
		}
	}
	return "", false, err
}

func (h *host) Seen(ctx context.Context, key string) (seen bool, err error) {
	err = h.f.mail.Storage().View(ctx, h.a, func(v *storage.View) error {
		seen, err = seenIn(v, key)
		return err
	})
	return seen, err
}

func (h *host) Include(ctx context.Context, name string, global bool) (*sieve.Script, error) {
	return h.f.scripts.include(ctx, h.a, name, global)
}

const (
	seenPrefix  = "sieve/seen/"
	sweptRecord = "sieve/swept"
	sweepEvery  = 24 * time.Hour
	sweepBatch  = 2000
)

// seenIn tells whether a key is remembered.
func seenIn(v *storage.View, key string) (bool, error) {
	b, err := v.Record(seenPrefix + key)
	if errors.Is(err, storage.NotFound) {
		return false, nil
	}
	return err == nil && len(b) == 8 && int64(binary.BigEndian.Uint64(b)) > time.Now().Unix(), err
}

// remember notes a key for a time, and once a day forgets what expired.
func remember(tx *storage.Tx, key string, d time.Duration) error {
	now := time.Now()
	stamp := func(t time.Time) []byte { return binary.BigEndian.AppendUint64(nil, uint64(t.Unix())) }
	if err := tx.SetRecord(seenPrefix+key, stamp(now.Add(d))); err != nil {
		return err
	}
	b, err := tx.Record(sweptRecord)
	if err != nil && !errors.Is(err, storage.NotFound) {
		return err
	}
	if len(b) == 8 && now.Sub(time.Unix(int64(binary.BigEndian.Uint64(b)), 0)) < sweepEvery {
		return nil
	}
	var old []string
	for name, b := range tx.Records(seenPrefix) {
		if len(b) != 8 || int64(binary.BigEndian.Uint64(b)) <= now.Unix() {
			if old = append(old, name); len(old) == sweepBatch {
				break
			}
		}
	}
	for _, name := range old {
		if err := tx.SetRecord(name, nil); err != nil {
			return err
		}
	}
	if len(old) == sweepBatch {
		return nil // the rest with the next one
	}
	return tx.SetRecord(sweptRecord, stamp(now))
}

// tell puts a message into INBOX about a script that failed, once a day for each failure.
func (d *delivering) tell(name string, failure error) {
	key := sieve.Digest("failure", name, failure.Error())
	first := false
	d.plan.Note = append(d.plan.Note, func(tx *storage.Tx) error {
		seen, err := seenIn(&tx.View, key)
		if first = !seen; seen || err != nil {
			return err
		}
		return remember(tx, key, 24*time.Hour)
	})
	d.plan.After = append(d.plan.After, func(ctx context.Context) error {
		if !first {
			return nil
		}
		return d.note(ctx, name, failure, "The message went where it would have gone without a filter.")
	})
}

// tellNow tells of a failure in what follows a delivery, once a day for each.
func (d *delivering) tellNow(ctx context.Context, failure error) error {
	key := sieve.Digest("failure", d.name, failure.Error())
	first := false
	err := d.mail.Storage().Update(ctx, d.to.Account.ID, func(tx *storage.Tx) error {
		seen, err := seenIn(&tx.View, key)
		if first = !seen; seen || err != nil {
			return err
		}
		return remember(tx, key, 24*time.Hour)
	})
	if err != nil || !first {
		return err
	}
	return d.note(ctx, d.name, failure, "All else was done.")
}

// note puts a message into INBOX about a script that failed.
func (d *delivering) note(ctx context.Context, name string, failure error, what string) error {
	text := fmt.Sprintf("Your mail filter \"%s\" could not do what it wants with a message from <%s>:\r\n\r\n  %s\r\n\r\n"+
		"%s You are told of this\r\nonce a day.\r\n", name, d.env.From, failure, what)
	l := &letter{from: "postmaster@" + d.domain(), to: []string{d.to.Account.Name}, subject: "Your mail filter failed", auto: "auto-generated", text: text}
	inbox, err := d.mail.Open(d.to.Account.ID, d.to.Account.ID).Mailbox(ctx, mail.Inbox)
	if err != nil {
		return err
	}
	return d.append(ctx, l.bytes(d.hostname), inbox.ID)
}

// domain is that of the account.
func (d *delivering) domain() string {
	return d.to.Account.Name[strings.LastIndexByte(d.to.Account.Name, '@')+1:]
}

// append puts a message of the server's own into a mailbox.
func (d *delivering) append(ctx context.Context, content []byte, to mail.ID, flags ...imap.Flag) error {
	spool, err := d.mail.Storage().Blobs().Spool(ctx, int64(len(content)))
	if err != nil {
		return err
	}
	if _, err := spool.Write(content); err != nil {
		spool.Release()
		return err
	}
	p, err := d.mail.Prepare(ctx, spool)
	if err != nil {
		spool.Release()
		return err
	}
	defer p.Release()
	_, err = d.mail.Open(d.to.Account.ID, d.to.Account.ID).Quiet().Append(ctx, to, mail.NewMessage{Prepared: p, Flags: flags})
	return err
}
