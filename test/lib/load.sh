#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# load.sh - sourced after rig.sh by the tests of what clients see while a tree of eight ranks is damaged.
#
#   make_log, check_log     the key to which clients append: each acknowledged line is there, once
#   start_load RANK...      a client at each of these ranks (load.py)
#   goes_on                 each client gets STEPS turns done from now
#   stop_load               and check that none saw an error
#   becomes_lost R          its parent says so
#   comes_below R P         rank R is a child of rank P
#   comes_full              all ranks are there, and where they belong

STEPS=10
LOADS=() # ranks with a client
PIDS=()

make_log() { check 'a log' xylem kvs put log=; }

check_log()
{
    xylem kvs get log >"$TEMP/log"
    check 'what was acknowledged is there, once' \
        python3 "$ROOT/test/lib/commits.py" check "$TEMP"/log-* -- "$TEMP/log"
}

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
