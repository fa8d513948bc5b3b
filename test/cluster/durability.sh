#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# durability.sh - what an answer promises: DESIGN I1 and I2 under memory, commit and fsync, and without
# a backing store; what flush waits for in each.
. "$(dirname "$0")/../lib/rig.sh"
export PYTHONPATH=$ROOT/test/lib

blobs() { python3 "$ROOT/test/lib/blobs.py" "$1" "$RUNDIR/local-$2" "${@:3}"; } # COMMAND RANK ...
errnum() { python3 "$ROOT/test/lib/client.py" "$RUNDIR/local-$1" "${@:2}" | cut -d ' ' -f 1; }
stat() { python3 "$ROOT/test/lib/ranks.py" "$RUNDIR" "$1" "$2"; } # RANK FIGURE
play() { python3 - "$RUNDIR" "$@"; } # a Python program on standard input
start() # MODE: the folder is the mode's, the data stay
{
    mkdir -p "$TEMP/$1"
    start_cluster 7 2 --statedir "$TEMP/$1" -o durability="$1"
}
kill_all() # at once
{
    local pids

    pids=$(cat "$RUNDIR"/rank-*.pid)
    kill -s KILL $pids
    wait_until '[ -z "$(for pid in '"$(echo $pids)"'; do is_alive $pid && echo $pid; done)" ]'
    stop_cluster
}
acknowledged() { cat "$TEMP"/log."$1".* | grep -c "^$2"; } # MODE KIND
has_written() # CLIENT
{
    [ "$(grep -sc ^key "$TEMP/log.$1")" -ge 50 ]
}
write_and_kill() # MODE ROUND: clients write at three ranks, until everything is killed
{
    local writers=() rank name=$1.$2

    for rank in 0 4 6; do
        blobs write $rank $name.$rank "$TEMP/log.$name.$rank" & writers+=($!)
    done
    for rank in 0 4 6; do
        check "$1: a client writes at rank $rank" wait_until "has_written $name.$rank"
    done
    kill_all
    wait "${writers[@]}"
}

# ---- kill -9 of all processes under load ----
for mode in commit fsync; do
    for round in 1 2; do
        start $mode
        write_and_kill $mode $round
    done
    start $mode
    count="$(acknowledged $mode blob) blobs and $(acknowledged $mode key) keys"
    check "RFC10-13 RFC10-42 $mode: $count were acknowledged and are there" blobs check 0 "$TEMP"/log.$mode.*
    check "$mode: also at a leaf" blobs check 5 "$TEMP"/log.$mode.*
    stop_cluster
done

# ---- memory: what was flushed, and what was committed ----
start memory
check 'memory: clients store' blobs store 3 flushed 5000
check 'memory: and at rank 0' blobs store 0 more 5000
check_output 'memory: rank 0 flushes' 0 errnum 0 content.flush
check_output 'memory: nothing is dirty' 0 stat 0 cache.dirty-entries
write_and_kill memory 1
start memory
check 'RFC10-35 memory: after kill -9 what was flushed is there' blobs load 6 flushed 5000
check 'memory: all of it' blobs load 0 more 5000
grep -h ^key "$TEMP"/log.memory.* >"$TEMP/log.keys"
check "RFC10-42 memory: so are $(wc -l <"$TEMP/log.keys") keys whose commit was acknowledged" \
    blobs check 6 "$TEMP/log.keys"
stop_cluster

# ---- what flush waits for ----
# The database is locked by somebody else for a moment: nothing gets to the disk.
check_flush() # MODE
{
    play "$TEMP/$1/content.sqlite" "$1" <<'PY'
import sqlite3, sys
from client import digest
from ranks import Ranks
ranks, mode = Ranks(sys.argv[1], 7), sys.argv[3]
db = sqlite3.connect(sys.argv[2], isolation_level=None)
select = "SELECT count(*) FROM blob WHERE digest = ?"
for rank in 0, 1, 6:
    client, blob = ranks.client(rank), f"{mode} {rank}".encode()
    db.execute("BEGIN IMMEDIATE")
    try:
        store = client.send("content.store", blob)
        if mode == "memory":
            assert client.receive()[:2] == (store, 0), "it is in memory"
            store = None
        flush = client.send("content.flush")
        if mode == "memory" and rank > 0:
            assert client.receive()[:2] == (flush, 0), "rank 0 has it"
            flush = ranks.client(0)
            client, flush = flush, flush.send("content.flush")
        assert client.settle() == []
        assert ranks.figure(0, "cache.dirty-entries") == 1 or mode != "memory"
        assert db.execute(select, (digest(blob),)).fetchone() == (0,)
    finally:
        db.execute("ROLLBACK")
    waits = [tag for tag in (store, flush) if tag]
    answers = [client.receive()[:2] for _ in waits]
    assert sorted(answers) == [(tag, 0) for tag in waits], answers
    assert db.execute(select, (digest(blob),)).fetchone() == (1,)
    assert ranks.figures("cache.dirty-entries") == [0] * 7
PY
}
for mode in memory commit fsync; do
    start $mode
    for rank in 0 1 6; do
        check_output "$mode: rank $rank has nothing to flush" 0 errnum $rank content.flush
    done
    check "RFC10-36 RFC10-37 RFC10-38 $mode: flush waits for the disk or for rank 0" check_flush $mode
    [ $mode = fsync ] || stop_cluster
done

# ---- bytes on their way are not stored yet ----
# Rank 1 has the blob of a client, and rank 0 does not.  Rank 3 loads it from rank 1.
for order in 'store, load' 'load, store'; do
    check "a store is not acknowledged because the parent has the bytes, on their way: $order" \
        play "$order" <<'PY'
import sys
from client import digest
from ranks import Ranks, until
ranks, order = Ranks(sys.argv[1], 7), sys.argv[2].split(", ")
blob = f"nowhere but at rank 1: {order}".encode()
first, loader, second = ranks.client(1), ranks.client(3, 1), ranks.client(3)
with ranks.held(0):
    for step in order:
        if step == "store":
            first.send("content.store", blob)
            until(lambda: ranks.figure(1, "cache.storing") == 1)
        else:
            loader.send("content.load", digest(blob))
            until(lambda: ranks.figure(1, "cache.loading") == 1 or step == order[1])
    try:
        assert loader.receive()[1::2] == (0, blob)
    except TimeoutError:
        pass  # it may wait for rank 0
    store = second.send("content.store", blob)
    assert second.settle() == [], "acknowledged, and kill -9 of all ranks would lose it"
assert second.receive()[:2] == (store, 0)
PY
done
stop_cluster

# ---- memory: rank 0 forgets, the others must not rely on it ----
start memory
check 'memory: a leaf stores what rank 0 loses' play "$TEMP/memory/content.sqlite" <<'PY'
import os, signal, sqlite3, sys
from client import Client
db = sqlite3.connect(sys.argv[2], isolation_level=None)
db.execute("BEGIN IMMEDIATE")
assert Client(f"{sys.argv[1]}/local-6").store(b"lost by rank 0")[0] == 0
os.kill(int(open(f"{sys.argv[1]}/rank-0.pid").read()), signal.SIGKILL)
PY
wait_until '! is_alive $(rank_pid 0)'
check 'rank 0 is started again' respawn 0
check 'the tree gets full again' xylem overlay status --wait full -t 30s
ref=$(echo -n 'lost by rank 0' | on_rank 6 xylem content store)
check_output 'RFC10-31 stored at the leaf again, it is loaded at other ranks' 'lost by rank 0' \
    on_rank 4 xylem content load "$ref"
stop_cluster

# ---- no backing store ----
start_cluster 7 2 -o backing=none -o cache-size=1M
for number in {1..40}; do
    head -c 500000 /dev/urandom >"$TEMP/big$number"
    on_rank $((number % 7)) xylem content store <"$TEMP/big$number"
done >"$TEMP/refs"
check 'none: rank 0 holds 20 MB, twenty times its cache size' \
    [ "$(stat 0 cache.bytes)" -gt 20000000 ]
check 'none: a leaf does not' [ "$(stat 6 cache.bytes)" -le 1048576 ]
for rank in 0 1 2 3 4 5 6; do
    check "none: rank $rank drops its cache" on_rank $rank xylem content dropcache
done
joined() { on_rank "$1" xylem content load <"$TEMP/refs" | cmp - <(cat "$TEMP"/big{1..40}); }
check 'RFC10-13 RFC10-14 none: everything is loaded at rank 0' joined 0
check 'none: and at a leaf' joined 6
check_output 'RFC10-39 none: flush at rank 0: errno 38' 38 errnum 0 content.flush
check_output 'none: flush at a leaf' 0 errnum 6 content.flush
check_output 'none: flush at a rank between' 0 errnum 1 content.flush
check_fails 'none: the command says so' 'not implemented|backing' xylem content flush
check_output 'none: no checkpoints: errno 38' 38 errnum 6 content.checkpoint-get
check_fails 'none: they cannot be listed' 'no backing store' xylem content checkpoint list
check_fails 'none: nor recorded' 'no backing store|not implemented' xylem content checkpoint update
check 'none: the KVS works' on_rank 6 xylem kvs put a=1
check_output 'none: and is read elsewhere' 1 on_rank 0 xylem kvs get a
