# SPDX-License-Identifier: MPL-2.0
"""Runs a program with a terminal as its stderr, and keeps what it writes there:

    terminal.py COLUMNS[,COLUMNS...] TRACE COMMAND...

The terminal has the first number of columns, and after each half second the next.  stdin and stdout are those of
the caller.  TRACE gets a line for each piece that came in: the time in ms, the columns at that time, and the piece
as JSON.  Exit status: that of the command."""
import fcntl
import json
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time

widths, trace, command = [int(n) for n in sys.argv[1].split(",")], sys.argv[2], sys.argv[3:]
master, slave = pty.openpty()


def resize(columns):
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))


resize(widths[0])
child = subprocess.Popen(command, stderr=slave)
os.close(slave)
started = time.monotonic()
now = 0
with open(trace, "w") as out:
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
