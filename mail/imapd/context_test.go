package imapd

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"atrium/mail/imapd/wire"
	"atrium/mail/mailtest"
)

var _ = onOff("CONTEXT=SEARCH", `
	C: a APPEND INBOX (\Seen) {+}
	L: Subject: one
	C:
	S: a OK $...
	C: b APPEND INBOX {+}
	L: Subject: two
	C:
	S: b OK $...
	C: c SELECT INBOX
	S: ...
	S: c OK $...
	C: d UID SEARCH RETURN (UPDATE COUNT) UNSEEN
	S: * ESEARCH (TAG "d") UID COUNT 1
	S: d OK $...
	C: e SEARCH RETURN (UPDATE CONTEXT ALL) ALL
	S: * ESEARCH (TAG "e") ALL 1:2
	S: e OK $...
	C: d SEARCH RETURN (UPDATE) ALL
	S: d BAD Tag reuse
	C: f SEARCH RETURN (UPDATE) 1:*
	S: * ESEARCH (TAG "f")
	S: f OK $...
	C: g STORE 1:2 -FLAGS (\Seen)
	S: * 1 FETCH (FLAGS (\Recent))
	S: * 2 FETCH (FLAGS (\Recent))
	S: * ESEARCH (TAG "d") UID ADDTO (0 1)
	S: g OK $...
	C: h STORE 2 +FLAGS.SILENT (\Seen)
	S: * ESEARCH (TAG "d") UID REMOVEFROM (0 2)
	S: h OK $...
	C: i IDLE
	S: + idling
	2C: a APPEND INBOX {+}
	L: Subject: three
	2C:
	2S: a OK $...
	S: * 3 EXISTS
	S: * 3 RECENT
	S: * ESEARCH (TAG "d") UID ADDTO (0 3)
	S: * ESEARCH (TAG "e") ADDTO (0 3)
	2C: b SELECT INBOX
	2S: ...
	2S: b OK $...
	2C: c STORE 1,3 +FLAGS.SILENT (\Deleted)
	2S: c OK $...
	S: * 1 FETCH (FLAGS (\Deleted \Recent))
	S: * 3 FETCH (FLAGS (\Deleted \Recent))
	2C: d EXPUNGE
	2S: ...
	2S: d OK $...
	S: * ESEARCH (TAG "d") UID REMOVEFROM (0 1,3)
	S: * ESEARCH (TAG "e") REMOVEFROM (0 1,3)
	S: * ESEARCH (TAG "f") REMOVEFROM (0 1)
	S: * 1 EXPUNGE
	S: * 2 EXPUNGE
	C: DONE
	S: i OK $...
	C: j CANCELUPDATE "d" "x"
	S: j BAD $...
	C: k CANCELUPDATE "d" "e"
	S: k OK $...
	C: l CANCELUPDATE "d"
	S: l BAD $...
	C: m CANCELUPDATE
	S: m BAD $...
	C: n STORE 1 +FLAGS.SILENT (\Deleted)
	S: n OK $...
	C: o EXPUNGE
	S: * ESEARCH (TAG "f") REMOVEFROM (0 1)
	S: * 1 EXPUNGE
	S: o OK $...
	C: p ESEARCH IN (personal) RETURN (UPDATE SAVE) ALL
	S: p BAD $...
	C: q SEARCH RETURN (UPDATE) RECENT
	S: * ESEARCH (TAG "q")
	S: q OK $...
	C: r APPEND INBOX {+}
	L: Subject: three
	C:
	S: * 1 EXISTS
	S: * 1 RECENT
	S: * ESEARCH (TAG "q") ADDTO (0 1)
	S: r OK $...
	C: s SELECT INBOX
	S: ...
	S: s OK $...
	C: t CANCELUPDATE "q"
	S: t BAD $...
	C: u SEARCH RETURN (UPDATE PARTIAL 1:1 SAVE) FUZZY SUBJECT threee
	S: * ESEARCH (TAG "u") PARTIAL (1:1 1)
	S: u OK $...`, `
	C: c SELECT INBOX
	S: ...
	S: c OK $...
	C: d SEARCH RETURN (UPDATE) ALL
	S: d BAD $...
	C: e SORT RETURN (CONTEXT) (DATE) UTF-8 ALL
	S: e BAD $...
	C: f CANCELUPDATE "d"
	S: f BAD $...`)

var _ = onOff("CONTEXT=SORT", `
	C: a APPEND INBOX {+}
	L: Subject: b
	C:
	S: a OK $...
	C: a2 APPEND INBOX {+}
	L: Subject: d
	C:
	S: a2 OK $...
	C: c SELECT INBOX
	S: ...
	S: c OK $...
	C: d UID SORT RETURN (UPDATE ALL) (REVERSE SUBJECT) UTF-8 UNDELETED
	S: * ESEARCH (TAG "d") UID ALL 2,1
	S: d OK $...
	R: e APPEND INBOX {12+}\r\nSubject: c\r\n {12+}\r\nSubject: c\r\n {12+}\r\nSubject: a\r\n\r\n
	S: * 5 EXISTS
	S: * 5 RECENT
	S: * ESEARCH (TAG "d") UID ADDTO (2 3:4 5 5)
	S: e OK $...
	C: f STORE 2,4,1 +FLAGS.SILENT \Deleted
	S: * ESEARCH (TAG "d") UID REMOVEFROM (3 4,1 1 2)
	S: f OK $...
	C: g STORE 2 -FLAGS.SILENT \Deleted
	S: * ESEARCH (TAG "d") UID ADDTO (1 2)
	S: g OK $...
	C: h SORT RETURN (UPDATE) (RELEVANCY) UTF-8 FUZZY SUBJECT a
	S: * ESEARCH (TAG "h")
	S: * NO [NOUPDATE "h"] $...
	S: h OK $...
	C: i UID EXPUNGE 1:*
	S: * 1 EXPUNGE
	S: * 3 EXPUNGE
	S: i OK $...
	C: j SORT RETURN (CONTEXT PARTIAL 1:2 UPDATE) (SUBJECT) UTF-8 ALL
	S: * ESEARCH (TAG "j") PARTIAL (1:2 3,2)
	S: j OK $...
	C: k STORE 3 +FLAGS.SILENT \Deleted
	S: * ESEARCH (TAG "d") UID REMOVEFROM (3 5)
	S: k OK $...
	C: l CLOSE
	S: l OK $...`, `
	C: c SELECT INBOX
	S: ...
	S: c OK $...
	C: d SEARCH RETURN (UPDATE CONTEXT) ALL
	S: * ESEARCH (TAG "d")
	S: d OK $...
	C: e SORT RETURN (UPDATE) (DATE) UTF-8 ALL
	S: e BAD $...`)

func TestTooManyContexts(t *testing.T) {
	r := newRig(t, func(c *rigConfig) { c.imap.MaxContexts = 1 })
	mailtest.Play(t, r.player(), `
		C: a SELECT INBOX
		S: ...
		S: a OK $...
		C: b SEARCH RETURN (UPDATE) ALL
		S: * ESEARCH (TAG "b")
		S: b OK $...
		C: c SEARCH RETURN (UPDATE COUNT) ALL
		S: * ESEARCH (TAG "c") COUNT 0
		S: * NO [NOUPDATE "c"] Too many contexts
		S: c OK $...
		C: d CANCELUPDATE "b"
		S: d OK $...
		C: e SEARCH RETURN (UPDATE COUNT) ALL
		S: * ESEARCH (TAG "e") COUNT 0
		S: e OK $...`)
}

// follower is a client that keeps the results of searches by what the server tells of them.
type follower struct {
	t     *testing.T
	lists map[string][]uint32
}

// take believes one line.
func (f *follower) take(line string) {
	rest, ok := strings.CutPrefix(line, `* ESEARCH (TAG "`)
	if !ok {
		return
	}
	tag, rest, _ := strings.Cut(rest, `")`)
	list := f.lists[tag]
	for _, op := range []string{" REMOVEFROM (", " ADDTO ("} {
		_, args, ok := strings.Cut(rest, op)
		if !ok {
			continue
		}
		args, _, _ = strings.Cut(args, ")")
		words := strings.Fields(args)
		for i := 0; i < len(words); i += 2 {
			var at int
			fmt.Sscan(words[i], &at)
			var uids []uint32
			for n := range parseSet(words[i+1]).All {
				uids = append(uids, n)
			}
			switch {
			case op == " ADDTO (" && at == 0:
				list = append(list, uids...)
				slices.Sort(list)
			case op == " ADDTO (":
				list = slices.Insert(list, at-1, uids...)
			case at == 0:
				list = slices.DeleteFunc(list, func(n uint32) bool { return slices.Contains(uids, n) })
			default:
				if !slices.Equal(list[at-1:at-1+len(uids)], uids) {
					f.t.Fatalf("%s: %v is not at %d of %v", line, uids, at, list)
				}
				list = slices.Delete(list, at-1, at-1+len(uids))
			}
		}
	}
	f.lists[tag] = list
}

func parseSet(s string) (set wire.Set) {
	for part := range strings.SplitSeq(s, ",") {
		var x wire.Range
		if n, _ := fmt.Sscanf(part, "%d:%d", &x.From, &x.To); n < 2 {
			x.To = x.From
		}
		set = append(set, x)
	}
	return set
}

// TestContextModel makes random changes by two clients; what one was told of its searches must be what
// the searches find at the end.
func TestContextModel(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	r := newRig(t, nil)
	var log []string
	b := newBeliever(t, r, "A", &log)
	other := newBeliever(t, r, "B", &log)
	f := &follower{t: t, lists: map[string][]uint32{}}
	b.do("SELECT INBOX")
	other.do("SELECT INBOX")
	searches := []string{
		"UID SEARCH RETURN (%s) UNSEEN", "UID SEARCH RETURN (%s) OR FLAGGED SUBJECT 3", "UID SORT RETURN (%s) (SUBJECT REVERSE SIZE) UTF-8 UNDELETED",
		"UID SORT RETURN (%s) (REVERSE SUBJECT) UTF-8 NOT SEEN", "UID SEARCH RETURN (%s) NOT UID 5:8",
	}
	appendOne := func(c *believer) {
		c.send(fmt.Sprintf("%sx%d APPEND INBOX {%d+}\r\nSubject: %d\r\n\r\n%s", c.name, c.n, 14+len(log)%7, rnd.IntN(9), strings.Repeat("x", len(log)%7+1)))
		c.until(fmt.Sprintf("%sx%d ", c.name, c.n))
		c.n++
	}
	for range 5 {
		appendOne(other)
	}
	from := 0
	read := func() {
		for ; from < len(log); from++ {
			if line, ok := strings.CutPrefix(log[from], "AS: "); ok {
				f.take(line)
			}
		}
	}
	b.do("NOOP")
	var tags []string
	for _, s := range searches {
		read()
		b.do(fmt.Sprintf(s, "UPDATE ALL"))
		tag := fmt.Sprintf("A%d", b.n)
		tags = append(tags, tag)
		for ; from < len(log); from++ {
			if _, all, ok := strings.Cut(log[from], `"`+tag+`") UID ALL `); ok {
				for n := range parseSet(all).All {
					f.lists[tag] = append(f.lists[tag], n)
				}
			}
		}
	}
	for range 150 {
		c := b
		if rnd.IntN(2) == 0 {
			c = other
		}
		switch rnd.IntN(6) {
		case 0, 1:
			appendOne(c)
		case 2, 3:
			flag := []string{`\Seen`, `\Flagged`, `\Deleted`}[rnd.IntN(3)]
			low := 1 + rnd.IntN(40)
			c.do(fmt.Sprintf("UID STORE %d:%d %cFLAGS%s (%s)", low, low+rnd.IntN(5), "+-"[rnd.IntN(2)], []string{"", ".SILENT"}[rnd.IntN(2)], flag))
		case 4:
			c.do("NOOP")
		case 5:
			if rnd.IntN(4) == 0 {
				c.do("EXPUNGE")
			}
		}
		read()
	}
	b.do("NOOP")
	b.do("NOOP")
	read()
	for i, s := range searches {
		at := len(log)
		b.do(fmt.Sprintf(s, "ALL"))
		var want []uint32
		for _, line := range log[at:] {
			if _, all, ok := strings.Cut(line, `") UID ALL `); ok {
				for n := range parseSet(all).All {
					want = append(want, n)
				}
			}
		}
		if !slices.Equal(f.lists[tags[i]], want) {
			b.fail("%s: the client has %v, the server finds %v", s, f.lists[tags[i]], want)
		}
	}
}

func TestSubtract(t *testing.T) {
	for range 2000 {
		make := func() (s wire.Set, has [40]bool) {
			for i := range uint32(39) {
				if rand.IntN(3) == 0 {
					s.Add(i + 1)
					has[i+1] = true
				}
			}
			return s, has
		}
		s, inS := make()
		u, inU := make()
		d := subtract(slices.Clone(s), u)
		for i := range uint32(39) {
			if d.Has(i+1) != (inS[i+1] && !inU[i+1]) {
				t.Fatalf("%v without %v is %v", s, u, d)
			}
		}
	}
}
