#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# rfc10.sh - every normative statement of RFC 10, by its number in xylem-content(7), "CONFORMANCE".
# On the wire where a statement is about payloads and error numbers: at rank 0, and at leaf 6, whose
# parent is rank 2, of a tree of 7.
. "$(dirname "$0")/../lib/rig.sh"
export PYTHONPATH=$ROOT/test/lib

wire() # RANK TOPIC [PAYLOAD]: errnum, and the payload in hexadecimal
{
    python3 "$ROOT/test/lib/client.py" -x "$RUNDIR/local-$1" "${@:2}"
}
errnum() { wire "$@" | cut -d ' ' -f 1; }
stat() { python3 "$ROOT/test/lib/ranks.py" "$RUNDIR" "$1" "$2"; } # RANK FIGURE
address() { b2sum -l 256 "$1" | cut -d ' ' -f 1; } # of a file, computed by somebody else
same_at() { on_rank "$1" xylem content load "$3" | cmp - "$2"; } # RANK FILE REF
dropcaches()
{
    local rank

    for rank in 0 1 2 3 4 5 6; do
        on_rank $rank xylem content dropcache || return 1
    done
}
everywhere() # FILE REF
{
    local rank

    for rank in 0 1 2 3 4 5 6; do
        same_at $rank "$1" "$2" || return 1
    done
}
play() { python3 - "$RUNDIR" "$@"; } # a Python program on standard input

# The table names the scripts of each statement; each of them has a case with its number.
table_is_right()
{
    local id='' tests test

    grep -oE '^\.It RFC10-[0-9]+|^Tests: .*' "$ROOT/man/xylem-content.7" |
        while read -r word tests; do
            [ "$word" != .It ] || { id=$tests; continue; }
            for test in $(tr -d ,. <<<"$tests"); do
                grep -q "$id " "$ROOT/test/cluster/$test.sh" || { echo "$id is not in $test"; return 1; }
            done
        done || return 1
    diff <(grep -oE '^\.It RFC10-[0-9]+' "$ROOT/man/xylem-content.7" | cut -c 5- | sort) \
        <(grep -ohE 'RFC10-[0-9]+' "$ROOT"/test/cluster/*.sh | sort -u)
}
check 'the table of xylem-content(7) and the tests have the same statements' table_is_right

mkdir "$TEMP/state"
start_cluster 7 2 --statedir "$TEMP/state"
unknown=$(printf '0%.0s' {1..64})

# ---- goals ----
head -c 5000 /dev/urandom >"$TEMP/binary"
printf '\0{"a":\377\n' >>"$TEMP/binary"
ref=blake2b-$(address "$TEMP/binary")
check_output 'RFC10-01 arbitrary bytes are stored' "$ref" \
    on_rank 3 xylem content store <"$TEMP/binary"
check 'RFC10-01 and come back as they were' same_at 3 "$TEMP/binary" "$ref"
check 'RFC10-02 stored at a leaf, available at all ranks' everywhere "$TEMP/binary" "$ref"
for rank in 0 6; do
    check_output "RFC10-03 content cannot be overwritten: other bytes under its address, rank $rank" 5 \
        errnum $rank "content.put.${ref#*-}" 'other bytes'
done
check 'RFC10-03 and stays as it was' everywhere "$TEMP/binary" "$ref"
check 'RFC10-04 caches are dropped everywhere' dropcaches
check 'RFC10-04 which removes no content' everywhere "$TEMP/binary" "$ref"
for rank in 0 6; do
    check_output "RFC10-04 there is no request to remove content, rank $rank" 38 \
        errnum $rank content.remove "hex:${ref#*-}"
done
for rank in 0 6; do
    echo "addressed at $rank" >"$TEMP/addressed"
    check_output "RFC10-05 the address is the digest of the bytes, rank $rank" \
        "0 $(address "$TEMP/addressed")" wire $rank content.store "@$TEMP/addressed"
done

# ---- properties ----
for rank in 6 0; do
    check_output "RFC10-07 to store again gives the same address, rank $rank" "0 ${ref#*-}" \
        wire $rank content.store "@$TEMP/binary"
done
check 'RFC10-08 caches are dropped' dropcaches
check_output 'RFC10-08 stored again from a leaf with an empty cache' "0 ${ref#*-}" \
    wire 5 content.store "@$TEMP/binary"
count_rows() # of content.sqlite with the address
{
    python3 -c 'import sqlite3, sys
print(sqlite3.connect(sys.argv[1]).execute(
    "SELECT count(*) FROM blob WHERE digest = ?", (bytes.fromhex(sys.argv[2]),)).fetchone()[0])' \
        "$TEMP/state/content.sqlite" "$1"
}
check_output 'RFC10-08 it is on the disk once' 1 count_rows "${ref#*-}"
check_output 'RFC10-09 the blob is checked against its address on the disk' 0 \
    errnum 0 content-backing.validate "hex:${ref#*-}"
check_output 'RFC10-09 bytes that do not match an address are refused: errno 5' 5 \
    errnum 6 "content.put.$unknown" 'no match'

# ---- the service ----
for rank in 0 1 2 3 4 5 6; do
    check_output "RFC10-10 rank $rank has the service" 0 errnum $rank content.dropcache
done
hits=$(stat 6 cache.hits)
check 'RFC10-11 a blob is loaded at a leaf' same_at 6 "$TEMP/binary" "$ref"
check 'RFC10-11 and again' same_at 6 "$TEMP/binary" "$ref"
check 'RFC10-11 the second time from its cache' [ $(($(stat 6 cache.hits) - hits)) = 1 ]
figures() # the loads and stores that each rank has seen
{
    local rank

    for rank in 0 1 2 3 4 5 6; do
        echo $rank $(stat $rank cache.loads) $(stat $rank cache.stores)
    done
}
changed() { diff <(echo "$before") <(figures) | awk '$1 == ">" {print $2}' | tr '\n' ' '; }
check 'RFC10-12 caches are dropped' dropcaches
before=$(figures)
check 'RFC10-12 a leaf loads' same_at 6 "$TEMP/binary" "$ref"
check_output 'RFC10-12 by its parent, and the parent by rank 0' '0 2 6 ' changed
echo transitive >"$TEMP/transitive"
before=$(figures)
check 'RFC10-12 a leaf stores' wire 3 content.store "@$TEMP/transitive"
check_output 'RFC10-12 by its parent, and the parent by rank 0' '0 1 3 ' changed
check 'RFC10-13 caches are dropped' dropcaches
check 'RFC10-13 rank 0 retains what leaves have stored' \
    same_at 0 "$TEMP/transitive" "blake2b-$(address "$TEMP/transitive")"
check_output 'RFC10-14 it is kept in the backing store' 0 \
    errnum 0 content-backing.validate "hex:$(address "$TEMP/transitive")"

# Sockets are out of reach for others; if they were not, the greeting is EPERM.
chmod 755 "$TEMP"
guest() # what a client of another user gets from rank $1
{
    play "$1" <<'PY'
import os, socket, sys
os.setgroups([]); os.setgid(65534); os.setuid(65534)
s = socket.socket(socket.AF_UNIX)
try:
    s.connect(f"{sys.argv[1]}/local-{sys.argv[2]}")
    print("greeting", s.recv(1)[0], len(s.recv(1)))
except PermissionError:
    print("no way in")
PY
}
if [ "$(id -u)" = 0 ]; then
    for rank in 0 6; do
        chmod 700 "$RUNDIR"
        check_output "RFC10-15 a guest has no access, rank $rank" 'no way in' guest $rank
        chmod 755 "$RUNDIR"
        check_output "RFC10-15 nor to the socket, rank $rank" 'no way in' guest $rank
        chmod 666 "$RUNDIR/local-$rank"
        check_output "RFC10-15 if he could connect he is turned away: errno 1, rank $rank" \
            'greeting 1 0' guest $rank
        chmod 600 "$RUNDIR/local-$rank"
    done
    chmod 700 "$RUNDIR"
else
    check 'RFC10-15 skipped: only root can be another user' true
fi

# ---- content ----
: >"$TEMP/empty"
head -c 1048576 /dev/urandom >"$TEMP/limit"
{ cat "$TEMP/limit"; echo -n x; } >"$TEMP/over"
for rank in 0 6; do
    for size in empty limit; do
        digest=$(address "$TEMP/$size")
        check_output "RFC10-22 a blob of $(wc -c <"$TEMP/$size") bytes, rank $rank" "0 $digest" \
            wire $rank content.store "@$TEMP/$size"
        check 'RFC10-22 is loaded everywhere' everywhere "$TEMP/$size" "blake2b-$digest"
    done
done
# What means something elsewhere is a blob like others: ends of lines, JSON, a tree object that is
# malformed, bytes that are no UTF-8.
printf '\r\n' >"$TEMP/odd1"
printf '{"ver":1,"type":"dir","data":{"a":7}}' >"$TEMP/odd2"
printf '\377\376\0' >"$TEMP/odd3"
printf '\0' >"$TEMP/odd4"
for odd in odd1 odd2 odd3 odd4; do
    check_output 'RFC10-23 content is not interpreted' "0 $(address "$TEMP/$odd")" \
        wire 6 content.store "@$TEMP/$odd"
    check_output 'RFC10-23 nor changed' "0 $(od -An -v -tx1 "$TEMP/$odd" | tr -d ' \n')" \
        wire 5 content.load "hex:$(address "$TEMP/$odd")"
done
check_output 'RFC10-24 the limit is 1 MiB if nothing else is said' 1048576 \
    on_rank 6 xylem getattr content.blob-size-limit

# ---- addresses ----
for rank in 0 6; do
    check_output "RFC10-25 a blob is loaded by its digest, rank $rank" \
        "0 $(od -An -v -tx1 "$TEMP/transitive" | tr -d ' \n')" \
        wire $rank content.load "hex:$(address "$TEMP/transitive")"
done
check_output 'RFC10-26 people use blobrefs' "$(cat "$TEMP/transitive")" \
    on_rank 6 xylem content load "blake2b-$(address "$TEMP/transitive")"
check 'RFC10-27 a blobref is algorithm, hyphen, lower-case hexadecimal' \
    grep -qxE 'blake2b-[0-9a-f]{64}' <(on_rank 6 xylem content store <"$TEMP/transitive")
upper=$(address "$TEMP/transitive" | tr a-f A-F)
check_usage 'RFC10-27 capital letters are none' 'not a blobref' \
    on_rank 6 xylem content load "blake2b-$upper"

# ---- store ----
check 'RFC10-28 a raw payload is the blob, no payload the empty one; so is an empty payload' play <<'PY'
import sys
from client import Client, PAYLOAD, ROUTE, TOPIC, digest
for rank in 0, 6:
    c = Client(f"{sys.argv[1]}/local-{rank}")
    raw = b"ends with NUL\0"
    assert c.rpc("content.store", raw) == (0, digest(raw))
    assert c.rpc("content.store") == (0, digest(b""))
    c.tag += 1
    c.send_parts([b"content.store", b""], TOPIC | ROUTE | PAYLOAD)
    assert c.receive()[1::2] == (0, digest(b""))
PY
for rank in 0 6; do
    check_output "RFC10-29 the response is the digest as raw bytes, rank $rank" \
        "0 $(address "$TEMP/transitive")" wire $rank content.store "@$TEMP/transitive"
    check_output "RFC10-30 one byte above the limit: errno 27, rank $rank" 27 \
        errnum $rank content.store "@$TEMP/over"
done
check_output 'RFC10-30 also from child to parent' 27 \
    errnum 2 "content.put.$(address "$TEMP/over")" "@$TEMP/over"
check_output 'RFC10-30 and in the backing store' 27 errnum 0 content-backing.store "@$TEMP/over"
check 'RFC10-31 what was stored just now is loaded at any rank' play <<'PY'
import sys
from client import Client, digest
ranks = [Client(f"{sys.argv[1]}/local-{rank}") for rank in range(7)]
for n in range(200):
    blob = b"accessible %d" % n
    assert ranks[n % 7].store(blob) == (0, digest(blob))
    assert ranks[n * 3 % 5 + 2].load(digest(blob)) == (0, blob), n
PY
# A load that was asked before the store is answered by ENOENT; one that is asked after the response
# must not get that answer.  Rank 1 has the ENOENT for rank 3 in its mailbox while all this happens.
check 'RFC10-31 also where an earlier load of it is still on its way' play <<'PY'
import sys
from client import digest
from ranks import Ranks, until
ranks = Ranks(sys.argv[1], 7)
blob = b"asked for too early"
early, late = ranks.client(3), ranks.client(3)
misses, loads = ranks.figure(0, "cache.misses"), ranks.figure(3, "cache.loads")
with ranks.held(0):
    early.send("content.load", digest(blob))
    until(lambda: ranks.figure(1, "cache.loading") == 1)
    ranks.settle(1)
    ranks.stop(1)
with ranks.held(1):
    until(lambda: ranks.figure(0, "cache.misses") > misses and not ranks.figure(0, "cache.loading"))
    assert ranks.client(0).store(blob) == (0, digest(blob))
    late.send("content.load", digest(blob))
    until(lambda: ranks.figure(3, "cache.loads") == loads + 2)
_, errnum, _, payload = late.receive()
assert (errnum, payload) == (0, blob), f"errnum {errnum}"
PY

# ---- load ----
for rank in 0 6; do
    check_output "RFC10-32 a digest of 64 digits is no request: errno 71, rank $rank" 71 \
        errnum $rank content.load "$unknown"
    check_output "RFC10-32 nor is nothing, rank $rank" 71 errnum $rank content.load
    check_output "RFC10-33 a blob is the raw payload, rank $rank" \
        "0 $(od -An -v -tx1 "$TEMP/transitive" | tr -d ' \n')" \
        wire $rank content.load "hex:$(address "$TEMP/transitive")"
    check_output "RFC10-34 load of unknown content: errno 2, rank $rank" '2 ' \
        wire $rank content.load "hex:$unknown"
done
check 'RFC10-33 the empty blob is no payload' play <<'PY'
import sys
from client import Client, PAYLOAD, digest
for rank in 0, 6:
    c = Client(f"{sys.argv[1]}/local-{rank}")
    c.send("content.load", digest(b""))
    _, errnum, flags, payload = c.receive()
    assert errnum == 0 and not flags & PAYLOAD and payload == b""
PY

# ---- flush ----
for rank in 0 6; do
    check_output "RFC10-35 flush is answered, rank $rank" '0 ' wire $rank content.flush
    check_output "RFC10-35 and nothing is dirty, rank $rank" 0 stat $rank cache.dirty-entries
done
check 'RFC10-36 RFC10-38 at a leaf the response waits until rank 0 has what was dirty' play <<'PY'
import sys
from client import digest
from ranks import Ranks
ranks = Ranks(sys.argv[1], 7)
leaf = ranks.client(6)
with ranks.held(0):
    store = leaf.send("content.store", b"dirty at rank 6")
    flush = leaf.send("content.flush")
    assert leaf.settle() == [], "answered before rank 0 has it"
    assert ranks.figure(6, "cache.dirty-entries") == 1
answers = [leaf.receive(), leaf.receive()]
assert sorted(a[0] for a in answers) == [store, flush] and not any(a[1] for a in answers)
assert ranks.figure(6, "cache.dirty-entries") == 0
assert ranks.client(0).load(digest(b"dirty at rank 6"))[0] == 0
PY

# ---- dropcache ----
for rank in 0 6; do
    check "RFC10-40 rank $rank has cached blobs" [ "$(stat $rank cache.entries)" -gt 0 ]
    check_output "RFC10-40 dropcache is answered, rank $rank" '0 ' wire $rank content.dropcache
    check_output "RFC10-40 and they are gone, rank $rank" 0 stat $rank cache.entries
done
check 'RFC10-40 what is dirty stays' play <<'PY'
import sys
from ranks import Ranks, until
ranks = Ranks(sys.argv[1], 7)
leaf = ranks.client(6)
with ranks.held(0):
    leaf.send("content.store", b"essential")
    until(lambda: ranks.figure(6, "cache.dirty-entries") == 1)
    assert ranks.client(6).rpc("content.dropcache") == (0, b"")
    assert ranks.figure(6, "cache.dirty-entries") == 1
assert leaf.receive()[1] == 0
PY

# ---- garbage collection ----
check 'RFC10-41 a value is put' xylem kvs put "a=$(printf 'x%.0s' {1..300})"
old=$(xylem kvs getroot -b)
check 'RFC10-41 and removed' xylem kvs unlink a
check 'RFC10-41 caches are dropped' dropcaches
check 'RFC10-41 what the KVS does not refer to any more is there' on_rank 6 xylem content load "$old"
new=$(xylem kvs getroot -b)
stop_cluster
start_cluster 3 2 --statedir "$TEMP/state"
check_output 'RFC10-42 content is there after a restart' "$(cat "$TEMP/transitive")" \
    on_rank 2 xylem content load "blake2b-$(address "$TEMP/transitive")"
check_output 'RFC10-42 and the root of the KVS' "$new" xylem kvs getroot -b
check 'RFC10-43 a stop collects no garbage' on_rank 2 xylem content load "$old"
stop_cluster

# ---- no backing store ----
start_cluster 7 2 -o backing=none
check_output 'RFC10-14 the backing store is optional: a blob is stored without' \
    "0 $(address "$TEMP/binary")" wire 6 content.store "@$TEMP/binary"
check 'RFC10-13 caches are dropped' dropcaches
check 'RFC10-13 and rank 0 retains it in memory' everywhere "$TEMP/binary" "$ref"
check_output 'RFC10-39 flush at rank 0: errno 38' 38 errnum 0 content.flush
check_output 'RFC10-38 at a leaf it is done: rank 0 has all' 0 errnum 6 content.flush
check_output 'RFC10-14 content-backing.validate: errno 38' 38 \
    errnum 0 content-backing.validate "hex:${ref#*-}"
stop_cluster

# The transaction is held back by a lock that somebody else has on the database.
mkdir "$TEMP/memory"
start_cluster 3 2 --statedir "$TEMP/memory" -o durability=memory
check 'RFC10-36 RFC10-37 at rank 0 flush waits until the backing store has it' \
    play "$TEMP/memory/content.sqlite" <<'PY'
import sqlite3, sys
from client import Client, digest
root = Client(f"{sys.argv[1]}/local-0")
db = sqlite3.connect(sys.argv[2], isolation_level=None)
select = "SELECT count(*) FROM blob WHERE digest = ?", (digest(b"dirty at rank 0"),)
db.execute("BEGIN IMMEDIATE")
assert root.store(b"dirty at rank 0")[0] == 0
flush = root.send("content.flush")
assert root.settle() == []
assert Client(f"{sys.argv[1]}/local-0").stats()["cache"]["dirty-entries"] == 1
assert db.execute(*select).fetchone() == (0,)
db.execute("ROLLBACK")
assert root.receive()[:2] == (flush, 0)
assert db.execute(*select).fetchone() == (1,)
PY
stop_cluster

# ---- hash algorithms ----
declare -A sum=([blake2b]='b2sum -l 256' [sha256]=sha256sum [sha1]=sha1sum)
declare -A bytes=([blake2b]=32 [sha256]=32 [sha1]=20)
for hash in blake2b sha256 sha1; do
    mkdir "$TEMP/$hash"
    start_cluster 7 2 --statedir "$TEMP/$hash" -o hash=$hash
    digest=$(${sum[$hash]} "$TEMP/binary" | cut -d ' ' -f 1)
    zeros=${unknown:0:$((2 * bytes[$hash]))}
    for rank in 0 6; do
        check_output "RFC10-06 RFC10-16 the algorithm is $hash, rank $rank" "0 $digest" \
            wire $rank content.store "@$TEMP/binary"
        check_output "RFC10-18 content.hash is $hash, rank $rank" $hash \
            on_rank $rank xylem getattr content.hash
        check_output "RFC10-17 which cannot be set: errno 22, rank $rank" 22 \
            errnum $rank attr.set '{"name":"content.hash","value":"sha1"}'
        check_output "RFC10-17 nor removed, rank $rank" 22 \
            errnum $rank attr.rm '{"name":"content.hash"}'
        check_output "RFC10-32 a request is ${bytes[$hash]} raw bytes, rank $rank" '2 ' \
            wire $rank content.load "hex:$zeros"
        check_output "RFC10-32 not one less: errno 71, rank $rank" 71 \
            errnum $rank content.load "hex:${zeros:2}"
        check_output "RFC10-32 nor one more, rank $rank" 71 errnum $rank content.load "hex:${zeros}00"
    done
    check_output "RFC10-27 a blobref begins with $hash" "$hash-$digest" \
        on_rank 6 xylem content store <"$TEMP/binary"
    check_output "RFC10-20 an address of $hash has ${bytes[$hash]} bytes" "${bytes[$hash]}" \
        expr ${#digest} / 2
    check "RFC10-19 with $hash one bit is enough for another address" play $hash <<'PY'
import sys
from client import Client, digest
leaf = Client(f"{sys.argv[1]}/local-6")
seen = set()
for n in range(800):
    blob = bytearray(100)
    blob[n // 8] = 1 << n % 8
    assert leaf.store(bytes(blob)) == (0, digest(blob, sys.argv[2]))
    seen.add(digest(blob, sys.argv[2]))
assert len(seen) == 800
PY
    check "RFC10-21 $hash is cheap: 32 MiB are stored at a leaf within seconds" play $hash <<'PY'
import sys, time
from client import Client, digest
leaf = Client(f"{sys.argv[1]}/local-6")
blobs = [n.to_bytes(4, "big") * (1 << 18) for n in range(32)]
start = time.monotonic()
for blob in blobs:
    leaf.send("content.store", blob)
assert {leaf.receive()[3] for _ in blobs} == {digest(blob, sys.argv[2]) for blob in blobs}
seconds = time.monotonic() - start
assert seconds < 15, f"{seconds:.1f} s"
PY
    stop_cluster
    for other in blake2b sha256 sha1; do
        [ $other != $hash ] || continue
        check_fails "RFC10-17 data made with $hash are not opened with $other" "$hash" \
            xylem-launch -n 1 --statedir "$TEMP/$hash" -o hash=$other true
    done
done
check_fails 'RFC10-19 a weak algorithm cannot be selected' 'md5|hash' xylem-launch -n 1 -o hash=md5 true
