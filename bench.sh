#!/usr/bin/env bash
# Starts the server as in production, but on loopback with plain-text logins,
# for load programs and client scripts; and stops it.
#
#   ./bench.sh up      build, start, make the users, print the server file
#   ./bench.sh down    stop it (the store stays when DATA names it)
#   ./bench.sh file    print the server file of the running one
#
# Users user1 to user400 have the password pass; bare names log in.
# IMAP_PORT, POP3_PORT, LMTP_PORT, SMTP_PORT, SIEVE_PORT, HTTP_PORT, HTTPS_PORT, METRICS_PORT choose
# the ports, DATA the store (a temporary folder when unset; kept when set), DOMAIN the users' domain.
# SMTP_PORT is submission: it takes mail from users who log in.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
state=${BENCH_STATE:-${TMPDIR:-/tmp}/atrium-bench-$(id -u)}
export IMAP_PORT=${IMAP_PORT:-11143} POP3_PORT=${POP3_PORT:-11110} LMTP_PORT=${LMTP_PORT:-11024} SMTP_PORT=${SMTP_PORT:-11587} HTTP_PORT=${HTTP_PORT:-11080} SIEVE_PORT=${SIEVE_PORT:-11190}
domain=${DOMAIN:-localhost}

alive() { [ -s "$state/pid" ] && kill -0 "$(cat "$state/pid")" 2>/dev/null; }

start() {
  # a load of 1,000s of connections needs descriptors
  ulimit -n "$(ulimit -Hn)" 2>/dev/null || true
  setsid "$state/atrium" serve -config "$state/atrium.toml" -pid "$state/pid" >>"$state/log" 2>&1 </dev/null &
  local child=$!
  for _ in $(seq 1200); do # the server writes the file when it listens
    [ -s "$state/pid" ] && return
    kill -0 $child 2>/dev/null || { tail -20 "$state/log" >&2; exit 1; }
    sleep 0.05
  done
  echo "bench.sh: no answer after 60 s; see $state/log" >&2
  exit 1
}

stop() {
  [ -s "$state/pid" ] || return 0
  local pid; pid=$(cat "$state/pid")
  kill -TERM "$pid" 2>/dev/null || { rm -f "$state/pid"; return 0; }
  for _ in $(seq 600); do kill -0 "$pid" 2>/dev/null || break; sleep 0.05; done
  kill -0 "$pid" 2>/dev/null && kill -KILL "$pid"
  rm -f "$state/pid"
}

case ${1:-} in
up)
  mkdir -p "$state"
  stop
  if [ -n "${DATA:-}" ]; then mkdir -p "$DATA"; data=$(cd "$DATA" && pwd); rm -f "$state/own"; else rm -rf "$state/data"; mkdir -p "$state/data"; data=$state/data; touch "$state/own"; fi
  (cd "$here" && go build -o "$state/atrium" ./cmd/atrium)
  https=
  metrics=
  [ -n "${METRICS_PORT:-}" ] && metrics="metrics = [\"127.0.0.1:$METRICS_PORT\"]"
  [ -n "${HTTPS_PORT:-}" ] && https="https = [\"127.0.0.1:$HTTPS_PORT\"]"
  cat >"$state/atrium.toml" <<EOF
domain = "$domain"
hostname = "localhost"
data = "$data"
[log]
level = "warn"
[listen]
smtp = []
submission = ["127.0.0.1:$SMTP_PORT"]
submissions = []
lmtp = ["127.0.0.1:$LMTP_PORT"]
imap = ["127.0.0.1:$IMAP_PORT"]
imaps = []
pop3 = ["127.0.0.1:$POP3_PORT"]
pop3s = []
sieve = ["127.0.0.1:$SIEVE_PORT"]
http = ["127.0.0.1:$HTTP_PORT"]
https = []
$https
$metrics
[auth]
plain_local = true
EOF
  [ -n "$https" ] && sed -i '/^https = \[\]$/d' "$state/atrium.toml"
  start
  for n in $(seq 400); do echo "user$n pass"; done | "$state/atrium" account import -config "$state/atrium.toml" >&2
  cat >"$state/server.toml" <<EOF
name = "atrium"
notes = "$("$state/atrium" version), durable, no TLS, argon2id"
user = "user%d"
password = "pass"
[imap]
addr = "127.0.0.1:$IMAP_PORT"
[pop3]
addr = "127.0.0.1:$POP3_PORT"
[lmtp]
addr = "127.0.0.1:$LMTP_PORT"
rcpt = "user%d@$domain"
[smtp]
addr = "127.0.0.1:$SMTP_PORT"
auth = true
[dav]
addr = "127.0.0.1:$HTTP_PORT"
calendar_home = "/calendars/user%d@$domain/"
addressbook_home = "/addressbooks/user%d@$domain/"
[process]
pidfiles = ["$state/pid"]
data_dirs = ["$data"]
start = "BENCH_STATE=$state $here/bench.sh start"
stop = "BENCH_STATE=$state $here/bench.sh stop"
EOF
  cat "$state/server.toml"
  ;;
file) cat "$state/server.toml" ;;
start) alive || start ;;
stop) stop ;;
down)
  stop
  [ -e "$state/own" ] && rm -rf "$state/data" "$state/own" || true
  ;;
*) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"; exit 2 ;;
esac
