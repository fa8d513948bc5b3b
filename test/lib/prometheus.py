# SPDX-License-Identifier: MPL-2.0
"""Check standard input against the text format of Prometheus, version 0.0.4, as far as Xylem uses it,
and print "FAMILIES families, RANKS ranks".  The first line that is wrong ends it with status 1."""
import math
import re
import sys

NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*\Z")
SAMPLE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)\{((?:[a-z]+="[^"\\]*",?)+)\} (\S+)\Z')
SUFFIXES = {"counter": {""}, "gauge": {""}, "histogram": {"_bucket", "_sum", "_count"}}


class Family:
    def __init__(self, name):
        self.name, self.kind, self.series = name, None, {}

    def add(self, suffix, labels, value):
        rank = labels["rank"]
        series = self.series.setdefault(rank, {"le": [], "": None, "_sum": None, "_count": None})
        if suffix == "_bucket":
            series["le"].append((float(labels["le"].replace("+Inf", "inf")), value))
        else:
            assert series[suffix] is None, "twice"
            series[suffix] = value

    def check(self):
        assert self.kind, "no TYPE"
        assert self.series, "no sample"
        assert (self.kind == "counter") == self.name.endswith("_total"), "_total"
        if self.kind != "histogram":
            return
        for series in self.series.values():
            bounds, counts = zip(*series["le"])
            assert list(bounds) == sorted(set(bounds)), "le does not rise"
            assert list(counts) == sorted(counts), "counts are not cumulative"
            assert bounds[-1] == math.inf, "no +Inf"
            assert counts[-1] == series["_count"], "+Inf is not the count"
            assert series["_sum"] is not None, "no sum"


def read(lines):
    families, family = {}, None
    for line in lines:
        assert line.endswith("\n"), "no newline at the end"
        line = line[:-1]
        try:
            if line.startswith("# HELP "):
                name = line.split(" ", 3)[2]
                assert NAME.match(name) and name not in families, "family"
                if family:
                    family.check()
                family = families[name] = Family(name)
            elif line.startswith("# TYPE "):
                _, _, name, kind = line.split(" ")
                assert name == family.name and family.kind is None and not family.series
                assert kind in SUFFIXES, "kind"
                family.kind = kind
            else:
                name, labels, value = SAMPLE.match(line).groups()
                assert name.startswith(family.name), "family"
                suffix = name[len(family.name):]
                assert suffix in SUFFIXES[family.kind], "suffix"
                family.add(suffix, dict(re.findall(r'([a-z]+)="([^"]*)"', labels)), float(value))
        except (AssertionError, AttributeError, ValueError, KeyError) as error:
            sys.exit(f"{line}: {error!r}")
    family.check()
    return families


def main():
    families = read(sys.stdin)
    ranks = {rank for family in families.values() for rank in family.series}
    print(f"{len(families)} families, {len(ranks)} ranks")


main()
