#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# netns_launch.sh - a tree over eight hosts that share nothing but a cable and a file system.
. "$(dirname "$0")/../lib/rig.sh"
. "$(dirname "$0")/../lib/net.sh"

net_up 8

# ---- the hosts are what they should be ----
reaches() { net_on "$1" timeout 2 bash -c "exec 3<>/dev/tcp/$2/$3"; }
refused() { ! reaches "$1" "$2" 1 2>"$TEMP/.why" && grep -q refused "$TEMP/.why"; }
check 'a host reaches another' refused 1 "$(net_ip 8)"
net_oneway 8 1
is_lost() { ! refused 1 "$(net_ip 8)"; }
check 'not when its answers are lost' is_lost
net_heal
check 'again when it is healed' refused 1 "$(net_ip 8)"

# ---- one rank on each ----
start_cluster 8 2 --hosts "$NET_HOSTS" --rsh 'ip netns exec'
check 'the tree is complete' xylem overlay status --wait full -t 20s
in_namespace() { [ "$(ip netns identify "$(rank_pid "$1")")" = "$(net_host $(($1 + 1)))" ]; }
for rank in 0 3 7; do
    check "rank $rank runs on its host" in_namespace $rank
    check_output 'and listens there' "tcp://$(net_ip $((rank + 1)))" \
        sh -c "xylem -u local://$RUNDIR/local-$rank getattr tbon.endpoint | sed 's/:[0-9]*\$//'"
done
check 'there are no UNIX sockets between the ranks' [ -z "$(compgen -G "$RUNDIR/tree-*")" ]
head -c 3000000 /dev/urandom >"$TEMP/data"
on_rank 7 xylem content store --chunksize=100000 <"$TEMP/data" >"$TEMP/refs"
on_rank 4 xylem content load <"$TEMP/refs" >"$TEMP/copy"
check 'what is stored on one host is loaded on another' cmp "$TEMP/data" "$TEMP/copy"
for rank in 1 2 3 4 5 6 7; do
    on_rank $rank xylem kvs put "from.rank$rank=$rank"
done
for rank in 0 7; do
    on_rank $rank xylem kvs wait "$(on_rank 6 xylem kvs version)"
done
check_output 'keys too' 1234567 sh -c \
    "for r in 1 2 3 4 5 6 7; do xylem -u local://$RUNDIR/local-7 kvs get from.rank\$r; done | tr -d '\\n'"
on_rank 0 xylem-dump -q "$TEMP/root.tar"
on_rank 7 xylem-dump -q "$TEMP/leaf.tar"
check 'a dump through a leaf is the same as one through the root' \
    xylem-dump --diff "$TEMP/root.tar" "$TEMP/leaf.tar"
check_output 'it has all keys' 7 sh -c "xylem-dump --list '$TEMP/leaf.tar' | grep -c from"

# ---- secured ----
ask() { net_on "$1" timeout 10 xylem -u "$(on_rank 0 xylem getattr tbon.endpoint)" "${@:2}"; }
export XYLEM_CERT=$RUNDIR/launch.cert
check_output 'a client with the key of the instance talks to rank 0 from another host' 5 \
    ask 5 kvs get from.rank5
unset XYLEM_CERT
without() { ! ask 5 kvs get from.rank5; }
check 'one without it does not' without
xylem keygen "$TEMP/other.cert" >/dev/null
export XYLEM_CERT=$TEMP/other.cert
check 'nor does one with another' without
unset XYLEM_CERT

# ---- started again ----
kill_rank 3 KILL
check 'a rank is killed and started again on its host' respawn 3
check 'there' in_namespace 3
check 'the tree is complete' xylem overlay status --wait full -t 30s
check_output 'and serves' 7 on_rank 3 xylem kvs get from.rank7
stop_cluster

# ---- more ranks than hosts, fewer hosts than there are ----
start_cluster 20 3 --hosts "$NET_HOSTS" --rsh 'ip netns exec'
check_output 'twenty ranks on eight hosts' 20 sh -c \
    "xylem overlay status --wait full -t 30s >/dev/null && cat $RUNDIR/rank-*.host | wc -l"
check_output 'in blocks of three and two' '3 3 3 3 2 2 2 2' sh -c \
    "cut -d' ' -f1 $RUNDIR/rank-*.host | sort | uniq -c | awk '{print \$1}' | xargs"
stop_cluster
check_fails 'a host that has no cable does not arrive' \
    "rank 1 on host $NET_PREFIX-none did not arrive" \
    xylem-launch -n 2 --rundir "$TEMP/run" --hosts "$NET_PREFIX-h1,$NET_PREFIX-none" \
    --rsh 'ip netns exec' true

# ---- hosts that share no file system either ----
mkdir "$TEMP/far"
cat >"$TEMP/far-away" <<'EOF'
#!/bin/sh
shift
exec unshare -m sh -c 'mount -t tmpfs none "$FAR" && exec "$@"' sh "$@"
EOF
chmod +x "$TEMP/far-away"
far()
{
    FAR=$TEMP/far xylem-launch -n 2 --rundir "$TEMP/run" --remote-rundir "$TEMP/far/run" \
        --hosts a,b --rsh "$TEMP/far-away" -o interface=lo "$@"
}
if unshare -m mount -t tmpfs none "$TEMP/far" 2>/dev/null; then
    check_output 'COMMAND reaches rank 0 over TCP' 'tcp://127.0.0.1 1' far -- sh -c \
        'xylem kvs put a=1 && echo "${XYLEM_URI%:*} $(xylem kvs get a)"'
    check_output 'the brokers keep their sockets to themselves' '' ls -A "$TEMP/far"
    rm "$TEMP/.uris" # of the cluster before
    far -v >"$TEMP/.uris" 2>"$TEMP/.launch" &
    LAUNCHER=$!
    check 'it runs' wait_until "grep -sq '^rank 1 ' '$TEMP/.uris'"
    eval "$(grep '^XYLEM_' "$TEMP/.uris" | sed 's/^/export /')"
    check 'a shutdown is heard of' xylem shutdown || kill $LAUNCHER
    wait $LAUNCHER
    check 'and ends the launch' [ $? = 0 ]
    LAUNCHER=
    check_output 'with nothing left behind' '' ls -A "$TEMP/run"
else
    echo '# skipped: mounting a file system is not allowed here'
fi
