package main

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// views is one server on which ann shares and bob has it shared, looked at by every protocol.
type views struct {
	*instance
	h *http.Client
}

// dav does one request as a user and wants a status.
func (v *views) dav(t *testing.T, code int, user, method, path, body string, header ...string) string {
	t.Helper()
	rq, err := http.NewRequestWithContext(t.Context(), method, "http://"+v.ports["http"]+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	rq.SetBasicAuth(user, "pass")
	rq.Header.Set("Content-Type", "text/xml")
	for n := 0; n < len(header); n += 2 {
		rq.Header.Set(header[n], header[n+1])
	}
	rs, err := v.h.Do(rq)
	if err != nil {
		t.Fatal(err)
	}
	defer rs.Body.Close()
	b, err := io.ReadAll(rs.Body)
	if err != nil || rs.StatusCode != code {
		t.Fatalf("%s %s as %s: %d %v, want %d\n%s", method, path, user, rs.StatusCode, err, code, b)
	}
	return string(b)
}

func (v *views) props(t *testing.T, user, path, depth, props string) string {
	t.Helper()
	return v.dav(t, 207, user, "PROPFIND", path, `<propfind xmlns="DAV:" xmlns:CS="http://calendarserver.org/ns/"><prop>`+props+`</prop></propfind>`, "Depth", depth)
}

// part is the first of a text between two others, "" when there is none.
func part(s, from, to string) string {
	_, s, ok := strings.Cut(s, from)
	if s, _, end := strings.Cut(s, to); ok && end {
		return s
	}
	return ""
}

// thing is a collection that ann shares, by its path and by its name in `atrium share`.
type thing struct {
	path, name, media, end string
	text                   func(n int) string
}

var (
	aCalendar = thing{"/calendars/ann@example.org/calendar/", "calendar:calendar", "text/calendar", ".ics", func(n int) string {
		return fmt.Sprintf("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//EN\r\nBEGIN:VEVENT\r\nUID:e%d\r\nDTSTAMP:20260301T000000Z\r\nDTSTART:20260310T090000Z\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n", n)
	}}
	aBook = thing{"/addressbooks/ann@example.org/contacts/", "addressbook:contacts", "text/vcard", ".vcf", func(n int) string {
		return fmt.Sprintf("BEGIN:VCARD\r\nVERSION:3.0\r\nUID:c%d\r\nFN:C %d\r\nN:C;;;;\r\nEND:VCARD\r\n", n, n)
	}}
)

func (x thing) member(n int) string { return fmt.Sprintf("%s%d%s", x.path, n, x.end) }

func (x thing) home(user string) string {
	return "/" + strings.Split(x.path, "/")[1] + "/" + user + "@example.org/"
}

// way is one way to give bob rights ("read", "write", or "" for none) and to see what he has.
type way struct {
	name string
	give func(t *testing.T, v *views, x thing, rights string)
	sees func(t *testing.T, v *views, x thing) string
}

const bob = "/principals/bob@example.org/"

var davWays = []way{ // delegation is the last
	{"WebDAV ACL", func(t *testing.T, v *views, x thing, rights string) {
		acl := map[string]string{"": "", "read": "<read/>", "write": "<read/></privilege><privilege><write/>"}[rights]
		if acl != "" {
			acl = `<ace><principal><href>` + bob + `</href></principal><grant><privilege>` + acl + `</privilege></grant></ace>`
		}
		v.dav(t, 200, "ann", "ACL", x.path, `<acl xmlns="DAV:">`+acl+`</acl>`)
	}, func(t *testing.T, v *views, x thing) string {
		ace := part(v.props(t, "ann", x.path, "0", "<acl/>"), bob, "</D:ace>")
		return rightsWord(strings.Contains(ace, "<D:read/>"), strings.Contains(ace, "<D:write/>"))
	}},
	{"CS:share", func(t *testing.T, v *views, x thing, rights string) {
		const share = `<CS:share xmlns:CS="http://calendarserver.org/ns/" xmlns="DAV:"><CS:%s><href>mailto:bob@example.org</href>%s</CS:%[1]s></CS:share>`
		if rights == "" {
			v.dav(t, 200, "ann", "POST", x.path, fmt.Sprintf(share, "remove", ""))
			return
		}
		v.dav(t, 200, "ann", "POST", x.path, fmt.Sprintf(share, "set", map[string]string{"read": "<CS:read/>", "write": "<CS:read-write/>"}[rights]))
		if strings.Contains(v.props(t, "ann", x.path, "0", "<CS:invite/>"), "invite-noresponse") {
			v.dav(t, 200, "bob", "POST", x.home("bob"), `<CS:invite-reply xmlns:CS="http://calendarserver.org/ns/" xmlns="DAV:"><href>mailto:bob@example.org</href><CS:invite-accepted/><CS:hosturl><href>`+x.path+`</href></CS:hosturl></CS:invite-reply>`)
		}
	}, func(t *testing.T, v *views, x thing) string {
		user := part(v.props(t, "ann", x.path, "0", "<CS:invite/>"), "mailto:bob@example.org", "</CS:user>")
		if user != "" && !strings.Contains(user, "invite-accepted") {
			t.Errorf("as an invitation: %s", user)
		}
		return rightsWord(strings.Contains(user, "<CS:read/>") || strings.Contains(user, "<CS:read-write/>"), strings.Contains(user, "<CS:read-write/>"))
	}},
	{"atrium share", func(t *testing.T, v *views, x thing, rights string) {
		if rights == "" {
			v.admin(exitOK, "", "share", "revoke", "ann", x.name, "bob")
			return
		}
		v.admin(exitOK, "", "share", "grant", "ann", x.name, "bob", rights)
	}, func(t *testing.T, v *views, x thing) string {
		out, _ := v.admin(exitOK, "", "share", "list", "ann")
		if m := regexp.MustCompile(regexp.QuoteMeta(x.name) + `\s+bob@example.org\s+(\S+)`).FindStringSubmatch(out); m != nil {
			return m[1]
		}
		return ""
	}},
	{"delegation", func(t *testing.T, v *views, x thing, rights string) {
		if rights == "" { // who is no delegate becomes one first
			delegate(t, v, "write")
		}
		delegate(t, v, rights)
	}, func(t *testing.T, v *views, x thing) string {
		// a delegate has all calendars: of one alone it tells nothing, of what he may do in each his homes tell
		for _, one := range strings.Split(v.props(t, "bob", x.home("bob"), "1", "<CS:shared-url/><current-user-privilege-set/>"), "<D:response>") {
			if strings.Contains(one, "<D:href>"+x.path) {
				return rightsWord(strings.Contains(one, "<D:read/>"), strings.Contains(one, "<D:bind/>") && strings.Contains(one, "<D:write-content/>"))
			}
		}
		return ""
	}},
}

// delegate makes bob who acts for ann in one way, or in none.
func delegate(t *testing.T, v *views, rights string) {
	t.Helper()
	for _, group := range []string{"read", "write"} {
		who := ""
		if group == rights {
			who = "<href>" + bob + "</href>"
		}
		v.dav(t, 207, "ann", "PROPPATCH", "/principals/ann@example.org/calendar-proxy-"+group+"/", `<propertyupdate xmlns="DAV:"><set><prop><group-member-set>`+who+`</group-member-set></prop></set></propertyupdate>`)
	}
}

func rightsWord(read, write bool) string {
	switch {
	case write && read:
		return "write"
	case read:
		return "read"
	case write:
		return "write without read"
	}
	return ""
}

// TestFiveViews gives bob a right on what is ann's in one way, changes it in another and takes it back in a third. All
// ways tell the same after each step, bob has it in his home after his own, and after the last it is gone for him everywhere
// at once: in his home, at both its paths, for a client that kept tokens.
func TestFiveViews(t *testing.T) {
	v := &views{newInstance(t, ""), &http.Client{}}
	v.start()
	for _, name := range []string{"ann", "bob", "eve"} {
		v.admin(exitOK, "", "account", "add", name, "-password", "pass")
	}
	for _, x := range []thing{aCalendar, aBook} {
		ways := davWays
		if x.name == aBook.name {
			ways = ways[:3] // delegation is of calendars
		}
		v.dav(t, 201, "ann", "PUT", x.member(0), x.text(0), "Content-Type", x.media)
		n := 0
		for i, give := range ways {
			for j, change := range ways {
				if i == j {
					continue
				}
				var rest []way
				for k := range ways {
					if k != i && k != j {
						rest = append(rest, ways[k])
					}
				}
				take := rest[n%len(rest)]
				n++
				t.Run(fmt.Sprintf("%s by %s, %s, %s", x.name, give.name, change.name, take.name), func(t *testing.T) {
					v.journey(t, x, ways, n, give, change, take)
				})
			}
		}
	}
	v.mailbox(t)
	v.group(t)
	v.terminate()
}

// journey gives, changes and takes.
func (v *views) journey(t *testing.T, x thing, ways []way, n int, give, change, take way) {
	const sync = `<sync-collection xmlns="DAV:"><sync-token>%s</sync-token><sync-level>1</sync-level><prop><getetag/></prop></sync-collection>`
	told := func(path, token string) (answer, next string) {
		t.Helper()
		answer = v.dav(t, 207, "bob", "REPORT", path, fmt.Sprintf(sync, token))
		return answer, part(answer, "<D:sync-token>", "</D:sync-token>")
	}
	all := func(want string) {
		t.Helper()
		for _, w := range ways {
			if got := w.sees(t, v, x); got != want {
				t.Errorf("%s tells %q, want %q", w.name, got, want)
			}
		}
	}
	put := func(code int, path string) {
		t.Helper()
		v.dav(t, code, "bob", "PUT", path, x.text(n), "Content-Type", x.media)
	}
	home := x.home("bob")
	_, before := told(home, "")
	all("")

	give.give(t, v, x, "read")
	all("read")
	answer, granted := told(home, before)
	mount := "/" + part(answer, "<D:href>/", "</D:href>")
	if !strings.HasPrefix(mount, home+"shared-") {
		t.Fatalf("%s: not in what is new in the home:\n%s", give.name, answer)
	}
	others := false
	for _, one := range strings.Split(v.props(t, "bob", home, "1", "<owner/>"), "<D:response>")[1:] {
		if own := strings.Contains(one, bob); own && others {
			t.Errorf("%s: one's own after what others share: %s", give.name, one)
		} else if !own {
			others = true
		}
		if strings.Contains(one, mount) && !strings.Contains(one, "/principals/ann@example.org/") {
			t.Errorf("%s: mounted as %s", give.name, one)
		}
	}
	name := x.member(n)[strings.LastIndex(x.member(n), "/")+1:]
	put(403, mount+name)

	change.give(t, v, x, "write")
	all("write")
	if answer, _ := told(home, granted); !strings.Contains(answer, mount) {
		t.Errorf("%s: the home does not tell of it:\n%s", change.name, answer)
	}
	put(201, mount+name)
	_, inside := told(mount, "")
	_, granted = told(home, granted)

	take.give(t, v, x, "")
	all("")
	for path, missing := range map[string]int{mount: 409, x.path: 404} { // RFC 4918 §9.7.1: in a home of one's own 409
		v.dav(t, 404, "bob", "PROPFIND", path, "", "Depth", "0")
		v.dav(t, 404, "bob", "GET", path+name, "")
		v.dav(t, 404, "bob", "REPORT", path, fmt.Sprintf(sync, inside))
		put(missing, path+name)
	}
	if answer, _ := told(home, granted); part(answer, mount, "</D:status>") != "</D:href><D:status>HTTP/1.1 404 Not Found" {
		t.Errorf("%s: the home does not tell that it went:\n%s", take.name, answer)
	}
	delegate(t, v, "") // else he has the other calendars
	if answer := v.props(t, "bob", home, "1", "<owner/>"); strings.Contains(answer, "ann@") {
		t.Errorf("%s: still in the home:\n%s", take.name, answer)
	}
	v.dav(t, 204, "ann", "DELETE", x.member(n), "")
}

// session is an IMAP session of bob's that must end, or be told, when the rights go.
func (v *views) session(t *testing.T, commands ...string) *lineClient {
	t.Helper()
	c, err := v.dialIMAP(t.Context(), "bob", "pass")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	for _, command := range commands {
		if command == "IDLE" {
			_, err = c.send("i IDLE", "+")
		} else {
			_, _, err = c.imap(command, nil)
		}
		if err != nil {
			t.Fatalf("%s: %v", command, err)
		}
	}
	return c
}

// imapTold is what a command answers, one string.
func imapTold(t *testing.T, c *lineClient, command string) string {
	t.Helper()
	lines, ok, err := c.imap(command, nil)
	if err != nil && ok == "" {
		t.Fatalf("%s: %v", command, err)
	}
	return strings.Join(append(lines, ok), "\n")
}

// gone looks whether running sessions are told that the mailbox they are in is no more theirs, and that it is not there
// for others.
func (v *views) gone(t *testing.T, mailbox string, idle, still, news *lineClient) {
	t.Helper()
	for line, err := "", error(nil); !strings.HasPrefix(line, "* BYE"); {
		if line, err = idle.read(); err != nil {
			t.Errorf("in IDLE: %q %v", line, err)
			break
		}
	}
	if _, err := io.WriteString(still, "n NOOP\r\n"); err != nil {
		t.Error(err)
	}
	if line, err := still.expect("* BYE"); err != nil {
		t.Errorf("at NOOP: %q %v", line, err)
	}
	for line, err := "", error(nil); !strings.Contains(line, mailbox) || !strings.Contains(line, `\NonExistent`) && !strings.Contains(line, `\NoAccess`); {
		if line, err = news.read(); err != nil {
			t.Errorf("by NOTIFY: %q %v", line, err)
			break
		}
	}
	c := v.session(t)
	if got := imapTold(t, c, `LIST "" "Shared/*"`); strings.Contains(got, mailbox) {
		t.Errorf("still listed: %s", got)
	}
	for _, command := range []string{"SELECT ", "MYRIGHTS ", "APPEND "} {
		command += mailbox
		if strings.HasPrefix(command, "APPEND") {
			command += " {1+}\r\nx"
		}
		if got := imapTold(t, c, command); !strings.HasPrefix(got, "NO [NONEXISTENT]") && !strings.HasPrefix(got, "NO [TRYCREATE]") {
			t.Errorf("%s: %s", command, got)
		}
	}
}

// mailbox gives, changes and takes rights on a mailbox by IMAP ACL and by the command, each from the other's.
func (v *views) mailbox(t *testing.T) {
	const theirs = "Shared/ann/Sent"
	ann, err := v.dialIMAP(t.Context(), "ann", "pass")
	if err != nil {
		t.Fatal(err)
	}
	defer ann.Close()
	imapTold(t, ann, "LIST \"\" *")
	type mailWay struct {
		name string
		give func(rights string)
		sees func() string
	}
	words := map[string]string{"read": "lr", "write": "lrswipte", "": ""}
	ways := []mailWay{{"IMAP ACL", func(rights string) {
		command := "SETACL Sent bob " + words[rights]
		if rights == "" {
			command = "DELETEACL Sent bob"
		}
		if got := imapTold(t, ann, command); !strings.HasPrefix(got, "OK") {
			t.Errorf("%s: %s", command, got)
		}
	}, func() string {
		_, have, _ := strings.Cut(part(imapTold(t, ann, "GETACL Sent"), "bob", "\n"), " ")
		return strings.ReplaceAll(strings.Fields(have + " none")[0], "d", "") // the obsolete right beside its parts (RFC 4314 §2.1.1)
	}}, {"atrium share", func(rights string) {
		if rights == "" {
			v.admin(exitOK, "", "share", "revoke", "ann", "Sent", "bob")
			return
		}
		v.admin(exitOK, "", "share", "grant", "ann", "Sent", "bob", rights)
	}, func() string {
		out, _ := v.admin(exitOK, "", "share", "list", "ann")
		if m := regexp.MustCompile(`Sent\s+bob@example.org\s+(\S+)`).FindStringSubmatch(out); m != nil {
			return m[1]
		}
		return "none"
	}}}
	all := func(after, want string) {
		t.Helper()
		for _, w := range ways {
			if got := w.sees(); got != want {
				t.Errorf("after %s: %s tells %q, want %q", after, w.name, got, want)
			}
		}
	}
	for i, give := range ways {
		change, take := ways[1-i], ways[i]
		news := v.session(t, "NOTIFY SET (subtree Shared (MessageNew MessageExpunge MailboxName))")
		give.give("read")
		all(give.name, "lr")
		idle, still := v.session(t, "SELECT "+theirs), v.session(t, "SELECT "+theirs)
		if got := imapTold(t, still, "MYRIGHTS "+theirs); !strings.HasSuffix(strings.Split(got, "\n")[0], " lr") {
			t.Errorf("after %s: %s", give.name, got)
		}
		change.give("write")
		all(change.name, "lrswipte")
		if got := imapTold(t, still, "APPEND "+theirs+" {14+}\r\nSubject: one\r\n"); !strings.Contains(got, "OK [APPENDUID") {
			t.Errorf("after %s: %s", change.name, got)
		}
		if _, err := idle.send("i IDLE", "+"); err != nil {
			t.Error(err)
		}
		for line, err := "", error(nil); !strings.HasSuffix(line, "EXISTS"); {
			if line, err = idle.read(); err != nil {
				t.Fatal(line, err)
			}
		}
		if i == 1 {
			take = change
		}
		take.give("")
		all(take.name, "none")
		v.gone(t, theirs, idle, still, news)
	}
}

// group has mailboxes, a calendar and an address book of a group, which its members have as long as they are members.
func (v *views) group(t *testing.T) {
	const theirs = "Shared/sales/INBOX"
	news := v.session(t, "NOTIFY SET (subtree Shared (MessageNew MessageExpunge MailboxName))")
	v.admin(exitOK, "", "group", "add", "sales", "bob")
	idle, still := v.session(t, "SELECT "+theirs, "IDLE"), v.session(t, "SELECT "+theirs)
	var mounts []string
	for _, x := range []thing{aCalendar, aBook} {
		token := part(v.dav(t, 207, "bob", "REPORT", x.home("bob"), `<sync-collection xmlns="DAV:"><sync-token/><sync-level>1</sync-level><prop/></sync-collection>`), "<D:sync-token>", "<")
		mount := ""
		for _, one := range strings.Split(v.props(t, "bob", x.home("bob"), "1", "<owner/><resourcetype/><CS:getctag/>"), "<D:response>") {
			if strings.Contains(one, "/principals/sales@") && (x.end == ".vcf" || mount == "") {
				mount = part(one, "<D:href>", "</D:href>")
			}
		}
		if mount == "" {
			t.Fatalf("a member of the group has none of %s", x.name)
		}
		mounts = append(mounts, mount, token)
		v.dav(t, 201, "bob", "PUT", mount+"0"+x.end, x.text(0), "Content-Type", x.media)
		v.dav(t, 200, "bob", "GET", mount+"0"+x.end, "")
		v.dav(t, 404, "eve", "GET", strings.Replace(mount, "/bob@", "/eve@", 1)+"0"+x.end, "")
	}
	if code, _, errOut := program(t, "", "group", "member", "remove", "sales", "bob", "-config", v.config); code != exitOK {
		t.Fatal(errOut)
	}
	v.gone(t, theirs, idle, still, news)
	for n, x := range []thing{aCalendar, aBook} {
		mount, token := mounts[2*n], mounts[2*n+1]
		v.dav(t, 404, "bob", "GET", mount+"0"+x.end, "")
		v.dav(t, 404, "bob", "PROPFIND", mount, "", "Depth", "0")
		answer := v.dav(t, 207, "bob", "REPORT", x.home("bob"), `<sync-collection xmlns="DAV:"><sync-token>`+token+`</sync-token><sync-level>1</sync-level><prop/></sync-collection>`)
		if part(answer, mount, "</D:status>") != "</D:href><D:status>HTTP/1.1 404 Not Found" {
			t.Errorf("the home does not tell that %s went:\n%s", mount, answer)
		}
	}
}
