# SPDX-License-Identifier: MPL-2.0
"""A remote client in plain sockets: as much of ZMTP 3.0 as a DEALER needs on a UNIX socket
(xylem-message(7), "Framing over ZeroMQ"), for tests that send what no well-behaved client would.
Nobody reads or writes but the caller: what is not received stays where it is."""
import socket
import struct

from client import ANY, PAYLOAD, ROUTE, TOPIC, part, read_exactly, take_parts

GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)
MORE, LONG, COMMAND = 1, 2, 4
PACKED = 1024  # a payload above it is a frame of its own
REQUEST, CONTROL = 1, 8
BYE, CREDIT = 8, 9


def frame(body, flags=0):
    if len(body) > 255:
        return bytes([flags | LONG]) + struct.pack(">Q", len(body)) + body
    return bytes([flags, len(body)]) + body


def prop(name, value):
    return bytes([len(name)]) + name + struct.pack(">I", len(value)) + value


def header(kind, flags, aux1, aux2):
    return struct.pack(">BBBBIIII", 0x8E, 1, kind, flags, ANY, 0, aux1, aux2)


def request(topic, payload, tag):
    """The bytes of a request on the wire."""
    head = header(REQUEST, TOPIC | ROUTE | (PAYLOAD if payload else 0), ANY, tag)
    parts = [b"", topic.encode()]
    if payload and len(payload) > PACKED:
        packed = b"".join(part(p) for p in parts + [head])
        return frame(packed, MORE) + frame(payload)
    return frame(b"".join(part(p) for p in parts + ([payload] if payload else []) + [head]))


def bundle(topic, payload, count):
    """A frame of so many requests, which only ranks may send."""
    head = header(REQUEST, TOPIC | ROUTE | PAYLOAD, ANY, 1)
    one = part(b"".join(part(p) for p in [b"", topic.encode(), payload, head]))
    return frame(b"\xff\0\0\0\0" + one * count)


def credit(total):
    return frame(part(struct.pack(">Q", total)) + part(header(CONTROL, PAYLOAD, CREDIT, 0)))


class Remote:
    def __init__(self, path, timeout=30):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(timeout)
        self.sock.connect(path)
        self.sock.sendall(GREETING)
        assert self._read(64)[:1] == b"\xff"
        self.sock.sendall(frame(b"\x05READY" + prop(b"Socket-Type", b"DEALER")
                                + prop(b"Identity", b""), COMMAND))
        assert self._frame()[0] & COMMAND
        self.tag = 0
        self.taken = 0

    def _read(self, count):
        return read_exactly(self.sock, count)

    def _frame(self):
        flags = self._read(1)[0]
        size = struct.unpack(">Q", self._read(8))[0] if flags & LONG else self._read(1)[0]
        return flags, self._read(size)

    def send(self, topic, payload=None):
        """Returns the match tag."""
        self.tag += 1
        self.sock.sendall(request(topic, payload, self.tag))
        return self.tag

    def acknowledge(self):
        self.sock.sendall(credit(self.taken))

    def receive(self):
        """(type, aux1, aux2, payload) of the next message: for a response errnum and match tag."""
        flags, packed = self._frame()
        parts = take_parts(packed)
        kind, which, _, aux1, aux2 = struct.unpack(">xxBBQII", parts[-1])
        payload = self._frame()[1] if flags & MORE else parts[-2] if which & PAYLOAD else b""
        if kind != CONTROL:
            self.taken += len(payload) + 64
        return kind, aux1, aux2, payload

    def answer(self):
        """(match tag, errnum, payload) of the next response; BYE is ConnectionResetError."""
        while (message := self.receive())[0] == CONTROL:
            if message[1] == BYE:
                raise ConnectionResetError("BYE")
            self.acknowledge()
        return message[2], message[1], message[3]

    def wait_for_bye(self):
        """Takes messages, and acknowledges nothing."""
        while self.receive()[:2] != (CONTROL, BYE):
            pass

    def rpc(self, topic, payload=None):
        """(errnum, payload)"""
        tag = self.send(topic, payload)
        got, errnum, answer = self.answer()
        assert got == tag
        return errnum, answer
