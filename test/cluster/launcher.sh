#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# launcher.sh - xylem-launch: statuses, signals, and nothing left behind.
. "$(dirname "$0")/../lib/rig.sh"

launch() { xylem-launch -n 3 --rundir "$TEMP/run" "$@"; }
status_of() { "$@" >/dev/null 2>&1; echo $?; }
ask_nonsense()
{
    python3 - "$RUNDIR/launch" <<'EOF'
import socket, sys
for line in b"x\n", b"-1\n", b"1 1\n", b"\0\n", b"9" * 1000, b"":
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[1])
    s.sendall(line)
    s.shutdown(socket.SHUT_WR)
    answer = s.recv(100)
    assert answer.startswith(b"-22 ") if line else answer == b"", answer
EOF
}
is_empty() { [ -z "$(ls -A "$TEMP/run")" ] && [ -z "$(list_processes)" ]; }

# ---- the exit status is COMMAND's ----
check_output 'COMMAND succeeds' 0 status_of launch true
check_output 'COMMAND fails' 7 status_of launch -- sh -c 'exit 7'
check_output 'COMMAND is killed' 137 status_of launch -- sh -c 'kill -9 $$'
check_output 'COMMAND is not found' 127 status_of launch -- /does/not/exist
check_output 'no number of ranks is wrong usage' 2 status_of xylem-launch true
check_output 'nor is an option nobody knows' 2 status_of xylem-launch -n 1 --what true
for option in rsh broker-path remote-rundir; do
    check_usage "--$option is for several hosts" '--hosts' xylem-launch -n 2 --$option /x true
done
check_usage 'as --tcp is for one' '--tcp' xylem-launch -n 2 --tcp --hosts a,b true
check 'nothing is left behind' is_empty

# ---- what COMMAND gets ----
check_output 'COMMAND knows where and how many' "local://$TEMP/run/local-0 $TEMP/run 3" \
    launch -- sh -c 'echo $XYLEM_URI $XYLEM_RUNDIR $XYLEM_SIZE'
check_output 'FLUX_URI is the same as XYLEM_URI' same \
    launch -- sh -c '[ $FLUX_URI = $XYLEM_URI ] && echo same'
through() { echo through | launch cat; }
check_output 'standard input and output are the ones of the launch' through through
files_there()
{
    launch -- sh -c 'for r in 0 1 2; do [ -S $XYLEM_RUNDIR/local-$r ] || exit 1
        [ -f $XYLEM_RUNDIR/rank-$r.log ] || exit 1
        kill -0 $(cat $XYLEM_RUNDIR/rank-$r.pid) || exit 1; done'
}
check 'each rank has a socket, a pid file and a log' files_there
private() { xylem-launch -n 1 -- sh -c 'echo $XYLEM_RUNDIR; stat -c %a $XYLEM_RUNDIR'; }
private >"$TEMP/private"
check 'without --rundir there is a private one' grep -qx 700 "$TEMP/private"
check 'that is gone afterwards' [ ! -e "$(head -n 1 "$TEMP/private")" ]
check 'a broker option is handed on, with dashes' launch -o --hash=sha256 -- sh -c \
    '[ $(xylem getattr content.hash) = sha256 ]'
check 'and without' launch -o hash=sha1 -- sh -c '[ $(xylem getattr content.hash) = sha1 ]'

# ---- failures ----
check_output 'a rank that cannot start ends the launch' 1 status_of launch -o no-such-option true
launch -o no-such-option true 2>"$TEMP/why"
check 'its log is shown' grep -q no-such-option "$TEMP/why"
check 'nothing is left behind' is_empty
long=$TEMP/$(printf 'd%.0s' {1..100})
check_fails 'a folder too long for sockets is refused' 'too long' \
    xylem-launch -n 1 --rundir "$long" true
rm -rf "$long"
sleep_forever() { XYLEM_BROKERD=/bin/cat status_of xylem-launch -n 1 -t 1s true; }
check_output 'a broker that never gets ready is not waited for for ever' 1 sleep_forever

# ---- data that were there ----
check 'a launch keeps data in a folder' xylem-launch -n 1 --statedir "$TEMP/run" -- xylem kvs put a=1
check_output 'one that runs in this folder sees them' 1 launch -- xylem kvs get a
check_output 'and does not remove them' 1 xylem-launch -n 1 --statedir "$TEMP/run" -- xylem kvs get a
rm "$TEMP"/run/*
check 'nothing else is left behind' is_empty

# ---- while it runs ----
start_cluster 3 -o heartbeat=200ms -o timeout=1s
check_fails 'a folder in use is refused' 'another xylem-launch' launch true
check_fails 'a living rank is not started twice' 'is alive' respawn 1
kill -STOP "$(rank_pid 2)"
check 'a rank that stands still is noticed' xylem overlay status --wait degraded -t 20s
kill -CONT "$(rank_pid 2)"
check 'and so it is when it goes on' xylem overlay status --wait full -t 20s
old=$(rank_pid 2)
kill_rank 2 KILL
check 'a killed rank is started again' respawn 2
check 'as another process' [ "$(rank_pid 2)" != "$old" ]
check_output 'that knows its rank' 2 on_rank 2 xylem getattr rank
check 'the tree is full again' xylem overlay status --wait full -t 20s
check_fails 'there is no rank 3 to start' 'no such rank' respawn 3
check 'nobody else can ask for a rank' [ "$(stat -c %a "$RUNDIR/launch")" = 600 ]
check 'but the socket understands no nonsense' ask_nonsense
kill_rank 2 KILL
mv "$RUNDIR/rank-2.cmd" "$TEMP/cmd"
printf '/bin/sh\0-c\0echo bad luck; exit 3\0' >"$RUNDIR/rank-2.cmd"
check_fails 'a rank that cannot start again says why' 'rank 2 failed|bad luck' respawn 2
printf '/bin/sleep\0001000\0' >"$RUNDIR/rank-2.cmd"
check_fails 'one that hangs is given up' 'not ready in time' \
    xylem-launch --respawn 2 -t 200ms --rundir "$RUNDIR"
check 'and killed' wait_until '! is_alive $(rank_pid 2)'
old=$(rank_pid 2)
xylem-launch --respawn 2 --rundir "$RUNDIR" &
asker=$!
wait_until '[ "$(rank_pid 2)" != "$old" ]'
kill $asker
check 'so is one that nobody waits for any more' wait_until '! is_alive $(rank_pid 2)'
mv "$TEMP/cmd" "$RUNDIR/rank-2.cmd"
check 'after all that it starts again' respawn 2
stop_cluster
check_fails 'without a launch there is nothing to start again' 'no xylem-launch|No such file' respawn 2

for signal in INT TERM; do
    start_cluster 2
    kill -s $signal $LAUNCHER
    wait $LAUNCHER
    check "SIG$signal ends a launch in good order" [ $? = 0 ]
    check 'with nothing left behind' is_empty
    LAUNCHER=
done

# A launch with a COMMAND, in the background; returns when COMMAND runs.
start_sleeper()
{
    xylem-launch -n 3 --rundir "$TEMP/run" sleep 1000 2>"$TEMP/.launch" &
    LAUNCHER=$!
    wait_until "pgrep -P $LAUNCHER -x sleep >/dev/null"
}
start_sleeper
kill -TERM $LAUNCHER
wait $LAUNCHER
check 'a signal is passed on to COMMAND' [ $? = 143 ]
check 'and the launch ends with it' is_empty
start_sleeper
sleeper=$(pgrep -P $LAUNCHER -x sleep)
RUNDIR=$TEMP/run
kill_rank 1 KILL
check 'a rank is started again' respawn 1
kill -KILL $LAUNCHER
wait $LAUNCHER 2>/dev/null
LAUNCHER=
kill "$sleeper"
check 'all ranks end when the launcher is killed, that one too' wait_until '[ -z "$(list_processes)" ]'
check 'a launch cleans up after one that was killed' launch true
check 'completely' is_empty
