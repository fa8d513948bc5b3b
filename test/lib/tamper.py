# SPDX-License-Identifier: MPL-2.0
"""Between a rank and those that connect to it: `tamper.py SOCKET FROM TO` takes the place of the UNIX
socket, hands on what goes either way, and once, in what the rank sends, says TO instead of FROM (texts of
one length).  At its end (SIGTERM) the socket is where it was."""
import os
import selectors
import signal
import socket
import sys


class Tamper:
    def __init__(self, path, old, new):
        self.path, self.old, self.new = path, old, new
        self.real = path + ".real"
        self.selector = selectors.DefaultSelector()
        os.rename(path, self.real)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen()
        self.selector.register(self.listener, selectors.EVENT_READ, None)

    def accept(self):
        below, _ = self.listener.accept()
        above = socket.socket(socket.AF_UNIX)
        above.connect(self.real)
        self.selector.register(below, selectors.EVENT_READ, (above, False))
        self.selector.register(above, selectors.EVENT_READ, (below, True))

    def close(self, *socks):
        for sock in socks:
            if sock.fileno() >= 0:
                self.selector.unregister(sock)
                sock.close()

    def hand_on(self, sock, to, is_from_rank):
        data = sock.recv(1 << 16)
        if not data:
            self.close(sock, to)
            return
        if is_from_rank and self.new and self.old in data:
            data = data.replace(self.old, self.new, 1)
            self.new = None
        to.sendall(data)

    def run(self):
        while True:
            for key, _ in self.selector.select():
                if key.data is None:
                    self.accept()
                elif key.fileobj.fileno() >= 0:
                    try:
                        self.hand_on(key.fileobj, *key.data)
                    except OSError:
                        self.close(key.fileobj, key.data[0])

    def restore(self):
        os.rename(self.real, self.path)


def main():
    path, old, new = sys.argv[1:]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    tamper = Tamper(path, old.encode(), new.encode())
    try:
        tamper.run()
    finally:
        tamper.restore()


if __name__ == "__main__":
    main()
