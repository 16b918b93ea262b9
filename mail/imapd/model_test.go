package imapd

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// believer is a client that knows of a mailbox what untagged replies told it, and nothing else.
type believer struct {
	t        *testing.T
	name     string
	nc       net.Conn
	lines    chan string
	n        int
	list     []slot
	selected bool // replies belong to the mailbox
	strict   bool // no EXPUNGE may come now
	log      *[]string
	at       string   // what stands before the names of mailboxes
	earlier  []string // sets of VANISHED (EARLIER)

	keywords []string          // of the last FLAGS
	recent   map[uint32]string // who was told \Recent, of all clients; nil: not looked at
	copied   string            // the UIDs of the last COPYUID
	found    []string          // the numbers of the last SEARCH
}

// slot is one message; uid 0 and flags "?" are not known.
type slot struct {
	uid   uint32
	flags string
}

func newBeliever(t *testing.T, r *rig, name string, log *[]string) *believer {
	return newBelieverAs(t, r, name, "user1", log)
}

func newBelieverAs(t *testing.T, r *rig, name, user string, log *[]string) *believer {
	nc, err := r.dial()
	if err != nil {
		t.Fatal(err)
	}
	b := &believer{t: t, name: name, nc: nc, lines: make(chan string, 100000), log: log}
	go func() {
		defer close(b.lines)
		br := bufio.NewReader(nc)
		for {
			s, err := br.ReadString('\n')
			if err != nil {
				return
			}
			b.lines <- strings.TrimRight(s, "\r\n")
		}
	}()
	<-b.lines
	b.do("LOGIN " + user + " pass")
	return b
}

func (b *believer) send(s string) {
	*b.log = append(*b.log, b.name+"C: "+s)
	b.nc.SetWriteDeadline(time.Now().Add(10 * time.Second))
	if _, err := b.nc.Write([]byte(s + "\r\n")); err != nil {
		b.t.Fatal(err)
	}
}

// do runs a command and returns the tagged answer.
func (b *believer) do(cmd string) string {
	b.n++
	tag := fmt.Sprintf("%s%d", b.name, b.n)
	word, _, _ := strings.Cut(cmd, " ")
	b.strict = word == "FETCH" || word == "STORE" || word == "SEARCH" || word == "COPY"
	b.copied, b.found = "", nil
	b.send(tag + " " + cmd)
	return b.until(tag + " ")
}

func (b *believer) until(prefix string) string {
	for {
		select {
		case s, ok := <-b.lines:
			if !ok {
				b.fail("the connection broke")
			}
			*b.log = append(*b.log, b.name+"S: "+s)
			if m := copyCode.FindStringSubmatch(s); m != nil {
				b.copied = m[1]
			}
			if strings.HasPrefix(s, prefix) {
				return s
			}
			b.take(s)
		case <-time.After(10 * time.Second):
			b.fail("no answer")
		}
	}
}

func (b *believer) fail(format string, args ...any) {
	b.t.Helper()
	from := max(0, len(*b.log)-60)
	b.t.Fatalf("%s\n%s", fmt.Sprintf(format, args...), strings.Join((*b.log)[from:], "\n"))
}

var (
	numberReply = regexp.MustCompile(`^\* (\d+) (EXISTS|EXPUNGE|FETCH)(?: \((.*)\))?$`)
	uidReply    = regexp.MustCompile(`^\* (\d+) UIDFETCH \((.*)\)$`)
	uidData     = regexp.MustCompile(`UID (\d+)`)
	flagsData   = regexp.MustCompile(`FLAGS \(([^)]*)\)`)
	copyCode    = regexp.MustCompile(`\[COPYUID \d+ (\S+) `)
)

// take believes one untagged reply.
func (b *believer) take(s string) {
	if !b.selected {
		return
	}
	if m := uidReply.FindStringSubmatch(s); m != nil {
		b.takeUID(m)
		return
	}
	if set, ok := strings.CutPrefix(s, "* VANISHED (EARLIER) "); ok {
		b.earlier = append(b.earlier, set)
		return
	}
	if set, ok := strings.CutPrefix(s, "* VANISHED "); ok {
		if b.strict {
			b.fail("VANISHED in a command that uses numbers")
		}
		b.vanished(set)
		return
	}
	if list, ok := strings.CutPrefix(s, "* FLAGS ("); ok {
		b.keywords = strings.Fields(strings.TrimSuffix(list, ")"))
		return
	}
	if list, ok := strings.CutPrefix(s, "* SEARCH"); ok {
		list, _, _ = strings.Cut(list, "(")
		b.found = strings.Fields(list)
		return
	}
	m := numberReply.FindStringSubmatch(s)
	if m == nil {
		return
	}
	n, _ := strconv.Atoi(m[1])
	switch m[2] {
	case "EXISTS":
		if n < len(b.list) {
			b.fail("EXISTS went down from %d to %d", len(b.list), n)
		}
		for len(b.list) < n {
			b.list = append(b.list, slot{flags: "?"})
		}
	case "EXPUNGE":
		if b.strict || n > len(b.list) || n < 1 {
			b.fail("EXPUNGE %d of %d, strict %v", n, len(b.list), b.strict)
		}
		b.list = slices.Delete(b.list, n-1, n)
	case "FETCH":
		if n > len(b.list) || n < 1 {
			b.fail("FETCH %d of %d", n, len(b.list))
		}
		at := &b.list[n-1]
		if u := uidData.FindStringSubmatch(m[3]); u != nil {
			uid, _ := strconv.Atoi(u[1])
			if at.uid != 0 && at.uid != uint32(uid) {
				b.fail("message %d has UID %d, not %d", n, uid, at.uid)
			}
			at.uid = uint32(uid)
		}
		if f := flagsData.FindStringSubmatch(m[3]); f != nil {
			b.takeFlags(at, f[1])
		}
	}
}

// takeFlags believes the flags of a message. A keyword must have been told with FLAGS before (RFC 9051
// §7.3.5), and one client alone is told that a message is \Recent (RFC 3501 §2.3.2).
func (b *believer) takeFlags(at *slot, list string) {
	at.flags = sortFlags(list)
	for _, f := range strings.Fields(list) {
		switch {
		case f == `\Recent` && b.recent != nil && at.uid != 0:
			if first, ok := b.recent[at.uid]; ok && first != b.name {
				b.fail("UID %d is recent for %s and for %s", at.uid, first, b.name)
			}
			b.recent[at.uid] = b.name
		case b.keywords != nil && !slices.Contains(b.keywords, f) && f != `\Recent`:
			b.fail("%s is not in FLAGS", f)
		}
	}
}

func sortFlags(s string) string {
	f := strings.Fields(s)
	slices.Sort(f)
	f = slices.DeleteFunc(f, func(s string) bool { return s == `\Recent` })
	return strings.Join(f, " ")
}

func (b *believer) vanished(set string) {
	for _, x := range strings.Split(set, ",") {
		lo, hi, ok := strings.Cut(x, ":")
		if !ok {
			hi = lo
		}
		from, _ := strconv.Atoi(lo)
		to, _ := strconv.Atoi(hi)
		for uid := from; uid <= to; uid++ {
			i := slices.IndexFunc(b.list, func(s slot) bool { return s.uid == uint32(uid) })
			if i < 0 {
				i = slices.IndexFunc(b.list, func(s slot) bool { return s.uid == 0 })
			}
			if i < 0 {
				b.fail("VANISHED %d is not known", uid)
			}
			b.list = slices.Delete(b.list, i, i+1)
		}
	}
}

// learn asks for what is not known yet.
func (b *believer) learn() {
	for i, s := range b.list {
		if s.uid == 0 {
			b.do(fmt.Sprintf("FETCH %d:* (UID FLAGS)", i+1))
			return
		}
	}
}

// check compares the picture with what FETCH tells.
func (b *believer) check() {
	b.do("NOOP")
	b.learn()
	b.do("NOOP")
	want := slices.Clone(b.list)
	fresh := &believer{t: b.t, name: b.name, nc: b.nc, lines: b.lines, n: b.n + 1000, selected: true, log: b.log,
		list: make([]slot, len(b.list))}
	if len(b.list) > 0 {
		fresh.do("FETCH 1:* (UID FLAGS)")
	}
	b.n = fresh.n
	for i := range want {
		if want[i].uid != fresh.list[i].uid || want[i].flags != fresh.list[i].flags {
			b.fail("message %d: believed %v, is %v", i+1, want[i], fresh.list[i])
		}
	}
	if len(fresh.list) != len(want) {
		b.fail("believed %d messages, there are %d", len(want), len(fresh.list))
	}
}

// step runs one random command.
func (b *believer) step(rnd *rand.Rand) {
	any := func() int { return 1 + rnd.IntN(max(len(b.list), 1)) }
	set := func() string {
		lo, hi := any(), any()
		if rnd.IntN(3) == 0 {
			return fmt.Sprintf("%d:%d", lo, hi)
		}
		return strconv.Itoa(lo)
	}
	flags := []string{`\Seen`, `\Flagged`, `\Deleted`, `\Draft $a`, `$b`, `\Deleted \Seen`}[rnd.IntN(6)]
	op := []string{"+FLAGS", "-FLAGS", "FLAGS", "+FLAGS.SILENT", "-FLAGS.SILENT", "FLAGS.SILENT"}[rnd.IntN(6)]
	switch k := rnd.IntN(14); {
	case k == 0 || len(b.list) == 0:
		b.do("APPEND " + b.at + "box (" + flags + ") {4+}\r\na: b")
	case k < 4:
		spec := set()
		if b.do("STORE " + spec + " " + op + " (" + flags + ")"); strings.HasSuffix(op, "SILENT") {
			b.silent(spec, op, flags, false)
		}
	case k == 4:
		spec := set()
		if b.do("UID STORE " + spec + " " + op + " (" + flags + ")"); strings.HasSuffix(op, "SILENT") {
			b.silent(spec, op, flags, true)
		}
	case k == 5:
		b.do("EXPUNGE")
	case k == 6:
		b.do("UID EXPUNGE " + set())
	case k == 7:
		b.transfer("COPY", any(), "box")
	case k == 8:
		b.do("UID COPY " + set() + " " + b.at + "box")
	case k == 9:
		b.transfer("MOVE", any(), "other")
	case k == 10:
		b.do("FETCH " + set() + " (FLAGS)")
	case k == 11:
		b.do("SEARCH 1:* NOT SEEN")
		for _, n := range b.found {
			i, _ := strconv.Atoi(n)
			if i > len(b.list) || strings.Contains(b.list[i-1].flags, `\Seen`) {
				b.fail("SEARCH found message %s of %d, seen or beyond the last", n, len(b.list))
			}
		}
	case k == 12:
		b.do("UID FETCH 1:* (FLAGS)")
	default:
		b.n++
		tag := fmt.Sprintf("%s%d", b.name, b.n)
		b.strict = false
		b.send(tag + " IDLE")
		b.until("+")
		b.send("DONE")
		b.until(tag + " ")
	}
}

// transfer copies or moves one message by its number: it must be the one that had it before.
func (b *believer) transfer(cmd string, n int, to string) {
	uid := uint32(0)
	if n <= len(b.list) {
		uid = b.list[n-1].uid
	}
	b.do(fmt.Sprintf("%s %d %s%s", cmd, n, b.at, to))
	if b.copied != "" && uid != 0 && b.copied != fmt.Sprint(uid) {
		b.fail("%s %d took UID %s, not %d", cmd, n, b.copied, uid)
	}
}

// silent does what the client must think that its STORE did: to be sure of what it
// does not know it asks.
func (b *believer) silent(set, op, flags string, uid bool) {
	if uid {
		b.do("UID FETCH " + set + " (FLAGS)")
	} else {
		b.do("FETCH " + set + " (FLAGS)")
	}
}

// TestModel has clients do random things in one mailbox; the picture of each must be the truth.
func TestModel(t *testing.T) {
	seeds := []uint64{1, 2, 3}
	steps := 400
	if testing.Short() {
		seeds, steps = seeds[:1], 200
	}
	for _, seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 7))
			r := newRig(t, nil)
			r.box(t, 1, "box")
			r.box(t, 1, "other")
			var log []string
			var clients []*believer
			recent := map[uint32]string{}
			for i := range 5 {
				b := newBeliever(t, r, string(rune('a'+i)), &log)
				b.recent = recent
				if i%2 == 1 {
					b.do("ENABLE QRESYNC")
				} else if i == 2 {
					b.do("ENABLE CONDSTORE")
				}
				b.selected = true
				b.do("SELECT box")
				clients = append(clients, b)
			}
			for i := range steps {
				b := clients[rnd.IntN(len(clients))]
				b.learn()
				b.step(rnd)
				if i%40 == 39 {
					for _, b := range clients {
						b.check()
					}
				}
			}
			for _, b := range clients {
				b.do("LOGOUT")
				b.nc.Close()
			}
		})
	}
}
