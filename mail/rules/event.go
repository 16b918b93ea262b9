package rules

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"

	"atrium/mail"
	"atrium/mail/delivery"
	"atrium/mail/sieve"
	"atrium/storage"
	"atrium/storage/account"
)

// notHere means that a script for what is done by IMAP wants what only a delivery can (RFC 6785 §2.2).
const notHere storage.Kind = "reject and vacation are not possible when a message is stored already"

// Event runs the script that a mailbox names, for messages that a user put there or changed (RFC 6785). The
// script is one of the mailbox's owner. What it does is done as the owner, and is no event. A script that fails
// changes nothing, and the owner is told.
func (f *Filter) Event(ctx context.Context, e mail.Event) {
	ctx = context.WithoutCancel(ctx) // what the user did is done
	if err := f.event(ctx, e); err != nil {
		f.log.Error("script of a mailbox not run", "account", e.Owner, "mailbox", e.Mailbox, "error", err)
	}
}

func (f *Filter) event(ctx context.Context, e mail.Event) error {
	box := f.mail.Open(e.Owner, e.Owner).Quiet()
	name, err := box.Script(ctx, e.Mailbox)
	if err != nil || name == "" {
		return err
	}
	owner, err := f.dir.Get(ctx, e.Owner)
	if err != nil {
		return err
	}
	user := owner
	if e.Actor != e.Owner {
		if user, err = f.dir.Get(ctx, e.Actor); err != nil {
			return err
		}
	}
	script, err := f.scripts.include(ctx, e.Owner, name, false)
	if errors.Is(err, sieve.NoScript) {
		return nil // RFC 6785 §2.3.1: then there is none
	}
	r := &happening{Filter: f, box: box, id: e.Mailbox, name: name, script: script, failed: err, owner: owner,
		items: map[string]string{"name": "Atrium", "host": f.hostname, "location": "MS", "phase": "post", "version": "1",
			"imap.user": user.Name, "imap.email": user.Name, "imap.cause": e.Cause}}
	for _, m := range e.Messages {
		changed := make([]string, len(m.Changed))
		for i, flag := range m.Changed {
			changed[i] = string(flag)
		}
		if e.Cause == mail.CauseFlag {
			r.items["imap.changedflags"] = strings.Join(changed, " ")
		}
		if err := r.messages(ctx, m.UIDs); err != nil {
			return err
		}
	}
	return nil
}

// happening is one event.
type happening struct {
	*Filter
	box    *mail.Account
	id     mail.ID
	name   string // of the script
	script *sieve.Script
	failed error // of compiling it
	owner  *account.Account
	items  map[string]string
}

// messages runs the script for each of some messages.
func (r *happening) messages(ctx context.Context, uids imap.UIDSet) error {
	snap, err := r.box.Snapshot(ctx, r.id)
	if err != nil {
		return err
	}
	r.items["imap.mailbox"] = snap.Name
	for _, m := range snap.In(uids) {
		if err := r.message(ctx, snap, m); err != nil && !errors.Is(err, storage.NotFound) { // else it went meanwhile
			return err
		}
	}
	return nil
}

// message runs the script for one message.
func (r *happening) message(ctx context.Context, snap *mail.Snapshot, m mail.Message) error {
	body, err := r.box.Body(ctx, r.id, m)
	if err != nil {
		return err
	}
	defer body.Close()
	env := &sieve.Env{From: r.owner.Name, To: r.owner.Name, Home: snap.Name, Host: r.Host(r.owner.ID), Lists: r.listsOf(r.owner.ID), Spam: -1, Separate: r.separate,
		Items: r.items, Limits: sieve.DefaultLimits()}
	env.Limits.Redirects = r.scripts.cfg.MaxRedirects
	for _, flag := range snap.Keywords.Names(nil, m.Flags) {
		env.Flags = append(env.Flags, string(flag))
	}
	d := &delivering{Filter: r.Filter, m: body, id: fmt.Sprintf("%s;UID=%d", snap.Name, m.UID), to: account.Recipient{Account: r.owner, Address: r.owner.Name},
		name: r.name, msg: sieve.NewMessage(body, body.Size()), env: env, plan: &delivery.Plan{}}
	env.Message = d.msg
	failed := r.failed
	if failed == nil {
		var res sieve.Result
		if res, failed = r.script.Run(ctx, env); failed == nil {
			failed = r.carryOut(ctx, d, snap, m, &res)
		}
	}
	if failed != nil {
		r.log.Info("script of a mailbox failed", "account", r.owner.Name, "script", r.name, "message", d.id, "error", failed)
		d.plan = &delivery.Plan{}
		d.tell(r.name, failed)
	}
	return r.finish(ctx, d.plan)
}

// carryOut does what a script wants. The message is marked to be removed when something else was done with it and
// nothing keeps it; one that the script edited takes its place (RFC 6785 §2.2).
func (r *happening) carryOut(ctx context.Context, d *delivering, snap *mail.Snapshot, m mail.Message, res *sieve.Result) error {
	if slices.ContainsFunc(res.Actions, func(a sieve.Action) bool {
		switch a.(type) {
		case sieve.Reject, sieve.Vacation:
			return true
		}
		return false
	}) {
		return notHere
	}
	var keep *sieve.Into
	for _, a := range res.Actions {
		switch a := a.(type) {
		case sieve.Into:
			if a.Use == "" && (a.Mailbox == "" || a.Mailbox == snap.Name) {
				keep = &a
			} else if err := r.into(ctx, d, m, &a); err != nil {
				return err
			}
		case sieve.Redirect:
			d.redirect(a)
		case sieve.Notify:
			d.notify(a)
		}
	}
	for _, send := range d.plan.Send {
		if err := send(ctx); err != nil {
			return err
		}
	}
	d.plan.Send = nil
	if keep == nil && len(d.plan.Into) > 0 { // a redirect that comes back
		return nil
	}
	if len(res.Remember) > 0 {
		d.plan.Note = append(d.plan.Note, func(tx *storage.Tx) error {
			for _, k := range res.Remember {
				if err := remember(tx, k.Key, k.For); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if keep != nil {
		return r.keep(ctx, d, snap, m, keep)
	}
	_, err := r.box.SetFlags(ctx, r.id, one(m.UID), mail.FlagChange{Op: mail.AddFlags, Flags: []imap.Flag{imap.FlagDeleted}})
	return err
}

func one(uid imap.UID) imap.UIDSet { return imap.UIDSet{{Start: uid, Stop: uid}} }

// keep leaves the message where it is, with the flags that the script wants and as it edited it.
func (r *happening) keep(ctx context.Context, d *delivering, snap *mail.Snapshot, m mail.Message, a *sieve.Into) error {
	flags := r.flags(a)
	if a.Header != nil {
		p, err := d.variant(ctx, a.Header)
		if err != nil {
			return err
		}
		defer p.Release()
		_, err = r.box.Replace(ctx, r.id, m.UID, r.box, r.id, mail.NewMessage{Prepared: p, Flags: flags, Date: m.InternalDate()})
		return err
	}
	now := snap.Keywords.Names(nil, m.Flags)
	same := len(now) == len(flags)
	for _, f := range flags {
		same = same && slices.ContainsFunc(now, func(n imap.Flag) bool { return strings.EqualFold(string(n), string(f)) })
	}
	if same {
		return nil
	}
	_, err := r.box.SetFlags(ctx, r.id, one(m.UID), mail.FlagChange{Op: mail.ReplaceFlags, Flags: flags})
	return err
}

// into puts the message into another mailbox.
func (r *happening) into(ctx context.Context, d *delivering, m mail.Message, a *sieve.Into) error {
	to, err := target(ctx, r.box, a)
	if err != nil {
		return err
	}
	flags := r.flags(a)
	if a.Header != nil {
		p, err := d.variant(ctx, a.Header)
		if err != nil {
			return err
		}
		defer p.Release()
		_, err = r.box.Append(ctx, to, mail.NewMessage{Prepared: p, Flags: flags, Date: m.InternalDate()})
		return err
	}
	done, err := r.box.Copy(ctx, r.id, one(m.UID), r.box, to)
	if err != nil {
		return err
	}
	_, err = r.box.SetFlags(ctx, to, done.To, mail.FlagChange{Op: mail.ReplaceFlags, Flags: flags})
	return err
}

// noMailbox means that a script names a mailbox that is not there.
const noMailbox storage.Kind = "there is no such mailbox"

// target finds the mailbox that an action names, or makes it.
func target(ctx context.Context, box *mail.Account, a *sieve.Into) (mail.ID, error) {
	name := a.Mailbox
	var uses []imap.MailboxAttr
	if a.Use != "" {
		used, err := box.Use(ctx, imap.MailboxAttr(a.Use))
		if err != nil {
			return 0, err
		}
		if used != "" {
			name = used
		} else {
			uses = append(uses, imap.MailboxAttr(a.Use))
		}
	}
	if strings.EqualFold(name, mail.Inbox) {
		name = mail.Inbox
	}
	found, err := box.Mailbox(ctx, name)
	if errors.Is(err, storage.NotFound) && a.Create {
		found, err = box.Create(ctx, name, uses...)
	}
	if err != nil {
		if absent(err) {
			err = fmt.Errorf("mailbox %.100q: %w", name, noMailbox)
		}
		return 0, err
	}
	return found.ID, nil
}

// variant is the message with another header.
func (d *delivering) variant(ctx context.Context, header []byte) (*mail.Prepared, error) {
	size := d.msg.HeaderSize()
	spool, err := d.mail.Storage().Blobs().Spool(ctx, 0)
	if err != nil {
		return nil, err
	}
	if _, err = spool.Write(header); err == nil {
		_, err = io.Copy(spool, io.NewSectionReader(d.m, size, d.m.Size()-size))
	}
	var p *mail.Prepared
	if err == nil {
		p, err = d.mail.Prepare(ctx, spool)
	}
	if err != nil {
		spool.Release()
	}
	return p, err
}

// finish notes what a plan has to be noted, and does what follows.
func (r *happening) finish(ctx context.Context, p *delivery.Plan) error {
	if len(p.Note) > 0 {
		err := r.mail.Storage().Update(ctx, r.owner.ID, func(tx *storage.Tx) error {
			for _, note := range p.Note {
				if err := note(tx); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	for _, after := range p.After {
		if err := after(ctx); err != nil {
			r.log.Error("not done after a script of a mailbox", "account", r.owner.Name, "error", err)
		}
	}
	return nil
}
