#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# archive.sh - a directory tree goes in at one rank and comes out at another.
. "$(dirname "$0")/../lib/rig.sh"

start_cluster 8 2

# ---- a tree with everything a key can be ----
tree=$TEMP/tree
mkdir -p "$tree/inc/sys" "$tree/deep/1/2/3/4/5/6/7/8" "$tree/with space"
echo '#include <x>' >"$tree/inc/stdio.h"
echo plain >"$tree/inc/stdio"
echo percent >"$tree/inc/100%"
echo quoted >"$tree/inc/a%2Eb"
echo unquoted >"$tree/inc/a.b"
echo hidden >"$tree/.hidden"
echo '...' >"$tree/inc/v1.2.3"
echo ünï >"$tree/with space/ünïcödé 日本"
printf 'x%.0s' {1..54} >"$tree/inline54"
printf 'x%.0s' {1..55} >"$tree/blob55"
: >"$tree/empty"
head -c 3000000 /dev/urandom >"$tree/deep/1/2/3/4/5/6/7/8/large"
echo long >"$tree/$(printf 'n%.0s' {1..200})"
ln -s stdio.h "$tree/inc/link.h"
ln -s nowhere/at.all "$tree/dangling"
for i in {1..300}; do echo "$i" >"$tree/inc/sys/file$i.h"; done
tar -C "$TEMP" -cf "$TEMP/in.tar" tree

restore() { on_rank "$1" xylem-restore "${@:2}"; }
dump() { on_rank "$1" xylem-dump "${@:2}"; }
# same_tree ARCHIVE FOLDER: the archive holds the tree in that folder
same_tree()
{
    rm -rf "$TEMP/out"
    mkdir "$TEMP/out"
    tar -C "$TEMP/out" -xf "$1" && diff -r --no-dereference "$tree" "$TEMP/out/$2"
}
last_line_is() { tail -n 1 "$TEMP/summary" | grep -qE "$1"; }

restore 3 --key=put.here "$TEMP/in.tar" 2>"$TEMP/summary"
check 'a tree is restored at rank 3' [ $? = 0 ]
check 'the last line says how much' \
    last_line_is '^xylem-restore: restored [0-9]+ keys, [0-9]+ bytes, root blake2b-[0-9a-f]{64}$'
version=$(xylem kvs version)
check 'rank 6 sees the new root' on_rank 6 xylem kvs wait "$version"
check_output 'its files are keys' plain on_rank 6 xylem kvs get put.here.tree.inc.stdio
check_output 'a dot in their names is quoted' '#include <x>' \
    on_rank 6 xylem kvs get put.here.tree.inc.stdio%2Eh
export SOURCE_DATE_EPOCH=1700000000
dump 6 "$TEMP/out.tar" 2>"$TEMP/summary"
check 'everything is dumped at rank 6' [ $? = 0 ]
check 'the last line says how much' \
    last_line_is '^xylem-dump: archived [0-9]+ keys, [0-9]+ bytes, root blake2b-[0-9a-f]{64}$'
check 'it came back the same' same_tree "$TEMP/out.tar" put/here/tree
check 'a quiet dump is made at rank 1' dump 1 -q "$TEMP/again.tar"
check 'same root, same bytes' cmp "$TEMP/out.tar" "$TEMP/again.tar"

# ---- streams, compression, a prefix ----
through_pipes()
{
    dump 5 -q - | restore 2 -q --key=copy - || return 1
    on_rank 7 xylem kvs wait "$(xylem kvs version)"
    [ "$(xylem kvs get copy.put.here.tree.inc.stdio)" = plain ]
}
check 'a dump can be piped into a restore' through_pipes
for ending in tgz tar.bz2 tar.xz; do
    check "a .$ending is written" dump 4 -q "$TEMP/packed.$ending"
done
check_fails 'a name without a known ending is refused' 'packed' dump 4 -q "$TEMP/packed.what"

# ---- the whole root ----
root_before=$(xylem kvs getroot -b)
check 'the root is replaced by an archive of it' restore 7 -q --key=. "$TEMP/out.tar"
check 'the copy is gone' [ -z "$(xylem kvs get copy.put.here.tree.inc.stdio 2>/dev/null)" ]
check 'the root is another one' [ "$(xylem kvs getroot -b)" != "$root_before" ]
on_rank 3 xylem kvs wait "$(xylem kvs version)"
check 'what is dumped now' dump 3 -q "$TEMP/third.tar"
check 'is the archive' same_tree "$TEMP/third.tar" put/here/tree

# ---- refusals ----
check_usage 'a restore needs a target' '--key.*--checkpoint' restore 1 "$TEMP/in.tar"
check_fails 'a missing archive is an error' 'No such file' restore 1 --key=x "$TEMP/missing.tar"
head -c 5000 /dev/urandom >"$TEMP/junk.tar"
check_fails 'junk is not an archive' 'junk' restore 1 --key=x "$TEMP/junk.tar"
check_fails 'and changes nothing' 'no such key' xylem kvs get x
head -c 40000 "$TEMP/out.tar" >"$TEMP/cut.tar"
check_fails 'nor does an archive that was cut short' '.' restore 1 --key=x "$TEMP/cut.tar"
check_fails 'which leaves no key' 'no such key' xylem kvs ls x
