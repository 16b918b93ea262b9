package main

import (
	"net"
	"os/exec"
	"strings"
	"testing"
)

// TestPop3AndIMAP has a POP3 client (poplib) and an IMAP client (imaplib) on one mailbox, under the policies of its
// account, with ids of an old server.
func TestPop3AndIMAP(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3")
	}
	i := newInstance(t, "")
	i.start()
	defer i.terminate()
	i.admin(exitOK, "", "account", "add", "ann", "-password", "pass")
	host, imap, _ := net.SplitHostPort(i.ports["imap"])
	_, pop, _ := net.SplitHostPort(i.ports["pop3"])
	run := func(script string) {
		t.Helper()
		if out, err := exec.Command(python, "-c", popPrelude+script, host, imap, pop).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	run(`
m = imap()
for n in range(1, 6):
    m.append('INBOX', None, None, b'Message-ID: <%d@x>\r\nSubject: m%d\r\n\r\nbody %d\r\n' % (n, n, n))
`)
	for _, tc := range []struct {
		args string
		code int
		want string
	}{
		{"account pop3 ann", exitOK, "keep    delete"},
		{"account pop3 ann -keep 10x", exitFailed, "keep"},
		{"account pop3 ann -mailbox Nowhere", exitFailed, "no mailbox"},
		{"account pop3 ann -seen perhaps", exitUsage, "yes or no"},
		{"account pop3 ann -keep 30d -then trash -seen yes", exitOK, "keep    30d\nthen    trash\nseen    yes"},
		{"account pop3 nobody", exitFailed, "no account"},
	} {
		out, errOut := i.admin(tc.code, "", strings.Fields(tc.args)...)
		if !strings.Contains(out+errOut, tc.want) {
			t.Errorf("atrium %s: %q, want %q", tc.args, out+errOut, tc.want)
		}
	}
	out, _ := i.admin(exitOK, "<2@x> old-two\n3 old-three\n<9@x> nine\n", "account", "uidl", "ann")
	if !strings.Contains(out, "set 2 ids; 1 messages") {
		t.Error(out)
	}
	run(`
p = pop()
assert p.stat()[0] == 5
ids = [x.split()[1] for x in p.uidl()[1]]
assert ids[1:3] == [b'old-two', b'old-three'], ids
assert b'EXPIRE' not in p.capa() and p.capa()['EXPIRE'] == ['30'], p.capa()
p.retr(1); p.dele(1); p.retr(2)
m = imap(); m.select()
assert m.search(None, 'ALL')[1] == [b'1 2 3 4 5']
p.quit()
wait(lambda: m.noop() and m.search(None, 'SEEN')[1] == [b'1 2'])
p = pop()                       # hidden here, and there all the same for IMAP
assert [x.split()[1] for x in p.uidl()[1]] == ids[1:]
m.store('2', '+FLAGS', '(\\Deleted)'); m.expunge()
m.append('INBOX', None, None, b'Subject: new\r\n\r\nnew\r\n')
assert p.stat()[0] == 4         # a session sees the mailbox as it was at login
p.quit()
p = pop()
assert p.stat()[0] == 4 and p.top(4, 0)[1] == [b'Subject: new', b'']
p.quit()
`)
	i.admin(exitOK, "", "account", "pop3", "ann", "-default")
	run(`
p = pop()
p.dele(1); p.quit()
m = imap()
assert m.select()[1] == [b'4']
# its user sets the policy too
imaplib.Commands['SETMETADATA'] = ('AUTH', 'SELECTED')
assert m._simple_command('SETMETADATA', '""', '(/private/vendor/atrium/pop3 "{\\"mailbox\\": \\"Sent\\"}")')[0] == 'OK'
p = pop()
assert p.stat() == (0, 0)
`)
}

const popPrelude = `
import imaplib, poplib, sys, time
host, iport, pport = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
def imap():
    m = imaplib.IMAP4(host, iport, timeout=60); m.login('ann', 'pass'); return m
def pop():
    p = poplib.POP3(host, pport, timeout=60); p.user('ann'); p.pass_('pass'); return p
def wait(f):
    for _ in range(600):
        if f(): return
        time.sleep(0.1)
    raise AssertionError('it never came')
`
