#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# netns_fault.sh - eight hosts under load while cables are pulled, the network falls apart, or only one
# direction is dead: clients of ranks that others can reach see nothing but a delay, what was acknowledged
# is there, and in the end the tree is full again.
#
# Rank R is on host R + 1; ranks 1 and 2 are below 0, 3 and 4 below 1, 5 and 6 below 2, 7 below 3.
. "$(dirname "$0")/../lib/rig.sh"
. "$(dirname "$0")/../lib/net.sh"
. "$(dirname "$0")/../lib/load.sh"
net_up 8
start_cluster 8 2 --hosts "$NET_HOSTS" --rsh 'ip netns exec' --statedir "$TEMP/state" \
    -o heartbeat=200ms -o timeout=1s
check 'the tree is complete' comes_full
make_log

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

# ---- one that reaches its children, but nobody above ----
start_load 0 5 6
for direction in '3 1' '1 3'; do
    net_oneway $direction
    check "from host ${direction/ / to } nothing passes: rank 2 is lost" becomes_lost 2
    check 'rank 5 leaves it' comes_below 5 0
    check 'rank 6 too' comes_below 6 0
    check 'clients go on' goes_on
    net_heal
    check 'healed, all are as they were' comes_full
done
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
# On a machine that is busy with other things the cable itself may stand still for a second.
goes_on_without_loss()
{
    local before try

    for try in 1 2 3 4 5; do
        before=$(losses)
        goes_on || return
        [ "$(losses)" != "$before" ] || return 0
    done
    return 1
}
start_load 0 3 7
net_slow 2 100 0
check 'a host is far away' comes_full
check 'clients go on, and nobody is lost' goes_on_without_loss
net_fast
net_slow 4 30 5
check 'a cable loses frames: clients go on' goes_on
net_fast
check 'all are as they were' comes_full
stop_load

check_log
