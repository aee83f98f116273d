"""The groups that redis-benchmark measures: speed, latency and CPU of single commands at equal durability."""
import csv
import subprocess

from contest import in_turn, progress
from process import die, wait_until_idle

CLIENTS, MANY_CLIENTS = 50, 500
VALUE_SIZE = 100
# redis-benchmark's test, how it is shown
SET, GET, INCR, PING = ("set", "SET"), ("get", "GET"), ("incr", "INCR"), ("ping_mbulk", "PING")
MSET = ("mset", "MSET (10 keys)")


def every(tests, depths):
    return [(test, pipeline, CLIENTS) for test in tests for pipeline in depths]


class Durability:
    """One group: a durability, and (test, pipeline, clients) of each row."""

    def __init__(self, title, varve_settings, redis_settings, rows, share=1):
        self.title, self.varve_settings, self.redis_settings, self.rows = title, varve_settings, redis_settings, rows
        self.share = share  # a row has one in so many of the usual requests

    def describe(self, scale):
        return (f"{self.title}: varve-server {' '.join(self.varve_settings)} --memory-budget {scale.memory_budget}mb; "
                f"redis-server {' '.join(self.redis_settings)}; redis-benchmark, {CLIENTS} clients if no number is "
                f"said, {scale.keys} keys, values of {VALUE_SIZE} bytes")

    def workload(self, test, pipeline, clients):
        return f"{test[1]} P{pipeline} {'' if clients == CLIENTS else f'{clients} clients '}{self.title}"

    def requests(self, scale, test, pipeline, clients):
        """A fifth of a MSET, which has ten keys; more of many clients: so many connections take their time."""
        share = (1 if clients == MANY_CLIENTS else self.share) * (5 if test is MSET else 1)
        return max(scale.requests(pipeline) // share, 1)

    def run(self, contest, scale, report):
        with contest.servers(self.varve_settings, self.redis_settings, scale.memory_budget) as servers:
            for server in servers:
                contest.measure(server, "fill", keys=scale.keys, value_size=VALUE_SIZE)
            for turn in range(scale.rounds):
                for test, pipeline, clients in self.rows:
                    for server in in_turn(servers, turn):
                        wait_until_idle(servers)
                        requests = self.requests(scale, test, pipeline, clients)
                        report.add(self.workload(test, pipeline, clients), server.name,
                                   measure(server, test[0], pipeline, clients, requests, scale.keys))
                progress(self.title, turn, scale.rounds)
            wait_until_idle(servers)
            for server in servers:
                report.add(f"after all of {self.title}", server.name,
                           {"RSS MiB": server.rss_mib(), "disk MiB": server.disk_mib(), "CPU s": server.cpu_s()})


NO_FSYNC = Durability("no persistence against no fsync", ["--appendfsync", "no"], ["--appendonly", "no"],
                      every([GET, SET], [1, 16, 64]))
EVERYSEC = Durability("everysec", ["--appendfsync", "everysec"], ["--appendonly", "yes", "--appendfsync", "everysec"],
                      every([SET, GET, INCR, MSET, PING], [1, 16, 64]))
ALWAYS = Durability("always", ["--appendfsync", "always"], ["--appendonly", "yes", "--appendfsync", "always"],
                    every([SET], [1, 16]) + [(SET, 1, MANY_CLIENTS)] + every([INCR, MSET], [1, 16]), share=4)


def measure(server, test, pipeline, clients, requests, keys):
    """One run of redis-benchmark."""
    cpu_s = server.cpu_s()
    done = subprocess.run(
        ["redis-benchmark", "-h", "127.0.0.1", "-p", str(server.port), "-t", test, "-n", str(requests), "-r", str(keys),
         "-d", str(VALUE_SIZE), "-c", str(clients), "-P", str(pipeline), "--csv"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    cpu_s = server.cpu_s() - cpu_s
    rows = list(csv.DictReader(line for line in done.stdout.splitlines() if line.startswith('"')))
    if done.returncode or len(rows) != 1 or float(rows[0]["rps"]) <= 0:
        output = done.stdout + done.stderr
        die(f"redis-benchmark -t {test} against {server.name} gave exit code {done.returncode}:\n{output}")
    row = rows[0]
    return {"ops/s": float(row["rps"]), "CPU us/op": cpu_s * 1e6 / requests, "p50 ms": float(row["p50_latency_ms"]),
            "p99 ms": float(row["p99_latency_ms"]), "max ms": float(row["max_latency_ms"])}
