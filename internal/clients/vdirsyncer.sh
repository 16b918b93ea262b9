#!/bin/bash
# vdirsyncer: discovery from the bare host, two-way sync of a calendar and an address book.
set -eu
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT
cat >"$dir/config" <<EOF
[general]
status_path = "$dir/status/"
[pair cal]
a = "cal_here"
b = "cal_there"
collections = ["from a", "from b"]
conflict_resolution = "b wins"
[storage cal_here]
type = "filesystem"
path = "$dir/cal/"
fileext = ".ics"
[storage cal_there]
type = "caldav"
url = "$DAV_URL"
username = "user5"
password = "$PASS"
[pair card]
a = "card_here"
b = "card_there"
collections = ["from a", "from b"]
conflict_resolution = "b wins"
[storage card_here]
type = "filesystem"
path = "$dir/card/"
fileext = ".vcf"
[storage card_there]
type = "carddav"
url = "$DAV_URL"
username = "user5"
password = "$PASS"
EOF
v() { vdirsyncer -c "$dir/config" "$@"; }
yes | v discover >/dev/null 2>&1 || { yes | v discover || true; echo "discovery failed"; exit 1; }
for c in cal/calendar cal/tasks cal/notes card/contacts; do [ -d "$dir/$c" ] || { echo "default collection $c was not found"; exit 1; }; done
printf 'BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//t//t//EN\r\nBEGIN:VEVENT\r\nUID:v1\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:20260110T090000Z\r\nDTEND:20260110T100000Z\r\nSUMMARY:One\r\nX-MINE;P="a,b":kept\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n' >"$dir/cal/calendar/v1.ics"
sed 's/v1/v2/; s/One/Two/' "$dir/cal/calendar/v1.ics" >"$dir/cal/calendar/v2.ics"
printf 'BEGIN:VCARD\r\nVERSION:3.0\r\nUID:c1\r\nFN:Zoë Ångström\r\nN:Ångström;Zoë;;;\r\nitem1.X-ABLabel:Odd\r\nEND:VCARD\r\n' >"$dir/card/contacts/c1.vcf"
v sync >/dev/null
rm -rf "$dir/cal" "$dir/card" "$dir/status"
yes | v discover >/dev/null 2>&1
v sync >/dev/null
grep -q 'X-MINE;P="a,b":kept' "$dir"/cal/calendar/*.ics && grep -q 'item1.X-ABLabel:Odd' "$dir"/card/contacts/*.vcf || { echo "not the octets that were sent"; exit 1; }
rm "$dir"/cal/calendar/v1.ics
v sync >/dev/null 2>&1 || v sync
v sync >/dev/null 2>&1 || v sync
[ "$(ls "$dir/cal/calendar")" = v2.ics ] || { ls "$dir/cal/calendar"; echo "a deleted event came back"; exit 1; }
echo "OK vdirsyncer: discovery, both ways, octets kept, deletion"
