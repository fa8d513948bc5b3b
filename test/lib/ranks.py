# SPDX-License-Identifier: MPL-2.0
"""The ranks of a cluster of rig.sh, for Python programs that play with them: their figures, and ranks
that are held still while something happens elsewhere.  A rank that is held has closed nothing; what is
sent to it waits.  `python3 ranks.py RUNDIR RANK FIGURE` prints one figure."""
import contextlib
import glob
import os
import signal
import sys
import time

from client import Client


def until(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


class Ranks:
    def __init__(self, rundir, size):
        self.rundir = rundir
        self.all = range(size)
        self.clients = {}  # for figures only

    def client(self, rank, timeout=60):
        return Client(f"{self.rundir}/local-{rank}", timeout)

    def figure(self, rank, name):
        """name as `xylem stats` prints it."""
        if rank not in self.clients:
            self.clients[rank] = self.client(rank)
        value = self.clients[rank].stats()
        for key in name.split("."):
            value = value[key]
        return value

    def figures(self, name, ranks=None):
        return [self.figure(rank, name) for rank in (self.all if ranks is None else ranks)]

    def pid(self, rank):
        with open(f"{self.rundir}/rank-{rank}.pid") as file:
            return int(file.read())

    def stop(self, rank):
        """Returns when no thread runs any more: the signal alone is no promise of that."""
        os.kill(self.pid(rank), signal.SIGSTOP)
        until(lambda: set(self.thread_states(rank)) == {"T"})

    def settle(self, rank):
        """Returns when all threads of the rank sleep: what it had to send is on its way."""
        until(lambda: set(self.thread_states(rank)) == {"S"})

    def thread_states(self, rank):
        for path in glob.glob(f"/proc/{self.pid(rank)}/task/*/stat"):
            with open(path) as file:
                yield file.read().rpartition(")")[2].split()[0]

    def go_on(self, rank):
        os.kill(self.pid(rank), signal.SIGCONT)

    @contextlib.contextmanager
    def held(self, rank):
        """Held at the start, and free at the end whatever happens."""
        self.stop(rank)
        try:
            yield
        finally:
            self.go_on(rank)


if __name__ == "__main__":
    print(Ranks(sys.argv[1], 0).figure(int(sys.argv[2]), sys.argv[3]))
