#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# conf_hosts.sh - one configuration file for all hosts, and the same command line on each of them.  The hosts
# are network namespaces with names of their own.
. "$(dirname "$0")/../lib/rig.sh"
. "$(dirname "$0")/../lib/net.sh"

HOSTS=4
why=$(net_obstacle)
[ -z "$why" ] || skip_all "$why"
unshare --uts --mount true 2>/dev/null || skip_all 'hosts cannot have names here: no UTS namespaces'
net_up $HOSTS
xylem keygen "$TEMP/cert" >"$TEMP/.key"
RUNDIR=$TEMP/run
mkdir "$TEMP/here"
for h in $(seq $HOSTS); do
    mkdir -p "$RUNDIR/$h"
    echo "$(net_ip "$h") xylem-$((h - 1)).xylem"
done >"$TEMP/names"
# The file of the example for Kubernetes, with other places.
sed -n '/xylem.conf: |/,/^---/s/^    //p' "$ROOT/man/examples/kubernetes.yaml" |
    sed -e 's/0-7/0-3/' -e "s|/etc/xylem/cert/cert|$TEMP/cert|" -e "s|/run/xylem|$TEMP/here|" \
        -e "s|/var/lib/xylem/|$TEMP/here/|" >"$TEMP/xylem.conf"
check 'the file of the example is there' grep -q '^hosts = "xylem-.0-3..xylem"$' "$TEMP/xylem.conf"

# on_host H NAME COMMAND...: in a place where that is the host's name, /etc/hosts knows the others, and
# TEMP/here is a directory of its own
on_host()
{
    local h=$1 name=$2

    shift 2
    # shellcheck disable=SC2016
    net_on "$h" unshare --uts --mount sh -c '
        hostname "$1" && mount --bind "$2/run/$3" "$2/here" &&
            mount --bind "$2/names" /etc/hosts || exit 99
        shift 3
        exec "$@"' sh "$name" "$TEMP" "$h" "$@"
}

# begin H: the command is the same on all
begin() { on_host "$1" "xylem-$(($1 - 1))" xylem-brokerd --conf "$TEMP/xylem.conf" >"$TEMP/log.$1" 2>&1 & }
at() { local h=$1; shift; XYLEM_URI=local://$RUNDIR/$h/local "$@"; }
brokers() { ps -eo pid=,args= | grep -F "xylem-brokerd --conf $TEMP/" | grep -v grep | awk '{ print $1 }'; }
is_empty() { [ -z "$(find "$@" -mindepth 1)" ] || { ls -lA "$@"; return 1; }; }
stop_brokers()
{
    local pids

    pids=$(brokers)
    [ -z "$pids" ] || kill $pids
    wait_until '[ -z "$(brokers)" ]'
}
trap 'stop_brokers; net_down; end_test' EXIT

# Children first: they find their parents when these come.
for h in 4 3 2 1; do
    begin $h
done
check 'the first host is there' wait_until "[ -S '$RUNDIR/1/local' ]"
check 'hosts find each other by their names' at 1 xylem overlay status --wait full -t 30s
for h in 1 4; do
    check_output "host $h has the rank of its place in the list" $((h - 1)) at $h xylem getattr rank
done
check_output 'the size is how many there are' $HOSTS at 3 xylem getattr size
ref=$(echo hello | at 4 xylem content store)
check_output 'what one stores another loads' hello at 3 xylem content load "$ref"
check_output 'all know all hosts' 'xylem-0.xylem,xylem-1.xylem,xylem-2.xylem,xylem-3.xylem' \
    at 4 xylem getattr hostlist
check_output 'by name as by the part before the dot' 2-3 at 4 xylem overlay lookup xylem-2,xylem-3.xylem
check 'they end' stop_brokers
rm -r "$RUNDIR/1/state"
check 'and leave nothing else' is_empty "$RUNDIR"/*

wrong() { on_host 1 "$1" timeout 20 xylem-brokerd --conf "$TEMP/xylem.conf" "${@:2}"; }
check_fails 'a host that is not in the list is named' \
    'xylem.conf: hosts: this host, xylem-9, is not among the 4 hosts there' wrong xylem-9
check_fails 'a rank there is not' 'there are 4 hosts, and rank is 4' wrong xylem-9 --rank 4
check_fails 'another size' 'there are 4 hosts, and size is 5' wrong xylem-0 --size 5
echo 'hosts = "xylem-0.xylem"' >>"$TEMP/xylem.conf"
check_fails 'a host that is there twice' 'this host, xylem-0, is there more than once' wrong xylem-0
sed -i '/^cert/d; $d' "$TEMP/xylem.conf"
check_fails 'a file without a certificate' 'hosts: .*without a certificate \(--cert\)' wrong xylem-0
sed -i 's/^hosts.*/hosts = "xylem-[3-0]"/' "$TEMP/xylem.conf"
check_fails 'a list that is none' \
    "xylem.conf: hosts: 'xylem-.3-0.': in brackets are numbers" wrong xylem-0
rm -rf "$RUNDIR/1/state" # which was asked for
check 'none of them leaves anything' is_empty "$RUNDIR"/*
