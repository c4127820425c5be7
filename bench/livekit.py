#!/usr/bin/env python3
"""`confab load` beside `lk perf load-test`, one after the other on the same LiveKit server: CPU and memory of a client.

usage: livekit.py CONFAB LIVEKIT [SUBSCRIBERS [SECONDS]]      LK names the other tool's command (lk perf load-test)
"""
import os
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


def use(command):
    """CPU seconds and peak memory in bytes of a command."""
    with open(os.devnull, "wb") as nothing:
        process = subprocess.Popen(command, stdout=nothing, stderr=nothing)
        _, status, usage = os.wait4(process.pid, 0)
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, os.waitstatus_to_exitcode(status)


def compare(url, what, video):
    clients = SUBSCRIBERS + 1
    kind = "video" if video else "audio"
    theirs = use(LK + ["--url", url, "--api-key", KEY, "--api-secret", SECRET, "--room", f"theirs-{kind}", "--num-per-second",
                       "10", f"--{kind}-publishers", "1", "--subscribers", str(SUBSCRIBERS), "--duration", f"{SECONDS}s"])
    ours = use([CONFAB, "load", f"livekit+{url}/?api_key={KEY}&api_secret={SECRET}", "--room", f"ours-{kind}", "--clients",
                str(clients), "--publishers", "1", f"--{kind}-only", "--rate", "10/s", "--duration", f"{SECONDS}s", "--quiet"])
    print(f"{what}, 1 sends, {SUBSCRIBERS} receive, {SECONDS} s after the last has joined")
    for name, (cpu, memory, status) in (("lk", theirs), ("confab", ours)):
        print(f"  {name:8} {cpu:8.2f} s CPU, {memory / 1e6:7.1f} MB: {cpu / SECONDS / clients * 100:6.2f} % of a core and "
              f"{memory / clients / 1e6:6.2f} MB a client; exit {status}")
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
