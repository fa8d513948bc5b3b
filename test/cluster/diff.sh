#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# diff.sh - what is different between two archives, two roots, or one of each: the same lines in all cases.
. "$(dirname "$0")/../lib/rig.sh"

start_cluster 4 2
here() { on_rank 3 xylem kvs "$@"; }
dump() { on_rank 3 xylem-dump "$@"; }
compare() { dump --diff "$@"; }
# without a rank
offline() { (unset XYLEM_URI && xylem-dump --diff "$@"); }
kvs_diff() { here diff "$@"; }
root_now() { here getroot -b; }
nothing=blake2b-$(printf '0%.0s' {1..64})
head -c 3000000 /dev/urandom >"$TEMP/large"
{ head -c 2999999 "$TEMP/large"; echo; } >"$TEMP/large2"

# ---- two roots, and an archive of each ----
here put same=1 a.gone=1 a.changed=old a.kind=value b.x.y.z=deep "big=$(seq 1 500)"
here put large=- <"$TEMP/large"
here link a.gone lnk
here link a.gone goes
here mkdir void
seq 0 2999 | sed 's/.*/wide.k&=v&/' | xargs -n 1000 xylem kvs put
here wait "$(xylem kvs version)"
old=$(here getroot -b)
check 'a root is dumped' dump -q "$TEMP/old.tar"
here unlink a.gone
here unlink goes
here unlink -R b.x
here put a.changed=new a.kind.now=dir a.new=1 wide.k77=other wide.more=1 "big=$(seq 2 501)"
here put large=- <"$TEMP/large2"
here link same lnk
here unlink wide.k78
new=$(here getroot -b)
check 'and the one after some changes' dump -q "$TEMP/new.tar"
lines='~ a.changed
- a.gone
- a.kind
+ a.kind.now
+ a.new
+ b.
- b.x.y.z
~ big
- goes
~ large
~ lnk
~ wide.k77
- wide.k78
+ wide.more'
check_output 'this is what kvs diff tells' "$lines" kvs_diff "$old" "$new"
check_output 'the roots are different in the same way' "$lines" compare "$old" "$new"
known=$(grep -vx '+ b\.' <<<"$lines")
check_output 'the archives in all but an empty directory' "$known" offline "$TEMP/old.tar" "$TEMP/new.tar"
check_output 'a root and an archive' "$known" compare "$old" "$TEMP/new.tar"
check_output 'an archive and a root' "$known" compare "$TEMP/old.tar" "$new"
check_output 'the other way, what was added was removed' "$(tr '+-' '-+' <<<"$lines")" \
    compare "$new" "$old"
check_output 'also from an archive' "$(tr '+-' '-+' <<<"$known")" compare "$new" "$TEMP/old.tar"
check_output 'JSON is that of kvs diff' "$(kvs_diff -j "$old" "$new")" compare --json "$old" "$new"
check_output 'also from archives, for what they tell' \
    "$(kvs_diff -j "$old" "$new" | grep -v '"key":"b"')" offline --json "$TEMP/old.tar" "$TEMP/new.tar"
check_output 'one load at a time gives the same lines' "$lines" compare --maxreqs=1 "$old" "$new"
check_output 'only some keys can be compared' '~ wide.k77
+ wide.more' compare --include='wide/*' --exclude='*8' "$old" "$new"
check_output 'a root is as itself' '' compare "$new" "$new"
check_output 'as its archive, although the archive has no empty directories' '' \
    compare "$new" "$TEMP/new.tar"
check_output 'and so is the archive as the root' '' compare "$TEMP/new.tar" "$new"
check_output 'and as itself' '' offline "$TEMP/new.tar" "$TEMP/new.tar"
from_stdin() { xylem-dump --diff "$@" <"$TEMP/new.tar"; }
check_output 'one can come from standard input' '' from_stdin - "$TEMP/new.tar"

# ---- formats ----
for ending in zip tar.zst cpio; do
    check "the root is dumped as .$ending" dump -q "$TEMP/new.$ending"
    check_output "a .$ending is as the root" '' compare "$TEMP/new.$ending" "$new"
    check_output "two archives, one a .$ending" "$known" offline "$TEMP/old.tar" "$TEMP/new.$ending"
done
mkdir "$TEMP/unpacked"
tar -C "$TEMP/unpacked" -xf "$TEMP/new.tar"
tar -C "$TEMP/unpacked" -cf "$TEMP/foreign.tar" .
check_output 'an archive made by others is as the root' '' compare "$TEMP/foreign.tar" "$new"
echo changed >"$TEMP/unpacked/a/changed"
tar -C "$TEMP/unpacked" -cf "$TEMP/foreign.tar" .
check_output 'unless it is not' '~ a.changed' compare "$TEMP/foreign.tar" "$new"

# ---- values that are stored in other blobs than their size tells ----
for i in {1..20}; do here put -A log="entry $i of a log that grows;" other.log$((i % 5))="$i;"; done
head -c 700000 "$TEMP/large" | here put -A grown=-
head -c 700000 "$TEMP/large2" | here put -A grown=-
root=$(here getroot -b)
check 'a root with appended values is dumped' dump -q "$TEMP/log.tar"
check_output 'its archive is as it is' '' compare "$TEMP/log.tar" "$root"
check_output 'in both directions' '' compare "$root" "$TEMP/log.tar"
here put -A log=. other.log3=.
here get -r grown | here put copy=-
now=$(here getroot -b)
check_output 'a byte more is a difference' '+ copy
~ log
~ other.log3' compare "$TEMP/log.tar" "$now"
check 'a later one' dump -q "$TEMP/log2.tar"
here get -r copy | here put grown=-
check_output 'put at once is no difference to appended' '' compare --include=grown \
    "$TEMP/log2.tar" "$(here getroot -b)"
check_output 'to roots it is, as kvs diff says' '~ grown' compare "$now" "$(here getroot -b)"

# ---- archives that tell more ----
root=$(root_now)
check 'an exact archive is made' dump --exact -q "$TEMP/exact.tar"
check_output 'it is as its root' '' compare "$TEMP/exact.tar" "$root"
check_output 'and as a plain one of it' '' eval 'dump -q "$TEMP/plain.tar" && offline "$TEMP/exact.tar" "$TEMP/plain.tar"'
here unlink void
here mkdir hollow
check_output 'it tells of empty directories' '+ hollow.
- void.' compare "$TEMP/exact.tar" "$(root_now)"
check_output 'which a plain one cannot' '' compare "$TEMP/plain.tar" "$(root_now)"
here namespace create other
here put -N other only.here=1
check 'all that the instance knows is archived' dump --all -q "$TEMP/all.tar"
here put late=1
check_output 'of that the primary namespace is compared' '+ late' compare "$TEMP/all.tar" "$(root_now)"
check_output 'also with another archive' '+ hollow.
- void.' offline "$TEMP/exact.tar" "$TEMP/all.tar"

# ---- what cannot be compared ----
check 'a part is dumped' dump -q --prefix=a "$TEMP/part.tar"
check_fails 'a part of a tree is refused by name' 'part\.tar: .*partial' \
    offline "$TEMP/part.tar" "$TEMP/new.tar"
check_fails 'on both sides' 'part\.tar: .*partial' compare "$new" "$TEMP/part.tar"
check_fails 'a file that is not there is named' 'none\.tar: No such file' compare "$new" "$TEMP/none.tar"
check_fails 'so is a root' "\\.: $nothing: No such file" compare "$new" "$nothing"
check_fails 'a root of another hash is none of this instance' 'another instance' \
    compare "$new" "sha1-$(printf '0%.0s' {1..40})"
check_fails 'a tree object is not a root' 'use "xylem kvs getroot -b"' compare "$new" "$(here getroot)"
check_fails 'nor is half a blobref' 'blake2b-12: neither a blobref nor a file' compare blake2b-12 "$new"
echo junk >"$TEMP/junk.tar"
check_fails 'what is no archive is named' 'junk\.tar: ' offline "$TEMP/junk.tar" "$TEMP/new.tar"
head -c 100000 "$TEMP/old.tar" >"$TEMP/cut.tar"
check_fails 'so is one that was cut off' 'cut\.tar: ' offline "$TEMP/new.tar" "$TEMP/cut.tar"
check_fails 'a root needs a rank' 'XYLEM_URI' offline "$new" "$TEMP/new.tar"
check_usage 'two are needed' 'needs two' compare "$new"
check_usage 'and no more' 'needs two' compare "$new" "$new" "$new"
check_usage 'they cannot both be standard input' 'standard input' compare - -
check_usage 'one thing at a time' 'exclude each other' compare --list="$TEMP/new.tar" "$new" "$old"
check_fails 'lines that cannot be written are an error' 'write|No space' \
    eval 'compare "$old" "$new" >/dev/full'
