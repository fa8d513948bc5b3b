#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# kill_leaf.sh - kill -9 of ranks below the root: the others go on.
. "$(dirname "$0")/../lib/rig.sh"

start_cluster 7 2
echo blob >"$TEMP/blob"
ref=$(on_rank 6 xylem content store <"$TEMP/blob")

kill_rank 6 KILL
check_output 'a blob outlives the leaf it was stored at' blob on_rank 3 xylem content load "$ref"
check 'keys can be put' on_rank 4 xylem kvs put a=1
check 'the leaf is started again' respawn 6
check 'the tree is full again' xylem overlay status --wait full -t 30s
check_output 'the new leaf loads the blob' blob on_rank 6 xylem content load "$ref"
on_rank 6 xylem kvs wait "$(xylem kvs version)"
check_output 'and knows the keys' 1 on_rank 6 xylem kvs get a

kill_rank 1 KILL
check_output 'the other branch works without rank 1' 1 on_rank 5 xylem kvs get a
check 'rank 1 is started again' respawn 1
check 'the tree is full again' xylem overlay status --wait full -t 30s
check_output 'what was below it works again' blob on_rank 3 xylem content load "$ref"
