#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# pmi.sh - ranks that are started by a process manager, MPICH's mpiexec.hydra.
. "$(dirname "$0")/../lib/rig.sh"

command -v mpiexec.hydra >/dev/null || skip_all 'no mpiexec.hydra: Debian package mpich'
unset PMI_FD PMI_RANK PMI_SIZE PMIX_NAMESPACE
RUNDIR=$TEMP/run
mkdir "$TEMP/tmp"
export TMPDIR=$TEMP/tmp
LOG=$TEMP/log

# start_job MPIEXEC-ARGUMENT...: in the background; all output to LOG
start_job()
{
    mpiexec.hydra "$@" >"$LOG" 2>&1 </dev/null &
    JOB=$!
}

# end_job SIGNAL: sets STATUS
end_job()
{
    kill -s "$1" "$JOB"
    wait_job
}

wait_job()
{
    # shellcheck disable=SC2034
    wait "$JOB"
    STATUS=$?
    JOB=
}

trap '[ -z "${JOB:-}" ] || kill "$JOB"; end_test' EXIT

is_complete() { wait_until "[ -S '$RUNDIR/local-$1' ]" && on_rank 0 xylem overlay status --wait full -t 20s; }
is_empty() { [ -z "$(ls -A "$1" 2>&1)" ] || { ls -lA "$1"; return 1; }; }
is_gone() { [ ! -e "$1" ] || { ls -lA "$1"; return 1; }; }
says() { grep -qE -- "$1" "$LOG" || { cat "$LOG"; return 1; }; }
says_not() { ! grep -E -- "$1" "$LOG"; }
no_process() { wait_until '[ -z "$(list_processes)" ]' 10 || { ps ax; return 1; }; }

# ---- one host ----
start_job -n 16 xylem-brokerd --rundir "$RUNDIR"
check '16 ranks find each other' is_complete 0
ref=$(echo hello | on_rank 15 xylem content store)
check_output 'what one leaf stores another loads' hello on_rank 12 xylem content load "$ref"
check 'they talk over UNIX sockets' [ -S "$RUNDIR/tree-15" ]
check_output 'all have the name of the job' "$(on_rank 0 xylem getattr instance)" \
    on_rank 15 xylem getattr instance
check 'which is not that of others' [ "$(on_rank 0 xylem getattr instance)" != xylem ]
end_job TERM
check_output 'SIGTERM to mpiexec ends them in order' 0 echo $STATUS
check 'no process is left' no_process
check 'and no file' is_gone "$RUNDIR"

start_job -n 16 xylem-brokerd --rundir "$RUNDIR"
check 'they come again' is_complete 0
on_rank 9 xylem shutdown >"$TEMP/.shutdown" 2>&1
wait_job
check_output 'and end with a shutdown of the instance' 0 echo $STATUS
check 'which leaves nothing' is_gone "$RUNDIR"

start_job -n 4 xylem-brokerd --instance mine --fanout 3
local_3() { compgen -G "$TMPDIR/xylem-*/local-3" >/dev/null; }
check 'each may have a directory of its own' wait_until local_3
socket=$(compgen -G "$TMPDIR/xylem-*/local-3")
check 'they are complete' xylem -u "local://$socket" overlay status -r 0 --wait full -t 20s
check_output 'with the instance that was asked for' mine xylem -u "local://$socket" getattr instance
check_output 'and the fanout' 3 xylem -u "local://$socket" getattr tbon.fanout
end_job INT
check_output 'they end with SIGINT' 0 echo $STATUS
check 'and leave nothing' is_empty "$TMPDIR"

# ---- several hosts ----
start_job -launcher fork -hosts alpha,beta,gamma -n 7 xylem-brokerd --rundir "$RUNDIR" --interface lo
check 'ranks of three hosts find each other' is_complete 0
check 'they talk over TCP' [ -z "$(compgen -G "$RUNDIR/tree-*")" ]
ref=$(echo hello | on_rank 6 xylem content store)
check_output 'what one stores another loads' hello on_rank 5 xylem content load "$ref"
uri=$(on_rank 0 xylem getattr tbon.endpoint)
check 'nobody was refused on the way' says_not 'refused a connection'
check_fails 'a stranger is not let in' . timeout 5 xylem -u "$uri" ping
check_output 'all know what the hosts call themselves' 0-6 on_rank 5 xylem overlay lookup "$(hostname)"
check_output 'and nobody invents one' "$(hostname) $(hostname),,$(hostname),,,$(hostname)," \
    echo "$(on_rank 5 xylem overlay lookup 6) $(on_rank 5 xylem getattr hostlist)"
kill -s USR1 "$(cat "$RUNDIR/rank-5.pid")" # what hydra says to those that survive
check 'word of the death of another is not the end' on_rank 5 xylem ping -c 3 -i 10ms
end_job TERM
check_output 'they end in order' 0 echo $STATUS
check 'and leave nothing' is_gone "$RUNDIR"

# ---- ranks that do not come ----
# Half of the time is over: who is missing is named, and when all of it is, all end.
cat >"$TEMP/late" <<'END'
[ "$PMI_RANK" != "$LATE" ] || exec sleep 60
exec xylem-brokerd "$@"
END
SECONDS=0
LATE=5 start_job -n 8 bash "$TEMP/late" --rundir "$RUNDIR" --boot-timeout 3s
check 'a rank that does not come is named' \
    wait_until "says 'rank 5 on $(hostname) has not arrived' >/dev/null" 10
wait_job
check 'in the end it is an error' [ $STATUS != 0 ]
check 'which names it too' \
    says "not all ranks have arrived in 3 s: rank 5 on $(hostname) has not arrived"
check 'after the time that was given' [ $SECONDS -lt 20 ]
check 'no process is left' no_process
rm -rf "$RUNDIR"

LATE=0 start_job -n 3 bash "$TEMP/late" --rundir "$RUNDIR" --boot-timeout 2s
wait_job
check 'also if it is rank 0' says "rank 0 on $(hostname) has not arrived"
check 'no process is left' no_process
rm -rf "$RUNDIR"

cat >"$TEMP/dead" <<'END'
[ "$PMI_RANK" != 2 ] || kill -9 $$
exec xylem-brokerd "$@"
END
SECONDS=0
start_job -n 4 bash "$TEMP/dead" --rundir "$RUNDIR"
wait_job
check 'a rank that dies before ends the job' [ $STATUS != 0 ]
check 'at once' [ $SECONDS -lt 20 ]
check 'no process is left' no_process
rm -rf "$RUNDIR"

start_job -n 2 xylem-brokerd --rundir "$RUNDIR" : -n 1 xylem-brokerd --rundir "$RUNDIR" --fanout 3
wait_job
check 'ranks that do not agree on the tree are told so' \
    says 'fanout: rank 2 on .* has 3, rank 0 on .* has 2'
check 'and end' no_process
rm -rf "$RUNDIR"

# ---- process managers that are none ----
rank() { PMI_RANK=0 PMI_SIZE=2 timeout 20 xylem-brokerd "$@"; }
fake() { timeout 30 python3 "$ROOT/test/lib/pmi_fake.py" "$@"; }

check_fails 'a descriptor that is not open' 'PMI_FD=99: Bad file' env PMI_FD=99 PMI_RANK=0 \
    PMI_SIZE=2 timeout 20 xylem-brokerd
check_fails 'one that is no number' 'PMI_FD=x is not' env PMI_FD=x PMI_RANK=0 PMI_SIZE=2 \
    timeout 20 xylem-brokerd
check_fails 'no rank' 'PMI_RANK' env PMI_FD=3 PMI_SIZE=2 timeout 20 xylem-brokerd
check_fails 'a rank there is not' 'rank 2 is not below size 2' env PMI_FD=3 PMI_RANK=2 PMI_SIZE=2 \
    timeout 20 xylem-brokerd
check_fails 'none at all' 'PMI_FD is not set.*by hand there is no launcher: use mpiexec' rank --boot pmi
check_usage 'an interface where nobody asks for one' 'neither a launcher nor a list of hosts' \
    timeout 20 xylem-brokerd --interface lo
check_usage 'a method there is not' 'no such method: magic' rank --boot magic
null() { PMI_FD=9 rank --boot pmi 9<>/dev/null; }
check_fails 'one that is closed' 'PMI: the process manager has closed' null
check_fails 'one that says something else' 'does not speak PMI-1' \
    fake 'init=HTTP/1.1 400\n' xylem-brokerd
check_fails 'one that refuses' 'go_away' \
    fake 'init=cmd=response_to_init rc=-1 msg=go_away\n' xylem-brokerd
check_fails 'one that falls silent' "no 'maxes' from the process manager in 1 s" \
    fake 'get_maxes?' xylem-brokerd --boot-timeout 1s
check_fails 'one that goes while ranks wait' 'has closed the connection' \
    fake 'barrier_in!' xylem-brokerd
check_fails 'one that takes short values only' 'the process manager takes less than 20' \
    fake 'get_maxes=cmd=maxes vallen_max=20 keylen_max=64\n' xylem-brokerd
check_fails 'one that has lost what was published' 'rank 0 has published nothing' \
    fake --two 'get=cmd=get_result rc=-1\n' env PMI_RANK=1 xylem-brokerd
check_fails 'or has something else' "rank 0: 'garbage' is not what a rank publishes" \
    fake --two 'get=cmd=get_result rc=0 value=garbage\n' env PMI_RANK=1 xylem-brokerd
check 'SIGTERM ends a rank that waits for others' \
    fake --signal 'barrier_in?' xylem-brokerd
check 'a rank ends when its process manager does' fake 'end!' xylem-brokerd
check 'also over standard input and output' fake --stdio 'end!' xylem-brokerd --pmi-stdio
check 'none of them leaves anything' is_empty "$TMPDIR"
