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

# ---- formats ----
fill()
{
    xylem kvs put formats.a=1 formats.deep.down.b="$(seq 1 2000)" formats.with%2Edot.c= &&
        xylem kvs link a formats.link
}
check 'values, a directory, an odd name and a link are put' fill
# goes_through ENDING: the dump of a root, restored as the root, has its blobref again
goes_through()
{
    dump 4 -q "$TEMP/packed.$1" || return
    restore 5 -q --key=. "$TEMP/packed.$1" || return
    on_rank 0 xylem kvs wait "$(on_rank 5 xylem kvs version)"
    [ "$(xylem kvs getroot -b)" = "$root" ]
}
# The first restore leaves out what an archive cannot hold, such as empty directories.
check 'a first dump and restore' eval \
    'dump 4 -q "$TEMP/first.tar" && restore 4 -q --key=. "$TEMP/first.tar"'
xylem kvs wait "$(on_rank 4 xylem kvs version)"
root=$(xylem kvs getroot -b)
check_output 'the values are there' 1 xylem kvs get formats.a
for ending in tar tgz tar.gz tar.bz2 tar.xz zip cpio iso; do
    check "a .$ending brings back the same root" goes_through $ending
done

# ---- odd names and links ----
printf 'x' >"$TEMP/$(printf 'bad\xff')"
echo fine >"$TEMP/good"
tar -C "$TEMP" -cf "$TEMP/names.tar" good "$(printf 'bad\xff')"
check 'an archive with a name that is not UTF-8 is restored' \
    eval "restore 3 --key=odd '$TEMP/names.tar' 2>'$TEMP/why'"
check 'the name is told' grep -qa 'bad' "$TEMP/why"
check 'and counted' grep -qx 'xylem-restore: skipped 1 entries' "$TEMP/why"
check_output 'what stands beside it is there' fine on_rank 3 xylem kvs get odd.good
on_rank 3 xylem kvs unlink -R odd
check 'a link can lead to another namespace' \
    on_rank 3 xylem kvs link -T other there.key formats.far
check 'a dump has it' dump 3 -q "$TEMP/far.tar"
far_target() { tar -tvf "$TEMP/far.tar" formats/far | sed 's/.* -> //'; }
check_output 'with the namespace in front of the target' other::there.key far_target
check 'a restore takes it' restore 3 -q --key=back "$TEMP/far.tar"
check_output 'as a link to that namespace' other::there.key \
    on_rank 3 xylem kvs readlink back.formats.far
on_rank 3 xylem kvs unlink -R back
on_rank 3 xylem kvs unlink formats.far
check_fails 'a name without a known ending is refused' 'packed' dump 4 -q "$TEMP/packed.what"

# ---- errors name what the user wrote ----
dump_full() { dump 4 -q - >/dev/full; }
check_fails 'a full disk behind standard output is told' '^xylem-dump: standard output: No space' \
    dump_full
dump_limited() ( trap '' XFSZ; ulimit -f 16; dump 4 -q "$1" )
for ending in tar tgz zip; do
    check_fails "a .$ending that cannot grow is told by its name" \
        "^xylem-dump: $TEMP/limited.$ending: File too large" dump_limited "$TEMP/limited.$ending"
done
check_fails 'so is one in a directory that is not there' \
    '^xylem-dump: /nonexistent/a.tar: No such file' dump 4 -q /nonexistent/a.tar
check 'nothing is left of them' eval '! ls "$TEMP"/limited.*'

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

# ---- directories whose object is larger than a blob may be ----
many_keys() # in one commit, so wide that the directory has more than a megabyte
{
    seq 0 29999 | sed 's/.*/wide.dir.k&=v&/' | xargs -s 2000000 -n 30000 -x xylem kvs put
}
check 'a directory of 30000 keys is made' many_keys
check 'and dumped' dump 2 -q "$TEMP/wide.tar"
check 'it is restored under a key' restore 4 -q --key=back "$TEMP/wide.tar"
check_output 'with the same root' "$(xylem kvs get -t wide)" xylem kvs get -t back.wide
check_output 'and its values' v29999 on_rank 7 xylem kvs get back.wide.dir.k29999

# ---- what an archive cannot be written to ----
check_fails 'standard output that is closed is an error' '.' eval 'dump 2 -q --prefix=a - >&-'
check 'with all closed the archive is written' eval 'dump 2 -v --prefix=wide "$TEMP/closed.tar" <&- >&- 2>&-'
check 'and nothing else goes into it' xylem-dump -q --verify "$TEMP/closed.tar"
mkfifo "$TEMP/fifo.tar"
check_fails 'a FIFO is refused' 'fifo.tar: not a regular file' dump 2 -q "$TEMP/fifo.tar"
check 'and stays what it is' test -p "$TEMP/fifo.tar"
ln -s real.tar "$TEMP/link.tar"
echo old >"$TEMP/real.tar"
check 'of a link the file is replaced' dump 2 -q --prefix=wide "$TEMP/link.tar"
check 'and not the link' test -L "$TEMP/link.tar"
check 'the file is an archive' xylem-dump -q --verify "$TEMP/real.tar"

# ---- nothing but zeros is no archive of nothing ----
head -c 30720 /dev/zero >"$TEMP/zeros.iso"
before=$(on_rank 1 xylem kvs getroot -b)
check_fails 'zeros are refused' 'zeros.iso: nothing is in it' restore 1 --key=. "$TEMP/zeros.iso"
check_output 'and change nothing' "$before" on_rank 1 xylem kvs getroot -b

# ---- formats that tell at their end what is in them, from a pipe ----
xylem kvs put piped.a=1 piped.b="$(seq 1 1000)" && xylem kvs link piped.a piped.l
on_rank 2 xylem kvs wait "$(xylem kvs version)"
for format in zip 7z; do
    check "a .$format is dumped" dump 2 -q --prefix=piped "$TEMP/piped.$format"
    check 'it is restored from a pipe' eval 'cat "$TEMP/piped.$format" | restore 1 -q --key=out.$format -'
    on_rank 1 xylem kvs wait "$(xylem kvs version)"
    check_output 'links are links' piped.a on_rank 1 xylem kvs readlink "out.$format.piped.l"
    head -c "$(($(stat -c %s "$TEMP/piped.$format") - 30))" "$TEMP/piped.$format" >"$TEMP/cut.$format"
    check_fails 'one that is cut off is refused' '.' restore 1 -q --key=cut "$TEMP/cut.$format"
done
