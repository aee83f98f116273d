#!/usr/bin/env python3
"""varve-server against redis-server, with redis-benchmark, in one run. `./dev bench server [--quick] [--json FILE]`.

Both servers run at once, each on a free port of 127.0.0.1 with its data in a temporary directory, both pinned to core 0;
the client is pinned to core 1. They are measured in turns (A B, B A, ...), one waiting idle while the other works, and
compared at equal durability: no fsync, fsync every second, fsync before every reply.
"""
import argparse
import csv
import json
import os
import pathlib
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "tests" / "clients"))
from redis_server import redis_server  # noqa: E402

CLIENTS = 50
VALUE_SIZE = 100
SERVER_CORE, CLIENT_CORE = "0", "1"
TICKS_PER_S = os.sysconf("SC_CLK_TCK")

# redis-benchmark's test, how it is shown, operations in one request
SET, GET, INCR, MSET, PING = ("set", "SET"), ("get", "GET"), ("incr", "INCR"), ("mset", "MSET (10 keys)"), ("ping_mbulk", "PING")
# durability -> (redis-server's settings, varve-server's, tests, pipeline depths)
MODES = {
    "no persistence against no fsync": (["--appendonly", "no"], ["--appendfsync", "no"], [GET, SET], [1, 16, 64]),
    "everysec": (["--appendonly", "yes", "--appendfsync", "everysec"], ["--appendfsync", "everysec"],
                 [SET, GET, INCR, MSET, PING], [1, 16, 64]),
    "always": (["--appendonly", "yes", "--appendfsync", "always"], ["--appendfsync", "always"], [SET, INCR, MSET], [1, 16]),
}


def die(message):
    sys.exit(f"bench: {message}")


class Server:
    def __init__(self, name, command, scratch):
        self.name = name
        self.dir = tempfile.mkdtemp(dir=scratch)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.log = open(self.dir + "/log", "w+b")
        self.process = subprocess.Popen(
            ["taskset", "-c", SERVER_CORE, *command, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", self.dir],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + 60
        while self.cli("PING") != "PONG":
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                die(f"{name} did not start: {' '.join(command)}")
            time.sleep(0.02)

    def cli(self, *words, stdin=None):
        done = subprocess.run(["redis-cli", "-h", "127.0.0.1", "-p", str(self.port), *words], capture_output=True,
                              text=stdin is None, input=stdin, check=False)
        return done.stdout.strip()

    def cpu_s(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:15])) / TICKS_PER_S  # its own and, when they have ended, its children's

    def rss_mib(self):
        return int(pathlib.Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / 2**20

    def disk_mib(self):
        return sum(f.stat().st_blocks * 512 for f in pathlib.Path(self.dir).rglob("*") if f.is_file()) / 2**20

    def wait_until_idle(self):
        """So that what this server still compacts or rewrites is not paid by the other one."""
        before, deadline = self.cpu_s(), time.monotonic() + 30
        while time.monotonic() < deadline:
            time.sleep(0.2)
            now = self.cpu_s()
            if now - before <= 1 / TICKS_PER_S:
                return
            before = now

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()
        shutil.rmtree(self.dir, ignore_errors=True)


def load_requests(keys):
    """Every key that redis-benchmark -r will ask for, as the requests redis-cli --pipe wants."""
    value = b"x" * VALUE_SIZE
    return b"".join(b"*3\r\n$3\r\nSET\r\n$16\r\nkey:%012d\r\n$%d\r\n%s\r\n" % (i, VALUE_SIZE, value) for i in range(keys))


def measure(server, test, pipeline, requests, keys):
    """One run of redis-benchmark: {metric: (value, higher is better)}."""
    cpu = server.cpu_s()
    done = subprocess.run(
        ["taskset", "-c", CLIENT_CORE, "redis-benchmark", "-h", "127.0.0.1", "-p", str(server.port), "-t", test, "-n", str(requests),
         "-r", str(keys), "-d", str(VALUE_SIZE), "-c", str(CLIENTS), "-P", str(pipeline), "--csv"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    cpu = server.cpu_s() - cpu
    rows = [row for row in csv.DictReader(line for line in done.stdout.splitlines() if line.startswith('"'))]
    if done.returncode or len(rows) != 1 or float(rows[0]["rps"]) <= 0:
        die(f"redis-benchmark -t {test} against {server.name} gave exit code {done.returncode}:\n{done.stdout}{done.stderr}")
    row = rows[0]
    return {
        "ops/s": (float(row["rps"]), True),
        "CPU us/op": (cpu * 1e6 / requests, False),
        "p50 ms": (float(row["p50_latency_ms"]), False),
        "p99 ms": (float(row["p99_latency_ms"]), False),
        "max ms": (float(row["max_latency_ms"]), False),
    }


class Report:
    def __init__(self):
        self.rows = {}  # (workload, metric) -> (higher is better, {name: [values]}), in the order of first sight

    def add(self, workload, name, measured):
        for metric, (value, higher) in measured.items():
            self.rows.setdefault((workload, metric), (higher, {}))[1].setdefault(name, []).append(value)

    def table(self, ours, peer):
        for (workload, metric), (higher, values) in self.rows.items():
            mine, theirs = (statistics.median(values[name]) for name in (ours, peer))
            over, under = (mine, theirs) if higher else (theirs, mine)
            ratio = 1.0 if over == under else over / under if under else None
            yield workload, metric, mine, theirs, ratio, values[ours], values[peer]

    def print_markdown(self, ours, peer):
        print(f"| workload | metric | {ours} | {peer} | ratio |\n|---|---|--:|--:|--:|")
        for workload, metric, mine, theirs, ratio, all_mine, all_theirs in self.table(ours, peer):
            shown = "-" if ratio is None else f"{ratio:.2f}"
            print(f"| {workload} | {metric} | {short(mine)}{spread(all_mine)} | {short(theirs)}{spread(all_theirs)} | {shown} |")

    def write_json(self, path, ours, peer):
        rows = [{"workload": workload, "peer": peer, "metric": metric, "ours": mine, "theirs": theirs, "ratio": ratio}
                for workload, metric, mine, theirs, ratio, _, _ in self.table(ours, peer)]
        pathlib.Path(path).write_text(json.dumps(rows, indent=1) + "\n")


def short(value):
    return f"{value / 1e6:.3f} M" if value >= 1e6 else f"{value / 1e3:.1f} k" if value >= 1e4 else f"{value:.3g}"


def spread(values):
    middle = statistics.median(values)
    return f" ±{(max(values) - min(values)) / 2 / middle * 100:.0f} %" if len(values) > 1 and middle else ""


def requests_of(pipeline, test, mode, quick):
    """As many as take a second or so on a small machine; a tenth of a MSET, which has ten keys."""
    count = {1: 100_000, 16: 1_000_000, 64: 2_000_000}[pipeline]
    if quick:
        count = {1: 40_000, 16: 250_000, 64: 400_000}[pipeline]
    if mode == "always":
        count //= 4
    return count // 5 if test == "mset" else count


def compare(mode, arguments, scratch, redis, requests, report, ours, peer):
    redis_settings, varve_settings, tests, depths = MODES[mode]
    servers = []
    try:
        servers.append(Server(ours, [arguments.server, *varve_settings, "--memory-budget", f"{arguments.memory_budget}mb"], scratch))
        servers.append(Server(peer, [redis, "--save", "", *redis_settings], scratch))
        for server in servers:
            text = server.cli("--pipe", stdin=requests).decode()
            if "errors: 0" not in text:
                die(f"{server.name} did not take the {arguments.keys} keys: {text}")
        for turn in range(arguments.rounds):
            for test, shown in tests:
                for pipeline in depths:
                    for server in servers if turn % 2 == 0 else reversed(servers):
                        for other in servers:
                            other.wait_until_idle()
                        count = requests_of(pipeline, test, mode, arguments.quick)
                        report.add(f"{shown} P{pipeline} {mode}", server.name, measure(server, test, pipeline, count, arguments.keys))
            print(f"{mode}: round {turn + 1} of {arguments.rounds}", file=sys.stderr)
        for server in servers:
            server.wait_until_idle()
            report.add(f"after all of {mode}", server.name,
                       {"RSS MiB": (server.rss_mib(), False), "disk MiB": (server.disk_mib(), False), "CPU s": (server.cpu_s(), False)})
    finally:
        for server in servers:
            server.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--server", default="build/release/bin/varve-server", help="path of varve-server")
    parser.add_argument("--quick", action="store_true", help="fewer requests, a few minutes in all")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--memory-budget", type=int, default=512, metavar="MIB", help="varve-server's; Redis takes what it needs")
    parser.add_argument("--modes", default=",".join(MODES), help="some of: " + ", ".join(MODES))
    parser.add_argument("--json", metavar="FILE")
    arguments = parser.parse_args()
    arguments.server = str(pathlib.Path(arguments.server).resolve())
    modes = arguments.modes.split(",")
    if arguments.rounds < 1 or arguments.keys < 1 or not set(modes) <= set(MODES):
        parser.error("no such thing")
    if os.cpu_count() < 2:
        die("needs two cores: one for the server, one for the client")

    report, requests = Report(), load_requests(arguments.keys)
    with tempfile.TemporaryDirectory(prefix="varve_bench_") as scratch:
        redis = redis_server(scratch)
        version = subprocess.run([redis, "--version"], capture_output=True, text=True, check=True).stdout.split("v=")[1].split()[0]
        ours, peer = "varve-server", f"redis-server {version}"
        for mode in modes:
            compare(mode, arguments, scratch, redis, requests, report, ours, peer)
    print(f"# Server benchmark\n\nredis-benchmark, {CLIENTS} clients, {arguments.keys} keys loaded before (-r), values of {VALUE_SIZE} "
          f"bytes; server on core {SERVER_CORE}, client on core {CLIENT_CORE}; {arguments.rounds} interleaved rounds, medians, ± is half "
          f"the range. A ratio above 1 is better for varve-server.\n\n- varve-server: --memory-budget {arguments.memory_budget}mb")
    for mode in modes:
        redis_settings, varve_settings, _, _ = MODES[mode]
        print(f"- {mode}: varve-server {' '.join(varve_settings)}; redis-server --save '' {' '.join(redis_settings)}")
    print("- At P64 redis-benchmark itself fills its core: the ratio there is nearer to 1 than the servers are; see CPU us/op.\n")
    report.print_markdown(ours, peer)
    if arguments.json:
        report.write_json(arguments.json, ours, peer)


if __name__ == "__main__":
    main()
