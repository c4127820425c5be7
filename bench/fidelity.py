#!/usr/bin/env python3
"""Runs one scenario in both worlds and holds the figures against each other: make fidelity.

usage: fidelity.py CONFAB SCENARIO.yaml REPORT.md

Exit status: 0 when paths are equal client for client, p50 latency is within 3 ms or 10 %, p95 latency and
joining within 10 ms or 10 %, bitrates within 10 %;
1 when not; 2 when a run failed.
"""
import csv
import json
import subprocess
import sys
import tempfile

FIGURES = [  # name, how to get it, tolerance: absolute, relative
    ("clients joined", lambda r: r["clients"]["joined"], 0, 0),
    ("connections relayed", lambda r: r["turn_fallback"]["connections"], 0, 0),
    ("latency p50, ms", lambda r: r["latency_ms"]["p50"], 3, 0.10),
    ("latency p95, ms", lambda r: r["latency_ms"]["p95"], 10, 0.10),
    ("audio latency p50, ms", lambda r: r["audio_latency_ms"]["p50"], 3, 0.10),
    ("video latency p50, ms", lambda r: r["video_latency_ms"]["p50"], 3, 0.10),
    ("client up p50, kbit/s", lambda r: r["bitrate_kbps"]["client_up"]["p50"], 0, 0.10),
    ("client down p50, kbit/s", lambda r: r["bitrate_kbps"]["client_down"]["p50"], 0, 0.10),
    ("SFU egress, kbit/s", lambda r: r["bitrate_kbps"]["sfu_egress"], 0, 0.10),
    ("TURN egress, kbit/s", lambda r: r["bitrate_kbps"]["turn_egress"], 0, 0.10),
    ("join p50, ms", lambda r: r["join_ms"]["p50"], 10, 0.10),
    ("loss after repair", lambda r: r["loss"]["after_repair"], None, None),
]


def run(confab, scenario, world, directory):
    out = f"{directory}/{world}"
    done = subprocess.run([confab, "run", scenario, "--world", world, "--out", out, "--quiet"], check=False)
    if done.returncode != 0:
        print(f"fidelity: confab run --world {world} ended with {done.returncode}", file=sys.stderr)
        sys.exit(2)
    with open(f"{out}/result.json", encoding="utf-8") as file:
        return json.load(file), out


def paths(out, label):
    with open(f"{out}/{label}-connections.csv", encoding="utf-8") as file:
        return {(row["client"], row["other"]): row["path"] for row in csv.DictReader(file)}


def close(a, b, absolute, relative):
    return absolute is None or abs(a - b) <= absolute or abs(a - b) <= relative * max(abs(a), abs(b))


def compare(sim, live, report):
    well = True
    for run_sim, run_live in zip(sim[0]["runs"], live[0]["runs"]):
        topology = run_sim["topology"]
        a, b = paths(sim[1], topology), paths(live[1], topology)
        equal = sum(a[key] == b.get(key) for key in a)
        well = well and equal == len(a)
        report.append(f"\n## {topology}\n\n{equal} of {len(a)} connections took the same path in both worlds.\n")
        for key in a:
            if a[key] != b.get(key):
                report.append(f"- {key[0]} to {key[1]}: {a[key]} in sim, {b.get(key)} live")
        report.append("| figure | sim | live | difference | within |\n|---|---|---|---|---|")
        for name, get, absolute, relative in FIGURES:
            x, y = get(run_sim), get(run_live)
            held = close(x, y, absolute, relative)
            well = well and held
            percent = f"{(y - x) / x * 100:+.1f} %" if x else "-"
            within = "(shown only)" if absolute is None else "yes" if held else "**no**"
            report.append(f"| {name} | {x:.4g} | {y:.4g} | {percent} | {within} |")
    return well


def main():
    confab, scenario, target = sys.argv[1:4]
    report = [
        "# Fidelity: the simulation against real sockets",
        "",
        f"Made by `make fidelity`: `{scenario}` in the sim world (ns-3, virtual time) and in the live world (real UDP, TCP",
        "and TLS sockets on the loopback interface, real time), with the same seed, so the same people behind the same",
        "NATs and links. Paths must be equal client for client, p50 latency within 3 ms or 10 %, p95 and joining within 10 ms\n"
        "or 10 %, bitrates within 10 %.",
    ]
    with tempfile.TemporaryDirectory() as directory:
        sim = run(confab, scenario, "sim", directory)
        live = run(confab, scenario, "live", directory)
        well = compare(sim, live, report)
    generator = live[0]["generator"]
    report.append(f"\nThe live run took {generator['cpu'] * 100:.0f} % of this machine's CPU and was at most "
                  f"{generator['max_lag_ms']:.1f} ms late.")
    text = "\n".join(report) + "\n"
    with open(target, "w", encoding="utf-8") as file:
        file.write(text)
    print(text)
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
