#!/bin/bash
# cadaver: a folder of files, properties, a lock held while a file is replaced, copy, move, deletion.
set -eu
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT
host=${DAV_URL#http://}
printf 'machine %s login user17 password %s\n' "${host%%[:/]*}" "$PASS" >"$dir/.netrc"
chmod 600 "$dir/.netrc"
seq 2000 >"$dir/numbers"
echo one >"$dir/one"
out=$(HOME=$dir timeout 60 cadaver "${DAV_URL}files/user17@localhost/" 2>&1 <<EOF
mkcol cad
cd cad
put $dir/one a.txt
propset a.txt colour red
propget a.txt colour
lock a.txt
put $dir/numbers a.txt
unlock a.txt
copy a.txt b.txt
move b.txt c.txt
get c.txt $dir/back
delete c.txt
ls
rmcol ../cad/
quit
EOF
)
fail() { echo "$out"; echo "cadaver: $*"; exit 1; }
grep -q 'failed' <<<"$out" && fail "something failed"
grep -q 'colour is: red' <<<"$out" || fail "the property is gone"
cmp -s "$dir/numbers" "$dir/back" || fail "not the octets that were sent"
grep -qE '^ +a.txt +[0-9]+' <<<"$out" || fail "the file is not listed"
grep -qE '^ +c.txt' <<<"$out" && fail "the deleted file is listed"
echo "OK cadaver: properties, lock, copy, move, deletion"
