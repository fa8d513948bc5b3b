# SPDX-License-Identifier: MPL-2.0
"""Blobs and keys in numbers: what a test stores is made from a name and a number, so that it can be
checked without having been kept.

  blobs.py store SOCKET NAME COUNT     blobs 1..COUNT
  blobs.py load SOCKET NAME COUNT      and are they there?
  blobs.py write SOCKET NAME LOG       blobs and keys until the rank is gone or refuses; what was
                                       acknowledged is in LOG
  blobs.py write-blobs SOCKET NAME LOG the same without keys
  blobs.py check SOCKET LOG...         what is in the logs is there
"""
import base64
import json
import sys

from client import Client, digest

WINDOW = 500  # requests in flight


def make(name, number):
    """Between 7 and some thousand bytes, no two alike."""
    return f"{name} {number} ".encode() * (1 + number * 7 % 97)


def pipeline(client, requests, on_answer):
    """requests: (what, topic, payload); on_answer(what, errnum, payload) says whether to go on."""
    waiting = {}

    def take():
        tag, errnum, _, payload = client.receive()
        return on_answer(waiting.pop(tag), errnum, payload)

    for what, topic, payload in requests:
        waiting[client.send(topic, payload)] = what
        if len(waiting) >= WINDOW and not take():
            return
    while waiting and take():
        pass


def fail(what, errnum, payload):
    sys.exit(f"{what}: errnum {errnum}, {payload[:60]!r}")


# ---- tiny ones ----

def tiny(name, number):
    return f"{name}{number}".encode()


def store(client, name, count):
    def answered(number, errnum, payload):
        if errnum or payload != digest(tiny(name, number)):
            fail(number, errnum, payload)
        return True

    count = int(count)
    pipeline(client, ((n, "content.store", tiny(name, n)) for n in range(count)), answered)


def load(client, name, count):
    def answered(number, errnum, payload):
        if errnum or payload != tiny(name, number):
            fail(number, errnum, payload)
        return True

    requests = ((n, "content.load", digest(tiny(name, n))) for n in range(int(count)))
    pipeline(client, requests, answered)


# ---- under load, with a log ----

def commit(key, value):
    dirent = {"ver": 1, "type": "val", "data": base64.b64encode(value.encode()).decode()}
    return json.dumps({"namespace": "primary", "flags": 0,
                       "ops": [{"key": key, "flags": 32, "dirent": dirent}]})


def writes(name, keys):
    number = 0
    while True:
        number += 1
        yield f"blob {name} {number}", "content.store", make(name, number)
        if keys and number % 10 == 0:
            yield f"key {name} {number}", "kvs.commit", commit(f"{name}.k{number}", str(number))


def write(client, name, log, keys=True):
    with open(log, "a", buffering=1) as out:
        def answered(what, errnum, _):
            if errnum == 0:
                print(what, file=out)
            return errnum == 0

        try:
            pipeline(client, writes(name, keys), answered)
        except ConnectionError:
            pass


def reads(lines):
    for line in lines:
        kind, name, number = line.split()
        if kind == "blob":
            yield line, "content.load", digest(make(name, int(number)))
        else:
            yield line, "kvs.lookup", json.dumps({"key": f"{name}.k{number}",
                                                  "namespace": "primary", "flags": 0})


def check(client, *logs):
    lines = [line.strip() for log in logs for line in open(log) if line.endswith("\n")]

    def answered(line, errnum, payload):
        kind, name, number = line.split()
        if kind == "blob":
            right = payload == make(name, int(number))
        else:
            right = errnum == 0 and base64.b64decode(
                json.loads(payload.rstrip(b"\0"))["val"]["data"]) == number.encode()
        if errnum or not right:
            fail(line, errnum, payload)
        return True

    pipeline(client, reads(lines), answered)
    if not lines:
        sys.exit("nothing was acknowledged")


def main():
    command, path, *args = sys.argv[1:]
    client = Client(path, timeout=60)
    if command == "write-blobs":
        write(client, *args, keys=False)
    else:
        {"store": store, "load": load, "write": write, "check": check}[command](client, *args)


if __name__ == "__main__":
    main()
