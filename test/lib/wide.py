# SPDX-License-Identifier: MPL-2.0
"""Wide directories: commits of many keys, and archives of many files.  The value of NAME is "v-NAME".

  wide.py commit SOCKET PREFIX FROM TO SEED      put kFROM .. k(TO-1) below PREFIX, in random order and groups
  wide.py unlink SOCKET PREFIX FROM TO SEED      likewise
  wide.py tar FILE FOLDER FROM TO                an archive of the same
  wide.py parts SOCKET BLOBREF                   the parts of a wide directory: "BLOBREF COUNT" each, the
                                                 largest first; "type TYPE" before
"""
import base64
import io
import json
import random
import sys
import tarfile

from client import Client


def operation(key, is_put):
    value = base64.b64encode(f"v-{key.split('.')[-1]}".encode()).decode()
    entry = {"data": value, "type": "val", "ver": 1} if is_put else None
    return {"key": key, "flags": 0, "dirent": entry}


def commit(is_put, socket, prefix, first, end, seed):
    client = Client(socket, timeout=120)
    draw = random.Random(int(seed))
    keys = [f"{prefix}k{i}" for i in range(int(first), int(end))]
    draw.shuffle(keys)
    while keys:
        count = draw.randint(1, 20000)
        group, keys = keys[:count], keys[count:]
        request = {"namespace": "primary", "flags": 0, "ops": [operation(k, is_put) for k in group]}
        errnum, payload = client.rpc("kvs.commit", json.dumps(request))[:2]
        if errnum:
            sys.exit(f"commit: {errnum} {payload}")


def archive(path, folder, first, end):
    with tarfile.open(path, "w") as tar:
        for i in range(int(first), int(end)):
            data = f"v-k{i}".encode()
            member = tarfile.TarInfo(f"{folder}k{i}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))


def load(client, ref):
    errnum, payload = client.rpc("content.load", bytes.fromhex(ref.split("-")[1]))[:2]
    if errnum:
        sys.exit(f"{ref}: {errnum}")
    return json.loads(payload)


def parts(socket, ref):
    client = Client(socket)
    top = load(client, ref)
    print("type", top["type"])
    found = []
    todo = [top]
    while todo:
        obj = todo.pop()
        for slot, count in zip(*(obj["data"][n] for n in ("slots", "counts"))) if obj["type"] == "hdir" else ():
            found.append((count, slot))
            todo.append(load(client, slot))
    for count, slot in sorted(found, reverse=True):
        print(slot, count)


if __name__ == "__main__":
    what, *args = sys.argv[1:]
    if what in ("commit", "unlink"):
        commit(what == "commit", *args)
    else:
        {"tar": archive, "parts": parts}[what](*args)
