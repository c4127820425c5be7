#!/usr/bin/python3
"""GStreamer's webrtcbin, a WebRTC stack of its own on libnice, in a room of `confab serve`: by the room protocol with
sound, picture and data, and by WHIP and WHEP. Over loopback.

usage: gstreamer.py CONFAB ...        prints one line a check, then "N passed, N failed, N skipped"
"""
import base64
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import urllib.request

try:
    import gi
    gi.require_version("Gst", "1.0")
    gi.require_version("GstSdp", "1.0")
    gi.require_version("GstWebRTC", "1.0")
    from gi.repository import GLib, Gst, GstSdp, GstWebRTC
    Gst.init(None)
    missing = [name for name in ("webrtcbin", "nicesink", "vp8enc", "vp8dec", "opusenc", "sctpenc", "dtlsenc")
               if Gst.ElementFactory.find(name) is None]
    if missing:
        raise ImportError(f"no {', '.join(missing)}")
except (ImportError, ValueError) as error:
    print("gstreamer: SKIPPED, GStreamer's WebRTC is not installed (Debian: gstreamer1.0-plugins-bad, "
          f"gstreamer1.0-plugins-good, gstreamer1.0-nice, python3-gst-1.0, gir1.2-gst-plugins-bad-1.0): {error}")
    print("0 passed, 0 failed, 1 skipped")
    sys.exit(0)

WAIT_S = 60
passed = failed = 0


def check(what, ok, detail=""):
    global passed, failed
    passed, failed = passed + bool(ok), failed + (not ok)
    print(f"  {'ok    ' if ok else 'FAILED'} {what}{'' if ok else f' ({detail})'}", flush=True)


def until(condition):
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


class Channel:
    """The room protocol's WebSocket, as little of it as it takes."""

    def __init__(self, port, take):
        self.tcp = socket.create_connection(("127.0.0.1", port))
        self.take, self.lock = take, threading.Lock()
        key = base64.b64encode(os.urandom(16)).decode()
        self.tcp.sendall(f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                         f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode())
        head = b""
        while b"\r\n\r\n" not in head:
            head += self.tcp.recv(1)
        threading.Thread(target=self.read, daemon=True).start()

    def frame(self, opcode, data):
        size = len(data)
        head = (bytes([opcode, 0x80 | size]) if size < 126 else struct.pack("!BBH", opcode, 0xFE, size)
                if size < 65536 else struct.pack("!BBQ", opcode, 0xFF, size))
        with self.lock:
            self.tcp.sendall(head + b"\0\0\0\0" + data)

    def say(self, **message):
        self.frame(0x81, json.dumps(message).encode())

    def read(self):
        stream = self.tcp.makefile("rb")
        text = b""
        while True:
            head = stream.read(2)
            if len(head) < 2:
                return
            size = head[1] & 0x7F
            if size >= 126:
                size = int.from_bytes(stream.read(2 if size == 126 else 8), "big")
            data = stream.read(size)
            opcode = head[0] & 0x0F
            if opcode == 9:
                self.frame(0x8A, data)
            elif opcode in (0, 1):
                text += data
                if head[0] & 0x80:
                    message, text = json.loads(text), b""
                    self.take(message)


SEND = ("videotestsrc is-live=true pattern=ball ! video/x-raw,width=320,height=240,framerate=15/1 ! "
        "vp8enc deadline=1 keyframe-max-dist=60 target-bitrate=300000 ! rtpvp8pay pt=96 picture-id-mode=2 ! "
        "application/x-rtp,media=video,encoding-name=VP8,payload=96,clock-rate=90000 ! rtc. "
        "audiotestsrc is-live=true wave=sine ! opusenc ! rtpopuspay pt=111 ! "
        "application/x-rtp,media=audio,encoding-name=OPUS,payload=111,clock-rate=48000 ! rtc. ")


class Peer:
    """A webrtcbin, and what has come out of it: decoded buffers by the MID of their section."""

    def __init__(self, name, sends=True, receives=0):
        self.name, self.counts, self.lock = name, {}, threading.Lock()
        if sends:
            self.pipeline = Gst.parse_launch("webrtcbin name=rtc bundle-policy=max-bundle " + SEND)
            self.rtc = self.pipeline.get_by_name("rtc")
        else:
            self.pipeline, self.rtc = Gst.Pipeline.new(), Gst.ElementFactory.make("webrtcbin")
            self.rtc.set_property("bundle-policy", GstWebRTC.WebRTCBundlePolicy.MAX_BUNDLE)
            self.pipeline.add(self.rtc)
        self.ice = self.rtc.get_property("ice-agent")  # kept, or Python takes it away from the bin
        self.ice.emit("add-local-ip-address", "127.0.0.1")
        self.messages, self.channel, self.state, self.gathered = [], None, None, threading.Event()
        self.needed = threading.Event()  # its pads know their caps, without which there is no offer
        self.rtc.connect("on-negotiation-needed", lambda _: self.needed.set())
        self.rtc.connect("pad-added", self.on_pad)
        self.rtc.connect("notify::connection-state", self.on_state)
        self.rtc.connect("notify::ice-gathering-state", self.on_gathering)
        for kind in ("audio", "video")[:receives]:
            codec = ("encoding-name=OPUS,payload=111,clock-rate=48000,encoding-params=(string)2" if kind == "audio" else
                     "encoding-name=VP8,payload=96,clock-rate=90000")
            self.rtc.emit("add-transceiver", GstWebRTC.WebRTCRTPTransceiverDirection.RECVONLY,
                          Gst.Caps.from_string(f"application/x-rtp,media={kind},{codec}"))
        if sends:
            for index in range(2):
                self.rtc.emit("get-transceiver", index).set_property(
                    "direction", GstWebRTC.WebRTCRTPTransceiverDirection.SENDONLY)

    def on_state(self, rtc, _):
        self.state = rtc.get_property("connection-state").value_nick

    def on_gathering(self, rtc, _):
        if rtc.get_property("ice-gathering-state") == GstWebRTC.WebRTCICEGatheringState.COMPLETE:
            self.gathered.set()

    def on_pad(self, _, pad):
        if pad.get_direction() != Gst.PadDirection.SRC:
            return
        caps = pad.get_current_caps().get_structure(0)
        kind = caps.get_string("media")
        msid = (caps.get_string("a-msid") or pad.get_property("transceiver").get_property("mid") or "").split(" ")[0]
        chain = ("rtpvp8depay ! vp8dec" if kind == "video" else "rtpopusdepay ! opusdec")
        decoder = Gst.parse_bin_from_description(f"queue ! {chain} ! fakesink name=out sync=false signal-handoffs=true",
                                                 True)
        key = f"{msid} {kind}"
        decoder.get_by_name("out").connect("handoff", lambda *_: self.count(key))
        self.pipeline.add(decoder)
        decoder.sync_state_with_parent()
        pad.link(decoder.get_static_pad("sink"))

    def count(self, key):
        with self.lock:
            self.counts[key] = self.counts.get(key, 0) + 1

    def total(self, kind):
        with self.lock:
            return sum(count for key, count in self.counts.items() if key.endswith(kind))

    # --- data

    def open_data(self, label):
        self.data = self.rtc.emit("create-data-channel", label, Gst.Structure.new_empty("config"))
        self.data.connect("on-message-string", lambda _, text: self.messages.append(text))
        self.data.connect("on-message-data", lambda _, data: self.messages.append(bytes(data.get_data())))

    def data_open(self):
        return self.data.get_property("ready-state").value_nick == "open"

    # --- descriptions

    def describe(self, what):
        promise = Gst.Promise.new()
        self.rtc.emit(f"create-{what}", None, promise)
        promise.wait()
        reply = promise.get_reply()  # whose the description is: it goes with it
        description = reply.get_value(what) if reply.has_field(what) else None
        if description is None:
            raise RuntimeError(f"create-{what}: {reply.to_string()}")
        done = Gst.Promise.new()
        self.rtc.emit("set-local-description", description, done)
        done.wait()
        return description.sdp.as_text()

    def take(self, kind, sdp):
        _, message = GstSdp.SDPMessage.new_from_text(sdp)
        kinds = GstWebRTC.WebRTCSDPType
        description = GstWebRTC.WebRTCSessionDescription.new(kinds.OFFER if kind == "offer" else kinds.ANSWER, message)
        promise = Gst.Promise.new()
        self.rtc.emit("set-remote-description", description, promise)
        promise.wait()

    # --- the room protocol

    def join(self, port, room):
        self.inbox, self.ready = [], threading.Condition()
        self.errors = []
        self.channel = Channel(port, self.on_message)
        self.rtc.connect("on-ice-candidate", lambda _, line, candidate: self.channel.say(type="candidate", candidate=candidate))
        threading.Thread(target=self.work, daemon=True).start()
        self.channel.say(type="join", room=room, peer=self.name, topology="sfu")

    def on_message(self, message):
        with self.ready:
            if self.inbox is not None:
                self.inbox.append(message)
            self.ready.notify()

    def work(self):
        while True:
            with self.ready:
                self.ready.wait_for(lambda: self.inbox is None or self.inbox)
                if self.inbox is None:
                    return
                message = self.inbox.pop(0)
            kind = message["type"]
            if kind == "joined":
                self.start()
                self.open_data("chat")
                self.channel.say(type="offer", sdp=self.describe("offer"))
            elif kind in ("offer", "answer"):
                self.take(kind, message["sdp"])
                if kind == "offer":
                    self.channel.say(type="answer", sdp=self.describe("answer"))
            elif kind == "error":
                self.errors.append(message["reason"])

    # --- WHIP and WHEP

    def post(self, url):
        self.start()
        self.describe("offer")
        if not self.gathered.wait(WAIT_S):
            raise RuntimeError("libnice does not finish gathering")
        sdp = self.rtc.get_property("local-description").sdp.as_text()
        request = urllib.request.Request(url, sdp.encode(), {"Content-Type": "application/sdp"}, method="POST")
        with urllib.request.urlopen(request, timeout=10) as answer:
            self.take("answer", answer.read().decode())

    def start(self):
        self.pipeline.set_state(Gst.State.PLAYING)
        if not self.needed.wait(WAIT_S):
            raise RuntimeError("webrtcbin does not want to negotiate")

    def close(self):
        if self.channel is not None:
            self.channel.say(type="leave")
            self.inbox = None
        self.pipeline.set_state(Gst.State.NULL)


def get(base, path, method="GET"):
    with urllib.request.urlopen(urllib.request.Request(base + path, method=method), timeout=10) as answer:
        return json.loads(answer.read() or b"null")


def room(base, port):
    ann, ben = Peer("ann"), Peer("ben")
    ann.join(port, "gst")
    check("the first one connects", until(lambda: ann.state == "connected"), ann.state)
    ben.join(port, "gst")
    check("the second one connects", until(lambda: ben.state == "connected"), ben.state)
    for peer, other in ((ann, ben), (ben, ann)):
        check(f"{peer.name} sees {other.name}", until(lambda: peer.total("video") > 30), peer.counts)
        check(f"{peer.name} hears {other.name}", until(lambda: peer.total("audio") > 50), peer.counts)
    check("data channels open", until(lambda: ann.data_open() and ben.data_open()))
    ann.data.emit("send-string", "Grüße an alle")
    check("a text arrives", until(lambda: "Grüße an alle" in ben.messages), ben.messages)
    blob = bytes(range(256)) * 40
    ben.data.emit("send-data", GLib.Bytes.new(blob))
    check("binary data arrive", until(lambda: blob in ann.messages), [len(each) for each in ann.messages])

    get(base, "/rooms/gst/peers?count=2&height=180", "POST")
    before = ann.total("video"), len(ann.counts)

    def confab_sees():
        peers = get(base, "/rooms/gst/peers")
        seen = [{(track["peer"], track["kind"]) for track in peer["tracks"] if track["frames"] > 10} for peer in peers]
        wanted = {(name, kind) for name in ("ann", "ben") for kind in ("audio", "video")}
        return len(peers) == 2 and all(wanted <= each for each in seen)
    check("confab's own participants see and hear both", until(confab_sees), get(base, "/rooms/gst/peers"))
    check("who sees and hears confab's own: new tracks while the call goes on",
          until(lambda: len(ann.counts) == before[1] + 4 and all(count > 10 for count in ann.counts.values())), ann.counts)
    check("nothing was refused", not ann.errors and not ben.errors, (ann.errors, ben.errors))
    ben.close()
    ann.close()


def whip(base):
    publisher, viewer = Peer("publisher"), Peer("viewer", sends=False, receives=2)
    publisher.post(base + "/whip/studio")
    check("WHIP connects", until(lambda: publisher.state == "connected"), publisher.state)
    viewer.post(base + "/whep/studio")
    check("WHEP connects", until(lambda: viewer.state == "connected"), viewer.state)
    check("WHEP: pictures", until(lambda: viewer.total("video") > 30), viewer.counts)
    check("WHEP: sound", until(lambda: viewer.total("audio") > 50), viewer.counts)
    publisher.close()
    viewer.close()


def main():
    state = tempfile.mkdtemp(prefix="confab-gstreamer-")
    with open(os.path.join(state, "confab.yaml"), "w", encoding="utf-8") as file:
        file.write("turn: no\n")
    server = subprocess.Popen([sys.argv[1], "serve", "--listen", "127.0.0.1", "--port", "0", "--state", state,
                               "--config", os.path.join(state, "confab.yaml")], stdout=subprocess.PIPE, text=True,
                              stderr=open(os.path.join(state, "log"), "w", encoding="utf-8"))
    loop = GLib.MainLoop()
    threading.Thread(target=loop.run, daemon=True).start()
    try:
        found = None
        while found is None:
            found = re.search(r"page +(http://127\.0\.0\.1:(\d+))/", server.stdout.readline())
        base, port = found.group(1), int(found.group(2))
        room(base, port)
        whip(base)
        server.send_signal(signal.SIGTERM)
        check("the server ends well", server.wait(10) == 0, server.returncode)
    except Exception:  # pylint: disable=broad-except
        traceback.print_exc(file=sys.stdout)
        check("the test itself", False)
    finally:
        if server.poll() is None:
            server.kill()
        shutil.rmtree(state, ignore_errors=True)
        print(f"{passed} passed, {failed} failed, 0 skipped", flush=True)
        os._exit(failed > 0)  # GStreamer's threads would have their say at the end


main()
