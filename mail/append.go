package mail

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"

	"atrium/mail/message"
	"atrium/storage"
	"atrium/storage/blob"
)

// Prepared is a message that was parsed and whose body is filed: all that can be
// done before the transaction. It may be put into any number of mailboxes and
// accounts, until it is released.
type Prepared struct {
	ref    blob.Ref
	facets map[byte][]byte // not changed any more
	utf8   bool            // see Message.UTF8
	thread []threadKey     // see threadKeys
	spool  blob.Spool
}

// Prepare parses the message in a spool and files its body. The spool belongs
// to the Prepared then, and to the caller when Prepare fails.
func (s *Store) Prepare(ctx context.Context, spool blob.Spool) (*Prepared, error) {
	index, signature, err := message.Records(spool, spool.Size())
	if err != nil {
		return nil, fmt.Errorf("message: %w", err)
	}
	p := &Prepared{spool: spool, facets: map[byte][]byte{IndexFacet: index, SignatureFacet: signature}}
	p.thread = threadKeysIn(p.facets[IndexFacet])
	if x, err := p.Index(); err == nil {
		p.utf8 = x.UTF8()
	}
	if p.ref, err = spool.Commit(ctx); err != nil {
		return nil, fmt.Errorf("message: %w", err)
	}
	return p, nil
}

// Size is the message's size in bytes.
func (p *Prepared) Size() int64 { return p.ref.Size }

// Ref is the message's body, which is filed. It stays at least until Release.
func (p *Prepared) Ref() blob.Ref { return p.ref }

// With returns the same message with one facet more, for the accounts that it is put into
// under that. It ends with p.
func (p *Prepared) With(facet byte, value []byte) *Prepared {
	c := &Prepared{ref: p.ref, utf8: p.utf8, facets: maps.Clone(p.facets), thread: p.thread}
	c.facets[facet] = value
	return c
}

// Kept is how many bytes of memory p takes while it is not released, beside its body.
func (p *Prepared) Kept() (n int) {
	for _, f := range p.facets {
		n += len(f)
	}
	return n + len(p.thread)*len(threadKey{})
}

// Index is the message's index record.
func (p *Prepared) Index() (message.Index, error) { return message.OpenIndex(p.facets[IndexFacet]) }

// Release ends p and its spool. It may be called more than once.
func (p *Prepared) Release() {
	if p.spool != nil {
		p.spool.Release()
	}
}

// NewMessage is a message to be appended.
type NewMessage struct {
	*Prepared
	Flags []imap.Flag // \Recent and flags that the actor has no right to set are left out
	Date  time.Time   // INTERNALDATE; zero: now
}

// Appended tells where messages went: their UIDs, ascending in the order of the
// messages.
type Appended struct {
	UIDValidity uint32
	UIDs        imap.UIDSet
	Modseq      uint64
}

// Append puts messages into a mailbox: all or none (RFC 3502). It costs one
// transaction; of many messages, what is kept beside their rows is written before, in
// transactions of its own. The actor needs Insert.
func (a *Account) Append(ctx context.Context, id ID, msgs ...NewMessage) (*Appended, error) {
	for i := range msgs {
		if err := a.store.checkNew(&msgs[i]); err != nil {
			return nil, err
		}
	}
	staged, threads, err := a.stage(ctx, id, msgs)
	if err != nil {
		return nil, err
	}
	var out Appended
	var uses uint64
	watched := false
	err = a.update(ctx, func(tx *storage.Tx) error {
		in, err := a.intake(tx, id)
		if err != nil {
			return err
		}
		objects := make([]storage.ObjectID, 0, len(msgs))
		for _, s := range staged {
			if err := tx.Adopt(s); err != nil {
				return err
			}
			objects = append(objects, s.Objects...)
		}
		in.apart = in.set.options&privateSeen != 0
		out = Appended{UIDValidity: in.set.uidValidity}
		for i := range msgs {
			var o, thread storage.ObjectID
			if len(objects) > 0 {
				o, thread = objects[i], threads[i]
			}
			uid, err := in.add(tx, &msgs[i], o, thread)
			if err != nil {
				return err
			}
			out.UIDs = addUID(out.UIDs, uid)
		}
		uses, watched = in.set.uses, a.watched(&tx.View, in.set.options&hasScript != 0)
		if out.Modseq, err = tx.Next(); err != nil {
			return err
		}
		return errors.Join(in.close(tx), a.replaceSent(tx, in, msgs))
	})
	if err != nil {
		return nil, err
	}
	a.store.learn(a.owner, uses)
	if watched {
		a.tell(ctx, id, CauseAppend, EventMessages{UIDs: out.UIDs})
	}
	return &out, nil
}

// A transaction of Append takes so many messages, with so many bytes beside their rows.
const (
	stageMessages = 500
	stageBytes    = 512 << 10
)

// stage stores the objects of messages that are too many for one transaction, and finds their threads; nil when
// they are not.
func (a *Account) stage(ctx context.Context, id ID, msgs []NewMessage) (list []*storage.Staged, threads []storage.ObjectID, err error) {
	objects := make([]storage.Object, len(msgs))
	size, bytes := make([]int, len(msgs)), int64(0)
	all := 0
	for i := range msgs {
		objects[i] = storage.Object{Blob: msgs[i].ref, Facets: msgs[i].facets}
		size[i] = msgs[i].Kept()
		all += size[i]
		bytes += msgs[i].ref.Size
	}
	if len(msgs) <= stageMessages && all <= stageBytes {
		return nil, nil, nil
	}
	for from := 0; from < len(msgs); {
		to, n := from, 0
		for to < len(msgs) && to-from < stageMessages && (to == from || n+size[to] <= stageBytes) {
			n += size[to]
			to++
		}
		var s *storage.Staged
		err := a.update(ctx, func(tx *storage.Tx) error {
			if from == 0 {
				if err := a.mayAppend(tx, id, len(msgs), bytes); err != nil {
					return err
				}
			}
			if s, err = tx.Stage(objects[from:to]); err != nil {
				return err
			}
			threads = threads[:from]
			for i, o := range s.Objects {
				t, err := thread(tx, msgs[from+i].thread, o)
				if err != nil {
					return err
				}
				threads = append(threads, t)
			}
			return nil
		})
		if err != nil {
			return nil, nil, err
		}
		list = append(list, s)
		from = to
	}
	return list, threads, nil
}

// mayAppend refuses before anything is written what would be refused afterwards.
func (a *Account) mayAppend(tx *storage.Tx, id ID, n int, bytes int64) error {
	if _, err := a.intake(tx, id); err != nil {
		return err
	}
	u, err := tx.Usage()
	if err == nil && (u.MaxBytes > 0 && u.Bytes+bytes > u.MaxBytes || u.MaxObjects > 0 && u.Objects+int64(n) > u.MaxObjects) {
		err = fmt.Errorf("%d messages of %d bytes: %w", n, bytes, storage.OverQuota)
	}
	return err
}

// AppendTx puts one message into a mailbox within a transaction on the owner's
// account. Its \Seen is for all, also where \Seen is private. The actor needs Insert or Post.
func (a *Account) AppendTx(tx *storage.Tx, id ID, msg NewMessage) (imap.UID, error) {
	if err := a.store.checkNew(&msg); err != nil {
		return 0, err
	}
	in, err := a.intake(tx, id)
	if err != nil {
		return 0, err
	}
	uid, err := in.add(tx, &msg, 0, 0)
	return uid, errors.Join(err, in.close(tx))
}

// MailboxTx returns the mailbox of that name for a delivery within a
// transaction on the owner's account, and makes it when create tells so. The actor
// needs Insert or Post.
func (a *Account) MailboxTx(tx *storage.Tx, name string, create bool) (*Mailbox, error) {
	m, err := a.named(&tx.View, name, 0)
	if create && errors.Is(err, storage.NotFound) {
		return a.CreateTx(tx, name)
	}
	if err != nil {
		return nil, err
	}
	if !m.Rights.Has(storage.Insert) && !m.Rights.Has(storage.Post) {
		_, err := a.allow(&tx.View, m.ID, storage.Insert)
		return nil, err
	}
	return &m, nil
}

// Replace puts a message into mailbox to of account dst and removes message uid of mailbox id (RFC 8508): within one
// account in one transaction. Between two the new message is there before the old one goes, and is taken back
// when that cannot be. NotFound when uid is gone. The actor needs Delete and Expunge here and Insert there.
func (a *Account) Replace(ctx context.Context, id ID, uid imap.UID, dst *Account, to ID, msg NewMessage) (*Appended, error) {
	if a.owner == dst.owner {
		return a.replace(ctx, id, uid, to, msg)
	}
	need := storage.Delete | storage.Expunge
	err := a.view(ctx, func(v *storage.View) error {
		if _, err := a.allow(v, id, need); err != nil {
			return err
		}
		_, err := v.Row(id, storage.Num(uid))
		return err
	})
	if err != nil {
		return nil, err
	}
	out, err := dst.Append(ctx, to, msg)
	if err != nil {
		return nil, err
	}
	ctx = context.WithoutCancel(ctx)
	old := imap.UIDSet{{Start: uid, Stop: uid}}
	gone, err := a.remove(ctx, id, old, need, every)
	if err == nil && len(gone) == 0 {
		err = fmt.Errorf("message %d: %w", uid, storage.NotFound)
	}
	if err != nil {
		if _, undo := dst.remove(ctx, to, out.UIDs, 0, every); undo != nil {
			err = errors.Join(err, fmt.Errorf("taking back what was to replace it: %w", undo))
		}
		return nil, err
	}
	return out, nil
}

// replace is Replace within one account.
func (a *Account) replace(ctx context.Context, id ID, uid imap.UID, dst ID, msg NewMessage) (*Appended, error) {
	if err := a.store.checkNew(&msg); err != nil {
		return nil, err
	}
	var out Appended
	watched := false
	err := a.update(ctx, func(tx *storage.Tx) error {
		if _, err := a.allow(&tx.View, id, storage.Delete|storage.Expunge); err != nil {
			return err
		}
		in, err := a.intake(tx, dst)
		if err != nil {
			return err
		}
		in.apart, watched = in.set.options&privateSeen != 0, a.watched(&tx.View, in.set.options&hasScript != 0)
		to, err := in.add(tx, &msg, 0, 0)
		if err != nil {
			return err
		}
		out = Appended{UIDValidity: in.set.uidValidity, UIDs: imap.UIDSet{{Start: to, Stop: to}}}
		if out.Modseq, err = tx.Next(); err != nil {
			return err
		}
		return errors.Join(in.close(tx), tx.Remove(id, storage.Num(uid), nil), a.replaceSent(tx, in, []NewMessage{msg}))
	})
	if err != nil {
		return nil, err
	}
	if watched {
		a.tell(ctx, dst, CauseAppend, EventMessages{UIDs: out.UIDs})
	}
	return &out, nil
}

func (s *Store) checkNew(msg *NewMessage) error {
	if msg.Prepared == nil {
		return fmt.Errorf("message was not prepared: %w", storage.Invalid)
	}
	for _, name := range msg.Flags {
		if !isRecent(name) {
			if err := s.CheckFlag(name); err != nil {
				return err
			}
		}
	}
	return nil
}

func isRecent(name imap.Flag) bool { return strings.EqualFold(string(name), `\Recent`) }

// intake is a mailbox that takes messages in a transaction.
type intake struct {
	id     ID
	set    settings
	rights storage.Rights
	now    time.Time
	used   func() (Flags, error)
	grown  bool
	actor  storage.AccountID
	apart  bool // \Seen of what comes is the actor's alone
	marks  []mark
}

// intake opens a mailbox to take messages. The actor needs Insert or Post.
func (a *Account) intake(tx *storage.Tx, id ID) (*intake, error) {
	c, err := a.allow(&tx.View, id, 0)
	if err != nil {
		return nil, err
	}
	rights, err := tx.Rights(a.actor, id)
	if err != nil {
		return nil, err
	}
	if !rights.Has(storage.Insert) && !rights.Has(storage.Post) {
		if _, err := a.allow(&tx.View, id, storage.Insert); err != nil {
			return nil, err
		}
	}
	set, err := settingsOf(c)
	if err != nil {
		return nil, err
	}
	return &intake{id: id, set: set, rights: rights, now: a.store.now(), used: usedIn(&tx.View, id), actor: a.actor}, nil
}

// flags returns the bits of flags as far as they may be set, making keywords.
func (in *intake) flags(names []imap.Flag) (Flags, error) {
	may := settable(in.rights)
	kept := make([]imap.Flag, 0, len(names))
	for _, name := range names {
		bit := systemFlag(name)
		if isRecent(name) || bit != 0 && may&bit == 0 || bit == 0 && may>>firstKeyword == 0 {
			continue
		}
		kept = append(kept, name)
	}
	f, grown, err := in.set.keywords.add(kept, in.used)
	if grown != nil {
		in.set.keywords, in.grown = grown, true
	}
	return f, err
}

// add stores a message; o is its object when that is stored already, and inThread its thread then, else 0.
func (in *intake) add(tx *storage.Tx, msg *NewMessage, o, inThread storage.ObjectID) (imap.UID, error) {
	f, err := in.flags(msg.Flags)
	if err != nil {
		return 0, err
	}
	if o == 0 {
		if o, err = tx.NewObject(storage.Object{Blob: msg.ref, Facets: msg.facets}); err != nil {
			return 0, err
		}
		if inThread, err = thread(tx, msg.thread, o); err != nil {
			return 0, err
		}
	}
	date := msg.Date
	if date.IsZero() {
		date = in.now
	}
	_, zone := date.Zone()
	return in.insert(tx, &Message{Object: o, Thread: inThread, Flags: f, Size: msg.ref.Size, Date: date.Unix(), Zone: int16(zone / 60), UTF8: msg.utf8})
}

// insert adds a row.
func (in *intake) insert(tx *storage.Tx, m *Message) (imap.UID, error) {
	m.Saved = in.now.Unix()
	mine := in.apart && m.Flags&Seen != 0
	if mine {
		m.Flags &^= Seen
	}
	n, err := tx.Insert(in.id, m.Object, appendRow(make([]byte, 0, 24), m))
	if mine {
		in.marks = append(in.marks, mark{imap.UID(n), true})
	}
	return imap.UID(n), err
}

// close writes the table of keywords when it grew.
func (in *intake) close(tx *storage.Tx) error {
	if err := writeSeen(tx, in.id, in.actor, in.marks, nil); err != nil {
		return err
	}
	if !in.grown {
		return nil
	}
	return tx.SetData(in.id, in.set.encode())
}

// usedIn returns a function that finds which flags the messages of a mailbox have.
func usedIn(v *storage.View, id ID) func() (Flags, error) {
	return func() (f Flags, err error) {
		t, err := v.Table(id)
		if err != nil {
			return 0, err
		}
		for _, r := range t.Rows(0, t.Len()) {
			f |= rowFlags(r.Data)
		}
		return f, nil
	}
}
