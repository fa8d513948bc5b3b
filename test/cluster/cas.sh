#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# cas.sh - commits with conditions and with ids (xylem-kvs(7), "Conditions" and "Ids").
. "$(dirname "$0")/../lib/rig.sh"

start_cluster 8 2

# check_unmet "sentence" PATTERN COMMAND..: a condition did not hold
check_unmet() { check_refused 3 "$@"; }
kvs() { on_rank "$1" xylem kvs "${@:2}"; }
commits() { python3 "$ROOT/test/lib/commits.py" "$@"; }
settle() # all ranks
{
    local rank version

    version=$(kvs 0 version)
    for rank in 1 2 3 4 5 6 7; do
        kvs $rank wait "$version" || return 1
    done
}

# ---- versions ----
check 'a key' kvs 7 put n=1
version=$(kvs 7 version)
check 'a commit that expects the version there is' kvs 7 put --if-version="$version" n=2
check_unmet 'the same again is refused' "version $version was expected, but it is $((version + 1))" \
    kvs 7 put --if-version="$version" n=3
check_output 'and has changed nothing' 2 kvs 7 get n
check_output 'not even the version' $((version + 1)) kvs 7 version

# ---- keys ----
object=$(kvs 7 get -t n)
check 'a commit that expects the value there is' kvs 7 put --if="n=$object" n=3 m=1
check_unmet 'the same again is refused' "key 'n': is not what was expected" \
    kvs 7 put --if="n=$object" n=4
check 'a commit that expects nothing' kvs 3 put --if-missing=new --if-missing=a.b.c new=1
check_unmet 'the same again is refused' "key 'new': exists" kvs 3 put --if-missing=new new=2
check_unmet 'a value is not what is expected of a missing key' "key 'gone': does not exist" \
    kvs 3 unlink --if="gone=$object" n
check_unmet 'mkdir takes conditions' "key 'n': exists" kvs 3 mkdir --if-missing=n d
check_unmet 'link takes conditions' "key 'n': exists" kvs 3 link --if-missing=n m l
check_unmet 'sync takes conditions' 'version 0 was expected' kvs 3 sync --if-version=0
check_unmet 'all must hold' "key 'n': exists" kvs 3 put --if-missing=newer --if-missing=n newer=1
check_unmet 'of a link the link counts' "key 'alias': is not" \
    eval "kvs 3 link n alias && kvs 3 put --if='alias=$object' x=1"
check 'on the way links are followed' eval "kvs 3 put dir.x=1 && kvs 3 link dir way &&
    kvs 3 put --if=\"way.x=\$(kvs 3 get -t dir.x)\" dir.x=2"

# ---- directories ----
root=$(kvs 3 getroot)
check 'a commit that expects the root' kvs 3 put --if=".=$root" n=5
check_unmet 'the same again is refused' "key '\.': is not" kvs 3 put --if=".=$root" n=6
dir=$(kvs 3 get -t dir)
check 'a commit that expects a directory' kvs 3 put --if="dir=$dir" dir.y=1
check_unmet 'a directory below which something was put is another one' "key 'dir': is not" \
    kvs 3 put --if="dir=$dir" dir.z=1
fill_wide()
{
    kvs 5 put $(seq -f 'wide.k%g=1' 3000)
}
check 'a wide directory' fill_wide
check 'expects a key of it' kvs 5 put --if-missing=wide.k3001 --if="wide.k7=$(kvs 5 get -t wide.k7)" \
    wide.k7=2
check_unmet 'and notices a change' "key 'wide.k7': is not" \
    kvs 5 put --if="wide.k7=$(kvs 5 get -t wide.k8)" wide.k7=3
check_unmet 'and a key that is there' "key 'wide.k3000': exists" \
    kvs 5 put --if-missing=wide.k3000 wide.k7=3

# ---- what is no condition ----
check_usage 'no tree object' "'n=\{\}': not a tree object, see .kvs get -t" kvs 3 put --if='n={}' n=1
check_unmet 'null, or nothing, is what is missing' "key 'n': exists" kvs 3 put --if=n=null n=1
check 'both ways' kvs 3 put --if=none= --if=none=null n=1
check_fails 'a namespace that is not there is no condition' 'does not exist|not supported' \
    kvs 3 put -N nowhere --if-missing=n n=1
check_fails 'no key' "'/' or a control character" kvs 3 put --if-missing=a/b n=1
check_usage 'no pair' 'KEY=TREEOBJ' kvs 3 put --if=n n=1
check_usage 'no version' 'if-version' kvs 3 put --if-version=-1 n=1
errnum() { python3 "$ROOT/test/lib/client.py" "$RUNDIR/local-$1" "${@:2}" | cut -d ' ' -f 1; }
with() { echo '{"namespace":"primary","flags":0,"ops":[],'"$1}"; }
for bad in '"rootseq":-1' '"rootseq":"1"' '"expect":{}' '"expect":[1]' '"expect":[{"key":"a"}]'; do
    check_output "on the wire: $bad" 71 errnum 6 kvs.commit "$(with "$bad")" # EPROTO
done
check_output 'on the wire: a key that is none' 22 errnum 6 kvs.commit \
    "$(with '"expect":[{"key":"a/b","dirent":null}]')" # EINVAL

# ---- remote clients are told at once ----
check_unmet 'over ipc: it is no want of room' "key 'n': exists" \
    env XYLEM_URI="ipc://$RUNDIR/tree-1" xylem kvs put --if-missing=n n=1

# ---- counters ----
settle
count_all() # KEY TIMES: by two clients at each rank
{
    local rank clients=()

    for rank in 0 1 2 3 4 5 6 7 0 1 2 3 4 5 6 7; do
        commits count "$RUNDIR/local-$rank" "$1" "$2" >>"$TEMP/beaten" & clients+=($!)
    done
    for rank in "${clients[@]}"; do
        wait "$rank" || return 1
    done
}
check '16 clients at 8 ranks add one, 8 times each' count_all counter 8
check_output 'nothing is lost' 128 kvs 0 get counter
beaten() { awk '{ n += $1 } END { exit n == 0 }' "$TEMP/beaten"; }
check 'and they were in one another'"'"'s way' beaten

# The loop of xylem(1), EXAMPLES.
add_one() # RANK
{
    local status=3 root old n

    kvs "$1" put --if-missing=count count=0 2>/dev/null
    while [ $status = 3 ]; do
        root=$(kvs "$1" getroot)
        old=$(kvs "$1" get --at="$root" -t count)
        n=$(kvs "$1" get --at="$root" count)
        kvs "$1" put --if="count=$old" count=$((n + 1)) 2>/dev/null
        status=$?
    done
    return $status
}
add_together()
{
    local rank adders=()

    for rank in 0 1 2 5 6 7; do
        add_one $rank & adders+=($!)
    done
    for rank in "${adders[@]}"; do
        wait "$rank" || return 1
    done
}
check 'so can a shell' add_together
check_output 'and nothing is lost' 6 kvs 0 get count

# ---- ids ----
check_output 'a commit with an id' 0 eval 'commits commit "$RUNDIR/local-6" once-1 log x | cut -c 1'
version=$(kvs 6 version)
check_output 'repeated at another rank it has the same result' "0 $version" \
    commits commit "$RUNDIR/local-4" once-1 log x
check_output 'also at rank 0' "0 $version" commits commit "$RUNDIR/local-0" once-1 log x
check_output 'it was applied once' x kvs 6 get log
check_output 'the version is the same' "$version" kvs 0 version
check_output 'whatever else it says' "0 $version" commits commit "$RUNDIR/local-0" once-1 other y
check 'the command takes one' kvs 2 put --id=once-2 -A log=y
check_output 'and prints the first result' $((version + 1)) kvs 5 put -s --id=once-2 -A log=y
check_output 'it was applied once' xy kvs 2 get log
check_unmet 'a failure is not remembered' "key 'n': exists" kvs 2 put --id=once-3 --if-missing=n n=0
check 'so it is tried anew' eval 'kvs 2 unlink n && kvs 2 put --id=once-3 --if-missing=n n=0'
check 'and then it is' kvs 2 put --id=once-3 --if-missing=n n=0
longest=$(printf 'i%.0s' {1..63})
check 'an id of 63 characters' kvs 2 put --id="$longest" x=1
check_fails 'one of 64 is none' 'not 1 to 63' kvs 2 put --id="i$longest" x=1
for bad in "i$longest" a.b 'a b' ''; do
    check_output "on the wire: '${bad:0:20}' is no id" 22 errnum 6 "kvs.commit.$bad" "$(with '"x":1')"
    check_output 'nor at rank 0' 22 errnum 0 "kvs.commit.$bad" "$(with '"x":1')"
done

# ---- removed and moved, while others write ----
check 'a key is removed with an id' eval 'kvs 3 put gone=1 && kvs 3 unlink --id=unlink-1 gone'
version=$(kvs 3 version)
check_output 'repeated, it has the same result' "$version" kvs 3 unlink -s --id=unlink-1 gone
check_output 'also at another rank, and with --force' "$version" kvs 3 unlink -f -s --id=unlink-1 gone
check_fails 'a key that is not there has no result of old' 'gone: no such key' \
    kvs 3 unlink --id=unlink-2 gone
kvs 3 put full.a=1 full.b=2
check_fails 'nor has a directory that holds something' 'full: Directory not empty' \
    kvs 3 unlink --id=unlink-3 full full.a
check_output 'and nothing was removed' 1 kvs 3 get full.a
check 'an empty directory is removed with an id' eval \
    'kvs 3 unlink full.a full.b && kvs 3 unlink --id=unlink-4 full'
check_fails 'a move has a source' 'gone: no such key' kvs 3 move gone moved
check 'a move is one commit' eval 'kvs 3 put from=1 && version=$(kvs 3 version) && kvs 3 move from to &&
    [ "$(kvs 3 version)" = $((version + 1)) ]'
kvs 0 namespace create other
append_all() # KEY
{
    local i

    for i in {1..30}; do
        kvs 0 put -A "$1=$i " || return 1
    done
}
# move_all OPTIONS...: the log, again and again, while it is written; all must be in one of the two.
move_all()
{
    local writer

    kvs 0 put log=
    append_all log &
    writer=$!
    : >"$TEMP/moved"
    while is_alive $writer; do
        kvs 6 move "$@" log log2 2>>"$TEMP/move.err" && kvs 6 get -r "${@/-D/-N}" log2 >>"$TEMP/moved"
    done
    wait $writer && settle && { kvs 0 get -r log || true; } >>"$TEMP/moved" 2>/dev/null
    [ "$(cat "$TEMP/moved")" = "$(printf '%s ' {1..30})" ] || { cat "$TEMP/moved" "$TEMP/move.err"; return 1; }
}
check 'a move loses nothing that is written meanwhile' move_all
check 'nor one to another namespace' move_all -D other
