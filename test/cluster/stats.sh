#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# stats.sh - figures: what they count, their sum over the tree, and their forms.
. "$(dirname "$0")/../lib/rig.sh"

# member FILE NAME...: a member of a JSON object, or of one in it
member()
{
    python3 -c '
import json, sys
value = json.load(open(sys.argv[1]))
for name in sys.argv[2:]:
    value = value[name]
print(value)' "$@"
}
# A rank is asked through its own socket: that counts nowhere else.
look() { on_rank "$1" xylem stats --json >"$TEMP/$2"; }
# rise RANK NAME...: by how much a figure has grown since before RANK
before() { look "$1" "before-$1"; }
rise()
{
    local rank=$1 old new

    shift
    look "$rank" now && new=$(member "$TEMP/now" "$@") &&
        old=$(member "$TEMP/before-$rank" "$@") && echo $((new - old))
}
figure() { look "$1" now && member "$TEMP/now" "${@:2}"; }

start_cluster 4 2 -o --torpid=5s # 0: 1 2, 1: 3
# What ranks tell rank 0 of each other is traffic too: all of it comes before anything is counted, and on a
# machine that is slow for a moment nobody calls another one slow.
check 'rank 0 has heard of all joins' wait_until \
    '[ "$(xylem overlay events | grep -c " join ")" -ge 3 ]'

# ---- stores ----
for n in 1 2 3 4 5; do
    head -c 1000 /dev/urandom >"$TEMP/blob$n"
done
refs=
store_five()
{
    local n

    for n in 1 2 3 4 5; do
        refs="$refs $(on_rank 3 xylem content store <"$TEMP/blob$n")" || return
    done
}
for rank in 0 1 2 3; do
    before $rank
done
check 'five blobs are stored at rank 3' store_five
for rank in 0 1 3; do
    check_output "rank $rank counts them" 5 rise $rank cache stores
    check_output 'and has no longer anything dirty' 0 figure $rank cache dirty-entries
done
check_output 'rank 2 has nothing to do with it' 0 rise 2 cache stores
check_output 'they are rows in the store' 5 rise 0 store rows
check_output 'with all their bytes' 5000 rise 0 store written-bytes
few_transactions() { [ "$(rise 0 store batches)" -le 5 ]; }
check 'in no more transactions than rows' few_transactions
check_output 'rank 3 sent their bytes up, and 64 for each message' $((5 * 1064)) \
    rise 3 parent out-bytes
check_output 'in five messages' 5 rise 3 parent out-messages
check_output 'which rank 1 took in' $((5 * 1064)) rise 1 children in-bytes
check_output 'and sent on' $((5 * 1064)) rise 1 parent out-bytes
check_output 'each store has taken its time' 5 rise 3 latency store count
check_output 'at rank 0 too' 5 rise 0 latency store count
store_again() { on_rank 3 xylem content store <"$TEMP/blob1"; }
check 'a blob that is known is stored again' store_again
check_output 'which is counted apart' 1 rise 3 cache stores-clean
check_output 'and goes no further' 5 rise 3 parent out-messages

# ---- loads ----
load_five() { on_rank 2 xylem content load $refs >/dev/null; }
before 0
before 2
check 'rank 2 loads them' load_five
check_output 'it had none of them' 5 rise 2 cache misses
check_output 'it got their bytes from its parent' $((5 * 1064)) rise 2 parent in-bytes
check_output 'which had them' 5 rise 0 cache hits
check_output 'and answered at once' 5 rise 0 latency load-hit count
check_output 'rank 2 had to wait' 5 rise 2 latency load-miss count
check 'rank 2 loads them again' load_five
check_output 'now it has them' 5 rise 2 cache hits
check_output 'and answers at once' 5 rise 2 latency load-hit count
check_output 'without its parent' $((5 * 1064)) rise 2 parent in-bytes
check_output 'loads are hits and misses' 10 rise 2 cache loads
drop_all() { for rank in 0 2; do on_rank $rank xylem content dropcache || return; done; }
check 'ranks 0 and 2 forget them' drop_all
before 0
check 'rank 2 loads them once more' load_five
check_output 'they come from the store' 5 rise 0 store loads
check_output 'with all their bytes' 5000 rise 0 store read-bytes
check_output 'each load has taken its time' 5 rise 0 store load-time count
check_output 'but they were no hits' 0 rise 0 cache hits

# ---- requests that share one ----
share() # ten loads of one blob, while the parent cannot answer
{
    python3 - "$ROOT/test/lib" "$RUNDIR/local-2" "${refs##*-}" "$TEMP" <<'PY'
import os, sys, time
sys.path.insert(0, sys.argv[1])
from client import Client
c = Client(sys.argv[2])
for _ in range(10):
    c.send("content.load", bytes.fromhex(sys.argv[3]))
open(sys.argv[4] + "/sent", "w").close()
while not os.path.exists(sys.argv[4] + "/go"):
    time.sleep(0.02)
PY
}
on_rank 2 xylem content dropcache
before 2
kill -s STOP "$(rank_pid 0)"
share &
sharer=$!
check 'ten loads of a blob wait for the parent' wait_until '[ "$(rise 2 cache loads)" = 10 ]'
check_output 'one of them has asked it' 1 rise 2 cache misses
check_output 'nine share its request' 9 rise 2 cache coalesced
check_output 'which is in flight' 1 figure 2 cache loading
kill -s CONT "$(rank_pid 0)"
check 'until it is answered' wait_until '[ "$(figure 2 cache loading)" = 0 ]'
: >"$TEMP/go"
wait $sharer

# ---- the KVS ----
before 0
before 3
put() { on_rank 3 xylem kvs put "k$1=v"; }
for n in 1 2 3; do
    check "commit $n at rank 3" put $n
done
check 'a look-up at rank 3' on_rank 3 xylem kvs get k2
check_output 'rank 0 made the commits' 3 rise 0 kvs commits
check_output 'and a root for each' 3 rise 0 kvs roots
check_output 'of one commit' 3 rise 0 kvs commits-per-root sum
check_output 'rank 3 passed them on' 3 rise 3 latency commit count
check_output 'and looked up' 1 rise 3 kvs lookups
consistent()
{
    look 0 now && python3 - "$TEMP/now" <<'PY'
import json, sys
s = json.load(open(sys.argv[1]))["store"]
assert s["commit-time"]["count"] == s["batches"] == s["rows-per-batch"]["count"]
assert s["rows-per-batch"]["sum"] == s["rows"]
PY
}
check 'transactions and rows are those of the histograms' consistent

# ---- the sum ----
sums()
{
    xylem stats -r all --json >"$TEMP/all" && python3 - "$TEMP/all" <<'PY'
import json, sys
answer = json.load(open(sys.argv[1]))
assert [r["rank"] for r in answer["ranks"]] == [0, 1, 2, 3]
total = answer["total"]
def add(a, b):
    return sorted({k: dict(map(tuple, a)).get(k, 0) + dict(map(tuple, b)).get(k, 0)
                   for k in [p[0] for p in a + b]}.items())
def check(path, value, parts):
    if isinstance(value, dict) and "buckets" in value:
        for name in "count", "sum":
            assert value[name] == sum(p[name] for p in parts), path
        assert value["max"] == max(p["max"] for p in parts), path
        buckets = []
        for p in parts:
            buckets = add(buckets, p["buckets"])
        assert [list(b) for b in buckets] == value["buckets"], path
    elif isinstance(value, dict):
        for name in value:
            check(path + "." + name, value[name], [p[name] for p in parts if name in p])
    else:
        assert value == sum(parts), path
check("total", total, [r["stats"] for r in answer["ranks"]])
assert total["cache"]["stores"] > 15 and total["latency"]["store"]["count"] >= 15
assert "uptime" not in total["process"] and "store" in total
assert "store" not in answer["ranks"][1]["stats"]
PY
}
check 'the total is the sum of all ranks' sums

# ---- forms ----
prometheus() { xylem stats --prometheus "$@" | python3 "$ROOT/test/lib/prometheus.py"; }
families=$(python3 "$ROOT/test/lib/prometheus.py" < <(xylem stats --prometheus) | cut -d ' ' -f 1)
check_output 'Prometheus can read one rank' "$families families, 1 ranks" prometheus
check_output 'and all of them' "$families families, 4 ranks" prometheus -r all
check 'which are not few' test "$families" -gt 50
table() { on_rank 2 xylem stats | awk -v name="$1" '$1 == name {print $2}'; }
check_output 'the table has the same figures' "$(figure 2 cache coalesced)" table cache.coalesced
sections() { xylem stats -r all | grep -cE '^(rank +[0-3]|total)$'; }
check_output 'and of all ranks a part for each and their total' 5 sections

# ---- who does not answer ----
check_fails 'there is no rank 4' '^xylem: stats: 4: ' xylem stats -r 4
check_usage 'one form at a time' 'exclude each other' xylem stats --json --prometheus
check_usage 'nor one of that name' "'four' is not a rank" xylem stats -r four
kill -s STOP "$(rank_pid 3)"
all_but_one() # OPTION...: what the others say is printed, rank 3 is named, the status is 1
{
    timeout 60 xylem stats -r all --json "$@" >"$TEMP/all" 2>"$TEMP/errors"
    [ $? = 1 ] || return
    grep -q '^xylem: stats: 3: ' "$TEMP/errors" || return
    python3 -c '
import json, sys
assert [r["rank"] for r in json.load(open(sys.argv[1]))["ranks"]] == [0, 1, 2]' "$TEMP/all"
}
check 'a rank that is stopped is left out when time is over' all_but_one -t 500ms
check 'which was not long' grep -q 'no answer in time' "$TEMP/errors"
check 'without -t it ends as well' all_but_one
kill -s CONT "$(rank_pid 3)"
check 'when it goes on it is one of them again' wait_until 'xylem stats -r 3 --json -t 2s >/dev/null 2>&1'
check 'the tree is whole' timeout 60 xylem overlay status -w full -t 30s
