#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# tcp.sh - ranks that talk over loopback TCP.
. "$(dirname "$0")/../lib/rig.sh"

start_cluster 5 2 --tcp
echo over tcp >"$TEMP/blob"
ref=$(on_rank 3 xylem content store <"$TEMP/blob")
check_output 'a blob crosses the tree' 'over tcp' on_rank 4 xylem content load "$ref"
check 'a key is put' on_rank 4 xylem kvs put a=1
on_rank 3 xylem kvs wait "$(on_rank 4 xylem kvs version)"
check_output 'and read' 1 on_rank 3 xylem kvs get a
check 'there are no UNIX sockets between the ranks' [ -z "$(compgen -G "$RUNDIR/tree-*")" ]
