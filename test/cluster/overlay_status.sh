#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# overlay_status.sh - the tree as it is drawn, while ranks are lost, adopted, slow and back again; the
# events of that; and the errors of whoever asks for a rank that is not there.
. "$(dirname "$0")/../lib/rig.sh"
export LC_ALL=C.UTF-8
unset NO_COLOR

status() { timeout 60 xylem overlay status "$@"; }
# says PATTERN OPTION...: the drawing has such a line
says() { status "${@:2}" | grep -qE -- "$1"; }
says_nowhere() { ! says "$@"; }
# The drawing without hosts and times.
# shellcheck disable=SC2120 # its callers are check_output and on_rank
shape() { status "$@" | sed -E 's/([0-9]) [^ :]+:/\1:/; s/ for [0-9]+[smhd]//'; }
# heard FILE PATTERN: FILE has such a line, or will soon
heard() { wait_until "grep -qE -- '$2' '$1'"; }

# listen FILE COMMAND...: it goes on in the background; sets LISTENER
LISTENERS=()
listen()
{
    "${@:2}" >"$1" 2>"$1.err" &
    LISTENER=$!
    LISTENERS+=("$LISTENER")
}
trap 'kill "${LISTENERS[@]}" 2>/dev/null; end_test' EXIT

start_cluster 7 2 --statedir "$TEMP/state" -o heartbeat=200ms -o timeout=2s

# ---- all are there ----
check 'the tree gets full' status -w full -t 30s
check_output 'and is drawn' "0: full
├─ 1: full
│  ├─ 3: full
│  └─ 4: full
└─ 2: full
   ├─ 5: full
   └─ 6: full" shape
LC_ALL=C shape >"$TEMP/ascii"
check_output 'in ASCII where the locale has no more' "0: full
|- 1: full
|  |- 3: full
|  \`- 4: full
\`- 2: full
   |- 5: full
   \`- 6: full" cat "$TEMP/ascii"
check_output 'from any rank, and any part of it' "2: full
├─ 5: full
└─ 6: full" on_rank 3 shape -r 2
check_output 'nothing is left to see when one looks for what is down' '0: full' shape --down
host=$(uname -n)
check 'a line tells the host, and since when' says "^0 $host: full for [0-9]+[sm]\$"

# on_terminal COMMAND...: its output, which is a terminal
on_terminal()
{
    timeout 60 python3 -c 'import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)' "$@" </dev/null
}
# All is read: a terminal that is left alone in the middle keeps its program.
has_color() { "$@" >"$TEMP/colors" && grep -q $'\x1b' "$TEMP/colors"; }
has_none() { "$@" >"$TEMP/colors" && grep -q full "$TEMP/colors" && ! grep -q $'\x1b' "$TEMP/colors"; }
check 'it has colours on a terminal' has_color on_terminal xylem overlay status
check 'elsewhere it has none' has_none xylem overlay status
check 'unless one asks for them' has_color xylem overlay status --color=always
check 'nor with NO_COLOR' has_none on_terminal env NO_COLOR=1 xylem overlay status
check 'nor on a terminal that is not to have them' has_none on_terminal xylem overlay status -L never

# ---- one is killed ----
listen "$TEMP/client" python3 "$ROOT/test/lib/member_events.py" "$RUNDIR/local-6"
listen "$TEMP/follow" xylem overlay events --follow
follower=$LISTENER
check 'a client of a leaf subscribes' heard "$TEMP/client" subscribed
check 'who follows sees what was before' heard "$TEMP/follow" "join rank=6 parent=2 host=$host\$"
kill_rank 1 KILL
check 'rank 1 is lost' wait_until "says '^├─ 1 .*: lost for'"
check 'its children are adopted' wait_until "says '─ 3 .*adopted by 0 .home: 1' && says '─ 4 .*adopted'"
check_output 'so the tree is' "0: degraded
├─ 1: lost: lost contact
├─ 2: full
│  ├─ 5: full
│  └─ 6: full
├─ 3: full, adopted by 0 (home: 1)
└─ 4: full, adopted by 0 (home: 1)" shape
check_output 'and without what is full' "0: degraded
├─ 1: lost: lost contact
├─ 3: full, adopted by 0 (home: 1)
└─ 4: full, adopted by 0 (home: 1)" shape --down
check_output 'the list of errors has it' '1: lost: lost contact' \
    sh -c "xylem overlay errors | sed 's/ [^ ]*:/:/'"
check 'the client hears that it is lost' heard "$TEMP/client" '^overlay.lost 1 below 0 $'
check 'and that its children are adopted' heard "$TEMP/client" '^overlay.join 3 below 0 adopted'
check 'both of them' heard "$TEMP/client" '^overlay.join 4 below 0 adopted'
check 'so does who follows' heard "$TEMP/follow" "lost rank=1 parent=0 host=$host\$"
check 'of all' heard "$TEMP/follow" "join rank=4 parent=0 host=$host adopted\$"
check_output 'their parent is rank 0 now' 0 xylem overlay parentof 3
check_output 'at home it is rank 1' 1 xylem overlay parentof --home 3

json() { status --json | python3 -c "import json, sys; t = json.load(sys.stdin); $1"; }
check 'JSON has the tree' json '
by_rank = {c["rank"]: c for c in t["children"]}
assert (t["rank"], t["status"], t["size"], t["missing"], t["parent"]) == (0, "degraded", 7, [1], None)
assert sorted(by_rank) == [1, 2, 3, 4]
lost, adopted = by_rank[1], by_rank[3]
assert (lost["status"], lost["error"], lost["children"]) == ("lost", "lost contact", [])
assert (adopted["parent"], adopted["home"], adopted["adopted"]) == (0, 1, True)
assert [c["rank"] for c in by_rank[2]["children"]] == [5, 6]
for c in by_rank.values():
    assert c["duration"] >= 0 and c["torpid"] is False and c["hidden"] == 0 and c["hostname"]'

# ---- who asks for it ----
check_fails 'a wait ends with who is missing' \
    '^xylem: overlay status: not full after 0.3 s: rank 0 is degraded; missing: rank 1$' \
    status -w full -t 300ms
for command in 'ping -c 1 -r 1' 'stats -r 1' 'overlay status -r 1' 'overlay parentof 1'; do
    check_fails "the error of $command names the rank" '^xylem: [a-z ]+: (1: )?rank 1 is lost$' \
        timeout 20 xylem $command
    check_fails 'from another one too' '^xylem: [a-z ]+: (1: )?rank 1 is lost$' \
        on_rank 5 timeout 20 xylem $command
done
status -r 1 -w full -t 60s >"$TEMP/waited" 2>&1 &
waiter=$!

# ---- it is back ----
check 'it is started again' respawn 1
wait $waiter
check 'who waited for it sees it' [ $? = 0 ]
check 'the tree gets full again' status -w full -t 60s
check 'and all go home' wait_until "says_nowhere adopted"
check_output 'as it was' 1 xylem overlay parentof 3
check 'the client hears of it' heard "$TEMP/client" '^overlay.join 1 below 0 $'
check 'and that they went home' heard "$TEMP/client" '^overlay.leave 3 below 0 adopted'
check 'to their parent' heard "$TEMP/client" '^overlay.join 3 below 1 $'

# ---- one is slow ----
# Those below it hear nothing meanwhile.
listen "$TEMP/other" python3 "$ROOT/test/lib/member_events.py" "$RUNDIR/local-4"
check 'another client subscribes' heard "$TEMP/other" subscribed
paused=$(rank_pid 2)
kill -STOP "$paused"
check 'a rank that does not answer is drawn with the reason' \
    says '─ 2 .*: no answer in time \(not seen below it: 2\)' -t 300ms
check 'it is torpid before it is lost' wait_until "says '─ 2 .*, torpid' -t 100ms"
check 'a client hears of it' heard "$TEMP/other" '^overlay.torpid 2 below 0'
check 'then it is lost' wait_until "says '─ 2 .*: lost for' -t 100ms"
check 'and of that' heard "$TEMP/other" '^overlay.lost 2 below 0'
check_output 'in that order' 'overlay.torpid overlay.lost ' sh -c \
    "grep -E '^overlay.(torpid|lost) 2 below 0' '$TEMP/other' | head -n 2 | cut -d ' ' -f 1 | tr '\n' ' '"
kill -CONT "$paused"
check 'it comes back' status -w full -t 60s
check 'with its children' wait_until "says_nowhere 'adopted|torpid'"

# ---- one leaves ----
kill_rank 6 TERM
check 'a rank that leaves is offline' wait_until "says '─ 6 .*: offline for'"
check 'its parent tells' heard "$TEMP/follow" 'leave rank=6 parent=2'
check_fails 'it cannot be reached' 'rank 6 ' xylem ping -c 1 -r 6
check 'it is started again' respawn 6
check 'and there' status -w full -t 60s

# ---- what rank 0 keeps ----
check 'what was is kept' sh -c 'xylem overlay events | grep -q "lost rank=1 parent=0"'
check 'and asked for from any rank' sh -c \
    "XYLEM_URI=local://$RUNDIR/local-5 xylem overlay events --json | grep -q '\"event\":\"lost\",\"rank\":1'"
check 'nobody else reports' sh -c "python3 '$ROOT/test/lib/client.py' '$RUNDIR/local-3' overlay.report \
    '{\"events\":[{\"event\":\"lost\",\"rank\":2,\"parent\":0,\"by\":0,\"adopted\":false,\"hostname\":\"\",\"time\":1.5}]}' 0 |
    grep -q ^1"
check 'who follows is there until it is told to end' is_alive $follower

# ---- another rank 0 ----
listen "$TEMP/below" on_rank 3 xylem overlay events --follow
below=$LISTENER
check 'one follows at another rank' heard "$TEMP/below" 'leave rank=6 parent=2'
lines=$(wc -l <"$TEMP/below") # ranks below rank 0 may leave their parents again before it is back
kill_rank 0 KILL
check_fails 'without rank 0 nobody can tell' 'not full after|rank 0' \
    on_rank 3 timeout 60 xylem overlay status -w full -t 300ms
check 'it is started again' respawn 0
check 'and there' status -w full -t 60s
follow_again() { tail -n +"$((lines + 1))" "$TEMP/below" | grep -qE "$1"; }
check 'who follows goes on, with what the new one notices' \
    wait_until "follow_again 'join rank=1 parent=0' && follow_again 'join rank=2 parent=0'"
check 'as the same program' is_alive "$below"

# ---- names ----
check_output 'the hosts of ranks' "$host,$host,$host" xylem overlay lookup 0,2-3
check_output 'the ranks of a host' 0-6 xylem overlay lookup "$host"
check_fails 'no such host' 'there is no such host' xylem overlay lookup nowhere
check_fails 'no such rank' 'there is no such rank' xylem overlay lookup 3-7
check_fails 'no such rank to draw' '7: there is no such rank' status -r 7
check_fails 'no parent' '0: it has no parent' xylem overlay parentof 0
check_usage 'no such status' "'splendid' is not full" status -w splendid
check_usage 'no such colours' "'red' is not always" status --color=red
