#!/usr/bin/env python3
"""Real Janus VideoRooms, with a real coturn, under `confab load`.

usage: janus.py CONFAB        prints one line a check, then "N passed, N failed, N skipped"
"""
import os
import shutil
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import lab  # noqa: E402

CONFAB = os.path.abspath(sys.argv[1])
LIBRARY = "/usr/lib/x86_64-linux-gnu/janus"
SMALL_ROOM = 77  # takes three publishers


def configure(directory, port):
    """The VideoRoom and the WebSockets alone."""
    def others(folder, wanted):
        files = os.listdir(f"{LIBRARY}/{folder}") if os.path.isdir(f"{LIBRARY}/{folder}") else []
        return ",".join(file for file in files if file.endswith(".so") and wanted not in file)
    files = {
        "janus": f"""
general: {{
    configs_folder = "{directory}"
    plugins_folder = "{LIBRARY}/plugins"
    transports_folder = "{LIBRARY}/transports"
    events_folder = "{directory}/none"
    loggers_folder = "{directory}/none"
    debug_level = 3
}}
nat: {{ ice_lite = true, ice_enforce_list = "{lab.ADDRESS}" }}
plugins: {{ disable = "{others("plugins", "videoroom")}" }}
transports: {{ disable = "{others("transports", "websockets")}" }}
""",
        "janus.transport.websockets": f"""
general: {{ json = "compact", ws = true, ws_port = {port}, ws_ip = "{lab.ADDRESS}", wss = false }}
admin: {{ admin_ws = false, admin_wss = false }}
""",
        "janus.plugin.videoroom": f"""
general: {{}}
room-{SMALL_ROOM}: {{ description = "small", publishers = 3 }}
"""}
    for name, text in files.items():
        with open(f"{directory}/{name}.jcfg", "w", encoding="utf-8") as file:
            file.write(text)


def rooms(url):
    lab.whole("rooms of ten, two speak", lab.Load(CONFAB, url, "--room", 1000, "--rooms", 20, "--clients", 200,
                                                  "--publishers", 2, "--audio-only", "--rate", "40/s", "--duration", "4s"),
              200, 20 * (2 * 1 + 8 * 2))
    lab.whole("three who see each other", lab.Load(CONFAB, url, "--room", 2000, "--clients", 3, "--duration", "4s"), 3,
              3 * 2 * 2)
    lab.whole("one seen by seven, small", lab.Load(CONFAB, url, "--room", "by-name", "--clients", 8, "--publishers", 1,
                                                   "--layout", "4x4", "--duration", "4s"), 8, 7 * 2)


def full(url):
    load = lab.Load(CONFAB, url, "--room", SMALL_ROOM, "--clients", 6, "--rate", "5/s", "--duration", "2s")
    lab.check("a room for three publishers and six who would: three fail, and why is said",
              load.status in lab.FAILED and load.failures == {"full": 3} and "Maximum number of publishers" in load.verdict,
              f"{load.told()} {load.failures}")


def relayed(url, directory):
    """NATs of every kind. Janus has a public address, so that everybody but those without UDP reaches it directly."""
    port = lab.free_port(lab.ADDRESS)
    arguments = ["turnserver", "-n", "-L", lab.ADDRESS, "-E", lab.ADDRESS, "-p", str(port), "--no-tls", "--no-dtls", "-a",
                 "-u", "conf:secret", "-r", "confab", "--no-cli", "--allow-loopback-peers", "--pidfile",
                 f"{directory}/turn.pid", "--log-file", "stdout", "--simple-log", "--db", f"{directory}/turn.db"]
    with lab.Server(arguments, directory, port, lab.ADDRESS) as turn:
        relay = f"turn:conf:secret@{lab.ADDRESS}:{port}"
        load = lab.Load(CONFAB, url, "--room", 3000, "--rooms", 4, "--clients", 40, "--publishers", 1, "--audio-only",
                        "--nat", "home:60,open:25,symmetric:10,udp-blocked:5", "--seed", 4, "--turn", relay,
                        "--turn", f"{relay}?transport=tcp", "--duration", "6s")
        lab.whole("behind NATs, with coturn", load, 40, 4 * 9)
        paths = load.run.get("connections", {})
        blocked = load.run.get("turn_fallback", {}).get("clients", 0) * 40
        lab.check(f"who has no UDP comes by TURN over TCP, the others come directly: {paths}",
                  paths.get("relay_tcp", 0) > 0 and paths.get("relay_udp") == 0 and paths.get("relay_tls") == 0 and
                  paths.get("host", 0) + paths.get("srflx", 0) + paths.get("prflx", 0) > 30 and 1 <= round(blocked) <= 6,
                  f"{load.told()} {blocked} {turn.tail()}")


def main():
    if shutil.which("janus") is None:
        lab.skip("no janus")
    lab.own_network()
    with tempfile.TemporaryDirectory() as directory:
        port = lab.free_port(lab.ADDRESS)
        configure(directory, port)
        url = f"janus+ws://{lab.ADDRESS}:{port}/"
        with lab.Server(["janus", "-F", directory, "-C", f"{directory}/janus.jcfg", "-o"], directory, port, lab.ADDRESS):
            rooms(url)
            full(url)
            relayed(url, directory)
    lab.finish()


main()
