#!/usr/bin/env python3
"""An example of signalling that `confab load` doesn't know itself: here WHIP and WHEP, in the standard library alone.

    confab load 'exec:exec_whip.py http://127.0.0.1:8080' --clients 20 --publishers 1

Who sends publishes by WHIP; who doesn't watches one voice and one picture by WHEP. What goes to and fro is described in
docs/exec.md: one JSON object a line, from confab on standard input, to confab on standard output. Whatever is written to
standard error confab shows.
"""
import concurrent.futures
import http.client
import json
import sys
import threading
import urllib.parse

SERVER = urllib.parse.urlsplit(sys.argv[1])
paths, resources = {}, {}  # where each client goes, and its session there
printing = threading.Lock()


def say(kind, client, **members):
    with printing:
        print(json.dumps({"type": kind, "client": client, **members}), flush=True)


def ask(method, path, body=None):
    """One request: its status, its Location, its body."""
    secure = SERVER.scheme == "https"
    connect = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    connection = connect(SERVER.hostname, SERVER.port, timeout=10)
    try:
        connection.request(method, path, body, {"Content-Type": "application/sdp"} if body else {})
        answer = connection.getresponse()
        return answer.status, answer.headers.get("Location"), answer.read().decode()
    finally:
        connection.close()


def join(line):
    """confab makes the connection and its offer, which comes next. A publisher receives nothing."""
    client, sends, others = line["client"], line["sends"], line["others_send"]
    publishes = sends["audio"] or sends["video"]
    receives = {kind: int(others[kind] and not publishes) for kind in ("audio", "video")}
    paths[client] = f"/{'whip' if publishes else 'whep'}/{line['room']}"
    say("expect", client, **receives)
    say("open", client, connection="media", sends=publishes, **receives)


def offer(line):
    client = line["client"]
    path = paths.pop(client)
    try:
        status, location, body = ask("POST", path, line["sdp"])
    except OSError as error:
        say("failed", client, **{"class": "refused"}, reason=f"{path}: {error}")
        return
    if status != 201:
        classes = {401: "unauthorized", 403: "unauthorized", 404: "not-found", 503: "full"}
        say("failed", client, **{"class": classes.get(status, "rejected")}, reason=f"status {status}: {body[:100]}")
        return
    resources[client] = urllib.parse.urljoin(path, location)
    say("answer", client, connection=line["connection"], sdp=body)
    say("signalled", client)


def leave(line):
    resource = resources.pop(line["client"], None)
    if resource is not None:
        ask("DELETE", resource)


def main():
    # Requests wait for the server, so each line is worked on beside the others. One client's lines stay in order, as
    # each but the first comes only after our word on the one before.
    work = {"join": join, "offer": offer, "leave": leave}
    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        for text in sys.stdin:
            line = json.loads(text)
            if line["type"] in work:
                pool.submit(work[line["type"]], line)
    # Standard input has ended: the load is over, and the pool has waited for the last goodbyes.


main()
