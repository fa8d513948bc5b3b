#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# eventlog.sh - events are appended to logs, printed, and waited for.
. "$(dirname "$0")/../lib/rig.sh"

export TZ=UTC
start_cluster 4 2
kvs() { on_rank "$1" xylem kvs "${@:2}"; }
log() { on_rank "$1" xylem kvs eventlog "${@:2}"; }
settle() { for rank in 1 2 3; do kvs $rank wait "$(kvs 0 version)" || return 1; done; }

# ---- append ----
check 'an event with a context is appended' log 3 append -t 1 a start '{"rank":3,' '"host":"n"}'
check 'another without' log 1 append --timestamp=2.5 a stop
check 'the time may be left out' log 2 append now start
settle
check_output 'the log is lines of JSON' '{"timestamp":1.0,"name":"start","context":{"rank":3,"host":"n"}}
{"timestamp":2.5,"name":"stop"}' kvs 3 get -r a
is_now() { log 3 get now | awk -v now="$(date +%s)" '$1 > now - 120 && $1 <= now + 1 {n++} END {exit n != 1}'; }
check 'then it is the time of the clock' is_now
before=$(kvs 0 version)
check_usage 'a context is an object' 'JSON object' log 0 append a name not_an_object
check_usage 'nothing else' 'JSON object' log 0 append a name '[1]'
check_usage 'an event has a name' 'has a name' log 0 append a ''
check_usage 'and a time that is one' 'no seconds' log 0 append -t yesterday a name
check_usage 'key and name are needed' 'missing argument' log 0 append a
check_output 'nothing of that was appended' "$before" kvs 0 version

# ---- get ----
check_output 'events are printed for people' '1.000000 start rank=3 host="n"
2.500000 stop' log 3 get a
check_output 'or as they are' "$(kvs 0 get -r a)" log 3 get --unformatted a
check_output 'or only some of them' '1.000000 start rank=3 host="n"' log 3 get -c 1 a
check_output 'blob by blob it is the same' "$(log 3 get a)" log 3 get -S a
log 0 append -t 120 human primus
log 0 append -t 121 human secundus
settle
check_output 'or with dates' "$(printf '[Jan01 00:02] primus\n[  +1.000000] secundus')" \
    log 2 get --human human
check_usage 'not both' 'exclude' log 2 get -H -u human
check_usage 'nor a stream that is watched' 'exclude' log 2 get -w -S human
has_color() { log 2 get "$@" human | grep -q "$(printf '\033')\\["; }
for option in -L -Lalways --color --color=always; do
    check "colours can be asked for ($option)" has_color $option
done
has_no_color() { ! has_color "$@"; }
check 'without that, there are none in a file' has_no_color -H
check 'nor when they are not wanted' has_no_color --color=never
check_usage 'colours are not' 'always, never or auto' log 2 get --color=blue human
check_fails 'a log that is not there' 'no such key' log 2 get nothing
check_fails 'a directory is no log' 'Is a directory' log 2 get .
kvs 0 put none=foo half="$(kvs 0 get -r a)"
settle
check_fails 'nor is any value' 'none: cannot decode line 1' log 2 get none
check_fails 'a line has an end' 'half: cannot decode line 2' log 2 get half
kvs 0 put -N primary 'wrong={"timestamp":1,"name":7}
'
settle
check_fails 'and says what it should' 'wrong: cannot decode line 1' log 2 get -u wrong

# ---- watch ----
# start NAME RANK COMMAND...
declare -A PID
start()
{
    XYLEM_URI=local://$RUNDIR/local-$2 xylem kvs eventlog "${@:3}" >"$TEMP/$1" 2>"$TEMP/$1.err" &
    PID[$1]=$!
}
until_lines() { wait_until "[ \$(wc -l <'$TEMP/$1') -ge $2 ] || ! is_alive ${PID[$1]}"; }
printed()
{
    wait_until "! is_alive ${PID[$1]}" || kill "${PID[$1]}"
    wait "${PID[$1]}" && [ "$(cat "$TEMP/$1")" = "$2" ] || { cat "$TEMP/$1" "$TEMP/$1.err"; return 1; }
}
event() { printf '{"timestamp":%s.0,"name":"e","context":{"data":"bar"}}\n' "$1"; }
log 0 append -t 1 w e '{"data":"bar"}'
settle
for rank in 0 3; do
    start w$rank $rank get -u -w -c 20 w
    until_lines w$rank 1
done
append_many() { for i in $(seq 2 20); do log $((i % 4)) append -t $i w e '{"data":"bar"}' || return 1; done; }
check 'events come while two watch' append_many
for rank in 0 3; do
    check "rank $rank prints them in order" printed w$rank "$(for i in $(seq 1 20); do event $i; done)"
done
start created 3 get -u -W later
start created_stream 3 get -u -W -S later
start created_watch 3 get -u -W -w -c 2 later
log 1 append -t 7 later e '{"data":"bar"}'
check 'a log can be waited for' printed created "$(event 7)"
check 'also blob by blob' printed created_stream "$(event 7)"
until_lines created_watch 1
log 1 append -t 8 later e '{"data":"bar"}'
check 'and watched then' printed created_watch "$(event 7; event 8)"

# ---- wait-event ----
log 0 append -t 42 events foo
log 0 append -t 43 events bar
log 0 append -t 44 events foo '{"n":2}'
settle
wait_event() { on_rank 3 timeout 20 xylem kvs eventlog wait-event "$@"; }
check_output 'an event that was is found' '42.000000 foo' wait_event events foo
check_output 'so is a later one' '43.000000 bar' wait_event events bar
check_output 'with those before it' "$(printf '42.000000 foo\n43.000000 bar')" \
    wait_event -v events bar
check_output 'or in silence' '' wait_event -q events bar
check_output 'as it is stored' '{"timestamp":43.0,"name":"bar"}' wait_event -u events bar
check_output 'or with a date' "$(printf '[Jan01 00:02] primus\n[  +1.000000] secundus')" \
    wait_event -v -H human secundus
check_output 'the second of a name' '44.000000 foo n=2' wait_event -c 2 events foo
check_usage 'a form is one of them' 'exclude' wait_event -u -H events foo
check_fails 'an event that does not come' "timeout on event 'baz'" wait_event -t 0.1 events baz
check_fails 'a log that does not exist' 'no such key' wait_event nothing foo
check_fails 'a log that is none' 'cannot decode' wait_event wrong foo
start third 3 wait-event -c 3 events foo
start unborn 3 wait-event -W -t 60s unborn foo
log 1 append -t 45 events bar
log 1 append -t 46 events foo
log 2 append -t 47 unborn bar
log 2 append -t 48 unborn foo
check 'an event can be waited for' printed third '46.000000 foo'
check 'with its log' printed unborn '48.000000 foo'
start ends 3 wait-event events never
kvs 0 wait "$(kvs 0 version)"
kvs 0 unlink events
log_ended()
{
    wait_until "! is_alive ${PID[ends]}" || kill "${PID[ends]}"
    wait "${PID[ends]}"
    [ $? = 1 ] && grep -q 'no such key' "$TEMP/ends.err"
}
check 'the end of the log ends it' log_ended

# ---- namespaces ----
kvs 0 namespace create other
log 1 append -N other -t 1 main guest
log 1 append -t 1 main host
kvs 3 wait "$(kvs 0 version)"
kvs 3 wait -N other "$(kvs 0 version -N other)"
check_output 'each namespace has its logs' '1.000000 guest' log 3 get -N other main
check_output 'the primary one, too' '1.000000 host' log 3 get main
