#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# namespace.sh - key spaces beside the primary one.
. "$(dirname "$0")/../lib/rig.sh"

start_cluster 7 2
kvs() { on_rank "$1" xylem kvs "${@:2}"; }

check 'a namespace is created' kvs 4 namespace create other
check 'a key is put there' kvs 4 put -N other k=v
wait_there() { kvs 5 wait -N other "$(kvs 0 version -N other)"; }
check 'another rank gets to see it' wait_there
check_output 'and reads it' v kvs 5 get -N other k
check_fails 'in the primary namespace it is not' 'no such key' kvs 5 get k
check_fails 'an unknown namespace is refused' 'namespace nowhere does not exist' kvs 5 get -N nowhere k
check_fails 'a namespace is created once' 'exists' kvs 6 namespace create other
check 'a namespace is removed' kvs 6 namespace remove other
