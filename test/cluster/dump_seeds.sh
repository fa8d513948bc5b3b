#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# dump_seeds.sh - whoever knows flux-dump(1) finds all of it: each sentence of its manual page is a check or more.
#
# dump_seeds.txt has the sentences, and below each the checks that prove it.  `sentence N` says which one the checks
# that follow belong to; at the end those that ran have to be those in the file.
# dump_seeds.sh --write makes the file new.
. "$(dirname "$0")/../lib/rig.sh"
export PYTHONPATH=$ROOT/test/lib
export LC_ALL=C.UTF-8
TABLE=$ROOT/test/cluster/dump_seeds.txt
RAN=$TEMP/ran
NUMBER=

sentence() { NUMBER=$1; }
eval "$(declare -f report | sed '1s/report/report_case/')"
report()
{
    [ -z "$NUMBER" ] || printf '%s\t%s\n' "$NUMBER" "$2" >>"$RAN"
    report_case "$@"
}
# absent PROGRAM SENTENCE...: true, and the sentences are said to be skipped, if it is not installed
absent()
{
    local what

    command -v "$1" >/dev/null && return 1
    for what in "${@:2}"; do report 0 "$what # SKIP $1 is not installed"; done
}

start_cluster 4 2 -o timeout=1m
leaf() { on_rank 3 "$@"; }
dump() { leaf xylem-dump "$@"; }
settle() { for rank in 1 2 3; do on_rank $rank xylem kvs wait "$(xylem kvs version)" || return; done; }
json_is() { python3 -c 'import json, sys
o = json.loads(sys.argv[1]); assert eval(sys.argv[2]), o' "$@"; }

fill()
{
    xylem kvs put a=1 b.c.d=2 b.c.src%2Eh=three none= "größe=5" && seq 1 30000 | xylem kvs put -r large=- &&
        xylem kvs put -t "deep.$(printf 'n%.0s' {1..90}).$(printf 'm%.0s' {1..90}).x={\"ver\":1,\"type\":\"val\",\"data\":\"bG9uZw==\"}" &&
        xylem kvs link b.c.d link && xylem kvs link -T other x.y far && xylem kvs put wide.{1..1100}=v
}
check 'keys are put' fill
settle
root=$(xylem kvs getroot -b)
# What has to come out, as files.
tree=$TEMP/tree
mkdir -p "$tree/b/c" "$tree/wide" "$tree/deep/$(printf 'n%.0s' {1..90})/$(printf 'm%.0s' {1..90})"
printf 1 >"$tree/a"
printf 2 >"$tree/b/c/d"
printf three >"$tree/b/c/src.h"
: >"$tree/none"
printf 5 >"$tree/größe"
seq 1 30000 >"$tree/large"
printf long >"$tree/deep/$(printf 'n%.0s' {1..90})/$(printf 'm%.0s' {1..90})/x"
ln -s b.c.d "$tree/link"
ln -s other::x.y "$tree/far"
for i in {1..1100}; do printf v >"$tree/wide/$i"; done
# unpacks COMMAND...: in an empty folder; what comes out is the tree
unpacks()
{
    chmod -R u+w "$TEMP/out" 2>/dev/null
    rm -rf "$TEMP/out"
    mkdir "$TEMP/out"
    (cd "$TEMP/out" && "$@") || return
    diff -r --no-dereference "$tree" "$TEMP/out" | head -n 20
    [ "${PIPESTATUS[0]}" = 0 ]
}
# comes_back ARCHIVE: restored as the root of another namespace it gives the same root
comes_back()
{
    json_is "$(leaf xylem-restore --json -q --namespace copy --key=. "$1")" "o['root'] == '$root'"
}
check 'a namespace for copies is made' eval 'xylem kvs namespace create copy && settle'

sentence 1
check 'a dump succeeds' dump -q "$TEMP/all.tar"
check 'xylem-restore brings it back' comes_back "$TEMP/all.tar"
sentence 2
check 'the archive is of the primary namespace and its root' json_is \
    "$(dump --json "$TEMP/all.tar")" "(o['namespace'], o['root']) == ('primary', '$root')"

sentence 4
check 'a path is a file' [ -s "$TEMP/all.tar" ]
check 'a dash is standard output' eval 'SOURCE_DATE_EPOCH=1 dump -q - >"$TEMP/stdout" &&
    SOURCE_DATE_EPOCH=1 dump -q "$TEMP/all.tar" && cmp "$TEMP/stdout" "$TEMP/all.tar"'
check 'and makes no file' eval '[ ! -e - ] && [ ! -e "$TEMP/-" ]'
check_usage 'one of them is needed' 'OUTFILE' dump
middle() { leaf python3 "$ROOT/test/lib/interrupt.py" 2000000 "$1" xylem-dump -q --maxreqs=1 "$2"; }
head -c 40000000 /dev/urandom | xylem kvs put -r bulk=-
settle
middle KILL "$TEMP/killed.tar"
check 'one that is killed in the middle' [ $? = 137 ]
check 'leaves no file of that name' [ ! -e "$TEMP/killed.tar" ]
echo before >"$TEMP/ended.tar"
for signal in TERM INT HUP; do
    middle $signal "$TEMP/ended.tar"
    check "one that is ended by SIG$signal" [ $? -gt 128 ]
    check 'leaves what was there' [ "$(cat "$TEMP/ended.tar")" = before ]
    check 'and nothing else' [ "$(ls "$TEMP"/ended.tar*)" = "$TEMP/ended.tar" ]
done
mkfifo "$TEMP/gate"
middle STOP "$TEMP/slow.tar" 9<>"$TEMP/gate" &
check 'in the middle it has another name' wait_until 'ls "$TEMP"/slow.tar.tmp.* 2>/dev/null'
check 'and there is no file of that name yet' [ ! -e "$TEMP/slow.tar" ]
echo go >"$TEMP/gate" 9<>"$TEMP/gate"
wait $!
check 'at the end it has that name' [ -s "$TEMP/slow.tar" ]
check 'and not the other one' eval '! ls "$TEMP"/slow.tar.tmp.* 2>/dev/null'
xylem kvs unlink bulk
settle

sentence 5
blocks() { python3 -c 'import sys
data, at, kinds, ended = open(sys.argv[1], "rb").read(), 0, [], False
while at < len(data) and data[at]:
    block = data[at:at + 512]
    assert block[257:265] == b"ustar\x0000", block[257:265]
    assert int(block[148:154], 8) == sum(block) - sum(block[148:156]) + 8 * 32
    kinds.append(chr(block[156]))
    size = int(block[124:135], 8)
    at += 512 + (size + 511) // 512 * 512
assert data[at:at + 1024] == bytes(1024), "no end mark"
assert eval(sys.argv[2], {"k": "".join(kinds)}), "".join(kinds)[:100]' "$TEMP/stdout" "$1"; }
dump -q --exclude 'größe' --exclude 'deep*' - >"$TEMP/stdout"
check 'standard output has blocks of ustar, and one global header' blocks 'set(k[1:]) == {"0", "2"} and k[0] == "g"'
dump -q --include 'größe' - >"$TEMP/stdout"
check 'a pax header stands in front of what does not fit' blocks 'k == "gx0"'
check 'tar unpacks it' eval 'dump -q - | unpacks tar -xf -'

sentence 6
check_output 'the ending of the name decides' 'tar 1f8b BZh fd37 28b5 0422 PK 0707 7z' eval '
    for e in tar tar.gz tar.bz2 tar.xz tar.zst tar.lz4 zip cpio 7z; do
        dump -q --include a "$TEMP/x.$e" || exit
    done
    say() { head -c "$2" "$TEMP/x.$1"; }
    hex() { say $1 2 | od -An -tx1 | tr -d " \n"; }
    echo $(say tar 265 | tail -c 8 | head -c 5 | cut -c 3-5) $(hex tar.gz) $(say tar.bz2 3) $(hex tar.xz) \
        $(hex tar.zst) $(hex tar.lz4) $(say zip 2) $(say cpio 4) $(say 7z 2)'
check_fails 'another ending is refused' 'x\.what: no format has this ending' dump "$TEMP/x.what"
check_fails 'and none' 'no format has this ending' dump "$TEMP/x"
check 'and leaves no file' eval '! ls "$TEMP"/x "$TEMP"/x.what* 2>/dev/null'

sentence 7
check_fails 'the error lists the endings' \
    '\.tar .*\.tgz .*\.tar\.gz .*\.tar\.bz2 .*\.tar\.xz .*\.tar\.zst .*\.zip .*\.cpio .*\.7z .*\.iso' dump "$TEMP/x.what"

# format NUMBER ENDING UNPACKER...: which reads standard input
format()
{
    sentence $1
    check "a .$2 is dumped" dump -q "$TEMP/all.$2"
    check "xylem-restore brings the .$2 back" comes_back "$TEMP/all.$2"
    absent "$3" "$3 unpacks the .$2" || check "$3 unpacks the .$2" unpacks "${@:3}"
}
format 8 tar tar -xf "$TEMP/all.tar"
absent bsdtar 'bsdtar unpacks the .tar' || check 'bsdtar unpacks the .tar' unpacks bsdtar -xf "$TEMP/all.tar"
check 'Python unpacks the .tar' unpacks python3 -c 'import sys, tarfile
tarfile.open(sys.argv[1]).extractall()' "$TEMP/all.tar"
format 9 tgz tar -xzf "$TEMP/all.tgz"
format 9 tar.gz tar -xzf "$TEMP/all.tar.gz"
check 'gzip finds it in order' gzip -t "$TEMP/all.tar.gz"
format 10 tar.bz2 tar -xjf "$TEMP/all.tar.bz2"
format 11 tar.xz tar -xJf "$TEMP/all.tar.xz"
format 12 zip unzip -q "$TEMP/all.zip"
format 13 cpio cpio -id --quiet -F "$TEMP/all.cpio"
format 14 iso bsdtar -xf "$TEMP/all.iso"
check 'the .iso has the mark of ISO9660' [ "$(head -c 32774 "$TEMP/all.iso" | tail -c 5)" = CD001 ]
# Beyond that page.
NUMBER=
for ending in txz tar.zst tar.lz4 7z; do
    check "a .$ending is dumped" dump -q "$TEMP/all.$ending"
    check "xylem-restore brings the .$ending back" comes_back "$TEMP/all.$ending"
done

sentence 15
check 'help lists the options' eval 'for option in -h --help -v --verbose -q --quiet --checkpoint --no-cache --maxreqs \
    --ignore-failed-read --sd-notify; do xylem-dump --help | grep -qe "$option\b" || exit; done'
check 'it is short: -h is --help' eval 'cmp <(xylem-dump -h) <(xylem-dump --help)'

sentence 16
dump -v --prefix b "$TEMP/b.tar" 2>"$TEMP/said"
check_output 'keys are listed as they are dumped' $'b.c.d\nb.c.src%2Eh' head -n -1 "$TEMP/said"
check_output 'and then the last line comes' 1 grep -c '^xylem-dump: archived 2 keys' "$TEMP/said"
sentence 17
dump -q "$TEMP/all.tar" 2>"$TEMP/said"
check 'a quiet dump says nothing' [ ! -s "$TEMP/said" ]

sentence 20
# How many loads the leaf has asked for while its parent does not answer.  It has the directories already.
cat >"$TEMP/loading.py" <<'END'
import json, os, signal, subprocess, sys, threading, time
parent, command = int(sys.argv[1]), sys.argv[2:]
def loading():
    stats = json.loads(subprocess.check_output(["xylem", "stats", "--json"]))
    return stats["cache"]["loading"]
dump = subprocess.Popen(["xylem-dump", "-q", "--prefix=many", *command, "-"], stdout=subprocess.PIPE)
os.read(dump.stdout.fileno(), 512)  # it is at work, and has to wait until we read the rest
os.kill(parent, signal.SIGSTOP)
reader = threading.Thread(target=dump.stdout.read)
reader.start()
seen, end = [loading()], time.monotonic() + 20
while (len(seen) < 4 or set(seen[-4:]) != {seen[-1]} or seen[-1] == 0) and time.monotonic() < end:
    time.sleep(0.1)
    seen.append(loading())
os.kill(parent, signal.SIGCONT)
reader.join()
assert dump.wait() == 0
print(seen[-1])
END
many() { for i in $(seq 3000); do printf '%s=%070d\n' "many.k$i" "$i"; done | xargs -d '\n' xylem kvs put; }
check 'values are put' many
settle
loads_with()
{
    leaf xylem content dropcache
    leaf xylem kvs ls -R >"$TEMP/keys"
    leaf python3 "$TEMP/loading.py" "$(rank_pid 1)" "$@"
}
one=$(loads_with --maxreqs=1)
two=$(loads_with --maxreqs=2)
default=$(loads_with)
eight=$(loads_with --maxreqs=8)
check "with 1 request something is asked for ($one)" [ "$one" -gt 0 ]
check "with 2 it is twice as much ($two)" [ "$two" = $((2 * one)) ]
check "and with 8 no less ($eight)" [ "$eight" -ge "$two" ]
sentence 22
check 'the default is 2' [ "$default" = "$two" ]
for wrong in 0 -1 x; do
    check_usage "--maxreqs=$wrong is refused" maxreqs dump --maxreqs=$wrong "$TEMP/x.tar"
done
sentence 21
for maxreqs in 1 2 7 64 1000; do
    check "the same bytes with --maxreqs=$maxreqs" eval \
        'SOURCE_DATE_EPOCH=1 dump -q --maxreqs=$maxreqs "$TEMP/m$maxreqs.tar" && cmp "$TEMP/m1.tar" "$TEMP/m$maxreqs.tar"'
done
for rank in 0 1 2; do
    check "and from rank $rank" eval \
        'SOURCE_DATE_EPOCH=1 on_rank $rank xylem-dump -q "$TEMP/r.tar" && cmp "$TEMP/m1.tar" "$TEMP/r.tar"'
done
get_in_time() { timeout 20 xylem kvs get a; }
dump -q --maxreqs=1000000 "$TEMP/many.tar" &
check_output 'others are answered meanwhile' 1 get_in_time
wait $!

sentence 19
entries() { leaf xylem stats --json | python3 -c 'import json, sys
print(json.load(sys.stdin)["cache"]["entries"])'; }
leaf xylem content dropcache
before=$(entries)
check 'a dump that passes by the caches is the same' eval \
    'SOURCE_DATE_EPOCH=1 dump -q --no-cache "$TEMP/x.tar" && cmp "$TEMP/m1.tar" "$TEMP/x.tar"'
check 'and has put nothing into the cache of its rank' [ "$(entries)" = "$before" ]
dump -q "$TEMP/x.tar"
check 'as another one does' [ "$(entries)" -gt "$before" ]

sentence 23
gone=blake2b-$(printf '0%.0s' {1..64})
check 'a key that leads to nothing is put' xylem kvs put -t \
    "torn.value={\"ver\":1,\"type\":\"valref\",\"data\":[\"$gone\"]}" "torn.dir={\"ver\":1,\"type\":\"dirref\",\"data\":[\"$gone\"]}"
xylem kvs put torn.fine=1
settle
dump --ignore-failed-read "$TEMP/torn.tar" 2>"$TEMP/said"
check 'it is a warning' [ $? = 0 ]
check 'that names the key' grep -q '^xylem-dump: torn\.value: left out: ' "$TEMP/said"
check 'and the directory' grep -q '^xylem-dump: torn\.dir: left out: ' "$TEMP/said"
check_output 'the others are there' 1 tar -xOf "$TEMP/torn.tar" torn/fine
check 'and those are not' eval '! tar -tf "$TEMP/torn.tar" | grep -E "torn/(value|dir)"'
half="{\"ver\":1,\"type\":\"valref\",\"data\":[\"$(xylem kvs get -t large | grep -o 'blake2b-[0-9a-f]*' | head -n 1)\",\"$gone\"]}"
check 'a value of which a part is there is put' xylem kvs put -t "torn.half=$half"
settle
check 'nothing of it is in the archive' eval 'dump -q --ignore-failed-read "$TEMP/torn.tar" 2>/dev/null &&
    ! tar -tf "$TEMP/torn.tar" | grep torn/half'
sentence 24
check_fails 'without the option it is an error' 'torn\.' dump "$TEMP/torn2.tar"
check 'and no file is left' eval '! ls "$TEMP"/torn2.tar* 2>/dev/null'
xylem kvs unlink -R torn
settle

sentence 26
# The pipe is full until the commit was made.
python3 -c 'import os, subprocess, sys
dump = subprocess.Popen(["xylem-dump", "-q", "--maxreqs=1", "-"], stdout=subprocess.PIPE)
begin = os.read(dump.stdout.fileno(), 512)
subprocess.check_call(["xylem", "kvs", "put", "a=new", "z=new", "wide.1100=new"])
subprocess.check_call(["xylem", "kvs", "unlink", "wide.1099"])
open(sys.argv[1], "wb").write(begin + dump.stdout.read())
sys.exit(dump.wait())' "$TEMP/live.tar"
check 'a dump during commits succeeds' [ $? = 0 ]
values() { for key in "$@"; do tar -xOf "$TEMP/live.tar" $key; done; }
check_output 'it shows the values from before' 1vv values a wide/1100 wide/1099
check 'and no key that came later' eval '! tar -tf "$TEMP/live.tar" | grep -x z'
check_output 'they were committed' new xylem kvs get wide.1100
check 'its root is the one from before' xylem-dump -q --verify "$TEMP/live.tar"

sentence 28
xylem kvs mkdir hollow deep.hollow
settle
dump -q "$TEMP/all.tar"
check_output 'values are files, links are links, and that is all' '- l' eval \
    'echo $(tar -tvf "$TEMP/all.tar" | cut -c 1 | sort -u)'
sentence 29
check 'empty directories are not there' eval '! tar -tf "$TEMP/all.tar" | grep hollow'
check 'nor those of a .zip' eval 'dump -q "$TEMP/all.zip" && ! python3 -m zipfile -l "$TEMP/all.zip" | grep hollow'
sentence 30
check_output 'a link to another namespace names it' 'other::x.y' eval 'tar -xf "$TEMP/all.tar" -C "$TEMP" far && readlink "$TEMP/far"'
check_output 'one without does not' 'b.c.d' eval 'tar -xf "$TEMP/all.tar" -C "$TEMP" link && readlink "$TEMP/link"'
sentence 31
check_output 'names are separated by slashes' $'b/c/d\nb/c/src.h' tar -tf "$TEMP/b.tar"

sentence 32
times() { python3 -c 'import sys, tarfile
print(*sorted({m.mtime for m in tarfile.open(sys.argv[1])}))' "$1"; }
before=$(date +%s)
dump -q "$TEMP/now.tar"
after=$(date +%s)
check 'the time is that of the dump' eval 'set -- $(times "$TEMP/now.tar"); [ $# = 1 ] && [ $before -le $1 ] && [ $1 -le $after ]'
sentence 3
check 'a checkpoint is made' xylem content checkpoint update
settle
recorded=$(xylem kvs getroot -b)
stamp=$(xylem content checkpoint list -j | head -n 1 | python3 -c 'import json, sys; print(int(json.load(sys.stdin)["timestamp"]))')
xylem kvs put after.checkpoint=1
settle
wait_until '[ "$(date +%s)" -gt $((stamp + 1)) ]'
check 'it is dumped' dump -q --checkpoint "$TEMP/checkpoint.tar"
check 'and not what came later' eval '! tar -tf "$TEMP/checkpoint.tar" | grep after'
sentence 18
check 'its root is that of the checkpoint' json_is "$(dump --json --checkpoint "$TEMP/checkpoint.tar")" "o['root'] == '$recorded'"
sentence 32
check_output 'with --checkpoint it is that of the checkpoint' "$stamp" times "$TEMP/checkpoint.tar"

sentence 33
ids() { python3 -c 'import sys, tarfile
print(*sorted({(m.uid, m.gid) for m in tarfile.open(sys.argv[1])}))' "$1"; }
check_output 'the owner is who dumps' "($(id -u), $(id -g))" ids "$TEMP/all.tar"
absent bsdtar 'in the other formats, too' || check_output 'in the other formats, too' "$(id -u) $(id -g)" eval '
    for e in cpio iso; do dump -q --include a "$TEMP/one.$e"; bsdtar --numeric-owner -tvf "$TEMP/one.$e" a; done |
        while read -r mode links uid gid rest; do echo $uid $gid; done | sort -u'
sentence 34
modes() { python3 -c 'import sys, tarfile
print(*sorted({oct(m.mode) for m in tarfile.open(sys.argv[1]) if m.isfile()}))' "$1"; }
check_output 'the mode is 0644' 0o644 modes "$TEMP/all.tar"
absent bsdtar 'in the other formats it is, too' || check_output 'in the other formats it is, too' '-rw-r--r--' eval '
    for e in zip cpio 7z iso; do dump -q --include a "$TEMP/one.$e"; bsdtar -tvf "$TEMP/one.$e" a; done | cut -c 1-10 | sort -u'

sentence 25
python3 "$ROOT/test/lib/sd_listener.py" "$TEMP/notify" "$TEMP/heard" &
listener=$!
wait_until 'grep -qs listening "$TEMP/heard"'
NUMBER=
stop_cluster
sentence 25
NOTIFY_SOCKET=$TEMP/notify start_cluster 3 1 -o --no-kvs --statedir "$TEMP/state"
check 'an archive is restored' on_rank 2 xylem-restore -q --sd-notify --checkpoint "$TEMP/checkpoint.tar"
check 'the timer of the service manager is reset' wait_until 'grep -q "EXTEND_TIMEOUT_USEC=10000000" "$TEMP/heard"'
check 'with a text for people' grep -qE 'STATUS=xylem-restore\(1\) has restored [0-9]+ keys' "$TEMP/heard"
check 'a dump tells, too' on_rank 2 xylem-dump -q --sd-notify --checkpoint "$TEMP/again.tar"
check 'how far it is' wait_until 'grep -qE "STATUS=xylem-dump\(1\) has archived [0-9]+ keys" "$TEMP/heard"'
sentence 27
check 'without a key-value store the checkpoint is dumped' json_is \
    "$(on_rank 1 xylem-dump --json --checkpoint "$TEMP/again.tar")" "o['root'] is not None and o['failed'] == 0"
check 'with the keys it had' eval 'cmp <(tar -tf "$TEMP/checkpoint.tar") <(tar -tf "$TEMP/again.tar")'
check_fails 'a current root is not there' '' on_rank 1 xylem-dump "$TEMP/none.tar"
NUMBER=
stop_cluster
kill $listener
wait $listener 2>/dev/null

# ---- is each sentence proved? ----
# The table with the checks that ran, in the order of the file.
table()
{
    python3 -c 'import re, sys
ran = {}
for line in open(sys.argv[2]):
    number, name = line.rstrip("\n").split("\t", 1)
    name = re.sub(" \\([0-9, ]*\\)$| # SKIP.*", "", name)
    if name not in ran.setdefault(int(number), []): ran[int(number)].append(name)
text = [l for l in open(sys.argv[1]).read().split("\n") if not l.startswith("    ")]
out, number = [], None
def flush():
    if number: out.extend("    " + name for name in ran.pop(number, ["(NOTHING)"]))
for line in text:
    start = re.match("([0-9]+)\\. ", line)
    if start or not line and number:
        flush()
        number = int(start[1]) if start else None
    out.append(line)
flush()
assert not ran, "no such sentences: %s" % list(ran)
sys.stdout.write("\n".join(out))' "$TABLE" "$RAN"
}
table >"$TEMP/table"
check 'each check belongs to a sentence' [ $? = 0 ]
[ "${1:-}" != --write ] || cp "$TEMP/table" "$TABLE"
check 'each sentence has a check that ran' eval '! grep -B 3 NOTHING "$TEMP/table"'
check 'and the table of them is right' diff "$TABLE" "$TEMP/table"
