package sift

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/emersion/go-imap/v2"

	"atrium/mail"
	"atrium/mail/junk"
	"atrium/mail/message"
	"atrium/storage"
)

// Bounds of one round of learning.
const (
	maxBatch    = 10     // messages trained in one transaction
	maxFirst    = 300    // messages of each mailbox that are looked at the first time
	maxAtOnce   = 2000   // changes read at once
	maxRound    = 100000 // of one mailbox
	recordSince = "junk/since"
)

// learnNow is Learn for the queue.
func (s *Sifter) learnNow(ctx context.Context, a storage.AccountID) {
	if err := s.Learn(ctx, a); err != nil && ctx.Err() == nil {
		s.log.Error("nothing learnt", "account", a, "error", err)
	}
}

// lesson is one message of which something is to be learnt.
type lesson struct {
	box  mail.ID
	msg  mail.Message
	old  mark
	want mark
}

// Learn reads an account's log since the last time and learns what its user told.
func (s *Sifter) Learn(ctx context.Context, a storage.AccountID) error {
	return s.learn(ctx, a, false)
}

// Train learns from what is in the mailboxes, whatever the log says: what was seen and stayed in
// INBOX counts as good.
func (s *Sifter) Train(ctx context.Context, a storage.AccountID) error { return s.learn(ctx, a, true) }

func (s *Sifter) learn(ctx context.Context, a storage.AccountID, all bool) error {
	acct := s.mail.Open(a, a)
	since, first, now, err := s.since(ctx, a)
	if err != nil {
		return err
	}
	first = first || all
	boxes, err := acct.Mailboxes(ctx)
	if err != nil {
		return err
	}
	round := &round{s: s, acct: acct, since: since, first: first}
	if all {
		st, err := s.of(ctx, a)
		if err != nil {
			return err
		}
		round.forgot = st.model.Junk+st.model.Good == 0
	}
	if err := round.findJunk(ctx, boxes); err != nil {
		return err
	}
	for i := range boxes {
		if b := &boxes[i]; b.Has() {
			if err := round.mailbox(ctx, b); err != nil {
				return fmt.Errorf("mailbox %q: %w", b.Name, err)
			}
		}
	}
	if err := s.train(ctx, acct, round.lessons); err != nil {
		return err
	}
	return s.finish(ctx, a, round.wrote, now)
}

// since tells up to where the log was read, and where it ends now.
func (s *Sifter) since(ctx context.Context, a storage.AccountID) (since uint64, first bool, now uint64, err error) {
	err = s.mail.Storage().View(ctx, a, func(v *storage.View) error {
		if now, err = v.Modseq(); err != nil {
			return err
		}
		b, err := v.Record(recordSince)
		switch {
		case errors.Is(err, storage.NotFound) || err == nil && len(b) != 8:
			first = true
			return nil
		case err != nil:
			return err
		}
		since = binary.BigEndian.Uint64(b)
		return nil
	})
	return since, first, now, err
}

// finish writes up to where the log was read, and to whom the user wrote.
func (s *Sifter) finish(ctx context.Context, a storage.AccountID, wrote []string, now uint64) error {
	st, err := s.of(ctx, a)
	if err != nil {
		return err
	}
	b, grown := st.book, false
	for _, address := range wrote {
		var more bool
		b, more = b.with(address)
		grown = grown || more
	}
	err = s.mail.Storage().Update(ctx, a, func(tx *storage.Tx) error {
		if grown {
			if err := tx.SetRecord(recordBook, b.encode()); err != nil {
				return err
			}
		}
		return tx.SetRecord(recordSince, binary.BigEndian.AppendUint64(nil, now))
	})
	if err == nil && grown {
		s.keep(a, &state{model: st.model, off: st.off, book: b, used: time.Now()})
	}
	return err
}

// round is one reading of the log.
type round struct {
	s       *Sifter
	acct    *mail.Account
	since   uint64
	first   bool
	forgot  bool // nothing is learnt, whatever the marks say
	inJunk  map[storage.ObjectID]bool
	lessons []lesson
	wrote   []string
}

// findJunk notes what is in the mailbox for junk: a copy elsewhere does not make it good.
func (r *round) findJunk(ctx context.Context, boxes []mail.Mailbox) error {
	r.inJunk = map[storage.ObjectID]bool{}
	for i := range boxes {
		if !boxes[i].Has() || !slices.Contains(boxes[i].Uses, imap.MailboxAttrJunk) {
			continue
		}
		snap, err := r.acct.Snapshot(ctx, boxes[i].ID)
		if err != nil {
			return err
		}
		for _, m := range snap.Messages(0, snap.Len()) {
			r.inJunk[m.Object] = true
		}
	}
	return nil
}

// mailbox finds the lessons in what changed in a mailbox.
func (r *round) mailbox(ctx context.Context, b *mail.Mailbox) error {
	snap, err := r.acct.Snapshot(ctx, b.ID)
	if err != nil {
		return err
	}
	from := snap.Len() - maxFirst
	var changed []imap.UID
	if !r.first {
		for since, more := r.since, true; more; {
			ch, err := r.acct.Changes(ctx, b.ID, since, maxAtOnce)
			if errors.Is(err, storage.Expired) {
				break
			}
			if err != nil {
				return err
			}
			changed, from = append(changed, ch.Changed...), snap.Len()
			since, more = ch.Modseq, ch.More && len(changed) < maxRound
		}
	}
	for _, m := range snap.Messages(max(from, 0), snap.Len()) {
		if err := r.message(ctx, b, m); err != nil {
			return err
		}
	}
	for _, uid := range changed {
		if pos, ok := snap.Find(uid); ok {
			if err := r.message(ctx, b, snap.At(pos)); err != nil {
				return err
			}
		}
	}
	return nil
}

// message decides what one message teaches.
func (r *round) message(ctx context.Context, b *mail.Mailbox, m mail.Message) error {
	if slices.Contains(b.Uses, imap.MailboxAttrSent) {
		return r.sent(ctx, b, m)
	}
	var old mark
	err := r.s.mail.Storage().View(ctx, r.acct.Owner(), func(v *storage.View) error {
		f, err := v.Facet(m.Object, mail.JunkFacet)
		if errors.Is(err, storage.NotFound) {
			return nil
		}
		old = decodeMark(f)
		return err
	})
	if err != nil {
		return err
	}
	if r.forgot {
		old.learnt = unlearnt
	}
	want := r.wanted(b, m, old)
	if want.learnt == old.learnt || want.learnt == unlearnt {
		return nil
	}
	r.lessons = append(r.lessons, lesson{b.ID, m, old, want})
	return nil
}

// wanted is the mark that a message should have by where it is and what its flags say.
func (r *round) wanted(b *mail.Mailbox, m mail.Message, old mark) mark {
	w := old
	in := func(use imap.MailboxAttr) bool { return slices.Contains(b.Uses, use) }
	says := mail.JunkFlag(b.Keywords.Names(nil, m.Flags))
	left := (old.filed || old.learnt == isJunk && !old.keyword) && !r.inJunk[m.Object]
	switch {
	case says < 0:
		w.learnt, w.keyword = isGood, true
	case in(imap.MailboxAttrTrash), in(imap.MailboxAttrDrafts):
	case in(imap.MailboxAttrJunk):
		if !old.filed || old.learnt == isGood {
			w.learnt, w.keyword = isJunk, false
		}
	case left:
		w.learnt, w.keyword, w.filed = isGood, false, false
	case says > 0 && !old.filed:
		w.learnt, w.keyword = isJunk, true
	case r.inJunk[m.Object]:
	case old.learnt == isJunk && old.keyword && says == 0:
		w.learnt, w.keyword = isGood, true // the keyword was taken back
	case old.learnt != unlearnt:
	case m.Flags&(mail.Answered|mail.Flagged) != 0, m.Flags.Has(mail.Seen) && (b.Name != mail.Inbox || r.first):
		w.learnt, w.keyword = isGood, false
	}
	return w
}

// sent notes to whom a message was sent.
func (r *round) sent(ctx context.Context, b *mail.Mailbox, m mail.Message) error {
	if len(r.wrote) >= maxBook {
		return nil
	}
	x, err := r.acct.Index(ctx, b.ID, m)
	if err != nil {
		return err
	}
	body, err := r.acct.Body(ctx, b.ID, m)
	if err != nil {
		return err
	}
	defer body.Close()
	r.wrote = append(r.wrote, addresses(&x, body, "to", "cc")...)
	return nil
}

// train learns lessons, some of them in each transaction.
func (s *Sifter) train(ctx context.Context, acct *mail.Account, lessons []lesson) error {
	seen := map[storage.ObjectID]bool{}
	for len(lessons) > 0 {
		n := min(len(lessons), maxBatch)
		if err := s.trainBatch(ctx, acct, lessons[:n], seen); err != nil {
			return err
		}
		lessons = lessons[n:]
	}
	return nil
}

func (s *Sifter) trainBatch(ctx context.Context, acct *mail.Account, lessons []lesson, seen map[storage.ObjectID]bool) error {
	a := acct.Owner()
	st, err := s.of(ctx, a)
	if err != nil {
		return err
	}
	model := st.model
	var done []lesson
	for _, l := range lessons {
		if seen[l.msg.Object] {
			continue
		}
		seen[l.msg.Object] = true
		words, err := s.words(ctx, acct, l)
		if errors.Is(err, storage.NotFound) {
			continue // it went meanwhile
		}
		if err != nil {
			return err
		}
		if l.old.learnt != unlearnt {
			model = model.Train(words, l.old.learnt == isJunk, -1)
		}
		model = model.Train(words, l.want.learnt == isJunk, 1)
		done = append(done, l)
	}
	if len(done) == 0 {
		return nil
	}
	err = s.mail.Storage().Update(ctx, a, func(tx *storage.Tx) error {
		for _, l := range done {
			err := tx.SetFacet(l.msg.Object, mail.JunkFacet, l.want.encode())
			if err != nil && !errors.Is(err, storage.NotFound) {
				return err
			}
		}
		return model.Save(tx)
	})
	if err != nil {
		s.forget(a)
		return err
	}
	s.keep(a, &state{model: model.Saved(), off: st.off, book: st.book, used: time.Now()})
	return nil
}

func (s *Sifter) words(ctx context.Context, acct *mail.Account, l lesson) ([]junk.Word, error) {
	var x message.Index
	x, err := acct.Index(ctx, l.box, l.msg)
	if err != nil {
		return nil, err
	}
	body, err := acct.Body(ctx, l.box, l.msg)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return junk.Tokens(&x, body)
}

// Stats is what an account's model holds.
type Stats struct {
	Junk, Good, Tokens, Known int
	Off, Ready                bool
}

// Stats tells it.
func (s *Sifter) Stats(ctx context.Context, a storage.AccountID) (Stats, error) {
	st, err := s.of(ctx, a)
	if err != nil {
		return Stats{}, err
	}
	return Stats{st.model.Junk, st.model.Good, st.model.Tokens(), len(st.book), st.off, s.cfg.On && !st.off && st.model.Ready(s.cfg.AtLeast)}, nil
}

// Reset forgets what was learnt of an account. What its messages were marked as stays, so
// that only what its user does from now on is learnt.
func (s *Sifter) Reset(ctx context.Context, a storage.AccountID) error {
	defer s.forget(a)
	return s.mail.Storage().Update(ctx, a, func(tx *storage.Tx) error {
		now, err := tx.Modseq()
		if err != nil {
			return err
		}
		return errors.Join(junk.Reset(tx), tx.SetRecord(recordBook, nil), tx.SetRecord(recordSince, binary.BigEndian.AppendUint64(nil, now)))
	})
}

// Switch has an account's messages judged, or not.
func (s *Sifter) Switch(ctx context.Context, a storage.AccountID, on bool) error {
	defer s.forget(a)
	return s.mail.Storage().Update(ctx, a, func(tx *storage.Tx) error {
		if on {
			return tx.SetRecord(recordOff, nil)
		}
		return tx.SetRecord(recordOff, []byte{1})
	})
}
