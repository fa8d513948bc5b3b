# SPDX-License-Identifier: MPL-2.0
"""`flux_watch_cases.py RUNDIR HASH SUITE`: watching, and events, as Flux's clients know them."""
import base64
import os
import sys
import time

from flux import *
from flux_cases import case, handle, HASH, run


# ---- watching ----

def watch():
    f, g = handle(2), handle(0)
    if f.rpc("kvs-watch.lookup", {"key": "w", "namespace": "primary", "flags": 0}).errnum == ENOSYS:
        print("skip kvs-watch: it is not served")
        return

    def ask(key, flags, stream=STREAMING, ns="primary"):
        return f.ask("kvs-watch.lookup", {"key": key, "namespace": ns, "flags": flags}, flags=stream)

    def value(tag):
        return f.answer(tag).ok().json["val"]

    def gathered(tag, size):
        """Bytes of so many, in one answer or in several."""
        data = b""
        while len(data) < size:
            data += base64.b64decode(value(tag)["data"])
        return data

    def cancel(tag):
        f.ask("kvs-watch.cancel", {"matchtag": tag}, flags=NORESPONSE)
        f.answer(tag).fails(ENODATA)

    @case("kvs-watch.lookup without flags answers once, like kvs.lookup")
    def _():
        g.commit(put("w.v", "1"), put("w.log", "a")).ok()
        f.rpc("kvs.wait-version", g.root()).ok()
        tag = f.ask("kvs-watch.lookup", {"key": "w.v", "namespace": "primary", "flags": 0})
        assert value(tag) == val("1") and f.is_silent()

    @case("WATCH: the value, then each new one, once; cancelled: ENODATA")
    def _():
        tag = ask("w.v", WATCH)
        assert value(tag) == val("1")
        for text in "2", "3":
            g.commit(put("w.v", text)).ok()
            assert value(tag) == val(text)
        g.commit(put("w.other", "1")).ok()
        assert f.is_silent()
        cancel(tag)
        g.commit(put("w.v", "4")).ok()
        assert f.is_silent()

    @case("answers of a stream have the flag STREAMING, the last one an error number")
    def _():
        tag = ask("w.v", WATCH)
        got = f.answer(tag)
        assert got.flags & STREAMING and got.errnum == 0
        cancel(tag)

    @case("WATCH of a missing key: ENOENT; with WAITCREATE it waits")
    def _():
        f.answer(ask("w.late", WATCH)).fails(ENOENT)
        tag = ask("w.late", WATCH | WAITCREATE)
        assert f.is_silent()
        g.commit(put("w.late", "now")).ok()
        assert value(tag) == val("now")
        cancel(tag)

    @case("WAITCREATE alone: one plain answer")
    def _():
        tag = f.ask("kvs-watch.lookup", {"key": "w.soon", "namespace": "primary",
                                         "flags": WAITCREATE})
        assert f.is_silent()
        g.commit(put("w.soon", "now")).ok()
        got = f.answer(tag).ok()
        assert got.json["val"] == val("now") and not got.flags & STREAMING
        g.commit(put("w.soon", "again")).ok()
        assert f.is_silent()

    @case("a watched key that is unlinked: ENOENT ends the stream")
    def _():
        tag = ask("w.late", WATCH)
        value(tag)
        g.commit(unlink("w.late")).ok()
        f.answer(tag).fails(ENOENT)

    @case("WATCH_FULL follows changes of the directories above")
    def _():
        tag = ask("w.v", WATCH | WATCH_FULL)
        value(tag)
        g.commit(op("w", obj("dir", {"v": val("moved"), "log": val("a")}))).ok()
        assert value(tag) == val("moved")
        cancel(tag)

    @case("WATCH_UNIQ: equal values are told once")
    def _():
        tag = ask("w.v", WATCH | WATCH_UNIQ)
        assert value(tag) == val("moved")
        g.commit(put("w.v", "moved")).ok()
        g.commit(put("w.v", "on")).ok()
        assert value(tag) == val("on") and f.is_silent()
        cancel(tag)

    @case("WATCH_APPEND: what is new, and only that")
    def _():
        tag = ask("w.log", WATCH | WATCH_APPEND)
        assert value(tag) == val("a")
        for text in "bc", "d":
            g.commit(append("w.log", text)).ok()
            assert value(tag) == val(text)
        cancel(tag)

    @case("WATCH_APPEND of a value that is written over: EINVAL ends the stream")
    def _():
        tag = ask("w.log", WATCH | WATCH_APPEND)
        assert gathered(tag, 4) == b"abcd"
        g.commit(put("w.log", "z")).ok()
        f.answer(tag).fails(EINVAL)

    @case("STREAM: a blob for each answer, then ENODATA")
    def _():
        g.commit(put("w.s", "one"), append("w.s", "two"), append("w.s", "three")).ok()
        f.rpc("kvs.wait-version", g.root()).ok()
        tag = ask("w.s", STREAM)
        assert [value(tag) for _ in range(3)] == [val("one"), val("two"), val("three")]
        f.answer(tag).fails(ENODATA)

    @case("WATCH or STREAM in a request that is no stream: EPROTO")
    def _():
        for flags in WATCH, STREAM:
            f.answer(ask("w.v", flags, stream=0)).fails(EPROTO)

    @case("WATCH with STREAM, a WATCH_x without WATCH: EINVAL")
    def _():
        for flags in WATCH | STREAM, WATCH_FULL, WATCH_UNIQ, WATCH_APPEND:
            f.answer(ask("w.v", flags)).fails(EINVAL)

    @case("a directory with WATCH_APPEND or STREAM: EISDIR")
    def _():
        for flags in WATCH | WATCH_APPEND, STREAM:
            f.answer(ask("w", flags)).fails(EISDIR)

    @case("a namespace that is removed: ENOTSUP ends the stream; so does an unknown one")
    def _():
        f.rpc("kvs.namespace-create", {"namespace": "wn", "owner": -1, "flags": 0,
                                       "rootref": blobref(encode(EMPTY_DIR), HASH)}, nodeid=0).empty()
        g.commit(put("k", "1"), ns="wn").ok()
        f.rpc("kvs.wait-version", g.root("wn")).ok()
        tag = ask("k", WATCH, ns="wn")
        assert value(tag) == val("1")
        f.rpc("kvs.namespace-remove", {"namespace": "wn"}, nodeid=0).empty()
        f.answer(tag).fails(ENOTSUP)
        f.answer(ask("k", WATCH, ns="wn")).fails(ENOTSUP)

    @case("TREEOBJ and READDIR can be watched")
    def _():
        tree, names = ask("w.v", WATCH | TREEOBJ), ask("w", WATCH | READDIR)
        assert value(tree) == val("on") and "v" in value(names)["data"]
        g.commit(put("w.v", "x" * 100)).ok()
        assert value(tree) == obj("valref", [blobref(b"x" * 100, HASH)])
        assert value(names)["data"]["v"]["type"] == "valref"
        cancel(tree)
        cancel(names)

    @case("INITIAL_SENTINEL: an answer without a value ends what was there at first")
    def _():
        tag = ask("w.v", WATCH | 1024)
        assert value(tag)["type"] in ("val", "valref") and value(tag) is None
        g.commit(put("w.v", "later")).ok()
        assert value(tag) == val("later")
        cancel(tag)

    @case("a client that leaves in the middle takes nothing with it")
    def _():
        h = handle(2)
        h.ask("kvs-watch.lookup", {"key": "w.v", "namespace": "primary", "flags": WATCH},
              flags=STREAMING)
        h.read()
        h.close()
        g.commit(put("w.v", "y")).ok()
        assert f.attr("rank") == "2"


# ---- events ----

def events():
    f, g = handle(2), handle(0)
    topic = "kvs.namespace-primary-setroot"

    @case("event.subscribe: nothing; then each new root, in order, as at rank 0 so below")
    def _():
        for h in f, g:
            h.rpc("event.subscribe", {"topic": "kvs.namespace-primary"}).empty()
        made = [g.commit(put("ev.a", str(i)), flags=NO_MERGE).ok().json for i in range(20)]
        for h in f, g:
            for root in made:
                got = h.event()
                assert got.topic == topic and got.flags == TOPIC | PAYLOAD | PRIVATE, hex(got.flags)
                assert got.userid == os.geteuid() and got.rolemask & OWNER
                assert (got.json["rootseq"], got.json["rootref"]) == (root["rootseq"],
                                                                      root["rootref"])
                assert (got.json["namespace"], got.json["owner"]) == ("primary", os.geteuid())

    @case("sequences of events are one above the other")
    def _():
        for i in range(3):
            g.commit(flags=NO_MERGE).ok()
        numbers = [f.event().sequence for _ in range(3)]
        assert numbers == [numbers[0], numbers[0] + 1, numbers[0] + 2] and numbers[0] > 20
        assert [g.event().sequence for _ in range(3)] == numbers

    @case("once, however many subscriptions match; as often as it was subscribed to it has to be ended")
    def _():
        for prefix in "kvs.", "kvs.namespace-primary", "":
            f.rpc("event.subscribe", {"topic": prefix}).empty()
        g.commit().ok()
        f.event()
        assert f.is_silent()
        for prefix in "", "kvs.", "kvs.namespace-primary":
            f.rpc("event.unsubscribe", {"topic": prefix}).empty()
        g.commit().ok()
        assert f.event().topic == topic
        f.rpc("event.unsubscribe", {"topic": "kvs.namespace-primary"}).empty()
        g.commit().ok()
        f.rpc("kvs.wait-version", g.root()).ok()
        assert f.is_silent()

    @case("a new root names the keys of its commits, and tells the time")
    def _():
        h = handle(2)
        h.rpc("event.subscribe", {"topic": topic}).empty()
        g.commit(put("ev.a", "1"), unlink("ev..b"), append("ev.log", "x")).ok()
        root = h.event().json
        assert root["keys"] == {"ev.a": None, "ev.b": None, "ev.log": None}, root
        assert abs(root["timestamp"] - time.time()) < 600, root

    @case("a client's own commit is announced before it is answered")
    def _():
        h = handle(0)
        h.rpc("event.subscribe", {"topic": topic}).empty()
        tag = h.ask("kvs.commit", {"namespace": "primary", "flags": 0, "ops": []})
        assert h.read().type == EVENT and h.read().tag == tag

    @case("a prefix is one of bytes, not of words; others are not told")
    def _():
        h = handle(2)
        h.rpc("event.subscribe", {"topic": "kvs.namespace-prim"}).empty()
        other = handle(2)
        other.rpc("event.subscribe", {"topic": "kvs.namespace-primaryX"}).empty()
        g.commit().ok()
        assert h.event().topic == topic
        assert other.is_silent()

    @case("namespaces that come and go")
    def _():
        h = handle(2)
        h.rpc("event.subscribe", {"topic": "kvs.namespace-evn-"}).empty()
        f.rpc("kvs.namespace-create", {"namespace": "evn", "owner": -1, "flags": 0,
                                       "rootref": blobref(encode(EMPTY_DIR), HASH)}, nodeid=0).empty()
        got = h.event()
        assert got.json["namespace"] == "evn" and got.json["rootseq"] == 0
        f.rpc("kvs.namespace-remove", {"namespace": "evn"}, nodeid=0).empty()
        got = h.event()
        assert got.topic == "kvs.namespace-evn-removed" and got.json["namespace"] == "evn"

    @case("event.unsubscribe of what was not subscribed to: ENOENT")
    def _():
        f.rpc("event.unsubscribe", {"topic": "nothing"}).fails(ENOENT)

    @case("without a topic, or with too long a one: refused")
    def _():
        for kind in "subscribe", "unsubscribe":
            f.rpc(f"event.{kind}", {}).fails(EPROTO)
            f.rpc(f"event.{kind}").fails(EPROTO)
            f.rpc(f"event.{kind}", {"topic": "x" * 256}).fails(EINVAL)

    @case("subscriptions of a client are bounded: E2BIG 7")
    def _():
        h = handle(2)
        for i in range(1024):
            h.rpc("event.subscribe", {"topic": f"t{i % 600}"}).empty()
        h.rpc("event.subscribe", {"topic": "one-more"}).fails(7)
        h.rpc("event.unsubscribe", {"topic": "t0"}).empty()
        h.rpc("event.subscribe", {"topic": "one-more"}).empty()

    @case("event.publish: to all ranks, with its number")
    def _():
        h, i = handle(1), handle(0)
        for c in h, i:
            c.rpc("event.subscribe", {"topic": "test."}).empty()
        text = base64.b64encode(b'{"x":1}\0').decode()
        seq = f.call("event.publish", {"topic": "test.a", "flags": 0, "payload": text})["seq"]
        for c in h, i:
            got = c.event()
            assert (got.topic, got.sequence, got.flags) == ("test.a", seq, TOPIC | PAYLOAD)
            assert got.json == {"x": 1}
        assert f.call("event.publish", {"topic": "test.b", "flags": PRIVATE})["seq"] == seq + 1
        got = h.event()
        assert (got.topic, got.data, got.flags) == ("test.b", b"", TOPIC | PRIVATE)

    @case("what ranks act upon cannot be published: EPERM")
    def _():
        for name in "kvs.namespace-primary-setroot", "content.distrust", "broker.shutdown":
            f.rpc("event.publish", {"topic": name, "flags": 0}).fails(EPERM)

    @case("malformed ones are refused")
    def _():
        for payload, errnum in (({}, EPROTO), (None, EPROTO), ({"topic": ""}, EINVAL),
                                ({"topic": "a\n"}, EINVAL), ({"topic": "a", "flags": 1}, EINVAL),
                                ({"topic": "a", "payload": "?"}, EPROTO),
                                ({"topic": "a", "payload": "A" * 100000}, EFBIG)):
            f.rpc("event.publish", payload).fails(errnum)

    @case("a client that does not read is closed; one that reads gets every event")
    def _():
        deaf, hears = handle(1), handle(1)
        for c in deaf, hears:
            c.rpc("event.subscribe", {"topic": "flood."}).empty()
        text = base64.b64encode(bytes(49152)).decode()
        for n in range(200):  # 9.4 MiB: the bound, and what the kernel keeps
            f.rpc("event.publish", {"topic": f"flood.{n}", "payload": text}).ok()
            got = hears.event()
            assert got.topic == f"flood.{n}" and got.data == bytes(49152)
        count = 0
        try:
            while True:
                deaf.event()
                count += 1
        except ConnectionResetError:
            pass
        assert 0 < count < 150, count
        assert hears.call("stats.get", {})["local"]["cut"] == 1
        assert hears.attr("rank") == "1"

    @case("service.add, service.remove: ENOSYS, which says why")
    def _():
        f.rpc("service.add", {"service": "mine"}).fails(ENOSYS, "clients cannot serve")
        f.rpc("service.remove", {"service": "mine"}).fails(ENOSYS)


if __name__ == "__main__":
    run(sys.modules["__main__"])
