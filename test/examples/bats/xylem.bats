#!/usr/bin/env bats
# SPDX-License-Identifier: MPL-2.0
# xylem.bats - tests in shell of something that keeps its data in Xylem.
#
# To adapt: copy xylem.bash next to your tests, `load` it, start an instance in setup_file() (one for all
# tests of the file) or in setup() (a new one for each), and let your program find it by $XYLEM_URI.
bats_require_minimum_version 1.5.0

setup_file()
{
    load xylem
    xylem_start 8 -o heartbeat=100ms -o timeout=2s
}

teardown_file()
{
    load xylem
    xylem_stop
}

setup()
{
    load xylem
}

# A folder with a few files of different kinds.
make_tree()
{
    mkdir -p "$1/sub.dir"
    echo 'a line' >"$1/file"
    head -c 3000000 /dev/urandom >"$1/sub.dir/large"
    ln -s ../file "$1/sub.dir/link"
}

@test 'a value that is put at one leaf is read at another' {
    xylem_at 7 xylem kvs put greeting=hello
    version=$(xylem_at 7 xylem kvs version)
    xylem_at 5 xylem kvs wait "$version"
    run -0 xylem_at 5 xylem kvs get greeting
    [ "$output" = hello ]
}

@test 'a tree restored through rank 0 is dumped the same by a leaf' {
    make_tree "$BATS_TEST_TMPDIR/in"
    tar -cf "$BATS_TEST_TMPDIR/in.tar" -C "$BATS_TEST_TMPDIR/in" file sub.dir
    xylem-restore -q --key=tree "$BATS_TEST_TMPDIR/in.tar"
    xylem_at 7 xylem kvs wait "$(xylem kvs version)"
    xylem_at 7 xylem-dump -q --prefix tree "$BATS_TEST_TMPDIR/out.tar"
    mkdir "$BATS_TEST_TMPDIR/out"
    tar -xf "$BATS_TEST_TMPDIR/out.tar" -C "$BATS_TEST_TMPDIR/out"
    diff -r "$BATS_TEST_TMPDIR/in" "$BATS_TEST_TMPDIR/out/tree"
}

@test 'a key that is not there' {
    run -1 --separate-stderr xylem kvs get no.such.key
    [ -z "$output" ]
    [[ $stderr == *no.such.key* ]]
}

@test 'what a rank was told stays when ranks on the way are killed' {
    xylem_at 7 xylem kvs put before=kept
    xylem_kill 3
    xylem_kill 1
    xylem_respawn 3 # those below first: a rank is ready when all below it are
    xylem_respawn 1
    xylem overlay status --wait full -t 60s
    run -0 xylem_at 7 xylem kvs get before
    [ "$output" = kept ]
    xylem_at 7 xylem kvs put after=kept
    run -0 xylem kvs get after
    [ "$output" = kept ]
}

@test 'a request waits for a rank that hangs' {
    xylem_at 4 xylem kvs put warm=up
    xylem_kill 1 STOP
    xylem_at 4 xylem kvs put patient=yes 3>&- &
    sleep 0.3 # the longer, the surer is it that the request is under way; no outcome depends on it
    xylem_kill 1 CONT
    wait $!
    run -0 xylem kvs get patient
    [ "$output" = yes ]
}
