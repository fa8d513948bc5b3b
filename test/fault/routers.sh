#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# routers.sh - ranks between others are killed, frozen and started again under load: who is below them is adopted
# and goes home, no client of a surviving rank sees an error, and nothing acknowledged is lost
# (xylem-overlay(7), "HEALING").
. "$(dirname "$0")/../lib/rig.sh"
export PYTHONPATH=$ROOT/test/lib

mkdir "$TEMP/state"
start_cluster 15 2 --statedir "$TEMP/state" -o --heartbeat=200ms -o --timeout=1s
parent_of() { on_rank 0 xylem overlay parentof "$1" 2>/dev/null; }
status_is() { [ "$(xylem overlay status 2>/dev/null | sed -n '1s/.*0[^:]*: \([a-z]*\).*/\1/p')" = "$1" ]; }
figure() { python3 "$ROOT/test/lib/ranks.py" "$RUNDIR" "$1" "$2"; }
done_so_far() { cut -d ' ' -f 1 "$TEMP/report" 2>/dev/null || echo 0; }
go_on() # the clients have done as many requests more
{
    local goal=$(($(done_so_far) + $1))

    wait_until "[ \"\$(done_so_far)\" -ge $goal ] || ! is_alive $clients" 60 && is_alive $clients
}

python3 "$ROOT/test/lib/survivors.py" "$RUNDIR" "$TEMP/stop" "$TEMP/report" 7 9 11 12 14 2>"$TEMP/failures" &
clients=$!
check 'clients work' go_on 300

kill_rank 1 KILL
check 'rank 1 is killed: they go on' go_on 300
check 'its children are adopted' wait_until 'on_rank 9 xylem ping -c 1 -r 3'
check_refused 1 'rank 1 is out of reach, and named' 'rank 1 is lost' on_rank 14 xylem ping -c 1 -r 1
kill_rank 3 KILL
check 'and rank 3 below it: they go on' go_on 300
kill_rank 2 KILL
check 'and rank 2: they go on' go_on 300
check 'rank 3 is back before its parent' respawn 3
check 'they go on' go_on 300
check 'rank 1 is back' respawn 1
check 'and rank 2' respawn 2
check 'the tree is full again' xylem overlay status --wait full -t 30s
check 'they go on' go_on 300

# Frozen: the kernel keeps the connections, so silence is all there is to notice.
for rank in 1 5; do kill -STOP "$(rank_pid $rank)"; done
check 'ranks 1 and 5 are frozen: they go on' go_on 300
for rank in 1 5; do kill -CONT "$(rank_pid $rank)"; done
check 'they wake up: the tree is full again' xylem overlay status --wait full -t 30s
check 'they go on' go_on 300

# In any order, without waiting for anything to heal.
order=$(python3 -c 'import random; r = random.Random(7); print(*[r.choice((1, 2, 3, 4, 5, 6)) for _ in range(12)])')
for rank in $order; do
    kill_rank "$rank" KILL
    respawn "$rank" 2>/dev/null & # it may be killed again before it is ready
    restarts[$!]=$rank
    go_on 40
done
for pid in "${!restarts[@]}"; do wait "$pid"; done
check 'after many more the tree is full again' xylem overlay status --wait full -t 60s
check 'they go on' go_on 300

# The root too: requests wait for it.
kill_rank 0 KILL
check 'rank 0 is killed and comes back' respawn 0
check 'the tree is full again' xylem overlay status --wait full -t 60s
check 'they go on' go_on 300
touch "$TEMP/stop"
check 'no request has failed, and nothing acknowledged is lost' wait $clients
sed "s/^/# /" "$TEMP/failures"
echo "# $(cat "$TEMP/report") requests, longest delay in s"
