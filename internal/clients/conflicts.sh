#!/bin/bash
# vdirsyncer: both sides changed (the one wins, the other wins, neither), both sides deleted, one changed what the
# other deleted, a name and a colour that travel, a run that is cut off.
set -eu
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT
fail() { echo "vdirsyncer: $*"; exit 1; }
card() { # uid name
  printf 'BEGIN:VCARD\r\nVERSION:3.0\r\nUID:%s\r\nFN:%s\r\nN:%s;;;;\r\nEND:VCARD\r\n' "$1" "$2" "$2"
}
for who in one two; do # two computers of one user, by the bare host
  for policy in "a wins" "b wins" none; do
    file=$dir/$who-${policy%% *}
    cat >"$file" <<EOF
[general]
status_path = "$dir/$who.status/"
[pair card]
a = "here"
b = "there"
collections = ["contacts"]
metadata = ["displayname"]
conflict_resolution = "$policy"
[pair cal]
a = "days_here"
b = "days_there"
collections = ["calendar"]
metadata = ["displayname", "color"]
[storage days_here]
type = "filesystem"
path = "$dir/$who/"
fileext = ".ics"
[storage days_there]
type = "caldav"
url = "$DAV_URL"
username = "user16"
password = "$PASS"
[storage here]
type = "filesystem"
path = "$dir/$who/"
fileext = ".vcf"
[storage there]
type = "carddav"
url = "$DAV_URL"
username = "user16"
password = "$PASS"
EOF
    [ "$policy" != none ] || sed -i 's/"none"/null/' "$file" # neither
  done
done
v() { local who=$1; shift; vdirsyncer -v ERROR -c "$dir/$who" "$@"; }
has() { grep -q "$2" "$dir/$1"/contacts/*.vcf 2>/dev/null; }
for who in one two; do yes | v $who-b discover >/dev/null 2>&1 || fail "$who finds nothing"; done
for n in 1 2 3 4 5; do card c$n "First $n" >"$dir/one/contacts/c$n.vcf"; done
v one-b sync && v two-b sync
[ "$(ls "$dir/two/contacts" | grep -c vcf)" = 5 ] || fail "five cards did not travel"

change() { sed -i "s/First $2/$3/g" "$dir/$1/contacts/$(cd "$dir/$1/contacts" && grep -l "UID:c$2" *.vcf)"; }
change one 1 Mine && change two 1 Theirs && v one-b sync
v two-none sync >/dev/null 2>&1 && fail "a conflict went by unseen"
has two Theirs || fail "an unsettled conflict lost what was here"
v two-b sync && has two Mine || fail "b wins, but did not"
change one 2 Mine2 && change two 2 Theirs2 && v one-b sync && v two-a sync && v one-b sync
has one Theirs2 || fail "a wins, but did not"

name() { (cd "$dir/$1/contacts" && grep -l "UID:c$2" *.vcf); }
rm "$dir/one/contacts/$(name one 3)" "$dir/two/contacts/$(name two 3)" # both deleted it
v one-b sync && v two-b sync || fail "deleted on both sides"
rm "$dir/one/contacts/$(name one 4)" && v one-b sync                   # deleted there, changed here
change two 4 Kept && v two-b sync && v one-b sync
has one Kept || fail "a change was lost to a deletion"

v one-b metasync && v two-b metasync || fail "names and colours"
printf 'People' >"$dir/one/contacts/displayname"
printf 'Days' >"$dir/one/calendar/displayname" && printf '#ff0000' >"$dir/one/calendar/color"
v one-b metasync && v two-b metasync || fail "a new name and colour"
[ "$(cat "$dir/two/contacts/displayname" "$dir/two/calendar/displayname" "$dir/two/calendar/color")" = 'PeopleDays#ff0000' ] || fail "name and colour did not travel"

for n in $(seq 40); do card d$n "Late $n" >"$dir/one/contacts/d$n.vcf"; done
vdirsyncer -c "$dir/one-b" sync >/dev/null 2>&1 & # cut off while it uploads
pid=$!
for _ in $(seq 200); do
  [ "$(curl -s -u "user16:$PASS" -X PROPFIND -H 'Depth: 1' "${DAV_URL}addressbooks/user16@localhost/contacts/" | grep -o 'd[0-9]*.vcf' | wc -l)" -gt 3 ] && break
  sleep 0.02
done
kill -KILL $pid 2>/dev/null || true
wait $pid 2>/dev/null || true
v one-b sync || v one-b sync || fail "after it was cut off"
v two-b sync
[ "$(cat "$dir"/two/contacts/*.vcf | grep -c 'FN:Late')" = 40 ] || fail "after it was cut off there are $(cat "$dir"/two/contacts/*.vcf | grep -c 'FN:Late') of 40"
echo "OK vdirsyncer: conflicts settled and unsettled, deletions, names, a run cut off"
