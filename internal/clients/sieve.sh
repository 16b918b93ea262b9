#!/bin/bash
# sieve-connect: a script goes up, becomes active, comes back the same; mail goes where it says.
set -eu
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT
cd "$dir"
printf '%s' "$PASS" >pass
sc() { sieve-connect --server "$HOST" --port "$SIEVE_PORT" --user user6 --notlsverify --passwordfd 3 "$@" 3<pass; }
cat >one.sieve <<'E'
require ["fileinto", "mailbox", "imap4flags", "variables"];
if header :matches "subject" "[*] *" { addflag "\\Flagged"; fileinto :create "Lists/${1}"; }
E
echo 'nonsense;' >bad.sieve
sc --localsieve one.sieve --remotesieve "één" --upload
sc --remotesieve "één" --activate
sc --list | grep -q ACTIVE
sc --remotesieve "één" --download --localsieve back.sieve
cmp one.sieve back.sieve
sc --localsieve bad.sieve --remotesieve bad --upload >out 2>&1 && { echo "a script with a mistake was taken"; exit 1; }
grep -q 'line 1:1' out || { cat out; exit 1; }
sc --localsieve one.sieve --checkscript
python3 - <<'E'
import imaplib, os, smtplib
s = smtplib.LMTP(os.environ["HOST"], int(os.environ["LMTP_PORT"]))
s.sendmail("a@b.example", ["user6@" + os.environ.get("DOMAIN", "localhost")], b"From: a@b.example\r\nSubject: [dev] x\r\n\r\nx\r\n")
s.quit()
c = imaplib.IMAP4(os.environ["HOST"], int(os.environ["IMAP_PORT"])); c.login("user6", os.environ["PASS"])
assert c.select('"Lists/dev"', True)[1] == [b"1"]
assert b"\\Flagged" in c.fetch("1", "(FLAGS)")[1][0]
E
sc --deactivate
sc --remotesieve "één" --delete
echo "OK sieve-connect: scripts go up and come back, mail goes where they say"
