#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# pmix.sh - ranks that are started by a launcher that speaks PMIx (test/lib/pmix_run.c).
. "$(dirname "$0")/../lib/rig.sh"

RUN=$BUILD/test/cluster/pmix_run
[ -x "$RUN" ] || skip_all 'built without PMIx: Debian package libpmix-dev'
unset PMI_FD PMI_RANK PMI_SIZE PMIX_NAMESPACE
RUNDIR=$TEMP/run
mkdir "$TEMP/tmp" "$TEMP/pmix"
LOG=$TEMP/log

# start_job PMIX_RUN-ARGUMENT...: in the background; all output to LOG
start_job()
{
    TMPDIR=$TEMP/pmix "$RUN" "$@" >"$LOG" 2>&1 </dev/null &
    JOB=$!
}

# Sets STATUS.
wait_job()
{
    wait "$JOB"
    STATUS=$?
    JOB=
}

trap '[ -z "${JOB:-}" ] || kill "$JOB"; end_test' EXIT

is_complete() { wait_until "[ -S '$RUNDIR/local-0' ]" && on_rank 0 xylem overlay status --wait full -t 20s; }
is_gone() { [ ! -e "$1" ] || { ls -lA "$1"; return 1; }; }
says() { grep -qE -- "$1" "$LOG" || { cat "$LOG"; return 1; }; }
no_process() { wait_until '[ -z "$(list_processes)" ]' 10 || { ps ax; return 1; }; }

for spread in '' --spread; do
    # shellcheck disable=SC2086
    start_job $spread 6 xylem-brokerd --rundir "$RUNDIR" ${spread:+--interface lo}
    check "6 ranks find each other ($spread)" is_complete || cat "$LOG" >&2
    ref=$(echo hello | on_rank 5 xylem content store)
    check_output 'what one leaf stores another loads' hello on_rank 4 xylem content load "$ref"
    if [ -n "$spread" ]; then
        check 'they talk over TCP' [ -z "$(compgen -G "$RUNDIR/tree-*")" ]
        uri=$(on_rank 0 xylem getattr tbon.endpoint)
        check_fails 'and let no stranger in' . timeout 5 xylem -u "$uri" ping
    else
        check 'they talk over UNIX sockets' [ -S "$RUNDIR/tree-5" ]
    fi
    check_output 'all have the name of the job' "pmix_run.$JOB" on_rank 5 xylem getattr instance
    kill "$JOB"
    wait_job
    check_output 'SIGTERM ends them in order' 0 echo $STATUS
    check 'no process is left' no_process
    check 'and no file' is_gone "$RUNDIR"
done

cat >"$TEMP/late" <<'END'
[ "$PMIX_RANK" != 2 ] || exec sleep 60
exec xylem-brokerd "$@"
END
start_job 4 bash "$TEMP/late" --rundir "$RUNDIR" --boot-timeout 2s
wait_job
check 'a rank that does not come is an error' [ $STATUS = 1 ]
check 'which names it' says "rank 2 on $(hostname) has not arrived"
check 'no process is left' no_process
rm -rf "$RUNDIR"

start_job 3 xylem-brokerd --rundir "$RUNDIR"
is_complete >"$TEMP/.complete" 2>&1
kill -s KILL "$JOB"
wait_job 2>"$TEMP/.killed"
check 'ranks end when their server does' no_process
check 'and leave nothing' is_gone "$RUNDIR"

check_fails 'a server there is not' 'xylem-brokerd: PMIx: init' env PMIX_NAMESPACE=x PMIX_RANK=0 \
    TMPDIR="$TEMP/tmp" timeout 60 xylem-brokerd
