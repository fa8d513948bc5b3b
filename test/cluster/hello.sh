#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# hello.sh - who is let in: ranks started by hand, in any order, with the wrong idea of the tree.
. "$(dirname "$0")/../lib/rig.sh"

RUNDIR=$TEMP/run
mkdir "$RUNDIR"
PIDS=()

# broker RANK SIZE [OPTION...]: in the background, log in $TEMP/log-RANK; sets PID
broker()
{
    xylem-brokerd --rank "$1" --size "$2" --rundir "$RUNDIR" --instance here "${@:3}" \
        >"$TEMP/log-$1" 2>&1 &
    PID=$!
    PIDS+=("$PID")
}
# The brokers are no children of a launcher: end them before the rig looks for what is left.
end_brokers()
{
    kill "${PIDS[@]}" 2>/dev/null
    wait "${PIDS[@]}" 2>/dev/null
}
trap 'end_brokers; end_test' EXIT

answers() { on_rank "$1" xylem ping -c 1 >/dev/null 2>&1; }
says() { wait_until "grep -qE -- '$2' '$TEMP/log-$1'"; }

# ---- a child before its parent ----
broker 1 3
check 'a rank without its parent says so' says 1 'cannot reach the parent, rank 0 at ipc://.*tree-0'
check 'and goes on trying' is_alive "$PID"
broker 0 3
root=$PID
check 'it joins when the parent comes' says 1 'joined parent rank 0'
check 'and can be reached from there' wait_until 'on_rank 0 xylem ping -c 1 -r 1 2>/dev/null'

# ---- refusals ----
# refused SENTENCE REASON OPTION...: rank 2 ends with status 1; it and rank 0 tell why
refused()
{
    local sentence=$1 reason=$2 status

    cp "$TEMP/log-0" "$TEMP/before"
    broker 2 "${@:3}"
    wait_until "! is_alive $PID" 20 || kill "$PID"
    wait "$PID"
    status=$?
    check "$sentence ends with status 1" [ $status = 1 ]
    check 'and tells why' says 2 "was refused: .*$reason"
    check 'so does its parent' eval \
        "diff '$TEMP/before' '$TEMP/log-0' | grep -qE 'refused a peer: .*$reason'"
}
refused 'a rank of another instance' 'belongs to instance elsewhere, rank 0 to here' \
    3 --instance elsewhere
refused 'a rank with another hash' 'uses hash algorithm sha1, rank 0 uses blake2b' 3 --hash sha1
refused 'a rank of a larger tree' 'expects 4 ranks with fanout 2, rank 0 expects 3 with 2' 4
check 'the tree does not mind' is_alive "$root"
broker 2 3
check 'and takes the right one' says 2 'joined parent rank 0'
check 'which is complete then' on_rank 0 xylem overlay status --wait full -t 10s

end_brokers
check 'they leave nothing behind' [ -z "$(ls -A "$RUNDIR")" ]
