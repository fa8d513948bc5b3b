#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# disk_full.sh - the disk of rank 0 is full, read-only, or not ours: clear errors, nothing acknowledged
# is lost, and service resumes by itself.  Mounts a small tmpfs, so it is for root only.
. "$(dirname "$0")/../lib/rig.sh"
export PYTHONPATH=$ROOT/test/lib

disk=$TEMP/disk
state=$disk/state
mkdir "$disk"
[ "$(id -u)" = 0 ] || skip_all 'only root can mount a disk'
mount -t tmpfs -o size=24m xylem-test "$disk" 2>/dev/null || skip_all 'no file system can be mounted here'
finish()
{
    stop_cluster
    umount "$disk"
    end_test
}
trap finish EXIT

blobs() { python3 "$ROOT/test/lib/blobs.py" "$1" "$RUNDIR/local-$2" "${@:3}"; } # COMMAND RANK ...
wire() { python3 "$ROOT/test/lib/client.py" "$RUNDIR/local-$1" "${@:2}"; }
errnum() { wire "$@" | cut -d ' ' -f 1; }
stat() { python3 "$ROOT/test/lib/ranks.py" "$RUNDIR" "$1" "$2"; } # RANK FIGURE
start() { start_cluster 3 2 --statedir "$state" -o cache-size=1M "$@"; }
play() { python3 - "$RUNDIR" "$@"; } # a Python program on standard input
fill() # until not a byte is left
{
    head -c 100M /dev/zero >>"$disk/filler" 2>/dev/null
    [ "$(df --output=avail "$disk" | tail -n 1)" -eq 0 ]
}
make_room() { rm "$disk/filler"; }
put() # KEY VALUE: the payload of a commit
{
    python3 -c 'import sys, blobs; print(blobs.commit(*sys.argv[1:]))' "$@"
}
kill_all()
{
    local pids

    pids=$(cat "$RUNDIR"/rank-*.pid)
    kill -s KILL $pids
    wait_until '[ -z "$(for pid in '"$(echo $pids)"'; do is_alive $pid && echo $pid; done)" ]'
    stop_cluster
}
# Store at rank $1 until it refuses, or $3 blobs; prints the errnum of the last.  What was
# acknowledged is in the log $2.
store_until_refused()
{
    play "$@" <<'PY'
import sys
from blobs import make
from client import Client
rundir, rank, log, *most = sys.argv[1:]
client = Client(f"{rundir}/local-{rank}")
with open(log, "a") as out:
    for number in range(1, int(most[0] if most else 200000)):
        errnum, _ = client.store(make(f"full{rank}", number))
        if errnum:
            break
        print(f"blob full{rank} {number}", file=out)
print(errnum)
PY
}
everything_is_there() { blobs check "$1" "$TEMP"/log.*; }
no_dirty_words() # nothing in the log that a full disk does not explain
{
    ! grep -E ' err ' "$RUNDIR"/rank-*.log | grep -viE 'full|no space|disk'
}

# ---- full ----
mkdir "$state"
start
check 'blobs and keys are stored while there is room' python3 - "$RUNDIR" "$TEMP/log.before" <<'PY'
import sys
from blobs import commit, make
from client import Client
client = Client(f"{sys.argv[1]}/local-2")
with open(sys.argv[2], "a") as out:
    for number in range(1, 500):
        assert client.store(make("before", number))[0] == 0
        print(f"blob before {number}", file=out)
    for number in range(1, 50):
        assert client.rpc("kvs.commit", commit(f"before.k{number}", str(number)))[0] == 0
        print(f"key before {number}", file=out)
PY
check 'the disk is filled' fill
for rank in 0 2; do
    check_output "stores at rank $rank are refused: errno 28" 28 \
        store_until_refused $rank "$TEMP/log.full$rank"
done
check_fails 'the command says why' 'No space left' on_rank 2 xylem content store <"$ROOT/LICENSE"
check_output 'commits are refused: errno 28' 28 errnum 0 kvs.commit "$(put no 1)"
check_output 'also at a leaf' 28 errnum 2 kvs.commit "$(put no 2)"
check_output 'a checkpoint too' 28 errnum 2 content.checkpoint-put \
    "{\"value\":{\"version\":1,\"rootref\":\"$(xylem kvs getroot -b)\",\"sequence\":1,\"timestamp\":1.5}}"
check_output 'a refused store leaves nothing dirty at rank 0' 0 stat 0 cache.dirty-entries
check_output 'nor at the leaf' 0 stat 2 cache.dirty-entries
check 'loads go on' everything_is_there 2
for rank in 0 1 2; do
    check "rank $rank drops its cache" on_rank $rank xylem content dropcache
done
reads=$(stat 0 store.loads)
check 'loads from the disk too' everything_is_there 2
check 'which was read' [ "$(stat 0 store.loads)" -gt "$reads" ]
check_fails 'a key whose commit was refused is not there' 'No such' on_rank 2 xylem kvs get no
check 'the log speaks of nothing else' no_dirty_words
check 'there is room again' make_room
check 'stores are served again, by the same ranks' \
    wait_until 'on_rank 2 xylem content store <"$ROOT/LICENSE" >"$TEMP/license"'
check 'and commits' on_rank 2 xylem kvs put yes=1
check_output 'the key is there' 1 on_rank 1 xylem kvs get yes
blobs write-blobs 2 after "$TEMP/log.after" & writer=$!
check 'clients write again' wait_until '[ "$(cat "$TEMP/log.after" | wc -l)" -ge 500 ]'
check 'the disk is filled under their hands' fill
check 'which ends their writing' wait $writer
kill_all
check 'after kill -9 of all there is room again' make_room
start
check 'nothing acknowledged is lost' everything_is_there 2
check_output 'the keys too' 1 xylem kvs get yes

# ---- killed and started while it is full ----
check 'the disk is filled' fill
check_output 'stores are refused' 28 store_until_refused 0 "$TEMP/log.again"
kill_all
# SQLite needs room for the index of its log.
timeout 30 xylem-launch -n 1 --statedir "$state" -- sh -c 'xylem kvs get yes' \
    >"$TEMP/out" 2>"$TEMP/err"
status=$?
check 'a start on a full disk works, or is refused in clear words' \
    sh -c "[ '$status' = 0 ] && grep -qx 1 '$TEMP/out' || grep -qiE 'content.sqlite.*(full|no space)' '$TEMP/err' || { cat '$TEMP/err'; false; }"
check 'there is room again' make_room
start
check 'and everything is there' everything_is_there 1
stop_cluster

# ---- full under durability memory ----
start -o durability=memory
check 'memory: the disk is filled' fill
store_until_refused 0 "$TEMP/log.memory" 3000 >/dev/null
check 'memory: what does not fit stays dirty' [ "$(stat 0 cache.dirty-entries)" -gt 0 ]
check_output 'memory: flush reports the error: errno 28' 28 errnum 0 content.flush
check_output 'memory: again and again' 28 errnum 0 content.flush
check_fails 'memory: the command says why' 'No space left' xylem content flush
check_output 'memory: commits are refused: errno 28' 28 errnum 2 kvs.commit "$(put no 3)"
check 'memory: loads go on' everything_is_there 2
check 'memory: there is room again' make_room
check 'memory: what was dirty is stored without being asked' \
    wait_until '[ "$(stat 0 cache.dirty-entries)" = 0 ]'
check_output 'memory: flush is answered' 0 errnum 0 content.flush
kill_all
start
check 'memory: after kill -9 everything is there' everything_is_there 2
stop_cluster

# Stores that cannot be written must not fill the memory instead (DESIGN I5).
start -o durability=memory
check 'memory: the disk is filled' fill
check 'memory: stores that cannot be written are refused in the end' play <<'PY'
import os, sys
from client import Client
client = Client(f"{sys.argv[1]}/local-0")
for number in range(64):
    errnum, _ = client.store(os.urandom(1 << 20))
    if errnum:
        break
assert errnum == 28, "64 MiB are dirty with a cache of 1 MiB and a disk that is full"
PY
make_room
wait_until '[ "$(stat 0 cache.dirty-entries)" = 0 ]' 10
stop_cluster

# ---- read-only, not ours ----
launch() { timeout 30 xylem-launch -n 1 --statedir "$state" "$@"; }
fingerprint() { (cd "$state" && find . -type f -size +0 ! -name lock | sort | xargs sha256sum); }
before=$(fingerprint)
mount -o remount,ro "$disk"
check_fails 'a read-only file system is refused' 'read-only' launch true
check_output 'and left as it is' "$before" fingerprint
mount -o remount,rw "$disk"
check_output 'writable again, it is welcome' 1 launch xylem kvs get yes

chmod 755 "$TEMP"
mkdir -m 1777 "$TEMP/theirs"
as_nobody() # a launch by another user
{
    setpriv --reuid=65534 --regid=65534 --clear-groups env TMPDIR="$TEMP/theirs" HOME=/ \
        XDG_RUNTIME_DIR= timeout 30 xylem-launch -n 1 --rundir "$TEMP/theirs/run" "$@"
}
if as_nobody true 2>/dev/null; then
    before=$(fingerprint)
    chmod 711 "$disk" "$state"
    check_fails "another user's folder is refused" 'permission denied' as_nobody --statedir "$state" true
    chmod 755 "$state"
    chmod 644 "$state/content.sqlite"
    check_fails 'also where the database can be read' 'permission denied' \
        as_nobody --statedir "$state" true
    chmod 777 "$state"
    rm -f "$state/lock"
    check_fails 'and where it cannot be written, the folder can' 'content.sqlite.*(permission|writable)' \
        as_nobody --statedir "$state" true
    mkdir -m 555 "$TEMP/theirs/locked"
    chown 65534 "$TEMP/theirs/locked"
    check_fails 'a folder without permission to write is refused' 'permission denied' \
        as_nobody --statedir "$TEMP/theirs/locked" true
    check_fails 'a folder that cannot be made too' 'permission denied|no such file' \
        as_nobody --statedir /proc/xylem true
    rm -f "$state/lock"
    check_output 'and no byte has changed' "$before" fingerprint
    check_output 'its owner is welcome' 1 launch xylem kvs get yes
else
    check 'skipped: another user cannot run the programs from here' true
fi
