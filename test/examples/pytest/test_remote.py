# SPDX-License-Identifier: MPL-2.0
"""The same requests over ZeroMQ, as a client on another host sends them: a DEALER socket, packed parts as one
frame, and behind them a payload of more than 16 KiB as another."""
import os

import pytest
from xylem_local import ANY, PAYLOAD, pack, request, response

zmq = pytest.importorskip("zmq", reason="no pyzmq: install the package python3-zmq")
SMALL = 16384


@pytest.fixture
def remote(xylem):
    context = zmq.Context()
    sock = context.socket(zmq.DEALER)
    sock.linger, sock.rcvtimeo = 0, 30000
    sock.connect(f"ipc://{xylem.rundir}/tree-3")
    yield sock
    sock.close()
    context.term()


def rpc(sock, topic, payload):
    if len(payload) <= SMALL:
        sock.send(request(topic, payload, ANY, 1))
    else:
        parts = bytearray(request(topic, b"", ANY, 1))
        parts[-17] |= PAYLOAD  # the flags, in the header of 20 bytes
        sock.send_multipart([bytes(parts), payload])
    frames = sock.recv_multipart()
    if len(frames) == 2:  # back in its place, in front of the header with its size
        frames[0] = frames[0][:-21] + pack(frames[1]) + frames[0][-21:]
    tag, errnum, answer = response(frames[0])
    assert tag == 1 and errnum == 0
    return answer


@pytest.mark.parametrize("size", [1, SMALL, SMALL + 1, 1_000_000])
def test_a_blob_comes_back(remote, size):
    blob = os.urandom(size)
    assert rpc(remote, "content.load", rpc(remote, "content.store", blob)) == blob
