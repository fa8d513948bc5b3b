# SPDX-License-Identifier: MPL-2.0
"""flood.py KIND PORT COUNT: connections to 127.0.0.1:PORT that never finish a handshake.

  silent     say nothing
  greeting   the greeting of ZMTP, with CURVE, and nothing more
  hello      the greeting and half of a HELLO
  huge       the greeting and a frame that claims to have 2^40 bytes
  null       the greeting of somebody without CURVE
  garbage    random bytes
  initiate   the greeting, a HELLO of the right size made of random bytes

Prints "open N" when half of them have been made; those that are closed by the other end are replaced until
this program is killed, unless COUNT ends with an x."""
import random
import resource
import select
import socket
import sys

SIGNATURE = b"\xff" + bytes(8) + b"\x7f"
CURVE = SIGNATURE + b"\x03\x00" + b"CURVE".ljust(20, b"\0") + bytes(32)
NULL = SIGNATURE + b"\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)
READY = b"\x04\x19\x05READY\x0bSocket-Type\x00\x00\x00\x06DEALER"
SAYS = {
    "silent": b"",
    "greeting": CURVE,
    "hello": CURVE + b"\x04\xc8\x05HELLO\x01\x00" + bytes(80),
    "huge": CURVE + b"\x02" + (1 << 40).to_bytes(8, "big") + bytes(1000),
    "null": NULL + READY,
    "garbage": random.Random(6).randbytes(300),
    "initiate": CURVE + b"\x04\xc8\x05HELLO\x01\x00" + random.Random(7).randbytes(192),
}


class Crowd:
    def __init__(self, port, says):
        self.port, self.says = port, says
        self.poll = select.epoll()
        self.members = {}
        self.opened = 0

    def add(self):
        s = socket.socket()
        s.setblocking(False)
        s.connect_ex(("127.0.0.1", self.port))
        self.members[s.fileno()] = [s, False]
        self.poll.register(s.fileno(), select.EPOLLIN | select.EPOLLOUT)

    def drop(self, fd):
        self.poll.unregister(fd)
        self.members.pop(fd)[0].close()

    def greet(self, fd):
        member = self.members[fd]
        self.poll.modify(fd, select.EPOLLIN)
        try:
            member[0].send(self.says)
            self.opened += not member[1]
            member[1] = True
        except OSError:
            self.drop(fd)

    def listen(self, fd):
        try:
            if not self.members[fd][0].recv(65536):
                self.drop(fd)
        except BlockingIOError:
            pass
        except OSError:
            self.drop(fd)

    def turn(self):
        for fd, events in self.poll.poll(0.05):
            if events & select.EPOLLOUT:
                self.greet(fd)
            if fd in self.members and events & ~select.EPOLLOUT:
                self.listen(fd)


def main():
    kind, port, count = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    crowd = Crowd(port, SAYS[kind])
    wanted = int(count.rstrip("x"))
    for _ in range(wanted):
        crowd.add()
    told = False
    while True:
        crowd.turn()
        if not told and crowd.opened >= wanted // 2:
            told = True
            print("open", crowd.opened, flush=True)
        for _ in range(0 if count.endswith("x") else wanted - len(crowd.members)):
            crowd.add()


main()
