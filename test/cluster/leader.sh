#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# leader.sh - rank 0, or ranks on the way to it, are killed and come back: those who watch at other ranks go on,
# and miss nothing.
. "$(dirname "$0")/../lib/rig.sh"

mkdir "$TEMP/state"
start_cluster 4 1 --statedir "$TEMP/state" -o --heartbeat=200ms -o --timeout=2s
kvs() { on_rank "$1" xylem kvs "${@:2}"; }
has_lines() { [ "$(wc -l <"$TEMP/$1")" -ge "$2" ]; }
# watch NAME RANK OPTION...: in the background, until all is printed
watch()
{
    XYLEM_URI=local://$RUNDIR/local-$2 timeout 120 xylem kvs get -w "${@:3}" >"$TEMP/$1" 2>&1 &
    eval "$1=$!"
    wait_until "has_lines $1 1"
}
printed() { wait "${!1}" && [ "$(cat "$TEMP/$1")" = "$2" ] || { cat "$TEMP/$1"; return 1; }; }
put() { for i in $(seq "$1" "$2"); do kvs 0 put n="$i" || return 1; done; }
sequences() # the versions that rank $1 remembers
{
    on_rank "$1" python3 - "$RUNDIR/local-$1" <<'END'
import json, sys
from client import Client

answer = Client(sys.argv[1]).rpc('kvs.history', '{"namespace":"primary","since":0}')
history = json.loads(answer[1].rstrip(b'\0'))
print(*[v['rootseq'] for v in history['versions']])
END
}
export PYTHONPATH=$ROOT/test/lib

check 'a value is put' put 0 0
check 'the last rank has heard of it' kvs 3 wait 1
check 'it is watched at the last rank' watch far 3 -c 41 n
check 'and next to rank 0' watch near 1 -c 41 n
check 'values are put' put 1 19
check 'and a deep one' kvs 0 put n=20 deep.er.key=1
kill_rank 0 KILL
check 'rank 0 is started again' respawn 0
check 'a commit with a condition finds directories that were not loaded' \
    on_rank 0 timeout 20 xylem kvs put --if-missing=none n=21 deep.er.key=2
check 'more values are put' put 22 40
check 'far from it none is missed, and none comes twice' printed far "$(seq 0 40)"
check 'nor next to it' printed near "$(seq 0 40)"
check_output 'rank 0 remembers all versions' "$(echo $(seq 1 41))" sequences 0
check 'the last rank too' kvs 3 wait 41
check_output 'in their order' "$(echo $(seq 1 41))" sequences 3

# A rank that was just started remembers nothing: who is below it is told by those above.
kvs 0 put m=0
kvs 3 wait "$(kvs 0 version)"
check 'a key is watched while routers come and go' watch through 3 -c 401 m
count() { for i in $(seq 1 400); do echo "m=$i"; done |
    XYLEM_URI=local://$RUNDIR/local-0 xargs -n 1 xylem kvs put --no-merge; }
count &
writer=$!
for rank in 1 2 1; do
    wait_until "has_lines through $((40 + $(wc -l <"$TEMP/through"))) || ! is_alive $writer"
    kill_rank $rank KILL
    check "rank $rank is killed and comes back" respawn $rank
done
check 'the commits succeed meanwhile' wait $writer
check 'none is missed' printed through "$(seq 0 400)"

check 'a namespace is made' kvs 0 namespace create ns
check 'and written' kvs 0 put -N ns a=1
check 'the last rank knows it' kvs 3 wait -N ns 1
check 'it is watched' watch gone 3 -N ns -c 9 a
kill_rank 1 KILL
check 'it is removed while the last rank is cut off' kvs 0 namespace remove ns
check 'and made again' kvs 0 namespace create ns
check 'with another value' kvs 0 put -N ns a=2
check 'the rank between is back' respawn 1
check 'the last rank hears of the new one' wait_until '[ "$(kvs 3 get -N ns a)" = 2 ]'
kill "$gone" 2>/dev/null
wait "$gone"

check 'nothing watches any more' wait_until \
    '[ "$(on_rank 3 xylem stats | awk "\$1 == \"kvs.watches\" {print \$2}")" = 0 ]'
