package sift

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"atrium/mail"
	"atrium/mail/delivery"
	"atrium/mail/junk"
	"atrium/mail/message"
	"atrium/storage"
	"atrium/storage/account"
)

// Config has the settings of junk.
type Config struct {
	On        bool    `toml:"on"`        // messages are judged by what the user taught
	Threshold float64 `toml:"threshold"` // probability from which on a message is junk
	AtLeast   int     `toml:"at_least"`  // messages of each sort to be learnt before anything is judged
	Header    bool    `toml:"header"`    // X-Atrium-Spam is written
}

// DefaultConfig returns settings that serve everyone.
func DefaultConfig() Config { return Config{On: true, Threshold: 0.95, AtLeast: 20, Header: true} }

// Validate reports all mistakes at once.
func (c *Config) Validate() (err error) {
	if c.Threshold <= 0.5 || c.Threshold > 1 {
		err = errors.Join(err, fmt.Errorf("threshold: %v, must be above 0.5 and at most 1", c.Threshold))
	}
	if c.AtLeast < 1 {
		err = errors.Join(err, fmt.Errorf("at_least: %d, must be at least 1", c.AtLeast))
	}
	return err
}

// HeaderName is the field that tells what was decided, and why.
const HeaderName = "X-Atrium-Spam"

// Contacts tells whether an address is in an account's address books.
type Contacts func(ctx context.Context, a storage.AccountID, address string) bool

// Sifter judges and learns. Close it.
type Sifter struct {
	cfg      Config
	mail     *mail.Store
	contacts Contacts // nil: none
	log      *slog.Logger
	models   models
	queue    queue
}

// New returns a Sifter, and has the store tell it what users do.
func New(cfg Config, m *mail.Store, contacts Contacts, log *slog.Logger) (*Sifter, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("junk: %w", err)
	}
	s := &Sifter{cfg: cfg, mail: m, contacts: contacts, log: log}
	s.queue.init(s.learnNow)
	m.OnLearn(s.queue.add)
	return s, nil
}

// Close ends what is under way.
func (s *Sifter) Close() { s.queue.close() }

// models keeps the models of accounts that get mail.
type models struct {
	mu       sync.Mutex
	have     map[storage.AccountID]*state
	untaught map[storage.AccountID]*state // those who taught nothing yet: most, as a rule
	empty    junk.Model                   // theirs
}

const (
	maxModels   = 128 // a model takes half a megabyte at most
	maxUntaught = 16 << 10
)

// state is what is known of one account.
type state struct {
	model *junk.Model
	off   bool
	book  book
	used  time.Time
}

// of returns the state of an account.
func (s *Sifter) of(ctx context.Context, a storage.AccountID) (*state, error) {
	s.models.mu.Lock()
	st := s.models.have[a]
	if st == nil {
		st = s.models.untaught[a]
	}
	if st != nil {
		st.used = time.Now()
	}
	s.models.mu.Unlock()
	if st != nil {
		return st, nil
	}
	st = &state{used: time.Now()}
	err := s.mail.Storage().View(ctx, a, func(v *storage.View) (err error) {
		if st.model, err = junk.Load(v); err != nil {
			return err
		}
		if st.book, err = loadBook(v); err != nil {
			return err
		}
		st.off, err = isOff(v)
		return err
	})
	if err != nil {
		return nil, err
	}
	s.keep(a, st)
	return st, nil
}

// keep remembers a state, in the place of the one that was used the longest ago.
func (s *Sifter) keep(a storage.AccountID, st *state) {
	s.models.mu.Lock()
	defer s.models.mu.Unlock()
	if s.models.have == nil {
		s.models.have, s.models.untaught = map[storage.AccountID]*state{}, map[storage.AccountID]*state{}
	}
	if st.model.Junk+st.model.Good+st.model.Tokens()+len(st.book) == 0 {
		delete(s.models.have, a)
		if len(s.models.untaught) >= maxUntaught {
			clear(s.models.untaught)
		}
		st.model = &s.models.empty
		s.models.untaught[a] = st
		return
	}
	delete(s.models.untaught, a)
	if _, ok := s.models.have[a]; !ok && len(s.models.have) >= maxModels {
		var oldest storage.AccountID
		at := time.Now()
		for id, x := range s.models.have {
			if x.used.Before(at) {
				oldest, at = id, x.used
			}
		}
		delete(s.models.have, oldest)
	}
	s.models.have[a] = st
}

// forget has the state read anew.
func (s *Sifter) forget(a storage.AccountID) {
	s.models.mu.Lock()
	defer s.models.mu.Unlock()
	delete(s.models.have, a)
	delete(s.models.untaught, a)
}

// recordOff is there when the user wants nothing judged.
const recordOff = "junk/off"

func isOff(v *storage.View) (bool, error) {
	_, err := v.Record(recordOff)
	if errors.Is(err, storage.NotFound) {
		return false, nil
	}
	return err == nil, err
}

// Judge is delivery.Judge's.
func (s *Sifter) Judge(ctx context.Context, m *delivery.Message, to *account.Account) (*delivery.Opinion, error) {
	v := &m.Envelope().Verdict
	if v.Quarantine != "" {
		return s.opinion(true, 1, v.Quarantine, nil), nil
	}
	if !s.cfg.On {
		return nil, nil
	}
	st, err := s.of(ctx, to.ID)
	if err != nil || st.off || !st.model.Ready(s.cfg.AtLeast) {
		return nil, err
	}
	index, _, err := message.Records(m, m.Size())
	if err != nil {
		return nil, err
	}
	x, err := message.OpenIndex(index)
	if err != nil {
		return nil, err
	}
	from := author(&x, m)
	if proven(v, from) && (st.book.has(from) || s.contacts != nil && s.contacts(ctx, to.ID, from)) {
		return s.opinion(false, 0, "known sender", nil), nil
	}
	words, err := junk.Tokens(&x, m)
	if err != nil {
		return nil, err
	}
	p, clues := st.model.Score(words)
	return s.opinion(p >= s.cfg.Threshold, p, "", clues), nil
}

// proven tells whether a message is from whom it says: its domain was proven, or no
// one looked, as for mail from this machine.
func proven(v *delivery.Verdict, from string) bool {
	_, domain, ok := strings.Cut(from, "@")
	return ok && (v.DMARC == "" || v.Sender == strings.ToLower(domain))
}

// opinion writes the header field: "Yes, score=0.998 (viagra; subject:free; ...)".
func (s *Sifter) opinion(isJunk bool, p float64, reason string, clues []junk.Clue) *delivery.Opinion {
	o := &delivery.Opinion{Junk: isJunk, Score: p, Reason: reason, Mark: mark{filed: isJunk, score: p}.encode()}
	var b strings.Builder
	b.WriteString(HeaderName + ": ")
	b.WriteString(map[bool]string{true: "Yes", false: "No"}[isJunk])
	fmt.Fprintf(&b, ", score=%.3f", p)
	var why []string
	if reason != "" {
		why = append(why, reason)
	}
	for _, c := range clues[:min(len(clues), 6)] {
		why = append(why, fmt.Sprintf("%s=%.2f", c.Text, c.P))
	}
	if len(why) > 0 {
		b.WriteString("\r\n\t(" + printable(strings.Join(why, "; ")) + ")")
	}
	b.WriteString("\r\n")
	if o.Reason == "" {
		o.Reason = printable(strings.Join(why, "; "))
	}
	if s.cfg.Header {
		o.Fields = []byte(b.String())
	}
	return o
}

// printable is a text that may stand in a comment of a header field in ASCII.
func printable(v string) string {
	v = strings.Map(func(r rune) rune {
		switch {
		case r < ' ' || r >= 0x7f:
			return '?'
		case r == '(' || r == ')' || r == '\\':
			return ' '
		}
		return r
	}, v)
	return v[:min(len(v), 600)]
}

// author is the address in From, in lower case; "" when there is none, or more than one.
func author(x *message.Index, r readerAt) string {
	list := addresses(x, r, "from")
	if len(list) != 1 {
		return ""
	}
	return list[0]
}
