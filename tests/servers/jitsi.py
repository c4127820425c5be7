#!/usr/bin/env python3
"""A real Jitsi Videobridge under `confab load`: JVB=DIR, the `target` folder of its build with the bridge's jar and, in
`dependency`, all others.

usage: jitsi.py CONFAB        prints one line a check, then "N passed, N failed, N skipped"
"""
import glob
import os
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import lab  # noqa: E402

CONFAB = os.path.abspath(sys.argv[1])


def configure(file, rest, channel, udp):
    with open(file, "w", encoding="utf-8") as out:
        out.write(f"""
videobridge {{
  apis {{ rest {{ enabled = true }} }}
  http-servers {{ public {{ port = {channel}, host = {lab.ADDRESS} }}, private {{ port = {rest}, host = {lab.ADDRESS} }} }}
  websockets {{ enabled = true, tls = false, domain = "{lab.ADDRESS}:{channel}" }}
  ice {{ udp {{ port = {udp} }}, tcp {{ enabled = false }} }}
  sctp {{ enabled = false }}
  health {{ require-valid-address = false }}
}}
ice4j {{ harvest {{ mapping {{ stun {{ addresses = [] }}, aws {{ enabled = false }}, static-mappings = [] }} }} }}
""")


def main():
    jars = glob.glob(os.path.join(os.environ.get("JVB", "/nowhere"), "jitsi-videobridge-*.jar"))
    if not jars:
        lab.skip("JVB names no folder with a Jitsi Videobridge")
    lab.own_network()
    rest, channel, udp = lab.free_port(lab.ADDRESS), lab.free_port(lab.ADDRESS), lab.free_port(lab.ADDRESS)
    with tempfile.TemporaryDirectory() as directory:
        configure(f"{directory}/jvb.conf", rest, channel, udp)
        url = f"jitsi+http://{lab.ADDRESS}:{rest}"
        arguments = ["java", "-Xmx1g", f"-Dconfig.file={directory}/jvb.conf", "-cp",
                     f"{jars[0]}:{os.path.dirname(jars[0])}/dependency/*", "org.jitsi.videobridge.MainKt"]
        with lab.Server(arguments, directory, rest, lab.ADDRESS):
            # The first conferences take Java many seconds.
            lab.Load(CONFAB, url, "--room", "first", "--clients", 4, "--timeout", "60s", "--duration", "5s")
            lab.whole("three who see each other", lab.Load(CONFAB, url, "--room", "b", "--clients", 3, "--duration", "15s"), 3,
                      3 * 2 * 2)
            # The bridge passes on who speaks, and who has not yet spoken is not there: time enough for everybody.
            lab.whole("rooms of ten, two speak", lab.Load(CONFAB, url, "--room", "a", "--rooms", 20, "--clients", 200,
                                                          "--publishers", 2, "--audio-only", "--rate", "10/s", "--duration",
                                                          "40s"), 200, 20 * (2 * 1 + 8 * 2))
            lab.whole("one seen by nine, small", lab.Load(CONFAB, url, "--room", "c", "--clients", 10, "--publishers", 1,
                                                          "--layout", "4x4", "--duration", "20s"), 10, 9 * 2)
    lab.finish()


main()
