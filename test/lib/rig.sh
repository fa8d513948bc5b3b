#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# rig.sh - sourced by the tests of whole instances: clusters to play with, and TAP.
#
#   start_cluster N [K] [LAUNCH-OPTION...]   ranks; sets RUNDIR and XYLEM_URI
#   on_rank R COMMAND...                     COMMAND talks to rank R
#   kill_rank R SIGNAL                       returns when the process is gone
#   respawn R                                returns when the rank is ready
#   stop_cluster                             and check that nothing is left behind
#   wait_until 'SHELL CONDITION' [SECONDS]   looked at every 50 ms
#
#   check "sentence" COMMAND...              the command succeeds
#   check_fails "sentence" PATTERN COMMAND.. exit status 1, and stderr matches PATTERN (grep -Ei)
#   check_usage "sentence" PATTERN COMMAND.. exit status 2, likewise
#   check_output "sentence" TEXT COMMAND...  succeeds and prints TEXT
#   skip_all "why"
#
# A test is a list of checks.  Whatever happens, at its end all processes are stopped, and it is an
# error if a process or a file remains.  TEMP is a private folder.  One cluster at a time.
set -u

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
BUILD=${XYLEM_BUILD:-$ROOT/build}
PATH=$BUILD/brokerd:$BUILD/lib/cmd:$BUILD/dump:$PATH
TEMP=$(mktemp -d "${TMPDIR:-/tmp}/xt-XXXXXX")
unset XYLEM_URI XYLEM_NAMESPACE XYLEM_BROKERD FLUX_URI
RUNDIR=
LAUNCHER=
CASES=0
FAILURES=0
PATIENCE=${XYLEM_TEST_PATIENCE:-30} # seconds until a wait is given up

# ---- TAP ----

# report STATUS SENTENCE [FILE]: a failed case shows the file.
report()
{
    CASES=$((CASES + 1))
    if [ "$1" = 0 ]; then
        echo "ok $CASES - $2"
        return 0
    fi
    FAILURES=$((FAILURES + 1))
    echo "not ok $CASES - $2"
    [ -z "${3:-}" ] || tail -n 40 "$3" | cut -c 1-400 | sed 's/^/# /'
    return 1
}

check()
{
    local sentence=$1 status

    shift
    "$@" >"$TEMP/.output" 2>&1
    status=$?
    [ $status = 0 ] || echo "exit status $status: $*" >>"$TEMP/.output"
    report $status "$sentence" "$TEMP/.output"
}

# check_refused EXPECTED-STATUS SENTENCE PATTERN COMMAND...
check_refused()
{
    local expected=$1 sentence=$2 pattern=$3 status

    shift 3
    "$@" >/dev/null 2>"$TEMP/.output"
    status=$?
    if [ $status = "$expected" ] && grep -qEi -- "$pattern" "$TEMP/.output"; then
        report 0 "$sentence"
        return
    fi
    echo "expected status $expected and /$pattern/ on stderr, got status $status: $*" \
        >>"$TEMP/.output"
    report 1 "$sentence" "$TEMP/.output"
}

check_fails()
{
    check_refused 1 "$@"
}

check_usage()
{
    check_refused 2 "$@"
}

check_output()
{
    local sentence=$1 expected=$2 status

    shift 2
    "$@" >"$TEMP/.stdout" 2>"$TEMP/.output"
    status=$?
    if [ $status = 0 ] && [ "$(cat "$TEMP/.stdout")" = "$expected" ]; then
        report 0 "$sentence"
        return
    fi
    { echo "status $status: $*"; echo "expected: $expected"; echo -n 'got: '; } >>"$TEMP/.output"
    cat "$TEMP/.stdout" >>"$TEMP/.output"
    report 1 "$sentence" "$TEMP/.output"
}

skip_all()
{
    echo "1..0 # SKIP $*"
    SKIPPED=yes
    exit 0
}

# ---- waiting ----

wait_until()
{
    local end=$((SECONDS + ${2:-$PATIENCE}))

    until eval "$1"; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.05
    done
}

# ---- clusters ----

start_cluster()
{
    local size=$1 fanout=2

    shift
    case ${1:-} in [0-9]*) fanout=$1; shift ;; esac
    RUNDIR=$TEMP/run
    SIZE=$size
    rm -f "$TEMP/.uris" # of the cluster before: it would look ready at once
    xylem-launch -n "$size" -k "$fanout" --rundir "$RUNDIR" "$@" >"$TEMP/.uris" 2>"$TEMP/.launch" &
    LAUNCHER=$!
    export XYLEM_URI=local://$RUNDIR/local-0
    if wait_until "! is_alive $LAUNCHER || grep -sq '^rank $((size - 1)) ' '$TEMP/.uris'" 120 &&
        is_alive $LAUNCHER; then
        return 0
    fi
    report 1 "a cluster of $size starts" "$TEMP/.launch"
    exit 1
}

# There, and not a zombie, or one of which other threads are still about to go, with its locks.  (The command
# line is empty for a moment while a program starts.)
is_alive()
{
    local threads=(/proc/"$1"/task/*)

    [[ $(sed 's/.*) //' "/proc/$1/stat" 2>/dev/null) == [!ZX]* ]] || [ ${#threads[@]} -gt 1 ]
}

on_rank()
{
    local rank=$1

    shift
    XYLEM_URI=local://$RUNDIR/local-$rank "$@"
}

rank_pid()
{
    cat "$RUNDIR/rank-$1.pid"
}

kill_rank()
{
    local pid

    pid=$(rank_pid "$1")
    kill -s "$2" "$pid"
    wait_until "! is_alive $pid"
}

respawn()
{
    xylem-launch --respawn "$1" --rundir "$RUNDIR"
}

# Processes that have our folder in their command line.
list_processes()
{
    local dir pid

    for dir in /proc/[0-9]*; do
        pid=${dir#/proc/}
        [ "$pid" != $$ ] && [ "$pid" != "$BASHPID" ] || continue
        if tr '\0' ' ' 2>/dev/null <"$dir/cmdline" | grep -qF -- "$TEMP/run"; then
            echo "$pid"
        fi
    done 2>/dev/null
}

check_nothing_left()
{
    {
        grep -E 'does not end|exited with status|by signal (4|6|7|8|11)$' "$TEMP/.launch"
        ls -A "$RUNDIR"
        list_processes | sed 's/^/process /'
    } >"$TEMP/.left" 2>&1
    [ ! -s "$TEMP/.left" ]
    report $? 'the cluster ends in order and leaves nothing behind' "$TEMP/.left"
}

stop_cluster()
{
    [ -n "$LAUNCHER" ] || return 0
    [ $FAILURES = 0 ] || show_logs
    kill "$LAUNCHER" 2>/dev/null
    wait "$LAUNCHER"
    LAUNCHER=
    check_nothing_left
    rm -rf "$RUNDIR"
}

# What is not part of everyday life.
show_logs()
{
    grep -v ' info ' "$RUNDIR"/rank-*.log 2>/dev/null | sed "s|^$RUNDIR/||" | tail -n 20 |
        cut -c 1-300 | sed 's/^/# /'
}

# ---- the end ----

end_test()
{
    local left

    [ -z "${SKIPPED:-}" ] || { rm -rf "$TEMP"; return; }
    stop_cluster
    left=$(list_processes)
    [ -z "$left" ] || report 1 'no process is left at the end of the test'
    [ -z "$left" ] || kill -s KILL $left
    rm -rf "$TEMP"
    echo "1..$CASES"
    [ $FAILURES = 0 ] && [ $CASES -gt 0 ]
    exit $?
}

trap end_test EXIT
trap 'exit 1' INT TERM HUP

for program in xylem-launch xylem-brokerd xylem; do
    command -v $program >/dev/null || { report 1 "$program is built"; exit 1; }
done
