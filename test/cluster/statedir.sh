#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# statedir.sh - the folder where rank 0 keeps its data.
. "$(dirname "$0")/../lib/rig.sh"

state=$TEMP/state
launch() { xylem-launch -n 1 --statedir "$state" "$@"; }
mkdir "$state"

# ---- data stays ----
start_cluster 3 --statedir "$state"
echo kept >"$TEMP/blob"
ref=$(on_rank 2 xylem content store <"$TEMP/blob")
check 'a key is put' on_rank 1 xylem kvs put a.b=1
root=$(xylem kvs getroot -b)
check_fails 'a second instance on the same folder is refused' 'in use|lock|another' launch true
check_output 'which does not disturb the first' 1 xylem kvs get a.b
stop_cluster
check_output 'blobs are there at the next start' kept launch xylem content load "$ref"
check_output 'keys too' 1 launch xylem kvs get a.b
check_output 'and the root' "$root" launch xylem kvs getroot -b

# ---- what is refused leaves every byte as it is ----
fingerprint() { (cd "$state" && find . -type f -name 'content.sqlite*' -size +0 | sort | xargs sha256sum); }
before=$(fingerprint)
check_fails 'another hash algorithm is refused' 'blake2b|sha256|hash' launch -o hash=sha256 true
check_output 'without touching the data' "$before" fingerprint
check_output 'the right one is still welcome' 1 launch xylem kvs get a.b

damaged() # OFFSET COUNT: bytes overwritten
{
    rm -rf "$TEMP/damaged"
    cp -r "$state" "$TEMP/damaged"
    head -c "$2" /dev/urandom |
        dd of="$TEMP/damaged/content.sqlite" bs=1 seek="$1" conv=notrunc status=none
}
launch_damaged() { xylem-launch -n 1 --statedir "$TEMP/damaged" true; }
damaged 0 100
check_fails 'a file with another header is refused' 'content.sqlite' launch_damaged
check_output 'and left alone' "$(cd "$TEMP/damaged" && sha256sum content.sqlite)" \
    sh -c "cd '$TEMP/damaged' && sha256sum content.sqlite"
echo 'this is my diary' >"$TEMP/damaged/content.sqlite"
check_fails 'a file that is no database is refused' 'content.sqlite' launch_damaged
check_output 'and left alone' 'this is my diary' cat "$TEMP/damaged/content.sqlite"
check_fails 'a folder that does not exist is refused or made' 'No such file|Permission|directory' \
    xylem-launch -n 1 --statedir /proc/nowhere true

# ---- a broker that is refused leaves the living one's files alone ----
broker() { timeout 20 xylem-brokerd --rundir "$TEMP/live" "$@"; }
mkdir "$TEMP/live"
xylem-brokerd --rundir "$TEMP/live" 2>"$TEMP/live.log" &
living=$!
wait_until '[ -S "$TEMP/live/local-0" ]'
check_fails 'a second broker in the same run directory is refused' 'another broker' broker
check_fails 'a third one too' 'another broker' broker --statedir "$TEMP/other"
check_output 'the first one still serves' "$living" \
    xylem -u "local://$TEMP/live/local-0" getattr broker.pid
check 'and keeps its data' xylem -u "local://$TEMP/live/local-0" kvs put a=1
kill "$living"
wait "$living"
check 'it ends in order' [ $? = 0 ]
check 'and leaves nothing' [ -z "$(ls -A "$TEMP/live")" ]

# ---- without a state folder nothing stays ----
volatile() { xylem-launch -n 1 --rundir "$TEMP/run" -- xylem kvs put a=1; }
check 'an instance without one works' volatile
check 'and leaves no data' [ -z "$(ls -A "$TEMP/run")" ]
