#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# pins.sh - a tree that is being dumped is no garbage, whatever happens to its keys meanwhile.
. "$(dirname "$0")/../lib/rig.sh"

FILES=60
mkdir "$TEMP/state"
start_cluster 3 --statedir "$TEMP/state"
dump() { on_rank 2 xylem-dump "$@"; }
collect() { xylem gc --online --grace 0 -q; }
errnum() { python3 "$ROOT/test/lib/client.py" "$RUNDIR/local-$1" "${@:2}" | cut -d ' ' -f 1; }

mkdir "$TEMP/files"
for ((i = 0; i < FILES; i++)); do
    head -c 1M /dev/urandom >"$TEMP/files/$i"
done
tar -C "$TEMP/files" -cf "$TEMP/files.tar" .
fill() { xylem-restore -q --key=dir "$TEMP/files.tar" && xylem kvs put small=1; }
check 'keys are put' fill
root=$(xylem kvs getroot -b)
on_rank 2 xylem kvs wait "$(xylem kvs version)"

# The reader takes a few bytes, and no more before it is told to.
slow_reader()
{
    head -c 4096 && touch "$TEMP/began" && while [ ! -f "$TEMP/go" ]; do sleep 0.05; done && cat
}
dump -q --no-cache - 2>"$TEMP/said" | slow_reader >"$TEMP/slow.tar" &
reader=$!
check 'a dump has begun' wait_until 'test -f "$TEMP/began"'
check 'all of it is unlinked' xylem kvs unlink -R dir small
check 'garbage is collected' collect
drop() { for rank in 0 1 2; do on_rank $rank xylem content dropcache || return; done; }
check 'and no cache has it' drop
touch "$TEMP/go"
wait "$reader"
check 'the dump says nothing' [ ! -s "$TEMP/said" ]
check 'and is complete' xylem-dump -q --verify "$TEMP/slow.tar"
check_output 'with all keys' $((FILES + 1)) eval 'xylem-dump --list "$TEMP/slow.tar" | wc -l'

# ---- the request ----
pin() { errnum "$1" content-backing.pin "$2"; }
check_output 'any rank takes a pin' 0 pin 2 "{\"root\":\"$root\",\"seconds\":0.1}"
check_output 'no root: EPROTO' 71 pin 2 '{"seconds":1}'
check_output 'no seconds: EPROTO' 71 pin 0 "{\"root\":\"$root\"}"
check_output 'no JSON: EPROTO' 71 pin 0 '{'
check_output 'another hash: EINVAL' 22 pin 0 \
    '{"root":"sha1-da39a3ee5e6b4b0d3255bfef95601890afd80709","seconds":1}'
check_output 'too long: EINVAL' 22 pin 0 "{\"root\":\"$root\",\"seconds\":4000}"
check_output 'a negative time: EINVAL' 22 pin 0 "{\"root\":\"$root\",\"seconds\":-1}"
stop_cluster

# ---- without the pin that would be lost ----
start_cluster 1 --statedir "$TEMP/state"
check 'a pin ends with its rank 0' collect
check_fails 'then the tree is gone' 'No such|not stored|ENOENT|no such' \
    xylem-dump -q --no-cache --root "$root" "$TEMP/gone.tar"
