package imapd

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// takeUID believes an answer by UID (RFC 9586): of a message that is known, or of one that is not yet.
func (b *believer) takeUID(m []string) {
	n, _ := strconv.Atoi(m[1])
	i := slices.IndexFunc(b.list, func(s slot) bool { return s.uid == uint32(n) })
	if i < 0 {
		i = slices.IndexFunc(b.list, func(s slot) bool { return s.uid == 0 })
	}
	if i < 0 {
		b.fail("UIDFETCH %d of a message too many", n)
	}
	b.list[i].uid = uint32(n)
	if f := flagsData.FindStringSubmatch(m[2]); f != nil {
		b.list[i].flags = sortFlags(f[1])
	}
}

// colleague is a believer in a mailbox that others share, in one of the ways to follow it.
type colleague struct {
	*believer
	r    *rig
	user string
	mode string // what it enables, or NOTIFY
	from string // UIDVALIDITY and HIGHESTMODSEQ of the last SELECT
}

var selectData = regexp.MustCompile(`^\* OK \[(UIDVALIDITY|HIGHESTMODSEQ) (\d+)\]`)

// open logs in and selects the mailbox, which may be known from before.
func (s *colleague) open(t *testing.T, known string) {
	n := 0
	log := s.log
	if s.believer != nil && s.nc != nil {
		n = s.n
		s.nc.Close()
	}
	s.believer = newBelieverAs(t, s.r, s.name, s.user, log)
	s.n, s.at = n, "Shared/sales/"
	switch s.mode {
	case "NOTIFY":
		s.do("NOTIFY SET (SELECTED-DELAYED (MessageNew (UID FLAGS) MessageExpunge FlagChange))")
	case "QRESYNC", "CONDSTORE":
		s.do("ENABLE " + s.mode)
	case "UIDONLY":
		s.do("ENABLE UIDONLY QRESYNC")
	}
	s.selected = true
	from := len(*s.log)
	if got := s.do("SELECT Shared/sales/box" + known); !strings.Contains(got, " OK ") {
		s.fail("%s", got)
	}
	at := map[string]string{}
	for _, line := range (*s.log)[from:] {
		if m := selectData.FindStringSubmatch(strings.TrimPrefix(line, s.name+"S: ")); m != nil {
			at[m[1]] = m[2]
		}
	}
	s.from = at["UIDVALIDITY"] + " " + at["HIGHESTMODSEQ"]
}

// again comes back after a break, and has the mailbox from what it knew and what SELECT tells (RFC 7162 §3.2.5).
func (s *colleague) again(t *testing.T) {
	t.Helper()
	s.learn()
	known := map[uint32]string{}
	for _, x := range s.list {
		if x.uid != 0 { // 0: it went before it could be asked for
			known[x.uid] = x.flags
		}
	}
	s.open(t, " (QRESYNC ("+s.from+"))")
	for _, set := range s.earlier {
		for _, x := range strings.Split(set, ",") {
			lo, hi, ok := strings.Cut(x, ":")
			if !ok {
				hi = lo
			}
			from, _ := strconv.Atoi(lo)
			to, _ := strconv.Atoi(hi)
			for uid := from; uid <= to; uid++ {
				delete(known, uint32(uid))
			}
		}
	}
	for _, x := range s.list {
		if x.uid != 0 {
			known[x.uid] = x.flags
		}
	}
	if len(known) != len(s.list) {
		s.fail("%d messages after QRESYNC, there are %d", len(known), len(s.list))
	}
	s.list = s.list[:0]
	for uid, flags := range known {
		s.list = append(s.list, slot{uid, flags})
	}
	slices.SortFunc(s.list, func(x, y slot) int { return int(x.uid) - int(y.uid) })
}

// learn asks for what is not known yet.
func (s *colleague) learn() {
	if s.mode != "UIDONLY" {
		s.believer.learn()
	} else if slices.ContainsFunc(s.list, func(x slot) bool { return x.uid == 0 }) {
		s.do("UID FETCH 1:* (FLAGS)")
	}
}

// check compares the picture with what FETCH tells.
func (s *colleague) check() {
	if s.mode != "UIDONLY" {
		s.believer.check()
		return
	}
	s.do("NOOP")
	s.learn()
	s.do("NOOP")
	want := slices.Clone(s.list)
	for i := range s.list {
		s.list[i] = slot{}
	}
	s.do("UID FETCH 1:* (FLAGS)")
	for _, list := range [][]slot{want, s.list} {
		slices.SortFunc(list, func(x, y slot) int { return int(x.uid) - int(y.uid) })
	}
	if !slices.Equal(want, s.list) {
		s.fail("believed %v, is %v", want, s.list)
	}
}

// step runs one random command; without numbers when there are none.
func (s *colleague) step(t *testing.T, rnd *rand.Rand) {
	if s.mode == "QRESYNC" && rnd.IntN(6) == 0 {
		s.again(t)
		return
	}
	if s.mode != "UIDONLY" {
		s.believer.step(rnd)
		return
	}
	if len(s.list) == 0 {
		s.do("NOOP")
		return
	}
	uid := s.list[rnd.IntN(len(s.list))].uid
	flag := []string{`\Seen`, `\Flagged`, `\Deleted`, `$b`}[rnd.IntN(4)]
	switch rnd.IntN(6) {
	case 0:
		s.do(fmt.Sprintf("UID MOVE %d Shared/sales/other", uid))
	case 1:
		s.do(fmt.Sprintf("UID COPY %d:* Shared/sales/box", uid))
	case 2:
		s.do("EXPUNGE")
	default:
		s.do(fmt.Sprintf("UID STORE %d %sFLAGS (%s)", uid, []string{"+", "-"}[rnd.IntN(2)], flag))
	}
}

// TestModelColleagues has members of a group do random things in one mailbox of it, whose \Seen is for all or each one's own,
// as old clients, with NOTIFY, without numbers, and coming back with QRESYNC; the picture of each must be the truth.
func TestModelColleagues(t *testing.T) {
	for _, private := range []bool{false, true} {
		t.Run(fmt.Sprint("private ", private), func(t *testing.T) {
			t.Parallel()
			seeds, steps := []uint64{1}, 160
			if !testing.Short() {
				seeds, steps = []uint64{1, 2}, 250
			}
			for _, seed := range seeds {
				modelColleagues(t, private, seed, steps)
			}
		})
	}
}

func modelColleagues(t *testing.T, private bool, seed uint64, steps int) {
	rnd := rand.New(rand.NewPCG(seed, 11))
	r, _ := newGroup(t)
	var log []string
	var clients []*colleague
	for i, mode := range []string{"", "NOTIFY", "QRESYNC", "UIDONLY", "CONDSTORE", "QRESYNC"} {
		s := &colleague{believer: &believer{name: string(rune('a' + i)), log: &log}, r: r, user: fmt.Sprint("user", 1+i%2), mode: mode}
		if i == 0 {
			first := newBelieverAs(t, r, "z", "user1", &log)
			first.do("CREATE Shared/sales/box")
			first.do("CREATE Shared/sales/other")
			if private {
				first.do(`SETMETADATA Shared/sales/box (/shared/vendor/atrium/seen "private")`)
			}
			first.do("LOGOUT")
			first.nc.Close()
		}
		s.open(t, "")
		clients = append(clients, s)
	}
	for i := range steps {
		s := clients[rnd.IntN(len(clients))]
		s.learn()
		s.step(t, rnd)
		if i%40 == 39 || i == steps-1 {
			for _, s := range clients {
				s.check()
			}
		}
	}
	for _, s := range clients {
		s.nc.Close()
	}
}
