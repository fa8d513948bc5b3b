# SPDX-License-Identifier: MPL-2.0
# shellcheck shell=bash
# xylem.bash - a Xylem instance for tests in shell; `load xylem` in a .bats file, or source it.
#
#   xylem_start N [LAUNCH-OPTION...]   N ranks, as a tree; returns when it is complete.  Sets RUNDIR and
#                                      XYLEM_URI (that of rank 0)
#   xylem_at R COMMAND...              COMMAND talks to rank R
#   xylem_kill R [SIGNAL]              of the rank's process (KILL)
#   xylem_respawn R                    a rank that was killed; returns when it and all below it are there
#   xylem_stop                         ends all ranks; fails if they leave anything behind
#
# To adapt: options of the ranks are given as for xylem-launch, e.g.
#   xylem_start 8 -k 4 -o hash=sha256 -o heartbeat=100ms -o timeout=1s --statedir "$BATS_FILE_TMPDIR/state"

xylem_start()
{
    local size=$1

    shift
    [ -z "${xylem_is_running:-}" ] || { echo 'xylem_start: there is an instance: xylem_stop first' >&2; return 1; }
    xylem_is_running=1 # not exported: a test may have one beside that of its file
    RUNDIR=$(mktemp -d "${TMPDIR:-/tmp}/xylem-XXXXXX")/run # short: sockets are in it
    XYLEM_URI=local://$RUNDIR/local-0
    export RUNDIR XYLEM_URI
    # 3>&-: bats waits until all who have its descriptor 3 have ended.
    xylem-launch -n "$size" --rundir "$RUNDIR" "$@" >"$RUNDIR.uris" 2>"$RUNDIR.err" 3>&- &
    XYLEM_LAUNCHER=$!
    export XYLEM_LAUNCHER
    until grep -q "^rank $((size - 1)) " "$RUNDIR.uris"; do
        kill -0 "$XYLEM_LAUNCHER" 2>/dev/null || { cat "$RUNDIR.err" >&2; xylem_forget; return 1; }
        sleep 0.02
    done
}

xylem_at()
{
    local rank=$1

    shift
    XYLEM_URI=local://$RUNDIR/local-$rank "$@"
}

xylem_kill()
{
    kill -s "${2:-KILL}" "$(cat "$RUNDIR/rank-$1.pid")"
}

xylem_respawn()
{
    xylem-launch --respawn "$1" --rundir "$RUNDIR"
}

xylem_forget()
{
    rm -rf "${RUNDIR%/run}"
    XYLEM_LAUNCHER='' xylem_is_running=''
}

xylem_stop()
{
    local left

    [ -n "${XYLEM_LAUNCHER:-}" ] || return 0 # xylem_start has failed, and said why
    kill "$XYLEM_LAUNCHER" 2>/dev/null || true # it may have ended by itself
    while kill -0 "$XYLEM_LAUNCHER" 2>/dev/null; do sleep 0.02; done # wait(1) is for children only
    left=$(ls -A "$RUNDIR" 2>/dev/null || true) # the launcher has removed it, if it had made it
    xylem_forget
    [ -z "$left" ] || { echo "left behind: $left" >&2; return 1; }
}
