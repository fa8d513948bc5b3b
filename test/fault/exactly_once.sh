#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# exactly_once.sh - commits with ids while rank 0 is killed: what was durable is not applied again when it
# is repeated, by a client or by a rank, and nothing acknowledged is lost (xylem-kvs(7), "Ids").
. "$(dirname "$0")/../lib/rig.sh"
export PYTHONPATH=$ROOT/test/lib

state=$TEMP/state
mkdir "$state"
kvs() { on_rank "$1" xylem kvs "${@:2}"; }
commits() { python3 "$ROOT/test/lib/commits.py" "$@"; }
# A process has a lock until its last thread has ended, which may be after it is a zombie.
wait_for_lock() { wait_until "flock -n '$RUNDIR/rank-0.lock' true"; }
kill_root() { kill_rank 0 KILL && wait_for_lock; }

# ---- a client at rank 0 that repeats ----
start_cluster 1 2 --statedir "$state"
check 'a log' kvs 0 put log=
# The answer is not taken: all the client would know is that its connection has ended.
check 'rank 0 is killed when the commit is durable' python3 - "$RUNDIR" "$state" <<'PY'
import os, signal, sqlite3, sys
from client import Client
from commits import append_line
from ranks import until
rundir, state = sys.argv[1:]
with open(f"{rundir}/rank-0.pid") as file:
    pid = int(file.read())
db = sqlite3.connect(f"file:{state}/content.sqlite?mode=ro", uri=True, timeout=20)
client = Client(f"{rundir}/local-0")
client.send("kvs.commit.durable-1", append_line("once"))
until(lambda: db.execute("SELECT 1 FROM history WHERE ids = CAST('durable-1' AS BLOB)").fetchone())
os.kill(pid, signal.SIGKILL)
PY
wait_for_lock
check 'and started again' respawn 0
version=$(kvs 0 version)
check_output 'repeated, it is answered with the first result' "0 $version" \
    commits commit "$RUNDIR/local-0" durable-1 log once
check_output 'the version is the same' "$version" kvs 0 version
check_output 'the line is there once' once kvs 0 get log
kill_root
check 'after another restart' respawn 0
check_output 'it is the same' "0 $version" commits commit "$RUNDIR/local-0" durable-1 log once
check_output 'and the next one is another' "0 $((version + 1))" \
    commits commit "$RUNDIR/local-0" durable-2 log twice
stop_cluster

# ---- a rank that replays ----
start_cluster 7 2 --statedir "$state" -o --heartbeat=200ms -o --timeout=2s
check 'a log' kvs 0 put log=
# killed_when_durable TOPIC PAYLOAD CONDITION OUT: while the test holds the database, the request of a client
# at rank 3 gets to rank 0 through rank 1, which is then held still: so the answer never arrives, for both
# are killed as soon as there is such a row of the history.  What the client gets in the end is in OUT.
killed_when_durable()
{
    python3 - "$RUNDIR" "$state" "$@" <<'PY'
import os, signal, sqlite3, sys
from ranks import Ranks, until
rundir, state, topic, payload, condition, out = sys.argv[1:]
ranks = Ranks(rundir, 7)
pids = [int(open(f"{rundir}/rank-{rank}.pid").read()) for rank in range(4)]
path = f"{state}/content.sqlite"
reader = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=20)
holder = sqlite3.connect(path, timeout=20, isolation_level=None)
client = ranks.client(3)
ranks.figure(0, "store.queued")
holder.execute("BEGIN IMMEDIATE")
client.send(topic, payload)
until(lambda: ranks.figure(0, "store.queued") > 0)
os.kill(pids[1], signal.SIGSTOP)
holder.execute("ROLLBACK")
until(lambda: reader.execute(f"SELECT 1 FROM history WHERE {condition}").fetchone())
os.kill(pids[0], signal.SIGKILL)
os.kill(pids[1], signal.SIGKILL)
# The client stays: its rank answers it when a rank 0 is there again.
if os.fork() == 0:
    _, errnum, _, answer = client.receive()
    with open(out + ".new", "wb") as file:
        file.write(str(errnum).encode() + b" " + answer.rstrip(b"\0"))
    os.rename(out + ".new", out)
    os._exit(0)
PY
}
line=$(python3 -c 'from commits import append_line; print(append_line("once"))')
check 'ranks 0 and 1 are killed when the commit of a client at rank 3 is durable' killed_when_durable \
    kvs.commit.replayed-1 "$line" "ids = CAST('replayed-1' AS BLOB)" "$TEMP/answer"
respawn_both() { wait_for_lock; respawn 0 & respawn 1 && wait $!; }
check 'ranks 0 and 1 are started again' respawn_both
check 'the rank below replays, and its client is answered' wait_until '[ -e "$TEMP/answer" ]' 60
check 'without an error' grep -q '^0 ' "$TEMP/answer"
version=$(kvs 0 version)
check 'with the first result' grep -q "\"rootseq\":$version," "$TEMP/answer"
replayed() { [ "$(python3 "$ROOT/test/lib/ranks.py" "$RUNDIR" 3 router.replayed)" -gt 0 ]; }
check 'it was replayed' replayed
check_output 'the line is there once' once kvs 0 get log
check_output 'the client sees it at its rank' once kvs 3 get log
check 'the tree gets full again' xylem overlay status --wait full -t 30s

# ---- a namespace, which is made once ----
check 'both are killed when a namespace that is created is durable' killed_when_durable \
    kvs.namespace-create '{"namespace":"made","flags":0}' "name = 'made'" "$TEMP/made"
check 'and started again' respawn_both
check 'the client is answered' wait_until '[ -e "$TEMP/made" ]' 60
check_output 'without an error' '0 ' cat "$TEMP/made"
check 'the namespace is there' kvs 3 -N made put a=1
check_fails 'once' 'exists' kvs 3 namespace create made
check 'the tree gets full again' xylem overlay status --wait full -t 30s

# ---- many, while rank 0 is killed again and again ----
check 'a new log' kvs 0 put log=
writers=()
for rank in 0 1 3 4 6; do
    commits append "$RUNDIR/local-$rank" "w$rank" "$TEMP/log-$rank" "$TEMP/stop" & writers+=($!)
done
for rank in 0 5; do
    commits append-once "$RUNDIR/local-$rank" "o$rank" "$TEMP/once-$rank" "$TEMP/stop" & writers+=($!)
done
acknowledged() { cat "$TEMP"/log-* "$TEMP"/once-* 2>/dev/null | wc -l; }
for round in 1 2 3 4 5; do
    goal=$(($(acknowledged) + 200))
    check "round $round: clients append" wait_until "[ \$(acknowledged) -ge $goal ]" 60
    kill_root
    check 'rank 0 is killed and started again' respawn 0
done
goal=$(($(acknowledged) + 200))
check 'clients append' wait_until "[ \$(acknowledged) -ge $goal ]" 60
touch "$TEMP/stop"
finished() { local w; for w in "${writers[@]}"; do wait "$w" || return 1; done; }
check 'all that was repeated is answered in the end' finished
exactly_once()
{
    kvs 0 get --raw log >"$TEMP/all" && commits check "$TEMP"/log-* "$TEMP"/once-* -- "$TEMP/all"
}
check 'every acknowledged line is there, and none is there twice' exactly_once
on_rank 6 xylem kvs wait "$(kvs 0 version)"
check_output 'seen from a leaf it is the same' "$(sha256sum <"$TEMP/all")" \
    eval 'kvs 6 get --raw log | sha256sum'
