#!/usr/bin/env python3
"""What attacks and faults do to `confab serve`: its memory, and a call of six that goes on meanwhile.

usage: attacks.py CONFAB PEOPLE [PART OF A NAME]     needs root for the half-open connections (a network namespace)

PEOPLE is build/interop/people. Everything stays on loopback, or in a namespace of its own. Of each attack a line tells
the server's resident memory before, at its highest and afterwards, how long /health took at worst, and the worst second
of the call: the least frames that anyone received of anyone, of 15 or more that were sent.
"""
import base64
import ctypes
import json
import os
import random
import resource
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

CONFAB, PEOPLE = sys.argv[1:3]
ONLY = sys.argv[3] if len(sys.argv) > 3 else ""
PEOPLE_IN_CALL = 7  # six synthetic ones, and whose room it is
failures = 0


def free_port():
    with socket.socket() as tcp:
        tcp.bind(("127.0.0.1", 0))
        return tcp.getsockname()[1]


class Server:
    def __init__(self, listen="127.0.0.1", prefix=()):
        self.state = tempfile.mkdtemp(prefix="confab-attacks-")
        self.listen, self.port = listen, free_port()
        self.process = subprocess.Popen(
            [*prefix, CONFAB, "serve", "--listen", listen, "--port", str(self.port), "--turn-port", str(free_port()),
             "--state", self.state], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(100):
            try:
                self.health()
                return
            except OSError:
                time.sleep(0.1)
        raise SystemExit("the server doesn't start")

    def get(self, path, method="GET"):
        url = f"http://{self.listen}:{self.port}{path}"
        with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=10) as answer:
            return answer.read().decode()

    def health(self):
        begun = time.monotonic()
        self.get("/health")
        return (time.monotonic() - begun) * 1000

    def metric(self, name):
        for line in self.get("/metrics").splitlines():
            if line.startswith(f"confab_{name} "):
                return float(line.split()[1])
        raise KeyError(name)

    def resident_kb(self):
        with open(f"/proc/{self.process.pid}/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        alive = self.process.wait(timeout=10) == 0
        shutil.rmtree(self.state, ignore_errors=True)
        return alive


class Watch(threading.Thread):
    """Looks at the server twice a second."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server, self.done = server, threading.Event()
        self.highest_kb, self.slowest_ms, self.least = 0, 0.0, None
        self.last, self.looked = None, 0.0

    def frames(self):
        peers = json.loads(self.server.get("/rooms/call/peers"))
        return {(peer["name"], track["peer"], track["kind"]): track["frames"]
                for peer in peers for track in peer["tracks"] if track["kind"] == "video"}

    def look(self):
        self.highest_kb = max(self.highest_kb, self.server.resident_kb())
        self.slowest_ms = max(self.slowest_ms, self.server.health())
        now, frames = time.monotonic(), self.frames()
        if self.last is None:
            self.last, self.looked = frames, now
        elif now - self.looked >= 1:
            rate = min((frames[key] - self.last[key]) / (now - self.looked) for key in frames if key in self.last)
            self.least = rate if self.least is None else min(self.least, rate)
            self.last, self.looked = frames, now

    def run(self):
        while not self.done.wait(0.25):
            try:
                self.look()
            except OSError as error:
                print(f"    /health: {error}")
                self.slowest_ms = float("inf")


def attack(name, server, body, limit_kb, settle_s=3):
    """`limit_kb`: by so much may the memory have grown when it is over."""
    global failures
    if ONLY not in name:
        return
    before = server.resident_kb()
    watch = Watch(server)
    watch.start()
    time.sleep(2)
    detail = body(server) or ""
    time.sleep(settle_s)
    watch.done.set()
    watch.join()
    after = server.resident_kb()
    well = after - before <= limit_kb and watch.slowest_ms < 5000 and (watch.least or 0) > 0
    failures += not well
    print(f"  {'ok    ' if well else 'FAILED'} {name}: {before / 1024:.1f} MB before, {watch.highest_kb / 1024:.1f} at most, "
          f"{after / 1024:.1f} after; /health {watch.slowest_ms:.0f} ms at worst; "
          f"the call {watch.least or 0:.1f} frames/s at least{'; ' + detail if detail else ''}", flush=True)


# --- WebSocket, as little as it takes -------------------------------------------------------------------------------------

def websocket(address, port, receive_buffer=None):
    tcp = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    if receive_buffer:
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    tcp.settimeout(10)
    tcp.connect((address, port))
    key = base64.b64encode(os.urandom(16)).decode()
    tcp.sendall(f"GET /ws HTTP/1.1\r\nHost: {address}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += tcp.recv(1)
    assert b" 101 " in answer.split(b"\r\n")[0], answer
    return tcp


def say(tcp, message):
    text = json.dumps(message).encode()
    head = bytes([0x81, 0x80 | len(text)]) if len(text) < 126 else struct.pack("!BBH", 0x81, 0x80 | 126, len(text))
    tcp.sendall(head + b"\0\0\0\0" + text)


def join(address, port, room, name, topology="sfu", **options):
    tcp = websocket(address, port, **options)
    say(tcp, {"type": "join", "room": room, "peer": name, "topology": topology})
    return tcp


def stay(tcp):
    """Keeps a channel open: reads what comes, and answers pings."""
    def read():
        buffer = b""
        while True:
            more = tcp.recv(65536)
            if not more:
                return
            buffer += more
            while len(buffer) >= 4:
                short = buffer[1] & 0x7F
                head = 2 if short < 126 else 4 if short == 126 else 10
                size = short if short < 126 else int.from_bytes(buffer[2:head], "big")
                if len(buffer) < head + size:
                    break
                if buffer[0] & 0x0F == 9:
                    tcp.sendall(bytes([0x8A, 0x80 | size]) + b"\0\0\0\0" + buffer[head:head + size])
                buffer = buffer[head + size:]
    tcp.settimeout(None)
    threading.Thread(target=read, daemon=True).start()


# --- the attacks ----------------------------------------------------------------------------------------------------------

def killed_clients(server):
    """A process with 8 participants is killed, ten times."""
    waits = []
    for number in range(10):
        room = f"killed-{number}"
        client = subprocess.Popen([PEOPLE, str(server.port), room, "8"], stdin=subprocess.PIPE,
                                  stderr=subprocess.DEVNULL)
        base = PEOPLE_IN_CALL
        while server.metric("sfu_participants") < base + 8:
            time.sleep(0.1)
        time.sleep(1)
        client.kill()
        client.wait()
        begun = time.monotonic()
        while server.metric("sfu_participants") > base:
            time.sleep(0.05)
        waits.append(time.monotonic() - begun)
    return f"80 participants gone within {max(waits):.1f} s each time"


def slow_reader(server):
    """Who never reads, while somebody sends him 20 MB of candidates."""
    cut = 0
    for number in range(5):
        slow = join("127.0.0.1", server.port, f"slow-{number}", "slow", topology="mesh", receive_buffer=4096)
        loud = join("127.0.0.1", server.port, f"slow-{number}", "loud", topology="mesh")
        for _ in range(2000):
            say(loud, {"type": "candidate", "to": "slow", "candidate": "candidate:" + "x" * 10000})
        begun = time.monotonic()
        while server.metric("signalling_channels") > PEOPLE_IN_CALL + 1 and time.monotonic() - begun < 10:
            time.sleep(0.1)
        cut += server.metric("signalling_channels") <= PEOPLE_IN_CALL + 1
        slow.close()
        loud.close()
    return f"{cut} of 5 were cut off"


def chatterbox(server):
    """Who says 60,000 messages as fast as he can."""
    cut = 0
    for number in range(5):
        loud = join("127.0.0.1", server.port, f"loud-{number}", "loud")
        try:
            for i in range(60000):
                say(loud, {"type": "mute", "track": "audio", "muted": i % 2 == 0})
        except OSError:
            cut += 1
        loud.close()
    return f"{cut} of 5 were cut off"


def silent_connections(server):
    """10,000 connections that say nothing."""
    held = []
    for _ in range(10000):
        tcp = socket.socket()
        tcp.setblocking(False)
        try:
            tcp.connect(("127.0.0.1", server.port))
        except BlockingIOError:
            pass
        held.append(tcp)
        if len(held) % 500 == 0:
            time.sleep(0.05)
    time.sleep(17)
    for tcp in held:
        tcp.close()
    return f"{len(held)} connections, each sent away after 15 s"


def silent_ice_tcp(server):
    """10,000 ICE-TCP connections that begin a message and say no more."""
    held = []
    for _ in range(10000):
        tcp = socket.create_connection(("127.0.0.1", server.port))
        tcp.sendall(b"\0\x40\0\1")
        held.append(tcp)
    time.sleep(17)
    left = server.metric("http_silent_connections") + server.metric("sfu_tcp_connections")
    for tcp in held:
        tcp.close()
    return f"{len(held)} connections, {left:.0f} left after 17 s"


def client_hello():
    """A DTLS 1.2 ClientHello without a cookie (RFC 6347, section 4.2)."""
    extensions = bytes.fromhex("000e000700040001000200") + bytes.fromhex("000a000400020017")
    body = (b"\xfe\xfd" + os.urandom(32) + b"\0" + b"\0" + b"\0\2\xc0\x2b" + b"\1\0" +
            struct.pack("!H", len(extensions)) + extensions)
    handshake = b"\1" + len(body).to_bytes(3, "big") + b"\0\0" + b"\0\0\0" + len(body).to_bytes(3, "big") + body
    return b"\x16\xfe\xfd" + b"\0" * 8 + struct.pack("!H", len(handshake)) + handshake


def client_hello_flood(server):
    """From 10,000 addresses of 127.0.0.0/8, none of which has passed an ICE check, ten each."""
    answers = sent = 0
    begun = time.monotonic()
    for number in range(10000):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.bind((f"127.{1 + number % 200}.{number // 200 % 250}.{1 + number % 250}", 0))
            udp.setblocking(False)
            for _ in range(10):
                udp.sendto(client_hello(), ("127.0.0.1", server.port))
                sent += 1
            try:
                udp.recv(2000)
                answers += 1
            except BlockingIOError:
                pass
        if number % 100 == 0:
            time.sleep(0.02)
    return f"{sent} in {time.monotonic() - begun:.1f} s, {answers} answered"


def stun_flood(server):
    """Binding requests of users whom there isn't, from 10,000 addresses; each worker of the server is named by some."""
    answers = sent = 0
    for number in range(10000):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.bind((f"127.{1 + number % 200}.{number // 200 % 250}.{1 + number % 250}", 0))
            udp.setblocking(False)
            for mark in b"ABCDEFGHno":
                name = bytes([mark]) + b"obody:else\0"
                message = struct.pack("!HHI", 1, 4 + len(name), 0x2112A442) + os.urandom(12)
                udp.sendto(message + struct.pack("!HH", 6, 11) + name, ("127.0.0.1", server.port))
                sent += 1
            try:
                udp.recv(2000)
                answers += 1
            except BlockingIOError:
                pass
        if number % 100 == 0:
            time.sleep(0.02)
    return f"{sent} sent, {answers} answered"


def vanished_machine():
    """500 WebSocket participants on a machine whose cable is cut: nothing says that they are gone."""
    global failures
    name = "half-open TCP"
    if ONLY not in name:
        return
    if os.geteuid() != 0:
        print(f"  skipped {name}: needs root")
        return

    def run(*words, check=True):
        return subprocess.run(words, check=check, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    near, far = f"attack-{os.getpid()}-a", f"attack-{os.getpid()}-b"
    run("ip", "netns", "add", near)
    run("ip", "netns", "add", far)
    server = None
    try:
        run("ip", "-n", near, "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", far)
        for space, address in ((near, "198.18.0.1/30"), (far, "198.18.0.2/30")):
            run("ip", "-n", space, "address", "add", address, "dev", "cable")
            run("ip", "-n", space, "link", "set", "cable", "up")
            run("ip", "-n", space, "link", "set", "lo", "up")
        enter(near)
        server = Server("198.18.0.1")
        before = server.resident_kb()
        client = subprocess.Popen(["ip", "netns", "exec", far, sys.executable, __file__, "--crowd", str(server.port)],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        client.stdout.readline()
        during = server.resident_kb()
        members = server.metric("signalling_channels")
        run("ip", "-n", far, "link", "set", "cable", "down")
        begun = time.monotonic()
        while server.metric("signalling_channels") > 0 and time.monotonic() - begun < 90:
            time.sleep(0.5)
        gone = time.monotonic() - begun
        left = server.metric("signalling_channels")
        time.sleep(2)
        after = server.resident_kb()
        well = members == 500 and left == 0 and server.health() < 1000
        failures += not well
        print(f"  {'ok    ' if well else 'FAILED'} {name}: {members:.0f} participants, {left:.0f} left after {gone:.0f} s; "
              f"{before / 1024:.1f} MB before, {during / 1024:.1f} with them, {after / 1024:.1f} after", flush=True)
        client.kill()
    finally:
        if server is not None:
            server.stop()
        run("ip", "netns", "del", near, check=False)
        run("ip", "netns", "del", far, check=False)


def enter(space):
    """This thread, and what it starts, is in that network namespace from now on."""
    with open(f"/var/run/netns/{space}") as file:
        if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), 0x40000000) != 0:
            raise OSError(ctypes.get_errno(), "setns")


def crowd(port):
    held = [join("198.18.0.1", port, f"crowd-{number // 50}", f"p{number}") for number in range(500)]
    print("joined", flush=True)
    sys.stdin.read()
    return held


def main():
    if CONFAB == "--crowd":
        crowd(int(PEOPLE))
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    random.seed(1)
    server = Server()
    stay(join("127.0.0.1", server.port, "call", "host"))
    server.get("/rooms/call/peers?count=6&height=180", method="POST")
    time.sleep(15)  # estimates have grown, and everyone is shown all
    attack("nothing at all", server, lambda _: time.sleep(5), 4096)
    attack("kill -9 of a process with 8 participants", server, killed_clients, 8192)
    attack("slow WebSocket readers", server, slow_reader, 8192)
    attack("chatterboxes", server, chatterbox, 8192)
    attack("silent connections", server, silent_connections, 8192)
    attack("silent ICE-TCP connections", server, silent_ice_tcp, 8192)
    attack("ClientHello flood", server, client_hello_flood, 1024)
    attack("STUN flood", server, stun_flood, 1024)
    if not server.stop():
        print("  FAILED the server did not end well")
        sys.exit(1)
    vanished_machine()
    sys.exit(failures > 0)


main()
