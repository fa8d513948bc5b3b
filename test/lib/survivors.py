# SPDX-License-Identifier: MPL-2.0
"""Clients of ranks that survive while others die.

  survivors.py RUNDIR STOP REPORT RANK...    a client at each RANK stores, loads what the others have stored,
                                             commits, looks up, and pings the other RANKs, until the file
                                             STOP exists.  No request may fail.  REPORT: what was done, and
                                             the longest delay; then everything acknowledged is checked at
                                             every RANK
Status 1: a request failed, or something acknowledged is not there."""
import base64
import json
import os
import random
import sys
import threading
import time

from client import Client

PATIENCE = 60  # seconds that an answer may take


class Survivor(threading.Thread):
    def __init__(self, rundir, rank, others, shared):
        super().__init__(daemon=True)
        self.rank, self.others, self.shared = rank, others, shared
        self.client = Client(f"{rundir}/local-{rank}", PATIENCE)
        self.random = random.Random(rank)
        self.done, self.longest, self.failure, self.doing = 0, 0.0, None, ""
        self.keys = {}

    def ask(self, topic, payload, nodeid=None):
        self.doing = topic if nodeid is None else f"{topic} to rank {nodeid}"
        start = time.monotonic()
        rest = {} if nodeid is None else {"nodeid": nodeid}
        errnum, answer = self.client.rpc(topic, payload, **rest)
        self.longest = max(self.longest, time.monotonic() - start)
        if errnum:
            raise RuntimeError(f"{self.doing}: errnum {errnum} {answer!r}")
        self.done += 1
        return answer

    def store(self):
        data = self.random.randbytes(self.random.choice((100, 5000, 100000)))
        self.shared.append((self.ask("content.store", data), data))

    def load(self):
        if self.shared:
            address, data = self.random.choice(self.shared)
            if self.ask("content.load", address) != data:
                raise RuntimeError("a load gave other bytes")

    def commit(self):
        key, text = f"k{self.rank}-{len(self.keys)}", str(self.random.random())
        value = {"ver": 1, "type": "val", "data": base64.b64encode(text.encode()).decode()}
        ops = [{"key": key, "flags": 0, "dirent": value}]
        self.ask("kvs.commit", json.dumps({"namespace": "primary", "flags": 0, "ops": ops}))
        self.keys[key] = value

    def ping(self):
        other = self.random.choice(self.others)
        answer = json.loads(self.ask("broker.ping", '{"seq":1}', other).rstrip(b"\0"))
        if answer["rank"] != other:
            raise RuntimeError(f"rank {answer['rank']} answered for {other}")

    def run(self):
        try:
            while not os.path.exists(self.shared.stop):
                self.random.choice((self.store, self.load, self.commit, self.ping))()
        except Exception as problem:  # told by the main thread
            self.failure = f"rank {self.rank}: {self.doing}: {problem!r}"

    def check(self, survivors):
        for address, data in self.shared:
            if self.ask("content.load", address) != data:
                raise RuntimeError("a load gave other bytes")
        for other in survivors:
            for key, value in other.keys.items():
                query = json.dumps({"namespace": "primary", "key": key, "flags": 16})
                answer = json.loads(self.ask("kvs.lookup", query).rstrip(b"\0"))
                if answer["val"] != value:
                    raise RuntimeError(f"{key} has another value")


class Shared(list):
    def __init__(self, stop):
        super().__init__()
        self.stop = stop


def wait_for_version(survivors):
    """Every rank sees the newest root."""
    newest = json.loads(survivors[0].ask("kvs.getroot", '{"namespace":"primary"}').rstrip(b"\0"))
    query = json.dumps({"namespace": "primary", "rootseq": newest["rootseq"]})
    for survivor in survivors:
        survivor.ask("kvs.wait-version", query)


def main():
    rundir, stop, report, *ranks = sys.argv[1:]
    ranks, shared = [int(rank) for rank in ranks], Shared(stop)
    survivors = [Survivor(rundir, rank, [other for other in ranks if other != rank], shared)
                 for rank in ranks]
    for survivor in survivors:
        survivor.start()
    while any(survivor.is_alive() for survivor in survivors):
        time.sleep(0.1)
        done = sum(survivor.done for survivor in survivors)
        with open(report + ".new", "w") as file:
            print(done, round(max(survivor.longest for survivor in survivors), 3), file=file)
        os.rename(report + ".new", report)
        if any(survivor.failure for survivor in survivors):
            break
    failures = [survivor.failure for survivor in survivors if survivor.failure]
    if not failures:
        wait_for_version(survivors)
        survivors[-1].check(survivors)
    sys.exit("\n".join(failures) if failures else 0)


if __name__ == "__main__":
    main()
