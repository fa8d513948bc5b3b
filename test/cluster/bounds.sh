#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# bounds - no client pushes a rank beyond its cache and a bounded amount in flight (I5), and none of them
# keeps others from being served.
. "$(dirname "$0")/../lib/rig.sh"

greedy=$ROOT/test/lib/greedy.py
cache_mib=32
most=$(((cache_mib + 32) * 1024)) # KiB

[ -z "${ASAN_OPTIONS:-}" ] || skip_all 'the memory of a process says little under AddressSanitizer'

# play CASE RANK: prints how far the rank's memory grew
play() { python3 "$greedy" "$1" "$RUNDIR/local-$2" "$(rank_pid "$2")"; }

stays_small()
{
    local grown

    grown=$(play "$@") || return
    echo "$1: $grown KiB of $most"
    [ "$grown" -le "$most" ]
}

# Others get their answers while it goes on.
is_served()
{
    local i

    for i in $(seq 20); do
        [ "$(on_rank "$1" timeout 10 xylem content load "$2")" = hello ] || return
    done
}

start_cluster 3 2 -o --cache-size=${cache_mib}M
ref=$(echo hello | on_rank 1 xylem content store)

check 'a client that loads without reading does not make rank 0 grow, and gets every answer' \
    stays_small greedy_reader 0
check 'nor a leaf' stays_small greedy_reader 1
check 'forty clients that store without reading do not make rank 0 grow' \
    stays_small many_senders 0
check 'twenty thousand small requests at once do not either' stays_small small_sender 0

check 'hundreds of clients that load something each and read nothing do not either' \
    stays_small many_readers 0

# A parent that does not take anything.
on_rank 1 xylem content load "$ref" >/dev/null # what others evicted is here again
kill -STOP "$(rank_pid 0)"
stays_small greedy_sender 1 >"$TEMP/sender" &
sender=$!
check 'others are served by a leaf while its parent stands still and a client stores' \
    is_served 1 "$ref"
wait $sender
report $? 'a client that stores without end does not make a leaf grow whose parent stands still' \
    "$TEMP/sender"
check 'nor clients that come, store and go' stays_small coming_and_going 1
check 'nor requests for the parent that want no answer' stays_small without_answer 1
check 'others are still served' is_served 1 "$ref"
kill -CONT "$(rank_pid 0)"
check 'when the parent goes on, so do stores' \
    test "$(echo again | on_rank 1 xylem content store)" = "$(echo again | on_rank 0 xylem content store)"
stop_cluster
