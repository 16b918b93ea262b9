package mail

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"

	"atrium/storage"
)

// Metadata are annotations of a mailbox or of an account (RFC 5464): an entry's
// name begins with /private/, what the actor alone sees, or with /shared/, and is in small letters.
type Metadata struct {
	Name  string
	Value []byte // nil: there is none
}

const (
	// MaxMetadata is the largest value of an entry, in bytes.
	MaxMetadata = 64 << 10
	// maxEntries and maxEntryBytes bound the entries of one mailbox, the shared
	// ones and each account's private ones apart.
	maxEntries    = 200
	maxEntryBytes = 512 << 10
	maxEntryName  = 500

	privateEntry = "/private/"
	sharedEntry  = "/shared/"
	// useEntry shows special uses (RFC 6154 §4).
	useEntry = "/private/specialuse"
)

// Classes of failure of metadata.
const (
	// TooManyEntries means that a mailbox has no room for another entry.
	TooManyEntries storage.Kind = "too many metadata entries"
	// BadEntry means that a name cannot be an entry's.
	BadEntry storage.Kind = "invalid metadata entry"
	// LargeEntry means that a value is longer than MaxMetadata.
	LargeEntry storage.Kind = "metadata value too large"
)

// EntryName returns an entry's name as it is kept, BadEntry when it cannot be
// one (RFC 5464 §3.2).
func EntryName(name string) (string, error) {
	bad := len(name) > maxEntryName || strings.HasSuffix(name, "/") || strings.Contains(name, "//")
	for i := 0; i < len(name) && !bad; i++ {
		bad = name[i] < ' ' || name[i] > '~' || name[i] == '*' || name[i] == '%'
	}
	name = strings.ToLower(name)
	if bad || !strings.HasPrefix(name, privateEntry) && !strings.HasPrefix(name, sharedEntry) {
		return "", fmt.Errorf("entry %.40q: %w", name, BadEntry)
	}
	return name, nil
}

// Metadata returns all entries of a mailbox that the actor may read, by name; with 0 those of
// the account, which only its owner has. RFC 5464 §3.3: the actor needs Lookup and one of
// Read, Seen, Write, Insert and Post.
func (a *Account) Metadata(ctx context.Context, id ID) (list []Metadata, err error) {
	err = a.view(ctx, func(v *storage.View) error {
		c, _, err := a.annotated(v, id)
		if err != nil {
			return err
		}
		list = nil
		for _, user := range []storage.AccountID{a.actor, 0} {
			part, err := entries(v, id, user)
			if err != nil {
				return err
			}
			list = append(list, part...)
		}
		if c != nil {
			s, err := settingsOf(c)
			if err != nil {
				return err
			}
			if s.options&privateSeen != 0 { // what is not said is shared
				list = append(list, Metadata{SeenEntry, []byte(SeenPrivate)})
			}
			if a.actor != a.owner {
				s.uses = 0
			}
			if uses := useAttrs(s.uses); len(uses) > 0 {
				list = append(list, Metadata{useEntry, joinUses(uses)})
			}
		}
		slices.SortFunc(list, func(x, y Metadata) int { return cmp.Compare(x.Name, y.Name) })
		return nil
	})
	return list, err
}

// SetMetadata changes entries of a mailbox, or with 0 of the account: all or none. Names are as
// EntryName gives them. Shared entries need Write as well; those of an account
// are Forbidden, for they would be the server's, but for ScriptEntry where events are heard. TooManyEntries, LargeEntry and
// BadUse tell what is wrong.
func (a *Account) SetMetadata(ctx context.Context, id ID, changes []Metadata) error {
	fold := false
	err := a.update(ctx, func(tx *storage.Tx) error {
		fold = false
		c, rights, err := a.annotated(&tx.View, id)
		if err != nil {
			return err
		}
		grown := false
		for _, m := range changes {
			shared := strings.HasPrefix(m.Name, sharedEntry)
			switch {
			case len(m.Value) > MaxMetadata:
				return fmt.Errorf("entry %q: %w", m.Name, LargeEntry)
			case shared && (c == nil || !rights.Has(storage.Write)) && !(id == 0 && m.Name == ScriptEntry && a.store.event != nil):
				return fmt.Errorf("entry %q: %w", m.Name, storage.Forbidden)
			case m.Name == useEntry:
				if err := a.setUseEntry(tx, id, m.Value); err != nil {
					return err
				}
				continue
			case m.Name == PopEntry && id == 0 && m.Value != nil:
				if _, err := ParsePopPolicy(m.Value, DefaultPopPolicy()); err != nil {
					return fmt.Errorf("entry %q: %w", m.Name, err)
				}
			case m.Name == SentEntry && id == 0 && m.Value != nil:
				if err := checkSentEntry(m.Value); err != nil {
					return fmt.Errorf("entry %q: %w", m.Name, err)
				}
			case m.Name == ScriptEntry:
				if err := setScriptEntry(tx, id, m.Value); err != nil {
					return err
				}
			case m.Name == SeenEntry:
				if fold, err = a.setSeenEntry(tx, id, m.Value); err != nil {
					return err
				}
				continue
			}
			key := a.entryKey(id, m.Name)
			old, err := tx.Prop(key)
			if err != nil && !errors.Is(err, storage.NotFound) {
				return err
			}
			if had := err == nil; had == (m.Value != nil) && string(old) == string(m.Value) {
				continue
			}
			if err := tx.SetProp(key, m.Value); err != nil {
				return err
			}
			grown = grown || len(m.Value) > len(old) || m.Value != nil && err != nil
		}
		if !grown {
			return nil
		}
		for _, user := range []storage.AccountID{a.actor, 0} {
			if err := roomy(&tx.View, id, user); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil && fold {
		err = a.foldSeen(ctx, id)
	}
	return err
}

// copyEntries gives one mailbox the entries of another, but for those that are settings. Private and shared ones may
// each be as much as one transaction takes.
func (a *Account) copyEntries(ctx context.Context, from, to ID) error {
	list, err := a.Metadata(ctx, from)
	if err != nil {
		return err
	}
	var private, shared []Metadata
	for _, m := range list {
		switch {
		case m.Name == useEntry || m.Name == SeenEntry:
		case strings.HasPrefix(m.Name, privateEntry):
			private = append(private, m)
		default:
			shared = append(shared, m)
		}
	}
	for _, part := range [][]Metadata{private, shared} {
		if len(part) == 0 {
			continue
		}
		if err := a.SetMetadata(ctx, to, part); err != nil && !errors.Is(err, storage.Forbidden) {
			return err
		}
	}
	return nil
}

// setSeenEntry changes whose \Seen a mailbox keeps; no value stands for shared.
func (a *Account) setSeenEntry(tx *storage.Tx, id ID, value []byte) (fold bool, err error) {
	switch string(value) {
	case SeenPrivate, SeenShared, "":
		return a.setPrivateSeenTx(tx, id, string(value) == SeenPrivate)
	}
	return false, fmt.Errorf("entry %q is %q or %q: %w", SeenEntry, SeenPrivate, SeenShared, storage.Invalid)
}

// annotated is the rights check of metadata. The collection is nil for the account itself.
func (a *Account) annotated(v *storage.View, id ID) (*storage.Collection, storage.Rights, error) {
	if id == 0 {
		if a.actor != a.owner {
			return nil, 0, fmt.Errorf("metadata of another account: %w", storage.Forbidden)
		}
		return nil, storage.AllRights, nil
	}
	c, err := a.allow(v, id, storage.Lookup)
	if err != nil {
		return nil, 0, err
	}
	rights, err := v.Rights(a.actor, id)
	if err == nil && rights&(storage.Read|storage.Seen|storage.Write|storage.Insert|storage.Post) == 0 {
		err = fmt.Errorf("metadata of mailbox %q: %w", c.Name, storage.Forbidden)
	}
	return c, rights, err
}

// entryKey is where an entry is kept.
func (a *Account) entryKey(id ID, name string) storage.PropKey {
	k := storage.PropKey{Collection: id, Name: name}
	if strings.HasPrefix(name, privateEntry) {
		k.User = a.actor
	}
	return k
}

// entries are the properties that are metadata.
func entries(v *storage.View, id ID, user storage.AccountID) (list []Metadata, err error) {
	props, err := v.Props(storage.PropKey{Collection: id, User: user})
	prefix := sharedEntry
	if user != 0 {
		prefix = privateEntry
	}
	for _, p := range props {
		if strings.HasPrefix(p.Name, prefix) {
			list = append(list, Metadata{p.Name, append([]byte{}, p.Value...)})
		}
	}
	return list, err
}

// roomy returns TooManyEntries when there are too many, or they are too large in all.
func roomy(v *storage.View, id ID, user storage.AccountID) error {
	list, err := entries(v, id, user)
	size := 0
	for _, m := range list {
		size += len(m.Name) + len(m.Value)
	}
	if err == nil && (len(list) > maxEntries || size > maxEntryBytes) {
		err = fmt.Errorf("%d entries of %d bytes: %w", len(list), size, TooManyEntries)
	}
	return err
}

// setUseEntry changes the special uses of a mailbox. Only its owner may.
func (a *Account) setUseEntry(tx *storage.Tx, id ID, value []byte) error {
	if id == 0 || a.actor != a.owner {
		return fmt.Errorf("entry %q: %w", useEntry, storage.Forbidden)
	}
	var attrs []imap.MailboxAttr
	for _, word := range strings.Fields(string(value)) {
		attrs = append(attrs, imap.MailboxAttr(word))
	}
	return a.setUses(tx, id, attrs)
}

func joinUses(uses []imap.MailboxAttr) []byte {
	words := make([]string, len(uses))
	for i, u := range uses {
		words[i] = string(u)
	}
	return []byte(strings.Join(words, " "))
}

// Meta is the modseq of the last change to the owner's mailboxes as such: their names, settings,
// metadata and grants, or to the metadata of the account.
func (a *Account) Meta(ctx context.Context) (modseq uint64, err error) {
	err = a.view(ctx, func(v *storage.View) error {
		modseq, err = v.Meta()
		return err
	})
	return modseq, err
}
