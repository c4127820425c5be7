#!/usr/bin/python3
"""Chromium shows and plays what synthetic participants (people.c) send through `confab serve`: it watches their room by
WHEP, looks at the pixels of each picture, and listens to each voice.

usage: clips_chromium.py CONFAB DATA_PEER PEOPLE"""

import http.server
import json
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading

PEOPLE = 5

PAGE = """<!doctype html><meta charset="utf-8"><body><script>
const WHEP = "@WHEP@", PEOPLE = @PEOPLE@;
const post = (path, body) => fetch(path, {method: "POST", body: JSON.stringify(body)});
const wait = ms => new Promise(done => setTimeout(done, ms));

/* Mean and deviation of the picture's luma, its mean color, and its pixels. */
function look(video) {
    const canvas = new OffscreenCanvas(160, 90), context = canvas.getContext("2d");
    context.drawImage(video, 0, 0, 160, 90);
    const data = context.getImageData(0, 0, 160, 90).data, n = 160 * 90;
    let sum = 0, squares = 0, color = [0, 0, 0];
    for (let i = 0; i < data.length; i += 4) {
        const luma = 0.299 * data[i] + 0.587 * data[i + 1] + 0.114 * data[i + 2];
        sum += luma;
        squares += luma * luma;
        for (let c = 0; c < 3; c++)
            color[c] += data[i + c] / n;
    }
    return {mean: sum / n, deviation: Math.sqrt(squares / n - (sum / n) ** 2), color, data};
}
const changed = (a, b) => a.data.filter((v, i) => Math.abs(v - b.data[i]) > 24).length / a.data.length;

async function run() {
    const pc = new RTCPeerConnection(), videos = [];
    for (let i = 0; i < PEOPLE; i++) {
        pc.addTransceiver("audio", {direction: "recvonly"});
        pc.addTransceiver("video", {direction: "recvonly"});
    }
    pc.ontrack = e => {
        const element = document.body.appendChild(document.createElement(e.track.kind));
        element.muted = e.track.kind === "video";
        element.srcObject = new MediaStream([e.track]);
        element.play();
        if (e.track.kind === "video")
            videos.push(element);
    };
    await pc.setLocalDescription();
    await new Promise(done => pc.iceGatheringState === "complete" ? done() :
        pc.onicegatheringstatechange = () => pc.iceGatheringState === "complete" && done());
    const response = await fetch(WHEP, {method: "POST", body: pc.localDescription.sdp,
                                        headers: {"Content-Type": "application/sdp"}});
    await pc.setRemoteDescription({type: "answer", sdp: await response.text()});
    for (let i = 0; i < 150 && !videos.every(v => v.videoHeight > 0 && v.currentTime > 0); i++)
        await wait(100);
    await wait(4000);
    const before = videos.map(look);
    await wait(1300);
    const pictures = videos.map((video, i) => {
        const seen = look(video);
        return {mean: seen.mean, deviation: seen.deviation, color: seen.color, moves: changed(seen, before[i]),
                height: video.videoHeight, width: video.videoWidth};
    });
    const statistics = [];
    (await pc.getStats()).forEach(s => s.type === "inbound-rtp" && statistics.push(s));
    await post("/verdict", {pictures, statistics});
}
run().catch(e => post("/verdict", {why: String(e.stack)}));
</script>"""

passed = failed = 0


def check(what, right, detail=""):
    global passed, failed
    passed, failed = passed + bool(right), failed + (not right)
    print(f"  {'ok    ' if right else 'FAILED'} {what}{'' if right else f' ({detail})'}", flush=True)


class Handler(http.server.BaseHTTPRequestHandler):
    whep = ""
    verdict = queue.Queue()

    def log_message(self, *_):
        pass

    def answer(self, body, kind):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.end_headers()
        self.wfile.write(body.encode())

    def do_GET(self):
        page = PAGE.replace("@WHEP@", Handler.whep).replace("@PEOPLE@", str(PEOPLE))
        self.answer(page if self.path == "/" else "", "text/html")

    def do_POST(self):
        Handler.verdict.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.answer("{}", "application/json")


def watch(chromium, url, profile):
    """What the page found. Loopback alone: no other interface is looked at."""
    browser = subprocess.Popen(
        [chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic",
         "--allow-loopback-in-peer-connection", "--disable-features=WebRtcHideLocalIpsWithMdns",
         "--force-webrtc-ip-handling-policy=default", "--disable-background-networking", "--disable-component-update",
         "--disable-sync", "--no-first-run", "--autoplay-policy=no-user-gesture-required",
         f"--user-data-dir={profile}", url],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        return Handler.verdict.get(timeout=60)
    except queue.Empty:
        return {"why": "nothing within a minute"}
    finally:
        browser.terminate()
        browser.wait()


def judge(found):
    if "why" in found:
        check("the page watches the room", False, found["why"])
        return
    pictures = found["pictures"]
    videos = [s for s in found["statistics"] if s["kind"] == "video"]
    audios = [s for s in found["statistics"] if s["kind"] == "audio"]
    check("five pictures and five voices", len(pictures) == PEOPLE == len(videos) == len(audios),
          f"{len(pictures)}, {len(videos)}, {len(audios)}")
    check("pictures have something to see", all(p["deviation"] > 20 and 40 < p["mean"] < 220 for p in pictures), pictures)
    check("they move", all(p["moves"] > 0.003 for p in pictures), [p["moves"] for p in pictures])
    check("of the size of a layer", all((p["width"], p["height"]) in ((320, 180), (640, 360), (1280, 720))
                                        for p in pictures), [p["height"] for p in pictures])
    apart = [max(abs(a - b) for a, b in zip(p["color"], q["color"]))
             for i, p in enumerate(pictures) for q in pictures[:i]]
    check("five people can be told apart", min(apart) > 15, apart)
    check("all frames are decoded", all(s["framesDecoded"] > 60 and s["framesDecoded"] >= s["framesReceived"] - 6 and
                                        s.get("framesDropped", 0) <= s["framesReceived"] / 4 for s in videos),
          [(s["framesReceived"], s["framesDecoded"], s.get("framesDropped")) for s in videos])
    check("voices are heard, of those who had their turn", sum(s["totalAudioEnergy"] > 0.001 for s in audios) >= 2,
          [s["totalAudioEnergy"] for s in audios])
    check("hardly anything is concealed", all(s["concealedSamples"] - s.get("silentConcealedSamples", 0) <
                                              0.1 * s["totalSamplesReceived"] for s in audios),
          [(s["concealedSamples"], s.get("silentConcealedSamples"), s["totalSamplesReceived"]) for s in audios])
    print("   ", ", ".join(f"{p['height']} lines, {s['framesDecoded']} frames, {s['keyFramesDecoded']} key, "
                           f"{s.get('freezeCount', 0)} freezes" for p, s in zip(pictures, videos)))


def main():
    chromium = shutil.which("chromium")
    if chromium is None:
        print("SKIPPED: no chromium here")
        return 0
    with tempfile.TemporaryDirectory() as directory:
        config = os.path.join(directory, "serve.yaml")
        with open(config, "w") as file:
            file.write("turn: no\n")
        serve = subprocess.Popen([sys.argv[1], "serve", "--listen", "127.0.0.1", "--port", "0", "--config", config,
                                  "--state", directory], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        port = None
        while port is None:
            line = serve.stdout.readline()
            if not line:
                check("confab serve runs", False, "it ended")
                return 1
            at = re.search(r"http://127\.0\.0\.1:(\d+)", line)
            port = at and at.group(1)
        people = subprocess.Popen([sys.argv[3], port, "clips", str(PEOPLE)], stdin=subprocess.PIPE)
        Handler.whep = f"http://127.0.0.1:{port}/whep/clips"
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            judge(watch(chromium, f"http://127.0.0.1:{server.server_port}/", os.path.join(directory, "profile")))
        finally:
            people.stdin.close()
            people.wait()
            serve.send_signal(signal.SIGTERM)
            serve.wait()
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


sys.exit(main())
