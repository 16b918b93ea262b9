package pop3d

import (
	"context"
	"sort"
	"strconv"
	"time"

	"github.com/emersion/go-imap/v2"

	"atrium/mail"
)

// base has the commands of RFC 1939 but the optional ones.
var base = extension{name: "POP3", rfc: "1939", commands: []command{
	{name: "QUIT", states: authorization | transaction, run: (*session).doQuit},
	{name: "STAT", states: transaction, run: (*session).doStat},
	{name: "LIST", states: transaction, max: 1, run: (*session).doList},
	{name: "RETR", states: transaction, min: 1, max: 1, run: (*session).doRetr},
	{name: "DELE", states: transaction, min: 1, max: 1, run: (*session).doDele},
	{name: "NOOP", states: transaction, run: (*session).doNoop},
	{name: "RSET", states: transaction, run: (*session).doRset},
}}

// left is the number of messages that are not marked as deleted, and their bytes.
func (d *drop) left() (int, int64) { return d.len() - len(d.deleted), d.size - d.gone }

// doStat answers from the mailbox's head alone (RFC 1939 §5).
func (s *session) doStat([]string) error {
	n, size := s.drop.left()
	s.text("+OK ", strconv.Itoa(n), " ", strconv.FormatInt(size, 10))
	return nil
}

func (s *session) doList(args []string) error {
	if len(args) == 1 {
		pos, ok := s.number(args[0])
		if !ok {
			s.text(noMessage)
			return nil
		}
		m := s.drop.at(pos)
		size, err := s.size(&m)
		if err != nil {
			return err
		}
		s.text("+OK ", strconv.Itoa(pos+1), " ", strconv.FormatInt(size, 10))
		return nil
	}
	n, size := s.drop.left()
	s.text("+OK ", strconv.Itoa(n), " messages (", strconv.FormatInt(size, 10), " octets)")
	return s.list(func(b []byte, m *mail.Message) []byte {
		size, err := s.size(m)
		if err != nil { // it went meanwhile, or RETR will tell
			size = m.Size
		}
		return strconv.AppendInt(b, size, 10)
	})
}

// list writes a line for each message that is not marked as deleted: its number and
// what format appends.
func (s *session) list(format func([]byte, *mail.Message) []byte) error {
	var one mail.Message // not one for each
	for pos, m := range s.drop.messages() {
		one = m
		if len(s.drop.deleted) > 0 && s.drop.deleted[pos] {
			continue
		}
		b := s.c.AvailableBuffer(128)
		b = strconv.AppendInt(b, int64(pos)+1, 10)
		b = format(append(b, ' '), &one)
		if _, err := s.c.Write(append(b, '\r', '\n')); err != nil {
			return &cutShort{err, false}
		}
	}
	s.text(".")
	return nil
}

// doDele marks a message; QUIT removes it.
func (s *session) doDele(args []string) error {
	pos, ok := s.number(args[0])
	if !ok {
		s.text(noMessage)
		return nil
	}
	d := s.drop
	if d.deleted == nil {
		d.deleted = map[int]bool{}
	}
	d.deleted[pos] = true
	m := d.at(pos)
	d.gone += m.Size
	s.text("+OK Message will be deleted")
	return nil
}

func (s *session) doNoop([]string) error {
	s.text("+OK")
	return nil
}

func (s *session) doRset([]string) error {
	s.drop.deleted, s.drop.gone = nil, 0
	s.text("+OK ", strconv.Itoa(s.drop.len()), " messages")
	return nil
}

// doQuit is the update state: what was marked is removed now, in batches, or in
// the worst case in part (RFC 1939 §6). The lock ends before the answer, so that
// the client may come back at once.
func (s *session) doQuit([]string) error {
	s.quit = true
	if s.state == authorization {
		s.text("+OK Bye")
		return nil
	}
	d := s.drop
	var err error
	if len(d.deleted) > 0 {
		err = s.delete()
	}
	s.unlockDrop()
	if err != nil {
		s.c.Log().Error("messages not deleted", "error", err)
		s.text("-ERR [SYS/TEMP] Some deleted messages were not removed")
		return nil
	}
	s.text("+OK Bye")
	return nil
}

// uids are those of the messages that are marked as deleted.
func (d *drop) uids() (set imap.UIDSet) {
	for pos, m := range d.messages() {
		if d.deleted[pos] {
			set = appendUID(set, m.UID)
		}
	}
	return set
}

// appendUID adds a UID, mostly one above all others.
func appendUID(set imap.UIDSet, uid imap.UID) imap.UIDSet {
	if n := len(set); n > 0 && set[n-1].Stop+1 == uid {
		set[n-1].Stop = uid
		return set
	}
	return append(set, imap.UIDRange{Start: uid, Stop: uid})
}

// without returns the UIDs of a set that are not in another, whose runs ascend.
func without(set, other imap.UIDSet) (out imap.UIDSet) {
	for _, r := range set {
		for uid := uint64(r.Start); uid <= uint64(r.Stop); uid++ {
			i := sort.Search(len(other), func(i int) bool { return uint64(other[i].Stop) >= uid })
			if i == len(other) || uint64(other[i].Start) > uid {
				out = appendUID(out, imap.UID(uid))
			}
		}
	}
	return out
}

// delete removes what was marked, or hides it where the policy keeps it.
func (s *session) delete() (err error) {
	d := s.drop
	if d.policy.Keep == mail.PopDelete {
		gone := d.uids()
		if _, err = d.box.Remove(s.c.Context(), d.key.id, gone); err == nil {
			d.fetched = without(d.fetched, gone)
		}
		return err
	}
	return d.box.PopNote(s.c.Context(), d.key.id, nil, d.uids(), time.Now())
}

// note keeps that messages were fetched and are still there, whatever the policy is now, since it may
// become one of days: also after a connection that was lost, for the client has them.
func (s *session) note() {
	d := s.drop
	if len(d.fetched) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.c.Context()), time.Minute)
	defer cancel()
	if err := d.box.PopNote(ctx, d.key.id, d.fetched, nil, time.Now()); err != nil {
		s.c.Log().Warn("fetched messages not noted", "error", err)
	}
	if !d.policy.Seen {
		return
	}
	_, err := d.box.SetFlags(ctx, d.key.id, d.fetched, mail.FlagChange{Op: mail.AddFlags, Flags: []imap.Flag{imap.FlagSeen}})
	if err != nil {
		s.c.Log().Warn("fetched messages not marked as seen", "error", err)
	}
}
