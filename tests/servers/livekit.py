#!/usr/bin/env python3
"""A real LiveKit under `confab load`: `go install github.com/livekit/livekit-server/cmd/server@v1.11.0`, or LIVEKIT=…

usage: livekit.py CONFAB PROGRAMS        prints one line a check, then "N passed, N failed, N skipped"
"""
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import lab  # noqa: E402

CONFAB, PROGRAMS = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
MODULE = "github.com/livekit/livekit-server/cmd/server@v1.11.0"
KEY, SECRET = "confab", "of-which-at-least-thirty-two-characters"


def program():
    """LIVEKIT, or what Go builds of the published module."""
    built = f"{PROGRAMS}/server"
    if os.environ.get("LIVEKIT"):
        return os.environ["LIVEKIT"]
    if not os.path.exists(built):
        try:
            subprocess.run(["go", "install", MODULE], env={**os.environ, "GOBIN": PROGRAMS}, check=False)
        except FileNotFoundError:
            pass
    return built if os.path.exists(built) else None


def main():
    livekit = program()
    if livekit is None:
        lab.skip(f"no LiveKit: go install {MODULE} did not work, and LIVEKIT names none")
    port, udp, stun = lab.free_port(), lab.free_port(), lab.free_port()
    with tempfile.TemporaryDirectory() as directory:
        with open(f"{directory}/livekit.yaml", "w", encoding="utf-8") as file:
            file.write(f"""
port: {port}
bind_addresses: [127.0.0.1]
rtc:
  udp_port: {udp}
  tcp_port: {lab.free_port()}
  use_external_ip: false
  node_ip: 127.0.0.1
  enable_loopback_candidate: true
  interfaces: {{includes: [lo]}}
  ips: {{includes: [127.0.0.1/32]}}
  stun_servers: ["127.0.0.1:{stun}"]
room: {{max_participants: 12}}
keys: {{{KEY}: {SECRET}}}
logging: {{level: warn}}
""")
        url = f"livekit+ws://127.0.0.1:{port}/?api_key={KEY}&api_secret={SECRET}"
        with lab.Server([livekit, "--config", f"{directory}/livekit.yaml"], directory, port):
            lab.whole("rooms of ten, two speak", lab.Load(CONFAB, url, "--room", "a", "--rooms", 20, "--clients", 200,
                                                          "--publishers", 2, "--audio-only", "--duration", "8s"),
                      200, 20 * (2 * 1 + 8 * 2))
            lab.whole("four who see each other", lab.Load(CONFAB, url, "--room", "b", "--clients", 4, "--duration", "8s"), 4,
                      4 * 3 * 2)
            lab.whole("one seen by nine, small", lab.Load(CONFAB, url, "--room", "c", "--clients", 10, "--publishers", 1,
                                                          "--layout", "4x4", "--duration", "8s"), 10, 9 * 2)
            load = lab.Load(CONFAB, url, "--room", "d", "--clients", 15, "--audio-only", "--duration", "4s")
            lab.check(f"a room for 12, and 15 who would: three fail, and why is said: {load.failures}",
                      load.status in lab.FAILED and load.failures == {"full": 3}, load.told())
            load = lab.Load(CONFAB, url.replace("of-which", "not"), "--clients", 4, "--duration", "2s")
            lab.check("a wrong secret is told", load.status in lab.FAILED and load.failures == {"unauthorized": 4}, load.told())
    lab.finish()


main()
