#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# offline.sh - dump and restore without an instance: state directories of Xylem and of Flux.
. "$(dirname "$0")/../lib/rig.sh"

state=$TEMP/state
export SOURCE_DATE_EPOCH=1700000000
PATH=$BUILD/test/unit/store:$PATH
rows() { python3 "$ROOT/test/lib/rows.py" "$@"; }
offline_dump() { env -u XYLEM_URI xylem-dump --statedir "$state" "$@"; }
offline_restore() { env -u XYLEM_URI xylem-restore "$@"; }
launch() { xylem-launch -n 1 --statedir "$@"; } # DIR [OPTION...] COMMAND...
# What is in a directory, with the times of the files.
fingerprint() { (cd "$1" && stat -c '%n %s %y' . * && sha256sum *) 2>&1; }
is_unchanged() { [ "$(fingerprint "$1")" = "$2" ]; }
root_of() { launch "$1" "${@:2}" xylem kvs getroot -b; }
blob_of() { xylem kvs get --treeobj "$1" | sed 's/.*\["//; s/".*//'; } # its first one
# says PATTERN COMMAND...: it succeeds, with this on stderr
says() { "${@:2}" >"$TEMP/said" 2>&1 && grep -qE "$1" "$TEMP/said" || { cat "$TEMP/said"; false; }; }
is_verified='verified: the tree is the one that was archived'

# ---- the same as with a rank ----
fill()
{
    seq -f 'many.dir%03g.key=value' 300 | xargs xylem kvs put &&
        seq -f 'wide.k%g=1' 1500 | xargs xylem kvs put &&
        head -c 2500000 /dev/urandom | xylem kvs put --raw large=- &&
        for i in 1 2 3; do seq $i 4000 | xylem kvs put --append --raw log=- || return; done &&
        xylem kvs link many.dir001 link && xylem kvs mkdir empty.dir &&
        xylem kvs put größe=5 d%2Eot=6 &&
        xylem kvs namespace create other && xylem kvs put -N other a.b=1 c=2
}
variants()
{
    cat <<END
full
exact --exact
prefix --prefix=many.dir007
key-prefix --prefix=many.dir007.key
link --prefix=link.key
filtered --exclude=many/* --exclude=wide/k1*
other --namespace=other
checkpoint --checkpoint
old --root=$old --exact
since --since=$old
all --all
END
}
start_cluster 1 --statedir "$state"
check 'keys are put' fill
old=$(xylem kvs getroot -b)
check 'a checkpoint is recorded' xylem content checkpoint update "$old"
check_fails 'a directory in use is not dumped' \
    "state: in use by a broker that is running \(pid $(rank_pid 0)\)" offline_dump "$TEMP/no.tar"
check 'no archive is left' [ ! -e "$TEMP/no.tar" ]
tar -cf "$TEMP/empty.tar" -T /dev/null
check_fails 'nor is it restored to' "state: in use by another broker \(pid $(rank_pid 0)\)" \
    offline_restore --statedir "$state" --key=x "$TEMP/empty.tar"
check 'which does not disturb the broker' xylem kvs put more=1 many.dir002.key=other
root=$(xylem kvs getroot -b)
while read -r name options; do
    check "dumped at the rank: $name" xylem-dump -q $options "$TEMP/$name.tar"
done < <(variants)
log=$(blob_of log) wide=$(blob_of wide) large=$(blob_of large)
kill_rank 0 KILL
check 'a broker that is killed leaves a log' [ -s "$state/content.sqlite-wal" ]
before=$(fingerprint "$state")
while read -r name options; do
    check "and without it: $name" offline_dump -q $options "$TEMP/offline.tar"
    check 'they are the same bytes' cmp "$TEMP/$name.tar" "$TEMP/offline.tar"
done < <(variants)
for maxreqs in 1 64; do
    check "the same bytes with --maxreqs=$maxreqs" \
        eval 'offline_dump -q --maxreqs=$maxreqs - | cmp - "$TEMP/full.tar"'
done
check 'differences are told' \
    eval 'offline_dump --diff "$old" "$root" | cmp - <(printf "~ many.dir002.key\n+ more\n")'
check 'nothing in the directory is changed' is_unchanged "$state" "$before"
stop_cluster
launch "$state" true # brings the log into the file
check 'after an orderly end there is no log' [ ! -e "$state/content.sqlite-wal" ]
before=$(fingerprint "$state")
check 'then too it is the same' eval 'offline_dump -q - | cmp - "$TEMP/full.tar"'
check 'and nothing is changed' is_unchanged "$state" "$before"
check 'fsck finds nothing' xylem-fsck --statedir "$state"

# ---- what is not there ----
check_fails 'a directory that is not there is not dumped' 'nowhere/content.sqlite.*no such file' \
    xylem-dump --statedir "$TEMP/nowhere" "$TEMP/no.tar"
mkdir "$TEMP/bare"
check_fails 'nor one without a file' 'bare/content.sqlite.*no such file' \
    xylem-dump --statedir "$TEMP/bare" "$TEMP/no.tar"
check 'nothing is made for it' [ ! -e "$TEMP/nowhere" ] && [ -z "$(ls -A "$TEMP/bare")" ] &&
    [ ! -e "$TEMP/no.tar" ]
echo 'this is my diary' >"$TEMP/bare/content.sqlite"
check_fails 'what is no database is refused' 'not an SQLite database' \
    xylem-dump --statedir "$TEMP/bare" "$TEMP/no.tar"
check_fails 'also to restore to' 'not an SQLite database' \
    offline_restore --statedir "$TEMP/bare" --key=. "$TEMP/full.tar"
check_output 'and left alone' 'this is my diary' cat "$TEMP/bare/content.sqlite"
check_fails 'a root that is not there' 'root: blake2b-0*aa is not stored' offline_dump -q "$TEMP/no.tar" \
    --root=blake2b-00000000000000000000000000000000000000000000000000000000000000aa
check_fails 'a namespace that is not there' 'no such namespace' offline_dump -q --namespace=none \
    "$TEMP/no.tar"
check_usage 'a directory and a rank exclude each other' 'exclude each other' \
    xylem-dump --statedir "$state" -u local:///x "$TEMP/no.tar"
check_usage 'also in a restore' 'exclude each other' \
    xylem-restore --statedir "$state" -u local:///x --key=. "$TEMP/full.tar"
check 'no archive is left of these' [ ! -e "$TEMP/no.tar" ]

# ---- restore to a new directory ----
new=$TEMP/new
check 'an archive is restored to a new directory, and verified' \
    says "^xylem-restore: $is_verified" offline_restore --statedir "$new" --key=. "$TEMP/exact.tar"
check 'fsck finds nothing' xylem-fsck --statedir "$new"
check 'nobody else may look' [ "$(stat -c %a "$new/content.sqlite")" = 600 ]
check_output 'a broker starts from that root' "$root" root_of "$new"
check_output 'serves the keys' other launch "$new" xylem kvs get many.dir002.key
check_output 'in one commit' 1 launch "$new" xylem kvs version
check_output 'that is in the history' 1 \
    launch "$new" bash -c "xylem kvs history | grep -c $root"
check 'what is dumped from it is the same' \
    eval 'xylem-dump -q --exact --statedir "$new" "$TEMP/again.tar" &&
          xylem-dump --diff "$TEMP/exact.tar" "$TEMP/again.tar" | cmp - /dev/null'
check 'an incremental archive is added to one' eval \
    'offline_restore -q --statedir "$TEMP/old" --key=. "$TEMP/old.tar" &&
     offline_restore --statedir "$TEMP/old" --key=. "$TEMP/since.tar"'
check_output 'which gives the root' "$root" root_of "$TEMP/old"
check_fails 'but not to another one' 'at the target is' \
    offline_restore --statedir "$TEMP/old" --key=. "$TEMP/since.tar"
check 'an archive is restored to a key' \
    offline_restore --statedir "$new" --key=below.here "$TEMP/other.tar"
check_output 'the key is there' 1 launch "$new" xylem kvs get below.here.a.b
check_output 'and what was there before' value launch "$new" xylem kvs get many.dir300.key
check 'an archive from standard input too' \
    eval 'cat "$TEMP/other.tar" | offline_restore -q --statedir "$new" --namespace=primary --key=piped -'
check_fails 'a namespace that is not there' 'no such namespace' \
    offline_restore --statedir "$new" --namespace=none --key=. "$TEMP/other.tar"
check 'fsck still finds nothing' xylem-fsck --statedir "$new"

# ---- all namespaces and checkpoints ----
check 'all of it is restored' says 'verified' \
    offline_restore --all --statedir "$TEMP/all" "$TEMP/all.tar"
check 'what is dumped of it are the same bytes' \
    eval 'xylem-dump -q --all --statedir "$TEMP/all" - | cmp - "$TEMP/all.tar"'
check 'fsck finds nothing' xylem-fsck --statedir "$TEMP/all"
check_output 'a broker has all of it' 1 launch "$TEMP/all" xylem kvs get -N other a.b

# ---- to a checkpoint ----
check 'a checkpoint is restored' offline_restore --statedir "$new" --checkpoint "$TEMP/old.tar"
check_output 'a broker goes on from it' "$old" root_of "$new"
check 'also in a new directory' offline_restore --statedir "$TEMP/start" --checkpoint "$TEMP/exact.tar"
check_output 'a broker starts from it' "$root" root_of "$TEMP/start"

# ---- a restore that fails leaves what was there ----
head -c 1500000 "$TEMP/full.tar" >"$TEMP/cut.tar"
check_fails 'half an archive is refused' 'cut.tar' \
    offline_restore --statedir "$TEMP/half" --key=. "$TEMP/cut.tar"
check 'the directory is not there' [ ! -e "$TEMP/half" ]
mkdir "$TEMP/half"
check_fails 'likewise in one that is empty' 'cut.tar' \
    offline_restore --statedir "$TEMP/half" --key=. "$TEMP/cut.tar"
check 'which is empty again' [ -z "$(ls -A "$TEMP/half")" ]
check_fails 'and in one with keys' 'cut.tar' \
    offline_restore --statedir "$new" --key=. "$TEMP/cut.tar"
check_output 'which are there still' "$old" root_of "$new"
mkfifo "$TEMP/pipe"
env -u XYLEM_URI xylem-restore -q --statedir "$TEMP/killed" --key=. - <"$TEMP/pipe" &
restoring=$!
exec 9>"$TEMP/pipe"
cat "$TEMP/cut.tar" >&9
wait_until '[ -s "$TEMP/killed/content.sqlite" ]'
kill -KILL $restoring
wait $restoring 2>/dev/null
check 'a restore is killed' [ $? = 137 ]
exec 9>&-
check 'after one that was killed nothing is there' \
    eval '[ -z "$(launch "$TEMP/killed" xylem kvs dir)" ]'

# ---- other layouts ----
layout='-o maxdirent=16 -o blob-size-limit=4096 -o hash=sha256'
fill_other() { seq -f 'w.k%g=1' 100 | xargs xylem kvs put && seq 9999 | xylem kvs put --raw big=-; }
check 'an instance with another layout' launch "$TEMP/other" $layout bash -c "$(declare -f fill_other)
    fill_other && xylem-dump -q '$TEMP/laid.tar'"
check 'is dumped as it does it' \
    eval 'xylem-dump -q --statedir "$TEMP/other" - | cmp - "$TEMP/laid.tar"'
check 'it is restored with its layout, and verified' \
    says "$is_verified" offline_restore --statedir "$TEMP/laid" --key=. "$TEMP/laid.tar"
check_output 'so the root is the same' "$(root_of "$TEMP/other" $layout)" root_of "$TEMP/laid" $layout
check_fails 'a broker with another hash is refused it' 'sha256' launch "$TEMP/laid" true

# ---- damage ----
check 'a value rots' rows "$state" flip "$log"
check_fails 'the dump names the key' 'log: blake2b.*damaged' offline_dump "$TEMP/no.tar"
check 'and leaves nothing' [ ! -e "$TEMP/no.tar" ]
check 'it goes on if asked to, and tells the key' \
    says 'log: left out: blake2b.*damaged' offline_dump --ignore-failed-read "$TEMP/damaged.tar"
check 'and how many' \
    says 'left out 1 keys' offline_dump --ignore-failed-read "$TEMP/damaged.tar"
check 'all others are there' \
    eval 'cmp <(xylem-dump -q --list "$TEMP/damaged.tar") <(xylem-dump -q --list "$TEMP/full.tar" | grep -v ^log)'
check 'a directory is lost' rows "$state" delete "$wide"
check_fails 'the dump names it' 'wide: blake2b.*no such blob' \
    offline_dump --exclude=log "$TEMP/no.tar"
check 'what does not need it is dumped' offline_dump -q --exclude=log '--exclude=wide/*' "$TEMP/part.tar"
check 'a root is lost' rows "$state" delete "$root"
check_fails 'which the dump names' "$root.*no such blob" offline_dump "$TEMP/no.tar"
check 'another one is dumped' offline_dump -q --root="$old" --exclude=log '--exclude=wide/*' "$TEMP/part.tar"
check 'and another namespace' eval 'offline_dump -q --namespace=other - | cmp - "$TEMP/other.tar"'

# ---- Flux ----
flux=$TEMP/flux from=$TEMP/from
options='-o hash=sha1 -o maxdirent=0'
check 'an instance as Flux would lay it out' launch "$from" $options bash -c "$(declare -f fill)
    fill"
root=$(root_of "$from" $options)
mkdir "$flux" "$TEMP/blobs"
check 'its blobs are put into files of Flux' \
    eval 'make_flux "$from" "$flux" && make_flux "$from" "$TEMP/blobs" blob'
before=$(fingerprint "$flux")
check 'the file of Flux is dumped with its root' \
    says "root $root" xylem-dump --exact --statedir "$flux" "$TEMP/flux.tar"
check 'also one with digests that are blobs' \
    eval 'xylem-dump -q --exact --statedir "$TEMP/blobs" - | cmp - "$TEMP/flux.tar"'
check 'the newest checkpoint is the same tree' \
    eval 'xylem-dump -q --exact --checkpoint --statedir "$flux" "$TEMP/newest.tar" &&
          xylem-dump --diff "$TEMP/flux.tar" "$TEMP/newest.tar" | cmp - /dev/null'
check 'a key of it is dumped' xylem-dump -q --statedir "$flux" --prefix=many.dir007 "$TEMP/part.tar"
check 'nothing in its directory is changed' is_unchanged "$flux" "$before"
check 'it is the same as from Xylem' \
    eval 'xylem-dump -q --exact --statedir "$from" "$TEMP/from.tar" &&
          xylem-dump --diff "$TEMP/from.tar" "$TEMP/flux.tar" | cmp - /dev/null'
check 'it is restored without an instance, and verified' \
    says "$is_verified" offline_restore --statedir "$TEMP/moved" --key=. "$TEMP/flux.tar"
check_output 'the root is the same' "$root" root_of "$TEMP/moved" $options
start_cluster 2 -o hash=sha1 -o maxdirent=0
check 'moving from Flux is one command' \
    eval 'xylem-dump --exact --statedir "$flux" - | xylem-restore --key=. -'
check_output 'which gives the same root' "$root" xylem kvs getroot -b
stop_cluster
start_cluster 2
check 'also to an instance with another hash' \
    eval 'xylem-dump -q --exact --statedir "$flux" - | xylem-restore -q --key=. -'
check_output 'where the keys are the same' 5 xylem kvs get größe
check 'all of them' eval 'xylem-dump -q --exact "$TEMP/here.tar" &&
    xylem-dump --diff "$TEMP/here.tar" "$TEMP/flux.tar" | cmp - /dev/null'
stop_cluster
check_fails 'nothing is restored to a directory of Flux' 'one of Flux, which can only be read' \
    offline_restore --statedir "$flux" --key=. "$TEMP/flux.tar"
check_fails 'it has one namespace' 'primary alone' xylem-dump --statedir "$flux" --namespace=other "$TEMP/no.tar"
python3 - "$flux/content.sqlite" <<'END' &
import sqlite3, sys, time
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("PRAGMA locking_mode = EXCLUSIVE")
db.execute("CREATE TABLE held (a)")
open(sys.argv[1] + "-held", "w").close()
time.sleep(100)
END
holder=$!
wait_until '[ -e "$flux/content.sqlite-held" ]'
check_fails 'a running Flux is not dumped' "in use by process $holder: a running Flux has to be stopped" \
    xylem-dump --statedir "$flux" "$TEMP/no.tar"
kill -KILL $holder
wait $holder 2>/dev/null
check 'one that was killed is' eval 'xylem-dump -q --exact --statedir "$flux" - | cmp - "$TEMP/flux.tar"'
check 'a blob rots' python3 - "$flux/content.sqlite" <<'END'
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
with db:
    changed = db.execute("""UPDATE objects SET object = substr(object, 1, length(object) - 1)
                            WHERE size = (SELECT min(size) FROM objects WHERE size > 10000)""")
    assert changed.rowcount == 1
END
check_fails 'the key is named' 'log: sha1-.*damaged: it cannot be decompressed' \
    xylem-dump --statedir "$flux" "$TEMP/no.tar"
check 'the others are dumped' \
    xylem-dump -q --ignore-failed-read --statedir "$flux" "$TEMP/damaged.tar"
check 'and no archive is left of what failed' [ ! -e "$TEMP/no.tar" ]
