#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# remote - no remote client pushes a rank beyond its cache, a bounded amount in flight and what ZeroMQ
# holds for it, and others keep their latency (I5; xylem-overlay(7), "Remote clients").
. "$(dirname "$0")/../lib/rig.sh"

cache_mib=32
queue_mib=25 # 24 messages of 1 MiB that wait in ZeroMQ for each connection, and one on its way
late_ms=3000 # nobody waits so long for a small answer

[ -z "${ASAN_OPTIONS:-}" ] || skip_all 'the memory of a process says little under AddressSanitizer'

# stays_small CASE RANK CONNECTIONS: of the one who is greedy
stays_small()
{
    local most=$(((cache_mib + 32 + $3 * queue_mib) * 1024)) grown worst middle

    read -r grown worst middle < <(python3 "$ROOT/test/lib/greedy_remote.py" "$1" \
        "$RUNDIR/tree-$2" "$RUNDIR/local-$2" "$(rank_pid "$2")") || return
    FIGURES="$grown KiB of $most; others waited for $worst ms, most for $middle"
    echo "$FIGURES"
    [ "$grown" -le "$most" ] && [ "$worst" -le $late_ms ]
}
holds() # SENTENCE CASE RANK CONNECTIONS
{
    local sentence=$1

    shift
    FIGURES=
    check "$sentence" stays_small "$@"
    [ -z "$FIGURES" ] || echo "# $1, rank $2: $FIGURES"
}
bench() # NAME OPTION...
{
    xylem-bench "${@:2}" --json >"$TEMP/$1"
}
all_went_well() { grep -q '"failed":0' "$TEMP/$1"; }

start_cluster 3 2 -o --cache-size=${cache_mib}M

holds 'what is sent beyond the measure is refused, and nothing else' one_who_is_refused 0 1
holds 'a client that stores without end does not make rank 0 grow' greedy_sender 0 1
holds 'nor a leaf' greedy_sender 1 1
holds 'nor do four of them' many_senders 0 4
holds 'one that sends small requests without end is cut off' small_sender 0 1
holds 'one that loads without reading is cut off' greedy_reader 0 1

# ---- what is no message, or none for a client to send ----
lines() { grep -c "$1" "$RUNDIR/rank-0.log"; }
holds 'bundles of a client are not taken' bundler 0 1
holds 'nor is what is no message' babbler 0 1
check 'which is told in a few lines' \
    test "$(lines 'is no message')" -gt 0 -a "$(lines 'is no message')" -le 10

# ---- who leaves without a word ----
waits() { on_rank "$1" xylem stats | awk '$1 == "kvs.version-waits" {print $2}'; }
nobody_waits() { [ "$(waits 0)" = 0 ]; }
somebody_waits() { [ "$(waits 0)" = 3 ]; }
waiters=()
for _ in 1 2 3; do
    xylem -u "ipc://$RUNDIR/tree-0" kvs wait 100000 &
    waiters+=($!)
done
check 'clients wait for a version' wait_until somebody_waits
kill -KILL "${waiters[@]}"
check 'and what they waited for is forgotten with them' wait_until nobody_waits

# ---- libxylem keeps to its measure, and sends again what was refused because others had all of it ----
check 'eight clients store at once, more than there is room for' \
    bench many -u "ipc://$RUNDIR/tree-0" -t store -n 640 -s 1000000 -w 64 -c 8
check 'and each store is answered' all_went_well many
check 'one client with thousands of small requests' \
    bench small -u "ipc://$RUNDIR/tree-1" -t store -n 50000 -s 100 -w 20000
check 'goes well too' all_went_well small
stop_cluster
