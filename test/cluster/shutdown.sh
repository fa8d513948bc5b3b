#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# shutdown.sh - xylem shutdown: the whole instance ends in order, and nothing is lost.
. "$(dirname "$0")/../lib/rig.sh"

state=$TEMP/state
mkdir "$state"
again() { xylem-launch -n 1 --statedir "$state" "$@"; }

# The launch must end by itself, with status 0, and leave nothing.
check_end()
{
    check 'the launch ends' wait_until "! is_alive $LAUNCHER" || { stop_cluster; return; }
    wait "$LAUNCHER"
    check 'with status 0' [ $? = 0 ]
    LAUNCHER=
    check_nothing_left
}
# Each rank with status 0, told to by nobody but rank 0 (xylem-launch -v says so).
ends_in_order() { [ "$(grep -c 'has ended$' "$TEMP/.launch")" = "$1" ]; }
is_gone() { [ ! -e "$RUNDIR/rank-$1.pid" ]; }

# ---- leaves first: what is dirty comes up ----
# Rank 1 does not get on for a while, so that ranks 3 and 4 hold what they are given.
start_cluster 7 2 -v --statedir "$state" -o timeout=1m
check 'a key is put' on_rank 5 xylem kvs put before=1
kill -s STOP "$(rank_pid 1)"
storers=
for i in $(seq 10); do
    for rank in 3 4; do
        echo "blob $i of $rank" | on_rank $rank xylem content store >"$TEMP/ref-$rank-$i" &
        storers+=" $!"
    done
done
dirty() { on_rank "$1" xylem stats --json | python3 -c \
    'import json, sys; print(json.load(sys.stdin)["cache"]["dirty-entries"])'; }
check 'blobs are dirty at two leaves' wait_until '[ "$(dirty 3)/$(dirty 4)" = 10/10 ]'
on_rank 6 xylem shutdown 2>"$TEMP/stopper" &
stopper=$!
check 'the other branch has left' wait_until 'is_gone 5 && is_gone 6 && is_gone 2'
check 'rank 0 waits for the rest' eval '! is_gone 0'
check 'whoever asked waits too' is_alive $stopper
check 'asking once more is fine' xylem shutdown --background
check_fails 'nothing can be put any more' 'shutting down' xylem kvs put late=1
check 'the rank still says how it is' xylem overlay status -t 1s
kill -s CONT "$(cat "$RUNDIR/rank-1.pid")"
wait $stopper
check 'the command succeeds' [ $? = 0 ]
check_output 'and says nothing' '' cat "$TEMP/stopper"
check 'rank 0 is gone when it returns' is_gone 0
check_end
check 'each rank has ended with status 0' ends_in_order 7
failed=0
for pid in $storers; do wait "$pid" || failed=$((failed + 1)); done
check 'the blobs were stored' [ $failed = 0 ]
expected() { for i in $(seq 10); do echo "blob $i of 3"; echo "blob $i of 4"; done | sort; }
found() { again -- xylem content load $(cat "$TEMP"/ref-*) | sort; }
check_output 'they are there afterwards' "$(expected)" found
check_output 'and the key' 1 again xylem kvs get before

# ---- while others write ----
start_cluster 7 2 -v --statedir "$state" -o durability=memory
writer()
{
    local i=0

    while on_rank "$1" xylem kvs put "load.w$1.k$i=$i" 2>"$TEMP/writer-$1"; do
        echo "load.w$1.k$i=$i" >>"$TEMP/acked"
        i=$((i + 1))
    done
}
writers=
for rank in 0 1 4 5 6; do
    writer $rank &
    writers+=" $!"
done
wait_until '[ "$(cat "$TEMP/acked" 2>/dev/null | wc -l)" -gt 100 ]'
check 'the instance stops under load' timeout 20 xylem shutdown
check_end
check 'in order' ends_in_order 7
wait $writers
for rank in 0 1 4 5 6; do
    check "the writer at rank $rank got one line of error" \
        [ "$(grep -c '^xylem: kvs put: ' "$TEMP/writer-$rank")/$(wc -l <"$TEMP/writer-$rank")" = 1/1 ]
done
lost() { again xylem kvs dir -R load | sed 's/ = /=/' | sort >"$TEMP/kept"
    sort "$TEMP/acked" | comm -23 - "$TEMP/kept"; }
check_output 'no acknowledged key is lost' '' lost

# ---- the archive ----
start_cluster 3 2 --statedir "$state"
check_fails 'without an archive nothing is stopped' 'nothing is stopped' \
    xylem shutdown --dump "$TEMP/no/such/folder.tar"
check_output 'the instance goes on' 1 on_rank 2 xylem kvs get before
xylem kvs dir -R >"$TEMP/keys"
check_output 'an archive is made first, quietly' '' \
    on_rank 2 sh -c "xylem shutdown -q --dump '$TEMP/archive.tar' 2>&1"
check_end
restored() { xylem-launch -n 1 -- sh -c \
    "xylem restore -q --key=. '$TEMP/archive.tar' && xylem kvs dir -R"; }
check 'the archive is a whole one' [ "$(wc -l <"$TEMP/keys")" -gt 100 ]
check_output 'with every key' "$(cat "$TEMP/keys")" restored

# ---- garbage ----
start_cluster 3 2 --statedir "$state"
check 'a new key, so that there is a new root' on_rank 1 xylem kvs put after=1
root=$(xylem kvs getroot -b)
orphan=$(echo orphan | on_rank 2 xylem content store)
check 'the instance stops, and garbage is collected' on_rank 2 xylem shutdown --gc
check_end
check_fails 'a blob that nothing refers to is gone' 'No such|not found' again xylem content load "$orphan"
kept() { again sh -c 'xylem kvs unlink after && xylem kvs dir -R'; }
check_output 'the last checkpoint is the last root' 1 \
    again sh -c "xylem content checkpoint list -n | head -n 1 | grep -c '$root'"
check_output 'all keys are there' "$(cat "$TEMP/keys")" kept

# ---- what cannot be ----
start_cluster 3 2 -o backing=none -o heartbeat=200ms -o timeout=2s
check_fails 'no garbage is collected without a backing store' 'no backing store' \
    on_rank 2 xylem shutdown --gc
check_usage 'operands are wrong' 'argument' xylem shutdown now
kill_rank 0 KILL
check_fails 'without rank 0 there is no shutdown' 'rank 0 cannot be reached' \
    on_rank 2 xylem shutdown
check_fails 'nor a way to ask it' 'no rank listens' xylem shutdown
check 'the others stay' on_rank 2 xylem getattr rank
stop_cluster

# ---- a rank that hangs is not waited for for ever ----
start_cluster 7 2 -v -o heartbeat=200ms -o timeout=1s
frozen=$(rank_pid 6)
kill -s STOP "$frozen"
check 'the instance stops without a frozen leaf' on_rank 3 timeout 30 xylem shutdown
check 'rank 0 is gone' is_gone 0
kill -s CONT "$frozen"
check_end
check 'the leaf has ended too' eval "! is_alive $frozen"

# ---- SIGTERM is for one rank only ----
start_cluster 2
kill_rank 0 TERM
check 'the launch goes on without rank 0' is_alive $LAUNCHER
check 'which can be started again' respawn 0
check 'the tree is full again' xylem overlay status --wait full -t 20s
check 'and be stopped, from a remote client' xylem -u "ipc://$RUNDIR/tree-1" shutdown
check_end

# ---- with a COMMAND ----
with_command() { xylem-launch -n 3 --rundir "$TEMP/run" -- sh -c "$1"; echo $?; }
check_output 'COMMAND outlives the ranks, and the status is its own' "gone
7" with_command 'xylem shutdown && ! [ -e $XYLEM_RUNDIR/rank-0.pid ] && echo gone; exit 7'
check 'nothing is left behind' eval '[ -z "$(ls -A "$TEMP/run")" ] && [ -z "$(list_processes)" ]'

# ---- without a launcher ----
xylem-brokerd --rundir "$TEMP/run/alone" --statedir "$state" 2>"$TEMP/alone.log" &
alone=$!
wait_until '[ -S "$TEMP/run/alone/local-0" ]'
check 'a rank of its own stops' xylem -u "local://$TEMP/run/alone/local-0" shutdown
wait $alone
check 'with status 0' [ $? = 0 ]
check 'and leaves no file' [ -z "$(ls -A "$TEMP/run/alone")" ]
