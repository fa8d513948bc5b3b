#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# hosts.sh - xylem-launch --hosts, with a way to other hosts that leads nowhere but here.
. "$(dirname "$0")/../lib/rig.sh"

# $TEMP/way HOST WORD... runs the words; what the host is called tells what goes wrong.
cat >"$TEMP/way" <<'EOF'
#!/bin/sh
host=$1
shift
echo "$host" >>"$CALLS"
case $host in
down) echo "way: no route to $host" >&2; exit 255 ;;
hangs) exec sleep 1000 ;;
lasts) sleep 1000 & echo $! >"$CALLS.sleep"; wait ;;
greets) echo Welcome; exec "$@" ;;
babbles) exec yes ;;
forks) "$@"; exit $? ;;
esac
exec "$@"
EOF
# As ssh does it: one line of text, for a shell.
cat >"$TEMP/ssh-way" <<'EOF'
#!/bin/sh
host=$1
shift
exec sh -c "$*"
EOF
chmod +x "$TEMP/way" "$TEMP/ssh-way"
export CALLS=$TEMP/calls

launch() { xylem-launch --rundir "$TEMP/run" --rsh "$TEMP/way" -o interface=lo "$@"; }
status_of() { "$@" >/dev/null 2>&1; echo $?; }
is_empty() { [ -z "$({ ls -A "$TEMP/run"; list_processes; } 2>&1 | tee /dev/stderr)" ]; }

# ---- failures ----
check_usage 'a list of nothing is refused' 'no host is named' launch -n 2 --hosts , true
check_usage 'so is a host that would be an option' 'not the name' launch -n 2 --hosts=-oX=y true
check_fails 'a host that is not there is named' \
    'rank 2 on host down did not arrive: pid [0-9]+ exited with status 255' \
    launch -n 3 --hosts a,b,down true
launch -n 3 --hosts a,b,down true 2>"$TEMP/why"
check 'with what the way there said' grep -q '^  way: no route to down' "$TEMP/why"
check 'nothing is left behind' is_empty
check_fails 'a host that hangs is named when time is over' \
    'rank 1 on host hangs did not arrive: nothing was heard of it in time' \
    launch -n 3 -t 1s --hosts a,hangs,b true
check 'nothing is left behind' is_empty
check_fails 'what a way has started goes with it' 'rank 0 on host lasts did not arrive' \
    launch -n 1 -t 1s --hosts lasts true
check 'completely' wait_until '! is_alive $(cat "$CALLS.sleep")'
late=$(launch -n 12 -t 1s --hosts hangs true 2>&1)
check 'but not all of many' grep -q 'and 4 more ranks did not arrive' <<<"$late"
check_fails 'a host that greets is told why not' \
    "rank 0 on host greets: not a line of PMI-1: 'Welcome'" launch -n 1 --hosts greets true
check_fails 'so is one that babbles' "rank 0 on host babbles: not a line of PMI-1: 'y'" \
    launch -n 1 --hosts babbles true
check_fails 'a way that is none' 'cannot run /does/not/exist' \
    xylem-launch -n 1 --hosts a --rsh /does/not/exist true
check_fails 'no way at all' 'rsh is empty' xylem-launch -n 1 --hosts a --rsh ' ' true
check_fails 'a broker that is not there' 'rank 0 on host a did not arrive' \
    launch -n 1 --hosts a --broker-path /does/not/exist true
check_fails 'an option nobody knows' 'no-such-option' launch -n 1 --hosts a -o no-such-option true
check 'nothing is left behind' is_empty

# ---- a tree ----
rm -f "$CALLS"
start_cluster 8 2 --hosts 'h[1-2],last' --rsh "$TEMP/way" -o interface=lo
deals() { sort "$CALLS" | uniq -c | xargs; }
check_output 'ranks are dealt in blocks' '3 h1 3 h2 2 last' deals
check 'the tree is complete' xylem overlay status --wait full -t 20s
echo over there >"$TEMP/blob"
ref=$(on_rank 7 xylem content store <"$TEMP/blob")
check_output 'a blob crosses it' 'over there' on_rank 3 xylem content load "$ref"
rank_of_pid() { tr '\0' ' ' <"/proc/$1/cmdline" | sed -n 's/.*--rank \([0-9]*\).*/\1/p'; }
check_output 'all know what the hosts call themselves' 0-7 on_rank 7 xylem overlay lookup "$(hostname)"
check_fails 'of ranks it is told which is not there' '^xylem: overlay lookup: 9: there is no such rank, there are 8' \
    xylem overlay lookup 0,4-9
check_output 'the pid file names the process' 5 rank_of_pid "$(rank_pid 5)"
check_output 'the host file where it is' "h2 $(rank_pid 5)" cat "$RUNDIR/rank-5.host"
check 'the key of the instance is for its owner only' \
    [ "$(stat -c %a "$RUNDIR/launch.cert")" = 600 ]
secret=$(sed -n 's/.*secret-key = "\(.*\)".*/\1/p' "$RUNDIR/launch.cert")
check 'there is a secret one' [ -n "$secret" ]
echo "$secret" >"$TEMP/secret"
is_secret()
{
    ! cat /proc/[0-9]*/cmdline "$RUNDIR"/rank-*.{log,cmd,host} 2>/dev/null |
        grep -aqF -f "$TEMP/secret"
}
check 'which is on no command line and in no log' is_secret

# ---- started again ----
for rank in 7 1; do
    kill_rank $rank KILL
    check "rank $rank is killed and started again" respawn $rank
    check_output 'it is the same' "$rank" on_rank $rank xylem getattr rank
    check 'and the tree is complete' xylem overlay status --wait full -t 30s
done
check_output 'it reads what was stored before' 'over there' on_rank 1 xylem content load "$ref"
stop_cluster

# ---- what COMMAND gets ----
check_output 'COMMAND is in the same place' "local://$TEMP/run/local-0 $TEMP/run/launch.cert 2" \
    launch -n 2 --hosts a,b -- sh -c 'echo $XYLEM_URI $XYLEM_CERT $XYLEM_SIZE'
check_output 'its status is that of the launch' 7 \
    status_of launch -n 2 --hosts a,b -- sh -c 'exit 7'
elsewhere() { xylem-launch -n 2 --hosts a,b --rsh "$TEMP/way" -o interface=lo "$@"; }
check_output 'without --rundir ranks have places of their own' found elsewhere -- sh -c \
    'xylem kvs put a=1 && [ ! -e $XYLEM_RUNDIR/local-0 ] && echo found'
check_output '--remote-rundir is used by the ranks' "local://$TEMP/run2/local-0" \
    elsewhere --remote-rundir "$TEMP/run2" -- sh -c 'echo $XYLEM_URI'
check 'and empty afterwards' [ -z "$(ls -A "$TEMP/run2" 2>/dev/null)" ]
check_output 'COMMAND may talk TCP to the ranks' 1 elsewhere -- sh -c \
    'u=$(xylem getattr tbon.endpoint) && xylem -u $u kvs put a=1 && xylem -u $u kvs get a'
check 'nothing is left behind' is_empty

# ---- words that a shell would change ----
odd="$TEMP/run it's \$HOME"
check_output 'they come through where a shell is' "local://$odd/local-0" \
    xylem-launch -n 2 --hosts a,b --rsh "$TEMP/ssh-way" -o interface=lo --rundir "$odd" \
    -- sh -c 'echo "$XYLEM_URI"'
check_fails 'and are refused where nobody knows' 'cannot be handed to' \
    xylem-launch -n 2 --hosts a,b --rsh "$TEMP/way" -o interface=lo --rundir "$odd" true
rm -rf "$odd"

# ---- the end ----
start_cluster 4 2 --hosts 'h1,forks' --rsh "$TEMP/way" -o interface=lo
check 'a shutdown of the instance' xylem shutdown
wait $LAUNCHER
check 'ends the launch in order' [ $? = 0 ]
LAUNCHER=
check 'with nothing left behind' is_empty
start_cluster 4 2 --hosts 'h1,forks' --rsh "$TEMP/way" -o interface=lo
kill -KILL $LAUNCHER
wait $LAUNCHER 2>/dev/null
LAUNCHER=
check 'ranks end when the launcher is killed' wait_until '[ -z "$(list_processes)" ]'
check 'and the next launch cleans up' launch -n 4 --hosts a,b true
check 'completely' is_empty
