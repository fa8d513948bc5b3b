#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# handshakes.sh - connections that never prove who they are: they are cut off after a while, take no memory
# worth mentioning, and whoever belongs to the instance goes on working (test/lib/flood.py).
. "$(dirname "$0")/../lib/rig.sh"

crowd=1000
mkdir "$TEMP/keys"
xylem keygen "$TEMP/keys/instance" >/dev/null
export XYLEM_CERT=$TEMP/keys/instance
start_cluster 3 2 --tcp -o --cert="$XYLEM_CERT"
xylem overlay status --wait full >/dev/null
uri=$(sed -n 's/^endpoint.0 = "\(.*\)"/\1/p' "$RUNDIR/cluster.conf")
pid=$(rank_pid 0)
descriptors() { ls "/proc/$pid/fd" | wc -l; }
memory_kib() { sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$pid/status"; }

# flood KIND COUNT[x]: returns when it is under way
flood()
{
    : >"$TEMP/flood"
    python3 "$ROOT/test/lib/flood.py" "$1" "${uri##*:}" "$2" >"$TEMP/flood" 2>&1 &
    flooder=$!
    wait_until "grep -q open '$TEMP/flood' || ! is_alive $flooder"
    grep -q open "$TEMP/flood"
}
end_flood()
{
    kill $flooder 2>/dev/null
    wait $flooder 2>/dev/null
}
newcomer() { timeout 9 xylem -u "$uri" getattr rank; }
# member WORD: what one rank puts through rank 0 another gets
member()
{
    on_rank 2 timeout 20 xylem kvs put a="$1" &&
        on_rank 1 timeout 20 xylem kvs wait "$(on_rank 2 xylem kvs version)" &&
        [ "$(on_rank 1 timeout 20 xylem kvs get a)" = "$1" ]
}

# ---- they do not last ----
before=$(descriptors)
flood silent 500x
check 'connections that say nothing are open for a while' wait_until "[ \$(descriptors) -gt $((before + 400)) ]"
check 'and are cut off then' wait_until "[ \$(descriptors) -le $((before + 5)) ]" 12
end_flood
flood greeting 500x
check 'those that go on after the greeting are as well' wait_until "[ \$(descriptors) -gt $((before + 400)) ]"
check 'when they are late with the next word' wait_until "[ \$(descriptors) -le $((before + 5)) ]" 12
end_flood

# ---- they come again and again ----
calm=$(memory_kib)
for kind in silent greeting hello huge null garbage initiate; do
    flood $kind $crowd
    check_output "while many come with $kind a new client gets in" 0 newcomer
    check 'and ranks work as ever' member $kind
    check_output 'the local socket too' 0 xylem getattr rank
    [ -n "${ASAN_OPTIONS:-}" ] ||
        check "which takes less than 64 KiB for each" [ "$(memory_kib)" -lt $((calm + 64 * crowd)) ]
    end_flood
done
check 'no rank was lost meanwhile' [ "$(grep -c 'lost' "$RUNDIR"/rank-0.log)" = 0 ]
check 'what is told of them is no flood' [ "$(grep -c 'refused a connection' "$RUNDIR/rank-0.log")" -le 50 ]
check 'it says how many there were' grep -q 'refused a connection from' "$RUNDIR/rank-0.log"

# ---- more than there are descriptors ----
if command -v prlimit >/dev/null; then
    check 'all descriptors are gone' wait_until "[ \$(descriptors) -le $((before + 5)) ]" 15
    prlimit --pid "$pid" --nofile=200:200
    flood silent $crowd
    wait_until "[ \$(descriptors) -ge 195 ]"
    check 'when the rank has no descriptor left ranks go on' member full
    end_flood
    check 'when it has some again others get in' wait_until 'newcomer >/dev/null 2>&1'
    check_output 'also by the local socket' 0 xylem getattr rank
    check 'no rank was lost' [ "$(grep -c 'lost' "$RUNDIR"/rank-0.log)" = 0 ]
else
    report 0 'without descriptors # SKIP there is no prlimit'
fi
