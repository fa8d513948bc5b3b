# SPDX-License-Identifier: MPL-2.0
"""What a client of Flux sends on the local socket, byte for byte, and what it insists on in what comes back:
written from Flux's side alone, with nothing of Xylem in it.  Every message that is received is taken apart
strictly: sizes, order of the parts, flags, header, and the NUL behind text."""
import base64
import hashlib
import json
import os
import select
import socket
import struct

MAGIC = bytes.fromhex("1200eeff")
REQUEST, RESPONSE, EVENT = 1, 2, 4
TOPIC, PAYLOAD, NORESPONSE, ROUTE, UPSTREAM, PRIVATE, STREAMING = 1, 2, 4, 8, 0x10, 0x20, 0x40
ANY = 0xFFFFFFFF
OWNER, LOCAL = 1, 4

EPERM, ENOENT, EIO, EBUSY, EEXIST, ENOTDIR, EISDIR, EINVAL = 1, 2, 5, 16, 17, 20, 21, 22
EFBIG, ENOSYS, ELOOP, ENODATA, EPROTO, ENOTSUP, EAGAIN, ENAMETOOLONG = 27, 38, 40, 61, 71, 95, 11, 36

# kvs.lookup
READDIR, READLINK, WATCH, WAITCREATE, TREEOBJ = 1, 2, 4, 8, 16
WATCH_FULL, WATCH_UNIQ, WATCH_APPEND, STREAM = 64, 128, 256, 512
# kvs.commit
APPEND, NO_MERGE, SYNC = 32, 1, 4


class Answer:
    """errnum, flags, data (bytes as they came) and, if those are JSON, json."""

    def __init__(self, parts, header):
        _, _, self.type, self.flags, self.userid, self.rolemask, self.errnum, self.tag = header
        if self.flags & ROUTE:
            assert parts.pop(0) == b"", "routes, or no delimiter"
        self.topic = parts.pop(0).decode("ascii") if self.flags & TOPIC else None
        self.data = parts.pop(0) if self.flags & PAYLOAD else b""
        assert not parts, "more parts than flags"
        self.sequence = self.errnum  # of an event

    @property
    def text(self):
        assert self.data.endswith(b"\0") and self.data.count(b"\0") == 1, self.data[:80]
        return self.data[:-1].decode()

    @property
    def json(self):
        return json.loads(self.text)

    def ok(self):
        assert self.errnum == 0, (self.topic, self.errnum, self.data[:200])
        return self

    def empty(self):
        """An answer without payload: no part, and no flag."""
        assert self.ok().data == b"" and not self.flags & PAYLOAD, self.data[:80]

    def fails(self, errnum, *words):
        assert self.errnum == errnum, (self.topic, self.errnum, errnum, self.data[:200])
        if self.flags & PAYLOAD:
            assert self.text and self.text.isprintable()
        for word in words:
            assert word in self.text, (self.text, word)


def split(body):
    parts, at = [], 0
    while at < len(body):
        size, at = body[at], at + 1
        if size == 255:
            size, at = struct.unpack_from(">I", body, at)[0], at + 4
            assert size >= 255, "the long form of a short size"
        assert at + size <= len(body), "a part reaches beyond the message"
        parts.append(bytes(body[at:at + size]))
        at += size
    return parts


def pack(part):
    if len(part) < 255:
        return bytes([len(part)]) + part
    return b"\xff" + struct.pack(">I", len(part)) + part


class Flux:
    """A handle as of flux_open()."""

    def __init__(self, path, timeout=30):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(timeout)
        self.sock.connect(path)
        assert self.exactly(1) == b"\0", "not welcome"
        self.tag = 0
        self.asked = {}  # tag: (topic, flags)
        self.events = []
        self.early = []

    def close(self):
        self.sock.close()

    def exactly(self, count):
        data = b""
        while len(data) < count:
            piece = self.sock.recv(count - len(data))
            if not piece:
                raise ConnectionResetError("closed by the server")
            data += piece
        return data

    # -- requests --

    def ask(self, topic, payload=None, nodeid=ANY, flags=0):
        """payload: bytes are raw, all else is JSON with its NUL.  Returns the match tag."""
        if payload is not None and not isinstance(payload, bytes):
            text = payload if isinstance(payload, str) else json.dumps(payload, separators=(",", ":"))
            payload = text.encode() + b"\0"
        self.tag += 1
        tag = 0 if flags & NORESPONSE else self.tag
        flags |= TOPIC | ROUTE | (PAYLOAD if payload else 0)
        header = struct.pack(">BBBBIIII", 0x8E, 1, REQUEST, flags, ANY, 0, nodeid, tag)
        parts = [b"", topic.encode()] + ([payload] if payload else []) + [header]
        body = b"".join(map(pack, parts))
        self.sock.sendall(MAGIC + struct.pack(">I", len(body)) + body)
        self.asked[tag] = (topic, flags)
        return tag

    def read(self):
        """The next message, be it a response or an event."""
        head = self.exactly(8)
        assert head[:4] == MAGIC, head
        parts = split(self.exactly(struct.unpack(">I", head[4:])[0]))
        assert len(parts[-1]) == 20, parts[-1]
        header = struct.unpack(">BBBBIIII", parts.pop())
        assert header[:2] == (0x8E, 1), header
        got = Answer(parts, header)
        if got.type == EVENT:
            self.check_event(got)
        else:
            self.check_response(got)
        return got

    def check_event(self, got):
        assert got.flags & TOPIC and not got.flags & (ROUTE | NORESPONSE | STREAMING), hex(got.flags)
        assert got.tag == 0

    def check_response(self, got):
        assert got.type == RESPONSE, got.type
        topic, flags = self.asked[got.tag]
        assert not flags & NORESPONSE, "an answer to what wanted none"
        assert got.topic == topic, (got.topic, topic)
        must = TOPIC | ROUTE | (PAYLOAD if got.data else 0)
        assert got.flags & ~STREAMING == must, hex(got.flags)
        assert got.flags & STREAMING <= flags & STREAMING, "a stream nobody asked for"
        assert (got.userid, got.rolemask) == (os.geteuid(), OWNER | LOCAL), (got.userid, got.rolemask)

    def answer(self, tag):
        """The next answer to that request; what comes for others meanwhile is kept."""
        for i, kept in enumerate(self.early):
            if kept.tag == tag:
                return self.early.pop(i)
        while True:
            got = self.read()
            if got.type == EVENT:
                self.events.append(got)
            elif got.tag == tag:
                return got
            else:
                self.early.append(got)

    def event(self):
        """The next event."""
        while not self.events:
            got = self.read()
            (self.events if got.type == EVENT else self.early).append(got)
        return self.events.pop(0)

    def rpc(self, topic, payload=None, nodeid=ANY, flags=0):
        return self.answer(self.ask(topic, payload, nodeid, flags))

    def call(self, topic, payload=None, nodeid=ANY):
        """The JSON of a good answer."""
        return self.rpc(topic, payload, nodeid).ok().json

    def is_silent(self, seconds=0.2):
        """Nothing comes, though the server has seen all that was sent."""
        self.rpc("attr.get", {"name": "rank"}).ok()
        return not self.early and not self.events and \
            not select.select([self.sock], [], [], seconds)[0]

    # -- what libflux makes of them --

    def attr(self, name):
        return self.call("attr.get", {"name": name})["value"]

    def commit(self, *ops, ns="primary", flags=0):
        return self.rpc("kvs.commit", {"namespace": ns, "flags": flags, "ops": list(ops)})

    def lookup(self, key, flags=0, ns="primary"):
        return self.rpc("kvs.lookup", {"key": key, "namespace": ns, "flags": flags})

    def get(self, key, flags=0, ns="primary"):
        return self.lookup(key, flags, ns).ok().json["val"]

    def root(self, ns="primary"):
        return self.call("kvs.getroot", {"namespace": ns, "flags": 0})


# -- tree objects, and operations on them --

def obj(kind, data):
    return {"ver": 1, "type": kind, "data": data}


def val(data):
    data = data.encode() if isinstance(data, str) else data
    return obj("val", base64.b64encode(data).decode())


def link_to(target, ns=None):
    return obj("symlink", {"namespace": ns, "target": target} if ns else {"target": target})


EMPTY_DIR = obj("dir", {})


def op(key, dirent, flags=0):
    return {"key": key, "flags": flags, "dirent": dirent}


def put(key, data):
    return op(key, val(data))


def append(key, data):
    return op(key, val(data), APPEND)


def unlink(key):
    return op(key, None)


def mkdir(key):
    return op(key, EMPTY_DIR)


def symlink(key, target, ns=None):
    return op(key, link_to(target, ns))


def blobref(data, alg="sha1"):
    if alg == "blake2b":
        return "blake2b-" + hashlib.blake2b(data, digest_size=32).hexdigest()
    return f"{alg}-{hashlib.new(alg, data).hexdigest()}"


def encode(tree):
    return json.dumps(tree, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode()
