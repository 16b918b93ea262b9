package mail

import (
	"errors"
	"fmt"

	"atrium/mail/message"
	"atrium/storage"
)

// Check proves what storage's own check cannot know of an account's mail: every
// row reads, no message has a keyword without a name, UIDVALIDITY is unique and not above
// the last one given out, mailboxes are as many as counted. With deep every index record is opened.
func (s *Store) Check(v *storage.View, deep bool, report func(storage.Problem)) error {
	colls, err := v.Collections(Schema.Code)
	if err != nil {
		return err
	}
	h, err := readHead(v)
	if err != nil {
		return err
	}
	say := func(id ID, format string, args ...any) {
		report(storage.Problem{Account: v.Account(), Collection: id, What: fmt.Sprintf(format, args...)})
	}
	if int(h.mailboxes) != len(colls) {
		say(0, "%d mailboxes counted, %d are there", h.mailboxes, len(colls))
	}
	seen := map[uint32]string{}
	for _, c := range colls {
		set, err := settingsOf(c)
		if err != nil {
			say(c.ID, "%v", err)
			continue
		}
		if other, ok := seen[set.uidValidity]; ok || set.uidValidity > h.uidValidity {
			say(c.ID, "UIDVALIDITY %d of mailbox %q: the last one is %d, other mailbox %q", set.uidValidity, c.Name, h.uidValidity, other)
		}
		seen[set.uidValidity] = c.Name
		if err := checkRows(v, c, &set, deep, say); err != nil {
			return err
		}
		if err := checkSeen(v, c, &set, say); err != nil {
			return err
		}
	}
	return nil
}

func checkRows(v *storage.View, c *storage.Collection, set *settings, deep bool, say func(ID, string, ...any)) error {
	t, err := v.Table(c.ID)
	if err != nil {
		return err
	}
	named := System
	for i, k := range set.keywords {
		if k != "" {
			named |= 1 << (firstKeyword + i)
		}
	}
	var m Message
	for _, r := range t.Rows(0, t.Len()) {
		if !decodeRow(&r, &m) {
			say(c.ID, "message %d: its row does not read", r.Num)
			continue
		}
		if m.Flags&^named != 0 {
			say(c.ID, "message %d: keywords %x without a name", r.Num, m.Flags&^named)
		}
		if !deep {
			continue
		}
		b, err := v.Facet(r.Object, IndexFacet)
		if err != nil && !errors.Is(err, storage.NotFound) {
			return err
		}
		if err == nil {
			_, err = message.OpenIndex(b)
		}
		if err != nil {
			say(c.ID, "message %d: its index: %v", r.Num, err)
		}
	}
	return nil
}
