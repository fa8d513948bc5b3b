# SPDX-License-Identifier: MPL-2.0
"""A client of the local socket in plain sockets (xylem-message(7)), for tests that send what no
well-behaved client would.  `python3 client.py SOCKET TOPIC [JSON [NODEID [FLAGS]]]` prints errnum and
payload of the answer."""
import socket
import struct
import sys

MAGIC = b"\x12\x00\xee\xff"
TOPIC, PAYLOAD, NORESPONSE, ROUTE, STREAMING = 1, 2, 4, 8, 0x40
ANY = 0xFFFFFFFF


def part(data):
    size = bytes([len(data)]) if len(data) < 255 else b"\xff" + struct.pack(">I", len(data))
    return size + data


def take_parts(body):
    parts = []
    while body:
        size, start = body[0], 1
        if size == 255:
            size, start = struct.unpack(">I", body[1:5])[0], 5
        parts.append(body[start:start + size])
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

    def send(self, topic, payload=None, nodeid=ANY, flags=0):
        """Returns the match tag.  payload: bytes as they are, str with a NUL behind."""
        self.tag += 1
        if isinstance(payload, str):
            payload = payload.encode() + b"\0"
        flags |= TOPIC | ROUTE | (PAYLOAD if payload else 0)
        body = part(b"") + part(topic.encode())
        if payload:
            body += part(payload)
        body += part(struct.pack(">BBBBIIII", 0x8E, 1, 1, flags, ANY, 0, nodeid, self.tag))
        self.sock.sendall(MAGIC + struct.pack(">I", len(body)) + body)
        return self.tag

    def _read(self, count):
        data = b""
        while len(data) < count:
            more = self.sock.recv(count - len(data))
            if not more:
                raise ConnectionResetError("closed by the rank")
            data += more
        return data

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


def main():
    args = sys.argv[1:]
    client = Client(args[0])
    payload = args[2] if len(args) > 2 and args[2] else None
    nodeid = int(args[3]) if len(args) > 3 else ANY
    flags = int(args[4], 0) if len(args) > 4 else 0
    errnum, answer = client.rpc(args[1], payload, nodeid, flags)
    print(errnum, answer.rstrip(b"\0").decode(errors="replace"))


if __name__ == "__main__":
    main()
