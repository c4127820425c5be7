#!/usr/bin/python3
"""A load on a server of a private network, as in a laboratory, with and without emulated NATs: in a network namespace of its
own, whose loopback interface has such addresses.

usage: private_network.py CONFAB"""

import os
import shutil
import subprocess
import sys
import tempfile

ADDRESSES = ["192.168.7.5", "10.0.0.5", "203.0.113.5"]


def outside(confab):
    unshare = shutil.which("unshare")
    if unshare is None or shutil.which("ip") is None or subprocess.run([unshare, "-n", "true"]).returncode != 0:
        print("skipped: no network namespaces here")
        return 0
    return subprocess.run([unshare, "-n", sys.executable, __file__, confab, "inside"]).returncode


def load(confab, address, port, *options):
    return subprocess.run(
        [confab, "load", f"confab+ws://{address}:{port}/ws", "--clients", "3", "--audio-only", "--ramp", "all",
         "--duration", "1s", *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)


def at(confab, address):
    failed = 0
    with tempfile.TemporaryDirectory() as directory:
        config = os.path.join(directory, "confab.yaml")
        with open(config, "w", encoding="utf-8") as file:
            file.write("turn: no\n")
        server = subprocess.Popen([confab, "serve", "--config", config, "--listen", address, "--port", "8080", "--state",
                                   directory], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            for line in server.stdout:
                if "/metrics" in line:
                    break
            for options in ((), ("--nat", "home")):
                done = load(confab, address, 8080, *options)
                right = done.returncode in (0, 3) and "All 3 clients joined" in done.stdout
                failed += not right
                print("ok  " if right else "FAIL", address, *options, "" if right else done.stdout)
        finally:
            server.terminate()
            server.wait()
    return failed


def inside(confab):
    for command in ["ip link set lo up"] + [f"ip address add {address}/24 dev lo" for address in ADDRESSES]:
        subprocess.run(command.split(), check=True)
    failed = sum(at(confab, address) for address in ADDRESSES)
    print(f"{2 * len(ADDRESSES) - failed} passed, {failed} failed")
    return failed > 0


program = os.path.abspath(sys.argv[1])
sys.exit(inside(program) if sys.argv[2:] == ["inside"] else outside(program))
