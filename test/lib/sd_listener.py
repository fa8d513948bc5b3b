# SPDX-License-Identifier: MPL-2.0
"""The other end of $NOTIFY_SOCKET: sd_listener.py ADDRESS FILE.

Each datagram becomes a line of FILE: the time in ms, a tab, and its lines joined by " | ".  Ends with SIGTERM."""
import os
import socket
import sys
import time

address, file = sys.argv[1:]
sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
sock.bind("\0" + address[1:] if address.startswith("@") else address)
with open(file, "w") as out:
    print("listening", file=out, flush=True)
    while True:
        lines = sock.recv(65536).decode().split("\n")
        print(int(time.monotonic() * 1000), " | ".join(lines), sep="\t", file=out, flush=True)
