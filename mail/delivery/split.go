package delivery

import (
	"crypto/sha256"
	"io"
	"sync"
	"time"

	"atrium/storage"
)

// splitMemory knows the messages that reached some of their recipients while
// their senders were told to send them to all again, so that no one gets them
// twice. It is in memory: after a restart the message may come twice, it is never lost.
type splitMemory struct {
	mu   sync.Mutex
	have map[splitKey]splitEntry
}

type splitEntry struct {
	at       time.Time
	accounts map[storage.AccountID]bool
}

// splitKey names a message whose sender learns one outcome only.
type splitKey [sha256.Size]byte

// splitKey is the key of this message, zero when it cannot have gone, or go, to
// some of its recipients only.
func (m *Message) splitKey() (k splitKey) {
	one := len(m.env.Routes) == 1 && len(m.env.Routes[0].targets) == 1
	if !m.env.Whole || one && m.d.split.empty() {
		return k
	}
	h := sha256.New()
	io.WriteString(h, m.env.From+"\n")
	if _, err := io.Copy(h, io.NewSectionReader(m.spool, m.trace, m.spool.Size()-m.trace)); err != nil {
		return k
	}
	return splitKey(h.Sum(k[:0]))
}

// Bounds of the memory: messages, and how long senders may go on trying (RFC 5321 §4.5.4.1).
const (
	maxSplit = 10000
	splitAge = 6 * 24 * time.Hour
)

func (s *splitMemory) empty() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.have) == 0
}

// has tells whether an account got the message in an earlier attempt.
func (s *splitMemory) has(k splitKey, id storage.AccountID) bool {
	if k == (splitKey{}) {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.have[k].accounts[id]
}

// remember keeps the outcome of an attempt: who got it, when others did not; nothing when no one is left.
func (s *splitMemory) remember(k splitKey, jobs []*job) {
	if k == (splitKey{}) {
		return
	}
	good, bad := 0, 0
	for _, j := range jobs {
		if j.err != nil || len(j.refused) > 0 {
			bad++
		} else {
			good++
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if bad == 0 || good == 0 && s.have[k].accounts == nil {
		if bad == 0 {
			delete(s.have, k)
		}
		return
	}
	e := s.have[k]
	if e.accounts == nil {
		s.trim()
		e = splitEntry{accounts: map[storage.AccountID]bool{}}
	}
	e.at = time.Now()
	for _, j := range jobs {
		if j.err == nil && len(j.refused) == 0 {
			e.accounts[j.id] = true
		}
	}
	if s.have == nil {
		s.have = map[splitKey]splitEntry{}
	}
	s.have[k] = e
}

// trim makes room for one more: what is too old goes, else the oldest.
func (s *splitMemory) trim() {
	if len(s.have) < maxSplit {
		return
	}
	var oldest splitKey
	first := time.Now()
	for k, e := range s.have {
		if time.Since(e.at) > splitAge {
			delete(s.have, k)
		} else if e.at.Before(first) {
			oldest, first = k, e.at
		}
	}
	if len(s.have) >= maxSplit {
		delete(s.have, oldest)
	}
}
