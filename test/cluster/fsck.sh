#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# fsck.sh - xylem-fsck finds what is damaged on the disk and names the keys, with and without an
# instance; a repair loses nothing that is whole; scrubbing finds damage by itself.
. "$(dirname "$0")/../lib/rig.sh"

state=$TEMP/state
rot() { python3 "$ROOT/test/lib/rows.py" "$state" "$@"; }
refs() { xylem kvs get -t "$1" | python3 -c 'import json, sys; print(*json.load(sys.stdin)["data"])'; }
offline() { xylem-fsck --statedir "$state" "$@"; }
fsck_says() # EXIT-STATUS EXPECTED-STDOUT COMMAND...
{
    local status=$1 expected=$2

    shift 2
    "$@" >"$TEMP/out" 2>"$TEMP/err"
    [ $? = "$status" ] && diff <(echo -n "${expected:+$expected
}") "$TEMP/out"
}
sum_is() { tail -n 1 "$TEMP/err" | grep -Ex -- "xylem-fsck: $1"; }
json_has() { "${@:2}" 2>/dev/null | python3 -c 'import json, sys
o = json.load(sys.stdin)
sys.exit(not ('"$1"'))'; }
sqlite_count() # [FILE]: rows of blobs
{
    python3 -c 'import sqlite3, sys
print(sqlite3.connect(sys.argv[1]).execute("SELECT count(*) FROM blob").fetchone()[0])' \
        "${1:-$state/content.sqlite}"
}
noise() { head -c "$1" /dev/urandom | base64 -w 0; }

# ---- options ----
check_usage 'an operand is a usage error' 'operand' xylem-fsck x
check_usage 'two places are too' 'exclude' xylem-fsck --statedir /tmp -u local:///x
check_usage 'a single tree cannot be repaired' 'exclude' xylem-fsck --rootref x --repair
check_fails 'a folder without a store is an error' 'content.sqlite' xylem-fsck --statedir "$TEMP"
check_fails 'no instance is an error' 'No such file|refused' xylem-fsck -u "local://$TEMP/nowhere"

# ---- a whole store ----
mkdir "$state"
start_cluster 3 --statedir "$state"
check 'keys are put' xylem kvs put a.b.c="$(noise 600)" 'src.stdio%2Eh'="$(noise 600)" \
    'p.100%252E'="$(noise 600)" 'ä.€'="$(noise 600)" dir.one.x=1 dir.two.x=2 small=3
head -c 3000000 /dev/urandom >"$TEMP/big"
check 'and a value of three blobs' sh -c 'xylem kvs put -r big=- <"$1"' - "$TEMP/big"
check 'a checkpoint is recorded' xylem content checkpoint update
check 'live: a whole store is clean' fsck_says 0 '' xylem fsck
check 'and counted' sum_is '[0-9]+ blobs, 8 keys checked: 0 damaged blobs, 0 keys lost'
check 'offline, while the instance runs, too' fsck_says 0 '' offline
check 'live through a leaf: -q says nothing' \
    test -z "$(on_rank 2 xylem fsck -q 2>&1)"
abc=$(refs a.b.c) stdio=$(refs 'src.stdio%2Eh') percent=$(refs 'p.100%252E') euro=$(refs 'ä.€')
read -r big1 big2 big3 <<<"$(refs big)"
dir=$(xylem kvs get -t dir | python3 -c 'import json, sys; print(json.load(sys.stdin)["data"][0])')
root=$(xylem kvs getroot -b)
check 'a tree may be checked alone' fsck_says 0 '' xylem fsck --rootref "$root"
check_fails 'a blobref that is none is refused' 'blobref' xylem fsck --rootref blake2b-12

# ---- the service (xylem-message(7)) ----
service() { PYTHONPATH=$ROOT/test/lib python3 - "$RUNDIR/local-0"; }
check 'wrong requests are refused, a second check is busy, a client that leaves ends its own' \
    service <<'PY'
import errno, sys, time
from client import Client, STREAMING
TOPIC = "content-backing.fsck"
c = Client(sys.argv[1])
assert c.rpc(TOPIC, "{}")[0] == errno.EPROTO, "not streaming"
for wrong, why in (("{", errno.EPROTO), ("[]", errno.EPROTO), ('{"rootref":1}', errno.EPROTO),
                   ('{"rootref":"sha1-00"}', errno.EINVAL)):
    assert c.rpc(TOPIC, wrong, flags=STREAMING)[0] == why, wrong
with c.at_once():
    first = c.send(TOPIC, "{}", flags=STREAMING)
    second = c.send(TOPIC, flags=STREAMING)
ends = {}
last = b""
while len(ends) < 2:
    tag, errnum, flags, payload = c.receive()
    assert flags & STREAMING
    if errnum:
        ends[tag] = errnum
    elif tag == first:
        last = payload
assert ends == {first: errno.ENODATA, second: errno.EBUSY}, ends
assert last.startswith(b'{"summary":'), last
leaver = Client(sys.argv[1])
leaver.send(TOPIC, flags=STREAMING)
leaver.settle()
leaver.sock.close()
while (answer := c.rpc(TOPIC, flags=STREAMING))[0] == errno.EBUSY:
    time.sleep(0.01)
assert b"summary" in answer[1] or b"progress" in answer[1], answer
PY

# ---- damage while it runs ----
check 'bytes flip on the disk' rot flip "$abc" "$stdio"
findings="primary: a.b.c: value: blob $abc is damaged
primary: src.stdio%2Eh: value: blob $stdio is damaged
checkpoint 0: a.b.c: value: blob $abc is damaged
checkpoint 0: src.stdio%2Eh: value: blob $stdio is damaged"
check 'live: the keys are named, once for each tree' fsck_says 1 "$findings" xylem fsck
check 'and counted' sum_is '[0-9]+ blobs, 8 keys checked: 2 damaged blobs, 2 keys lost, 2 in checkpoints'
check 'offline says the same' fsck_says 1 "$findings" offline
check 'as JSON' json_has 'o["lost"] == 2 and len(o["findings"]) == 4 and o["complete"] and
o["findings"][1] == {"root": "primary", "type": "namespace", "key": "src.stdio%2Eh",
"object": "value", "problem": "damaged", "blobref": "'"$stdio"'"}' xylem fsck --json
check 'a row goes away behind its back' rot delete "$euro"
check 'live: it is missing' grep -x "primary: ä.€: value: blob $euro is missing" <(xylem fsck -q)
check 'offline too' grep -x "primary: ä.€: value: blob $euro is missing" <(offline -q)
check_fails 'offline, a repair is refused while the instance runs' 'in use' offline --repair
check 'live: a repair that leaves something says so' fsck_says 1 "$(xylem fsck -q)" \
    xylem fsck --repair -q
check 'and what: checkpoints' grep -q 'checkpoints stay' "$TEMP/err"
check 'and damaged blobs' grep -q 'damaged blobs stay' "$TEMP/err"
check_fails 'the keys are gone' 'no such' xylem kvs get a.b.c
check_fails 'the third one too' 'no such' xylem kvs get ä.€
check_output 'others are there' 3 xylem kvs get small
check 'and whole' sh -c 'xylem kvs get -r big | cmp - "$1"' - "$TEMP/big"
check 'only the old checkpoint needs the blobs now' fsck_says 1 \
    "checkpoint 1: a.b.c: value: blob $abc is damaged
checkpoint 1: src.stdio%2Eh: value: blob $stdio is damaged
checkpoint 1: ä.€: value: blob $euro is missing" xylem fsck
stop_cluster
files=$(ls "$state")
check 'offline without an instance, too' test "$(offline >/dev/null 2>&1; echo $?)" -le 1
check_output 'and no file is left behind' "$files" ls "$state"

# ---- damage while it is stopped ----
check 'a blob of a value is lost' rot flip "$big2"
check 'one goes away' rot delete "$percent"
check 'a directory is lost' rot flip "$dir"
check 'offline: keys are named' fsck_says 1 "primary: big: value: blob $big2 is damaged
primary: dir: directory: blob $dir is damaged
primary: p.100%252E: value: blob $percent is missing" sh -c 'xylem-fsck --statedir "$1" >"$1.out"; rc=$?
    grep "^primary" "$1.out"; exit $rc' - "$state"
fingerprint() { (cd "$state" && find . -type f -name 'content.sqlite' -exec sha256sum {} +); }
before=$(fingerprint)
offline >/dev/null 2>&1
check_output 'a check changes nothing' "$before" fingerprint
check 'it is repaired' offline --repair -q
check 'and clean then' fsck_says 0 '' offline
check 'with fewer keys' sum_is '[0-9]+ blobs, 2 keys checked: 0 damaged blobs, 0 keys lost'
start_cluster 2 --statedir "$state"
check_output 'what was whole is there' 3 xylem kvs get small
{ head -c 1048576 "$TEMP/big"; tail -c +2097153 "$TEMP/big"; } >"$TEMP/rest"
check 'what is left of the damaged one is below lost+found' \
    sh -c 'xylem kvs get -r lost+found.big | cmp - "$1"' - "$TEMP/rest"
check_fails 'what is lost is gone' 'no such' xylem kvs ls dir
check 'the new root is a checkpoint' sh -c \
    '[ "$(xylem kvs getroot -b)" = "$(xylem content checkpoint list -n | awk "NR == 1 {print \$4}")" ]'
check 'live: clean' fsck_says 0 '' xylem fsck
stop_cluster

# ---- a live repair that leaves nothing ----
rm -rf "$state"
mkdir "$state"
start_cluster 1 --statedir "$state"
check 'a key is put' xylem kvs put k="$(noise 600)"
check 'its row goes away behind its back' rot delete "$(refs k)"
check 'live: a repair is a success' xylem fsck --repair -q
check 'live: clean' fsck_says 0 '' xylem fsck
check_fails 'the key is gone' 'no such' xylem kvs get k

stop_cluster

# ---- where nothing can be written ----
on_read_only() # COMMAND...: with the state directory on a file system that is mounted read-only
{
    unshare -m bash -c 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && "$@"' \
        "$state" "$@"
}
if on_read_only true 2>"$TEMP/err"; then
    check 'a read-only file system is checked' fsck_says 0 '' on_read_only xylem-fsck --statedir "$state"
    check 'and looked through for garbage' \
        on_read_only xylem-gc --dry-run --statedir "$state"
    rm "$state/lock"
    check 'also without a lock' fsck_says 0 '' on_read_only xylem-fsck --statedir "$state"
    check 'for garbage, too' on_read_only xylem-gc --dry-run --statedir "$state"
else
    check 'skipped: no file system can be mounted here' true
fi
start_cluster 1 --statedir "$state"

# ---- pages of the database ----
page() # TABLE TYPE N: the number of its Nth page
{
    python3 - "$state/content.sqlite" "$@" <<'PY'
import sqlite3, sys
path, table, kind, n = sys.argv[1:]
print(sqlite3.connect(path).execute("SELECT pageno FROM dbstat WHERE name = ? AND pagetype = ?"
      " ORDER BY path LIMIT 1 OFFSET ?", (table, kind, int(n))).fetchone()[0])
PY
}
wipe() # PAGE: only zeros are left of it
{
    dd if=/dev/zero of="$state/content.sqlite" bs=16384 seek=$(($1 - 1)) count=1 conv=notrunc
}
refused() # TEXT: rank 0 does not start here, and says why
{
    ! timeout 20 xylem-brokerd --rundir "$TEMP/refused" --statedir "$state" 2>"$TEMP/err" &&
        grep -F -- "$1" "$TEMP/err"
}
check 'keys are put' xylem kvs put whole="$(noise 300)"
for i in $(seq 40); do
    echo "k$i=$(noise 3000)"
done >"$TEMP/pairs"
check 'and 40 more' xargs -a "$TEMP/pairs" xylem kvs put
stop_cluster
if leaf=$(page blob leaf 1 2>"$TEMP/err"); then
    cp "$state/content.sqlite" "$TEMP/before"
    check 'a page of the index is lost' wipe "$(page place leaf 0)"
    check 'rank 0 does not start' refused 'fsck --repair'
    check_fails 'offline: that is told' 'a part of the database cannot be read' offline
    check 'it is made again' offline --repair -q
    check 'the old file is kept' test -s "$state/content.sqlite.damaged"
    check 'and clean then' fsck_says 0 '' offline
    check 'nothing is lost' test "$(sqlite_count)" = "$(sqlite_count "$TEMP/before")"
    check 'a page of blobs is lost' wipe "$(page blob leaf 1)"
    check_fails 'offline: keys are named' 'a part of the database cannot be read' offline
    check 'in detail' sh -c 'xylem-fsck --statedir "$1" -q 2>&1 | grep -q "^primary: k[0-9]*: value: blob"' - "$state"
    check 'as JSON' json_has 'not o["complete"] and o["lost"] > 0' offline --json
    check 'it is repaired' offline --repair -q
    check 'the old file is kept, too' test -s "$state/content.sqlite.damaged-2"
    check 'and clean then' fsck_says 0 '' offline
    start_cluster 2 --statedir "$state"
    check 'rank 0 starts' xylem kvs put again=1
    stop_cluster
else
    check 'skipped: this SQLite cannot tell which page is what' true
fi
rm -f "$state"/content.sqlite.damaged*
start_cluster 1 --statedir "$state"
check 'a value of two blobs is put' sh -c 'head -c 2000000 /dev/urandom | xylem kvs put -r lost+found.big=-'
read -r big1 big2 <<<"$(refs lost+found.big)"
stop_cluster

# ---- a name that plays tricks ----
check 'a namespace has control characters in its name' python3 - "$state" <<'PY'
import sqlite3, sys
db = sqlite3.connect(sys.argv[1] + "/content.sqlite")
with db:
    db.execute("INSERT INTO root SELECT ?, owner, sequence, digest FROM root WHERE name = 'primary'",
               ("evil\x1b[2J\n\x7f",))
PY
rot flip "$big1"
offline >"$TEMP/out" 2>&1
check 'it is printed with escapes' grep -qF 'evil\x1b[2J\x0a\x7f: lost+found.big' "$TEMP/out"
check 'and nothing else is' sh -c '! LC_ALL=C grep -q "[[:cntrl:]]" "$1"' - "$TEMP/out"

# ---- scrub ----
rm -rf "$state"
mkdir "$state"
start_cluster 1 --statedir "$state"
check 'a key is put' xylem kvs put k="$(noise 600)"
k=$(refs k)
stop_cluster
check 'its blob rots' rot flip "$k"
start_cluster 1 --statedir "$state" -o scrub-rate=100k
check 'scrubbing finds it' wait_until 'grep -q "scrub: $k is damaged" "$RUNDIR/rank-0.log"'
check 'says so once' [ "$(grep -c 'scrub: ' "$RUNDIR/rank-0.log")" = 1 ]
check 'and the instance works' xylem kvs put other=1
stop_cluster

# ---- without what is needed ----
start_cluster 1 -o backing=none
check_fails 'without a backing store there is nothing to check' 'no backing store' xylem fsck
stop_cluster
rm -rf "$state"
mkdir "$state"
start_cluster 1 --statedir "$state"
check 'a key is put' xylem kvs put k="$(noise 600)"
k=$(refs k)
stop_cluster
check 'its blob rots' rot flip "$k"
start_cluster 1 --statedir "$state" -o no-kvs
check_fails 'a repair needs the key-value store' 'key-value store' xylem fsck --repair
stop_cluster
