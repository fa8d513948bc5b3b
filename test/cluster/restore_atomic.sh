#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# restore_atomic.sh - a restore is there as a whole or not at all: killed, interrupted, refused, or with a rank gone.
. "$(dirname "$0")/../lib/rig.sh"

start_cluster 4 2 --statedir "$TEMP/state" -o timeout=1m
restore() { on_rank 3 xylem-restore "$@"; }
settle() { for rank in 1 2 3; do on_rank $rank xylem kvs wait "$(xylem kvs version)" || return; done; }
json_is() { python3 -c 'import json, sys
o = json.loads(sys.argv[1]); assert eval(sys.argv[2]), o' "$@"; }
# What is there is what was there: the root and its number, and no namespace more.
state() { xylem kvs getroot -b; xylem kvs version; xylem kvs namespace list | tail -n +2 | sort; }
is_as_before() { [ "$(state)" = "$before" ] || { state; return 1; }; }
nothing_is_left() { [ "$(ls "$TEMP/here")" = '' ] && ! ls "${TMPDIR:-/tmp}"/xylem-restore* /var/tmp/xylem-restore* 2>/dev/null; }

mkdir "$TEMP/here"
mkdir -p "$TEMP/tree/values" "$TEMP/tree/large"
for i in $(seq 2000); do printf '%0100d' $i >"$TEMP/tree/values/k$i"; done
for i in $(seq 10); do head -c 2000000 /dev/urandom >"$TEMP/tree/large/f$i"; done
tar -C "$TEMP" -cf "$TEMP/in.tar" tree
check 'keys are put' xylem kvs put a.b=1 tree.old=2 c=3
settle
before=$(state)

# ---- ended in the middle ----
size=$(stat -c %s "$TEMP/in.tar")
# ended SIGNAL BYTES OPTION...: after so many bytes of the archive
ended() { (cd "$TEMP/here" && on_rank 3 python3 "$ROOT/test/lib/interrupt.py" "$2" "$1" xylem-restore -q "${@:3}" "$TEMP/in.tar"); }
RANDOM=${SEED:-$RANDOM}
for target in . tree a.b.c; do
    for signal in KILL INT TERM; do
        bytes=$((RANDOM * 32768 % size + RANDOM % 32768))
        [ $bytes -lt $((size - 200000)) ] || bytes=$((size - 200000))
        ended $signal $bytes --key=$target
        status=$?
        check "--key=$target: SIG$signal after $bytes bytes ends it ($status)" [ $status -gt 128 ]
        check 'the store is as it was' is_as_before
    done
done
check 'nothing is left behind' nothing_is_left
check 'a value has not become a directory' [ "$(xylem kvs get a.b)" = 1 ]

# At the very end it is either done or not.  The signal comes when all was read.
for i in 1 2 3; do
    ended KILL $((size - 20000 * i)) --key=copy
    status=$?
    settle
    now=$(state)
    if [ "$now" = "$before" ]; then
        check "killed at the end ($status): nothing was done" is_as_before
    else
        check "killed at the end ($status): all of it was done" eval \
            'rm -rf "$TEMP/out"; mkdir "$TEMP/out"; xylem-dump -q --prefix=copy - | tar -C "$TEMP/out" -xf - &&
             diff -r "$TEMP/tree" "$TEMP/out/copy/tree"'
        xylem kvs unlink -R copy
        settle
        before=$(state)
    fi
done

# ---- refused ----
# make FILE 'PYTHON': add(name, data)
make()
{
    python3 -c 'import io, sys, tarfile
t = tarfile.open(sys.argv[1], "w")
def add(name, data, **fields):
    i = tarfile.TarInfo(name)
    i.size = len(data)
    for k, v in fields.items(): setattr(i, k, v)
    t.addfile(i, io.BytesIO(data))
exec(sys.argv[2])
t.close()' "$@"
}
make "$TEMP/clash.tar" 'add("fine", b"1"); add("v/w", b"1"); add("v/w/x", b"2")'
check_fails 'a name that is a value and a directory is refused, with both' 'v\.w.*v\.w\.x' \
    restore --key=tree "$TEMP/clash.tar"
check 'the store is as it was' is_as_before
make "$TEMP/clash.tar" 'add("v/w/x/y", b"2"); [add("f%d" % i, b"x" * 60) for i in range(5000)]; add("v/w", b"1" * 100)'
check_fails 'in the other order, far apart' 'v\.w.*v\.w\.x' restore --key=tree "$TEMP/clash.tar"
check 'the store is as it was' is_as_before
make "$TEMP/clash.tar" 'add("v/w/x", b"2"); add("v/w", b"", type=b"2", linkname="z")'
check_fails 'a link that is a directory as well' 'v\.w.*v\.w\.x' restore --key=. "$TEMP/clash.tar"
check 'the store is as it was' is_as_before
for path in /etc/x ../x a/../x; do
    make "$TEMP/out.tar" "add('fine', b'1'); add('$path', b'2')"
    check_fails "a path such as $path is refused by name" "$path" restore --key=tree "$TEMP/out.tar"
done
head -c $((size / 2)) "$TEMP/in.tar" >"$TEMP/cut.tar"
check_fails 'an archive that ends too early is refused' 'cut.tar' restore --key=. "$TEMP/cut.tar"
gzip -c "$TEMP/in.tar" | head -c -10000 >"$TEMP/cut.tar.gz"
check_fails 'a compressed one, too' 'cut.tar.gz' restore --key=. "$TEMP/cut.tar.gz"
check 'the store is as it was' is_as_before
check_fails 'a pipe whose writer fails' '' eval \
    'head -c $((size / 3)) "$TEMP/in.tar" | restore -q --key=tree -'
check 'the store is as it was' is_as_before

# ---- a rank goes away in the middle, and comes back ----
# The restore at rank 3 has to wait for the rest of the archive meanwhile.
mkfifo "$TEMP/pipe"
without_rank()
{
    local lost=$1 pid

    on_rank 3 xylem-restore -q --key=lost - <"$TEMP/pipe" 2>"$TEMP/said" &
    pid=$!
    exec 8>"$TEMP/pipe"
    head -c $((size / 2)) "$TEMP/in.tar" >&8
    kill_rank $lost KILL
    respawn $lost
    tail -c +$((size / 2 + 1)) "$TEMP/in.tar" >&8 2>/dev/null
    exec 8>&-
    wait $pid
}
whole() { rm -rf "$TEMP/out"; mkdir "$TEMP/out"; xylem-dump -q --prefix=lost - | tar -C "$TEMP/out" -xf - &&
    diff -r "$TEMP/tree" "$TEMP/out/lost/tree"; }
serves() { timeout 5 xylem kvs version >/dev/null && on_rank 3 timeout 5 xylem kvs version >/dev/null; }
trap '' PIPE
without_rank 3
check 'a restore whose own rank is killed fails' [ $? = 1 ]
check 'and says so' grep -q '^xylem-restore: ' "$TEMP/said"
check 'the store is as it was' is_as_before
for lost in 1 0; do
    without_rank $lost
    status=$?
    check "rank $lost is back" wait_until serves
    settle
    if [ $status = 0 ]; then
        check "a restore that goes on after the end of rank $lost is complete" whole
        xylem kvs unlink -R lost
        settle
        before=$(state)
    else
        check "a restore that fails with rank $lost says so ($status)" grep -q '^xylem-restore: ' "$TEMP/said"
        check 'and the store is as it was' is_as_before
    fi
done
check 'a restore is fine now' restore -q --key=tree "$TEMP/in.tar"
settle
check_output 'all of it is there' "$(cat "$TEMP/tree/values/k2000")" xylem kvs get tree.tree.values.k2000
check_fails 'and what it replaced is not' 'no such key' xylem kvs get tree.old
check 'nothing is left behind' nothing_is_left
