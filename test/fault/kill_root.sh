#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# kill_root.sh - kill -9 of rank 0: everything acknowledged is there afterwards.
. "$(dirname "$0")/../lib/rig.sh"

state=$TEMP/state
mkdir "$state"
start_cluster 4 2 --statedir "$state"

# Clients store and commit until they are refused, and note what was acknowledged.
write_blobs()
{
    local i ref

    for i in {1..100000}; do
        ref=$(echo "blob $1 $i" | on_rank "$1" xylem content store 2>/dev/null) || return
        echo "$ref blob $1 $i" >>"$TEMP/blobs$1"
    done
}
write_keys()
{
    local i

    for i in {1..100000}; do
        on_rank "$1" xylem kvs put "w$1.k$i=$i" 2>/dev/null || return
        echo "w$1.k$i $i" >>"$TEMP/keys$1"
    done
}
acknowledged() { cat "$TEMP/$1"[0-9]* 2>/dev/null | wc -l; }

blobs_are_there()
{
    local ref text

    while read -r ref text; do
        [ "$(on_rank "$1" xylem content load "$ref")" = "$text" ] || return 1
    done < <(cat "$TEMP"/blobs[0-9]*)
}
keys_are_there()
{
    local key value

    while read -r key value; do
        [ "$(on_rank "$1" xylem kvs get "$key")" = "$value" ] || { echo "$key"; return 1; }
    done < <(cat "$TEMP"/keys[0-9]*)
}

for round in 1 2 3; do
    writers=()
    for rank in 0 3; do
        write_blobs $rank & writers+=($!)
        write_keys $rank & writers+=($!)
    done
    goal=$((round * 40))
    check "round $round: clients write" \
        wait_until "[ \$(acknowledged blobs) -ge $goal ] && [ \$(acknowledged keys) -ge $goal ]" 60
    kill_rank 0 KILL
    check 'rank 0 is killed and started again' respawn 0
    kill "${writers[@]}" 2>/dev/null
    wait "${writers[@]}" 2>/dev/null
    check 'the tree gets full again' xylem overlay status --wait full -t 30s
    check 'every acknowledged blob is there' blobs_are_there 0
    check 'every acknowledged key is there' keys_are_there 0
    on_rank 3 xylem kvs wait "$(xylem kvs version)"
    check 'also seen from a leaf' keys_are_there 3
done
