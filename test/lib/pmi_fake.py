# SPDX-License-Identifier: MPL-2.0
"""pmi_fake.py [--stdio] [--signal] SCRIPT PROGRAM [ARG...] - a process manager that goes wrong.

Starts PROGRAM as rank 0 of 1 (of 2: --two) and talks PMI-1 to it, properly as far as SCRIPT goes:
  STEP=ANSWER   answers the command STEP with ANSWER (\\n is a newline) instead
  STEP!         closes the connection when it is asked that
  STEP?         does not answer
  end!          closes the connection when the program has finished its barrier
Steps with commas between them.  With --signal the program gets SIGTERM when it is not answered.
Exits with the program's status, or 124 when it is still there after 20 seconds."""
import os
import signal
import socket
import subprocess
import sys

answers = {
    "init": "cmd=response_to_init rc=0 pmi_version=1 pmi_subversion=1\n",
    "get_maxes": "cmd=maxes kvsname_max=256 keylen_max=64 vallen_max=1024\n",
    "get_my_kvsname": "cmd=my_kvsname kvsname=kvs_fake_%d\n" % os.getpid(),
    "put": "cmd=put_result rc=0\n",
    "barrier_in": "cmd=barrier_out\n",
    "finalize": "cmd=finalize_ack\n",
}
values = {}


def words_of(line):
    head, _, value = line.partition(" value=")
    words = dict(w.split("=", 1) for w in head.split() if "=" in w)
    words["value"] = value
    return words


def answer(words):
    cmd = words["cmd"]
    if cmd == "put":
        values[words["key"]] = words["value"]
    if cmd != "get":
        return answers[cmd]
    if words["key"] not in values:
        return "cmd=get_result rc=-1 msg=not_found\n"
    return "cmd=get_result rc=0 value=%s\n" % values[words["key"]]


def read_script(text):
    rules = {}
    for step in filter(None, text.split(",")):
        if step[-1] in "!?":
            rules[step[:-1]] = step[-1]
        else:
            name, _, said = step.partition("=")
            rules[name] = "=" + said.replace("\\n", "\n")
    return rules


def start(program, stdio, size):
    ours, theirs = socket.socketpair()
    env = dict(os.environ, PMI_RANK="0", PMI_SIZE=str(size))
    if stdio:
        child = subprocess.Popen(program, stdin=theirs, stdout=theirs, env=env)
    else:
        env["PMI_FD"] = str(theirs.fileno())
        child = subprocess.Popen(program, pass_fds=[theirs.fileno()], env=env)
    theirs.close()
    return ours, child


def converse(ours, child, rules, sends_signal):
    for line in ours.makefile("r", errors="replace", newline="\n"):
        words = words_of(line.rstrip("\n"))
        rule = rules.get(words["cmd"])
        if rule == "!":
            return
        if rule == "?":
            if sends_signal:
                child.send_signal(signal.SIGTERM)
            continue
        ours.sendall((rule[1:] if rule else answer(words)).encode())
        if words["cmd"] == "barrier_in" and rules.get("end") == "!":
            return


def main():
    args = sys.argv[1:]
    flags = set()
    while args[0].startswith("--"):
        flags.add(args.pop(0))
    ours, child = start(args[1:], "--stdio" in flags, 2 if "--two" in flags else 1)
    try:
        ours.settimeout(20)
        try:
            converse(ours, child, read_script(args[0]), "--signal" in flags)
            ours.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        return child.wait(20)
    except subprocess.TimeoutExpired:
        return 124
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()


sys.exit(main())
