#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# dump_names.sh - names that are long, deep, or not ASCII go into an archive and come back, in any locale.
. "$(dirname "$0")/../lib/rig.sh"

start_cluster 2
dump() { on_rank 1 xylem-dump "$@"; }
restore() { on_rank 1 xylem-restore "$@"; }
settle() { on_rank 1 xylem kvs wait "$(xylem kvs version)"; }
json_is() { python3 -c 'import json, sys
o = json.loads(sys.argv[1]); assert eval(sys.argv[2]), o' "$@"; }
# repeat TEXT COUNT
repeat() { printf "$1%.0s" $(seq "$2"); }

# ---- what there is ----
# A list of keys, each of which has its own number as its value.
python3 - >"$TEMP/keys" <<'END'
names = ["größe", "日本", "🌲", "é", "a b", "tab-less", "100%", "a%2Eb".replace("%2E", "%252E"), "..."
         .replace(".", "%2E"), "-", "--help", "*", "~", "'\"", "\\n", "$(x)", "ß" * 120, "🌲" * 60]
keys = ["utf." + n for n in names]
for length in 54, 55, 99, 100, 101, 154, 155, 156, 254, 255, 256, 257, 500, 1023, 1024:
    keys.append("long.n%d.%s" % (length, "n" * length))          # a name
for length in 99, 100, 101, 155, 156, 255, 256, 257, 300, 1000, 4000:
    path = "deep/p%d/" % length                                   # a path of so many bytes
    while len(path) < length - 60:
        path += "d" * 49 + "/"
    path += "f" * (length - len(path)) if len(path) < length else "f"
    keys.append(path.replace("/", "."))
for depth in 2, 64, 127, 128:
    keys.append(".".join(["levels"] + ["l%d" % i for i in range(depth - 2)] + ["end%d" % depth]))
print("\n".join(keys))
END
lines=$(wc -l <"$TEMP/keys")
put_all()
{
    local n=0 key

    while IFS= read -r key; do
        n=$((n + 1))
        printf %d $n | xylem kvs put -r "$key=-" || { echo "$key"; return 1; }
    done <"$TEMP/keys"
}
check "$lines keys are put" put_all
settle
root=$(xylem kvs getroot -b)
values_are_right() # PREFIX
{
    local n=0 key

    while IFS= read -r key; do
        n=$((n + 1))
        [ "$(on_rank 1 xylem kvs get -- "$1$key")" = $n ] || { echo "$1$key"; return 1; }
    done <"$TEMP/keys"
}

# ---- in each locale ----
export SOURCE_DATE_EPOCH=1
LC_ALL=C.UTF-8 dump -q --root=$root "$TEMP/utf8.tar"
check 'a dump succeeds' [ $? = 0 ]
none() { env -u LC_ALL -u LANG -u LC_CTYPE -u LANGUAGE "$@"; }
in_c() { env LC_ALL=C "$@"; }
in_posix() { env -u LC_ALL LANG=POSIX "$@"; }
in_none_such() { env LC_ALL=xx_YY.latin1 "$@"; }
URI=local://$RUNDIR/local-1
for how in none in_c in_posix in_none_such; do
    check "the same bytes come out, $how" eval '$how xylem-dump -u $URI -q --root=$root - | cmp - "$TEMP/utf8.tar"'
    check "the same root comes back, $how" json_is \
        "$($how xylem-restore -u $URI --json --key=. "$TEMP/utf8.tar")" "(o['root'], o['failed'], o['verified']) == ('$root', 0, True)"
    check "the same keys are listed, $how" eval \
        'cmp <($how xylem-dump --list "$TEMP/utf8.tar" | cut -f 1 | LC_ALL=C sort) <(LC_ALL=C sort "$TEMP/keys")'
    check "and -v names them, $how" eval \
        'cmp <($how xylem-dump -u $URI -v - 2>&1 >/dev/null | head -n -1 | LC_ALL=C sort) <(LC_ALL=C sort "$TEMP/keys")'
    check "it is verified, $how" $how xylem-dump -q --verify "$TEMP/utf8.tar"
    for format in tar.gz zip cpio 7z; do
        check "a .$format brings it back, $how" eval '$how xylem-dump -u $URI -q --exclude "long/*" --exclude "deep/*" \
            --exclude "levels/*" "$TEMP/x.$format" && $how xylem-restore -u $URI -q --key=copy "$TEMP/x.$format" &&
            [ "$(xylem kvs get copy.utf.größe)" = 1 ] && [ "$(xylem kvs get copy.utf.日本)" = 2 ] &&
            [ "$(xylem kvs get "copy.utf.$(repeat ß 120)")" = 17 ] && [ "$(xylem kvs get "copy.utf.$(repeat 🌲 60)")" = 18 ]'
        xylem kvs unlink -R copy
        settle
    done
done
check 'all values are right' values_are_right ''

# Two names that look the same, of one and of two characters.
check 'two names that look alike are put' eval "xylem kvs put \$'alike.\\u00e9=one' \$'alike.e\\u0301=two'"
settle
check 'they are dumped and restored' eval 'dump -q --prefix=alike "$TEMP/alike.tar" && restore -q --key=x "$TEMP/alike.tar"'
check_output 'and stay what they are' "$(xylem kvs get -t alike)" xylem kvs get -t x.alike
xylem kvs unlink -R x alike
settle

# ---- others read it ----
python_reads() { in_c python3 -X utf8 -c 'import sys, tarfile
names = {m.name for m in tarfile.open(sys.argv[1])}
keys = {l.rstrip("\n").replace(".", "/").replace("%2E", ".").replace("%25", "%") for l in open(sys.argv[2])}
assert names == keys, names ^ keys' "$TEMP/utf8.tar" "$TEMP/keys"; }
check 'Python reads all names' python_reads
# A file system has no names of more than 255 bytes.
tar_reads() { mkdir "$TEMP/out" && LC_ALL=C tar -C "$TEMP/out" --exclude 'long/n25[67]/*' --exclude 'long/n500/*' \
    --exclude 'long/n102*/*' -xf "$TEMP/utf8.tar" && [ "$(cat "$TEMP/out/utf/größe")" = 1 ] &&
    [ "$(cat "$TEMP/out/long/n255/$(repeat n 255)")" -gt 0 ]; }
check 'tar unpacks what a file system takes' tar_reads
check 'and packs it again' eval 'LC_ALL=C tar -C "$TEMP/out" -cf "$TEMP/again.tar" utf levels'
# Of 128 names none is left for the key in front.
again() { in_c xylem-restore -u $URI -q --key=again "$TEMP/again.tar" 2>&1 | tee "$TEMP/said"; return "${PIPESTATUS[0]}"; }
check 'which is restored' again
check 'but for a key that is too long there' grep -q '/end128: the key below the target is too long, skipping' "$TEMP/said"
check_output 'with the same keys' "$(xylem kvs get -t utf)" xylem kvs get -t again.utf
deep() { xylem kvs dir -R "$1" | grep -o 'end[0-9]* *=.*' | grep -v end128; }
check_output 'also the deep ones' "$(deep levels)" deep again.levels
xylem kvs unlink -R again

# ---- what is too long, or no name ----
# make FILE NAME...: in the order of Python's bytes
make() { python3 -c 'import io, os, sys, tarfile
t = tarfile.open(sys.argv[1], "w", format=tarfile.PAX_FORMAT)
for name in sys.argv[2:]:
    i = tarfile.TarInfo(name); i.size = 1
    t.addfile(i, io.BytesIO(b"1"))
t.close()' "$@"; }
make "$TEMP/odd.tar" good "$(repeat n 1025)" "$(seq -s / 129)" "$(repeat "$(repeat d 200)/" 90)x"
restore --key=odd "$TEMP/odd.tar" 2>"$TEMP/said"
check 'names that are too long, too deep, too many, are skipped' [ $? = 0 ]
check 'by name' eval '[ $(grep -c "skipping$" "$TEMP/said") = 3 ]'
check 'and counted' grep -q 'skipped 3 entries' "$TEMP/said"
check_output 'what stands beside them is there' 1 xylem kvs get odd.good
# With the key of --key in front a path may be too deep, though it is not in the archive.
make "$TEMP/deep.tar" "$(seq -s / 127)"
check 'what is as deep as can be is restored' restore -q --key=x "$TEMP/deep.tar"
restore -q --key=x.y.z "$TEMP/deep.tar" 2>"$TEMP/said"
check 'what is deeper is skipped by name' grep -q '/127: the key below the target is too long, skipping' "$TEMP/said"
