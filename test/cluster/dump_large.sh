#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# dump_large.sh - much goes into an archive and comes back, with little memory: 1,000,000 keys, 100,000 keys in one
# directory, a value of more than 8 GiB.
#
# The value has only 600 MiB unless XYLEM_TEST_LARGE=1, for it takes a minute and a half otherwise.  It needs as much
# space in TMPDIR (/var/tmp) while it is dumped; where that is not there it is made as large as can be.
. "$(dirname "$0")/../lib/rig.sh"
export PYTHONPATH=$ROOT/test/lib
MEMORY=$((200 * 1024)) # KiB that dump and restore may have

grep -qa __asan_init "$BUILD/dump/xylem-dump" && skip_all 'memory is measured, and the sanitizers take their own'
start_cluster 2 --statedir "$TEMP/state" -o timeout=1m
restore() { on_rank 1 xylem-restore "$@"; }
settle() { on_rank 1 xylem kvs wait "$(xylem kvs version)"; }
json_is() { python3 -c 'import json, sys
o = json.loads(sys.argv[1]); assert eval(sys.argv[2]), o' "$@"; }
peak() { on_rank 1 python3 "$ROOT/test/lib/peak.py" "$@"; }
# bounded NAME: what peak has measured
bounded()
{
    check "$1: $(($(cat "$TEMP/$1") / 1024)) MiB of memory, which is not more than may be" [ "$(cat "$TEMP/$1")" -lt $MEMORY ]
}
many_files() { python3 "$ROOT/test/lib/many_files.py" "$@"; }
# took SINCE WHAT
took() { echo "# $2: $((($(date +%s%N) - $1) / 1000000)) ms"; }

# ---- many keys ----
dirs=1000
keys=$((dirs * 1000))
many_files $dirs 1000 >"$TEMP/many.tar"
began=$(date +%s%N)
check "$keys keys are restored" peak "$TEMP/restore-many" xylem-restore -q --key=. "$TEMP/many.tar"
took $began 'restore'
bounded restore-many
settle
check_output 'the last one is there' d$((dirs - 1))/k999 xylem kvs get d$((dirs - 1)).k999
root=$(xylem kvs getroot -b)
began=$(date +%s%N)
check 'they are dumped' peak "$TEMP/dump-many" xylem-dump -q --maxreqs=16 "$TEMP/out.tar"
took $began 'dump'
bounded dump-many
check_output 'all of them' $keys eval 'tar -tf "$TEMP/out.tar" | wc -l'
check_output 'each with its value' 'd0/k0 d407/k93 d999/k999 ' eval \
    'for name in d0/k0 d407/k93 d999/k999; do tar --occurrence -xOf "$TEMP/out.tar" $name && echo -n " "; done'
began=$(date +%s%N)
check 'the archive is verified' peak "$TEMP/verify-many" xylem-dump -q --verify "$TEMP/out.tar"
took $began 'verify'
bounded verify-many
rm "$TEMP/many.tar"

# ---- a wide directory ----
width=100000
many_files 1 $width >"$TEMP/wide.tar"
check "$width keys of one directory are restored" peak "$TEMP/restore-wide" \
    xylem-restore -q --key=. "$TEMP/wide.tar"
bounded restore-wide
settle
check_output 'the last one is there' d0/k$((width - 1)) xylem kvs get d0.k$((width - 1))
check 'they are dumped' peak "$TEMP/dump-wide" xylem-dump -q "$TEMP/out.tar"
bounded dump-wide
check_output 'all of them' $width eval 'tar -tf "$TEMP/out.tar" | wc -l'
check 'and restored to the same root' json_is "$(restore --json --namespace primary --key=. "$TEMP/out.tar")" \
    "o['root'] == '$(xylem kvs getroot -b)' and o['verified'] and o['keys'] == $width"
rm "$TEMP/wide.tar" "$TEMP/out.tar"

# ---- a value of more than 8 GiB ----
# It is made of references to the same blob, so that the store has it once.
blobs=600
[ "${XYLEM_TEST_LARGE:-0}" = 0 ] || blobs=8200
room=$(($(df -Pk "${TMPDIR:-/var/tmp}" | awk 'NR == 2 {print $4}') / 1024 * 9 / 10))
[ $room -gt $blobs ] || { echo "# there is room for $room MiB only"; blobs=$room; }
head -c 1048576 /dev/urandom >"$TEMP/blob"
ref=$(xylem content store <"$TEMP/blob")
put_large() { python3 -c 'import sys
from flux import Flux
ref, blobs, path = sys.argv[1], int(sys.argv[2]), sys.argv[3]
large = {"ver": 1, "type": "valref", "data": [ref] * blobs}
small = {"ver": 1, "type": "val", "data": "eA=="}
ops = [{"key": k, "flags": 0, "dirent": o} for k, o in (("a.before", small), ("a.large", large), ("b.after", small))]
Flux(path).rpc("kvs.commit", {"namespace": "primary", "flags": 0, "ops": ops}).ok()' "$ref" $blobs "$RUNDIR/local-0"; }
xylem kvs unlink -R d0
check "a value of $blobs MiB is put" put_large
settle
cat >"$TEMP/check.py" <<'END'
"""Reads an archive from stdin and passes it on to stdout: the large value is the blob again and again."""
import sys
blob, blobs = open(sys.argv[1], "rb").read(), int(sys.argv[2])
source, sizes = sys.stdin.buffer, {}
def take(n):
    data = source.read(n)
    assert len(data) == n, "the archive ends too early"
    sys.stdout.buffer.write(data)
    return data
size_of_next = None
while (block := take(512)).strip(b"\0"):
    size = int(block[124:135], 8) if size_of_next is None else size_of_next
    size_of_next = None
    name, kind = block[:100].rstrip(b"\0").decode(), chr(block[156])
    if name == "a/large" and kind == "0":
        assert size == blobs << 20, size
        for i in range(blobs):
            assert take(1 << 20) == blob, i
    else:
        data = take((size + 511) // 512 * 512)[:size]
        if kind == "x":
            records = dict(r.split(" ", 1)[1].split("=", 1) for r in data.decode().split("\n") if r)
            size_of_next = int(records["size"]) if "size" in records else None
    if kind == "0":
        sizes[name] = size
assert sizes == {"a/before": 1, "a/large": blobs << 20, "b/after": 1}, sizes
while data := source.read(1 << 20):  # what is behind the end mark
    sys.stdout.buffer.write(data)
print("fine", file=sys.stderr)
END
through()
{
    peak "$TEMP/dump-large" xylem-dump -q --maxreqs=4 - | python3 "$TEMP/check.py" "$TEMP/blob" $blobs 2>"$TEMP/looked" |
        peak "$TEMP/restore-large" xylem-restore -q --key=copy -
    [ "${PIPESTATUS[*]}" = '0 0 0' ] && [ "$(cat "$TEMP/looked")" = fine ] || { cat "$TEMP/looked"; return 1; }
}
began=$(date +%s%N)
check 'it goes through a pipe, from a dump to a restore' through
took $began 'dump and restore'
bounded dump-large
bounded restore-large
settle
check_output 'the copy is the same' "$(xylem kvs get -t a)" xylem kvs get -t copy.a
check 'nothing is left in the folder for temporary files' eval '! ls "${TMPDIR:-/var/tmp}"/xylem-* 2>/dev/null'
