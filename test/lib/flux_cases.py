# SPDX-License-Identifier: MPL-2.0
"""What the cases of flux_*_cases.py share.  A line is printed for each case: "ok SENTENCE", "not ok SENTENCE:
WHY", "skip SENTENCE: WHY"."""
import sys
import traceback

from flux import blobref, Flux


RUNDIR, HASH = sys.argv[1], sys.argv[2]


class Skip(Exception):
    pass


def case(sentence):
    """A case runs where it stands: what it leaves is there for the next."""
    def run(fn):
        try:
            fn()
        except Skip as why:
            print(f"skip {sentence}: {why}")
        except Exception as e:
            where = traceback.extract_tb(e.__traceback__)[1]
            why = " ".join(f"{type(e).__name__} {e}".split())
            print(f"not ok {sentence}: line {where.lineno}: {why}"[:400])
        else:
            print(f"ok {sentence}")
        sys.stdout.flush()
        return fn
    return run


def handle(rank=0):
    return Flux(f"{RUNDIR}/local-{rank}")


def each_rank(fn):
    for rank in 0, 2:
        fn(handle(rank), rank)


def digest_of(data):
    return bytes.fromhex(blobref(data, HASH).split("-")[1])


def run(module):
    """The suite that the command line names."""
    vars(module)[sys.argv[3]]()
