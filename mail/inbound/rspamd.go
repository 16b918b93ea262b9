package inbound

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"atrium/mail/delivery"
)

// rspamd asks rspamd's worker by HTTP (/checkv2).
type rspamd struct {
	address string
	client  *http.Client
}

func newRspamd(address string, wait time.Duration) *rspamd {
	return &rspamd{address, &http.Client{Timeout: wait}}
}

func (r *rspamd) name() string { return "rspamd" }

// maxAnswer bounds an answer, in bytes.
const maxAnswer = 1 << 20

// rspamdAnswer is what we use of an answer.
type rspamdAnswer struct {
	Action   string                     `json:"action"`
	Score    float64                    `json:"score"`
	Required float64                    `json:"required_score"`
	Symbols  map[string]json.RawMessage `json:"symbols"`
	Messages map[string]any             `json:"messages"`
	Error    string                     `json:"error"`
}

func (r *rspamd) judge(ctx context.Context, m *delivery.Message, client string) (*opinion, error) {
	env := m.Envelope()
	size := m.Size() - m.Start()
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, r.address+"/checkv2", io.NewSectionReader(m, m.Start(), size))
	if err != nil {
		return nil, err
	}
	q.ContentLength = size
	set := func(name, value string) {
		if value != "" && !strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			q.Header.Set(name, value)
		}
	}
	if env.Remote.IsValid() {
		set("IP", env.Remote.Unmap().String())
	}
	set("Helo", env.Helo)
	set("Hostname", client)
	set("From", env.From)
	set("Queue-Id", env.ID)
	for _, to := range env.Routes {
		q.Header.Add("Rcpt", strings.Map(func(c rune) rune {
			if c < ' ' || c == 0x7f {
				return -1
			}
			return c
		}, to.Address))
	}
	resp, err := r.client.Do(q)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, err
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("answer %s", resp.Status)
	case len(b) > maxAnswer:
		return nil, errors.New("answer too long")
	}
	return readRspamd(b)
}

// readRspamd reads an answer.
func readRspamd(b []byte) (*opinion, error) {
	var a rspamdAnswer
	if err := json.Unmarshal(b, &a); err != nil {
		return nil, fmt.Errorf("answer: %w", err)
	}
	if a.Error != "" || a.Action == "" {
		return nil, fmt.Errorf("answer: no action %.100q", a.Error)
	}
	o := &opinion{}
	names := slices.Sorted(maps.Keys(a.Symbols))
	note := fmt.Sprintf("%s, %.2f of %.2f", a.Action, a.Score, a.Required)
	text, _ := a.Messages["smtp_message"].(string)
	switch a.Action {
	case "reject":
		if text == "" {
			text = "Message looks like junk"
		}
		o.refusal = codeOf(550, text, nil)
	case "soft reject", "greylist":
		if text == "" {
			text = "Try again later"
		}
		o.refusal = codeOf(451, text, nil)
	case "add header", "rewrite subject", "quarantine":
		o.quarantine = "rspamd: " + note
		o.reasons = []string{"rspamd"}
	}
	o.fields = headerField("X-Rspamd", note+" ["+strings.Join(names[:min(len(names), 50)], " ")+"]")
	return o, nil
}
