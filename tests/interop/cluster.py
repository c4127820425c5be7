#!/usr/bin/python3
"""Several processes started by Open MPI's mpirun do what one would have done: a load's clients divided among them (shards.c),
and the runs of a scenario.

usage: cluster.py CONFAB DATA_PEER"""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile

confab = os.path.abspath(sys.argv[1])
shards = os.path.join(os.path.dirname(os.path.abspath(sys.argv[2])), "shards")
library = os.path.join(os.path.dirname(os.path.realpath(confab)), "libconfab-mpi.so")
SCENARIO = """
name: small
seed: 3
duration: 2s
topologies: [mesh, sfu]
rooms: {count: 2, size: 3}
sweep: {rooms.size: [2, 3, 4]}
join: {spread: 0s}
captures: {media_bytes: 0B}
media: {audio: {codec: opus, bitrate: 32kbps}}
thresholds: [any.clients.failed == 0]
"""
passed = failed = 0


def check(what, right, detail=""):
    global passed, failed
    passed += right
    failed += not right
    print("ok  " if right else "FAIL", what, "" if right else detail)


def run(*command, processes=1):
    """Its exit status and standard error. Processes talk by shared memory, mpirun with them over loopback."""
    if processes > 1:
        command = ["mpirun", "--allow-run-as-root", "--oversubscribe", "-np", str(processes), "--mca", "btl", "self,vader",
                   "--mca", "oob_tcp_if_include", "lo"] + list(command)
    environment = dict(os.environ, OMPI_MCA_rmaps_base_oversubscribe="1")
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, check=False)
    return done.returncode, done.stderr


def same(a, b):
    with open(a, "rb") as one, open(b, "rb") as other:
        return one.read() == other.read()


if shutil.which("mpirun") is None or not os.path.exists(library):
    print("skipped: built without MPI")
    sys.exit()

with tempfile.TemporaryDirectory() as scratch:
    path = lambda *names: os.path.join(scratch, *names)
    status, error = run(shards, path("one.json"))
    check("one process records a load", status == 0, error)
    for processes in (2, 3):
        status, error = run(shards, path("all.json"), processes=processes)
        check(f"{processes} processes record it together", status == 0, error)
        check(f"histograms, counts and series of {processes} are those of one, to the byte",
              status == 0 and same(path("one.json"), path("all.json")))

    with open(path("small.yaml"), "w", encoding="utf-8") as file:
        file.write(SCENARIO)
    status, error = run(confab, "run", path("small.yaml"), "--out", path("alone"), "--quiet")
    if "built without the simulation" in error:
        print("skipped: a sweep, as this is built without the simulation")
    else:
        check("one process runs a sweep", status == 0, error)
        status, error = run(confab, "run", path("small.yaml"), "--out", path("together"), "--quiet", processes=2)
        check("two share it", status == 0, error)
        check("their result.json is the same to the byte",
              status == 0 and same(path("alone", "result.json"), path("together", "result.json")))
        status, error = run(confab, "run", path("small.yaml"), "--out", path("together"), "--quiet", "--set",
                            "thresholds=[any.clients.failed > 0]", processes=2)
        check("a breached threshold is mpirun's exit status", status == 99, f"{status} {error}")
    status, error = run(confab, "run", path("none.yaml"), "--quiet", processes=2)
    check("a wrong scenario is said once", status == 2 and error.count("No such file") == 1, f"{status} {error}")

    # A load on confab serve: whoever looks at rank 0 sees all. A busy machine may call itself overloaded (3).
    with socket.create_server(("127.0.0.1", 0)) as free:
        turn_port = str(free.getsockname()[1])
    serve = subprocess.Popen([confab, "serve", "--listen", "127.0.0.1", "--port", "0", "--turn-port", turn_port],
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        url = next((line.split()[1] for line in serve.stdout if line.split()[:1] == ["rooms"]), "ws://none")
        status, error = run(confab, "load", "confab+" + url, "--clients", "12", "--rooms", "3", "--duration", "10s",
                            "--audio-only", "--rate", "50/s", "--out", path("load"), "--quiet", processes=2)
        check("two processes put a load on a server", status in (0, 3), f"{status} {error}")
        with open(path("load", "result.json"), encoding="utf-8") as file:
            load = json.load(file)["runs"][0]
        check("all of their clients joined and got their tracks",
              load["clients"] == {"planned": 12, "joined": 12, "failed": 0} and
              load["streams"] == {"expected": 36, "received": 36} and load["shard"] == {"index": 1, "count": 1}, load)
    finally:
        serve.terminate()
        serve.wait(20)

print(f"{passed} passed, {failed} failed, 0 skipped")
sys.exit(failed > 0)
