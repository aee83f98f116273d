"""Longer runs of the tests that draw what they do: power loss, operation logs, histories, the server killed at its system
calls.

    ./dev soak [MINUTES] [PART ...]     ten minutes and all parts, unless said

Two workers run side by side with seeds that no earlier soak has used, until the time is over: one takes turns with power
losses (clones) and with operation logs under every set of options (operations), the other with killing the server
(deaths) and with histories. Where nothing of one's parts is asked for it helps the other. What was done is added to
docs/soak.tsv, a line a soak; a failure is printed with the seed that repeats it, and kept out of the totals. The last line
is 'N passed, N failed', of rounds.
"""
import itertools
import os
import pathlib
import re
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARIES = ROOT / "build" / "release" / "bin"
RECORD = ROOT / "docs" / "soak.tsv"
SEEDS = 300  # of a round: it may use that many from its own on
HEAD = ("date\tcommit\tminutes\tfirst seed\tlast seed\tcrash clones\trecoveries\tdeaths at system calls\t"
        "failed rounds\toperations\thistories\n")
CRASH = [BINARIES / "crash_test", "--gtest_filter=PowerLossTest.RandomWorkloads:PowerLossTest.Totals"]
# Sets of options under which a log takes four to eight times as long: they get shorter logs, or they would take half of
# the soak from the other 24.
SLOW = ":".join(f"*/{name}" for name in ("TinyMemtable", "ValueLogSmallFiles", "TieredTiny"))
LOGS = [BINARIES / "oplog_test", f"--gtest_filter=*/OperationLogTest.*-{SLOW}"]
SLOW_LOGS = [BINARIES / "oplog_test", f"--gtest_filter={SLOW}"]
HISTORIES = [BINARIES / "linearizability_test", "--gtest_filter=*History.IsLinearizable"]
KILLED = [ROOT / "tests" / "syscalls" / "run", BINARIES / "varve-server", "--only", "killed"]


class Soak:
    def __init__(self, minutes, seed):
        self.end = time.monotonic() + minutes * 60
        self.lock = threading.Lock()
        self.seed = seed
        self.rounds = self.failed = self.clones = self.recoveries = self.operations = self.deaths = self.histories = 0

    def next_seed(self):
        with self.lock:
            self.seed += SEEDS
            return self.seed - SEEDS

    def work(self, *parts):
        """One round of each part after the other: its command, environment, and what counts its output."""
        for command, environment, count in itertools.cycle(parts):
            if time.monotonic() >= self.end:
                return
            seed = self.next_seed()
            done = subprocess.run(command, cwd=ROOT, env={**os.environ, **environment, "VARVE_SEED": str(seed)},
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            with self.lock:
                self.rounds += 1
                if done.returncode == 0:
                    count(done.stdout)
                    continue
                self.failed += 1
                settings = " ".join(f"{name}={value}" for name, value in environment.items())
                print(f"{done.stdout[-3000:]}\nFAIL  VARVE_SEED={seed} {settings} {' '.join(map(str, command))}", flush=True)

    def count_clones(self, text):
        clones, recoveries = re.search(r"power loss: \d+ calls, (\d+) clones, (\d+) recoveries", text).groups()
        self.clones += int(clones)
        self.recoveries += int(recoveries)

    def count_operations(self, text):
        self.operations += sum(map(int, re.findall(r"^operation log: (\d+) operations", text, re.MULTILINE)))

    def count_deaths(self, text):
        self.deaths += sum(map(int, re.findall(r"(\d+) deaths$", text, re.MULTILINE)))

    def count_histories(self, text):
        self.histories += sum(map(int, re.findall(r"^\w+: (\d+) histories", text, re.MULTILINE)))


def last_seed():
    """Of all earlier soaks."""
    lines = RECORD.read_text().splitlines()[1:] if RECORD.exists() else []
    return max((int(line.split("\t")[4]) for line in lines), default=1000)


def main():
    words = sys.argv[1:]
    minutes = float(words.pop(0)) if words and words[0].replace(".", "", 1).isdigit() else 10
    first = last_seed() + SEEDS
    soak = Soak(minutes, first)
    sets = {"VARVE_OPLOG_SETS": "100"}
    parts = [{"clones": [(CRASH, {"VARVE_CRASH_SCALE": "2"}, soak.count_clones)],
              "operations": [(LOGS, {**sets, "VARVE_OPLOG_STEPS": "400000"}, soak.count_operations),
                             (SLOW_LOGS, {**sets, "VARVE_OPLOG_STEPS": "20000"}, soak.count_operations)]},
             {"deaths": [(KILLED, {"VARVE_SYSCALL_KILLS": "40"}, soak.count_deaths)],
              "histories": [(HISTORIES, {"VARVE_HISTORIES": str(SEEDS)}, soak.count_histories)]}]
    if unknown := set(words) - parts[0].keys() - parts[1].keys():
        sys.exit(f"soak: no part '{unknown.pop()}': {', '.join([*parts[0], *parts[1]])}")
    chosen = [[step for name, steps in group.items() if not words or name in words for step in steps] for group in parts]
    workers = [threading.Thread(target=soak.work, args=group or other) for group, other in zip(chosen, chosen[::-1])]
    started = time.monotonic()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    if not RECORD.exists():
        RECORD.write_text(HEAD)
    took = (time.monotonic() - started) / 60
    with RECORD.open("a") as record:
        record.write(f"{time.strftime('%Y-%m-%d', time.gmtime())}\t{commit}\t{took:.0f}\t{first}\t{soak.seed - SEEDS}\t"
                     f"{soak.clones}\t{soak.recoveries}\t{soak.deaths}\t{soak.failed}\t{soak.operations}\t{soak.histories}\n")
    print(f"{soak.clones} clones, {soak.recoveries} recoveries, {soak.deaths} deaths, {soak.operations} operations, {soak.histories} histories "
          f"in {took:.0f} minutes: docs/soak.tsv")
    print(f"{soak.rounds - soak.failed} passed, {soak.failed} failed")
    return 1 if soak.failed or not soak.rounds else 0


if __name__ == "__main__":
    sys.exit(main())
