#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# kvs.sh - keys: written at one rank, read at another.
. "$(dirname "$0")/../lib/rig.sh"

start_cluster 7 2

# All ranks see what was committed so far.
settle()
{
    local version rank

    version=$(xylem kvs version)
    for rank in 1 2 3 4 5 6; do
        on_rank $rank xylem kvs wait "$version" || return 1
    done
}
kvs() { on_rank "$1" xylem kvs "${@:2}"; }

# ---- values ----
check 'several keys are put in one transaction' kvs 4 put a.b=1 a.c=2 top=hello
check 'all ranks get to see it' settle
check_output 'a value is read elsewhere' 1 kvs 5 get a.b
check_output 'and another' hello kvs 0 get top
check 'a value is replaced' kvs 3 put a.b=one
settle
check_output 'everywhere' one kvs 6 get a.b
check_fails 'a key that does not exist' 'no such key' kvs 6 get a.nothing
check_fails 'a directory has no value' 'Is a directory' kvs 6 get a
put_file() { kvs 6 put --raw big=- <"$TEMP/big"; }
get_file() { kvs 3 get --raw big | cmp - "$TEMP/big"; }
head -c 3000000 /dev/urandom >"$TEMP/big"
check 'a value larger than a blob is put from standard input' put_file
settle
check 'and read back unchanged' get_file
check 'an empty value is put' kvs 1 put empty=
settle
check_output 'and is empty' '' kvs 2 get empty
check_fails 'the root is not a value' 'root' kvs 1 put .=x

# ---- names ----
check 'a dot in a name is written %2E' kvs 1 put 'inc.stdio%2Eh=text'
settle
check_output 'and read back so' text kvs 2 get 'inc.stdio%2Eh'
check_fails 'it is one name, not two' 'no such key|not a directory' kvs 2 get 'inc.stdio.h'
check 'a name may be any text' kvs 1 put 'sp ace.ünï=1'
settle
check_output 'in any language' 1 kvs 2 get 'sp ace.ünï'

# ---- directories ----
check 'a directory is made' kvs 2 mkdir d.e.f
settle
check_output 'it is empty' '' kvs 5 ls d.e.f
check_output 'its parent lists it' f kvs 5 ls -1 d.e
check_output 'a directory is listed' "$(printf 'b\nc')" kvs 5 ls -1 a
check_output 'with values by dir' "$(printf 'a.b = one\na.c = 2')" kvs 5 dir a
check 'a key is unlinked' kvs 4 unlink a.c
settle
check_fails 'and is gone' 'no such key' kvs 5 get a.c
check_fails 'a directory that is not empty stays' 'not empty' kvs 4 unlink a
check 'unless all of it is meant' kvs 4 unlink -R a
settle
check_fails 'then it is gone' 'no such key' kvs 5 get a.b

# ---- links, copies ----
check 'a link is made' kvs 3 link top alias
settle
check_output 'and followed' hello kvs 5 get alias
check_output 'and read' top kvs 5 readlink alias
check 'a key is copied' kvs 5 copy top x.copy
settle
check_output 'the copy has the value' hello kvs 6 get x.copy
check 'a key is moved' kvs 5 move x.copy x.moved
settle
check_output 'the new name has the value' hello kvs 6 get x.moved
check_fails 'the old name is gone' 'no such key' kvs 6 get x.copy

# ---- roots ----
root_at() { kvs "$1" getroot -b; }
check_output 'all ranks agree on the root' "$(root_at 0)" root_at 6
version=$(kvs 0 version)
check 'a sync is a commit' kvs 3 sync
check 'and counts as one' [ "$(kvs 0 version)" -gt "$version" ]

# ---- arguments ----
check 'several namespaces are made at once' kvs 3 namespace create one two
check_output 'each is there' '0 0' echo "$(kvs 3 version -N one) $(kvs 3 version -N two)"
check_fails 'one that is there is named' 'two: .*exists' kvs 3 namespace create three two
check 'several are removed' kvs 3 namespace remove one two three nowhere
check_fails 'then they are not' 'not supported|does not exist' kvs 0 version -N two
check_usage 'a namespace has a name' 'missing argument' kvs 3 namespace create
check_usage 'standard input is one value' 'standard input' eval 'echo x | kvs 3 put in.a=- in.b=-'
check_usage 'a tree object is no value to append' 'exclude each other' kvs 3 put -A -t 'a.b={"data":{},"type":"dir","ver":1}'
check_fails 'nothing of that is put' 'no such key' kvs 3 get in.a
no_trailing_blanks() { ! kvs 0 namespace list --help | grep -n ' $'; }
check 'a help text ends its lines well' no_trailing_blanks
