#!/usr/bin/env python3
"""aiortc, another WebRTC stack, publishes to `confab serve` by WHIP and plays by WHEP, over loopback.

usage: aiortc_whip.py CONFAB        prints one line a check, then "N passed, N failed, N skipped"
"""
import asyncio
import fractions
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request

try:
    import aioice.ice
    import av
    from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
    from aiortc.mediastreams import AudioStreamTrack, VideoStreamTrack
except ImportError as error:
    print(f"aiortc_whip: SKIPPED, aiortc is not installed (Debian: python3-aiortc): {error}")
    print("0 passed, 0 failed, 1 skipped")
    sys.exit(0)

# Nothing leaves the machine: no STUN server, no address but loopback.
aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]
CONFIGURATION = RTCConfiguration(iceServers=[])
WAIT_S = 15

passed = failed = 0


def check(what, ok, detail=""):
    global passed, failed
    passed, failed = passed + bool(ok), failed + (not ok)
    print(f"  {'ok    ' if ok else 'FAILED'} {what}{'' if ok else f' ({detail})'}", flush=True)


class Stripes(VideoStreamTrack):
    """A picture whose brightness says which frame it is, so that what arrives is known to be what was sent."""

    def __init__(self, level):
        super().__init__()
        self.level = level

    async def recv(self):
        pts, time_base = await self.next_timestamp()
        frame = av.VideoFrame(width=320, height=240, format="yuv420p")
        for index, plane in enumerate(frame.planes):
            plane.update(bytes([self.level if index == 0 else 128]) * plane.buffer_size)
        frame.pts, frame.time_base = pts, time_base
        return frame


class Tone(AudioStreamTrack):
    """A square wave, which is not silence after decoding either."""

    async def recv(self):
        frame = await super().recv()
        half = frame.sample_rate // 440 // 2
        samples = b"".join((8000 if i // half % 2 else -8000).to_bytes(2, "little", signed=True)
                           for i in range(frame.samples))
        frame.planes[0].update(samples)
        return frame


async def http(method, url, body=None, **headers):
    """Status, headers and text of an answer."""
    def ask():
        request = urllib.request.Request(url, method=method, data=body.encode() if body is not None else None,
                                         headers={name.replace("_", "-"): value for name, value in headers.items()})
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return answer.status, answer.headers, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read().decode()
    return await asyncio.get_event_loop().run_in_executor(None, ask)


async def connect(pc, url, **headers):
    """Offers by POST and applies the answer. The answer's headers."""
    await pc.setLocalDescription(await pc.createOffer())
    status, answer_headers, answer = await http("POST", url, pc.localDescription.sdp,
                                                Content_Type="application/sdp", **headers)
    if status != 201:
        raise RuntimeError(f"POST {url}: {status} {answer}")
    await pc.setRemoteDescription(RTCSessionDescription(sdp=answer, type="answer"))
    return answer_headers


async def until(condition):
    for _ in range(WAIT_S * 20):
        if condition():
            return True
        await asyncio.sleep(0.05)
    return False


class Viewer:
    def __init__(self):
        self.pc = RTCPeerConnection(CONFIGURATION)
        self.frames = {"audio": 0, "video": 0}
        self.loud = 0
        self.level = None
        self.size = None
        self.pc.addTransceiver("audio", direction="recvonly")
        self.pc.addTransceiver("video", direction="recvonly")
        self.pc.on("track", lambda track: asyncio.ensure_future(self.watch(track)))

    async def watch(self, track):
        while True:
            try:
                frame = await track.recv()
            except Exception:  # the track ended
                return
            self.frames[track.kind] += 1
            if track.kind == "video":
                self.size = (frame.width, frame.height)
                self.level = bytes(frame.planes[0])[frame.planes[0].line_size * 50 + 50]
            else:
                samples = memoryview(bytes(frame.planes[0])).cast("h")
                self.loud = max(self.loud, max(abs(sample) for sample in samples))


def publisher(level):
    pc = RTCPeerConnection(CONFIGURATION)
    pc.addTrack(Tone())
    pc.addTrack(Stripes(level))
    return pc


def near(level, wanted):
    return level is not None and abs(level - wanted) < 12


async def run(base):
    first = publisher(200)
    headers = await connect(first, base + "/whip/studio")
    session = base + headers["Location"]
    check("WHIP: 201 with Location and ETag", headers["Location"].startswith("/whip/studio/") and headers["ETag"])
    check("WHIP: connects", await until(lambda: first.connectionState == "connected"), first.connectionState)

    viewers = [Viewer(), Viewer()]
    for viewer in viewers:
        await connect(viewer.pc, base + "/whep/studio")
    for number, viewer in enumerate(viewers):
        check(f"WHEP {number}: video decoded", await until(lambda: viewer.frames["video"] >= 30), viewer.frames)
        check(f"WHEP {number}: audio decoded", await until(lambda: viewer.frames["audio"] >= 50), viewer.frames)
        check(f"WHEP {number}: it is the publisher's picture", viewer.size == (320, 240) and near(viewer.level, 200),
              (viewer.size, viewer.level))
        check(f"WHEP {number}: it is the publisher's sound", viewer.loud > 3000, viewer.loud)

    status, _, health = await http("GET", base + "/health")
    check("health counts them", status == 200 and json.loads(health)["participants"] == 3, health)

    # A viewer that came before its publisher: the same sections, filled when there is something.
    early = Viewer()
    await connect(early.pc, base + "/whep/later")
    check("WHEP before WHIP: connects", await until(lambda: early.pc.connectionState == "connected"))
    late = publisher(60)
    headers = await connect(late, base + "/whip/later")
    check("WHEP before WHIP: video decoded", await until(lambda: early.frames["video"] >= 10), early.frames)
    check("WHEP before WHIP: audio decoded", await until(lambda: early.frames["audio"] >= 10), early.frames)

    # The publisher is replaced by another: the viewer sees that one, on the streams that it has.
    status, _, _ = await http("DELETE", base + headers["Location"])
    check("DELETE: 200", status == 200, status)
    await late.close()
    await asyncio.sleep(0.3)
    check("WHEP: nothing but the first publisher's picture", near(early.level, 60), early.level)
    second = publisher(150)
    await connect(second, base + "/whip/later")
    check("WHEP: another publisher in its place", await until(lambda: near(early.level, 150)), early.level)

    status, _, _ = await http("DELETE", session)
    check("DELETE ends the session", status == 200, status)
    dtls = first.getSenders()[0].transport
    check("the publisher is told by DTLS", await until(lambda: dtls.state == "closed"), dtls.state)
    status, _, _ = await http("DELETE", session)
    check("a session that has ended: 404", status == 404, status)
    for pc in [first, second, early.pc] + [viewer.pc for viewer in viewers]:
        await pc.close()


def main():
    state = tempfile.mkdtemp(prefix="confab-aiortc-")
    with open(os.path.join(state, "confab.yaml"), "w", encoding="utf-8") as file:
        file.write("turn: no\n")
    server = subprocess.Popen([sys.argv[1], "serve", "--listen", "127.0.0.1", "--port", "0", "--state", state,
                               "--config", os.path.join(state, "confab.yaml")], stdout=subprocess.PIPE, text=True,
                              stderr=open(os.path.join(state, "log"), "w", encoding="utf-8"))
    try:
        base = None
        while base is None:
            line = server.stdout.readline()
            found = re.search(r"page +(http://127\.0\.0\.1:\d+)/", line)
            base = found.group(1) if found else None
            if line == "":
                raise RuntimeError("confab serve has not started")
        asyncio.get_event_loop().run_until_complete(asyncio.wait_for(run(base), 120))
    except Exception as error:  # pylint: disable=broad-except
        check("ran to its end", False, repr(error))
    server.send_signal(signal.SIGTERM)
    check("the server ended well", server.wait(timeout=10) == 0, server.returncode)
    if failed:
        print(open(os.path.join(state, "log"), encoding="utf-8").read())
    shutil.rmtree(state)
    print(f"{passed} passed, {failed} failed, 0 skipped")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
