#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# watch.sh - keys that are watched at many ranks: every change once, in order, whatever happens.
. "$(dirname "$0")/../lib/rig.sh"
export PYTHONPATH=$ROOT/test/lib

# Ranks are found lost, and back again, soon.
start_cluster 8 2 -o --heartbeat=200ms -o --timeout=2s
kvs() { on_rank "$1" xylem kvs "${@:2}"; }

declare -A PID
# start NAME RANK COMMAND...: xylem kvs COMMAND in the background, at a rank that has seen what was
# committed; what it prints is in NAME.
start()
{
    kvs "$2" wait "$(kvs 0 version)"
    : >"$TEMP/$1"
    XYLEM_URI=local://$RUNDIR/local-$2 xylem kvs "${@:3}" >"$TEMP/$1" 2>"$TEMP/$1.err" &
    PID[$1]=$!
}
has_lines() { [ "$(wc -l <"$TEMP/$1")" -ge "$2" ]; }
until_lines() { wait_until "has_lines $1 $2 || ! is_alive ${PID[$1]}" && has_lines "$1" "$2"; }
# ends NAME STATUS
ends()
{
    local status

    wait_until "! is_alive ${PID[$1]}" || { echo "$1 does not end"; kill "${PID[$1]}"; }
    wait "${PID[$1]}"
    status=$?
    [ $status = "$2" ] || { echo "status $status"; cat "$TEMP/$1.err"; return 1; }
}
# printed NAME TEXT: it has ended well and printed that.
printed()
{
    ends "$1" 0 && [ "$(cat "$TEMP/$1")" = "$2" ] || { cat "$TEMP/$1" "$TEMP/$1.err"; return 1; }
}
# failed NAME PATTERN: it has ended with an error like that.
failed()
{
    ends "$1" 1 && grep -qEi -- "$2" "$TEMP/$1.err" || { cat "$TEMP/$1" "$TEMP/$1.err"; return 1; }
}
# numbers FROM TO
numbers() { seq "$1" "$2"; }

# ---- every rank sees every version ----
kvs 0 put v=1
for rank in 0 1 2 3 4 5 6 7; do
    start v$rank $rank get --watch --count=20 v
done
for rank in 0 1 2 3 4 5 6 7; do
    check "rank $rank prints the value there is" until_lines v$rank 1
done
put_numbers() # KEY FROM TO: each at another rank, and each when the one before is done
{
    for i in $(numbers "$2" "$3"); do
        kvs $((i % 8)) put "$1=$i" || return 1
    done
}
check 'values are put everywhere' put_numbers v 2 20
for rank in 0 1 2 3 4 5 6 7; do
    check "rank $rank has printed each of them once, in order" printed v$rank "$(numbers 1 20)"
done

# ---- many at once ----
kvs 0 put busy=0
for rank in 0 3 7; do
    start busy$rank $rank get --watch --count=201 busy
    until_lines busy$rank 1
done
for i in $(numbers 1 200); do echo "busy=$i"; done |
    XYLEM_URI=local://$RUNDIR/local-5 xargs -n 1 xylem kvs put --no-merge &
writer=$!
check 'commits that are not merged all succeed' wait $writer
for rank in 0 3 7; do
    check "rank $rank has missed none of 200 roots" printed busy$rank "$(numbers 0 200)"
done

# ---- what counts as a change ----
kvs 0 put same=1
start same 4 get -w -c 3 same
start uniq 4 get -w -u -c 2 same
until_lines same 1 && until_lines uniq 1
kvs 0 put other=x
kvs 0 put same=1
kvs 0 put same=2
check 'the same value again is a change' printed same "$(printf '1\n1\n2')"
check 'but not with --uniq' printed uniq "$(printf '1\n2')"

kvs 0 put dir.a=abc new.a=xyz
new=$(kvs 0 get -t new)
start plain 6 get -w -c 2 dir.a
start full 6 get -w -f -c 2 dir.a
until_lines plain 1 && until_lines full 1
kvs 0 put -t "dir=$new"
check 'that a directory above was replaced is seen with --full' printed full "$(printf 'abc\nxyz')"
kvs 0 put dir.a=def
check 'and not without' printed plain "$(printf 'abc\ndef')"

start names 5 get -w -c 2 -- '..dir..a.'
until_lines names 1
kvs 0 put dir.a=2
check 'a key may be written in more than one way' printed names "$(printf 'def\n2')"

# ---- what is not there yet ----
check_fails 'a key that is not there cannot be watched' 'no such key' kvs 5 get -w late
check_fails 'nor in a namespace that is not there' 'does not exist|not supported' \
    kvs 5 get -w -N nowhere late
start late 5 get -W late
start later 7 get -w -W -c 2 late
start late_object 7 get -W -t late
kvs 3 put late=1
check 'it can be waited for' printed late 1
check 'as an object too' printed late_object "$(kvs 3 get -t late)"
until_lines later 1
kvs 3 put late=2
check 'and be watched then' printed later "$(printf '1\n2')"
check_output 'what is there is not waited for' 2 timeout 20 xylem kvs get -W late
start ns 6 get -W -N later key
start ns_watch 6 get -w -W -N later -c 1 key
kvs 2 namespace create later
kvs 2 put -N later key=v
check 'a namespace can be waited for' printed ns v
check 'and be watched then' printed ns_watch v

# ---- what is not there any more ----
kvs 0 put gone=1
start gone 7 get -w gone
until_lines gone 1
kvs 2 unlink gone
check 'a key that is removed ends it' failed gone 'gone: no such key'
start removed 7 get -w -N later key
until_lines removed 1
kvs 5 namespace remove later
check 'a namespace that is removed ends it' failed removed 'key: '

# ---- appended ----
long=$(printf 'x%.0s' {1..100})
for first in abc "$long"; do
    kvs 0 put "log=$first"
    start append 7 get -w -A -c 5 log
    until_lines append 1
    kvs 3 put -A log=d
    kvs 4 put -A log=e log=f
    kvs 5 put -A log=g
    check "what is appended is printed, and no more (${#first})" printed append \
        "$(printf '%s\nd\ne\nf\ng' "$first")"
done
start waited 6 get -w -W -A -c 2 log2
kvs 2 put log2=abc
until_lines waited 1
kvs 2 put -A log2=d
check 'a log can be waited for' printed waited "$(printf 'abc\nd')"
kvs 3 put -A log2=e log2=f log2=g
kvs 7 wait "$(kvs 0 version)"
check_output 'what there is comes in the same pieces, and --count counts them' "$(printf 'abc\nd\ne')" \
    kvs 7 get -w -A -c 3 log2
kvs 0 put log=abc
start overwritten 6 get -w -A log
until_lines overwritten 1
kvs 0 put log=xyz
check 'a value that is written anew ends it' failed overwritten 'log: '
start unlinked 6 get -w -A log
until_lines unlinked 1
kvs 0 unlink log
check 'so does the end of the key' failed unlinked 'no such key'
kvs 0 mkdir directory
check_fails 'nothing is appended to a directory' 'Is a directory' kvs 0 get -w -A directory

# ---- forms ----
kvs 0 put form=1
check_output 'a label is in front' form=1 kvs 0 get -w -c 1 -l form
check_output 'there may be no newline' 1 kvs 0 get -w -c 1 -r form
check_output 'objects are watched, too' "$(kvs 0 get -t form)" kvs 0 get -w -c 1 -t form
kvs 0 put two.a=1 two.b=2
start two 0 get -w -l -c 3 two.a two.b
until_lines two 2
kvs 0 put two.b=3
check 'several keys are watched at once' ends two 0
check_output 'their changes come as they are' "$(printf 'two.a=1\ntwo.b=2\ntwo.b=3')" \
    sort "$TEMP/two"

kvs 0 put stream.val=42 stream.empty=
kvs 0 put -A stream.log=one
kvs 0 put -A stream.log=two
kvs 0 put -A stream.log=three
same_as_stream() { [ "$(kvs 7 get -S "$1"; echo .)" = "$(kvs 7 get "$1"; echo .)" ]; }
kvs 7 wait "$(kvs 0 version)"
for key in val empty log; do
    check "--stream prints the same (stream.$key)" same_as_stream stream.$key
done
start stream_late 7 get -S -W stream.late
kvs 0 put stream.late=43
check 'a stream can wait' printed stream_late 43
check_fails 'a directory has no stream' 'Is a directory' kvs 0 get -S stream
check_usage 'a stream cannot be watched' 'exclude' kvs 0 get -S -w form
check_usage 'nor can a root of old' 'of old' kvs 0 get -w -a "$(kvs 0 getroot -b)" form
check_output 'without --watch its flags mean nothing' 1 kvs 0 get -u -f -A -c 7 form

# ---- xylem kvs watch ----
kvs 0 put w.a=1 w.b=2
kvs 0 link w.a w.l
kvs 0 mkdir w.d
start watch 3 watch -c 7 w
until_lines watch 4
kvs 1 put w.a=one
until_lines watch 5
kvs 1 put elsewhere=1
kvs 1 unlink w.b
until_lines watch 6
kvs 1 put w.d.deep=1
until_lines watch 7
kvs 1 put w.c=3 w.long="$long$long"
until_lines watch 9
kvs 1 mkdir w
until_lines watch 14
kvs 1 put w=value
until_lines watch 15
check 'a directory is watched' printed watch "w.a = 1
w.b = 2
w.d.
w.l -> w.a
w.a = one
w.b (removed)
w.d.
w.c = 3
w.long = ${long:0:68}...
w.a (removed)
w.c (removed)
w.d (removed)
w.l (removed)
w.long (removed)
w = value"
start value 3 watch -W -c 3 -w 0 value
kvs 0 put value=1
until_lines value 1
kvs 0 put value=1
kvs 0 put value=2
until_lines value 2
kvs 0 put value.below=3
check 'a value is watched, and what becomes of it' printed value "$(printf 'value = 1\nvalue = 2
value.below = 3')"
# A value in blobs, of which one is not enough to see where its first line ends.
kvs 0 put blobs.a="$long" blobs.b="${long:0:70}" blobs.c=$'first\n'"$long"
kvs 0 put -A blobs.a=tail
kvs 0 put -A blobs.b=$'\nsecond' blobs.c=$'\nthird'
start blobs 3 watch -c 1 -w 200 blobs
check 'values in blobs look as in a listing' printed blobs "$(kvs 3 dir -w 200 blobs)"
start blobs_cut 3 watch -c 1 -w 90 blobs
check 'cut, too' printed blobs_cut "$(kvs 3 dir -w 90 blobs)"
start blobs_whole 3 watch -c 1 -w 0 blobs
check 'and whole' printed blobs_whole "$(kvs 3 dir -w 0 blobs)"
# Changes that come while values are loaded.
put_storm() # N: 20 values of 200 bytes
{
    local i args=()

    for i in {1..20}; do
        args+=("storm.k$i=v$1 $long$long")
    done
    kvs 0 put -n "${args[@]}"
}
put_storm 0
start storm 3 watch -w 20 storm
until_lines storm 20
storm() { local i writers=(); for i in {1..20}; do put_storm $i & writers+=($!); done; wait "${writers[@]}"; }
check 'a directory is written faster than it is printed' storm
check 'all its changes are printed' until_lines storm 420
kill -s TERM "${PID[storm]}"
wait "${PID[storm]}" 2>/dev/null
versions() { sort "$TEMP/storm" | uniq -c | awk '{ print $1 }' | sort -u; }
check_output 'each once' 1 versions
watchers_stop()
{
    python3 -c '
import signal, subprocess, sys
p = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE)
p.stdout.readline()
p.send_signal(signal.SIGINT)
sys.exit(p.wait() + 130 + signal.SIGINT)' "$@"
}
interrupted() { watchers_stop "$@"; [ $? = 130 ]; }
check 'an interrupt ends it' interrupted xylem kvs watch form
check 'that of get, too' interrupted xylem kvs get -w form

# ---- clients that are not on a rank's host ----
kvs 0 put far=1
kvs 5 wait "$(kvs 0 version)"
: >"$TEMP/far"
xylem -u "ipc://$RUNDIR/tree-5" kvs get -w -c 2 far >"$TEMP/far" 2>"$TEMP/far.err" &
PID[far]=$!
until_lines far 1
kvs 1 put far=2
check 'they watch as well' printed far "$(printf '1\n2')"

# ---- ranks come and go ----
kvs 0 put tree=0
for rank in 3 4 7; do # below rank 1
    start tree$rank $rank get -w -c 61 tree
    start log$rank $rank get -w -W -A -c 61 treelog
    until_lines tree$rank 1
done
put_each() { for i in $(numbers "$1" "$2"); do kvs 2 put "tree=$i" && kvs 0 put -A "treelog=$i" || return 1; done; }
kvs 0 put treelog=0
put_each 1 20
kill_rank 1 KILL
check 'commits go on when a router is killed' put_each 21 40
check 'the router comes back' respawn 1
check 'commits go on' put_each 41 60
for rank in 3 4 7; do
    check "rank $rank has missed no version, and seen none twice" printed tree$rank "$(numbers 0 60)"
    check "so it is with what is appended" printed log$rank "$(numbers 0 60)"
done
watchers() # RANK
{
    python3 -c '
import json, sys
from client import Client
print(json.loads(Client(sys.argv[1]).rpc("kvs-watch.stats-get")[1].rstrip(b"\0"))["watchers"])' \
        "$RUNDIR/local-$1"
}
nobody_watches() { [ "$(watchers 0) $(watchers 3) $(watchers 7)" = '0 0 0' ]; }
check 'nobody is served any more' wait_until nobody_watches
start last 3 get -w tree
until_lines last 1
check_output 'a rank knows who watches' 1 watchers 3
kill "${PID[last]}"
wait "${PID[last]}"
check 'and who has gone' wait_until nobody_watches
