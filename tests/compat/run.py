#!/usr/bin/env python3
"""Runs Redis' own test suite against varve-server, and against the redis-server it was written for.

    ./dev compat [FILE ...] [--write] [--refresh]

FILE is a suite's file (unit/type/string) or a part of its name; without any, all of FILES. The suite comes from the source
package of the Redis that is installed, and is kept, with what the real server passes, in
${XDG_CACHE_HOME:-~/.cache}/varve/redis-VERSION; --refresh runs the real server anew. Each file meets a server of its own,
in the suite's external mode, with empty data and a limit in time: a crash or a hang costs the file's rest and no other's.

A file's total is what the real server passes, its score how many of those our server passes. With FILE given, the tests
that make the difference are listed, and the suite's output is kept (printed: where). --write puts the scores into the table
of docs/compat.md, whose reasons stay as they are. The last line is 'N passed, M failed', of tests; exit code 0: the suite ran.
"""
import argparse
import collections
import fcntl
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "clients"))
from redis_server import redis_server  # noqa: E402
from server import Server  # noqa: E402

CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache", "varve")
TABLE = ROOT / "docs" / "compat.md"
TIME_LIMIT_S = 600  # for one file; the real server's slowest takes far less
SILENCE_S = 120     # without the end of a test; then the suite gives the file up
KEYRING = pathlib.Path("/usr/share/keyrings/debian-archive-keyring.gpg")

# What the suite allows an external server, with the types first that varve-server has.
FILES = """
unit/type/string unit/type/incr unit/keyspace unit/expire unit/scan unit/multi unit/protocol unit/pubsub
unit/introspection unit/introspection-2 unit/bitops unit/bitfield unit/hyperloglog unit/tracking unit/other unit/pause
unit/slowlog unit/latency-monitor unit/dump unit/lazyfree unit/querybuf unit/replybufsize unit/info-command unit/quit
unit/violations unit/sort integration/redis-cli unit/type/list unit/type/list-2 unit/type/list-3
unit/type/hash unit/type/set unit/type/zset unit/type/stream unit/type/stream-cgroups unit/geo unit/scripting unit/functions
""".split()

# Tests of replicas, and of memory that evicts: varve-server has neither, so no file's total holds them.
TAGS = "-needs:repl -needs:config-maxmemory"
OPTIONS = ["--durable", "--dont-clean", "--ignore-encoding", "--ignore-digest", "--tags", TAGS]
REDIS_FLAGS = ["--save", "", "--enable-debug-command", "yes", "--enable-protected-configs", "yes"]
VARVE_FLAGS = ["--enable-debug-command", "yes", "--appendfsync", "no"]

PASSED = re.compile(r"^\[ok\]: (.*?)(?: \(\d+ ms\))?$", re.M)
FAILED = re.compile(r"^\[(?:err|exception)\]: (.*?)(?: in tests/\S+)?$", re.M)
END = "\n                   The End"
ROW = re.compile(r"^\| `(\S+)` \|.*\| *(.*?) *\|$", re.M)
ROWS = re.compile(r"(?:^\| `.*\n)+", re.M)


def output(*argv):
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()


# ---- the suite ---------------------------------------------------------------------------------------------------------

def fetch_suite(version):
    """The source package of that version in the cache: fetched by apt from where this machine takes Debian's packages."""
    target = CACHE / ("redis-" + version.split(":")[-1])
    if target.exists():
        return target
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
        apt = private_apt(pathlib.Path(scratch))
        subprocess.run([*apt, "update"], cwd=scratch, check=True, stdout=subprocess.DEVNULL)
        subprocess.run([*apt, "source", "--download-only", f"redis={version}"], cwd=scratch, check=True,
                       stdout=subprocess.DEVNULL)
        descriptions = list(pathlib.Path(scratch).glob("redis_*.dsc"))
        tree = pathlib.Path(scratch, "tree")
        subprocess.run(["dpkg-source", "-x", descriptions[0], tree], check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        tree.rename(target)
    for name in ("redis-cli", "redis-benchmark"):
        (target / "src" / name).symlink_to(shutil.which(name))
    redis_server(target / "src")
    return target


def private_apt(directory):
    """apt-get with sources of its own: those of Debian that the machine has, asked for source packages."""
    trusted = f"[signed-by={KEYRING}] " if KEYRING.exists() else ""
    sources = output("apt-get", "indextargets", "--format", f"deb-src {trusted}$(REPO_URI) $(RELEASE) $(COMPONENT)",
                     "Created-By: Packages", "Origin: Debian")
    if not sources:
        sys.exit("compat: apt knows no source of Debian's packages here")
    (directory / "sources.list").write_text("\n".join(sorted(set(sources.splitlines()))) + "\n")
    (directory / "lists" / "partial").mkdir(parents=True)
    settings = {"Dir::Etc::SourceList": directory / "sources.list", "Dir::Etc::SourceParts": "-",
                "Dir::State::Lists": directory / "lists", "Dir::Cache": directory,
                "APT::Sandbox::User": output("id", "-un")}
    return ["apt-get", "-q", *(word for name, value in settings.items() for word in ("-o", f"{name}={value}"))]


# ---- one file ----------------------------------------------------------------------------------------------------------

def run_suite(suite, name, port, log, silence_s):
    """Runs one file to its end, or that of its time; the suite's output is in `log`. "" or how it ended."""
    command = ["tclsh", "tests/test_helper.tcl", "--host", "127.0.0.1", "--port", str(port), *OPTIONS, "--timeout", str(silence_s),
               "--single", name]
    with open(log, "wb") as out:
        process = subprocess.Popen(command, cwd=suite, env={**os.environ, "TERM": "dumb", "LC_ALL": "C.UTF-8"},
                                   stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        process.wait(TIME_LIMIT_S)
        text = log.read_text(errors="replace")
        if "[TIMEOUT]" in text:
            return f"no test ended for {silence_s} s"
        return "" if END in text else "the suite gave up"
    except subprocess.TimeoutExpired:
        return f"unfinished after {TIME_LIMIT_S} s"
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)  # its test client, and what that left behind
        except ProcessLookupError:
            pass
        process.wait()


def run_file(suite, name, binary, flags, log, silence_s=SILENCE_S):
    """({test: times passed}, {test: times failed}, "" or how it ended) of one file against a fresh server."""
    server = Server(binary, *flags)
    try:
        how = run_suite(suite, name, server.port, log, silence_s)
        if server.process.poll() is not None:
            how = "the server died"
        text = log.read_text(errors="replace").split(END)[0]
        log.write_text(log.read_text(errors="replace") + "\n---- the server's log ----\n" + server.log())
    finally:
        server.stop()
    return collections.Counter(PASSED.findall(text)), collections.Counter(FAILED.findall(text)), how


class RealServer:
    """What redis-server passes of each file, remembered in the suite's directory."""

    def __init__(self, suite, logs, refresh):
        self.suite, self.logs, self.refresh = suite, logs, refresh
        self.path = suite / "passed.json"
        self.known = json.loads(self.path.read_text()) if self.path.exists() else {}
        if self.known.get("options") != [OPTIONS, REDIS_FLAGS]:
            self.known = {"options": [OPTIONS, REDIS_FLAGS]}

    def passes(self, name):
        if self.refresh or name not in self.known:
            log = self.logs / (name.replace("/", "_") + "_redis.log")
            passed, failed, how = run_file(self.suite, name, str(self.suite / "src" / "redis-server"), REDIS_FLAGS, log)
            if how or failed:
                print(f"      redis-server itself: {name}: {how} {'; '.join(failed)}", flush=True)
            self.known[name] = passed
            self.path.write_text(json.dumps(self.known, indent=1))
        return collections.Counter(self.known[name])


# ---- the table ---------------------------------------------------------------------------------------------------------

def write_table(scores):
    """Puts the scores into docs/compat.md; reasons stay. Files that were not run keep their row."""
    text = TABLE.read_text()
    old = {match[1]: match for match in ROW.finditer(text)}
    rows = []
    for name in FILES:
        if name not in scores:
            rows += [old[name][0]] if name in old else []
            continue
        passed, total = scores[name]
        reason = old[name][2] if name in old and passed < total else ""
        rows.append(f"| `{name}` | {passed} | {total} | {100 * passed / max(total, 1):.0f} % | {reason} |")
        if passed < total and not reason:
            print(f"docs/compat.md: {name} needs a reason")
    cells = [row.split("|") for row in rows]
    sums = [sum(int(row[column]) for row in cells) for column in (2, 3)]
    text = ROWS.sub(lambda _: "\n".join(rows) + "\n", text, count=1)
    text = re.sub(r"^\| \*\*all\*\* .*$", f"| **all** | {sums[0]} | {sums[1]} | {100 * sums[0] / max(sums[1], 1):.0f} % | |", text,
                  flags=re.M)
    TABLE.write_text(text)


# ---- all of it ---------------------------------------------------------------------------------------------------------

def chosen(words):
    for word in words:
        if not any(word in name for name in FILES):
            sys.exit(f"compat: no file '{word}': {' '.join(FILES)}")
    # unit/type/list is no request for list-2
    exact = [name for name in FILES if name in words]
    parts = [word for word in words if word not in FILES]
    return [name for name in FILES if not words or name in exact or any(part in name for part in parts)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", metavar="FILE")
    parser.add_argument("--server", default=os.environ.get("VARVE_SERVER", "build/release/bin/varve-server"))
    parser.add_argument("--write", action="store_true", help="put the scores into docs/compat.md")
    parser.add_argument("--silence", type=int, default=SILENCE_S, metavar="S", help="give a file up after so long without news")
    parser.add_argument("--refresh", action="store_true", help="run the real server, too, whatever is remembered of it")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("compat: terminated"))  # and so stops what it started
    names = chosen(arguments.files)
    suite = fetch_suite(output("dpkg-query", "-W", "-f", "${source:Version}", "redis-tools"))
    lock = open(suite / "lock", "w")  # held to the end: the suite has a port and scratch files of its own
    fcntl.flock(lock, fcntl.LOCK_EX)
    logs = suite / "logs"
    logs.mkdir(exist_ok=True)
    real = RealServer(suite, logs, arguments.refresh)
    scores = {}
    for name in names:
        expected = real.passes(name)
        started = time.monotonic()
        log = logs / (name.replace("/", "_") + ".log")
        passed, _, how = run_file(suite, name, arguments.server, VARVE_FLAGS, log, arguments.silence)
        both, total = sum((passed & expected).values()), sum(expected.values())
        scores[name] = (both, total)
        print(f"{'ok  ' if both == total else 'FAIL'}  {name:26} {both:4} of {total:4} {time.monotonic() - started:7.1f} s  {how}",
              flush=True)
        if arguments.files and both < total:
            print("".join(f"        {test}\n" for test in (expected - passed).elements()) + f"      {log}")
    if arguments.write:
        write_table(scores)
    passed, total = (sum(column) for column in zip(*scores.values()))
    print(f"{passed} passed, {total - passed} failed")
    return 0 if total else 1


if __name__ == "__main__":
    sys.exit(main())
