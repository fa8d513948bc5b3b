# SPDX-License-Identifier: MPL-2.0
# Completion of xylem(1) and xylem-bench(1) for bash.

_xylem_bench()
{
    local cur=${COMP_WORDS[COMP_CWORD]}
    local words='--uri --tests --count --size --window --clients --from --json --help --version'

    case ${COMP_WORDS[COMP_CWORD - 1]} in
    -t | --tests) words='all store load-hot load-cold commit lookup' ;;
    esac
    COMPREPLY=($(compgen -W "$words" -- "$cur"))
}

_xylem()
{
    local cur=${COMP_WORDS[COMP_CWORD]} words= path= i

    # The words of the command so far, without options and what follows -u, -N and --cert.
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        -u | --uri | --cert | -N | --namespace) ((i++)) ;;
        -*) ;;
        *) path+=" ${COMP_WORDS[i]}" ;;
        esac
    done
    case $path in
    '') words='content kvs stats overlay ping getattr lsattr shutdown dump fsck gc restore launch bench' ;;
    ' content') words='store load validate flush dropcache checkpoint' ;;
    ' content checkpoint') words='list update' ;;
    ' kvs') words='get put watch eventlog dir ls unlink link readlink mkdir copy move getroot
                   version wait history diff sync namespace' ;;
    ' kvs namespace') words='create remove list' ;;
    ' kvs eventlog') words='append get wait-event' ;;
    ' kvs '*) words=$(xylem kvs ls -1 2>/dev/null) ;;
    ' overlay') words='status' ;;
    ' getattr') words=$(xylem lsattr 2>/dev/null) ;;
    ' bench')
        _xylem_bench
        return
        ;;
    ' gc') words='--statedir --online --grace --dry-run --force --json --verbose --quiet --uri' ;;
    ' fsck') words='--statedir --uri --repair --rootref --json --verbose --quiet' ;;
    ' dump' | ' restore' | ' launch')
        COMPREPLY=($(compgen -f -- "$cur"))
        return
        ;;
    esac
    COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -F _xylem xylem
complete -F _xylem_bench xylem-bench
