#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# smoke.sh - the first thing anybody tries.
. "$(dirname "$0")/../lib/rig.sh"

hi_ref=blake2b-$(printf 'hi\n' | b2sum -l 256 | cut -d ' ' -f 1)

check_output 'a blob is stored in a cluster of 8 from the build tree' "$hi_ref" \
    xylem-launch -n 8 -k 2 -- sh -c 'echo hi | xylem content store'

# ---- help ----
mkdir "$TEMP/alone"
cp "$BUILD/lib/cmd/xylem" "$TEMP/alone"
alone() { LD_LIBRARY_PATH=$BUILD/lib/client PATH=/bin "$TEMP/alone/xylem" --help >"$TEMP/help"; }
lists() { grep -q "^  $1 " "$TEMP/help"; }
check 'xylem has help when it stands alone' alone
check 'it lists its own commands' lists stats
check 'and no program that is not beside it' eval '! lists dump && ! lists bench'
xylem --help >"$TEMP/help"
check 'it lists the programs that are' lists dump

start_cluster 8 2
echo hi >"$TEMP/hi"

store_at() { on_rank "$1" xylem content store <"$TEMP/hi"; }

check_output 'a blob is stored at a leaf' "$hi_ref" store_at 7
check_output 'and loaded at the leaf of another branch' hi on_rank 4 xylem content load "$hi_ref"
check 'a key is put' on_rank 5 xylem kvs put greeting=hello
version=$(on_rank 5 xylem kvs version)
check 'the new root reaches another branch' on_rank 6 xylem kvs wait "$version"
check_output 'where the key is read' hello on_rank 6 xylem kvs get greeting
check 'the rank furthest away answers a ping' xylem ping -c 1 -r 7
check 'the tree is full' xylem overlay status --wait full -t 10s
