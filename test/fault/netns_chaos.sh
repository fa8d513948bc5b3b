#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# netns_chaos.sh - faults drawn by lot on eight hosts, one after the other and before all is well again:
# clients of ranks that are spared see nothing but delays, and what was acknowledged is there.
#
# XYLEM_CHAOS_SEED=N draws the same faults again; XYLEM_CHAOS_ROUNDS=N more of them.
. "$(dirname "$0")/../lib/rig.sh"
. "$(dirname "$0")/../lib/net.sh"
. "$(dirname "$0")/../lib/load.sh"

RANDOM=${XYLEM_CHAOS_SEED:=$(($(date +%s%N) / 1000 % 32768))}
SPARED='0 5 7'       # ranks with clients
VICTIMS=(1 2 3 4 6)  # all that are above them, and some more
KINDS=(unplugged stopped killed 'mute towards the parent' 'deaf towards the parent')
BROKEN=()            # what is to be mended: "plug 2", "cont 3", "respawn 4"

echo "# seed $XYLEM_CHAOS_SEED"

is_broken() { [[ " ${BROKEN[*]#* } " == *" $1 "* ]]; }

# Sets VICTIM to one that nothing has been done to; "" when there is none.
draw_victim()
{
    local rank candidates=()

    VICTIM=
    for rank in "${VICTIMS[@]}"; do
        is_broken "$rank" || candidates+=("$rank")
    done
    [ ${#candidates[@]} = 0 ] || VICTIM=${candidates[RANDOM % ${#candidates[@]}]}
}

# break_one RANK KIND
break_one()
{
    case $2 in
    0) net_unplug $(($1 + 1)); BROKEN+=("plug $1") ;;
    1) kill -STOP "$(rank_pid "$1")"; BROKEN+=("cont $1") ;;
    2) kill_rank "$1" KILL; BROKEN+=("respawn $1") ;;
    3) net_oneway $(($1 + 1)) $((($1 - 1) / 2 + 1)); BROKEN+=("heal $1") ;;
    4) net_oneway $((($1 - 1) / 2 + 1)) $(($1 + 1)); BROKEN+=("heal $1") ;;
    esac
}

# mend_one ACTION RANK
mend_one()
{
    local parent=$((($2 - 1) / 2))

    case $1 in
    plug) net_plug $(($2 + 1)) ;;
    cont) kill -CONT "$(rank_pid "$2")" ;;
    respawn) respawn "$2" >"$TEMP/respawn-$2" 2>&1 & ;;
    heal)
        net_neighbour $(($2 + 1)) $((parent + 1)) "$(net_mac $((parent + 1)))"
        net_neighbour $((parent + 1)) $(($2 + 1)) "$(net_mac $(($2 + 1)))"
        ;;
    esac
}

# Either something breaks, or what broke first is mended.
play_round()
{
    local kind=$((RANDOM % 5))

    draw_victim
    if [ ${#BROKEN[@]} = 0 ] || { [ -n "$VICTIM" ] && [ ${#BROKEN[@]} -lt 3 ] &&
        [ $((RANDOM % 3)) -gt 0 ]; }; then
        break_one "$VICTIM" $kind
        DEED="${KINDS[kind]} $VICTIM"
    else
        DEED="mended: ${BROKEN[0]}"
        mend_one ${BROKEN[0]}
        BROKEN=("${BROKEN[@]:1}")
    fi
}

net_up 8
start_cluster 8 2 --hosts "$NET_HOSTS" --rsh 'ip netns exec' --statedir "$TEMP/state" \
    -o heartbeat=200ms -o timeout=1s
check 'the tree is complete' comes_full
make_log
start_load $SPARED
for ((round = 1; round <= ${XYLEM_CHAOS_ROUNDS:-15}; round++)); do
    play_round
    check "round $round, $DEED: clients go on" goes_on
done
for deed in "${BROKEN[@]}"; do
    mend_one $deed
done
check 'all is mended, and all are as they were' comes_full
stop_load
check_log
