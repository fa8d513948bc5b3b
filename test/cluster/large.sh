#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# large.sh - values that are larger than memory should hold: put from standard input, read as they come.
. "$(dirname "$0")/../lib/rig.sh"
export PYTHONPATH=$ROOT/test/lib

# AddressSanitizer keeps what was freed, up to that.
[ -z "${ASAN_OPTIONS:-}" ] || export ASAN_OPTIONS="$ASAN_OPTIONS:quarantine_size_mb=8"
start_cluster 3 1
kvs() { on_rank "$1" xylem kvs "${@:2}"; }

MIB=$((1 << 20))
# measure FILE COMMAND...: the most memory it has held, in MiB, goes into FILE.
measure()
{
    python3 -c '
import resource, subprocess, sys
status = subprocess.call(sys.argv[2:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10, file=open(sys.argv[1], "w"))
sys.exit(status)' "$@"
}
is_below() { [ "$(cat "$1")" -lt "$2" ] || { echo "$1: $(cat "$1") MiB"; return 1; }; }
rank_peak() { awk '$1 == "VmHWM:" {print int($2 / 1024)}' "/proc/$(rank_pid "$1")/status"; }
# are_zeros COUNT: standard input is COUNT zero bytes.
are_zeros()
{
    python3 -c '
import sys
left, zeros = int(sys.argv[1]), bytes(1 << 20)
while piece := sys.stdin.buffer.read(1 << 20):
    assert piece == zeros[:len(piece)], "not zero"
    left -= len(piece)
assert left == 0, f"{left} bytes are missing"' "$1"
}
settle() { for rank in 0 1 2; do kvs $rank wait "$(kvs 0 version)" || return 1; done; }
object() { kvs "$1" get -t "$2"; }

# ---- a value like others ----
head -c $((20 * MIB + 77)) /dev/urandom >"$TEMP/random"
put_file() { kvs 2 put -r "$1=-" <"$TEMP/random"; }
append_file() { kvs 2 put -r -A "$1=-" <"$TEMP/random"; }
# put_in_commit FILE KEY: all of it is in the commit.  rank 0 cuts it.
put_in_commit()
{
    python3 -c '
import base64, json, sys
from client import Client
data = base64.b64encode(open(sys.argv[1], "rb").read()).decode()
op = {"key": sys.argv[2], "flags": 0, "dirent": {"ver": 1, "type": "val", "data": data}}
errnum, text = Client(sys.argv[3]).rpc("kvs.commit",
                                       json.dumps({"namespace": "primary", "flags": 0, "ops": [op]}))
assert errnum == 0, text' "$@" "$RUNDIR/local-2"
}
same_file() { kvs "$1" get -r "$2" | cmp - "$TEMP/random"; }
check 'a value that is too long for a commit is put' put_file cut.here
check 'another is put in one commit' put_in_commit "$TEMP/random" cut.there
settle
check_output 'both are cut in the same way' "$(object 1 cut.here)" object 1 cut.there
check 'it is 21 blobs' [ "$(object 0 cut.here | grep -o blake2b | wc -l)" = 21 ]
for rank in 0 1 2; do
    check "rank $rank gives it back" same_file $rank cut.here
done

# ---- appended ----
kvs 2 put append.val=first append.ref="$(printf 'x%.0s' {1..100})"
check 'as much is appended to what is not there' append_file append.new
check 'to a val' append_file append.val
check 'to a valref' append_file append.ref
check 'and again' append_file append.ref
settle
check_output 'the first is like a put' "$(object 1 cut.here)" object 1 append.new
same_all() { { kvs 1 get -r "$1" | cmp - <(echo -n "$2"; for _ in $(seq $3); do cat "$TEMP/random"; done); }; }
check 'the val is in front' same_all append.val first 1
check 'so is the valref' same_all append.ref "$(printf 'x%.0s' {1..100})" 2
kvs 2 mkdir append.dir
kvs 2 link a append.link
check_fails 'a directory is nothing to append to' 'Is a directory' append_file append.dir
check_fails 'nor is a link' 'not supported' append_file append.link
limits() { head -c $1 /dev/zero | kvs 1 put -r "limit.$1=-" && kvs 1 get -r limit.$1 | are_zeros $1; }
for size in 0 54 55 $((MIB - 1)) $MIB $((MIB + 1)) $((16 * MIB - 1)) $((16 * MIB)) $((16 * MIB + 1)); do
    check "so it is with $size bytes" limits $size
done
check 'an empty value is inline' grep -q '"val"' <<<"$(object 1 limit.0)"

# ---- 3 GiB ----
SIZE_3G=$((3 * 1024 * MIB))
put_3g() { head -c $SIZE_3G /dev/zero | on_rank 2 measure "$TEMP/put" xylem kvs put -s -r large=-; }
before=$(rank_peak 2)
check '3 GiB are put from standard input' put_3g
check 'with little memory' is_below "$TEMP/put" 150
echo $(($(rank_peak 2) - before)) >"$TEMP/rank"
check 'of the rank too' is_below "$TEMP/rank" 200
settle
check 'they are 3072 blobs' [ "$(object 1 large | grep -o blake2b | wc -l)" = 3072 ]
get_3g() { on_rank "$1" measure "$TEMP/get" xylem kvs get -r "${@:2}" | are_zeros $SIZE_3G; }
before=$(rank_peak 1)
check 'they are read' get_3g 1 large
check 'with little memory' is_below "$TEMP/get" 150
echo $(($(rank_peak 1) - before)) >"$TEMP/rank"
check 'of the rank too' is_below "$TEMP/rank" 200
kvs 0 namespace create other
kvs 0 link large primary.link
kvs 0 link -N other -T primary primary.link link
settle
check 'also through links and another namespace' get_3g 1 -N other link
check_fails 'in one answer they are too many' 'too large|larger than' kvs 1 dir -w 0

# ---- what goes wrong ----
reader_stops() { kvs 1 get -r large | head -c 1000000 | are_zeros 1000000; }
check 'the reader may stop' reader_stops
check_fails 'a full disk is told' 'No space' bash -c 'xylem kvs get -r large >/dev/full'
check_fails 'a directory is no value' 'Is a directory' kvs 1 get cut
too_long() { kvs 2 put -t short=- <"$1"; }
truncate -s 1200M "$TEMP/sparse"
check_fails 'the text of an object has to be in a commit' 'too large|too long' too_long "$TEMP/sparse"
lost_ref=$(printf '0%.0s' {1..64})
kvs 0 put -t "lost={\"ver\":1,\"type\":\"valref\",\"data\":[\"blake2b-$lost_ref\"]}"
settle
check_fails 'a blob that is lost is told' "lost: blob blake2b-$lost_ref: " kvs 2 get lost
