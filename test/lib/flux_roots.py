# SPDX-License-Identifier: MPL-2.0
"""`flux_roots.py RUNDIR SEED`: the roots that Flux makes, computed here from its rules alone, are those
that a rank with --hash sha1 --maxdirent=0 makes of the same operations.

The tree is held as Flux describes it: a directory is a table of tree objects, of which sub-directories are
tables again, until the commit is over; then each one is a blob, and its parent has a dirref to it."""
import os
import random
import sys

from flux import *

INLINE_MAX = 72  # characters of base64
LINKS_MAX = 10
ELINKS = ELOOP


class Refused(Exception):
    def __init__(self, errnum):
        self.errnum = errnum


class Model:
    def __init__(self):
        self.root = {}

    # -- operations --

    def apply(self, ops):
        """All or nothing.  0 or the error number of the first that fails."""
        before = copy_tree(self.root)
        try:
            for o in ops:
                names = [n for n in o["key"].split(".") if n]
                if not names:
                    raise Refused(EINVAL)
                self.one(names, o["dirent"], o["flags"], 0)
        except Refused as e:
            self.root = before
            return e.errnum
        return 0

    def one(self, names, entry, flags, links):
        here = self.root
        for i, name in enumerate(names[:-1]):
            below = here.get(name)
            if isinstance(below, dict) and below.get("type") == "symlink":
                if "namespace" in below["data"]:
                    raise Refused(EINVAL)
                if links == LINKS_MAX:
                    raise Refused(ELINKS)
                target = [n for n in below["data"]["target"].split(".") if n]
                self.one(target + names[i + 1:], entry, flags, links + 1)
                return
            if not isinstance(below, Dir):  # missing, or a value
                if entry is None:
                    return
                below = here[name] = Dir()
            here = below
        name = names[-1]
        if entry is None:
            here.pop(name, None)
        elif flags & APPEND:
            here[name] = appended(here.get(name), entry)
        else:
            here[name] = unrolled(entry)

    # -- the blobs at the end of a commit --

    def rootref(self):
        return store(self.root)


class Dir(dict):
    """A directory; all other entries are plain tree objects."""


def copy_tree(here):
    return Dir((n, copy_tree(e) if isinstance(e, Dir) else e) for n, e in here.items())


def unrolled(entry):
    if entry["type"] == "dir":
        return Dir((n, unrolled(e)) for n, e in entry["data"].items())
    return settled(entry)


def settled(entry):
    """A val that is too long is a blob."""
    if entry["type"] == "val" and len(entry["data"]) > INLINE_MAX:
        return obj("valref", [blobref(base64.b64decode(entry["data"]))])
    return entry


def appended(old, entry):
    if old is None:
        return settled(entry)
    if isinstance(old, Dir):
        raise Refused(EISDIR)
    if old["type"] == "symlink":
        raise Refused(ENOTSUP)
    new = blobref(base64.b64decode(entry["data"]))
    if old["type"] == "val":
        return obj("valref", [blobref(base64.b64decode(old["data"])), new])
    return obj("valref", old["data"] + [new])


def store(here):
    data = {n: obj("dirref", [store(e)]) if isinstance(e, Dir) else e for n, e in here.items()}
    return blobref(encode(obj("dir", data)))


# -- random histories --

NAMES = ["a", "b", "c", "log", "x1", "Zz", "über", "日本", "with space", "a-b", 'quo"te', "back\\slash",
         "tilde~", "0", "long-" + "n" * 100, "\U0001f333"]


def random_key(draw):
    return ".".join(draw.choice(NAMES[:6] if draw.random() < 0.8 else NAMES)
                    for _ in range(draw.choice((1, 1, 2, 2, 3, 4))))


def spell(draw, key):
    """The same key, in another way to write it."""
    if draw.random() < 0.8:
        return key
    return "." * draw.randint(0, 2) + key.replace(".", "." * draw.randint(1, 3)) + \
        "." * draw.randint(0, 2)


def random_bytes(draw):
    size = draw.choice((0, 1, 3, 10, 53, 54, 55, 56, 57, 100, 4000))
    return draw.randbytes(size)


def random_tree(draw, depth=0):
    kind = draw.randrange(4)
    if kind == 0 and depth < 3:
        return obj("dir", {draw.choice(NAMES): random_tree(draw, depth + 1)
                           for _ in range(draw.randint(0, 3))})
    if kind == 1:
        return obj("valref", [blobref(draw.randbytes(8)) for _ in range(draw.randint(1, 3))])
    if kind == 2:
        return link_to(random_key(draw), draw.choice((None, "other")))
    return val(random_bytes(draw))


def random_op(draw):
    key = spell(draw, random_key(draw))
    kind = draw.choices(("put", "append", "unlink", "mkdir", "symlink", "tree"),
                        (30, 15, 15, 6, 5, 12))[0]
    if kind == "put":
        return put(key, random_bytes(draw))
    if kind == "append":
        return append(key, draw.randbytes(draw.choice((1, 5, 60, 300))))
    if kind == "unlink":
        return unlink(key)
    if kind == "mkdir":
        return mkdir(key)
    if kind == "symlink":
        return symlink(key, random_key(draw), "other" if draw.random() < 0.2 else None)
    return op(key, random_tree(draw))


def check_history(handles, draw, commits):
    """Commits of random operations, at random ranks; each root, and each refusal, is compared."""
    model = Model()
    refused = 0
    ns = f"roots{draw.randrange(10 ** 9)}"
    empty = blobref(encode(EMPTY_DIR))
    handles[0].rpc("kvs.namespace-create", {"namespace": ns, "rootref": empty, "owner": -1,
                                            "flags": 0}, nodeid=0).empty()
    for sequence in range(commits):
        ops = [random_op(draw) for _ in range(draw.choice((1, 1, 1, 2, 5, 20)))]
        want = model.apply(ops)
        got = draw.choice(handles).commit(*ops, ns=ns, flags=draw.choice((0, NO_MERGE)))
        assert got.errnum == want, (sequence, ops, got.errnum, want)
        refused += want != 0
        if want == 0:
            assert got.json["rootref"] == model.rootref(), (sequence, ops, got.json, model.root)
    handles[0].rpc("kvs.namespace-remove", {"namespace": ns}, nodeid=0).empty()
    return refused


# -- what is written down --

def check_vectors(f):
    """Of Flux's own documents and of runs of Flux."""
    assert encode(EMPTY_DIR) == b'{"data":{},"type":"dir","ver":1}' and len(encode(EMPTY_DIR)) == 32
    empty = "sha1-c0a9faf907dda6216fd73bf81d0b3b21a1a8cb91"
    assert blobref(encode(EMPTY_DIR)) == empty == Model().rootref()
    f.rpc("kvs.namespace-create", {"namespace": "vector", "rootref": empty, "owner": -1, "flags": 0},
          nodeid=0).empty()
    made = f.commit(put("a.b", "1"), ns="vector").ok().json
    assert made["rootref"] == "sha1-366ab28080ba1017a788d8dfb1c3c31b2fa599a2", made
    assert f.get("a", TREEOBJ, ns="vector") == \
        obj("dirref", ["sha1-b5d67bd187c0ef7014fd4421114127857c9563e9"])
    # 54 bytes stay, 55 are a blob
    f.commit(put("n54", "x" * 54), put("n55", "x" * 55), ns="vector").ok()
    assert f.get("n54", TREEOBJ, ns="vector") == val("x" * 54) and len(val("x" * 54)["data"]) == 72
    assert f.get("n55", TREEOBJ, ns="vector") == obj("valref", [blobref(b"x" * 55)])
    # the same by another way
    f.commit(unlink("n54"), unlink("n55"), put("a.c", "2"), unlink("a.c"), ns="vector").ok()
    assert f.root("vector")["rootref"] == made["rootref"]
    f.commit(unlink("a"), ns="vector").ok()
    assert f.root("vector")["rootref"] == empty
    f.rpc("kvs.namespace-remove", {"namespace": "vector"}, nodeid=0).empty()


def main():
    rundir, seed = sys.argv[1], int(sys.argv[2])
    handles = [Flux(f"{rundir}/local-{rank}") for rank in (0, 2)]
    check_vectors(handles[1])
    refused = 0
    for i in range(20):
        draw = random.Random(f"{seed}-{i}")
        refused += check_history(handles, draw, 60)
    assert 20 < refused < 600, refused  # both kinds were met


if __name__ == "__main__":
    main()
