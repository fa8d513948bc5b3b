#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# history.sh - the roots a namespace has had: listed, compared, read, and gone back to.
. "$(dirname "$0")/../lib/rig.sh"

state=$TEMP/state
mkdir "$state"
history() { on_rank "$1" xylem kvs history "${@:2}"; }
sequences() { history "$@" | awk 'NR > 1 {print $1}' | tr '\n' ' '; }
refs() { history "$@" | awk 'NR > 1 {print $3}'; }
diff_at() { on_rank "$1" xylem kvs diff "${@:2}"; }
# json PYTHON-EXPRESSION: of the lines on standard input, as the list `rows`
json() { python3 -c 'import json, sys
rows = [json.loads(line) for line in sys.stdin]
print(eval(sys.argv[1]))' "$1"; }
nothing=blake2b-$(printf '0%.0s' {1..64})

start_cluster 4 2 --statedir "$state"

# ---- what is listed ----
check_output 'a new instance has the root it began with' '0 ' sequences 3
check 'version 1 is put' on_rank 3 xylem kvs put key=v1 d.a=1 gone=1
first=$(xylem kvs getroot -b)
check 'version 2 is put' on_rank 1 xylem kvs put key=v2 d.b=2
second=$(xylem kvs getroot -b)
check 'version 3 is put and removed' on_rank 2 xylem kvs put key=v3
check 'version 4' xylem kvs unlink gone
newest=$(xylem kvs getroot -b)
for rank in 0 3; do
    check "the history has a line of titles, rank $rank" \
        grep -qE '^Sequence +Time +Rootref$' <(history $rank)
    check_output "the newest come first, rank $rank" '4 3 2 1 ' sequences $rank -n 4
    check_output "with their roots, rank $rank" "$newest $second $first" \
        echo $(refs $rank | sed -n '1p;3p;4p')
    check_output "only the newest, rank $rank" "$newest" refs $rank -n 1
    check_output "0 is all of them, rank $rank" '4 3 2 1 0 ' sequences $rank -n 0
done
check_output 'the times are those of now, in UTC' True json '
all(abs(row["timestamp"] - __import__("time").time()) < 60 for row in rows[:4])' < <(history 3 -j)
check 'as people read them' grep -qE '^ +4 20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z blake2b-' \
    <(TZ=Asia/Tokyo history 3)
check_output 'as JSON each has its members' "[(4, '$newest', ['gone']), (3, True, ['key'])]" json '
[(rows[0]["rootseq"], rows[0]["rootref"], list(rows[0]["keys"])),
 (rows[1]["rootseq"], rows[1]["rootref"].startswith("blake2b-"), list(rows[1]["keys"]))]' \
    < <(history 3 -j -n 2)
check_output 'the keys of a commit are told' 'gone|key|d.b key' \
    echo "$(history 3 -k -n 3 | awk 'NR > 1 {$1 = $2 = $3 = ""; print}' | while read -r keys; do
        tr ' ' '\n' <<<"$keys" | sort | paste -sd ' '; done | paste -sd '|')"
check_fails 'an unknown namespace has no history' 'namespace|not supported' \
    history 3 -N nonsense
check_usage 'a history has no operands' 'unexpected argument' history 3 1

# ---- differences ----
for rank in 0 3; do
    check_output "between two versions, rank $rank" "$(printf '+ d.b\n~ key')" diff_at $rank 1 2
    check_output "the other way, rank $rank" "$(printf -- '- d.b\n~ key')" diff_at $rank 2 1
    check_output "to the current root, rank $rank" "$(printf -- '- gone\n~ key')" diff_at $rank 2
    check_output "of one root there are none, rank $rank" '' diff_at $rank 2 2
done
check_output 'roots are named by blobrefs too' "$(printf '+ d.b\n~ key')" \
    diff_at 3 "$first" "$second"
check_output 'and by dirrefs' "$(printf '+ d.b\n~ key')" \
    diff_at 3 "{\"ver\":1,\"type\":\"dirref\",\"data\":[\"$first\"]}" 2
check_output 'with values' "$(printf '+ d.b=2\n~ key=v1 => v2')" diff_at 3 -v 1 2
check_output 'with keys only' "$(printf 'd.b\nkey')" diff_at 3 --name-only 1 2
check_output 'as JSON' "[('d.b', 'added', None, 'Mg=='), ('key', 'changed', 'djE=', 'djI=')]" json '
[(row["key"], row["change"], row["old"] and row["old"]["data"], row["new"]["data"])
 for row in rows]' < <(diff_at 3 -j 1 2)
check_output 'what was removed, as JSON' "[('gone', 'removed', 'val', None)]" json '
[(row["key"], row["change"], row["old"]["type"], row["new"]) for row in rows]' \
    < <(diff_at 3 -j 3 4)
exit_code() { diff_at "$@" >/dev/null 2>&1; echo $?; }
check_output 'differences are no failure' 0 exit_code 3 1 2
check_output 'unless they are to be told' 1 exit_code 3 --exit-code 1 2
check_output 'which is 0 where there are none' 0 exit_code 3 --exit-code "$second" 2
check_output 'and 2 where they cannot be told' 2 exit_code 3 --exit-code "$nothing"
check_fails 'a root that is not there is named' "diff: \\.: $nothing: " diff_at 3 "$nothing" 1
check_fails 'so is a version' '77: not in the history of namespace primary' diff_at 3 77
for bad in nonsense -- -1 "${nothing}0" '{}' ''; do
    [ "$bad" = -- ] && continue
    check_usage "'${bad:0:20}' is no root" 'neither a blobref|option' diff_at 3 "$bad"
done
check_usage 'nor is one of another hash' 'hash is not blake2b' diff_at 3 "sha1-${nothing:8:40}"
check_usage 'one form of output at a time' 'only one of' diff_at 3 -v -j 1 2

# ---- what can be different ----
check 'directories, links and long values are put' xylem kvs put \
    "long=$(seq -s , 1 1000)" "lines=$(printf 'one\ntwo')" "raw=$(printf 'a\001\033[31m\377')" \
    'a%2Eb.c=1' turned=1
before=$(xylem kvs version)
check 'a directory is made' xylem kvs mkdir empty full.of.nothing
check 'a link' xylem kvs link key link
check 'a value becomes a directory' xylem kvs put turned.into.dir=1
check 'others change' xylem kvs put "long=$(seq -s , 1 1001)" a%2Eb.c=2 "raw=$(printf '\002')" lines=x
check_output 'all is told' "$(printf '%s\n' '~ a%2Eb.c' '+ empty.' '+ full.of.nothing.' '~ lines' \
    '+ link' '~ long' '~ raw' '- turned' '+ turned.into.dir')" diff_at 3 "$before"
check_output 'with values: cut, and safe for a terminal' "$(printf '%s\n' '~ a%2Eb.c=1 => 2' \
    '+ empty.' '+ full.of.nothing.' '~ lines=one... => x' '+ link -> key' \
    '~ long=1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,... (3892 bytes) => 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,... (3897 bytes)' \
    '~ raw=a..[31m. => .' '- turned=1' '+ turned.into.dir=1')" diff_at 3 -v "$before"
check 'long values are appended to' xylem kvs put -A long=.
check_output 'their blobs are counted' '(3897 bytes) (2 blobs)' \
    sh -c "xylem kvs diff -v $(($(xylem kvs version) - 1)) | grep -o '([^)]*)' | paste -sd ' '"
check 'the link changes' xylem kvs link -T other d.a link
check_output 'a link shows where it leads' '~ link -> key => -> other::d.a' \
    diff_at 3 -v $(($(xylem kvs version) - 1))
check 'a large directory is put' sh -c \
    'for i in 1 2 3 4; do seq -f "wide.k%.0f=1" $((i * 1000)) $((i * 1000 + 999)) | xargs xylem kvs put; done'
wide=$(xylem kvs version)
check 'one key in it changes' xylem kvs put wide.k2345=2
check_output 'this one is told' '~ wide.k2345=1 => 2' diff_at 3 -v "$wide"
check_output 'all of it against its beginning' 4000 \
    sh -c "xylem kvs diff $((wide - 4)) $wide | grep -c '^+ wide.k'"
check 'as two sorted lists have it' cmp <(xylem kvs diff --name-only $((wide - 4)) $wide) \
    <(seq -f 'wide.k%.0f' 1000 4999 | LC_ALL=C sort)
check 'a namespace is made' xylem kvs namespace create other
check 'with two versions' xylem kvs -N other put a=1
check 'a=2' xylem kvs -N other put a=2
check_output 'which has a history of its own' '2 1 ' sequences 3 -N other -n 2
check_output 'and differences' '~ a=1 => 2' diff_at 3 -N other -v 1 2

# ---- damage ----
# store_dir NAME TYPE REF: a directory with that entry, and "other"
store_dir()
{
    echo -n '{"data":{"'"$1"'":{"data":["'"$3"'"],"type":"'"$2"'","ver":1},' \
        '"other":{"data":"MQ==","type":"val","ver":1}},"type":"dir","ver":1}' |
        on_rank 3 xylem content store
}
value=$(echo -n 'just a value' | xylem content store)
lost=$(store_dir 'd%' dirref "$nothing")
check_fails 'a directory that is lost is named, and its key' \
    "diff: d%: $nothing: No such file" diff_at 3 "$lost" "$first"
check_fails 'so is one that is no directory' "diff: d: $value: .*JSON" \
    diff_at 3 "$(store_dir d dirref "$value")" "$first"
lost=$(store_dir v valref "$nothing")
check_fails 'a value that is lost is named' "diff: v: $nothing: No such file" \
    diff_at 3 -v "$first" "$lost"
check_output 'without values it is not missed' "$(printf '%s\n' '- d.a' '- gone' '- key' '+ other' \
    '+ v')" diff_at 3 "$first" "$lost"

# ---- reading ----
at() { on_rank 3 xylem kvs "$@"; }
check_output 'get reads an old version' v1 at get --at 1 key
check_output 'dir too' 'd.a = 1' at dir -a 1 d
check_output 'and ls' "$(printf 'd\ngone\nkey')" at ls -1 -a 1
check_output 'and readlink' key at readlink --at $((wide - 5)) link
check_fails 'a version that was never' '4711: not in the history' at get --at 4711 key
check_usage 'nonsense is refused' 'neither a blobref' at get --at nonsense key

# ---- kept ----
current=$(xylem kvs version)
before=$(history 0 -n "$current")
check 'rank 0 is killed' kill_rank 0 KILL
check 'and comes back' respawn 0
check_output 'with its history' "$before" history 0 -n "$current"
check_output 'also as another rank asks for it' "$before" history 3 -n "$current"
check_output 'and its differences' "$(printf '+ d.b=2\n~ key=v1 => v2')" diff_at 3 -v 1 2
check 'another commit' xylem kvs put key=v9
check_output 'has the next number' "$((current + 1)) $current " sequences 3 -n 2
stop_cluster

# ---- back to an old version ----
start_cluster 2 2 --statedir "$state" -o no-kvs
check_fails 'without a KVS there is no history' 'No service|not implemented' history 1
check 'an old root is recorded' on_rank 1 xylem content checkpoint update "$second"
stop_cluster
start_cluster 2 2 --statedir "$state"
check_output 'the KVS begins there' "$second" xylem kvs getroot -b
check_output 'so its keys are those of then' v2 on_rank 1 xylem kvs get key
check_output 'with a number of its own' $((current + 2)) xylem kvs version
check_output 'the history tells that' "$((current + 2)) $((current + 1)) $current " \
    sequences 1 -n 3
check_output 'it is as it was' '' diff_at 1 2
check_output 'what came after is still there' v9 on_rank 1 xylem kvs get --at $((current + 1)) key
check 'a commit' on_rank 1 xylem kvs put key=new
check_output 'follows' $((current + 3)) xylem kvs version
check_output 'and differs from the old root in its key only' '~ key=v2 => new' diff_at 1 -v 2
check_output 'back and forth' "$(xylem kvs diff 2 $((current + 1)) | sed 'y/+-/-+/')" \
    diff_at 1 $((current + 1)) 2

check 'a checkpoint is recorded by number' env XYLEM_NAMESPACE=nowhere xylem content checkpoint update 1
check_output 'it is that root' "$first" eval "xylem content checkpoint list -n | awk 'NR == 1 { print \$NF }'"
check_fails 'not of a number that never was' '4711: not in the history of namespace primary' \
    xylem content checkpoint update 4711

# ---- collected ----
check 'an old root' xylem kvs put key=old
old=$(xylem kvs version)
check 'is replaced' xylem kvs put key=newer big="$(printf 'x%.0s' {1..200})"
check 'and that one' xylem kvs put key=newest big=
check_output 'both are listed' $((old + 2))\ $((old + 1))\ $old\  sequences 1 -n 3
check 'garbage is collected' python3 "$ROOT/test/lib/client.py" "$RUNDIR/local-0" content-backing.gc \
    '{"grace":0}'
check 'then they are not' wait_until '[ "$(sequences 1 -n 3 | cut -d " " -f 1-2)" != "$((old + 2)) $((old + 1))" ]'
check_fails 'nor read' "no version $old|$old" on_rank 1 xylem kvs get --at "$old" key
check_output 'what is current is' newest on_rank 1 xylem kvs get key
