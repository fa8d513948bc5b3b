#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# progress.sh - what dump and restore show on a terminal while they work, and what they say elsewhere.
. "$(dirname "$0")/../lib/rig.sh"
export PYTHONPATH=$ROOT/test/lib

start_cluster 2
# on_terminal COLUMNS COMMAND...: the trace is in TEMP/trace
on_terminal() { python3 "$ROOT/test/lib/terminal.py" "$1" "$TEMP/trace" "${@:2}"; }
# shows 'CHECK': an expression about s, the screen
shows()
{
    python3 -c 'import re, sys
from screen import *
s = Screen(sys.argv[1])
assert eval(sys.argv[2]), (s.left, s.painted[:5], len(s.painted))' "$TEMP/trace" "$1"
}
# slowly FILE SECONDS: to stdout
slowly() { python3 -c 'import sys, time
data, pieces = open(sys.argv[1], "rb").read(), int(float(sys.argv[2]) * 50)
size = len(data) // pieces + 1
for i in range(0, len(data), size):
    sys.stdout.buffer.write(data[i:i + size]); sys.stdout.buffer.flush(); time.sleep(0.02)' "$@"; }

mkdir "$TEMP/tree"
for i in $(seq 400); do head -c 3000 /dev/zero | tr '\0' x >"$TEMP/tree/file$i"; done
tar -C "$TEMP" -cf "$TEMP/in.tar" tree

# ---- a stream: nobody knows how much it is ----
slow_restore() { slowly "$TEMP/in.tar" 2 | on_terminal 100 xylem-restore --key=t -; }
check 'a slow restore of a stream succeeds' slow_restore
check 'it shows keys, bytes and a rate' shows \
    'any(re.search("^xylem-restore: restored [0-9]+ keys, [0-9.]+ (bytes|KiB), [0-9.]+ KiB/s *$", p[2]) for p in s.painted)'
check 'but no share' shows 'not any("%" in p[2] for p in s.painted)'
check 'again and again' shows 'len(s.painted) >= 8'
check 'at most ten times a second' shows \
    'all(b[0] - a[0] >= 10 * 95 for a, b in zip(s.painted, s.painted[10:]))'
check 'at the end only the last line is there' shows \
    'len(s.left) == 1 and re.match("xylem-restore: restored 400 keys, 1200000 bytes, root blake2b-", s.left[0])'

# ---- a file: its size is known ----
# The program is stopped now and then, so that it takes long enough to be looked at.
held() { python3 "$ROOT/test/lib/terminal.py" --hold "${HOLD:-0.11},3000000" 100 "$TEMP/trace" "$@"; }
mkdir "$TEMP/big"
for i in $(seq 20); do head -c 2000000 /dev/urandom >"$TEMP/big/file$i"; done
tar -C "$TEMP" -cf "$TEMP/big.tar" big
HOLD=0.25 check 'a restore of a file succeeds' held xylem-restore --key=big "$TEMP/big.tar"
check 'it shows a bar with the share of the file' shows \
    'any(re.match("xylem-restore: [0-9]+% \\[#*\\.*\\] restored [0-9]+ keys, [0-9.]+ MiB", p[2]) for p in s.painted)'
check 'the share grows' shows '(lambda n: len(n) > 2 and n == sorted(n) and n[-1] > n[0])(
    [int(re.search("([0-9]+)%", p[2])[1]) for p in s.painted])'
check 'and tells how long it will take' shows 'any(re.search("ETA [0-9]+:[0-9][0-9]", p[2]) for p in s.painted)'
check 'the bar is gone at the end' shows \
    'len(s.left) == 1 and re.match("xylem-restore: restored 20 keys, 40000000 bytes", s.left[0])'
dump() { on_rank 1 held xylem-dump "$@"; }
check 'a dump succeeds' dump "$TEMP/out.tar"
check 'it shows keys, bytes and a rate' shows \
    'any(re.match("xylem-dump: archived [0-9]+ keys, [0-9.]+ [KMG]iB, ", p[2]) for p in s.painted)'
check 'and removes them' shows 'len(s.left) == 1 and s.left[0].startswith("xylem-dump: archived 420 keys, 41200000 bytes")'
check 'the archive can be verified' held xylem-dump --verify "$TEMP/out.tar"
check 'with a bar' shows 'any(re.match("xylem-dump: [0-9]+% \\[#*\\.*\\] verified ", p[2]) for p in s.painted)'
check 'JSON on stdout is alone' eval \
    'held xylem-restore --json --key=big "$TEMP/big.tar" >"$TEMP/json" && python3 -m json.tool "$TEMP/json" >/dev/null'
check 'and the bar is removed' shows 'len(s.painted) > 2 and s.left == []'
json_and_archive() { held xylem-dump --json - >"$TEMP/piped.tar" && cmp -n 512 "$TEMP/piped.tar" "$TEMP/out.tar"; }
check 'JSON on stderr, since the archive is on stdout' json_and_archive
check 'is alone, too' shows 'not any("archived" in p[2] for p in s.painted) and re.match("{.*}$", s.left[0]) and len(s.left) == 1'

# ---- terminals of other widths ----
slow_restore_at() { slowly "$TEMP/in.tar" 0.5 | on_terminal "$1" xylem-restore --key=t -; }
for columns in 1 2 9 20 40; do
    check "a restore with $columns columns" slow_restore_at $columns
    check 'nothing is wider than that' shows 'all(len(p[2]) < p[1] for p in s.painted)'
done
check 'a terminal without a width has 80 columns' slow_restore_at 0
check 'and is used' shows 'len(s.painted) > 2 and all(40 < len(p[2]) < 80 for p in s.painted)'
slow_restore_at_widths() { slowly "$TEMP/in.tar" 2 | on_terminal 100,30,60 xylem-restore --key=t -; }
check 'a terminal may change its width' slow_restore_at_widths
check 'and the line does with it' shows 'len(s.painted) > 9 and all(len(p[2]) < p[1] for p in s.painted[-3:]) and \
    min(len(p[2]) for p in s.painted) < 30 and max(len(p[2]) for p in s.painted) > 50'

# ---- other lines ----
mkfifo "$TEMP/tree/pipe"
tar -C "$TEMP" -cf "$TEMP/odd.tar" tree
slow_odd() { slowly "$TEMP/odd.tar" 0.5 | on_terminal 100 xylem-restore --key=t -; }
check 'a restore that has something to tell' slow_odd
check 'tells it on a line of its own' shows \
    '[l[:50] for l in s.left][0].startswith("xylem-restore: tree/pipe: ") and "skipped 1" in s.left[1] and len(s.left) == 3'
slow_cut() { slowly <(head -c 800000 "$TEMP/in.tar") 0.5 | on_terminal 100 xylem-restore --key=t -; }
slow_cut
check 'one that fails fails' [ $? = 1 ]
check 'and says only why' shows 'len(s.left) == 1 and s.left[0].startswith("xylem-restore: standard input: ")'
slow_verbose() { slowly "$TEMP/in.tar" 0.4 | on_terminal 100 xylem-restore -v --key=t -; }
check 'with -v' slow_verbose
check 'keys are listed and nothing is painted' shows \
    's.painted == [] and len(s.left) == 401 and "tree.file1" in s.left'
slow_quiet() { slowly "$TEMP/in.tar" 0.4 | on_terminal 100 xylem-restore "$@" --key=t -; }
check 'with -q' slow_quiet -q
check 'nothing is shown' shows 's.pieces == []'
check 'with -q and -v' slow_quiet -qv
check 'nothing is shown, too' shows 's.pieces == []'

# ---- no terminal ----
slowly "$TEMP/in.tar" 0.4 | xylem-restore --key=t - 2>"$TEMP/said"
check_output 'elsewhere there is the last line' 1 grep -c . "$TEMP/said"
check 'without control characters' eval '! grep -q "[[:cntrl:]]" "$TEMP/said"'
xylem-restore -q --key=t "$TEMP/in.tar" 2>"$TEMP/said"
check 'with -q there is nothing' [ ! -s "$TEMP/said" ]
xylem-dump -v --prefix=t "$TEMP/out.tar" 2>"$TEMP/said"
check_output 'with -v there are the keys and the last line' 401 grep -c . "$TEMP/said"
