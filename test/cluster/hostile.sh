#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# hostile.sh - requests that no well-behaved client sends; each stands for a defect found once.
. "$(dirname "$0")/../lib/rig.sh"

start_cluster 4 2
rpc() # RANK TOPIC [JSON [NODEID [FLAGS]]]: prints errnum and payload
{
    python3 "$ROOT/test/lib/client.py" "$RUNDIR/local-$1" "${@:2}"
}
errnum() { rpc "$@" | cut -d ' ' -f 1; }
pending() { on_rank "$1" xylem stats | awk '$1 == "router.pending" {print $2}'; }

# ---- a name that would end the JSON it is put into ----
check_output 'a namespace with quotes is refused' 71 \
    errnum 1 kvs.getroot '{"namespace":"a\",\"namespace\":\"primary"}'
check_output 'in a look-up too' 22 errnum 1 kvs.lookup '{"key":"a","namespace":"a\"b"}'
check_output 'and the rank is alive' 1 on_rank 1 xylem getattr rank

# ---- requests that are passed up are not sent back down ----
check_output 'a checkpoint asked of rank 3 comes from rank 0' 2 \
    errnum 3 content.checkpoint-get '' 3
check_output 'a commit without payload at rank 3 is refused' 71 errnum 1 kvs.commit '' 3
check_output 'namespaces asked of rank 1 come from rank 0' 0 errnum 3 kvs.namespace-list '' 1
check_output 'nothing is left pending' 0 pending 3

# ---- a stream that is none ----
check_output 'the only answer of a would-be stream ends it' 0 \
    errnum 1 kvs.getroot '{"namespace":"primary"}' 0 0x40
check_output 'and leaves no call behind' 0 pending 1

# ---- roots that lead nowhere ----
nowhere=blake2b-$(printf '0%.0s' {1..64})
check_output 'a namespace on an unknown root is refused' 2 \
    errnum 2 kvs.namespace-create "{\"namespace\":\"bad\",\"rootref\":\"$nowhere\"}"
check_output 'a checkpoint of an unknown root too' 2 errnum 2 content.checkpoint-put \
    "{\"value\":{\"version\":1,\"rootref\":\"$nowhere\",\"sequence\":1,\"timestamp\":1.5}}"
blob=$(echo 'no directory' | xylem content store)
check_output 'a checkpoint of a blob that is no directory too' 71 errnum 0 content.checkpoint-put \
    "{\"value\":{\"version\":1,\"rootref\":\"$blob\",\"sequence\":1,\"timestamp\":1.5}}"

# ---- commit ids ----
put='{"namespace":"primary","flags":0,"ops":[{"key":"k","flags":32,"dirent":{"ver":1,"type":"val","data":"eA=="}}]}'
check_output 'an id may be a client'"'"'s own' 0 errnum 1 kvs.commit.mine "$put"
check_output 'a second time it is answered' 0 errnum 1 kvs.commit.mine "$put"
check_output 'and not applied' x xylem kvs get k
check_output 'one that is none is refused' 22 errnum 1 "kvs.commit.$(printf 'i%.0s' {1..64})" "$put"
check_output 'and not applied either' x xylem kvs get k

# ---- SYNC where it cannot be ----
check 'a namespace is made' xylem kvs namespace create other
check_output 'SYNC is for the primary namespace' 22 \
    errnum 2 kvs.commit '{"namespace":"other","flags":4,"ops":[]}'
check_output 'where it records a checkpoint' 0 \
    errnum 2 kvs.commit '{"namespace":"primary","flags":4,"ops":[]}'
check 'which is listed' xylem content checkpoint list

# ---- answers larger than the client reads ----
greedy() # many large look-ups in one write, none read: the rank holds the client back
{
    python3 - "$ROOT/test/lib" "$RUNDIR/local-1" <<'PY'
import sys
sys.path.insert(0, sys.argv[1])
from client import Client
c = Client(sys.argv[2])
for _ in range(60):
    c.send("kvs.lookup", '{"key":"big","namespace":"primary","flags":0}')
other = Client(sys.argv[2])
assert other.rpc("attr.list", "{}")[0] == 0
PY
}
resident() { awk '$1 == "VmRSS:" {print $2}' "/proc/$(cat "$RUNDIR/rank-$1.pid")/status"; }
head -c 8000000 /dev/urandom >"$TEMP/big"
xylem kvs put -r big=- <"$TEMP/big"
check 'a value of 8 MB is read' on_rank 1 xylem kvs get -r big
before=$(resident 1)
check 'a client asks for it 60 times and does not read' greedy
after=$(resident 1)
check "which does not make the rank grow by them all ($before to $after KiB)" \
    test $((after - before)) -lt 400000

# ---- waits of clients that are gone ----
waits()
{
    python3 - "$ROOT/test/lib" "$RUNDIR/local-1" <<'PY'
import sys
sys.path.insert(0, sys.argv[1])
from client import Client
for _ in range(20):
    c = Client(sys.argv[2])
    for _ in range(1000):
        c.send("kvs.wait-version", '{"namespace":"primary","rootseq":1000000}')
PY
}
stat() { on_rank 1 xylem stats | awk -v name="$1" '$1 == name {print $2}'; }
check 'clients wait for a version and leave' waits
wait_until '[ "$(stat clients)" = 1 ]'
check_output 'and take their waits with them' 0 stat kvs.version-waits
