#!/usr/bin/env python3
"""coturn's tools against our TURN and STUN server, and our ICE and NAT probes against coturn's.

usage: coturn.py CONFAB        prints one line a check, then "N passed, N failed, N skipped"
"""
import concurrent.futures
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

CONFAB = os.path.abspath(sys.argv[1])
TOOLS = ["turnserver", "turnutils_uclient", "turnutils_peer", "turnutils_natdiscovery", "turnutils_stunclient"]
MESSAGES = ["-n", "100", "-m", "3", "-z", "5"]  # 100 messages each of 3 clients, one every 5 ms

passed = failed = 0


def check(what, ok, detail=""):
    global passed, failed
    passed, failed = passed + bool(ok), failed + (not ok)
    print(f"  {'ok    ' if ok else 'FAILED'} {what}{'' if ok else f': {detail}'}", flush=True)


def free_port():
    """A port whose neighbour is free, too, by UDP and TCP."""
    while True:
        sockets = []
        try:
            first = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sockets.append(first)
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                for offset in (0, 1):
                    if (kind, offset) == (socket.SOCK_DGRAM, 0):
                        continue
                    other = socket.socket(socket.AF_INET, kind)
                    sockets.append(other)
                    other.bind(("127.0.0.1", port + offset))
            return port
        except (OSError, OverflowError):
            continue
        finally:
            for one in sockets:
                one.close()


def run(arguments, seconds=60):
    try:
        done = subprocess.run(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=seconds, check=False)
        return done.returncode, done.stdout.decode(errors="replace")
    except subprocess.TimeoutExpired as late:
        return -1, (late.stdout or b"").decode(errors="replace") + "\ntimed out"


def start(arguments, directory):
    with open(f"{directory}/log-{time.monotonic_ns()}", "wb") as log:
        return subprocess.Popen(arguments, stdout=log, stderr=log, cwd=directory)


def end(process):
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def await_tcp(port, address="127.0.0.1"):
    for _ in range(100):
        try:
            socket.create_connection((address, port), 1).close()
            return True
        except OSError:
            time.sleep(0.05)
    return False


def uclient(what, port, tls_port, peer_port, options, server="127.0.0.1", peer="127.0.0.1"):
    over_tls = "-S" in options
    arguments = ["turnutils_uclient", "-u", "conf", "-w", "secret", "-p", str(tls_port if over_tls else port), "-e", peer,
                 "-r", str(peer_port), *MESSAGES, *options, server]
    for _ in range(12):  # over TLS it draws among versions, of which some are no longer served (RFC 8996)
        _, text = run(arguments)
        if "Total lost packets" in text or not over_tls:
            break
    lost = re.findall(r"Total lost packets (\d+)", text)
    check(what, lost and lost[-1] == "0", text.strip()[-300:])


def against_our_server(directory):
    port, web_port, peer_port = free_port(), free_port(), free_port()
    config = f"""
listen: [127.0.0.1, 127.0.0.2, "::1"]
port: {web_port}
turn:
  port: {port}
  tls_port: {port + 1}
  users: {{conf: secret}}
  allow: [127.0.0.0/8, "::1"]
  rfc5766_channels: true
"""
    with open(f"{directory}/confab.yaml", "w", encoding="utf-8") as file:
        file.write(config)
    serve = start([CONFAB, "serve", "--config", f"{directory}/confab.yaml", "--state", directory], directory)
    peer = start(["turnutils_peer", "-p", str(peer_port), "-L", "127.0.0.1", "-L", "::1"], directory)
    try:
        if not await_tcp(port):
            check("confab serve starts", False, "no answer on its TURN port")
            return
        kinds = (("UDP, channels", []), ("UDP, indications", ["-s"]), ("UDP, client to client", ["-y"]),
                              ("UDP, client to client, indications", ["-y", "-s"]), ("TCP, channels", ["-t"]),
                              ("TCP, indications", ["-t", "-s"]), ("TCP, client to client", ["-t", "-y"]),
                              ("TLS, channels", ["-t", "-S"]), ("TLS, client to client", ["-t", "-S", "-y"]))
        with concurrent.futures.ThreadPoolExecutor(5) as pool:
            for what, options in kinds:
                pool.submit(uclient, f"turnutils_uclient: {what}", port, port + 1, peer_port, options)
            pool.submit(uclient, "turnutils_uclient: IPv6 relay, over IPv6", port, port + 1, peer_port, ["-x"], "::1", "::1")
        _, text = run(["turnutils_stunclient", "-p", str(port), "127.0.0.1"])
        check("turnutils_stunclient: sees its own address", "UDP reflexive addr: 127.0.0.1:" in text, text[-300:])
        _, text = run(["turnutils_natdiscovery", "-m", "-f", "-p", str(port), "-L", "127.0.0.1", "127.0.0.1"])
        check("turnutils_natdiscovery: no NAT, all three addresses answer",
              "NAT with Endpoint Independent Mapping!" in text and "NAT with Endpoint Independent Filtering!" in text,
              text[-300:])
        status, text = run([CONFAB, "nat", "--stun", f"127.0.0.1:{port}"])
        check("confab nat: the same of our own server", status == 0 and "no NAT, and no filter" in text, text)
    finally:
        end(peer)
        end(serve)
    check("confab serve ends in good order", serve.returncode == 0, serve.returncode)


def denied_by_default(directory):
    port, peer_port = free_port(), 3479  # below the range of relays, whose ports clients may use to reach each other
    serve = start([CONFAB, "serve", "--listen", "127.0.0.1", "--port", str(free_port()), "--turn-port", str(port),
                   "--turn-secret", "hush", "--state", directory], directory)
    peer = start(["turnutils_peer", "-p", str(peer_port), "-L", "127.0.0.1"], directory)
    try:
        await_tcp(port)
        for target, what in (("127.0.0.1", "loopback"), ("10.1.2.3", "private"), ("169.254.1.1", "link-local")):
            _, text = run(["turnutils_uclient", "-W", "hush", "-p", str(port), "-e", target, "-r", str(peer_port), "-n", "3",
                           "-m", "1", "-c", "-s", "127.0.0.1"], 30)
            check(f"nothing is relayed to {what} addresses unless configured",
                  "403" in text or "tot_recv_bytes ~ 0" in text, text[-300:])
    finally:
        end(peer)
        end(serve)


def against_coturn(directory):
    port = free_port()
    coturn = start(["turnserver", "-n", "-L", "127.0.0.1", "-L", "127.0.0.2", "-p", str(port), "--alt-listening-port",
                    str(port + 1), "--no-auth", "--no-tls", "--no-dtls", "--no-cli", "--allow-loopback-peers",
                    "--pidfile", f"{directory}/coturn.pid", "--log-file", "stdout"], directory)
    try:
        await_tcp(port)
        status, text = run([CONFAB, "nat", "--stun", f"127.0.0.1:{port}"])
        check("confab nat: no NAT before coturn", status == 0 and "no NAT, and no filter" in text, text)
        status, text = run([CONFAB, "nat", "--stun", f"127.0.0.1:{port}", "--format", "json"])
        check("confab nat: mapping and filtering known", text.count('"endpoint-independent"') == 2, text)
    finally:
        end(coturn)
    status, text = run([CONFAB, "nat", "--stun", f"127.0.0.1:{port}"])
    check("confab nat: nobody answers", status == 1 and "blocked" in text, text)


def main():
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        print(f"coturn: SKIPPED, not installed: {', '.join(missing)} (Debian: coturn)\n0 passed, 0 failed, 1 skipped")
        return 0
    with tempfile.TemporaryDirectory() as directory:
        against_our_server(directory)
        denied_by_default(directory)
        against_coturn(directory)
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
