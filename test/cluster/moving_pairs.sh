#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# moving_pairs.sh - a dump shows one root (I8): while writers on all ranks move keys in pairs, each archive has both
# keys of a pair as one commit left them.
#
# In each commit a writer gives a.W.i and b.W.i the same new number, and swaps the directories left.W and right.W, of
# which one is full of x and the other of y; W is the writer.  wide.k* holds dumps up between a and b.
. "$(dirname "$0")/../lib/rig.sh"
export PYTHONPATH=$ROOT/test/lib

SIZE=4
start_cluster $SIZE 2

cat >"$TEMP/write.py" <<'END'
"""write.py RANK SOCKET STOP-FILE: commits until the file is there; prints how many."""
import base64, json, os, sys
from flux import Flux
writer, path, stop = sys.argv[1:]
f = Flux(path)
def value(text):
    return {"ver": 1, "type": "val", "data": base64.b64encode(text.encode()).decode()}
def directory(text):
    return {"ver": 1, "type": "dir", "data": {"k%d" % i: value(text) for i in range(8)}}
def put(key, obj):
    return {"key": key, "flags": 0, "dirent": obj}
number = 0
while not os.path.exists(stop):
    number += 1
    text = "%d.%d" % (int(writer), number)
    pair = number % 10
    x, y = ("left", "right") if number % 2 else ("right", "left")
    ops = [put("a.w%s.%d" % (writer, pair), value(text)), put("b.w%s.%d" % (writer, pair), value(text)),
           put("%s.w%s" % (x, writer), directory("x" * 80)), put("%s.w%s" % (y, writer), directory("y" * 80)),
           put("count.w%s" % writer, value(text))]
    f.rpc("kvs.commit", {"namespace": "primary", "flags": 0, "ops": ops}).ok()
print(number)
END
cat >"$TEMP/look.py" <<'END'
"""look.py ARCHIVE...: every pair is equal, and the directories are opposites; prints how many writers had moved on
from one archive to the next, of each rank the archive is from."""
import sys, tarfile
moved = 0
seen = {}
for path in sys.argv[1:]:
    values = {}
    with tarfile.open(path) as t:
        for m in t:
            values[m.name] = t.extractfile(m).read().decode()
    pairs = [n for n in values if n.startswith("a/")]
    assert pairs and len(pairs) == len([n for n in values if n.startswith("b/")]), path
    for name in pairs:
        assert values[name] == values["b" + name[1:]], (path, name, values[name], values["b" + name[1:]])
    writers = [n[6:] for n in values if n.startswith("count/")]
    for w in writers:
        left = {values["left/%s/k%d" % (w, i)][0] for i in range(8)}
        right = {values["right/%s/k%d" % (w, i)][0] for i in range(8)}
        assert left | right == {"x", "y"} and len(left) == len(right) == 1, (path, w, left, right)
        newest = max((values[n] for n in pairs if n.startswith("a/%s/" % w)), key=lambda v: int(v.split(".")[1]))
        assert newest == values["count/" + w], (path, w, newest)
        before = seen.get((path[0], w))
        moved += values["count/" + w] != before
        seen[w] = values["count/" + w]
    assert len([n for n in values if n.startswith("wide/")]) == 3000, path
print(moved)
END

check 'something is between the pairs' eval \
    'for i in $(seq 3000); do printf "wide.k%d=%070d\n" $i $i; done | xargs -d "\n" xylem kvs put'
writers=
for ((rank = 0; rank < SIZE; rank++)); do
    python3 "$TEMP/write.py" $rank "$RUNDIR/local-$rank" "$TEMP/stop" >"$TEMP/commits-$rank" &
    writers+=" $!"
done
all_write() { for ((r = 0; r < SIZE; r++)); do xylem kvs get count.w$r || return; done >/dev/null 2>&1; }
check 'all writers are at work' wait_until all_write
for ((rank = 1; rank < SIZE; rank++)); do on_rank $rank xylem kvs wait "$(xylem kvs version)"; done

# dumps RANK: with all kinds of options, one after the other
dumps()
{
    local i=0 options failed=0

    for options in '' --no-cache --maxreqs=1 --maxreqs=64 '--maxreqs=1000 --no-cache' '' --maxreqs=8; do
        i=$((i + 1))
        on_rank $1 xylem-dump -q $options "$TEMP/r$1-$i.tar" || failed=1
    done
    return $failed
}
dumpers=
for ((rank = 0; rank < SIZE; rank++)); do
    dumps $rank &
    dumpers+=" $!"
done
failed=0
for pid in $dumpers; do wait $pid || failed=$((failed + 1)); done
check 'dumps at all ranks succeed' [ $failed = 0 ]
touch "$TEMP/stop"
failed=0
for pid in $writers; do wait $pid || failed=$((failed + 1)); done
check 'and so did all commits' [ $failed = 0 ]
commits=$(cat "$TEMP"/commits-* | paste -sd +)
echo "# $((commits)) commits, $(ls "$TEMP"/r*.tar | wc -l) dumps"
check 'there were many' [ $((commits)) -gt 100 ]
python3 "$TEMP/look.py" "$TEMP"/r*.tar >"$TEMP/moved" 2>"$TEMP/why"
report $? 'in each archive all pairs are equal and the directories opposites' "$TEMP/why"
check 'and from archive to archive they are others' [ "$(cat "$TEMP/moved")" -gt $((SIZE * 14)) ]
verify_all() { for file in "$TEMP"/r*.tar; do xylem-dump -q --verify "$file" || return; done; }
check 'each is whole' verify_all
# The looker can tell: an archive that is made of two does not pass.
mixed()
{
    mkdir "$TEMP/mix"
    tar -C "$TEMP/mix" -xf "$TEMP/r3-1.tar"
    tar -C "$TEMP/mix" -xf "$TEMP/r3-7.tar" b
    tar -C "$TEMP/mix" -cf "$TEMP/mixed.tar" a b count left right wide
    ! python3 "$TEMP/look.py" "$TEMP/mixed.tar"
}
check 'one that is mixed of two would be noticed' mixed
check 'the last state is that of the store' eval \
    'xylem-dump -q "$TEMP/r0-9.tar" && python3 "$TEMP/look.py" "$TEMP/r0-9.tar"'
