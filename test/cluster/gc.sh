#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# gc.sh - garbage collection, offline and at work: what is reachable stays, whatever happens.
. "$(dirname "$0")/../lib/rig.sh"

state=$TEMP/state
gc() { xylem gc --statedir "$state" "$@"; }
size() { stat -c %s "$state/content.sqlite"; }
digest() { sha256sum "$state/content.sqlite"; }
# shellcheck disable=SC2120 # its arguments are options
dump() { SOURCE_DATE_EPOCH=0 xylem-dump -q "$@" - | sha256sum; }
launch() { xylem-launch -n 1 --statedir "$state" "$@"; }
field() { python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }
# One number of what `xylem gc --json ARG...` says.
figure() { local name=$1; shift; xylem gc -q --json "$@" | field "$name"; }
mkdir "$state"

# ---- garbage: values that were replaced and unlinked ----
put_files() # NAME FIRST LAST
{
    local i

    for ((i = $2; i <= $3; i++)); do
        head -c 60000 /dev/urandom >"$TEMP/value"
        xylem kvs put --raw "$1.file$i=-" <"$TEMP/value" || return 1
    done
}
start_cluster 3 --statedir "$state"
check 'values are put' put_files kept 1 20
check 'and values that will be garbage' put_files lost 1 100
check 'they are unlinked' xylem kvs unlink -R lost
check 'others are put' put_files old 1 5
check 'a checkpoint is recorded' xylem content checkpoint update
then=$(xylem kvs getroot -b)
old_value() { xylem kvs get --raw --at "$then" old.file3 | sha256sum; }
old=$(old_value)
check 'what it refers to is unlinked' xylem kvs unlink -R old
check 'the rest is small' xylem kvs put a.b=1 c.d=2 e=3
check 'also in another namespace' xylem kvs namespace create other
check 'with a value of its own' put_files kept 1 2
now=$(dump)
version=$(xylem kvs version)

# ---- while a broker runs ----
check_fails 'a broker that runs is not disturbed' 'in use by another broker' gc
check_output 'and goes on' 1 on_rank 2 xylem kvs get a.b
stop_cluster
check_output 'nothing is removed without being asked for' 0 \
    sh -c "[ $(figure removed --statedir "$state" --dry-run) -gt 0 ]; echo \$?"

# ---- dry run ----
before=$(digest)
would=$(figure removed --statedir "$state" --dry-run)
check 'a dry run finds garbage' [ "$would" -gt 100 ]
check_output 'and changes no byte' "$before" digest
check 'and leaves no file' [ -z "$(find "$state" -name 'content.sqlite-*')" ]

# ---- killed in the middle: a copy each time ----
cp -r "$state" "$TEMP/pristine"
killed=0
lost=0
for delay in 0.005 0.01 0.015 0.02 0.025 0.03 0.04 0.05 0.06 0.08; do
    rm -rf "$state"
    cp -r "$TEMP/pristine" "$state"
    { timeout -s KILL $delay xylem-gc -q --statedir "$state"; } 2>/dev/null
    [ $? = 137 ] && killed=$((killed + 1))
    gc --dry-run >"$TEMP/after" 2>&1 && ! grep -q missing "$TEMP/after" || lost=$((lost + 1))
done
check 'it was killed at work' [ $killed -gt 0 ]
check_output 'and nothing reachable is lost' 0 echo $lost
check_output 'the keys are those of before' "$now" launch bash -c "$(declare -f dump); dump"

# ---- for real ----
rm -rf "$state"
mv "$TEMP/pristine" "$state"
check_output 'it removes what the dry run said' "$would" figure removed --statedir "$state"
check 'the file shrinks' [ "$(size)" -lt 3000000 ]
check_output 'a second run finds nothing' 0 figure removed --statedir "$state"
summary='^xylem-gc: removed 0 blobs, 0 bytes; kept [0-9]+ blobs; file [0-9]+ -> [0-9]+ bytes$'
gc 2>"$TEMP/summary"
check 'the last line says so' grep -qE "$summary" "$TEMP/summary"
start_cluster 3 --statedir "$state"
check_output 'all keys are there' "$now" dump
check_output 'and the version' "$version" xylem kvs version
check_output 'and what the checkpoint refers to' "$old" old_value
check_output 'and the other namespace' other \
    sh -c "xylem kvs namespace list | grep -o other"

# ---- at work: a writer that goes on while garbage is collected again and again ----
write_on() # RANK: until told to stop; what is acknowledged is written down
{
    local i=0

    while [ ! -e "$TEMP/stop" ]; do
        i=$((i + 1))
        head -c 20000 /dev/urandom >"$TEMP/value$1"
        on_rank "$1" xylem kvs put --raw "writer$1.k$((i % 40))=-" <"$TEMP/value$1" || return 1
        echo "$((i % 40)) $(sha256sum <"$TEMP/value$1")" >>"$TEMP/written$1"
    done
}
write_on 1 &
writer1=$!
write_on 2 &
writer2=$!
removed=0
for round in 1 2 3 4 5 6; do
    wait_until "[ \$(cat '$TEMP'/written[12] 2>/dev/null | wc -l) -ge $((round * 40)) ]"
    xylem gc -q --json --online --grace 0 >"$TEMP/round" || report 1 "round $round succeeds"
    removed=$((removed + $(field removed <"$TEMP/round")))
done
touch "$TEMP/stop"
wait $writer1
status1=$?
wait $writer2
check 'the writers were not disturbed' [ $status1 = 0 -a $? = 0 ]
for rank in 0 1 2; do
    on_rank $rank xylem content dropcache
done
check_written() # RANK: the last value of each key
{
    local key sum rest

    while read -r key sum rest; do
        [ "$(xylem kvs get --raw "writer$1.k$key" | sha256sum)" = "$sum  $rest" ] || {
            echo "writer$1.k$key is lost"
            return 1
        }
    done < <(tac "$TEMP/written$1" | sort -s -u -k 1,1n)
}
check 'nothing acknowledged is lost' check_written 1
check 'by neither of them' check_written 2
check 'garbage was removed meanwhile' [ $removed -gt 0 ]
check_output 'the checkpoint is still whole' "$old" old_value

# ---- the same is stored again ----
echo 'the same again and again' >"$TEMP/same"
store_same() { on_rank 2 xylem content store <"$TEMP/same"; }
ref=$(store_same)
check 'a blob nobody refers to is removed at work' \
    wait_until "put_files filler 1 1 && figure removed --online --grace 0 >/dev/null &&
                ! xylem content validate $ref 2>/dev/null"
check_output 'it is stored again though caches know it' "$ref" store_same
check 'really' xylem content validate "$ref"

# ---- grace ----
check 'more garbage' put_files young 1 3
check 'is unlinked' xylem kvs unlink -R young
check_output 'the default grace period spares what is young' 0 figure removed --online
check 'a dry run at work removes nothing' figure removed --online --dry-run --grace 0
check 'and says what it would' [ "$(figure removed --online --dry-run --grace 0)" -gt 0 ]
check_output 'through any rank' True sh -c "
    [ \$(XYLEM_URI=local://$RUNDIR/local-2 xylem gc -q --json --online --grace 0 |
         python3 -c 'import json, sys; print(json.load(sys.stdin)[\"removed\"])') -gt 0 ] && echo True"
echo 'stored again a moment ago' >"$TEMP/same"
again=$(store_same)
stored=$(date +%s)
check 'a blob gets older than a short grace period' wait_until "[ \$((\$(date +%s) - stored)) -ge 5 ]"
check 'all ranks forget that it is stored' figure removed --online --dry-run
check_output 'it is stored again' "$again" store_same
check 'garbage is collected' xylem gc -q --online --grace 4s
check 'and it is there, young as its row was' xylem content validate "$again"
ask() { python3 "$ROOT/test/lib/client.py" "$RUNDIR/local-$1" content-backing.gc "$2" "${@:3}"; }
check 'without streaming there is one answer' \
    sh -c "python3 '$ROOT/test/lib/client.py' '$RUNDIR/local-1' content-backing.gc \
           '{\"grace\":0}' 0 | grep -q '\"done\":true'"
check_output 'a malformed request is refused' '71 gc: malformed request' ask 0 '{"grace":"now"}'
check_output 'a negative time too' '71 gc: malformed request' ask 0 '{"grace":-1}'
twice() # one connection, two requests; then one that leaves without waiting
{
    PYTHONPATH=$ROOT/test/lib python3 - "$RUNDIR/local-0" <<'END'
import sys
from client import Client, STREAMING

both = Client(sys.argv[1])
with both.at_once():
    both.send("content-backing.gc", '{"dry_run":true}')
    both.send("content-backing.gc", '{"dry_run":true}')
print(*sorted(both.receive()[1] for _ in range(2)))
Client(sys.argv[1]).send("content-backing.gc", '{"grace":0}', flags=STREAMING)
END
}
check_output 'only one at a time' '0 16' twice
check 'one whose client has left ends' wait_until 'xylem gc -q --online'
stop_cluster

# ---- a damaged directory hides what it reaches ----
launch xylem kvs get --treeobj kept >"$TEMP/dirref"
broken=$(grep -o 'blake2b-[0-9a-f]*' "$TEMP/dirref")
python3 - "$state/content.sqlite" "${broken#*-}" <<'END'
import sqlite3
import sys

db = sqlite3.connect(sys.argv[1])
db.execute("UPDATE blob SET data = zeroblob(size) WHERE digest = ?", [bytes.fromhex(sys.argv[2])])
db.commit()
END
before=$(digest)
check_fails 'a damaged directory refuses' "$broken is damaged and hides.*run xylem fsck" gc
check_output 'and nothing is changed' "$before" digest
check 'unless forced' gc --force

# ---- what is not there ----
check_fails 'a folder without data is refused' 'content.sqlite: .*No such file' \
    xylem gc --statedir "$TEMP"
check_fails 'so is an instance without a backing store' 'no backing store' \
    xylem-launch -n 1 -o backing=none -- xylem gc --online
check_usage 'one way is needed' 'either --statedir or --online' xylem gc
check_usage 'and one only' 'either --statedir or --online' gc --online
check_usage 'grace belongs to one of them' 'only' gc --grace 1s
