#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# damage.sh - no load returns bytes that do not match (DESIGN I3): rows of content.sqlite are damaged,
# live and while nobody looks, and peers answer with wrong bytes.
. "$(dirname "$0")/../lib/rig.sh"
export PYTHONPATH=$ROOT/test/lib

state=$TEMP/state
mkdir "$state"
wire() { python3 "$ROOT/test/lib/client.py" -x "$RUNDIR/local-$1" "${@:2}"; }
errnum() { wire "$@" | cut -d ' ' -f 1; }
stat() { python3 "$ROOT/test/lib/ranks.py" "$RUNDIR" "$1" "$2"; } # RANK FIGURE
blobref() { echo "blake2b-$(b2sum -l 256 "$1" | cut -d ' ' -f 1)"; }
same_at() { on_rank "$1" xylem content load "$3" | cmp - "$2"; } # RANK FILE REF
store() { on_rank "$1" xylem content store <"$2"; }
play() { python3 - "$RUNDIR" "$@"; } # a Python program on standard input
dropcaches()
{
    local rank

    for rank in 0 1 2 3; do
        on_rank $rank xylem content dropcache || return 1
    done
}
row() # REF SQL: an UPDATE of the blob's row, where flip(data, n) has byte n changed
{
    python3 - "$state/content.sqlite" "$@" <<'PY'
import sqlite3, sys
path, ref, assignment = sys.argv[1:]
def flip(data, at):
    data = bytearray(data)
    data[at] ^= 0x10
    return bytes(data)
db = sqlite3.connect(path, timeout=20)
db.create_function("flip", 2, flip)
with db:
    done = db.execute(f"UPDATE blob SET {assignment} WHERE digest = ?",
                      (bytes.fromhex(ref.split("-")[1]),))
sys.exit(done.rowcount != 1)
PY
}
in_log() { grep -F -- "$1" "$RUNDIR/rank-0.log" | grep -q ' err '; }
others_are_fine()
{
    local rank

    for rank in 0 3; do
        same_at $rank "$TEMP/good" "$good" || return 1
    done
    xylem content validate "$good"
}
check_damaged() # WHAT REF FILE: nobody gets it, everybody is told, the others are there
{
    check "$1: caches are dropped" dropcaches
    check_output "RFC10-09 $1: errno 5 at rank 0" '5 ' wire 0 content.load "hex:${2#*-}"
    check_output "$1: and at a leaf" '5 ' wire 3 content.load "hex:${2#*-}"
    check_output "$1: and without caches" '5 ' wire 0 content-backing.load "hex:${2#*-}"
    check "$1: the blobref is in the log" in_log "$2"
    check_fails "$1: validate finds it" "${2:0:40}.*input/output error" \
        on_rank 3 xylem content validate "$good" "$2"
    check "$1: other blobs are fine" others_are_fine
    check_output "$1: no entry is left of it" 0 stat 3 cache.loading
}

start_cluster 4 2 --statedir "$state"
echo 'a good one' >"$TEMP/good"
echo 'a small one' >"$TEMP/small"
yes 'packed well' | head -c 100000 >"$TEMP/packed"
head -c 300000 /dev/urandom >"$TEMP/large"
for name in good small packed large; do
    check "a blob is stored: $name" store 3 "$TEMP/$name"
    declare "$name=$(blobref "$TEMP/$name")"
done

# ---- rows are changed while rank 0 runs ----
check 'a byte of a small blob is flipped' row "$small" 'data = flip(data, 3)'
check_damaged 'a flipped byte' "$small"
check 'the byte is flipped back' row "$small" 'data = flip(data, 3)'
check 'which is not remembered' same_at 3 "$TEMP/small" "$small"
check 'a byte of a compressed blob is flipped' row "$packed" 'data = flip(data, 20)'
check_damaged 'a flipped byte of LZ4' "$packed"
check 'it is flipped back' row "$packed" 'data = flip(data, 20)'
for change in "size = size + 1" "size = size - 1" "size = -1" "size = 1 << 40" \
    "size = 2147483647" "data = x''" "data = substr(data, 1, length(data) - 1)" \
    "data = CAST(data AS BLOB) || x'00'"; do
    for ref in $small $packed; do
        good_row=$(python3 -c 'import sqlite3, sys
print(*sqlite3.connect(sys.argv[1]).execute("SELECT size, hex(data) FROM blob WHERE digest = ?",
    (bytes.fromhex(sys.argv[2]),)).fetchone())' "$state/content.sqlite" "${ref#*-}")
        check "a row is changed: $change" row "$ref" "$change"
        check 'caches are dropped' dropcaches
        check_output "$change: errno 5 at a leaf" '5 ' wire 3 content.load "hex:${ref#*-}"
        check_output "$change: and by validate" '5 ' wire 0 content-backing.validate "hex:${ref#*-}"
        check 'it is put right' row "$ref" "size = ${good_row% *}, data = x'${good_row#* }'"
        check 'and loaded' on_rank 3 xylem content load "$ref"
    done
done
check 'the rows of two blobs are exchanged' python3 - "$state/content.sqlite" "$small" "$packed" <<'PY'
import sqlite3, sys
path, *refs = sys.argv[1:]
a, b = (bytes.fromhex(ref.split("-")[1]) for ref in refs)
db = sqlite3.connect(path, timeout=20)
rows = [db.execute("SELECT size, data FROM blob WHERE digest = ?", (d,)).fetchone() for d in (a, b)]
with db:
    for d, row in (a, rows[1]), (b, rows[0]):
        db.execute("UPDATE blob SET size = ?, data = ? WHERE digest = ?", (*row, d))
PY
check_damaged "another's bytes" "$small"

# ---- what is damaged can be stored again ----
check 'the damaged blob is stored again at a leaf' store 3 "$TEMP/small"
check 'it can be loaded' same_at 2 "$TEMP/small" "$small"
check 'caches are dropped' dropcaches
check 'it can be loaded from the disk' same_at 2 "$TEMP/small" "$small"
check 'and is valid' xylem content validate "$small"

# ---- the file is changed while nobody runs ----
check 'keys are put' on_rank 3 xylem kvs put a=1
root=$(xylem kvs getroot -b)
echo 'an old one' >"$TEMP/old"
check 'a blob is stored that nobody will ask for' store 3 "$TEMP/old"
old=$(blobref "$TEMP/old")
head -c 200000 /dev/urandom >"$TEMP/chain"
check 'and a large one' store 3 "$TEMP/chain"
chain=$(blobref "$TEMP/chain")
stop_cluster
scratch() # FILE: some bytes in its middle, wherever they are in the database
{
    python3 - "$state/content.sqlite" "$1" <<'PY'
import sys
path, blob = sys.argv[1:]
part = open(blob, "rb").read()[200000:200064]
data = bytearray(open(path, "rb").read())
assert data.count(part) == 1
at = data.index(part)
data[at:at + len(part)] = bytes(len(part))
open(path, "wb").write(data)
PY
}
check 'the file is scratched where a large blob is' scratch "$TEMP/large"
check 'and the row of the root is damaged' row "$root" 'data = flip(data, 2)'
check 'and that of the old one' row "$old" 'data = flip(data, 2)'
break_chain() # FILE: the page in its middle does not lead to the next one
{
    python3 - "$state/content.sqlite" "$1" <<'PY'
import sys
path, blob = sys.argv[1:]
part = open(blob, "rb").read()[100000:100064]
data = bytearray(open(path, "rb").read())
assert data.count(part) == 1
at = data.index(part) // 16384 * 16384
data[at:at + 4] = b"\x7f\xff\xff\xff"
open(path, "wb").write(data)
PY
}
check 'the pages of another large blob lead nowhere' break_chain "$TEMP/chain"
start_cluster 4 2 --statedir "$state"
# ---- what is acknowledged is there, also where a row was before ----
for name in old chain; do
    [ $name = old ] || check_fails 'its bytes cannot be loaded' 'input/output' \
        on_rank 3 xylem content load "$chain"
    check "what was damaged is stored again, unread before or not: $name" store 3 "$TEMP/$name"
    check 'caches are dropped' dropcaches
    check 'it can be loaded from the disk' same_at 3 "$TEMP/$name" "${!name}"
    check 'and is valid' xylem content validate "${!name}"
done
check 'other blobs can be stored' store 3 "$TEMP/good"
check_damaged 'a scratched file' "$large"
for rank in 0 3; do
    check_output "a damaged root is an error of those who read it: errno 5, rank $rank" 5 \
        errnum $rank kvs.lookup '{"key":"a","namespace":"primary","flags":0}'
done
check 'the root is in the log' in_log "$root"
check_fails 'and found by validate' 'input/output' xylem content validate "$root"

# ---- peers that answer with wrong bytes ----
# Rank 1 is told wrong bytes for an address, as a child would, while rank 0 is held; then rank 3, its
# child, is asked for them.
check 'RFC10-03 wrong bytes that the parent has do not get through' play <<'PY'
import sys
from client import digest
from ranks import Ranks, until
ranks = Ranks(sys.argv[1], 4)
address, wrong = digest(b"right"), b"wrong"
liar, victim = ranks.client(1), ranks.client(3)
with ranks.held(0):
    before = ranks.figure(1, "cache.loads")
    liar.send(f"content.put.{address.hex()}", wrong)
    refused = liar.settle()
    victim.send("content.load", address)
    until(lambda: ranks.figure(1, "cache.loads") > before)
_, errnum, _, payload = victim.receive()
assert errnum in (2, 5) and payload != wrong, f"errnum {errnum}, {payload}"
_, errnum, _, _ = (refused or [liar.receive()])[0]
assert errnum == 5, f"errnum {errnum}"
assert [ranks.client(rank).load(address)[0] for rank in ranks.all] == [2] * 4
assert ranks.client(3).store(b"right") == (0, address)
assert ranks.client(2).load(address) == (0, b"right")
PY
check 'nor to a client of the rank that was told them' play <<'PY'
import sys
from client import digest
from ranks import Ranks
ranks = Ranks(sys.argv[1], 4)
for with_victim in True, False:
    right = b"right, victim: %d" % with_victim
    address = digest(right)
    liar, victim, honest = (ranks.client(1) for _ in range(3))
    with ranks.held(0):
        liar.send(f"content.put.{address.hex()}", b"wrong")
        liar.settle()
        if with_victim:
            victim.send("content.load", address)
            early = victim.settle()
        honest.send("content.store", right)
        assert honest.settle() == []
    if with_victim:
        _, errnum, _, payload = (early or [victim.receive()])[0]
        assert errnum in (2, 5) or (errnum, payload) == (0, right), f"{errnum}, {payload}"
    assert honest.receive()[1::2] == (0, address), "an honest store fails because of a wrong one"
    assert ranks.client(2).load(address) == (0, right)
PY

# ---- bytes that change on their way ----
# What rank 0 sends to rank 1 is tampered with, once.  Rank 1 only passes it on, to rank 3.
yes pristine | head -c 20000 >"$TEMP/pristine"
check 'a blob is stored at rank 0' store 0 "$TEMP/pristine"
pristine=$(blobref "$TEMP/pristine")
kill_rank 3 KILL # so that it greets once: until it is let in it would be taken for a client
kill_rank 1 KILL
python3 "$ROOT/test/lib/tamper.py" "$RUNDIR/tree-0" pristine tampered &
tamper=$!
wait_until "[ -S '$RUNDIR/tree-0.real' ] && [ -S '$RUNDIR/tree-0' ]"
respawn 1 & # which is not done before rank 3 is there
respawned=$!
is_up() { on_rank 1 timeout 1 xylem getattr rank 2>/dev/null; }
check 'rank 1 is started again' wait_until is_up
check 'and rank 3 after it' respawn 3
check 'they join through somebody who tampers' wait $respawned
all_are_there() { xylem overlay status -w full -t 30s; }
check 'all are there again' all_are_there
failures() { stat "$1" cache.verify-failures; }
before=$(failures 3)
check_output 'bytes that were changed on their way do not get through' '5 ' \
    wire 3 content.load "hex:${pristine#*-}"
check 'the rank that insists has seen it' test "$(failures 3)" -eq $((before + 1))
check 'the rank that has passed them on does not keep them' wait_until '[ "$(failures 1)" = 1 ]'
check 'they are right the next time' same_at 3 "$TEMP/pristine" "$pristine"
check 'and at the rank between' same_at 1 "$TEMP/pristine" "$pristine"
kill $tamper
wait $tamper
check 'all are there without it' all_are_there
