#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# unpack.sh - what xylem-restore makes of archives: ours, verified; others, with all they can contain.
. "$(dirname "$0")/../lib/rig.sh"
export PYTHONPATH=$ROOT/test/lib

start_cluster 3 1
restore() { on_rank 2 xylem-restore "$@"; }
dump() { on_rank 1 xylem-dump "$@"; }
here() { on_rank 2 xylem kvs "$@"; }
settle() { for rank in 0 1 2; do on_rank $rank xylem kvs wait "$(here version)" || return; done; }
json_is() { python3 -c 'import json, sys
got = json.loads(sys.argv[1]); assert eval("(" + sys.argv[2] + ")", {"o": got}), got' "$@"; }

# ---- verified ----
here put a.one=1 a.b.two=2 a.b.three="$(seq 1 3000)" b=4
here link a.b link
settle
root=$(here getroot -b)
check 'a root is dumped' dump -q "$TEMP/full.tar.gz"
said() { grep -qE "$1" "$TEMP/said" || { cat "$TEMP/said"; return 1; }; }
restore --key=. "$TEMP/full.tar.gz" 2>"$TEMP/said"
check 'and restored as the root' [ $? = 0 ]
check 'it says that it is the same tree' said '^xylem-restore: verified: '
check_output 'and it is' "$root" here getroot -b
check 'JSON says so too' json_is "$(restore --json --key=. "$TEMP/full.tar.gz")" \
    "(o['verified'], o['root'], o['kind'], o['namespace'], o['failed'], o['keys']) ==
     (True, '$root', 'full', 'primary', 0, 5)"
check 'under a key it is verified as well' json_is "$(restore --json --key=copy "$TEMP/full.tar.gz")" \
    "o['verified'] and o['root'] == '$(here getroot -b)'"
here unlink -R copy

# What a dump of keys and values cannot keep is no damage.
here put -A log=first
here put -A log=second
here mkdir empty
settle
check 'a root with an appended value and an empty directory is dumped' dump -q "$TEMP/odd.tar"
restore --key=copy "$TEMP/odd.tar" 2>"$TEMP/said"
check 'and restored' [ $? = 0 ]
check 'but it does not say that it is the same' said 'not verified: the archive is not exact'
check_output 'the value is' firstsecond here get copy.log
here unlink -R copy
here unlink -R log
here unlink -R empty

# ---- where it goes ----
here namespace create other
check 'a restore can go to another namespace' restore -q --namespace other --key=. "$TEMP/full.tar.gz"
check_output 'the root is there' "$root" here getroot -b -N other
check_fails 'a namespace has to be there' 'nosuch' restore --namespace nosuch --key=. "$TEMP/full.tar.gz"
check 'keys can be renamed' restore -q --key=new --rename a.b=x.y --rename b=c.d "$TEMP/full.tar.gz"
check_output 'a directory' 2 here get new.x.y.two
check_output 'a value' 4 here get new.c.d
check_output 'and the others are not' 1 here get new.a.one
check_fails 'old names are gone' 'no such key' here get new.a.b.two
check 'a part can be restored' restore -q --key=new --include 'a/*' --exclude '*e' "$TEMP/full.tar.gz"
check_output 'and nothing else' $'.:\na\n\na:\nb\n\na.b:\ntwo' eval "here ls -R new | sed 's/^new\\.//; s/^new:/.:/'"
here unlink -R new
restore --key=new --rename a.b=x --rename nothing.here=y "$TEMP/full.tar.gz" 2>"$TEMP/said"
check 'a rename of nothing is no error' [ $? = 0 ]
check 'but it is told' said '^xylem-restore: no key in the archive fits --rename=nothing\.here=y$'
check 'the others are not' eval '! said "rename=a" >/dev/null'
before=$(here getroot -b)
for key in . new; do
    for patterns in --include='a.*' --exclude='*' '--include=b --exclude=b'; do
        check_fails "patterns that choose nothing are refused at $key: $patterns" \
            'restore: nothing in the archive matches --include and --exclude .*: nothing was restored$' \
            restore --key=$key $patterns "$TEMP/full.tar.gz"
    done
done
check_output 'and nothing has changed' "$before" here getroot -b
make_empty() { tar -cf "$TEMP/empty.tar" -T /dev/null; }
check 'an archive of nothing is restored with patterns, too' eval \
    'make_empty && restore -q --key=new.void --no-verify --include="a*" "$TEMP/empty.tar"'
check_usage 'a rename needs two keys' 'OLD=NEW' restore --key=x --rename a "$TEMP/full.tar.gz"
here unlink -R new

# ---- what others put into archives ----
# make FILE 'PYTHON': t is the archive; add(name, data or None, **fields)
make()
{
    python3 -c 'import io, sys, tarfile
t = tarfile.open(sys.argv[1], "w", format=tarfile.PAX_FORMAT)
def add(name, data=None, **fields):
    i = tarfile.TarInfo(name)
    for k, v in fields.items(): setattr(i, k, v)
    if data is not None: i.size = len(data)
    t.addfile(i, io.BytesIO(data) if data is not None else None)
exec(sys.argv[2])
t.close()' "$@"
}
make "$TEMP/dots.tar" 'add("./a/./b", b"1"); add(".//c///d", b"2"); add("./", type=b"5")'
check 'dots and slashes in paths are ignored' restore -q --key=t "$TEMP/dots.tar"
check_output 'they name the same key' 1 here get t.a.b
check_output 'and so do these' 2 here get t.c.d
make "$TEMP/special.tar" 'add("dev", type=b"3"); add("block", type=b"4"); add("fifo", type=b"6"); add("x", b"1")'
restore --key=t "$TEMP/special.tar" 2>"$TEMP/said"
check 'devices and fifos are skipped' [ $? = 0 ]
check 'by name' eval 'said "dev: neither" && said "block: neither" && said "fifo: neither"'
check 'and counted' said 'skipped 3 entries'
check 'also in JSON' json_is "$(restore --json --key=t "$TEMP/special.tar" 2>/dev/null)" "o['failed'] == 3"
for path in /etc/x ../up a/../../b; do
    make "$TEMP/out.tar" "add('fine', b'1'); add('$path', b'2')"
    check_fails "the path $path is refused by name" "$path: the path leads out" \
        restore --key=refused "$TEMP/out.tar"
done
check_fails 'and nothing is restored' 'no such key' here ls refused
make "$TEMP/clash.tar" 'add("v/w", b"1"); add("v/w/x", b"2")'
check_fails 'a value that is a directory too is refused with both names' 'v\.w and v\.w\.x' \
    restore --key=refused "$TEMP/clash.tar"
make "$TEMP/hard.tar" 'add("x", b"hello"); add("y", type=b"1", linkname="./x"); add("z", type=b"1", linkname="gone")'
restore --key=t "$TEMP/hard.tar" 2>"$TEMP/said"
check_output 'a hard link is a copy' hello here get t.y
check 'one to nothing is told' said 'z: hard link to gone, which is not'
make "$TEMP/twice.tar" 'add("x", b"old"); add("x", b"new")'
check 'of equal names' restore -q --key=t "$TEMP/twice.tar"
check_output 'the last one counts' new here get t.x
truncate -s 3M "$TEMP/sparse"
printf end >>"$TEMP/sparse"
tar -C "$TEMP" -Scf "$TEMP/sparse.tar" sparse
check 'a sparse file is restored' restore -q --key=t "$TEMP/sparse.tar"
check 'with its holes' eval 'here get -r t.sparse | cmp - "$TEMP/sparse"'

# ---- regions of a sparse file that overlap ----
python3 - "$TEMP/overlap.tar" <<'END'
import io, sys, tarfile
body = b"2\n0\n5\n3\n5\n".ljust(512, b"\0") + b"x" * 10
entry = tarfile.TarInfo("GNUSparseFile.0/s")
entry.size = len(body)
entry.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "s",
                     "GNU.sparse.realsize": "10000"}
with tarfile.open(sys.argv[1], "w", format=tarfile.PAX_FORMAT) as tar:
    tar.addfile(entry, io.BytesIO(body))
END
check_fails 'they are an error' 'overlap.tar: s: ' timeout 20 xylem-restore -q --key=s "$TEMP/overlap.tar"

# ---- cut off behind content that looks like an end mark; what is skipped is not what it was before ----
head -c 1024 /dev/zero >"$TEMP/zeros"
echo hello >"$TEMP/hello"
tar --format=ustar -C "$TEMP" -cf "$TEMP/z.tar" zeros hello
head -c 1536 "$TEMP/z.tar" >"$TEMP/zc.tar"
check 'it is restored when it is whole' restore -q --key=whole "$TEMP/z.tar"
check_fails 'it is refused when it is cut off' 'zc.tar: the archive ends without an end mark' \
    restore -q --key=cut "$TEMP/zc.tar"
gzip -c "$TEMP/zc.tar" >"$TEMP/zc.tar.gz"
check_fails 'also compressed' 'without an end mark' restore -q --key=cut "$TEMP/zc.tar.gz"
check_fails 'or from a pipe' 'without an end mark' eval 'cat "$TEMP/zc.tar" | restore -q --key=cut -'
here put v.a=small v.b=1
settle
check 'a small value is dumped' dump -q --exact "$TEMP/small.tar"
here put v.a="$(seq 1 1000)"
settle
check 'and what it is later' dump -q --since "$TEMP/small.tar" "$TEMP/later.tar"
check 'the chain is restored with a limit' \
    restore -q --size-limit 100 --key=limited "$TEMP/small.tar" "$TEMP/later.tar"
settle
check_fails 'the value that is skipped is not the one of before' 'No such' here get limited.v.a
check_output 'and the others are there' 1 here get limited.v.b

# ---- checkpoints ----
export SOURCE_DATE_EPOCH=1700000000
here unlink -R t
check 'a checkpoint is made' on_rank 0 xylem content checkpoint update
settle
root=$(here getroot -b)
check 'it is dumped' dump -q --checkpoint "$TEMP/checkpoint.tar"
check 'it holds what the root does' xylem-dump --verify "$TEMP/checkpoint.tar"
header() { head -c 1024 "$1" | tail -c +513 | tr -d '\0' | sed 's/^[0-9]* comment=xylem-archive //'; }
check 'and says so' json_is "$(header "$TEMP/checkpoint.tar")" "(o['root'], o['kind']) == ('$root', 'full')"
check_fails 'none is restored while the key-value store runs' 'please unload kvs' \
    restore --checkpoint "$TEMP/checkpoint.tar"
stop_cluster
start_cluster 2 -o --no-kvs
check 'it is restored to another instance, without a key-value store' \
    json_is "$(on_rank 1 xylem-restore --json --checkpoint "$TEMP/checkpoint.tar")" \
    "(o['verified'], o['root'], o['namespace']) == (True, '$root', None)"
check 'and dumped from there' on_rank 1 xylem-dump -q --checkpoint "$TEMP/again.tar"
entries() { tail -c +1025 "$1" | head -c -2048; }
check 'with the same entries' eval 'cmp <(entries "$TEMP/checkpoint.tar") <(entries "$TEMP/again.tar")'
check 'a part of it can be dumped' on_rank 1 xylem-dump -q --checkpoint --prefix=a.b "$TEMP/part.tar"
check_output 'without a key-value store, too' $'a/b/three\na/b/two' tar -tf "$TEMP/part.tar"
