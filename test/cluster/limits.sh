#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# limits.sh - what is too much, or no key, or damaged, is refused with a text that says what and where; and
# nothing else is hurt by it (xylem-kvs(7), "LIMITS").
. "$(dirname "$0")/../lib/rig.sh"
. "$(dirname "$0")/../lib/cases.sh"

state=$TEMP/state
mkdir "$state"
start_cluster 3 2 --statedir "$state" -o blob-size-limit=2M

# ---- through the command line ----
repeat() { printf "%0.s$1" $(seq "$2"); } # TEXT TIMES
long=$(repeat n 1025)
deep=$(repeat d. 129)
huge=$(repeat abcdefghijklmno. 1025)
on() { on_rank 2 xylem kvs "$@"; }
for refused in "name longer than 1024 bytes:$long" "more than 128 names:$deep" \
    "longer than 16384 bytes:$huge" 'empty key:' "is no name:a.%2E" "is no name:%2E%2E.b" \
    "'/' or a control character:a/b" $'control character:a\tb'; do
    key=${refused#*:}
    check_fails "put: ${refused%%:*}" "^xylem: kvs [a-z]+: .*${refused%%:*}" on put "$key=1"
    check_fails "get: ${refused%%:*}" "^xylem: kvs [a-z]+: .*${refused%%:*}" on get "$key"
    check_fails "unlink: ${refused%%:*}" "^xylem: kvs [a-z]+: .*${refused%%:*}" on unlink "$key"
    check_fails "mkdir: ${refused%%:*}" "^xylem: kvs [a-z]+: .*${refused%%:*}" on mkdir "$key"
    check_fails "ls: ${refused%%:*}" "^xylem: kvs [a-z]+: .*${refused%%:*}" on ls "$key"
done
for verb in get unlink mkdir ls; do
    check_fails "$verb: not UTF-8" 'not UTF-8' on $verb $'a\xff'
done
check_fails 'put: the root' "'\.'.*root cannot be written" on put .=1
check_fails 'mkdir: the root' "'\.'.*root cannot be written" on mkdir .
check 'a name of 1024 bytes, a key of 128 names' on put "${long%n}=1" "${deep%d.}=1"
check_output 'can be got' 1 on get "${deep%d.}"
check 'and unlinked' on unlink -R "${long%n}" d
check_fails 'a namespace that is not there is named' 'nowhere' on get -N nowhere a
check_fails 'to put as well' 'nowhere' on put -N nowhere a=1
check 'a value, and links in a circle' on put way=1
check 'one' on link circle.b circle.a
check 'two' on link circle.a circle.b
check_fails 'a path through a value' 'way\.x.*no such' on get way.x
check_fails 'links in a circle' 'circle\.a.*(loop|links)' on get circle.a
check_fails 'nothing is put through them' 'circle\.a\.x.*(loop|links)' on put circle.a.x=1

# ---- names in archives ----
names() # FILE NAME...: an archive of files of these names
{
    python3 - "$@" <<'PY'
import io, sys, tarfile
with tarfile.open(sys.argv[1], "w", format=tarfile.PAX_FORMAT) as tar:
    for name in sys.argv[2:]:
        info = tarfile.TarInfo(name)
        info.size = 1
        tar.addfile(info, io.BytesIO(b"x"))
PY
}
restore() { on_rank 2 xylem-restore -q --key=arch "$1"; }
skips() # REASON: the bad one is left out, and told of
{
    restore "$TEMP/bad.tar" 2>"$TEMP/errors" && grep -q -- "$1.*, skipping" "$TEMP/errors" &&
        grep -q 'skipped 1 entries' "$TEMP/errors" && [ "$(on ls -1 arch)" = good ]
}
for bad in "$long" "$(repeat d/ 129)x" $'a\x01b' $'a/b\x7f'; do
    names "$TEMP/bad.tar" good "$bad"
    case $bad in
    n*) reason='longer than 1024' ;;
    d*) reason='more than 128' ;;
    *) reason='control character' ;;
    esac
    check "restore: ${bad:0:20}" skips "$reason"
done
for bad in ../x a/../b a/./b/../../c /abs; do
    names "$TEMP/bad.tar" good "$bad"
    check_fails "restore: $bad" "$bad: the path leads out" restore "$TEMP/bad.tar"
done
check 'it is unlinked' on unlink -R arch
names "$TEMP/good.tar" ./a.b/c%d "x y/z"
check 'names that need quotes are names' restore "$TEMP/good.tar"
check_output 'a dot in one' x on get 'arch.a%2Eb.c%d'
check_output 'a space in one' x on get 'arch.x y.z'
check 'it is unlinked' on unlink -R arch

# ---- on the wire ----
cases blake2b limits keys
cases blake2b limits ways
cases blake2b limits sizes
cases blake2b limits damaged

# ---- bytes that do not match ----
check 'a directory and a value' on put "broken.dir.x=$(repeat x 100)" \
    "broken.value=$(repeat v 100)" broken.good=1
digest_at() # KEY: of its first blob
{
    xylem kvs get -t "$1" | python3 -c 'import json, sys
print(json.load(sys.stdin)["data"][0].split("-")[1])'
}
flip() # a byte of a row that has this digest
{
    python3 - "$state/content.sqlite" "$1" <<'PY'
import sqlite3, sys
path, digest = sys.argv[1], bytes.fromhex(sys.argv[2])
db = sqlite3.connect(path)
with db:
    row, data = db.execute("SELECT rowid, data FROM blob WHERE digest = ?", (digest,)).fetchone()
    data = bytearray(data)
    data[len(data) // 2] ^= 1
    db.execute("UPDATE blob SET data = ? WHERE rowid = ?", (bytes(data), row))
PY
}
directory=$(digest_at broken.dir)
value=$(digest_at broken.value)
stop_cluster
check 'a byte of the directory is flipped' flip "$directory"
check 'and one of the value' flip "$value"
start_cluster 3 2 --statedir "$state" -o blob-size-limit=2M
check_fails 'get: the key and the blobref' "broken\.value.*blake2b-$value" on get broken.value
check_fails 'ls: likewise' "broken\.dir.*blake2b-$directory" on ls broken.dir
check_fails 'put: likewise' "broken\.dir\.y.*blake2b-$directory" on put broken.dir.y=1
check_output 'others can be got' 1 on get broken.good
cases blake2b limits broken

# ---- bytes that change on their way ----
check 'a directory at rank 0' xylem kvs put changed.on.pristine=1 changed.on.other=2
on_way=$(digest_at changed.on)
kill_rank 2 KILL
python3 "$ROOT/test/lib/tamper.py" "$RUNDIR/tree-0" pristine tampered &
tamper=$!
wait_until "[ -S '$RUNDIR/tree-0.real' ] && [ -S '$RUNDIR/tree-0' ]"
check 'rank 2 joins through somebody who tampers' respawn 2
check_fails 'the key and the blobref are told' "changed\.on\.other.*blake2b-$on_way" \
    on get changed.on.other
check_output 'the next time it is right' 2 on get changed.on.other
check_output 'and nothing else was changed' 1 on get changed.on.pristine
kill $tamper
wait $tamper
check 'all are there without it' xylem overlay status -w full -t 30s
