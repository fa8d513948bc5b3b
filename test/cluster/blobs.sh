#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# blobs.sh - large and odd blobs, many at once, and who asks whom for them how often.
. "$(dirname "$0")/../lib/rig.sh"
export PYTHONPATH=$ROOT/test/lib

blobs() { python3 "$ROOT/test/lib/blobs.py" "$1" "$RUNDIR/local-$2" "${@:3}"; } # COMMAND RANK ...
wire() { python3 "$ROOT/test/lib/client.py" -x "$RUNDIR/local-$1" "${@:2}"; }
errnum() { wire "$@" | cut -d ' ' -f 1; }
stat() { python3 "$ROOT/test/lib/ranks.py" "$RUNDIR" "$1" "$2"; } # RANK FIGURE
address() { b2sum -l 256 "$1" | cut -d ' ' -f 1; }
same_at() { on_rank "$1" xylem content load "$3" | cmp - "$2"; } # RANK FILE REF
play() { python3 - "$RUNDIR" "$@"; } # a Python program on standard input

# ---- around the limit ----
limit=1000
start_cluster 3 1 -o blob-size-limit=$limit
for size in 0 1 255 256 $((limit - 1)) $limit; do
    head -c $size /dev/urandom >"$TEMP/blob"
    for rank in 0 2; do
        check_output "a blob of $size bytes is stored at rank $rank" "0 $(address "$TEMP/blob")" \
            wire $rank content.store "@$TEMP/blob"
    done
    check 'caches are dropped' on_rank 0 xylem content dropcache
    check 'and it is read from the disk' same_at 0 "$TEMP/blob" "blake2b-$(address "$TEMP/blob")"
done
for size in $((limit + 1)) 70000000; do
    head -c $size /dev/zero >"$TEMP/blob"
    for rank in 0 2; do
        check_output "RFC10-30 $size bytes are more than the limit of $limit: errno 27, rank $rank" 27 \
            errnum $rank content.store "@$TEMP/blob"
    done
done
check_output 'which was noticed at the leaf' 0 stat 1 cache.dirty-entries
check_output 'the rank is there afterwards' $limit on_rank 2 xylem getattr content.blob-size-limit

# ---- 100000 tiny ones ----
count=100000
rows=$(stat 0 store.rows)
check "$count blobs of some bytes are stored at a leaf" blobs store 2 tiny $count
check_output 'each is a row' $count expr "$(stat 0 store.rows)" - "$rows"
check 'and are loaded there' blobs load 2 tiny $count
for rank in 0 1 2; do
    on_rank $rank xylem content dropcache
done
loads=$(stat 0 store.loads)
check 'also with empty caches' blobs load 2 tiny $count
check_output 'from the disk' $count expr "$(stat 0 store.loads)" - "$loads"
check_output 'nothing is left pending' 0 stat 2 router.pending
stop_cluster

# ---- a limit of 1 GiB ----
# In a file of their own: what the kernel keeps of them is not counted by anybody.
start_cluster 2 1 -o blob-size-limit=1G -o timeout=60s
check_output 'RFC10-24 the limit can be 1 GiB' 1073741824 on_rank 1 xylem getattr content.blob-size-limit
big() # RANK SIZE: a blob that does not compress is stored, and loaded at both ranks from the disk
{
    play "$@" <<'PY'
import hashlib, os, sys
from client import Client, digest
rank, size = map(int, sys.argv[2:])
block = os.urandom(1 << 20)
blob = bytearray()
while len(blob) < size:
    blob += len(blob).to_bytes(8, "big") + block
del blob[size:]
errnum, address = Client(f"{sys.argv[1]}/local-{rank}", 120).store(blob)
assert errnum == 0, f"store: errnum {errnum}"
assert address == digest(blob)
for at in 0, 1:
    Client(f"{sys.argv[1]}/local-{at}").rpc("content.dropcache")
for at in 1, 0:
    errnum, loaded = Client(f"{sys.argv[1]}/local-{at}", 120).load(address)
    assert errnum == 0, f"load at rank {at}: errnum {errnum}"
    assert loaded == blob
    del loaded
PY
}
check 'RFC10-24 a blob of 200 MB is stored at a leaf and loaded' big 1 200000000
# Beyond 16 MiB a blob is in pieces.  The client has 3 GiB, the ranks one each and another on the way;
# the log and the file have it too.
has_room() # GIB-OF-MEMORY GIB-OF-DISK; says what is missing
{
    local memory disk

    memory=$(awk '$1 == "MemAvailable:" {print int($2 / 1048576)}' /proc/meminfo)
    disk=$(df --output=avail -k "$TEMP" | awk 'NR == 2 {print int($1 / 1048576)}')
    [ "$memory" -ge "$1" ] || { echo "$1 GiB of memory"; return 1; }
    [ "$disk" -ge "$2" ] || { echo "$2 GiB in $TEMP"; return 1; }
}
if grep -q __asan_init "$BUILD/brokerd/xylem-brokerd"; then
    check 'RFC10-24 skipped: 1 GiB takes too long with the address sanitizer' true
elif missing=$(has_room 10 4); then
    check 'RFC10-24 one of exactly 1 GiB at rank 0' big 0 1073741824
    peak=$(awk '$1 == "VmHWM:" {print int($2 / 1024)}' "/proc/$(cat "$RUNDIR/rank-0.pid")/status")
    echo "# peak of rank 0: $peak MiB"
    check 'rank 0 had it in its memory once, and a little' [ "$peak" -lt 1300 ]
else
    check "RFC10-24 skipped: $missing are needed for a blob of 1 GiB" true
fi
# 1 GiB and a byte as a file with a hole: the client sends it, the rank skips it.
truncate -s 1073741825 "$TEMP/over"
check_fails 'RFC10-24 one byte more is refused' 'too large' xylem content store <"$TEMP/over"
rm "$TEMP/over"
check_output 'and the rank is there afterwards' 0 xylem getattr rank
stop_cluster

# ---- many at once (DESIGN I6): 32 clients' requests at each of 4 leaves, rank 0 is held ----
start_cluster 7 2 -o timeout=60s
check 'RFC10-08 RFC10-12 the same blob stored 32 times at each leaf: one put of each rank, one row' play <<'PY'
import sys
from client import digest
from ranks import Ranks, until
ranks, leaves, times = Ranks(sys.argv[1], 7), (3, 4, 5, 6), 32
blob = b"the same " * 1000
puts, rows = ranks.figures("cache.puts"), ranks.figure(0, "store.rows")
clients = [ranks.client(leaf) for leaf in leaves for _ in range(times)]
with ranks.held(0):
    for client in clients:
        client.send("content.store", blob)
    until(lambda: ranks.figures("cache.stores", leaves) == [times] * 4)
    until(lambda: ranks.figures("cache.stores", (1, 2)) == [2, 2])
    assert ranks.figures("cache.storing", range(1, 7)) == [1] * 6
for client in clients:
    assert client.receive()[1::2] == (0, digest(blob))
puts = [after - before for before, after in zip(puts, ranks.figures("cache.puts"))]
assert puts == [1] * 7, f"puts of the ranks: {puts}"
assert ranks.figure(0, "cache.stores") == 2, "rank 0 got it from both children"
assert ranks.figure(0, "store.rows") - rows == 1, "and stored it once"
PY
check 'RFC10-12 the same blob loaded 32 times at each leaf: one fetch of each rank, one read' play <<'PY'
import sys
from client import digest
from ranks import Ranks, until
ranks, leaves, times = Ranks(sys.argv[1], 7), (3, 4, 5, 6), 32
blob = b"loaded " * 1000
assert ranks.client(0).store(blob)[0] == 0
ranks.client(0).rpc("content.dropcache")
fetches, reads = ranks.figures("cache.fetches"), ranks.figure(0, "store.loads")
expected = [count + more for count, more in
            zip(ranks.figures("cache.coalesced"), [0, 1, 1] + [times - 1] * 4)]
clients = [ranks.client(leaf) for leaf in leaves for _ in range(times)]
with ranks.held(0):
    for client in clients:
        client.send("content.load", digest(blob))
    until(lambda: ranks.figures("cache.coalesced", range(1, 7)) == expected[1:])
    assert ranks.figures("cache.loading", range(1, 7)) == [1] * 6
for client in clients:
    assert client.receive()[1::2] == (0, blob)
fetches = [after - before for before, after in zip(fetches, ranks.figures("cache.fetches"))]
assert fetches == [1] * 7, f"fetches of the ranks: {fetches}"
assert ranks.figure(0, "store.loads") - reads == 1
PY
check 'a load that meets a store of the blob on its way gets the bytes' play <<'PY'
import sys
from client import digest
from ranks import Ranks, until
ranks = Ranks(sys.argv[1], 7)
# The load is first; the store comes to the same rank, to the sibling, to the parent.
for store_at, load_at in (3, 3), (4, 3), (2, 6):
    blob = f"raced {store_at} {load_at}".encode()
    loader, storer = ranks.client(load_at), ranks.client(store_at)
    with ranks.held(0):
        loader.send("content.load", digest(blob))
        parent = 2 if load_at == 6 else 1
        until(lambda: ranks.figure(parent, "cache.loading") == 1)
        stores = ranks.figure(parent, "cache.stores")
        storer.send("content.store", blob)
        until(lambda: ranks.figure(parent, "cache.stores") > stores)
        if load_at == store_at:
            assert loader.receive()[1::2] == (0, blob), "it need not wait for rank 0"
    assert storer.receive()[1::2] == (0, digest(blob))
    if load_at != store_at:
        assert loader.receive()[1::2] == (0, blob)
    assert ranks.client(load_at).load(digest(blob)) == (0, blob)
PY
missing=$(printf 'a%.0s' {1..64})
loads=$(stat 0 cache.loads)
for time in 1 2 3; do
    check_output 'what is not there is asked for' 2 errnum 6 content.load "hex:$missing"
done
check_output 'RFC10-34 each time at rank 0: ENOENT is not remembered' 3 expr "$(stat 0 cache.loads)" - "$loads"
check_output 'nor is there an entry for it' 0 stat 6 cache.loading
for rank in 0 1 2 3 4 5 6; do
    pending=$(stat $rank router.pending)
    dirty=$(stat $rank cache.dirty-entries)
    check "nothing is left pending at rank $rank" [ "$pending$dirty" = 00 ]
done
