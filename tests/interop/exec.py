#!/usr/bin/env python3
"""Signalling by programs of the user's: our example at `confab serve`, and programs that are worse.

usage: exec.py CONFAB        prints one line a check, then "N passed, N failed, N skipped"
"""
import os
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))
import lab  # noqa: E402

CONFAB = os.path.abspath(sys.argv[1])
EXAMPLE = os.path.join(HERE, "..", "..", "loadgen", "examples", "exec_whip.py")

# Opens a connection for each, answers nothing, and ends when the fifth has come.
MORTAL = """
import json, sys
joins = 0
for text in sys.stdin:
    line = json.loads(text)
    if line["type"] != "join":
        continue
    joins += 1
    print(json.dumps({"type": "open", "client": line["client"], "connection": "c"}), flush=True)
    if joins == 5:
        print("enough", file=sys.stderr)
        sys.exit(7)
"""
FULL = """
import json, sys
for text in sys.stdin:
    line = json.loads(text)
    if line["type"] == "join" and line["number"] > 2:
        print(json.dumps({"type": "failed", "client": line["client"], "class": "full", "reason": "two are enough"}), flush=True)
    elif line["type"] == "join":
        print(json.dumps({"type": "failed", "client": line["client"], "class": "unauthorized", "reason": "who?"}), flush=True)
"""
NONSENSE = """
import sys
for text in sys.stdin:
    if "join" in text:
        print("Joining…", flush=True)
"""


def example(directory):
    port, turn = lab.free_port(), lab.free_port()
    with lab.Server([CONFAB, "serve", "--listen", "127.0.0.1", "--port", str(port), "--turn-port", str(turn), "--state",
                     directory], directory, port):
        target = f"exec:{sys.executable} -W ignore {EXAMPLE} http://127.0.0.1:{port}"
        lab.whole("four rooms by WHIP and WHEP, signalled by a program",
                  lab.Load(CONFAB, target, "--rooms", 4, "--clients", 24, "--publishers", 1, "--duration", "3s"), 24,
                  4 * 5 * 2)
        load = lab.Load(CONFAB, target, "--clients", 12, "--publishers", 2, "--audio-only", "--churn", "3/s", "--duration",
                        "6s")
        lab.check("who leaves comes back under another name", load.status in (0, 3), load.told())


def bad(directory, name, text, clients, expected, why):
    file = f"{directory}/program.py"
    with open(file, "w", encoding="utf-8") as out:
        out.write(text)
    load = lab.Load(CONFAB, f"exec:{sys.executable} {file}", "--clients", clients, "--timeout", "20s", "--duration", "1s")
    reasons = " ".join(one["example"] for one in load.run.get("failures", []))
    lab.check(f"{name}: {load.failures}", load.status in lab.FAILED and load.failures == expected and why in reasons,
              f"{load.told()} {reasons}")
    return load


def main():
    with tempfile.TemporaryDirectory() as directory:
        example(directory)
        load = bad(directory, "a program that ends", MORTAL, 8, {"closed": 8}, "exit status 7")
        lab.check("its last words are shown", "exec: enough" in load.errors, load.errors)
        bad(directory, "one that says no", FULL, 5, {"full": 3, "unauthorized": 2}, "two are enough")
        bad(directory, "one that speaks no JSON", NONSENSE, 4, {"bad-answer": 4}, "Joining")
        bad(directory, "one that isn't there", "import confab_has_no_such_module", 3, {"closed": 3}, "exit status 1")
    lab.finish()


main()
