#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# dump.sh - what an archive says about itself, which part of the keys is in it, and whether it is whole.
. "$(dirname "$0")/../lib/rig.sh"

start_cluster 4 2
export SOURCE_DATE_EPOCH=1700000000
dump() { on_rank 3 xylem-dump "$@"; }
restore() { on_rank 2 xylem-restore "$@"; }
settle() { on_rank 3 xylem kvs wait "$(on_rank 0 xylem kvs version)"; }

fill()
{
    xylem kvs put a.one=1 a.b.two=2 a.b.src%2Eh=three b=4 größe=5 \
        large="$(seq 1 2000)" "deep.$(printf 'n%.0s' {1..120}).x=long" &&
        xylem kvs link a.b link && xylem kvs put wide.{1..1500}=v
}
check 'keys are put' fill
settle
root=$(xylem kvs getroot -b)

# ---- the header ----
header() { head -c 1024 "$1" | tail -c +513 | tr -d '\0' | sed 's/^[0-9]* comment=xylem-archive //'; }
json_is() { python3 -c 'import json, sys
got = json.loads(sys.argv[1]); assert eval("(" + sys.argv[2] + ")", {"o": got}), got' "$@"; }
check 'everything is dumped' dump -q "$TEMP/full.tar"
check 'the header tells what it is' json_is "$(header "$TEMP/full.tar")" \
    "(o['version'], o['kind'], o['hash'], o['namespace'], o['root'], o['sequence'], o['maxdirent'],
      o['blob_size_limit']) == (1, 'full', 'blake2b', 'primary', '$root', $(xylem kvs version), 1024,
      1048576)"
unpacks_in_silence()
{
    rm -rf "$TEMP/out"
    mkdir "$TEMP/out"
    "$@" -C "$TEMP/out" 2>&1 | sed 's/^/said: /' | tee "$TEMP/said"
    [ "${PIPESTATUS[0]}" = 0 ] && [ ! -s "$TEMP/said" ] && [ "$(cat "$TEMP/out/a/b/src.h")" = three ] &&
        [ "$(cat "$TEMP/out/größe")" = 5 ] && [ -f "$TEMP/out/deep/$(printf 'n%.0s' {1..120})/x" ]
}
check 'tar unpacks it without a word' unpacks_in_silence tar -xf "$TEMP/full.tar"
if command -v bsdtar >/dev/null; then
    check 'so does bsdtar' unpacks_in_silence bsdtar -xf "$TEMP/full.tar"
else
    echo '# skipped: bsdtar is not installed'
fi
check 'and Python' unpacks_in_silence python3 -c 'import sys, tarfile
tarfile.open(sys.argv[1]).extractall(sys.argv[3])' "$TEMP/full.tar"
for pair in 'gz gzip' 'xz xz' 'zst zstd' 'bz2 bzip2'; do
    set -- $pair
    check "a .tar.$1 is dumped" dump -q "$TEMP/full.tar.$1"
    if command -v $2 >/dev/null; then
        check 'it holds the same bytes' eval "$2 -dc '$TEMP/full.tar.$1' | cmp - '$TEMP/full.tar'"
    else
        echo "# skipped: $2 is not installed"
    fi
done
set --
check 'so does standard output' eval 'dump -q - | cmp - "$TEMP/full.tar"'
for maxreqs in 1 3 64 1000; do
    check "the same bytes with --maxreqs=$maxreqs" \
        eval 'dump -q --no-cache --maxreqs=$maxreqs - | cmp - "$TEMP/full.tar"'
done

# ---- is it whole? ----
check 'a part is dumped' dump -q --prefix=a "$TEMP/header.tar"
check 'and verified' xylem-dump -q --verify "$TEMP/header.tar"
sed 's/"prefix":"a"/"prefix":"b"/' "$TEMP/header.tar" >"$TEMP/changed.tar"
check_fails 'a changed header is noticed' 'header was changed' xylem-dump --verify "$TEMP/changed.tar"
elsewhere() { xylem-restore -q --statedir "$TEMP/elsewhere" --key=. "$@"; }
check_fails 'and refused' 'header was changed' elsewhere "$TEMP/changed.tar"
check 'unless that is wanted' elsewhere --no-verify "$TEMP/changed.tar"
check 'the archive is verified without a rank' env -u XYLEM_URI xylem-dump --verify "$TEMP/full.tar"
check 'so are compressed ones' eval \
    'for e in gz xz zst bz2; do xylem-dump -q --verify "$TEMP/full.tar.$e" || exit; done'
check 'and one from standard input' eval 'xylem-dump -q --verify - <"$TEMP/full.tar.gz"'
check 'the summary can be JSON' json_is "$(xylem-dump --verify "$TEMP/full.tar" --json)" \
    "(o['verified'], o['root'], o['kind'], o['keys']) == (True, '$root', 'full', 1508)"
# change OFFSET-PATTERN NEW: bytes at the first place of the pattern in a copy of the archive
change()
{
    python3 -c 'import sys
data = open(sys.argv[1], "rb").read()
old, new = sys.argv[3].encode(), sys.argv[4].encode()
assert len(old) == len(new) and old in data
open(sys.argv[2], "wb").write(data.replace(old, new, 1))' "$TEMP/full.tar" "$TEMP/changed.tar" "$@"
}
change $'1998\n1999' $'1998\n1990'
check_fails 'a changed value is noticed' 'changed.tar.*were changed: their root is blake2b' \
    xylem-dump --verify "$TEMP/changed.tar"
check_fails 'a restore refuses it' 'changed after it was written' restore --key=bad "$TEMP/changed.tar"
check_fails 'and changes nothing' 'no such key' xylem kvs ls bad
check 'unless it is told to' restore -q --no-verify --key=bad "$TEMP/changed.tar"
check 'then it is there' xylem kvs get bad.large
xylem kvs unlink -R bad
size=$(stat -c %s "$TEMP/full.tar")
for cut in 1024 2048 3072 3584 100000; do
    head -c $((size - cut)) "$TEMP/full.tar" >"$TEMP/cut.tar"
    check_fails "one that lacks $cut bytes at its end is noticed" 'cut.tar: ' \
        xylem-dump --verify "$TEMP/cut.tar"
done
head -c -100 "$TEMP/full.tar.gz" >"$TEMP/cut.tar.gz"
check_fails 'so is a compressed one' 'cut.tar.gz: ' xylem-dump --verify "$TEMP/cut.tar.gz"
tar --delete -f "$TEMP/changed.tar" b
check_fails 'and one from which a key was taken' 'changed.tar: ' xylem-dump --verify "$TEMP/changed.tar"
tar -cf "$TEMP/other.tar" -C "$TEMP/out" a
check_fails 'an archive of somebody else tells nothing' 'no header' xylem-dump --verify "$TEMP/other.tar"
check_fails 'a missing file is an error' 'No such file' xylem-dump --verify "$TEMP/missing.tar"

# ---- what is in it ----
listing=$(printf 'a.b.src%%2Eh\t5\na.b.two\t1\na.one\t1\nb\t1\n')
check_output 'keys are listed with their sizes' "$listing" \
    xylem-dump --list "$TEMP/full.tar" --include 'a/*' --include b
check_output 'links with their targets' $'link\t-> a.b' xylem-dump --list "$TEMP/full.tar" --include link
check_output 'as JSON too' '{"key":"b","size":1}' xylem-dump --list "$TEMP/full.tar" --json --include b
check_output 'also from a pipe' $'link\t-> a.b' eval \
    'xylem-dump --list - --include link <"$TEMP/full.tar.zst"'
check_usage 'to list and to dump is too much' '--list takes one FILE \(--list=FILE\)' \
    xylem-dump --list a.tar b.tar
check_usage 'one is verified at a time' '--verify takes one FILE \(--verify=FILE\)' \
    xylem-dump --verify --json a.tar

# ---- a part ----
names() { tar -tf "$1" | tr '\n' ' '; }
check 'a directory is dumped' dump -q --prefix a.b "$TEMP/part.tar"
check_output 'it has the paths of the whole' 'a/b/src.h a/b/two ' names "$TEMP/part.tar"
check 'it says what it is' json_is "$(header "$TEMP/part.tar")" \
    "(o['kind'], o['prefix'], o['root']) == ('partial', 'a.b', '$root')"
check 'so is a value' dump -q --prefix=a.b.src%2Eh "$TEMP/part.tar"
check_output 'alone' 'a/b/src.h ' names "$TEMP/part.tar"
entries() { tail -c +1025 "$1" | head -c -2048; }
check 'the root is no part' eval \
    'dump -q --prefix=. "$TEMP/root.tar" && cmp <(entries "$TEMP/root.tar") <(entries "$TEMP/full.tar")'
check 'so is a link' dump -q --prefix=link "$TEMP/part.tar"
check_output 'as it is' 'link ' names "$TEMP/part.tar"
check 'an entry of a wide directory too' dump -q --prefix=wide.77 "$TEMP/part.tar"
check_output 'alone' 'wide/77 ' names "$TEMP/part.tar"
check_fails 'a prefix that is not there is an error' 'nowhere' dump --prefix=a.nowhere "$TEMP/none.tar"
check 'and leaves no file' eval '! ls "$TEMP"/none.tar* 2>/dev/null'
check 'patterns choose' dump -q --include 'a/*' --include b --exclude '*.h' "$TEMP/part.tar"
check_output 'what is archived' 'a/b/two a/one b ' names "$TEMP/part.tar"
check 'or leave out' dump -q --exclude 'wide/*' --exclude 'deep*' "$TEMP/part.tar"
check_output 'what is not' 'a/b/src.h a/b/two a/one b größe large link ' names "$TEMP/part.tar"
dump --include 'a.*' "$TEMP/nothing.tar" 2>"$TEMP/said"
check 'patterns that choose nothing are no error' [ $? = 0 ]
check 'but they are told, before the last line' eval \
    'tail -n 2 "$TEMP/said" | head -n 1 | grep -q "^xylem-dump: no key matches --include and --exclude" &&
     tail -n 1 "$TEMP/said" | grep -q "^xylem-dump: archived 0 keys, 0 bytes, root $root$"'
check_output 'and the archive is empty' '' names "$TEMP/nothing.tar"
xylem-dump --verify "$TEMP/part.tar" 2>"$TEMP/said"
check 'a part can be verified' [ $? = 0 ]
only_content() { grep -q '^xylem-dump: the content is what was archived; the root cannot be computed' "$1"; }
check 'but not its root, which is said before the last line' eval \
    'head -n -1 "$TEMP/said" | only_content - && tail -n 1 "$TEMP/said" | grep -q "^xylem-dump: verified 7 keys, "'
xylem-dump --verify "$TEMP/full.tar" 2>"$TEMP/said"
check 'with all of it, it can' eval '! only_content "$TEMP/said" && grep -q "^xylem-dump: verified 1508 keys" "$TEMP/said"'
check_fails 'standard input is called so' 'dump: standard input: ' eval 'head -c 5000 "$TEMP/full.tar" | xylem-dump --verify -'
check_fails 'in a list, too' 'dump: standard input: ' eval 'head -c 5000 "$TEMP/full.tar" | xylem-dump --list -'
check_fails 'and when it was changed' 'dump: standard input: .*were changed' eval \
    'sed "s/^1999$/1990/" "$TEMP/full.tar" | xylem-dump --verify -'
check_fails 'a restore calls it so, too' 'restore: standard input: the archive was changed' eval \
    'sed "s/^1999$/1990/" "$TEMP/full.tar" | restore --key=bad -'
python3 -c 'import sys
data = bytearray(open(sys.argv[1], "rb").read())
data[data.index(b"three")] ^= 1
open(sys.argv[2], "wb").write(data)' "$TEMP/part.tar" "$TEMP/changed.tar"
check_fails 'and a change is noticed' 'were changed' xylem-dump --verify "$TEMP/changed.tar"

# ---- values that are stored in another way than a restore would ----
append() { for i in 1 2 3; do xylem kvs put -r -A "log=-" <"$1" || return; done; }
seq 1 20 >"$TEMP/short"
seq 1 3000 >"$TEMP/long"
check 'values are appended to' eval 'append "$TEMP/short" && append "$TEMP/long"'
xylem kvs mkdir empty
settle
check 'they are dumped' dump -q "$TEMP/appended.tar.gz"
xylem-dump --verify "$TEMP/appended.tar.gz" 2>"$TEMP/said"
check 'and verified' [ $? = 0 ]
check 'without the root' only_content "$TEMP/said"
zcat "$TEMP/appended.tar.gz" | sed 's/^2999$/2998/' >"$TEMP/changed.tar"
check_fails 'a change is noticed' 'were changed' xylem-dump --verify "$TEMP/changed.tar"
xylem kvs unlink log
xylem kvs unlink -R empty
settle

# ---- another root ----
xylem kvs namespace create other
xylem kvs -N other put in.other=1 2>/dev/null || xylem kvs put -N other in.other=1
check 'another namespace is dumped' on_rank 0 xylem-dump -q --namespace other "$TEMP/other.tar"
check_output 'with its keys' 'in/other ' names "$TEMP/other.tar"
check_fails 'one that is not there is an error' 'nosuch' dump --namespace nosuch "$TEMP/none.tar"
xylem kvs put b=changed
check 'an older root is dumped' dump -q --root "$root" "$TEMP/old.tar"
check_output 'as it was' 4 tar -xOf "$TEMP/old.tar" b
check_fails 'what is no root is refused' 'blobref' dump --root primary "$TEMP/none.tar"
check_fails 'nor is one that is not there' 'root: blake2b-0* is not stored \(any more\)$' \
    dump --root "blake2b-$(printf '0%.0s' {1..64})" "$TEMP/none.tar"
check_fails 'nor is a tree object' 'root: .*getroot -b' dump --root "$(xylem kvs getroot)" "$TEMP/none.tar"
check 'and no file is left' eval '! ls "$TEMP"/none.tar* 2>/dev/null'
summary=$(dump --json --namespace primary --root "$root" "$TEMP/old.tar" 2>"$TEMP/err")
check 'the summary of a dump can be JSON' json_is "$summary" \
    "(o['keys'], o['root'], o['namespace'], o['sequence'], o['kind'], o['failed']) ==
     (1508, '$root', 'primary', None, 'full', 0) and o['bytes'] > 8000 and o['seconds'] > 0"
check 'and stderr is empty' [ ! -s "$TEMP/err" ]
dump --json - >"$TEMP/out.tar" 2>"$TEMP/err"
check 'it is on stderr when stdout is the archive' json_is "$(cat "$TEMP/err")" "o['keys'] == 1508"
