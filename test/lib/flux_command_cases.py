# SPDX-License-Identifier: MPL-2.0
"""`flux_command_cases.py RUNDIR HASH SUITE`: what each command of Flux sends, in its order, with the nodeid it uses;
and what restore and repair need of an instance without a KVS or a store."""
import json
import os
import sys
import time

from flux import *
from flux_cases import case, digest_of, handle, HASH, run


# ---- whole commands ----

def commands():
    f = handle(2)

    def store(blob):
        return f.rpc("content.store", blob).ok().data

    def raw(ref):
        return bytes.fromhex(ref.split("-")[1])

    def walk(load, ref):
        """Every value below a directory."""
        values = {}
        for name, entry in load(ref)["data"].items():
            if entry["type"] == "dirref":
                below = walk(load, entry["data"][0])
                values.update({f"{name}.{k}": v for k, v in below.items()})
            else:
                values[name] = entry
        return values

    def load_tree(ref):
        return json.loads(f.rpc("content.load", raw(ref)).ok().data)

    @case("flux getattr, lsattr -v, setattr")
    def _():
        assert f.attr("size") == "3"
        for name in f.call("attr.list", {})["names"]:
            f.attr(name)
        f.rpc("attr.set", {"name": "size", "value": "4"}).fails(EINVAL)

    @case("flux content store --chunksize, load, flush, dropcache")
    def _():
        hash_name = f.attr("content.hash")
        chunks = [b"a" * 10, b"b" * 10, b"c"]
        refs = [f"{hash_name}-{store(c).hex()}" for c in chunks]
        assert refs == [blobref(c, HASH) for c in chunks]
        f.rpc("content.flush").empty()
        f.rpc("content.dropcache").empty()
        tags = [f.ask("content.load", raw(r)) for r in refs]
        assert b"".join(f.answer(t).ok().data for t in tags) == b"".join(chunks)

    @case("flux content store -b, load -b")
    def _():
        f.attr("content.hash")
        digest = f.rpc("content-backing.store", b"bypass", nodeid=0).ok().data
        assert f.rpc("content-backing.load", digest, nodeid=0).ok().data == b"bypass"

    @case("flux content checkpoint list; update asks whether the kvs is loaded first")
    def _():
        f.commit(flags=SYNC).ok()
        assert f.call("content.checkpoint-get", nodeid=0)["value"][0]["version"] == 1
        f.call("kvs.getroot", {"namespace": "primary", "flags": 0})  # it is: refused by the client

    @case("flux kvs put, get, mkdir, link, readlink")
    def _():
        f.commit(put("cmd.a", "1"), put("cmd.b", "2")).ok()
        f.commit(mkdir("cmd.d")).ok()
        f.commit(symlink("cmd.l", "cmd.a")).ok()
        assert f.get("cmd.a") == val("1") and f.get("cmd.l") == val("1")
        assert f.get("cmd.l", READLINK)["data"] == {"target": "cmd.a"}

    @case("flux kvs ls, dir -R")
    def _():
        assert f.get("cmd", TREEOBJ)["type"] == "dirref"
        names = f.get("cmd", READDIR)["data"]
        assert sorted(names) == ["a", "b", "d", "l"]
        for name, entry in names.items():
            f.lookup(f"cmd.{name}", READDIR if entry["type"] == "dirref" else
                     READLINK if entry["type"] == "symlink" else 0).ok()

    @case("flux kvs unlink: a value, an empty directory, one that is not empty")
    def _():
        for key in "cmd.b", "cmd.d":
            if f.get(key, TREEOBJ)["type"] == "dirref":
                assert f.get(key, READDIR)["data"] == {}
            f.commit(unlink(key)).ok()
        assert f.get("cmd", READDIR)["data"] != {}
        f.lookup("cmd.none", TREEOBJ).fails(ENOENT)

    @case("flux kvs copy, move")
    def _():
        f.commit(put("cmd.tree.x", "1")).ok()
        f.commit(op("cmd.copy", f.get("cmd.tree", TREEOBJ))).ok()
        assert f.get("cmd.copy.x") == val("1")
        f.commit(op("cmd.moved", f.get("cmd.tree", TREEOBJ))).ok()
        f.commit(unlink("cmd.tree")).ok()
        assert f.get("cmd.moved.x") == val("1")
        f.lookup("cmd.tree").fails(ENOENT)

    @case("flux kvs getroot, version, wait, sync")
    def _():
        version = f.call("kvs.getroot", {"namespace": "primary"})["rootseq"]
        tag = f.ask("kvs.wait-version", {"rootseq": version + 1, "namespace": "primary"})
        made = f.rpc("kvs.commit", {"namespace": "primary", "flags": 4, "ops": []}).ok().json
        assert f.answer(tag).ok().json["rootseq"] == made["rootseq"] == version + 1

    @case("flux kvs namespace create, list, remove")
    def _():
        ref = blobref(encode(EMPTY_DIR), f.attr("content.hash"))
        f.rpc("kvs.namespace-create", {"namespace": "cmdns", "rootref": ref, "owner": -1, "flags": 0},
              nodeid=0).empty()
        listed = f.call("kvs.namespace-list")["namespaces"]
        assert {"namespace": "cmdns", "owner": os.geteuid(), "flags": 0} in listed
        f.rpc("kvs.namespace-remove", {"namespace": "cmdns"}, nodeid=0).empty()

    @case("flux dump: the live root, and every blob below it")
    def _():
        f.commit(put("cmd.large", b"L" * 3000)).ok()
        values = walk(load_tree, f.root()["rootref"])
        assert values["cmd.a"] == val("1")
        large = values["cmd.large"]
        assert f.rpc("content.load", raw(large["data"][0])).ok().data == b"L" * 3000

    @case("flux dump --checkpoint --no-cache")
    def _():
        made = f.commit(flags=SYNC).ok().json
        newest = f.call("content.checkpoint-get", nodeid=0)["value"][0]["rootref"]
        assert newest == made["rootref"]

        def load(ref):
            return json.loads(f.rpc("content-backing.load", raw(ref), nodeid=0).ok().data)
        assert walk(load, newest)["cmd.a"] == val("1")

    @case("flux restore --key")
    def _():
        leaf = obj("dir", {"v": obj("valref", [blobref(b"R" * 100, HASH)])})
        top = obj("dir", {"leaf": obj("dirref", [blobref(encode(leaf), HASH)])})
        tags = [f.ask("content.store", b) for b in (b"R" * 100, encode(leaf), encode(top))]
        for tag in tags:
            f.answer(tag).ok()
        f.commit(op("zz", obj("dirref", [blobref(encode(top), HASH)]))).ok()
        f.rpc("content.flush", nodeid=0).empty()
        assert f.get("zz.leaf.v") == val(b"R" * 100)

    @case("flux fsck: newest checkpoint, directories, values")
    def _():
        made = f.commit(flags=SYNC).ok().json
        f.call("content-backing.checkpoint-get", nodeid=0)
        f.rpc("content-backing.validate", raw(made["rootref"]), nodeid=0).empty()

        def load(ref):
            return json.loads(f.rpc("content-backing.load", raw(ref), nodeid=0).ok().data)
        for entry in walk(load, made["rootref"]).values():
            for ref in entry["data"] if entry["type"] == "valref" else []:
                f.rpc("content-backing.validate", raw(ref), nodeid=0).empty()

    @case("flux gc ends at its first question")
    def _():
        f.rpc("content-backing.gc-info", {"epoch": 0, "get_count": False}, nodeid=0).fails(ENOSYS)

    @case("flux ping kvs, flux ping 1")
    def _():
        f.attr("hostlist")
        sent = {"seq": 0, "time.tv_sec": 1, "time.tv_nsec": 2, "pad": ""}
        f.call("kvs.ping", sent)
        assert f.call("broker.ping", sent, nodeid=1)["rank"] == 1

    @case("flux overlay status")
    def _():
        size = int(f.attr("size"))
        f.attr("hostlist")

        def count(rank):
            health = f.call("overlay.health", nodeid=rank)
            assert health["status"] == "full"
            return 1 + sum(count(c["rank"]) for c in health["children"])
        assert count(0) == size

    @case("flux module stats content, kvs")
    def _():
        for module in "content", "kvs":
            assert f.call(f"{module}.stats-get")


def unloaded():
    """An instance without a KVS: what restore and repair need."""
    f = handle(2)

    @case("kvs.getroot: ENOSYS, so the kvs is not loaded")
    def _():
        f.rpc("kvs.getroot", {"namespace": "primary", "flags": 0}).fails(ENOSYS)

    @case("flux content checkpoint update; flux restore --checkpoint --no-cache")
    def _():
        tree = obj("dir", {"k": val("1")})
        digest = f.rpc("content-backing.store", encode(tree), nodeid=0).ok().data
        value = {"version": 1, "rootref": f"{HASH}-{digest.hex()}", "sequence": 0,
                 "timestamp": round(time.time(), 3)}
        f.rpc("content-backing.checkpoint-put", {"value": value}, nodeid=0).empty()
        got = f.call("content.checkpoint-get", nodeid=0)["value"][0]
        assert got == value, (got, value)

    @case("flux restore --checkpoint")
    def _():
        tree = obj("dir", {"restored": val("1")})
        digest = f.rpc("content.store", encode(tree)).ok().data
        value = {"version": 1, "rootref": f"{HASH}-{digest.hex()}", "sequence": 0,
                 "timestamp": round(time.time(), 3)}
        f.rpc("content.checkpoint-put", {"value": value}, nodeid=0).empty()
        f.rpc("content.flush", nodeid=0).empty()
        got = f.call("content.checkpoint-get", nodeid=0)["value"][0]
        assert got == value, (got, value)


def unbacked():
    """An instance without a backing store."""
    f = handle(2)

    @case("content.flush at rank 0, checkpoints, validate: ENOSYS")
    def _():
        f.rpc("content.flush", nodeid=0).fails(ENOSYS)
        for topic, payload in (("checkpoint-get", None), ("checkpoint-put", {"value": {}})):
            f.rpc(f"content.{topic}", payload, nodeid=0).fails(ENOSYS)
        f.rpc("content-backing.validate", digest_of(b""), nodeid=0).fails(ENOSYS)
        f.rpc("content-sqlite.stats-get", nodeid=0).fails(ENOSYS)

    @case("SYNC: ENOSYS")
    def _():
        f.commit(put("a", "1"), flags=SYNC).fails(ENOSYS)
        f.commit(put("a", "1")).ok()

    @case("register-backing: EINVAL")
    def _():
        f.rpc("content.register-backing", {"name": "content-sqlite"}, nodeid=0).fails(
            EINVAL, "cannot be changed on the fly")


if __name__ == "__main__":
    run(sys.modules["__main__"])
