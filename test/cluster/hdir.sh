#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# hdir.sh - directories of any size: 100 000 keys go in and out of one, whatever the way; the same keys
# are the same root.
. "$(dirname "$0")/../lib/rig.sh"

many=100000
state=$TEMP/state
mkdir "$state"
wide() { PYTHONPATH=$ROOT/test/lib timeout 120 python3 "$ROOT/test/lib/wide.py" "$@"; }
commit() { wide commit "$RUNDIR/local-$1" "${@:2}"; }
unlink_keys() { wide unlink "$RUNDIR/local-$1" "${@:2}"; }
ref_of() { xylem kvs get -t "$1" | python3 -c 'import json, sys; print(json.load(sys.stdin)["data"][0])'; }
type_of() { wide parts "$RUNDIR/local-0" "$1" | sed -n 's/^type //p'; }
names() { on_rank "$1" xylem kvs ls -1 "${@:2}"; }
expected_names() { seq -f 'k%.0f' 0 $(($1 - 1)) | LC_ALL=C sort; }
same_names() { diff <(expected_names "$1") <(names "$2" "${@:3}") >"$TEMP/diff"; }

# ---- in by commits ----
start_cluster 3 --statedir "$state"
check_output 'the limit is told' 1024 xylem getattr kvs.maxdirent
check 'keys are put in random order' commit 1 wide. 0 $many 1
check_output 'the directory is a wide one' hdir type_of "$(ref_of wide)"
check_output 'a key is read at another rank' v-k77777 on_rank 2 xylem kvs get wide.k77777
check_fails 'one that is not there is not' 'no such key' xylem kvs get wide.none
check 'it is listed in order, here' same_names $many 0 wide
check 'and there' same_names $many 2 wide
check 'another order and grouping' commit 2 again. 0 $many 2
check_output 'is the same directory' "$(ref_of wide)" ref_of again
check 'more keys' commit 0 again. $many 105000 3
check 'are unlinked again' unlink_keys 2 again. $many 105000 4
check_output 'and leave the same directory' "$(ref_of wide)" ref_of again
check 'a directory and a link in it' xylem kvs put wide.sub.x.y=1
check 'lead on' xylem kvs link wide.sub.x wide.link
check_output 'to keys' 1 on_rank 1 xylem kvs get wide.link.y
check 'they are unlinked' xylem kvs unlink -R wide.sub wide.link
check_output 'and nothing of them is left' "$(ref_of again)" ref_of wide

# ---- dump and restore ----
check 'an archive of the same' wide tar "$TEMP/in.tar" "" 0 $many
check 'is restored' on_rank 1 xylem-restore -q --key=copy "$TEMP/in.tar"
check_output 'to the same directory' "$(ref_of wide)" ref_of copy
check 'all is dumped' on_rank 2 xylem-dump -q "$TEMP/out.tar"
members() { tar -tf "$TEMP/out.tar" | sed -n "s,^$1/,,p"; }
check 'in order' diff <(expected_names $many) <(members wide)
check_output 'with the values' v-k4242 tar -xOf "$TEMP/out.tar" wide/k4242
check_output 'nothing else is in it' $((3 * many)) sh -c "tar -tf '$TEMP/out.tar' | wc -l"
check 'and the dump is restored' on_rank 2 xylem-restore -q --key=back "$TEMP/out.tar"
check_output 'the same again' "$(ref_of wide)" ref_of back.copy
check 'the rest is unlinked' xylem kvs unlink -R again copy back

# ---- down again ----
check 'most keys are unlinked' unlink_keys 1 wide. 1000 $many 5
check_output 'a plain directory is left' dir type_of "$(ref_of wide)"
check 'a fresh one of the same keys' commit 1 fresh. 0 1000 6
check_output 'is the same' "$(ref_of fresh)" ref_of wide
check 'one less than the limit' commit 1 wide. 1000 1024 7
check_output 'is plain' dir type_of "$(ref_of wide)"
check 'one more is not' commit 1 wide. 1024 1025 8
check_output 'plain' hdir type_of "$(ref_of wide)"
check 'fsck finds nothing wrong' xylem fsck -q
check 'the rest is unlinked' xylem kvs unlink -R fresh wide

# ---- the root ----
check 'the root may be a wide one' commit 2 "" 0 5000 9
root=$(xylem kvs getroot -b)
check_output 'it is' hdir type_of "$root"
check 'and is listed' same_names 5000 1
check 'and is recorded as a checkpoint' xylem content checkpoint update "$root"
check 'an archive for the root' wide tar "$TEMP/root.tar" "" 1000 6000
check 'replaces the old root' on_rank 1 xylem-restore -q --key=. "$TEMP/root.tar"
check_output 'by what it holds' 5000 eval 'names 2 | wc -l'
check_output 'and that alone' k1000 eval 'names 2 | LC_ALL=C sort | head -n 1'
check 'the first one again' eval 'unlink_keys 0 "" 5000 6000 1 && commit 0 "" 0 1000 2'
check_output 'has the same root' "$root" xylem kvs getroot -b
check 'it is dumped' on_rank 1 xylem-dump -q "$TEMP/root2.tar"
check_output 'all of it' 5000 eval 'tar -tf "$TEMP/root2.tar" | wc -l'

# ---- what gc keeps ----
check 'a wide directory' commit 0 wide. 0 5000 10
before=$(ref_of wide)
stop_cluster
check 'garbage is collected' xylem gc -q --statedir "$state"
start_cluster 2 1 --statedir "$state"
check_output 'no key of it' "$before" ref_of wide
check 'is gone' same_names 5000 1 wide
check 'live, fsck finds nothing wrong' xylem fsck -q

# ---- a part is lost: of two directories, for the root has the same one ----
read -r part count <<<"$(wide parts "$RUNDIR/local-0" "$before" | sed -n 3p)"
check 'a part' [ "$count" -gt 100 ]
stop_cluster
check 'is lost' python3 "$ROOT/test/lib/rows.py" "$state" delete "$part"
fsck_status() { xylem-fsck --statedir "$state" "$@" >"$TEMP/fsck" 2>&1; echo $?; }
check_output 'fsck' 1 fsck_status
check 'tells the directory and how many keys' \
    grep -Fx "primary: wide: part of the directory, $count keys: blob $part is missing" "$TEMP/fsck"
check 'also of the root' \
    grep -Fx "primary: .: part of the directory, $count keys: blob $part is missing" "$TEMP/fsck"
start_cluster 2 1 --statedir "$state"
check_fails 'to list it is an error' 'could not be loaded|No such file' xylem kvs ls wide
check_fails 'to dump it too' " \.: $count keys are lost: $part" xylem-dump -q "$TEMP/hurt.tar"
check 'but what is left can be dumped' xylem-dump -q --ignore-failed-read "$TEMP/hurt.tar"
check_output 'all of it' $((10000 - 2 * count)) eval 'tar -tf "$TEMP/hurt.tar" | wc -l'
check_fails 'a repair needs the instance to be stopped' 'statedir' xylem fsck --repair
stop_cluster
check_output 'offline' 0 fsck_status --repair
check 'the part is taken out' grep "primary: 0 keys moved to lost+found, $((2 * count)) removed" "$TEMP/fsck"
check_output 'and all is whole' 0 fsck_status
start_cluster 2 1 --statedir "$state"
check_output 'the other keys are there' $((5000 - count)) eval 'names 1 wide | wc -l'
check_output 'of the root as well' $((5001 - count)) eval 'names 1 | wc -l'
check 'those that are lost can be put again' commit 1 wide. 0 5000 11
check_output 'and all is as before' "$before" ref_of wide
stop_cluster

# ---- none of it ----
start_cluster 2 1 --statedir "$state" -o --maxdirent=0
check_output 'wide directories are read' v-k4 on_rank 1 xylem kvs get wide.k4
check 'and turn into plain ones' xylem kvs put wide.k4=v-k4
check_output 'when they change' dir type_of "$(ref_of wide)"
check 'with all keys' same_names 5000 1 wide
check 'archives' wide tar "$TEMP/plain.tar" "" 0 5000
check 'are restored' xylem-restore -q --key=plain "$TEMP/plain.tar"
check_output 'to plain ones' "$(ref_of wide)" ref_of plain
