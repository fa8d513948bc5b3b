# SPDX-License-Identifier: MPL-2.0
"""`flux_kvs_cases.py RUNDIR HASH SUITE`: the KVS and its namespaces, as Flux's clients know them."""
import os
import sys
import time

from flux import *
from flux_cases import case, handle, HASH, run


# ---- the KVS ----

def kvs():
    f = handle(2)
    long = bytes(range(256)) * 4

    def ref_of(tree):
        return blobref(encode(tree), HASH)

    @case("kvs.getroot: owner, sequence, root, flags, namespace; also without flags")
    def _():
        for payload in {"namespace": "primary", "flags": 0}, {"namespace": "primary"}:
            root = f.call("kvs.getroot", payload)
            assert {k: root[k] for k in ("owner", "flags", "namespace")} == \
                {"owner": os.geteuid(), "flags": 0, "namespace": "primary"}, root
            assert isinstance(root["rootseq"], int) and root["rootref"].startswith(HASH + "-")

    @case("kvs.commit of each kind of operation, in order, in one")
    def _():
        before = f.root()["rootseq"]
        answer = f.commit(
            put("t.v", "1"), put("t.long", long), mkdir("t.d"), symlink("t.l", "t.v"),
            symlink("t.ns", "a.b", "other"), put("t.log", "x"), append("t.log", "y"),
            append("t.new", "z"), put("t.gone", "1"), unlink("t.gone"), unlink("t.none.at.all"),
            put("t.empty", ""), op("t.tree", obj("dir", {"in": val("1")})),
            op("t.ref", obj("valref", [blobref(b"x", HASH)]))).ok().json
        assert answer["rootseq"] == before + 1
        assert answer["rootref"] == f.root()["rootref"] == f.root()["rootref"]
        assert f.root()["rootseq"] == before + 1

    @case("kvs.wait-version: answered once it is reached, with rootseq and rootref")
    def _():
        root = f.root()
        now = {"rootseq": root["rootseq"], "rootref": root["rootref"]}
        assert f.call("kvs.wait-version", {"rootseq": root["rootseq"], "namespace": "primary"}) == now
        tag = f.ask("kvs.wait-version", {"rootseq": root["rootseq"] + 1, "namespace": "primary"})
        assert f.is_silent()
        made = handle().commit().ok().json
        assert f.answer(tag).ok().json == {"rootseq": made["rootseq"], "rootref": made["rootref"]}

    # What is looked up, and the answer for each row of the table: without flags, READDIR, READLINK, TREEOBJ.
    table = {
        "val": ("t.v", val("1"), ENOTDIR, EINVAL, val("1")),
        "val without bytes": ("t.empty", val(""), ENOTDIR, EINVAL, val("")),
        "valref": ("t.long", val(long), ENOTDIR, EINVAL, obj("valref", [blobref(long, HASH)])),
        "valref of two blobs": ("t.log", val("xy"), ENOTDIR, EINVAL,
                                obj("valref", [blobref(b"x", HASH), blobref(b"y", HASH)])),
        "dirref": ("t.tree", EISDIR, obj("dir", {"in": val("1")}), EINVAL,
                   obj("dirref", [ref_of(obj("dir", {"in": val("1")}))])),
        "dirref of nothing": ("t.d", EISDIR, EMPTY_DIR, EINVAL, obj("dirref", [ref_of(EMPTY_DIR)])),
        "symlink": ("t.l", val("1"), ENOTDIR, link_to("t.v"), link_to("t.v")),
        "missing": ("t.none", ENOENT, ENOENT, ENOENT, ENOENT),
        "missing further down": ("t.none.x.y", ENOENT, ENOENT, ENOENT, ENOENT),
        "path through a val": ("t.v.x", ENOENT, ENOENT, ENOENT, ENOENT),
        "path through a link": ("t.lt.in", ENOENT, ENOENT, ENOENT, ENOENT),
    }
    for name, (key, *wanted) in table.items():
        @case(f"kvs.lookup of a {name}, in four ways, at both ranks")
        def _():
            for rank in 0, 2:
                g = handle(rank)
                g.rpc("kvs.wait-version", f.root()).ok()
                for flags, want in zip((0, READDIR, READLINK, TREEOBJ), wanted):
                    got = g.lookup(key, flags)
                    if isinstance(want, int):
                        got.fails(want)
                    else:
                        assert got.ok().json == {"val": want}, (flags, got.json)

    @case("kvs.lookup of the root: EISDIR, its entries, its dirref")
    def _():
        root = f.root()["rootref"]
        f.lookup(".").fails(EISDIR)
        assert f.get(".", TREEOBJ) == obj("dirref", [root])
        entries = f.get(".", READDIR)
        assert entries["type"] == "dir" and entries["data"]["t"]["type"] == "dirref"
        assert blobref(encode(entries), HASH) == root

    @case("READDIR gives one level, entries as stored")
    def _():
        data = f.get("t", READDIR)["data"]
        assert data["long"]["type"] == "valref" and data["d"]["type"] == "dirref"
        assert data["l"] == link_to("t.v") and data["ns"] == link_to("a.b", "other")
        assert data["log"] == obj("valref", [blobref(b"x", HASH), blobref(b"y", HASH)])
        assert "gone" not in data and "none" not in data

    @case("keys: runs of dots count as one, at the ends as none")
    def _():
        for key in "t..v", ".t.v", "t.v.", "..t...v..":
            assert f.get(key) == val("1"), key
        f.commit(put(".dots..x.", "1")).ok()
        assert f.get("dots.x") == val("1")

    @case("kvs.lookup with rootdir: an older root")
    def _():
        old = f.get(".", TREEOBJ)
        f.commit(put("t.v", "2")).ok()
        ask = {"key": "t.v", "rootdir": old, "flags": 0}
        assert f.call("kvs.lookup", ask)["val"] == val("1") and f.get("t.v") == val("2")
        assert handle().call("kvs.lookup", dict(ask, flags=TREEOBJ))["val"] == val("1")

    @case("rootdir that is no dirref: refused")
    def _():
        for tree in val("1"), EMPTY_DIR, {}, 1, obj("dirref", []), obj("dirref", ["x"]):
            got = f.rpc("kvs.lookup", {"key": "a", "rootdir": tree, "flags": 0})
            assert got.errnum in (EINVAL, EPROTO), tree

    @case("ELOOP: two links that lead to one another")
    def _():
        f.commit(symlink("loop.a", "loop.b"), symlink("loop.b", "loop.a")).ok()
        f.lookup("loop.a").fails(ELOOP)
        f.lookup("loop.a.x", TREEOBJ).fails(ELOOP)
        assert f.get("loop.a", READLINK) == link_to("loop.b")

    @case("10 links are followed, 11 are not")
    def _():
        f.commit(put("chain.0", "end"), *(symlink(f"chain.{i}", f"chain.{i - 1}")
                                          for i in range(1, 12))).ok()
        assert f.get("chain.10") == val("end")
        f.lookup("chain.11").fails(ELOOP)

    @case("an unknown namespace: ENOTSUP, for all that names one")
    def _():
        for rank in 0, 2:
            g = handle(rank)
            g.lookup("a", ns="nope").fails(ENOTSUP)
            g.rpc("kvs.getroot", {"namespace": "nope", "flags": 0}).fails(ENOTSUP)
            g.rpc("kvs.wait-version", {"rootseq": 1, "namespace": "nope"}).fails(ENOTSUP)
            g.commit(put("a", "1"), ns="nope").fails(ENOTSUP)

    @case("kvs.commit without operations bumps the sequence; the root stays")
    def _():
        before = f.root()
        after = f.commit().ok().json
        assert (after["rootseq"], after["rootref"]) == (before["rootseq"] + 1, before["rootref"])

    @case("all or nothing: one bad operation, and none is done")
    def _():
        before = f.root()
        f.commit(put("all.a", "1"), append("t.tree", "x"), put("all.b", "1")).fails(EISDIR)
        assert f.root()["rootref"] == before["rootref"]
        f.lookup("all.a").fails(ENOENT)

    @case("append: onto a directory EISDIR, onto a link EOPNOTSUPP 95")
    def _():
        f.commit(append("t", "x")).fails(EISDIR)
        f.commit(append("t.l", "x")).fails(95)

    @case("the root and the empty key cannot be written: EINVAL")
    def _():
        for key in ".", "", "...":
            f.commit(put(key, "1")).fails(EINVAL)
            f.commit(unlink(key)).fails(EINVAL)

    @case("flags: NO_MERGE and COMPACT are fine, SYNC leaves a checkpoint")
    def _():
        f.commit(put("flag.a", "1"), flags=NO_MERGE).ok()
        f.commit(put("flag.b", "1"), flags=2).ok()
        made = f.commit(flags=SYNC).ok().json
        newest = f.call("content.checkpoint-get", nodeid=0)["value"][0]
        assert (newest["rootref"], newest["sequence"]) == (made["rootref"], made["rootseq"])
        assert newest["version"] == 1 and abs(newest["timestamp"] - time.time()) < 600

    @case("malformed commits are refused, and leave nothing")
    def _():
        before = f.root()["rootref"]
        for ops in (1, [1], [{}], [{"key": 1, "flags": 0, "dirent": None}],
                    [{"key": "a", "flags": 0}], [op("a", val("1"), 7)], [op("a", {})],
                    [op("a", obj("val", "?"))], [op("a", obj("valref", ["x"]))],
                    [op("a", dict(val("1"), ver=2))], [op("a", obj("dir", {"x": 1}))],
                    [op("a", obj("other", ""))], [op("a", EMPTY_DIR, APPEND)]):
            got = f.rpc("kvs.commit", {"namespace": "primary", "flags": 0, "ops": ops})
            assert got.errnum in (EPROTO, EINVAL), (ops, got.errnum)
        for payload in None, {}, b"{", {"namespace": "primary", "flags": 0}, []:
            assert f.rpc("kvs.commit", payload).errnum in (EPROTO, EINVAL), payload
        assert f.root()["rootref"] == before

    @case("kvs.lookup without a key, or without JSON: EPROTO")
    def _():
        for payload in None, {}, b"{", {"key": 1}, {"key": "a", "flags": "x"}:
            f.rpc("kvs.lookup", payload).fails(EPROTO)

    @case("kvs.lookup-plus, kvs.relaycommit: ENOSYS, which says why")
    def _():
        got = f.rpc("kvs.lookup-plus", {"key": "t.v", "namespace": "primary", "flags": 0})
        if got.errnum == 0:
            assert got.json["rootref"] == f.root()["rootref"]
        else:
            got.fails(ENOSYS, "kvs.lookup")
        f.rpc("kvs.relaycommit", {"ops": [], "name": "x", "namespace": "primary", "flags": 0}).fails(
            ENOSYS)


def namespaces():
    f = handle(2)
    empty = blobref(encode(EMPTY_DIR), HASH)
    create = {"namespace": "n1", "rootref": empty, "owner": -1, "flags": 0}

    @case("kvs.namespace-create: nothing; again: EEXIST")
    def _():
        f.rpc("kvs.namespace-create", create, nodeid=0).empty()
        f.rpc("kvs.namespace-create", create, nodeid=0).fails(EEXIST)

    @case("it begins at sequence 0, with the root that was named")
    def _():
        root = f.root("n1")
        assert (root["rootseq"], root["rootref"]) == (0, empty), root
        assert (root["owner"], root["namespace"]) == (os.geteuid(), "n1")

    @case("kvs.namespace-list: name, owner, flags, and no more")
    def _():
        listed = f.call("kvs.namespace-list")["namespaces"]
        want = [{"namespace": n, "owner": os.geteuid(), "flags": 0} for n in ("n1", "primary")]
        assert sorted(listed, key=lambda n: n["namespace"]) == want, listed

    @case("it has keys of its own")
    def _():
        f.commit(put("own", "1"), ns="n1").ok()
        assert f.get("own", ns="n1") == val("1")
        f.lookup("own").fails(ENOENT)
        assert f.root("n1")["rootseq"] == 1

    @case("a link from the primary one leads there; a commit through it is EINVAL")
    def _():
        f.commit(symlink("to", "own", "n1")).ok()
        assert f.get("to") == val("1")
        f.commit(put("to.x", "1")).fails(EINVAL)

    @case("SYNC of another namespace than the primary one: EINVAL")
    def _():
        f.commit(ns="n1", flags=SYNC).fails(EINVAL)

    @case("one with the root of another, and an owner")
    def _():
        f.rpc("kvs.namespace-create", dict(create, namespace="n2", owner=1234,
                                           rootref=f.root("n1")["rootref"]), nodeid=0).empty()
        assert f.get("own", ns="n2") == val("1")
        assert f.root("n2")["owner"] == 1234

    @case("names that are none, and roots that are none, are refused")
    def _():
        for change in ({"namespace": ""}, {"namespace": "a/b"}, {"namespace": "n" * 300},
                       {"rootref": "sha1-0"}, {"rootref": ""}):
            assert f.rpc("kvs.namespace-create", dict(create, **{"namespace": "n3", **change}),
                         nodeid=0).errnum in (EINVAL, EPROTO), change
        f.rpc("kvs.namespace-create", {}, nodeid=0).fails(EPROTO)

    @case("kvs.namespace-remove: nothing, also of an unknown one; the primary one ENOTSUP")
    def _():
        for ns in "n1", "n1", "nope":
            f.rpc("kvs.namespace-remove", {"namespace": ns}, nodeid=0).empty()
        f.rpc("kvs.namespace-remove", {"namespace": "primary"}, nodeid=0).fails(ENOTSUP)
        f.rpc("kvs.namespace-remove", {"namespace": "n2"}, nodeid=0).empty()
        handle().lookup("own", ns="n1").fails(ENOTSUP)

    @case("whoever waits for a version of it is told: ENOTSUP")
    def _():
        f.rpc("kvs.namespace-create", create, nodeid=0).empty()
        f.root("n1")
        tag = f.ask("kvs.wait-version", {"rootseq": 5, "namespace": "n1"})
        assert f.is_silent()
        f.rpc("kvs.namespace-remove", {"namespace": "n1"}, nodeid=0).empty()
        f.answer(tag).fails(ENOTSUP)


if __name__ == "__main__":
    run(sys.modules["__main__"])
