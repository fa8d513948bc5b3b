# SPDX-License-Identifier: MPL-2.0
"""`limits_cases.py RUNDIR HASH SUITE`: what a key, a name, a value or a commit may be at most, what a tree object
has to be, and what is said otherwise: the text names the key and, where an object is damaged, its blobref.
Keys are looked up and committed at rank 2, whose parent is rank 0."""
import base64
import json
import os
import sys

from flux import *
from flux_cases import case, handle, HASH, run, RUNDIR

E2BIG = 7
NAME_MAX, DEPTH_MAX, KEY_MAX, NAMESPACE_MAX, OPS_MAX, LINKS_MAX = 1024, 128, 16384, 63, 1000000, 10


def refuses(f, key, errnum, said=None):
    """Look-ups and commits of that key fail, and say so of that key."""
    said = key[:40] if said is None else said
    for flags in 0, READDIR, READLINK, TREEOBJ:
        f.lookup(key, flags).fails(errnum, said)
    for o in put(key, "1"), append(key, "1"), unlink(key), mkdir(key), symlink(key, "x"):
        f.commit(put("limits.good", "1"), o).fails(errnum, said)
    f.commit(put(key, "x" * 100), ns="primary", flags=NO_MERGE).fails(errnum, said)


def keys():
    f = handle(2)
    f.commit(put("limits.first", "1")).ok()
    root = f.root()["rootref"]

    @case("a name of 1024 bytes is fine, one of 1025 is not")
    def _():
        for name in "n" * NAME_MAX, "ü" * (NAME_MAX // 2):
            f.commit(put(f"limits.{name}", "1"), unlink(f"limits.{name}")).ok()
        refuses(f, "limits." + "n" * (NAME_MAX + 1), ENAMETOOLONG)
        refuses(f, "limits." + "ü" * (NAME_MAX // 2) + "n", ENAMETOOLONG)

    @case("a key of 128 names is fine, one of 129 is not")
    def _():
        f.commit(put(".".join(["d"] * DEPTH_MAX), "1")).ok()
        assert f.get(".".join(["d"] * DEPTH_MAX)) == val("1")
        f.commit(unlink("d")).ok()
        refuses(f, ".".join(["d"] * (DEPTH_MAX + 1)), ENAMETOOLONG)

    @case("a key of 16384 bytes is fine, one of 16385 is not")
    def _():
        names = ["k" * 1000] * 16
        key = ".".join(names)
        key += "." + "k" * (KEY_MAX - len(key) - 1)
        assert len(key) == KEY_MAX
        f.commit(put(key, "1")).ok()
        assert f.get(key) == val("1")
        f.commit(unlink("k" * 1000)).ok()
        refuses(f, key + "k", ENAMETOOLONG)
        refuses(f, "." * (KEY_MAX + 1), ENAMETOOLONG, "")

    @case("the empty key is none")
    def _():
        refuses(f, "", EINVAL, "key")

    @case("'.' is the root: it can be read, and not be written")
    def _():
        for key in ".", "..", ".....":
            assert f.get(key, TREEOBJ) == obj("dirref", [f.root()["rootref"]])
            for o in put(key, "1"), append(key, "1"), unlink(key), mkdir(key), symlink(key, "x"):
                f.commit(o).fails(EINVAL, "'.'")

    @case("names '.' and '..', written as %2E and %2E%2E, are none")
    def _():
        for key in "limits.%2E.x", "limits.%2E%2E", "%2E":
            refuses(f, key, EINVAL)

    @case("nor are names with a slash or a control character")
    def _():
        for key in "limits.a/b", "/limits", "limits/", "limits.\x01x", "limits.x\x1f", "limits.\x7f", \
                "limits.new\nline", "limits.t\tab":
            for flags in 0, READDIR, READLINK, TREEOBJ:
                got = f.lookup(key, flags)
                got.fails(EINVAL, "limits")
            f.commit(put(key, "1")).fails(EINVAL, "limits")
            f.commit(unlink(key)).fails(EINVAL, "limits")

    @case("nor names with a NUL")
    def _():
        for topic, payload in (("kvs.lookup", r'{"key":"limits.a\u0000b","namespace":"primary","flags":0}'),
                               ("kvs.commit", r'{"namespace":"primary","flags":0,"ops":'
                                              r'[{"key":"a\u0000b","flags":0,"dirent":null}]}')):
            assert f.rpc(topic, payload).errnum in (EINVAL, EPROTO)

    @case("text that is not UTF-8 is no JSON, so no key")
    def _():
        for bad in b"\xff", b"\xc3", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80":
            f.rpc("kvs.lookup", b'{"key":"limits.' + bad + b'","namespace":"primary","flags":0}\0') \
                .fails(EPROTO)
            f.rpc("kvs.commit", b'{"namespace":"primary","flags":0,"ops":[{"key":"' + bad +
                  b'","flags":0,"dirent":null}]}\0').fails(EPROTO)

    @case("the same holds for names in tree objects that are put")
    def _():
        for name, errnum in (("a/b", EPROTO), ("", EPROTO), (".", EPROTO), ("..", EPROTO),
                             ("x\x01", EPROTO), ("n" * (NAME_MAX + 1), EPROTO)):
            f.commit(op("limits.tree", obj("dir", {name: val("1")}))).fails(errnum, "limits.tree")

    @case("a directory of 128 levels is fine, one of 129 is not")
    def _():
        tree = val("1")
        for _ in range(DEPTH_MAX):
            tree = obj("dir", {"d": tree})
        f.commit(op("limits.deep", obj("dir", {"d": tree}))).fails(EPROTO, "limits.deep")

    @case("targets of links: as keys, but that they need not exist")
    def _():
        f.commit(symlink("limits.to", "nothing.there"), unlink("limits.to")).ok()
        f.commit(symlink("limits.to", "x" * (KEY_MAX + 1))).fails(EPROTO, "limits.to")

    @case("nothing of all that has left anything")
    def _():
        f.commit(unlink("limits.good")).ok()
        assert f.root()["rootref"] == root

    @case("a name of a namespace has at most 63 bytes")
    def _():
        create = {"owner": -1, "flags": 0}
        name = "n" * NAMESPACE_MAX
        f.rpc("kvs.namespace-create", dict(create, namespace=name), nodeid=0).empty()
        f.commit(put("a", "1"), ns=name).ok()
        assert f.get("a", ns=name) == val("1")
        f.rpc("kvs.namespace-remove", {"namespace": name}, nodeid=0).empty()
        for bad in name + "n", "", "a b", "a/b", "ü":
            got = f.rpc("kvs.namespace-create", dict(create, namespace=bad), nodeid=0)
            got.fails(EINVAL, "namespace")

    @case("an unknown namespace is named")
    def _():
        f.lookup("a", ns="nowhere").fails(ENOTSUP, "nowhere")
        f.commit(put("a", "1"), ns="nowhere").fails(ENOTSUP, "nowhere")
        f.rpc("kvs.getroot", {"namespace": "nowhere", "flags": 0}).fails(ENOTSUP, "nowhere")
        g = handle(0)
        g.lookup("a", ns="nowhere").fails(ENOTSUP, "nowhere")
        g.commit(put("a", "1"), ns="nowhere").fails(ENOTSUP, "nowhere")


def ways():
    f = handle(2)
    f.commit(put("way.v", "1"), put("way.long", "1" * 100), symlink("way.a", "way.b"),
             symlink("way.b", "way.a"), symlink("way.other", "x", "elsewhere"),
             symlink("way.self", "way.self"), symlink("way.self2", "way.self2.x")).ok()

    @case("a path through a value: ENOENT, which names the key")
    def _():
        for key in "way.v.x", "way.v.x.y.z", "way.long.x":
            f.lookup(key).fails(ENOENT, key)
            f.lookup(key, TREEOBJ).fails(ENOENT, key)
            f.commit(unlink(key)).ok()
        assert f.get("way.v") == val("1")

    @case("links in a circle: ELOOP, which names the key that was asked for")
    def _():
        for key in "way.a", "way.b", "way.self", "way.self2":
            for flags in 0, READDIR:
                f.lookup(key, flags).fails(ELOOP, key)
            for below in f"{key}.x", f"{key}.x.y":
                f.lookup(below, TREEOBJ).fails(ELOOP, below)
                f.commit(put(below, "1")).fails(ELOOP, below)
                f.commit(unlink(below)).fails(ELOOP, below)

    @case("10 links one behind the other are fine, 11 are not; to read, and to write")
    def _():
        f.commit(put("way.l0.v", "1"), *(symlink(f"way.l{i}", f"way.l{i - 1}") for i in range(1, 12))).ok()
        assert f.get(f"way.l{LINKS_MAX}.v") == val("1")
        f.commit(put(f"way.l{LINKS_MAX}.w", "1")).ok()
        f.lookup("way.l11.v").fails(ELOOP, "way.l11.v")
        f.commit(put("way.l11.w", "1")).fails(ELOOP, "way.l11.w")

    @case("links that make a key of more than 128 names: ENAMETOOLONG")
    def _():
        f.commit(symlink("way.far", ".".join(["x"] * 100))).ok()
        key = "way.far." + ".".join(["y"] * 40)
        f.lookup(key).fails(ENAMETOOLONG, "way.far")
        f.commit(put(key, "1")).fails(ENAMETOOLONG, "way.far")

    @case("a commit through a link into another namespace: EINVAL, which names the key")
    def _():
        f.commit(put("way.other.x", "1")).fails(EINVAL, "way.other.x")
        f.lookup("way.other.x").fails(ENOTSUP, "elsewhere")

    @case("what a look-up does not find, or finds to be another thing, is named")
    def _():
        f.lookup("way.none").fails(ENOENT, "way.none")
        f.lookup("way").fails(EISDIR, "way")
        f.lookup("way.v", READDIR).fails(ENOTDIR, "way.v")
        f.lookup("way.v", READLINK).fails(EINVAL, "way.v")

    @case("and what an append does not fit to")
    def _():
        f.commit(append("way", "1")).fails(EISDIR, "way")
        f.commit(append("way.a", "1")).fails(95, "way.a")


def sizes():
    f = handle(2)

    def payload(count, last="null"):
        one = '{"key":"s.k","flags":0,"dirent":null}'
        text = '{"namespace":"primary","flags":0,"ops":[' + ",".join([one] * count) + "]}"
        return text

    @case("1000000 operations are a commit, one more is E2BIG")
    def _():
        g = handle(0)
        g.sock.settimeout(120)
        g.rpc("kvs.commit", payload(OPS_MAX)).ok()
        g.rpc("kvs.commit", payload(OPS_MAX + 1)).fails(E2BIG, "1000000")

    @case("a message above 64 MiB is EFBIG, whatever it is, and the client goes on")
    def _():
        for h in f, handle(0):
            h.sock.settimeout(120)
            h.rpc("kvs.commit", bytes((64 << 20) + 1)).fails(EFBIG)
            h.rpc("content.store", bytes((64 << 20) + 1)).fails(EFBIG)
            h.commit(put("s.after", "1")).ok()

    @case("a value of 32 MiB is a value, of blobs of the largest size")
    def _():
        f.sock.settimeout(120)
        data = os.urandom(32 << 20)
        limit = int(f.attr("content.blob-size-limit"))
        f.commit(put("s.large", data)).ok()
        pieces = [data[i:i + limit] for i in range(0, len(data), limit)]
        assert f.get("s.large", TREEOBJ) == obj("valref", [blobref(p, HASH) for p in pieces])
        assert base64.b64decode(f.get("s.large")["data"]) == data
        f.commit(unlink("s")).ok()

    @case("a blob above the limit: EFBIG")
    def _():
        limit = int(f.attr("content.blob-size-limit"))
        f.rpc("content.store", bytes(limit)).ok()
        f.rpc("content.store", bytes(limit + 1)).fails(EFBIG)

    @case("a joined value of more than 256 MiB: EOVERFLOW, which names the key")
    def _():
        f.sock.settimeout(120)
        blob = bytes(2 << 20)
        f.rpc("content.store", blob).ok()
        many = obj("valref", [blobref(blob, HASH)] * 129)
        f.commit(op("s.huge", many)).ok()
        f.lookup("s.huge").fails(75, "s.huge")
        assert f.get("s.huge", TREEOBJ) == many
        f.commit(unlink("s")).ok()


def damaged():
    """Objects that are no directories, each as a blob of its own: whole, but not what they should be."""
    f, g = handle(2), handle(0)
    dirref = obj("dirref", [blobref(b"x", HASH)])
    entry = json.dumps(val("1"))
    objects = {
        "no bytes": b"",
        "no JSON": b"no json",
        "half of one": encode(obj("dir", {"x": val("1")}))[:-7],
        "one and a byte": encode(EMPTY_DIR) + b"x",
        "a NUL behind": encode(EMPTY_DIR) + b"\0",
        "no UTF-8": b'{"data":{"\xff":%s},"type":"dir","ver":1}' % entry.encode(),
        "an array": b"[]",
        "without ver": b'{"data":{},"type":"dir"}',
        "ver 2": b'{"data":{},"type":"dir","ver":2}',
        "a member more": b'{"data":{},"type":"dir","ver":1,"x":1}',
        "another type": b'{"data":{},"type":"directory","ver":1}',
        "a val": encode(val("1")),
        "a valref": encode(obj("valref", [blobref(b"x", HASH)])),
        "a symlink": encode(link_to("a")),
        "a dirref": encode(dirref),
        "data that is an array": b'{"data":[],"type":"dir","ver":1}',
        "an entry that is a number": b'{"data":{"x":1},"type":"dir","ver":1}',
        "a val that is no base64": encode(obj("dir", {"x": obj("val", "?")})),
        "a dirref to two": encode(obj("dir", {"x": obj("dirref", dirref["data"] * 2)})),
        "a dirref to none": encode(obj("dir", {"x": obj("dirref", [])})),
        "a reference that is none": encode(obj("dir", {"x": obj("valref", ["sha1-0"])})),
        "a reference of another hash": encode(obj("dir", {"x": obj("valref", ["sha256-" + "0" * 64])})),
        "a name with a slash": encode(obj("dir", {"a/b": val("1")})),
        "an empty name": encode(obj("dir", {"": val("1")})),
        "a name '..'": encode(obj("dir", {"..": val("1")})),
        "a name too long": encode(obj("dir", {"n" * 2000: val("1")})),
        "too deep": encode(obj("dir", {})).replace(b"{}", b'{"d":{"data":' * 200 + b"{}" +
                                                   b',"type":"dir","ver":1}}' * 200),
        "an hdir without entries": encode(obj("hdir", {"counts": [0] * 16, "slots": [None] * 16})),
        "an hdir with 15 slots": encode(obj("hdir", {"counts": [1] * 15, "slots": [blobref(b"x", HASH)] * 15})),
        "an hdir whose counts do not fit": encode(obj("hdir", {"counts": [1] + [0] * 15,
                                                               "slots": [None] * 16})),
    }
    f.commit(put("damage.good", "1")).ok()
    pids = [f.attr("broker.pid"), g.attr("broker.pid")]

    for i, (what, blob) in enumerate(objects.items()):
        ref = blobref(blob, HASH)
        key = f"damage.bad{i}"

        @case(f"{what}: look-ups and commits name the key and the blobref")
        def _():
            assert f.rpc("content.store", blob or None).ok().data.hex() == ref.split("-")[1]
            f.commit(op(key, obj("dirref", [ref]))).ok()
            f.rpc("kvs.wait-version", g.root()).ok()
            for h in f, g:
                h.lookup(f"{key}.x").fails(EPROTO, f"{key}.x", ref)
                h.lookup(f"{key}.x", TREEOBJ).fails(EPROTO, f"{key}.x", ref)
                h.lookup(key, READDIR).fails(EPROTO, key, ref)
                assert h.get(key, TREEOBJ) == obj("dirref", [ref])
                h.commit(put("damage.other", "2"), put(f"{key}.x", "1")).fails(EPROTO, f"{key}.x", ref)
                h.commit(unlink(f"{key}.x.y")).fails(EPROTO, f"{key}.x.y", ref)
                assert h.get("damage.good") == val("1")
            f.lookup("damage.other").fails(ENOENT)

        @case(f"{what}: it can be replaced")
        def _():
            f.commit(put(key, "mended")).ok()
            assert f.get(key) == val("mended")

    @case("a link into a damaged directory: the key and the blobref")
    def _():
        ref = blobref(b"no json", HASH)
        f.commit(op("damage.bad", obj("dirref", [ref])), symlink("damage.link", "damage.bad.x")).ok()
        f.lookup("damage.link").fails(EPROTO, "damage.", ref)

    @case("a directory of which the blob is missing: ENOENT, which names both")
    def _():
        ref = blobref(b"never stored", HASH)
        f.commit(op("damage.lost", obj("dirref", [ref]))).ok()
        f.lookup("damage.lost.x").fails(ENOENT, "damage.lost.x", ref)
        f.lookup("damage.lost", READDIR).fails(ENOENT, "damage.lost", ref)
        f.commit(put("damage.lost.x", "1")).fails(ENOENT, "damage.lost.x", ref)

    @case("a value of which a blob is missing: ENOENT, which names both")
    def _():
        ref = blobref(b"never stored", HASH)
        there = blobref(encode(EMPTY_DIR), HASH)
        f.rpc("content.store", encode(EMPTY_DIR)).ok()
        f.commit(op("damage.value", obj("valref", [there, ref]))).ok()
        f.lookup("damage.value").fails(ENOENT, "damage.value", ref)

    @case("a root that is damaged, by rootdir")
    def _():
        ref = blobref(b"no json", HASH)
        ask = {"key": "some.key", "rootdir": obj("dirref", [ref]), "flags": 0}
        f.rpc("kvs.lookup", ask).fails(EPROTO, "some.key", ref)

    @case("a namespace with such a root is not made")
    def _():
        ref = blobref(b"no json", HASH)
        f.rpc("kvs.namespace-create", {"namespace": "bad", "rootref": ref, "owner": -1, "flags": 0},
              nodeid=0).fails(EPROTO, ref)
        f.root()

    @case("the ranks are those they were")
    def _():
        f.commit(unlink("damage")).ok()
        assert [handle(2).attr("broker.pid"), handle(0).attr("broker.pid")] == pids


def broken():
    """Rows of the database were changed: `broken.dir` is a directory, `broken.value` a value, and the blobs of
    both are damaged; the rest is whole."""
    f, g = handle(2), handle(0)
    refs = {name: f.get(f"broken.{name}", TREEOBJ)["data"][0] for name in ("dir", "value")}

    for h, where in (g, "at rank 0"), (f, "below it"):
        @case(f"a directory whose bytes do not match: EIO, which names the key and the blobref, {where}")
        def _():
            h.lookup("broken.dir.x").fails(EIO, "broken.dir.x", refs["dir"])
            h.lookup("broken.dir", READDIR).fails(EIO, "broken.dir", refs["dir"])

        @case(f"likewise a value, {where}")
        def _():
            h.lookup("broken.value").fails(EIO, "broken.value", refs["value"])

        @case(f"a commit into it fails, and says so; others do not, {where}")
        def _():
            h.commit(put("broken.dir.y", "1")).fails(EIO, "broken.dir.y", refs["dir"])
            h.commit(put("broken.other", "1")).ok()
            assert h.get("broken.other") == val("1") and h.get("broken.good") == val("1")

    @case("it can be replaced")
    def _():
        f.commit(put("broken.dir", "new")).ok()
        assert f.get("broken.dir") == val("new")


if __name__ == "__main__":
    run(sys.modules["__main__"])
