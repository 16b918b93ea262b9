package mail

import (
	"iter"
	"sort"

	"github.com/emersion/go-imap/v2"
)

// addUID adds a UID that is higher than all in the set.
func addUID(s imap.UIDSet, uid imap.UID) imap.UIDSet {
	if k := len(s) - 1; k >= 0 && s[k].Stop+1 == uid {
		s[k].Stop = uid
		return s
	}
	return append(s, imap.UIDRange{Start: uid, Stop: uid})
}

// everything is the set of all UIDs.
func everything() imap.UIDSet { return imap.UIDSet{{Start: 1, Stop: 1<<32 - 1}} }

// clean returns a set as sorted ranges that do not touch, without 0 and "*"; one that
// is so already as it is.
func clean(s imap.UIDSet) imap.UIDSet {
	ok := true
	for i, r := range s {
		ok = ok && r.Start > 0 && r.Start <= r.Stop && (i == 0 || s[i-1].Stop < r.Start)
	}
	if ok {
		return s
	}
	t := make(imap.UIDSet, 0, len(s))
	for _, r := range s {
		switch {
		case r.Stop == 0 && r.Start == 0:
			continue
		case r.Stop == 0:
			r.Stop = 1<<32 - 1
		case r.Start > r.Stop:
			r.Start, r.Stop = r.Stop, r.Start
		}
		r.Start = max(r.Start, 1)
		t = append(t, r)
	}
	sort.Slice(t, func(i, j int) bool { return t[i].Start < t[j].Start })
	out := t[:0]
	for _, r := range t {
		if k := len(out) - 1; k >= 0 && r.Start <= out[k].Stop {
			out[k].Stop = max(out[k].Stop, r.Stop)
			continue
		}
		out = append(out, r)
	}
	return out
}

// few returns the UIDs of a clean set when they are at most n.
func few(s imap.UIDSet, n int) ([]imap.UID, bool) {
	left := int64(n)
	for _, r := range s {
		if left -= int64(r.Stop-r.Start) + 1; left < 0 {
			return nil, false
		}
	}
	list := make([]imap.UID, 0, int64(n)-left)
	for uid := range uids(s) {
		list = append(list, uid)
	}
	return list, true
}

// numbers is how many UIDs a clean set has.
func numbers(s imap.UIDSet) (n uint64) {
	for _, r := range s {
		n += uint64(r.Stop-r.Start) + 1
	}
	return n
}

// uids yields the UIDs of a clean set.
func uids(s imap.UIDSet) iter.Seq[imap.UID] {
	return func(yield func(imap.UID) bool) {
		for _, r := range s {
			for uid := uint64(r.Start); uid <= uint64(r.Stop); uid++ {
				if !yield(imap.UID(uid)) {
					return
				}
			}
		}
	}
}

// from returns what is left of a clean set at uid and above it.
func from(s imap.UIDSet, uid imap.UID) imap.UIDSet {
	i := sort.Search(len(s), func(i int) bool { return s[i].Stop >= uid })
	if i == len(s) || s[i].Start >= uid {
		return s[i:]
	}
	t := append(imap.UIDSet(nil), s[i:]...)
	t[0].Start = uid
	return t
}

// addRange adds a run of UIDs that are higher than all in the set.
func addRange(s imap.UIDSet, r imap.UIDRange) imap.UIDSet {
	if k := len(s) - 1; k >= 0 && s[k].Stop+1 == r.Start {
		s[k].Stop = r.Stop
		return s
	}
	return append(s, r)
}

// under returns what a clean set has below uid.
func under(s imap.UIDSet, uid imap.UID) imap.UIDSet {
	i := sort.Search(len(s), func(i int) bool { return s[i].Stop >= uid })
	if i == len(s) || s[i].Start >= uid {
		return s[:i]
	}
	t := append(imap.UIDSet(nil), s[:i+1]...)
	t[i].Stop = uid - 1
	return t
}
