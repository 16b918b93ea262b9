package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// load is clients at work, each with objects of its own, that remember what the server
// acknowledged. Whatever happens to the server, verify proves that no acknowledged word of it
// was broken.
type load struct {
	i        *instance
	accounts int
	workers  []*worker
	acks     atomic.Int64
	seq      atomic.Int64
}

// state is what a client believes of one object.
type state struct {
	body  string // "": not there
	flags string // sorted; messages only
}

// belief is an object's state as acknowledged, and, while a command is under way or after it
// got no answer, the state that the command would have led to.
type belief struct {
	state
	maybe *state
}

// worker is one client: it alone touches what it remembers, so every object's state is known.
type worker struct {
	l       *load
	r       *rand.Rand
	account string
	folder  string // IMAP: its mailbox; HTTP: its collection
	step    func(*worker, context.Context) error
	conn    *lineClient
	http    *http.Client

	objects map[string]*belief // IMAP: by UID; HTTP: by path; LMTP: by the message's mark
	limbo   []state            // IMAP: messages appended without an answer, so without a UID
	kind    string
}

func user(n int) string { return fmt.Sprintf("user%d", n+1) }

func newLoad(i *instance, accounts int) *load {
	l := &load{i: i, accounts: accounts}
	for n := range accounts {
		for k := range 2 {
			l.add("lmtp", n, "INBOX", (*worker).deliver)
			l.add("imap", n, fmt.Sprintf("Box%d", k), (*worker).mailbox)
			l.add("http", n, "/calendars/"+user(n)+"@"+testDomain+"/calendar/", (*worker).resource)
		}
		l.add("sieve", n, "", (*worker).script)
		l.add("http", n, "/addressbooks/"+user(n)+"@"+testDomain+"/contacts/", (*worker).resource)
	}
	return l
}

func (l *load) add(kind string, account int, folder string, step func(*worker, context.Context) error) {
	n := uint64(len(l.workers))
	l.workers = append(l.workers, &worker{l: l, r: rand.New(rand.NewPCG(n, 7)), kind: kind, account: user(account), folder: folder, step: step, objects: map[string]*belief{}})
}

// accountsFile is the input of `atrium account import`.
func (l *load) accountsFile() string {
	var b strings.Builder
	for n := range l.accounts {
		fmt.Fprintf(&b, "%s pass\n", user(n))
	}
	return b.String()
}

// run lets all clients work until the server goes away or ctx ends; a refusal is a mistake.
func (l *load) run(ctx context.Context, t testing.TB) *sync.WaitGroup {
	var wg sync.WaitGroup
	for _, w := range l.workers {
		w.http = &http.Client{Transport: &http.Transport{}}
		wg.Go(func() {
			defer func() {
				if w.conn != nil {
					w.conn.Close()
					w.conn = nil
				}
				w.http.CloseIdleConnections()
			}()
			for ctx.Err() == nil {
				err := w.step(w, ctx)
				if errors.Is(err, errRefused) && ctx.Err() == nil {
					t.Errorf("%s %s: %v", w.kind, w.account, err)
				}
				if err != nil {
					return
				}
			}
		})
	}
	return &wg
}

// text is a message, event or card body of random size with a mark of its own.
func (w *worker) text() (mark, body string) {
	mark = fmt.Sprintf("mark%d", w.l.seq.Add(1))
	size := []int{200, 2000, 30_000, 150_000}[w.r.IntN(40)/12]
	var b strings.Builder
	for b.Len() < size {
		fmt.Fprintf(&b, "%s %016x%016x%016x\r\n", mark, w.r.Uint64(), w.r.Uint64(), w.r.Uint64())
	}
	return mark, b.String()
}

func (w *worker) message() (mark, body string) {
	mark, text := w.text()
	return mark, fmt.Sprintf("From: <a@%s>\r\nSubject: %s\r\nMessage-ID: <%s@%s>\r\n\r\n%s", testDomain, mark, mark, testDomain, text)
}

// deliver sends a message by LMTP.
func (w *worker) deliver(ctx context.Context) (err error) {
	if w.conn == nil {
		if w.conn, err = w.l.i.dialLMTP(ctx); err != nil {
			return err
		}
	}
	mark, body := w.message()
	if _, err := w.conn.send("MAIL FROM:<a@"+testDomain+">", "250"); err != nil {
		return again(err)
	}
	if _, err := w.conn.send("RCPT TO:<"+w.account+"@"+testDomain+">", "250"); err != nil {
		return again(err)
	}
	if _, err := w.conn.send("DATA", "354"); err != nil {
		return again(err)
	}
	w.objects[mark] = &belief{maybe: &state{body: body}}
	if _, err := w.conn.send(body+".", "250"); err != nil {
		return again(err)
	}
	w.objects[mark] = &belief{state: state{body: body}}
	w.l.acks.Add(1)
	return nil
}

// again makes a 421, which says goodbye, an end and no refusal.
func again(err error) error {
	if strings.Contains(err.Error(), `"421`) || strings.Contains(err.Error(), `"* BYE`) {
		return errors.New("goodbye")
	}
	return err
}

var appendUID = regexp.MustCompile(`\[APPENDUID \d+ (\d+)\]`)

// mailbox appends to, flags or expunges in a mailbox of the client's own.
func (w *worker) mailbox(ctx context.Context) (err error) {
	if w.conn == nil {
		if w.conn, err = w.l.i.dialIMAP(ctx, w.account, "pass"); err != nil {
			return again(err)
		}
		if _, _, err := w.conn.imap("CREATE "+w.folder, nil); err != nil && !errors.Is(err, errRefused) {
			return err
		}
		if _, _, err := w.conn.imap("SELECT "+w.folder, nil); err != nil {
			return again(err)
		}
	}
	var uids []string
	for u, b := range w.objects {
		if b.maybe == nil && b.body != "" {
			uids = append(uids, u)
		}
	}
	if len(uids) == 0 || w.r.IntN(2) == 0 {
		return w.append()
	}
	uid := uids[w.r.IntN(len(uids))]
	b := w.objects[uid]
	if w.r.IntN(3) > 0 {
		next := state{b.body, []string{"", `\Answered`, `\Flagged`, `\Answered \Flagged`, "urgent"}[w.r.IntN(5)]}
		return w.change(b, next, fmt.Sprintf("UID STORE %s FLAGS (%s)", uid, next.flags))
	}
	if err := w.change(b, state{b.body, `\Deleted`}, fmt.Sprintf(`UID STORE %s FLAGS (\Deleted)`, uid)); err != nil {
		return err
	}
	return w.change(b, state{}, "UID EXPUNGE "+uid)
}

func (w *worker) append() error {
	_, body := w.message()
	w.limbo = append(w.limbo, state{body: body})
	_, ok, err := w.conn.imap("APPEND "+w.folder+" ", []byte(body))
	if err != nil {
		return again(err)
	}
	m := appendUID.FindStringSubmatch(ok)
	if m == nil {
		return fmt.Errorf("%w: no APPENDUID in %q", errRefused, ok)
	}
	w.limbo = w.limbo[:len(w.limbo)-1]
	w.objects[m[1]] = &belief{state: state{body: body}}
	w.l.acks.Add(1)
	return nil
}

// change does what leads to the state next.
func (w *worker) change(b *belief, next state, command string) error {
	b.maybe = &next
	if _, _, err := w.conn.imap(command, nil); err != nil {
		return again(err)
	}
	*b = belief{state: next}
	w.l.acks.Add(1)
	return nil
}

// resource puts, replaces or deletes an event or a card.
func (w *worker) resource(ctx context.Context) error {
	path, b := "", &belief{}
	for p, x := range w.objects {
		if x.maybe == nil && w.r.IntN(4) == 0 {
			path, b = p, x
			break
		}
	}
	mark, text := w.text()
	text = strings.ReplaceAll(strings.TrimSpace(text[:min(len(text), 40_000)]), "\r\n", "\r\n ")
	cal := strings.HasPrefix(w.folder, "/cal")
	if path == "" {
		path = w.folder + mark + map[bool]string{true: ".ics", false: ".vcf"}[cal]
		w.objects[path] = b
	}
	uid := path[strings.LastIndexByte(path, '/')+1:]
	method, next := http.MethodPut, state{}
	switch {
	case b.body != "" && w.r.IntN(3) == 0:
		method = http.MethodDelete
	case cal:
		next.body = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//T//T//EN\r\nBEGIN:VEVENT\r\nUID:" + uid +
			"\r\nDTSTAMP:20250101T000000Z\r\nDTSTART:20250102T100000Z\r\nDESCRIPTION:" + text + "\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
	default:
		next.body = "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:" + uid + "\r\nFN:" + mark + "\r\nN:;;;;\r\nNOTE:" + text + "\r\nEND:VCARD\r\n"
	}
	b.maybe = &next
	status, answer, err := w.l.i.request(ctx, w.http, method, path, w.account, next.body)
	if err != nil {
		return err
	}
	if status/100 != 2 {
		return fmt.Errorf("%w: %s %s: %d %s", errRefused, method, path, status, answer)
	}
	*b = belief{state: next}
	w.l.acks.Add(1)
	return nil
}

// verify compares everything that the clients believe with what the server has, and takes over
// what it finds where a client could not know.
func (l *load) verify(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var wg sync.WaitGroup
	for n := range l.accounts {
		wg.Go(func() {
			if err := l.verifyAccount(ctx, t, user(n)); err != nil {
				t.Errorf("%s: %v", user(n), err)
			}
		})
	}
	wg.Wait()
}

func (l *load) verifyAccount(ctx context.Context, t testing.TB, account string) error {
	c, err := l.i.dialIMAP(ctx, account, "pass")
	if err != nil {
		return err
	}
	defer c.Close()
	inbox, err := c.messages("INBOX")
	if err != nil {
		return err
	}
	copies := map[string]int{}
	byMark := map[string]string{}
	for _, m := range inbox {
		if s := subject.FindStringSubmatch(m.body); s != nil {
			copies[s[1]]++
			byMark[s[1]] = m.body
		}
	}
	h := &http.Client{Transport: &http.Transport{}}
	defer h.CloseIdleConnections()
	for _, w := range l.workers {
		if w.account != account {
			continue
		}
		switch w.kind {
		case "lmtp":
			for mark, b := range w.objects {
				got, want := byMark[mark], b.state
				if b.maybe != nil && got != "" {
					want = *b.maybe
				}
				// the server puts its trace lines on top
				if !strings.HasSuffix(got, want.body) || (got == "") != (want.body == "") || copies[mark] > 1 {
					t.Errorf("%s: message %s: %d copies, %s, want %s", account, mark, copies[mark], brief(got), brief(want.body))
				}
				*b = belief{state: want}
			}
		case "imap":
			if err := w.verifyMailbox(t, c); err != nil {
				return err
			}
		case "sieve":
			if err := w.verifyScripts(ctx, t); err != nil {
				return err
			}
		case "http":
			if err := w.verifyResources(ctx, t, h); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *worker) verifyMailbox(t testing.TB, c *lineClient) error {
	there, err := c.messages(w.folder)
	if errors.Is(err, errRefused) && len(w.objects) == 0 {
		w.limbo = nil
		return nil // not made yet
	}
	if err != nil {
		return err
	}
	for uid, b := range w.objects {
		got := there[uid]
		delete(there, uid)
		if got != b.state && (b.maybe == nil || got != *b.maybe) {
			t.Errorf("%s %s: UID %s: %s %q, acknowledged %s %q, under way %v", w.account, w.folder, uid, brief(got.body), got.flags, brief(b.body), b.flags, b.maybe != nil)
		}
		*b = belief{state: got}
	}
	for uid, got := range there {
		known := false
		for _, m := range w.limbo {
			known = known || m == got
		}
		if !known {
			t.Errorf("%s %s: UID %s: %s, which nobody appended", w.account, w.folder, uid, brief(got.body))
		}
		w.objects[uid] = &belief{state: got}
	}
	w.limbo = nil
	return nil
}

func (w *worker) verifyResources(ctx context.Context, t testing.TB, h *http.Client) error {
	for path, b := range w.objects {
		status, body, err := w.l.i.request(ctx, h, http.MethodGet, path, w.account, "")
		if err != nil {
			return err
		}
		got := state{body: body}
		if status == http.StatusNotFound {
			got = state{}
		} else if status != http.StatusOK {
			t.Errorf("GET %s: %d %s", path, status, body)
		}
		if got != b.state && (b.maybe == nil || got != *b.maybe) {
			t.Errorf("%s: %s, acknowledged %s, under way %v", path, brief(got.body), brief(b.body), b.maybe != nil)
		}
		*b = belief{state: got}
	}
	return nil
}

func brief(s string) string {
	if s == "" {
		return "nothing"
	}
	return fmt.Sprintf("%d bytes (%x)", len(s), sha256.Sum256([]byte(s)))[:30]
}

var (
	subject  = regexp.MustCompile(`(?m)^Subject: (mark\d+)\r$`)
	fetched  = regexp.MustCompile(`(?s)^\* \d+ FETCH \(UID (\d+) FLAGS \(([^)]*)\) BODY\[\] \{(\d+)\}\r\n(.*)\)$`)
	flagRank = []string{`\Answered`, `\Flagged`, `\Deleted`, "urgent"}
)

// messages returns all messages of a mailbox by UID.
func (c *lineClient) messages(mailbox string) (map[string]state, error) {
	if _, _, err := c.imap("EXAMINE "+mailbox, nil); err != nil {
		return nil, err
	}
	list, _, err := c.imap("UID FETCH 1:* (UID FLAGS BODY.PEEK[])", nil)
	if err != nil {
		return nil, err
	}
	out := map[string]state{}
	for _, s := range list {
		m := fetched.FindStringSubmatch(s)
		if m == nil {
			if strings.Contains(s, "FETCH") {
				return nil, fmt.Errorf("%w: %.200q", errRefused, s)
			}
			continue
		}
		var flags []string
		for _, f := range flagRank {
			if strings.Contains(" "+m[2]+" ", " "+f+" ") {
				flags = append(flags, f)
			}
		}
		out[m[1]] = state{m[4], strings.Join(flags, " ")}
	}
	return out, nil
}
