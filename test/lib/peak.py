# SPDX-License-Identifier: MPL-2.0
"""peak.py FILE COMMAND...: runs the command, and writes how much memory it had at most, in KiB, to the file.  Exit
status: that of the command."""
import os
import resource
import subprocess
import sys

status = subprocess.call(sys.argv[2:])
with open(sys.argv[1], "w") as out:
    print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=out)
sys.exit(status if status >= 0 else 128 - status)
