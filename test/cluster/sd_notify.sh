#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# sd_notify.sh - what a service manager hears at $NOTIFY_SOCKET: from ranks, and from long jobs through them.
. "$(dirname "$0")/../lib/rig.sh"
export PYTHONPATH=$ROOT/test/lib

HEARD=$TEMP/heard
LISTENERS=
# listen ADDRESS FILE
listen()
{
    rm -f "$2" "$1"
    python3 "$ROOT/test/lib/sd_listener.py" "$1" "$2" &
    LISTENERS+=" $!"
    wait_until "grep -qsx listening '$2'"
}
end_listeners()
{
    kill $LISTENERS
    wait $LISTENERS 2>/dev/null
    LISTENERS=
}
heard() { grep -cE "$1" "$HEARD"; }
hears() { wait_until "[ \$(grep -cE '$1' '$HEARD') -ge 1 ]" || { cat "$HEARD"; return 1; }; }
last_is() { tail -n 1 "$HEARD" | cut -f 2 | grep -qxE "$1" || { cat "$HEARD"; return 1; }; }
# ask RANK PAYLOAD 'CHECK OF a': the answer of that rank to state-machine.sd-notify
ask()
{
    python3 -c 'import os, sys
from flux import *
a = Flux(sys.argv[1]).rpc("state-machine.sd-notify", eval(sys.argv[2]))
eval(sys.argv[3])' "$RUNDIR/local-$1" "$2" "$3"
}
MORE=' \| EXTEND_TIMEOUT_USEC=10000000'

# ---- an instance under a service manager ----
check 'a service manager listens' listen "$TEMP/notify" "$HEARD"
export NOTIFY_SOCKET=$TEMP/notify
start_cluster 4 2
unset NOTIFY_SOCKET
check 'it hears that rank 0 is ready' hears $'\tREADY=1 \| STATUS=rank 0 of 4 serves$'
check_output 'and nobody else says so' 1 heard READY=1

# ---- the service ----
check 'rank 0 takes a status' ask 0 '{"status": "größe \"5\" is fine"}' 'a.empty()'
check 'it is passed on with more time' hears $'\tSTATUS=größe "5" is fine'"$MORE\$"
check 'a leaf asks its parents' ask 3 '{"status": "from below"}' 'a.empty()'
check 'and it comes out' hears $'\tSTATUS=from below'"$MORE\$"
count=$(wc -l <"$HEARD")
for rank in 0 3; do
    check "rank $rank refuses a text of two lines" ask $rank '{"status": "fine\nMAINPID=1"}' \
        'a.fails(EINVAL, "control character")'
    check 'and what is too long' ask $rank '{"status": "x" * 1025}' 'a.fails(EINVAL, "1024 bytes")'
    check 'and what has no status' ask $rank '{"state": "x"}' 'a.fails(EPROTO, "no status")'
    check 'and what is no text' ask $rank '{"status": 5}' 'a.fails(EPROTO)'
    check 'and nothing' ask $rank None 'a.fails(EPROTO)'
done
check 'the longest is fine' ask 3 '{"status": "x" * 1024}' 'a.empty()'
check 'of all these one was told' wait_until '[ "$(wc -l <"$HEARD")" = $((count + 1)) ]'

# ---- jobs ----
fill() { seq 3000 | sed 's/.*/d.k&=value of key &/' | xargs -d '\n' xylem kvs put && xylem kvs put z=1; }
check 'keys are put' fill
on_rank 3 xylem kvs wait "$(xylem kvs version)"
check 'a dump at a leaf succeeds' on_rank 3 xylem-dump --sd-notify "$TEMP/all.tar"
check 'its progress is told' hears $'\tSTATUS=xylem-dump\(1\) has archived [0-9]+ keys, [^|]*'"$MORE\$"
check 'and its end' last_is 'STATUS=xylem-dump\(1\) has archived 3001 keys, .* KiB and is done'"$MORE"
check 'without the option nothing is told' eval 'on_rank 3 xylem-dump "$TEMP/all.tar" &&
    last_is "STATUS=xylem-dump.* and is done.*" && [ $(grep -c "archived.*is done" "$HEARD") = 1 ]'
check 'a restore at a leaf succeeds' on_rank 3 xylem-restore --sd-notify --key=copy "$TEMP/all.tar"
check 'its end is told' last_is 'STATUS=xylem-restore\(1\) has restored 3001 keys, .* KiB and is done'"$MORE"
head -c 100000 "$TEMP/all.tar" >"$TEMP/cut.tar"
check_fails 'one that fails' 'cut.tar' on_rank 3 xylem-restore --sd-notify --key=cut "$TEMP/cut.tar"
check 'says so, too' last_is 'STATUS=xylem-restore\(1\) has restored [0-9]+ keys, .* and has failed'"$MORE"

# A job that is held up by a slow archive, to count how often it tells.
slowly() { python3 -c 'import sys, time
data = open(sys.argv[1], "rb").read()
for i in range(0, len(data), len(data) // 60 + 1):
    sys.stdout.buffer.write(data[i:i + len(data) // 60 + 1]); sys.stdout.buffer.flush(); time.sleep(0.05)' "$1"; }
end_listeners
check 'the service manager starts anew' listen "$TEMP/notify" "$HEARD"
check 'a slow restore succeeds' eval \
    'slowly "$TEMP/all.tar" | on_rank 2 xylem-restore -q --sd-notify --key=slow -'
seconds_apart() { python3 -c 'import sys
times = [int(l.split("\t")[0]) for l in open(sys.argv[1]) if "\t" in l]
apart = [b - a for a, b in zip(times, times[1:])]
assert len(times) >= 3 and min(apart[:-1]) > 800, apart' "$HEARD"; }
check 'it tells again and again, once a second' seconds_apart

# ---- a service manager that does not read, or is gone ----
kill -s STOP $LISTENERS
clog() { python3 -c 'import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.setblocking(False)
try:
    while True: s.sendto(b"STATUS=clogged", sys.argv[1])
except BlockingIOError: pass' "$TEMP/notify"; }
check 'its socket is full' clog
check 'a dump does not care' on_rank 3 xylem-dump -q --sd-notify "$TEMP/all.tar"
check 'nor does the service' ask 3 '{"status": "lost"}' 'a.empty()'
kill -s CONT $LISTENERS
end_listeners
rm "$TEMP/notify"
check 'nor when it is gone' on_rank 3 xylem-dump -q --sd-notify "$TEMP/all.tar"
check 'a service manager listens again' listen "$TEMP/notify" "$HEARD"
stop_cluster
check 'and hears that rank 0 stops' hears $'\tSTOPPING=1 \| STATUS=rank 0 of 4 stops$'
end_listeners

# ---- nobody to tell ----
start_cluster 2
check 'without a service manager rank 0 takes a status' ask 0 '{"status": "x"}' 'a.empty()'
check 'and another rank' ask 1 '{"status": "x"}' 'a.empty()'
check 'a wrong one is wrong' ask 1 '{"status": "x\n"}' 'a.fails(EINVAL)'
xylem kvs put a=1
check 'a dump succeeds' on_rank 1 xylem-dump -q --sd-notify "$TEMP/none.tar"
stop_cluster

# ---- one service manager for each rank, as when ranks are units of their own ----
RUNDIR=$TEMP/run
name=@xylem-test-$$
check 'one listens by an abstract name' listen "$name" "$HEARD"
mkdir -m 700 "$RUNDIR"
brokers=
for rank in 0 1; do
    NOTIFY_SOCKET=$name xylem-brokerd --rank $rank --size 2 --rundir "$RUNDIR" 2>>"$TEMP/.brokers" &
    brokers+=" $!"
done
check 'rank 0 says that it is ready' hears 'READY=1.*rank 0 of 2 serves'
check 'and so does rank 1' hears 'READY=1.*rank 1 of 2 serves'
check 'they find each other' on_rank 0 xylem overlay status --wait full
check 'each speaks for itself' ask 1 '{"status": "own"}' 'a.empty()'
check 'and is heard' hears $'\tSTATUS=own'"$MORE\$"
for pid in $(tac -s ' ' <<<"$brokers"); do
    kill $pid
    wait $pid
done
check 'both stop' eval 'hears "STOPPING=1.*rank 0 of 2" && hears "STOPPING=1.*rank 1 of 2"'
check 'nothing went wrong' eval '! grep -E " (warn|err) " "$TEMP/.brokers"'
end_listeners
