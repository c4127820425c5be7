#!/usr/bin/env python3
"""`confab load` beside `lk perf load-test`, one after the other on the same LiveKit server: CPU and memory of a client.

usage: livekit.py CONFAB LIVEKIT [SUBSCRIBERS [SECONDS]]      LK names the other tool's command (lk perf load-test)
"""
import os
import re
import shlex
import socket
import subprocess
import sys
import tempfile
import time

CONFAB, LIVEKIT = map(os.path.abspath, sys.argv[1:3])
SUBSCRIBERS = int(sys.argv[3]) if len(sys.argv) > 3 else 50
SECONDS = int(sys.argv[4]) if len(sys.argv) > 4 else 20
LK = shlex.split(os.environ.get("LK", "lk perf load-test"))
KEY, SECRET = "confab", "of-which-at-least-thirty-two-characters"


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def use(command, tracks):
    """CPU seconds, peak memory in bytes, and the tracks that arrived by what the command prints."""
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
        _, _, usage = os.wait4(process.pid, 0)
        output.seek(0)
        found = re.findall(tracks, output.read().decode(errors="replace"))
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, int(found[-1]) if found else 0


def compare(url, what, video):
    clients = SUBSCRIBERS + 1
    kind = "video" if video else "audio"
    theirs = use(LK + ["--url", url, "--api-key", KEY, "--api-secret", SECRET, "--room", f"theirs-{kind}", "--num-per-second",
                       "10", f"--{kind}-publishers", "1", "--subscribers", str(SUBSCRIBERS), "--duration", f"{SECONDS}s"], r"Total\s*│\s*(\d+)/")
    ours = use([CONFAB, "load", f"livekit+{url}/?api_key={KEY}&api_secret={SECRET}", "--room", f"ours-{kind}", "--clients",
                str(clients), "--publishers", "1", f"--{kind}-only", "--rate", "10/s", "--duration", f"{SECONDS}s"],
               r"(\d+) of \d+ tracks arrived")
    print(f"{what}, 1 sends, {SUBSCRIBERS} receive, {SECONDS} s after the last has joined")
    for name, (cpu, memory, tracks) in (("lk", theirs), ("confab", ours)):
        print(f"  {name:8} {cpu:8.2f} s CPU, {memory / 1e6:7.1f} MB: {cpu / SECONDS / clients * 100:6.2f} % of a core and "
              f"{memory / clients / 1e6:6.2f} MB a client; {tracks} of {SUBSCRIBERS} tracks")
    if theirs[2] != SUBSCRIBERS or ours[2] != SUBSCRIBERS:
        print("  one of them did not do the work: no ratio", flush=True)
        return
    print(f"  ratio    {theirs[0] / ours[0]:8.1f} in CPU, {theirs[1] / ours[1]:.1f} in memory", flush=True)


def main():
    port = free_port()
    with tempfile.TemporaryDirectory() as directory:
        with open(f"{directory}/livekit.yaml", "w", encoding="utf-8") as file:
            file.write(f"""
port: {port}
bind_addresses: [127.0.0.1]
rtc: {{udp_port: {free_port()}, tcp_port: {free_port()}, use_external_ip: false, node_ip: 127.0.0.1,
  enable_loopback_candidate: true, interfaces: {{includes: [lo]}}, ips: {{includes: [127.0.0.1/32]}},
  stun_servers: ["127.0.0.1:{free_port()}"]}}
keys: {{{KEY}: {SECRET}}}
logging: {{level: error}}
""")
        server = subprocess.Popen([LIVEKIT, "--config", f"{directory}/livekit.yaml"], stderr=subprocess.DEVNULL)
        try:
            time.sleep(2)
            compare(f"ws://127.0.0.1:{port}", "audio", False)
            compare(f"ws://127.0.0.1:{port}", "video, simulcast, 720p", True)
        finally:
            server.terminate()
            server.wait()


main()
