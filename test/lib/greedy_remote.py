# SPDX-License-Identifier: MPL-2.0
"""Remote clients that want more than their share.  `python3 greedy_remote.py CASE TREE LOCAL PID` plays
one against the rank with those two sockets, whose process is PID, and prints how far its memory grew, in
KiB, and how long another client has waited for an answer in the worst case and in the middle, in ms.
Cases whose answers can come also check every one of them."""
import sys
import threading
import time

from client import Client, digest
from greedy import blob, memory, push
from zmtp import Remote, bundle, frame, request

MEBI = 1 << 20
EAGAIN = 11


class Bystander:
    """Loads a small blob through both sockets again and again, until it is told to stop."""
    def __init__(self, tree, local):
        self.clients = Client(local), Remote(tree)
        self.address = self.clients[0].store(b"hello")[1]
        self.waits = []
        self.wrong = []
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.over.is_set():
            for client in self.clients:
                start = time.monotonic()
                answer = client.rpc("content.load", self.address)
                self.waits.append((time.monotonic() - start) * 1000)
                if answer != (0, b"hello"):
                    self.wrong.append(answer)
            time.sleep(0.005)

    def stop(self):
        self.over.set()
        self.thread.join()
        assert not self.wrong, self.wrong[:3]
        assert len(self.waits) > 20, "it has hardly been served"
        return sorted(self.waits)


def stores(count, size=MEBI, first=1):
    return b"".join(request("content.store", blob(first + i, size), first + i) for i in range(count))


def greedy_sender(tree):
    """One client stores without end and reads nothing."""
    push([Remote(tree)], stores(100), 1.5, 800 * MEBI)


def many_senders(tree):
    data = stores(20)
    push([Remote(tree) for _ in range(4)], data, 1.5, 200 * MEBI)


def small_sender(tree):
    """Requests of little size, but so many that their answers alone would be much: it is cut off."""
    client = Remote(tree)
    data = b"".join(request("content.store", b"%07d" % i, i + 1) for i in range(2000))
    push([client], data, 1.5, 100 * len(data))
    client.sock.settimeout(10)
    client.wait_for_bye()


def greedy_reader(tree):
    """Loads without reading; what it does beyond its measure cuts it off."""
    client = Remote(tree)
    address = client.rpc("content.store", blob(1))[1]
    data = b"".join(request("content.load", address, i + 10) for i in range(3000))
    push([client], data, 1.5, len(data))
    client.sock.settimeout(10)
    client.wait_for_bye()


def bundler(tree):
    """One frame of many requests, which are not taken; the connection stays."""
    client = Remote(tree)
    for count in 1000, 200000:  # the second one is longer than any bundle
        client.sock.sendall(bundle("content.load", digest(b"nowhere"), count))
    address = client.rpc("content.store", blob(7))[1]
    assert client.rpc("content.load", address) == (0, blob(7))


def babbler(tree):
    """Frames that are no message."""
    client = Remote(tree)
    client.sock.sendall(frame(b"\0what is this") * 30000)
    assert client.rpc("content.load", digest(b"hello")) == (0, b"hello")


def one_who_is_refused(tree):
    """Sends 40 MiB at once and then reads: what was refused is told, once each, and nothing else is."""
    client = Remote(tree)
    blobs = [blob(9000 + i) for i in range(40)]
    data = b"".join(request("content.store", b, i + 1) for i, b in enumerate(blobs))
    sender = threading.Thread(target=client.sock.sendall, args=(data,))
    sender.start()
    answers = {}
    for _ in blobs:
        tag, errnum, payload = client.answer()
        assert tag not in answers
        answers[tag] = errnum, payload
    sender.join()
    good = [tag for tag, (errnum, _) in answers.items() if errnum == 0]
    assert len(good) >= 4, f"{len(good)} of 40 were let in"
    assert any(errnum == EAGAIN for errnum, _ in answers.values()), "nothing was refused"
    for tag, (errnum, payload) in answers.items():
        assert (errnum, payload) in ((0, digest(blobs[tag - 1])), (EAGAIN, b"")), errnum
    for tag in good[:3]:
        assert client.rpc("content.load", digest(blobs[tag - 1])) == (0, blobs[tag - 1])


def main():
    case, tree, local, pid = sys.argv[1:5]
    other = Bystander(tree, local)
    time.sleep(0.2)
    base = memory(pid, "VmRSS")
    with open(f"/proc/{pid}/clear_refs", "w") as refs:
        refs.write("5")
    try:
        globals()[case](tree)
    finally:
        waits = other.stop()
    print(memory(pid, "VmHWM") - base, round(waits[-1]), round(waits[len(waits) // 2]))


if __name__ == "__main__":
    main()
