# SPDX-License-Identifier: MPL-2.0
"""Runs a program with a terminal as its stderr, and keeps what it writes there:

    terminal.py [--hold SECONDS,BYTES] COLUMNS[,COLUMNS...] TRACE COMMAND...

The terminal has the first number of columns, and after each half second the next.  stdin and stdout are those of
the caller.  With --hold the program is stopped for so long each time it has read and written so many bytes.  TRACE
gets a line for each piece that came in: the time in ms, the columns at that time, and the piece as JSON.  Exit
status: that of the command."""
import argparse
import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import threading
import time

options = argparse.ArgumentParser()
options.add_argument("--hold")
options.add_argument("columns")
options.add_argument("trace")
options.add_argument("command", nargs=argparse.REMAINDER)
options = options.parse_args()
widths = [int(n) for n in options.columns.split(",")]
master, slave = pty.openpty()


def resize(columns):
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))


def moved(pid):
    """Bytes that were read from and written to files."""
    with open("/proc/%d/io" % pid) as io:
        rows = dict(line.split(": ") for line in io)
    return int(rows["rchar"]) + int(rows["wchar"])


def hold(child, seconds, step):
    try:
        limit = moved(child.pid) + step
        while child.poll() is None:
            if moved(child.pid) < limit:
                time.sleep(0.0001)
                continue
            child.send_signal(signal.SIGSTOP)
            time.sleep(seconds)
            child.send_signal(signal.SIGCONT)
            limit = moved(child.pid) + step
    except OSError:  # it is gone
        pass


resize(widths[0])
child = subprocess.Popen(options.command, stderr=slave)
os.close(slave)
started = time.monotonic()
now = 0
if options.hold:
    seconds, step = options.hold.split(",")
    threading.Thread(target=hold, args=(child, float(seconds), int(step)), daemon=True).start()
with open(options.trace, "w") as out:
    while True:
        if now + 1 < len(widths) and time.monotonic() - started > 0.5 * (now + 1):
            now += 1
            resize(widths[now])
        if not select.select([master], [], [], 0.05)[0]:
            continue
        try:
            piece = os.read(master, 65536)
        except OSError:  # the last one that had it open is gone
            break
        if not piece:
            break
        print(int((time.monotonic() - started) * 1000), widths[now],
              json.dumps(piece.decode(errors="replace")), file=out)
sys.exit(child.wait())
