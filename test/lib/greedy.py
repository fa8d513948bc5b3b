# SPDX-License-Identifier: MPL-2.0
"""Clients that want more than their share.  `python3 greedy.py CASE SOCKET PID` plays one against the
rank with that socket, whose process is PID, and prints how far its memory grew, in KiB.  Cases whose
answers can come also check every byte of them."""
import random
import resource
import select
import struct
import sys
import threading
import time

from client import Client, MAGIC, digest, part

MEBI = 1 << 20


def memory(pid, field):
    with open(f"/proc/{pid}/status") as status:
        for line in status:
            if line.startswith(field):
                return int(line.split()[1])
    raise KeyError(field)


def blob(seed, size=MEBI):
    return random.Random(seed).randbytes(size)


def push(clients, data, seconds, most):
    """Write `data` to all again and again and read nothing, until nobody has taken a byte for so long or
    all have taken the most.  Returns the bytes taken."""
    for c in clients:
        c.sock.setblocking(False)
    sent = {c.sock: 0 for c in clients}
    idle_since = time.monotonic()
    while time.monotonic() - idle_since < seconds:
        open_socks = [s for s in sent if sent[s] < most]
        if not open_socks:
            break
        _, ready, _ = select.select([], open_socks, [], 0.1)
        for s in ready:
            at = sent[s] % len(data)
            try:
                sent[s] += s.send(memoryview(data)[at:at + MEBI])
                idle_since = time.monotonic()
            except BlockingIOError:
                pass
    return sum(sent.values())


def store_message(seed, size=MEBI):
    header = struct.pack(">BBBBIIII", 0x8E, 1, 1, 0x0B, 0xFFFFFFFF, 0, 0xFFFFFFFF, seed)
    body = b"".join(part(p) for p in [b"", b"content.store", blob(seed, size), header])
    return MAGIC + struct.pack(">I", len(body)) + body


def greedy_sender(path, pid):
    """One client stores without reading; what is below does not take it."""
    data = b"".join(store_message(i) for i in range(200))
    push([Client(path)], data, 1.5, len(data))


def many_senders(path, pid):
    data = b"".join(store_message(i) for i in range(20))
    push([Client(path) for _ in range(40)], data, 1.5, len(data))


def coming_and_going(path, pid):
    """What a client leaves behind counts too."""
    for i in range(60):
        data = b"".join(store_message(1000 + i * 8 + j) for j in range(8))
        client = Client(path)
        push([client], data, 0.05, len(data))
        client.sock.close()


def small_sender(path, pid):
    """Requests of little size, but many."""
    data = b"".join(store_message(i, 16) for i in range(20000))
    push([Client(path) for _ in range(8)], data, 1.5, len(data))


def load_message(tag, address):
    header = struct.pack(">BBBBIIII", 0x8E, 1, 1, 0x0B, 0xFFFFFFFF, 0, 0xFFFFFFFF, tag)
    body = b"".join(part(p) for p in [b"", b"content.load", address, header])
    return MAGIC + struct.pack(">I", len(body)) + body


def greedy_reader(path, pid):
    """Loads without end of blobs that the cache cannot hold together; reads the answers in the end."""
    writer = Client(path)
    blobs = [blob(5000 + i) for i in range(64)]
    addresses = [writer.store(b)[1] for b in blobs]
    assert addresses == [digest(b) for b in blobs]
    client = Client(path, timeout=60)
    count = 1000
    data = b"".join(load_message(i, addresses[i % 64]) for i in range(count))
    sent = push([client], data, 1, len(data))
    client.sock.setblocking(True)
    sender = threading.Thread(target=client.sock.sendall, args=(data[sent:],))
    sender.start()
    seen = set()
    for _ in range(count):
        tag, errnum, _, payload = client.receive()
        assert errnum == 0 and tag not in seen and payload == blobs[tag % 64]
        seen.add(tag)
    sender.join()


def many_readers(path, pid):
    """Four hundred load a large blob each, all of them different, and read nothing; two read."""
    size = MEBI // 2
    count = min(400, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 100)
    writer = Client(path, timeout=60)
    addresses = [writer.store(blob(30000 + i, size))[1] for i in range(count)]
    idle = [Client(path) for _ in addresses]
    for client, address in zip(idle, addresses):
        client.send("content.load", address)
    for _ in range(2):
        good = Client(path, timeout=60)
        for i in range(5):
            assert good.load(addresses[i]) == (0, blob(30000 + i, size))
    deadline = time.monotonic() + 60
    while (stats := writer.stats()["local"])["cut"] == 0:
        assert time.monotonic() < deadline, stats
        time.sleep(0.1)


def without_answer(path, pid):
    """Large requests for another rank that want no answer."""
    header = struct.pack(">BBBBIIII", 0x8E, 1, 1, 0x0F, 0xFFFFFFFF, 0, 0, 1)
    body = b"".join(part(p) for p in [b"", b"attr.get", blob(1), header])
    data = (MAGIC + struct.pack(">I", len(body)) + body) * 20
    push([Client(path)], data, 1.5, 20 * len(data))


def main():
    case, path, pid = sys.argv[1:4]
    base = memory(pid, "VmRSS")
    with open(f"/proc/{pid}/clear_refs", "w") as refs:
        refs.write("5")
    globals()[case](path, pid)
    print(memory(pid, "VmHWM") - base)


if __name__ == "__main__":
    main()
