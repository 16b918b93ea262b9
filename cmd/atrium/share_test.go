package main

import (
	"strings"
	"testing"
)

// TestShare shares mailboxes and makes groups, once on the store itself and once with the running server.
func TestShare(t *testing.T) {
	for _, running := range []bool{false, true} {
		t.Run(map[bool]string{true: "running", false: "at rest"}[running], func(t *testing.T) {
			i := newInstance(t, "")
			if running {
				i.start()
			}
			for _, s := range shareSteps {
				code, out, errOut := program(t, "", append(strings.Fields(s.args), "-config", i.config)...)
				if code != s.code {
					t.Errorf("atrium %s: exit code %d, want %d: %s", s.args, code, s.code, errOut)
				}
				for _, want := range s.want {
					if !strings.Contains(out+errOut, want) {
						t.Errorf("atrium %s: got %q, want %q in it", s.args, out+errOut, want)
					}
				}
			}
			if running {
				i.terminate()
			}
		})
	}
}

var shareSteps = []struct {
	args string
	code int
	want []string
}{
	{"account add ann -password pw", exitOK, nil},
	{"account add bob -password pw", exitOK, nil},
	{"group add sales ann nobody", exitFailed, []string{`no account "nobody"`}},
	{"group add sales ann -display Sales", exitOK, []string{"added sales@example.org"}},
	{"group add", exitUsage, []string{"NAME"}},
	{"group add support", exitOK, nil},
	{"group member add sales bob -admin", exitOK, nil},
	{"group member add sales support", exitFailed, []string{"is a group"}},
	{"group member add ann bob", exitFailed, []string{"no group"}},
	{"group member add nothing bob", exitFailed, []string{`no group "nothing"`}},
	{"group list", exitOK, []string{"sales@example.org", "ann@example.org, bob@example.org (admin)", "Sales"}},
	{"account list", exitOK, []string{"group", "Sales"}},
	{"group list -json", exitOK, []string{`"members":[{"name":"ann@example.org"},{"name":"bob@example.org","admin":true}]`, `"members":[]`}},
	{"group member remove sales ann", exitOK, nil},
	{"group member remove sales ann", exitFailed, []string{"ann@example.org is no member of sales@example.org"}},
	{"share grant ann Sent bob read", exitOK, nil},
	{"share grant ann Sent support write", exitOK, nil},
	{"share grant ann Archive anyone lr", exitOK, nil},
	{"share grant ann Archive anyone much", exitUsage, []string{"read, write, all"}},
	{"share grant ann nothing bob read", exitFailed, []string{"no mailbox"}},
	{"account passwd sales -password pw", exitFailed, []string{"is a group"}},
	{"account passwd sales -password pw -group", exitOK, nil},
	{"group seen sales private", exitOK, nil},
	{"group seen sales mine", exitUsage, []string{"private"}},
	{"group seen ann private", exitFailed, []string{"no group"}},
	{"share seen ann Sent private", exitOK, nil},
	{"share seen ann Sent shared", exitOK, nil},
	{"share seen ann Nothing shared", exitFailed, []string{"no mailbox"}},
	{"share grant ann Sent ann read", exitFailed, []string{"the owner"}},
	{"share list ann", exitOK, []string{"Archive", "anyone", "bob@example.org", "lr", "support@example.org", "lrswipte"}},
	{"share revoke ann Sent support", exitOK, nil},
	{"share list ann -json", exitOK, []string{`[{"mailbox":"Archive","to":"anyone","rights":"lr"},{"mailbox":"Sent","to":"bob@example.org","rights":"lr"}]`}},
	{"share grant ann calendar:calendar bob much", exitUsage, []string{"busy, read, write or all"}},
	{"share grant ann calendar:nothing bob read", exitFailed, []string{`has no "nothing"`}},
	{"share grant ann calendar:calendar bob write", exitOK, nil},
	{"share grant ann addressbook:contacts anyone read", exitOK, nil},
	{"share list ann", exitOK, []string{"calendar:calendar", "write", "addressbook:contacts", "read"}},
	{"share revoke ann addressbook:contacts anyone", exitOK, nil},
	{"share revoke ann calendar:calendar bob", exitOK, nil},
	{"group delete ann -yes", exitFailed, []string{"no group"}},
	{"group delete support -yes", exitOK, nil},
	{"group delete support -yes", exitFailed, []string{"no group"}},
}

// TestGroupMail is a message to a group's address, on its way to two members who wait.
func TestGroupMail(t *testing.T) {
	i := newInstance(t, "")
	i.start()
	for _, args := range []string{"account add ann -password pw", "account add bob -password pw", "group add sales ann bob"} {
		i.admin(exitOK, "", strings.Fields(args)...)
	}
	ctx := t.Context()
	var members []*lineClient
	for _, name := range []string{"ann", "bob"} {
		c, err := i.dialIMAP(ctx, name, "pw")
		if err == nil {
			_, _, err = c.imap("SELECT Shared/sales/INBOX", nil)
		}
		if err == nil {
			_, err = c.send("i IDLE", "+")
		}
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		members = append(members, c)
	}
	c, err := i.dialLMTP(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, s := range [][2]string{{"MAIL FROM:<a@b.example>", "250"}, {"RCPT TO:<sales@example.org>", "250"}, {"DATA", "354"},
		{"Subject: for all of you\r\n\r\nHello\r\n.", "250"}} {
		if _, err := c.send(s[0], s[1]); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range members {
		if _, err := c.expect("* 1 EXISTS"); err != nil {
			t.Error(err)
		}
	}
	i.terminate()
}
