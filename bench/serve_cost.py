#!/usr/bin/env python3
"""What a packet costs `confab serve`, and what its clients have of it, with rooms divided among so many threads.

usage: serve_cost.py CONFAB WORKERS [OPTION OF confab load ...]     30 rooms of ten by default

Everything stays on loopback. The server's CPU time is read from /proc between two instants when all are in; packets are
SRTP packets received and sent. `passed on` are those that came to another worker's socket.
"""
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request

CONFAB, WORKERS = sys.argv[1:3]
OPTIONS = sys.argv[3:] or ["--rooms", "30", "--clients", "300", "--rate", "50/s", "--duration", "60s"]
WARM_S, SPAN_S = 15, 20


def look(port, process):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        text = answer.read().decode()
    figures = {}
    for name, value in re.findall(r"^confab_(\w+)(?:\{[^}]*\})? ([\d.]+)$", text, re.M):
        figures[name] = figures.get(name, 0) + float(value)
    with open(f"/proc/{process.pid}/stat") as stat:
        user, system = stat.read().rpartition(")")[2].split()[11:13]
    ticks = os.sysconf("SC_CLK_TCK")
    return figures | {"user": int(user) / ticks, "system": int(system) / ticks, "at": time.monotonic()}


def main():
    with tempfile.TemporaryDirectory(prefix="confab-cost-") as state:
        config = os.path.join(state, "serve.yaml")
        with open(config, "w") as file:
            file.write("turn: no\n")
        serve = subprocess.Popen([CONFAB, "serve", "--config", config, "--listen", "127.0.0.1", "--port", "0", "--state",
                                  state, "--workers", WORKERS], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                 text=True)
        for line in serve.stdout:
            if "page" in line:
                port = int(re.search(r":(\d+)/", line)[1])
            if "health" in line:
                break
        load = subprocess.Popen([CONFAB, "load", f"confab+ws://127.0.0.1:{port}/ws", *OPTIONS, "--format", "json"],
                                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        time.sleep(WARM_S)
        before = look(port, serve)
        time.sleep(SPAN_S)
        after = look(port, serve)
        result = json.loads(load.communicate()[0])["runs"][0]
        serve.terminate()
        serve.wait()
    change = {name: after[name] - before.get(name, 0) for name in after}
    taken, sent = change["sfu_received_packets_total"], change["sfu_sent_packets_total"]
    for kind in ("user", "system"):
        change[kind] *= 1e6 / (taken + sent)
    print(f"{WORKERS} workers: {taken / change['at']:.0f} packets/s in, {sent / change['at']:.0f} out, "
          f"{100 * change['worker_passed_datagrams_total'] / taken:.0f} % passed on; "
          f"{change['user']:.2f} us of user and {change['system']:.2f} us of system time a packet")
    print(f"the load's exit status {load.returncode}, clients {result['clients']}, streams {result['streams']}, "
          f"failures {result['failures']}")


main()
