#!/bin/bash
# swaks: submission with AUTH PLAIN and LOGIN, LMTP, and what must be refused.
set -eu
want() { # status pattern, then swaks' arguments
  local code=$1 pattern=$2; shift 2
  local out rc=0
  out=$(swaks --timeout 20 "$@" 2>&1) || rc=$?
  [ "$rc" = "$code" ] || { echo "$out"; echo "swaks $*: ended with $rc, not $code"; exit 1; }
  grep -qE "$pattern" <<<"$out" || { echo "$out"; echo "swaks $*: no $pattern"; exit 1; }
}
me=$USER@localhost
sub=(--server "$HOST" --port "$SMTP_PORT" --from "$me" --auth-user "$USER" --auth-password "$PASS")
want 0 '250 2\.0\.0 ' "${sub[@]}" --to "$me" --auth PLAIN
want 0 '250 2\.0\.0 ' "${sub[@]}" --to "$me" --auth LOGIN
want 28 '535 ' --server "$HOST" --port "$SMTP_PORT" --from "$me" --to "$me" --auth PLAIN --auth-user "$USER" --auth-password "not-$PASS"
want 24 '550 5\.1\.1' "${sub[@]}" --to nobody-here@localhost --auth PLAIN
want 0 '250 2\.0\.0 ' "${sub[@]}" --to someone@elsewhere.example --auth PLAIN # the queue takes it, and sends it back
want 23 '530 5\.7\.0' --server "$HOST" --port "$SMTP_PORT" --from "$me" --to someone@elsewhere.example
want 24 '550 5\.7\.1' --server "$HOST" --port "$LMTP_PORT" --protocol LMTP --from someone@elsewhere.example --to someone@elsewhere.example
want 23 '5[0-9][0-9] 5\.7\.1' --server "$HOST" --port "$SMTP_PORT" --from other@localhost --auth-user "$USER" --auth-password "$PASS" --to "$me" --auth PLAIN
want 0 '250 ' --server "$HOST" --port "$LMTP_PORT" --protocol LMTP --from someone@elsewhere.example --to "user2@localhost,user3@localhost"
echo "OK swaks: submission with PLAIN and LOGIN, LMTP, refusals"
