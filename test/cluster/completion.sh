#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# completion.sh - what bash offers after the Tab key.
. "$(dirname "$0")/../lib/rig.sh"
. "$ROOT/lib/cmd/xylem.bash"

mkdir "$TEMP/here"
cd "$TEMP/here" || exit
mkdir store 'a folder'
: >stale.tar
: >sunday.tar.zst

# tab WORD...: what is offered for the last word, one a line; the words as bash splits a line.
tab()
{
    local function

    COMP_WORDS=("$@")
    COMP_CWORD=$(($# - 1))
    COMPREPLY=()
    function=$(complete -p "$1" | sed 's/.*-F \([^ ]*\).*/\1/')
    "$function" "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
    [ ${#COMPREPLY[@]} = 0 ] || printf '%s\n' "${COMPREPLY[@]}" | sort
}
lines() { printf '%s\n' "$@"; }

# options_of PROGRAM: as its help lists them
options_of() { "$1" --help | grep -oE '^ +(-., )?--[a-z-]+' | grep -oE -e '--[a-z-]+' | sort; }
has_all()
{
    [ -n "$(options_of "$1")" ] && diff <(options_of "$1") <(tab "${@:2}" --)
}

for tool in dump restore gc fsck launch bench; do
    check "xylem-$tool -- has all its options" has_all xylem-$tool xylem-$tool
    check "and so has xylem $tool --" has_all xylem-$tool xylem $tool
done
check_output 'an option is completed' --statedir tab xylem-dump --st
check_output 'after options with values, too' --statedir \
    tab xylem -u local:///x dump --exact --maxreqs 4 --st

for tool in dump restore gc fsck launch; do
    check_output "xylem-$tool --statedir is followed by a directory" store \
        tab xylem-$tool --statedir st
    check_output "and --statedir= of xylem $tool" store tab xylem $tool --statedir = st
done
check_output 'at first all directories' "$(lines 'a folder' store)" tab xylem-gc --statedir =
check_output '--rundir is followed by a directory' store tab xylem-launch --rundir st
for option in --list --verify --since; do
    check_output "$option is followed by a file" sunday.tar.zst tab xylem-dump $option sun
done
check_output 'OUTFILE is a file' "$(lines stale.tar store)" tab xylem-dump --exact st
check_output 'in any place' "$(lines 'a folder' stale.tar store sunday.tar.zst)" \
    tab xylem dump -q ''
check_output 'and so is INFILE' "$(lines stale.tar store)" tab xylem-restore --key = . st
check_output 'and the second' sunday.tar.zst tab xylem restore --key = . stale.tar sun
check_output 'nothing is offered for a key' '' tab xylem-restore --key st
check_output 'nor for --key=' '' tab xylem-restore --key = st
check_output 'nor for a rank' '' tab xylem-fsck -u st
check_output 'xylem-gc has no operands' '' tab xylem-gc --dry-run st
check_output 'xylem-launch has a command' xylem-launch tab xylem-launch -n 3 -- xylem-lau
check_output 'with files' "$(lines stale.tar store)" tab xylem launch -n 3 -- tar -tf st
check_output 'xylem-bench has tests' "$(lines load-cold load-hot)" tab xylem-bench -t load
check_output 'by either name' "$(lines load-cold load-hot)" tab xylem bench --tests = load
check_output 'xylem has commands' launch tab xylem la

check 'xylem-brokerd -- has all its options' has_all xylem-brokerd xylem-brokerd
check_output '--boot is followed by a method' "$(lines pmi pmix)" tab xylem-brokerd --boot pm
check_output '--cert by a file' sunday.tar.zst tab xylem-brokerd --cert = sun
check_output '--authorized by a directory' store tab xylem-brokerd --authorized st
check_output 'a broker has no operands' '' tab xylem-brokerd st
keygen() { xylem keygen "$@"; }
check 'xylem keygen -- has all its options' has_all keygen xylem keygen
check_output 'PATH is a file' "$(lines stale.tar store)" tab xylem keygen st
check_output 'and so is what follows --server' sunday.tar.zst tab xylem keygen --server sun

check_output 'xylem overlay has commands' "$(lines errors events)" tab xylem overlay e
overlay_status() { xylem overlay status "$@"; }
check 'xylem overlay status -- has all its options' has_all overlay_status xylem overlay status
check_output '--wait is followed by a status' full tab xylem overlay status --wait = f
check_output 'by either name' "$(lines degraded)" tab xylem -u local:///x overlay status -w d
check_output '--color by when' "$(lines always auto)" tab xylem overlay status --down --color = a
check_output 'nothing is offered for a rank' '' tab xylem overlay status -r s
check_output 'other commands have options too' --follow tab xylem overlay events --f
for command in stats ping shutdown lsattr 'content load' 'content checkpoint update' 'kvs put' 'kvs get' \
    'kvs namespace create' 'kvs eventlog append'; do
    read -ra words <<<"$command"
    command_of() { xylem "${words[@]}" "$@"; }
    check "xylem $command -- has all its options" has_all command_of xylem "${words[@]}"
done
check_output 'after operands too' --sync tab xylem kvs put a=1 --sy
check_output 'and after other options' --json tab xylem -u local:///x stats -r all --js
check 'xylem -- has all its options' has_all xylem xylem
xylem_top() { xylem top "$@"; }
check 'xylem top -- has all its options' has_all xylem_top xylem top
check_output '--sort is followed by a column' "$(lines load/s lookup/s)" tab xylem top --sort = lo
check_output 'by either name' memory tab xylem top -s mem
