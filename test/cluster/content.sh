#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# content.sh - blobs: stored anywhere, loaded anywhere, named by their digest.
. "$(dirname "$0")/../lib/rig.sh"

start_cluster 8 2

# blobref FILE, computed by somebody else
blobref() { echo "blake2b-$(b2sum -l 256 "$1" | cut -d ' ' -f 1)"; }
store() { on_rank "$1" xylem content store "${@:3}" <"$2"; }
load() { on_rank "$1" xylem content load "${@:2}"; }
# same_at RANK FILE REF...: the blobs, joined, are the file
same_at() { load "$1" "${@:3}" | cmp - "$2"; }

for rank in 0 1 2 3 4 5 6 7; do
    echo "stored at $rank" >"$TEMP/blob$rank"
    check_output "rank $rank stores a blob under its BLAKE2b-256 digest" \
        "$(blobref "$TEMP/blob$rank")" store $rank "$TEMP/blob$rank"
done

load_everywhere()
{
    local from at

    for from in 0 1 2 3 4 5 6 7; do
        for at in 0 1 2 3 4 5 6 7; do
            same_at $at "$TEMP/blob$from" "$(blobref "$TEMP/blob$from")" || return 1
        done
    done
}
check 'what any rank stored any rank loads' load_everywhere

# ---- sizes ----
: >"$TEMP/empty"
head -c 1048576 /dev/urandom >"$TEMP/mib"
{ cat "$TEMP/mib"; echo -n x; } >"$TEMP/over"
check_output 'the empty blob can be stored' "$(blobref "$TEMP/empty")" store 3 "$TEMP/empty"
check 'and loaded' same_at 4 "$TEMP/empty" "$(blobref "$TEMP/empty")"
check_output 'a blob of 1 MiB can be stored' "$(blobref "$TEMP/mib")" store 7 "$TEMP/mib"
check 'and loaded' same_at 4 "$TEMP/mib" "$(blobref "$TEMP/mib")"
check_fails 'one byte more is refused at rank 0' 'too large' store 0 "$TEMP/over"
check_fails 'and at a leaf' 'too large' store 7 "$TEMP/over"
chunk_refs=$(store 5 "$TEMP/over" --chunksize=100000)
check 'in chunks it makes 11 blobs' [ "$(wc -l <<<"$chunk_refs")" = 11 ]
check 'which joined are the whole' same_at 6 "$TEMP/over" $chunk_refs
load_from_stdin() { on_rank 2 xylem content load <<<"$chunk_refs" | cmp - "$TEMP/over"; }
check 'load takes blobrefs from its standard input' load_from_stdin

# ---- refusals ----
zeros=$(printf '0%.0s' {1..64})
check_fails 'an unknown blob is not found at rank 0' 'No such file' load 0 "blake2b-$zeros"
check_fails 'nor at a leaf' 'No such file' load 7 "blake2b-$zeros"
echo late >"$TEMP/late"
late=$(blobref "$TEMP/late")
check_fails 'a blob is not found before it is stored' 'No such file' load 6 "$late"
check 'it is stored elsewhere' store 5 "$TEMP/late"
check 'that it was not there is not remembered' same_at 6 "$TEMP/late" "$late"
for bad in blake2b- blake2b-abc "blake2b-${zeros}0" "blake2b-${zeros%00}zz" "md5-$zeros" nonsense ''; do
    check_usage "\"${bad:0:20}\" is no blobref" 'not a blobref' load 3 "$bad"
done
check_usage 'a digest of another algorithm is refused' 'whose hash is blake2b' \
    load 3 "sha1-${zeros:0:40}"

# ---- the rest of the family ----
for rank in 0 1 7; do
    check "rank $rank flushes" on_rank $rank xylem content flush
    check "rank $rank drops its cache" on_rank $rank xylem content dropcache
done
check 'after that everything can still be loaded' load_everywhere
check 'a stored blob is valid' on_rank 4 xylem content validate "$late"
check_fails 'an unknown one is not' 'No such file' on_rank 4 xylem content validate "blake2b-$zeros"
bypass() { xylem content store -b <"$TEMP/late"; }
check_output 'the backing store can be reached directly' "$late" on_rank 7 bypass
check 'in both directions' same_at 7 "$TEMP/late" -b "$late"
