# SPDX-License-Identifier: MPL-2.0
# Completion for bash of xylem(1), xylem-bench(1), xylem-dump(1), xylem-restore(1), xylem-gc(1),
# xylem-fsck(1), xylem-launch(1) and xylem-brokerd(8).

_xylem_words()
{
    mapfile -t COMPREPLY < <(compgen -W "$1" -- "$cur")
}

# _xylem_paths -f | -d: files, or directories only
_xylem_paths()
{
    compopt -o filenames 2>/dev/null # quotes names, and a directory gets a slash
    mapfile -t COMPREPLY < <(compgen "$1" -- "$cur")
}

# The value of $option, if it has one: options has "-x, --name=" for those that do.
_xylem_value()
{
    case $option in
    --statedir | --rundir | --authorized | --remote-rundir) _xylem_paths -d ;;
    --list | --verify | --since | --cert | --conf | --local | --log-file | --shutdown-file | --server | --broker-path)
        _xylem_paths -f
        ;;
    --boot) _xylem_words 'single conf pmi pmix' ;;
    --hash) _xylem_words 'blake2b sha256 sha1' ;;
    --durability) _xylem_words 'memory commit fsync' ;;
    --backing) _xylem_words 'sqlite none' ;;
    --log-level) _xylem_words 'err warn info debug' ;;
    --color) _xylem_words 'auto always never' ;;
    --sort)
        _xylem_words 'rank req/s load/s hit% store/s lookup/s commit/s in/s out/s cache dirty memory
                      clients uptime'
        ;;
    --wait) _xylem_words 'full partial degraded lost offline' ;;
    --tests) _xylem_words 'all store load-hot load-cold commit lookup put-dir' ;;
    *) grep -qE -e "(^|, )$option=" -e "^$option, .*=" <<<"$options" 2>/dev/null ;;
    esac
}

# COMMAND [ARG...] of xylem-launch, after "--".
_xylem_command()
{
    local i

    for ((i = 1; i < COMP_CWORD; i++)); do
        if [ "${COMP_WORDS[i]}" = -- ]; then
            _xylem_paths -f
            [ $((i + 1)) != "$COMP_CWORD" ] || mapfile -t COMPREPLY < <(compgen -c -- "$cur")
            return 0
        fi
    done
    return 1
}

# "--name=value" is three words here; sets option and cur.
_xylem_split()
{
    option=${COMP_WORDS[COMP_CWORD - 1]}
    if [ "$option" = = ]; then
        option=${COMP_WORDS[COMP_CWORD - 2]}
    elif [ "$cur" = = ]; then
        cur=
    fi
}

# _xylem_options COMMAND...: its options, as its help lists them.
_xylem_options()
{
    "$@" --help 2>/dev/null </dev/null | sed -nE 's/^ +((-., )?--[a-z-]+=?).*/\1/p'
}

# _xylem_tool NAME COMMAND...: one of the programs; the help of COMMAND tells its options.
_xylem_tool()
{
    local tool=$1 cur=${COMP_WORDS[COMP_CWORD]} option options

    shift
    COMPREPLY=()
    _xylem_split
    [ "$tool" = launch ] && _xylem_command && return
    options=$(_xylem_options "$@")
    case $tool$option in
    bench-t) option=--tests ;;
    keygen-s) option=--server ;;
    esac
    case $option in
    -*) _xylem_value && return ;;
    esac
    case $tool$cur in
    dump | dump[!-]* | restore | restore[!-]* | keygen | keygen[!-]*) _xylem_paths -f ;;
    *) _xylem_words "$(grep -oE -e '--[a-z-]+' <<<"$options")" ;;
    esac
}

_xylem_program()
{
    local name=${1##*/}

    _xylem_tool "${name#xylem-}" "$1"
}

# Options of xylem COMMAND...
_xylem_command_options()
{
    local cur=${COMP_WORDS[COMP_CWORD]} option options

    _xylem_split
    options=$(_xylem_options xylem "$@")
    case $option in
    -w) option=--wait ;;
    -L) option=--color ;;
    -s) option=--sort ;;
    esac
    case $option in
    -*) _xylem_value && return ;;
    esac
    _xylem_words "$(grep -oE -e '--[a-z-]+' <<<"$options")"
}

# How many of the words WORD... name the command; the others are its operands.
_xylem_depth()
{
    case "${1:-} ${2:-}" in
    'kvs namespace' | 'kvs eventlog' | 'content checkpoint') echo 3 ;;
    'kvs '* | 'content '* | 'overlay '*) echo 2 ;;
    *) echo 1 ;;
    esac
}

_xylem()
{
    local cur=${COMP_WORDS[COMP_CWORD]} words= path=() i

    # The words of the command so far, without options and what follows -u, -N and --cert.
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        -u | --uri | --cert | -N | --namespace) ((i++)) ;;
        -*) ;;
        *) path+=("${COMP_WORDS[i]}") ;;
        esac
    done
    case "${path[*]} $cur" in
    'dump '* | 'restore '* | 'gc '* | 'fsck '* | 'launch '* | 'bench '* | 'keygen '*)
        _xylem_tool "${path[0]}" "$1" "${path[0]}"
        return
        ;;
    *' -'* | 'top '* | 'overlay '*' '*)
        _xylem_command_options "${path[@]:0:$(_xylem_depth "${path[@]}")}"
        return
        ;;
    esac
    case ${path[*]} in
    '') words='content kvs stats top overlay ping getattr lsattr keygen shutdown dump fsck gc restore launch bench' ;;
    content) words='store load validate flush dropcache checkpoint' ;;
    'content checkpoint') words='list update' ;;
    kvs) words='get put watch eventlog dir ls unlink link readlink mkdir copy move getroot
                version wait history diff sync namespace' ;;
    'kvs namespace') words='create remove list' ;;
    'kvs eventlog') words='append get wait-event' ;;
    'kvs '*) words=$(xylem kvs ls -1 2>/dev/null) ;;
    overlay) words='status errors events parentof lookup' ;;
    getattr) words=$(xylem lsattr 2>/dev/null) ;;
    esac
    _xylem_words "$words"
}
complete -F _xylem xylem
complete -F _xylem_program xylem-bench xylem-dump xylem-restore xylem-gc xylem-fsck xylem-launch \
    xylem-brokerd
