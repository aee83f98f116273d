#!/usr/bin/env python3
"""varve-server against redis-server, in one run. `./dev bench server [--quick] [--groups NAME,...] [--json FILE]`.

Both servers run at once, each on a free port of 127.0.0.1 with its data in a temporary directory, both pinned to core
0; the clients are pinned to core 1. They are measured in turns (A B, B A, ...), one waiting idle while the other works,
and compared at equal durability: no fsync, fsync every second, fsync before every reply.
"""
import argparse
import os
import signal
import sys
import tempfile

sys.dont_write_bytecode = True
from contest import Contest  # beside this file, as all of these  # noqa: E402
from expiring import ManyExpire  # noqa: E402
from large import LargeKeyspace  # noqa: E402
from process import CLIENT_CORE, SERVER_CORE, die  # noqa: E402
from redis_benchmark import ALWAYS, EVERYSEC, NO_FSYNC  # noqa: E402
from report import Report  # noqa: E402
from traffic import BeyondTheBudget, GetsBesideSets  # noqa: E402

GROUPS = {"no-fsync": NO_FSYNC, "everysec": EVERYSEC, "always": ALWAYS, "beside": GetsBesideSets(),
          "expiring": ManyExpire(), "large": LargeKeyspace(), "beyond": BeyondTheBudget()}

# What --quick makes smaller: the value without it, with it, what it is.
SCALE = {
    "rounds": (5, 3, "how often all is measured"),
    "keys": (1_000_000, 1_000_000, "keys of the groups that say nothing else"),
    "memory-budget": (512, 512, "MiB for varve-server there; redis-server takes what it needs"),
    "request-percent": (100, 30, "of the usual number of requests of redis-benchmark"),
    "seconds": (10, 3, "of each row that is measured by time"),
    "large-keys": (10_000_000, 1_000_000, "keys of the group 'large'"),
    "large-budget": (256, 26, "MiB for varve-server there"),
    "beyond-budget": (128, 64, "MiB for varve-server in the group 'beyond'; the data is ten times that"),
}


class Scale:
    def __init__(self, arguments):
        for name, (full, quick, _) in SCALE.items():
            attribute = name.replace("-", "_")
            given = getattr(arguments, attribute)
            setattr(self, attribute, given if given is not None else quick if arguments.quick else full)

    def requests(self, pipeline):
        """Of redis-benchmark: as many as take a second or so on a small machine."""
        return {1: 100_000, 16: 1_000_000, 64: 2_000_000}[pipeline] * self.request_percent // 100


def positive(text):
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", default="build/release/bin", metavar="DIR",
                        help="where varve-server and bench_server_client are")
    parser.add_argument("--quick", action="store_true", help="less of everything, some minutes in all")
    parser.add_argument("--groups", default=",".join(GROUPS), help="some of: " + ", ".join(GROUPS))
    for name, (full, quick, what) in SCALE.items():
        parser.add_argument("--" + name, type=positive, metavar="N", help=f"{what} ({full}; quick: {quick})")
    parser.add_argument("--json", metavar="FILE")
    arguments = parser.parse_args()
    arguments.groups = arguments.groups.split(",")
    if not set(arguments.groups) <= set(GROUPS):
        parser.error("--groups knows " + ", ".join(GROUPS))
    return arguments


def main():
    arguments = parse_arguments()
    if os.cpu_count() < 2:
        die("needs two cores: one for the server, one for the client")
    os.sched_setaffinity(0, {int(CLIENT_CORE)})  # and every client that is started from here
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("bench: told to stop"))  # its servers go first, and their data
    scale, report = Scale(arguments), Report()
    with tempfile.TemporaryDirectory(prefix="varve_bench_") as scratch:
        contest = Contest(arguments.bin, scratch)
        for name in arguments.groups:
            GROUPS[name].run(contest, scale, report)
    print(f"# Server benchmark\n\nServers on core {SERVER_CORE}, clients on core {CLIENT_CORE}; {scale.rounds} "
          "interleaved rounds, medians, ± is half the range. A ratio above 1 is better for varve-server.\n")
    for name in arguments.groups:
        print(f"- {GROUPS[name].describe(scale)}")
    print("- At P64 redis-benchmark itself fills its core: the ratio there is nearer to 1 than the servers are; see "
          "CPU us/op.\n")
    report.print_markdown(contest.ours, contest.peer)
    if arguments.json:
        report.write_json(arguments.json, contest.ours, contest.peer)


if __name__ == "__main__":
    main()
