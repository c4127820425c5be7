#!/usr/bin/python3
"""Data channels between Chromium and our engine (data_peer.c), over real UDP on 127.0.0.1: the page below does what
data_channels.py does with aiortc, and posts its verdict.

usage: data_channels_chromium.py CONFAB DATA_PEER"""

import http.server
import json
import queue
import shutil
import subprocess
import sys
import tempfile
import threading

PAGE = """<!doctype html><meta charset="utf-8"><script>
const post = (path, body) => fetch(path, {method: "POST", body: JSON.stringify(body)}).then(r => r.json());
const hex = bytes => [...new Uint8Array(bytes)].map(b => b.toString(16).padStart(2, "0")).join("");
const sha256 = async bytes => hex(await crypto.subtle.digest("SHA-256", bytes));
function check(right, what) { if (!right) throw new Error(what); }
function queueOf(channel) {
    const waiting = [], come = [];
    channel.binaryType = "arraybuffer";
    channel.onmessage = e => waiting.length ? waiting.shift()(e.data) : come.push(e.data);
    return () => new Promise(done => come.length ? done(come.shift()) : waiting.push(done));
}
const happens = (target, name) => new Promise(done => target.addEventListener(name, done, {once: true}));
const same = (a, b) => typeof a === "string" ? a === b : hex(a) === hex(b);

async function connect(pc, how) {
    const complete = new Promise(done => pc.onicegatheringstatechange =
        () => pc.iceGatheringState === "complete" && done());
    if (how === "answer") {
        await pc.setLocalDescription();
        await complete;
        await pc.setRemoteDescription(await post("/offer", pc.localDescription));
    } else {
        await pc.setRemoteDescription(await post("/description", {}));
        await pc.setLocalDescription();
        await complete;
        await post("/answer", pc.localDescription);
    }
}

async function run(how) {
    const pc = new RTCPeerConnection();
    const theirs = new Promise(done => pc.ondatachannel = e => done([e.channel, queueOf(e.channel)]));
    const echo = pc.createDataChannel("echo", {protocol: "talk"});
    const loose = pc.createDataChannel("loose", {ordered: false, maxRetransmits: 2});
    const count = pc.createDataChannel("count");
    const heard = queueOf(echo);
    await Promise.all([happens(echo, "open"), happens(loose, "open"), happens(count, "open"), connect(pc, how)]);
    const [ours, said] = await theirs;
    check(ours.label === "ours" && ours.protocol === "p1" && !ours.ordered && ours.maxPacketLifeTime === 3000, "theirs");
    check(same(await said(), "Grüße") && same(await said(), "") &&
          same(await said(), new Uint8Array([0, 1, 2, 255])), "greetings");
    for (const message of ["hello", "", new Uint8Array([0, 1]), new Uint8Array(0), "ä".repeat(1000),
                           new Uint8Array(250000).map((_, i) => i)]) {
        echo.send(message);
        check(same(await heard(), message), "echo");
    }
    const file = new Uint8Array(5000000);
    for (let at = 0; at < file.length; at += 65536)
        crypto.getRandomValues(file.subarray(at, at + 65536));
    count.bufferedAmountLowThreshold = 262144;
    for (let at = 0; at < file.length; at += 16384) {
        if (count.bufferedAmount > 1048576)
            await happens(count, "bufferedamountlow");
        count.send(file.subarray(at, at + 16384));
    }
    count.send("sum");
    const sum = await post("/event", {event: "sum"});
    check(sum.bytes === file.length && sum.sha256 === await sha256(file), "5 MB arrive otherwise");
    echo.close();
    await happens(echo, "close");
    check((await post("/event", {event: "closed"})).label === "echo", "they close echo too");
    loose.send("close");
    await happens(loose, "close");
    const again = pc.createDataChannel("again");
    const heardAgain = queueOf(again);
    await happens(again, "open");
    again.send("still there");
    check(same(await heardAgain(), "still there"), "another channel");
    check(ours.readyState === "open", "ours stays");
    pc.close();
    await post("/gone", {});
}
(async () => {
    for (const how of ["answer", "offer"]) {
        await post("/start", {how});
        await run(how);
        await post("/note", {text: "data channels with Chromium, ours to " + how + ": as they should be"});
    }
    post("/verdict", {right: true});
})().catch(e => post("/verdict", {right: false, why: String(e.stack)}));
</script>"""


class Peer:
    def __init__(self, path, how):
        self.process = subprocess.Popen([path, how], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def line(self, fits):
        """The next line for which `fits` holds."""
        for text in self.process.stdout:
            line = json.loads(text)
            if fits(line):
                return line
        raise RuntimeError("our side has ended")

    def say(self, description):
        self.process.stdin.write(json.dumps(description) + "\n")
        self.process.stdin.flush()


class Handler(http.server.BaseHTTPRequestHandler):
    peer = None
    verdict = queue.Queue()

    def log_message(self, *_):
        pass

    def answer(self, body, kind="application/json"):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.end_headers()
        self.wfile.write(body.encode())

    def do_GET(self):
        self.answer(PAGE if self.path == "/" else "", "text/html")

    def do_POST(self):
        said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        reply = {}
        if self.path == "/start":
            Handler.peer = Peer(sys.argv[2], said["how"])
        elif self.path == "/offer":
            Handler.peer.say(said)
            reply = Handler.peer.line(lambda line: "sdp" in line)
        elif self.path == "/description":
            reply = Handler.peer.line(lambda line: "sdp" in line)
        elif self.path == "/answer":
            Handler.peer.say(said)
        elif self.path == "/event":
            reply = Handler.peer.line(lambda line: line.get("event") == said["event"])
        elif self.path == "/gone":
            Handler.peer.line(lambda line: line.get("event") == "state" and line["state"] >= 4)
            reply = {"status": Handler.peer.process.wait(20)}
        elif self.path == "/note":
            print(said["text"], flush=True)
        elif self.path == "/verdict":
            Handler.verdict.put(said)
        self.answer(json.dumps(reply))


def main():
    chromium = shutil.which("chromium")
    if chromium is None:
        print("skipped: chromium is not installed")
        return 0
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as profile:
        # Loopback alone: no other interface is looked at, and our side sends nothing beyond it.
        browser = subprocess.Popen(
            [chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
             "--allow-loopback-in-peer-connection", "--disable-features=WebRtcHideLocalIpsWithMdns",
             "--force-webrtc-ip-handling-policy=default", "--disable-background-networking", "--no-first-run",
             f"--user-data-dir={profile}", f"http://127.0.0.1:{server.server_port}/"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            verdict = Handler.verdict.get(timeout=60)
        except queue.Empty:
            verdict = {"right": False, "why": "nothing within a minute"}
        browser.terminate()
        browser.wait()
        if Handler.peer is not None and Handler.peer.process.poll() is None:
            Handler.peer.process.kill()
    if not verdict["right"]:
        print("data channels with Chromium:", verdict["why"])
    return 0 if verdict["right"] else 1


sys.exit(main())
