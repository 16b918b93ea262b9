package inbound

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"atrium/mail/delivery"
)

// Rates bounds how much comes within an hour; 0: no limit.
type Rates struct {
	AddressMessages   int   `toml:"address_messages"`   // from one address (IPv4 /32, IPv6 /64)
	AddressRecipients int   `toml:"address_recipients"` // likewise, refused ones counted
	SenderMessages    int   `toml:"sender_messages"`    // of one sender's address
	AccountMessages   int   `toml:"account_messages"`   // that one account submits
	AccountRecipients int   `toml:"account_recipients"`
	AccountBytes      int64 `toml:"account_bytes"`
}

func (r *Rates) validate() (err error) {
	for key, v := range map[string]int64{
		"address_messages": int64(r.AddressMessages), "address_recipients": int64(r.AddressRecipients), "sender_messages": int64(r.SenderMessages),
		"account_messages": int64(r.AccountMessages), "account_recipients": int64(r.AccountRecipients), "account_bytes": r.AccountBytes,
	} {
		if v < 0 {
			err = errors.Join(err, fmt.Errorf("rates.%s: %d is negative", key, v))
		}
	}
	return err
}

// meter counts by name in windows of an hour. What was counted in the last one
// goes on counting in proportion to what of it lies within an hour.
type meter struct {
	mu   sync.Mutex
	have map[string]*window
}

type window struct {
	began     time.Time
	now, last int64
}

const (
	rateWindow = time.Hour
	maxMeters  = 200_000
)

// take counts n for a name when limit allows it.
func (m *meter) take(name string, n, limit int64, now time.Time) bool {
	if limit <= 0 {
		return true
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.have == nil {
		m.have = map[string]*window{}
	}
	w := m.have[name]
	if w == nil {
		if len(m.have) >= maxMeters {
			m.trim(now)
		}
		w = &window{began: now}
		m.have[name] = w
	}
	switch age := now.Sub(w.began); {
	case age >= 2*rateWindow:
		*w = window{began: now}
	case age >= rateWindow:
		*w = window{began: w.began.Add(rateWindow), last: w.now}
	}
	part := float64(rateWindow-now.Sub(w.began)) / float64(rateWindow)
	if w.now+int64(float64(w.last)*part)+n > limit {
		return false
	}
	w.now += n
	return true
}

// trim drops what is over, and when that is not enough some that the order of maps, which is random, brings first.
func (m *meter) trim(now time.Time) {
	for k, w := range m.have {
		if now.Sub(w.began) >= 2*rateWindow {
			delete(m.have, k)
		}
	}
	for k := range m.have {
		if len(m.have) < maxMeters-maxMeters/16 {
			return
		}
		delete(m.have, k)
	}
}

// tooMuch is the refusal where a rate is exceeded.
func tooMuch(what string) error {
	return &delivery.Refusal{Reason: "Too much " + what + " within an hour, try again later", Code: 450, Status: "4.7.1"}
}

// sender checks the rates at MAIL.
func (r *Rates) sender(m *meter, address, account, from string, size int64, now time.Time) error {
	switch {
	case account != "" && !m.take("am "+account, 1, int64(r.AccountMessages), now):
		return tooMuch("mail of your account")
	case account != "" && !m.take("ab "+account, max(size, 1), r.AccountBytes, now):
		return &delivery.Refusal{Reason: "Too many bytes of your account within an hour, try again later", Code: 452, Status: "4.7.1"}
	case account == "" && !m.take("im "+address, 1, int64(r.AddressMessages), now):
		return tooMuch("mail from your address")
	case account == "" && from != "" && !m.take("sm "+strings.ToLower(from), 1, int64(r.SenderMessages), now):
		return tooMuch("mail from that sender")
	}
	return nil
}

// recipient checks them at RCPT.
func (r *Rates) recipient(m *meter, address, account string, now time.Time) error {
	switch {
	case account != "" && !m.take("ar "+account, 1, int64(r.AccountRecipients), now):
		return &delivery.Refusal{Reason: "Too many recipients of your account within an hour, try again later", Code: 452, Status: "4.5.3"}
	case account == "" && !m.take("ir "+address, 1, int64(r.AddressRecipients), now):
		return &delivery.Refusal{Reason: "Too many recipients from your address within an hour, try again later", Code: 452, Status: "4.5.3"}
	}
	return nil
}
