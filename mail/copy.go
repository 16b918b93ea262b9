package mail

import (
	"context"
	"errors"
	"fmt"

	"github.com/emersion/go-imap/v2"

	"atrium/storage"
	"atrium/storage/kv"
)

// Copied tells which messages went where: the UIDs in From and To stand in the
// same order (COPYUID, RFC 4315 §3).
type Copied struct {
	UIDValidity uint32 // of the target
	From, To    imap.UIDSet
}

func (c *Copied) add(d *Copied) {
	if d.UIDValidity != 0 {
		c.UIDValidity = d.UIDValidity
	}
	for _, r := range d.From {
		c.From = addRange(c.From, r)
	}
	for _, r := range d.To {
		c.To = addRange(c.To, r)
	}
}

// Copy copies those of the messages that are there to mailbox to of account
// dst, which may be of another owner: all, or none when it fails. Flags and
// INTERNALDATE are kept as far as the actor's rights reach. Within one account
// copies share the object. The actor needs Read here and Insert there.
func (a *Account) Copy(ctx context.Context, id ID, uids imap.UIDSet, dst *Account, to ID) (Copied, error) {
	out, err := a.transfer(ctx, id, uids, dst, to, false)
	if err != nil && len(out.To) > 0 {
		// RFC 9051 §6.4.7: restore the target. The caller's context may be why it failed.
		ctx := context.WithoutCancel(ctx)
		_, undo := dst.remove(ctx, to, out.To, 0, every)
		if undo != nil {
			return out, errors.Join(err, fmt.Errorf("taking back what was copied: %w", undo))
		}
		out.From, out.To = nil, nil
	}
	return out, err
}

// Move is Copy and removal of each message at once (RFC 6851). The result tells
// what was moved, also when it fails on the way. The actor needs Delete and Expunge here besides.
func (a *Account) Move(ctx context.Context, id ID, uids imap.UIDSet, dst *Account, to ID) (Copied, error) {
	return a.transfer(ctx, id, uids, dst, to, true)
}

func (a *Account) transfer(ctx context.Context, id ID, uids imap.UIDSet, dst *Account, to ID, move bool) (out Copied, err error) {
	need := storage.Read
	if move {
		need |= storage.Delete | storage.Expunge
	}
	// What comes meanwhile, as from a copy into the mailbox itself, is not meant.
	var next storage.Num
	err = a.view(ctx, func(v *storage.View) error {
		c, err := a.allow(v, id, need)
		if err == nil {
			next = c.Next
		}
		return err
	})
	if err != nil {
		return out, err
	}
	if out.UIDValidity, err = dst.validity(ctx, to); err != nil {
		return out, err
	}
	uids = under(clean(uids), imap.UID(next))
	err = a.bulk(ctx, id, need, uids, a.store.batchRows(), every, func(list []imap.UID) error {
		did, err := a.transferBatch(ctx, id, list, dst, to, need, move)
		out.add(&did) // what was done, also when it failed after that
		return err
	})
	if len(out.To) > 0 {
		a.learnMove(ctx, id, dst, to)
	}
	if len(out.To) > 0 && (err == nil || move) {
		dst.copied(ctx, to, out.To)
	}
	return out, err
}

// validity checks that the actor may insert and returns the mailbox's UIDVALIDITY.
func (a *Account) validity(ctx context.Context, id ID) (n uint32, err error) {
	err = a.view(ctx, func(v *storage.View) error {
		m, err := a.mailbox(v, id, storage.Insert)
		n = m.UIDValidity
		return err
	})
	return n, err
}

func (a *Account) transferBatch(ctx context.Context, id ID, list []imap.UID, dst *Account, to ID, need storage.Rights, move bool) (out Copied, err error) {
	if a.owner != dst.owner {
		return a.carry(ctx, id, list, dst, to, need, move)
	}
	err = a.update(ctx, func(tx *storage.Tx) (err error) {
		out, err = a.share(tx, id, list, dst, to, need, move)
		return err
	})
	if err != nil {
		return Copied{}, err
	}
	return out, nil
}

// share copies or moves messages within one account.
func (a *Account) share(tx *storage.Tx, id ID, list []imap.UID, dst *Account, to ID, need storage.Rights, move bool) (out Copied, err error) {
	src, err := a.mailbox(&tx.View, id, need)
	if err != nil {
		return out, err
	}
	in, err := dst.intake(tx, to)
	if err != nil {
		return out, err
	}
	out.UIDValidity = in.set.uidValidity
	bits := flagMap{from: src.Keywords, to: in}
	seen, err := a.carrySeen(tx, &src, in)
	if err != nil {
		return out, err
	}
	for _, uid := range list {
		row, err := tx.Row(id, storage.Num(uid))
		if errors.Is(err, storage.NotFound) {
			continue
		}
		if err != nil {
			return out, err
		}
		var m Message
		if !decodeRow(&row, &m) {
			return out, fmt.Errorf("message %d of mailbox %q: %w", uid, src.Name, storage.Corrupt)
		}
		if m.Flags, err = seen.flags(&bits, uid, m.Flags); err != nil {
			return out, err
		}
		n, err := in.insert(tx, &m)
		if err == nil {
			err = seen.carry(tx, id, uid, n)
		}
		if err != nil {
			return out, err
		}
		if move {
			if err := tx.Remove(id, row.Num, nil); err != nil {
				return out, err
			}
		}
		out.From, out.To = addUID(out.From, uid), addUID(out.To, n)
	}
	if err := seen.close(tx, to); err != nil {
		return out, err
	}
	return out, in.close(tx)
}

// seenCarrier takes \Seen along where copies and moves within an account begin or end
// in mailboxes that keep it for each user apart. Between two of them each
// user's own goes along; into a mailbox that shares it, the actor's.
type seenCarrier struct {
	over *overlay   // the actor's, on the way to a mailbox that shares \Seen
	all  []*witness // of all users
	base bool       // the target keeps \Seen apart: the row's is for all there too
}

func (a *Account) carrySeen(tx *storage.Tx, src *Mailbox, in *intake) (s seenCarrier, err error) {
	s.base = in.set.options&privateSeen != 0
	switch {
	case !src.PrivateSeen:
	case s.base:
		s.all, err = witnesses(&tx.View, src.ID)
	default:
		s.over, err = a.ownSeen(&tx.View, src)
	}
	return s, err
}

// flags returns the flags of a copy.
func (s *seenCarrier) flags(bits *flagMap, uid imap.UID, f Flags) (Flags, error) {
	if s.base {
		g, err := bits.get(f &^ Seen)
		return g | f&Seen, err
	}
	f, _ = s.over.lay(uid, f, 0)
	return bits.get(f)
}

func (s *seenCarrier) carry(tx *storage.Tx, id ID, from, to imap.UID) error {
	for _, w := range s.all {
		if err := w.carry(&tx.View, id, from, to); err != nil {
			return err
		}
	}
	return nil
}

func (s *seenCarrier) close(tx *storage.Tx, to ID) error {
	for _, w := range s.all {
		if err := writeSeen(tx, to, w.actor, w.marks, nil); err != nil {
			return err
		}
	}
	return nil
}

// flagMap turns the flags of one mailbox into those of another.
type flagMap struct {
	from Keywords
	to   *intake
	m    map[Flags]Flags
}

func (x *flagMap) get(f Flags) (Flags, error) {
	if g, ok := x.m[f]; ok {
		return g, nil
	}
	g, err := x.to.flags(x.from.Names(nil, f))
	if errors.Is(err, TooManyKeywords) {
		// A full target costs a copy its new keywords, not the copy.
		g, err = x.to.flags(known(x.from.Names(nil, f), x.to.set.keywords))
	}
	if x.m == nil {
		x.m = map[Flags]Flags{}
	}
	x.m[f] = g
	return g, err
}

func known(names []imap.Flag, k Keywords) (kept []imap.Flag) {
	for _, name := range names {
		if k.Find(name) != 0 {
			kept = append(kept, name)
		}
	}
	return kept
}

// parcel is a message on its way to another account.
type parcel struct {
	uid    imap.UID
	names  []imap.Flag
	m      Message
	o      storage.Object
	thread []threadKey
}

// carry copies or moves messages to another account: they are made anew there from the
// same facets and the same body. A move removes them here after that, so that a failure
// between leaves a message twice, never nowhere.
func (a *Account) carry(ctx context.Context, id ID, list []imap.UID, dst *Account, to ID, need storage.Rights, move bool) (out Copied, err error) {
	for len(list) > 0 {
		part, n, err := a.pack(ctx, id, list, need)
		if err != nil {
			return out, err
		}
		list = list[n:]
		for len(part) > 0 {
			did, n, err := dst.unpackSome(ctx, to, part)
			if err != nil {
				return out, err
			}
			part = part[n:]
			if move { // once it is there it goes here, whoever waits for it
				if _, err := a.remove(context.WithoutCancel(ctx), id, did.From, need, every); err != nil {
					return out, err
				}
			}
			out.add(&did)
		}
	}
	return out, nil
}

// unpackSome puts n of the messages into a mailbox, as many as one transaction takes.
func (a *Account) unpackSome(ctx context.Context, to ID, part []parcel) (out Copied, n int, err error) {
	if err := ctx.Err(); err != nil {
		return out, 0, err
	}
	for n = len(part); ; n /= 2 {
		if out, err = a.unpack(ctx, to, part[:n]); err == nil {
			return out, n, nil
		}
		switch big := errors.Is(err, kv.TooBig); {
		case big && n > 1:
		case big: // what was carried is not to be carried again by halves
			return Copied{}, 0, fmt.Errorf("message %d: %w", part[0].uid, storage.TooLarge)
		default:
			return Copied{}, 0, err
		}
	}
}

const (
	parcelBytes = 512 << 10 // of facets that go in one transaction
	parcels     = 500
)

// pack reads messages; n is how many of list it took.
func (a *Account) pack(ctx context.Context, id ID, list []imap.UID, need storage.Rights) (part []parcel, n int, err error) {
	err = a.view(ctx, func(v *storage.View) error {
		src, err := a.mailbox(v, id, need)
		if err != nil {
			return err
		}
		over, err := a.ownSeen(v, &src)
		if err != nil {
			return err
		}
		size := 0
		part, n = nil, 0
		for ; n < len(list) && size < parcelBytes && len(part) < parcels; n++ {
			row, err := v.Row(id, storage.Num(list[n]))
			if errors.Is(err, storage.NotFound) {
				continue
			}
			if err != nil {
				return err
			}
			p := parcel{uid: list[n]}
			if !decodeRow(&row, &p.m) {
				return fmt.Errorf("message %d of mailbox %q: %w", p.uid, src.Name, storage.Corrupt)
			}
			p.m.Flags, _ = over.lay(p.uid, p.m.Flags, 0)
			p.names = src.Keywords.Names(nil, p.m.Flags)
			if p.o, err = readObject(v, p.m.Object); err != nil {
				return err
			}
			p.thread = threadKeysIn(p.o.Facets[IndexFacet])
			for _, b := range p.o.Facets {
				size += len(b)
			}
			part = append(part, p)
		}
		return nil
	})
	return part, n, err
}

// readObject reads all that a message's object consists of.
func readObject(v *storage.View, id storage.ObjectID) (o storage.Object, err error) {
	if o.Blob, err = v.Blob(id); err != nil {
		return o, err
	}
	o.Facets = map[byte][]byte{}
	for _, f := range []byte{IndexFacet, SignatureFacet} {
		b, err := v.Facet(id, f)
		if err == nil {
			o.Facets[f] = b
		} else if !errors.Is(err, storage.NotFound) {
			return o, err
		}
	}
	return o, nil
}

// unpack puts messages into a mailbox, in one transaction.
func (a *Account) unpack(ctx context.Context, to ID, part []parcel) (out Copied, err error) {
	err = a.update(ctx, func(tx *storage.Tx) error {
		in, err := a.intake(tx, to)
		if err != nil {
			return err
		}
		in.apart = in.set.options&privateSeen != 0
		out = Copied{UIDValidity: in.set.uidValidity}
		for i := range part {
			p := &part[i]
			m := p.m
			if m.Flags, err = in.flags(p.names); errors.Is(err, TooManyKeywords) {
				m.Flags, err = in.flags(known(p.names, in.set.keywords))
			}
			if err != nil {
				return err
			}
			if m.Object, err = tx.NewObject(p.o); err != nil {
				return err
			}
			if m.Thread, err = thread(tx, p.thread, m.Object); err != nil {
				return err
			}
			n, err := in.insert(tx, &m)
			if err != nil {
				return err
			}
			out.From, out.To = addUID(out.From, p.uid), addUID(out.To, n)
		}
		return in.close(tx)
	})
	return out, err
}
