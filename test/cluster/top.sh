#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# top.sh - what all ranks do, as a table that is made again and again.
. "$(dirname "$0")/../lib/rig.sh"

top() { timeout 60 xylem top "$@"; }
start_cluster 5
xylem overlay status -w full -t 30s >/dev/null

# ---- one table ----
top --once -i 100ms >"$TEMP/once"
check 'a table is printed' [ $? = 0 ]
check_output 'with a heading, a sum and a line for each rank' 'RANK all 0 1 2 3 4 ' \
    sh -c "awk '{ printf \"%s \", \$1 }' '$TEMP/once'"
check_output 'all lines have as many columns' 14 sh -c "awk '{ print NF }' '$TEMP/once' | uniq"
check 'without control characters' sh -c "! grep -q '[^ -~]' '$TEMP/once'"

# column NAME RANK: of a table
column()
{
    awk -v name="$1" -v rank="$2" '$1 == "RANK" { for (i = 1; i <= NF; i++) if ($i == name) c = i }
        $1 == rank { print $c }'
}
head -c 1M /dev/urandom | on_rank 4 xylem content store >"$TEMP/ref"
(while on_rank 4 xylem content load <"$TEMP/ref" >/dev/null 2>&1; do :; done) &
loader=$!
check 'loads are seen at the rank where they are' \
    wait_until "[ \"\$(top --once -i 200ms | column LOAD/S 4 | sed 's/[.].*//')\" -gt 0 ]"
check_output 'and not where they are not' 0 sh -c "$(declare -f top column); top --once -i 200ms | column LOAD/S 3"
check_output 'the one that does most is first' 4 sh -c \
    "timeout 60 xylem top --once -i 200ms -s load/s | awk 'NR == 3 { print \$1 }'"
kill $loader
wait $loader 2>/dev/null

# ---- several ----
top -n 3 -i 100ms >"$TEMP/three"
check 'three tables are three' [ "$(grep -c RANK "$TEMP/three")" = 3 ]
check 'with an empty line between' [ "$(grep -c '^$' "$TEMP/three")" = 2 ]

# small COMMAND...: on a terminal of 5 lines
small()
{
    timeout 60 python3 -c '
import fcntl, os, pty, struct, sys, termios
pid, terminal = pty.fork()
if pid == 0:
    fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 5, 132, 0, 0))
    os.execvp(sys.argv[1], sys.argv[1:])
try:
    while piece := os.read(terminal, 65536):
        os.write(1, piece)
except OSError:
    pass
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))' "$@" </dev/null
}
small xylem top -n 2 -i 100ms >"$TEMP/terminal"
check 'a terminal gets tables over each other' [ "$(grep -c $'^\x1b\\[H *RANK' <(tr '\r' ' ' <"$TEMP/terminal" | sed 's/\x1b\[J/\n/g'))" = 2 ]
check 'of as many lines as there is room for' grep -q '\.\.\. 4 more' "$TEMP/terminal"

# ---- a rank is lost ----
kill_rank 2 KILL
check 'a rank that is lost is told' wait_until "top --once -i 100ms | grep -q '^ *2  rank 2 is lost$'"
check 'the others have their figures' sh -c "[ \"\$(timeout 60 xylem top --once -i 100ms | awk 'NF == 14' | wc -l)\" = 6 ]"
kill -STOP "$(rank_pid 3)"
check 'one that does not answer does not hold up the others' sh -c \
    "timeout 60 xylem top --once -i 100ms | grep -qE '^ *3  (no answer in time|rank 3 is lost)$'"
kill -CONT "$(rank_pid 3)"

check_usage 'no such column' "'splendour' is not one of rank,req/s" top -s splendour
check_usage 'an interval that is none' "interval: '0' is not" top -i 0
check_usage 'no operands' "unexpected argument '3'" top 3
