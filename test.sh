#!/usr/bin/env bash
# All tests: format, vet, staticcheck, layers, unit and transcript tests with
# the race detector, short fuzz runs, and real clients against a real server.
#
#   ./test.sh                          everything
#   ./test.sh quick                    no fuzz runs, no real clients
#   ./test.sh format|vet|staticcheck|unit|fuzz|clients    that part alone
#
# What a machine lacks is installed when it may be (Debian, as root); else the
# part that needs it is left out, and a line says so. FUZZ_SECONDS is what all
# fuzz runs take together.
set -u
cd "$(dirname "$0")"
failed=() left_out=()
began=$SECONDS
say() { printf '\n== %s (%d s)\n' "$*" $((SECONDS - began)); }
staticcheck=honnef.co/go/tools/cmd/staticcheck@v0.8.2

format() {
  local bad
  bad=$(git ls-files -z '*.go' 2>/dev/null | xargs -0r gofmt -l) # a folder without git has none
  [ -n "$bad" ] || [ -e .git ] || bad=$(gofmt -l .)
  [ -z "$bad" ] || { echo "gofmt would change:"; echo "$bad"; return 1; }
}

vet() { go vet ./...; }

static() {
  go run $staticcheck -version || { left_out+=("staticcheck (it cannot be fetched)"); return 0; }
  go run $staticcheck ./...
}

unit() {
  local race=-race
  # the race detector needs cgo
  if [ "$(go env CGO_ENABLED)" != 1 ] || ! command -v "$(go env CC)" >/dev/null; then
    race=; left_out+=("race detector (no C compiler)")
  fi
  go test $race -timeout 15m ./...
}

# fuzz runs every target; what is left of the time is shared by the targets that are left.
fuzz() {
  local dir pkg f bin out secs left bad=0 end=$((SECONDS + ${FUZZ_SECONDS:-90}))
  dir=$(mktemp -d) || return 1
  grep -r --include='*_test.go' -o '^func Fuzz[A-Za-z0-9_]*' . | sed 's|/[^/]*:func | |' | sort -u >"$dir/targets"
  left=$(wc -l <"$dir/targets")
  for pkg in $(cut -d' ' -f1 "$dir/targets" | uniq); do
    bin=$dir/test
    go test -c -fuzz . -o "$bin" "$pkg" || { bad=1; continue; }
    for f in $(sed -n "s|^$pkg ||p" "$dir/targets"); do
      secs=$(((end - SECONDS) / left)) left=$((left - 1))
      secs=$((secs < 1 ? 1 : secs > 20 ? 20 : secs))
      if out=$(cd "$pkg" && "$bin" -test.run '^$' -test.fuzz "^$f\$" -test.fuzztime ${secs}s -test.fuzzcachedir "$dir/cache" -test.timeout 5m 2>&1) ||
        # a fuzzer that ends exactly at its deadline is no failure
        { grep -q 'context deadline exceeded' <<<"$out" && ! grep -q 'Failing input' <<<"$out"; }; then
        printf 'ok  \t%s %s\t%s\n' "$pkg" "$f" "$(grep -o 'execs: [0-9]*' <<<"$out" | tail -1)"
      else
        bad=1
        tail -40 <<<"$out"
        printf 'FAIL\t%s %s\n' "$pkg" "$f"
      fi
    done
  done
  rm -rf "$dir"
  return $bad
}

clients() {
  [ -x ../shared/clients/run.sh ] || left_out+=("the further client scripts (there is no ../shared/clients)")
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || left_out+=("installing clients (no Debian, or not root): those that are missing were skipped")
  ./internal/clients/run.sh
}

case ${1:-all} in
all) parts="format vet static unit fuzz clients" ;;
quick) parts="format vet static unit"; left_out+=("fuzz runs and real clients (quick)") ;;
staticcheck) parts=static ;;
format | vet | unit | fuzz | clients) parts=$1 ;;
*) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"; exit 2 ;;
esac

go version || { echo "Go is missing: install it from https://go.dev"; exit 1; }
for p in $parts; do
  say "$p"
  "$p" || { failed+=("$p"); echo "FAILED: $p"; }
done

say done
for l in "${left_out[@]:-}"; do [ -n "$l" ] && echo "left out: $l"; done
if [ ${#failed[@]} -gt 0 ]; then
  printf 'FAILED: %s\n' "${failed[@]}"
  exit 1
fi
echo "all passed in $((SECONDS - began)) s"
