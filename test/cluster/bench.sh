#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# bench.sh - xylem-bench: every test runs, does what it counts, and cleans up.
. "$(dirname "$0")/../lib/rig.sh"

command -v xylem-bench >/dev/null || { report 1 'xylem-bench is built'; exit 1; }
start_cluster 4 2

# has_results FILE N SIZE-OF-BLOBS WINDOW CLIENTS TEST...: the JSON has these and nothing else
has_results()
{
    python3 - "$@" <<'END'
import json, sys

path, n, size, window, clients, *tests = sys.argv[1:]
with open(path) as file:
    document = json.load(file)
assert list(document) == ['results'], document
results = document['results']
assert [r['test'] for r in results] == tests, results
for r in results:
    assert set(r) >= {'test', 'ops_per_sec', 'mb_per_sec', 'p50_us', 'p99_us', 'n', 'size',
                      'window', 'clients'}, r
    assert (r['n'], r['window'], r['clients']) == (int(n), int(window), int(clients)), r
    blobs = r['test'] in ('store', 'load-hot', 'load-cold')
    assert r['size'] == (int(size) if blobs or int(size) != 4096 else 64), r
    assert r['failed'] == 0 and r['ops_per_sec'] > 0, r
    assert abs(r['mb_per_sec'] - r['ops_per_sec'] * r['size'] / 1e6) < 0.01 + r['mb_per_sec'] / 100
    assert 0 < r['p50_us'] <= r['p99_us'], r
END
}

# bench RANK OPTION...: JSON in $TEMP/json
bench() { on_rank "$1" xylem-bench --json "${@:2}" >"$TEMP/json"; }

all='store load-hot load-cold commit lookup'

check 'all tests run with the defaults' bench 0 -n 200
check 'and give all results' has_results "$TEMP/json" 200 4096 64 1 $all
for name in $all; do
    check "$name runs at a leaf" bench 3 -t "$name" -n 50 -s 1k -w 5
    check 'and its result is as asked for' has_results "$TEMP/json" 50 1024 5 1 "$name"
done
check 'three clients share the work' bench 0 -n 100 -w 4 -c 3
check 'and none of it is lost' has_results "$TEMP/json" 100 4096 4 3 $all
check 'there may be less work than clients' bench 0 -n 2 -w 9 -c 5
check 'which is counted as it is' has_results "$TEMP/json" 2 4096 9 5 $all
check 'tests are run in the order given' bench 0 -t lookup,store -n 10
check 'and reported in it' has_results "$TEMP/json" 10 4096 64 1 lookup store
check 'blobs to be loaded may be stored at another rank' \
    bench 3 -t load-cold -n 20 --from "local://$RUNDIR/local-2"
check 'clients may be shared out among ranks' \
    bench 0 -t commit -n 40 -c 4 -w 1 -u "local://$RUNDIR/local-1" -u "local://$RUNDIR/local-2"
check 'which makes no difference to what is told' has_results "$TEMP/json" 40 4096 1 4 commit
check 'a wide directory is filled, and put into' bench 3 -t put-dir -e 3000 -n 50 -w 4
check 'as often as was asked for' has_results "$TEMP/json" 50 4096 4 1 put-dir
check 'the largest blobs are fine' bench 3 -t store,load-hot,load-cold -n 5 -s 1M
check 'and the smallest' bench 3 -n 5 -s 8
check_output 'no key stays behind' '' xylem kvs ls

# ---- what it says it did is what the rank counted ----
counter()
{
    xylem stats -r 0 --json | python3 -c '
import json, sys
print(json.load(sys.stdin)[sys.argv[1]][sys.argv[2]])' "$@"
}
# rise GROUP NAME OPTION...: by how much a counter of rank 0 grows
rise()
{
    local before

    before=$(counter "$1" "$2")
    bench 0 "${@:3}" && echo $(($(counter "$1" "$2") - before))
}
check_output 'every blob of store is a new row in the backing store' 137 \
    rise store rows -t store -n 137
check_output 'every load of load-cold is one from the backing store' 50 \
    rise store loads -t load-cold -n 50
check_output 'no load of load-hot is' 0 rise store loads -t load-hot -n 300

# ---- the table for people ----
table() { xylem bench -t store,commit -n 10 | awk 'END { print NR, $1, $NF }'; }
check_output 'without --json there is a line for each test' '3 commit 0' table

# ---- refusals ----
check_usage 'an unknown test is refused' "no test 'nix'" xylem-bench -t store,nix
check_usage 'so is an empty name' "no test ''" xylem-bench -t ''
check_usage 'a blob too small to be unique' 'between 8' xylem-bench -s 7
check_usage 'no operations' 'between 1' xylem-bench -n 0
check_usage 'an operand' 'operands' xylem-bench store
check_fails 'nobody listens' 'no rank listens there' xylem-bench -u "local://$TEMP/nobody"
check_fails 'failed operations are counted' 'store: 3 of 3 failed: File too large' \
    xylem-bench -t store -n 3 -s 2M
check_fails 'what cannot be prepared is told' 'load-hot: store: File too large' \
    xylem-bench -t load-hot -n 3 -s 2M
