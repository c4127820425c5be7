#!/usr/bin/env python3
"""A real mediasoup-demo under `confab load`: MEDIASOUP_DEMO=DIR, its `server` folder with what npm installs in it.

usage: mediasoup.py CONFAB        prints one line a check, then "N passed, N failed, N skipped"
"""
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import lab  # noqa: E402

CONFAB = os.path.abspath(sys.argv[1])


def main():
    demo = os.environ.get("MEDIASOUP_DEMO")
    if demo is None:
        lab.skip("MEDIASOUP_DEMO names no folder with mediasoup-demo's server")
    port = lab.free_port()
    with tempfile.TemporaryDirectory() as directory:
        key, certificate = f"{directory}/key.pem", f"{directory}/certificate.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                        "-subj", "/CN=localhost", "-days", "2", "-keyout", key, "-out", certificate], check=True,
                       stderr=subprocess.DEVNULL)
        environment = {"MEDIASOUP_LISTEN_IP": "127.0.0.1", "PROTOO_LISTEN_PORT": str(port), "DEBUG": "*ERROR*",
                       "HTTPS_CERT_FULLCHAIN": certificate, "HTTPS_CERT_PRIVKEY": key}
        url = f"mediasoup+https://127.0.0.1:{port}/"
        with lab.Server(["node", os.path.join(demo, "server.js")], directory, port, environment=environment):
            lab.whole("rooms of ten, two speak", lab.Load(CONFAB, url, "--room", "a", "--rooms", 20, "--clients", 200,
                                                          "--publishers", 2, "--audio-only", "--duration", "8s"),
                      200, 20 * (2 * 1 + 8 * 2))
            lab.whole("three who see each other", lab.Load(CONFAB, url, "--room", "b", "--clients", 3, "--duration", "12s"), 3,
                      3 * 2 * 2)
            lab.whole("one seen by nine, small", lab.Load(CONFAB, url, "--room", "c", "--clients", 10, "--publishers", 1,
                                                          "--layout", "4x4", "--duration", "8s"), 10, 9 * 2)
    lab.finish()


main()
