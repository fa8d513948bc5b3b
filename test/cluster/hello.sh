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

# ---- command lines and configuration files that are wrong ----
mkdir "$TEMP/tmp"
alone() { TMPDIR=$TEMP/tmp timeout 20 xylem-brokerd "$@"; }
# with LINE...: a broker with these lines in its configuration file
with() { printf '%s\n' "$@" >"$TEMP/wrong.conf"; alone --conf "$TEMP/wrong.conf"; }

port='a port is a number from 0 to 65535, or \*'
check_usage 'a port beyond 65535 is refused' "--listen: tcp://127.0.0.1:99999: $port" \
    alone --listen tcp://127.0.0.1:99999
check_usage 'a port that is no number' "tcp://127.0.0.1:http: $port" \
    alone --listen tcp://127.0.0.1:http
check_usage 'an address others can reach' 'loopback addresses only' alone --listen 'tcp://*:7000'
check_usage 'a blob limit above 1G' "--blob-size-limit: '2G' is not between 1 and" \
    alone --blob-size-limit 2G
check_usage 'and of nothing' "--blob-size-limit: '0' is not between 1 and" alone --blob-size-limit 0
check_usage 'an instance without a name' "--instance: '' is not" alone --instance=
check_usage 'a heartbeat that is none' "--heartbeat: '0' is not between 1 and" alone --heartbeat 0
check_usage 'a heartbeat the timeout does not allow' '--heartbeat: timeout 5000 ms .* 3000 ms' \
    alone --heartbeat 3s
check_usage 'a rank there is not' '--rank: rank 3 is not below size 3' alone --rank 3 --size 3

check_fails 'a file with an unknown hash is named' 'wrong.conf: hash: .*md5' with 'hash = "md5"'
check_fails 'with a number that is none' "wrong.conf: size: 'x' is not" with 'size = "x"'
check_fails 'with a limit out of range' "wrong.conf: blob-size-limit: '2G'" \
    with 'blob-size-limit = "2G"'
check_fails 'with times that do not fit' 'wrong.conf: timeout: timeout 1000 ms' with 'timeout = "1s"'
check_fails 'with a place to listen there is not' "wrong.conf: listen: .*:99999: $port" \
    with 'listen = "tcp://127.0.0.1:99999"'
check_fails 'with an endpoint there is not' "wrong.conf: endpoint.0: .*:99999: $port" \
    with 'endpoint.0 = "tcp://127.0.0.1:99999"'
check_fails 'with a parent at any port' 'wrong.conf: endpoint.0: .*from 1 to 65535' \
    with 'rank = "1"' 'size = "2"' 'endpoint.0 = "tcp://127.0.0.1:*"'
check_fails 'with more endpoints than ranks' 'wrong.conf: endpoint.3: there is only 1 rank' \
    with 'endpoint.3 = "tcp://127.0.0.1:1"'
check_fails 'with a name nobody knows' 'wrong.conf: colour' with 'colour = "red"'
check 'none of them leaves anything' [ -z "$(ls -A "$TEMP/tmp")" ]

# ---- a start that fails leaves what it has found ----
is_empty() { [ -z "$(ls -A "$1")" ] || { ls -A "$1"; return 1; }; }
check_fails 'a client socket in no folder' '/nonexistent/x' alone --local /nonexistent/x
check 'leaves no private directory' is_empty "$TEMP/tmp"
check_fails 'a place to listen in no folder' '/nonexistent/x' alone --listen ipc:///nonexistent/x
check 'leaves none either' is_empty "$TEMP/tmp"
check_fails 'a state directory that is a file' 'wrong.conf' \
    alone --rundir "$RUNDIR" --statedir "$TEMP/wrong.conf"
check 'leaves the run directory empty' is_empty "$RUNDIR"
check_fails 'in a run directory that was not there' '/nonexistent/x' \
    alone --rundir "$TEMP/new" --local /nonexistent/x
check 'leaves none' [ ! -e "$TEMP/new" ]
check_fails 'with a state directory' '/nonexistent/x' \
    alone --rundir "$RUNDIR" --statedir "$TEMP/kept" --local /nonexistent/x
check 'leaves the run directory empty' is_empty "$RUNDIR"
check 'and the state directory there' [ -f "$TEMP/kept/content.sqlite" ]
echo mine >"$TEMP/file"
check_fails 'a file in the place of the client socket' 'no socket' alone --local "$TEMP/file"
check_fails 'or of the other one' 'no socket' alone --listen "ipc://$TEMP/file"
check_output 'is not touched' mine cat "$TEMP/file"
check 'and nothing is left of those brokers' is_empty "$TEMP/tmp"

# once OPTION...: a broker that has come up and is told to end
once()
{
    TMPDIR=$TEMP/tmp xylem-brokerd "$@" 2>"$TEMP/log-once" &
    PIDS+=($!)
    wait_until "[ -S '$TEMP/once' ]"
    kill $!
    wait $!
}
check 'a broker that listens elsewhere ends' once --local "$TEMP/once" --listen "ipc://$TEMP/there"
check 'its sockets go with it' [ ! -e "$TEMP/once" -a ! -e "$TEMP/there" ]
check 'and its directory' is_empty "$TEMP/tmp"
check 'a broker without a state directory where there are data ends' \
    once --rundir "$TEMP/kept" --local "$TEMP/once"
check 'the data stay' [ -f "$TEMP/kept/content.sqlite" ]
