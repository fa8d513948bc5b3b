#!/usr/bin/env python3
# SPDX-License-Identifier: MPL-2.0
"""Send a rank what it must not accept.

    garbage.py local SOCKET CASE    to the socket for clients: succeeds if the rank closes the
                                    connection within 10 s
    garbage.py tree SOCKET CASE     to the ipc:// socket for child ranks: succeeds if it was sent
    garbage.py list local|tree      names of the cases
"""
import random
import socket
import struct
import sys

MAGIC = b"\x12\x00\xee\xff"
PROTO = bytes.fromhex("8e01010bffffffff00000000ffffffff00000001")
NOISE = random.Random(1).randbytes(100000)


def frame(data):
    head = bytes([len(data)]) if len(data) < 255 else b"\xff" + struct.pack(">I", len(data))
    return head + data


def message(*frames, magic=MAGIC, length=None):
    body = b"".join(frame(f) for f in frames)
    return magic + struct.pack(">I", len(body) if length is None else length) + body


LOCAL = {
    "noise": NOISE,
    "text": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "wrong-magic": message(b"", b"attr.get", PROTO, magic=b"\xff\xee\x00\x12"),
    "length-4g": message(b"", b"attr.get", PROTO, length=0xFFFFFFFF),
    "length-zero": message(length=0),
    "frame-beyond-body": MAGIC + struct.pack(">I", 4) + b"\xfeabc",
    "frame-length-4g": MAGIC + struct.pack(">I", 8) + b"\xff\xff\xff\xff\xffabc",
    "no-proto": message(b"", b"attr.get"),
    "short-proto": message(b"", b"attr.get", PROTO[:19]),
    "proto-magic": message(b"", b"attr.get", b"\x8f" + PROTO[1:]),
    "proto-version": message(b"", b"attr.get", b"\x8e\x07" + PROTO[2:]),
    "proto-type": message(b"", b"attr.get", PROTO[:2] + b"\x55" + PROTO[3:]),
    "too-many-frames": message(*[b"x"] * 5000, b"", b"attr.get", PROTO),
    "topic-not-utf8": message(b"", b"\xff\xfe\x80", PROTO),
}


def zmtp(*frames):
    """A ZMTP 3.0 peer that is well-mannered up to its handshake."""
    greeting = b"\xff" + bytes(8) + b"\x7f\x03\x00NULL" + bytes(16) + b"\x00" + bytes(31)
    prop = b"\x0bSocket-Type" + struct.pack(">I", 6) + b"DEALER"
    ready = b"\x05READY" + prop
    data = greeting + b"\x04" + bytes([len(ready)]) + ready
    for i, body in enumerate(frames):
        more = 1 if i + 1 < len(frames) else 0
        if len(body) < 256:
            data += bytes([more, len(body)]) + body
        else:
            data += bytes([more | 2]) + struct.pack(">Q", len(body)) + body
    return data


TREE = {
    "noise": NOISE,
    "zmtp-empty": zmtp(b""),
    "zmtp-noise": zmtp(NOISE),
    "zmtp-small-noise": zmtp(NOISE[:20]),
    "zmtp-many-parts": zmtp(*[NOISE[i : i + 9] for i in range(0, 9000, 9)]),
    "zmtp-proto-only": zmtp(PROTO),
    "zmtp-request-as-stranger": zmtp(b"", b"content.load", NOISE[:32], PROTO),
    "zmtp-hello-noise": zmtp(b"", b"overlay.hello", NOISE[:500], PROTO),
    "zmtp-hello-json": zmtp(b"", b"overlay.hello", b'{"rank":99999}\0', PROTO),
    "zmtp-deep-json": zmtp(b"", b"overlay.hello", b"[" * 60000 + b"\0", PROTO),
    "zmtp-huge-frame": zmtp() + b"\x02" + struct.pack(">Q", 1 << 62),
}


def connect(path):
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(10)
    sock.connect(path)
    return sock


def is_closed_by_peer(sock):
    try:
        while sock.recv(65536):
            pass
    except ConnectionError:
        pass
    except TimeoutError:
        return False
    return True


def send(sock, data):
    try:
        sock.sendall(data)
    except ConnectionError:
        pass


def main():
    kind, *rest = sys.argv[1:]
    if kind == "list":
        print(*(LOCAL if rest[0] == "local" else TREE))
        return 0
    sock = connect(rest[0])
    if kind == "local":
        assert sock.recv(1) == b"\0", "not welcome"
        send(sock, LOCAL[rest[1]])
        return 0 if is_closed_by_peer(sock) else "the connection was not closed"
    send(sock, TREE[rest[1]])
    sock.settimeout(0.3)
    is_closed_by_peer(sock)
    return 0


sys.exit(main())
