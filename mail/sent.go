package mail

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/emersion/go-imap/v2"

	"atrium/storage"
)

// SentEntry is the metadata entry of an account (RFC 5464) in which its user says whether what
// it submits goes into its mailbox \Sent: SentCopy, or SentNone. Without it the server's setting counts.
const SentEntry = "/private/vendor/atrium/sent"

// Values of SentEntry.
const (
	SentCopy = "copy"
	SentNone = "none"
)

// Most clients put what they send into \Sent themselves. So of the server's copies it is
// remembered for a while where they are, by Message-ID: when the client's own
// comes, the server's goes.
const (
	sentPrefix  = "mail/sent/"
	sentVersion = 1
	sentLen     = 1 + 8 + 4 + 8 // version, mailbox, UID, time in Unix seconds
	sentFor     = 7 * 24 * time.Hour
	sentNewest  = 100 // messages of \Sent that are looked at for one that came before
	sentUses    = 1 << 3
)

// CopiesSent tells whether what the owner submits goes into \Sent; def is the server's setting.
func (a *Account) CopiesSent(ctx context.Context, def bool) (copies bool, err error) {
	err = a.view(ctx, func(v *storage.View) error {
		b, err := v.Prop(storage.PropKey{User: a.owner, Name: SentEntry})
		if errors.Is(err, storage.NotFound) {
			copies = def
			return nil
		}
		copies = string(b) == SentCopy
		return err
	})
	return copies, err
}

func checkSentEntry(value []byte) error {
	if s := string(value); s != SentCopy && s != SentNone {
		return fmt.Errorf("%.40q is neither %q nor %q: %w", s, SentCopy, SentNone, storage.Invalid)
	}
	return nil
}

// sentName is the record of a message that was copied; "" when it has no Message-ID.
func sentName(p *Prepared) string {
	x, err := p.Index()
	if err != nil || len(x.MessageID()) == 0 {
		return ""
	}
	sum := sha256.Sum256(x.MessageID())
	return sentPrefix + hex.EncodeToString(sum[:16])
}

// AppendSent puts what the owner submitted into its mailbox \Sent, with \Seen, unless a message with
// that Message-ID is there. Without such a mailbox, or a Message-ID, it does nothing.
func (a *Account) AppendSent(ctx context.Context, p *Prepared) error {
	name := sentName(p)
	if name == "" {
		return nil
	}
	to, err := a.Use(ctx, imap.MailboxAttrSent)
	if err != nil || to == "" {
		return err
	}
	box, err := a.Mailbox(ctx, to)
	if err != nil {
		return err
	}
	if has, err := a.hasSent(ctx, box.ID, p); has || err != nil {
		return err
	}
	err = a.update(ctx, func(tx *storage.Tx) error {
		if _, err := tx.Record(name); err == nil || !errors.Is(err, storage.NotFound) {
			return err // it was submitted twice
		}
		in, err := a.intake(tx, box.ID)
		if err != nil {
			return err
		}
		uid, err := in.add(tx, &NewMessage{Prepared: p, Flags: []imap.Flag{imap.FlagSeen}}, 0, 0)
		if err := errors.Join(err, in.close(tx)); err != nil {
			return err
		}
		b := binary.BigEndian.AppendUint64([]byte{sentVersion}, uint64(box.ID))
		b = binary.BigEndian.AppendUint32(b, uint32(uid))
		b = binary.BigEndian.AppendUint64(b, uint64(in.now.Unix()))
		// Those that share two digits are looked through, so that in time all are.
		if err := forgetSent(tx, name[:len(sentPrefix)+2], in.now); err != nil {
			return err
		}
		return tx.SetRecord(name, b)
	})
	if err == nil {
		a.store.learn(a.owner, sentUses)
	}
	return err
}

// hasSent tells whether one of the newest messages of a mailbox has p's Message-ID.
func (a *Account) hasSent(ctx context.Context, id ID, p *Prepared) (has bool, err error) {
	own, err := p.Index()
	if err != nil {
		return false, err
	}
	snap, err := a.Snapshot(ctx, id)
	if err != nil {
		return false, err
	}
	for i := snap.Len() - 1; i >= max(snap.Len()-sentNewest, 0) && !has; i-- {
		x, err := a.Index(ctx, id, snap.At(i))
		if errors.Is(err, storage.NotFound) {
			continue
		}
		if err != nil {
			return false, err
		}
		has = string(x.MessageID()) == string(own.MessageID())
	}
	return has, nil
}

func forgetSent(tx *storage.Tx, prefix string, now time.Time) error {
	var old []string
	for name, b := range tx.Records(prefix) {
		if len(b) != sentLen || int64(binary.BigEndian.Uint64(b[13:])) < now.Add(-sentFor).Unix() {
			if old = append(old, name); len(old) == 1000 {
				break
			}
		}
	}
	for _, name := range old {
		if err := tx.SetRecord(name, nil); err != nil {
			return err
		}
	}
	return nil
}

// replaceSent removes the server's copies of messages that the owner's client has just put into \Sent.
func (a *Account) replaceSent(tx *storage.Tx, in *intake, msgs []NewMessage) error {
	if in.set.uses&sentUses == 0 || a.actor != a.owner {
		return nil
	}
	for i := range msgs {
		name := sentName(msgs[i].Prepared)
		if name == "" {
			continue
		}
		b, err := tx.Record(name)
		if errors.Is(err, storage.NotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if len(b) == sentLen && b[0] == sentVersion && ID(binary.BigEndian.Uint64(b[1:])) == in.id {
			err := tx.Remove(in.id, storage.Num(binary.BigEndian.Uint32(b[9:])), nil)
			if err != nil && !errors.Is(err, storage.NotFound) {
				return err
			}
		}
		if err := tx.SetRecord(name, nil); err != nil {
			return err
		}
	}
	return nil
}
