# SPDX-License-Identifier: MPL-2.0
"""load.py SOCKET NAME LOG - a client that works until SIGTERM and bears no error.

In each turn it stores a blob, loads it and an older one again, appends a line to the key `log`, and looks
up a key it has put.  Lines that were acknowledged are in LOG (commits.py check).  An error, or a turn that
takes longer than LIMIT, is printed, and the exit status is 1; the last line printed says how long the
slowest turn took."""
import json
import signal
import sys
import time

from client import Client
from commits import APPEND, commit, look_up, op, val

PATIENCE = 60  # seconds, for an answer
LIMIT = 20  # seconds: far more than it takes to notice a loss and to find another way
PAUSE = 0.005  # so that many clients fit on a small machine


class Load:
    def __init__(self, path, name, log):
        self.client = Client(path, PATIENCE)
        self.name = name
        self.log = open(log, "a")
        self.stored = []  # (address, blob)
        self.ends = False

    def expect(self, what, errnum, got=None, wanted=None):
        if errnum != 0 or got != wanted:
            raise AssertionError(f"{what}: errnum {errnum}, {got!r:.80} instead of {wanted!r:.80}")

    def blobs(self, turn):
        blob = f"{self.name} {turn} ".encode() * 50
        errnum, address = self.client.store(blob)
        self.expect("store", errnum)
        self.stored.append((address, blob))
        for address, blob in self.stored[-1], self.stored[turn * 7919 % len(self.stored)]:
            self.expect("load", *self.client.load(address), blob)

    def keys(self, turn):
        line = f"{self.name}-{turn}"
        number = val(str(turn).encode())
        key = f"load.{self.name}"
        errnum, answer = self.client.rpc(
            "kvs.commit", commit([op("log", val(line.encode() + b"\n"), APPEND), op(key, number)]))
        self.expect("commit", errnum, None if errnum == 0 else answer)
        print(line, file=self.log, flush=True)
        self.client.rpc("kvs.wait-version",
                        json.dumps({"namespace": "primary", "rootseq": json.loads(
                            answer.rstrip(b"\0"))["rootseq"]}))
        self.expect("lookup", 0, look_up(self.client, key), number)

    def end(self, *_):
        self.ends = True

    def run(self):
        turn, slowest = 0, 0.0
        while not self.ends:
            begin = time.monotonic()
            self.blobs(turn)
            self.keys(turn)
            slowest = max(slowest, time.monotonic() - begin)
            if slowest > LIMIT:
                raise AssertionError(f"turn {turn} took {slowest:.3f} s")
            turn += 1
            time.sleep(PAUSE)
        print(f"{self.name}: {turn} turns, the slowest took {slowest:.3f} s")


def main():
    load = Load(*sys.argv[1:])
    signal.signal(signal.SIGTERM, load.end)
    try:
        load.run()
    except (OSError, AssertionError) as error:
        sys.exit(f"{load.name}: {type(error).__name__} {error}")


main()
