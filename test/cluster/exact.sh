#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# exact.sh - an archive that tells all: empty directories, values that were appended to, odd links.  A
# restore anywhere gives the root that was archived.
. "$(dirname "$0")/../lib/rig.sh"

export SOURCE_DATE_EPOCH=1700000000
json_is() { python3 -c 'import json, sys
got = json.loads(sys.argv[1]); assert eval("(" + sys.argv[2] + ")", {"o": got}), got' "$@"; }
dump() { on_rank 1 xylem-dump "$@"; }
restore() { on_rank 1 xylem-restore "$@"; }

# ---- everything that keys and values do not tell ----
fill()
{
    local i json

    xylem kvs mkdir empty a.b.empty &&
        xylem kvs put a.b.c=1 small=x "log=line 0;" && seq 1 400000 | xylem kvs put large=- &&
        xylem kvs put wide.{1..1500}=v || return
    for i in {1..20}; do
        xylem kvs put -A "log=line $i;" || return
    done
    xylem kvs put -A small=y && xylem kvs put -A "large=$(seq 1 10)" || return
    json='{"data":{"x":{"data":"Nw==","type":"val","ver":1}},"type":"dir","ver":1}'
    xylem kvs put -t "inline=$json" &&
        xylem kvs put -t "link={\"data\":{\"target\":\"x::y\"},\"type\":\"symlink\",\"ver\":1}" &&
        xylem kvs put -t "long={\"data\":\"$(head -c 300 /dev/zero | base64 -w0)\",\"type\":\"val\",\"ver\":1}"
}
start_cluster 2
check 'keys are put' fill
root=$(xylem kvs getroot -b)
check 'rank 1 has seen them' on_rank 1 xylem kvs wait "$(xylem kvs version)"

check 'they are dumped' dump -q "$TEMP/plain.tar"
check 'so they are with --exact' dump -q --exact "$TEMP/exact.tar"
check 'the header says so' eval 'head -c 2048 "$TEMP/exact.tar" | grep -aq "\"exact\":true"'
check 'the end says that it is' eval 'tail -c 2048 "$TEMP/exact.tar" | grep -aq "\"exact\":true"'
check 'without the option it says that it is not' \
    eval 'tail -c 2048 "$TEMP/plain.tar" | grep -aq "\"exact\":false"'
for maxreqs in 1 3 64 1000; do
    check "the same bytes with --maxreqs=$maxreqs" \
        eval 'dump -q --exact --maxreqs=$maxreqs - | cmp - "$TEMP/exact.tar"'
done
check 'it is verified without a rank' eval \
    'json_is "$(env -u XYLEM_URI xylem-dump --verify "$TEMP/exact.tar" --json)" \
        "(o[\"verified\"], o[\"root\"]) == (True, \"$root\")"'
check 'a listing has the empty directory' \
    eval 'xylem-dump --list "$TEMP/exact.tar" | grep -qx "a.b.empty	directory"'
check 'a compressed one is as good' dump -q --exact "$TEMP/exact.tar.zst"
check_fails 'other formats have no room for it' 'exact.zip: only tar archives can be exact' \
    dump --exact "$TEMP/exact.zip"
check 'and no file is left' [ ! -e "$TEMP/exact.zip" ]

unpacks_in_silence()
{
    rm -rf "$TEMP/out"
    mkdir "$TEMP/out"
    "$@" -C "$TEMP/out" >"$TEMP/said" 2>&1 && [ ! -s "$TEMP/said" ] && [ -d "$TEMP/out/a/b/empty" ] &&
        [ "$(cat "$TEMP/out/small")" = xy ] && [ "$(cat "$TEMP/out/inline/x")" = 7 ]
}
check 'tar unpacks it without a word' unpacks_in_silence tar -xf "$TEMP/exact.tar"
if command -v bsdtar >/dev/null; then
    check 'so does bsdtar' unpacks_in_silence bsdtar --no-same-permissions -xf "$TEMP/exact.tar"
else
    echo '# skipped: bsdtar is not installed'
fi

# ---- what was changed is noticed ----
change()
{
    python3 -c 'import sys
data = open(sys.argv[1], "rb").read()
old, new = sys.argv[3].encode(), sys.argv[4].encode()
assert len(old) == len(new) and old in data, old
open(sys.argv[2], "wb").write(data.replace(old, new, 1))' "$TEMP/exact.tar" "$TEMP/changed.tar" "$@"
}
change 'xylem.blobs=1*2' 'xylem.blobs=0,2'
check_fails 'other blobs are another root' 'changed.tar.*were changed: their root is blake2b' \
    xylem-dump -q --verify "$TEMP/changed.tar"
change '{"target":"x::y"}' '{"target":"x::z"}'
check_fails 'another link, too' 'changed.tar.*were changed: their root is blake2b' \
    xylem-dump -q --verify "$TEMP/changed.tar"
check_fails 'and it is not restored' 'changed after it was written' \
    restore --key=. "$TEMP/changed.tar"
check_output 'nothing has happened' "$root" xylem kvs getroot -b

# ---- there and back ----
check 'the plain one is restored below a key' restore -q --key=plain "$TEMP/plain.tar"
check_fails 'which has no empty directories' 'plain.empty' xylem kvs ls plain.empty
check 'the exact one is restored below a key' restore -q --key=exact "$TEMP/exact.tar"
check 'that is a reference to the root that was archived' \
    eval 'xylem kvs get -t exact | grep -q "$root"'
check 'and its directories are empty' [ -z "$(xylem kvs ls exact.a.b.empty)" ]
check 'the whole root is restored' restore --key=. "$TEMP/exact.tar"
check_output 'it is the one that was archived' "$root" xylem kvs getroot -b
stop_cluster

start_cluster 1
check 'it is restored in another instance' eval \
    'xylem-restore --key=. "$TEMP/exact.tar.zst" 2>&1 | grep -q "^xylem-restore: verified"'
check_output 'the root is the same' "$root" xylem kvs getroot -b
check 'a dump of it has the same bytes' eval \
    'xylem-dump -q --exact - | tail -c +2049 | head -c -2048 >"$TEMP/b"
     tail -c +2049 "$TEMP/exact.tar" | head -c -2048 | cmp - "$TEMP/b"'
check 'appending goes on where it was' eval \
    'xylem kvs put -A "log=more" && [ "$(xylem kvs get log | tail -c 5)" = more ]'
stop_cluster
