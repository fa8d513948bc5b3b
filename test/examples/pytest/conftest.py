# SPDX-License-Identifier: MPL-2.0
"""Xylem instances for tests: the fixture `xylem` is one for all tests of a file.

To adapt: change `scope`, SIZE and OPTIONS, or call launch() in a fixture of your own.  Your program finds
its rank by the environment variable XYLEM_URI: pass it `xylem.environ(rank)`."""
import contextlib
import os
import shutil
import signal
import subprocess
import tempfile

import pytest
from xylem_local import Client

SIZE = 8
OPTIONS = ["-o", "heartbeat=100ms", "-o", "timeout=2s"]


class Cluster:
    def __init__(self, size, rundir):
        self.size, self.rundir = size, rundir

    def path(self, rank):
        return f"{self.rundir}/local-{rank}"

    def environ(self, rank):
        return dict(os.environ, XYLEM_URI="local://" + self.path(rank))

    def client(self, rank):
        return contextlib.closing(Client(self.path(rank)))

    def run(self, rank, *command):
        """What a command prints that talks to that rank."""
        return subprocess.run(command, env=self.environ(rank), check=True, text=True, timeout=60,
                              stdout=subprocess.PIPE).stdout

    def kill(self, rank, signum=signal.SIGKILL):
        with open(f"{self.rundir}/rank-{rank}.pid") as file:
            os.kill(int(file.read()), signum)

    def respawn(self, rank):
        """Returns when the rank, and all below it, are there."""
        self.run(0, "xylem-launch", "--respawn", str(rank), "--rundir", self.rundir)

    def wait(self, state="full", timeout="60s"):
        self.run(0, "xylem", "overlay", "status", "--wait", state, "-t", timeout)


@contextlib.contextmanager
def launch(size=SIZE, options=()):
    folder = tempfile.mkdtemp(prefix="xylem-")  # short: the path of a socket has at most 107 bytes
    rundir = folder + "/run"
    command = ["xylem-launch", "-n", str(size), "--rundir", rundir, *options]
    with open(folder + "/err", "w+") as err:
        launcher = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=err, text=True)
        try:
            # One line for each rank, when the tree is complete.
            if len([launcher.stdout.readline() for _ in range(size)][-1]) == 0:
                err.seek(0)
                raise RuntimeError(err.read())
            yield Cluster(size, rundir)
        finally:
            launcher.terminate()
            launcher.communicate(timeout=60)
            left = os.listdir(rundir) if os.path.exists(rundir) else []
            shutil.rmtree(folder)
    assert left == [], f"left behind: {left}"


@pytest.fixture(scope="module")
def xylem():
    with launch(SIZE, OPTIONS) as cluster:
        yield cluster
