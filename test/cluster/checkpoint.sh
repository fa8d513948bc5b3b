#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# checkpoint.sh - checkpoints recorded and listed, and what content-backing.* serves.
. "$(dirname "$0")/../lib/rig.sh"
export PYTHONPATH=$ROOT/test/lib

state=$TEMP/state
mkdir "$state"
wire() { python3 "$ROOT/test/lib/client.py" -x "$RUNDIR/local-$1" "${@:2}"; }
errnum() { wire "$@" | cut -d ' ' -f 1; }
list() { on_rank "$1" xylem content checkpoint list "${@:2}"; }
update() { on_rank "$1" xylem content checkpoint update "${@:2}"; }
newest() { list 0 -n | awk 'NR == 1 {print $2, $4}'; } # sequence and root
put() # VERSION ROOTREF SEQUENCE TIMESTAMP: the payload of a checkpoint-put
{
    echo "{\"value\":{\"version\":$1,\"rootref\":\"$2\",\"sequence\":$3,\"timestamp\":$4}}"
}
nothing=blake2b-$(printf '0%.0s' {1..64})

start_cluster 4 2 --statedir "$state"

# ---- recorded by the command ----
check_fails 'at the beginning there is none' 'No such file' list 3
check 'a key is put' on_rank 3 xylem kvs put a=1
first=$(xylem kvs getroot -b)
check 'the current root is recorded' update 3
check_output 'with its sequence' "$(xylem kvs version) $first" newest
check 'the list has a line of titles' grep -qE '^Index +Sequence +Time +Rootref$' <(list 3)
check_output 'or not' 1 grep -c . <(list 3 --no-header)
check_output 'as JSON it has four members' 'rootref sequence timestamp version' \
    python3 -c 'import json, sys; print(*sorted(json.loads(sys.stdin.readline())))' \
    < <(list 0 --json)
check_output 'the time is now' True python3 -c 'import json, sys, time
print(abs(json.loads(sys.stdin.readline())["timestamp"] - time.time()) < 60)' < <(list 0 -j)
check 'another key is put' xylem kvs put b.c=2
second=$(xylem kvs getroot -b)
check 'a root is recorded by its blobref' update 0 "$second"
check_output 'without a sequence' "0 $second" newest
check 'a former root too' update 3 "$first"
check_output 'it is the newest now' "0 $first" newest
check_output 'the KVS does not go back to it' 2 xylem kvs get b.c
directory=$(xylem kvs get -t b | python3 -c 'import json, sys; print(json.load(sys.stdin)["data"][0])')
check 'any stored directory can be recorded' update 3 "$directory"

# ---- refused by the command ----
value=$(echo 'just a value' | on_rank 3 xylem content store)
valref=$(echo -n '{"ver":1,"type":"valref","data":["'"$value"'"]}' | xylem content store)
before=$(list 0)
for rank in 0 3; do
    check_fails "a value is no stored directory, rank $rank" "$value: not a stored directory" \
        update $rank "$value"
    check_fails "nor is another tree object, rank $rank" "$valref: not a stored directory" \
        update $rank "$valref"
    check_fails "an unknown blob is refused, rank $rank" "$nothing: not in the backing store" \
        update $rank "$nothing"
    for bad in nonsense blake2b- "${nothing}0" "${nothing:0:70}" ''; do
        check_usage "\"${bad:0:20}\" is no blobref, rank $rank" 'not a blobref' update $rank "$bad"
    done
    check_usage "one of another algorithm is refused, rank $rank" 'whose hash is blake2b' \
        update $rank "sha1-${nothing:8:40}"
done
directory=$(echo -n '{"ver":1,"type":"dir","data":{}} ' | xylem content store)
check 'a directory is damaged on the disk' python3 - "$state/content.sqlite" "$directory" <<'PY'
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], timeout=20)
with db:
    done = db.execute("UPDATE blob SET data = zeroblob(length(data)) WHERE digest = ?",
                      (bytes.fromhex(sys.argv[2].split("-")[1]),))
assert done.rowcount == 1
PY
check 'rank 0 has it in its cache' on_rank 0 xylem content load "$directory"
check_fails 'it is refused all the same' "$directory: damaged in the backing store" \
    update 3 "$directory"
check_output 'the list is as it was' "$before" list 0

# ---- on the wire ----
for rank in 0 3; do
    for service in content content-backing; do
        put=$service.checkpoint-put
        check_output "$put is answered by nothing, rank $rank" '0 ' \
            wire $rank $put "$(put 1 "$first" 7 1795244624.25)"
        check_output "$put takes version 0 without a sequence, rank $rank" '0 ' \
            wire $rank $put "{\"value\":{\"version\":0,\"rootref\":\"$second\",\"timestamp\":1.5}}"
        check_output "$put of an unknown root: errno 2, rank $rank" 2 \
            errnum $rank $put "$(put 1 "$nothing" 7 1.5)"
        check_output "$put of a value: errno 71, rank $rank" 71 \
            errnum $rank $put "$(put 1 "$value" 7 1.5)"
        for bad in '' '{}' '{"value":7}' '{"value":{}}' 'nonsense' "$(put 2 "$first" 7 1.5)" \
            "$(put 1 nonsense 7 1.5)" "$(put 1 "sha1-${nothing:8:40}" 7 1.5)" \
            "$(put 1 "$first" '"7"' 1.5)" "$(put 1 "$first" -1 1.5)" "$(put 1 "$first" 7 '"now"')"; do
            check_output "$put of ${bad:0:40}: errno 71, rank $rank" 71 errnum $rank $put "$bad"
        done
        check_output "$service.checkpoint-get has the newest first, rank $rank" True python3 -c '
import json, sys
value = json.loads(bytes.fromhex(sys.argv[1].split()[1]).rstrip(b"\0"))["value"]
newest, other = value[0], value[1]
print(newest["version"] == 1 and newest["rootref"] == sys.argv[3] and newest["timestamp"] == 1.5 and
      other == {"version": 1, "rootref": sys.argv[2], "sequence": 7, "timestamp": 1795244624.25})' \
            "$(wire $rank $service.checkpoint-get)" "$first" "$second"
    done
done
check_output 'five are kept' 5 grep -c . <(list 3 -n)

blob=$(echo 'for the backing store' | xylem content store)
raw=hex:${blob#*-}
for topic in load store validate; do
    check_output "content-backing.$topic is not served at a leaf: errno 38" 38 \
        errnum 3 content-backing.$topic "$raw"
    check_output "but at rank 0 for a client of the leaf" 0 errnum 3 content-backing.$topic "$raw" 0
done
for topic in load validate; do
    check_output "content-backing.$topic of an unknown blob: errno 2" 2 \
        errnum 3 content-backing.$topic "hex:${nothing#*-}" 0
    check_output "content-backing.$topic of half a digest: errno 71" 71 \
        errnum 3 content-backing.$topic "${raw:0:36}" 0
done
check_output 'a load brings the bytes' "0 $(echo 'for the backing store' | od -An -v -tx1 | tr -d ' \n')" \
    wire 3 content-backing.load "$raw" 0

# ---- kept ----
before=$(list 0)
stop_cluster
start_cluster 2 2 --statedir "$state" -o max-checkpoints=2
check_output 'they are there after a restart, which has recorded one more' \
    "$(echo "$before" | awk 'NR > 1 {print $4}' | head -n 4)" \
    sh -c 'xylem content checkpoint list -n | awk "NR > 1 {print \$4}"'
check 'one more is recorded' update 1
check_output 'now two are kept' 2 grep -c . <(list 1 -n)
check_output 'the KVS began where it ended, not at a checkpoint' 2 xylem kvs get b.c
stop_cluster

# ---- memory: a checkpoint never names what is not on the disk ----
mkdir "$TEMP/memory"
start_cluster 2 2 --statedir "$TEMP/memory" -o durability=memory
directory=$(echo -n '{"ver":1,"type":"dir","data":{}}' | on_rank 1 xylem content store)
check 'memory: a directory that may be on its way is recorded' update 1 "$directory"
check_output 'memory: and is on the disk then' 1 python3 -c 'import sqlite3, sys
print(sqlite3.connect(sys.argv[1]).execute("SELECT count(*) FROM blob WHERE digest = ?",
    (bytes.fromhex(sys.argv[2].split("-")[1]),)).fetchone()[0])' \
    "$TEMP/memory/content.sqlite" "$directory"
stop_cluster

# ---- without a KVS ----
mkdir "$TEMP/plain"
start_cluster 2 2 --statedir "$TEMP/plain" -o no-kvs
directory=$(echo -n '{"ver":1,"type":"dir","data":{"k":{"ver":1,"type":"val","data":"eA=="}}}' |
    on_rank 1 xylem content store)
check_fails 'no KVS: there is no current root' 'current root|No service' update 1
check 'no KVS: a directory is recorded' update 1 "$directory"
stop_cluster
start_cluster 2 2 --statedir "$TEMP/plain"
check_output 'the next KVS begins there' x on_rank 1 xylem kvs get k
stop_cluster

# ---- now and then ----
mkdir "$TEMP/often"
start_cluster 2 2 --statedir "$TEMP/often" -o checkpoint-period=100ms
is_newest() { [ "$(newest 2>/dev/null)" = "$(xylem kvs version) $(xylem kvs getroot -b)" ]; }
check 'period: a key is put' on_rank 1 xylem kvs put a=1
check 'period: its root is recorded by itself' wait_until is_newest
check 'period: another one' on_rank 1 xylem kvs put a=2
check 'period: is recorded too' wait_until is_newest
check 'period: another namespace is made' xylem kvs namespace create other
check 'period: time goes by without a change' xylem ping -c 4 -i 200ms
repeated() { list 0 -n | awk '{print $2}' | sort | uniq -d; }
check_output 'period: no root is recorded again' '' repeated
check 'period: a rank 0 that is killed' kill_rank 0 KILL
check 'period: comes back' respawn 0
check 'period: with its checkpoints' is_newest
