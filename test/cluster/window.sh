#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# window.sh - what is on its way to somebody who has stopped is bounded (xylem-overlay(7), "CREDITS").
. "$(dirname "$0")/../lib/rig.sh"

# Pings are rare and nobody is lost while something is stopped.
start_cluster 3 1 -o --heartbeat=500ms -o --timeout=120s

MIB=$((1 << 20))
figure() # RANK GROUP.NAME
{
    on_rank "$1" xylem stats --json | python3 -c '
import json, sys
group, name = sys.argv[1].split(".")
print(json.load(sys.stdin)[group][name])' "$2"
}
bench() # NAME OPTION...: in the background, its pid in $BENCH
{
    local name=$1

    shift
    xylem-bench "$@" --json >"$TEMP/$name" 2>"$TEMP/$name.err" &
    BENCH=$!
}
all_went_well() { grep -q '"failed":0' "$TEMP/$1"; }
is_stopped() { [ "$(awk '$1 == "State:" {print $2}' "/proc/$1/status" 2>/dev/null)" = T ]; }
stop() { kill -s STOP "$1" && wait_until "is_stopped $1"; }
TREE0=ipc://$RUNDIR/tree-0
TREE2=ipc://$RUNDIR/tree-2

# ---- a healthy tree ----
bench healthy -u "$TREE2" --from "$TREE0" -t store,load-cold -n 400 -s 100000 -w 64
wait $BENCH
check 'stores and loads of a remote client, two ranks below rank 0, go well' all_went_well healthy
nothing_is_on_its_way()
{
    local rank name

    for rank in 0 1 2; do
        for name in parent children; do
            [ "$(figure $rank $name.unacked-bytes)" = 0 ] || return 1
        done
    done
}
check 'all of it is acknowledged a heartbeat later' wait_until nothing_is_on_its_way 10
check_output 'no rank was held back' '0 0 0' \
    echo "$(figure 0 children.full) $(figure 1 parent.full) $(figure 2 parent.full)"

# ---- remote clients that stop: four in one process ----
full_before=$(figure 0 remote.full)
bench client -u "$TREE0" -t load-hot -n 20000 -s $MIB -w 100 -c 4
check 'remote clients load 1 MiB blobs' wait_until "[ \$(figure 0 remote.out-bytes) -gt $((100 * MIB)) ]"
is_full() { [ "$(figure 0 remote.unacked-bytes)" -ge $((4 * MIB)) ]; }
fills_when_stopped() # it may have read all that was sent just then: at another time it has not
{
    for _ in {1..20}; do
        stop "$1"
        wait_until is_full 1 && return
        kill -s CONT "$1"
    done
    return 1
}
check 'when they are stopped a window is on its way' fills_when_stopped $BENCH
on_its_way=$(figure 0 remote.unacked-bytes)
check "and no more than one for each ($on_its_way bytes)" test "$on_its_way" -le $((4 * 6 * MIB))
check 'others are served' xylem content load "$(echo small | xylem content store)"
kill -s CONT $BENCH
wait $BENCH
check 'they go on where they were' all_went_well client
check 'and were full at times' test "$(figure 0 remote.full)" -gt "$full_before"
check_output 'nobody was cut off' 0 figure 0 remote.cut

# ---- a rank that stops while a client floods it ----
before=$(figure 0 remote.in-bytes)
bench flood -u "$TREE0" -t store -n 600 -s $MIB -w 300
check 'a remote client that stores 300 MiB at once' \
    wait_until "[ \$(figure 0 remote.in-bytes) -gt $((before + 20 * MIB)) ]"
stop "$(rank_pid 0)"
wait_until false 1 # what the kernel can take is there
kill -s CONT "$(rank_pid 0)"
wait $BENCH
check 'loses nothing when the rank stops for a while' all_went_well flood

# ---- a child that stops ----
before=$(figure 2 parent.in-bytes)
bench child -u "$TREE2" --from "$TREE0" -t load-cold -n 300 -s $MIB -w 100
check 'a rank two levels below loads 300 MiB for its client' \
    wait_until "[ \$(figure 2 parent.in-bytes) -gt $((before + 10 * MIB)) ]"
stop "$(rank_pid 2)"
check 'the tree above works when it stops' on_rank 1 xylem content store </dev/null
on_its_way=$(figure 1 children.unacked-bytes)
check "no more than a window is on its way to it ($on_its_way bytes)" \
    test "$on_its_way" -le $((18 * MIB))
kill -s CONT "$(rank_pid 2)"
wait $BENCH
check 'it goes on where it was' all_went_well child
check 'nothing is left on its way' wait_until nothing_is_on_its_way 10
