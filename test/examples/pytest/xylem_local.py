# SPDX-License-Identifier: MPL-2.0
"""A client of Xylem in plain sockets: one rank, by its UNIX socket RUNDIR/local-R.

The protocol is in xylem-message(7): a message is 12 00 ee ff, a size, and parts, each with its size in front:
an empty delimiter, a topic, maybe a payload, and a header of 20 bytes.  To adapt: rpc() does whatever the
table of topics there offers; JSON payloads end with a NUL, blobs do not."""
import base64
import json
import os
import socket
import struct

MAGIC = b"\x12\x00\xee\xff"
TOPIC, PAYLOAD, ROUTE = 1, 2, 8  # flags
ANY = 0xFFFFFFFF                 # rank: the one connected to


def pack(part):
    return (bytes([len(part)]) if len(part) < 255 else b"\xff" + struct.pack(">I", len(part))) + part


def request(topic, payload, rank, tag):
    """The packed parts of a request."""
    flags = TOPIC | ROUTE | (PAYLOAD if payload else 0)
    header = struct.pack(">BBBBIIII", 0x8E, 1, 1, flags, ANY, 0, rank, tag)
    return b"".join(pack(p) for p in [b"", topic.encode()] + ([payload] if payload else []) + [header])


def response(body):
    """(tag, errnum, payload) of packed parts."""
    parts = []
    while body:
        size, start = (body[0], 1) if body[0] < 255 else (struct.unpack(">I", body[1:5])[0], 5)
        parts.append(body[start:start + size])
        body = body[start + size:]
    _, _, _, flags, _, _, errnum, tag = struct.unpack(">BBBBIIII", parts[-1])
    return tag, errnum, parts[-2] if flags & PAYLOAD else b""


class Client:
    def __init__(self, path, timeout=30):
        self.tag = 0
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(timeout)
        self.sock.connect(path)
        refused = self.read(1)[0]
        if refused:
            raise OSError(refused, os.strerror(refused), path)

    def close(self):
        self.sock.close()

    def read(self, size):
        data = b""
        while len(data) < size:
            more = self.sock.recv(size - len(data))
            if not more:
                raise ConnectionResetError("the rank is gone")
            data += more
        return data

    def rpc(self, topic, payload=b"", rank=ANY):
        """Bytes to bytes; OSError when the answer is an error."""
        self.tag += 1
        body = request(topic, payload, rank, self.tag)
        self.sock.sendall(MAGIC + struct.pack(">I", len(body)) + body)
        magic, size = struct.unpack(">4sI", self.read(8))
        tag, errnum, answer = response(self.read(size))
        assert magic == MAGIC and tag == self.tag
        if errnum:
            raise OSError(errnum, answer.rstrip(b"\0").decode() or os.strerror(errnum), topic)
        return answer

    def rpc_json(self, topic, rank=ANY, **members):
        answer = self.rpc(topic, json.dumps(members).encode() + b"\0", rank)
        return json.loads(answer.rstrip(b"\0") or b"null")

    def store(self, blob):
        """The digest, raw."""
        return self.rpc("content.store", blob)

    def load(self, digest):
        return self.rpc("content.load", digest)

    def put(self, key, value):
        entry = {"ver": 1, "type": "val", "data": base64.b64encode(value).decode()}
        return self.rpc_json("kvs.commit", namespace="primary", flags=0,
                             ops=[{"key": key, "flags": 0, "dirent": entry}])

    def get(self, key):
        """A value that is small; large ones are a valref: blobs to load."""
        entry = self.rpc_json("kvs.lookup", namespace="primary", key=key, flags=0)["val"]
        return base64.b64decode(entry["data"])
