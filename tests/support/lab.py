"""What the tests of `confab load` against other people's servers share: a network of their own, servers, loads.

Servers that don't take packets on the loopback interface get an interface of their own in a network namespace, in which
the whole script then runs; ADDRESS is theirs. Nothing leaves the machine.
"""
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time

ADDRESS = "9.0.0.1"  # one that counts as public: emulated NATs stand before such

FAILED = (1, 3)  # clients failed; 3 where the machine was too busy besides

passed = failed = 0


def check(what, ok, detail=""):
    global passed, failed
    passed, failed = passed + bool(ok), failed + (not ok)
    print(f"  {'ok    ' if ok else 'FAILED'} {what}{'' if ok else f': {detail}'}", flush=True)
    return ok


def finish():
    print(f"{passed} passed, {failed} failed, 0 skipped")
    sys.exit(failed > 0)


def skip(why):
    print(f"skipped: {why}")
    print("0 passed, 0 failed, 1 skipped")
    sys.exit(0)


def own_network():
    """Runs this script again in a network namespace that has ADDRESS, or skips it where that isn't allowed."""
    if os.environ.get("CONFAB_LAB") != "1":
        try:
            allowed = subprocess.run(["unshare", "-rn", "ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1"],
                                     stderr=subprocess.DEVNULL, check=False).returncode == 0
        except FileNotFoundError:
            allowed = False
        if not allowed:
            skip("this machine does not let us make a network namespace with an interface")
        os.environ["CONFAB_LAB"] = "1"
        os.execvp("unshare", ["unshare", "-rn", sys.executable, "-W", "ignore"] + sys.argv)
    for command in ("link set lo up", "link add v0 type veth peer name v1", f"addr add {ADDRESS}/24 dev v0",
                    "link set v0 up", "link set v1 up"):
        subprocess.run(["ip"] + command.split(), check=True)


def free_port(address="127.0.0.1"):
    while True:
        with socket.socket() as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            tcp.bind((address, 0))
            try:
                udp.bind((address, tcp.getsockname()[1]))
                return tcp.getsockname()[1]
            except OSError:
                continue


class Server:
    """A program that listens on a TCP port, from its start until the block ends."""

    def __init__(self, arguments, directory, port, address="127.0.0.1", environment=None):
        self.arguments, self.directory, self.place = arguments, directory, (address, port)
        self.environment = {**os.environ, **(environment or {})}
        self.log = f"{directory}/{os.path.basename(arguments[0])}.log"

    def __enter__(self):
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(self.arguments, stdout=log, stderr=log, cwd=self.directory, env=self.environment)
        for _ in range(300):
            try:
                socket.create_connection(self.place, 1).close()
                return self
            except OSError:
                if self.process.poll() is not None:
                    break
                time.sleep(0.1)
        check(f"{self.arguments[0]} starts", False, self.tail())
        self.__exit__()
        finish()

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def tail(self):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return log.read()[-500:]


class Load:
    """One `confab load`, its exit status and its result's figures."""

    def __init__(self, confab, url, *options, seconds=180):
        with tempfile.TemporaryFile("w+") as errors:
            try:
                done = subprocess.run([confab, "load", url, "--format", "json", *map(str, options)], text=True,
                                      stdout=subprocess.PIPE, stderr=errors, timeout=seconds, check=False)
                self.status, text = done.returncode, done.stdout
            except subprocess.TimeoutExpired as late:
                self.status, text = "no end", late.stdout or ""
            errors.seek(0)
            self.errors = errors.read()[-500:]
        result = json.loads(text) if text else {"runs": [{}]}
        self.run, self.verdict = result["runs"][0], result.get("verdict", "")
        self.failures = {one["class"]: one["count"] for one in self.run.get("failures", [])}

    def told(self):
        return f"exit {self.status}; {self.verdict} {self.errors}".strip()


def whole(what, load, clients, tracks):
    """All clients joined, all tracks arrived, and the exit status says so. A machine too busy for figures is no failure
    of the server's: its exit status is 3."""
    counts = load.run.get("clients", {})
    got = load.run.get("streams", {})
    check(f"{what}: {clients} clients, {tracks} tracks: {load.verdict}",
          load.status in (0, 3) and counts.get("joined") == clients and got.get("expected") == tracks == got.get("received"),
          f"{load.told()} {counts} {got} {load.failures}")
