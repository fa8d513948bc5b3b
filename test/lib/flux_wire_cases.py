# SPDX-License-Identifier: MPL-2.0
"""`flux_wire_cases.py RUNDIR HASH SUITE`: framing, attributes, content, and what is left, as Flux's clients know
them."""
import ctypes
import os
import random
import socket
import struct
import sys

from flux import *
from flux_cases import case, digest_of, each_rank, handle, HASH, run, RUNDIR, Skip


# ---- framing ----

def framing():
    @case("the worked example: flux getattr rank, every byte there and back")
    def _():
        f = handle()
        f.sock.sendall(bytes.fromhex(
            "1200eeff 00000030 00 08 617474722e676574 10 7b226e616d65223a2272616e6b227d00"
            "14 8e01010b ffffffff 00000000 ffffffff 00000001"))
        want = bytes.fromhex(
            "1200eeff 00000038 00 08 617474722e676574 18 7b2276616c7565223a2230222c22666c616773223a317d00"
            "14 8e01020b") + struct.pack(">II", os.geteuid(), 5) + bytes.fromhex("00000000 00000001")
        got = f.exactly(len(want))
        assert got == want, got.hex()

    @case("the server says nothing after its greeting")
    def _():
        assert handle().is_silent()

    @case("a request in single bytes")
    def _():
        f = handle()
        header = struct.pack(">BBBBIIII", 0x8E, 1, 1, TOPIC | ROUTE, ANY, 0, ANY, 7)
        body = b"\0" + pack(b"attr.list") + pack(header)
        f.asked[7] = ("attr.list", 0)
        for byte in MAGIC + struct.pack(">I", len(body)) + body:
            f.sock.sendall(bytes([byte]))
        assert "rank" in f.answer(7).ok().json["names"]

    @case("answers come by match tag, also the largest one")
    def _():
        f = handle()
        f.tag = 0xFFFFFFFE
        f.rpc("attr.get", {"name": "size"}).ok()
        assert f.tag == 0xFFFFFFFF

    @case("an unknown topic is 38, with a text that names it")
    def _():
        each_rank(lambda f, _: f.rpc("foo.bar", {}).fails(38, "foo.bar"))

    @case("so is one that only begins with a known one")
    def _():
        handle().rpc("attr.getx", {"name": "rank"}).fails(ENOSYS)
        handle().rpc("attr", {"name": "rank"}).fails(ENOSYS)

    @case("NORESPONSE: no answer, good or bad")
    def _():
        f = handle(2)
        f.ask("content.store", b"quietly", flags=NORESPONSE)
        f.ask("foo.bar", {}, flags=NORESPONSE)
        f.ask("kvs.commit", {"namespace": "none", "flags": 0, "ops": []}, flags=NORESPONSE)
        f.ask("state-machine.sd-notify", {"status": "flux-dump(1) has archived 1 keys"},
              flags=NORESPONSE)
        assert f.is_silent()
        assert f.rpc("content.load", digest_of(b"quietly")).ok().data == b"quietly"

    @case("nodeid: each rank by its number, and ANY is the own one")
    def _():
        f = handle(2)
        for rank in 0, 1, 2:
            answer = f.rpc("attr.get", {"name": "rank"}, nodeid=rank)
            assert answer.ok().json["value"] == str(rank)
        assert f.attr("rank") == "2"

    @case("UPSTREAM with the own rank goes to the parent")
    def _():
        f = handle(2)
        answer = f.rpc("attr.get", {"name": "rank"}, nodeid=2, flags=UPSTREAM)
        assert answer.ok().json["value"] == "0"

    @case("a rank that is not there: 113")
    def _():
        handle(2).rpc("attr.get", {"name": "rank"}, nodeid=99).fails(113)

    @case("STREAMING to a service that answers once ends there")
    def _():
        f = handle()
        answer = f.rpc("attr.get", {"name": "rank"}, flags=STREAMING)
        assert answer.ok().json["value"] == "0" and f.is_silent()

    @case("a guest is told 1 in place of the greeting, and no more")
    def _():
        if os.geteuid() != 0:
            raise Skip("only root can be somebody else")
        child = os.fork()
        if child == 0:
            status = 1
            try:
                os.seteuid(65534)
                ctypes.CDLL(None).setfsuid(0)  # may open the socket, but is not its owner
                s = socket.socket(socket.AF_UNIX)
                s.settimeout(10)
                s.connect(f"{RUNDIR}/local-0")
                status = 0 if s.recv(1) == b"\1" and s.recv(1) == b"" else 2
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0


# ---- attributes ----

def attributes():
    @case("attr.get: value and flags, 1 where it never changes")
    def _():
        answer = handle(2).call("attr.get", {"name": "rank"})
        assert answer == {"value": "2", "flags": 1}, answer

    @case("all attributes that Flux's commands ask for")
    def _():
        for name in ("rank size content.hash hostlist version local-uri rundir instance-level "
                     "broker.pid").split():
            assert isinstance(handle(1).attr(name), str), name
        assert handle().attr("content.hash") == HASH
        assert handle().attr("size") == "3"
        assert handle(2).attr("hostlist").split(",") == [socket.gethostname()] * 3

    @case("attr.list: names, each of which can be got")
    def _():
        f = handle()
        names = f.call("attr.list", {})["names"]
        assert len(names) == len(set(names)) > 9
        for name in names:
            f.attr(name)

    @case("attr.get of an unknown one: ENOENT")
    def _():
        handle().rpc("attr.get", {"name": "nope"}).fails(ENOENT)

    @case("attr.set: EINVAL, forced or not; ENOENT for an unknown one")
    def _():
        f = handle()
        f.rpc("attr.set", {"name": "rank", "value": "1"}).fails(
            EINVAL, "attribute may not be updated")
        f.rpc("attr.set", {"name": "rank", "value": "1", "force": True}).fails(EINVAL)
        f.rpc("attr.set", {"name": "nope", "value": "1"}).fails(ENOENT, "unknown attribute")
        assert f.attr("rank") == "0"

    @case("attr.rm: EINVAL, ENOENT")
    def _():
        handle().rpc("attr.rm", {"name": "rank"}).fails(EINVAL)
        handle().rpc("attr.rm", {"name": "nope"}).fails(ENOENT)

    @case("without a name, or without JSON: EPROTO")
    def _():
        for topic in "attr.get", "attr.set", "attr.rm":
            handle().rpc(topic, {}).fails(EPROTO)
            handle().rpc(topic, b"{").fails(EPROTO)


# ---- content ----

def content():
    draw = random.Random(1)

    @case("content.store: raw blob, raw digest; content.load: the other way round")
    def _():
        for size in 1, 253, 254, 255, 256, 65536, 1 << 20:
            blob = draw.randbytes(size)
            for rank in 2, 0:
                f = handle(rank)
                assert f.rpc("content.store", blob).ok().data == digest_of(blob)
                assert f.rpc("content.load", digest_of(blob)).ok().data == blob

    @case("the empty blob is no payload, there and back")
    def _():
        f = handle(2)
        assert f.rpc("content.store").ok().data == digest_of(b"")
        f.rpc("content.load", digest_of(b"")).empty()

    @case("an unknown blob: ENOENT")
    def _():
        each_rank(lambda f, _: f.rpc("content.load", digest_of(draw.randbytes(9))).fails(ENOENT))

    @case("a digest of a wrong length: EPROTO")
    def _():
        for size in 0, 1, len(digest_of(b"")) - 1, len(digest_of(b"")) + 1, 64:
            handle(2).rpc("content.load", b"x" * size).fails(EPROTO)

    @case("a blob above the limit: EFBIG, and the connection goes on")
    def _():
        f = handle()
        limit = int(f.attr("content.blob-size-limit"))
        if limit > 64 << 20:
            raise Skip("the limit is too large to try")
        f.rpc("content.store", bytes(limit + 1)).fails(EFBIG)
        assert f.attr("rank") == "0"

    @case("content.flush, content.dropcache: nothing, nothing")
    def _():
        for rank in 2, 0:
            handle(rank).rpc("content.flush").empty()
            handle(rank).rpc("content.dropcache").empty()
            handle(2).rpc("content.flush", nodeid=rank).empty()

    @case("content-backing.store, .load, .validate at rank 0, from any")
    def _():
        for rank in 0, 2:
            f = handle(rank)
            blob = b"behind %d" % rank
            assert f.rpc("content-backing.store", blob, nodeid=0).ok().data == digest_of(blob)
            f.rpc("content.flush", nodeid=0).empty()
            f.rpc("content-backing.validate", digest_of(blob), nodeid=0).empty()
            assert f.rpc("content-backing.load", digest_of(blob), nodeid=0).ok().data == blob
            for topic in "content-backing.load", "content-backing.validate":
                f.rpc(topic, digest_of(b"none"), nodeid=0).fails(ENOENT)
                f.rpc(topic, b"short", nodeid=0).fails(EPROTO)

    @case("they are not served elsewhere: ENOSYS")
    def _():
        for topic in "load", "store", "validate":
            handle(2).rpc(f"content-backing.{topic}", digest_of(b"")).fails(ENOSYS)

    @case("checkpoint-get without one: ENOENT")
    def _():
        for topic in "content.checkpoint-get", "content-backing.checkpoint-get":
            handle(2).rpc(topic, nodeid=0).fails(ENOENT)

    @case("checkpoint-put, checkpoint-get: the same object, newest first")
    def _():
        f = handle(2)
        ref = f.root()["rootref"]
        first = {"version": 1, "rootref": ref, "sequence": 7, "timestamp": 1795244624.33}
        second = dict(first, sequence=8)
        f.rpc("content.checkpoint-put", {"value": first}).empty()
        f.rpc("content-backing.checkpoint-put", {"value": second}, nodeid=0).empty()
        for topic in "content.checkpoint-get", "content-backing.checkpoint-get":
            for rank in 0, 2:
                answer = handle(rank).call(topic, nodeid=0)
                assert answer["value"] == [second, first], answer

    @case("a checkpoint may be of version 0, without sequence and timestamp")
    def _():
        f = handle()
        ref = f.root()["rootref"]
        f.rpc("content.checkpoint-put", {"value": {"version": 0, "rootref": ref}}).empty()
        assert f.call("content.checkpoint-get")["value"][0]["rootref"] == ref

    @case("malformed ones are refused")
    def _():
        f = handle()
        for value in ({}, {"version": 1}, {"version": 1, "rootref": 1}, {"version": 9, "rootref": "x"},
                      {"version": 1, "rootref": "sha1-00"}, [], 1, None):
            assert f.rpc("content.checkpoint-put", {"value": value}).errnum in (EPROTO, EINVAL), value
        f.rpc("content.checkpoint-put", {}).fails(EPROTO)
        f.rpc("content.checkpoint-put").fails(EPROTO)

    @case("register-backing, unregister-backing: EBUSY, EINVAL")
    def _():
        f = handle(2)
        f.rpc("content.register-backing", {"name": "content-files"}, nodeid=0).fails(
            EBUSY, "already active")
        f.rpc("content.register-backing", {"name": "content-files"}).fails(EINVAL)
        f.rpc("content.unregister-backing", {"name": "content-files"}, nodeid=0).fails(EINVAL)
        f.rpc("content.unregister-backing", {"name": "content-sqlite"}).fails(
            EINVAL, "is not active")

    @case("gc-info, mark, sweep: ENOSYS, which says what to use")
    def _():
        f = handle(2)
        f.rpc("content-backing.gc-info", {"epoch": 0, "get_count": True}, nodeid=0).fails(
            ENOSYS, "content-backing.gc")
        f.rpc("content-backing.mark", {"epoch": 3, "hashes": []}, nodeid=0).fails(ENOSYS)
        f.rpc("content-backing.sweep", {"epoch": 3, "cursor": 0, "high_water": 1, "delete_cap": 1,
                                        "window": 1}, nodeid=0).fails(ENOSYS)

    @case("mmap-add, mmap-remove: ENOSYS")
    def _():
        f = handle()
        f.rpc("content.mmap-add", {"path": "/x", "chunksize": 1, "tag": "t"}).fails(ENOSYS)
        f.rpc("content.mmap-remove", {"tag": "t"}).fails(ENOSYS)


# ---- ping, overlay, figures ----

def others():
    @case("X.ping: the same fields, and exactly four more")
    def _():
        sent = {"seq": 3, "time.tv_sec": 1, "time.tv_nsec": 2, "pad": "x" * 300}
        for rank in 0, 2:
            for service in "broker", "content", "kvs", "kvs-watch":
                got = handle(rank).call(f"{service}.ping", sent)
                route = got.pop("route")
                assert got == dict(sent, userid=os.geteuid(), rolemask=5, rank=rank), got
                assert isinstance(route, str)
        assert handle(2).call("broker.ping", sent, nodeid=1)["rank"] == 1
        assert handle(0).call("content-sqlite.ping", sent)["rank"] == 0

    @case("ping without an object: EPROTO; of what is not there: ENOSYS")
    def _():
        handle().rpc("broker.ping").fails(EPROTO)
        handle().rpc("broker.ping", []).fails(EPROTO)
        handle().rpc("nothing.ping", {}).fails(ENOSYS)

    @case("overlay.health: rank, status, duration, children")
    def _():
        got = handle().call("overlay.health")
        assert (got["rank"], got["status"]) == (0, "full") and got["duration"] >= 0
        assert [c["rank"] for c in got["children"]] == [1, 2]
        for child in got["children"]:
            assert child["status"] == "full" and isinstance(child["duration"], float)
        leaf = handle().call("overlay.health", nodeid=2)
        assert (leaf["rank"], leaf["children"]) == (2, [])

    @case("overlay.topology: rank, size, children, all the way down")
    def _():
        leaf = {"size": 1, "children": []}
        want = {"rank": 0, "size": 3, "children": [dict(leaf, rank=1), dict(leaf, rank=2)]}
        assert handle(2).call("overlay.topology", {"rank": 0}) == want
        assert handle().call("overlay.topology", {"rank": 1}) == dict(leaf, rank=1)
        handle().rpc("overlay.topology", {"rank": 3}).fails(ENOENT)
        handle().rpc("overlay.topology", {}).fails(EPROTO)

    @case("overlay.monitor, .trace, .disconnect-subtree, module.load, .remove: ENOSYS, which says why")
    def _():
        f = handle()
        for topic in ("overlay.monitor", "overlay.trace", "overlay.disconnect-subtree", "module.load",
                      "module.remove", "module.list"):
            got = f.rpc(topic, {"rank": 1, "name": "content"})
            got.fails(ENOSYS, topic)
            assert "No service" not in got.text

    @case("content.stats-get: the members of `flux module stats content`")
    def _():
        f = handle(2)
        before = f.call("content.stats-get")
        assert set(before) == {"count", "valid", "dirty", "size", "flush-batch-count", "mmap"}
        assert before["mmap"] == {"tags": {}, "blobs": 0}
        f.rpc("content.store", b"one more for the count").ok()
        after = f.call("content.stats-get")
        assert (after["count"], after["valid"]) == (before["count"] + 1, before["valid"] + 1)
        assert after["size"] > before["size"] and after["dirty"] == 0

    @case("content-sqlite.stats-get at rank 0: what the file has in it")
    def _():
        f = handle(0)
        f.rpc("content.flush").empty()
        before = f.call("content-sqlite.stats-get")
        f.rpc("content.store", b"a row more").ok()
        f.rpc("content.flush").empty()
        f.rpc("content.dropcache").empty()
        f.rpc("content.load", digest_of(b"a row more")).ok()
        after = f.call("content-sqlite.stats-get")
        assert after["object_count"] == before["object_count"] + 1
        assert after["dbfile_size"] >= 4096 and after["dbfile_free"] % 4096 == 0
        for name in "load_time", "store_time":
            times = after[name]
            assert set(times) == {"count", "min", "max", "mean", "stddev"}
            assert times["count"] > before[name]["count"]
            assert 0 <= times["min"] <= times["mean"] <= times["max"] < 60000
            assert 0 <= times["stddev"] <= times["max"]
        assert after["config"] == {"journal_mode": "WAL", "synchronous": "NORMAL"}, after["config"]
        made = f.commit(flags=SYNC).ok().json
        newest = f.call("content-sqlite.stats-get")["checkpoints"][0]["value"]
        assert (newest["rootref"], newest["sequence"]) == (made["rootref"], made["rootseq"])

    @case("and nowhere else")
    def _():
        handle(2).rpc("content-sqlite.stats-get").fails(ENOSYS)

    @case("kvs.stats-get: the cache, and each namespace with its sequence and who waits")
    def _():
        f = handle(2)
        root = f.root()
        assert {"obj size total (MiB)", "#obj dirty", "#obj incomplete", "#faults"} == \
            set(f.call("kvs.stats-get")["cache"])
        now = f.call("kvs.stats-get")["namespace"]["primary"]
        assert now == {"#versionwaiters": 0, "store revision": root["rootseq"]}, now
        f.ask("kvs.wait-version", {"rootseq": root["rootseq"] + 100, "namespace": "primary"})
        got = f.call("kvs.stats-get")
        assert got["namespace"]["primary"]["#versionwaiters"] == 1
        assert got["pending_requests"] == 1

    @case("kvs-watch.stats-get: watchers of each namespace")
    def _():
        f = handle(2)
        got = f.rpc("kvs-watch.stats-get")
        if got.errnum == ENOSYS:
            raise Skip("kvs-watch has no figures")
        assert got.ok().json == {"watchers": 0, "namespace-count": 0, "namespaces": {}}, got.json
        f.commit(put("watched", "1")).ok()
        for _ in range(2):
            f.answer(f.ask("kvs-watch.lookup", {"key": "watched", "namespace": "primary",
                                                "flags": WATCH}, flags=STREAMING)).ok()
        want = {"owner": os.geteuid(), "rootseq": f.root()["rootseq"], "watchers": 2}
        got = f.call("kvs-watch.stats-get")
        assert got == {"watchers": 2, "namespace-count": 1, "namespaces": {"primary": want}}, got


if __name__ == "__main__":
    run(sys.modules["__main__"])
