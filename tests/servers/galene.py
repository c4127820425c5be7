#!/usr/bin/env python3
"""A real Galene under `confab load`: the program that GALENE names, or `galene` of the path.

usage: galene.py CONFAB PROGRAMS        prints one line a check, then "N passed, N failed, N skipped"
"""
import json
import os
import shutil
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import lab  # noqa: E402

CONFAB = os.path.abspath(sys.argv[1])


def main():
    galene = os.environ.get("GALENE") or shutil.which("galene")
    if galene is None:
        lab.skip("no galene: GALENE names none, and none is in the path")
    lab.own_network()
    with tempfile.TemporaryDirectory() as directory:
        for folder in ("groups", "data", "static"):
            os.mkdir(f"{directory}/{folder}")
        anyone = {"wildcard-user": {"password": {"type": "wildcard"}, "permissions": "present"}, "auto-subgroups": True}
        for name, group in (("load", anyone), ("small", {**anyone, "max-clients": 3})):
            with open(f"{directory}/groups/{name}.json", "w", encoding="utf-8") as file:
                json.dump(group, file)
        port = lab.free_port(lab.ADDRESS)
        base = f"galene+ws://{lab.ADDRESS}:{port}/group"
        with lab.Server([galene, "-insecure", "-http", f"{lab.ADDRESS}:{port}", "-data", "data", "-groups", "groups",
                         "-static", "static", "-turn", ""], directory, port, lab.ADDRESS):
            # Galene forgets who joins within 200 ms of a new stream: slowly.
            lab.whole("rooms of ten, two speak", lab.Load(CONFAB, f"{base}/load/{{room}}/", "--room", "a", "--rooms", 20,
                                                          "--clients", 200, "--publishers", 2, "--audio-only", "--rate",
                                                          "4/s", "--duration", "5s"), 200, 20 * (2 * 1 + 8 * 2))
            lab.whole("four who see each other", lab.Load(CONFAB, f"{base}/load/{{room}}/", "--room", "b", "--clients", 4,
                                                          "--rate", "1/s", "--duration", "5s"), 4, 4 * 3 * 2)
            load = lab.Load(CONFAB, f"{base}/small/", "--clients", 5, "--audio-only", "--rate", "2/s", "--duration", "2s")
            lab.check("a group for three, and five who would: two fail, and why is said",
                      load.status in lab.FAILED and load.failures == {"full": 2}, f"{load.told()} {load.failures}")
            load = lab.Load(CONFAB, f"{base}/nowhere/", "--clients", 2, "--duration", "1s")
            lab.check("no such group", load.status in lab.FAILED and load.failures == {"not-found": 2}, f"{load.told()} {load.failures}")
    lab.finish()


main()
