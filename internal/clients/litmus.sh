#!/bin/bash
# litmus: WebDAV's basic, copymove, props, http and locks on a plain collection.
set -u
url=${DAV_URL}files/$USER@localhost/
dir=$(mktemp -d); cd "$dir" || exit 1
tests=${LITMUS_TESTS:-basic copymove props http}
out=$(TESTS="$tests" litmus -k "$url" "$USER" "$PASS" 2>&1); rc=$?
echo "$out" | grep -E 'FAIL|WARNING|summary' | head -60
cd /; rm -rf "$dir"
n=$(echo "$out" | grep -c 'summary for .* 0 failed')
[ $rc -eq 0 ] && [ "$n" -eq "$(wc -w <<<"$tests")" ] && echo "OK litmus: $tests"
