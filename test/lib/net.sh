#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# net.sh - sourced after rig.sh by the tests of several hosts: network namespaces as hosts, each with a
# cable (a veth pair) to a switch (a bridge) in a namespace of its own.  Needs root, no network and no
# firewall: addresses and names exist in these namespaces only.
#
#   net_up N                hosts 1 to N; NET_HOSTS is the list for xylem-launch --hosts
#   net_down                and check that nothing is left (done at the end of the test in any case)
#   net_on H COMMAND...     run it on host H
#   net_ip H                its address
#
#   net_unplug H            its cable is pulled: both sides see it
#   net_plug H
#   net_oneway A B          what A sends to B is lost, and nobody is told
#   net_partition A B       nothing passes between the hosts of two lists: "1 2" "3 4"
#   net_heal                all of that is over
#   net_slow H MS PCT       what H sends takes MS longer, and PCT percent of it is lost
#   net_fast                that is over for all
#
# Who sends to whom is settled with fixed entries in the tables of neighbours: a way that is cut leads
# to an address of the Ethernet that nobody has.  So single directions can be cut, as a switch or a
# filter with a fault would do it.
# Delay and loss are made by tc(8) where the kernel has netem, else by slow_cable.py, through which the
# frames of the host go then.

NET_PREFIX=xy$$
NET_SWITCH=$NET_PREFIX-sw
NET_SIZE=0
NET_SLOW=() # process ids of slow cables, by host

net_host() { echo "$NET_PREFIX-h$1"; }
net_ip() { echo "10.77.0.$1"; }
net_mac() { printf '02:00:00:00:00:%02x' "$1"; }
net_on() { local host; host=$(net_host "$1"); shift; ip netns exec "$host" "$@"; }

# Why there can be no such hosts here; nothing: there can.
net_obstacle()
{
    [ "$(id -u)" = 0 ] || { echo 'network namespaces take root'; return; }
    command -v ip >/dev/null || { echo 'ip(8) is not installed (Debian package iproute2)'; return; }
    ip netns add "$NET_SWITCH" 2>/dev/null || { echo 'the kernel makes no network namespace'; return; }
    ip -n "$NET_SWITCH" link add br0 type bridge 2>/dev/null || echo 'the kernel has no bridge'
    ip netns del "$NET_SWITCH"
}

# Namespaces of a test that was killed.
net_sweep()
{
    local name pid

    for name in $(ip netns list | sed -n 's/^\(xy[0-9]*-[a-z0-9]*\).*/\1/p'); do
        pid=${name#xy}
        [ -d "/proc/${pid%%-*}" ] || ip netns del "$name"
    done
}

# net_neighbour A B MAC: where A sends what is for B.
net_neighbour()
{
    ip -n "$(net_host "$1")" neigh replace "$(net_ip "$2")" lladdr "$3" dev eth0 nud permanent
}

net_add_host()
{
    local h=$1 host

    host=$(net_host "$h")
    ip netns add "$host"
    ip link add eth0 netns "$host" address "$(net_mac "$h")" type veth \
        peer name "p$h" netns "$NET_SWITCH"
    ip -n "$host" link set lo up
    ip -n "$host" addr add "$(net_ip "$h")/24" dev eth0
    ip -n "$host" link set eth0 up
    ip -n "$NET_SWITCH" link set "p$h" master br0 up
}

net_up()
{
    local why h

    why=$(net_obstacle)
    [ -z "$why" ] || skip_all "$why"
    net_sweep
    trap net_end EXIT
    NET_SIZE=$1
    NET_HOSTS="$NET_PREFIX-h[1-$1]"
    ip netns add "$NET_SWITCH"
    ip -n "$NET_SWITCH" link add br0 type bridge
    ip -n "$NET_SWITCH" link set br0 up
    for ((h = 1; h <= NET_SIZE; h++)); do
        net_add_host $h || { report 1 "host $h is made"; exit 1; }
    done
    net_heal
}

net_down()
{
    local h

    [ "$NET_SIZE" -gt 0 ] || return 0
    net_fast
    for ((h = 1; h <= NET_SIZE; h++)); do
        ip netns del "$(net_host $h)"
    done
    ip netns del "$NET_SWITCH"
    NET_SIZE=0
    ! ip netns list | grep "^$NET_PREFIX-" >"$TEMP/.left"
    report $? 'no network namespace is left' "$TEMP/.left"
}

net_end()
{
    stop_cluster
    net_down
    end_test
}

# ---- faults ----

net_unplug() { ip -n "$NET_SWITCH" link set "p$1" down; }
net_plug() { ip -n "$NET_SWITCH" link set "p$1" up; }
net_oneway() { net_neighbour "$1" "$2" 02:00:00:00:ff:ff; }

net_partition()
{
    local a b

    for a in $1; do
        for b in $2; do
            net_oneway "$a" "$b"
            net_oneway "$b" "$a"
        done
    done
}

net_heal()
{
    local a b

    for ((a = 1; a <= NET_SIZE; a++)); do
        for ((b = 1; b <= NET_SIZE; b++)); do
            [ $a = $b ] || net_neighbour $a $b "$(net_mac $b)"
        done
        net_plug $a
    done
}

# ---- slow cables ----

# net_swap H FROM TO: what was eth0 is called FROM now, and TO is eth0.  Connections live through it.
net_swap()
{
    local host

    host=$(net_host "$1")
    ip -n "$host" link set eth0 down
    ip -n "$host" addr flush dev eth0
    ip -n "$host" link set eth0 name "$2"
    ip -n "$host" link set "$3" name eth0 address "$(net_mac "$1")"
    ip -n "$host" addr add "$(net_ip "$1")/24" dev eth0
    ip -n "$host" link set eth0 up
    net_heal
}

net_slow_in_user_space()
{
    local h=$1 pid

    python3 "$ROOT/test/lib/slow_cable.py" "$(net_host "$h")" "$NET_SWITCH" "s$h" "$2" "$3" \
        >"$TEMP/.cable-$h" 2>&1 &
    pid=$!
    NET_SLOW[h]=$pid
    wait_until "grep -sq ready '$TEMP/.cable-$h' || ! is_alive $pid"
    is_alive $pid || { report 1 "host $h has a slow cable" "$TEMP/.cable-$h"; return 1; }
    ip -n "$NET_SWITCH" link set "s$h" master br0 up
    net_swap "$h" cable0 slow0
}

net_slow()
{
    tc -n "$(net_host "$1")" qdisc replace dev eth0 root netem delay "$2ms" loss "$3%" \
        2>/dev/null || net_slow_in_user_space "$@"
}

net_stop_cable()
{
    local pid=${NET_SLOW[$1]}

    net_swap "$1" slow0 cable0
    kill "$pid"
    wait "$pid" 2>/dev/null
    unset "NET_SLOW[$1]"
}

net_fast()
{
    local h

    for h in "${!NET_SLOW[@]}"; do
        net_stop_cable "$h"
    done
    for ((h = 1; h <= NET_SIZE; h++)); do
        tc -n "$(net_host $h)" qdisc del dev eth0 root 2>/dev/null
    done
    return 0
}
