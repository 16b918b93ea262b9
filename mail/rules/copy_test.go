package rules

import (
	"strings"
	"testing"
)

// TestCopies checks where copies of what a script writes go (RFC 8580): only of what is sent, with the flags of the
// script, and to INBOX with a word to the account when the mailbox is not there.
func TestCopies(t *testing.T) {
	for _, tc := range []struct {
		name, script, mail string
		boxes, in, flags   string // in: where the copy is
		sent               int
	}{
		{name: "vacation", script: `vacation :fcc "Sent" "gone";`, boxes: "INBOX 1, Sent 1", in: "Sent", flags: "[]", sent: 1},
		{name: "the flags of the message are not the copy's", script: `setflag "\\Flagged"; vacation :fcc "Sent" "gone";`, boxes: "INBOX 1, Sent 1", in: "Sent", flags: "[]", sent: 1},
		{name: "flags", script: `vacation :flags ["\\Seen", "answer"] :fcc "Sent" "gone";`, boxes: "INBOX 1, Sent 1", in: "Sent", flags: `[\Seen answer]`, sent: 1},
		{name: "created", script: `vacation :create :fcc "Answers/new" "gone";`, boxes: "INBOX 1, Answers/new 1", in: "Answers/new", flags: "[]", sent: 1},
		{name: "use", script: `vacation :fcc "Nowhere" :specialuse "\\Sent" "gone";`, boxes: "INBOX 1, Sent 1", in: "Sent", flags: "[]", sent: 1},
		{name: "an id of none", script: `vacation :fcc "inbox" :mailboxid "Fnone" "gone";`, boxes: "INBOX 2", in: "INBOX", flags: "[]", sent: 1},
		{name: "not there", script: `vacation :fcc "Nowhere" "gone";`, boxes: "INBOX 3", in: "INBOX", flags: "[$SieveFailed]", sent: 1},
		{name: "notify", script: `notify :fcc "Sent" :flags "\\Seen" :message "new" "mailto:x@example.net";`, boxes: "INBOX 1, Sent 1", in: "Sent", flags: `[\Seen]`, sent: 1},
		{name: "nobody is answered", script: `vacation :fcc "Sent" "gone";`, mail: "Precedence: list\n" + hello, boxes: "INBOX 1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRig(t, DefaultConfig())
			r.use(`require ["vacation", "enotify", "fcc", "mailbox", "imap4flags", "special-use", "mailboxid"];` + tc.script)
			text := tc.mail
			if text == "" {
				text = hello
			}
			r.must(r.send("carl@example.net", text, false, "ann")[0])
			if got := r.boxes(); got != tc.boxes {
				t.Errorf("in %q, want %q", got, tc.boxes)
			}
			sent := r.sent.take()
			if len(sent) != tc.sent {
				t.Fatalf("sent %q", sent)
			}
			if tc.in == "" {
				return
			}
			content, flags := r.newest(tc.in)
			if !strings.HasSuffix(sent[0], "\n"+content) || flags != tc.flags {
				t.Errorf("%s %q, sent %q", flags, content, sent[0])
			}
		})
	}
	// An answer goes once, and so does its copy; what cannot be sent has none.
	r := newRig(t, DefaultConfig())
	r.use(`require ["vacation", "fcc"]; vacation :fcc "Sent" "gone";`)
	for range 2 {
		r.must(r.send("carl@example.net", hello, false, "ann")[0])
	}
	r.filter.SetMailer(nil)
	r.must(r.send("dora@example.net", hello, false, "ann")[0])
	if got := r.boxes(); got != "INBOX 3, Sent 1" {
		t.Error(got)
	}
}
