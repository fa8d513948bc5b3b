# SPDX-License-Identifier: MPL-2.0
"""What a trace of terminal.py looks like: `from screen import *`.

pieces  [(ms, columns, text)]
painted [(ms, columns, text)]: what was painted between two carriage returns, without lines that ended
left    the lines that were left at the end, as a terminal shows them; no control sequence is known"""
import json


def read(path):
    """A piece may end anywhere: what it has of a line that goes on, or of a line end, comes with the next one."""
    held, ms, columns = "", "0", "0"
    for line in open(path):
        ms, columns, text = line.split(" ", 2)
        text = (held + json.loads(text)).replace("\r\n", "\n")
        start = text.rfind("\n") + 1
        if "\r" in text[start:-1]:
            start = len(text) - text.endswith("\r")
        text, held = text[:start], text[start:]
        if text:
            yield int(ms), int(columns), text
    if held:
        yield int(ms), int(columns), held


def show(pieces):
    lines, column = [""], 0
    for _, _, text in pieces:
        for char in text:
            assert char in "\r\n\t" or char >= " ", "control character %r" % char
            if char == "\n":
                lines.append("")
                column = 0
            elif char == "\r":
                column = 0
            else:
                lines[-1] = lines[-1][:column].ljust(column) + char + lines[-1][column + 1:]
                column += 1
    return [line.rstrip() for line in lines]


def paints(pieces):
    out = []
    for ms, columns, text in pieces:
        for part in text.split("\r"):
            if part.strip() and "\n" not in part:
                out.append((ms, columns, part))
    return out


class Screen:
    def __init__(self, path):
        self.pieces = list(read(path))
        self.painted = paints(self.pieces)
        self.left = show(self.pieces)
        while self.left and not self.left[-1]:
            self.left.pop()
