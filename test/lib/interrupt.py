# SPDX-License-Identifier: MPL-2.0
"""Runs a program and sends it a signal when it is in the middle of its work:

    interrupt.py BYTES SIGNAL COMMAND...

SIGNAL (a name such as KILL) is sent when the program has read and written so many bytes of files.  STOP is followed
by CONT when a line, or the end of file, comes in on descriptor 9.  Exit status: that of the command, or 128 and the
number of the signal that ended it; 99 when it ended before the signal."""
import os
import signal
import subprocess
import sys
import time

limit, number, command = int(sys.argv[1]), signal.Signals["SIG" + sys.argv[2]], sys.argv[3:]


def moved(pid):
    with open("/proc/%d/io" % pid) as io:
        rows = dict(line.split(": ") for line in io)
    return int(rows["rchar"]) + int(rows["wchar"])


child = subprocess.Popen(command)
begun = moved(child.pid)  # by us, before it became the program
while child.poll() is None and moved(child.pid) - begun < limit:
    time.sleep(0.0001)
if child.poll() is not None:
    sys.exit(child.returncode if child.returncode > 0 else 99)
child.send_signal(number)
if number == signal.SIGSTOP:
    with os.fdopen(9) as go:
        go.readline()
    child.send_signal(signal.SIGCONT)
status = child.wait()
sys.exit(128 - status if status < 0 else status)
