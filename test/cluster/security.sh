#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# security.sh - nobody but the owner gets in (I10): certificates on TCP and on ipc://, keys of clients that come
# and go, other users of this host, and who may read what.
. "$(dirname "$0")/../lib/rig.sh"
unset XYLEM_CERT

keys=$TEMP/keys
mkdir -p "$keys/authorized" "$TEMP/other"
certificate=$keys/instance
cluster_uri() { sed -n "s/^endpoint.$1 = \"\\(.*\\)\"/\\1/p" "$RUNDIR/cluster.conf"; }
# as CERTIFICATE COMMAND...: over TCP to rank 0
as() { XYLEM_URI=$(cluster_uri 0) XYLEM_CERT=$1 "${@:2}"; }
log_of() { cat "$RUNDIR/rank-$1.log"; }

# ---- making them ----
check 'a certificate is made' xylem keygen "$certificate"
check 'only its owner can read it' [ "$(stat -c %a "$certificate")" = 600 ]
check 'its public part is for all' [ "$(stat -c %a "$certificate.pub")" = 644 ]
before=$(cat "$certificate")
check_fails 'it is not overwritten' "$certificate.*not overwritten" xylem keygen "$certificate"
check 'nor changed by the attempt' [ "$before" = "$(cat "$certificate")" ]
check 'the public part has the public key only' [ "$(grep -c -- -key "$certificate.pub")" = 1 ]
xylem keygen "$TEMP/other/instance" >/dev/null
xylem keygen --server "$certificate.pub" --name build-7 "$TEMP/client" >"$TEMP/client.key"
check 'the key that is printed is the public one' grep -qF "$(cat "$TEMP/client.key")" "$TEMP/client.pub"
check_usage 'a server-key that is none is told' 'no key' xylem keygen --server-key abc "$TEMP/x"
check_fails 'a folder that is not there too' 'No such file' xylem keygen "$TEMP/no/such"
check_fails 'what is no certificate is no --server' 'not a certificate' xylem keygen --server "$0" "$TEMP/x"

gets_in() { as "$TEMP/client" xylem getattr rank >/dev/null 2>&1; }

# ---- ranks over TCP ----
start_cluster 3 2 --tcp -o --cert="$certificate"
xylem overlay status --wait full >/dev/null
echo secret >"$TEMP/blob"
ref=$(on_rank 1 xylem content store <"$TEMP/blob")
check_output 'ranks with the same certificate find together' secret on_rank 2 xylem content load "$ref"
open_to_others() { find "$RUNDIR" -perm /077; }
check_output 'nothing in the run directory is for others' '' open_to_others

# The port is spied upon by whoever can: nothing of what is said is readable.  (A relay between a client and
# the rank, which writes down what passes.)
spy()
{
    python3 - "$(cluster_uri 0)" "$TEMP/spied" "$TEMP/spy.port" <<'END'
import select, socket, sys
host, port = sys.argv[1][6:].rsplit(":", 1)
server = socket.create_server(("127.0.0.1", 0))
open(sys.argv[3] + ".new", "w").write(str(server.getsockname()[1]))
__import__("os").rename(sys.argv[3] + ".new", sys.argv[3])
a, b = server.accept()[0], socket.create_connection((host, int(port)))
with open(sys.argv[2], "wb") as out:
    while True:
        for s in select.select([a, b], [], [])[0]:
            data = s.recv(65536)
            out.write(data)
            if not data:
                sys.exit()
            (b if s is a else a).sendall(data)
END
}
spy &
spy_pid=$!
wait_until "[ -s '$TEMP/spy.port' ]"
through_spy() { xylem --cert "$certificate" -u "tcp://127.0.0.1:$(cat "$TEMP/spy.port")" "$@"; }
check_output 'a relay in between changes nothing' secret through_spy content load "$ref"
wait $spy_pid
readable() { grep -caE 'secret|content|blake2b' "$TEMP/spied"; }
check 'it sees that there is something' [ -s "$TEMP/spied" ]
check 'but nothing that it can read' [ "$(readable)" = 0 ]

# ---- ranks that are none of ours ----
# impostor CERTIFICATE OPTION...: in the place of rank 2
impostor()
{
    mkdir -p "$TEMP/run-x"
    xylem-brokerd --rank 2 --size 3 --conf "$RUNDIR/cluster.conf" --instance "$(xylem getattr instance)" \
        --rundir "$TEMP/run-x" --cert "$1" "${@:2}" >"$TEMP/impostor" 2>&1 &
    impostor_pid=$!
}
end_impostor()
{
    kill $impostor_pid 2>/dev/null
    wait $impostor_pid 2>/dev/null
    rm -rf "$TEMP/run-x"
}
kill_rank 2 KILL
wait_until "xylem overlay status 2>/dev/null | grep -q lost"
refusals=$(log_of 0 | grep -c 'refused a connection')
impostor "$TEMP/other/instance"
check 'a rank with another certificate is refused and logged' \
    wait_until "[ \$(log_of 0 | grep -c 'refused a connection') -gt $refusals ]"
check 'it is not let in' [ "$(xylem overlay status | grep -c lost)" = 1 ]
check 'and has learnt nothing of the instance' \
    [ "$(XYLEM_URI=local://$TEMP/run-x/local-2 timeout 2 xylem kvs get watched 2>/dev/null)" = '' ]
end_impostor
cp "$TEMP/client.pub" "$keys/authorized/build-7.pub"
wait_until gets_in
impostor "$TEMP/client"
check 'a rank with the certificate of a client says so' \
    wait_until "grep -q 'client is a certificate for clients' '$TEMP/impostor'"
check 'a client cannot pose as a rank' wait_until "log_of 0 | grep -q \"a key that is no rank's\""
check 'nor is it taken for one' [ "$(xylem overlay status | grep -c lost)" = 1 ]
end_impostor
check 'the right one comes home' respawn 2
check 'and the tree is whole' xylem overlay status --wait full
check_output 'what was stored is there' secret on_rank 2 xylem content load "$ref"

stop_cluster

# ---- clients ----
rm "$keys/authorized/build-7.pub"
start_cluster 3 2 --tcp -o --cert="$certificate"
xylem content store <"$TEMP/blob" >/dev/null
check_output 'a client with the certificate of the instance gets in' secret \
    as "$certificate" xylem content load "$ref"
check 'by its option as well' xylem --cert "$certificate" -u "$(cluster_uri 2)" getattr rank
check 'xylem-dump has it too' xylem-dump -q --cert "$certificate" -u "$(cluster_uri 1)" "$TEMP/x.tar"
check_fails 'without a certificate nobody does' 'wants a certificate' as '' xylem getattr rank
check_fails 'who takes another rank for ours is not misled' 'server-key' \
    as "$TEMP/other/instance" xylem getattr rank
check_fails 'a key that nobody knows is refused' "does not know the key in $TEMP/client" \
    as "$TEMP/client" xylem getattr rank
check 'and logged with its address' grep -qF \
    "refused a connection from 127.0.0.1: key $(cat "$TEMP/client.key")" "$RUNDIR/rank-0.log"
check 'so is who has none' wait_until "grep -qE 'refused a connection from .*(certificate)' '$RUNDIR/rank-0.log'"
counted() # GROUP NAME AT-LEAST
{
    [ "$(xylem stats --json |
        python3 -c "import json, sys; print(json.load(sys.stdin)['$1']['$2'])")" -ge "$3" ]
}
check 'they are counted' counted remote refused 3
check 'and so are those that were let in' counted remote let-in 3
check 'the keys of others are not in the log' [ "$(log_of 0 | grep -c secret-key)" = 0 ]
chmod 640 "$TEMP/client"
check_fails 'a secret key that others may read is refused' 'chmod 600' as "$TEMP/client" xylem getattr rank
chmod 600 "$TEMP/client"
check_fails 'the public part is no certificate to connect with' 'no secret-key' \
    as "$certificate.pub" xylem getattr rank
check_fails 'beyond this host there must be one' 'certificate is needed' \
    xylem -u tcp://192.0.2.1:7777 getattr rank

cp "$TEMP/client.pub" "$keys/authorized/build-7.pub"
check 'a key that is put into authorized/ lets its owner in' wait_until gets_in
check_output 'with all that a client may do' secret as "$TEMP/client" xylem content load "$ref"
as "$TEMP/client" xylem kvs get -w -W -c 2 watched >"$TEMP/watched" 2>&1 &
watcher=$!
xylem kvs put watched=1
wait_until "[ -s '$TEMP/watched' ]"
rm "$keys/authorized/build-7.pub"
check 'when it is removed it lets nobody in any more' wait_until '! gets_in'
xylem kvs put watched=2
check 'a connection that there was stays' wait $watcher
check_output 'until its end' $'1\n2' cat "$TEMP/watched"
cp "$TEMP/client.pub" "$keys/authorized/writable.pub"
chmod 666 "$keys/authorized/writable.pub"
check 'a file that others may write does not count' \
    wait_until "gets_in; grep -q 'writable.pub.*others may change it' '$RUNDIR/rank-0.log'"
check_fails 'nor lets it in' 'does not know' as "$TEMP/client" xylem getattr rank
rm "$keys/authorized/writable.pub"

# ---- what brokerd refuses ----
chmod 644 "$TEMP/other/instance"
check_fails 'a certificate that others may read is refused' 'chmod 600' \
    timeout 20 xylem-brokerd --rundir "$TEMP/run-y" --cert "$TEMP/other/instance"
chmod 600 "$TEMP/other/instance"
check_usage 'beyond loopback a rank wants one' 'without a certificate' \
    timeout 20 xylem-brokerd --rundir "$TEMP/run-y" --listen 'tcp://0.0.0.0:*'
stop_cluster

# ---- ipc:// ----
start_cluster 3 2 -o --cert="$certificate"
xylem overlay status --wait full >/dev/null
tree() { XYLEM_URI=ipc://$RUNDIR/tree-0 XYLEM_CERT=$1 xylem getattr rank; }
check_output 'with a certificate ranks speak CURVE on ipc:// as well' 0 tree "$certificate"
check_fails 'where nobody gets in without' 'wants a certificate' tree ''
check_output 'local clients need none' 1 on_rank 1 xylem getattr rank

# ---- other users of this host ----
nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }
skip_case() { report 0 "$1 # SKIP $2"; }
if [ "$(id -u)" != 0 ]; then
    skip_case 'other users' 'to be another user needs root'
elif ! nobody xylem --version >/dev/null 2>&1; then
    skip_case 'other users' 'another user cannot run these programs where they lie'
else
    as_nobody() { XYLEM_URI=$1 nobody "${@:2}"; }
    check_fails 'another user does not get to the socket' 'Permission denied' \
        as_nobody "$XYLEM_URI" xylem getattr rank
    chmod 711 "$TEMP" "$RUNDIR"
    check_fails 'nor through a directory that lets it pass' 'Permission denied' \
        as_nobody "$XYLEM_URI" xylem getattr rank
    chmod 666 "$RUNDIR"/local-0 "$RUNDIR"/tree-0
    check_fails 'where the socket is open it is refused by its uid' 'another user.*not permitted' \
        as_nobody "$XYLEM_URI" xylem getattr rank
    check 'and logged' grep -q 'refused a local client of uid 65534' "$RUNDIR/rank-0.log"
    check 'and counted' counted local refused 1
    cp "$certificate" "$TEMP/stolen"
    chown 65534 "$TEMP/stolen"
    stolen() { XYLEM_CERT=$TEMP/stolen as_nobody "ipc://$RUNDIR/tree-0" timeout 20 xylem getattr rank; }
    check_fails 'on ipc:// even with the right key' 'not permitted' stolen
    chmod 600 "$RUNDIR"/local-0
    chmod 700 "$RUNDIR"/tree-0 "$TEMP" "$RUNDIR"
fi
