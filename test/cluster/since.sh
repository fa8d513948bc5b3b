#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# since.sh - archives of what is different from another root, and the chains that they make.
. "$(dirname "$0")/../lib/rig.sh"

state=$TEMP/state
mkdir "$state"
start_cluster 4 2 --statedir "$state"
leaf=3
here() { on_rank $leaf xylem kvs "$@"; }
dump() { on_rank $leaf xylem-dump -q "$@"; }
restore() { on_rank 2 xylem-restore -q "$@"; }
settle() { local v; v=$(here version); for rank in 0 1 2; do on_rank $rank xylem kvs wait "$v" || return; done; }
root() { here getroot -b; }
# many KEY=VALUE FROM TO: puts them, with each number in the place of &
many() { seq "$2" "$3" | sed "s/.*/$1/" >"$TEMP/many"; xargs -n 1000 xylem kvs put <"$TEMP/many" && here wait "$(xylem kvs version)"; }
json_is() { python3 -c 'import json, sys
got = json.loads(sys.argv[1]); assert eval("(" + sys.argv[2] + ")", {"o": got}), got' "$@"; }
spaces=0
# comes_to ROOT FILE...: a new namespace gets this root from the chain
comes_to()
{
    local ns=space$((++spaces)) expected=$1

    shift
    on_rank 2 xylem kvs namespace create $ns || return
    json_is "$(on_rank 2 xylem-restore --json --namespace $ns --key=. "$@")" \
        "o['verified'] and o['root'] == '$expected'"
}
head -c 2500000 /dev/urandom >"$TEMP/large"
export SOURCE_DATE_EPOCH=1700000000

# ---- a root, and three sets of changes ----
many 'wide.k&=v&' 0 2999
many 'deep.a.b.c.d&.e=&' 0 99
many 'whole.dir&.x.y=&' 0 49
here put same=1 turns=value changed=old void.no.more=1 with%20space.ünï=1 "longer=$(seq 1 400)"
here put large=- <"$TEMP/large"
here put other.dir.x=1
here mkdir empty.one empty.two empty.three
here link changed lnk
here put log=begin
for i in {1..30}; do here put -A log="entry $i of a log;"; done
full=$(root)
check 'a root is archived exactly' dump --exact "$TEMP/full.tar"

here unlink -R whole
here unlink -R turns
here put turns.into.dir=1 turns.b=2 empty.two.filled=1 new.key=1 changed=new wide.k5=other wide.more=1
here unlink wide.k77
here unlink -R other.dir
here put other.dir=value
here unlink -R empty.one
here mkdir empty.four
here unlink void.no.more
here put -A log="entry 31;"
here link same lnk
first=$(root)
check 'what is different since an archive' dump --since="$TEMP/full.tar" "$TEMP/1.tar"

here unlink -R turns
here put turns=again
here unlink -R other
here put other.dir.x=1 other.dir.y=2
here unlink -R wide
here unlink -R deep.a.b.c.d7
here unlink empty.two.filled
many 'whole.dir&.x.y=&' 20 29
here put -A log="$(seq 1 1000)"
here unlink lnk
second=$(root)
check 'what is different since a root, compressed' dump --since="$first" "$TEMP/2.tar.zst"

many 'wide.k&=v&' 0 1999
here unlink log
here unlink -R empty.three
here put large=small small="$(cat "$TEMP/many")" tail=1
third=$(root)
check 'what is different since an incremental archive' dump --since="$TEMP/2.tar.zst" "$TEMP/3.tar"
settle

# ---- what is in them ----
names() { tar -tf "$1" 2>&1; }
check_output 'what was removed has no entry, what is there has one' './
changed
empty/four/
empty/two/filled
lnk
log
new/key
other/dir
turns/b
turns/into/dir
void/no/
wide/k5
wide/more' eval 'names "$TEMP/1.tar" | LC_ALL=C sort'
check 'tar extracts it without a word' eval 'mkdir "$TEMP/x" && [ -z "$(tar -C "$TEMP/x" -xf "$TEMP/1.tar" 2>&1)" ]'
check_output 'the values are those of now' new cat "$TEMP/x/changed"
# listed FILE KEY...: only what is said of these keys
listed() { xylem-dump --list="$1" "${@:2}" | tr '\t' ' '; }
check_output 'what was removed is listed, too' 'empty.one removed directory
other.dir 5
other.dir.x removed
turns removed
turns.b 1
turns.into.dir 1' eval 'listed "$TEMP/1.tar" --include="turns*" --include="other/*" --include=empty/one | sort'
check_output 'as JSON' '{"key":"empty.one","removed":true,"directory":true}
{"key":"other.dir.x","removed":true}' \
    listed "$TEMP/1.tar" --json --include='other/dir/*' --include=empty/one
for n in 1.tar 2.tar.zst 3.tar; do
    check "$n is what was archived" xylem-dump -q --verify="$TEMP/$n"
done
check 'the summary tells the kind' json_is \
    "$(dump --json --since="$full" --root="$first" "$TEMP/1b.tar")" \
    "o['kind'] == 'incremental' and o['root'] == '$first' and o['keys'] == 10 and o['failed'] == 0 and
     o['removed'] == $(xylem-dump --list="$TEMP/1.tar" | grep -c 'removed$')"
on_rank $leaf xylem-dump --since="$full" --root="$first" "$TEMP/1b.tar" 2>"$TEMP/said"
check 'and so does the line before the last: how many keys are no more' eval \
    'tail -n 2 "$TEMP/said" | head -n 1 | grep -qE "^xylem-dump: [1-9][0-9]* keys removed since$"'
check 'which is as ever' eval \
    'tail -n 1 "$TEMP/said" | grep -qE "^xylem-dump: archived 10 keys, [0-9]+ bytes, root $first$"'
again() { dump --since="$1" --root="$first" "${@:2}" "$TEMP/1c.tar" && cmp "$TEMP/1b.tar" "$TEMP/1c.tar"; }
check 'by the root it is the same as by its archive' again "$TEMP/full.tar"
check 'one request at a time gives the same bytes' again "$full" --maxreqs=1
check 'and so do many' again "$full" --maxreqs=500
sed 's/^.*$/&/; s/value/VALUE/' "$TEMP/1.tar" >"$TEMP/bad.tar"
check_fails 'a byte that is changed is noticed' 'bad\.tar: .*changed' xylem-dump --verify="$TEMP/bad.tar"
sed 's/whole\/dir7\/x\/y/whole\/dir7\/x\/z/' "$TEMP/1.tar" >"$TEMP/bad.tar"
check 'there is a removed key to change' eval '! cmp -s "$TEMP/1.tar" "$TEMP/bad.tar"'
check_fails 'also in the name of what was removed' 'bad\.tar: .*changed' xylem-dump --verify="$TEMP/bad.tar"
check_fails 'a difference has none of its own' 'bad\.tar: .*incremental' \
    xylem-dump --diff "$TEMP/bad.tar" "$TEMP/full.tar"

# ---- chains ----
check 'the full archive gives its root' comes_to "$full" "$TEMP/full.tar"
check 'with the first one, that of then' comes_to "$first" "$TEMP/full.tar" "$TEMP/1.tar"
check 'with two' comes_to "$second" "$TEMP/full.tar" "$TEMP/1.tar" "$TEMP/2.tar.zst"
check 'with three' comes_to "$third" "$TEMP/full.tar" "$TEMP/1.tar" "$TEMP/2.tar.zst" "$TEMP/3.tar"
on_rank 2 xylem kvs namespace create step
check 'one after the other:' restore --namespace step --key=. "$TEMP/full.tar"
for step in "1.tar $first" "2.tar.zst $second" "3.tar $third"; do
    check "onto what is there, ${step% *}" restore --namespace step --key=. "$TEMP/${step% *}"
    check_output 'gives the root of then' "${step#* }" on_rank 2 xylem kvs getroot -b -N step
done
check_fails 'the wrong order is refused, naming both roots' "$first.*$full|$full.*$first" \
    restore --key=x "$TEMP/full.tar" "$TEMP/2.tar.zst"
check_fails 'so is the wrong tree to begin with' "$first.*$third|$third.*$first" \
    restore --namespace step --key=. "$TEMP/2.tar.zst"
check_output 'nothing was changed' "$third" on_rank 2 xylem kvs getroot -b -N step

# ---- nothing, and everything ----
check 'since the same root' dump --since="$third" "$TEMP/none.tar"
check_output 'there are no entries' '' names "$TEMP/none.tar"
check 'it is what was archived' xylem-dump -q --verify="$TEMP/none.tar"
check 'and one of a chain' comes_to "$third" "$TEMP/full.tar" "$TEMP/1.tar" "$TEMP/2.tar.zst" \
    "$TEMP/3.tar" "$TEMP/none.tar"
here namespace create nothing
check 'since the first root of all' dump --since="$(here getroot -b -N nothing)" "$TEMP/all.tar"
here namespace create begin
check 'all comes back' restore --namespace begin --key=. "$TEMP/all.tar"
check_output 'with its root' "$third" on_rank 2 xylem kvs getroot -b -N begin
check 'and everything removed' dump --since="$third" --root="$(here getroot -b -N nothing)" "$TEMP/gone.tar"
check 'leaves nothing' restore --namespace begin --key=. "$TEMP/gone.tar"
check_output 'at all' "$(here getroot -b -N nothing)" on_rank 2 xylem kvs getroot -b -N begin
lists() { names "$1" | grep -c '^\./$'; }
check_output 'one list has all their names' 1 lists "$TEMP/gone.tar"

# ---- an archive that is not exact ----
check 'a plain archive is made of the root' dump "$TEMP/plain.tar.gz"
here mkdir plain.void
here put -A plain.log=one
here put -A plain.log=two
plain=$(root)
check 'another one, of what it cannot tell' dump "$TEMP/plain2.tar.gz"
here put plain.key=1
after=$(root)
check 'what is different since the second' dump --since="$TEMP/plain2.tar.gz" "$TEMP/4.tar"
check_output 'has what it could not tell' 'empty/four/
empty/two/
plain/key
plain/log
plain/void/
void/no/' eval 'names "$TEMP/4.tar" | LC_ALL=C sort'
settle
on_rank 2 xylem kvs namespace create plain
check 'the two together' restore --namespace plain --key=. "$TEMP/plain2.tar.gz" "$TEMP/4.tar"
check_output 'give the root' "$after" on_rank 2 xylem kvs getroot -b -N plain

# ---- the cost ----
for i in 0 1 2 3; do many "cost.dir$i.d&.k=&" 0 999; done
many 'cost.wide.key&=&' 0 15999
base=$(root)
here put cost.dir1.d500.k=new cost.wide.key77=new cost.new=1
loads() { on_rank 3 xylem stats | awk '$1 == "cache.loads" {print $2}'; }
before=$(loads)
check 'three of 20000 keys are changed' dump --since="$base" "$TEMP/three.tar"
after=$(loads)
check_output 'they are archived' 'cost/dir1/d500/k
cost/new
cost/wide/key77' names "$TEMP/three.tar"
echo "# $((after - before)) loads"
check 'with a few loads' [ $((after - before)) -le 24 ]
check 'but more than none' [ $((after - before)) -ge 8 ]

# ---- an archive of all that the instance knows ----
check 'all is archived' dump --all "$TEMP/every.tar"
here put every.key=1
here unlink cost.new
all=$(root)
check 'what is different in the primary namespace since then' dump --since="$TEMP/every.tar" "$TEMP/every1.tar"
check_output 'is one key more and one less' 'cost.new removed
every.key 1' eval 'listed "$TEMP/every1.tar" | sort'
settle
here put every.other=1
check 'both are a chain' restore --key=. "$TEMP/every.tar" "$TEMP/every1.tar"
check_output 'of that namespace' "$all" on_rank 2 xylem kvs getroot -b
here wait "$(on_rank 2 xylem kvs version)"
deepest=$(seq -s . 1 128)
here put "$deepest=1"
check 'all is archived, with a key of as many names as there can be' dump --all "$TEMP/deepest.tar"
check 'which is what was archived' xylem-dump -q --verify="$TEMP/deepest.tar"
here unlink -R 1
wrong_root() # the archive, where the first root that a section names ends with other digits, of the same length
{
    python3 -c 'import re, sys
data = open(sys.argv[1], "rb").read()
at = data.index(b"user.xylem.section=")
at = data.index(b"root\":\"blake2b-", at) + 15
sys.stdout.buffer.write(data[:at + 8] + bytes(b"01"[b == 48] for b in data[at + 8:at + 16]) + data[at + 16:])' "$1"
}
wrong_root "$TEMP/deepest.tar" >"$TEMP/bad.tar"
check 'a root is changed in it' eval '! cmp -s "$TEMP/deepest.tar" "$TEMP/bad.tar"'
check_fails 'that is noticed, and where' 'bad\.tar: namespaces/[a-z]*/: .* root is blake2b' \
    xylem-dump -q --verify="$TEMP/bad.tar"

# ---- the usage ----
check_usage 'of a part there is no difference' 'excludes' dump --since="$base" --prefix=cost "$TEMP/no.tar"
check_usage 'nor of all that the instance knows' '--all excludes --since' dump --since="$base" --all "$TEMP/no.tar"
check_usage 'standard input cannot be read twice' 'twice' dump --since=- "$TEMP/no.tar"
check_usage 'nor with patterns' 'excludes' dump --since="$base" --include='a*' "$TEMP/no.tar"
check_fails 'only tar can hold it' 'tar' dump --since="$base" "$TEMP/no.zip"
cp "$TEMP/full.tar" "$TEMP/mine.tar"
ln "$TEMP/mine.tar" "$TEMP/link.tar"
ln -s mine.tar "$TEMP/symlink.tar"
for out in mine.tar link.tar symlink.tar ./mine.tar; do
    check_fails "the archive of --since is not replaced by what is different, as $out" \
        "$out: OUTFILE is the archive of --since" dump --since="$TEMP/mine.tar" "$TEMP/$out"
done
check 'it is as it was' cmp "$TEMP/full.tar" "$TEMP/mine.tar"
check 'and so are its other names' [ -L "$TEMP/symlink.tar" ] && [ "$TEMP/link.tar" -ef "$TEMP/mine.tar" ]
check 'another archive may be replaced' dump --since="$TEMP/mine.tar" "$TEMP/1c.tar"
check_fails 'what is like a blobref, but none, is told' 'since: blake2b-00: neither a blobref nor a file' \
    dump --since=blake2b-00 "$TEMP/no.tar"
check_fails 'a tree object is none' 'getroot -b' dump --since="$(here getroot)" "$TEMP/no.tar"
check_fails 'an archive that is not there is named' 'none/x.tar: No such file' \
    dump --since="$TEMP/none/x.tar" "$TEMP/no.tar"
check 'a part is archived' dump --prefix=cost "$TEMP/part.tar"
check_fails 'a part has no root' 'part\.tar: a partial archive holds no whole root' dump --since="$TEMP/part.tar" "$TEMP/no.tar"
tar -C "$TEMP/x" -cf "$TEMP/foreign.tar" .
check_fails 'nor has an archive without a header' 'foreign\.tar: .*header' \
    dump --since="$TEMP/foreign.tar" "$TEMP/no.tar"
head -c 50000 "$TEMP/full.tar" >"$TEMP/cut.tar"
check_fails 'one that was cut off is named' 'cut\.tar: ' dump --since="$TEMP/cut.tar" "$TEMP/no.tar"
check_fails 'a root of another hash is none of this instance' 'another instance' \
    dump --since="sha1-$(printf '0%.0s' {1..40})" "$TEMP/no.tar"
check_fails 'a root that was never there is named' 'blake2b-0000.*no longer stored' \
    dump --since="blake2b-$(printf '0%.0s' {1..64})" "$TEMP/no.tar"
check 'no file is left behind' eval '[ -z "$(find "$TEMP" -name "no.*")" ]'

# ---- the old root is not stored any more: here it never was ----
stop_cluster
start_cluster 3
leaf=2
spaces=0
check 'another instance gets the chain' restore --key=. "$TEMP/full.tar" "$TEMP/1.tar" "$TEMP/2.tar.zst" \
    "$TEMP/3.tar"
check_output 'and the last root' "$third" root
here put last=1
last=$(root)
check_fails 'a root of which nothing is stored cannot be compared with' "$full.*no longer stored.*archive" \
    dump --since="$full" "$TEMP/no.tar"
check_fails 'nor can an incremental archive help' \
    '/1\.tar: its root is not stored any more .*--since with the last full archive' \
    dump --since="$TEMP/1.tar" "$TEMP/no.tar"
check 'but a full archive of it can' dump --since="$TEMP/full.tar" "$TEMP/5.tar"
check 'both together are the root of now' comes_to "$last" "$TEMP/full.tar" "$TEMP/5.tar"

# ---- many removed keys ----
long=$(printf 'n%.0s' {1..150})
many "long.$long&=&" 0 999
check 'long names are archived' dump --exact "$TEMP/long.tar"
here unlink -R long
check 'and removed' dump --since="$TEMP/long.tar" "$TEMP/short.tar"
check_output 'it takes three lists' 3 lists "$TEMP/short.tar"
check 'they are gone' comes_to "$last" "$TEMP/long.tar" "$TEMP/short.tar"

# ---- directories that are not as wide as they should be ----
again() # the same instance, with other options
{
    stop_cluster
    start_cluster 3 --statedir "$state" "$@"
}
state=$TEMP/forms
mkdir "$state"
again -o --maxdirent=0
many 'form.changes.k&=&' 0 1499
many 'form.stays.k&=&' 0 1499
many 'form.goes.k&=&' 0 1499
again
full=$(root)
check 'large directories of one object are archived' dump --exact "$TEMP/forms.tar"
check 'as what they are' comes_to "$full" "$TEMP/forms.tar"
here put form.changes.k7=other
here unlink -R form.goes
one=$(root)
check 'one is made wide, another one removed' dump --since="$TEMP/forms.tar" "$TEMP/forms1.tar"
check_output 'both are told' './
form/changes/
form/changes/k7
form/goes/' eval 'names "$TEMP/forms1.tar" | LC_ALL=C sort'
check_output 'although there is no such directory' 'form.changes.k7 5' listed "$TEMP/forms1.tar" --exclude='form/goes*'
many 'form.goes.k&=&' 0 1499
two=$(root)
check 'it comes back, as it should be' dump --since="$TEMP/forms1.tar" "$TEMP/forms2.tar"
again -o --maxdirent=0
many 'form.late.k&=&' 0 1499
again
three=$(root)
check 'and there is another one that is not' dump --since="$TEMP/forms2.tar" "$TEMP/forms3.tar"
check 'the chain gives the first root' comes_to "$one" "$TEMP/forms.tar" "$TEMP/forms1.tar"
check 'the second' comes_to "$two" "$TEMP"/forms{,1,2}.tar
check 'and the last' comes_to "$three" "$TEMP"/forms{,1,2,3}.tar
on_rank 2 xylem kvs namespace create step
check 'also one after the other:' restore --namespace step --key=. "$TEMP/forms.tar"
for step in "1 $one" "2 $two" "3 $three"; do
    check "onto what is there, ${step% *}" restore --namespace step --key=. "$TEMP/forms${step% *}.tar"
    check_output 'gives the root of then' "${step#* }" on_rank 2 xylem kvs getroot -b -N step
done

# ---- a value that is lost ----
here put lost.value="$(seq 1 100)" lost.other=1
base=$(root)
check 'a root is archived' dump --exact "$TEMP/whole.tar"
here put lost.value="$(seq 2 101)" lost.other=2
here put lost.new="$(seq 3 102)"
stop_cluster
remove_blob()
{
    python3 -c 'import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
assert db.execute("DELETE FROM blob WHERE digest = ?", (bytes.fromhex(sys.argv[2]),)).rowcount == 1
' "$state/content.sqlite" "$(seq "$1" "$2" | head -c -1 | b2sum -l 256 | cut -d ' ' -f 1)"
}
check 'the blob of a new value is lost' remove_blob 2 101
check 'and another one' remove_blob 3 102
start_cluster 3 --statedir "$state"
check_fails 'that is an error' 'lost\.new: .*No such file' dump --since="$base" "$TEMP/no.tar"
check 'unless it is to be left out' dump --ignore-failed-read --since="$base" "$TEMP/left.tar"
check_output 'then it counts as removed' 'lost.new removed
lost.other 1
lost.value removed' eval 'listed "$TEMP/left.tar" | sort'
check 'it is as it was written' eval 'xylem-dump --verify="$TEMP/left.tar" 2>"$TEMP/said"'
check 'and nobody is told that it is all' grep -qx \
    'xylem-dump: as it was written, but 2 keys were left out when it was made' "$TEMP/said"
check 'nor that it has a root of its own' grep -q 'the root cannot be computed' "$TEMP/said"
check 'the summary has the number' json_is "$(xylem-dump --verify="$TEMP/left.tar" --json 2>/dev/null)" \
    "o['failed'] == 2 and o['verified']"
check_fails 'nothing can follow that' 'left\.tar: .*not exact' dump --since="$TEMP/left.tar" "$TEMP/no.tar"
on_rank 2 xylem kvs namespace create left
check 'what is left can be restored' restore --namespace left --key=. "$TEMP/whole.tar" "$TEMP/left.tar"
check_output 'without values of another time' 'lost.other = 2' on_rank 2 xylem kvs dir -R -N left lost

# ---- without an instance ----
here unlink -R lost
here put alone=1
root=$(root)
on_rank 2 xylem kvs sync
stop_cluster
check 'what is different in a state directory' xylem-dump -q --statedir="$state" --since="$TEMP/whole.tar" "$TEMP/alone.tar"
check_output 'is the same' 'alone 1
lost.other removed
lost.value removed' eval 'listed "$TEMP/alone.tar" | sort'
check_output 'and so it is compared' '+ alone
- lost.other
- lost.value' xylem-dump --statedir="$state" --diff "$TEMP/whole.tar" "$root"
check 'a chain' xylem-restore -q --statedir="$TEMP/fresh" "$TEMP/whole.tar" "$TEMP/alone.tar" --key=.
check_output 'gives the same root there' "$root" eval \
    'xylem-dump --statedir="$TEMP/fresh" --json "$TEMP/fresh.tar" | python3 -c "import json, sys; print(json.load(sys.stdin)[\"root\"])"'
