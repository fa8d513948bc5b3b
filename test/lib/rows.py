# SPDX-License-Identifier: MPL-2.0
"""Rot: `rows.py STATEDIR flip|delete BLOBREF...` changes a byte of the rows in content.sqlite, or takes
them away, behind the back of a broker or without one."""
import sqlite3
import sys


def flip(data):
    data = bytearray(data)
    data[len(data) // 2] ^= 0x20
    return bytes(data)


def main():
    statedir, what, *refs = sys.argv[1:]
    db = sqlite3.connect(f"{statedir}/content.sqlite", timeout=20)
    db.create_function("flip", 1, flip)
    change = {"flip": "UPDATE blob SET data = flip(data)", "delete": "DELETE FROM blob"}[what]
    with db:
        for ref in refs:
            key = bytes.fromhex(ref.split("-")[1])
            if db.execute(f"{change} WHERE digest = ?", (key,)).rowcount != 1:
                sys.exit(f"{ref}: no such row")


if __name__ == "__main__":
    main()
