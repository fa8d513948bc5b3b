# SPDX-License-Identifier: MPL-2.0
"""A client of the local socket in plain sockets (xylem-message(7)), for tests that send what no
well-behaved client would.  `python3 client.py [-x] SOCKET TOPIC [PAYLOAD [NODEID [FLAGS]]]` prints
errnum and payload of the answer, with -x the payload in hexadecimal.  PAYLOAD is a text that gets a
NUL behind, or raw: @FILE, hex:DIGITS."""
import contextlib
import hashlib
import json
import socket
import struct
import sys

MAGIC = b"\x12\x00\xee\xff"
TOPIC, PAYLOAD, NORESPONSE, ROUTE, STREAMING = 1, 2, 4, 8, 0x40
ANY = 0xFFFFFFFF


HASHES = {
    "blake2b": lambda data: hashlib.blake2b(data, digest_size=32).digest(),
    "sha256": lambda data: hashlib.sha256(data).digest(),
    "sha1": lambda data: hashlib.sha1(data).digest(),
}


def digest(data, alg="blake2b"):
    return HASHES[alg](data)


def part(data):
    size = bytes([len(data)]) if len(data) < 255 else b"\xff" + struct.pack(">I", len(data))
    return size + data


def read_exactly(sock, count):
    data = bytearray(count)
    view = memoryview(data)
    while view:
        got = sock.recv_into(view)
        if not got:
            raise ConnectionResetError("closed by the rank")
        view = view[got:]
    return bytes(data)


def take_parts(body):
    parts = []
    body = memoryview(body)
    while body:
        size, start = body[0], 1
        if size == 255:
            size, start = struct.unpack(">I", body[1:5])[0], 5
        parts.append(bytes(body[start:start + size]))
        body = body[start + size:]
    return parts


class Client:
    def __init__(self, path, timeout=20):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(timeout)
        self.sock.connect(path)
        greeting = self.sock.recv(1)
        if greeting != b"\0":
            raise PermissionError(greeting)
        self.tag = 0
        self.held = None  # inside at_once(): what is not written yet

    def send(self, topic, payload=None, nodeid=ANY, flags=0):
        """Returns the match tag.  payload: bytes as they are, str with a NUL behind."""
        self.tag += 1
        if isinstance(payload, str):
            payload = payload.encode() + b"\0"
        flags |= TOPIC | ROUTE | (PAYLOAD if payload else 0)
        self.send_parts([topic.encode()] + ([payload] if payload else []), flags, nodeid)
        return self.tag

    def send_parts(self, parts, flags, nodeid=ANY):
        """A request of these parts behind the delimiter, whatever the flags say of them."""
        header = struct.pack(">BBBBIIII", 0x8E, 1, 1, flags, ANY, 0, nodeid, self.tag)
        body = b"".join(part(p) for p in [b""] + parts + [header])
        self._write(MAGIC + struct.pack(">I", len(body)) + body)

    def _write(self, data):
        if self.held is None:
            self.sock.sendall(data)
        else:
            self.held += data

    @contextlib.contextmanager
    def at_once(self):
        """What is sent inside is written in one piece behind it."""
        self.held = b""
        yield
        data, self.held = self.held, None
        self.sock.sendall(data)

    def _read(self, count):
        return read_exactly(self.sock, count)

    def receive(self):
        """(match tag, errnum, flags, payload) of the next response."""
        head = self._read(8)
        assert head[:4] == MAGIC, head
        parts = take_parts(self._read(struct.unpack(">I", head[4:])[0]))
        _, _, _, flags, _, _, errnum, tag = struct.unpack(">BBBBIIII", parts[-1])
        payload = parts[-2] if flags & PAYLOAD else b""
        return tag, errnum, flags, payload

    def rpc(self, topic, payload=None, nodeid=ANY, flags=0):
        """(errnum, payload)"""
        tag = self.send(topic, payload, nodeid, flags)
        got, errnum, _, answer = self.receive()
        assert got == tag
        return errnum, answer

    def settle(self):
        """The rank has seen all that was sent: a request that is answered at once overtakes what has
        to wait.  Returns what is answered by then."""
        asked, early = self.send("attr.get", '{"name":"rank"}'), []
        while (answer := self.receive())[0] != asked:
            early.append(answer)
        return early

    def store(self, data):
        """(errnum, digest)"""
        return self.rpc("content.store", data)

    def load(self, address):
        """(errnum, blob)"""
        return self.rpc("content.load", address)

    def stats(self):
        return json.loads(self.rpc("stats.get", "{}")[1].rstrip(b"\0"))


def read_payload(text):
    if text.startswith("@"):
        with open(text[1:], "rb") as file:
            return file.read()
    return bytes.fromhex(text[4:]) if text.startswith("hex:") else text


def main():
    args = sys.argv[1:]
    as_hex = args[0] == "-x"
    args = args[as_hex:]
    client = Client(args[0])
    payload = read_payload(args[2]) if len(args) > 2 and args[2] else None
    nodeid = int(args[3]) if len(args) > 3 else ANY
    flags = int(args[4], 0) if len(args) > 4 else 0
    errnum, answer = client.rpc(args[1], payload, nodeid, flags)
    print(errnum, answer.hex() if as_hex else answer.rstrip(b"\0").decode(errors="replace"))


if __name__ == "__main__":
    main()
