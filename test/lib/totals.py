#!/usr/bin/env python3
# SPDX-License-Identifier: MPL-2.0
"""Count test cases in Meson's testlog.json and print "N passed, N failed, N skipped".

Cases are counted one by one where a test's output names them (TAP, cmocka), else the test counts
as one.  A test that Meson calls failed has at least one failed case, whatever its output says.
Each file in the second argument's folder is a sanitizer's report, and a failed case.
"""
import json
import os
import re
import sys

TAP = re.compile(r"^(ok|not ok)\b[^#\n]*(#\s*skip)?", re.M | re.I)
CMOCKA = re.compile(r"^\[\s*(OK|FAILED|SKIPPED)\s*\] ([A-Za-z_]\w*)$", re.M)
TAIL_LINES = 60
GOOD = {"OK": "passed", "EXPECTEDFAIL": "passed", "SKIP": "skipped"}


def tap_outcomes(text):
    for word, skip in TAP.findall(text):
        yield "skipped" if skip else "passed" if word.lower() == "ok" else "failed"


def cmocka_outcomes(text):
    # Failed cases are named twice, as they fail and in the list at the end.
    cases = {}
    for word, name in CMOCKA.findall(text):
        cases[name] = {"OK": "passed", "FAILED": "failed", "SKIPPED": "skipped"}[word]
    return cases.values()


def output_of(test):
    return test.get("stdout", "") + "\n" + test.get("stderr", "")


def outcomes(test):
    text = output_of(test)
    cases = list(cmocka_outcomes(text)) or list(tap_outcomes(text))
    whole = GOOD.get(test["result"], "failed")
    if not cases or (whole == "failed" and "failed" not in cases):
        cases.append(whole)
    return cases


def show_failure(test):
    """The failed cases of TAP with what is said about them, else the end of the output."""
    lines = output_of(test).splitlines()
    shown = [line for line in lines if line.startswith(("not ok", "#"))] or lines[-TAIL_LINES:]
    print(f"--- {test['name']}: {test['result']}", *shown, sep="\n")


def show_skips(test):
    """Cases that were left out say why: "skipped: REASON" or, in TAP, "# skip REASON"."""
    for line in output_of(test).splitlines():
        if re.match(r"(not )?ok\b.*#\s*skip", line, re.I) or line.startswith("skipped: "):
            print(f"--- {test['name']}: {line}")


def show_reports(folder):
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    for name in names:
        with open(os.path.join(folder, name), errors="replace") as report:
            print(f"--- {name}\n{report.read()[:6000]}")
    return len(names)


def main():
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    with open(sys.argv[1]) as log:
        for line in log:
            test = json.loads(line)
            if test["result"] not in GOOD:
                show_failure(test)
            show_skips(test)
            for outcome in outcomes(test):
                counts[outcome] += 1
    counts["failed"] += show_reports(sys.argv[2])
    print("{passed} passed, {failed} failed, {skipped} skipped".format(**counts))
    return 0 if counts["passed"] and not counts["failed"] else 1


sys.exit(main())
