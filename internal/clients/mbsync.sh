#!/bin/bash
# mbsync: two ways, two rounds, both sides equal.
set -eu
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT
mkdir -p "$dir/mail"
cat >"$dir/rc" <<EOF
IMAPAccount a
Host $HOST
Port $IMAP_PORT
User user4
Pass $PASS
SSLType None

IMAPStore far
Account a

MaildirStore near
Path $dir/mail/
Inbox $dir/mail/INBOX
SubFolders Verbatim

Channel c
Far :far:
Near :near:
Patterns *
Create Both
Remove Both
Expunge Both
Sync All
SyncState *
EOF
python3 - <<'EOF'
import imaplib, os
c = imaplib.IMAP4(os.environ["HOST"], int(os.environ["IMAP_PORT"])); c.login("user4", os.environ["PASS"])
for i in range(30):
    t, d = c.append("INBOX", "(\\Seen)" if i % 2 else None, None, b"From: a@b\r\nSubject: m%d\r\nMessage-ID: <m%d@x>\r\n\r\nbody %d\r\n" % (i, i, i))
    assert t == "OK", d
assert c.create("Work/2026")[0] == "OK"
c.logout()
EOF
mbsync -c "$dir/rc" c
[ "$(ls "$dir"/mail/INBOX/cur "$dir"/mail/INBOX/new | grep -c .)" -ge 30 ] || { echo "not all 30 arrived"; exit 1; }
[ -d "$dir/mail/Work/2026/cur" ] || { echo "the new folder did not arrive"; exit 1; }
f=$(ls "$dir"/mail/INBOX/cur/*,S | head -1); rm "$f"
printf 'From: x@y\nSubject: local\nMessage-ID: <local@x>\n\nhello\n' >"$dir/mail/Work/2026/new/1.local.host"
mbsync -c "$dir/rc" c
python3 - <<'EOF'
import imaplib, os
c = imaplib.IMAP4(os.environ["HOST"], int(os.environ["IMAP_PORT"])); c.login("user4", os.environ["PASS"])
n = int(c.select("INBOX", True)[1][0]); assert n == 29, n
n = int(c.select('"Work/2026"', True)[1][0]); assert n == 1, n
EOF
out=$(mbsync -c "$dir/rc" -V c)
grep -qE '[FN]: \+[1-9]' <<<"$out" && { echo "$out"; echo "a third run still finds something"; exit 1; }
echo "OK mbsync: two ways, two rounds, a third run finds nothing"
