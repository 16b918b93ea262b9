package imapd

import (
	"errors"
	"net/url"
	"strconv"
	"strings"

	"github.com/emersion/go-imap/v2"

	"atrium/mail"
	"atrium/mail/imapd/wire"
	"atrium/mail/message"
	"atrium/storage"
	"atrium/storage/blob"
)

// catenate lets APPEND make a message of parts: what the client sends and pieces of other messages,
// which stay on the server's side.
var catenate = extension{
	name: "CATENATE", rfc: "RFC 4469", what: "APPEND of what is there already, in pieces",
}

// urlPartial says that ;PARTIAL= in an IMAP URL is understood.
var urlPartial = extension{
	name: "URL-PARTIAL", rfc: "RFC 5550 §5.7.1", what: "CATENATE of a part of a part",
	caps: func(c *session) []imap.Cap {
		if !c.server.reg.has("CATENATE") {
			return nil
		}
		return []imap.Cap{"URL-PARTIAL"}
	},
}

// maxCatenate is of how many parts a message may be made.
const maxCatenate = 1000

// errBadURL says that a URL leads to nothing (RFC 4469 §4).
func errBadURL(u string) error {
	return no(string(wire.AppendString([]byte("BADURL "), oneLine(u), false)), "The URL cannot be resolved")
}

// catenate reads "(" cat-part *(SP cat-part) ")" (RFC 4469 §5) into a spool of the caller's. A part is
// resolved as it comes: a URL that leads nowhere is answered before the client sends the rest.
func (a *appending) catenate(r *wire.Reader) (blob.Spool, error) {
	limit := a.c.server.cfg.MaxAppend
	spool, err := a.c.server.store.Storage().Blobs().Spool(a.c.Context(), limit)
	if err != nil {
		return nil, err
	}
	parts := 0
	r.SP()
	r.List(func() {
		if parts++; parts > maxCatenate {
			r.Limit("At most %d parts", maxCatenate)
		}
		switch word := r.Keyword(); word {
		case "URL":
			r.SP()
			if u := r.AString(); r.Err() == nil {
				if err := a.c.copyURL(u, spool); err != nil {
					r.SetErr(err)
				}
			}
		case "TEXT":
			r.SP()
			a.catText(r, spool, limit, a.c.server.reg.has("BINARY"))
		case "UTF8": // RFC 6855 §4
			r.SP()
			r.Take('(')
			a.catText(r, spool, limit, a.c.server.reg.has("UTF8=ACCEPT"))
			r.Take(')')
		default:
			r.Fail("Unknown part %s", word)
		}
	})
	if parts == 0 {
		r.Fail("A message of no parts")
	}
	if r.Err() != nil {
		spool.Release()
		return nil, r.Err()
	}
	return spool, nil
}

func (a *appending) catText(r *wire.Reader, spool blob.Spool, limit int64, binary bool) {
	if r.Err() == nil && !r.IsLiteral() {
		r.Fail("Expected a literal")
	}
	lit := r.Literal(limit - spool.Size())
	if lit.Binary && !binary {
		r.Fail("literal8 is not taken")
	}
	r.Body(lit, spool)
}

// imapURL is an IMAP URL as far as CATENATE takes it (RFC 5092 §11), relative to the session: an
// absolute path, or one from the selected mailbox on.
type imapURL struct {
	mailbox     string // "" is the selected one
	uidValidity uint32 // 0: not given
	uid         imap.UID
	section     *message.Section
	off, n      int64 // ;PARTIAL=; n < 0: to the end
}

// parseURL reads "/INBOX;UIDVALIDITY=1/;UID=2/;SECTION=1.2/;PARTIAL=0.1024".
func parseURL(s string) (u imapURL, ok bool) {
	u = imapURL{section: &message.Section{}, n: -1}
	if strings.HasPrefix(s, ";") {
		s = "/" + s
	}
	path, rest, found := strings.Cut(s, "/;")
	if !found {
		return u, false
	}
	if path != "" {
		if path[0] != '/' || len(path) == 1 || path[1] == '/' {
			return u, false
		}
		name, validity, given := cutFold(path[1:], ";UIDVALIDITY=")
		if given {
			if u.uidValidity, ok = urlNumber(validity); !ok {
				return u, false
			}
		}
		if u.mailbox, ok = unescape(name); !ok || u.mailbox == "" {
			return u, false
		}
	}
	last := 0
	for _, part := range strings.Split(rest, "/;") {
		key, value, _ := strings.Cut(part, "=")
		value, ok = unescape(value)
		at := 0
		switch strings.ToUpper(key) {
		case "UID":
			at = 1
			n, good := urlNumber(value)
			u.uid, ok = imap.UID(n), ok && good
		case "SECTION":
			at = 2
			section, good := parseURLSection(value)
			u.section, ok = section, ok && good
		case "PARTIAL":
			at = 3
			ok = ok && u.partial(value)
		default: // URLAUTH is not for here
			return u, false
		}
		if !ok || at <= last || last == 0 && at != 1 {
			return u, false
		}
		last = at
	}
	return u, true
}

func (u *imapURL) partial(s string) bool {
	off, n, more := strings.Cut(s, ".")
	x, err := strconv.ParseUint(off, 10, 63)
	if err != nil {
		return false
	}
	if u.off = int64(x); !more {
		return true
	}
	x, err = strconv.ParseUint(n, 10, 63)
	u.n = int64(x)
	return err == nil && x > 0
}

func cutFold(s, sep string) (before, after string, found bool) {
	if i := strings.Index(strings.ToUpper(s), sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

func urlNumber(s string) (uint32, bool) {
	n, err := strconv.ParseUint(s, 10, 32)
	return uint32(n), err == nil && n > 0
}

func unescape(s string) (string, bool) {
	out, err := url.PathUnescape(s)
	return out, err == nil
}

// parseURLSection reads what stands between the brackets of BODY[…].
func parseURLSection(s string) (*message.Section, bool) {
	out := &message.Section{}
	for s != "" && s[0] >= '0' && s[0] <= '9' {
		head, rest, more := strings.Cut(s, ".")
		n, ok := urlNumber(head)
		if !ok || len(out.Path) >= maxPath || more && rest == "" {
			return nil, false
		}
		out.Path, s = append(out.Path, n), rest
	}
	if s == "" {
		return out, len(out.Path) > 0
	}
	word, list, fields := strings.Cut(s, " ")
	what, ok := sectionWords[strings.ToUpper(word)]
	if !ok || what == message.MIME && len(out.Path) == 0 {
		return nil, false
	}
	out.What = what
	if what != message.HeaderFields && what != message.HeaderFieldsNot {
		return out, !fields
	}
	if len(list) < 2 || list[0] != '(' || list[len(list)-1] != ')' {
		return nil, false
	}
	for _, name := range strings.Fields(list[1 : len(list)-1]) {
		out.Fields = append(out.Fields, strings.Trim(name, `"`))
	}
	return out, len(out.Fields) > 0
}

// copyURL copies what a URL leads to into a spool.
func (c *session) copyURL(s string, spool blob.Spool) error {
	u, ok := parseURL(s)
	if !ok {
		return errBadURL(s)
	}
	a, id, err := c.urlMailbox(&u)
	if err == nil {
		err = c.copyMessage(a, id, &u, spool)
	}
	if errors.Is(err, storage.NotFound) || errors.Is(err, storage.Forbidden) {
		return errBadURL(s)
	}
	return err
}

func (c *session) urlMailbox(u *imapURL) (*mail.Account, mail.ID, error) {
	if u.mailbox == "" {
		if c.view == nil {
			return nil, 0, storage.NotFound
		}
		return c.view.account, c.view.box.ID, nil
	}
	a, m, err := c.mailbox(wire.CanonicalName(u.mailbox), storage.Read)
	if err == nil && (!m.Has() || u.uidValidity != 0 && u.uidValidity != m.UIDValidity) {
		err = storage.NotFound
	}
	if err != nil {
		return nil, 0, err
	}
	return a, m.ID, nil
}

func (c *session) copyMessage(a *mail.Account, id mail.ID, u *imapURL, spool blob.Spool) error {
	snapshot, err := a.Snapshot(c.Context(), id)
	if err != nil {
		return err
	}
	pos, ok := snapshot.Find(u.uid)
	if !ok {
		return storage.NotFound
	}
	m := snapshot.At(pos)
	x, err := a.Index(c.Context(), id, m)
	if err != nil {
		return err
	}
	body, err := a.Body(c.Context(), id, m)
	if err != nil {
		return err
	}
	defer body.Close()
	content, ok, err := x.Content(body, u.section)
	if err != nil {
		return err
	}
	if !ok {
		return storage.NotFound
	}
	n := u.n
	if n < 0 {
		n = content.Size()
	}
	if u.off > 0 || n < content.Size() {
		content.Cut(u.off, n)
	}
	_, err = content.WriteTo(spool)
	return err
}
