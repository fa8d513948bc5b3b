# SPDX-License-Identifier: MPL-2.0
"""Commits of clients that compare and swap, and of clients that repeat them.

  commits.py count SOCKET KEY TIMES           add one so often, by compare and swap; prints how often
                                              another client was faster
  commits.py commit SOCKET ID KEY TEXT        append with an id; prints errnum and sequence
  commits.py append SOCKET NAME LOG STOP      append lines to the key `log`, WINDOW at a time, each with an
                                              id of its own, until the file STOP exists; the lines that
                                              were acknowledged are in LOG.  When the rank is gone or
                                              refuses, what is unanswered is repeated until it is answered
  commits.py append-once SOCKET NAME LOG STOP the same, but nothing is repeated
  commits.py check LOG... -- FILE             is each line of the logs in FILE once, and none twice?
"""
import base64
import collections
import json
import os
import sys
import time

from client import Client

WINDOW = 16
APPEND = 32  # flags
TREEOBJ = 16
EAGAIN, ENOENT = 11, 2
REFUSED = (32, 104, 113, 125)  # of a rank that has lost its parent, or stops


def val(data):
    return {"ver": 1, "type": "val", "data": base64.b64encode(data).decode()}


def op(key, dirent, flags=0):
    return {"key": key, "flags": flags, "dirent": dirent}


def commit(ops, **conditions):
    return json.dumps({"namespace": "primary", "flags": 0, "ops": ops, **conditions})


def parse(payload):
    return json.loads(payload.rstrip(b"\0"))


# ---- counters ----

def look_up(client, key):
    """The tree object, None if there is none."""
    errnum, answer = client.rpc("kvs.lookup",
                                json.dumps({"namespace": "primary", "key": key, "flags": TREEOBJ}))
    assert errnum in (0, ENOENT), errnum
    return parse(answer)["val"] if errnum == 0 else None


def count(path, key, times):
    client, beaten = Client(path, 60), 0
    for _ in range(int(times)):
        while True:
            old = look_up(client, key)
            number = int(base64.b64decode(old["data"])) if old else 0
            new = val(str(number + 1).encode())
            errnum, answer = client.rpc(
                "kvs.commit", commit([op(key, new)], expect=[{"key": key, "dirent": old}]))
            if errnum == 0:
                break
            assert errnum == EAGAIN and key.encode() in answer, (errnum, answer)
            beaten += 1
    print(beaten)


# ---- appends ----

def append_line(line):
    return commit([op("log", val(line.encode() + b"\n"), APPEND)])


def commit_one(path, name, key, text):
    errnum, answer = Client(path, 60).rpc(f"kvs.commit.{name}",
                                          commit([op(key, val(text.encode()), APPEND)]))
    print(errnum, parse(answer)["rootseq"] if errnum == 0 else answer.decode())


class Writer:
    def __init__(self, path, name, log, stop, repeats):
        self.path, self.name, self.stop, self.repeats = path, name, stop, repeats
        self.log = open(log, "a")
        self.last = 0
        self.waiting = collections.OrderedDict()  # line -> match tag
        self.client = None

    def send(self, line):
        self.waiting[line] = self.client.send(f"kvs.commit.{line}", append_line(line))

    def connect(self):
        while True:
            try:
                self.client = Client(self.path, 60)
                lines, self.waiting = list(self.waiting), collections.OrderedDict()
                for line in lines if self.repeats else []:
                    self.send(line)
                return
            except OSError:
                time.sleep(0.02)

    def take(self):
        tag, errnum, _, answer = self.client.receive()
        line = next(line for line, sent in self.waiting.items() if sent == tag)
        if errnum == 0:
            del self.waiting[line]
            print(line, file=self.log, flush=True)
        elif errnum not in REFUSED:
            sys.exit(f"{line}: errnum {errnum} {answer!r}")
        elif self.repeats:
            time.sleep(0.02)
            self.send(line)
        else:
            del self.waiting[line]

    def turn(self):
        while len(self.waiting) < WINDOW and not os.path.exists(self.stop):
            self.last += 1
            line = f"{self.name}-{self.last}"
            self.waiting[line] = None
            self.send(line)
        if self.waiting:
            self.take()

    def run(self):
        self.connect()
        while self.waiting or not os.path.exists(self.stop):
            try:
                self.turn()
            except OSError:
                self.connect()


def check(*args):
    at = args.index("--")
    logs, file = args[:at], args[at + 1]
    with open(file) as lines:
        found = collections.Counter(line.rstrip("\n") for line in lines)
    wanted = [line.rstrip("\n") for log in logs for line in open(log)]
    lost = [line for line in wanted if found[line] == 0]
    twice = [line for line, times in found.items() if times > 1]
    print(f"{len(wanted)} acknowledged, {len(found)} found, lost: {lost[:5]}, twice: {twice[:5]}")
    sys.exit(1 if lost or twice or not wanted else 0)


if __name__ == "__main__":
    command, arguments = sys.argv[1], sys.argv[2:]
    if command == "append":
        Writer(*arguments, repeats=True).run()
    elif command == "append-once":
        Writer(*arguments, repeats=False).run()
    else:
        {"count": count, "commit": commit_one, "check": check}[command](*arguments)
