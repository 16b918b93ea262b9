package smtpd

import (
	"strconv"
	"strings"
	"testing"
)

// TestSmuggling sends what makes other servers see a second message in the
// first: everything but CR LF . CR LF is content, and makes it refused.
func TestSmuggling(t *testing.T) {
	r := newRig(t)
	addr := listen(t, r.serve(t, SMTP, func(c *Config) { c.MaxErrors = 1000 }))
	for _, eod := range []string{
		"\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r.\r\n", "\r\n.\r", "\r\n.\r\r\n", "\n.\r", "\r.\n", "\r\r\n.\r\r\n",
		"\r\n.\x00\r\n", "\r\n\x00.\r\n", "\r\n.\r\x00\n", "\n\n.\n\n", "\r\n.\n\r\n", "\r\n\r.\r\n", "\x85.\x85", "\u2028.\u2028",
	} {
		c := dial(t, addr)
		c.cmd("EHLO x", "250")
		c.cmd("MAIL FROM:<a@b.example>", "250")
		c.cmd("RCPT TO:<user1@example.org>", "250")
		c.cmd("DATA", "354")
		c.write("Subject: one\r\n\r\nfirst" + eod + "MAIL FROM:<evil@b.example>\r\nRCPT TO:<user2@example.org>\r\nDATA\r\nSubject: two\r\n\r\nsecond\r\n.\r\nNOOP\r\n")
		want := "550 5.6.11"
		if rest := strings.ReplaceAll(eod, "\r\n", ""); !strings.ContainsAny(rest, "\r\n") {
			want = "250" // no CR or LF alone: it is text, and stays text
		}
		if l := c.reply(); !strings.HasPrefix(l, want) {
			t.Errorf("%q: %q", eod, l)
		}
		if l := c.reply(); l != "250 2.0.0 Ok" {
			t.Errorf("%q: after the content %q", eod, l)
		}
		c.cmd("QUIT", "221")
	}
	if n := len(r.messages(t, "user2", "INBOX")); n != 0 {
		t.Errorf("%d messages were smuggled in", n)
	}
}

// TestContentStays sends contents that are hard to take and compares what is stored.
func TestContentStays(t *testing.T) {
	for name, content := range map[string]string{
		"dots":       "a: b\r\n\r\n.\r\n..\r\n...\r\n.a\r\n..b\r\n",
		"empty":      "",
		"no header":  "\r\n",
		"long line":  "a: b\r\n\r\n" + strings.Repeat("y", 300000) + "\r\n",
		"8 bit":      "a: \xff\xfe\r\n\r\n\x80\x00\x01ä\r\n",
		"many lines": "a: b\r\n\r\n" + strings.Repeat("\r\n", 70000) + strings.Repeat(".\r\n", 30000),
	} {
		for _, dialect := range []Dialect{SMTP, LMTP} {
			for _, bdat := range []bool{false, true} {
				r := newRig(t)
				c := dial(t, listen(t, r.serve(t, dialect)))
				c.cmd(map[Dialect]string{SMTP: "EHLO", LMTP: "LHLO"}[dialect]+" x", "250")
				c.cmd("MAIL FROM:<a@b.example>", "250")
				c.cmd("RCPT TO:<user1@example.org>", "250")
				if bdat {
					for rest := content; rest != ""; {
						n := min(len(rest), 40001)
						c.write("BDAT " + strconv.Itoa(n) + "\r\n" + rest[:n])
						rest = rest[n:]
						c.reply()
					}
					c.cmd("BDAT 0 LAST", "250")
				} else {
					c.cmd("DATA", "354")
					lines := strings.SplitAfter(content, "\r\n")
					for i, l := range lines {
						if strings.HasPrefix(l, ".") {
							lines[i] = "." + l
						}
					}
					c.cmd(strings.Join(lines, "")+".", "250")
				}
				if _, got := r.only(t, "user1"); got != content {
					t.Errorf("%s, %s, BDAT %v: %d bytes came out as %d: %.80q", name, dialect, bdat, len(content), len(got), got)
				}
			}
		}
	}
}
