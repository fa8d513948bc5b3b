#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# bad_input.sh - garbage on the sockets hurts only its sender.
. "$(dirname "$0")/../lib/rig.sh"

start_cluster 3 2
garbage=$ROOT/test/lib/garbage.py
echo still here >"$TEMP/blob"
ref=$(on_rank 2 xylem content store <"$TEMP/blob")

# Every rank is the process it was, and a blob crosses the tree.
all_is_well()
{
    local rank

    for rank in 0 1 2; do
        is_alive "${pids[rank]}" || { echo "rank $rank has died"; return 1; }
    done
    on_rank 1 xylem content dropcache && on_rank 0 xylem content dropcache || return 1
    [ "$(on_rank 1 xylem content load "$ref")" = 'still here' ]
}
pids=("$(rank_pid 0)" "$(rank_pid 1)" "$(rank_pid 2)")

# A well-behaved client that stays connected through all of it.
on_rank 1 xylem content load >"$TEMP/patient" < <(wait_until "[ -e '$TEMP/go' ]" 200; echo "$ref") &
patient=$!

for rank in 0 1; do
    for kind in $("$garbage" list local); do
        check "rank $rank, client socket, $kind: the connection is closed" \
            "$garbage" local "$RUNDIR/local-$rank" "$kind"
    done
    check 'nobody else has noticed' all_is_well
done
for kind in $("$garbage" list tree); do
    check "rank 0, tree socket, $kind: sent" "$garbage" tree "$RUNDIR/tree-0" "$kind"
    check "rank 0, tree socket, $kind: nobody else has noticed" all_is_well
done
touch "$TEMP/go"
wait $patient
check 'a client that was connected all the time is served' grep -qx 'still here' "$TEMP/patient"
