# SPDX-License-Identifier: MPL-2.0
"""many_files.py DIRECTORIES FILES: a tar archive to stdout, of so many directories with so many files each, named
dN/kM, of which each has its own name as its content."""
import sys


def entry(name):
    data = name.encode()
    block = bytearray(512)
    block[:len(data)] = data
    block[100:156] = b"0000644\0" b"0000000\0" b"0000000\0" b"%011o\0" b"%011o\0" b"        " % (len(data), 1)
    block[156:157] = b"0"
    block[257:265] = b"ustar\x0000"
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block) + data.ljust(512, b"\0")


for d in range(int(sys.argv[1])):
    sys.stdout.buffer.write(b"".join(entry("d%d/k%d" % (d, k)) for k in range(int(sys.argv[2]))))
sys.stdout.buffer.write(bytes(1024))
