#!/usr/bin/python3
"""Data channels between aiortc and our engine (data_peer.c), over real UDP on 127.0.0.1: opening from either side, text,
binary and empty messages, reliability as it was asked for, large messages, 3 MB with equal SHA-256, closing by either.

usage: data_channels.py CONFAB DATA_PEER"""

import asyncio
import hashlib
import json
import sys

import aioice.ice
from aiortc import RTCPeerConnection, RTCSessionDescription

# Nothing leaves the machine.
aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]

PIECE = 16000
PIECES = 190


class Peer:
    """Our program, and what it has said."""

    def __init__(self, process):
        self.process = process

    @classmethod
    async def start(cls, path, how):
        return cls(await asyncio.create_subprocess_exec(
            path, how, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=1 << 20))

    def say(self, description):
        line = json.dumps({"type": description.type, "sdp": description.sdp})
        self.process.stdin.write(line.encode() + b"\n")

    async def line(self):
        return json.loads(await asyncio.wait_for(self.process.stdout.readline(), 20))

    async def description(self):
        while True:
            line = await self.line()
            if "sdp" in line:
                return RTCSessionDescription(type=line["type"], sdp=line["sdp"])

    async def event(self, name, **having):
        """The next event of that name with these values; others in between are skipped."""
        while True:
            line = await self.line()
            if line.get("event") == name and all(line[key] == value for key, value in having.items()):
                return line


async def next_of(queue):
    return await asyncio.wait_for(queue.get(), 20)


def queue_of(channel):
    queue = asyncio.Queue()
    channel.on("message", queue.put_nowait)
    return queue


async def opened(channel):
    for _ in range(2000):
        if channel.readyState == "open":
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"channel {channel.label} does not open")


async def closed(channel):
    for _ in range(2000):
        if channel.readyState == "closed":
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"channel {channel.label} does not close")


async def connect(pc, peer, how):
    if how == "answer":
        await pc.setLocalDescription(await pc.createOffer())
        peer.say(pc.localDescription)
        await pc.setRemoteDescription(await peer.description())
    else:
        await pc.setRemoteDescription(await peer.description())
        await pc.setLocalDescription(await pc.createAnswer())
        peer.say(pc.localDescription)


async def check_their_channel(incoming, peer):
    channel, messages = await next_of(incoming)
    assert channel.label == "ours" and channel.protocol == "p1", (channel.label, channel.protocol)
    assert channel.ordered is False and channel.maxPacketLifeTime == 3000 and channel.maxRetransmits is None
    heard = [await next_of(messages) for _ in range(3)]
    assert sorted(map(str, heard)) == sorted(map(str, ["Grüße", "", b"\x00\x01\x02\xff"])), heard
    channel.send("thanks")
    line = await peer.event("message", label="ours")
    assert line["text"] and line["sha256"] == hashlib.sha256(b"thanks").hexdigest()
    return channel


async def check_echo(channel, messages, peer):
    for message in ["hello", "", b"\x00\x01", b"", "ä" * 1000, bytes(range(256)) * 250]:
        channel.send(message)
        assert await next_of(messages) == message, message[:20]


async def check_sum(channel, peer):
    digest = hashlib.sha256()
    for number in range(PIECES):
        piece = hashlib.sha256(str(number).encode()).digest() * (PIECE // 32)
        digest.update(piece)
        channel.send(piece)
        while channel.bufferedAmount > 4 * PIECE:
            await asyncio.sleep(0.001)
    channel.send("sum")
    line = await peer.event("sum")
    assert line["bytes"] == PIECE * PIECES and line["sha256"] == digest.hexdigest(), line


async def run(path, how):
    peer = await Peer.start(path, how)
    pc = RTCPeerConnection()
    incoming = asyncio.Queue()
    # Handlers at once, or the first messages are missed.
    pc.on("datachannel", lambda channel: incoming.put_nowait((channel, queue_of(channel))))
    channels = {}
    if how == "answer":  # else there is no association to open them on yet
        channels["echo"] = pc.createDataChannel("echo", protocol="talk")
    await connect(pc, peer, how)
    if how == "offer":
        channels["echo"] = pc.createDataChannel("echo", protocol="talk")
    messages = queue_of(channels["echo"])
    loose = pc.createDataChannel("loose", ordered=False, maxRetransmits=2)
    count = pc.createDataChannel("count")
    line = await peer.event("incoming", label="echo")
    assert line["protocol"] == "talk" and not line["unordered"] and line["reliability"] == 0, line
    line = await peer.event("incoming", label="loose")
    assert line["unordered"] and line["reliability"] == 1 and line["limit"] == 2, line
    for channel in (channels["echo"], loose, count):
        await opened(channel)
    theirs = await check_their_channel(incoming, peer)
    await check_echo(channels["echo"], messages, peer)
    await check_sum(count, peer)
    # We close one, they close one.
    channels["echo"].close()
    await peer.event("closed", label="echo", reason="")
    await closed(channels["echo"])
    loose.send("close")
    await closed(loose)
    await peer.event("closed", label="loose", reason="")
    # Its number can be had again.
    again = pc.createDataChannel("again")
    heard = queue_of(again)
    await opened(again)
    again.send("still there")
    assert await next_of(heard) == "still there"
    assert theirs.readyState == "open"
    await pc.close()
    assert await asyncio.wait_for(peer.process.wait(), 20) == 0


async def main():
    for how in ("answer", "offer"):
        await asyncio.wait_for(run(sys.argv[2], how), 60)
        print(f"data channels with aiortc, ours to {how}: as they should be")


asyncio.run(main())
