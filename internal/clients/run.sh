#!/usr/bin/env bash
# Real clients against a real server, started on ports and a store of its own.
# Programs that are missing are installed when that may be (Debian, as root);
# what cannot be had is left out, and a line says so.
set -u
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
work=$(mktemp -d)
export BENCH_STATE=$work/server TMPDIR=$work
passed=0 failed=0 left=0

need=(isync:mbsync fetchmail:fetchmail mpop:mpop curl:curl neomutt:neomutt vdirsyncer:vdirsyncer khal:khal todoman:todoman khard:khard litmus:litmus cadaver:cadaver swaks:swaks sieve-connect:sieve-connect thunderbird:thunderbird)
py=/usr/bin/python3 # where Debian's packages go
[ -x $py ] || py=python3
missing=()
$py -c 'import caldav' 2>/dev/null || missing+=(python3-caldav)
$py -c 'import gi; gi.require_version("Camel", "1.2"); gi.require_version("EBookContacts", "1.2"); gi.require_version("ECal", "2.0")' 2>/dev/null ||
  missing+=(evolution-data-server python3-gi gir1.2-edataserver-1.2 gir1.2-ecal-2.0 gir1.2-ebook-1.2 gir1.2-ebookcontacts-1.2 gir1.2-camel-1.2)
command -v dbus-run-session >/dev/null || missing+=(dbus-daemon)
command -v gnome-keyring-daemon >/dev/null || missing+=(gnome-keyring)
for n in "${need[@]}"; do command -v "${n#*:}" >/dev/null || missing+=("${n%:*}"); done
if [ ${#missing[@]} -gt 0 ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "installing ${missing[*]}"
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" libsasl2-modules python3; } >"$work/apt.log" 2>&1 || tail -3 "$work/apt.log"
fi

# ports that no one uses now
read -r IMAP_PORT POP3_PORT LMTP_PORT SMTP_PORT HTTP_PORT SIEVE_PORT <<<"$(python3 - <<'E2'
import socket
s=[socket.socket() for _ in range(6)]
for x in s: x.bind(("127.0.0.1",0))
print(*[x.getsockname()[1] for x in s])
E2
)"
export IMAP_PORT POP3_PORT LMTP_PORT SMTP_PORT HTTP_PORT SIEVE_PORT HOST=127.0.0.1 USER=user1 PASS=pass
export DAV_URL=http://127.0.0.1:$HTTP_PORT/
trap '"$top/bench.sh" down >/dev/null 2>&1; rm -rf "$work"' EXIT
"$top/bench.sh" up >"$work/up.log" 2>&1 || { cat "$work/up.log"; echo "FAIL the server did not start"; exit 1; }

run() { # name program command...
  local name=$1 program=$2; shift 2
  if ! command -v "$program" >/dev/null; then echo "SKIP $name: $program is not installed"; left=$((left+1)); return; fi
  out=$(timeout 300 "$@" 2>&1)
  case $? in
  0) passed=$((passed+1)); tail -1 <<<"$out" ;;
  77) left=$((left+1)); tail -1 <<<"$out" ;;
  *) failed=$((failed+1)); tail -40 <<<"$out"; echo "FAIL $name" ;;
  esac
}

for f in "$here"/[0-9]*.py; do run "$(basename "$f" .py)" $py $py "$f"; done
run litmus litmus "$here/litmus.sh"
run cadaver cadaver "$here/cadaver.sh"
run mbsync mbsync "$here/mbsync.sh"
run swaks swaks "$here/swaks.sh"
run sieve sieve-connect "$here/sieve.sh"
run vdirsyncer vdirsyncer "$here/vdirsyncer.sh"
run conflicts vdirsyncer "$here/conflicts.sh"

more=$top/../shared/clients
if [ -x "$more/run.sh" ]; then
  export PATH=$PATH RIG=$work/rig
  mkdir -p "$RIG"
  out=$("$more/run.sh" 2>&1); rc=$?
  echo "$out"
  [ $rc -eq 0 ] && passed=$((passed+1)) || failed=$((failed+1))
else
  echo "left out: the further client scripts beside the checkout (there are none)"
fi
if grep -E 'level=(WARN|ERROR)|panic' "$BENCH_STATE/log" | grep -v 'failed login' | head -20 | grep .; then echo "the server's log has the lines above"; fi
"$top/bench.sh" stop
"$BENCH_STATE/atrium" check -deep -config "$BENCH_STATE/atrium.toml" || failed=$((failed+1))
echo "$passed passed, $failed failed, $left skipped"
[ $failed -eq 0 ]
