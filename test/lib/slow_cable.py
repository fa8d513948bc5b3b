# SPDX-License-Identifier: MPL-2.0
"""slow_cable.py HOST SWITCH TAP MS PERCENT - a cable with delay and loss, for kernels without netem.

Makes a network interface `slow0` in the namespace HOST and one called TAP in the namespace SWITCH, and
carries Ethernet frames between them until it is told to end.  What comes from HOST arrives MS
milliseconds later, and PERCENT percent of it does not.  Prints "ready" when the interfaces exist."""
import collections
import ctypes
import fcntl
import os
import random
import select
import struct
import sys
import time

TUNSETIFF = 0x400454CA
IFF_TAP_NO_PI = 0x0002 | 0x1000
CLONE_NEWNET = 0x40000000
FRAME_MAX = 65536


def open_tap(namespace, name):
    """A TAP interface in that namespace: its descriptor may be used from anywhere."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/run/netns/" + namespace) as ns:
        if libc.setns(ns.fileno(), CLONE_NEWNET) < 0:
            raise OSError(ctypes.get_errno(), "setns " + namespace)
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP_NO_PI))
    return fd


def frames(fd):
    while True:
        try:
            yield os.read(fd, FRAME_MAX)
        except BlockingIOError:
            return
        except OSError:  # the interface is down
            return


def put(fd, frame):
    try:
        os.write(fd, frame)
    except OSError:  # full, or down: cables lose frames
        pass


def carry(host, switch, seconds, chance):
    waiting = collections.deque()  # (when it is due, frame)
    dice = random.Random(1)
    while True:
        left = max(waiting[0][0] - time.monotonic(), 0) if waiting else None
        ready = select.select([host, switch], [], [], left)[0]
        now = time.monotonic()
        if host in ready:
            for frame in frames(host):
                if dice.random() >= chance:
                    waiting.append((now + seconds, frame))
        if switch in ready:
            for frame in frames(switch):
                put(host, frame)
        while waiting and waiting[0][0] <= now:
            put(switch, waiting.popleft()[1])


def main():
    host, switch, tap = sys.argv[1:4]
    host_fd = open_tap(host, "slow0")
    switch_fd = open_tap(switch, tap)
    print("ready", flush=True)
    carry(host_fd, switch_fd, float(sys.argv[4]) / 1000, float(sys.argv[5]) / 100)


main()
