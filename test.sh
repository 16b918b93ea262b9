#!/usr/bin/env bash
# All tests: format, vet, staticcheck, layers, unit and transcript tests with
# the race detector, short fuzz runs, and real clients against a real server.
#
#   ./test.sh              everything
#   ./test.sh quick        no fuzz runs, no real clients
#
# What a machine lacks is installed when it may be (Debian, as root); else the
# part that needs it is left out, and a line says so.
set -u
cd "$(dirname "$0")"
mode=${1:-all}
failed=() left_out=()
began=$SECONDS
say() { printf '\n== %s (%d s)\n' "$*" $((SECONDS - began)); }
part() { # name command...
  say "$1"; shift
  "$@" || { failed+=("$*"); echo "FAILED: $*"; }
}

go version || { echo "Go is missing: install it from https://go.dev"; exit 1; }
# cgo is what the race detector needs
race=-race
if ! command -v gcc >/dev/null; then race=; left_out+=("race detector (no C compiler)"); fi

part format sh -c 'bad=$(gofmt -l $(git ls-files "*.go" 2>/dev/null || find . -name "*.go")); [ -z "$bad" ] || { echo "$bad"; exit 1; }'
part vet go vet ./...
part staticcheck go run honnef.co/go/tools/cmd/staticcheck@v0.8.2 ./...
part "unit and transcript tests" go test $race -timeout 15m ./...

if [ "$mode" != quick ]; then
  say "fuzz, some seconds a target"
  for pkg in $(grep -rl --include=*_test.go '^func Fuzz' . | xargs -r -n1 dirname | sort -u); do
    for f in $(grep -ho '^func Fuzz[A-Za-z0-9_]*' "$pkg"/*_test.go | sed 's/func //' | sort -u); do
      out=$(go test -run '^$' -fuzz "^$f\$" -fuzztime "${FUZZTIME:-3s}" "$pkg" 2>&1) || {
        # a fuzzer that ends exactly at its deadline is no failure
        if ! grep -q 'context deadline exceeded' <<<"$out" || grep -q 'Failing input' <<<"$out"; then
          echo "$out" | tail -40; failed+=("fuzz $pkg $f")
        fi
      }
      echo "$pkg $f: $(grep -o 'execs: [0-9]*' <<<"$out" | tail -1)"
    done
  done
  say "real clients"
  ./internal/clients/run.sh || failed+=("real clients")
fi

say done
for l in "${left_out[@]:-}"; do [ -n "$l" ] && echo "left out: $l"; done
if [ ${#failed[@]} -gt 0 ]; then
  printf 'FAILED: %s\n' "${failed[@]}"
  exit 1
fi
echo "all passed in $((SECONDS - began)) s"
