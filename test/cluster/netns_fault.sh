#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# netns_fault.sh - eight hosts under load while cables are pulled, the network falls apart, or only one
# direction is dead: clients of ranks that others can reach see nothing but a delay, what was acknowledged
# is there, and in the end the tree is full again.
#
#        0            rank R is on host R + 1
#      1   2
#     3 4 5 6
#     7
. "$(dirname "$0")/../lib/rig.sh"
. "$(dirname "$0")/../lib/net.sh"

HEARTBEAT=200ms
LOST=1s
STEPS=10 # turns each client must get done after a fault

# ---- load ----

LOADS=() # ranks with a client
PIDS=()

turns() { cat "$TEMP/log-$1" 2>/dev/null | wc -l; }

start_load()
{
    local rank

    LOADS=("$@")
    PIDS=()
    for rank in "$@"; do
        python3 "$ROOT/test/lib/load.py" "$RUNDIR/local-$rank" "rank$rank-$SECONDS" \
            "$TEMP/log-$rank" >"$TEMP/load-$rank" 2>&1 &
        PIDS+=($!)
    done
    check "clients of ranks $* work" goes_on
}

have_moved()
{
    local i

    for i in "${!LOADS[@]}"; do
        is_alive "${PIDS[i]}" || return 0 # with an error: stop_load tells
        [ "$(turns "${LOADS[i]}")" -ge $((BEFORE[i] + STEPS)) ] || return 1
    done
}

# Each client gets on from where it is now.
goes_on()
{
    local i

    BEFORE=()
    for i in "${!LOADS[@]}"; do
        BEFORE[i]=$(turns "${LOADS[i]}")
    done
    wait_until have_moved 60 || { wc -l "$TEMP"/log-*; return 1; }
}

stop_load()
{
    local i failed=0

    kill "${PIDS[@]}" 2>/dev/null
    for i in "${!PIDS[@]}"; do
        wait "${PIDS[i]}" || failed=1
    done
    cat $(printf "$TEMP/load-%s " "${LOADS[@]}") >"$TEMP/loads"
    report $failed "clients of ranks ${LOADS[*]} saw no error" "$TEMP/loads"
    sed 's/^/# /' "$TEMP/loads"
}

# ---- the tree ----

# overview FIELD: "rank value" of every rank that is in the tree.
overview()
{
    xylem overlay status --json | python3 -c '
import json, sys
def walk(rank):
    print(rank["rank"], rank[sys.argv[1]])
    for child in rank["children"]:
        walk(child)
walk(json.load(sys.stdin))' "$1"
}

is_below() { overview parent | grep -qx "$1 $2"; }
is_lost() { overview status | grep -qx "$1 lost"; }
becomes_lost() { wait_until "is_lost $1"; }
comes_below() { wait_until "is_below $1 $2" || { xylem overlay status; false; }; }
is_as_built() { [ "$(overview parent | sort | xargs)" = '0 None 1 0 2 0 3 1 4 1 5 2 6 2 7 3' ]; }
comes_full()
{
    xylem overlay status --wait full -t 60s &&
        { wait_until is_as_built 60 || { xylem overlay status; false; }; }
}

net_up 8
start_cluster 8 2 --hosts "$NET_HOSTS" --rsh 'ip netns exec' --statedir "$TEMP/state" \
    -o heartbeat=$HEARTBEAT -o timeout=$LOST
check 'the tree is complete' comes_full
check 'a log' xylem kvs put log=

# ---- a host is unplugged ----
start_load 0 3 4 6 7
net_unplug 2
check 'a host with a subtree is unplugged: rank 1 is lost' becomes_lost 1
check 'rank 3 is below an ancestor' comes_below 3 0
check 'rank 4 too' comes_below 4 0
check 'all clients go on' goes_on
check_output 'what cannot be reached says so' 1 sh -c \
    'xylem ping -r 1 -c 1 2>"$1" >/dev/null; s=$?; grep -q "rank 1" "$1" && echo $s' - "$TEMP/ping"
net_plug 2
check 'it is plugged again, and all are as they were' comes_full
check 'clients go on' goes_on
stop_load

# ---- a host with two ranks in a row, one of them under load ----
start_load 0 4 5 6
net_unplug 4
check 'an unplugged host below: rank 3 is lost' becomes_lost 3
check 'its child is below rank 1' comes_below 7 1
net_unplug 2
check 'and then the one above it: rank 1 is lost' becomes_lost 1
check 'rank 7 is below rank 0' comes_below 7 0
check 'clients go on' goes_on
net_plug 4
net_plug 2
check 'plugged again, all are as they were' comes_full
stop_load

# ---- the network falls apart ----
start_load 0 1 3 4 7
net_partition '1 2 4 5 8' '3 6 7'
check 'the network falls apart: rank 2 is lost' becomes_lost 2
check 'clients on the side of rank 0 go on' goes_on
check 'a key is put meanwhile' on_rank 7 xylem kvs put meanwhile=yes
net_heal
check 'healed, all are as they were' comes_full
on_rank 6 xylem kvs wait "$(xylem kvs version)"
check_output 'the other side has the key' yes on_rank 6 xylem kvs get meanwhile
stop_load

# ---- one direction only ----
start_load 0 1 3 4 7
net_oneway 4 2
check 'rank 1 does not hear rank 3 any more, which goes elsewhere' comes_below 3 0
check 'clients go on' goes_on
net_heal
check 'healed, all are as they were' comes_full
net_oneway 2 4
check 'rank 3 does not hear rank 1 any more, and goes elsewhere' comes_below 3 0
check 'clients go on' goes_on
net_heal
check 'healed, all are as they were' comes_full
stop_load

# ---- a host that stands still ----
start_load 0 1 3 4 7
kill -STOP "$(rank_pid 2)"
check 'a process that stands still is lost' becomes_lost 2
check 'clients go on' goes_on
kill -CONT "$(rank_pid 2)"
check 'it goes on, and all are as they were' comes_full
stop_load

# ---- processes that are killed, and come back where they were ----
start_load 3 4 7
kill_rank 1 KILL
check 'rank 1 is killed: its children go on below rank 0' comes_below 4 0
check 'clients go on' goes_on
check 'it is started again' respawn 1
check 'all are as they were' comes_full
kill_rank 0 KILL
check 'rank 0 is killed and started again' respawn 0
check 'clients go on' goes_on
check 'all are as they were' comes_full
stop_load

# ---- slow cables ----
losses() { cat "$RUNDIR"/rank-*.log | grep -c 'lost'; }
start_load 0 3 7
net_slow 2 100 0
check 'a host is far away' comes_full
before=$(losses)
check 'clients go on' goes_on
check_output 'nobody is lost' "$before" losses
net_fast
net_slow 4 30 5
check 'a cable loses frames: clients go on' goes_on
net_fast
check 'all are as they were' comes_full
stop_load

xylem kvs get log >"$TEMP/log"
check 'what was acknowledged is there, once' \
    python3 "$ROOT/test/lib/commits.py" check "$TEMP"/log-* -- "$TEMP/log"
