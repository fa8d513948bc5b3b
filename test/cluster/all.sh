#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# all.sh - namespaces and checkpoints go into one archive, and come back with their roots.
. "$(dirname "$0")/../lib/rig.sh"

export SOURCE_DATE_EPOCH=1700000000
state=$TEMP/state
json_is() { python3 -c 'import json, sys
got = json.loads(sys.argv[1]); assert eval("(" + sys.argv[2] + ")", {"o": got}), got' "$@"; }
roots() { local ns; for ns in "$@"; do echo "$ns $(xylem kvs getroot -b -N "$ns")"; done; }
# says PATTERN COMMAND...: it succeeds, with this on stderr
says() { "${@:2}" >"$TEMP/said" 2>&1 && grep -qE -- "$1" "$TEMP/said" || { cat "$TEMP/said"; false; }; }

# ---- three namespaces, four checkpoints ----
fill()
{
    local i

    xylem kvs namespace create other && xylem kvs namespace create x.y-z:1 &&
        xylem kvs namespace create empty &&
        seq -f 'many.dir%03g.key=value' 300 | xargs xylem kvs put &&
        seq -f 'wide.k%g=1' 1500 | xargs xylem kvs put &&
        head -c 2500000 /dev/urandom | xylem kvs put large=- && xylem kvs sync &&
        xylem kvs mkdir empty.dir && xylem kvs put first=1 second=2 && xylem kvs sync &&
        xylem kvs link -T other a.b to-other && xylem kvs unlink first || return
    for i in {1..5}; do
        xylem kvs put -A "log=line $i;" && xylem kvs put -N other -A "log=other $i;" || return
    done
    xylem kvs sync && xylem kvs put many.dir001.key=changed large=small && xylem kvs sync &&
        xylem kvs put after=all &&
        xylem kvs put -N other a.b=1 c=2 && xylem kvs link -N other -T primary many back &&
        xylem kvs mkdir -N other nothing.in.here && xylem kvs put -N x.y-z:1 größe=5
}
start_cluster 2 --statedir "$state"
check 'keys are put' fill
all="primary other x.y-z:1 empty"
roots $all >"$TEMP/roots"
check 'everything is dumped' xylem-dump -q --all "$TEMP/all.tar"
for maxreqs in 1 3 64 1000; do
    check "the same bytes with --maxreqs=$maxreqs" \
        eval 'xylem-dump -q --all --maxreqs=$maxreqs - | cmp - "$TEMP/all.tar"'
done
check 'and at another rank' eval 'on_rank 1 xylem-dump -q --all - | cmp - "$TEMP/all.tar"'
check 'the summary says what it is' json_is "$(xylem-dump --all --json "$TEMP/all.tar.zst")" \
    "(o['kind'], o['root'], o['namespace']) == ('all', '$(xylem kvs getroot -b)', 'primary') and
     (o['namespaces'], o['checkpoints']) == (4, 4) and 'removed' not in o"
check 'and so does the line before the last' \
    says '^xylem-dump: 4 namespaces and 4 checkpoints$' xylem-dump --all "$TEMP/again.tar"
check 'which is as ever' eval \
    'tail -n 1 "$TEMP/said" | grep -qE "^xylem-dump: archived [0-9]+ keys, [0-9]+ bytes, root blake2b-[0-9a-f]{64}$"'
check 'the archive is verified without a rank' \
    says 'verified' env -u XYLEM_URI xylem-dump --verify "$TEMP/all.tar"
paths() { tar -tf "$TEMP/all.tar"; }
has_paths() { local p; for p in "$@"; do paths | grep -qxF -- "$p" || { echo "$p"; return 1; }; done; }
check 'it has all of them' has_paths namespaces/primary/ namespaces/primary/empty/dir/ \
    namespaces/other/ namespaces/other/log namespaces/other/nothing/in/here/ namespaces/x.y-z:1/größe \
    namespaces/empty/ checkpoints/1/ checkpoints/4/ checkpoints/3/first checkpoints/2/large
check 'checkpoints have only what is different' \
    [ "$(paths | grep -c '^checkpoints/[0-9]*/many/.*/key$')" = 1 ]
check 'the large value that two of them have is there once' \
    [ "$(paths | grep -c '^checkpoints/.*/large$')" = 1 ]
mkdir "$TEMP/out"
check 'tar unpacks it without a word' eval \
    '[ -z "$(tar -C "$TEMP/out" -xf "$TEMP/all.tar" 2>&1)" ] && [ "$(cat "$TEMP/out/namespaces/other/c")" = 2 ]'
check_usage 'with --all nothing else is chosen' '--all' xylem-dump --all --namespace=other "$TEMP/no.tar"
check_usage 'nor by --prefix' '--all excludes --prefix, --include' \
    xylem-dump --all --prefix=a --include=b "$TEMP/no.tar"
check_fails 'only tar has room for it' 'only tar' xylem-dump --all "$TEMP/no.zip"

# ---- into a running instance ----
check 'all is restored over what is there' says 'verified: the trees' xylem-restore --all "$TEMP/all.tar"
check 'nothing has changed' eval 'roots $all | cmp - "$TEMP/roots"'
spoil()
{
    xylem kvs put many.dir007=gone new=1 && xylem kvs unlink -N other log &&
        xylem kvs namespace remove empty && xylem kvs namespace create mine &&
        xylem kvs put -N mine a=1
}
check 'keys are changed' spoil
mine=$(roots mine)
check 'all is restored again' xylem-restore -q --all "$TEMP/all.tar.zst"
check 'it is as it was' eval 'roots $all | cmp - "$TEMP/roots"'
check 'another namespace is left alone' [ "$(roots mine)" = "$mine" ]
check 'one of them can be restored below a key' \
    says 'verified' xylem-restore --key=copy --namespace=x.y-z:1 "$TEMP/all.tar"
check 'that is primary, if not said otherwise' \
    says "restored 1805 keys" xylem-restore --key=copy "$TEMP/all.tar"
check_fails 'one that is not there is an error' 'all.tar: there is no namespace mine' \
    xylem-restore --key=x --namespace=mine "$TEMP/all.tar"
check 'an archive of what is different since can follow' eval \
    'xylem kvs put after=now more=1 && xylem kvs unlink -R copy && now=$(xylem kvs getroot -b) &&
     xylem-dump -q --since "$TEMP/all.tar" "$TEMP/since.tar" &&
     xylem-restore -q --key=chain "$TEMP/all.tar" "$TEMP/since.tar" &&
     xylem kvs get -t chain | grep -q "$now"'
stop_cluster

start_cluster 2
check 'all is restored in another instance' \
    says 'left out 4 checkpoints, for the key-value store is running' on_rank 1 xylem-restore --all "$TEMP/all.tar"
check 'all roots are the same' eval 'roots $all | cmp - "$TEMP/roots"'
check 'a value goes on where it was' eval \
    'xylem kvs put -N other -A "log=more" && [ "$(xylem kvs get -N other log | tail -c 13)" = "other 5;more" ]'
stop_cluster

# ---- what is damaged is not restored ----
change()
{
    python3 -c 'import sys
data = open(sys.argv[1], "rb").read()
old, new = sys.argv[3].encode(), sys.argv[4].encode()
assert len(old) == len(new) and old in data, old
open(sys.argv[2], "wb").write(data.replace(old, new, 1))' "$TEMP/all.tar" "$TEMP/changed.tar" "$@"
}
start_cluster 1
before=$(roots primary)
change 'other 3;' 'other 7;'
check_fails 'a changed value is noticed' 'were changed' xylem-dump -q --verify "$TEMP/changed.tar"
check_fails 'and named with its section' 'changed after it was written: namespaces/other/ is of root blake2b' \
    xylem-restore --all "$TEMP/changed.tar"
change '"name":"other"' '"name":"otter"'
check_fails 'so is another name in a verification' 'were changed' xylem-dump -q --verify "$TEMP/changed.tar"
head -c -3000 "$TEMP/all.tar" >"$TEMP/changed.tar"
check_fails 'an archive that was cut off is refused' 'cut off|truncated|end' \
    xylem-restore --all "$TEMP/changed.tar"
change 'namespaces/other/c' 'namespaces/otter/c'
check_fails 'so is one with a damaged entry' '' xylem-restore --all "$TEMP/changed.tar"
check 'nothing of them is visible' [ "$(roots primary; xylem kvs namespace list | wc -l)" = "$before
$(xylem kvs namespace list | wc -l)" ]
check_fails 'there is no namespace of it' '' xylem kvs getroot -N other
xylem-dump -q "$TEMP/full.tar"
check_fails 'an archive of one namespace is none of all' 'restore it with --key' \
    xylem-restore --all "$TEMP/full.tar"
check_usage '--all is not for a key' '--all' xylem-restore --all --key=a "$TEMP/all.tar"
check_usage 'nor for a part' '--all excludes --include' xylem-restore --all --include='a*' "$TEMP/all.tar"
check_usage 'nor for two archives' '--all restores one' xylem-restore --all "$TEMP/all.tar" "$TEMP/all.tar"
stop_cluster

# ---- without an instance ----
offline_restore() { env -u XYLEM_URI xylem-restore "$@"; }
offline_dump() { env -u XYLEM_URI xylem-dump "$@"; }
check 'all is restored into a state directory' \
    says '4 namespaces and 4 checkpoints' offline_restore --all --statedir "$TEMP/new" "$TEMP/all.tar"
check 'a dump of it has the same bytes' \
    eval 'offline_dump -q --all --statedir "$TEMP/new" - | cmp - "$TEMP/all.tar"'
check_fails 'a damaged one leaves no directory' 'changed after it was written|cut off|truncated' \
    eval 'head -c -3000 "$TEMP/all.tar" | offline_restore --all --statedir "$TEMP/none" -'
check 'none' [ ! -e "$TEMP/none" ]
start_cluster 1 --statedir "$TEMP/new"
check 'an instance that starts there has the same roots' eval 'roots $all | cmp - "$TEMP/roots"'
check 'and the checkpoints' eval \
    '[ "$(xylem-dump -q --all - | tar -t | grep -c "^checkpoints/[0-9]*/$")" -ge 4 ]'
stop_cluster
check 'all is restored over it' says 'verified' offline_restore --all --statedir "$TEMP/new" "$TEMP/all.tar"

# ---- what is lost ----
section() { python3 -c 'import json, sys, tarfile
for member in tarfile.open(sys.argv[1]):
    text = member.pax_headers.get("SCHILY.xattr.user.xylem.section")
    if text and member.name == sys.argv[2]:
        print(json.loads(text)[sys.argv[3]])' "$@"; }
third=$(section "$TEMP/all.tar" checkpoints/3 root)
check 'a section tells what it is different from' \
    [ "$(section "$TEMP/all.tar" checkpoints/4 since)" = "$third" ]
check 'the root of a checkpoint is lost' python3 "$ROOT/test/lib/rows.py" "$TEMP/new" delete "$third"
check_fails 'which is told, with its number and what can be done' \
    "checkpoint 3: root $third: no such blob \(--ignore-failed-read leaves it out\)$" \
    offline_dump --all --statedir "$TEMP/new" "$TEMP/lost.tar"
check 'it can be left out' says "checkpoints/3/: left out: root $third: no such blob$" \
    offline_dump --all --ignore-failed-read --statedir "$TEMP/new" "$TEMP/lost.tar"
check 'the others are counted' eval 'n=$(tar -tf "$TEMP/lost.tar" | grep "^checkpoints/[0-9]*/$" | sort -u | wc -l) &&
    lost=$(grep -c "left out: root" "$TEMP/said") && [ $n -ge 4 ] && grep -qx "xylem-dump: [0-9]* namespaces and $((n - lost)) checkpoints" "$TEMP/said" || { echo $n; cat "$TEMP/said"; false; }'
check 'the next one is different from the one before' \
    [ "$(section "$TEMP/lost.tar" checkpoints/4 since)" = "$(section "$TEMP/all.tar" checkpoints/2 root)" ]
check 'and is not restored' says 'checkpoints/3/: left out' \
    offline_restore --all --statedir "$TEMP/found" "$TEMP/lost.tar"
check 'all else is' eval 'offline_dump -q --all --statedir "$TEMP/found" "$TEMP/found.tar" &&
    [ "$(section "$TEMP/found.tar" checkpoints/2 root)" = "$(section "$TEMP/all.tar" checkpoints/2 root)" ] &&
    [ "$(section "$TEMP/found.tar" checkpoints/3 root)" = "$(section "$TEMP/all.tar" checkpoints/4 root)" ] &&
    [ "$(section "$TEMP/found.tar" namespaces/other root)" = "$(section "$TEMP/all.tar" namespaces/other root)" ]'

# ---- a rank without a key-value store ----
start_cluster 1 --statedir "$TEMP/plain" -o no-kvs
check_fails 'it has no namespaces' 'namespaces/.*/: only a running key-value store, or --statedir' \
    xylem-restore --all "$TEMP/all.tar"
check_fails 'nor a checkpoint after that' '' xylem-dump -q --checkpoint "$TEMP/none.tar"
stop_cluster
start_cluster 1 --statedir "$TEMP/single"
check 'there is only primary' eval \
    'xylem kvs put a=1 && xylem kvs sync && xylem kvs put b=2 && xylem kvs sync && xylem kvs put c=3'
primary=$(roots primary)
check 'all of it is dumped' xylem-dump -q --all "$TEMP/single.tar"
stop_cluster
start_cluster 1 --statedir "$TEMP/plain" -o no-kvs
check 'checkpoints are restored without a key-value store' \
    says '1 namespaces and 2 checkpoints' xylem-restore --all "$TEMP/single.tar"
check 'the newest is what primary was' [ "primary $(xylem-dump --checkpoint --json "$TEMP/c.tar" |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["root"])')" = "$primary" ]
check 'without it all can be dumped again' eval \
    '[ "$(xylem-dump -q --all - | tar -t | grep "^checkpoints/[0-9]*/$" | sort -u | wc -l)" = 3 ]'
stop_cluster
start_cluster 1 --statedir "$TEMP/plain"
check 'a key-value store starts from there' [ "$(roots primary)" = "$primary" ]
stop_cluster

# ---- directories larger than a blob may be ----
wide() { seq -f 'dir.k%06g=some_value_of_this_key_that_is_not_so_short' 15000 | xargs xylem kvs put "$@"; }
start_cluster 1 --statedir "$TEMP/wide" -o maxdirent=0
check 'there are such directories' eval \
    'xylem kvs namespace create big && wide && xylem kvs sync && xylem kvs put more=1 && xylem kvs sync &&
     xylem kvs put dir.more=1 && wide -N big'
wide=$(roots primary big)
check 'they are dumped' xylem-dump -q --all "$TEMP/wide.tar"
stop_cluster
start_cluster 1 -o maxdirent=0
check 'they are restored in another instance' says verified xylem-restore --all "$TEMP/wide.tar"
check 'the roots are the same' [ "$(roots primary big)" = "$wide" ]
stop_cluster
check 'and in a state directory' \
    says '2 namespaces and 2 checkpoints' offline_restore --all --statedir "$TEMP/wide2" "$TEMP/wide.tar"
check 'a dump of it has the same bytes' \
    eval 'offline_dump -q --all --statedir "$TEMP/wide2" - | cmp - "$TEMP/wide.tar"'

# ---- wide directories where there are to be no more ----
narrow=$TEMP/narrow
start_cluster 2 --statedir "$narrow"
check 'a wide directory is made' eval \
    'seq -f "dir.k%g=value" 3000 | xargs xylem kvs put && xylem kvs put other=1 && xylem kvs sync'
stop_cluster
start_cluster 2 --statedir "$narrow" -o --maxdirent=0
check 'it stays, though others would not be' eval 'xylem kvs get -t dir | grep -q dirref && xylem kvs put more=1 &&
    seq -f "flat.k%g=value" 2000 | xargs xylem kvs put'
narrow_root=$(xylem kvs getroot -b)
check 'it is dumped' xylem-dump -q --exact "$TEMP/exact.tar"
check 'the dump is verified' says 'verified 5002 keys' xylem-dump --verify "$TEMP/exact.tar"
check 'and all that there is' xylem-dump -q --all "$TEMP/every.tar"
check 'is verified, too' says 'verified' xylem-dump --verify "$TEMP/every.tar"
stop_cluster
start_cluster 2 -o --maxdirent=0
check 'it is restored where no directory is wide' \
    says '^xylem-restore: verified: ' on_rank 1 xylem-restore --key=. "$TEMP/exact.tar"
check 'with its root' [ "$(xylem kvs getroot -b)" = "$narrow_root" ]
check 'and its keys' [ "$(xylem kvs get dir.k2999)" = value ]
stop_cluster
start_cluster 2 -o --maxdirent=0
check 'all is, and told in numbers' json_is "$(xylem-restore --all --json "$TEMP/every.tar" 2>/dev/null)" \
    "o['verified'] and (o['namespaces'], o['checkpoints']) == (1, 0)"
check 'with the same root' [ "$(xylem kvs getroot -b)" = "$narrow_root" ]
stop_cluster
check 'also in a state directory' says '^xylem-restore: verified: ' \
    offline_restore --key=. --statedir "$TEMP/narrow2" "$TEMP/exact.tar"
