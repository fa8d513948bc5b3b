# SPDX-License-Identifier: MPL-2.0
"""Tests in Python of something that keeps its data in Xylem."""
import errno
import hashlib
import os
import signal
import threading

import pytest


def test_a_blob_travels(xylem):
    blob = os.urandom(100_000)
    with xylem.client(7) as there, xylem.client(4) as here:
        digest = there.store(blob)
        assert digest == hashlib.blake2b(blob, digest_size=32).digest()
        assert here.load(digest) == blob


def test_a_blob_that_nobody_has(xylem):
    with xylem.client(3) as client, pytest.raises(OSError) as caught:
        client.load(bytes(32))
    assert caught.value.errno == errno.ENOENT


@pytest.mark.parametrize("rank", [0, 2, 7])
def test_keys(xylem, rank):
    with xylem.client(rank) as client:
        client.put(f"test.{rank}", b"value")
        assert client.get(f"test.{rank}") == b"value"


def test_commands_see_the_same(xylem):
    with xylem.client(6) as client:
        version = client.put("seen", b"by all")["rootseq"]
    xylem.run(5, "xylem", "kvs", "wait", str(version))
    assert xylem.run(5, "xylem", "kvs", "get", "seen") == "by all\n"


def test_any_rank_can_be_asked(xylem):
    with xylem.client(7) as client:
        for rank in range(xylem.size):
            assert client.rpc_json("attr.get", rank, name="rank")["value"] == str(rank)


def test_a_rank_crashes(xylem):
    with xylem.client(7) as client:
        client.put("crash", b"before")
        xylem.kill(1)
        xylem.respawn(1)
        xylem.wait("full")
        assert client.get("crash") == b"before"
        client.put("crash", b"after")
    with xylem.client(0) as client:
        assert client.get("crash") == b"after"


def test_a_rank_hangs(xylem):
    """What is asked meanwhile is answered when the rank goes on, or others have taken its place."""
    xylem.kill(1, signal.SIGSTOP)
    with xylem.client(3) as client:
        asked = threading.Thread(target=client.put, args=("hang", b"over"))
        asked.start()
        asked.join(0.3)
        xylem.kill(1, signal.SIGCONT)
        asked.join(30)
        assert not asked.is_alive()
        assert client.get("hang") == b"over"
    xylem.wait("full")
